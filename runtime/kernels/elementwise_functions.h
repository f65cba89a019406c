// What one step of a tile program calls: a loop over a tile. The table is made once per instruction set.
#pragma once

#include <cstdint>

#include "kernels/fused_ops.h"
#include "memory/dtype.h"

namespace millstream {

// Computes d[i] from a[i], b[i], c[i] for i < n; d may be the same address as an operand of the same width, and may not
// overlap one otherwise. Returns 0, or the failure of some element: 1 integer division by zero, 2 integer to a negative power.
using StepFunction = int (*)(int64_t n, void* d, const void* a, const void* b, const void* c);

enum StepFailure : int { step_division_by_zero = 1, step_negative_power = 2 };

struct StepTable {
  // `type` is the register type of the first operand (of x for select). nullptr: there is no such step.
  StepFunction (*step)(TileOp op, DType type);
  StepFunction (*convert)(DType from_register, DType to_register);
  // Rounds registers to what the element type can hold; nullptr where the register type is the element type.
  StepFunction (*round)(DType element);
  // Memory to register and back, for types whose register type is another; nullptr where bytes are simply copied.
  StepFunction (*load)(DType element);
  StepFunction (*store)(DType element);
};

const StepTable& step_table();  // for this processor

// Slow and rare functions, one copy for all instruction sets.
StepFunction special_step(TileOp op, DType type);
StepFunction rare_step(TileOp op, DType type);  // float32 and float64 only

}  // namespace millstream
