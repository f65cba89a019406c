// The C door: millstream.h over the runtime. Refuses every index out of range; no exception leaves it.
#include "include/millstream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>

#include "kernels/lapack.h"
#include "memory/allocator.h"
#include "memory/objects.h"
#include "program/executor.h"
#include "threads/pool.h"
#include "tracing/trace.h"

using namespace millstream;

struct ms_tensor {
  Tensor tensor;
};

namespace {

struct Port {
  std::string name;
  const Value* value;
  int64_t position;  // among the function's inputs or outputs
};

struct Offer {
  std::string name;
  const Function* function;
  std::vector<Port> inputs, outputs;
  std::vector<std::pair<int64_t, int64_t>> states;
  bool changes = false;  // variables, perhaps
};

thread_local std::string last_error, last_error_source;

int fail(const Status& status, const std::string& source = std::string()) {
  last_error = status.message();
  last_error_source = source;
  return static_cast<int>(status.code());
}

template <typename F>
int guarded(F&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Status(Code::resource_exhausted, "Out of memory."));
  }
}

const std::vector<std::string>& kernel_names() {
  static const auto* const names = [] {
    auto* made = new std::vector<std::string>;
    Registry::instance().each([&](const Kernel& kernel) { made->emplace_back(kernel.name); });
    return made;
  }();
  return *names;
}

}  // namespace

struct ms_plan {
  Ref<Module> module;
  std::vector<Offer> offers;
  std::vector<Ref<Object>> objects;  // what signatures are bound to: variables, tables
  std::vector<Ref<State>> states;    // the variables among them
  std::vector<std::string> state_names;
  std::mutex
      changes;  // held by calls that change variables: reading, computing and writing are then one step for the others
};

namespace {

// Whether a function may write variables itself, or may call one that does.
bool changes_state(const Module& module, const Function& function) {
  const auto writes = [](const Instruction& item) {
    const std::string_view name = item.kernel->name;
    return name == "state_edit" || name == "state_write";
  };
  if (std::ranges::any_of(function.instructions, writes)) return true;
  if (function.depth == 0) return false;
  return std::ranges::any_of(module.functions,
                             [&](const auto& other) { return std::ranges::any_of(other->instructions, writes); });
}

// A plan comes from anywhere: it reads no files, unless whoever runs the process says that it may.
Status refuse_files(const Module& module) {
  const char* const allowed = std::getenv("MILLSTREAM_ALLOW_FILES");
  if (allowed && *allowed && std::string_view(allowed) != "0") return Status();
  for (const Kernel* kernel : module.kernels) {
    if (std::string_view(kernel->name) == "table_read") {
      return Status(Code::permission_denied,
                    "The plan fills a table from a file; plans may touch no files. Export a signature that does not, "
                    "or set MILLSTREAM_ALLOW_FILES=1 where you trust it.");
    }
  }
  return Status();
}

int finish_open(Ref<Module> module, ms_plan** out) {
  const Status files = refuse_files(*module);
  if (!files.ok()) return fail(files);
  auto plan = std::make_unique<ms_plan>();
  plan->module = module;
  for (const Signature& signature : module->signatures) {
    Offer offer;
    offer.name = signature.name;
    offer.function = module->functions[static_cast<size_t>(signature.function)].get();
    offer.states = signature.states;
    std::vector<bool> state(offer.function->inputs.size());
    for (auto [input, index] : signature.states) state[static_cast<size_t>(input)] = true;
    size_t given = 0;
    for (size_t i = 0; i < state.size(); ++i) {
      if (state[i]) continue;
      offer.inputs.push_back({std::string(signature.input_names[given++]),
                              &offer.function->values[static_cast<size_t>(offer.function->inputs[i])],
                              static_cast<int64_t>(i)});
    }
    for (size_t i = 0; i < signature.output_names.size(); ++i) {
      offer.outputs.push_back({std::string(signature.output_names[i]),
                               &offer.function->values[static_cast<size_t>(offer.function->outputs[i])],
                               static_cast<int64_t>(i)});
    }
    offer.changes = changes_state(*module, *offer.function);
    plan->offers.push_back(std::move(offer));
  }
  for (const StateRecord& record : module->states) {
    if (record.maker >= 0) {
      Tensor handle;
      Tensor* const out_handle = &handle;
      const Status status =
          run_function(*module, *module->functions[static_cast<size_t>(record.maker)], nullptr, &out_handle);
      if (!status.ok()) return fail(status, take_failure_source());
      plan->objects.push_back(handle.object);
      continue;
    }
    auto state = Ref<State>::adopt(new State);
    state->dtype = record.dtype;
    state->rank = record.rank;
    for (int i = 0; i < record.rank; ++i) state->dims[i] = record.dims[i];
    state->name = record.name;
    if (record.constant >= 0) {
      const Status status = state->write(module->constants[static_cast<size_t>(record.constant)]);
      if (!status.ok()) return fail(status);
    }
    plan->objects.push_back(state);
    plan->state_names.push_back(state->name);
    plan->states.push_back(std::move(state));
  }
  *out = plan.release();
  return 0;
}

const Offer* offer_at(const ms_plan* plan, int index) {
  return plan && index >= 0 && index < static_cast<int>(plan->offers.size()) ? &plan->offers[static_cast<size_t>(index)]
                                                                             : nullptr;
}

const Port* port_at(const ms_plan* plan, int signature, int index, bool input) {
  const Offer* offer = offer_at(plan, signature);
  if (!offer) return nullptr;
  const auto& ports = input ? offer->inputs : offer->outputs;
  return index >= 0 && index < static_cast<int>(ports.size()) ? &ports[static_cast<size_t>(index)] : nullptr;
}

int64_t port_size(const Port* port, int dimension) {
  if (!port || dimension < 0 || dimension >= port->value->rank) return -1;
  return std::max<int64_t>(port->value->sizes[dimension], -1);
}

Status make_tensor(int type, int rank, const int64_t* sizes, Tensor& tensor) {
  tensor.dtype = static_cast<DType>(type);
  MS_REQUIRE(rank >= 0 && rank <= max_rank, "A tensor has 0 to 12 dimensions, given " + std::to_string(rank) + ".");
  MS_REQUIRE(rank == 0 || sizes, "A tensor's sizes are missing.");
  tensor.rank = rank;
  for (int i = 0; i < rank; ++i) tensor.dims[i] = sizes[i];
  int64_t count, bytes;
  return literal_count(tensor.dtype, rank, tensor.dims, count, bytes);
}

}  // namespace

