// Tests of `fused`: numbers against plain loops, every way of reading, and words that must be refused.
#include "kernels/elementwise_testing.h"
#include "kernels/operands.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

const std::vector<int64_t> sizes[] = {{},        {1},       {7},          {0, 3},          {5, 3}, {1030},
                                      {3, 2000}, {4, 5, 6}, {300, 7, 11}, {2, 3, 4, 5, 6}, {70000}};

// Strides of an operand that repeats along the dimensions whose bit is set.
std::vector<int64_t> repeating(const std::vector<int64_t>& dims, unsigned mask, std::vector<int64_t>& own) {
  own = dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (mask >> i & 1) own[i] = dims[i] == 0 ? 0 : 1;
  }
  std::vector<int64_t> strides = dense_strides(own);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (mask >> i & 1) strides[i] = 0;
  }
  return strides;
}

int64_t place(const std::vector<int64_t>& dims, const std::vector<int64_t>& strides, int64_t flat) {
  int64_t at = 0;
  for (size_t i = dims.size(); i-- > 0; flat /= dims[i]) at += flat % dims[i] * strides[i];
  return at;
}

void test_chains_equal_their_parts_with_every_broadcast() {
  for (const auto& dims : sizes) {
    for (unsigned mask = 0; mask < (1u << dims.size()); ++mask) {
      std::vector<int64_t> own;
      const std::vector<int64_t> strides = repeating(dims, mask, own);
      Value x = random_value(DType::float32, dims), y = random_value(DType::float32, own), out(DType::float32, dims);
      ProgramWriter program(dims);
      const int64_t a = program.input(DType::float32, dense_strides(dims)), b = program.input(DType::float32, strides);
      const int64_t half = program.constant(0.5f), zero = program.constant(0);
      const DType f = DType::float32;
      int64_t v = program.step(TileOp::add, f, program.step(TileOp::multiply, f, a, b), half);
      v = program.step(TileOp::subtract, f, program.step(TileOp::multiply, f, v, b), a);
      v = program.step(TileOp::multiply, f, program.step(TileOp::subtract, f, v, b), half);
      v = program.step(TileOp::subtract, f, a, program.step(TileOp::multiply, f, v, v));
      v = program.step(TileOp::multiply, f, b, program.step(TileOp::add, f, v, a));
      v = program.step(TileOp::select, f, program.step(TileOp::compare_gt, DType::boolean, v, zero), v, zero);
      program.output(program.step(TileOp::maximum, f, v, b), f);
      must_run("fused", {&x, &y}, {&out}, program.words());
      for (int64_t i = 0; i < out.count(); ++i) {
        const volatile float p = x.as<float>()[i], q = y.as<float>()[place(dims, strides, i)];
        volatile float w = p * q;
        w = w + 0.5f;
        w = w * q;
        w = w - p;
        w = w - q;
        w = w * 0.5f;
        w = w * w;
        w = p - w;
        w = w + p;
        w = q * w;
        w = w > 0 ? w : 0.0f;
        w = w > q ? w : q;
        expect(out.as<float>()[i] == w, "chain, element " + std::to_string(i));
      }
    }
  }
}

