// Picks the depthwise kernels of the best instruction set. Refuses nothing.
#include "kernels/depthwise.h"

#include "kernels/simd_isa.h"

namespace millstream {

#define MS_DECLARE_DEPTHWISE(isa)                                                                    \
  namespace isa {                                                                                    \
  extern const Kernel kernel_depthwise_convolution, kernel_depthwise_convolution_input_gradient,     \
      kernel_depthwise_convolution_weight_gradient;                                                  \
  const Kernel& depthwise_of(ConvolutionForm form) {                                                 \
    return form == ConvolutionForm::forward          ? kernel_depthwise_convolution                  \
           : form == ConvolutionForm::input_gradient ? kernel_depthwise_convolution_input_gradient   \
                                                     : kernel_depthwise_convolution_weight_gradient; \
  }                                                                                                  \
  }

MS_DECLARE_DEPTHWISE(baseline)
#if defined(__x86_64__)
MS_DECLARE_DEPTHWISE(avx2)
MS_DECLARE_DEPTHWISE(avx512)
#endif

const Kernel& depthwise_kernel(ConvolutionForm form) {
#if defined(__x86_64__)
  if (processor_isa() == Isa::avx512) return avx512::depthwise_of(form);
  if (processor_isa() == Isa::avx2) return avx2::depthwise_of(form);
#endif
  return baseline::depthwise_of(form);
}

}  // namespace millstream
