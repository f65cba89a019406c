// Softmax, cross entropy and normalisation of single rows or of rows of channels, compiled once per instruction set.
#include "kernels/rowwise.h"
#include "kernels/simd_math.h"

namespace millstream::MS_ISA {
namespace {

template <typename T>
using Vector = typename VectorOf<T>::type;
template <typename T>
constexpr int64_t width = vector_bytes / static_cast<int64_t>(sizeof(T));

// The first n < width elements at `from`, `rest` in the other lanes.
template <typename T>
MS_INLINE Vector<T> load_tail(const T* from, int64_t n, T rest) {
  T lane[width<T>];
  for (int64_t i = 0; i < width<T>; ++i) lane[i] = i < n ? from[i] : rest;
  return load(lane);
}
template <typename T>
MS_INLINE void store_tail(T* to, Vector<T> value, int64_t n) {
  T lane[width<T>];
  store(lane, value);
  for (int64_t i = 0; i < n; ++i) to[i] = lane[i];
}
#if defined(__AVX512F__)
template <>
MS_INLINE vf load_tail<float>(const float* from, int64_t n, float rest) {
  return _mm512_mask_loadu_ps(all(rest), static_cast<__mmask16>((1u << n) - 1u), from);
}
template <>
MS_INLINE void store_tail<float>(float* to, vf value, int64_t n) {
  store_part(to, value, n);
}
#endif

MS_INLINE vd exp(vd x) {
  vd y;
  for (int i = 0; i < static_cast<int>(width<double>); ++i) y[i] = __builtin_exp(x[i]);
  return y;
}
MS_INLINE float log_of(float x) { return __builtin_logf(x); }
MS_INLINE double log_of(double x) { return __builtin_log(x); }
MS_INLINE float root_of(float x) { return __builtin_sqrtf(x); }
MS_INLINE double root_of(double x) { return __builtin_sqrt(x); }
template <typename T>
constexpr T lowest = static_cast<T>(-__builtin_inf());

template <typename T>
MS_INLINE T add_lanes(Vector<T> x) {
  return fold_lanes<static_cast<int>(width<T> / 2)>(x, [](Vector<T> a, Vector<T> b) { return a + b; })[0];
}
// NaN may get lost here: exp(x - max) brings it back into the row's sum.
MS_INLINE vd greater(vd a, vd b) { return a > b ? a : b; }
MS_INLINE vf greater(vf a, vf b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__x86_64__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

// Calls f(at, count) for each vector of a row; count < width for the last, partial one.
template <typename T, typename F>
MS_INLINE void each_vector(int64_t n, F f) {
  int64_t i = 0;
  for (; i + width<T> <= n; i += width<T>) f(i, width<T>);
  if (i < n) f(i, n - i);
}
template <typename T>
MS_INLINE Vector<T> get(const T* from, int64_t count, T rest) {
  return count == width<T> ? load(from) : load_tail<T>(from, count, rest);
}
template <typename T>
MS_INLINE void put(T* to, Vector<T> value, int64_t count) {
  if (count == width<T>)
    store(to, value);
  else
    store_tail<T>(to, value, count);
}

template <typename T>
MS_INLINE T row_max(int64_t n, const T* x) {
  using V = Vector<T>;
  V best = all(lowest<T>), other = best;
  int64_t i = 0;
  for (; i + 2 * width<T> <= n; i += 2 * width<T>) {
    best = greater(load(x + i), best);
    other = greater(load(x + i + width<T>), other);
  }
  each_vector<T>(n - i, [&](int64_t at, int64_t count) { best = greater(get<T>(x + i + at, count, lowest<T>), best); });
  return fold_lanes<static_cast<int>(width<T> / 2)>(greater(best, other), [](V a, V b) { return greater(a, b); })[0];
}

// y = exp(x - shift); their sum.
template <typename T, bool keep>
MS_INLINE T exp_sum(int64_t n, T* y, const T* x, T shift) {
  using V = Vector<T>;
  const V down = all(shift);
  V first = {}, second = {};
  int64_t i = 0;
  for (; i + 2 * width<T> <= n; i += 2 * width<T>) {
    const V left = exp(load(x + i) - down), right = exp(load(x + i + width<T>) - down);
    if (keep) {
      store(y + i, left);
      store(y + i + width<T>, right);
    }
    first += left;
    second += right;
  }
  each_vector<T>(n - i, [&](int64_t at, int64_t count) {
    const V left = exp(get<T>(x + i + at, count, lowest<T>) - down);
    if (keep) put<T>(y + i + at, left, count);
    first += left;
  });
  return add_lanes<T>(first + second);
}

// In float, a row with NaN or +inf is NaN there and 0 elsewhere, as TensorFlow's is; in double, it is NaN throughout.
template <typename T>
void softmax(int64_t n, T* y, const T* x) {
  const T total = exp_sum<T, true>(n, y, x, row_max(n, x));
  if (sizeof(T) == sizeof(float) && total != total) {
    for (int64_t i = 0; i < n; ++i) {
      if (y[i] == y[i]) y[i] = T(0);
    }
    return;
  }
  const Vector<T> factor = all(T(1) / total);
  each_vector<T>(n, [&](int64_t i, int64_t count) { put<T>(y + i, get<T>(y + i, count, 0) * factor, count); });
}

template <typename T>
void log_softmax(int64_t n, T* y, const T* x) {
  const T most = row_max(n, x);
  const Vector<T> down = all(most), scale_log = all(log_of(exp_sum<T, false>(n, y, x, most)));
  each_vector<T>(n,
                 [&](int64_t i, int64_t count) { put<T>(y + i, get<T>(x + i, count, 0) - down - scale_log, count); });
}

template <typename T>
void softmax_gradient(int64_t n, T* dx, const T* dy, const T* y) {
  Vector<T> dot = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) { dot += get<T>(dy + i, count, 0) * get<T>(y + i, count, 0); });
  const Vector<T> total = all(add_lanes<T>(dot));
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    put<T>(dx + i, (get<T>(dy + i, count, 0) - total) * get<T>(y + i, count, 0), count);
  });
}