void test_functions_are_within_three_units() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> at = {0,     -0.0f,  1,       -1,   inf,    -inf,     nan,     88.7f,
                           88.8f, -87.4f, -103.9f, -105, 1e-45f, 1.2e-38f, 3.4e38f, -3.4e38f};
  std::uniform_int_distribution<uint32_t> any;
  std::normal_distribution<float> normal(0, 4);
  for (int i = 0; i < 4000; ++i) {
    at.push_back(float_of_bits(any(generator)));
    at.push_back(normal(generator));
  }
  const int64_t n = static_cast<int64_t>(at.size());
  Value x(DType::float32, {n}), out(DType::float32, {n});
  std::memcpy(x.tensor.data, at.data(), at.size() * sizeof(float));
  struct {
    TileOp op;
    double (*f)(double);
    double units = 3;
  } functions[] = {{TileOp::exp, [](double v) { return std::exp(v); }},
                   {TileOp::expm1, [](double v) { return std::expm1(v); }},
                   {TileOp::log, [](double v) { return std::log(v); }},
                   {TileOp::log1p, [](double v) { return std::log1p(v); }},
                   {TileOp::tanh, [](double v) { return std::tanh(v); }},
                   {TileOp::logistic, [](double v) { return 1 / (1 + std::exp(-v)); }},
                   {TileOp::erf, [](double v) { return std::erf(v); }},
                   {TileOp::sin, [](double v) { return std::sin(v); }},
                   {TileOp::cos, [](double v) { return std::cos(v); }},
                   {TileOp::sqrt, [](double v) { return std::sqrt(v); }},
                   {TileOp::rsqrt, [](double v) { return 1 / std::sqrt(v); }},
                   {TileOp::floor, [](double v) { return std::floor(v); }},
                   {TileOp::round_even, [](double v) { return std::rint(v); }},
                   {TileOp::atan, [](double v) { return std::atan(v); }},
                   {TileOp::tan, [](double v) { return std::tan(v); }},
                   {TileOp::asin, [](double v) { return std::asin(v); }},
                   {TileOp::acos, [](double v) { return std::acos(v); }},
                   {TileOp::sinh, [](double v) { return std::sinh(v); }},
                   {TileOp::cosh, [](double v) { return std::cosh(v); }},
                   {TileOp::asinh, [](double v) { return std::asinh(v); }},
                   {TileOp::acosh, [](double v) { return std::acosh(v); }},
                   {TileOp::atanh, [](double v) { return std::atanh(v); }},
                   {TileOp::erfc, [](double v) { return std::erfc(v); }, 6},
                   {TileOp::lgamma, [](double v) { return std::lgamma(v); }}};
  for (const auto& [op, f, units] : functions) {
    ProgramWriter program({n});
    program.output(program.step(op, DType::float32, program.input(DType::float32, {1})), DType::float32);
    must_run("fused", {&x}, {&out}, program.words());
    for (int64_t i = 0; i < n; ++i) {
      const double want = f(static_cast<double>(at[static_cast<size_t>(i)]));
      const float got = out.as<float>()[i], near = static_cast<float>(want);
      const double unit =
          std::fmax(1.4013e-45, static_cast<double>(std::nextafter(std::fabs(near), inf) - std::fabs(near)));
      const bool right = std::isnan(want) ? std::isnan(got) : got == near || std::fabs(got - want) <= units * unit;
      expect(right, "function " + std::to_string(static_cast<int>(op)) + " of " +
                        std::to_string(at[static_cast<size_t>(i)]) + ": " + std::to_string(got) + " for " +
                        std::to_string(want));
    }
  }
}

void test_steps_that_nobody_needs_take_nothing_along() {
  constexpr int64_t n = 37;
  Value x = random_value(DType::float32, {n}), out(DType::float32, {n});
  ProgramWriter program({n});
  const int64_t a = program.input(DType::float32, {1});
  const int64_t product = program.step(TileOp::multiply, DType::float32, a, a);
  program.step(TileOp::subtract, DType::float32, product, a);  // could do the product itself, but is never done
  program.output(product, DType::float32);
  must_run("fused", {&x}, {&out}, program.words());
  for (int64_t i = 0; i < n; ++i) {
    expect(out.as<float>()[i] == x.as<float>()[i] * x.as<float>()[i], "product, element " + std::to_string(i));
  }
}

void test_powers_are_those_of_the_library() {
  const float values[] = {0, -0.0f, 1, -1, 2, -2, 0.5f, 3, -3, 2.5f, 1e30f, 1e-40f, INFINITY, -INFINITY, NAN};
  constexpr int64_t n = std::size(values);
  Value x(DType::float32, {n}), y(DType::float32, {n}), out(DType::float32, {n, n});
  std::memcpy(x.tensor.data, values, sizeof values);
  std::memcpy(y.tensor.data, values, sizeof values);
  ProgramWriter program({n, n});
  const int64_t a = program.input(DType::float32, {1, 0}), b = program.input(DType::float32, {0, 1});
  program.output(program.step(TileOp::power, DType::float32, a, b), DType::float32);
  must_run("fused", {&x, &y}, {&out}, program.words());
  for (int64_t i = 0; i < n * n; ++i) {
    const double want = static_cast<double>(std::pow(values[i / n], values[i % n]));
    expect(close(get(out, i), want, 1e-6 * std::fmax(1, std::fabs(want))), "power, element " + std::to_string(i));
  }
}

