// The cache of oneDNN primitives and how one runs. Refuses to run where libdnnl.so.3 is missing.
#include "kernels/onednn_primitive.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <new>
#include <string>
#include <unordered_map>

#include "threads/pool.h"

namespace millstream {
namespace {

constexpr size_t cache_limit = 1024;         // operations
constexpr int64_t layout_limit = 512 << 20;  // bytes of all weights kept in other layouts
constexpr size_t layouts_of_one = 4;         // layouts kept of one tensor
std::atomic<int64_t> layout_bytes{0};

// The layouts in which the bytes of one Buffer are wanted, kept with it. Bytes come with the second wish: those of a variable
// in training change after each.
class Layouts final : public Object {
 public:
  Layouts() : Object(ObjectKind::layouts) {}
  ~Layouts() override {
    for (const Layout& layout : layouts_)
      layout_bytes -= layout.bytes ? static_cast<int64_t>(layout.bytes->bytes()) : 0;
  }

  // The bytes laid out as `wanted`, by `reorder` where they are to be kept from now on; nothing where they are not.
  Ref<Buffer> find(const dnnl::memory::desc& wanted, const std::function<bool(void*)>& reorder) {
    std::lock_guard lock(mutex_);
    for (Layout& layout : layouts_) {
      if (layout.wanted != wanted) continue;
      const auto size = static_cast<int64_t>(wanted.get_size());
      if (!layout.bytes && layout_bytes.load() + size <= layout_limit) {
        auto bytes = Buffer::allocate(static_cast<size_t>(size));
        if (!reorder(bytes->data())) return {};
        layout.bytes = std::move(bytes);
        layout_bytes += size;
      }
      return layout.bytes;
    }
    if (layouts_.size() < layouts_of_one) layouts_.push_back({wanted, {}});
    return {};
  }

 private:
  struct Layout {
    dnnl::memory::desc wanted;
    Ref<Buffer> bytes;
  };
  std::mutex mutex_;
  std::vector<Layout> layouts_;
};

Status missing() {
  return Status(Code::failed_precondition,
                "oneDNN's library libdnnl.so.3 was not found beside millstream's own, or is another one: reinstall "
                "millstream, or set MILLSTREAM_ONEDNN=0 to run without it");
}

dnnl_stream_t stream() {
  thread_local const dnnl::stream own(onednn_engine());
  return own.get();
}

struct KeyHash {
  size_t operator()(const std::vector<int64_t>& key) const {
    uint64_t hash = 0xcbf29ce484222325;
    for (int64_t word : key) hash = (hash ^ static_cast<uint64_t>(word)) * 0x9e3779b97f4a7c15, hash ^= hash >> 29;
    return hash;
  }
};

struct Cache {
  struct Entry {
    std::vector<int64_t> key;
    std::shared_ptr<const OneDnnOperation> operation;
  };
  std::mutex mutex;
  std::list<Entry> order;  // latest used first
  std::unordered_map<std::vector<int64_t>, std::list<Entry>::iterator, KeyHash> entries;
};

Cache& cache() {
  static Cache* const instance = new Cache;  // never destroyed: threads may still run
  return *instance;
}

}  // namespace

const dnnl::engine& onednn_engine() {
  static const dnnl::engine* const engine = [] {
    if (!onednn_use_our_threads()) throw dnnl::error(dnnl_runtime_error, "not the library this was built for");
    auto* made = new dnnl::engine(dnnl::engine::kind::cpu, 0);
    dnnl_set_primitive_cache_capacity(0);  // ours is enough
    return made;
  }();
  return *engine;
}

dnnl::primitive_attr onednn_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

int onednn_threads(double multiplications) { return multiplications < 2e6 ? 1 : thread_count(); }

bool onednn_has_bfloat16() {
  static const bool has = [] {
    const auto isa = dnnl::get_effective_cpu_isa();
    return isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_fp16 ||
           isa == dnnl::cpu_isa::avx512_core_amx || isa == dnnl::cpu_isa::avx512_core_amx_fp16;
  }();
  return has;
}

bool all_finite(const Tensor& tensor) {
  std::atomic<bool> finite{true};
  parallel_for(tensor.count(), 1 << 16, [&](int64_t begin, int64_t end) {
    // Exponents of ones only are infinite or NaN. No early way out: a plain loop becomes vectors.
    uint32_t odd = 0;
    if (tensor.dtype == DType::float32) {
      const auto* bits = tensor.as<const uint32_t>();
      for (int64_t i = begin; i < end; ++i) odd |= (bits[i] & 0x7f800000u) == 0x7f800000u;
    } else {
      const auto* bits = tensor.as<const uint16_t>();
      for (int64_t i = begin; i < end; ++i) odd |= (bits[i] & 0x7f80u) == 0x7f80u;
    }
    if (odd) finite = false;
  });
  return finite;
}

void apply_relu(Activation activation, const Tensor& tensor) {
  const bool six = activation == Activation::relu6;
  parallel_for(tensor.count(), 1 << 15, [&](int64_t begin, int64_t end) {
    if (tensor.dtype == DType::float32) {
      auto* x = tensor.as<float>();
      for (int64_t i = begin; i < end; ++i) x[i] = x[i] < 0 ? 0 : x[i];
      if (!six) return;
      for (int64_t i = begin; i < end; ++i) x[i] = x[i] > 6 ? 6 : x[i];
      return;
    }
    // Patterns grow with the numbers: 0xff80 is -infinity, beyond it negative NaN; 0x40c0 is 6, 0x7f80 infinity.
    auto* bits = tensor.as<uint16_t>();
    for (int64_t i = begin; i < end; ++i) bits[i] = bits[i] >= 0x8000 && bits[i] <= 0xff80 ? 0 : bits[i];
    if (!six) return;
    for (int64_t i = begin; i < end; ++i) bits[i] = bits[i] > 0x40c0 && bits[i] <= 0x7f80 ? 0x40c0 : bits[i];
  });
}

void append_activation(dnnl::post_ops& operations, Activation activation, double alpha) {
  using dnnl::algorithm;
  const float a = static_cast<float>(alpha);
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      operations.append_eltwise(algorithm::eltwise_relu, 0, 0);
      break;
    case Activation::relu6:
      operations.append_eltwise(algorithm::eltwise_clip, 0, 6);
      break;
    case Activation::tanh:
      operations.append_eltwise(algorithm::eltwise_tanh, 0, 0);
      break;
    case Activation::logistic:
      operations.append_eltwise(algorithm::eltwise_logistic, 0, 0);
      break;
    case Activation::gelu:
      operations.append_eltwise(algorithm::eltwise_gelu_erf, 0, 0);
      break;
    case Activation::gelu_tanh:
      operations.append_eltwise(algorithm::eltwise_gelu_tanh, 0, 0);
      break;
    case Activation::swish:
      operations.append_eltwise(algorithm::eltwise_swish, 1, 0);
      break;
    case Activation::elu:
      operations.append_eltwise(algorithm::eltwise_elu, a, 0);
      break;
    case Activation::leaky_relu:
      operations.append_eltwise(algorithm::eltwise_relu, a, 0);
      break;
  }
}

