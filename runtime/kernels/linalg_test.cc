// The linear algebra kernels: what they return multiplies back to what they were given; and what they refuse.
#include <algorithm>
#include <cmath>
#include <complex>

#include "kernels/move_testing.h"

namespace millstream {
void register_linalg(Registry&);
void register_linalg_orthogonal(Registry&);
void register_linalg_functions(Registry&);
void register_linalg_banded(Registry&);
}  // namespace millstream

namespace millstream::testing {
template <>
inline constexpr DType dtype_of<std::complex<float>> = DType::complex64;
template <>
inline constexpr DType dtype_of<std::complex<double>> = DType::complex128;
}  // namespace millstream::testing

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;
Numbers numbers;

double number() { return static_cast<double>(numbers.below(2001) - 1000) / 1000; }

template <typename S>
constexpr bool complex_scalar = !std::is_arithmetic_v<S>;

template <typename S>
S some() {
  if constexpr (complex_scalar<S>)
    return S(static_cast<typename S::value_type>(number()), static_cast<typename S::value_type>(number()));
  else
    return static_cast<S>(number());
}

template <typename S>
S turned(S x) {
  if constexpr (complex_scalar<S>)
    return std::conj(x);
  else
    return x;
}

// One matrix in double precision, so that the checks themselves do not round.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<std::complex<double>> values;
  std::complex<double>& at(int64_t i, int64_t j) { return values[static_cast<size_t>(i * columns + j)]; }
  std::complex<double> at(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * columns + j)]; }
};

template <typename S>
Matrix matrix(const Tensor& tensor, int64_t batch = 0) {
  Matrix m{tensor.dims[tensor.rank - 2], tensor.dims[tensor.rank - 1], {}};
  for (int64_t i = 0; i < m.rows * m.columns; ++i)
    m.values.emplace_back(tensor.as<S>()[batch * m.rows * m.columns + i]);
  return m;
}

Matrix operator*(const Matrix& a, const Matrix& b) {
  EXPECT(a.columns == b.rows);
  Matrix c{a.rows, b.columns, std::vector<std::complex<double>>(static_cast<size_t>(a.rows * b.columns))};
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t j = 0; j < b.columns; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix adjoint(const Matrix& a) {
  Matrix c{a.columns, a.rows, std::vector<std::complex<double>>(a.values.size())};
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) c.at(j, i) = std::conj(a.at(i, j));
  return c;
}

Matrix identity(int64_t n) {
  Matrix c{n, n, std::vector<std::complex<double>>(static_cast<size_t>(n * n))};
  for (int64_t i = 0; i < n; ++i) c.at(i, i) = 1;
  return c;
}

bool near(const Matrix& a, const Matrix& b, double tolerance) {
  EXPECT(a.rows == b.rows && a.columns == b.columns);
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (!(std::abs(a.values[i] - b.values[i]) <= tolerance)) return false;
  }
  return true;
}

