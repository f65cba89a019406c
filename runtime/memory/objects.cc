// Variables and the helpers that own, size and name tensors.
#include "memory/objects.h"

#include <cstring>

namespace millstream {

size_t held_bytes(const Tensor& tensor) {
  if (tensor.dtype != DType::string) return tensor.bytes();
  const int64_t count = tensor.count();
  const size_t header = static_cast<size_t>(count + 1) * sizeof(int64_t);
  return tensor.data ? header + static_cast<size_t>(tensor.as<int64_t>()[count]) : 0;
}

void allocate_data(Tensor& out) {
  out.buffer = Buffer::allocate(out.bytes());
  out.data = out.buffer->data();
}

Tensor owned(const Tensor& tensor) {
  Tensor out = tensor;
  if (!out.buffer && tensor.data) {
    const size_t bytes = held_bytes(tensor);
    out.buffer = Buffer::allocate(bytes);
    out.data = out.buffer->data();
    std::memcpy(out.data, tensor.data, bytes);
  }
  return out;
}

std::string shape_text(int rank, const int64_t* dims) {
  if (rank < 0) return "<unknown>";
  std::string text = "[";
  for (int i = 0; i < rank; ++i) {
    if (i) text += ',';
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int32:
      return "int32";
    case DType::uint8:
      return "uint8";
    case DType::int16:
      return "int16";
    case DType::int8:
      return "int8";
    case DType::string:
      return "string";
    case DType::complex64:
      return "complex64";
    case DType::int64:
      return "int64";
    case DType::boolean:
      return "bool";
    case DType::qint8:
      return "qint8";
    case DType::quint8:
      return "quint8";
    case DType::qint16:
      return "qint16";
    case DType::quint16:
      return "quint16";
    case DType::qint32:
      return "qint32";
    case DType::bfloat16:
      return "bfloat16";
    case DType::uint16:
      return "uint16";
    case DType::complex128:
      return "complex128";
    case DType::float16:
      return "float16";
    case DType::resource:
      return "resource";
    case DType::variant:
      return "variant";
    case DType::uint32:
      return "uint32";
    case DType::uint64:
      return "uint64";
    case DType::float8_e5m2:
      return "float8_e5m2";
    case DType::float8_e4m3fn:
      return "float8_e4m3fn";
    case DType::float8_e4m3fnuz:
      return "float8_e4m3fnuz";
    case DType::float8_e4m3b11fnuz:
      return "float8_e4m3b11fnuz";
    case DType::float8_e5m2fnuz:
      return "float8_e5m2fnuz";
    case DType::int4:
      return "int4";
    case DType::uint4:
      return "uint4";
    default:
      return "invalid";
  }
}

// What a tensor held before is let go outside the lock: that may call into the host, which may wait for the lock.
Status State::read(Tensor& out) {
  out = Tensor();
  std::lock_guard lock(mutex);
  if (!is_set) {
    return Status(Code::failed_precondition, "The variable '" + name +
                                                 "' was read before it was given a value, or after it was "
                                                 "deleted. Assign to it first.");
  }
  out = value;
  return Status();
}

Status State::write(const Tensor& given) {
  if (given.dtype != dtype) {
    return invalid("The variable '" + name + "' holds " + dtype_name(dtype) + ", given " + dtype_name(given.dtype) +
                   ". Convert the value with tf.cast.");
  }
  bool fits = rank < 0 || rank == given.rank;
  for (int i = 0; fits && i < rank; ++i) fits = dims[i] < 0 || dims[i] == given.dims[i];
  if (!fits) {
    return invalid("The variable '" + name + "' has the shape " + shape_text(rank, dims) + ", given " +
                   shape_text(given.rank, given.dims) + ". Make the variable with shape=None to allow any shape.");
  }
  Tensor next = owned(given);
  std::lock_guard lock(mutex);
  std::swap(value, next);
  is_set = true;
  return Status();
}

Status State::edit(Tensor& out) {
  out = Tensor();
  Ref<Buffer> copy;
  std::lock_guard lock(mutex);
  if (!is_set) {
    return Status(Code::failed_precondition,
                  "The variable '" + name + "' was updated before it was given a value. Assign to it first.");
  }
  if (value.buffer && !(value.buffer->unique() && value.buffer->writable())) {
    copy = Buffer::allocate(held_bytes(value));
    std::memcpy(copy->data(), value.data, held_bytes(value));
    value.data = copy->data();
    std::swap(value.buffer, copy);
  } else if (value.buffer) {
    value.buffer->changing();
  }
  out = value;
  return Status();
}

}  // namespace millstream
