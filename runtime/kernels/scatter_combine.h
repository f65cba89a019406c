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

// For each row r < rows, in order, where targets[r] >= 0: to[targets[r] + i] = to[targets[r] + i] (kind) from[r * row_step + i] for
// begin <= i < end; where `one` is set, from[r * row_step] stands for all i.
struct CombineRows {
  void* to;
  const int64_t* targets;
  int64_t rows;
  const void* from;
  int64_t row_step;
  bool one;
};
using CombineRun = void (*)(const CombineRows& work, int64_t begin, int64_t end);

// nullptr where the element type does not have the kind (no order on complex numbers, no arithmetic on booleans but
// maximum, minimum and the bit kinds). `set` is the caller's: a copy.
CombineRun combine_run(Combine kind, DType dtype);
// The identity of add, multiply, maximum, minimum, into `value` (16 bytes); false where there is none.
bool combine_identity(Combine kind, DType dtype, void* value);

}  // namespace millstream
