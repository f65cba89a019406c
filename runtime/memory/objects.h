// What resource and variant tensors refer to: variables, tensor lists, host objects.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "memory/tensor.h"
#include "program/status.h"

namespace millstream {

// A variable. Its sizes may be open (`rank` -1, or -1 in `dims`); `value` has those of what it holds now.
class State final : public Object {
 public:
  State() : Object(ObjectKind::state) {}
  std::mutex mutex;  // guards value and is_set; taken for moments only
  DType dtype = DType::invalid;
  int32_t rank = -1;
  int64_t dims[max_rank] = {};
  std::string name;
  bool is_set = false;
  Tensor value;

  Status read(Tensor& out);                 // shares the bytes
  Status write(const Tensor& value_given);  // shares the bytes where they are counted, else copies
  Status edit(Tensor& out);                 // bytes nobody else holds
};

// TensorFlow's TensorList. Changed in place by whoever holds the only reference. An element nobody set has dtype invalid.
class List final : public Object {
 public:
  List() : Object(ObjectKind::list) {}
  DType dtype = DType::invalid;
  int32_t rank = -1;  // -1: unknown; element sizes, -1 where open
  int64_t dims[max_rank] = {};
  int64_t max_elements = -1;
  std::vector<Tensor> elements;
};

// Something of the host's. `call` answers host_call.
class Host : public Object {
 public:
  Host() : Object(ObjectKind::host) {}
  virtual Status call(const Tensor* const* inputs, int input_count, Tensor* const* outputs, int output_count) = 0;
};

// A tensor that owns what it refers to: shares a counted buffer, copies borrowed bytes.
Tensor owned(const Tensor& tensor);
// Bytes that `tensor.data` points to: for strings offsets and text.
size_t held_bytes(const Tensor& tensor);
// Gives `out` its own bytes for its dtype and sizes.
void allocate_data(Tensor& out);
std::string shape_text(int rank, const int64_t* dims);  // "[2,?,3]"; "<unknown>" for rank -1
const char* dtype_name(DType dtype);

template <typename T>
T* object_as(const Tensor& tensor, ObjectKind kind) {
  return tensor.object && tensor.object->kind() == kind ? static_cast<T*>(tensor.object.get()) : nullptr;
}

}  // namespace millstream
