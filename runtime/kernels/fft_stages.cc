// The stages of a Fourier transform (Stockham's: no reordering is left at the end); compiled once for each instruction set
// (-DMS_ISA=...). Factors 2, 3, 4, 5, 7, 8, 11 and 13 are written out, others up to 31 are sums.
#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/fft_stages.h"
#include "kernels/simd_vector.h"

namespace millstream::MS_ISA {
namespace {

template <typename V>
struct Complex {
  V re, im;
};
template <typename V>
inline Complex<V> operator+(Complex<V> a, Complex<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <typename V>
inline Complex<V> operator-(Complex<V> a, Complex<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <typename V>
inline Complex<V> turned(Complex<V> a) {  // times -i
  return {a.im, -a.re};
}

template <typename V>
inline void transform4(Complex<V>& a, Complex<V>& b, Complex<V>& c, Complex<V>& d) {
  const Complex<V> sum = a + c, difference = a - c, other = b + d, across = turned(b - d);
  a = sum + other;
  b = difference + across;
  c = sum - other;
  d = difference - across;
}

// x becomes its own transform. `factor` 0: of `count` elements.
template <int factor, typename V, typename T>
inline void transform(Complex<V>* x, int64_t count, const T* cosine, const T* sine) {
  if constexpr (factor == 2) {
    const Complex<V> a = x[0], b = x[1];
    x[0] = a + b;
    x[1] = a - b;
  } else if constexpr (factor == 4) {
    transform4(x[0], x[1], x[2], x[3]);
  } else if constexpr (factor == 8) {
    Complex<V> a = x[0], b = x[2], c = x[4], d = x[6], p = x[1], q = x[3], r = x[5], s = x[7];
    transform4(a, b, c, d);
    transform4(p, q, r, s);
    const T half = static_cast<T>(0.70710678118654752440);
    q = {(q.re + q.im) * half, (q.im - q.re) * half};
    r = turned(r);
    s = {(s.im - s.re) * half, (-s.re - s.im) * half};
    x[0] = a + p, x[4] = a - p;
    x[1] = b + q, x[5] = b - q;
    x[2] = c + r, x[6] = c - r;
    x[3] = d + s, x[7] = d - s;
  } else {
    const int64_t p = factor ? factor : count, half = (p - 1) / 2;
    constexpr int64_t most = factor ? (factor - 1) / 2 : (largest_fft_factor - 1) / 2;
    Complex<V> sum[most], difference[most];
    const Complex<V> first = x[0];
    for (int64_t j = 0; j < half; ++j) {
      sum[j] = x[j + 1] + x[p - 1 - j];
      difference[j] = x[j + 1] - x[p - 1 - j];
      x[0] = x[0] + sum[j];
    }
    for (int64_t t = 1; t <= half; ++t) {
      Complex<V> even = first, odd{V{}, V{}};
      for (int64_t j = 0, at = t; j < half; ++j, at = at + t < p ? at + t : at + t - p) {
        even.re += sum[j].re * cosine[at], even.im += sum[j].im * cosine[at];
        odd.re += difference[j].re * sine[at], odd.im += difference[j].im * sine[at];
      }
      x[t] = even + turned(odd);
      x[p - t] = even - turned(odd);
    }
  }
}

template <typename V>
inline Complex<V> times(Complex<V> a, V re, V im) {
  return {a.re * re - a.im * im, a.re * im + a.im * re};
}

template <typename T>
struct Planes {
  const T *from_re, *from_im;
  T *to_re, *to_im;
};

// All groups where at least `lanes` neighbours are treated alike: one vector of them at `k` of group q.
template <int factor, int lanes, typename T>
inline void step(const FftStage<T>& stage, int64_t q, int64_t inner, int64_t k, const Planes<T>& planes) {
  using V = typename VectorOf<T, lanes>::type;
  const int64_t p = factor ? factor : stage.factor, apart = inner * stage.groups;
  Complex<V> x[factor ? factor : largest_fft_factor];
  for (int64_t j = 0; j < p; ++j) {
    const int64_t at = inner * q + k + j * apart;
    x[j] = {load<V>(planes.from_re + at), load<V>(planes.from_im + at)};
  }
  transform<factor, V, T>(x, p, stage.cosine.data(), stage.sine.data());
  for (int64_t t = 0; t < p; ++t) {
    const int64_t at = inner * (p * q + t) + k;
    if (t > 0 && q > 0) {
      const int64_t turn = (t - 1) * stage.groups + q;
      x[t] = times<V>(x[t], V{} + stage.turn_re[static_cast<size_t>(turn)],
                      V{} + stage.turn_im[static_cast<size_t>(turn)]);
    }
    store(planes.to_re + at, x[t].re);
    store(planes.to_im + at, x[t].im);
  }
}

// The first stage of a single sequence: `lanes` groups at once, their results stored one by one.
template <int factor, int lanes, typename T>
inline void first_step(const FftStage<T>& stage, int64_t q, const Planes<T>& planes) {
  using V = typename VectorOf<T, lanes>::type;
  const int64_t p = factor ? factor : stage.factor;
  constexpr int64_t most = factor ? factor : largest_fft_factor;
  Complex<V> x[most];
  for (int64_t j = 0; j < p; ++j) {
    const int64_t at = q + j * stage.groups;
    x[j] = {load<V>(planes.from_re + at), load<V>(planes.from_im + at)};
  }
  transform<factor, V, T>(x, p, stage.cosine.data(), stage.sine.data());
  T re[most * lanes], im[most * lanes];
  for (int64_t t = 0; t < p; ++t) {
    if (t > 0) {
      const int64_t turn = (t - 1) * stage.groups + q;
      x[t] = times<V>(x[t], load<V>(stage.turn_re.data() + turn), load<V>(stage.turn_im.data() + turn));
    }
    store(re + t * lanes, x[t].re);
    store(im + t * lanes, x[t].im);
  }
  T *to_re = planes.to_re + p * q, *to_im = planes.to_im + p * q;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    for (int64_t t = 0; t < p; ++t) {
      to_re[lane * p + t] = re[t * lanes + lane];
      to_im[lane * p + t] = im[t * lanes + lane];
    }
  }
}

template <int factor, int lanes, typename T>
void run_stage(const FftStage<T>& stage, int64_t inner, const Planes<T>& planes) {
  if (inner == 1) {
    int64_t q = 0;
    for (; q + lanes <= stage.groups; q += lanes) first_step<factor, lanes>(stage, q, planes);
    for (; q < stage.groups; ++q) step<factor, 1>(stage, q, inner, 0, planes);
    return;
  }
  if constexpr (lanes > 1) {
    if (inner < lanes) return run_stage<factor, lanes / 2>(stage, inner, planes);
  }
  for (int64_t q = 0; q < stage.groups; ++q) {
    int64_t k = 0;
    for (; k + lanes <= inner; k += lanes) step<factor, lanes>(stage, q, inner, k, planes);
    for (; k < inner; ++k) step<factor, 1>(stage, q, inner, k, planes);
  }
}

template <typename T>
bool run_stages(const std::vector<FftStage<T>>& stages, int64_t batch, T* re, T* im, T* other_re, T* other_im) {
  constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
  bool other = false;
  int64_t inner = batch;
  for (const FftStage<T>& stage : stages) {
    const Planes<T> planes = other ? Planes<T>{other_re, other_im, re, im} : Planes<T>{re, im, other_re, other_im};
    switch (stage.factor) {
      case 2:
        run_stage<2, lanes>(stage, inner, planes);
        break;
      case 3:
        run_stage<3, lanes>(stage, inner, planes);
        break;
      case 4:
        run_stage<4, lanes>(stage, inner, planes);
        break;
      case 5:
        run_stage<5, lanes>(stage, inner, planes);
        break;
      case 7:
        run_stage<7, lanes>(stage, inner, planes);
        break;
      case 8:
        run_stage<8, lanes>(stage, inner, planes);
        break;
      case 11:
        run_stage<11, lanes>(stage, inner, planes);
        break;
      case 13:
        run_stage<13, lanes>(stage, inner, planes);
        break;
      default:
        run_stage<0, lanes>(stage, inner, planes);
    }
    inner *= stage.factor;
    other = !other;
  }
  return other;
}

}  // namespace

extern const FftRun<float> fft_run_float;
extern const FftRun<double> fft_run_double;
const FftRun<float> fft_run_float = run_stages<float>;
const FftRun<double> fft_run_double = run_stages<double>;

}  // namespace millstream::MS_ISA