void test_angles_and_remainders_are_those_of_the_library() {
  const float values[] = {0,      -0.0f,  1,       -1,       2.5f,     -3,        1e30f,
                          -1e30f, 1e-40f, -1e-45f, 16777216, INFINITY, -INFINITY, NAN};
  constexpr int64_t n = std::size(values);
  Value x(DType::float32, {n}), y(DType::float32, {n}), out(DType::float32, {n, n});
  std::memcpy(x.tensor.data, values, sizeof values);
  std::memcpy(y.tensor.data, values, sizeof values);
  for (const TileOp op : {TileOp::atan2, TileOp::remainder}) {
    ProgramWriter program({n, n});
    const int64_t a = program.input(DType::float32, {1, 0}), b = program.input(DType::float32, {0, 1});
    program.output(program.step(op, DType::float32, a, b), DType::float32);
    must_run("fused", {&x, &y}, {&out}, program.words());
    for (int64_t i = 0; i < n * n; ++i) {
      const float left = values[i / n], right = values[i % n];
      const float want = op == TileOp::atan2 ? std::atan2(left, right) : std::fmod(left, right);
      const double got = get(out, i);
      // Remainders are exact; the sign of a zero counts.
      const bool right_value = op == TileOp::atan2 ? close(got, static_cast<double>(want), 3e-7)
                               : std::isnan(want)  ? std::isnan(got)
                                                   : got == static_cast<double>(want);
      expect(right_value && (std::isnan(want) || std::signbit(got) == std::signbit(want)),
             "angle or remainder, element " + std::to_string(i));
    }
  }
}

void test_functions_of_float64_keep_its_digits() {
  std::vector<double> at = {0,     -0.0, 1,      -1,     INFINITY, -INFINITY, NAN,  709.7,
                            709.8, -708, -745.1, -745.2, 5e-324,   1e-310,    1e308};
  std::normal_distribution<double> normal(0, 200);
  for (int i = 0; i < 4000; ++i) at.push_back(normal(generator));
  for (int i = 0; i < 4000; ++i) at.push_back(std::exp(normal(generator)));
  const int64_t n = static_cast<int64_t>(at.size());
  Value x(DType::float64, {n}), out(DType::float64, {n});
  std::memcpy(x.tensor.data, at.data(), at.size() * sizeof(double));
  struct {
    TileOp op;
    double (*f)(double);
  } functions[] = {
      {TileOp::exp, [](double v) { return std::exp(v); }},
      {TileOp::log, [](double v) { return std::log(v); }},
      {TileOp::logistic, [](double v) { return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v)); }}};
  for (const auto& [op, f] : functions) {
    ProgramWriter program({n});
    program.output(program.step(op, DType::float64, program.input(DType::float64, {1})), DType::float64);
    must_run("fused", {&x}, {&out}, program.words());
    for (int64_t i = 0; i < n; ++i) {
      const double want = f(at[static_cast<size_t>(i)]), got = out.as<double>()[i];
      const double unit = std::nextafter(std::fabs(want), INFINITY) - std::fabs(want);
      expect(std::isnan(want) ? std::isnan(got) : got == want || std::fabs(got - want) <= 4 * unit,
             "float64 function " + std::to_string(static_cast<int>(op)) + " of " +
                 std::to_string(at[static_cast<size_t>(i)]));
    }
  }
}

// Each of a row is divided by another number of the row, with the types' ends among them.
template <typename T>
void divide_all(DType type) {
  const T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  const T values[] = {low,
                      high,
                      static_cast<T>(low + 1),
                      static_cast<T>(high - 1),
                      1,
                      2,
                      3,
                      7,
                      100,
                      static_cast<T>(-1),
                      static_cast<T>(-7),
                      static_cast<T>(high / 3)};
  constexpr int64_t n = std::size(values);
  Value x(type, {n}), y(type, {n}), out(type, {n, n});
  std::memcpy(x.tensor.data, values, sizeof values);
  for (int64_t i = 0; i < n; ++i) y.as<T>()[i] = values[i] == 0 ? T(5) : values[i];
  for (const TileOp op : {TileOp::divide, TileOp::remainder}) {
    ProgramWriter program({n, n});
    const int64_t over = program.input(type, {1, 0}), under = program.input(type, {0, 1});
    program.output(program.step(op, type, over, under), type);
    must_run("fused", {&x, &y}, {&out}, program.words());
    for (int64_t i = 0; i < n * n; ++i) {
      const T a = values[i / n], b = y.as<T>()[i % n];
      const bool wraps = std::is_signed_v<T> && b == static_cast<T>(-1) && a == low;
      const T want =
          op == TileOp::divide ? (wraps ? low : static_cast<T>(a / b)) : (wraps ? T(0) : static_cast<T>(a % b));
      expect(out.as<T>()[i] == want, "division of " + show(x.tensor) + ", element " + std::to_string(i));
    }
  }
}
void test_integers_divide_exactly_at_the_ends_of_their_types() {
  divide_all<int8_t>(DType::int8);
  divide_all<uint8_t>(DType::uint8);
  divide_all<int16_t>(DType::int16);
  divide_all<uint16_t>(DType::uint16);
  divide_all<int32_t>(DType::int32);
  divide_all<uint32_t>(DType::uint32);
  divide_all<int64_t>(DType::int64);
  divide_all<uint64_t>(DType::uint64);
}