template <typename S>
void test_systems_are_solved(double tolerance) {
  for (int64_t n : {1, 2, 3, 7, 20}) {
    const DType dtype = dtype_of<S>;
    Tensor a = empty(dtype, {2, n, n}), b = empty(dtype, {2, n, 3}), x = empty(dtype, {2, n, 3}),
           inverse = empty(dtype, {2, n, n});
    for (int64_t i = 0; i < a.count(); ++i)
      a.as<S>()[i] = some<S>() + ((i % (n * n)) % (n + 1) == 0 ? S(static_cast<float>(n)) : S(0));
    for (int64_t i = 0; i < b.count(); ++i) b.as<S>()[i] = some<S>();
    for (int64_t batch : {0, 1}) {
      const Matrix left = matrix<S>(a, batch), right = matrix<S>(b, batch);
      EXPECT(run(registry, "solve", {&a, &b}, {&x}, {0}).ok());
      EXPECT(near(left * matrix<S>(x, batch), right, tolerance));
      EXPECT(run(registry, "solve", {&a, &b}, {&x}, {1}).ok());
      EXPECT(near(adjoint(left) * matrix<S>(x, batch), right, tolerance));
      EXPECT(run(registry, "inverse", {&a}, {&inverse}, {0}).ok());
      EXPECT(near(left * matrix<S>(inverse, batch), identity(n), tolerance));
      for (int64_t lower : {0, 1})
        for (int64_t turn : {0, 1}) {
          Matrix triangle = left;
          for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
              if (lower ? j > i : j < i) triangle.at(i, j) = 0;
          EXPECT(run(registry, "triangular_solve", {&a, &b}, {&x}, {lower, turn}).ok());
          EXPECT(near((turn ? adjoint(triangle) : triangle) * matrix<S>(x, batch), right, tolerance));
        }
      Tensor packed = empty(dtype, {2, n, n}), order = empty(DType::int32, {2, n}), determinant = empty(dtype, {2}),
             sign = empty(dtype, {2}), log = empty(dtype, {2});
      EXPECT(run(registry, "lu", {&a}, {&packed, &order}, {}).ok());
      Matrix lower = matrix<S>(packed, batch), upper = lower, picked = left;
      std::complex<double> diagonal = 1;
      for (int64_t i = 0; i < n; ++i) {
        diagonal *= upper.at(i, i);
        for (int64_t j = 0; j < n; ++j) {
          if (j < i) upper.at(i, j) = 0;
          if (j >= i) lower.at(i, j) = i == j;
          picked.at(i, j) = left.at(order.as<int32_t>()[batch * n + i], j);
        }
      }
      EXPECT(near(lower * upper, picked, tolerance));
      EXPECT(run(registry, "determinant", {&a}, {&determinant}, {}).ok());
      EXPECT(run(registry, "log_determinant", {&a}, {&sign, &log}, {}).ok());
      const std::complex<double> found(determinant.as<S>()[batch]);
      EXPECT(std::abs(std::abs(found) - std::abs(diagonal)) <= tolerance * std::abs(diagonal));
      EXPECT(std::abs(std::complex<double>(sign.as<S>()[batch]) * std::exp(std::complex<double>(log.as<S>()[batch])) -
                      found) <= 50 * tolerance * std::abs(found));
    }
  }
}

template <typename S>
void test_decompositions_multiply_back(double tolerance) {
  const DType dtype = dtype_of<S>;
  const DType real = dtype == DType::complex64 || dtype == DType::float32 ? DType::float32 : DType::float64;
  const auto value_at = [&](const Tensor& t, int64_t i) {
    return real == DType::float32 ? static_cast<double>(t.as<float>()[i]) : t.as<double>()[i];
  };
  const int64_t shapes[][2] = {{1, 1}, {4, 4}, {7, 3}, {3, 7}, {12, 12}, {5, 1}, {1, 5}};
  for (const auto& shape : shapes)
    for (int kind = 0; kind < 4; ++kind) {
      const int64_t m = shape[0], n = shape[1], k = std::min(m, n), full = kind % 2;
      Tensor a = empty(dtype, {m, n});
      for (int64_t i = 0; i < a.count(); ++i) a.as<S>()[i] = some<S>();
      if (kind >= 2) {  // two equal columns, or nothing at all
        for (int64_t i = 0; i < m; ++i) a.as<S>()[i * n] = n > 1 ? a.as<S>()[i * n + 1] : S(0);
      }
      const Matrix given = matrix<S>(a);
      Tensor q = empty(dtype, {m, full ? m : k}), r = empty(dtype, {full ? m : k, n});
      EXPECT(run(registry, "qr", {&a}, {&q, &r}, {full}).ok());
      EXPECT(near(matrix<S>(q) * matrix<S>(r), given, tolerance));
      EXPECT(near(adjoint(matrix<S>(q)) * matrix<S>(q), identity(full ? m : k), tolerance));
      Tensor s = empty(real, {k}), u = empty(dtype, {m, full ? m : k}), v = empty(dtype, {n, full ? n : k});
      EXPECT(run(registry, "svd", {&a}, {&s, &u, &v}, {full}).ok());
      Matrix scaled = matrix<S>(u), right = matrix<S>(v),
             back{m, n, std::vector<std::complex<double>>(static_cast<size_t>(m * n))};
      for (int64_t c = 0; c < k; ++c) {
        EXPECT(value_at(s, c) >= 0 && (c == 0 || value_at(s, c) <= value_at(s, c - 1)));
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) back.at(i, j) += scaled.at(i, c) * value_at(s, c) * std::conj(right.at(j, c));
      }
      EXPECT(near(back, given, tolerance));
      EXPECT(near(adjoint(scaled) * scaled, identity(scaled.columns), tolerance));
      EXPECT(near(adjoint(right) * right, identity(right.columns), tolerance));
      if (m != n) continue;
      Tensor h = a, values = empty(real, {n}), vectors = empty(dtype, {n, n}), l = empty(dtype, {n, n});
      allocate_data(h);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) h.as<S>()[i * n + j] = a.as<S>()[i * n + j] + turned(a.as<S>()[j * n + i]);
      EXPECT(run(registry, "eigh", {&h}, {&values, &vectors}, {}).ok());
      Matrix basis = matrix<S>(vectors), stretched = basis;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) stretched.at(i, j) *= value_at(values, j);
      EXPECT(near(matrix<S>(h) * basis, stretched, 10 * tolerance));
      EXPECT(near(adjoint(basis) * basis, identity(n), tolerance));
      for (int64_t i = 0; i < n; ++i) h.as<S>()[i * n + i] += S(static_cast<float>(4 * n));
      EXPECT(run(registry, "cholesky", {&h}, {&l}, {}).ok());
      EXPECT(near(matrix<S>(l) * adjoint(matrix<S>(l)), matrix<S>(h), 10 * tolerance));
    }
}

