// Kernels `tridiagonal_solve`, `banded_solve`: linear systems whose matrices are given by their diagonals. They refuse types other
// than float32, float64, complex64, complex128.
//
// tridiagonal_solve: d [..., 3, n] (above, on, below the main diagonal; d[0, n - 1] and d[2, 0] are not read), b [..., n, k] -> x;
//   attributes: pivoting, perturb (pivots near 0 are moved away from it). A pivot of 0 gives NaN.
// banded_solve: d [..., count, n], b [..., n, k] -> x; attributes: lower (the main diagonal is the first, what is left out stands
//   at the start of a row; otherwise the last, at the end), adjoint (solve with the conjugate transpose). A pivot of 0 is refused.
#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <vector>

#include "kernels/linalg.h"

namespace millstream {
namespace {

Status check_diagonals(const Call& call, const char* name) {
  MS_RETURN_IF_ERROR(check_operands(call, name, 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, name, 2));
  const Tensor &d = call.in(0), &b = call.in(1);
  MS_RETURN_IF_ERROR(check_matrices(d, name, false));
  MS_RETURN_IF_ERROR(check_matrices(b, name, false));
  MS_RETURN_IF_ERROR(check_result(d, b, d.dtype, {columns_of(d), columns_of(b)}, name));
  return check_result(d, call.out(0), d.dtype, {columns_of(d), columns_of(b)}, name);
}

template <typename F>
void each_system(const Call& call, F&& one) {
  const int64_t work = std::max<int64_t>(1, columns_of(call.in(0)) * std::max<int64_t>(columns_of(call.in(1)), 1));
  parallel_for(matrices_in(call.in(0)), std::max<int64_t>(1, 20000 / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

Status check_tridiagonal_solve(const Call& call) {
  MS_RETURN_IF_ERROR(check_diagonals(call, "tridiagonal_solve"));
  MS_REQUIRE(rows_of(call.in(0)) == 3, "tridiagonal_solve: takes three diagonals, got " + show(call.in(0)) + ".");
  return Status();
}

// Rows of U: the pivot, and the two elements right of it.
template <typename S>
struct Row {
  S pivot, next, after;
};

// Solves in place: x [n, k].
template <typename S>
bool tridiagonal(const S* d, S* x, int64_t n, int64_t k, bool pivoting, bool perturb) {
  const S *above = d, *main = d + n, *below = d + 2 * n;
  std::vector<Row<S>> u(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) u[i] = {main[i], i + 1 < n ? above[i] : S(0), S(0)};
  Real<S> most = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i + 1 < n) {
      S under = below[i + 1];
      if (pivoting && std::abs(under) > std::abs(u[i].pivot)) {
        // The row below goes first.
        std::swap(under, u[i].pivot);
        std::swap(u[i].next, u[i + 1].pivot);
        std::swap(u[i].after, u[i + 1].next);
        std::swap_ranges(x + i * k, x + (i + 1) * k, x + (i + 1) * k);
      }
      most = std::max({most, static_cast<Real<S>>(std::abs(u[i].pivot)), static_cast<Real<S>>(std::abs(u[i].next)),
                       static_cast<Real<S>>(std::abs(u[i].after))});
      if (u[i].pivot == S(0) && !perturb) return false;
      if (u[i].pivot != S(0)) {
        const S factor = under / u[i].pivot;
        u[i + 1].pivot -= times(factor, u[i].next);
        u[i + 1].next -= times(factor, u[i].after);
        add_row(x + (i + 1) * k, -factor, x + i * k, k);
      }
    } else {
      most = std::max(most, static_cast<Real<S>>(std::abs(u[i].pivot)));
      if (u[i].pivot == S(0) && !perturb) return false;
    }
  }
  if (perturb) {
    const Real<S> least = std::max(most * std::numeric_limits<Real<S>>::epsilon(), std::numeric_limits<Real<S>>::min());
    for (Row<S>& row : u) {
      if (std::abs(row.pivot) < least) row.pivot = real_part(row.pivot) < 0 ? S(-least) : S(least);
    }
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    S* row = x + i * k;
    if (i + 1 < n) add_row(row, -u[i].next, x + (i + 1) * k, k);
    if (i + 2 < n) add_row(row, -u[i].after, x + (i + 2) * k, k);
    for (int64_t c = 0; c < k; ++c) row[c] /= u[i].pivot;
  }
  return true;
}

Status run_tridiagonal_solve(const Call& call) try {
  MS_RETURN_IF_ERROR(check_separate(call, "tridiagonal_solve"));
  const int64_t n = columns_of(call.in(0)), k = columns_of(call.in(1));
  return with_scalar(call.in(0).dtype, [&](auto scalar) {
    using S = decltype(scalar);
    each_system(call, [&](int64_t i) {
      S* x = call.out(0).as<S>() + i * n * k;
      std::copy_n(call.in(1).as<const S>() + i * n * k, n * k, x);
      if (!tridiagonal(call.in(0).as<const S>() + i * 3 * n, x, n, k, call.attributes[0] != 0, call.attributes[1] != 0))
        std::fill_n(x, n * k, S(std::numeric_limits<Real<S>>::quiet_NaN()));
    });
    return Status();
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("tridiagonal_solve", call.in(0));
}

Status check_banded_solve(const Call& call) {
  MS_RETURN_IF_ERROR(check_diagonals(call, "banded_solve"));
  MS_REQUIRE(rows_of(call.in(0)) > 0, "banded_solve: takes at least one diagonal, got " + show(call.in(0)) + ".");
  return Status();
}

// Solves in place: x [n, k]. False where a pivot is 0 or NaN.
template <typename S>
bool banded(const S* d, S* x, int64_t count, int64_t n, int64_t k, bool lower, bool adjoint) {
  const bool down = lower != adjoint;
  const int64_t main = lower ? 0 : count - 1;
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = down ? step : n - 1 - step;
    S* row = x + i * k;
    const int64_t known = std::min(count - 1, step);
    for (int64_t away = 1; away <= known; ++away) {
      const int64_t other = down ? i - away : i + away;
      // The element of the diagonal `away` from the main one stands in the column of its row; adjoint, in that of its column.
      const S value = d[(lower ? away : count - 1 - away) * n + (adjoint ? other : i)];
      add_row(row, adjoint ? -conjugate(value) : -value, x + other * k, k);
    }
    const S pivot = adjoint ? conjugate(d[main * n + i]) : d[main * n + i];
    if (!(std::abs(pivot) > 0)) return false;
    for (int64_t c = 0; c < k; ++c) row[c] /= pivot;
  }
  return true;
}

Status run_banded_solve(const Call& call) {
  MS_RETURN_IF_ERROR(check_separate(call, "banded_solve"));
  const int64_t count = rows_of(call.in(0)), n = columns_of(call.in(0)), k = columns_of(call.in(1));
  return with_scalar(call.in(0).dtype, [&](auto scalar) {
    using S = decltype(scalar);
    std::atomic<bool> failed{false};
    each_system(call, [&](int64_t i) {
      S* x = call.out(0).as<S>() + i * n * k;
      std::copy_n(call.in(1).as<const S>() + i * n * k, n * k, x);
      const S* d = call.in(0).as<const S>() + i * count * n;
      if (!banded(d, x, count, n, k, call.attributes[0] != 0, call.attributes[1] != 0)) failed = true;
    });
    return failed ? invalid("Input matrix is not invertible.") : Status();
  });
}

const Kernel kernel_tridiagonal_solve{"tridiagonal_solve", check_tridiagonal_solve, run_tridiagonal_solve};
const Kernel kernel_banded_solve{"banded_solve", check_banded_solve, run_banded_solve};

}  // namespace

void register_linalg_banded(Registry& registry) {
  registry.add(kernel_tridiagonal_solve);
  registry.add(kernel_banded_solve);
}

}  // namespace millstream
