// Kernels `qr`, `eigh`, `svd` on the last two axes. They refuse types other than float32, float64, complex64, complex128. eigh and
// svd compute in float64, but for large matrices, which go to LAPACK where the host gives it (lapack.h).
//
// qr: x [..., m, n] -> q, r; attributes: full. With k = min(m, n): q [..., m, k], r [..., k, n]; full: q [..., m, m], r [..., m, n].
//   Reflections as LAPACK makes them, so that signs are TensorFlow's.
// eigh: x [..., n, n] (Hermitian; the lower triangle is read) -> values [..., n], ascending, of x's type or its real part's;
//   vectors [..., n, n] in columns, optional. No attributes.
// svd: x [..., m, n] -> values [..., k] (real), descending; u, v optional together: x = u diag(values) v^H; attributes: full.
//   u [..., m, k], v [..., n, k]; full: u [..., m, m], v [..., n, n]. NaN in x gives NaN.
#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include "kernels/lapack.h"
#include "kernels/linalg.h"

namespace millstream {
namespace {

// rows i.. of a [.., columns] times (I - tau v v^H) from the left; v[0] is 1 and not stored, v[1..] lie `step` apart.
template <typename S>
void reflect_rows(S* a, int64_t rows, int64_t columns, int64_t row_step, const S* v, int64_t step, S tau, S* work) {
  if (tau == S(0) || columns <= 0) return;
  std::copy_n(a, columns, work);
  for (int64_t i = 1; i < rows; ++i) add_row(work, conjugate(v[i * step]), a + i * row_step, columns);
  for (int64_t i = 0; i < rows; ++i) add_row(a + i * row_step, i == 0 ? -tau : -times(tau, v[i * step]), work, columns);
}

// a [m, n] becomes R above its diagonal, reflections below; q [m, columns] their product's first columns.
template <typename S>
void decompose_qr(S* a, int64_t m, int64_t n, S* q, int64_t columns) {
  const int64_t k = std::min(m, n);
  std::vector<S> tau(static_cast<size_t>(k)), work(static_cast<size_t>(std::max(n, columns)));
  for (int64_t j = 0; j < k; ++j) {
    const S turn = tau[static_cast<size_t>(j)] = make_reflection(a + j * n + j, m - j, n);
    // R needs H^H, Q is the product of the H.
    reflect_rows(a + j * n + j + 1, m - j, n - j - 1, n, a + j * n + j, n, conjugate(turn), work.data());
  }
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < columns; ++j) q[i * columns + j] = S(i == j ? 1 : 0);
  }
  for (int64_t j = k - 1; j >= 0; --j) {
    reflect_rows(q + j * columns + j, m - j, columns - j, columns, a + j * n + j, n, tau[static_cast<size_t>(j)],
                 work.data());
  }
}

Status check_qr(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "qr", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "qr", 1));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, "qr", false));
  const int64_t m = rows_of(x), n = columns_of(x), k = call.attributes[0] ? m : std::min(m, n);
  MS_RETURN_IF_ERROR(check_result(x, call.out(0), x.dtype, {m, k}, "qr"));
  return check_result(x, call.out(1), x.dtype, {k, n}, "qr");
}

Status run_qr(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "qr"));
  const Tensor& x = call.in(0);
  const int64_t m = rows_of(x), n = columns_of(x), k = columns_of(call.out(0));
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(x), std::min(m, n), m * std::max(n, k));
    parallel_for(matrices_in(x), std::max<int64_t>(1, 100000 / std::max<int64_t>(1, m * n * std::min(m, n))),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const S* from = x.as<const S>() + i * m * n;
                     S *q = call.out(0).as<S>() + i * m * k, *r = call.out(1).as<S>() + i * k * n;
                     std::vector<S> a(from, from + m * n);
                     if (lapack && lapack_qr(a.data(), q, r, m, n, k)) continue;
                     if (lapack) a.assign(from, from + m * n);
                     decompose_qr(a.data(), m, n, q, k);
                     for (int64_t row = 0; row < k; ++row) {
                       for (int64_t column = 0; column < n; ++column)
                         r[row * n + column] = column < row ? S(0) : a[static_cast<size_t>(row * n + column)];
                     }
                   }
                 });
    return Status();
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("qr", call.in(0));
}