// Eigenvalues scale their vectors, roots square back, and the logarithm of a square root is half the logarithm.
template <typename S>
void test_functions_of_matrices(double tolerance) {
  constexpr bool wide = std::is_same_v<S, double> || std::is_same_v<S, std::complex<double>>;
  const DType dtype = dtype_of<S>, complex_dtype = wide ? DType::complex128 : DType::complex64;
  using C = std::conditional_t<wide, std::complex<double>, std::complex<float>>;
  for (int64_t n : {1, 2, 3, 9, 30}) {
    Tensor a = empty(dtype, {n, n}), values = empty(complex_dtype, {n}), vectors = empty(complex_dtype, {n, n}),
           root = empty(dtype, {n, n}), logarithm = empty(dtype, {n, n}), half = empty(dtype, {n, n});
    for (int64_t i = 0; i < a.count(); ++i) a.as<S>()[i] = some<S>();
    EXPECT(run(registry, "eig", {&a}, {&values, &vectors}, {}).ok());
    const Matrix basis = matrix<C>(vectors);
    Matrix stretched = basis;
    for (int64_t j = 0; j < n; ++j) {
      double length = 0;
      for (int64_t i = 0; i < n; ++i) {
        stretched.at(i, j) *= std::complex<double>(values.as<C>()[j]);
        length += std::norm(basis.at(i, j));
      }
      EXPECT(std::fabs(length - 1) < tolerance);
    }
    EXPECT(near(matrix<S>(a) * basis, stretched, 100 * tolerance));
    for (int64_t i = 0; i < n; ++i) a.as<S>()[i * n + i] += S(static_cast<float>(2 * n));
    EXPECT(run(registry, "matrix_square_root", {&a}, {&root}, {}).ok());
    EXPECT(near(matrix<S>(root) * matrix<S>(root), matrix<S>(a), 100 * tolerance));
    if constexpr (complex_scalar<S>) {
      EXPECT(run(registry, "matrix_logarithm", {&a}, {&logarithm}, {}).ok());
      EXPECT(run(registry, "matrix_logarithm", {&root}, {&half}, {}).ok());
      for (int64_t i = 0; i < n * n; ++i) half.as<S>()[i] *= S(2);
      EXPECT(near(matrix<S>(half), matrix<S>(logarithm), 100 * tolerance));
    }
  }
}

