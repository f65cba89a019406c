// Vectors of float32 and exp, log, tanh and the like on them, within about 2 units in the last place; right on NaN,
// infinities and denormals. Only for files compiled once per instruction set (-DMS_ISA=...).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/simd_vector.h"

namespace millstream::MS_ISA {
namespace {

constexpr int lanes = vector_bytes / 4;

// The masked forms of intrinsics below keep GCC 12 from warning about its own headers.
typedef float vf __attribute__((vector_size(vector_bytes)));
typedef int32_t vi __attribute__((vector_size(vector_bytes)));
typedef uint32_t vu __attribute__((vector_size(vector_bytes)));
typedef double vd __attribute__((vector_size(vector_bytes)));
typedef int64_t vl __attribute__((vector_size(vector_bytes)));
typedef uint64_t vul __attribute__((vector_size(vector_bytes)));
typedef float vh __attribute__((vector_size(vector_bytes / 2)));

#define MS_INLINE inline __attribute__((always_inline))

MS_INLINE vf load(const float* from) {
  vf value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
MS_INLINE void store(float* to, vf value) { __builtin_memcpy(to, &value, sizeof value); }
MS_INLINE vd load(const double* from) {
  vd value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
MS_INLINE void store(double* to, vd value) { __builtin_memcpy(to, &value, sizeof value); }

// The first n < lanes elements, the rest zero.
MS_INLINE vf load_part(const float* from, int64_t n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), from);
#else
  vf value = {};
  __builtin_memcpy(&value, from, static_cast<size_t>(n) * sizeof(float));
  return value;
#endif
}
MS_INLINE void store_part(float* to, vf value, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1u), value);
#else
  __builtin_memcpy(to, &value, static_cast<size_t>(n) * sizeof(float));
#endif
}

MS_INLINE vf all(float x) { return x - vf{}; }
MS_INLINE vd all(double x) { return x - vd{}; }

// a * b + c, in one rounding where the processor has it.
MS_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
MS_INLINE vd fma(vd a, vd b, vd c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}
MS_INLINE vf fma(vf a, vf b, float c) { return fma(a, b, all(c)); }
MS_INLINE vf fma(vf a, float b, vf c) { return fma(a, all(b), c); }
MS_INLINE vd fma(vd a, vd b, double c) { return fma(a, b, all(c)); }

MS_INLINE vf magnitude(vf x) { return (vf)((vi)x & 0x7fffffff); }
MS_INLINE vf copy_sign(vf x, vf sign) { return (vf)(((vi)x & 0x7fffffff) | ((vi)sign & INT32_MIN)); }

