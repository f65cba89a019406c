// The innermost loops of the matrix product, compiled once for each instruction set (-DMS_ISA=...). Refuses nothing.
// No header of the standard library with inline functions here: the linker could keep this copy for every processor.
#include "kernels/gemm.h"
#include "kernels/gemm_number.h"
#include "kernels/simd_vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace millstream::MS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int wide_rows = 14, wide_vectors = 2, narrow_rows = 24, narrow_vectors = 1;
#elif defined(__AVX2__)
constexpr int wide_rows = 6, wide_vectors = 2, narrow_rows = 12, narrow_vectors = 1;
#elif defined(__aarch64__)
constexpr int wide_rows = 8, wide_vectors = 3, narrow_rows = 12, narrow_vectors = 1;
#else
constexpr int wide_rows = 4, wide_vectors = 2, narrow_rows = 8, narrow_vectors = 1;
#endif

template <typename V>
inline V fused(V a, V b, V c) {
  return a * b + c;
}
#if defined(__AVX512F__)
inline __m512 fused(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
inline __m512d fused(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__)
inline __m256 fused(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
inline __m256d fused(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
#endif

template <typename A, int rows, int vectors>
void tile(int64_t k, const A* x, const A* y, int64_t y_step, A* z, int64_t z_row, bool accumulate) {
  using V = typename VectorOf<A>::type;
  constexpr int width = VectorOf<A>::width;
  V sum[rows][vectors] = {};
  for (int64_t d = 0; d < k; ++d) {
    V right[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) right[v] = load<V>(y + v * width);
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) {
      const V left = x[r] - V{};
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] = fused(left, right[v], sum[r][v]);
    }
    x += rows;
    y += y_step;
  }
#pragma GCC unroll 32
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      A* to = z + r * z_row + v * width;
      store(to, accumulate ? sum[r][v] + load<V>(to) : sum[r][v]);
    }
  }
}

// Four lines of four steps at a time, turned in registers.
template <typename A, typename Line>
void pack_turned(A* panel, int width, Line line, int64_t count, int64_t length) {
  typedef uint32_t Four __attribute__((vector_size(16)));
  int64_t i = 0;
  if constexpr (sizeof(A) == 4) {
    for (; i + 4 <= count; i += 4) {
      const A *a = line(i), *b = line(i + 1), *c = line(i + 2), *e = line(i + 3);
      A* to = panel + i;
      int64_t d = 0;
      for (; d + 4 <= length; d += 4, to += 4 * width) {
        const Four va = load<Four>(a + d), vb = load<Four>(b + d), vc = load<Four>(c + d), ve = load<Four>(e + d);
        const Four low_ab = __builtin_shuffle(va, vb, Four{0, 4, 1, 5}),
                   high_ab = __builtin_shuffle(va, vb, Four{2, 6, 3, 7});
        const Four low_ce = __builtin_shuffle(vc, ve, Four{0, 4, 1, 5}),
                   high_ce = __builtin_shuffle(vc, ve, Four{2, 6, 3, 7});
        store(to, __builtin_shuffle(low_ab, low_ce, Four{0, 1, 4, 5}));
        store(to + width, __builtin_shuffle(low_ab, low_ce, Four{2, 3, 6, 7}));
        store(to + 2 * width, __builtin_shuffle(high_ab, high_ce, Four{0, 1, 4, 5}));
        store(to + 3 * width, __builtin_shuffle(high_ab, high_ce, Four{2, 3, 6, 7}));
      }
      for (; d < length; ++d, to += width) to[0] = a[d], to[1] = b[d], to[2] = c[d], to[3] = e[d];
    }
  }
  for (; i < width; ++i) {
    if (i < count) {
      const A* from = line(i);
      for (int64_t d = 0; d < length; ++d) panel[d * width + i] = from[d];
    } else {
      for (int64_t d = 0; d < length; ++d) panel[d * width + i] = A{};
    }
  }
}

template <typename A>
void pack(A* panel, int width, const A* first, int64_t line_stride, int64_t depth_stride, int64_t count,
          int64_t length) {
  if (line_stride == 1 && count == width) {
    for (int64_t d = 0; d < length; ++d, panel += width) {
      const A* from = first + d * depth_stride;
      for (int i = 0; i < width; ++i) panel[i] = from[i];
    }
    return;
  }
  if (depth_stride == 1) {
    return pack_turned(panel, width, [=](int64_t i) { return first + i * line_stride; }, count, length);
  }
  for (int64_t d = 0; d < length; ++d, panel += width) {
    const A* from = first + d * depth_stride;
    for (int64_t i = 0; i < count; ++i) panel[i] = from[i * line_stride];
    for (int64_t i = count; i < width; ++i) panel[i] = A{};
  }
}