template <typename S>
void test_diagonals_are_solved(double tolerance) {
  const DType dtype = dtype_of<S>;
  for (int64_t n : {1, 2, 3, 8}) {
    Tensor d = empty(dtype, {3, n}), b = empty(dtype, {n, 2}), x = empty(dtype, {n, 2});
    for (int64_t i = 0; i < d.count(); ++i) d.as<S>()[i] = some<S>() + (i / n == 1 ? S(3.0f) : S(0));
    for (int64_t i = 0; i < b.count(); ++i) b.as<S>()[i] = some<S>();
    const auto at = [&](int64_t row, int64_t column) { return std::complex<double>(d.as<S>()[row * n + column]); };
    Matrix three{n, n, std::vector<std::complex<double>>(static_cast<size_t>(n * n))}, lower = three, upper = three;
    for (int64_t i = 0; i < n; ++i) {
      three.at(i, i) = lower.at(i, i) = upper.at(i, i) = at(1, i);
      if (i + 1 < n) {
        three.at(i, i + 1) = upper.at(i, i + 1) = at(0, i);
        three.at(i + 1, i) = lower.at(i + 1, i) = at(2, i + 1);
      }
    }
    for (int64_t pivoting : {0, 1}) {
      EXPECT(run(registry, "tridiagonal_solve", {&d, &b}, {&x}, {pivoting, 0}).ok());
      EXPECT(near(three * matrix<S>(x), matrix<S>(b), tolerance));
    }
    for (int64_t below : {0, 1}) {
      Tensor two = empty(dtype, {2, n});
      std::copy_n(d.as<S>() + (below ? n : 0), 2 * n, two.as<S>());
      for (int64_t turn : {0, 1}) {
        EXPECT(run(registry, "banded_solve", {&two, &b}, {&x}, {below, turn}).ok());
        const Matrix& whole = below ? lower : upper;
        EXPECT(near((turn ? adjoint(whole) : whole) * matrix<S>(x), matrix<S>(b), tolerance));
      }
    }
  }
}

void test_functions_without_an_answer() {
  const Tensor turn = tensor_of<double>({2, 2}, {-1, 0, 0, -2}), strange = tensor_of<double>({2, 2}, {NAN, 1, 1, 1});
  Tensor y = empty(DType::float64, {2, 2}), values = empty(DType::complex128, {2});
  EXPECT(run(registry, "matrix_square_root", {&turn}, {&y}, {}).ok() && std::isnan(y.as<double>()[0]));
  EXPECT(run(registry, "matrix_square_root", {&strange}, {&y}, {}).ok() && std::isnan(y.as<double>()[0]));
  EXPECT(!run(registry, "eig", {&strange}, {&values}, {}).ok());
  const Tensor flat = tensor_of<double>({3, 2}, {0, 0, 0, 0, 0, 0}), b = tensor_of<double>({2, 1}, {1, 1});
  Tensor x = empty(DType::float64, {2, 1});
  EXPECT(run(registry, "tridiagonal_solve", {&flat, &b}, {&x}, {1, 0}).ok() && std::isnan(x.as<double>()[0]));
  EXPECT(run(registry, "tridiagonal_solve", {&flat, &b}, {&x}, {1, 1}).ok() && std::isfinite(x.as<double>()[0]));
  EXPECT(!run(registry, "tridiagonal_solve", {&turn, &b}, {&x}, {1, 0}).ok());
  EXPECT(!run(registry, "banded_solve", {&turn, &b}, {&x}, {1}).ok());
  EXPECT(!run(registry, "eig", {&turn}, {&y}, {}).ok());
}

void test_signs_are_those_of_reflections() {
  const Tensor a = tensor_of<float>({3, 2}, {3, 1, 4, 2, 0, 5});
  Tensor q = empty(DType::float32, {3, 2}), r = empty(DType::float32, {2, 2});
  EXPECT(run(registry, "qr", {&a}, {&q, &r}, {0}).ok());
  const float expected[] = {-5, -2.2f, 0, -5.0159745f};
  for (int i = 0; i < 4; ++i) EXPECT(std::fabs(r.as<float>()[i] - expected[i]) < 1e-5f);
}

