// Tests of reduction over windows and the gradients of pooling, for each instruction set this processor runs.
#include <algorithm>

#include "kernels/gemm_testing.h"
#include "kernels/simd_isa.h"
#include "threads/pool.h"

namespace millstream {
#define MS_DECLARE_POOL(isa)                                                                        \
  namespace isa {                                                                                   \
  extern const Kernel kernel_reduce_window, kernel_pool_max_gradient, kernel_pool_average_gradient; \
  }
MS_DECLARE_POOL(baseline)
MS_DECLARE_POOL(avx2)
MS_DECLARE_POOL(avx512)
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

struct Kernels {
  const Kernel *reduce, *max_gradient, *average_gradient;
};

struct Case {
  std::vector<int64_t> in, window, stride, low, high;
};

void test_case(const Kernels& kernels, DType dtype, const Case& c, std::mt19937& random) {
  const size_t rank = c.in.size();
  std::vector<int64_t> out, words;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t whole = c.in[i] + c.low[i] + c.high[i];
    out.push_back(whole < c.window[i] ? 0 : (whole - c.window[i]) / c.stride[i] + 1);
  }
  for (const auto* list : {&c.window, &c.stride, &c.low, &c.high})
    words.insert(words.end(), list->begin(), list->end());
  const Value x = random_value(dtype, c.in, random), dy = random_value(dtype, out, random);
  const int64_t outs = dy.tensor.count(), ins = x.tensor.count();
  const bool floating =
      dtype == DType::float32 || dtype == DType::float64 || dtype == DType::float16 || dtype == DType::bfloat16;
  std::string what =
      "windows of type " + std::to_string(static_cast<int>(dtype)) + " over rank " + std::to_string(rank) + " ";
  for (int64_t d : c.in) what.append(std::to_string(d)).append(" ");
  std::vector<std::vector<int64_t>> taps(static_cast<size_t>(outs));  // for each output the inputs, in row-major order
  for (int64_t i = 0; i < ins; ++i) {
    std::vector<int64_t> at(rank);
    for (size_t axis = rank, index = static_cast<size_t>(i); axis-- > 0; index /= static_cast<size_t>(c.in[axis]))
      at[axis] = static_cast<int64_t>(index) % c.in[axis];
    for (int64_t o = 0; o < outs; ++o) {
      bool inside = true;
      int64_t index = o;
      for (size_t axis = rank; axis-- > 0; index /= out[axis]) {
        const int64_t first = index % out[axis] * c.stride[axis] - c.low[axis];
        inside = inside && at[axis] >= first && at[axis] < first + c.window[axis];
      }
      if (inside) taps[static_cast<size_t>(o)].push_back(i);
    }
  }
  for (int64_t kind = 0; kind < (floating ? 4 : 3); ++kind) {
    Value z(dtype, out);
    std::vector<int64_t> all{kind};
    all.insert(all.end(), words.begin(), words.end());
    const Status status = call_kernel(*kernels.reduce, {&x}, {&z}, all);
    expect(status.ok(), what + status.message());
    double worst = 0;
    for (int64_t o = 0; o < outs; ++o) {
      const auto& list = taps[static_cast<size_t>(o)];
      if (list.empty()) continue;
      double sum = 0, most = -1e300, least = 1e300;
      for (int64_t i : list)
        sum += get(x, i).real(), most = std::max(most, get(x, i).real()), least = std::min(least, get(x, i).real());
      if (dtype == DType::uint8) sum = static_cast<uint8_t>(static_cast<int64_t>(sum));
      const double wanted = kind == 0   ? sum
                            : kind == 1 ? most
                            : kind == 2 ? least
                                        : sum / static_cast<double>(list.size());
      worst = std::max(worst, std::abs(get(z, o).real() - wanted) / std::max(1.0, std::abs(wanted)));
    }
    expect(worst <= 2 * tolerance(dtype), what + "kind " + std::to_string(kind) + " off by " + std::to_string(worst));
    expect(z.guard_intact(), what + "wrote behind the result");
    if (kind == 1) {
      Value dx(dtype, c.in);
      const Status of_gradient = call_kernel(*kernels.max_gradient, {&x, &z, &dy}, {&dx}, words);
      expect(of_gradient.ok(), what + of_gradient.message());
      std::vector<std::complex<double>> expected(static_cast<size_t>(ins));
      for (int64_t o = 0; o < outs; ++o) {
        int64_t best = -1;
        for (int64_t i : taps[static_cast<size_t>(o)]) {
          if (best < 0 || get(x, i).real() > get(x, best).real()) best = i;
        }
        if (best >= 0) expected[static_cast<size_t>(best)] += get(dy, o);
      }
      expect(difference(dx, expected) <= 2 * tolerance(dtype), what + "gradient of max");
      expect(dx.guard_intact(), what + "wrote behind dx");
    }
    if (kind == 0 || kind == 3) {
      Value dx(dtype, c.in);
      expect(call_kernel(*kernels.average_gradient, {&dy}, {&dx}, all).ok(), what);
      std::vector<std::complex<double>> expected(static_cast<size_t>(ins));
      for (int64_t o = 0; o < outs; ++o) {
        const auto& list = taps[static_cast<size_t>(o)];
        for (int64_t i : list)
          expected[static_cast<size_t>(i)] += get(dy, o) / (kind == 3 ? static_cast<double>(list.size()) : 1.0);
      }
      expect(difference(dx, expected) <= 4 * tolerance(dtype), what + "gradient of kind " + std::to_string(kind));
    }
  }
}

