// Vectors of float64, exp, log and the like on them within about 1 unit in the last place; and functions of float32 that need
// their digits. Only for files compiled once per instruction set (-DMS_ISA=...).
#pragma once

#include "kernels/simd_math.h"

namespace millstream::MS_ISA {
namespace {

MS_INLINE vd magnitude(vd x) { return (vd)((vl)x & INT64_MAX); }
MS_INLINE vd copy_sign(vd x, vd sign) { return (vd)(((vl)x & INT64_MAX) | ((vl)sign & INT64_MIN)); }

MS_INLINE bool any(vl mask) { return any((vi)mask); }

// 2^n for whole n in [-1022, 1023].
MS_INLINE vd power_of_two(vd n) { return (vd)(((vul)(n + 0x1.8p52) - 0x4338000000000000ULL + 1023) << 52); }

MS_INLINE vd exp(vd x) {
  vd bounded = x > 710.0 ? all(710.0) : x;
  bounded = bounded < -746.0 ? all(-746.0) : bounded;
  const vd n = round_even(bounded * 1.44269504088896340736);
  vd r = fma(n, all(-6.93147180369123816490e-01), bounded);  // the low half of these bits is zero
  r = fma(n, all(-1.90821492927058770002e-10), r);
  vd p = all(2.4999912952040191741e-08);
  p = fma(p, r, 2.7630378723623469825e-07);
  p = fma(p, r, 2.7557587514363034673e-06);
  p = fma(p, r, 2.4801492762802961839e-05);
  p = fma(p, r, 1.9841269504566982695e-04);
  p = fma(p, r, 1.3888888943922276809e-03);
  p = fma(p, r, 8.3333333334957164089e-03);
  p = fma(p, r, 4.1666666666529191553e-02);
  p = fma(p, r, 1.6666666666666410092e-01);
  p = fma(p, r, 5.0000000000000107205e-01);
  p = fma(p * r, r, r) + 1.0;
  const vd half = round_even(n * 0.5);  // in two steps, so that neither leaves the range of normal numbers
  return p * power_of_two(half) * power_of_two(n - half);
}

MS_INLINE vd log(vd x) {
  const vl tiny = x < 0x1p-1022;
  const vd normal = tiny ? x * 0x1p54 : x;
  const vul bits = (vul)normal - 0x3fe6a09e667f3bcdULL;  // the mantissa goes into [sqrt(1/2), sqrt(2))
  // An arithmetic shift by 52, of which only AVX-512 has the instruction.
  const vul exponent = ((bits >> 52) ^ 0x800ULL) - 0x800ULL;
  const vd n = (vd)(exponent + 0x4338000000000000ULL) - 0x1.8p52 + (tiny ? all(-54.0) : vd{});
  const vd f = (vd)((bits & 0xfffffffffffffULL) + 0x3fe6a09e667f3bcdULL) - 1.0;
  const vd s = f / (f + 2.0), square = s * s, half = 0.5 * f * f;
  vd p = all(1.4797511725045228101e-01);
  p = fma(p, square, 1.5313902834083480011e-01);
  p = fma(p, square, 1.8183569756972741501e-01);
  p = fma(p, square, 2.2222198475617313638e-01);
  p = fma(p, square, 2.8571428743266956553e-01);
  p = fma(p, square, 3.9999999999411067348e-01);
  p = fma(p, square, 6.6666666666667349014e-01);
  const vd rest = fma(s, fma(p, square, half), n * 1.90821492927058770002e-10);
  vd y = n * 6.93147180369123816490e-01 - ((half - rest) - f);
  y = x < __builtin_inf() ? y : x;  // +inf and NaN stay
  y = x == 0.0 ? all(-__builtin_inf()) : y;
  return x < 0.0 ? all(__builtin_nan("")) : y;
}

MS_INLINE vd logistic(vd x) {
  const vd e = exp(-magnitude(x));
  return (x < 0.0 ? e : all(1.0)) / (e + 1.0);
}

// For x > 0, by Stirling's series from 8 on; with the digits of float32 near the zeros at 1 and 2.
MS_INLINE vd lgamma_positive(vd x) {
  const vl low = x < 8.0;
  vd product = all(1.0);
  for (int i = 0; i < 8; ++i) product = product * (x + static_cast<double>(i));
  const vd high = low ? x + 8.0 : x;
  const vd inverse = 1.0 / high, square = inverse * inverse;
  vd tail = all(-2.955065359477124183e-02);
  tail = fma(tail, square, 6.410256410256410256e-03);
  tail = fma(tail, square, -1.917526917526917527e-03);
  tail = fma(tail, square, 8.417508417508417508e-04);
  tail = fma(tail, square, -5.952380952380952381e-04);
  tail = fma(tail, square, 7.936507936507936508e-04);
  tail = fma(tail, square, -2.777777777777777778e-03);
  tail = fma(tail, square, 8.333333333333333333e-02);
  const vd y = (high - 0.5) * log(high) - high + 9.189385332046727418e-01 + tail * inverse;
  vd shifted = low ? y - log(product) : y;
  shifted = (x == 1.0) | (x == 2.0) ? vd{} : shifted;
  return x < __builtin_inf() ? shifted : x;
}

// For x > 0, by its asymptotic series from 8 on, with float32's digits.
MS_INLINE vd digamma_positive(vd x) {
  vd numerator{}, denominator = all(1.0), high = x;
  for (int i = 0; i < 8; ++i) {
    const vl low = high < 8.0;
    numerator = low ? fma(numerator, high, denominator) : numerator;
    denominator = low ? denominator * high : denominator;
    high = low ? high + 1.0 : high;
  }
  const vd inverse = 1.0 / high, square = inverse * inverse;
  vd tail = all(-2.109279609279609280e-02);
  tail = fma(tail, square, 7.575757575757575758e-03);
  tail = fma(tail, square, -4.166666666666666667e-03);
  tail = fma(tail, square, 3.968253968253968254e-03);
  tail = fma(tail, square, -8.333333333333333333e-03);
  tail = fma(tail, square, 8.333333333333333333e-02);
  return log(high) - 0.5 * inverse - tail * square - numerator / denominator;
}

// The remainder of x / y, of x's sign, where `plain_remainder` holds: the quotient's whole part is exact in float64.
MS_INLINE vd remainder_parts(vd x, vd y) {
  const vd quotient = magnitude(x / y);
  vd whole = round_even(quotient);
  whole = whole > quotient ? whole - 1.0 : whole;
  return copy_sign(magnitude(x) - whole * magnitude(y), x);
}
MS_INLINE vi plain_remainder(vf x, vf y) {
  return (magnitude(x) < magnitude(y) * 0x1p28f) & (magnitude(y) < __builtin_inff());
}
MS_INLINE vf remainder(vf x, vf y) {
  const HalfPair wide_x = widen(x), wide_y = widen(y);
  return narrow({remainder_parts(wide_x.low, wide_y.low), remainder_parts(wide_x.high, wide_y.high)});
}

}  // namespace
}  // namespace millstream::MS_ISA
