// Tests of the kernels `matmul` and `dot`, in every form that this build has.
#include "kernels/matmul.h"

#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include "kernels/gemm_testing.h"
#include "threads/pool.h"
#ifdef MS_ONEDNN
#include "kernels/onednn_primitive.h"
#endif

using namespace millstream;
using namespace millstream::testing;

namespace {

using Numbers = std::vector<std::complex<double>>;

const Kernel* matmul = nullptr;
const Kernel* dot = nullptr;

int64_t flat(const std::vector<int64_t>& dims, const std::vector<int64_t>& at) {
  int64_t index = 0;
  for (size_t i = 0; i < dims.size(); ++i) index = index * dims[i] + at[i];
  return index;
}

void each_index(const std::vector<int64_t>& dims, const std::function<void(const std::vector<int64_t>&)>& visit) {
  for (int64_t d : dims) {
    if (d == 0) return;
  }
  std::vector<int64_t> at(dims.size(), 0);
  while (true) {
    visit(at);
    size_t i = dims.size();
    while (i > 0 && ++at[i - 1] == dims[i - 1]) at[--i] = 0;
    if (i == 0) return;
  }
}

void test_matmul(DType dtype, std::vector<int64_t> batch_x, std::vector<int64_t> batch_y, int64_t m, int64_t k,
                 int64_t n, bool transpose_x, bool transpose_y, bool with_bias, int64_t activation, int64_t conjugate,
                 std::mt19937& random) {
  std::vector<int64_t> xd = batch_x, yd = batch_y, zd;
  xd.insert(xd.end(), {transpose_x ? k : m, transpose_x ? m : k});
  yd.insert(yd.end(), {transpose_y ? n : k, transpose_y ? k : n});
  const size_t rank = std::max(xd.size(), yd.size());
  const auto batch_of = [&](const std::vector<int64_t>& d, size_t i) {
    return i + d.size() < rank ? 1 : d[i + d.size() - rank];
  };
  for (size_t i = 0; i + 2 < rank; ++i) zd.push_back(batch_of(xd, i) == 1 ? batch_of(yd, i) : batch_of(xd, i));
  zd.insert(zd.end(), {m, n});
  const Value x = random_value(dtype, xd, random), y = random_value(dtype, yd, random),
              bias = random_value(dtype, {n}, random);
  Value z(dtype, zd);
  const Status status = call_kernel(*matmul, {&x, &y, with_bias ? &bias : nullptr}, {&z},
                                    {transpose_x, transpose_y, conjugate, activation, word(0.25)});
  std::string what = "matmul type " + std::to_string(static_cast<int>(dtype)) + " " + show_sizes(x.tensor) +
                     (transpose_x ? "'" : "") + " " + show_sizes(y.tensor) + (transpose_y ? "'" : "") +
                     (with_bias ? " bias" : "") + " activation " + std::to_string(activation);
  expect(status.ok(), what + ": " + status.message());
  Numbers expected(static_cast<size_t>(z.tensor.count()));
  each_index(zd, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> xi, yi;
    for (size_t i = 0; i + 2 < rank; ++i) {
      if (i + xd.size() >= rank) xi.push_back(batch_of(xd, i) == 1 ? 0 : at[i]);
      if (i + yd.size() >= rank) yi.push_back(batch_of(yd, i) == 1 ? 0 : at[i]);
    }
    std::complex<double> sum = 0;
    for (int64_t d = 0; d < k; ++d) {
      auto xa = xi, ya = yi;
      xa.insert(xa.end(), {transpose_x ? d : at[rank - 2], transpose_x ? at[rank - 2] : d});
      ya.insert(ya.end(), {transpose_y ? at[rank - 1] : d, transpose_y ? d : at[rank - 1]});
      auto a = get(x, flat(xd, xa)), b = get(y, flat(yd, ya));
      if (conjugate & 1) a = std::conj(a);
      if (conjugate & 2) b = std::conj(b);
      sum += a * b;
    }
    if (with_bias) sum += get(bias, at[rank - 1]);
    if (activation) sum = activate(static_cast<Activation>(activation), sum.real(), 0.25);
    expected[static_cast<size_t>(flat(zd, at))] = sum;
  });
  if (dtype == DType::int8 || dtype == DType::uint8) {
    for (auto& e : expected) {
      const auto low = static_cast<int64_t>(e.real());
      e = dtype == DType::int8 ? static_cast<double>(static_cast<int8_t>(low))
                               : static_cast<double>(static_cast<uint8_t>(low));
    }
  }
  const double error = difference(z, expected);
  expect(error <= tolerance(dtype) * 2, what + ": off by " + std::to_string(error));
  expect(z.guard_intact(), what + ": wrote behind the result");
}