MS_INLINE vf square_root(vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(__x86_64__)
  return _mm_sqrt_ps(x);
#else
  vf y;
  for (int i = 0; i < lanes; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

// Whole numbers nearest to x, ties to even.
MS_INLINE vf round_even(vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_roundscale_ps(0xffff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const vf size = magnitude(x);
  const vf shifted = (size + 0x1p23f) - 0x1p23f;
  return size < 0x1p23f ? copy_sign(shifted, x) : x;
#endif
}
MS_INLINE vf round_down(vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_roundscale_ps(0xffff, x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else
  const vf near = round_even(x);
  return copy_sign(near > x ? near - 1.0f : near, x);
#endif
}

MS_INLINE bool any(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_ps((__m128)mask) != 0;
#else
  int32_t found = 0;
  for (int i = 0; i < lanes; ++i) found |= mask[i];
  return found != 0;
#endif
}

// NaN in either operand wins.
MS_INLINE vf larger(vf a, vf b) { return (a > b) | (a != a) ? a : b; }
MS_INLINE vf smaller(vf a, vf b) { return (a < b) | (a != a) ? a : b; }

// p * 2^n for whole n in [-300, 300].
MS_INLINE vf scale(vf p, vf n) {
#if defined(__AVX512F__)
  return _mm512_maskz_scalef_ps(0xffff, p, n);
#else
  const vi whole = __builtin_convertvector(n, vi);
  const vi half = whole >> 1;  // in two steps, so that neither leaves the range of normal numbers
  return p * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
#endif
}

constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, log2_e = 1.44269504f;

MS_INLINE vf exp(vf x) {
  vf bounded = x > 89.0f ? all(89.0f) : x;
  bounded = bounded < -105.0f ? all(-105.0f) : bounded;
  const vf n = round_even(bounded * log2_e);
  vf r = fma(n, -ln2_high, bounded);
  r = fma(n, -ln2_low, r);
  vf p = all(1.381166e-03f);
  p = fma(p, r, 8.370135e-03f);
  p = fma(p, r, 4.1668527e-02f);
  p = fma(p, r, 1.6666509e-01f);
  p = fma(p, r, 4.9999994e-01f);
  p = fma(p * r, r, r) + 1.0f;
  return scale(p, n);
}

MS_INLINE vf expm1(vf x) {
  vf p = all(2.4790825e-05f);
  p = fma(p, x, 1.9973583e-04f);
  p = fma(p, x, 1.3889305e-03f);
  p = fma(p, x, 8.333142e-03f);
  p = fma(p, x, 4.166666e-02f);
  p = fma(p, x, 1.6666667e-01f);
  p = fma(p, x, 5.0e-01f);
  const vf near = fma(p * x, x, x);
  return magnitude(x) < 0.5f ? near : exp(x) - 1.0f;
}

// log of 1 + f scaled by 2^n, for 1 + f in [sqrt(1/2), sqrt(2)].
MS_INLINE vf log_parts(vf f, vf n) {
  vf p = all(6.746601e-02f);
  p = fma(p, f, -1.1675641e-01f);
  p = fma(p, f, 1.1888175e-01f);
  p = fma(p, f, -1.24055915e-01f);
  p = fma(p, f, 1.4219551e-01f);
  p = fma(p, f, -1.6667996e-01f);
  p = fma(p, f, 2.0002119e-01f);
  p = fma(p, f, -2.500001e-01f);
  p = fma(p, f, 3.3333313e-01f);
  const vf square = f * f;
  vf y = p * f * square;
  y = fma(n, ln2_low, y);
  y = fma(square, all(-0.5f), y);
  return fma(n, ln2_high, f + y);
}

// log(x + low), low being what was lost when x was rounded.
MS_INLINE vf log_with_rest(vf x, vf low) {
  const vi tiny = x < 0x1p-126f;
  const vf normal = tiny ? x * 0x1p23f : x;
  // The exponent that puts the mantissa into [sqrt(1/2), sqrt(2)).
  const vi bits = (vi)((vu)normal - 0x3f3504f3u);  // unsigned: the sign bit of a negative x may wrap
  const vi exponent = bits >> 23;
  const vf n = __builtin_convertvector(exponent + (tiny & -23), vf);
  const vf mantissa = (vf)((bits & 0x7fffff) + 0x3f3504f3);
  const vf rest = low * (vf)((127 - exponent) << 23 & (exponent < 100));
  vf y = log_parts((mantissa - 1.0f) + rest, n);
  y = x < __builtin_inff() ? y : x;  // +inf and NaN stay
  y = x == 0.0f ? all(-__builtin_inff()) : y;
  return x < 0.0f ? all(__builtin_nanf("")) : y;
}
MS_INLINE vf log(vf x) { return log_with_rest(x, vf{}); }

MS_INLINE vf log1p(vf x) {
  const vf u = x + 1.0f;
  // Where x >= 1 the smaller part of the sum is 1, else x.
  vf rest = x >= 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);
  rest = (u > 0.0f) & (u < 0x1p100f) ? rest : vf{};
  const vf y = log_with_rest(u, rest);
  return magnitude(x) < 0x1p-24f ? x : y;
}

MS_INLINE vf tanh(vf x) {
  const vf size = magnitude(x);
  const vf square = x * x;
  vf p = all(2.0595824e-03f);
  p = fma(p, square, -8.085629e-03f);
  p = fma(p, square, 2.1663405e-02f);
  p = fma(p, square, -5.3939942e-02f);
  p = fma(p, square, 1.3333152e-01f);
  p = fma(p, square, -3.3333328e-01f);
  const vf near = fma(p * square, x, x);
  const vf far = 1.0f - 2.0f / (exp(size + size) + 1.0f);
  return size < 0.625f ? near : copy_sign(far, x);
}

MS_INLINE vf logistic(vf x) {
  const vf e = exp(-magnitude(x));
  return (x < 0.0f ? e : all(1.0f)) / (e + 1.0f);
}

MS_INLINE vf erf(vf x) {
  const vf size = magnitude(x);
  const vf square = x * x;
  vf p = all(7.854009e-05f);
  p = fma(p, square, -8.010242e-04f);
  p = fma(p, square, 5.188334e-03f);
  p = fma(p, square, -2.6853815e-02f);
  p = fma(p, square, 1.12835854e-01f);
  p = fma(p, square, -3.7612626e-01f);
  p = fma(p, square, 1.2837917e-01f);
  const vf near = fma(p, x, x);
  // Above 1: 1 - exp(g), where g fits log(erfc).
  const vf t = size > 4.0f ? all(4.0f) : size;
  vf g = all(-2.1698708e-05f);
  g = fma(g, t, 4.4148625e-04f);
  g = fma(g, t, -4.2053554e-03f);
  g = fma(g, t, 2.521054e-02f);
  g = fma(g, t, -1.08422436e-01f);
  g = fma(g, t, -6.332161e-01f);
  g = fma(g, t, -1.1295805e+00f);
  g = fma(g, t, 1.8850749e-04f);
  const vf far = 1.0f - exp(g);
  return size < 1.0f ? near : copy_sign(far, x);
}

// For |x| <= 8192: the rest after whole quarter turns, and their number. The three parts of pi/2 have few enough bits that
// n times the first two is exact.
MS_INLINE vf quarter_turn(vf x, vi& turns) {
  const vf n = round_even(x * 0.636619772f);
  turns = __builtin_convertvector(n, vi);
  vf r = x - n * 1.5703125f;
  r = r - n * 4.837512969970703125e-4f;
  return r - n * 7.54978995489188216e-8f;
}
MS_INLINE vf sin_or_cos(vf r, vi turns) {
  const vf square = r * r;
  vf s = all(2.717367e-06f);
  s = fma(s, square, -1.9839233e-04f);
  s = fma(s, square, 8.333329e-03f);
  s = fma(s, square, -1.6666667e-01f);
  s = fma(s * square, r, r);
  vf c = all(-2.7198627e-07f);
  c = fma(c, square, 2.4799372e-05f);
  c = fma(c, square, -1.3888883e-03f);
  c = fma(c, square, 4.1666668e-02f);
  c = fma(c * square, square, 1.0f - 0.5f * square);
  const vf y = (turns & 1) != 0 ? c : s;
  return (vf)((vi)y ^ ((turns & 2) << 30));
}

MS_INLINE vd round_even(vd x) {
#if defined(__AVX512F__)
  return _mm512_maskz_roundscale_pd(0xff, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return (x + 0x1.8p52) - 0x1.8p52;
#endif
}

// x^y in double, for x positive and normal, |y log2 x| bounded here: good to float32.
MS_INLINE vd power_parts(vd x, vd y) {
  const vl bits = (vl)((vul)x - 0x3fe6a09e667f3bcdULL);
  const vl exponent = bits >> 52;
  const vd mantissa = (vd)((bits & 0xfffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
  const vd s = (mantissa - 1.0) / (mantissa + 1.0);
  const vd square = s * s;
  vd p = all(2.82948092725333e-01);
  p = fma(p, square, 3.199025370064888e-01);
  p = fma(p, square, 4.1220932414840356e-01);
  p = fma(p, square, 5.770779417147365e-01);
  p = fma(p, square, 9.617966941153153e-01);
  p = fma(p, square, 2.885390081777849e+00);
  const vd n = (vd)((vul)exponent + 0x4338000000000000ULL) - 0x1.8p52;
  vd e = y * fma(p, s, n);
  e = e > 200.0 ? all(200.0) : e;
  e = e < -200.0 ? all(-200.0) : e;
  const vd whole = round_even(e);
  const vd r = e - whole;
  vd q = all(1.5201714970746753e-05);
  q = fma(q, r, 1.546955314831783e-04);
  q = fma(q, r, 1.3333925497357598e-03);
  q = fma(q, r, 9.618026442097203e-03);
  q = fma(q, r, 5.550410347257299e-02);
  q = fma(q, r, 2.402265120415742e-01);
  q = fma(q, r, 6.931471807311583e-01);
  q = fma(q, r, 1.0);
  const vul shifted = ((vul)(whole + 0x1.8p52) - 0x4338000000000000ULL + 1023) << 52;
  return q * (vd)shifted;
}

struct HalfPair {
  vd low, high;
};
MS_INLINE HalfPair widen(vf x) {
  vh low, high;
  __builtin_memcpy(&low, &x, sizeof low);
  __builtin_memcpy(&high, reinterpret_cast<const char*>(&x) + sizeof low, sizeof high);
  return {__builtin_convertvector(low, vd), __builtin_convertvector(high, vd)};
}
MS_INLINE vf narrow(HalfPair x) {
  const vh low = __builtin_convertvector(x.low, vh), high = __builtin_convertvector(x.high, vh);
  vf y;
  __builtin_memcpy(&y, &low, sizeof low);
  __builtin_memcpy(reinterpret_cast<char*>(&y) + sizeof low, &high, sizeof high);
  return y;
}

// x^y where `ordinary_power` holds in every lane.
MS_INLINE vi ordinary_power(vf x, vf y) {
  return (x >= 0x1p-126f) & (x < __builtin_inff()) & (magnitude(y) < __builtin_inff());
}
MS_INLINE vf power(vf x, vf y) {
  const HalfPair wide_x = widen(x), wide_y = widen(y);
  return narrow({power_parts(wide_x.low, wide_y.low), power_parts(wide_x.high, wide_y.high)});
}

// x with its halves, quarters, ... changed places: lane i takes lane i ^ distance.
template <int distance>
MS_INLINE vf swapped(vf x) {
  vi from;
  for (int i = 0; i < lanes; ++i) from[i] = i ^ distance;
  return __builtin_shuffle(x, from);
}
template <int distance>
MS_INLINE vd swapped(vd x) {
  vl from;
  for (int i = 0; i < lanes / 2; ++i) from[i] = i ^ distance;
  return __builtin_shuffle(x, from);
}

// `combine` of all lanes, in every lane.
template <int distance, typename V, typename F>
MS_INLINE V fold_lanes(V x, F combine) {
  if constexpr (distance == 0) {
    return x;
  } else {
    return fold_lanes<distance / 2>(combine(x, swapped<distance>(x)), combine);
  }
}

}  // namespace
}  // namespace millstream::MS_ISA
