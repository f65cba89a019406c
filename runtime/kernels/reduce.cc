// Kernel `reduce`: sum, product, maximum, minimum, all, any over chosen axes. Refuses strings, 4-bit integers, axes out of range.
//
//   input 0    x: any number type, or boolean for `and` and `or`
//   output 0   the type of x; the kept axes of x in order (sizes 1 in the reduced places are as good)
//   attributes [kind, axis, axis, ...]: kind 1 sum, 2 product, 3 max, 4 min, 5 and, 6 or; axes 0..rank-1, each once
//
// No axes: a copy. An empty reduction gives 0, 1, the lowest, the highest, true, false. NaN wins in max and min. Small
// floats are summed in float32, float32 in pairs and float64: the result is rounded once.
#include <string>

#include "kernels/elementwise_types.h"
#include "kernels/fused.h"

namespace millstream {
namespace {

// The tile program "x, reduced": kept axes, then the reduced ones, then the kept axes behind the last reduced one.
Status program_of(const Call& call, TileProgram& program) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0),
             "reduce: takes one input and gives one output");
  MS_REQUIRE(call.attribute_count >= 1, "reduce: the kind is missing");
  const Tensor& x = call.in(0);
  const int64_t kind = call.attributes[0];
  MS_REQUIRE(kind >= 1 && kind <= 6, "reduce: kind must be 1..6, is " + std::to_string(kind));
  bool reduced[max_rank] = {};
  int last = -1;
  for (int64_t i = 1; i < call.attribute_count; ++i) {
    const int64_t axis = call.attributes[i];
    MS_REQUIRE(axis >= 0 && axis < x.rank,
               "reduce: axis " + std::to_string(axis) + " is not in 0.." + std::to_string(x.rank - 1));
    MS_REQUIRE(!reduced[axis], "reduce: axis " + std::to_string(axis) + " is given twice");
    reduced[axis] = true;
    if (axis > last) last = static_cast<int>(axis);
  }
  int64_t strides[max_rank];
  int64_t step = 1;
  for (int i = x.rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= x.dims[i];
  }
  TileInput input = {x.dtype, 0, {}};
  const auto add = [&](int axis) {
    program.dims[program.rank] = x.dims[axis];
    input.strides[program.rank++] = strides[axis];
  };
  for (int i = 0; i < last; ++i) {
    if (!reduced[i]) add(i);
  }
  program.outer_rank = program.rank;
  for (int i = 0; i <= last; ++i) {
    if (reduced[i]) add(i);
  }
  program.reduced_rank = program.rank - program.outer_rank;
  for (int i = last + 1; i < x.rank; ++i) add(i);
  program.inputs.push_back(input);
  program.outputs.push_back({0, x.dtype, static_cast<ReduceKind>(static_cast<int32_t>(kind))});
  return program.verify();
}

Status check_reduce(const Call& call) {
  TileProgram program;
  MS_RETURN_IF_ERROR(program_of(call, program));
  return program.verify_call(call);
}

std::shared_ptr<const void> prepare_reduce(const Call& call, Status& status) {
  TileProgram program;
  status = program_of(call, program);
  if (!status.ok()) return nullptr;
  return lower(program);
}

Status run_reduce(const Call& call) { return run_tiles(*static_cast<const TilePlan*>(call.prepared), call); }

const Kernel kernel_reduce = {"reduce", check_reduce, run_reduce, prepare_reduce};

}  // namespace

void register_reduce(Registry& registry) { registry.add(kernel_reduce); }

}  // namespace millstream
