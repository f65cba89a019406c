// Kernels `cholesky`, `triangular_solve`, `lu`, `solve`, `inverse`, `determinant`, `log_determinant` on the last two axes.
// They refuse types other than float32, float64, complex64, complex128, and matrices that are not square. lu, solve and inverse refuse
// singular matrices; cholesky gives NaN where the matrix is not positive definite, triangular_solve infinities, as TensorFlow does.
//
// cholesky: x [..., n, n] (its lower triangle is read) -> lower triangular [..., n, n]. No attributes.
// triangular_solve: a [..., n, n], b [..., n, k] -> x; attributes: lower, adjoint (solve with a's conjugate transpose).
// lu: x [..., n, n] -> packed [..., n, n], permutation int32 or int64 [..., n]: row i of the product is row permutation[i] of x.
// solve: a, b -> x; attributes: adjoint.   inverse: x -> y; attributes: adjoint.
// determinant: x [..., n, n] -> [...].   log_determinant: x -> sign [...], log of the absolute value [...] (of x's type).
// Large matrices go to LAPACK where the host gives it (lapack.h); but lu's pivots of complex numbers are the longest, not LAPACK's.
#include "kernels/linalg.h"

#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <limits>
#include <new>
#include <vector>

#include "kernels/lapack.h"

namespace millstream {

bool is_linalg_type(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || dtype == DType::complex64 || dtype == DType::complex128;
}

DType real_type(DType dtype) {
  return dtype == DType::complex64 ? DType::float32 : dtype == DType::complex128 ? DType::float64 : dtype;
}

int64_t rows_of(const Tensor& x) { return x.dims[x.rank - 2]; }
int64_t columns_of(const Tensor& x) { return x.dims[x.rank - 1]; }
int64_t matrices_in(const Tensor& x) { return product(x.dims, 0, x.rank - 2); }

Status check_matrices(const Tensor& x, const char* name, bool square_wanted) {
  const std::string who = std::string(name) + ": ";
  MS_REQUIRE(is_linalg_type(x.dtype), who + "takes float32, float64, complex64 or complex128, got " + show(x) + ".");
  MS_REQUIRE(x.rank >= 2, "Input tensor must have rank >= 2, got " + std::to_string(x.rank));
  MS_REQUIRE(
      !square_wanted || rows_of(x) == columns_of(x),
      "Input matrix must be square, got: " + std::to_string(rows_of(x)) + " != " + std::to_string(columns_of(x)));
  return Status();
}

Status check_result(const Tensor& x, const Tensor& y, DType dtype, std::initializer_list<int64_t> dims,
                    const char* name) {
  bool fits = y.dtype == dtype && y.rank == x.rank - 2 + static_cast<int>(dims.size());
  for (int i = 0; fits && i < x.rank - 2; ++i) fits = y.dims[i] == x.dims[i];
  for (size_t i = 0; fits && i < dims.size(); ++i)
    fits = y.dims[static_cast<size_t>(x.rank) - 2 + i] == dims.begin()[i];
  MS_REQUIRE(fits, std::string(name) + ": " + show(x) + " does not give " + show(y) + ".");
  return Status();
}

Status check_separate(const Call& call, const char* name) {
  for (int i = 0; i < call.output_count; ++i) {
    for (int k = 0; k < call.input_count; ++k) {
      MS_REQUIRE(call.out(i).data != call.in(k).data || call.out(i).count() == 0,
                 std::string(name) + ": an output must not share the bytes of an input.");
    }
  }
  return Status();
}

namespace {

constexpr int64_t shared_elements = 1 << 16;  // of a matrix: from here on threads share its rows

// Runs one(matrix) on each; the first that answers false makes the whole call fail with `message`.
template <typename F>
Status each_matrix(const Tensor& x, const char* message, F&& one) {
  std::atomic<bool> failed{false};
  const int64_t work = rows_of(x) * rows_of(x) * std::max<int64_t>(columns_of(x), 1);
  parallel_for(matrices_in(x), std::max<int64_t>(1, 100000 / std::max<int64_t>(work, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   if (!one(i)) failed = true;
                 }
               });
  return failed ? invalid(message) : Status();
}

// Where x is not positive definite, the lower triangle becomes NaN, as TensorFlow's does.
template <typename S>
void not_definite(S* l, int64_t n) {
  for (int64_t k = 0; k < n; ++k) std::fill(l + k * n, l + k * n + k + 1, S(std::numeric_limits<Real<S>>::quiet_NaN()));
}

// False where x is not positive definite.
template <typename S>
bool cholesky(const S* x, S* l, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    S* row = l + i * n;
    for (int64_t j = 0; j < i; ++j) {
      const S* other = l + j * n;
      row[j] = (x[i * n + j] - dot(other, row, j)) / real_part(other[j]);
    }
    const Real<S> rest = real_part(x[i * n + i]) - real_part(dot(row, row, i));
    if (!(rest > 0)) return false;
    row[i] = S(std::sqrt(rest));
  }
  return true;
}

// Solves in place: x [n, k]. A pivot of 0 gives infinities and NaN.
template <typename S>
void triangular_solve(const S* a, S* x, int64_t n, int64_t k, bool lower, bool adjoint, bool unit) {
  const bool down = lower != adjoint;  // the first unknown is found first
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = down ? step : n - 1 - step;
    S* row = x + i * k;
    if (!adjoint) {
      const int64_t begin = lower ? 0 : i + 1, end = lower ? i : n;
      for (int64_t j = begin; j < end; ++j) add_row(row, -a[i * n + j], x + j * k, k);
    }
    if (!unit) {
      const S pivot = adjoint ? conjugate(a[i * n + i]) : a[i * n + i];
      for (int64_t c = 0; c < k; ++c) row[c] /= pivot;
    }
    if (adjoint) {
      // The rest of row i of a is a column of its adjoint.
      const int64_t begin = lower ? 0 : i + 1, end = lower ? i : n;
      for (int64_t j = begin; j < end; ++j) add_row(x + j * k, -conjugate(a[i * n + j]), row, k);
    }
  }
}