// Eigenvalues of the tridiagonal matrix (d, e) by the implicit QL method; the rotations are applied to the rows of z where given.
template <typename S>
bool tridiagonal_values(std::vector<double>& d, std::vector<double>& e, S* z) {
  const auto n = static_cast<int64_t>(d.size());
  for (int64_t l = 0; l < n; ++l) {
    for (int tries = 0;; ++tries) {
      int64_t m = l;
      for (; m + 1 < n; ++m) {
        const double size = std::fabs(d[m]) + std::fabs(d[m + 1]);
        if (std::fabs(e[m]) <= std::numeric_limits<double>::epsilon() * size) break;
      }
      if (m == l) break;
      if (tries == 80) return false;
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      double r = std::hypot(g, 1.0);
      g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      int64_t i = m - 1;
      for (; i >= l; --i) {
        double f = s * e[i];
        const double b = c * e[i];
        e[i + 1] = r = std::hypot(f, g);
        if (r == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        if (z) {
          S *upper = z + i * n, *lower = z + (i + 1) * n;
          for (int64_t k = 0; k < n; ++k) {
            const S other = lower[k];
            lower[k] = s * upper[k] + c * other;
            upper[k] = c * upper[k] - s * other;
          }
        }
      }
      if (r == 0 && i >= l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return true;
}

// a [n, n], its lower triangle Hermitian. values ascending; rows of `vectors` (where given) are the conjugated eigenvectors.
template <typename S>
bool hermitian_values(std::vector<S>& a, int64_t n, std::vector<double>& values, std::vector<S>* vectors) {
  double scale = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      const double size = std::abs(a[i * n + j]);
      if (!std::isfinite(size)) return false;
      scale = std::max(scale, size);
    }
  }
  values.assign(static_cast<size_t>(n), 0.0);
  std::vector<double> off(static_cast<size_t>(n), 0.0);
  // Sizes near 1 keep the squares below from overflow.
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      if (scale > 0) a[i * n + j] /= scale;
      if (i == j) a[i * n + i] = S(real_part(a[i * n + i]));
      a[j * n + i] = conjugate(a[i * n + j]);
    }
  }
  std::vector<S> tau(static_cast<size_t>(n), S(0)), v(static_cast<size_t>(n)), w(static_cast<size_t>(n));
  for (int64_t k = 0; k + 1 < n; ++k) {
    const int64_t rest = n - k - 1;
    S* column = &a[(k + 1) * n + k];
    const S turn = tau[k] = make_reflection(column, rest, n);
    off[k] = real_part(*column);
    if (turn == S(0)) continue;
    v[0] = S(1);
    for (int64_t i = 1; i < rest; ++i) v[i] = column[i * n];
    for (int64_t i = 0; i < rest; ++i) {
      S sum(0);
      const S* row = &a[(k + 1 + i) * n + k + 1];
      for (int64_t j = 0; j < rest; ++j) sum += times(row[j], v[j]);
      w[i] = times(turn, sum);
    }
    const S half = times(S(-0.5), times(turn, dot(w.data(), v.data(), rest)));
    for (int64_t i = 0; i < rest; ++i) w[i] += times(half, v[i]);
    for (int64_t i = 0; i < rest; ++i) {
      S* row = &a[(k + 1 + i) * n + k + 1];
      for (int64_t j = 0; j < rest; ++j) row[j] -= times(v[i], conjugate(w[j])) + times(w[i], conjugate(v[j]));
    }
  }
  for (int64_t i = 0; i < n; ++i) values[i] = real_part(a[i * n + i]);
  std::vector<S> z;
  if (vectors) {
    std::vector<S> q(static_cast<size_t>(n * n), S(0)), work(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) q[i * n + i] = S(1);
    for (int64_t k = n - 2; k >= 0; --k) {
      reflect_rows(&q[(k + 1) * n + k + 1], n - k - 1, n - k - 1, n, &a[(k + 1) * n + k], n, tau[k], work.data());
    }
    z.resize(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) z[j * n + i] = q[i * n + j];
    }
  }
  if (!tridiagonal_values(values, off, vectors ? z.data() : nullptr)) return false;
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) { return values[x] < values[y]; });
  const std::vector<double> unsorted = values;
  if (vectors) vectors->resize(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    values[i] = unsorted[order[i]] * scale;
    if (vectors) std::copy_n(&z[order[i] * n], n, &(*vectors)[i * n]);
  }
  return true;
}

