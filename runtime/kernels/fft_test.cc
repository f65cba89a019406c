// fft against the sum it stands for: every small length, long lines, several axes, real transforms, and refusals; and the same
// bits on any number of threads.
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstring>

#include "kernels/move_testing.h"

namespace millstream {
void register_fft(Registry&);
}

using namespace millstream;
using namespace millstream::testing;

namespace {

using C = std::complex<double>;
Registry registry;
Numbers numbers;
constexpr double pi = 3.14159265358979323846;

double number() { return static_cast<double>(numbers.below(2001) - 1000) / 1000; }

std::vector<C> slow(const C* x, int64_t n, double sign) {
  std::vector<C> y(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < n; ++i)
      y[static_cast<size_t>(k)] +=
          x[i] * std::polar(1.0, sign * 2 * pi * static_cast<double>(i * k % n) / static_cast<double>(n));
  }
  return y;
}

void test_every_length_equals_the_sum(int64_t n) {
  Tensor x = empty(DType::complex128, {2, n}), y = x, back = x;
  allocate_data(y);
  allocate_data(back);
  for (int64_t i = 0; i < x.count(); ++i) x.as<C>()[i] = C(number(), number());
  EXPECT(run(registry, "fft", {&x}, {&y}, {0, n}).ok());
  for (int64_t row = 0; row < 2; ++row) {
    const auto expected = slow(x.as<C>() + row * n, n, -1);
    for (int64_t i = 0; i < n; ++i) EXPECT(std::abs(y.as<C>()[row * n + i] - expected[static_cast<size_t>(i)]) < 1e-11);
  }
  EXPECT(run(registry, "fft", {&y}, {&back}, {1, n}).ok());
  for (int64_t i = 0; i < x.count(); ++i) EXPECT(std::abs(back.as<C>()[i] - x.as<C>()[i]) < 1e-12);

  Tensor real = empty(DType::float64, {2, n}), half = empty(DType::complex128, {2, n / 2 + 1}),
         again = empty(DType::float64, {2, n});
  for (int64_t i = 0; i < real.count(); ++i) real.as<double>()[i] = x.as<C>()[i].real();
  EXPECT(run(registry, "fft", {&real}, {&half}, {2, n}).ok());
  std::vector<C> first(real.as<double>(), real.as<double>() + n);
  const auto expected = slow(first.data(), n, -1);
  for (int64_t i = 0; i < n / 2 + 1; ++i) EXPECT(std::abs(half.as<C>()[i] - expected[static_cast<size_t>(i)]) < 1e-11);
  EXPECT(run(registry, "fft", {&half}, {&again}, {3, n}).ok());
  for (int64_t i = 0; i < real.count(); ++i) EXPECT(std::fabs(again.as<double>()[i] - real.as<double>()[i]) < 1e-12);
}

// Many rows go through together, in squares of vectors: each must be what it is alone.
template <typename T>
void test_rows_together_are_what_they_are_alone(int64_t rows, int64_t n) {
  using Z = std::complex<T>;
  const DType real_type = dtype_of<T>, type = sizeof(T) == 4 ? DType::complex64 : DType::complex128;
  const int64_t half = n / 2 + 1;
  Tensor real = empty(real_type, {rows, n}), spectrum = empty(type, {rows, half}), back = empty(real_type, {rows, n});
  Tensor x = empty(type, {rows, n}), y = empty(type, {rows, n}), again = empty(type, {rows, n});
  for (int64_t i = 0; i < rows * n; ++i) {
    real.as<T>()[i] = static_cast<T>(number());
    x.as<Z>()[i] = Z(static_cast<T>(number()), static_cast<T>(number()));
  }
  EXPECT(run(registry, "fft", {&real}, {&spectrum}, {2, n}).ok());
  EXPECT(run(registry, "fft", {&spectrum}, {&back}, {3, n}).ok());
  EXPECT(run(registry, "fft", {&x}, {&y}, {0, n}).ok());
  EXPECT(run(registry, "fft", {&y}, {&again}, {1, n}).ok());
  const T tolerance = std::numeric_limits<T>::epsilon() * static_cast<T>(20 * n);
  Tensor row = empty(type, {1, n}), alone = empty(type, {1, n}), real_row = empty(real_type, {1, n}),
         half_alone = empty(type, {1, half});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      row.as<Z>()[i] = x.as<Z>()[r * n + i];
      real_row.as<T>()[i] = real.as<T>()[r * n + i];
    }
    EXPECT(run(registry, "fft", {&row}, {&alone}, {0, n}).ok());
    EXPECT(run(registry, "fft", {&real_row}, {&half_alone}, {2, n}).ok());
    for (int64_t i = 0; i < n; ++i) {
      EXPECT(std::abs(y.as<Z>()[r * n + i] - alone.as<Z>()[i]) <= tolerance);
      EXPECT(std::abs(again.as<Z>()[r * n + i] - x.as<Z>()[r * n + i]) <= tolerance);
      EXPECT(std::abs(back.as<T>()[r * n + i] - real.as<T>()[r * n + i]) <= tolerance);
    }
    for (int64_t i = 0; i < half; ++i)
      EXPECT(std::abs(spectrum.as<Z>()[r * half + i] - half_alone.as<Z>()[i]) <= tolerance);
  }
}

