// Runs functions: binds sizes, takes and gives heap bytes, calls kernels, and says where a failure came from.
#include "program/executor.h"

#include <algorithm>
#include <new>

#include "memory/objects.h"
#include "program/frame.h"
#include "tracing/trace.h"

namespace millstream {
namespace {

constexpr int64_t kept_arena_bytes = 64 << 10;  // a larger arena goes back to the allocator between calls

thread_local std::string last_source;

}  // namespace

std::string take_failure_source() { return std::exchange(last_source, std::string()); }

FramePool::~FramePool() {
  delete first_.load();
  for (Frame* frame : more_) delete frame;
}

Frame* FramePool::take() {
  if (Frame* frame = first_.exchange(nullptr, std::memory_order_acquire)) return frame;
  std::lock_guard lock(mutex_);
  if (more_.empty()) return nullptr;
  Frame* frame = more_.back();
  more_.pop_back();
  return frame;
}

void FramePool::give(Frame* frame) {
  Frame* none = nullptr;
  if (first_.compare_exchange_strong(none, frame, std::memory_order_release, std::memory_order_relaxed)) return;
  std::lock_guard lock(mutex_);
  more_.push_back(frame);
}

Frame::Frame(const Module& module_given, const Function& function_given)
    : module(module_given), function(function_given), executor(*this), values(function_given.values.size()) {
  symbols.resize(static_cast<size_t>(function.symbol_count));
  symbol_state.resize(symbols.size());
  sizes.resize(function.expressions.size());
  size_state.resize(sizes.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Value& value = function.values[i];
    Tensor& tensor = values[i];
    tensor.dtype = value.dtype;
    tensor.rank = value.rank;
    for (int axis = 0; axis < value.rank; ++axis) tensor.dims[axis] = std::max<int64_t>(value.sizes[axis], 0);
    const Value& root = function.values[static_cast<size_t>(value.root)];
    if (root.storage == Storage::constant) {
      const Tensor& constant = module.constants[static_cast<size_t>(root.location)];
      tensor.data = constant.data;
      tensor.buffer = constant.buffer;
    }
    if (root.storage == Storage::arena) arena_values.emplace_back(static_cast<int32_t>(i), root.location);
    if (value.storage == Storage::heap) heap_values.push_back(static_cast<int32_t>(i));
  }
  size_t inputs = 0, outputs = 0, words = 0;
  for (const Instruction& item : function.instructions) {
    inputs += static_cast<size_t>(item.input_count);
    outputs += static_cast<size_t>(item.output_count);
    words += item.patch_count ? static_cast<size_t>(item.attribute_count) : 0;
  }
  input_pointers.reserve(inputs);
  output_pointers.reserve(outputs);
  patched.reserve(words);
  steps.reserve(function.instructions.size());
  for (const Instruction& item : function.instructions) {
    const Tensor* const* first_input = input_pointers.data() + input_pointers.size();
    Tensor* const* first_output = output_pointers.data() + output_pointers.size();
    for (int i = 0; i < item.input_count; ++i) {
      input_pointers.push_back(item.inputs[i] < 0 ? nullptr : &values[static_cast<size_t>(item.inputs[i])]);
    }
    for (int i = 0; i < item.output_count; ++i)
      output_pointers.push_back(&values[static_cast<size_t>(item.outputs[i])]);
    const int64_t* attributes = item.attributes;
    if (item.patch_count) {
      attributes = patched.data() + patched.size();
      patched.insert(patched.end(), item.attributes, item.attributes + item.attribute_count);
    }
    steps.push_back({item.plain ? item.kernel->run : nullptr,
                     Call{first_input, item.input_count, first_output, item.output_count, attributes,
                          item.attribute_count, item.prepared.get(), &executor},
                     &item});
  }
  if (function.arena_bytes > 0 && function.arena_bytes <= kept_arena_bytes) {
    arena = Buffer::allocate(static_cast<size_t>(function.arena_bytes));
    place_arena();
  }
}

void Frame::place_arena() {
  char* base = static_cast<char*>(arena->data());
  for (auto [id, offset] : arena_values) values[static_cast<size_t>(id)].data = base + offset;
}

void Frame::set_data(int32_t id, void* data) {
  values[static_cast<size_t>(id)].data = data;
  for (int32_t follower : function.values[static_cast<size_t>(id)].followers)
    values[static_cast<size_t>(follower)].data = data;
}

Status Frame::size_of(int64_t operand, int64_t& out) const {
  if (operand >= 0) {
    out = operand;
    return Status();
  }
  const auto index = static_cast<size_t>(-(operand + 1));
  if (size_state[index] != 1) {
    return Status(Code::internal, size_state[index]
                                      ? "A size computed when the program runs does not fit 64 bits."
                                      : "A size is used before it is known. The plan is wrong: export it again.");
  }
  out = sizes[index];
  return Status();
}

// Computes every expression whose operands are known by now.
void Frame::evaluate() {
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (size_state[i]) continue;
    const Expression& item = function.expressions[i];
    if (item.opcode == 0) {
      sizes[i] = symbols[static_cast<size_t>(item.a)];
      size_state[i] = symbol_state[static_cast<size_t>(item.a)];
      continue;
    }
    int8_t state = 1;
    auto operand = [&](int64_t word) {
      if (word >= 0) return word;
      const auto index = static_cast<size_t>(-(word + 1));
      if (size_state[index] != 1) state = state == 0 ? int8_t{0} : size_state[index];
      return sizes[index];
    };
    const int64_t a = operand(item.a), b = operand(item.b);
    if (state != 1) {
      size_state[i] = state;
      continue;
    }
    bool overflow = false;
    int64_t& out = sizes[i];
    switch (item.opcode) {
      case 1:
        overflow = __builtin_add_overflow(a, b, &out);
        break;
      case 2:
        overflow = __builtin_sub_overflow(a, b, &out);
        break;
      case 3:
        overflow = __builtin_mul_overflow(a, b, &out);
        break;
      case 4:
      case 5: {
        out = 0;
        if (b == 0) break;
        if (b == -1) {  // the quotient of the smallest number would overflow
          if (item.opcode == 4) overflow = __builtin_sub_overflow(int64_t{0}, a, &out);
          break;
        }
        const int64_t quotient = a / b, rest = a % b;
        const bool below = rest != 0 && (rest < 0) != (b < 0);
        out = item.opcode == 4 ? quotient - below : rest + (below ? b : 0);
        break;
      }
      case 6:
        out = std::min(a, b);
        break;
      case 7:
        out = std::max(a, b);
        break;
      case 8:
        out = a >= 0 ? a : b;
        break;
      default:
        out = a == b;
        break;
    }
    size_state[i] = overflow ? 2 : 1;
  }
}