Status check_eigh(const Call& call) {
  MS_REQUIRE(call.output_count == 1 || call.output_count == 2, "eigh: gives values, or values and vectors.");
  MS_RETURN_IF_ERROR(check_operands(call, "eigh", 1, call.output_count));
  MS_RETURN_IF_ERROR(check_attributes(call, "eigh", 0));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, "eigh", true));
  const int64_t n = rows_of(x);
  const DType values = call.out(0).dtype;
  MS_REQUIRE(values == x.dtype || values == real_type(x.dtype),
             "eigh: " + show(x) + " does not give " + show(call.out(0)) + ".");
  MS_RETURN_IF_ERROR(check_result(x, call.out(0), values, {n}, "eigh"));
  return call.output_count == 2 ? check_result(x, call.out(1), x.dtype, {n, n}, "eigh") : Status();
}

template <typename S>
using Double = std::conditional_t<is_complex_scalar<S>, std::complex<double>, double>;

template <typename S>
Double<S> widen(S x) {
  if constexpr (is_complex_scalar<S>)
    return {static_cast<double>(x.real()), static_cast<double>(x.imag())};
  else
    return static_cast<double>(x);
}
template <typename S>
S narrow(Double<S> x) {
  if constexpr (is_complex_scalar<S>)
    return {static_cast<Real<S>>(x.real()), static_cast<Real<S>>(x.imag())};
  else
    return static_cast<S>(x);
}

template <typename S>
bool eigh_by_lapack(const Call& call, int64_t matrix) {
  const int64_t n = rows_of(call.in(0));
  const S* from = call.in(0).as<const S>() + matrix * n * n;
  std::vector<S> a(from, from + n * n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      if (!std::isfinite(square(a[i * n + j]))) return false;
    }
  }
  S* vectors = call.output_count == 2 ? call.out(1).as<S>() + matrix * n * n : nullptr;
  return lapack_eigh(a.data(), call.out(0).as<Real<S>>() + matrix * n, vectors, n);
}

Status run_eigh(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "eigh"));
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    using D = Double<S>;
    std::atomic<bool> failed{false};
    const UseLapack lapack(matrices_in(x), call.out(0).dtype == real_type(x.dtype) ? n : 0);
    parallel_for(matrices_in(x), std::max<int64_t>(1, 20000 / std::max<int64_t>(1, n * n * n)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     if (lapack && eigh_by_lapack<S>(call, i)) continue;
                     std::vector<D> a(static_cast<size_t>(n * n)), vectors;
                     for (int64_t k = 0; k < n * n; ++k) a[k] = widen(x.as<const S>()[i * n * n + k]);
                     std::vector<double> values;
                     if (!hermitian_values(a, n, values, call.output_count == 2 ? &vectors : nullptr)) {
                       failed = true;
                       continue;
                     }
                     for (int64_t k = 0; k < n; ++k) {
                       if (call.out(0).dtype == x.dtype)
                         call.out(0).as<S>()[i * n + k] = S(static_cast<Real<S>>(values[k]));
                       else
                         call.out(0).as<Real<S>>()[i * n + k] = static_cast<Real<S>>(values[k]);
                       for (int64_t j = 0; j < n && call.output_count == 2; ++j) {
                         call.out(1).as<S>()[i * n * n + j * n + k] = narrow<S>(vectors[k * n + j]);
                       }
                     }
                   }
                 });
    return failed ? invalid("Self-adjoint eigen decomposition was not successful. The input might not be valid.")
                  : Status();
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("eigh", call.in(0));
}

