// The second half of loading a plan: every value is made before it is used, fits where it lies, and is used as its kernel allows.
#include <algorithm>
#include <cstring>

#include "memory/objects.h"
#include "program/control.h"
#include "program/plan.h"

namespace millstream {
namespace {

constexpr int deepest_call = 200;
constexpr int64_t heavy_bytes = 64 << 10;

Status wrong(const Function& function, const std::string& what) {
  return Status(Code::data_loss, "The plan is wrong in function '" + std::string(function.name.substr(0, 100)) +
                                     "': " + what + ". Export it again.");
}

class Verifier {
 public:
  Verifier(Module& module, Function& function) : module_(module), function_(function) {}

  Status verify() {
    MS_RETURN_IF_ERROR(expressions());
    MS_RETURN_IF_ERROR(values());
    MS_RETURN_IF_ERROR(borders());
    state_.assign(function_.values.size(), State::open);
    for (size_t i = 0; i < function_.values.size(); ++i) {
      const Storage storage = function_.values[i].storage;
      if (storage == Storage::input || storage == Storage::constant) state_[i] = State::made;
    }
    MS_RETURN_IF_ERROR(mark_produced());
    for (size_t i = 0; i < function_.instructions.size(); ++i) {
      const Status status = instruction(function_.instructions[i]);
      if (!status.ok()) return at(i, status);
    }
    for (int32_t id : function_.outputs) {
      if (!available(id)) return wrong(function_, "output value " + std::to_string(id) + " is not there at the end");
    }
    drop_inputs();
    hand_over();
    return Status();
  }

  // Runs the checks of static instructions; after all functions are verified.
  Status check_kernels() {
    std::vector<Tensor> tensors(function_.values.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Value& value = function_.values[i];
      tensors[i].dtype = value.dtype;
      tensors[i].rank = value.rank;
      for (int axis = 0; axis < value.rank; ++axis) tensors[i].dims[axis] = value.sizes[axis];
    }
    std::vector<const Tensor*> inputs;
    std::vector<Tensor*> outputs;
    for (size_t i = 0; i < function_.instructions.size(); ++i) {
      Instruction& item = function_.instructions[i];
      if (!item.is_static) continue;
      inputs.clear();
      outputs.clear();
      for (int k = 0; k < item.input_count; ++k)
        inputs.push_back(item.inputs[k] < 0 ? nullptr : &tensors[static_cast<size_t>(item.inputs[k])]);
      for (int k = 0; k < item.output_count; ++k) outputs.push_back(&tensors[static_cast<size_t>(item.outputs[k])]);
      const Call call{inputs.data(),   item.input_count,     outputs.data(), item.output_count,
                      item.attributes, item.attribute_count, nullptr,        nullptr};
      Status status = item.kernel->check(call);
      if (!status.ok()) return at(i, status);
      if (item.kernel->prepare) {
        item.prepared = item.kernel->prepare(call, status);
        if (!status.ok()) return at(i, status);
      }
    }
    return Status();
  }

  std::vector<int64_t> callees() const {
    std::vector<int64_t> found;
    for (const Instruction& item : function_.instructions) {
      for (int i = 0; i < called_count(item); ++i) found.push_back(item.attributes[i]);
    }
    return found;
  }

 private:
  enum class State : uint8_t { open, made, released };

  Status at(size_t index, const Status& status) const {
    const Instruction& item = function_.instructions[index];
    std::string where = "instruction " + std::to_string(index) + " (" + item.kernel->name + ") of function '" +
                        std::string(function_.name.substr(0, 100)) + "'";
    if (item.source >= 0) where += ", from " + std::string(module_.sources[static_cast<size_t>(item.source)]);
    return Status(status.code(), status.message() + " [" + where + "]");
  }

  static int called_count(const Instruction& item) {
    if (item.kernel == &kernel_call) return std::min(item.attribute_count, 1);
    if (item.kernel == &kernel_loop) return std::min(item.attribute_count, 2);
    if (item.kernel == &kernel_branch) return item.attribute_count;
    return 0;
  }

  bool operand_ok(int64_t word, size_t limit) const { return word >= 0 || static_cast<uint64_t>(-(word + 1)) < limit; }

