// How scattered or segmented values are combined: a kind and an element type become one loop over a run of elements.
#pragma once

#include <cstdint>

#include "memory/dtype.h"

namespace millstream {

// The numbers are part of the plan format.
enum class Combine : int64_t {
  set = 0,
  add = 1,
  subtract = 2,
  maximum = 3,
  minimum = 4,
  multiply = 5,
  divide = 6,
  bit_and = 7,
  bit_or = 8
};
constexpr int64_t combine_count = 9;

// to[i] = to[i] (kind) from[i * step] for i < count; step 0 repeats one value. `to` has counts for means elsewhere.
using CombineRun = void (*)(void* to, const void* from, int64_t count, int64_t step);

// nullptr where the element type does not have the kind (no order on complex numbers, no arithmetic on booleans but
// maximum, minimum and the bit kinds). `set` is the caller's: a copy.
CombineRun combine_run(Combine kind, DType dtype);
// The identity of add, multiply, maximum, minimum, into `value` (16 bytes); false where there is none.
bool combine_identity(Combine kind, DType dtype, void* value);

}  // namespace millstream