struct Decomposition {
  int sign = 1;         // of the permutation; 0 where a pivot is 0
  bool regular = true;  // no pivot is 0 or NaN
};

// Packs L and U into `a`; rows[i] is where row i came from.
template <typename S>
Decomposition decompose(S* a, int64_t* rows, int64_t n) {
  Decomposition result;
  for (int64_t i = 0; i < n; ++i) rows[i] = i;
  for (int64_t k = 0; k < n; ++k) {
    int64_t best = k;
    Real<S> most = square(a[k * n + k]);
    for (int64_t i = k + 1; i < n; ++i) {
      if (square(a[i * n + k]) > most) {
        most = square(a[i * n + k]);
        best = i;
      }
    }
    result.regular &= most > 0;
    if (most == Real<S>(0)) {
      result.sign = 0;
      continue;
    }
    if (best != k) {
      std::swap_ranges(a + k * n, a + (k + 1) * n, a + best * n);
      std::swap(rows[k], rows[best]);
      result.sign = -result.sign;
    }
    const S inverse = S(1) / a[k * n + k];
    const int64_t rest = n - k - 1;
    parallel_for(rest, std::max<int64_t>(1, shared_elements / std::max<int64_t>(rest, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = k + 1 + begin; i < k + 1 + end; ++i) {
                     const S factor = a[i * n + k] = times(a[i * n + k], inverse);
                     if (factor != S(0)) add_row(a + i * n + k + 1, -factor, a + k * n + k + 1, rest);
                   }
                 });
  }
  return result;
}

