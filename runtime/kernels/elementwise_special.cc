// Slow and rare elementwise functions: special functions, complex functions, and float64 through the C library.
#include <cmath>
#include <complex>
#include <limits>

#include "kernels/elementwise_functions.h"

namespace millstream {
namespace {

constexpr double pi = 3.141592653589793238462643383279502884;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double digamma(double x) {
  if (std::isnan(x) || x == -infinity || x == 0) return not_a_number;
  if (x < 0) {
    if (x == std::floor(x)) return not_a_number;
    return digamma(1 - x) - pi / std::tan(pi * (x - std::rint(x)));
  }
  double shift = 0;
  while (x < 10) shift -= 1 / x++;
  const double y = 1 / (x * x);
  const double tail =
      y *
      (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12))))));
  return shift + std::log(x) - 0.5 / x - tail;
}

// Solves erf(y) = x from a rough start (Winitzki) by Halley's steps; near 1 through erfc, which keeps the digits.
double erf_inv(double x) {
  if (!(std::fabs(x) <= 1)) return not_a_number;
  if (std::fabs(x) == 1) return x * infinity;
  if (x == 0) return x;
  const double size = std::fabs(x);
  const double rest = 1 - size;
  const double logarithm = std::log(rest) + std::log1p(size);
  const double part = 2 / (pi * 0.147) + logarithm / 2;
  double y = std::sqrt(std::sqrt(part * part - logarithm / 0.147) - part);
  for (int i = 0; i < 4; ++i) {
    const double error = size < 0.5 ? std::erf(y) - size : rest - std::erfc(y);
    const double step = error / (2 / std::sqrt(pi) * std::exp(-y * y));
    y -= step / (1 + y * step);
  }
  return std::copysign(y, x);
}

double bessel_series(double x, int order) {
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 200 && term > sum * 1e-18; ++k) {
    term *= x * x / 4 / (static_cast<double>(k) * (k + order));
    sum += term;
  }
  return sum;
}

double bessel_scaled(double x, int order) {
  if (std::isnan(x)) return x;
  const double size = std::fabs(x);
  double y;
  if (size == infinity) {
    y = 0;
  } else if (size < 30) {
    y = bessel_series(size, order) * std::exp(-size) * (order == 1 ? size / 2 : 1);
  } else {
    double term = 1, sum = 1;
    for (int k = 1; k < 40; ++k) {
      const double odd = 2 * k - 1;
      const double next = term * (odd * odd - 4 * order * order) / (k * 8 * size);
      if (std::fabs(next) > std::fabs(term)) break;
      term = next;
      sum += term;
    }
    y = sum / std::sqrt(2 * pi * size);
  }
  return order == 1 ? std::copysign(y, x) : y;
}