template <typename T>
void log_softmax_gradient(int64_t n, T* dx, const T* dy, const T* y) {
  Vector<T> sum = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) { sum += get<T>(dy + i, count, 0); });
  const Vector<T> total = all(add_lanes<T>(sum));
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    put<T>(dx + i, get<T>(dy + i, count, 0) - exp(get<T>(y + i, count, 0)) * total, count);
  });
}

template <typename T>
T cross_entropy(int64_t n, T* gradient, const T* x, const T* labels) {
  using V = Vector<T>;
  const T most = row_max(n, x);
  const V down = all(most);
  V sum = {}, weighted = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const V e = exp(get<T>(x + i, count, lowest<T>) - down);
    put<T>(gradient + i, e, count);
    sum += e;
  });
  const T total = add_lanes<T>(sum);
  const V factor = all(T(1) / total), scale_log = all(log_of(total));
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const V label = get<T>(labels + i, count, 0);
    weighted += label * (scale_log - (get<T>(x + i, count, most) - down));
    put<T>(gradient + i, get<T>(gradient + i, count, 0) * factor - label, count);
  });
  return add_lanes<T>(weighted);
}

template <typename T>
T sparse_cross_entropy(int64_t n, T* gradient, const T* x, int64_t label) {
  const T most = row_max(n, x), chosen = x[label] - most;
  const T total = exp_sum<T, true>(n, gradient, x, most);
  const Vector<T> factor = all(T(1) / total);
  each_vector<T>(
      n, [&](int64_t i, int64_t count) { put<T>(gradient + i, get<T>(gradient + i, count, 0) * factor, count); });
  gradient[label] -= T(1);
  return log_of(total) - chosen;
}

template <typename T>
void layer_norm(int64_t n, T* y, const T* x, const T* scale, const T* offset, T epsilon, T* mean_to, T* rstd_to) {
  using V = Vector<T>;
  V sum = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) { sum += get<T>(x + i, count, 0); });
  const T mean = add_lanes<T>(sum) / static_cast<T>(n);
  const V center = all(mean);
  V squares = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const V away = get<T>(x + i, count, mean) - center;
    squares += away * away;
  });
  const T rstd = T(1) / root_of(add_lanes<T>(squares) / static_cast<T>(n) + epsilon);
  const V factor = all(rstd);
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    V value = (get<T>(x + i, count, 0) - center) * factor;
    if (scale != nullptr) value = value * get<T>(scale + i, count, 0);
    if (offset != nullptr) value = value + get<T>(offset + i, count, 0);
    put<T>(y + i, value, count);
  });
  *mean_to = mean;
  *rstd_to = rstd;
}

template <typename T>
void layer_norm_gradient(int64_t n, T* dx, const T* dy, const T* x, const T* scale, T mean, T rstd, T* dscale,
                         T* doffset) {
  using V = Vector<T>;
  const V center = all(mean), factor = all(rstd);
  V sum = {}, dot = {};
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const V normal = (get<T>(x + i, count, mean) - center) * factor;
    const V slope = get<T>(dy + i, count, 0);
    if (dscale != nullptr) put<T>(dscale + i, get<T>(dscale + i, count, 0) + slope * normal, count);
    if (doffset != nullptr) put<T>(doffset + i, get<T>(doffset + i, count, 0) + slope, count);
    const V scaled = scale != nullptr ? slope * get<T>(scale + i, count, 0) : slope;
    sum += scaled;
    dot += scaled * normal;
  });
  if (dx == nullptr) return;
  const V level = all(add_lanes<T>(sum) / static_cast<T>(n)), tilt = all(add_lanes<T>(dot) / static_cast<T>(n));
  each_vector<T>(n, [&](int64_t i, int64_t count) {
    const V normal = (get<T>(x + i, count, mean) - center) * factor;
    const V slope = get<T>(dy + i, count, 0);
    const V scaled = scale != nullptr ? slope * get<T>(scale + i, count, 0) : slope;
    put<T>(dx + i, (scaled - level - normal * tilt) * factor, count);
  });
}

