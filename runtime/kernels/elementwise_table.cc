// Picks the table of step functions for this processor.
#include "kernels/elementwise_functions.h"
#include "kernels/simd_isa.h"

namespace millstream {

namespace baseline {
extern const StepTable table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const StepTable table;
}
namespace avx512 {
extern const StepTable table;
}
#endif

const StepTable& step_table() {
#if defined(__x86_64__)
  const Isa isa = processor_isa();
  if (isa == Isa::avx512) return avx512::table;
  if (isa == Isa::avx2) return avx2::table;
#endif
  return baseline::table;
}

}  // namespace millstream
