// Kernels `eig`, `matrix_square_root`, `matrix_logarithm` on the last two axes, through Schur's form T = Q^H x Q, computed in complex
// float64. They refuse types other than float32, float64, complex64, complex128 (matrix_logarithm: the complex ones).
//
// Large matrices go to LAPACK where the host gives it (lapack.h).
//
// eig: x [..., n, n] -> values [..., n], vectors [..., n, n] in columns, of length 1, optional; complex. No attributes.
// matrix_square_root: x [..., n, n] -> y with y y = x, its eigenvalues in the right half plane. Of a real x that has none of real
//   numbers it is NaN, as it is where x holds NaN or infinities.
// matrix_logarithm: x [..., n, n] -> the principal logarithm; NaN where x is singular.
#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <vector>

#include "kernels/lapack.h"
#include "kernels/linalg.h"

namespace millstream {
namespace {

using C = std::complex<double>;
using Matrix = std::vector<C>;  // [n, n], row-major
constexpr double epsilon = std::numeric_limits<double>::epsilon();

double size_of(C x) { return std::fabs(x.real()) + std::fabs(x.imag()); }

bool is_finite(const Matrix& x) {
  return std::all_of(x.begin(), x.end(),
                     [](C value) { return std::isfinite(value.real()) && std::isfinite(value.imag()); });
}

Matrix identity(int64_t n) {
  Matrix q(static_cast<size_t>(n * n), C(0));
  for (int64_t i = 0; i < n; ++i) q[i * n + i] = 1;
  return q;
}

// t becomes zero below its first subdiagonal; q (of n rows) is multiplied by what did it.
void to_hessenberg(Matrix& t, Matrix& q, int64_t n) {
  Matrix v(static_cast<size_t>(n)), work(static_cast<size_t>(n));
  for (int64_t k = 0; k + 2 < n; ++k) {
    const int64_t rest = n - k - 1;
    C* column = &t[(k + 1) * n + k];
    const C tau = make_reflection(column, rest, n);
    v[0] = 1;
    for (int64_t i = 1; i < rest; ++i) {
      v[i] = column[i * n];
      column[i * n] = 0;
    }
    if (tau == C(0)) continue;
    std::fill_n(work.begin(), rest, C(0));
    for (int64_t i = 0; i < rest; ++i) add_row(work.data(), conjugate(v[i]), &t[(k + 1 + i) * n + k + 1], rest);
    for (int64_t i = 0; i < rest; ++i)
      add_row(&t[(k + 1 + i) * n + k + 1], -times(conjugate(tau), v[i]), work.data(), rest);
    for (Matrix* x : {&t, &q}) {
      for (int64_t i = 0; i < n; ++i) {
        C* row = &(*x)[i * n + k + 1];
        C sum(0);
        for (int64_t j = 0; j < rest; ++j) sum += times(row[j], v[j]);
        sum = times(sum, tau);
        for (int64_t j = 0; j < rest; ++j) row[j] -= times(sum, conjugate(v[j]));
      }
    }
  }
}

// The eigenvalue of [[a, b], [c, d]] that is nearer to d.
C nearer_eigenvalue(C a, C b, C c, C d) {
  const C half = (a - d) / 2.0, product = b * c;
  if (product == C(0)) return d;
  C root = std::sqrt(half * half + product);
  if (half.real() * root.real() + half.imag() * root.imag() < 0) root = -root;
  return d - product / (half + root);
}

// One sweep of shifted QR steps on rows first..last of t, a Hessenberg matrix.
void chase(Matrix& t, Matrix& q, int64_t n, int64_t first, int64_t last, C shift) {
  C x = t[first * n + first] - shift, y = t[(first + 1) * n + first];
  for (int64_t k = first; k < last; ++k) {
    const double length = std::hypot(std::abs(x), std::abs(y));
    if (length > 0) {
      const C cosine = conjugate(x) / length, sine = conjugate(y) / length;
      C *upper = &t[k * n], *lower = &t[(k + 1) * n];
      for (int64_t j = std::max(first, k - 1); j < n; ++j) {
        const C a = upper[j], b = lower[j];
        upper[j] = times(cosine, a) + times(sine, b);
        lower[j] = times(conjugate(cosine), b) - times(conjugate(sine), a);
      }
      const auto turn_columns = [&](C* rows, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          C *pair = rows + i * n + k, a = pair[0], b = pair[1];
          pair[0] = times(conjugate(cosine), a) + times(conjugate(sine), b);
          pair[1] = times(cosine, b) - times(sine, a);
        }
      };
      turn_columns(t.data(), std::min(k + 2, last) + 1);
      turn_columns(q.data(), n);
    }
    if (k + 1 < last) {
      x = t[(k + 1) * n + k];
      y = t[(k + 2) * n + k];
    }
  }
}

// t becomes upper triangular, q unitary: what t was is q t q^H. False where that does not come to an end.
bool to_schur(Matrix& t, Matrix& q, int64_t n, bool lapack) {
  if (!is_finite(t)) return false;
  q = identity(n);
  if (lapack) return lapack_schur(t.data(), q.data(), n);
  to_hessenberg(t, q, n);
  double whole = 0;
  for (const C& value : t) whole = std::max(whole, size_of(value));
  int tries = 0;
  for (int64_t last = n - 1; last > 0;) {
    int64_t first = last;
    for (; first > 0; --first) {
      const double around = size_of(t[(first - 1) * n + first - 1]) + size_of(t[first * n + first]);
      if (size_of(t[first * n + first - 1]) <= epsilon * (around > 0 ? around : whole)) {
        t[first * n + first - 1] = 0;
        break;
      }
    }
    if (first == last) {
      --last;
      tries = 0;
      continue;
    }
    if (++tries > 300) return false;
    const C* end = &t[last * n + last];
    C shift = nearer_eigenvalue(end[-n - 1], end[-n], end[-1], end[0]);
    if (tries % 10 == 0) shift = end[0] + C(0.75 * size_of(end[-1]));  // out of a circle
    chase(t, q, n, first, last, shift);
  }
  for (int64_t i = 1; i < n; ++i) std::fill_n(&t[i * n], i, C(0));
  return true;
}

// Row k of the result is the eigenvector of t[k, k], of length 1, its greatest element real.
Matrix eigenvectors(const Matrix& t, const Matrix& q, int64_t n) {
  Matrix vectors(static_cast<size_t>(n * n), C(0)), y(static_cast<size_t>(n));
  double whole = std::numeric_limits<double>::min();
  for (const C& value : t) whole = std::max(whole, size_of(value));
  for (int64_t k = 0; k < n; ++k) {
    y[k] = 1;
    for (int64_t i = k - 1; i >= 0; --i) {
      C sum = t[i * n + k];
      for (int64_t j = i + 1; j < k; ++j) sum += times(t[i * n + j], y[j]);
      C gap = t[i * n + i] - t[k * n + k];
      if (size_of(gap) < epsilon * whole) gap = epsilon * whole;
      y[i] = -sum / gap;
      const double big = size_of(y[i]);
      if (big > 1e100) {
        for (int64_t j = i; j <= k; ++j) y[j] /= big;
      }
    }
    C* vector = &vectors[k * n];
    double length = 0, most = 0;
    C greatest = 1;
    for (int64_t i = 0; i < n; ++i) {
      C sum(0);
      for (int64_t j = 0; j <= k; ++j) sum += times(q[i * n + j], y[j]);
      vector[i] = sum;
      length += square(sum);
      if (square(sum) > most) {
        most = square(sum);
        greatest = sum;
      }
    }
    const C factor = conjugate(greatest) / (std::abs(greatest) * std::sqrt(length));
    for (int64_t i = 0; i < n; ++i) vector[i] = times(vector[i], factor);
  }
  return vectors;
}

// The rows become columns.
template <typename R>
void put_columns(const R* rows, R* y, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t j = 0; j < n; ++j) y[j * n + k] = rows[k * n + j];
  }
}