// Strips of channels, so that a strip's sums stay in registers over all rows.
template <typename T, int vectors, typename F>
MS_INLINE void channel_strip(int64_t rows, int64_t at, int64_t count, T* first, T* second, F f) {
  using V = Vector<T>;
  V left[vectors], right[vectors];
  for (int k = 0; k < vectors; ++k) {
    left[k] = get<T>(first + at + k * width<T>, count, 0);
    right[k] = get<T>(second + at + k * width<T>, count, 0);
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int k = 0; k < vectors; ++k) f(r, at + k * width<T>, left[k], right[k]);
  }
  for (int k = 0; k < vectors; ++k) {
    put<T>(first + at + k * width<T>, left[k], count);
    put<T>(second + at + k * width<T>, right[k], count);
  }
}

template <typename T>
void channel_moments(int64_t rows, int64_t n, const T* x, const T* center, T* sums, T* squares) {
  using V = Vector<T>;
  const auto full = [&](int64_t r, int64_t at, V& sum, V& square) {
    const V away = load(x + r * n + at) - load(center + at);
    sum += away;
    square += away * away;
  };
  int64_t i = 0;
  for (; i + 4 * width<T> <= n; i += 4 * width<T>) channel_strip<T, 4>(rows, i, width<T>, sums, squares, full);
  for (; i + width<T> <= n; i += width<T>) channel_strip<T, 1>(rows, i, width<T>, sums, squares, full);
  if (i == n) return;
  const int64_t count = n - i;
  channel_strip<T, 1>(rows, i, count, sums, squares, [&](int64_t r, int64_t at, V& sum, V& square) {
    const V away = load_tail<T>(x + r * n + at, count, 0) - load_tail<T>(center + at, count, 0);
    sum += away;
    square += away * away;
  });
}

template <typename T>
void channel_products(int64_t rows, int64_t n, const T* dy, const T* x, const T* center, T* sums, T* products) {
  using V = Vector<T>;
  const auto full = [&](int64_t r, int64_t at, V& sum, V& product) {
    const V slope = load(dy + r * n + at);
    sum += slope;
    product += slope * (load(x + r * n + at) - load(center + at));
  };
  int64_t i = 0;
  for (; i + 4 * width<T> <= n; i += 4 * width<T>) channel_strip<T, 4>(rows, i, width<T>, sums, products, full);
  for (; i + width<T> <= n; i += width<T>) channel_strip<T, 1>(rows, i, width<T>, sums, products, full);
  if (i == n) return;
  const int64_t count = n - i;
  channel_strip<T, 1>(rows, i, count, sums, products, [&](int64_t r, int64_t at, V& sum, V& product) {
    const V slope = load_tail<T>(dy + r * n + at, count, 0);
    sum += slope;
    product += slope * (load_tail<T>(x + r * n + at, count, 0) - load_tail<T>(center + at, count, 0));
  });
}

template <typename T>
void channel_affine(int64_t rows, int64_t n, T* y, const T* x, const T* center, const T* factor, const T* offset) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    each_vector<T>(n, [&](int64_t i, int64_t count) {
      const Vector<T> away = get<T>(x + i, count, 0) - get<T>(center + i, count, 0);
      put<T>(y + i, away * get<T>(factor + i, count, 0) + get<T>(offset + i, count, 0), count);
    });
  }
}

template <typename T>
void channel_combine(int64_t rows, int64_t n, T* dx, const T* dy, const T* x, const T* center, const T* a, const T* b,
                     const T* c) {
  for (int64_t r = 0; r < rows; ++r, x += n, dy += n, dx += n) {
    each_vector<T>(n, [&](int64_t i, int64_t count) {
      const Vector<T> away = get<T>(x + i, count, 0) - get<T>(center + i, count, 0);
      const Vector<T> slope = get<T>(dy + i, count, 0) * get<T>(a + i, count, 0);
      put<T>(dx + i, slope + away * get<T>(b + i, count, 0) + get<T>(c + i, count, 0), count);
    });
  }
}

template <typename T>
constexpr RowFunctions<T> rows_of = {
    softmax<T>,         log_softmax<T>,          softmax_gradient<T>, log_softmax_gradient<T>,
    cross_entropy<T>,   sparse_cross_entropy<T>, layer_norm<T>,       layer_norm_gradient<T>,
    channel_moments<T>, channel_products<T>,     channel_affine<T>,   channel_combine<T>,
};

}  // namespace

extern const RowFunctions<float> rows_of_float;
extern const RowFunctions<double> rows_of_double;
const RowFunctions<float> rows_of_float = rows_of<float>;
const RowFunctions<double> rows_of_double = rows_of<double>;

}  // namespace millstream::MS_ISA
