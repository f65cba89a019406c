// Steps of less common functions on whole vectors: trigonometry of float32, gamma functions, remainders; exp and log of
// float64. Compiled once per instruction set. nullptr: there is none, and the C library's serves.
#include "kernels/elementwise_loops.h"
#include "kernels/simd_math_wide.h"

namespace millstream::MS_ISA {
namespace {

constexpr float half_pi = 1.57079637f, half_pi_rest = -4.37113883e-8f, pi = 3.14159274f, pi_rest = -8.74227766e-8f;

// atan for t in [0, 1].
vf atan_small(vf t) {
  const vf square = t * t;
  vf p = all(-1.79364539e-03f);
  p = fma(p, square, 1.09147209e-02f);
  p = fma(p, square, -3.11780812e-02f);
  p = fma(p, square, 5.79578554e-02f);
  p = fma(p, square, -8.40346746e-02f);
  p = fma(p, square, 1.09521924e-01f);
  p = fma(p, square, -1.42642431e-01f);
  p = fma(p, square, 1.99985484e-01f);
  p = fma(p, square, -3.33332991e-01f);
  return fma(p * square, t, t);
}

vf atan2(vf y, vf x) {
  const vf up = magnitude(y), along = magnitude(x);
  const vf high = larger(up, along), low = smaller(up, along);
  vf t = low / high;
  t = high == 0.0f ? vf{} : t;
  t = low == __builtin_inff() ? all(1.0f) : t;
  vf angle = atan_small(t);
  angle = up > along ? (half_pi - angle) + half_pi_rest : angle;
  angle = (vi)x < 0 ? (pi - angle) + pi_rest : angle;  // -0, too
  return (angle != angle) ? angle : copy_sign(angle, y);
}

vf atan(vf x) {
  const vf size = magnitude(x);
  const vf angle = atan_small(size > 1.0f ? 1.0f / size : size);
  return copy_sign(size > 1.0f ? (half_pi - angle) + half_pi_rest : angle, x);
}

// asin for |x| <= 1/2, from x and its square.
vf asin_small(vf x, vf square) {
  vf p = all(4.2218614e-02f);
  p = fma(p, square, 2.41475848e-02f);
  p = fma(p, square, 4.54770987e-02f);
  p = fma(p, square, 7.49524182e-02f);
  p = fma(p, square, 1.66667539e-01f);
  return fma(p * square, x, x);
}
// Of the half of the angle whose cosine is `size`.
vf half_angle(vf size) {
  const vf square = (1.0f - size) * 0.5f;
  return asin_small(square_root(square), square);
}
vf asin(vf x) {
  const vf size = magnitude(x);
  const vf far = (half_pi - 2.0f * half_angle(size)) + half_pi_rest;
  return size <= 0.5f ? asin_small(x, x * x) : copy_sign(far, x);
}
vf acos(vf x) {
  const vf size = magnitude(x), twice = 2.0f * half_angle(size);
  const vf far = (vi)x < 0 ? (pi - twice) + pi_rest : twice;
  return size <= 0.5f ? (half_pi - asin_small(x, x * x)) + half_pi_rest : far;
}

// The rest after whole quarter turns in float64: near the zeros and poles it is all that counts.
vd quarter_rest(vd x, vd turns) {
  return fma(turns, all(-6.123233995736766e-17), fma(turns, all(-1.5707963267948966), x));
}
vf tan_near(vf x) {
  const HalfPair wide = widen(x);
  const HalfPair whole = {round_even(wide.low * 0.6366197723675814), round_even(wide.high * 0.6366197723675814)};
  const vf r = narrow({quarter_rest(wide.low, whole.low), quarter_rest(wide.high, whole.high)});
  const vf s = sin_or_cos(r, vi{}), c = sin_or_cos(r, vi{} + 1);
  const vi odd = (__builtin_convertvector(narrow(whole), vi) & 1) != 0;
  return (odd ? -c : s) / (odd ? s : c);
}

// exp(x) / 2, which is finite for a little longer than exp(x).
vf half_exp(vf x) {
  vf bounded = x > 91.0f ? all(91.0f) : x;
  const vf n = round_even(bounded * log2_e);
  vf r = fma(n, -ln2_high, bounded);
  r = fma(n, -ln2_low, r);
  vf p = all(1.381166e-03f);
  p = fma(p, r, 8.370135e-03f);
  p = fma(p, r, 4.1668527e-02f);
  p = fma(p, r, 1.6666509e-01f);
  p = fma(p, r, 4.9999994e-01f);
  p = fma(p * r, r, r) + 1.0f;
  return scale(p, n - 1.0f);
}
vf sinh(vf x) {
  const vf size = magnitude(x), square = x * x;
  vf p = all(2.81743982e-06f);
  p = fma(p, square, 1.98360662e-04f);
  p = fma(p, square, 8.3333506e-03f);
  p = fma(p, square, 1.66666665e-01f);
  const vf e = half_exp(size);
  return size < 1.0f ? fma(p * square, x, x) : copy_sign(e - 0.25f / e, x);
}
vf cosh(vf x) {
  const vf e = half_exp(magnitude(x));
  return e + 0.25f / e;
}

constexpr float ln2 = 0.693147181f;
vf asinh(vf x) {
  const vf size = magnitude(x), square = size * size;
  const vf near = log1p(size + square / (1.0f + square_root(1.0f + square)));
  return copy_sign(size < 1e9f ? near : log(size) + ln2, x);
}
vf acosh(vf x) {
  const vf t = x - 1.0f;
  const vf near = log1p(t + square_root(t * (t + 2.0f)));
  const vf y = x < 1e9f ? near : log(x) + ln2;
  return x < 1.0f ? all(__builtin_nanf("")) : y;
}
vf atanh(vf x) {
  const vf size = magnitude(x);
  return copy_sign(0.5f * log1p(2.0f * size / (1.0f - size)), x);
}

vf erfc(vf x) {
  const vf size = magnitude(x);
  const vf t = size > 11.0f ? all(11.0f) : size;
  const vf u = (t - 2.0f) / (t + 2.0f);
  vf p = all(-6.108157518e-04f);
  p = fma(p, u, 5.377151011e-05f);
  p = fma(p, u, 3.90929473e-03f);
  p = fma(p, u, -4.953460119e-04f);
  p = fma(p, u, -2.52400287e-02f);
  p = fma(p, u, 4.253412124e-02f);
  p = fma(p, u, 3.781374132e-02f);
  p = fma(p, u, -2.59974778e-01f);
  p = fma(p, u, 7.661870301e-01f);
  // The square in two parts, the first one exact: exp would double its error.
  const vf high = (vf)((vi)t & ~0xfff);
  const vf rest = (t - high) * (t + high);
  const vf tail = MS_ISA::exp(-high * high) * MS_ISA::exp(-rest) * p / (1.0f + t);
  const vf far = x < 0.0f ? 2.0f - tail : tail;
  return size < 0.5f ? 1.0f - erf(x) : (x == x ? far : x);
}

vf gamma_parts(vf x, vd (*function)(vd)) {
  const HalfPair wide = widen(x);
  return narrow({function(wide.low), function(wide.high)});
}

// `fast` on whole vectors; lanes where `ordinary` fails are done by the C library's step.
template <TileOp op, typename Fast, typename Ordinary>
MS_INLINE int mostly(int64_t n, void* d, const void* a, const void* b, Fast fast, Ordinary ordinary) {
  static const StepFunction slow = special_step(op, DType::float32);
  float* to = static_cast<float*>(d);
  const float* from = static_cast<const float*>(a);
  const float* other = static_cast<const float*>(b);
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t count = n - i < lanes ? n - i : lanes;
    vf x = all(1.0f), y = all(1.0f), result;
    __builtin_memcpy(&x, from + i, static_cast<size_t>(count) * sizeof(float));
    if (other) __builtin_memcpy(&y, other + i, static_cast<size_t>(count) * sizeof(float));
    result = fast(x, y);
    const vi strange = ~ordinary(x, y);
    for (int64_t k = 0; any(strange) && k < count; ++k) {
      float left = x[k], right = y[k], one = 0;
      if (!strange[k]) continue;
      slow(1, &one, &left, &right, nullptr);
      result[k] = one;
    }
    __builtin_memcpy(to + i, &result, static_cast<size_t>(count) * sizeof(float));
  }
  return 0;
}
#define MS_MOSTLY_ONE(op, expression, condition)                                                                \
  [](MS_STEP) -> int {                                                                                          \
    return mostly<op>(                                                                                          \
        n, d, a, nullptr, [](vf x, vf) -> vf { return expression; }, [](vf x, vf) -> vi { return condition; }); \
  }

template <typename F>
MS_INLINE int vectors_of(int64_t n, void* d, const void* a, F f) {
  float* to = static_cast<float*>(d);
  const float* x = static_cast<const float*>(a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, f(load(x + i)));
  if (i < n) store_part(to + i, f(load_part(x + i, n - i)), n - i);
  return 0;
}
#define MS_VECTORS(expression) [](MS_STEP) -> int { return vectors_of(n, d, a, [](vf x) -> vf { return expression; }); }

int atan2_step(MS_STEP) {
  float* to = static_cast<float*>(d);
  const float* y = static_cast<const float*>(a);
  const float* x = static_cast<const float*>(b);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, atan2(load(y + i), load(x + i)));
  if (i < n) store_part(to + i, atan2(load_part(y + i, n - i), load_part(x + i, n - i)), n - i);
  return 0;
}

