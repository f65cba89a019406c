// One activation of a function, made once and reused: its values, its instructions with their pointers set.
#pragma once

#include "program/executor.h"

namespace millstream {

struct Step {
  Status (*run)(const Call&);  // of a plain instruction; nullptr otherwise
  Call call;
  const Instruction* instruction;
};

struct Frame {
  Frame(const Module& module_given, const Function& function_given);

  const Module& module;
  const Function& function;
  int depth = 0;
  Executor executor;
  const Instruction* running = nullptr;  // of those with something to do around their kernel's run
  std::vector<Tensor> values;
  std::vector<const Tensor*> input_pointers;
  std::vector<Tensor*> output_pointers;
  std::vector<int64_t> patched;
  std::vector<Step> steps;
  std::vector<std::pair<int32_t, int64_t>> arena_values;  // value, offset
  std::vector<int32_t> heap_values;
  Ref<Buffer> arena;
  std::span<const Place> places;                 // of the outputs, during a call that gives some
  std::vector<int64_t> symbols, sizes;           // sizes: of expressions
  std::vector<int8_t> symbol_state, size_state;  // 0 open, 1 known, 2 overflowed

  Status enter(const Tensor* const* inputs, const uint8_t* moved);
  Status run();
  Status leave(Tensor* const* outputs);
  void clear();

  Status bind(int64_t symbol, int64_t size);
  Status size_of(int64_t operand, int64_t& out) const;

 private:
  void evaluate();
  void place_arena();
  void set_data(int32_t id, void* data);
  Status set_dims(int32_t id);
  Status run_traced();
  Status run_step(Step& step);
  Status check_given(int32_t id);
  Status make_unique(int32_t id);
  void take_bytes(int32_t id);
  bool is_output(size_t position, int32_t id) const;
  Status fail(const Instruction& instruction, Status status) const;
};

}  // namespace millstream