void test_small_floats_round_after_every_step() {
  for (const DType type : {DType::float16, DType::bfloat16}) {
    const std::vector<int64_t> dims = {3, 700};
    Value x = random_value(type, dims), y = random_value(type, {700}), out(type, dims);
    ProgramWriter program(dims);
    const int64_t a = program.input(type, {700, 1}), b = program.input(type, {0, 1});
    program.output(program.step(TileOp::add, type, program.step(TileOp::multiply, type, a, b), a), type);
    must_run("fused", {&x, &y}, {&out}, program.words());
    Value between(type, {1});
    for (int64_t i = 0; i < x.count(); ++i) {
      put(between, 0, static_cast<double>(static_cast<float>(get(x, i) * get(y, i % 700))));
      put(between, 0, static_cast<double>(static_cast<float>(get(between, 0) + get(x, i))));
      expect(get(out, i) == get(between, 0), "small float, element " + std::to_string(i));
    }
  }
}

void test_integers_wrap_and_refuse_to_divide_by_zero() {
  Value x(DType::int32, {3}), y(DType::int32, {3}), out(DType::int32, {3});
  const auto run = [&](TileOp op) {
    ProgramWriter program({3});
    const int64_t a = program.input(DType::int32, {1}), b = program.input(DType::int32, {1});
    program.output(program.step(op, DType::int32, a, b), DType::int32);
    return program.words();
  };
  for (int i = 0; i < 3; ++i) {
    put(x, i, i == 0 ? INT32_MIN : 7 - 14 * (i == 2));
    put(y, i, i == 0 ? -1 : 2);
  }
  must_run("fused", {&x, &y}, {&out}, run(TileOp::divide));
  expect(get(out, 0) == INT32_MIN && get(out, 1) == 3 && get(out, 2) == -3, "integers truncate");
  must_run("fused", {&x, &y}, {&out}, run(TileOp::remainder));
  expect(get(out, 0) == 0 && get(out, 1) == 1 && get(out, 2) == -1, "remainders take the dividend's sign");
  must_run("fused", {&x, &y}, {&out}, run(TileOp::add));
  expect(get(out, 0) == INT32_MAX, "sums wrap");
  must_refuse("fused", {&x, &y}, {&out}, run(TileOp::power), "negative integer powers");
  put(y, 2, 0);
  must_refuse("fused", {&x, &y}, {&out}, run(TileOp::divide), "Integer division by zero");
  must_refuse("fused", {&x, &y}, {&out}, run(TileOp::remainder), "Integer division by zero");
}

void test_inputs_are_read_along_any_strides() {
  Value x = random_value(DType::float32, {300, 70}), turned(DType::float32, {70, 300}), back(DType::float32, {500});
  ProgramWriter transpose({70, 300});
  transpose.output(transpose.input(DType::float32, {1, 70}), DType::float32);
  must_run("fused", {&x}, {&turned}, transpose.words());
  for (int64_t i = 0; i < 70 * 300; ++i) expect(get(turned, i) == get(x, i % 300 * 70 + i / 300), "transposed");
  ProgramWriter reverse({500});
  reverse.output(reverse.input(DType::float32, {-3}, 2000), DType::float32);
  must_run("fused", {&x}, {&back}, reverse.words());
  for (int64_t i = 0; i < 500; ++i) expect(get(back, i) == get(x, 2000 - 3 * i), "reversed");
  Value counted(DType::int16, {5, 37, 41});
  ProgramWriter iota({5, 37, 41});
  iota.output(iota.step(TileOp::iota, DType::int16, 1), DType::int16);
  must_run("fused", {}, {&counted}, iota.words());
  for (int64_t i = 0; i < counted.count(); ++i) expect(get(counted, i) == i / 41 % 37, "iota");
}