  Status expressions() const {
    for (size_t i = 0; i < function_.expressions.size(); ++i) {
      const Expression& expression = function_.expressions[i];
      if (expression.opcode < 0 || expression.opcode > 9)
        return wrong(function_, "an expression has an unknown opcode");
      if (expression.opcode == 0) {
        if (expression.a < 0 || expression.a >= function_.symbol_count)
          return wrong(function_, "an expression's symbol is out of range");
      } else if (!operand_ok(expression.a, i) || !operand_ok(expression.b, i)) {
        return wrong(function_, "an expression uses a later one");
      }
    }
    return Status();
  }

  Status values() {
    auto& all = function_.values;
    for (size_t i = 0; i < all.size(); ++i) {
      Value& value = all[i];
      const std::string name = "value " + std::to_string(i);
      value.literal = true;
      for (int axis = 0; axis < value.rank; ++axis) {
        if (!operand_ok(value.sizes[axis], function_.expressions.size()))
          return wrong(function_, name + "'s size is out of range");
        value.literal &= value.sizes[axis] >= 0;
      }
      if (value.literal) {
        int64_t count;
        MS_RETURN_IF_ERROR(literal_count(value.dtype, value.rank, value.sizes, count, value.bytes));
      }
      if (value.binding && value.storage != Storage::heap)
        return wrong(function_, name + " decides its sizes but is not on the heap");
      const bool handle = value.dtype == DType::resource || value.dtype == DType::variant;
      if (handle && (value.rank != 0 || (value.storage != Storage::input && value.storage != Storage::heap))) {
        return wrong(function_, name + " is a handle, which must be a scalar and an input or on the heap");
      }
      switch (value.storage) {
        case Storage::arena:
          if (!value.literal || element_bytes(value.dtype) == 0)
            return wrong(function_, name + " in the arena has no literal size");
          if (value.location < 0 || value.location % 64 || value.location > function_.arena_bytes ||
              value.bytes > function_.arena_bytes - value.location) {
            return wrong(function_, name + " lies outside the arena");
          }
          break;
        case Storage::constant: {
          if (value.location < 0 || value.location >= static_cast<int64_t>(module_.constants.size())) {
            return wrong(function_, name + "'s constant is out of range");
          }
          const Tensor& constant = module_.constants[static_cast<size_t>(value.location)];
          bool same = constant.dtype == value.dtype && constant.rank == value.rank;
          for (int axis = 0; same && axis < value.rank; ++axis) same = constant.dims[axis] == value.sizes[axis];
          if (!same) return wrong(function_, name + " does not fit its constant");
          break;
        }
        case Storage::input:
          if (value.location < 0 || value.location >= static_cast<int64_t>(function_.inputs.size()) ||
              function_.inputs[static_cast<size_t>(value.location)] != static_cast<int32_t>(i)) {
            return wrong(function_, name + " is not the input it says it is");
          }
          break;
        case Storage::heap:
          break;
        case Storage::alias: {
          if (value.location < 0 || value.location >= static_cast<int64_t>(i))
            return wrong(function_, name + " is an alias of a later value");
          const Value& target = all[static_cast<size_t>(value.location)];
          value.root = target.root;
          Value& root = all[static_cast<size_t>(value.root)];
          if ((value.dtype == DType::string) != (root.dtype == DType::string) ||
              (value.dtype != DType::string && (element_bytes(value.dtype) == 0 || element_bytes(root.dtype) == 0))) {
            return wrong(function_, name + " is an alias of another kind of value");
          }
          if (value.literal && root.literal && !same_size(value, root))
            return wrong(function_, name + " has other bytes than what it is an alias of");
          root.followers.push_back(static_cast<int32_t>(i));
          break;
        }
      }
    }
    return Status();
  }

  static bool same_size(const Value& a, const Value& b) {
    if (a.dtype != DType::string) return a.bytes == b.bytes;
    int64_t count_a = 1, count_b = 1;
    for (int i = 0; i < a.rank; ++i) count_a *= a.sizes[i];
    for (int i = 0; i < b.rank; ++i) count_b *= b.sizes[i];
    return count_a == count_b;
  }

