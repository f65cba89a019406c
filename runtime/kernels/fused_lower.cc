// Lowers a verified tile program: merges dimensions, joins pairs of steps, gives values registers. Refuses nothing.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "kernels/elementwise_types.h"
#include "kernels/fused_plan.h"

namespace millstream {
namespace {

constexpr int64_t largest_tile = 1024, smallest_tile = 128;
constexpr int64_t tile_budget_bytes = 28 << 10;  // what a tile's registers may take of the L1 cache

// Steps whose result small floats and 4-bit integers hold exactly if they hold the operands.
bool is_exact(TileOp op) {
  switch (op) {
    case TileOp::abs:
    case TileOp::sign:
    case TileOp::floor:
    case TileOp::ceil:
    case TileOp::round_even:
    case TileOp::maximum:
    case TileOp::minimum:
    case TileOp::select:
    case TileOp::conj:
      return true;
    default:
      return false;
  }
}

int64_t cost_of(TileOp op, DType type) {
  const int64_t wide = type == DType::float32 || is_small_float(type) ? 1 : 4;
  switch (op) {
    case TileOp::exp:
    case TileOp::log:
    case TileOp::tanh:
    case TileOp::logistic:
    case TileOp::erf:
    case TileOp::expm1:
    case TileOp::log1p:
    case TileOp::sin:
    case TileOp::cos:
      return 6 * wide;
    case TileOp::power:
      return 20 * wide;
    case TileOp::sqrt:
    case TileOp::rsqrt:
    case TileOp::divide:
      return 2 * wide;
    case TileOp::remainder:
      return 10;
    default:
      return special_step(op, register_type(type)) != nullptr ? 40 : 1;
  }
}

class Lowering {
 public:
  explicit Lowering(const TileProgram& source) : program_(source), plan_(std::make_shared<TilePlan>()) {}

  std::shared_ptr<const TilePlan> lower() {
    plan_->value_count = static_cast<int>(program_.value_types.size());
    simplify_steps();
    find_uses();
    join_steps();
    make_readers();
    collapse();
    classify_readers();
    emit();
    make_results();
    assign_registers();
    fill_constants();
    return plan_;
  }

 private:
  int input_count() const { return static_cast<int>(program_.inputs.size()); }
  int step_value(size_t k) const { return input_count() + static_cast<int>(k); }
  DType type_of(int value) const { return program_.value_types[static_cast<size_t>(value)]; }
  const TileStep* step_of(int value) const {
    return value < input_count() ? nullptr : &steps_[static_cast<size_t>(value - input_count())];
  }

  // Squares are products: the same number, twenty times faster.
  void simplify_steps() {
    steps_ = program_.steps;
    for (TileStep& step : steps_) {
      if (step.op != TileOp::power) continue;
      const TileStep* exponent = step_of(static_cast<int>(step.operands[1]));
      if (exponent == nullptr || exponent->op != TileOp::constant) continue;
      const bool two =
          (step.dtype == DType::float32 && static_cast<uint32_t>(exponent->operands[0]) == bits_of_float(2)) ||
          (step.dtype == DType::float64 && exponent->operands[0] == 0x4000000000000000);
      if (two) step = {TileOp::multiply, step.dtype, {step.operands[0], step.operands[0], 0}};
    }
  }

  // Counts how often each value is needed, from the outputs back: what nobody needs is not computed.
  void find_uses() {
    uses_.assign(static_cast<size_t>(plan_->value_count), 0);
    for (const TileOutput& output : program_.outputs) ++uses_[static_cast<size_t>(output.value)];
    for (size_t k = steps_.size(); k-- > 0;) {
      if (uses_[static_cast<size_t>(step_value(k))] == 0) continue;
      const TileStep& step = steps_[k];
      for (int i = 0; i < operand_count(step.op); ++i) ++uses_[static_cast<size_t>(step.operands[i])];
    }
  }

  bool same_value(int64_t left, int64_t right) const {
    if (left == right) return true;
    const TileStep* x = step_of(static_cast<int>(left));
    const TileStep* y = step_of(static_cast<int>(right));
    return x != nullptr && y != nullptr && x->op == TileOp::constant && y->op == TileOp::constant &&
           x->dtype == y->dtype && x->operands[0] == y->operands[0] && x->operands[1] == y->operands[1];
  }

  // The step that makes `value`, if it can be done inside its only user.
  const TileStep* joinable(int64_t value, TileOp op) const {
    const TileStep* step = step_of(static_cast<int>(value));
    return step != nullptr && step->op == op && uses_[static_cast<size_t>(value)] == 1 ? step : nullptr;
  }

