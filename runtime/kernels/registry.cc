// The table of kernels: families in order, slowest first, each instruction set's only where the processor has it.
#include "kernels/kernel.h"

#include <string_view>

#define MS_FAMILY(f) void f(Registry&);
#define MS_FAMILY_ONEDNN(f) void f(Registry&);
#define MS_FAMILY_ISA(f) \
  namespace baseline {   \
  void f(Registry&);     \
  }                      \
  namespace avx2 {       \
  void f(Registry&);     \
  }                      \
  namespace avx512 {     \
  void f(Registry&);     \
  }
namespace millstream {
#include "kernel_families.inc"
void register_control(Registry&);
void register_lists(Registry&);
}  // namespace millstream
#undef MS_FAMILY
#undef MS_FAMILY_ONEDNN
#undef MS_FAMILY_ISA

namespace millstream {
namespace {

bool allowed(const char* isa) {
  const char* limit = std::getenv("MILLSTREAM_ISA");  // baseline, avx2 or avx512: to test the slower ones
  if (!limit) return true;
  const std::string_view wanted(isa), most(limit);
  if (most == "baseline") return false;
  return most != "avx2" || wanted == "avx2";
}

void register_all(Registry& registry) {
  (void)allowed;
  register_control(registry);
  register_lists(registry);
#define MS_FAMILY(f) f(registry);
#define MS_FAMILY_ISA(f) baseline::f(registry);
#define MS_FAMILY_ONEDNN(f)
#include "kernel_families.inc"
#undef MS_FAMILY
#undef MS_FAMILY_ISA
#define MS_FAMILY(f)
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
      allowed("avx2")) {
#define MS_FAMILY_ISA(f) avx2::f(registry);
#include "kernel_families.inc"
#undef MS_FAMILY_ISA
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") && allowed("avx512")) {
#define MS_FAMILY_ISA(f) avx512::f(registry);
#include "kernel_families.inc"
#undef MS_FAMILY_ISA
  }
#endif
#undef MS_FAMILY_ONEDNN
#define MS_FAMILY_ISA(f)
#define MS_FAMILY_ONEDNN(f) f(registry);
  const char* onednn = std::getenv("MILLSTREAM_ONEDNN");  // 0: portable kernels only
  if (!onednn || std::string_view(onednn) != "0") {
#include "kernel_families.inc"
  }
#undef MS_FAMILY
#undef MS_FAMILY_ISA
#undef MS_FAMILY_ONEDNN
}

}  // namespace

void Registry::add(const Kernel& kernel) { kernels_[kernel.name] = &kernel; }

const Kernel* Registry::find(const char* name, size_t length) const {
  const auto found = kernels_.find(std::string_view(name, length));
  return found == kernels_.end() ? nullptr : found->second;
}

void Registry::each(const std::function<void(const Kernel&)>& visit) const {
  for (const auto& [name, kernel] : kernels_) visit(*kernel);
}

const Registry& Registry::instance() {
  static const Registry* const registry = [] {
    auto* made = new Registry;
    register_all(*made);
    return made;
  }();
  return *registry;
}

}  // namespace millstream
