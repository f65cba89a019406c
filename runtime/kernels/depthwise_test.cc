// Tests of depthwise convolution and its gradients, for each instruction set this processor runs.
#include "kernels/convolution_testing.h"
#include "kernels/simd_isa.h"
#include "threads/pool.h"
#ifdef MS_ONEDNN
#include "kernels/onednn_primitive.h"
#endif

namespace millstream {
#define MS_DECLARE_DEPTHWISE(isa)                                                                               \
  namespace isa {                                                                                               \
  extern const Kernel kernel_depthwise_convolution, kernel_depthwise_convolution_input_gradient,                \
      kernel_depthwise_convolution_weight_gradient;                                                             \
  constexpr testing::ConvolutionKernels depthwise_kernels{&kernel_depthwise_convolution,                        \
                                                          &kernel_depthwise_convolution_input_gradient,         \
                                                          &kernel_depthwise_convolution_weight_gradient, true}; \
  }
MS_DECLARE_DEPTHWISE(baseline)
#if defined(__x86_64__)
MS_DECLARE_DEPTHWISE(avx2)
MS_DECLARE_DEPTHWISE(avx512)
#endif
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

void test_results_equal_plain_loops(const ConvolutionKernels& kernels) {
  std::mt19937 random(1);
  const auto test = [&](DType dtype, ConvolutionCase c, int64_t channels, int64_t multiplier) {
    c.in_channels = c.groups = channels;
    c.out_channels = channels * multiplier;
    test_convolution(kernels, dtype, c, random);
  };
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int32}) {
    test(dtype, {.in = {9, 10}, .kernel = {3, 3}, .low = {1, 1}}, 21, 1);
    test(dtype, {.in = {8, 8}, .kernel = {3, 2}, .stride = {2, 2}, .low = {0, 1}, .high = {1, 0}}, 5, 3);
    test(dtype, {.in = {11}, .kernel = {4}, .stride = {3}, .low = {2}, .high = {1}}, 18, 1);
  }
  const DType f = DType::float32;
  for (int64_t channels : {1, 3, 24, 33, 96}) {
    for (int64_t stride : {1, 2, 3}) {
      test(f, {.in = {12, 13}, .kernel = {3, 3}, .stride = {stride, stride}, .low = {1, 1}}, channels, 1);
      test(f,
           {.in = {12, 13}, .kernel = {3, 3}, .stride = {stride, stride}, .low = {0, 0}, .high = {1, 1}, .bias = false},
           channels, 1);
    }
  }
  test(f, {.in = {12, 12}, .kernel = {5, 5}, .low = {2, 2}}, 16, 1);
  test(f, {.in = {57, 60}, .kernel = {3, 3}, .stride = {2, 2}, .low = {1, 1}}, 12, 1);
  test(f, {.in = {14, 14}, .kernel = {9, 9}, .low = {4, 4}}, 19, 1);
  test(f, {.in = {14, 14}, .kernel = {3, 3}, .low = {2, 2}, .kernel_dilation = {2, 2}}, 16, 2);
  test(f, {.in = {3, 2}, .kernel = {7, 7}, .low = {3, 3}}, 16, 1);
  test(f, {.in = {7, 7}, .kernel = {3, 3}, .low = {-1, 3}, .high = {4, -2}}, 16, 1);
  test(f, {.in = {6, 5}, .kernel = {3, 3}, .low = {1, 2}, .input_dilation = {2, 1}}, 5, 2);
  test(f, {.in = {2, 2}, .kernel = {3, 3}}, 4, 1);
  test(f, {.in = {0, 4}, .kernel = {3, 3}, .low = {2, 2}}, 4, 1);
  test(f, {.in = {4, 4}, .kernel = {3, 3}, .batch = 0}, 4, 1);
  test(f, {.in = {9, 9}, .kernel = {1, 1}, .stride = {2, 2}}, 17, 1);
  for (int64_t activation = 1; activation < activation_count; ++activation) {
    test(f, {.in = {9, 9}, .kernel = {3, 3}, .low = {1, 1}, .activation = activation}, 20, 1);
  }
}

void test_hostile_calls_are_refused(const ConvolutionKernels& kernels) {
  const Value x(DType::float32, {1, 5, 5, 3}), w(DType::float32, {3, 3, 3, 2}), wrong(DType::float32, {3, 3, 2, 3});
  Value z(DType::float32, {1, 3, 3, 6});
  const std::vector<int64_t> good{1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1};
  expect(call_kernel(*kernels.forward, {&x, &w}, {&z}, good, true).ok(), "a good call is accepted");
  for (size_t i = 0; i < good.size(); ++i) {
    for (int64_t bad : {int64_t{-1}, int64_t{70}, int64_t{1} << 40, INT64_MAX, INT64_MIN}) {
      auto words = good;
      words[i] = bad;
      expect(i == 2 || !call_kernel(*kernels.forward, {&x, &w}, {&z}, words, true).ok(),
             "accepted " + std::to_string(bad) + " as word " + std::to_string(i));
    }
  }
  expect(!call_kernel(*kernels.forward, {&x, &wrong}, {&z}, good, true).ok(), "accepted wrong channels");
}

}  // namespace

int main() {
  std::vector<ConvolutionKernels> forms{baseline::depthwise_kernels};
#if defined(__x86_64__)
  if (processor_isa() >= Isa::avx2) forms.push_back(avx2::depthwise_kernels);
  if (processor_isa() >= Isa::avx512) forms.push_back(avx512::depthwise_kernels);
#endif
#ifdef MS_ONEDNN
  forms.push_back({&kernel_depthwise_convolution_onednn, &kernel_depthwise_convolution_input_gradient_onednn,
                   &kernel_depthwise_convolution_weight_gradient_onednn, true});
#endif
  for (int threads : {3, 1}) {
    set_thread_count(threads);
    for (const auto& kernels : forms) {
      test_results_equal_plain_loops(kernels);
      test_hostile_calls_are_refused(kernels);
    }
  }
  return report();
}