  void join(size_t k, TileOp op, int64_t inner, int64_t a, int64_t b, int64_t c) {
    steps_[k] = {op, program_.steps[k].dtype, {a, b, c}};
    joined_[static_cast<size_t>(inner - input_count())] = true;
  }

  // Two steps in one pass over the tile save a store and a load; each still rounds on its own.
  void join_steps() {
    joined_.assign(steps_.size(), false);
    for (size_t k = 0; k < steps_.size(); ++k) {
      const TileStep step = steps_[k];
      // A step that nobody needs is not done, so nothing may be left to it.
      if (uses_[static_cast<size_t>(step_value(k))] == 0) continue;
      if (step.dtype != DType::float32 && step.dtype != DType::float64) continue;
      const int64_t x = step.operands[0], y = step.operands[1], z = step.operands[2];
      if (step.op == TileOp::add) {
        if (const TileStep* product = joinable(x, TileOp::multiply)) {
          join(k, TileOp::multiply_add, x, product->operands[0], product->operands[1], y);
        } else if (const TileStep* other = joinable(y, TileOp::multiply)) {
          join(k, TileOp::multiply_add, y, other->operands[0], other->operands[1], x);
        }
      } else if (step.op == TileOp::subtract) {
        if (const TileStep* product = joinable(x, TileOp::multiply)) {
          join(k, TileOp::multiply_subtract, x, product->operands[0], product->operands[1], y);
        } else if (const TileStep* other = joinable(y, TileOp::multiply)) {
          join(k, TileOp::subtract_product, y, other->operands[0], other->operands[1], x);
        }
      } else if (step.op == TileOp::multiply) {
        for (const int side : {0, 1}) {
          const int64_t value = step.operands[side], rest = step.operands[1 - side];
          if (const TileStep* difference = joinable(value, TileOp::subtract)) {
            join(k, TileOp::subtract_multiply, value, difference->operands[0], difference->operands[1], rest);
            break;
          }
          if (const TileStep* sum = joinable(value, TileOp::add)) {
            join(k, TileOp::add_multiply, value, sum->operands[0], sum->operands[1], rest);
            break;
          }
        }
      } else if (step.op == TileOp::select && step.dtype == DType::float32) {
        const TileStep* comparison = joinable(x, TileOp::compare_gt);
        if (comparison != nullptr && type_of(static_cast<int>(comparison->operands[0])) == DType::float32 &&
            same_value(comparison->operands[1], z)) {
          join(k, TileOp::relu_like, x, comparison->operands[0], comparison->operands[1], y);
        }
      }
    }
  }

  void make_readers() {
    reader_of_.assign(static_cast<size_t>(plan_->value_count), -1);
    for (int k = 0; k < input_count(); ++k) {
      const TileInput& input = program_.inputs[static_cast<size_t>(k)];
      TileReader reader;
      reader.input = k;
      reader.value = k;
      reader.offset = input.offset;
      std::copy(input.strides, input.strides + program_.rank, reader.strides);
      reader.bytes = static_cast<int>(element_bytes(input.dtype));
      reader.register_bytes = static_cast<int>(element_bytes(register_type(input.dtype)));
      reader.load = step_table().load(input.dtype);
      add_reader(reader);
    }
    for (size_t k = 0; k < steps_.size(); ++k) {
      if (steps_[k].op != TileOp::iota) continue;
      TileReader reader;
      reader.value = step_value(k);
      reader.strides[steps_[k].operands[0]] = 1;
      reader.bytes = 8;
      reader.register_bytes = static_cast<int>(element_bytes(register_type(steps_[k].dtype)));
      const DType type = register_type(steps_[k].dtype);
      const bool counts = is_integer(type) && element_bytes(type) >= 4;
      reader.counted_bytes = counts ? reader.register_bytes : 8;
      reader.load = counts ? nullptr : step_table().convert(DType::int64, type);
      reader.round = step_table().round(steps_[k].dtype);
      add_reader(reader);
    }
  }

  void add_reader(const TileReader& reader) {
    if (uses_[static_cast<size_t>(reader.value)] == 0) return;
    reader_of_[static_cast<size_t>(reader.value)] = static_cast<int>(plan_->readers.size());
    plan_->readers.push_back(reader);
  }