// The blocks of 2 on the diagonal of t become triangles.
void split_blocks(Matrix& t, Matrix& q, int64_t n) {
  for (int64_t m = n - 1; m > 0; --m) {
    C* corner = &t[(m - 1) * n + m - 1];
    const C below = corner[n];
    if (below == C(0)) continue;
    const C away = nearer_eigenvalue(corner[0], corner[1], below, corner[n + 1]) - corner[n + 1];
    const double length = std::hypot(std::abs(away), std::abs(below));
    const C cosine = away / length, sine = below / length;
    for (int64_t j = 0; j <= n - m; ++j) {
      const C a = corner[j], b = corner[n + j];
      corner[j] = times(conjugate(cosine), a) + times(conjugate(sine), b);
      corner[n + j] = times(cosine, b) - times(sine, a);
    }
    const auto turn_columns = [&](C* rows, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        C *pair = rows + i * n + m - 1, a = pair[0], b = pair[1];
        pair[0] = times(cosine, a) + times(sine, b);
        pair[1] = times(conjugate(cosine), b) - times(conjugate(sine), a);
      }
    };
    turn_columns(t.data(), m + 1);
    turn_columns(q.data(), n);
    corner[n] = 0;
  }
}

// Real numbers stay real as long as they can: that is several times faster.
bool real_schur(Matrix& t, Matrix& q, int64_t n) {
  std::vector<double> x(t.size()), unitary(t.size());
  std::transform(t.begin(), t.end(), x.begin(), [](C value) { return value.real(); });
  if (!lapack_schur(x.data(), unitary.data(), n)) return false;
  std::copy(x.begin(), x.end(), t.begin());
  q.assign(unitary.begin(), unitary.end());
  split_blocks(t, q, n);
  return true;
}