void test_dot(DType dtype, std::vector<int64_t> xd, std::vector<int64_t> yd, std::vector<int64_t> xb,
              std::vector<int64_t> yb, std::vector<int64_t> xc, std::vector<int64_t> yc, std::vector<int64_t> order,
              bool with_bias, std::mt19937& random) {
  std::vector<int64_t> natural, bias_dims;
  std::vector<std::pair<int, int64_t>> roles;  // for each natural axis: 0 batch, 1 x, 2 y, and which
  const auto named = [](const std::vector<int64_t>& a, const std::vector<int64_t>& b, int64_t i) {
    return std::count(a.begin(), a.end(), i) + std::count(b.begin(), b.end(), i) > 0;
  };
  for (size_t i = 0; i < xb.size(); ++i) natural.push_back(xd[xb[i]]), roles.push_back({0, static_cast<int64_t>(i)});
  for (int64_t i = 0; i < static_cast<int64_t>(xd.size()); ++i) {
    if (!named(xb, xc, i)) natural.push_back(xd[i]), roles.push_back({1, i});
  }
  for (int64_t i = 0; i < static_cast<int64_t>(yd.size()); ++i) {
    if (!named(yb, yc, i)) natural.push_back(yd[i]), bias_dims.push_back(yd[i]), roles.push_back({2, i});
  }
  std::vector<int64_t> zd, depth;
  for (int64_t o : order) zd.push_back(natural[o]);
  for (int64_t c : xc) depth.push_back(xd[c]);
  const Value x = random_value(dtype, xd, random), y = random_value(dtype, yd, random),
              bias = random_value(dtype, bias_dims, random), addend = random_value(dtype, zd, random);
  const bool with_addend = with_bias && (dtype == DType::float32 || dtype == DType::float64);
  Value z(dtype, zd);
  std::vector<int64_t> attributes{static_cast<int64_t>(xb.size()), static_cast<int64_t>(xc.size()), 0, 0, 0};
  for (const auto* list : {&xb, &yb, &xc, &yc, &order}) attributes.insert(attributes.end(), list->begin(), list->end());
  std::vector<const Value*> inputs{&x, &y, with_bias ? &bias : nullptr};
  if (with_addend) inputs.push_back(&addend);
  const Status status = call_kernel(*dot, inputs, {&z}, attributes);
  const std::string what = "dot " + show_sizes(x.tensor) + " " + show_sizes(y.tensor) + " -> " + show_sizes(z.tensor);
  expect(status.ok(), what + ": " + status.message());
  Numbers expected(static_cast<size_t>(z.tensor.count()));
  each_index(zd, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> xi(xd.size()), yi(yd.size()), bi;
    std::vector<int64_t> of(order.size());
    for (size_t i = 0; i < order.size(); ++i) of[order[i]] = at[i];
    for (size_t i = 0; i < of.size(); ++i) {
      if (roles[i].first == 0) xi[xb[roles[i].second]] = yi[yb[roles[i].second]] = of[i];
      if (roles[i].first == 1) xi[roles[i].second] = of[i];
      if (roles[i].first == 2) yi[roles[i].second] = of[i], bi.push_back(of[i]);
    }
    std::complex<double> sum = with_bias ? get(bias, flat(bias_dims, bi)) : 0;
    each_index(depth, [&](const std::vector<int64_t>& d) {
      for (size_t i = 0; i < d.size(); ++i) xi[xc[i]] = yi[yc[i]] = d[i];
      sum += get(x, flat(xd, xi)) * get(y, flat(yd, yi));
    });
    if (with_addend) sum += get(addend, flat(zd, at));
    expected[static_cast<size_t>(flat(zd, at))] = sum;
  });
  const double error = difference(z, expected);
  expect(error <= tolerance(dtype) * 2, what + ": off by " + std::to_string(error));
  expect(z.guard_intact(), what + ": wrote behind the result");
}

void test_results_equal_plain_loops() {
  std::mt19937 random(1);
  for (DType dtype :
       {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int8, DType::uint8, DType::int16,
        DType::uint16, DType::int32, DType::uint32, DType::int64, DType::uint64, DType::complex64, DType::complex128}) {
    for (int t = 0; t < 4; ++t) {
      const bool tx = t & 1, ty = t & 2;
      test_matmul(dtype, {}, {}, 3, 4, 5, tx, ty, true, 0, 0, random);
      test_matmul(dtype, {}, {}, 33, 70, 45, tx, ty, false, 0, t, random);
      test_matmul(dtype, {2, 1}, {3}, 7, 5, 18, tx, ty, true, 0, 0, random);
    }
  }
  for (int t = 0; t < 4; ++t) {
    const bool tx = t & 1, ty = t & 2;
    for (auto [m, k, n] : {std::array<int64_t, 3>{1, 300, 200},
                           {300, 200, 1},
                           {1, 1, 1},
                           {2, 600, 129},
                           {200, 1, 300},
                           {100, 515, 33},
                           {257, 64, 16},
                           {129, 300, 10},
                           {5, 0, 7},
                           {0, 5, 7},
                           {7, 5, 0}}) {
      test_matmul(DType::float32, {}, {}, m, k, n, tx, ty, true, 0, 0, random);
      test_matmul(DType::float32, {}, {}, m, k, n, tx, ty, false, 1, 0, random);
    }
    test_matmul(DType::float32, {3, 2}, {3, 2}, 40, 30, 50, tx, ty, false, 0, 0, random);
    test_matmul(DType::float32, {4}, {}, 20, 30, 50, tx, ty, true, 3, 0, random);
    test_matmul(DType::float32, {0}, {1}, 4, 4, 4, tx, ty, false, 0, 0, random);
  }
  for (int64_t activation = 0; activation < activation_count; ++activation) {
    for (DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
      test_matmul(dtype, {}, {}, 20, 30, 40, false, false, true, activation, 0, random);
    }
  }
}