void test_matrices_without_an_answer() {
  Tensor zero = tensor_of<double>({2, 2}, {0, 0, 0, 0}), y = empty(DType::float64, {2, 2}),
         values = empty(DType::float64, {2}), order = empty(DType::int64, {2});
  EXPECT(run(registry, "inverse", {&zero}, {&y}, {0}).message() == "Input is not invertible.");
  EXPECT(run(registry, "lu", {&zero}, {&y, &order}, {}).message() == "Input is not invertible.");
  EXPECT(run(registry, "solve", {&zero, &zero}, {&y}, {0}).message() == "Input matrix is not invertible.");
  EXPECT(run(registry, "cholesky", {&zero}, {&y}, {}).ok() && std::isnan(y.as<double>()[0]) && y.as<double>()[1] == 0);
  const Tensor strange = tensor_of<double>({2, 2}, {NAN, 1, 1, INFINITY});
  EXPECT(!run(registry, "eigh", {&strange}, {&values}, {}).ok());
  EXPECT(run(registry, "svd", {&strange}, {&values}, {0}).ok() && std::isnan(values.as<double>()[0]));
  const Tensor huge = tensor_of<double>({2, 2}, {1e300, 2e300, 2e300, 1e300});
  EXPECT(run(registry, "eigh", {&huge}, {&values}, {}).ok() && std::fabs(values.as<double>()[1] / 3e300 - 1) < 1e-12);
}

void test_bad_calls_are_refused() {
  Tensor wide = empty(DType::float32, {2, 3}), square = empty(DType::float32, {2, 2}),
         whole = empty(DType::int32, {2, 2}), row = empty(DType::float32, {2});
  EXPECT(!run(registry, "cholesky", {&wide}, {&wide}, {}).ok());
  EXPECT(!run(registry, "cholesky", {&whole}, {&whole}, {}).ok());
  EXPECT(!run(registry, "cholesky", {&row}, {&row}, {}).ok());
  EXPECT(!run(registry, "cholesky", {&square}, {&wide}, {}).ok());
  EXPECT(!run(registry, "solve", {&square, &row}, {&row}, {0}).ok());
  EXPECT(!run(registry, "solve", {&square, &wide}, {&wide}, {}).ok());
  EXPECT(!run(registry, "lu", {&square}, {&square, &row}, {}).ok());
  EXPECT(!run(registry, "qr", {&wide}, {&square, &square}, {0}).ok());
  EXPECT(!run(registry, "svd", {&wide}, {&row, &square}, {0}).ok());
  EXPECT(!run(registry, "svd", {&wide}, {&row, &square, &square}, {0}).ok());
  EXPECT(!run(registry, "eigh", {&square}, {&square}, {}).ok());
  EXPECT(!run(registry, "determinant", {&square}, {&row}, {}).ok());
}

}  // namespace

int main() {
  register_linalg(registry);
  register_linalg_orthogonal(registry);
  register_linalg_functions(registry);
  register_linalg_banded(registry);
  test_systems_are_solved<float>(1e-4);
  test_systems_are_solved<double>(1e-11);
  test_systems_are_solved<std::complex<float>>(1e-4);
  test_systems_are_solved<std::complex<double>>(1e-11);
  test_decompositions_multiply_back<float>(1e-5);
  test_decompositions_multiply_back<double>(1e-12);
  test_decompositions_multiply_back<std::complex<float>>(1e-5);
  test_decompositions_multiply_back<std::complex<double>>(1e-12);
  test_functions_of_matrices<float>(1e-5);
  test_functions_of_matrices<double>(1e-12);
  test_functions_of_matrices<std::complex<float>>(1e-5);
  test_functions_of_matrices<std::complex<double>>(1e-12);
  test_diagonals_are_solved<float>(1e-4);
  test_diagonals_are_solved<double>(1e-11);
  test_diagonals_are_solved<std::complex<float>>(1e-4);
  test_diagonals_are_solved<std::complex<double>>(1e-11);
  test_functions_without_an_answer();
  test_signs_are_those_of_reflections();
  test_matrices_without_an_answer();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