  // Drops dimensions of size 1 and merges neighbours that every reader walks as one, within each group.
  void collapse() {
    TilePlan& plan = *plan_;
    const int ends[3] = {program_.outer_rank, program_.outer_rank + program_.reduced_rank, program_.rank};
    int64_t* products[3] = {&plan.outer, &plan.reduced, &plan.inner};
    int from = 0;
    for (int group = 0; group < 3; ++group) {
      const int first = plan.rank;
      for (int i = from; i < ends[group]; ++i) {
        *products[group] *= program_.dims[i];
        if (program_.dims[i] == 1) continue;
        const int last = plan.rank - 1;
        bool merges = last >= first;
        for (const TileReader& reader : plan.readers) {
          int64_t stride = 0;
          merges = merges && !__builtin_mul_overflow(reader.strides[i], program_.dims[i], &stride) &&
                   reader.strides[last] == stride;
        }
        const int to = merges ? last : plan.rank++;
        plan.dims[to] = merges ? plan.dims[to] * program_.dims[i] : program_.dims[i];
        for (TileReader& reader : plan.readers) reader.strides[to] = reader.strides[i];
      }
      from = ends[group];
    }
    plan.total = plan.outer * plan.reduced * plan.inner;
    if (plan.rank == 0) {
      plan.rank = 1;
      plan.dims[0] = plan.total;  // 1
      for (TileReader& reader : plan.readers) reader.strides[0] = 0;
    }
    plan.row = plan.dims[plan.rank - 1];
    plan.rows = plan.row == 0 ? 0 : plan.total / plan.row;
    plan.reduces = program_.reduced_rank > 0 && plan.reduced != 1;
  }

  void classify_readers() {
    for (TileReader& reader : plan_->readers) {
      const int last = plan_->rank - 1;
      bool dense = true, uniform = true, periodic = true;
      int64_t step = 1;
      for (int i = last; i >= 0; --i) {
        dense = dense && reader.strides[i] == step;
        step *= plan_->dims[i];
        uniform = uniform && reader.strides[i] == 0;
        periodic = periodic && (i == last || reader.strides[i] == 0);
      }
      dense = dense && reader.input >= 0;
      reader.reading = uniform    ? Reading::uniform
                       : dense    ? (reader.load ? Reading::loaded : Reading::moving)
                       : periodic ? Reading::periodic
                                  : Reading::gathered;
    }
  }

  TileInstruction blank() const {
    TileInstruction instruction;
    instruction.a = instruction.b = instruction.c = plan_->raw_pointer();
    return instruction;
  }

  // Brings `value` into a register if nothing did yet; returns its pointer.
  int need(int64_t value) {
    const int reader = reader_of_[static_cast<size_t>(value)];
    if (reader < 0) return static_cast<int>(value);
    TileReader& from = plan_->readers[static_cast<size_t>(reader)];
    if (from.reading == Reading::loaded || from.reading == Reading::gathered) {
      if (!ready_[static_cast<size_t>(value)]) {
        TileInstruction bring = blank();
        bring.d = static_cast<int>(value);
        bring.reader = reader;
        if (from.reading == Reading::loaded) {
          bring.function = from.load;
          bring.a = plan_->reader_pointer(reader);
        }
        from.last_read = static_cast<int>(plan_->instructions.size());
        plan_->instructions.push_back(bring);
        ready_[static_cast<size_t>(value)] = true;
      }
    }
    return static_cast<int>(value);
  }

  void emit() {
    const StepTable& table = step_table();
    TilePlan& plan = *plan_;
    ready_.assign(static_cast<size_t>(plan.value_count), false);
    made_by_.assign(static_cast<size_t>(plan.value_count), -1);
    for (size_t k = 0; k < steps_.size(); ++k) {
      const TileStep& step = steps_[k];
      const int value = step_value(k);
      if (joined_[k] || uses_[static_cast<size_t>(value)] == 0) continue;
      if (step.op == TileOp::constant || step.op == TileOp::iota) continue;
      const int operands = static_cast<int>(step.op) >= 200 ? 3 : operand_count(step.op);
      TileInstruction instruction = blank();
      instruction.d = value;
      int* places[3] = {&instruction.a, &instruction.b, &instruction.c};
      for (int i = 0; i < operands; ++i) *places[i] = need(step.operands[i]);
      const DType first = type_of(static_cast<int>(step.operands[step.op == TileOp::select ? 1 : 0]));
      plan.cost += cost_of(step.op, first);
      if (step.op == TileOp::bitcast) {
        emit_bitcast(instruction, first, step.dtype);
      } else {
        instruction.function = step.op == TileOp::convert
                                   ? table.convert(register_type(first), register_type(step.dtype))
                                   : table.step(step.op, register_type(first));
        push(instruction, step.operands, operands);
        const StepFunction round = is_exact(step.op) || stores_round(value) ? nullptr : table.round(step.dtype);
        if (round != nullptr) {
          TileInstruction rounding = blank();
          rounding.function = round;
          rounding.a = rounding.d = value;
          plan.instructions.push_back(rounding);
        }
      }
      made_by_[static_cast<size_t>(value)] = static_cast<int>(plan.instructions.size()) - 1;
    }
    for (const TileOutput& output : program_.outputs) need(output.value);
  }

