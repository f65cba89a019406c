// Kernels of the executor: calls, branches, loops, sizes, variables, host calls, assertions.
#include "program/control.h"

#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>

#include "kernels/operands.h"
#include "memory/objects.h"
#include "program/executor.h"
#include "program/kept_hosts.h"
#include "program/stopping.h"

namespace millstream {
namespace {

thread_local const StopFlag* thread_flag = nullptr;

Status accept(const Call&) { return Status(); }

Status run_call(const Call& call) {
  return call.executor->call(call.attributes[0], call.inputs, call.input_count, call.outputs, call.output_count,
                             call.executor->handed());
}

Status check_branch(const Call& call) {
  MS_REQUIRE(call.input_count > 0 && call.has(0) && call.in(0).dtype == DType::int32 && call.in(0).rank == 0,
             "branch takes an int32 scalar as its index");
  return Status();
}

Status run_branch(const Call& call) {
  const int32_t index = *call.in(0).as<int32_t>();
  const int64_t last = call.attribute_count - 1;
  const int64_t chosen = index < 0 || index > last ? last : index;
  return call.executor->call(call.attributes[chosen], call.inputs + 1, call.input_count - 1, call.outputs,
                             call.output_count, call.executor->handed() + 1);
}

Status run_loop(const Call& call) {
  const auto carried = static_cast<size_t>(call.attributes[2]);
  std::vector<Tensor> now(carried), next(carried);
  std::vector<const Tensor*> inputs(static_cast<size_t>(call.input_count));
  std::vector<Tensor*> outputs(carried);
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = call.inputs[i];
  // What is carried is handed over: what the loop was given, where nobody reads it afterwards; what turns made, always.
  const uint8_t* handed = call.executor->handed();
  std::vector<uint8_t> moved(inputs.size(), 0);
  for (size_t i = 0; i < carried; ++i) moved[i] = handed[i];
  Tensor answer;
  Tensor* answers[1] = {&answer};
  const StopFlag* flag = stop_flag();
  for (;;) {
    if (flag && flag->is_set()) return stopped();
    MS_RETURN_IF_ERROR(call.executor->call(call.attributes[0], inputs.data(), call.input_count, answers, 1));
    if (!*answer.as<bool>()) break;
    for (size_t i = 0; i < carried; ++i) outputs[i] = &next[i];
    MS_RETURN_IF_ERROR(call.executor->call(call.attributes[1], inputs.data(), call.input_count, outputs.data(),
                                           static_cast<int>(carried), moved.data()));
    for (size_t i = 0; i < carried; ++i) {
      std::swap(now[i], next[i]);
      next[i] = Tensor();
      inputs[i] = &now[i];
      moved[i] = 1;
    }
  }
  for (size_t i = 0; i < carried; ++i) call.out(static_cast<int>(i)) = owned(*inputs[i]);
  return Status();
}

Status check_bind_sizes(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.has(0) && call.output_count == 0, "bind_sizes takes one input");
  const Tensor& sizes = call.in(0);
  MS_REQUIRE(sizes.dtype == DType::int32 || sizes.dtype == DType::int64, "bind_sizes takes int32 or int64");
  MS_REQUIRE(sizes.count() >= call.attribute_count, "bind_sizes has more symbols than sizes");
  return Status();
}

Status run_bind_sizes(const Call& call) {
  const Tensor& sizes = call.in(0);
  for (int64_t i = 0; i < call.attribute_count; ++i) {
    const int64_t size = sizes.dtype == DType::int32 ? sizes.as<int32_t>()[i] : sizes.as<int64_t>()[i];
    MS_RETURN_IF_ERROR(call.executor->bind(call.attributes[i], size));
  }
  return Status();
}

Status check_sizes(const Call& call) {
  MS_REQUIRE(call.input_count == 0 && call.output_count == 1, "sizes takes no input and gives one output");
  MS_REQUIRE(call.out(0).dtype == DType::int32 || call.out(0).dtype == DType::int64, "sizes gives int32 or int64");
  MS_REQUIRE(call.out(0).count() == call.attribute_count, "sizes gives as many elements as it has attributes");
  return Status();
}

Status run_sizes(const Call& call) {
  for (int64_t i = 0; i < call.attribute_count; ++i) {
    if (call.out(0).dtype == DType::int32) {
      if (call.attributes[i] > INT32_MAX)
        return invalid("A size of " + std::to_string(call.attributes[i]) + " does not fit int32.");
      call.out(0).as<int32_t>()[i] = static_cast<int32_t>(call.attributes[i]);
    } else {
      call.out(0).as<int64_t>()[i] = call.attributes[i];
    }
  }
  return Status();
}

Status find_state(const Call& call, State*& state) {
  state = object_as<State>(call.in(0), ObjectKind::state);
  return state ? Status() : invalid("A handle that is no variable was used as one.");
}

Status check_handle(const Call& call, int inputs, int outputs) {
  MS_REQUIRE(call.input_count == inputs && call.output_count == outputs,
             "a variable's kernel has other inputs or outputs");
  for (int i = 0; i < inputs; ++i) MS_REQUIRE(call.has(i), "a variable's kernel needs all its inputs");
  MS_REQUIRE(call.in(0).dtype == DType::resource, "a variable's kernel takes a resource");
  return Status();
}

Status check_state_read(const Call& call) { return check_handle(call, 1, 1); }
Status check_state_write(const Call& call) { return check_handle(call, 2, 0); }
Status check_state_is_set(const Call& call) {
  MS_RETURN_IF_ERROR(check_handle(call, 1, 1));
  MS_REQUIRE(call.out(0).dtype == DType::boolean && call.out(0).rank == 0, "state_is_set gives a bool scalar");
  return Status();
}

Status run_state_read(const Call& call) {
  State* state;
  MS_RETURN_IF_ERROR(find_state(call, state));
  return state->read(call.out(0));
}

Status run_state_edit(const Call& call) {
  State* state;
  MS_RETURN_IF_ERROR(find_state(call, state));
  return state->edit(call.out(0));
}

Status run_state_write(const Call& call) {
  State* state;
  MS_RETURN_IF_ERROR(find_state(call, state));
  return state->write(call.in(1));
}

Status run_state_is_set(const Call& call) {
  State* state;
  MS_RETURN_IF_ERROR(find_state(call, state));
  std::lock_guard lock(state->mutex);
  *call.out(0).as<bool>() = state->is_set;
  return Status();
}

Status check_host_call(const Call& call) {
  MS_REQUIRE(call.input_count >= 1 && call.has(0) && call.in(0).dtype == DType::resource,
             "host_call takes a host object first");
  for (int i = 1; i < call.input_count; ++i) MS_REQUIRE(call.has(i), "host_call needs all its inputs");
  return Status();
}

Status run_host_call(const Call& call) {
  Host* host = object_as<Host>(call.in(0), ObjectKind::host);
  if (!host) return invalid("host_call was given a handle that is no host object.");
  if (const StopFlag* flag = stop_flag(); flag && flag->is_set()) return stopped();
  std::vector<Tensor> inputs(static_cast<size_t>(call.input_count - 1));
  std::vector<const Tensor*> pointers(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = owned(call.in(static_cast<int>(i) + 1));  // arena values change after the call
    pointers[i] = &inputs[i];
  }
  return host->call(pointers.data(), call.input_count - 1, call.outputs, call.output_count);
}

std::mutex kept_lock;

std::unordered_map<int64_t, Ref<Object>>& kept_hosts() {
  static auto* const kept = new std::unordered_map<int64_t, Ref<Object>>;
  return *kept;
}

// Numbers begin anywhere: a plan of a file cannot guess one.
int64_t first_kept() {
  std::random_device source;
  return static_cast<int64_t>((static_cast<uint64_t>(source()) << 31 ^ source()) >> 2);
}

// attributes: the number that `keep_host` gave.
Status check_host_kept(const Call& call) {
  MS_REQUIRE(call.input_count == 0 && call.output_count == 1 && call.out(0).dtype == DType::resource,
             "host_kept gives a host object");
  return check_attributes(call, "host_kept", 1);
}

Status run_host_kept(const Call& call) {
  const std::lock_guard<std::mutex> held(kept_lock);
  const auto found = kept_hosts().find(call.attributes[0]);
  if (found == kept_hosts().end())
    return Status(Code::unimplemented, "This plan calls a function of the process that made it; run it there.");
  call.out(0).object = found->second;
  return Status();
}

// attributes: error code, message bytes, message words (eight bytes each). Input 0 the condition; the rest is shown.
Status check_check(const Call& call) {
  MS_REQUIRE(call.input_count >= 1 && call.has(0) && call.in(0).dtype == DType::boolean && call.output_count == 0,
             "check takes a bool condition first and gives nothing");
  MS_REQUIRE(
      call.attribute_count >= 2 && call.attributes[1] >= 0 && call.attributes[1] <= (call.attribute_count - 2) * 8,
      "check's message lies outside its attributes");
  MS_REQUIRE(call.attributes[0] >= 1 && call.attributes[0] <= 15, "check's error code is not one of 1 to 15");
  return Status();
}

template <typename T>
std::string list_text(const Tensor& tensor, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) text += (i ? " " : "") + std::to_string(tensor.as<T>()[i]);
  return text;
}

