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

// A vector of complex numbers of float32, one in each of 64 bits, and of their parts.
constexpr int pairs = vector_bytes / 8;
typedef uint64_t vpair __attribute__((vector_size(vector_bytes)));

template <int... i>
inline vpair interleave(vpair a, vpair b, int half, std::integer_sequence<int, i...>) {
  constexpr int n = pairs;
  if (half == 0) return __builtin_shufflevector(a, b, (i / 2 + (i & 1) * n)...);
  return __builtin_shufflevector(a, b, (n / 2 + i / 2 + (i & 1) * n)...);
}

// Rows become columns: log2 rounds of interleaving row i with row i + n/2.
inline void transpose(vpair* row) {
  constexpr auto all = std::make_integer_sequence<int, pairs>();
  vpair next[pairs];
  for (int round = 1; round < pairs; round *= 2) {
    for (int i = 0; i < pairs / 2; ++i) {
      next[2 * i] = interleave(row[i], row[i + pairs / 2], 0, all);
      next[2 * i + 1] = interleave(row[i], row[i + pairs / 2], 1, all);
    }
    for (int i = 0; i < pairs; ++i) row[i] = next[i];
  }
}

typedef float vpart __attribute__((vector_size(vector_bytes)));
template <int... i>
inline vpart every_other(vpair a, vpair b, int first, std::integer_sequence<int, i...>) {
  if (first == 0) return __builtin_shufflevector((vpart)a, (vpart)b, (2 * i)...);
  return __builtin_shufflevector((vpart)a, (vpart)b, (2 * i + 1)...);
}
template <int... i>
inline vpair pair_up(vpart re, vpart im, int half, std::integer_sequence<int, i...>) {
  constexpr int n = 2 * pairs;
  if (half == 0) return (vpair)__builtin_shufflevector(re, im, (i / 2 + (i & 1) * n)...);
  return (vpair)__builtin_shufflevector(re, im, (n / 2 + i / 2 + (i & 1) * n)...);
}

// As many rows as a vector has parts: a square of each half of them at a time. Returns how many columns were done.
inline int64_t pack_squares(const float* from, int64_t row, int64_t count, float* re, float* im) {
  constexpr auto all = std::make_integer_sequence<int, 2 * pairs>();
  int64_t i = 0;
  for (; i + pairs <= count; i += pairs) {
    vpair low[pairs], high[pairs];
    for (int b = 0; b < pairs; ++b) {
      low[b] = load<vpair>(from + 2 * (b * row + i));
      high[b] = load<vpair>(from + 2 * ((b + pairs) * row + i));
    }
    transpose(low);
    transpose(high);
    for (int k = 0; k < pairs; ++k) {
      store(re + (i + k) * 2 * pairs, every_other(low[k], high[k], 0, all));
      store(im + (i + k) * 2 * pairs, every_other(low[k], high[k], 1, all));
    }
  }
  return i;
}
inline int64_t unpack_squares(const float* re, const float* im, float scale, int64_t count, float* to, int64_t row) {
  constexpr auto all = std::make_integer_sequence<int, 2 * pairs>();
  int64_t i = 0;
  for (; i + pairs <= count; i += pairs) {
    vpair low[pairs], high[pairs];
    for (int k = 0; k < pairs; ++k) {
      const vpart real = load<vpart>(re + (i + k) * 2 * pairs) * scale;
      const vpart imaginary = load<vpart>(im + (i + k) * 2 * pairs) * scale;
      low[k] = pair_up(real, imaginary, 0, all);
      high[k] = pair_up(real, imaginary, 1, all);
    }
    transpose(low);
    transpose(high);
    for (int b = 0; b < pairs; ++b) {
      store(to + 2 * (b * row + i), low[b]);
      store(to + 2 * ((b + pairs) * row + i), high[b]);
    }
  }
  return i;
}

constexpr int64_t piece = 16;  // columns of one row after each other: rows may lie so that they push each other out

template <typename T>
void pack(const T* from, int64_t row, int64_t batch, int64_t count, T* re, T* im) {
  int64_t done = 0;
  if constexpr (sizeof(T) == 4) {
    if (batch == 2 * pairs) done = pack_squares(from, row, count, re, im);
  }
  for (; done < count; done += piece) {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = done; i < std::min(done + piece, count); ++i) {
        re[i * batch + b] = from[2 * (b * row + i)];
        im[i * batch + b] = from[2 * (b * row + i) + 1];
      }
    }
  }
}

template <typename T>
void unpack(const T* re, const T* im, T scale, int64_t batch, int64_t count, T* to, int64_t row) {
  int64_t done = 0;
  if constexpr (sizeof(T) == 4) {
    if (batch == 2 * pairs) done = unpack_squares(re, im, scale, count, to, row);
  }
  for (; done < count; done += piece) {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = done; i < std::min(done + piece, count); ++i) {
        to[2 * (b * row + i)] = re[i * batch + b] * scale;
        to[2 * (b * row + i) + 1] = im[i * batch + b] * scale;
      }
    }
  }
}

template <typename T>
void split(const T* roots, int64_t batch, int64_t points, const T* re, const T* im, T* __restrict to_re,
           T* __restrict to_im) {
  for (int64_t k = 0; k <= points; ++k) {
    const int64_t p = (k < points ? k : 0) * batch, q = (k > 0 ? points - k : 0) * batch;
    const T w_re = roots[2 * k] / 2, w_im = roots[2 * k + 1] / 2;
    for (int64_t b = 0; b < batch; ++b) {
      // The transforms of the even and of the odd elements; the latter is turned.
      const T even_re = re[p + b] + re[q + b], even_im = im[p + b] - im[q + b];
      const T odd_re = im[p + b] + im[q + b], odd_im = re[q + b] - re[p + b];
      to_re[k * batch + b] = even_re / 2 + (odd_re * w_re - odd_im * w_im);
      to_im[k * batch + b] = k == 0 || k == points ? T() : even_im / 2 + (odd_re * w_im + odd_im * w_re);
    }
  }
}

template <typename T>
void merge(const T* roots, int64_t batch, int64_t points, const T* re, const T* im, T* __restrict to_re,
           T* __restrict to_im) {
  for (int64_t k = 0; k < points; ++k) {
    const int64_t p = k * batch, q = (points - k) * batch;
    const T w_re = roots[2 * k], w_im = roots[2 * k + 1];  // conjugated below
    for (int64_t b = 0; b < batch; ++b) {
      // Imaginary parts that a real sequence cannot have, at both ends, are not looked at.
      const T p_im = k ? im[p + b] : T(), q_im = k ? im[q + b] : T();
      const T even_re = re[p + b] + re[q + b], even_im = p_im - q_im;
      const T gap_re = re[p + b] - re[q + b], gap_im = p_im + q_im;
      to_re[p + b] = even_re - (gap_im * w_re - gap_re * w_im);
      to_im[p + b] = even_im + (gap_re * w_re + gap_im * w_im);
    }
  }
}

}  // namespace

extern const FftLoops<float> fft_loops_float;
extern const FftLoops<double> fft_loops_double;
const FftLoops<float> fft_loops_float = {vector_bytes / 4, run_stages<float>, pack<float>,
                                         unpack<float>,    split<float>,      merge<float>};
const FftLoops<double> fft_loops_double = {vector_bytes / 8, run_stages<double>, pack<double>,
                                           unpack<double>,   split<double>,      merge<double>};

}  // namespace millstream::MS_ISA