void test_results_equal_plain_loops(const Kernels& kernels) {
  std::mt19937 random(1);
  const Case two{{2, 7, 8, 5}, {1, 3, 2, 1}, {1, 2, 2, 1}, {0, 1, 0, 0}, {0, 1, 0, 0}};
  for (DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int8, DType::uint8,
                      DType::int16, DType::uint16, DType::int32, DType::uint32, DType::int64, DType::uint64}) {
    test_case(kernels, dtype, two, random);
  }
  const DType f = DType::float32;
  test_case(kernels, f, {{2, 9, 33}, {1, 2, 1}, {1, 2, 1}, {0, 0, 0}, {0, 1, 0}}, random);
  test_case(kernels, f, {{2, 5, 4, 6, 3}, {1, 2, 2, 3, 1}, {1, 1, 2, 2, 1}, {0, 1, 0, 1, 0}, {0, 0, 0, 1, 0}}, random);
  test_case(kernels, f, {{1, 4, 4, 300}, {1, 2, 2, 1}, {1, 2, 2, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}}, random);
  test_case(kernels, f, {{3, 4, 9}, {1, 1, 3}, {1, 1, 2}, {0, 0, 1}, {0, 0, 1}}, random);
  test_case(kernels, f, {{6, 5}, {6, 5}, {1, 1}, {0, 0}, {0, 0}}, random);
  test_case(kernels, f, {{6, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, random);
  test_case(kernels, f, {{6, 5}, {2, 2}, {3, 1}, {-1, 2}, {1, -1}}, random);
  test_case(kernels, f, {{0, 4, 4, 3}, {1, 2, 2, 1}, {1, 2, 2, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}}, random);
  test_case(kernels, f, {{2, 3, 3, 2}, {1, 4, 4, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}}, random);
}

void test_ties_go_to_the_first_and_nan_wins(const Kernels& kernels) {
  Value x(DType::float32, {1, 4, 1}), y(DType::float32, {1, 2, 1}), dy(DType::float32, {1, 2, 1}),
      dx(DType::float32, {1, 4, 1});
  const float values[] = {3, 3, 1, NAN};
  std::copy_n(values, 4, x.as<float>());
  dy.as<float>()[0] = 5, dy.as<float>()[1] = 7;
  expect(call_kernel(*kernels.reduce, {&x}, {&y}, {1, 1, 2, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0}).ok(), "pool");
  expect(y.as<float>()[0] == 3 && std::isnan(y.as<float>()[1]), "NaN wins");
  expect(call_kernel(*kernels.max_gradient, {&x, &y, &dy}, {&dx}, {1, 2, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0}).ok(),
         "gradient");
  const float* d = dx.as<float>();
  expect(d[0] == 5 && d[1] == 0 && d[2] == 0 && d[3] == 7, "the first maximum takes dy");
}

void test_hostile_calls_are_refused(const Kernels& kernels) {
  const Value x(DType::float32, {1, 4, 4, 2}), ints(DType::int32, {1, 4, 4, 2});
  Value z(DType::float32, {1, 2, 2, 2}), dx(DType::float32, {1, 4, 4, 2}), int_z(DType::int32, {1, 2, 2, 2});
  const std::vector<int64_t> good{1, 1, 2, 2, 1, 1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  expect(call_kernel(*kernels.reduce, {&x}, {&z}, good, true).ok(), "a good call is accepted");
  for (size_t i = 0; i < good.size(); ++i) {
    for (int64_t bad : {int64_t{-5}, int64_t{9}, int64_t{1} << 40, INT64_MAX, INT64_MIN}) {
      auto words = good;
      words[i] = bad;
      const bool harmless = i >= 5 && i <= 8 && bad == 9 && (i == 5);  // the stride of an axis of size 1
      if (harmless) continue;
      expect(!call_kernel(*kernels.reduce, {&x}, {&z}, words, true).ok(),
             "accepted " + std::to_string(bad) + " as word " + std::to_string(i));
      if (i == 0) continue;
      const std::vector<int64_t> tail(words.begin() + 1, words.end());
      expect(!call_kernel(*kernels.max_gradient, {&x, &z, &z}, {&dx}, tail, true).ok(), "gradient accepted a bad word");
    }
  }
  auto average = good;
  average[0] = 3;
  expect(!call_kernel(*kernels.reduce, {&ints}, {&int_z}, average, true).ok(), "accepted an average of ints");
  expect(!call_kernel(*kernels.reduce, {&x}, {&int_z}, good, true).ok(), "accepted two types");
  expect(!call_kernel(*kernels.reduce, {&x}, {&z}, {}, true).ok(), "accepted no words");
  expect(!call_kernel(*kernels.average_gradient, {&z}, {&dx}, good, true).ok(), "accepted the average gradient of max");
  const std::vector<int64_t> tail(good.begin() + 1, good.end());
  expect(!call_kernel(*kernels.max_gradient, {&x, &z, &x}, {&dx}, tail, true).ok(), "accepted dy unlike y");
}

}  // namespace

int main() {
  std::vector<Kernels> forms{
      {&baseline::kernel_reduce_window, &baseline::kernel_pool_max_gradient, &baseline::kernel_pool_average_gradient}};
#if defined(__x86_64__)
  if (processor_isa() >= Isa::avx2)
    forms.push_back(
        {&avx2::kernel_reduce_window, &avx2::kernel_pool_max_gradient, &avx2::kernel_pool_average_gradient});
  if (processor_isa() >= Isa::avx512)
    forms.push_back(
        {&avx512::kernel_reduce_window, &avx512::kernel_pool_max_gradient, &avx512::kernel_pool_average_gradient});
#endif
  for (int threads : {3, 1}) {
    set_thread_count(threads);
    for (const Kernels& kernels : forms) {
      test_results_equal_plain_loops(kernels);
      test_ties_go_to_the_first_and_nan_wins(kernels);
      test_hostile_calls_are_refused(kernels);
    }
  }
  return report();
}
