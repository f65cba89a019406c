// Which of the compiled forms of depthwise convolution this processor runs best.
#pragma once

#include "kernels/convolution.h"

namespace millstream {

const Kernel& depthwise_kernel(ConvolutionForm form);

}  // namespace millstream