int remainder_step(MS_STEP) {
  return mostly<TileOp::remainder>(
      n, d, a, b, [](vf x, vf y) -> vf { return remainder(x, y); },
      [](vf x, vf y) -> vi { return plain_remainder(x, y); });
}

template <typename F>
MS_INLINE int wide_vectors(int64_t n, void* d, const void* a, F f) {
  constexpr int64_t count = lanes / 2;
  double* to = static_cast<double*>(d);
  const double* x = static_cast<const double*>(a);
  int64_t i = 0;
  for (; i + count <= n; i += count) store(to + i, f(load(x + i)));
  if (i < n) {
    const size_t bytes = static_cast<size_t>(n - i) * sizeof(double);
    vd part{};
    __builtin_memcpy(&part, x + i, bytes);
    part = f(part);
    __builtin_memcpy(to + i, &part, bytes);
  }
  return 0;
}
#define MS_WIDE(expression) [](MS_STEP) -> int { return wide_vectors(n, d, a, [](vd x) -> vd { return expression; }); }

StepFunction float32_vectors(TileOp op) {
  switch (op) {
    case TileOp::tan:
      return MS_MOSTLY_ONE(TileOp::tan, tan_near(x), magnitude(x) <= 8192.0f);
    case TileOp::asin:
      return MS_VECTORS(MS_ISA::asin(x));
    case TileOp::acos:
      return MS_VECTORS(MS_ISA::acos(x));
    case TileOp::atan:
      return MS_VECTORS(MS_ISA::atan(x));
    case TileOp::sinh:
      return MS_VECTORS(MS_ISA::sinh(x));
    case TileOp::cosh:
      return MS_VECTORS(MS_ISA::cosh(x));
    case TileOp::asinh:
      return MS_VECTORS(MS_ISA::asinh(x));
    case TileOp::acosh:
      return MS_VECTORS(MS_ISA::acosh(x));
    case TileOp::atanh:
      return MS_VECTORS(MS_ISA::atanh(x));
    case TileOp::erfc:
      return MS_VECTORS(MS_ISA::erfc(x));
    case TileOp::lgamma:
      return MS_MOSTLY_ONE(TileOp::lgamma, gamma_parts(x, lgamma_positive), x > 0.0f);
    case TileOp::digamma:
      return MS_MOSTLY_ONE(TileOp::digamma, gamma_parts(x, digamma_positive), x > 0.0f);
    case TileOp::remainder:
      return remainder_step;
    case TileOp::atan2:
      return atan2_step;
    default:
      return nullptr;
  }
}

StepFunction float64_vectors(TileOp op) {
  switch (op) {
    case TileOp::exp:
      return MS_WIDE(MS_ISA::exp(x));
    case TileOp::log:
      return MS_WIDE(MS_ISA::log(x));
    case TileOp::logistic:
      return MS_WIDE(MS_ISA::logistic(x));
    default:
      return nullptr;
  }
}

}  // namespace

StepFunction vector_step(TileOp op, DType type) {
  return type == DType::float32 ? float32_vectors(op) : type == DType::float64 ? float64_vectors(op) : nullptr;
}

}  // namespace millstream::MS_ISA