// x = a^-1 b, or a^-H b. False where a is singular.
template <typename S>
bool solve(const S* a, const S* b, S* x, int64_t n, int64_t k, bool adjoint, bool lapack) {
  std::vector<S> packed(a, a + n * n);
  if (lapack) {
    std::vector<int> pivots(static_cast<size_t>(n));
    if (!lapack_factorise(packed.data(), pivots.data(), n)) return false;
    std::copy_n(b, n * k, x);
    lapack_solve(packed.data(), pivots.data(), x, n, k, adjoint);
    return true;
  }
  std::vector<int64_t> rows(static_cast<size_t>(n));
  if (!decompose(packed.data(), rows.data(), n).regular) return false;
  if (!adjoint) {
    for (int64_t i = 0; i < n; ++i) std::copy_n(b + rows[static_cast<size_t>(i)] * k, k, x + i * k);
    triangular_solve(packed.data(), x, n, k, true, false, true);
    triangular_solve(packed.data(), x, n, k, false, false, false);
    return true;
  }
  std::vector<S> turned(b, b + n * k);
  triangular_solve(packed.data(), turned.data(), n, k, false, true, false);
  triangular_solve(packed.data(), turned.data(), n, k, true, true, true);
  for (int64_t i = 0; i < n; ++i) std::copy_n(turned.data() + i * k, k, x + rows[static_cast<size_t>(i)] * k);
  return true;
}

Status check_cholesky(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "cholesky", 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "cholesky", 0));
  MS_RETURN_IF_ERROR(check_matrices(call.in(0), "cholesky", true));
  return check_result(call.in(0), call.out(0), call.in(0).dtype, {rows_of(call.in(0)), rows_of(call.in(0))},
                      "cholesky");
}

Status run_cholesky(const Call& call) {
  MS_RETURN_IF_ERROR(check_separate(call, "cholesky"));
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(x), n);
    return each_matrix(x, "", [&](int64_t i) {
      const S* from = x.as<const S>() + i * n * n;
      S* l = call.out(0).as<S>() + i * n * n;
      for (int64_t row = 0; row < n; ++row) {
        if (lapack) std::copy_n(from + row * n, row + 1, l + row * n);
        std::fill(l + row * n + row + 1, l + (row + 1) * n, S(0));
      }
      if (!(lapack ? lapack_cholesky(l, n) : cholesky(from, l, n))) not_definite(l, n);
      return true;
    });
  });
}

Status check_system(const Call& call, const char* name, int64_t attributes) {
  MS_RETURN_IF_ERROR(check_operands(call, name, 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, name, attributes));
  const Tensor &a = call.in(0), &b = call.in(1);
  MS_RETURN_IF_ERROR(check_matrices(a, name, true));
  MS_RETURN_IF_ERROR(check_matrices(b, name, false));
  MS_RETURN_IF_ERROR(check_result(a, b, a.dtype, {rows_of(a), columns_of(b)}, name));
  return check_result(a, call.out(0), a.dtype, {rows_of(a), columns_of(b)}, name);
}

Status check_triangular_solve(const Call& call) { return check_system(call, "triangular_solve", 2); }

Status run_triangular_solve(const Call& call) {
  MS_RETURN_IF_ERROR(check_separate(call, "triangular_solve"));
  const Tensor &a = call.in(0), &b = call.in(1);
  const int64_t n = rows_of(a), k = columns_of(b);
  return with_scalar(a.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(a), k > 1 ? n : 0, n * k);
    return each_matrix(a, "", [&](int64_t i) {
      S* x = call.out(0).as<S>() + i * n * k;
      std::copy_n(b.as<const S>() + i * n * k, n * k, x);
      const bool lower = call.attributes[0] != 0, adjoint = call.attributes[1] != 0;
      if (lapack)
        lapack_triangular_solve(a.as<const S>() + i * n * n, x, n, k, lower, adjoint, false);
      else
        triangular_solve(a.as<const S>() + i * n * n, x, n, k, lower, adjoint, false);
      return true;
    });
  });
}