void test_several_axes_come_back_in_single_precision() {
  Tensor x = empty(DType::float32, {3, 4, 6, 5}), y = empty(DType::complex64, {3, 4, 6, 3}),
         back = empty(DType::float32, {3, 4, 6, 5});
  for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = static_cast<float>(number());
  EXPECT(run(registry, "fft", {&x}, {&y}, {2, 4, 6, 5}).ok());
  float sum = 0;
  for (int64_t i = 0; i < 4 * 6 * 5; ++i) sum += x.as<float>()[i];
  EXPECT(std::abs(y.as<std::complex<float>>()[0] - sum) < 1e-4f);
  EXPECT(run(registry, "fft", {&y}, {&back}, {3, 4, 6, 5}).ok());
  for (int64_t i = 0; i < x.count(); ++i) EXPECT(std::fabs(back.as<float>()[i] - x.as<float>()[i]) < 1e-5f);
}

// Columns are split between threads, or whole planes where these are small.
void test_columns_equal_the_sum(int64_t planes, int64_t n, int64_t columns) {
  Tensor x = empty(DType::complex128, {planes, n, columns}), y = empty(DType::complex128, {planes, n, columns});
  for (int64_t i = 0; i < x.count(); ++i) x.as<C>()[i] = C(number(), number());
  EXPECT(run(registry, "fft", {&x}, {&y}, {0, n, columns}).ok());
  for (int64_t plane = 0; plane < planes; ++plane) {
    std::vector<C> rows;
    for (int64_t i = 0; i < n; ++i) {
      const auto row = slow(x.as<C>() + (plane * n + i) * columns, columns, -1);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    for (int64_t column = 0; column < columns; ++column) {
      std::vector<C> line;
      for (int64_t i = 0; i < n; ++i) line.push_back(rows[static_cast<size_t>(i * columns + column)]);
      const auto expected = slow(line.data(), n, -1);
      for (int64_t i = 0; i < n; ++i)
        EXPECT(std::abs(y.as<C>()[(plane * n + i) * columns + column] - expected[static_cast<size_t>(i)]) < 1e-10);
    }
  }
}

// Long lines go one by one, on several threads: one number that is not zero gives a wave, and the way back gives it again.
template <typename T>
void test_a_long_line_of_one_number_is_a_wave(int64_t rows, int64_t n) {
  using Z = std::complex<T>;
  const DType real_type = dtype_of<T>, type = sizeof(T) == 4 ? DType::complex64 : DType::complex128;
  const int64_t half = n / 2 + 1, at = n / 3;
  Tensor real = empty(real_type, {rows, n}), spectrum = empty(type, {rows, half}), back = empty(real_type, {rows, n});
  Tensor x = empty(type, {rows, n}), y = empty(type, {rows, n}), again = empty(type, {rows, n});
  std::fill_n(real.as<T>(), real.count(), T());
  std::fill_n(x.as<Z>(), x.count(), Z());
  for (int64_t r = 0; r < rows; ++r) real.as<T>()[r * n + at] = T(1), x.as<Z>()[r * n + at] = Z(0, 1);
  EXPECT(run(registry, "fft", {&real}, {&spectrum}, {2, n}).ok());
  EXPECT(run(registry, "fft", {&spectrum}, {&back}, {3, n}).ok());
  EXPECT(run(registry, "fft", {&x}, {&y}, {0, n}).ok());
  EXPECT(run(registry, "fft", {&y}, {&again}, {1, n}).ok());
  const T tolerance = std::numeric_limits<T>::epsilon() * 20;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < n; ++k) {
      const C wave = std::polar(1.0, -2 * pi * static_cast<double>(k * at % n) / static_cast<double>(n));
      const Z expected(static_cast<T>(wave.real()), static_cast<T>(wave.imag()));
      EXPECT(std::abs(y.as<Z>()[r * n + k] - expected * Z(0, 1)) <= tolerance);
      EXPECT(k >= half || std::abs(spectrum.as<Z>()[r * half + k] - expected) <= tolerance);
      EXPECT(std::abs(back.as<T>()[r * n + k] - real.as<T>()[r * n + k]) <= tolerance);
      EXPECT(std::abs(again.as<Z>()[r * n + k] - x.as<Z>()[r * n + k]) <= tolerance);
    }
  }
}