  Status borders() const {
    for (size_t i = 0; i < function_.inputs.size(); ++i) {
      const Value& value = function_.values[static_cast<size_t>(function_.inputs[i])];
      if (value.storage != Storage::input || value.location != static_cast<int64_t>(i)) {
        return wrong(function_, "input " + std::to_string(i) + " is a value that is no input");
      }
    }
    for (const Binding& binding : function_.bindings) {
      if (binding.symbol < 0 || binding.symbol >= function_.symbol_count || binding.input < 0 ||
          binding.input >= static_cast<int64_t>(function_.inputs.size()) || binding.dimension < 0 ||
          binding.dimension >=
              function_.values[static_cast<size_t>(function_.inputs[static_cast<size_t>(binding.input)])].rank) {
        return wrong(function_, "a binding is out of range");
      }
    }
    return Status();
  }

  bool valid(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(function_.values.size()); }

  Status mark_produced() {
    for (const Instruction& item : function_.instructions) {
      for (int i = 0; i < item.output_count; ++i) {
        if (!valid(item.outputs[i])) return wrong(function_, "an output's value id is out of range");
        Value& value = function_.values[static_cast<size_t>(item.outputs[i])];
        if (value.produced) return wrong(function_, "value " + std::to_string(item.outputs[i]) + " is made twice");
        value.produced = true;
        value.edited = item.kernel == &kernel_state_edit;
      }
    }
    return Status();
  }

  // An alias that no instruction makes is there as soon as what it is an alias of is.
  bool available(int64_t id) const {
    const auto root = static_cast<size_t>(function_.values[static_cast<size_t>(id)].root);
    while (function_.values[static_cast<size_t>(id)].storage == Storage::alias &&
           !function_.values[static_cast<size_t>(id)].produced) {
      id = function_.values[static_cast<size_t>(id)].location;
    }
    return state_[static_cast<size_t>(id)] == State::made && state_[root] == State::made;
  }

  bool overlap(int64_t a, int64_t b) const {
    const Value& x = function_.values[static_cast<size_t>(function_.values[static_cast<size_t>(a)].root)];
    const Value& y = function_.values[static_cast<size_t>(function_.values[static_cast<size_t>(b)].root)];
    if (&x == &y) return true;
    if (x.storage != Storage::arena || y.storage != Storage::arena) return false;
    return x.location < y.location + y.bytes && y.location < x.location + x.bytes && x.bytes > 0 && y.bytes > 0;
  }

