// Tile programs: one instruction that runs a chain of elementwise primitives over an iteration space, tile by tile, the
// values of a tile staying in the L1 cache. Refuses programs that are not well typed or that would read out of bounds.
//
// Kernels
//   fused         inputs: those of the program; outputs: those of the program, all dense in iteration order.
//   fused_reduce  the same, and outputs may be reduced over a range of the iteration dimensions.
// Both are claimed for: boolean, (u)int4..64, float16, bfloat16, float8_*, float32, float64, complex64, complex128.
//
// Attribute words (written by millstream/backends/cpu/tile_program.py)
//   0  format, 1
//   1  rank of the iteration space, 0..12
//   2  number of inputs      3  number of steps      4  number of outputs
//   5  outer rank, 6 reduced rank: iteration dimensions [outer, outer + reduced) are reduced (fused: both 0)
//   7  0
//   8..                dims[rank]: size operands
//   for each input:    dtype, offset, strides[rank]   elements; 0 broadcasts; may be negative; size operands
//   for each step:     op, dtype, a, b, c             op: fused_ops.h; dtype: the step's result
//   for each output:   value, dtype, kind             kind: 0 store, 1 sum, 2 product, 3 max, 4 min, 5 and, 6 or
// Values are numbered: the inputs first, then one per step. a, b, c are values, except
//   constant: a, b = the low and high 64 bits of the element's bytes;  iota: a = axis.
// `store` outputs have as many elements as the iteration space; reduced ones as many as its kept dimensions, in order.
// The dtype of an output must be the type of its value.
//
// Small floats are computed in float32 and rounded after every step, so that a chain equals its parts bit for bit; sums
// of them are rounded once, at the end. An output may share its bytes with an input of as many bytes an element that is read
// densely in iteration order. Integer division by zero and integers to negative powers are INVALID_ARGUMENT.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/elementwise_functions.h"
#include "kernels/fused_ops.h"
#include "kernels/kernel.h"

namespace millstream {

enum class ReduceKind : int32_t { store = 0, sum = 1, product = 2, max = 3, min = 4, all = 5, any = 6 };

struct TileInput {
  DType dtype;
  int64_t offset;
  int64_t strides[max_rank];
};
struct TileStep {
  TileOp op;
  DType dtype;
  int64_t operands[3];
};
struct TileOutput {
  int value;
  DType dtype;
  ReduceKind kind;
};

// A decoded and verified program.
struct TileProgram {
  int rank = 0;
  int outer_rank = 0;
  int reduced_rank = 0;
  int64_t dims[max_rank] = {};
  std::vector<TileInput> inputs;
  std::vector<TileStep> steps;
  std::vector<TileOutput> outputs;

  Status decode(const int64_t* words, int64_t count, bool may_reduce);
  Status verify();                             // types and sizes; fills value_types
  Status verify_call(const Call& call) const;  // tensors hold what is read and written

  int64_t total() const;
  int64_t kept() const;
  std::vector<DType> value_types;
};

// The element type of a step's result, or DType::invalid where the operands do not fit.
DType step_result(TileOp op, DType dtype, const DType* operands);
int operand_count(TileOp op);  // -1: no such op in plans

class TilePlan;  // a program lowered for its sizes; fused_plan.h
std::shared_ptr<const TilePlan> lower(const TileProgram& program);
Status run_tiles(const TilePlan& plan, const Call& call);

// fill(n, to, kind): n elements of the value that changes nothing under `kind`.
void fill_identity(ReduceKind kind, DType register_dtype, int64_t n, void* to);
// Sum, product … of each of `rows` rows of `length` elements, for register types.
using RowFunction = void (*)(int64_t rows, int64_t length, void* d, const void* a);
RowFunction row_reduction(ReduceKind kind, DType register_dtype);  // nullptr: not for this type
TileOp combining_op(ReduceKind kind);

}  // namespace millstream
