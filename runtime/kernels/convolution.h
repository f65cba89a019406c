// What the forms of convolution share: the sizes of one call, read from its operands and attribute words, and checked.
#pragma once

#include <cstdint>

#include "kernels/kernel.h"
#include "kernels/matmul.h"

namespace millstream {

// Always three spatial axes: missing ones come first and have size 1.
struct ConvolutionShape {
  int spatial = 0;  // axes that the tensors really have
  DType dtype = DType::invalid;
  int64_t batch = 0, groups = 1, in_channels = 0, out_channels = 0;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, low[3] = {}, high[3] = {}, input_dilation[3] = {1, 1, 1},
          kernel_dilation[3] = {1, 1, 1};
  Activation activation = Activation::none;
  double alpha = 0;

  int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  bool empty() const {
    return batch == 0 || in_channels == 0 || out_channels == 0 || in_pixels() == 0 || out_pixels() == 0 || taps() == 0;
  }
  double multiplications() const {
    return static_cast<double>(batch) * static_cast<double>(out_pixels()) * static_cast<double>(taps()) *
           static_cast<double>(in_channels / groups) * static_cast<double>(out_channels);
  }
  // The input position along `axis` that output position `o` and tap `k` meet, or -1 where they meet padding.
  int64_t meet(int axis, int64_t o, int64_t k) const {
    const int64_t at = o * stride[axis] + k * kernel_dilation[axis] - low[axis];
    if (at < 0 || at % input_dilation[axis]) return -1;
    return at / input_dilation[axis] < in[axis] ? at / input_dilation[axis] : -1;
  }
  // The output position that input position `i` meets through tap `k`, or -1.
  int64_t meet_back(int axis, int64_t i, int64_t k) const {
    const int64_t at = i * input_dilation[axis] + low[axis] - k * kernel_dilation[axis];
    if (at < 0 || at % stride[axis]) return -1;
    return at / stride[axis] < out[axis] ? at / stride[axis] : -1;
  }
};

enum class ConvolutionForm { forward, input_gradient, weight_gradient };

Status read_convolution(const Call& call, ConvolutionForm form, bool depthwise, ConvolutionShape& shape);

// The portable forms; operands as in the head of convolution.cc.
Status run_convolution(const Call& call, const ConvolutionShape& shape);
Status run_convolution_input_gradient(const Call& call, const ConvolutionShape& shape);
Status run_convolution_weight_gradient(const Call& call, const ConvolutionShape& shape);

// Runs `run` on float32 copies of half or bfloat16 operands.
Status run_widened(const Call& call, const ConvolutionShape& shape,
                   Status (*run)(const Call&, const ConvolutionShape&));

extern const Kernel kernel_convolution, kernel_convolution_input_gradient, kernel_convolution_weight_gradient;
void register_convolution(Registry& registry);

}  // namespace millstream
