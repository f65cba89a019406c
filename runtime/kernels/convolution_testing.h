// Plain loops of convolution and its gradients, and one test of a case against them. For tests only.
#pragma once

#include "kernels/convolution.h"
#include "kernels/gemm_testing.h"

namespace millstream::testing {

struct ConvolutionKernels {
  const Kernel *forward, *input_gradient, *weight_gradient;
  bool depthwise = false;
};

struct ConvolutionCase {
  std::vector<int64_t> in, kernel;  // spatial sizes
  int64_t batch = 2, in_channels = 3, out_channels = 4, groups = 1;
  std::vector<int64_t> stride = {}, low = {}, high = {}, input_dilation = {}, kernel_dilation = {};
  int64_t activation = 0;
  bool bias = true;
};

inline std::string show(const ConvolutionCase& c) {
  std::string text;
  const auto list = [&](const char* name, const std::vector<int64_t>& values) {
    text.append(" ").append(name);
    for (int64_t v : values) text.append(" ").append(std::to_string(v));
  };
  list("in", c.in), list("kernel", c.kernel), list("stride", c.stride), list("low", c.low), list("high", c.high);
  list("input dilation", c.input_dilation), list("kernel dilation", c.kernel_dilation);
  list("batch, channels, groups", {c.batch, c.in_channels, c.out_channels, c.groups});
  return text;
}

inline ConvolutionCase complete(ConvolutionCase c) {
  const size_t spatial = c.in.size();
  if (c.stride.empty()) c.stride.assign(spatial, 1);
  if (c.low.empty()) c.low.assign(spatial, 0);
  if (c.high.empty()) c.high = c.low;
  if (c.input_dilation.empty()) c.input_dilation.assign(spatial, 1);
  if (c.kernel_dilation.empty()) c.kernel_dilation.assign(spatial, 1);
  return c;
}

inline std::vector<int64_t> attributes_of(const ConvolutionCase& c, bool depthwise, bool forward) {
  std::vector<int64_t> words{depthwise ? 1 : c.groups, forward ? c.activation : 0, word(0.25)};
  for (const auto* list : {&c.stride, &c.low, &c.high, &c.input_dilation, &c.kernel_dilation})
    words.insert(words.end(), list->begin(), list->end());
  return words;
}

inline std::vector<int64_t> out_sizes(const ConvolutionCase& c) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < c.in.size(); ++i) {
    const int64_t whole = (c.in[i] ? (c.in[i] - 1) * c.input_dilation[i] + 1 : 0) + c.low[i] + c.high[i];
    const int64_t window = (c.kernel[i] - 1) * c.kernel_dilation[i] + 1;
    out.push_back(whole < window ? 0 : (whole - window) / c.stride[i] + 1);
  }
  return out;
}

