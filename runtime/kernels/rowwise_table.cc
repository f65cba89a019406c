// Picks the functions over rows for this processor.
#include "kernels/rowwise.h"
#include "kernels/simd_isa.h"

namespace millstream {

#define MS_DECLARE_ROWS(isa)                        \
  namespace isa {                                   \
  extern const RowFunctions<float> rows_of_float;   \
  extern const RowFunctions<double> rows_of_double; \
  }
MS_DECLARE_ROWS(baseline)
#if defined(__x86_64__)
MS_DECLARE_ROWS(avx2)
MS_DECLARE_ROWS(avx512)
#endif
#undef MS_DECLARE_ROWS

template <>
const RowFunctions<float>& row_functions() {
#if defined(__x86_64__)
  const Isa isa = processor_isa();
  if (isa == Isa::avx512) return avx512::rows_of_float;
  if (isa == Isa::avx2) return avx2::rows_of_float;
#endif
  return baseline::rows_of_float;
}

template <>
const RowFunctions<double>& row_functions() {
#if defined(__x86_64__)
  const Isa isa = processor_isa();
  if (isa == Isa::avx512) return avx512::rows_of_double;
  if (isa == Isa::avx2) return avx2::rows_of_double;
#endif
  return baseline::rows_of_double;
}

}  // namespace millstream