Status Frame::bind(int64_t symbol, int64_t size) {
  if (symbol < 0 || symbol >= function.symbol_count) return Status(Code::internal, "A symbol is out of range.");
  const auto index = static_cast<size_t>(symbol);
  if (symbol_state[index]) {
    if (symbols[index] == size) return Status();
    return invalid("A size was " + std::to_string(symbols[index]) + " and is now " + std::to_string(size) +
                   "; both must be equal.");
  }
  symbols[index] = size;
  symbol_state[index] = 1;
  evaluate();
  return Status();
}

Status Frame::set_dims(int32_t id) {
  const Value& value = function.values[static_cast<size_t>(id)];
  if (value.literal) return Status();
  Tensor& tensor = values[static_cast<size_t>(id)];
  for (int axis = 0; axis < value.rank; ++axis) MS_RETURN_IF_ERROR(size_of(value.sizes[axis], tensor.dims[axis]));
  int64_t count, bytes;
  return literal_count(tensor.dtype, tensor.rank, tensor.dims, count, bytes);
}

Status Frame::enter(const Tensor* const* inputs, const uint8_t* moved) {
  if (function.symbol_count) std::fill(symbol_state.begin(), symbol_state.end(), int8_t{0});
  if (!sizes.empty()) std::fill(size_state.begin(), size_state.end(), int8_t{0});
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    const int32_t id = function.inputs[i];
    const Value& value = function.values[static_cast<size_t>(id)];
    const Tensor& given = *inputs[i];
    Tensor& tensor = values[static_cast<size_t>(id)];
    bool fits = given.dtype == value.dtype && given.rank == value.rank;
    for (int axis = 0; fits && axis < value.rank; ++axis) {
      fits = value.sizes[axis] < 0 || value.sizes[axis] == given.dims[axis];
      tensor.dims[axis] = given.dims[axis];
    }
    if (!fits) {
      std::vector<int64_t> wanted(value.sizes, value.sizes + value.rank);
      return invalid("Input " + std::to_string(i) + " is " + dtype_name(given.dtype) +
                     shape_text(given.rank, given.dims) + ", the function takes " + dtype_name(value.dtype) +
                     shape_text(value.rank, wanted.data()) + ".");
    }
    set_data(id, given.data);
    tensor.buffer = Ref<Buffer>::adopt(given.buffer.get());  // borrowed: `leave` and `clear` forget it
    if (given.object) {
      if (moved && moved[i]) {
        tensor.object = std::move(const_cast<Tensor&>(given).object);
      } else {
        tensor.object = given.object;
      }
    }
  }
  if (!function.bindings.empty() || !sizes.empty()) {
    for (const Binding& binding : function.bindings) {
      const int64_t size = inputs[binding.input]->dims[binding.dimension];
      const auto symbol = static_cast<size_t>(binding.symbol);
      if (symbol_state[symbol] && symbols[symbol] != size) {
        return invalid("Input " + std::to_string(binding.input) + " has size " + std::to_string(size) +
                       " in dimension " + std::to_string(binding.dimension) + ", which must be " +
                       std::to_string(symbols[symbol]) + " as elsewhere.");
      }
      symbols[symbol] = size;
      symbol_state[symbol] = 1;
    }
    evaluate();
    for (size_t i = 0; i < function.inputs.size(); ++i) {
      const Value& value = function.values[static_cast<size_t>(function.inputs[i])];
      if (value.literal) continue;
      for (int axis = 0; axis < value.rank; ++axis) {
        int64_t size;
        MS_RETURN_IF_ERROR(size_of(value.sizes[axis], size));
        if (size != inputs[i]->dims[axis]) {
          return invalid("Input " + std::to_string(i) + " has the shape " +
                         shape_text(inputs[i]->rank, inputs[i]->dims) + ", its dimension " + std::to_string(axis) +
                         " must be " + std::to_string(size) + ".");
        }
      }
    }
  }
  if (function.arena_bytes > kept_arena_bytes) {
    arena = Buffer::allocate(static_cast<size_t>(function.arena_bytes));
    if (!arena_values.empty()) {
      const auto [id, offset] = arena_values.front();
      if (values[static_cast<size_t>(id)].data != static_cast<char*>(arena->data()) + offset) place_arena();
    }
  }
  return Status();
}

