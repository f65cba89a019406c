// What the linear algebra kernels share: scalars real and complex, dot products and row updates, reflections, batches of matrices.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <type_traits>

#include "kernels/operands.h"

namespace millstream {

template <typename S>
struct RealOf {
  using type = S;
};
template <typename T>
struct RealOf<std::complex<T>> {
  using type = T;
};
template <typename S>
using Real = typename RealOf<S>::type;
template <typename S>
inline constexpr bool is_complex_scalar = !std::is_same_v<S, Real<S>>;

template <typename S>
inline S conjugate(S x) {
  if constexpr (is_complex_scalar<S>)
    return {x.real(), -x.imag()};
  else
    return x;
}
template <typename S>
inline Real<S> real_part(S x) {
  if constexpr (is_complex_scalar<S>)
    return x.real();
  else
    return x;
}
template <typename S>
inline Real<S> square(S x) {
  if constexpr (is_complex_scalar<S>)
    return x.real() * x.real() + x.imag() * x.imag();
  else
    return x * x;
}
// Without std::complex's search for infinities.
template <typename S>
inline S times(S a, S b) {
  if constexpr (is_complex_scalar<S>)
    return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
  else
    return a * b;
}

// sum of conj(x[i]) y[i], in eight independent sums.
template <typename S>
S dot(const S* x, const S* y, int64_t count) {
  S sum[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) sum[k] += times(conjugate(x[i + k]), y[i + k]);
  }
  for (; i < count; ++i) sum[0] += times(conjugate(x[i]), y[i]);
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// y += factor * x
template <typename S>
void add_row(S* __restrict y, S factor, const S* __restrict x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += times(factor, x[i]);
}

// LAPACK's reflection H = I - tau v v^H with v[0] = 1, such that H^H x = beta e1 and beta is real. x becomes (beta, v[1:]).
template <typename S>
S make_reflection(S* x, int64_t count, int64_t step) {
  using R = Real<S>;
  double tail = 0;
  for (int64_t i = 1; i < count; ++i) tail += static_cast<double>(square(x[i * step]));
  const S first = x[0];
  const double imaginary = static_cast<double>(square(first)) -
                           static_cast<double>(real_part(first)) * static_cast<double>(real_part(first));
  if (tail == 0 && !(is_complex_scalar<S> && imaginary != 0)) return S(0);
  R beta = static_cast<R>(std::sqrt(static_cast<double>(square(first)) + tail));
  if (real_part(first) >= 0) beta = -beta;
  const S scale = S(1) / (first - S(beta));
  for (int64_t i = 1; i < count; ++i) x[i * step] = times(x[i * step], scale);
  x[0] = S(beta);
  return (S(beta) - first) / S(beta);
}

// Calls visit with a sample scalar of the tensor's type. Checked before: float32, float64, complex64 or complex128.
template <typename F>
auto with_scalar(DType dtype, F&& visit) {
  switch (dtype) {
    case DType::float32:
      return visit(float{});
    case DType::float64:
      return visit(double{});
    case DType::complex64:
      return visit(std::complex<float>{});
    default:
      return visit(std::complex<double>{});
  }
}

bool is_linalg_type(DType dtype);
DType real_type(DType dtype);          // of complex types their parts' type
int64_t rows_of(const Tensor& x);      // x.dims[rank - 2]
int64_t columns_of(const Tensor& x);   // x.dims[rank - 1]
int64_t matrices_in(const Tensor& x);  // the product of the other sizes
// At least 2-D, of a type above; where `square` is set, as many rows as columns.
Status check_matrices(const Tensor& x, const char* name, bool square_wanted);
// `y` is x's batch sizes followed by `dims`.
Status check_result(const Tensor& x, const Tensor& y, DType dtype, std::initializer_list<int64_t> dims,
                    const char* name);
Status check_separate(const Call& call, const char* name);  // no output shares an input's bytes

}  // namespace millstream