  Status instruction(Instruction& item) {
    bool literal = item.patch_count == 0;
    int64_t touched = 0;
    for (int i = 0; i < item.input_count; ++i) {
      const int64_t id = item.inputs[i];
      if (id == -1) continue;
      if (!valid(id)) return wrong(function_, "an input's value id is out of range");
      if (!available(id))
        return wrong(function_, "value " + std::to_string(id) + " is used before it is made, or after its release");
      const Value& value = function_.values[static_cast<size_t>(id)];
      literal &= value.literal;
      touched += value.bytes;
    }
    bool plain = true;
    for (int i = 0; i < item.output_count; ++i) {
      const int64_t id = item.outputs[i];
      const Value& value = function_.values[static_cast<size_t>(id)];
      const Value& root = function_.values[static_cast<size_t>(value.root)];
      if (root.storage != Storage::arena && root.storage != Storage::heap)
        return wrong(function_, "an output is a constant or an input");
      if (value.storage == Storage::alias && !available(value.location))
        return wrong(function_, "an output is an alias of a value that is not there");
      if (value.storage == Storage::alias && !element_bytes(value.dtype))
        return wrong(function_, "text cannot be updated in place");
      if (item.kernel->sets_outputs && value.storage != Storage::heap) {
        return wrong(function_, std::string("the outputs of ") + item.kernel->name + " must be on the heap");
      }
      if (value.binding && !item.kernel->sets_outputs) {
        return wrong(function_, std::string(item.kernel->name) + " cannot decide the sizes of its outputs");
      }
      for (int k = 0; k < i; ++k) {
        if (overlap(id, item.outputs[k])) return wrong(function_, "two outputs of an instruction overlap");
      }
      for (int k = 0; k < item.input_count; ++k) {
        if (item.inputs[k] < 0 || !overlap(id, item.inputs[k])) continue;
        const Value& input = function_.values[static_cast<size_t>(item.inputs[k])];
        if (value.root != input.root || value.storage != Storage::alias)
          return wrong(function_, "an output overlaps an input it is no alias of");
        if (value.dtype != input.dtype) return wrong(function_, "an output is written over an input of another type");
        if (k > 0 && may_be_indices(input.dtype) && std::strcmp(item.kernel->name, "fused") != 0) {
          return wrong(function_, "an output is written over what may be indices");
        }
      }
      literal &= value.literal && !value.binding;
      plain &= root.storage == Storage::arena;
      touched += value.bytes;
    }
    for (int i = 0; i < item.output_count; ++i) state_[static_cast<size_t>(item.outputs[i])] = State::made;
    for (int i = 0; i < item.patch_count; ++i) {
      if (item.patches[2 * i] < 0 || item.patches[2 * i] >= item.attribute_count ||
          !operand_ok(item.patches[2 * i + 1], function_.expressions.size())) {
        return wrong(function_, "a patch is out of range");
      }
    }
    for (int i = 0; i < item.release_count; ++i) {
      const int64_t id = item.releases[i];
      if (!valid(id) || function_.values[static_cast<size_t>(id)].storage != Storage::heap || !available(id)) {
        return wrong(function_, "a release names a value that is not on the heap");
      }
      state_[static_cast<size_t>(id)] = State::released;
    }
    item.is_static = literal;
    item.plain = literal && plain && item.release_count == 0 && !item.kernel->sets_outputs;
    function_.heavy |=
        touched > heavy_bytes || item.kernel == &kernel_host_call || item.kernel == &kernel_loop || !literal;
    function_.has_host |= item.kernel == &kernel_host_call;
    return calls(item);
  }

  Status calls(const Instruction& item) const {
    const int called = called_count(item);
    if (item.kernel != &kernel_call && item.kernel != &kernel_branch && item.kernel != &kernel_loop) return Status();
    if (item.patch_count) return wrong(function_, "a call has patches");
    if (called < 1 || (item.kernel == &kernel_loop && item.attribute_count != 3))
      return wrong(function_, "a call names no function");
    const int first = item.kernel == &kernel_branch ? 1 : 0;
    for (int i = 0; i < called; ++i) {
      if (item.attributes[i] < 0 || item.attributes[i] >= static_cast<int64_t>(module_.functions.size())) {
        return wrong(function_, "a call's function is out of range");
      }
      const Function& callee = *module_.functions[static_cast<size_t>(item.attributes[i])];
      const bool condition = item.kernel == &kernel_loop && i == 0;
      const size_t outputs = condition ? 1 : static_cast<size_t>(item.output_count);
      if (callee.inputs.size() + static_cast<size_t>(first) != static_cast<size_t>(item.input_count) ||
          callee.outputs.size() != outputs) {
        return wrong(function_, "a call does not fit its function's inputs and outputs");
      }
      if (item.kernel == &kernel_loop &&
          (item.attributes[2] != item.output_count || item.output_count > item.input_count)) {
        return wrong(function_, "a loop's carried count does not fit");
      }
      for (size_t k = 0; k < callee.inputs.size(); ++k) {
        const int64_t id = item.inputs[k + static_cast<size_t>(first)];
        if (id < 0 || !same_type(function_.values[static_cast<size_t>(id)],
                                 callee.values[static_cast<size_t>(callee.inputs[k])])) {
          return wrong(function_, "a call's input has another type than its function's");
        }
      }
      for (size_t k = 0; k < outputs && !condition; ++k) {
        if (!same_type(function_.values[static_cast<size_t>(item.outputs[k])],
                       callee.values[static_cast<size_t>(callee.outputs[k])])) {
          return wrong(function_, "a call's output has another type than its function's");
        }
      }
      if (condition) {
        const Value& answer = callee.values[static_cast<size_t>(callee.outputs[0])];
        if (answer.dtype != DType::boolean || answer.rank != 0)
          return wrong(function_, "a loop's condition is no bool scalar");
      }
    }
    return Status();
  }

