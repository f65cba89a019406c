// DLPack both ways, without a copy: tensors to capsules, and capsules of anything on the CPU to tensors.
#include "bindings/python.h"

namespace millstream::python {
namespace {

// DLPack 0.8's structures, as published.
struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};

constexpr int cpu_device = 1;
enum : uint8_t { code_int = 0, code_uint = 1, code_float = 2, code_bfloat = 4, code_complex = 5, code_bool = 6 };

struct Pair {
  DType dtype;
  DLDataType type;
};
constexpr Pair pairs[] = {
    {DType::boolean, {code_bool, 8, 1}},         {DType::int8, {code_int, 8, 1}},
    {DType::int16, {code_int, 16, 1}},           {DType::int32, {code_int, 32, 1}},
    {DType::int64, {code_int, 64, 1}},           {DType::uint8, {code_uint, 8, 1}},
    {DType::uint16, {code_uint, 16, 1}},         {DType::uint32, {code_uint, 32, 1}},
    {DType::uint64, {code_uint, 64, 1}},         {DType::float16, {code_float, 16, 1}},
    {DType::float32, {code_float, 32, 1}},       {DType::float64, {code_float, 64, 1}},
    {DType::bfloat16, {code_bfloat, 16, 1}},     {DType::complex64, {code_complex, 64, 1}},
    {DType::complex128, {code_complex, 128, 1}},
};

struct Export {
  DLManagedTensor managed;
  Tensor tensor;
  int64_t shape[max_rank], strides[max_rank];
};

void free_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, "dltensor")) return;  // taken over by whoever read it
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  managed->deleter(managed);
}

PyObject* to_dlpack(PyObject*, PyObject* given) {
  if (!is_tensor(given))
    return PyErr_Format(PyExc_TypeError, "to_dlpack takes a tensor, given %s.", Py_TYPE(given)->tp_name);
  const Tensor& tensor = tensor_of(given);
  for (const Pair& pair : pairs) {
    if (pair.dtype != tensor.dtype) continue;
    auto* made = new Export;
    made->tensor = tensor;
    if (tensor.buffer) tensor.buffer->expose();
    int64_t stride = 1;
    for (int axis = tensor.rank - 1; axis >= 0; --axis) {
      made->shape[axis] = tensor.dims[axis];
      made->strides[axis] = stride;
      stride *= tensor.dims[axis];
    }
    made->managed.tensor = {tensor.data, {cpu_device, 0}, tensor.rank, pair.type, made->shape, made->strides, 0};
    made->managed.context = made;
    made->managed.deleter = [](DLManagedTensor* managed) { delete static_cast<Export*>(managed->context); };
    PyObject* capsule = PyCapsule_New(&made->managed, "dltensor", free_capsule);
    if (!capsule) delete made;
    return capsule;
  }
  return PyErr_Format(PyExc_BufferError, "DLPack has no %s.", dtype_name(tensor.dtype));
}

// Copies what is laid out otherwise than row by row.
void copy_strided(char* to, const char* from, const DLTensor& source, size_t size, int axis) {
  if (axis == source.ndim) {
    std::memcpy(to, from, size);
    return;
  }
  size_t below = size;
  for (int i = axis + 1; i < source.ndim; ++i) below *= static_cast<size_t>(source.shape[i]);
  for (int64_t i = 0; i < source.shape[axis]; ++i) {
    copy_strided(to + static_cast<size_t>(i) * below, from + i * source.strides[axis] * static_cast<int64_t>(size),
                 source, size, axis + 1);
  }
}

PyObject* from_dlpack(PyObject*, PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, "dltensor")) {
    return PyErr_Format(PyExc_ValueError, "from_dlpack takes a capsule 'dltensor' that nobody has read yet.");
  }
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  const DLTensor& source = managed->tensor;
  if (source.device.type != cpu_device)
    return PyErr_Format(PyExc_BufferError, "Only tensors on the CPU are read, given device %d.", source.device.type);
  Tensor tensor;
  for (const Pair& pair : pairs) {
    if (pair.type.code == source.dtype.code && pair.type.bits == source.dtype.bits && source.dtype.lanes == 1)
      tensor.dtype = pair.dtype;
  }
  if (tensor.dtype == DType::invalid) {
    return PyErr_Format(PyExc_BufferError, "No element type for DLPack's code %d of %d bits.", source.dtype.code,
                        source.dtype.bits);
  }
  if (source.ndim < 0 || source.ndim > max_rank)
    return PyErr_Format(PyExc_BufferError, "A tensor has at most %d dimensions.", max_rank);
  tensor.rank = source.ndim;
  for (int i = 0; i < source.ndim; ++i) tensor.dims[i] = source.shape[i];
  int64_t count, bytes;
  const Status status = literal_count(tensor.dtype, tensor.rank, tensor.dims, count, bytes);
  if (!status.ok()) return raise_status(status);
  bool dense = true;
  int64_t stride = 1;
  for (int axis = source.ndim - 1; source.strides && axis >= 0; --axis) {
    dense &= source.shape[axis] == 1 || source.strides[axis] == stride;
    stride *= source.shape[axis];
  }
  char* data = static_cast<char*>(source.data) + source.byte_offset;
  const size_t size = element_bytes(tensor.dtype);
  const bool aligned = reinterpret_cast<uintptr_t>(data) % (size < 8 ? size : 8) == 0;
  if ((dense || count == 0) && aligned) {
    tensor.data = data;
    tensor.buffer = Buffer::wrap(
        data, static_cast<size_t>(bytes),
        [](void*, void* context) {
          auto* held = static_cast<DLManagedTensor*>(context);
          const PyGILState_STATE gil = PyGILState_Ensure();
          if (held->deleter) held->deleter(held);
          PyGILState_Release(gil);
        },
        managed, false);
    PyCapsule_SetName(capsule, "used_dltensor");
  } else {
    allocate_data(tensor);
    if (dense) {
      std::memcpy(tensor.data, data, static_cast<size_t>(bytes));
    } else {
      copy_strided(tensor.as<char>(), data, source, size, 0);
    }
  }
  return wrap(std::move(tensor));
}

}  // namespace

PyMethodDef dlpack_functions[] = {{"to_dlpack", to_dlpack, METH_O, "A DLPack capsule of the tensor's bytes."},
                                  {"from_dlpack", from_dlpack, METH_O, "A tensor of a DLPack capsule's bytes."},
                                  {nullptr, nullptr, 0, nullptr}};

}  // namespace millstream::python
