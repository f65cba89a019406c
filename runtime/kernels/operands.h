// What the data-moving kernels share: checks of operands and attribute words, index reading, messages. Refuses what
// cannot be addressed: ranks over 12, negative sizes, sizes whose bytes do not fit in 62 bits.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernel.h"

namespace millstream {

// Bytes that moving kernels carry for one element; strings count as 8 (an index into the source), handles as 0.
size_t moved_bytes(DType dtype);
std::string show(const Tensor& tensor);                // "float32[2,3]"
std::string show_dims(const int64_t* dims, int rank);  // "[2,3]"
// "[1,0]" for element 2 of sizes [2,2]; "" for a scalar: TensorFlow's SliceDebugString.
std::string show_position(const int64_t* dims, int rank, int64_t position);

// Counts of inputs and outputs, all present, and every tensor addressable.
Status check_operands(const Call& call, const char* name, int inputs, int outputs);
Status check_tensor(const Tensor& tensor, const char* name);
Status check_attributes(const Call& call, const char* name, int64_t count);
bool is_index(DType dtype);  // int16, int32, int64
bool same_dims(const Tensor& a, const Tensor& b);
// `call.attributes[first + i]` for i < count are different axes below rank.
bool distinct_axes(const int64_t* axes, int64_t count, int rank);

// The index at `position`, whatever its type. One read: the value that is checked is the value that is used.
inline int64_t index_at(const Tensor& indices, int64_t position) {
  switch (indices.dtype) {
    case DType::int16:
      return indices.as<const volatile int16_t>()[position];
    case DType::int32:
      return indices.as<const volatile int32_t>()[position];
    default:
      return indices.as<const volatile int64_t>()[position];
  }
}

int64_t product(const int64_t* dims, int begin, int end);
Status out_of_memory(const char* name, const Tensor& wanted);

}  // namespace millstream