  // A kernel checks its indices, then uses them: they must not change in between. Indices come after what they point into.
  static bool may_be_indices(DType dtype) { return dtype == DType::int32 || dtype == DType::int64; }

  static bool same_type(const Value& a, const Value& b) { return a.dtype == b.dtype && a.rank == b.rank; }

  // A list given to a function is let go after its last use, so that whoever uses it last may change it in place.
  void drop_inputs() {
    std::vector<int32_t> last(function_.values.size(), -1);
    for (int32_t id : function_.inputs) {
      if (function_.values[static_cast<size_t>(id)].dtype == DType::variant) last[static_cast<size_t>(id)] = 0;
    }
    for (size_t i = 0; i < function_.instructions.size(); ++i) {
      const Instruction& item = function_.instructions[i];
      for (int k = 0; k < item.input_count; ++k) {
        if (item.inputs[k] >= 0 && last[static_cast<size_t>(item.inputs[k])] >= 0)
          last[static_cast<size_t>(item.inputs[k])] = static_cast<int32_t>(i) + 1;
      }
    }
    for (int32_t id : function_.outputs) last[static_cast<size_t>(id)] = -1;
    for (size_t id = 0; id < last.size(); ++id) {
      if (last[id] > 0) {
        Instruction& item = function_.instructions[static_cast<size_t>(last[id] - 1)];
        item.drops.push_back(static_cast<int32_t>(id));
        item.plain = false;
      }
    }
  }

  // A list that a function is given and nobody reads afterwards is handed over, so that the function may change it in place.
  void hand_over() {
    for (Instruction& item : function_.instructions) {
      if (item.kernel != &kernel_call && item.kernel != &kernel_branch && item.kernel != &kernel_loop) continue;
      item.handed.assign(static_cast<size_t>(item.input_count), 0);
      for (int i = 0; i < item.input_count; ++i) {
        const int64_t id = item.inputs[i];
        if (id < 0 || function_.values[static_cast<size_t>(id)].dtype != DType::variant) continue;
        const bool released = std::count(item.releases, item.releases + item.release_count, id) > 0;
        const bool dropped = std::count(item.drops.begin(), item.drops.end(), static_cast<int32_t>(id)) > 0;
        const bool once = std::count(item.inputs, item.inputs + item.input_count, id) == 1;
        item.handed[static_cast<size_t>(i)] = (released || dropped) && once;
      }
    }
  }

  Module& module_;
  Function& function_;
  std::vector<State> state_;
};

Status find_depths(Module& module, const std::vector<std::vector<int64_t>>& callees) {
  // 0 not seen, -1 being visited, else depth + 1
  std::vector<int> depth(module.functions.size(), 0);
  struct Visit {
    size_t function, next;
  };
  for (size_t start = 0; start < depth.size(); ++start) {
    if (depth[start]) continue;
    std::vector<Visit> stack{{start, 0}};
    depth[start] = -1;
    while (!stack.empty()) {
      Visit& top = stack.back();
      Function& function = *module.functions[top.function];
      if (top.next == callees[top.function].size()) {
        if (function.depth > deepest_call) return wrong(function, "its calls are nested too deeply");
        depth[top.function] = function.depth + 1;
        stack.pop_back();
        continue;
      }
      const auto callee = static_cast<size_t>(callees[top.function][top.next]);
      if (depth[callee] == -1) return wrong(function, "it calls itself");
      if (depth[callee] == 0) {
        depth[callee] = -1;
        stack.push_back({callee, 0});
        continue;
      }
      ++top.next;
      function.depth = std::max(function.depth, depth[callee]);
      function.heavy |= module.functions[callee]->heavy;
      function.has_host |= module.functions[callee]->has_host;
    }
  }
  return Status();
}

}  // namespace

Status verify_module(Module& module) {
  std::vector<std::vector<int64_t>> callees;
  for (auto& function : module.functions) {
    Verifier verifier(module, *function);
    MS_RETURN_IF_ERROR(verifier.verify());
    callees.push_back(verifier.callees());
  }
  MS_RETURN_IF_ERROR(find_depths(module, callees));
  for (auto& function : module.functions) MS_RETURN_IF_ERROR(Verifier(module, *function).check_kernels());
  return Status();
}

}  // namespace millstream