const char* ms_version(void) { return "0.1.0"; }
const char* ms_last_error(void) { return last_error.c_str(); }
const char* ms_last_error_source(void) { return last_error_source.c_str(); }
int ms_kernel_count(void) { return static_cast<int>(kernel_names().size()); }
const char* ms_kernel_name(int index) {
  return index >= 0 && index < ms_kernel_count() ? kernel_names()[static_cast<size_t>(index)].c_str() : nullptr;
}
int ms_thread_count(void) { return thread_count(); }
void ms_set_thread_count(int count) { set_thread_count(count); }
int64_t ms_memory_bytes(void) { return memory_stats().reserved_bytes; }
void ms_release_cached_memory(void) { release_cached_memory(); }
void ms_set_lapack(void* (*find)(const char* name)) { set_lapack(find); }
void ms_trace_start(void) { trace_start(); }

int ms_trace_write(const char* path) {
  return guarded([&] {
    const auto events = trace_stop();
    std::FILE* file = path ? std::fopen(path, "w") : nullptr;
    if (!file) return fail(Status(Code::not_found, std::string("Cannot write '") + (path ? path : "") + "'."));
    std::fputs("{\"traceEvents\":[", file);
    const char* between = "\n";
    for (const TraceEvent& event : events) {
      std::fprintf(file, "%s{\"name\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%lld,\"ts\":%.3f,\"dur\":%.3f}", between,
                   event.name.c_str(), static_cast<long long>(event.thread), static_cast<double>(event.begin_ns) / 1e3,
                   static_cast<double>(event.end_ns - event.begin_ns) / 1e3);
      between = ",\n";
    }
    std::fputs("\n]}\n", file);
    if (std::fclose(file) != 0) return fail(Status(Code::unknown, std::string("Cannot write all of '") + path + "'."));
    return 0;
  });
}

int ms_plan_open(const char* path, ms_plan** plan) {
  return guarded([&] {
    if (!path || !plan) return fail(invalid("ms_plan_open was given a null pointer."));
    Ref<Module> module;
    const Status status = Module::load_path(path, module);
    return status.ok() ? finish_open(module, plan) : fail(status);
  });
}

int ms_plan_open_bytes(const void* bytes, size_t size, ms_plan** plan) {
  return guarded([&] {
    if (!bytes || !plan) return fail(invalid("ms_plan_open_bytes was given a null pointer."));
    Ref<Module> module;
    const Status status = Module::load_bytes(bytes, size, module);
    return status.ok() ? finish_open(module, plan) : fail(status);
  });
}

