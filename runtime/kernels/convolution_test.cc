// Tests of convolution and its gradients, in every form that this build has.
#include "kernels/convolution_testing.h"
#include "threads/pool.h"
#ifdef MS_ONEDNN
#include "kernels/onednn_primitive.h"
#endif

using namespace millstream;
using namespace millstream::testing;

namespace {

void test_results_equal_plain_loops(const ConvolutionKernels& kernels) {
  std::mt19937 random(1);
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int32}) {
    test_convolution(kernels, dtype, {.in = {9, 7}, .kernel = {3, 3}, .low = {1, 1}}, random);
    test_convolution(kernels, dtype,
                     {.in = {8, 8},
                      .kernel = {3, 2},
                      .in_channels = 4,
                      .out_channels = 6,
                      .groups = 2,
                      .stride = {2, 1},
                      .low = {0, 1},
                      .high = {1, 0}},
                     random);
    test_convolution(kernels, dtype, {.in = {11}, .kernel = {4}, .stride = {3}, .low = {2}, .high = {1}}, random);
    test_convolution(kernels, dtype,
                     {.in = {5, 4, 6}, .kernel = {2, 3, 2}, .stride = {1, 2, 1}, .low = {1, 1, 0}, .high = {0, 1, 1}},
                     random);
  }
  const DType f = DType::float32;
  test_convolution(kernels, f, {.in = {14, 15}, .kernel = {1, 1}, .in_channels = 24, .out_channels = 40}, random);
  test_convolution(
      kernels, f,
      {.in = {14, 14}, .kernel = {1, 1}, .in_channels = 16, .out_channels = 32, .stride = {2, 2}, .bias = false},
      random);
  test_convolution(kernels, f,
                   {.in = {14, 14},
                    .kernel = {3, 3},
                    .in_channels = 16,
                    .out_channels = 32,
                    .stride = {2, 2},
                    .low = {0, 0},
                    .high = {1, 1}},
                   random);
  test_convolution(kernels, f, {.in = {28, 28}, .kernel = {3, 3}, .batch = 3, .in_channels = 1, .out_channels = 33},
                   random);
  test_convolution(
      kernels, f,
      {.in = {20, 20}, .kernel = {7, 7}, .in_channels = 3, .out_channels = 16, .stride = {2, 2}, .low = {3, 3}},
      random);
  test_convolution(kernels, f,
                   {.in = {17, 17},
                    .kernel = {3, 3},
                    .in_channels = 20,
                    .out_channels = 18,
                    .low = {2, 2},
                    .kernel_dilation = {2, 2}},
                   random);
  test_convolution(kernels, f,
                   {.in = {7, 6},
                    .kernel = {3, 3},
                    .in_channels = 5,
                    .out_channels = 6,
                    .low = {2, 1},
                    .high = {1, 2},
                    .input_dilation = {2, 3}},
                   random);
  test_convolution(kernels, f, {.in = {7, 6}, .kernel = {3, 3}, .low = {-1, 1}, .high = {1, -2}}, random);
  test_convolution(kernels, f, {.in = {7, 6}, .kernel = {2, 2}, .stride = {3, 3}}, random);
  test_convolution(kernels, f,
                   {.in = {30}, .kernel = {5}, .in_channels = 12, .out_channels = 8, .low = {4}, .high = {0}}, random);
  test_convolution(kernels, f,
                   {.in = {9, 9}, .kernel = {3, 3}, .in_channels = 8, .out_channels = 8, .groups = 8, .low = {1, 1}},
                   random);
  test_convolution(kernels, f, {.in = {2, 2}, .kernel = {3, 3}}, random);
  test_convolution(kernels, f, {.in = {0, 4}, .kernel = {3, 3}, .low = {2, 2}}, random);
  test_convolution(kernels, f, {.in = {4, 4}, .kernel = {3, 3}, .batch = 0}, random);
  test_convolution(kernels, f,
                   {.in = {150, 150}, .kernel = {3, 3}, .batch = 1, .in_channels = 4, .out_channels = 4, .low = {1, 1}},
                   random);
  test_convolution(kernels, f,
                   {.in = {13, 12},
                    .kernel = {5, 4},
                    .in_channels = 6,
                    .out_channels = 5,
                    .stride = {2, 3},
                    .low = {2, 1},
                    .high = {1, 2},
                    .kernel_dilation = {2, 1}},
                   random);
  test_convolution(kernels, f,
                   {.in = {13, 12},
                    .kernel = {3, 3},
                    .in_channels = 4,
                    .out_channels = 6,
                    .groups = 2,
                    .stride = {4, 2},
                    .low = {1, 1},
                    .kernel_dilation = {2, 3}},
                   random);
  test_convolution(kernels, f, {.in = {30, 3}, .kernel = {2, 3}, .stride = {9, 5}, .low = {0, 2}}, random);
  // Enough pixels for the gradient of the weights to be cut in parts, one of them smaller.
  test_convolution(kernels, f,
                   {.in = {41, 40}, .kernel = {3, 3}, .batch = 7, .in_channels = 4, .out_channels = 3, .low = {1, 1}},
                   random);
  test_convolution(kernels, DType::float16,
                   {.in = {41, 40}, .kernel = {2, 2}, .batch = 7, .in_channels = 2, .out_channels = 3}, random);
  for (int64_t activation = 1; activation < activation_count; ++activation) {
    test_convolution(kernels, f,
                     {.in = {9, 9},
                      .kernel = {3, 3},
                      .in_channels = 16,
                      .out_channels = 20,
                      .low = {1, 1},
                      .activation = activation},
                     random);
  }
}