// The memory objects of one run, kept because making them costs more than a small run.
struct OneDnnOperation::Frame {
  std::vector<dnnl::memory> plain, wanted;
  dnnl::memory scratchpad, reorder_scratchpad;
  std::vector<dnnl_exec_arg_t> arguments;
};

OneDnnOperation::OneDnnOperation(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                                 const std::vector<Slot>& slots, int threads)
    : primitive_(std::move(primitive)),
      slots_(slots),
      reorders_(slots.size()),
      scratchpad_(scratchpad),
      threads_(threads) {
  const auto reserve = [this](size_t bytes) {
    const size_t at = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return at;
  };
  reserve(scratchpad_.get_size());
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.plain == slot.wanted) continue;
    const dnnl::engine& engine = onednn_engine();
    const dnnl::reorder::primitive_desc description(engine, slot.output ? slot.wanted : slot.plain, engine,
                                                    slot.output ? slot.plain : slot.wanted, onednn_attributes());
    reorders_[i].primitive = dnnl::reorder(description);
    reorders_[i].used = true;
    reorders_[i].offset = reserve(slot.wanted.get_size());
    reorder_scratch_bytes_ = std::max(reorder_scratch_bytes_, description.scratchpad_desc().get_size());
  }
  reserve(reorder_scratch_bytes_);
}

OneDnnOperation::~OneDnnOperation() = default;

std::unique_ptr<OneDnnOperation::Frame> OneDnnOperation::take_frame() const {
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      auto frame = std::move(free_.back());
      free_.pop_back();
      return frame;
    }
  }
  auto frame = std::make_unique<Frame>();
  const dnnl::engine& engine = onednn_engine();
  for (size_t i = 0; i < slots_.size(); ++i) {
    frame->plain.push_back(dnnl::memory(slots_[i].plain, engine, nullptr));
    if (reorders_[i].used) {
      frame->wanted.push_back(dnnl::memory(slots_[i].wanted, engine, nullptr));
    } else {
      frame->wanted.push_back(frame->plain.back());
    }
    frame->arguments.push_back({slots_[i].name, frame->wanted.back().get()});
  }
  frame->scratchpad = dnnl::memory(scratchpad_, engine, nullptr);
  frame->arguments.push_back({DNNL_ARG_SCRATCHPAD, frame->scratchpad.get()});
  const dnnl::memory::dim reorder_bytes = static_cast<dnnl::memory::dim>(reorder_scratch_bytes_);
  frame->reorder_scratchpad =
      dnnl::memory({{reorder_bytes}, dnnl::memory::data_type::u8, dnnl::memory::format_tag::a}, engine, nullptr);
  return frame;
}

