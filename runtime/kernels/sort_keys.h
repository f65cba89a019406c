// Elements as unsigned integers that sort the same way: NaN counts as the largest, -0 as 0. Strings and complex have none.
#pragma once

#include <cstdint>

#include "memory/tensor.h"

namespace millstream {

// Bytes of a key: 4 or 8; 0 where the element type has no order.
int sort_key_bytes(DType dtype);
// Writes the keys of `count` elements beginning at element `first`, `step` elements apart; all bits turned where descending.
void sort_keys(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, uint32_t* keys);
void sort_keys(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, uint64_t* keys);

}  // namespace millstream