  void push(const TileInstruction& instruction, const int64_t* operands, int count) {
    const int at = static_cast<int>(plan_->instructions.size());
    for (int i = 0; i < count; ++i) {
      const int reader = reader_of_[static_cast<size_t>(operands[i])];
      if (reader >= 0 && plan_->readers[static_cast<size_t>(reader)].reading == Reading::moving) {
        plan_->readers[static_cast<size_t>(reader)].last_read = at;
      }
    }
    plan_->instructions.push_back(instruction);
  }

  // Through memory form: registers of small floats hold float32.
  void emit_bitcast(TileInstruction instruction, DType from, DType to) {
    const StepTable& table = step_table();
    const int bytes = static_cast<int>(element_bytes(from));
    const int64_t operand = instruction.a;
    TileInstruction second = instruction;
    instruction.function = table.store(from) ? table.store(from) : copy_of(bytes);
    instruction.d = plan_->raw_pointer();
    push(instruction, &operand, 1);
    second.function = table.load(to) ? table.load(to) : copy_of(bytes);
    second.a = plan_->raw_pointer();
    plan_->instructions.push_back(second);
  }

  static StepFunction copy_of(int bytes) {
    switch (bytes) {
      case 1:
        return copy<1>;
      case 2:
        return copy<2>;
      case 4:
        return copy<4>;
      case 8:
        return copy<8>;
      default:
        return copy<16>;
    }
  }
  template <int bytes>
  static int copy(int64_t n, void* d, const void* a, const void*, const void*) {
    std::memmove(d, a, static_cast<size_t>(n * bytes));
    return 0;
  }

  // A value that is only stored is rounded by the store.
  bool stores_round(int value) const {
    if (uses_[static_cast<size_t>(value)] != 1) return false;
    for (const TileOutput& output : program_.outputs) {
      if (output.value == value) return output.kind == ReduceKind::store || !plan_->reduces;
    }
    return false;
  }

  void make_results() {
    std::vector<bool> taken(static_cast<size_t>(plan_->value_count), false);
    for (const TileOutput& output : program_.outputs) {
      TileResult result;
      result.value = output.value;
      result.kind = plan_->reduces ? output.kind : ReduceKind::store;
      result.element = output.dtype;
      result.register_dtype = register_type(output.dtype);
      result.bytes = static_cast<int>(element_bytes(output.dtype));
      result.register_bytes = static_cast<int>(element_bytes(result.register_dtype));
      result.store = step_table().store(output.dtype);
      result.written = made_by_[static_cast<size_t>(output.value)];
      result.direct = result.kind == ReduceKind::store && result.store == nullptr && result.written >= 0 &&
                      !taken[static_cast<size_t>(output.value)];
      if (result.direct) taken[static_cast<size_t>(output.value)] = true;
      plan_->results.push_back(result);
    }
  }

  void assign_registers() {
    TilePlan& plan = *plan_;
    constexpr int forever = 1 << 30;
    std::vector<int> last_use(static_cast<size_t>(plan.value_count), -1);
    for (size_t k = 0; k < plan.instructions.size(); ++k) {
      const TileInstruction& instruction = plan.instructions[k];
      for (const int pointer : {instruction.a, instruction.b, instruction.c}) {
        if (pointer < plan.value_count) last_use[static_cast<size_t>(pointer)] = static_cast<int>(k);
      }
    }
    int64_t idle_bytes = 0;  // registers of values that are normally written straight to their output
    for (const TileResult& result : plan.results) {
      last_use[static_cast<size_t>(result.value)] = forever;
      if (result.direct) idle_bytes += result.register_bytes;
    }
    plan.slots.assign(static_cast<size_t>(plan.value_count), -1);
    for (const TileReader& reader : plan.readers) {
      if (reader.reading == Reading::uniform || reader.reading == Reading::periodic) {
        plan.slots[static_cast<size_t>(reader.value)] = take(reader.register_bytes);
      }
    }
    for (size_t k = 0; k < plan.instructions.size(); ++k) {
      const TileInstruction& instruction = plan.instructions[k];
      if (instruction.d >= plan.value_count || plan.slots[static_cast<size_t>(instruction.d)] >= 0) continue;
      // Operands that die here may give their register to the result: all steps read an element before they write it.
      for (const int pointer : {instruction.a, instruction.b, instruction.c}) {
        if (pointer < plan.value_count && last_use[static_cast<size_t>(pointer)] == static_cast<int>(k))
          release(pointer);
      }
      plan.slots[static_cast<size_t>(instruction.d)] = take(register_bytes(instruction.d));
    }
    int64_t constant_bytes = 0;
    for (size_t k = 0; k < steps_.size(); ++k) {
      if (steps_[k].op == TileOp::constant && uses_[static_cast<size_t>(step_value(k))] > 0) {
        constant_bytes += register_bytes(step_value(k));
      }
    }
    plan.capacity = largest_tile;
    const int64_t live = plan.slot_bytes - idle_bytes + constant_bytes;
    while (plan.capacity > smallest_tile && plan.capacity * live > tile_budget_bytes) plan.capacity /= 2;
    while (plan.capacity > 64 && plan.capacity / 2 >= plan.total) plan.capacity /= 2;
  }

