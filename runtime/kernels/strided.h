// Copies between two layouts of the same elements: what transpose, slice, broadcast, reverse, pad and concatenate are made of.
#pragma once

#include <cstdint>

#include "memory/tensor.h"

namespace millstream {

// to[i · to_bytes] = from[i · from_bytes] for every index i below `sizes`. Strides are in bytes; those of `from` may be 0
// or negative. The two must not overlap. Works on several threads where that pays.
struct StridedCopy {
  int rank = 0;
  int64_t width = 1;  // bytes of an element: any number
  int64_t sizes[max_rank] = {};
  int64_t to_bytes[max_rank] = {};
  int64_t from_bytes[max_rank] = {};
};

void copy_strided(char* to, const char* from, const StridedCopy& copy);
// Row-major strides in bytes.
void dense_strides(const int64_t* dims, int rank, int64_t width, int64_t* strides);
// memcpy on several threads.
void copy_bytes(char* to, const char* from, int64_t bytes);
// `count` elements of `width` bytes, each a copy of `value`.
void fill_elements(char* to, int64_t count, const char* value, int64_t width);

}  // namespace millstream