// One-sided Jacobi: turns the rows of `a` [n, m] (the columns of the matrix) until they are orthogonal, and the rows of v with them.
template <typename S>
void orthogonalise(std::vector<S>& a, int64_t n, int64_t m, std::vector<S>* v) {
  constexpr double least = std::numeric_limits<double>::epsilon();
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool turned = false;
    for (int64_t p = 0; p + 1 < n; ++p) {
      for (int64_t q = p + 1; q < n; ++q) {
        S *x = &a[p * m], *y = &a[q * m];
        const double alpha = real_part(dot(x, x, m)), beta = real_part(dot(y, y, m));
        const S gamma = dot(x, y, m);
        const double size = std::abs(gamma);
        if (!(size > least * std::sqrt(alpha) * std::sqrt(beta)) || size < std::numeric_limits<double>::min()) continue;
        turned = true;
        const double zeta = (beta - alpha) / (2 * size);
        const double t = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::hypot(1.0, zeta));
        const double c = 1 / std::hypot(1.0, t), s = c * t;
        const S phase = gamma / size;
        const auto rotate = [&](S* first, S* second, int64_t count) {
          for (int64_t k = 0; k < count; ++k) {
            const S turned_second = times(conjugate(phase), second[k]), before = first[k];
            first[k] = c * before - s * turned_second;
            second[k] = s * before + c * turned_second;
          }
        };
        rotate(x, y, m);
        if (v) rotate(&(*v)[p * n], &(*v)[q * n], n);
      }
    }
    if (!turned) return;
  }
}

// Makes rows `from`.. of `rows` [count, length] orthonormal to those before and to each other.
template <typename S>
void complete_rows(std::vector<S>& rows, int64_t from, int64_t count, int64_t length) {
  int64_t axis = 0;
  for (int64_t row = from; row < count; ++row) {
    S* target = &rows[row * length];
    for (;; ++axis) {
      std::fill_n(target, length, S(0));
      target[axis % length] = S(1);
      // Twice, so that what rounding leaves goes, too.
      for (int round = 0; round < 2; ++round) {
        for (int64_t other = 0; other < row; ++other)
          add_row(target, -dot(&rows[other * length], target, length), &rows[other * length], length);
      }
      const double norm = std::sqrt(real_part(dot(target, target, length)));
      if (norm > 0.5 / std::sqrt(static_cast<double>(length)) || axis > 4 * length) {
        for (int64_t k = 0; k < length; ++k) target[k] /= norm;
        ++axis;
        break;
      }
    }
  }
}

Status check_svd(const Call& call) {
  MS_REQUIRE(call.output_count == 1 || call.output_count == 3, "svd: gives values, or values, u and v.");
  MS_RETURN_IF_ERROR(check_operands(call, "svd", 1, call.output_count));
  MS_RETURN_IF_ERROR(check_attributes(call, "svd", 1));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, "svd", false));
  const int64_t m = rows_of(x), n = columns_of(x), k = std::min(m, n);
  MS_RETURN_IF_ERROR(check_result(x, call.out(0), real_type(x.dtype), {k}, "svd"));
  if (call.output_count == 1) return Status();
  MS_RETURN_IF_ERROR(check_result(x, call.out(1), x.dtype, {m, call.attributes[0] ? m : k}, "svd"));
  return check_result(x, call.out(2), x.dtype, {n, call.attributes[0] ? n : k}, "svd");
}

template <typename S>
bool svd_by_lapack(const Call& call, int64_t matrix) {
  const Tensor& x = call.in(0);
  const int64_t m = rows_of(x), n = columns_of(x);
  const S* from = x.as<const S>() + matrix * m * n;
  std::vector<S> a(from, from + m * n);
  for (const S& value : a) {
    if (!std::isfinite(square(value))) return false;
  }
  const bool vectors = call.output_count == 3;
  S* u = vectors ? call.out(1).as<S>() + matrix * m * columns_of(call.out(1)) : nullptr;
  S* v = vectors ? call.out(2).as<S>() + matrix * n * columns_of(call.out(2)) : nullptr;
  return lapack_svd(a.data(), call.out(0).as<Real<S>>() + matrix * std::min(m, n), u, v, m, n, call.attributes[0] != 0);
}