// t is overwritten.
bool eigen(Matrix& t, Matrix& values, Matrix* vectors, int64_t n) {
  Matrix q;
  if (!to_schur(t, q, n, false)) return false;
  for (int64_t k = 0; k < n; ++k) values[k] = t[k * n + k];
  if (vectors) *vectors = eigenvectors(t, q, n);
  return true;
}

template <typename S>
bool eigen_by_lapack(const Call& call, int64_t matrix) {
  using R = std::complex<Real<S>>;
  const int64_t n = rows_of(call.in(0));
  const S* from = call.in(0).as<const S>() + matrix * n * n;
  const auto finite = [](S value) { return std::isfinite(square(value)); };
  if (!std::all_of(from, from + n * n, finite)) return false;
  R* values = call.out(0).as<R>() + matrix * n;
  if (call.output_count == 1) return lapack_eig<S>(from, values, nullptr, n);
  std::vector<R> vectors(static_cast<size_t>(n * n));
  if (!lapack_eig<S>(from, values, vectors.data(), n)) return false;
  put_columns(vectors.data(), call.out(1).as<R>() + matrix * n * n, n);
  return true;
}

// The square root of an upper triangle.
Matrix triangular_root(const Matrix& t, int64_t n) {
  Matrix r(static_cast<size_t>(n * n), C(0)), column(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    column[j] = r[j * n + j] = std::sqrt(t[j * n + j]);
    for (int64_t i = j - 1; i >= 0; --i) {
      C rest = t[i * n + j];
      for (int64_t k = i + 1; k < j; ++k) rest -= times(r[i * n + k], column[k]);
      column[i] = r[i * n + j] = rest == C(0) ? C(0) : rest / (r[i * n + i] + column[j]);
    }
  }
  return r;
}

// The logarithm of an upper triangle: roots until it is near 1, then sum of w x (1 + p x)^-1 at Gauss's seven points.
Matrix triangular_logarithm(const Matrix& t, int64_t n) {
  constexpr double points[] = {0.025446043828620738, 0.12923440720030278, 0.29707742431130142, 0.5,
                               0.70292257568869858,  0.87076559279969722, 0.97455395617137926};
  constexpr double weights[] = {0.064742483084434847, 0.13985269574463833, 0.19091502525255947, 0.20897959183673469,
                                0.19091502525255947,  0.13985269574463833, 0.064742483084434847};
  Matrix x = t;
  double scale = 1;
  for (int roots = 0; roots < 100; ++roots) {
    double most = 0;
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t i = 0; i <= j; ++i) sum += std::abs(x[i * n + j] - (i == j ? 1.0 : 0.0));
      most = std::max(most, sum);
    }
    if (most < 0.25) break;
    x = triangular_root(x, n);
    scale *= 2;
  }
  for (int64_t i = 0; i < n; ++i) x[i * n + i] -= 1;
  Matrix result(static_cast<size_t>(n * n), C(0)), row(static_cast<size_t>(n));
  for (int point = 0; point < 7; ++point) {
    // Row by row from below: row i of y solves (1 + p x[i, i]) y[i] = x[i] - p sum of x[i, k] y[k].
    Matrix y(static_cast<size_t>(n * n), C(0));
    for (int64_t i = n - 1; i >= 0; --i) {
      std::copy_n(&x[i * n + i], n - i, &y[i * n + i]);
      for (int64_t k = i + 1; k < n; ++k) add_row(&y[i * n + k], -points[point] * x[i * n + k], &y[k * n + k], n - k);
      const C pivot = 1.0 + points[point] * x[i * n + i];
      for (int64_t j = i; j < n; ++j) y[i * n + j] /= pivot;
    }
    add_row(result.data(), C(weights[point] * scale), y.data(), n * n);
  }
  for (int64_t i = 0; i < n; ++i) result[i * n + i] = std::log(t[i * n + i]);
  return result;
}

// q t q^H
Matrix turn_back(const Matrix& t, const Matrix& q, int64_t n) {
  Matrix left(static_cast<size_t>(n * n), C(0)), result(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < n; ++k) add_row(&left[i * n + k], q[i * n + k], &t[k * n + k], n - k);
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) result[i * n + j] = dot(&q[j * n], &left[i * n], n);
  }
  return result;
}

template <typename S>
Matrix widened(const S* x, int64_t count) {
  Matrix result(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (is_complex_scalar<S>)
      result[i] = C(x[i].real(), x[i].imag());
    else
      result[i] = C(x[i]);
  }
  return result;
}

template <typename S>
S narrowed(C x) {
  if constexpr (is_complex_scalar<S>)
    return S(static_cast<Real<S>>(x.real()), static_cast<Real<S>>(x.imag()));
  else
    return static_cast<S>(x.real());
}

