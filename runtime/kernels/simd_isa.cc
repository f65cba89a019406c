// Asks the processor once which instruction set to use.
#include "kernels/simd_isa.h"

#include <cstdlib>
#include <cstring>

namespace millstream {
namespace {

Isa detect() {
  Isa best = Isa::baseline;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  best = avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::baseline;
#endif
  const char* wish = std::getenv("MILLSTREAM_ISA");
  if (wish != nullptr && std::strcmp(wish, "baseline") == 0) best = Isa::baseline;
  if (wish != nullptr && std::strcmp(wish, "avx2") == 0 && best == Isa::avx512) best = Isa::avx2;
  return best;
}

}  // namespace

Isa processor_isa() {
  static const Isa isa = detect();
  return isa;
}

}  // namespace millstream