void ms_plan_free(ms_plan* plan) { delete plan; }

int ms_signature_count(const ms_plan* plan) { return plan ? static_cast<int>(plan->offers.size()) : 0; }
const char* ms_signature_name(const ms_plan* plan, int signature) {
  const Offer* offer = offer_at(plan, signature);
  return offer ? offer->name.c_str() : nullptr;
}
int ms_signature_find(const ms_plan* plan, const char* name) {
  for (int i = 0; name && i < ms_signature_count(plan); ++i) {
    if (plan->offers[static_cast<size_t>(i)].name == name) return i;
  }
  return -1;
}
int ms_input_count(const ms_plan* plan, int signature) {
  const Offer* offer = offer_at(plan, signature);
  return offer ? static_cast<int>(offer->inputs.size()) : 0;
}
int ms_output_count(const ms_plan* plan, int signature) {
  const Offer* offer = offer_at(plan, signature);
  return offer ? static_cast<int>(offer->outputs.size()) : 0;
}
const char* ms_input_name(const ms_plan* plan, int signature, int input) {
  const Port* port = port_at(plan, signature, input, true);
  return port ? port->name.c_str() : nullptr;
}
const char* ms_output_name(const ms_plan* plan, int signature, int output) {
  const Port* port = port_at(plan, signature, output, false);
  return port ? port->name.c_str() : nullptr;
}
int ms_input_type(const ms_plan* plan, int signature, int input) {
  const Port* port = port_at(plan, signature, input, true);
  return port ? static_cast<int>(port->value->dtype) : 0;
}
int ms_output_type(const ms_plan* plan, int signature, int output) {
  const Port* port = port_at(plan, signature, output, false);
  return port ? static_cast<int>(port->value->dtype) : 0;
}
int ms_input_rank(const ms_plan* plan, int signature, int input) {
  const Port* port = port_at(plan, signature, input, true);
  return port ? port->value->rank : -1;
}
int ms_output_rank(const ms_plan* plan, int signature, int output) {
  const Port* port = port_at(plan, signature, output, false);
  return port ? port->value->rank : -1;
}
int64_t ms_input_size(const ms_plan* plan, int signature, int input, int dimension) {
  return port_size(port_at(plan, signature, input, true), dimension);
}
int64_t ms_output_size(const ms_plan* plan, int signature, int output, int dimension) {
  return port_size(port_at(plan, signature, output, false), dimension);
}

int ms_call(ms_plan* plan, int signature, const ms_tensor* const* inputs, int input_count, ms_tensor** outputs,
            int output_count) {
  return guarded([&] {
    const Offer* offer = offer_at(plan, signature);
    if (!offer) return fail(invalid("There is no signature " + std::to_string(signature) + "."));
    if (input_count != static_cast<int>(offer->inputs.size()) ||
        output_count != static_cast<int>(offer->outputs.size())) {
      return fail(invalid("'" + offer->name + "' takes " + std::to_string(offer->inputs.size()) + " inputs and gives " +
                          std::to_string(offer->outputs.size()) + " outputs, given are " + std::to_string(input_count) +
                          " and " + std::to_string(output_count) + "."));
    }
    const Function& function = *offer->function;
    std::vector<Tensor> handles(offer->states.size());
    std::vector<const Tensor*> in(function.inputs.size());
    for (size_t i = 0; i < handles.size(); ++i) {
      handles[i].dtype = DType::resource;
      handles[i].object = plan->objects[static_cast<size_t>(offer->states[i].second)];
      in[static_cast<size_t>(offer->states[i].first)] = &handles[i];
    }
    for (int i = 0; i < input_count; ++i) {
      if (!inputs || !inputs[i])
        return fail(invalid("Input " + std::to_string(i) + " of '" + offer->name + "' is missing."));
      in[static_cast<size_t>(offer->inputs[static_cast<size_t>(i)].position)] = &inputs[i]->tensor;
    }
    std::vector<std::unique_ptr<ms_tensor>> made(function.outputs.size());
    std::vector<Tensor*> out;
    for (auto& tensor : made) {
      tensor = std::make_unique<ms_tensor>();
      out.push_back(&tensor->tensor);
    }
    std::unique_lock changing(plan->changes, std::defer_lock);
    if (offer->changes) changing.lock();
    const Status status = run_function(*plan->module, function, in.data(), out.data());
    if (!status.ok()) return fail(status, take_failure_source());
    for (int i = 0; i < output_count; ++i) outputs[i] = made[static_cast<size_t>(i)].release();
    return 0;
  });
}

