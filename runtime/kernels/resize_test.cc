// Tests of resizing: each method against dense matrices, gradients against their transposed ones, hostile calls refused.
#include <algorithm>

#include "kernels/gemm_testing.h"
#include "kernels/resize.h"
#include "kernels/simd_isa.h"
#include "threads/pool.h"

namespace millstream {
#define MS_DECLARE_RESIZE(isa)                               \
  namespace isa {                                            \
  extern const Kernel kernel_resize, kernel_resize_gradient; \
  }
MS_DECLARE_RESIZE(baseline)
MS_DECLARE_RESIZE(avx2)
MS_DECLARE_RESIZE(avx512)
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

struct Kernels {
  const Kernel *resize, *gradient;
};

// The matrix [outputs, inputs] of an axis.
std::vector<double> dense(const ResizeSpans& spans, int64_t inputs) {
  std::vector<double> matrix(static_cast<size_t>(spans.outputs() * inputs));
  for (int64_t i = 0; i < spans.outputs(); ++i) {
    for (int64_t t = 0; t < spans.count(i); ++t)
      matrix[static_cast<size_t>(i * inputs + spans.start[static_cast<size_t>(i)] + t)] +=
          static_cast<double>(spans.weight[static_cast<size_t>(spans.offset[static_cast<size_t>(i)] + t)]);
  }
  return matrix;
}

struct Case {
  int64_t rows, columns, to_rows, to_columns, depth;
};

void test_case(const Kernels& kernels, int64_t method, int64_t flags, DType dtype, const Case& c,
               std::mt19937& random) {
  const std::vector<int64_t> words{method, flags & 1, flags >> 1 & 1, flags >> 2 & 1};
  const ResizeRule rule{static_cast<ResizeMethod>(method), words[1] == 1, words[2] == 1, words[3] == 1};
  const bool nearest = rule.method == ResizeMethod::nearest;
  const DType result = nearest ? dtype : DType::float32;
  const Value x = random_value(dtype, {2, c.rows, c.columns, c.depth}, random);
  const Value dy = random_value(result, {2, c.to_rows, c.to_columns, c.depth}, random);
  Value y(result, {2, c.to_rows, c.to_columns, c.depth}), dx(result, {2, c.rows, c.columns, c.depth});
  Value scale(DType::float32, {2}), translation(DType::float32, {2});
  const float numbers[] = {0.7f, 1.6f, 0.5f, -1.25f};
  std::copy_n(numbers, 2, scale.as<float>());
  std::copy_n(numbers + 2, 2, translation.as<float>());
  std::vector<const Value*> forward{&x}, backward{&dy};
  if (rule.is_scaled()) forward = {&x, &scale, &translation}, backward = {&dy, &scale, &translation};
  const std::string what = "method " + std::to_string(method) + ", flags " + std::to_string(flags) + ", " +
                           std::to_string(c.rows) + "x" + std::to_string(c.columns) + " to " +
                           std::to_string(c.to_rows) + "x" + std::to_string(c.to_columns);
  expect(call_kernel(*kernels.resize, forward, {&y}, words).ok(), what);
  expect(call_kernel(*kernels.gradient, backward, {&dx}, words).ok(), what + " gradient");
  const auto rows = dense(resize_spans(rule, c.rows, c.to_rows, 0.7f, 0.5f), c.rows);
  const auto columns = dense(resize_spans(rule, c.columns, c.to_columns, 1.6f, -1.25f), c.columns);
  double worst = 0;
  std::vector<double> back(static_cast<size_t>(dx.tensor.count()));
  int64_t out = 0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t i = 0; i < c.to_rows; ++i) {
      for (int64_t j = 0; j < c.to_columns; ++j) {
        for (int64_t k = 0; k < c.depth; ++k, ++out) {
          double sum = 0;
          for (int64_t h = 0; h < c.rows; ++h) {
            for (int64_t w = 0; w < c.columns; ++w) {
              const double weight =
                  rows[static_cast<size_t>(i * c.rows + h)] * columns[static_cast<size_t>(j * c.columns + w)];
              const int64_t in = ((n * c.rows + h) * c.columns + w) * c.depth + k;
              sum += weight * get(x, in).real();
              back[static_cast<size_t>(in)] += weight * get(dy, out).real();
            }
          }
          worst = std::max(worst, std::fabs(sum - get(y, out).real()));
        }
      }
    }
  }
  expect(worst < 1e-4, what + " is off by " + std::to_string(worst));
  worst = 0;
  for (int64_t i = 0; i < dx.tensor.count(); ++i)
    worst = std::max(worst, std::fabs(back[static_cast<size_t>(i)] - get(dx, i).real()));
  expect(worst < 1e-4, what + " gradient is off by " + std::to_string(worst));
  expect(y.guard_intact() && dx.guard_intact(), what + " wrote behind its output");
}