// Weights in a buffer are kept in the layout that oneDNN wants, until somebody says that they change.
void test_kept_weights_follow_their_bytes(const Kernel& kernel) {
  const std::vector<int64_t> words{1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  std::mt19937 random(7);
  Value x = random_value(DType::float32, {1, 7, 7, 32}, random), z(DType::float32, {1, 7, 7, 64}),
        expected(DType::float32, {1, 7, 7, 64});
  Value plain = random_value(DType::float32, {3, 3, 32, 64}, random), held(DType::float32, {3, 3, 32, 64});
  held.tensor.buffer = Buffer::allocate(plain.tensor.bytes());
  held.tensor.data = held.tensor.buffer->data();
  for (const float factor : {1.0f, 2.0f, -3.0f}) {
    held.tensor.buffer->changing();
    for (int64_t i = 0; i < plain.tensor.count(); ++i) held.as<float>()[i] = plain.as<float>()[i] *= factor;
    expect(call_kernel(kernel_convolution, {&x, &plain}, {&expected}, words, false).ok(), "the plain form ran");
    for (int use = 0; use < 3; ++use) {
      std::memset(z.tensor.data, 0, z.tensor.bytes());
      expect(call_kernel(kernel, {&x, &held}, {&z}, words, false).ok(), "a use of kept weights ran");
      double apart = 0;
      for (int64_t i = 0; i < z.tensor.count(); ++i)
        apart = std::max(apart, std::abs(static_cast<double>(z.as<float>()[i]) - expected.as<float>()[i]));
      expect(apart < 1e-3, "use " + std::to_string(use) + " of kept weights is apart by " + std::to_string(apart));
    }
  }
}

void test_hostile_calls_are_refused(const ConvolutionKernels& kernels) {
  const Value x(DType::float32, {1, 5, 5, 3}), w(DType::float32, {3, 3, 3, 4});
  Value z(DType::float32, {1, 3, 3, 4});
  const std::vector<int64_t> good{1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1};
  expect(call_kernel(*kernels.forward, {&x, &w}, {&z}, good, true).ok(), "a good call is accepted");
  for (size_t i = 0; i < good.size(); ++i) {
    if (i == 2) continue;  // alpha may be anything
    for (int64_t bad : {int64_t{-1}, int64_t{7}, int64_t{1} << 40, INT64_MAX, INT64_MIN}) {
      auto words = good;
      words[i] = bad;
      if (i >= 1 && bad == 7 && i == 1) words[i] = 70;
      expect(!call_kernel(*kernels.forward, {&x, &w}, {&z}, words, true).ok(),
             "accepted " + std::to_string(bad) + " as word " + std::to_string(i));
      expect(!call_kernel(*kernels.input_gradient, {&w, &z}, {const_cast<Value*>(&x)}, words, true).ok(),
             "input gradient accepted a bad word");
      expect(!call_kernel(*kernels.weight_gradient, {&x, &z}, {const_cast<Value*>(&w)}, words, true).ok(),
             "weight gradient accepted a bad word");
    }
  }
  const auto refused = [&](std::vector<int64_t> x_sizes, std::vector<int64_t> w_sizes, std::vector<int64_t> z_sizes,
                           const char* what) {
    Value bx(DType::float32, {1}), bw(DType::float32, {1}), bz(DType::float32, {1});
    const auto set = [](Value& value, const std::vector<int64_t>& sizes) {
      value.tensor.rank = static_cast<int32_t>(sizes.size());
      for (size_t i = 0; i < sizes.size(); ++i) value.tensor.dims[i] = sizes[i];
    };
    set(bx, x_sizes), set(bw, w_sizes), set(bz, z_sizes);
    expect(!call_kernel(*kernels.forward, {&bx, &bw}, {&bz}, good, true).ok(), std::string("accepted ") + what);
  };
  refused({1, 5, 5, 3}, {3, 3, 2, 4}, {1, 3, 3, 4}, "channels of w");
  refused({1, 5, 5, 3}, {3, 3, 3, 4}, {1, 3, 3, 5}, "channels of z");
  refused({1, 5, 5, 3}, {3, 3, 3, 4}, {2, 3, 3, 4}, "batch of z");
  refused({1, 5, 5, 3}, {3, 3, 3, 4}, {1, 4, 3, 4}, "height of z");
  refused({1, 5, 5, 3}, {0, 3, 3, 4}, {1, 6, 3, 4}, "an empty window");
  refused({1, 5, 5, 3}, {3, 3, 3}, {1, 3, 3, 4}, "rank of w");
  refused({5, 3}, {3, 4}, {3, 4}, "no spatial axis");
  refused({-1, 5, 5, 3}, {3, 3, 3, 4}, {-1, 3, 3, 4}, "a negative batch");
  refused({int64_t{1} << 60, 5, 5, 3}, {3, 3, 3, 4}, {int64_t{1} << 60, 3, 3, 4}, "a huge batch");
  Value bias(DType::float32, {5}), wide(DType::float64, {3, 3, 3, 4});
  expect(!call_kernel(*kernels.forward, {&x, &w, &bias}, {&z}, good, true).ok(), "accepted a wrong bias");
  expect(!call_kernel(*kernels.forward, {&x, &wide}, {&z}, good, true).ok(), "accepted two types");
  expect(!call_kernel(*kernels.forward, {&x, nullptr}, {&z}, good, true).ok(), "accepted absent weights");
  expect(!call_kernel(*kernels.forward, {&x, &w}, {&z}, {1, 0, 0}, true).ok(), "accepted too few words");
  expect(!call_kernel(*kernels.forward, {&x, &w}, {&z}, {}, true).ok(), "accepted no words");
}

}  // namespace

int main() {
  for (int threads : {3, 1}) {
    set_thread_count(threads);
    std::vector<ConvolutionKernels> forms{
        {&kernel_convolution, &kernel_convolution_input_gradient, &kernel_convolution_weight_gradient}};
#ifdef MS_ONEDNN
    forms.push_back({&kernel_convolution_onednn, &kernel_convolution_input_gradient_onednn,
                     &kernel_convolution_weight_gradient_onednn});
#endif
    for (const auto& kernels : forms) {
      test_results_equal_plain_loops(kernels);
      test_kept_weights_follow_their_bytes(*kernels.forward);
      test_hostile_calls_are_refused(kernels);
    }
  }
  return report();
}