template <typename A>
void pack_lines(A* panel, int width, const A* const* lines, int64_t count, int64_t length) {
  pack_turned(panel, width, [=](int64_t i) { return lines[i]; }, count, length);
}

// Four depth steps at a time, so that z is read and written once for four multiplications.
template <typename A>
void combine_rows(int64_t n, int64_t k, const A* x, int64_t x_step, const A* y, int64_t y_step, A* z, bool accumulate) {
  using V = typename VectorOf<A>::type;
  constexpr int width = VectorOf<A>::width;
  if (!accumulate) {
    for (int64_t j = 0; j < n; ++j) z[j] = A{};
  }
  int64_t d = 0;
  for (; d + 4 <= k; d += 4) {
    const A a = x[d * x_step], b = x[(d + 1) * x_step], c = x[(d + 2) * x_step], e = x[(d + 3) * x_step];
    const A *p = y + d * y_step, *q = p + y_step, *r = q + y_step, *s = r + y_step;
    const V va = a - V{}, vb = b - V{}, vc = c - V{}, ve = e - V{};
    int64_t j = 0;
    for (; j + width <= n; j += width) {
      V sum = load<V>(z + j);
      sum = fused(va, load<V>(p + j), sum);
      sum = fused(vb, load<V>(q + j), sum);
      sum = fused(vc, load<V>(r + j), sum);
      sum = fused(ve, load<V>(s + j), sum);
      store(z + j, sum);
    }
    for (; j < n; ++j) z[j] += a * p[j] + b * q[j] + c * r[j] + e * s[j];
  }
  for (; d < k; ++d) {
    const A a = x[d * x_step];
    const A* p = y + d * y_step;
    for (int64_t j = 0; j < n; ++j) z[j] += a * p[j];
  }
}

template <typename A>
A dot(int64_t k, const A* x, const A* y) {
  using V = typename VectorOf<A>::type;
  constexpr int width = VectorOf<A>::width;
  V sums[4] = {};
  int64_t d = 0;
  for (; d + 4 * width <= k; d += 4 * width) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[v] = fused(load<V>(x + d + v * width), load<V>(y + d + v * width), sums[v]);
  }
  for (; d + width <= k; d += width) sums[0] = fused(load<V>(x + d), load<V>(y + d), sums[0]);
  const V all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  A sum = A{};
  for (int i = 0; i < width; ++i) sum += all[i];
  for (; d < k; ++d) sum += x[d] * y[d];
  return sum;
}

template <typename A>
void dot_rows(int64_t n, int64_t k, const A* x, const A* y, int64_t y_step, A* z, int64_t z_step, bool accumulate) {
  for (int64_t j = 0; j < n; ++j) {
    const A sum = dot(k, x, y + j * y_step);
    z[j * z_step] = accumulate ? z[j * z_step] + sum : sum;
  }
}

void half_to_float(const uint16_t* from, float* to, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
#endif
  for (; i < count; ++i) {
    Half half;
    half.bits = from[i];
    to[i] = half;
  }
}

void float_to_half(const float* from, uint16_t* to, int64_t count) {
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < count; ++i) to[i] = Half(from[i]).bits;
}

void bfloat16_to_float(const uint16_t* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t wide = static_cast<uint32_t>(from[i]) << 16;
    __builtin_memcpy(to + i, &wide, sizeof wide);
  }
}

void float_to_bfloat16(const float* from, uint16_t* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t wide;
    __builtin_memcpy(&wide, from + i, sizeof wide);
    const uint32_t rounded = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
    to[i] = static_cast<uint16_t>((wide & 0x7fffffff) > 0x7f800000 ? (wide >> 16) | 0x40 : rounded);
  }
}

template <typename A>
constexpr GemmTiles<A> tiles_of() {
  constexpr int width = VectorOf<A>::width;
  return {{wide_rows, wide_vectors * width, tile<A, wide_rows, wide_vectors>},
          {narrow_rows, narrow_vectors * width, tile<A, narrow_rows, narrow_vectors>},
          pack<A>,
          pack_lines<A>,
          combine_rows<A>,
          dot_rows<A>};
}

}  // namespace

extern const GemmTiles<float> tiles_float;
extern const GemmTiles<double> tiles_double;
extern const GemmTiles<uint32_t> tiles_uint32;
extern const GemmTiles<uint64_t> tiles_uint64;
const GemmTiles<float> tiles_float = tiles_of<float>();
const GemmTiles<double> tiles_double = tiles_of<double>();
const GemmTiles<uint32_t> tiles_uint32 = tiles_of<uint32_t>();
const GemmTiles<uint64_t> tiles_uint64 = tiles_of<uint64_t>();
extern const Conversions conversions_here;
const Conversions conversions_here{half_to_float, bfloat16_to_float, float_to_half, float_to_bfloat16};

}  // namespace millstream::MS_ISA