void test_results_equal_matrices(const Kernels& kernels) {
  std::mt19937 random(7);
  const Case cases[] = {{5, 7, 10, 14, 3}, {9, 8, 3, 2, 1},  {4, 4, 4, 4, 4},
                        {1, 1, 3, 2, 5},   {7, 3, 2, 9, 17}, {6, 30, 5, 4, 3}};
  for (int64_t method = 0; method <= 11; ++method) {
    for (int64_t flags = 0; flags < 8; ++flags) {
      if ((flags & 3) == 3) continue;
      for (const Case& c : cases) {
        test_case(kernels, method, flags, DType::float32, c, random);
        if (method == 1) {
          for (DType dtype : {DType::float64, DType::float16, DType::bfloat16, DType::int32, DType::uint8})
            test_case(kernels, method, flags, dtype, c, random);
        }
      }
    }
  }
}

void test_bytes_are_read_as_numbers(const Kernels& kernels) {
  std::mt19937 random(8);
  const Value x = random_value(DType::uint8, {1, 9, 8, 3}, random);
  Value same(DType::float32, {1, 9, 8, 3}), y(DType::float32, {1, 4, 13, 3}), z(DType::float32, {1, 4, 13, 3});
  for (int64_t i = 0; i < x.tensor.count(); ++i) same.as<float>()[i] = x.as<uint8_t>()[i];
  for (int64_t method : {0, 2, 3}) {
    expect(call_kernel(*kernels.resize, {&x}, {&y}, {method, 0, 0, 0}).ok(), "bytes");
    expect(call_kernel(*kernels.resize, {&same}, {&z}, {method, 0, 0, 0}).ok(), "floats");
    expect(std::equal(y.as<float>(), y.as<float>() + y.tensor.count(), z.as<float>()), "bytes resize as floats do");
  }
}

void test_hostile_calls_are_refused(const Kernels& kernels) {
  const Value x(DType::float32, {1, 4, 4, 2}), empty(DType::float32, {1, 0, 4, 2}), flat(DType::float32, {4, 4, 2});
  Value y(DType::float32, {1, 2, 2, 2}), ints(DType::int32, {1, 2, 2, 2}), other(DType::float32, {1, 2, 2, 3});
  Value scale(DType::float32, {2}), shift(DType::float32, {2});
  const std::vector<int64_t> good{0, 0, 1, 0};
  expect(call_kernel(*kernels.resize, {&x}, {&y}, good, true).ok(), "a good call is accepted");
  for (size_t i = 0; i < good.size(); ++i) {
    for (int64_t bad : {int64_t{-1}, int64_t{12}, INT64_MAX, INT64_MIN}) {
      auto words = good;
      words[i] = bad;
      expect(!call_kernel(*kernels.resize, {&x}, {&y}, words, true).ok(), "accepted a bad word");
      expect(!call_kernel(*kernels.gradient, {&y}, {&other}, words, true).ok(), "gradient accepted a bad word");
    }
  }
  expect(!call_kernel(*kernels.resize, {&x}, {&y}, {0, 0, 0}, true).ok(), "accepted three words");
  expect(!call_kernel(*kernels.resize, {&empty}, {&y}, good, true).ok(), "accepted an empty image");
  expect(!call_kernel(*kernels.resize, {&flat}, {&y}, good, true).ok(), "accepted three axes");
  expect(!call_kernel(*kernels.resize, {&x}, {&ints}, good, true).ok(), "accepted ints");
  expect(!call_kernel(*kernels.resize, {&x}, {&other}, good, true).ok(), "accepted another depth");
  expect(!call_kernel(*kernels.resize, {&x}, {&y}, {5, 0, 0, 0}, true).ok(), "accepted no scale");
  for (float bad : {0.0f, -1.0f, NAN}) {
    scale.as<float>()[0] = bad, scale.as<float>()[1] = 1;
    shift.as<float>()[0] = shift.as<float>()[1] = 0;
    expect(!call_kernel(*kernels.resize, {&x, &scale, &shift}, {&y}, {5, 0, 0, 1}).ok(), "accepted a bad scale");
  }
  for (float odd : {1e-38f, 1e38f, INFINITY}) {
    for (float by : {0.0f, -1e30f, INFINITY, NAN}) {
      scale.as<float>()[0] = scale.as<float>()[1] = odd;
      shift.as<float>()[0] = shift.as<float>()[1] = by;
      expect(call_kernel(*kernels.resize, {&x, &scale, &shift}, {&y}, {5, 0, 0, 1}).ok(), "an odd scale is survived");
    }
  }
}

}  // namespace

int main() {
  std::vector<Kernels> forms{{&baseline::kernel_resize, &baseline::kernel_resize_gradient}};
#if defined(__x86_64__)
  if (processor_isa() >= Isa::avx2) forms.push_back({&avx2::kernel_resize, &avx2::kernel_resize_gradient});
  if (processor_isa() >= Isa::avx512) forms.push_back({&avx512::kernel_resize, &avx512::kernel_resize_gradient});
#endif
  for (int threads : {3, 1}) {
    set_thread_count(threads);
    for (const Kernels& kernels : forms) {
      test_results_equal_matrices(kernels);
      test_bytes_are_read_as_numbers(kernels);
      test_hostile_calls_are_refused(kernels);
    }
  }
  return report();
}