template <typename F>
void each_of(const Tensor& x, F&& one) {
  const int64_t n = rows_of(x);
  parallel_for(matrices_in(x), std::max<int64_t>(1, 5000 / std::max<int64_t>(1, n * n * n)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) one(i);
               });
}

Status check_eig(const Call& call) {
  MS_REQUIRE(call.output_count == 1 || call.output_count == 2, "eig: gives values, or values and vectors.");
  MS_RETURN_IF_ERROR(check_operands(call, "eig", 1, call.output_count));
  MS_RETURN_IF_ERROR(check_attributes(call, "eig", 0));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, "eig", true));
  const DType kind = real_type(x.dtype) == DType::float32 ? DType::complex64 : DType::complex128;
  MS_RETURN_IF_ERROR(check_result(x, call.out(0), kind, {rows_of(x)}, "eig"));
  return call.output_count == 2 ? check_result(x, call.out(1), kind, {rows_of(x), rows_of(x)}, "eig") : Status();
}

Status run_eig(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "eig"));
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    using R = std::complex<Real<S>>;
    std::atomic<bool> failed{false};
    const UseLapack lapack(matrices_in(x), n);
    each_of(x, [&](int64_t i) {
      if (lapack && eigen_by_lapack<S>(call, i)) return;
      Matrix t = widened(x.as<const S>() + i * n * n, n * n), values(static_cast<size_t>(n)), vectors;
      if (!eigen(t, values, call.output_count == 2 ? &vectors : nullptr, n)) {
        failed = true;
        return;
      }
      std::transform(values.begin(), values.end(), call.out(0).as<R>() + i * n, narrowed<R>);
      if (call.output_count == 1) return;
      std::vector<R> rows(vectors.size());
      std::transform(vectors.begin(), vectors.end(), rows.begin(), narrowed<R>);
      put_columns(rows.data(), call.out(1).as<R>() + i * n * n, n);
    });
    return failed ? invalid("Eigen decomposition was not successful. The input might not be valid.") : Status();
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("eig", call.in(0));
}

Status check_function(const Call& call, const char* name) {
  MS_RETURN_IF_ERROR(check_operands(call, name, 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, name, 0));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, name, true));
  return check_result(x, call.out(0), x.dtype, {rows_of(x), rows_of(x)}, name);
}

Status check_matrix_square_root(const Call& call) { return check_function(call, "matrix_square_root"); }
Status check_matrix_logarithm(const Call& call) { return check_function(call, "matrix_logarithm"); }

// Whether the root of a real matrix with this Schur form is real, up to rounding.
bool has_real_root(const Matrix& t, int64_t n) {
  double whole = 0;
  for (int64_t i = 0; i < n; ++i) whole = std::max(whole, size_of(t[i * n + i]));
  for (int64_t i = 0; i < n; ++i) {
    const C value = t[i * n + i];
    if (value.real() < -whole * 1e-12 && std::fabs(value.imag()) <= whole * 1e-12) return false;
  }
  return true;
}

template <typename F>
Status run_function(const Call& call, F&& function) {
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(x), n);
    each_of(x, [&](int64_t i) {
      Matrix t = widened(x.as<const S>() + i * n * n, n * n), q;
      S* y = call.out(0).as<S>() + i * n * n;
      const bool real = lapack && !is_complex_scalar<S> && is_finite(t);
      if (!(real ? real_schur(t, q, n) : to_schur(t, q, n, lapack)) ||
          (!is_complex_scalar<S> && !has_real_root(t, n))) {
        std::fill_n(y, n * n, S(std::numeric_limits<Real<S>>::quiet_NaN()));
        return;
      }
      const Matrix result = turn_back(function(t, n), q, n);
      for (int64_t k = 0; k < n * n; ++k) y[k] = narrowed<S>(result[k]);
    });
    return Status();
  });
}

Status run_matrix_square_root(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "matrix_square_root"));
  return run_function(call, triangular_root);
} catch (const std::bad_alloc&) {
  return out_of_memory("matrix_square_root", call.in(0));
}

Status run_matrix_logarithm(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "matrix_logarithm"));
  return run_function(call, triangular_logarithm);
} catch (const std::bad_alloc&) {
  return out_of_memory("matrix_logarithm", call.in(0));
}

const Kernel kernel_eig{"eig", check_eig, run_eig};
const Kernel kernel_matrix_square_root{"matrix_square_root", check_matrix_square_root, run_matrix_square_root};
const Kernel kernel_matrix_logarithm{"matrix_logarithm", check_matrix_logarithm, run_matrix_logarithm};

}  // namespace

void register_linalg_functions(Registry& registry) {
  registry.add(kernel_eig);
  registry.add(kernel_matrix_square_root);
  registry.add(kernel_matrix_logarithm);
}

}  // namespace millstream