  int register_bytes(int value) const { return static_cast<int>(element_bytes(register_type(type_of(value)))); }

  int64_t take(int bytes) {
    std::vector<int64_t>& free = free_[bytes];
    if (!free.empty()) {
      const int64_t slot = free.back();
      free.pop_back();
      return slot;
    }
    const int64_t slot = plan_->slot_bytes;
    plan_->slot_bytes += bytes;
    return slot;
  }

  void release(int value) {
    const int64_t slot = plan_->slots[static_cast<size_t>(value)];
    const int reader = reader_of_[static_cast<size_t>(value)];
    if (slot < 0 || released_.count(value) != 0) return;
    if (reader >= 0) {
      const Reading reading = plan_->readers[static_cast<size_t>(reader)].reading;
      if (reading == Reading::uniform || reading == Reading::periodic) return;
    }
    released_[value] = true;
    free_[register_bytes(value)].push_back(slot);
  }

  void fill_constants() {
    TilePlan& plan = *plan_;
    plan.constant_slots.assign(static_cast<size_t>(plan.value_count), -1);
    std::map<std::pair<int64_t, std::pair<int64_t, int64_t>>, int64_t> known;
    int64_t bytes = 0;
    std::vector<int> fresh;
    for (size_t k = 0; k < steps_.size(); ++k) {
      const TileStep& step = steps_[k];
      const int value = step_value(k);
      if (step.op != TileOp::constant || uses_[static_cast<size_t>(value)] == 0) continue;
      const auto key =
          std::make_pair(static_cast<int64_t>(step.dtype), std::make_pair(step.operands[0], step.operands[1]));
      const auto found = known.find(key);
      if (found == known.end()) {
        known[key] = plan.constant_slots[static_cast<size_t>(value)] = bytes;
        bytes += register_bytes(value) * plan.capacity;
        fresh.push_back(value);
      } else {
        plan.constant_slots[static_cast<size_t>(value)] = found->second;
      }
    }
    if (bytes == 0) return;
    plan.constants = aligned_bytes(static_cast<size_t>(bytes));
    for (const int value : fresh) {
      const TileStep& step = *step_of(value);
      alignas(16) char element[16], held[16];
      std::memcpy(element, step.operands, 16);
      const StepFunction load = step_table().load(step.dtype);
      if (load != nullptr)
        load(1, held, element, nullptr, nullptr);
      else
        std::memcpy(held, element, 16);
      char* to = plan.constants.get() + plan.constant_slots[static_cast<size_t>(value)];
      const size_t width = static_cast<size_t>(register_bytes(value));
      for (int64_t i = 0; i < plan.capacity; ++i) std::memcpy(to + static_cast<size_t>(i) * width, held, width);
    }
  }

  const TileProgram& program_;
  std::shared_ptr<TilePlan> plan_;
  std::vector<TileStep> steps_;
  std::vector<bool> joined_, ready_;
  std::vector<int> uses_, reader_of_, made_by_;
  std::map<int, std::vector<int64_t>> free_;
  std::map<int, bool> released_;
};

}  // namespace

AlignedBytes aligned_bytes(size_t bytes) {
  const size_t whole = (bytes + 63) / 64 * 64;
  return AlignedBytes(static_cast<char*>(std::aligned_alloc(64, whole)));
}

std::shared_ptr<const TilePlan> lower(const TileProgram& program) { return Lowering(program).lower(); }

}  // namespace millstream