int ms_tensor_new(int type, int rank, const int64_t* sizes, ms_tensor** tensor) {
  return guarded([&] {
    auto made = std::make_unique<ms_tensor>();
    const Status status = make_tensor(type, rank, sizes, made->tensor);
    if (!status.ok()) return fail(status);
    if (!element_bytes(made->tensor.dtype))
      return fail(invalid("ms_tensor_new takes a type of numbers, given " + std::to_string(type) + "."));
    allocate_data(made->tensor);
    made->tensor.buffer->expose();
    std::memset(made->tensor.data, 0, made->tensor.bytes());
    *tensor = made.release();
    return 0;
  });
}

int ms_tensor_new_strings(const char* const* texts, const size_t* lengths, int rank, const int64_t* sizes,
                          ms_tensor** tensor) {
  return guarded([&] {
    auto made = std::make_unique<ms_tensor>();
    Tensor& out = made->tensor;
    const Status status = make_tensor(MS_STRING, rank, sizes, out);
    if (!status.ok()) return fail(status);
    const int64_t count = out.count();
    size_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += lengths ? lengths[i] : std::strlen(texts[i]);
    out.buffer = Buffer::allocate(static_cast<size_t>(count + 1) * 8 + total);
    out.data = out.buffer->data();
    int64_t* offsets = out.as<int64_t>();
    char* bytes = reinterpret_cast<char*>(offsets + count + 1);
    offsets[0] = 0;
    for (int64_t i = 0; i < count; ++i) {
      const size_t length = lengths ? lengths[i] : std::strlen(texts[i]);
      std::memcpy(bytes + offsets[i], texts[i], length);
      offsets[i + 1] = offsets[i] + static_cast<int64_t>(length);
    }
    *tensor = made.release();
    return 0;
  });
}

void ms_tensor_free(ms_tensor* tensor) { delete tensor; }
int ms_tensor_type(const ms_tensor* tensor) { return static_cast<int>(tensor->tensor.dtype); }
int ms_tensor_rank(const ms_tensor* tensor) { return tensor->tensor.rank; }
int64_t ms_tensor_size(const ms_tensor* tensor, int dimension) {
  return dimension >= 0 && dimension < tensor->tensor.rank ? tensor->tensor.dims[dimension] : -1;
}
int64_t ms_tensor_count(const ms_tensor* tensor) { return tensor->tensor.count(); }
size_t ms_tensor_bytes(const ms_tensor* tensor) { return tensor->tensor.bytes(); }
void* ms_tensor_data(ms_tensor* tensor) { return tensor->tensor.data; }
const char* ms_tensor_text(const ms_tensor* tensor, int64_t index, size_t* length) {
  const Tensor& held = tensor->tensor;
  const int64_t count = held.count();
  if (held.dtype != DType::string || index < 0 || index >= count) return nullptr;
  const int64_t* offsets = held.as<int64_t>();
  if (length) *length = static_cast<size_t>(offsets[index + 1] - offsets[index]);
  return reinterpret_cast<const char*>(offsets + count + 1) + offsets[index];
}

int ms_state_count(const ms_plan* plan) { return plan ? static_cast<int>(plan->states.size()) : 0; }
const char* ms_state_name(const ms_plan* plan, int state) {
  return state >= 0 && state < ms_state_count(plan) ? plan->state_names[static_cast<size_t>(state)].c_str() : nullptr;
}

int ms_state_get(ms_plan* plan, int state, ms_tensor** value) {
  return guarded([&] {
    if (state < 0 || state >= ms_state_count(plan))
      return fail(invalid("There is no state " + std::to_string(state) + "."));
    auto made = std::make_unique<ms_tensor>();
    const Status status = plan->states[static_cast<size_t>(state)]->read(made->tensor);
    if (!status.ok()) return fail(status);
    *value = made.release();
    return 0;
  });
}

// The bytes are copied: the caller may go on writing into its tensor.
int ms_state_set(ms_plan* plan, int state, const ms_tensor* value) {
  return guarded([&] {
    if (state < 0 || state >= ms_state_count(plan))
      return fail(invalid("There is no state " + std::to_string(state) + "."));
    if (!value) return fail(invalid("ms_state_set was given no value."));
    Tensor copy = value->tensor;
    copy.buffer.reset();
    const Status status = plan->states[static_cast<size_t>(state)]->write(copy);
    return status.ok() ? 0 : fail(status);
  });
}