double lgamma_of(double x) {
#if defined(__GLIBC__)
  int sign;  // lgamma itself writes a global
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

double incomplete_gamma(double a, double x, bool upper) {
  // The order of these is TensorFlow's: the lower function is 0 at x = 0 whatever a is.
  if (x == 0 && !upper) return 0.0;
  if (!(a > 0 && x >= 0)) return not_a_number;
  if (x == 0) return 1.0;
  if (std::isinf(a)) return upper && !std::isinf(x) ? 1.0 : 0.0;
  if (std::isinf(x)) return upper ? 0.0 : 1.0;
  const double front = std::exp(a * std::log(x) - x - lgamma_of(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term, n = a;
    for (int i = 0; i < 20000 && std::fabs(term) > std::fabs(sum) * 1e-17; ++i) {
      term *= x / ++n;
      sum += term;
    }
    const double lower = sum * front;
    return upper ? 1 - lower : lower;
  }
  constexpr double tiny = 1e-300;
  double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
  for (int i = 1; i < 20000; ++i) {
    const double an = -i * (i - a);
    b += 2;
    d = an * d + b;
    d = 1 / (std::fabs(d) < tiny ? tiny : d);
    c = b + an / c;
    c = std::fabs(c) < tiny ? tiny : c;
    const double factor = c * d;
    h *= factor;
    if (std::fabs(factor - 1) < 1e-16) break;
  }
  return upper ? front * h : 1 - front * h;
}

// A number and its derivative by a.
struct Slope {
  double value, by_a;
};
Slope operator*(Slope p, Slope q) { return {p.value * q.value, p.by_a * q.value + p.value * q.by_a}; }
Slope operator+(Slope p, Slope q) { return {p.value + q.value, p.by_a + q.by_a}; }
Slope inverse(Slope p) { return {1 / p.value, -p.by_a / (p.value * p.value)}; }

// The derivative of the lower incomplete gamma function by a, without the factor x^a exp(-x) / gamma(a).
double incomplete_gamma_slope(double a, double x) {
  const Slope outer{1, std::log(x) - digamma(a)};  // the factor's own derivative, as a part of it
  if (x < a + 1) {
    Slope n{a, 1}, term = inverse(n), sum = term;
    for (int i = 0; i < 20000 && std::fabs(term.by_a) > std::fabs(sum.by_a) * 1e-17; ++i) {
      n.value += 1;
      term = term * Slope{x, 0} * inverse(n);
      sum = sum + term;
    }
    return (outer * sum).by_a;
  }
  constexpr double tiny = 1e-300;
  Slope b{x + 1 - a, -1}, c{1 / tiny, 0}, d = inverse(b), h = d;
  for (int i = 1; i < 20000; ++i) {
    const Slope an{-i * (i - a), static_cast<double>(i)};
    b.value += 2;
    d = an * d + b;
    if (std::fabs(d.value) < tiny) d.value = tiny;
    d = inverse(d);
    c = b + an * inverse(c);
    if (std::fabs(c.value) < tiny) c.value = tiny;
    const Slope factor = c * d;
    h = h * factor;
    if (std::fabs(factor.value - 1) < 1e-16 && std::fabs(factor.by_a) < 1e-16) break;
  }
  return -(outer * h).by_a;
}

double igamma_gradient(double a, double x) {
  if (!(a > 0) || !(x >= 0) || std::isinf(a)) return not_a_number;
  if (x == 0 || std::isinf(x)) return 0;
  return incomplete_gamma_slope(a, x) * std::exp(a * std::log(x) - x - lgamma_of(a));
}

// How a gamma sample x moves with its parameter a: minus the slope of the distribution by a over its density at x.
double random_gamma_gradient(double a, double x) {
  if (!(a > 0) || !(x >= 0) || std::isinf(a) || std::isinf(x)) return not_a_number;
  return x == 0 ? 0 : -x * incomplete_gamma_slope(a, x);
}

// Hurwitz's zeta by Euler and Maclaurin.
double zeta(double x, double q) {
  if (x == 1) return infinity;
  if (std::isnan(x) || std::isnan(q) || x < 1) return not_a_number;
  if (q == infinity) return 0;
  if (x == infinity) return q > 1 ? 0 : q == 1 ? 1 : infinity;
  if (q <= 0) {
    if (q == std::floor(q)) return std::fmod(x, 2) == 0 ? infinity : not_a_number;
    if (x != std::floor(x)) return not_a_number;
  }
  static const double bernoulli[] = {1.0 / 12,
                                     -1.0 / 720,
                                     1.0 / 30240,
                                     -1.0 / 1209600,
                                     1.0 / 47900160,
                                     -691.0 / 1307674368000.0,
                                     1.0 / 74724249600.0,
                                     -3617.0 / 10670622842880000.0};
  double sum = 0;
  int n = 0;
  double base = q;
  for (; n < 12 || base <= 9; ++n, base += 1) {
    const double term = std::pow(base, -x);
    sum += term;
    if (n > 4 && base > 0 && std::fabs(term) < std::fabs(sum) * 1e-18) return sum;
    if (n > 100000) break;
  }
  const double power = std::pow(base, -x);
  sum += base * power / (x - 1) + power / 2;
  double factor = x, scaled = power / base;
  for (int k = 0; k < 8; ++k) {
    sum += factor * scaled * bernoulli[k];
    factor *= (x + 2 * k + 1) * (x + 2 * k + 2);
    scaled /= base * base;
  }
  return sum;
}

double polygamma(double n, double x) {
  if (n != std::floor(n) || n < 0) return not_a_number;
  if (n == 0) return digamma(x);
  const double factorial = std::exp(lgamma_of(n + 1));
  const double sign = std::fmod(n, 2) == 0 ? -1 : 1;
  return sign * factorial * zeta(n + 1, x);
}

template <typename T, auto function>
int one(int64_t n, void* d, const void* a, const void*, const void*) {
  T* to = static_cast<T*>(d);
  const T* from = static_cast<const T*>(a);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(function(from[i]));
  return 0;
}

template <typename T, auto function>
int two(int64_t n, void* d, const void* a, const void* b, const void*) {
  T* to = static_cast<T*>(d);
  const T* left = static_cast<const T*>(a);
  const T* right = static_cast<const T*>(b);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(function(left[i], right[i]));
  return 0;
}

template <typename T>
StepFunction floating(TileOp op) {
  switch (op) {
    case TileOp::exp:
      return one<T, [](T x) { return std::exp(x); }>;
    case TileOp::expm1:
      return one<T, [](T x) { return std::expm1(x); }>;
    case TileOp::log:
      return one<T, [](T x) { return std::log(x); }>;
    case TileOp::log1p:
      return one<T, [](T x) { return std::log1p(x); }>;
    case TileOp::cbrt:
      return one<T, [](T x) { return std::cbrt(x); }>;
    case TileOp::sin:
      return one<T, [](T x) { return std::sin(x); }>;
    case TileOp::cos:
      return one<T, [](T x) { return std::cos(x); }>;
    case TileOp::tan:
      return one<T, [](T x) { return std::tan(x); }>;
    case TileOp::asin:
      return one<T, [](T x) { return std::asin(x); }>;
    case TileOp::acos:
      return one<T, [](T x) { return std::acos(x); }>;
    case TileOp::atan:
      return one<T, [](T x) { return std::atan(x); }>;
    case TileOp::sinh:
      return one<T, [](T x) { return std::sinh(x); }>;
    case TileOp::cosh:
      return one<T, [](T x) { return std::cosh(x); }>;
    case TileOp::tanh:
      return one<T, [](T x) { return std::tanh(x); }>;
    case TileOp::asinh:
      return one<T, [](T x) { return std::asinh(x); }>;
    case TileOp::acosh:
      return one<T, [](T x) { return std::acosh(x); }>;
    case TileOp::atanh:
      return one<T, [](T x) { return std::atanh(x); }>;
    case TileOp::logistic:
      return one<T, [](T x) {
        const T e = std::exp(-std::fabs(x));
        return (x < 0 ? e : T(1)) / (T(1) + e);
      }>;
    case TileOp::erf:
      return one<T, [](T x) { return std::erf(x); }>;
    case TileOp::erfc:
      return one<T, [](T x) { return std::erfc(x); }>;
    case TileOp::erf_inv:
      return one<T, [](T x) { return erf_inv(x); }>;
    case TileOp::lgamma:
      return one<T, [](T x) { return lgamma_of(x); }>;
    case TileOp::digamma:
      return one<T, [](T x) { return digamma(x); }>;
    case TileOp::bessel_i0e:
      return one<T, [](T x) { return bessel_scaled(x, 0); }>;
    case TileOp::bessel_i1e:
      return one<T, [](T x) { return bessel_scaled(x, 1); }>;
    case TileOp::remainder:
      return two<T, [](T x, T y) { return std::fmod(x, y); }>;
    case TileOp::power:
      return two<T, [](T x, T y) { return std::pow(x, y); }>;
    case TileOp::atan2:
      return two<T, [](T x, T y) { return std::atan2(x, y); }>;
    case TileOp::next_after:
      return two<T, [](T x, T y) { return std::nextafter(x, y); }>;
    case TileOp::igamma:
      return two<T, [](T x, T y) { return incomplete_gamma(x, y, false); }>;
    case TileOp::igammac:
      return two<T, [](T x, T y) { return incomplete_gamma(x, y, true); }>;
    case TileOp::igamma_gradient:
      return two<T, [](T x, T y) { return igamma_gradient(x, y); }>;
    case TileOp::random_gamma_gradient:
      return two<T, [](T x, T y) { return random_gamma_gradient(x, y); }>;
    case TileOp::zeta:
      return two<T, [](T x, T y) { return zeta(x, y); }>;
    case TileOp::polygamma:
      return two<T, [](T x, T y) { return polygamma(x, y); }>;
    default:
      return rare_step(op, sizeof(T) == 4 ? DType::float32 : DType::float64);
  }
}

template <typename R>
StepFunction complex_valued(TileOp op) {
  using T = std::complex<R>;
  switch (op) {
    case TileOp::sign:
      return one<T, [](T x) {
        const R size = std::abs(x);
        return size == 0 ? T(0) : x / size;
      }>;
    case TileOp::exp:
      return one<T, [](T x) { return std::exp(x); }>;
    case TileOp::expm1:
      return one<T, [](T x) {
        // exp(r) cos(i) - 1 without losing digits where both are small.
        const R half = std::sin(x.imag() / 2);
        const R grown = std::expm1(x.real());
        return T(grown * std::cos(x.imag()) - 2 * half * half, (grown + 1) * std::sin(x.imag()));
      }>;
    case TileOp::log:
      return one<T, [](T x) { return std::log(x); }>;
    case TileOp::log1p:
      return one<T, [](T x) {
        const R re = x.real(), im = x.imag();
        if (R(0.5) < std::abs(x)) return std::log(T(1) + x);
        return T(std::log1p(re * (2 + re) + im * im) / 2, std::atan2(im, 1 + re));
      }>;
    case TileOp::sqrt:
      return one<T, [](T x) { return std::sqrt(x); }>;
    case TileOp::rsqrt:
      return one<T, [](T x) { return T(1) / std::sqrt(x); }>;
    case TileOp::sin:
      return one<T, [](T x) { return std::sin(x); }>;
    case TileOp::cos:
      return one<T, [](T x) { return std::cos(x); }>;
    case TileOp::tan:
      return one<T, [](T x) { return std::tan(x); }>;
    case TileOp::asin:
      return one<T, [](T x) { return std::asin(x); }>;
    case TileOp::acos:
      return one<T, [](T x) { return std::acos(x); }>;
    case TileOp::atan:
      return one<T, [](T x) { return std::atan(x); }>;
    case TileOp::sinh:
      return one<T, [](T x) { return std::sinh(x); }>;
    case TileOp::cosh:
      return one<T, [](T x) { return std::cosh(x); }>;
    case TileOp::tanh:
      return one<T, [](T x) { return std::tanh(x); }>;
    case TileOp::asinh:
      return one<T, [](T x) { return std::asinh(x); }>;
    case TileOp::acosh:
      return one<T, [](T x) { return std::acosh(x); }>;
    case TileOp::atanh:
      return one<T, [](T x) { return std::atanh(x); }>;
    case TileOp::logistic:
      return one<T, [](T x) {
        const T e = std::exp(x.real() < 0 ? x : -x);
        return (x.real() < 0 ? e : T(1)) / (T(1) + e);
      }>;
    case TileOp::divide:
      return two<T, [](T x, T y) { return x / y; }>;
    case TileOp::power:
      return two<T, [](T x, T y) { return x == T(0) && y == T(0) ? T(1) : std::pow(x, y); }>;
    default:
      return nullptr;
  }
}

}  // namespace

StepFunction special_step(TileOp op, DType type) {
  switch (type) {
    case DType::float32:
      return floating<float>(op);
    case DType::float64:
      return floating<double>(op);
    case DType::complex64:
      return complex_valued<float>(op);
    case DType::complex128:
      return complex_valued<double>(op);
    default:
      return nullptr;
  }
}

}  // namespace millstream