void test_outputs_may_lie_over_dense_inputs() {
  const int64_t n = 40000;
  Value x = random_value(DType::float32, {n}), y = random_value(DType::float32, {n}), product(DType::float32, {n});
  std::vector<float> before(x.as<float>(), x.as<float>() + n);
  ProgramWriter program({n});
  const int64_t a = program.input(DType::float32, {1}), b = program.input(DType::float32, {1});
  const int64_t sum = program.step(TileOp::add, DType::float32, a, b);
  program.output(sum, DType::float32);
  program.output(program.step(TileOp::multiply, DType::float32, a, sum), DType::float32);
  Value over;
  over.tensor = x.tensor;
  must_run("fused", {&x, &y}, {&over, &product}, program.words());
  for (int64_t i = 0; i < n; ++i) {
    const float want = before[static_cast<size_t>(i)] + y.as<float>()[i];
    expect(x.as<float>()[i] == want && product.as<float>()[i] == before[static_cast<size_t>(i)] * want, "in place");
  }
  ProgramWriter turned({200, 200});
  turned.output(turned.step(TileOp::negate, DType::float32, turned.input(DType::float32, {1, 200})), DType::float32);
  must_refuse("fused", {&x}, {}, turned.words(), "outputs");
  Value square = random_value(DType::float32, {200, 200}), same;
  same.tensor = square.tensor;
  must_refuse("fused", {&square}, {&same}, turned.words(), "overlaps");
  same.tensor.data = over.tensor.data = nullptr;
}

void test_damaged_words_are_refused_or_run() {
  const std::vector<int64_t> dims = {6, 5, 4};
  Value x = random_value(DType::float32, dims), y = random_value(DType::int32, {5, 1}), out(DType::float32, dims),
        sums(DType::float32, {6});
  ProgramWriter program(dims, 1, 2);
  const int64_t a = program.input(DType::float32, {20, 4, 1}), b = program.input(DType::int32, {0, 1, 0});
  const int64_t wide = program.step(TileOp::convert, DType::float32, b);
  const int64_t sum = program.step(TileOp::add, DType::float32, program.step(TileOp::multiply, DType::float32, a, wide),
                                   program.constant(1));
  program.output(sum, DType::float32);
  program.output(sum, DType::float32, ReduceKind::sum);
  const std::vector<int64_t> good = program.words();
  must_run("fused_reduce", {&x, &y}, {&out, &sums}, good);
  const int64_t strange[] = {-1, 0, 1, 2, 3, 7, 100, -20, 1 << 20, INT64_MAX, INT64_MIN, int64_t{1} << 62, 12, 13};
  int refused = 0;
  for (int round = 0; round < 30000; ++round) {
    std::vector<int64_t> words = good;
    const int changes = 1 + round % 3;
    for (int k = 0; k < changes; ++k) {
      words[generator() % words.size()] =
          round % 2 ? strange[generator() % std::size(strange)] : static_cast<int64_t>(generator() % 90);
    }
    if (round % 50 == 0) words.resize(generator() % words.size());
    if (!call_kernel(round % 2 ? "fused_reduce" : "fused", {&x, &y}, {&out, &sums}, words).ok()) ++refused;
  }
  expect(refused > 1000, "damaged words are refused");
  must_refuse("fused", {&x, &y}, {&out, &sums}, good, "reduces nothing");
}

}  // namespace

int main() {
  test_chains_equal_their_parts_with_every_broadcast();
  test_functions_are_within_three_units();
  test_steps_that_nobody_needs_take_nothing_along();
  test_powers_are_those_of_the_library();
  test_angles_and_remainders_are_those_of_the_library();
  test_functions_of_float64_keep_its_digits();
  test_integers_divide_exactly_at_the_ends_of_their_types();
  test_small_floats_round_after_every_step();
  test_integers_wrap_and_refuse_to_divide_by_zero();
  test_inputs_are_read_along_any_strides();
  test_outputs_may_lie_over_dense_inputs();
  test_damaged_words_are_refused_or_run();
  return report();
}