void test_dot_reads_transposed_layouts_in_place() {
  std::mt19937 random(2);
  for (DType dtype : {DType::float32, DType::float64, DType::int32, DType::complex64, DType::bfloat16}) {
    // attention: [b, t, h, d] x [b, s, h, d] -> [b, h, t, s], then [b, h, t, s] x [b, s, h, d] -> [b, t, h, d]
    test_dot(dtype, {2, 9, 3, 8}, {2, 7, 3, 8}, {0, 2}, {0, 2}, {3}, {3}, {0, 1, 2, 3}, false, random);
    test_dot(dtype, {2, 3, 9, 7}, {2, 7, 3, 8}, {0, 1}, {0, 2}, {3}, {1}, {0, 2, 1, 3}, false, random);
    test_dot(dtype, {4, 5, 6}, {6, 3, 7}, {}, {}, {2}, {0}, {0, 1, 2, 3}, true, random);
    test_dot(dtype, {4, 5, 6}, {6, 3, 7}, {}, {}, {2}, {0}, {3, 0, 2, 1}, true, random);
    test_dot(dtype, {4, 5, 6}, {5, 3, 6, 2}, {}, {}, {1, 2}, {0, 2}, {2, 0, 1}, true, random);
    test_dot(dtype, {6, 5, 4}, {4, 6, 5}, {}, {}, {2, 0, 1}, {0, 1, 2}, {}, true, random);
    test_dot(dtype, {6}, {5}, {}, {}, {}, {}, {1, 0}, false, random);
    test_dot(dtype, {6, 4}, {6, 4}, {0, 1}, {0, 1}, {}, {}, {1, 0}, false, random);
    test_dot(dtype, {5, 6, 30}, {30, 5, 40}, {0}, {1}, {2}, {0}, {1, 2, 0}, false, random);
    test_dot(dtype, {20, 30}, {30, 40}, {}, {}, {1}, {0}, {0, 1}, true, random);
    test_dot(dtype, {3, 30, 20}, {3, 40, 30}, {0}, {0}, {1}, {2}, {0, 1, 2}, true, random);
    test_dot(dtype, {20, 1}, {40, 1}, {}, {}, {1}, {1}, {0, 1}, true, random);
    test_dot(dtype, {20, 0}, {0, 4}, {}, {}, {1}, {0}, {0, 1}, true, random);
  }
}

void test_narrow_products_widen() {
  std::mt19937 random(3);
  for (DType left : {DType::int8, DType::uint8}) {
    for (DType right : {DType::int8, DType::uint8}) {
      Value x(left, {20, 300}), y(right, {300, 20}), z(DType::int32, {20, 20});
      for (int64_t i = 0; i < 6000; ++i)
        put(x, i, left == DType::int8 ? -100 : 200), put(y, i, right == DType::int8 ? -50 : 255);
      expect(call_kernel(*matmul, {&x, &y}, {&z}, {0, 0, 0, 0, 0}).ok(), "int8 to int32");
      expect(z.as<int32_t>()[399] == 300 * (left == DType::int8 ? -100 : 200) * (right == DType::int8 ? -50 : 255),
             "int8 sums");
    }
  }
}

