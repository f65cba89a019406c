// Rows of float32, float64, half or bfloat16 tensors as float32 or float64, and the checks the row-wise kernels share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/elementwise_functions.h"
#include "kernels/elementwise_types.h"
#include "kernels/kernel.h"

namespace millstream {

inline bool is_row_type(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::float16 || dtype == DType::bfloat16;
}
// The type of statistics (means, losses' insides) of a tensor: float32 also for half and bfloat16.
inline DType statistic_type(DType dtype) { return dtype == DType::float64 ? DType::float64 : DType::float32; }

template <typename T>
constexpr DType computed_as = sizeof(T) == 8 ? DType::float64 : DType::float32;

// Elements [at, at + n) of a tensor as T: where they lie, or converted into `buffer`.
template <typename T>
const T* read_row(const Tensor& tensor, int64_t at, int64_t n, T* buffer) {
  if (tensor.dtype == computed_as<T>) return tensor.as<T>() + at;
  const char* from = static_cast<const char*>(tensor.data) + at * static_cast<int64_t>(element_bytes(tensor.dtype));
  step_table().load(tensor.dtype)(n, buffer, from, nullptr, nullptr);
  return buffer;
}
// Where to compute elements [at, ...) of an output; `finish_row` brings them there.
template <typename T>
T* place_row(const Tensor& tensor, int64_t at, T* buffer) {
  return tensor.dtype == computed_as<T> ? tensor.as<T>() + at : buffer;
}
template <typename T>
void finish_row(const Tensor& tensor, int64_t at, int64_t n, const T* row) {
  if (tensor.dtype == computed_as<T>) return;
  char* to = static_cast<char*>(tensor.data) + at * static_cast<int64_t>(element_bytes(tensor.dtype));
  step_table().store(tensor.dtype)(n, to, row, nullptr, nullptr);
}

struct Rows {
  int64_t count = 1, length = 1;
};
inline Rows rows_of_tensor(const Tensor& x) {
  Rows rows;
  for (int i = 0; i + 1 < x.rank; ++i) rows.count *= x.dims[i];
  rows.length = x.rank > 0 ? x.dims[x.rank - 1] : 1;
  return rows;
}
inline int64_t row_grain(int64_t length, int64_t cost) {
  return std::max<int64_t>(1, 49152 / std::max<int64_t>(1, length * cost));
}

inline bool same_sizes(const Tensor& x, const Tensor& y) {
  return x.rank == y.rank && std::equal(x.dims, x.dims + x.rank, y.dims);
}
// `what` of `kernel` must be like x.
inline Status require_like(const Tensor& tensor, const Tensor& x, const char* kernel, const char* what) {
  if (tensor.dtype == x.dtype && same_sizes(tensor, x)) return Status();
  return invalid(std::string(kernel) + ": " + what + " must have the element type and sizes of the first input");
}
inline Status require_vector(const Tensor& tensor, DType dtype, int64_t n, const char* kernel, const char* what) {
  if (tensor.dtype == dtype && tensor.count() == n) return Status();
  return invalid(std::string(kernel) + ": " + what + " must have " + std::to_string(n) + " elements of type " +
                 std::to_string(static_cast<int>(dtype)));
}
inline Status require_counts(const Call& call, const char* kernel, int inputs, int least_outputs, int most_outputs,
                             int64_t attributes) {
  bool present = call.input_count == inputs && call.output_count >= least_outputs &&
                 call.output_count <= most_outputs && call.attribute_count == attributes;
  for (int i = 0; present && i < call.output_count; ++i) present = call.outputs[i] != nullptr;
  if (present) return Status();
  return invalid(std::string(kernel) + ": takes " + std::to_string(inputs) + " inputs, " +
                 std::to_string(least_outputs) + ".." + std::to_string(most_outputs) + " outputs and " +
                 std::to_string(attributes) + " attributes");
}
inline Status require_rows(const Call& call, const char* kernel) {
  if (!call.has(0)) return invalid(std::string(kernel) + ": the first input is absent");
  if (!is_row_type(call.in(0).dtype)) {
    return invalid(std::string(kernel) + ": takes float32, float64, float16 and bfloat16, given element type " +
                   std::to_string(static_cast<int>(call.in(0).dtype)));
  }
  if (call.in(0).rank < 1) return invalid(std::string(kernel) + ": needs at least one dimension");
  return Status();
}

}  // namespace millstream