std::string shown(const Tensor& tensor) {
  const int64_t count = std::min<int64_t>(tensor.count(), 8);
  std::string text;
  switch (tensor.dtype) {
    case DType::float32:
      text = list_text<float>(tensor, count);
      break;
    case DType::float64:
      text = list_text<double>(tensor, count);
      break;
    case DType::int32:
      text = list_text<int32_t>(tensor, count);
      break;
    case DType::int64:
      text = list_text<int64_t>(tensor, count);
      break;
    case DType::boolean:
      text = list_text<bool>(tensor, count);
      break;
    case DType::string:
      if (tensor.count() == 1) {
        const int64_t* offsets = tensor.as<int64_t>();
        return std::string(reinterpret_cast<const char*>(offsets + 2) + offsets[0],
                           static_cast<size_t>(offsets[1] - offsets[0]));
      }
      [[fallthrough]];
    default:
      return std::string(dtype_name(tensor.dtype)) + shape_text(tensor.rank, tensor.dims);
  }
  return "[" + text + (count < tensor.count() ? " ...]" : "]");
}

Status run_check(const Call& call) {
  const bool* condition = call.in(0).as<bool>();
  bool held = true;
  for (int64_t i = 0, count = call.in(0).count(); i < count; ++i) held &= condition[i];
  if (held) return Status();
  std::string message(reinterpret_cast<const char*>(call.attributes + 2), static_cast<size_t>(call.attributes[1]));
  for (int i = 1; i < call.input_count; ++i) {
    if (call.has(i)) message += (message.empty() ? "" : " ") + shown(call.in(i));
  }
  return Status(static_cast<Code>(call.attributes[0]), message);
}

}  // namespace