void test_any_number_of_threads_gives_the_same_bits(std::vector<int64_t> sizes) {
  Tensor x = empty(DType::complex64, sizes), one = empty(DType::complex64, sizes),
         more = empty(DType::complex64, sizes);
  for (int64_t i = 0; i < x.count(); ++i)
    x.as<std::complex<float>>()[i] = {static_cast<float>(number()), static_cast<float>(number())};
  std::vector<int64_t> words = {0};  // along all axes but the first
  words.insert(words.end(), sizes.begin() + 1, sizes.end());
  set_thread_count(1);
  EXPECT(run(registry, "fft", {&x}, {&one}, words).ok());
  for (int threads : {2, 3, 5}) {
    set_thread_count(threads);
    EXPECT(run(registry, "fft", {&x}, {&more}, words).ok());
    EXPECT(std::memcmp(one.data, more.data, static_cast<size_t>(x.count()) * 8) == 0);
  }
  set_thread_count(0);
}

void test_bad_calls_are_refused() {
  Tensor x = empty(DType::complex64, {2, 8}), y = empty(DType::complex64, {2, 8}), real = empty(DType::float32, {2, 8}),
         half = empty(DType::complex64, {2, 5});
  EXPECT(run(registry, "fft", {&real}, {&half}, {2, 8}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&y}, {}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&y}, {0}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&y}, {0, 7}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&y}, {4, 8}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&y}, {0, 1, 2, 8}).ok());
  EXPECT(!run(registry, "fft", {&x}, {&real}, {0, 8}).ok());
  EXPECT(!run(registry, "fft", {&real}, {&y}, {2, 8}).ok());
  EXPECT(!run(registry, "fft", {&half}, {&real}, {3, 10}).ok());
  Tensor none = empty(DType::complex64, {2, 0});
  EXPECT(!run(registry, "fft", {&none}, {&none}, {0, 0}).ok());
}

}  // namespace

int main() {
  register_fft(registry);
  for (int64_t n = 1; n < 80; ++n) test_every_length_equals_the_sum(n);
  for (int64_t n : {101, 128, 210, 243, 257, 1000}) test_every_length_equals_the_sum(n);
  for (int64_t rows : {1, 3, 16, 37}) {
    for (int64_t n : {1, 2, 6, 16, 17, 62, 128, 150}) {
      test_rows_together_are_what_they_are_alone<float>(rows, n);
      test_rows_together_are_what_they_are_alone<double>(rows, n);
    }
  }
  for (auto [planes, n, columns] :
       {std::array<int64_t, 3>{20, 5, 3}, {37, 16, 16}, {3, 70, 37}, {2, 129, 16}, {1, 512, 20}})
    test_columns_equal_the_sum(planes, n, columns);
  for (auto [rows, n] : {std::array<int64_t, 2>{1, 4096}, {3, 20000}, {1, 65536}, {1, 40003}, {2, 40002}}) {
    test_a_long_line_of_one_number_is_a_wave<float>(rows, n);
    test_a_long_line_of_one_number_is_a_wave<double>(rows, n);
  }
  test_any_number_of_threads_gives_the_same_bits({1000, 37});
  test_any_number_of_threads_gives_the_same_bits({19, 300});
  test_any_number_of_threads_gives_the_same_bits({3, 20000});
  test_any_number_of_threads_gives_the_same_bits({1, 131072});
  test_any_number_of_threads_gives_the_same_bits({50, 16, 20});
  test_any_number_of_threads_gives_the_same_bits({3, 128, 77});
  test_several_axes_come_back_in_single_precision();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