Status check_lu(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "lu", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "lu", 0));
  const Tensor& x = call.in(0);
  MS_RETURN_IF_ERROR(check_matrices(x, "lu", true));
  MS_RETURN_IF_ERROR(check_result(x, call.out(0), x.dtype, {rows_of(x), rows_of(x)}, "lu"));
  const DType index = call.out(1).dtype;
  MS_REQUIRE(index == DType::int64 || (index == DType::int32 && rows_of(x) <= INT32_MAX),
             "lu: the permutation is int32 or int64.");
  return check_result(x, call.out(1), index, {rows_of(x)}, "lu");
}

Status run_lu(const Call& call) {
  MS_RETURN_IF_ERROR(check_separate(call, "lu"));
  const Tensor &x = call.in(0), &y = call.out(0), &permutation = call.out(1);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(x), is_complex_scalar<S> ? 0 : n);
    return each_matrix(x, "Input is not invertible.", [&](int64_t i) {
      std::vector<int64_t> rows(static_cast<size_t>(n));
      S* a = y.as<S>() + i * n * n;
      std::copy_n(x.as<const S>() + i * n * n, n * n, a);
      const bool regular = lapack ? lapack_lu(a, rows.data(), n) : decompose(a, rows.data(), n).regular;
      for (int64_t k = 0; k < n; ++k) {
        if (permutation.dtype == DType::int32) {
          permutation.as<int32_t>()[i * n + k] = static_cast<int32_t>(rows[static_cast<size_t>(k)]);
        } else {
          permutation.as<int64_t>()[i * n + k] = rows[static_cast<size_t>(k)];
        }
      }
      return regular;
    });
  });
}

Status check_solve(const Call& call) { return check_system(call, "solve", 1); }

Status run_solve(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "solve"));
  const Tensor &a = call.in(0), &b = call.in(1);
  const int64_t n = rows_of(a), k = columns_of(b);
  return with_scalar(a.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    const UseLapack lapack(matrices_in(a), n, n * k);
    return each_matrix(a, "Input matrix is not invertible.", [&](int64_t i) {
      return solve(a.as<const S>() + i * n * n, b.as<const S>() + i * n * k, call.out(0).as<S>() + i * n * k, n, k,
                   call.attributes[0] != 0, lapack);
    });
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("solve", call.in(0));
}

Status check_inverse(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "inverse", 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "inverse", 1));
  MS_RETURN_IF_ERROR(check_matrices(call.in(0), "inverse", true));
  return check_result(call.in(0), call.out(0), call.in(0).dtype, {rows_of(call.in(0)), rows_of(call.in(0))}, "inverse");
}