Status Frame::fail(const Instruction& instruction, Status status) const {
  if (last_source.empty() && instruction.source >= 0)
    last_source = module.sources[static_cast<size_t>(instruction.source)];
  return status;
}

Status Frame::check_given(int32_t id) {
  const Value& value = function.values[static_cast<size_t>(id)];
  const Tensor& given = values[static_cast<size_t>(id)];
  if (given.dtype != value.dtype || given.rank != value.rank) {
    return invalid(std::string("A value is ") + dtype_name(given.dtype) + shape_text(given.rank, given.dims) +
                   ", declared is " + dtype_name(value.dtype) + " of rank " + std::to_string(value.rank) + ".");
  }
  for (int axis = 0; axis < value.rank; ++axis) {
    const int64_t word = value.sizes[axis];
    if (word < 0) {
      const Expression& item = function.expressions[static_cast<size_t>(-(word + 1))];
      if (value.binding && item.opcode == 0 && !symbol_state[static_cast<size_t>(item.a)]) {
        MS_RETURN_IF_ERROR(bind(item.a, given.dims[axis]));
        continue;
      }
    }
    int64_t size;
    MS_RETURN_IF_ERROR(size_of(word, size));
    if (size != given.dims[axis]) {
      return invalid("A value has the shape " + shape_text(given.rank, given.dims) + ", its dimension " +
                     std::to_string(axis) + " must be " + std::to_string(size) + ".");
    }
  }
  if (element_bytes(value.dtype) && given.count() && !given.data)
    return Status(Code::internal, "A kernel gave no bytes.");
  return Status();
}

// Before bytes on the heap are updated in place: what somebody else reads, too, is copied. A variable under edit is not.
Status Frame::make_unique(int32_t id) {
  Tensor& tensor = values[static_cast<size_t>(id)];
  if (tensor.buffer && tensor.buffer->writable() &&
      (function.values[static_cast<size_t>(id)].edited || tensor.buffer->unique())) {
    tensor.buffer->changing();
    return Status();
  }
  const size_t bytes = tensor.bytes();
  auto copy = Buffer::allocate(bytes);
  if (bytes) std::memcpy(copy->data(), tensor.data, bytes);
  tensor.buffer = std::move(copy);
  set_data(id, tensor.buffer->data());
  return Status();
}