void test_hostile_calls_are_refused() {
  Value x(DType::float32, {2, 3}), y(DType::float32, {3, 4}), z(DType::float32, {2, 4}), b(DType::float32, {4});
  Value w(DType::float64, {3, 4}), v(DType::float32, {3}), wrong(DType::float32, {4, 2}), text(DType::int32, {2, 3});
  const auto refused = [&](const std::vector<const Value*>& in, Value* out, const std::vector<int64_t>& attributes,
                           const char* what) {
    expect(!call_kernel(*matmul, in, {out}, attributes, true).ok(), std::string("accepted: ") + what);
  };
  expect(call_kernel(*matmul, {&x, &y, &b}, {&z}, {0, 0, 0, 1, 0}, true).ok(), "a good call is accepted");
  refused({&x, &w}, &z, {0, 0, 0, 0, 0}, "two types");
  refused({&x, &y}, &wrong, {0, 0, 0, 0, 0}, "wrong result sizes");
  refused({&x, &y}, &z, {1, 0, 0, 0, 0}, "transposed sizes");
  refused({&x, &y}, &z, {2, 0, 0, 0, 0}, "transpose 2");
  refused({&x, &y}, &z, {0, 0, 0, 0}, "four words");
  refused({&x, &y}, &z, {0, 0, 0, 99, 0}, "activation 99");
  refused({&x, &y}, &z, {0, 0, 4, 0, 0}, "conjugate 4");
  refused({&x, &y, &b, &z}, &z, {0, 0, 0, 0, 0}, "an addend of matmul");
  const auto accepts_addend = [&](const Value& addend) {
    return call_kernel(*dot, {&x, &y, nullptr, &addend}, {&z}, {0, 1, 0, 0, 0, 1, 0, 0, 1}, true).ok();
  };
  expect(accepts_addend(z), "an addend of the result's sizes is accepted");
  expect(!accepts_addend(wrong), "accepted: an addend of other sizes");
  expect(!accepts_addend(Value(DType::float64, {2, 4})), "accepted: an addend of another type");
  refused({&x, &v}, &z, {0, 0, 0, 0, 0}, "a vector");
  refused({&x}, &z, {0, 0, 0, 0, 0}, "one input");
  refused({&x, nullptr}, &z, {0, 0, 0, 0, 0}, "absent y");
  refused({&x, &y, &v}, &z, {0, 0, 0, 0, 0}, "bias sizes");
  refused({&text, &text}, &z, {0, 1, 0, 0, 0}, "ints into floats");
  for (int64_t size : {int64_t{-1}, int64_t{1} << 61}) {
    Value big(DType::float32, {2, 3}), other(DType::float32, {3, 4});
    big.tensor.dims[1] = other.tensor.dims[0] = size;
    refused({&big, &other}, &z, {0, 0, 0, 0, 0}, "sizes out of range");
  }
  const auto dot_refused = [&](const std::vector<int64_t>& attributes, const char* what) {
    expect(!call_kernel(*dot, {&x, &y}, {&z}, attributes, true).ok(), std::string("dot accepted: ") + what);
  };
  expect(call_kernel(*dot, {&x, &y}, {&z}, {0, 1, 0, 0, 0, 1, 0, 0, 1}, true).ok(), "a good dot is accepted");
  dot_refused({0, 1, 0, 0, 0, 1, 0, 0, 0}, "no permutation");
  dot_refused({0, 1, 0, 0, 0, 1, 0, 0, 7}, "axis 7 of z");
  dot_refused({0, 1, 0, 0, 0, 2, 0, 0, 1}, "axis 2 of x");
  dot_refused({0, 1, 0, 0, 0, -1, 0, 0, 1}, "axis -1 of x");
  dot_refused({0, 1, 0, 0, 0, 0, 0, 0, 1}, "unequal sizes");
  dot_refused({0, 2, 0, 0, 0, 1, 0, 0, 1}, "two contracted");
  dot_refused({int64_t{1} << 62, 1, 0, 0, 0}, "batch 2^62");
  dot_refused({0, -1, 0, 0, 0}, "contract -1");
  dot_refused({}, "no words");
}

void test_one_call_runs_in_several_threads_at_once() {
  std::mt19937 random(4);
  const Value x = random_value(DType::float32, {150, 200}, random),
              y = random_value(DType::float32, {200, 170}, random);
  const std::vector<int64_t> words{0, 0, 0, 0, 0};
  Value expected(DType::float32, {150, 170});
  expect(call_kernel(*matmul, {&x, &y}, {&expected}, words).ok(), "the first run");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        Value z(DType::float32, {150, 170});
        const Status status = call_kernel(*matmul, {&x, &y}, {&z}, words);
        if (!status.ok() || std::memcmp(z.tensor.data, expected.tensor.data, z.tensor.bytes()) != 0) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  expect(wrong == 0, std::to_string(wrong) + " of 80 runs differ");
}

void test_all() {
  test_results_equal_plain_loops();
  test_dot_reads_transposed_layouts_in_place();
  test_narrow_products_widen();
  test_one_call_runs_in_several_threads_at_once();
  test_hostile_calls_are_refused();
}

}  // namespace

int main() {
  for (int threads : {3, 1}) {
    set_thread_count(threads);
    matmul = &kernel_matmul, dot = &kernel_dot;
    test_all();
#ifdef MS_ONEDNN
    matmul = &kernel_matmul_onednn, dot = &kernel_dot_onednn;
    test_all();
#endif
  }
  return report();
}
