// Decodes tile programs and verifies types, sizes and bounds; refuses what fused.h does not state.
#include <string>

#include "kernels/elementwise_types.h"
#include "kernels/fused.h"

namespace millstream {
namespace {

constexpr int64_t head_words = 8;
constexpr int64_t most_inputs = 1024, most_steps = 16384, most_outputs = 1024;
constexpr int64_t most_elements = int64_t{1} << 56;

struct OpFacts {
  const char* name;
  int operands;
  Rule rule;
};

OpFacts facts_of(TileOp op) {
  switch (op) {
#define MS_TILE_FACTS(number, name, operands, rule) \
  case TileOp::name:                                \
    return {#name, operands, Rule::rule};
    MS_TILE_OPS(MS_TILE_FACTS)
#undef MS_TILE_FACTS
    default:
      return {nullptr, -1, Rule::constant};
  }
}

bool is_number(DType type) { return is_integer(type) || is_floating(type) || is_complex(type); }

bool multiply_into(int64_t& total, int64_t by) {
  return !__builtin_mul_overflow(total, by, &total) && total <= most_elements;
}

Status product(const int64_t* dims, int begin, int end, int64_t& total) {
  total = 1;
  bool empty = false;
  for (int i = begin; i < end; ++i) {
    if (dims[i] < 0) return invalid("tile program: a dimension is negative: " + std::to_string(dims[i]));
    if (dims[i] == 0)
      empty = true;
    else if (!multiply_into(total, dims[i]))
      return invalid("tile program: the iteration space is too large");
  }
  if (empty) total = 0;
  return Status();
}

}  // namespace

int operand_count(TileOp op) { return facts_of(op).operands; }

DType step_result(TileOp op, DType dtype, const DType* types) {
  const OpFacts facts = facts_of(op);
  if (facts.name == nullptr) return DType::invalid;
  const DType x = types[0];
  const StepTable& table = step_table();
  const bool exists =
      facts.operands > 0 && table.step(op, register_type(op == TileOp::select ? types[1] : x)) != nullptr;
  const bool alike = facts.rule != Rule::select;
  if (alike && facts.operands >= 2 && types[1] != x) return DType::invalid;
  if (alike && facts.operands == 3 && types[2] != x) return DType::invalid;
  switch (facts.rule) {
    case Rule::constant:
      return element_bytes(dtype) != 0 ? dtype : DType::invalid;
    case Rule::iota:
      return is_number(dtype) ? dtype : DType::invalid;
    case Rule::convert:
      return table.convert(register_type(x), register_type(dtype)) != nullptr ? dtype : DType::invalid;
    case Rule::bitcast:
      return element_bytes(dtype) == element_bytes(x) && element_bytes(x) != 0 ? dtype : DType::invalid;
    case Rule::number:
      return exists && is_number(x) ? x : DType::invalid;
    case Rule::real:
      return exists && (is_integer(x) || is_floating(x)) ? x : DType::invalid;
    case Rule::real_float:
      if (op == TileOp::next_after && is_small_float(x)) return DType::invalid;
      return exists && is_floating(x) ? x : DType::invalid;
    case Rule::any_float:
      return exists && (is_floating(x) || is_complex(x)) ? x : DType::invalid;
    case Rule::integer:
      return exists && is_integer(x) ? x : DType::invalid;
    case Rule::bits:
      return exists && (is_integer(x) || x == DType::boolean) ? x : DType::invalid;
    case Rule::predicate:
      return exists && is_floating(x) ? DType::boolean : DType::invalid;
    case Rule::equality:
      return exists ? DType::boolean : DType::invalid;
    case Rule::order:
      return exists && !is_complex(x) ? DType::boolean : DType::invalid;
    case Rule::part:
      return x == DType::complex64 ? DType::float32 : x == DType::complex128 ? DType::float64 : DType::invalid;
    case Rule::magnitude:
      if (x == DType::complex64) return DType::float32;
      if (x == DType::complex128) return DType::float64;
      return exists && is_number(x) ? x : DType::invalid;
    case Rule::pair:
      return x == DType::float32 ? DType::complex64 : x == DType::float64 ? DType::complex128 : DType::invalid;
    case Rule::select:
      return exists && x == DType::boolean && types[1] == types[2] ? types[1] : DType::invalid;
  }
  return DType::invalid;
}

Status TileProgram::decode(const int64_t* words, int64_t count, bool may_reduce) {
  MS_REQUIRE(count >= head_words && words[0] == 1, "tile program: unknown format; this runtime reads format 1");
  const int64_t input_count = words[2], step_count = words[3], output_count = words[4];
  MS_REQUIRE(words[1] >= 0 && words[1] <= max_rank, "tile program: rank must be 0..12, is " + std::to_string(words[1]));
  MS_REQUIRE(input_count >= 0 && input_count <= most_inputs && step_count >= 0 && step_count <= most_steps &&
                 output_count >= 1 && output_count <= most_outputs,
             "tile program: too many inputs, steps or outputs, or no output");
  rank = static_cast<int>(words[1]);
  MS_REQUIRE(words[5] >= 0 && words[6] >= 0 && words[5] <= rank && words[6] <= rank - words[5],
             "tile program: the reduced dimensions lie outside the iteration space");
  MS_REQUIRE(may_reduce || (words[5] == 0 && words[6] == 0), "fused: reduces nothing; use fused_reduce");
  outer_rank = static_cast<int>(words[5]);
  reduced_rank = static_cast<int>(words[6]);
  MS_REQUIRE(count == head_words + rank + input_count * (2 + rank) + step_count * 5 + output_count * 3,
             "tile program: " + std::to_string(count) + " words do not match the counts in its head");
  const int64_t* at = words + head_words;
  for (int i = 0; i < rank; ++i) dims[i] = *at++;
  inputs.resize(static_cast<size_t>(input_count));
  for (TileInput& input : inputs) {
    input.dtype = static_cast<DType>(static_cast<int32_t>(*at++));
    input.offset = *at++;
    for (int i = 0; i < rank; ++i) input.strides[i] = *at++;
  }
  steps.resize(static_cast<size_t>(step_count));
  for (TileStep& step : steps) {
    step.op = static_cast<TileOp>(static_cast<int32_t>(at[0]));
    step.dtype = static_cast<DType>(static_cast<int32_t>(at[1]));
    for (int i = 0; i < 3; ++i) step.operands[i] = at[2 + i];
    at += 5;
  }
  outputs.resize(static_cast<size_t>(output_count));
  for (TileOutput& output : outputs) {
    MS_REQUIRE(at[0] >= 0 && at[0] < input_count + step_count,
               "tile program: an output names a value that does not exist");
    MS_REQUIRE(at[2] >= 0 && at[2] <= 6, "tile program: unknown kind of output: " + std::to_string(at[2]));
    output = {static_cast<int>(at[0]), static_cast<DType>(static_cast<int32_t>(at[1])),
              static_cast<ReduceKind>(static_cast<int32_t>(at[2]))};
    MS_REQUIRE(may_reduce || output.kind == ReduceKind::store, "fused: reduces nothing; use fused_reduce");
    at += 3;
  }
  return verify();
}

Status TileProgram::verify() {
  int64_t total_count, part;
  MS_RETURN_IF_ERROR(product(dims, 0, rank, total_count));
  MS_RETURN_IF_ERROR(product(dims, outer_rank, outer_rank + reduced_rank, part));
  MS_RETURN_IF_ERROR(product(dims, 0, outer_rank, part));
  MS_RETURN_IF_ERROR(product(dims, outer_rank + reduced_rank, rank, part));
  value_types.clear();
  for (const TileInput& input : inputs) {
    MS_REQUIRE(
        element_bytes(input.dtype) != 0,
        "tile program: inputs of element type " + std::to_string(static_cast<int>(input.dtype)) + " are not supported");
    value_types.push_back(input.dtype);
  }
  for (size_t k = 0; k < steps.size(); ++k) {
    const TileStep& step = steps[k];
    const OpFacts facts = facts_of(step.op);
    MS_REQUIRE(facts.name != nullptr, "tile program: unknown step " + std::to_string(static_cast<int>(step.op)));
    DType types[3] = {};
    for (int i = 0; i < facts.operands; ++i) {
      MS_REQUIRE(step.operands[i] >= 0 && step.operands[i] < static_cast<int64_t>(value_types.size()),
                 std::string("tile program: ") + facts.name + " reads a value that is not computed before it");
      types[i] = value_types[static_cast<size_t>(step.operands[i])];
    }
    if (step.op == TileOp::iota) {
      MS_REQUIRE(step.operands[0] >= 0 && step.operands[0] < rank, "tile program: iota's axis must lie below the rank");
    }
    const DType result = step_result(step.op, step.dtype, types);
    MS_REQUIRE(result != DType::invalid && result == step.dtype,
               std::string("tile program: ") + facts.name + " takes no operands of element types " +
                   std::to_string(static_cast<int>(types[0])) + ", " + std::to_string(static_cast<int>(types[1])) +
                   " with result " + std::to_string(static_cast<int>(step.dtype)));
    value_types.push_back(result);
  }
  for (const TileOutput& output : outputs) {
    const DType type = value_types[static_cast<size_t>(output.value)];
    MS_REQUIRE(type == output.dtype, "tile program: an output's element type must be that of its value; add a convert");
    MS_REQUIRE(output.kind == ReduceKind::store || row_reduction(output.kind, register_type(type)) != nullptr,
               "tile program: element type " + std::to_string(static_cast<int>(type)) + " has no reduction of kind " +
                   std::to_string(static_cast<int>(output.kind)));
    MS_REQUIRE(output.kind == ReduceKind::store || (type != DType::int4 && type != DType::uint4),
               "tile program: 4-bit integers are not reduced; convert to int8 first");
  }
  return Status();
}

int64_t TileProgram::total() const {
  int64_t n = 1;
  for (int i = 0; i < rank; ++i) n *= dims[i];
  return n;
}

int64_t TileProgram::kept() const {
  int64_t n = 1;
  for (int i = 0; i < rank; ++i) {
    if (i < outer_rank || i >= outer_rank + reduced_rank) n *= dims[i];
  }
  return n;
}

Status TileProgram::verify_call(const Call& call) const {
  MS_REQUIRE(
      call.input_count == static_cast<int>(inputs.size()) && call.output_count == static_cast<int>(outputs.size()),
      "tile program: takes " + std::to_string(inputs.size()) + " inputs and " + std::to_string(outputs.size()) +
          " outputs, given " + std::to_string(call.input_count) + " and " + std::to_string(call.output_count));
  const bool empty = total() == 0;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const TileInput& input = inputs[k];
    MS_REQUIRE(call.has(static_cast<int>(k)), "tile program: input " + std::to_string(k) + " is absent");
    const Tensor& tensor = call.in(static_cast<int>(k));
    MS_REQUIRE(tensor.dtype == input.dtype, "tile program: input " + std::to_string(k) + " has another element type");
    if (empty) continue;
    int64_t lowest = input.offset, highest = input.offset;
    bool fits = true;
    for (int i = 0; i < rank; ++i) {
      int64_t reach;
      fits = fits && !__builtin_mul_overflow(dims[i] - 1, input.strides[i], &reach);
      if (!fits) break;
      int64_t& end = reach < 0 ? lowest : highest;
      fits = !__builtin_add_overflow(end, reach, &end);
    }
    MS_REQUIRE(fits && lowest >= 0 && highest < tensor.count(), "tile program: input " + std::to_string(k) +
                                                                    " would be read outside its " +
                                                                    std::to_string(tensor.count()) + " elements");
  }
  for (size_t k = 0; k < outputs.size(); ++k) {
    const Tensor& tensor = call.out(static_cast<int>(k));
    MS_REQUIRE(tensor.dtype == outputs[k].dtype,
               "tile program: output " + std::to_string(k) + " has another element type");
    const int64_t want = outputs[k].kind == ReduceKind::store ? total() : kept();
    MS_REQUIRE(tensor.count() == want, "tile program: output " + std::to_string(k) + " must have " +
                                           std::to_string(want) + " elements, has " + std::to_string(tensor.count()));
  }
  return Status();
}

}  // namespace millstream