// Whether an output is a value on the heap, perhaps in another shape, which nothing updates in place: that might copy it.
bool Frame::is_output(size_t position, int32_t id) const {
  int32_t held = function.outputs[position];
  while (held != id) {
    const Value& value = function.values[static_cast<size_t>(held)];
    if (value.storage != Storage::alias || value.produced) return false;
    held = static_cast<int32_t>(value.location);
  }
  return true;
}

// New bytes for a value on the heap; for an output, those at its place where they are as many.
void Frame::take_bytes(int32_t id) {
  Tensor& tensor = values[static_cast<size_t>(id)];
  const size_t bytes = tensor.bytes();
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].bytes != bytes || !is_output(i, id)) continue;
    tensor.buffer = places[i].buffer;
    return set_data(id, places[i].data);
  }
  tensor.buffer = Buffer::allocate(bytes);
  set_data(id, tensor.buffer->data());
}

Status Frame::run_step(Step& step) {
  const Instruction& item = *step.instruction;
  const Kernel& kernel = *item.kernel;
  std::shared_ptr<const void> prepared;
  if (!item.is_static) {
    for (int i = 0; i < item.input_count; ++i) {
      if (item.inputs[i] < 0) continue;
      const Value& value = function.values[static_cast<size_t>(item.inputs[i])];
      if (value.storage != Storage::alias || value.produced) continue;
      const auto id = static_cast<int32_t>(item.inputs[i]);
      MS_RETURN_IF_ERROR(set_dims(id));
      const Tensor &tensor = values[static_cast<size_t>(id)], &root = values[static_cast<size_t>(value.root)];
      if (tensor.dtype == DType::string ? tensor.count() != root.count() : tensor.bytes() != root.bytes()) {
        return invalid("Cannot reshape " + shape_text(root.rank, root.dims) + " to " +
                       shape_text(tensor.rank, tensor.dims) + ".");
      }
    }
    auto* attributes = const_cast<int64_t*>(step.call.attributes);
    for (int i = 0; i < item.patch_count; ++i) {
      MS_RETURN_IF_ERROR(size_of(item.patches[2 * i + 1], attributes[item.patches[2 * i]]));
    }
  }
  bool checked_outputs = kernel.sets_outputs;
  for (int i = 0; i < item.output_count; ++i) {
    const auto id = static_cast<int32_t>(item.outputs[i]);
    const Value& value = function.values[static_cast<size_t>(id)];
    Tensor& tensor = values[static_cast<size_t>(id)];
    if (value.binding || kernel.sets_outputs) {
      checked_outputs = true;
      tensor.dtype = value.dtype;
      tensor.rank = value.rank;
      if (!value.binding) MS_RETURN_IF_ERROR(set_dims(id));
      continue;
    }
    MS_RETURN_IF_ERROR(set_dims(id));
    if (value.storage == Storage::heap) {
      if (element_bytes(value.dtype)) take_bytes(id);
    } else if (value.storage == Storage::alias) {
      const Tensor& root = values[static_cast<size_t>(value.root)];
      if (!value.literal && tensor.bytes() != root.bytes())
        return invalid("A value updated in place changes its bytes.");
      if (function.values[static_cast<size_t>(value.root)].storage == Storage::heap)
        MS_RETURN_IF_ERROR(make_unique(value.root));
    }
  }
  if (!item.is_static) {
    MS_RETURN_IF_ERROR(kernel.check(step.call));
    if (kernel.prepare) {
      Status status;
      prepared = kernel.prepare(step.call, status);
      MS_RETURN_IF_ERROR(status);
      step.call.prepared = prepared.get();
    }
  }
  running = &item;
  MS_RETURN_IF_ERROR(kernel.run(step.call));
  if (checked_outputs) {
    for (int i = 0; i < item.output_count; ++i) {
      const auto id = static_cast<int32_t>(item.outputs[i]);
      const Value& value = function.values[static_cast<size_t>(id)];
      if (!value.binding && !kernel.sets_outputs) continue;
      MS_RETURN_IF_ERROR(check_given(id));
      set_data(id, values[static_cast<size_t>(id)].data);
    }
  }
  for (int i = 0; i < item.output_count; ++i) {
    const auto id = static_cast<int32_t>(item.outputs[i]);
    if (values[static_cast<size_t>(id)].dtype == DType::string) set_data(id, values[static_cast<size_t>(id)].data);
  }
  for (int i = 0; i < item.release_count; ++i) {
    Tensor& tensor = values[static_cast<size_t>(item.releases[i])];
    tensor.buffer.reset();
    tensor.object.reset();
  }
  for (int32_t id : item.drops) values[static_cast<size_t>(id)].object.reset();
  return Status();
}