inline void test_convolution(const ConvolutionKernels& kernels, DType dtype, ConvolutionCase c, std::mt19937& random) {
  c = complete(c);
  const auto shaped = [](std::vector<int64_t> sizes, std::vector<int64_t> before, std::vector<int64_t> after) {
    before.insert(before.end(), sizes.begin(), sizes.end());
    before.insert(before.end(), after.begin(), after.end());
    return before;
  };
  const std::vector<int64_t> out = out_sizes(c);
  const int64_t group_in = c.in_channels / c.groups, group_out = c.out_channels / c.groups;
  const std::vector<int64_t> w_channels = kernels.depthwise
                                              ? std::vector<int64_t>{c.in_channels, c.out_channels / c.in_channels}
                                              : std::vector<int64_t>{group_in, c.out_channels};
  const Value x = random_value(dtype, shaped(c.in, {c.batch}, {c.in_channels}), random);
  const Value w = random_value(dtype, shaped(c.kernel, {}, w_channels), random);
  const Value bias = random_value(dtype, {c.out_channels}, random);
  const Value dz = random_value(dtype, shaped(out, {c.batch}, {c.out_channels}), random);
  Value z(dtype, shaped(out, {c.batch}, {c.out_channels})), dx(dtype, shaped(c.in, {c.batch}, {c.in_channels}));
  Value dw(dtype, shaped(c.kernel, {}, w_channels)), db(dtype, {c.out_channels});
  const std::string what = " type " + std::to_string(static_cast<int>(dtype)) + show(c);

  const Status a = call_kernel(*kernels.forward, {&x, &w, c.bias ? &bias : nullptr}, {&z},
                               attributes_of(c, kernels.depthwise, true));
  expect(a.ok(), "forward" + what + ": " + a.message());
  const Status b = call_kernel(*kernels.input_gradient, {&w, &dz}, {&dx}, attributes_of(c, kernels.depthwise, false));
  expect(b.ok(), "input gradient" + what + ": " + b.message());
  std::vector<Value*> results{&dw};
  if (c.bias) results.push_back(&db);
  const Status d =
      call_kernel(*kernels.weight_gradient, {&x, &dz}, results, attributes_of(c, kernels.depthwise, false));
  expect(d.ok(), "weight gradient" + what + ": " + d.message());

  std::vector<std::complex<double>> ez(static_cast<size_t>(z.tensor.count())),
      edx(static_cast<size_t>(dx.tensor.count())), edw(static_cast<size_t>(dw.tensor.count())),
      edb(static_cast<size_t>(c.out_channels));
  std::vector<int64_t> i3(3, 1), k3(3, 1), o3(3, 1), s3(3, 1), l3(3, 0), id3(3, 1), kd3(3, 1);
  for (size_t i = 0; i < c.in.size(); ++i) {
    const size_t axis = 3 - c.in.size() + i;
    i3[axis] = c.in[i], k3[axis] = c.kernel[i], o3[axis] = out[i], s3[axis] = c.stride[i], l3[axis] = c.low[i];
    id3[axis] = c.input_dilation[i], kd3[axis] = c.kernel_dilation[i];
  }
  std::vector<int64_t> o(3), k(3);
  for (int64_t n = 0; n < c.batch; ++n) {
    for (o[0] = 0; o[0] < o3[0]; ++o[0])
      for (o[1] = 0; o[1] < o3[1]; ++o[1])
        for (o[2] = 0; o[2] < o3[2]; ++o[2]) {
          const int64_t out_pixel = ((n * o3[0] + o[0]) * o3[1] + o[1]) * o3[2] + o[2];
          for (int64_t oc = 0; oc < c.out_channels; ++oc) {
            const auto zi = static_cast<size_t>(out_pixel * c.out_channels + oc);
            if (c.bias) ez[zi] += get(bias, oc), edb[static_cast<size_t>(oc)] += get(dz, static_cast<int64_t>(zi));
          }
          for (k[0] = 0; k[0] < k3[0]; ++k[0])
            for (k[1] = 0; k[1] < k3[1]; ++k[1])
              for (k[2] = 0; k[2] < k3[2]; ++k[2]) {
                int64_t pixel = n;
                bool inside = true;
                for (size_t axis = 0; axis < 3; ++axis) {
                  const int64_t at = o[axis] * s3[axis] + k[axis] * kd3[axis] - l3[axis];
                  inside = inside && at >= 0 && at % id3[axis] == 0 && at / id3[axis] < i3[axis];
                  pixel = pixel * i3[axis] + at / id3[axis];
                }
                if (!inside) continue;
                const int64_t tap = (k[0] * k3[1] + k[1]) * k3[2] + k[2];
                for (int64_t oc = 0; oc < c.out_channels; ++oc) {
                  const int64_t g = oc / group_out, zi = out_pixel * c.out_channels + oc;
                  for (int64_t ic = 0; ic < group_in; ++ic) {
                    const int64_t xi = pixel * c.in_channels + g * group_in + ic,
                                  wi = (tap * group_in + ic) * c.out_channels + oc;
                    ez[static_cast<size_t>(zi)] += get(x, xi) * get(w, wi);
                    edx[static_cast<size_t>(xi)] += get(dz, zi) * get(w, wi);
                    edw[static_cast<size_t>(wi)] += get(dz, zi) * get(x, xi);
                  }
                }
              }
        }
  }
  if (c.activation) {
    for (auto& e : ez) e = activate(static_cast<Activation>(c.activation), e.real(), 0.25);
  }
  const double limit = tolerance(dtype) * 2;
  const auto close = [&](const char* name, const Value& value, const std::vector<std::complex<double>>& expected) {
    const double error = difference(value, expected);
    expect(error <= limit, name + what + ": off by " + std::to_string(error));
    expect(value.guard_intact(), name + what + ": wrote behind the result");
  };
  close("forward", z, ez);
  close("input gradient", dx, edx);
  close("weight gradient", dw, edw);
  if (c.bias) close("bias gradient", db, edb);
}

}  // namespace millstream::testing