Ref<Buffer> OneDnnOperation::kept_bytes(size_t slot, const Argument& argument,
                                        const std::function<bool(void*)>& reorder) const {
  Buffer* const buffer = slots_[slot].kept ? argument.buffer : nullptr;
  if (!buffer || buffer->data() != argument.data || buffer->bytes() != slots_[slot].plain.get_size()) return {};
  Ref<Object> layouts = buffer->derived();
  if (!layouts) {
    layouts = Ref<Object>::adopt(new Layouts);
    if (!buffer->derive(layouts)) return {};
  }
  if (layouts->kind() != ObjectKind::layouts) return {};
  return static_cast<Layouts*>(layouts.get())->find(slots_[slot].wanted, reorder);
}

Status OneDnnOperation::run(std::initializer_list<Argument> arguments) const {
  try {
    onednn_set_threads(threads_);
    auto frame = take_frame();
    Ref<Buffer> scratch;
    std::vector<Ref<Buffer>> kept;
    char* base = nullptr;
    if (bytes_) {
      scratch = Buffer::allocate(bytes_);
      base = static_cast<char*>(scratch->data());
    }
    dnnl_memory_set_data_handle(frame->scratchpad.get(), base);
    dnnl_memory_set_data_handle(frame->reorder_scratchpad.get(),
                                base + (bytes_ - (reorder_scratch_bytes_ + 63) / 64 * 64));
    dnnl_status_t result = dnnl_success;
    const auto reorder = [&](size_t i, bool out) {
      const dnnl_exec_arg_t list[] = {{DNNL_ARG_FROM, (out ? frame->wanted : frame->plain)[i].get()},
                                      {DNNL_ARG_TO, (out ? frame->plain : frame->wanted)[i].get()},
                                      {DNNL_ARG_SCRATCHPAD, frame->reorder_scratchpad.get()}};
      if (result == dnnl_success) result = dnnl_primitive_execute(reorders_[i].primitive.get(), stream(), 3, list);
    };
    for (size_t i = 0; i < slots_.size(); ++i) {
      const auto argument = std::find_if(arguments.begin(), arguments.end(),
                                         [&](const Argument& given) { return given.name == slots_[i].name; });
      if (argument == arguments.end()) continue;
      dnnl_memory_set_data_handle(frame->plain[i].get(), argument->data);
      if (!reorders_[i].used) continue;
      const auto reorder_to = [&](void* data) {
        dnnl_memory_set_data_handle(frame->wanted[i].get(), data);
        if (!slots_[i].output) reorder(i, false);
        return result == dnnl_success;
      };
      if (auto bytes = kept_bytes(i, *argument, reorder_to)) {
        dnnl_memory_set_data_handle(frame->wanted[i].get(), bytes->data());
        kept.push_back(std::move(bytes));
      } else {
        reorder_to(base + reorders_[i].offset);
      }
    }
    if (result == dnnl_success) {
      result = dnnl_primitive_execute(primitive_.get(), stream(), static_cast<int>(frame->arguments.size()),
                                      frame->arguments.data());
    }
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (reorders_[i].used && slots_[i].output) reorder(i, true);
    }
    {
      std::lock_guard lock(mutex_);
      free_.push_back(std::move(frame));
    }
    if (result != dnnl_success)
      return Status(Code::internal, "oneDNN failed with its status " + std::to_string(result));
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "out of memory for oneDNN's working space");
  } catch (const dnnl::error& error) {
    return Status(Code::internal, std::string("oneDNN failed: ") + error.what());
  }
}

std::shared_ptr<const OneDnnOperation> onednn_operation(std::vector<int64_t> key, int threads, Status& status,
                                                        const std::function<std::shared_ptr<OneDnnOperation>()>& make) {
  Cache& kept = cache();
  key.push_back(threads);
  {
    std::lock_guard lock(kept.mutex);
    const auto found = kept.entries.find(key);
    if (found != kept.entries.end()) {
      kept.order.splice(kept.order.begin(), kept.order, found->second);
      return found->second->operation;
    }
  }
  try {
    (void)onednn_engine();
  } catch (const dnnl::error&) {
    status = missing();
    return nullptr;
  }
  std::shared_ptr<OneDnnOperation> made;
  try {
    onednn_set_threads(threads);
    made = make();
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented && error.status != dnnl_invalid_arguments) {
      status = Status(Code::internal, std::string("oneDNN could not be prepared: ") + error.what());
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    status = Status(Code::resource_exhausted, "out of memory while preparing oneDNN");
    return nullptr;
  }
  std::lock_guard lock(kept.mutex);
  if (const auto found = kept.entries.find(key); found != kept.entries.end()) return found->second->operation;
  kept.order.push_front({key, made});
  kept.entries.emplace(std::move(key), kept.order.begin());
  if (kept.order.size() > cache_limit) {
    kept.entries.erase(kept.order.back().key);
    kept.order.pop_back();
  }
  return made;
}

}  // namespace millstream