Status run_inverse(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "inverse"));
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  return with_scalar(x.dtype, [&](auto scalar) {
    using S = decltype(scalar);
    std::vector<S> identity(static_cast<size_t>(n * n), S(0));
    for (int64_t i = 0; i < n; ++i) identity[static_cast<size_t>(i * n + i)] = S(1);
    const UseLapack lapack(matrices_in(x), n);
    return each_matrix(x, "Input is not invertible.", [&](int64_t i) {
      return solve(x.as<const S>() + i * n * n, identity.data(), call.out(0).as<S>() + i * n * n, n, n,
                   call.attributes[0] != 0, lapack);
    });
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("inverse", call.in(0));
}

Status check_determinants(const Call& call, const char* name, int outputs) {
  MS_RETURN_IF_ERROR(check_operands(call, name, 1, outputs));
  MS_RETURN_IF_ERROR(check_attributes(call, name, 0));
  MS_RETURN_IF_ERROR(check_matrices(call.in(0), name, true));
  for (int i = 0; i < outputs; ++i)
    MS_RETURN_IF_ERROR(check_result(call.in(0), call.out(i), call.in(0).dtype, {}, name));
  return Status();
}

Status check_determinant(const Call& call) { return check_determinants(call, "determinant", 1); }
Status check_log_determinant(const Call& call) { return check_determinants(call, "log_determinant", 2); }

// The sign of the permutation, 0 where a pivot is 0. `packed` is decomposed.
template <typename S>
int sign_by_rows(S* packed, int64_t n) {
  std::vector<int64_t> rows(static_cast<size_t>(n));
  return decompose(packed, rows.data(), n).sign;
}
template <typename S>
int sign_by_lapack(S* packed, int64_t n) {
  std::vector<int> pivots(static_cast<size_t>(n));
  if (!lapack_factorise(packed, pivots.data(), n)) {
    for (int64_t i = 0; i < n; ++i) {
      if (packed[i * n + i] == S(0)) return 0;
    }
  }
  int sign = 1;
  for (int64_t i = 0; i < n; ++i) sign = pivots[static_cast<size_t>(i)] == i + 1 ? sign : -sign;
  return sign;
}

// visit(matrix number, sign of the permutation or 0, its packed decomposition)
template <typename S, typename F>
Status each_decomposition(const Call& call, F&& visit) {
  const Tensor& x = call.in(0);
  const int64_t n = rows_of(x);
  const UseLapack lapack(matrices_in(x), n);
  return each_matrix(x, "", [&](int64_t i) {
    std::vector<S> packed(x.as<const S>() + i * n * n, x.as<const S>() + (i + 1) * n * n);
    visit(i, lapack ? sign_by_lapack(packed.data(), n) : sign_by_rows(packed.data(), n), packed.data());
    return true;
  });
}

Status run_determinant(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "determinant"));
  const int64_t n = rows_of(call.in(0));
  return with_scalar(call.in(0).dtype, [&](auto scalar) {
    using S = decltype(scalar);
    return each_decomposition<S>(call, [&](int64_t i, int sign, const S* packed) {
      S result = S(static_cast<Real<S>>(sign));
      for (int64_t k = 0; k < n && sign != 0; ++k) result = times(result, packed[k * n + k]);
      call.out(0).as<S>()[i] = result;
    });
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("determinant", call.in(0));
}

Status run_log_determinant(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "log_determinant"));
  const int64_t n = rows_of(call.in(0));
  return with_scalar(call.in(0).dtype, [&](auto scalar) {
    using S = decltype(scalar);
    return each_decomposition<S>(call, [&](int64_t i, int permutation, const S* packed) {
      S sign = S(static_cast<Real<S>>(permutation));
      Real<S> sum = permutation == 0 ? -INFINITY : 0;
      for (int64_t k = 0; k < n && permutation != 0; ++k) {
        const Real<S> size = std::abs(packed[k * n + k]);
        sum += std::log(size);
        sign = times(sign, packed[k * n + k] / size);
      }
      call.out(0).as<S>()[i] = sign;
      call.out(1).as<S>()[i] = S(sum);
    });
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("log_determinant", call.in(0));
}

const Kernel kernel_cholesky{"cholesky", check_cholesky, run_cholesky};
const Kernel kernel_triangular_solve{"triangular_solve", check_triangular_solve, run_triangular_solve};
const Kernel kernel_lu{"lu", check_lu, run_lu};
const Kernel kernel_solve{"solve", check_solve, run_solve};
const Kernel kernel_inverse{"inverse", check_inverse, run_inverse};
const Kernel kernel_determinant{"determinant", check_determinant, run_determinant};
const Kernel kernel_log_determinant{"log_determinant", check_log_determinant, run_log_determinant};

}  // namespace

void register_linalg(Registry& registry) {
  registry.add(kernel_cholesky);
  registry.add(kernel_triangular_solve);
  registry.add(kernel_lu);
  registry.add(kernel_solve);
  registry.add(kernel_inverse);
  registry.add(kernel_determinant);
  registry.add(kernel_log_determinant);
}

}  // namespace millstream