const Kernel kernel_call{"call", accept, run_call, nullptr, true};
const Kernel kernel_branch{"branch", check_branch, run_branch, nullptr, true};
const Kernel kernel_loop{"loop", accept, run_loop, nullptr, true};
const Kernel kernel_state_edit{"state_edit", check_state_read, run_state_edit, nullptr, true};
const Kernel kernel_host_call{"host_call", check_host_call, run_host_call, nullptr, true};

namespace {

const Kernel kernel_host_kept{"host_kept", check_host_kept, run_host_kept};
const Kernel kernel_bind_sizes{"bind_sizes", check_bind_sizes, run_bind_sizes};
const Kernel kernel_sizes{"sizes", check_sizes, run_sizes};
const Kernel kernel_state_read{"state_read", check_state_read, run_state_read, nullptr, true};
const Kernel kernel_state_write{"state_write", check_state_write, run_state_write};
const Kernel kernel_state_is_set{"state_is_set", check_state_is_set, run_state_is_set};
const Kernel kernel_check{"check", check_check, run_check};

}  // namespace

const StopFlag* stop_flag() { return thread_flag; }
const StopFlag* set_stop_flag(const StopFlag* flag) { return std::exchange(thread_flag, flag); }

int64_t keep_host(Ref<Object> host) {
  static int64_t next = first_kept();
  const std::lock_guard<std::mutex> held(kept_lock);
  kept_hosts().emplace(++next, std::move(host));
  return next;
}

void register_control(Registry& registry) {
  for (const Kernel* kernel : {&kernel_call, &kernel_branch, &kernel_loop, &kernel_host_call, &kernel_host_kept,
                               &kernel_bind_sizes, &kernel_sizes, &kernel_state_read, &kernel_state_edit,
                               &kernel_state_write, &kernel_state_is_set, &kernel_check}) {
    registry.add(*kernel);
  }
}

}  // namespace millstream