Status Frame::run() {
  if (tracing_on.load(std::memory_order_relaxed)) return run_traced();
  for (Step& step : steps) {
    Status status = step.run ? step.run(step.call) : run_step(step);
    if (!status.ok()) return fail(*step.instruction, std::move(status));
  }
  return Status();
}

Status Frame::run_traced() {
  for (Step& step : steps) {
    const int64_t begin = now_ns();
    Status status = step.run ? step.run(step.call) : run_step(step);
    trace_add(step.instruction->kernel->name, begin, now_ns());
    if (!status.ok()) return fail(*step.instruction, std::move(status));
  }
  return Status();
}

Status Frame::leave(Tensor* const* outputs) {
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    const int32_t id = function.outputs[i];
    const Value& value = function.values[static_cast<size_t>(id)];
    if (value.storage == Storage::alias) MS_RETURN_IF_ERROR(set_dims(id));
    const Tensor& tensor = values[static_cast<size_t>(id)];
    const Tensor& root = values[static_cast<size_t>(value.root)];
    if (value.storage == Storage::alias && !value.literal &&
        (tensor.dtype == DType::string ? tensor.count() != root.count() : tensor.bytes() != root.bytes())) {
      return invalid("Cannot reshape " + shape_text(root.rank, root.dims) + " to " +
                     shape_text(tensor.rank, tensor.dims) + ".");
    }
    Tensor& out = *outputs[i];
    out.dtype = tensor.dtype;
    out.rank = tensor.rank;
    for (int axis = 0; axis < tensor.rank; ++axis) out.dims[axis] = tensor.dims[axis];
    out.object = tensor.object;
    out.buffer = root.buffer;
    out.data = tensor.data;
    if (!out.buffer && out.data) out = owned(out);
  }
  return Status();
}

void Frame::clear() {
  for (int32_t id : function.inputs) {
    Tensor& tensor = values[static_cast<size_t>(id)];
    (void)tensor.buffer.detach();
    tensor.object.reset();
  }
  for (int32_t id : heap_values) {
    Tensor& tensor = values[static_cast<size_t>(id)];
    tensor.buffer.reset();
    tensor.object.reset();
  }
  if (function.arena_bytes > kept_arena_bytes) arena.reset();
}

namespace {

Status invoke(const Module& module, const Function& function, const Tensor* const* inputs, Tensor* const* outputs,
              const uint8_t* moved, std::span<const Place> places) {
  Frame* frame = function.frames.take();
  try {
    if (!frame) frame = new Frame(module, function);
    frame->places = places;
    Status status = frame->enter(inputs, moved);
    if (status.ok()) status = frame->run();
    if (status.ok()) status = frame->leave(outputs);
    frame->clear();
    function.frames.give(frame);
    return status;
  } catch (const std::bad_alloc&) {
    if (frame) {
      frame->clear();
      delete frame;
    }
    return Status(Code::resource_exhausted,
                  "Out of memory while running '" + std::string(function.name) +
                      "'. Use a smaller batch, or release tensors that are no longer needed.");
  }
}

}  // namespace

const Module& Executor::module() const { return frame_.module; }
const uint8_t* Executor::handed() const { return frame_.running->handed.data(); }
Status Executor::bind(int64_t symbol, int64_t size) { return frame_.bind(symbol, size); }

Status Executor::call(int64_t function, const Tensor* const* inputs, int input_count, Tensor* const* outputs,
                      int output_count, const uint8_t* moved) {
  const Module& held = frame_.module;
  if (function < 0 || function >= static_cast<int64_t>(held.functions.size()))
    return Status(Code::internal, "No such function.");
  const Function& callee = *held.functions[static_cast<size_t>(function)];
  if (callee.inputs.size() != static_cast<size_t>(input_count) ||
      callee.outputs.size() != static_cast<size_t>(output_count)) {
    return Status(Code::internal, "A call does not fit its function.");
  }
  return invoke(held, callee, inputs, outputs, moved, {});
}

Status run_function(const Module& module, const Function& function, const Tensor* const* inputs, Tensor* const* outputs,
                    std::span<const Place> places) {
  last_source.clear();
  return invoke(module, function, inputs, outputs, nullptr, places);
}

}  // namespace millstream