template <typename S>
void svd(const Call& call, int64_t matrix) {
  using D = Double<S>;
  const Tensor& x = call.in(0);
  const int64_t rows = rows_of(x), columns = columns_of(x), k = std::min(rows, columns);
  const bool wide = columns > rows, vectors = call.output_count == 3;
  // The columns of the taller of x and its adjoint, as rows. m >= n.
  const int64_t m = std::max(rows, columns), n = k;
  std::vector<D> a(static_cast<size_t>(m * n)), v;
  const S* from = x.as<const S>() + matrix * rows * columns;
  double scale = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const D value = widen(from[i * columns + j]);
      a[wide ? i * m + j : j * m + i] = wide ? conjugate(value) : value;
      const double size = std::abs(value);
      scale = std::isnan(scale) || size <= scale ? scale : size;  // NaN stays
    }
  }
  Real<S>* values = call.out(0).as<Real<S>>() + matrix * k;
  const int64_t u_columns = vectors ? columns_of(call.out(1)) : 0, v_columns = vectors ? columns_of(call.out(2)) : 0;
  S *u_out = vectors ? call.out(1).as<S>() + matrix * rows * u_columns : nullptr,
    *v_out = vectors ? call.out(2).as<S>() + matrix * columns * v_columns : nullptr;
  if (!std::isfinite(scale)) {
    constexpr auto nan = std::numeric_limits<Real<S>>::quiet_NaN();
    std::fill_n(values, k, nan);
    if (vectors) {
      std::fill_n(u_out, rows * u_columns, S(nan));
      std::fill_n(v_out, columns * v_columns, S(nan));
    }
    return;
  }
  if (scale > 0) {
    for (D& value : a) value /= scale;
  }
  if (vectors) {
    v.assign(static_cast<size_t>(n * n), D(0));
    for (int64_t i = 0; i < n; ++i) v[i * n + i] = D(1);
  }
  orthogonalise(a, n, m, vectors ? &v : nullptr);
  std::vector<double> norms(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) norms[i] = std::sqrt(real_part(dot(&a[i * m], &a[i * m], m)));
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return norms[i] > norms[j]; });
  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<Real<S>>(norms[order[i]] * scale);
  if (!vectors) return;
  // Left vectors of the tall matrix are its columns, normed; those without a length, and those that make it square, are filled in.
  const int64_t tall_columns = wide ? v_columns : u_columns, small_columns = wide ? u_columns : v_columns;
  std::vector<D> left(static_cast<size_t>(tall_columns * m)), right(static_cast<size_t>(small_columns * n));
  const double least =
      n > 0 ? norms[order[0]] * static_cast<double>(m) * 4 * std::numeric_limits<double>::epsilon() : 0;
  int64_t good = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::copy_n(&v[order[i] * n], n, &right[i * n]);
    const double norm = norms[order[i]];
    if (norm <= least || norm == 0) continue;
    for (int64_t j = 0; j < m; ++j) left[i * m + j] = a[order[i] * m + j] / norm;
    good = i + 1;
  }
  complete_rows(left, good, tall_columns, m);
  const auto put = [&](S* out, int64_t length, int64_t count, const std::vector<D>& source) {
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t i = 0; i < length; ++i) out[i * count + j] = narrow<S>(source[j * length + i]);
    }
  };
  put(wide ? v_out : u_out, m, tall_columns, left);
  put(wide ? u_out : v_out, n, small_columns, right);
}

Status run_svd(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "svd"));
  const Tensor& x = call.in(0);
  const int64_t m = rows_of(x), n = columns_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const int64_t longer = std::max(m, n);
    const UseLapack lapack(matrices_in(x), std::min(m, n), call.attributes[0] ? longer * longer : m * n);
    parallel_for(matrices_in(x), std::max<int64_t>(1, 20000 / std::max<int64_t>(1, m * n * std::min(m, n))),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     if (!lapack || !svd_by_lapack<S>(call, i)) svd<S>(call, i);
                   }
                 });
    return Status();
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("svd", call.in(0));
}

const Kernel kernel_qr{"qr", check_qr, run_qr};
const Kernel kernel_eigh{"eigh", check_eigh, run_eigh};
const Kernel kernel_svd{"svd", check_svd, run_svd};

}  // namespace

void register_linalg_orthogonal(Registry& registry) {
  registry.add(kernel_qr);
  registry.add(kernel_eigh);
  registry.add(kernel_svd);
}

}  // namespace millstream
