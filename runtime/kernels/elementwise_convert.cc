// Conversions between register types, and between memory and registers, compiled once per instruction set. Refuses nothing.
#include "kernels/elementwise_loops.h"
#include "kernels/elementwise_types.h"

namespace millstream::MS_ISA {
namespace {

struct Boolean {
  uint8_t value;
};

template <typename To, typename From>
struct Cast {
  static MS_INLINE To cast(From x) { return static_cast<To>(x); }
};
template <typename From>
struct Cast<Boolean, From> {
  static MS_INLINE Boolean cast(From x) { return {static_cast<uint8_t>(x != From(0))}; }
};
template <typename To>
struct Cast<To, Boolean> {
  static MS_INLINE To cast(Boolean x) { return static_cast<To>(x.value != 0); }
};
template <>
struct Cast<Boolean, Boolean> {
  static MS_INLINE Boolean cast(Boolean x) { return x; }
};
template <typename To, typename R>
struct Cast<To, Complex<R>> {
  static MS_INLINE To cast(Complex<R> x) { return static_cast<To>(x.re); }
};
template <typename R, typename From>
struct Cast<Complex<R>, From> {
  static MS_INLINE Complex<R> cast(From x) { return {static_cast<R>(x), R(0)}; }
};
template <typename To, typename From>
struct Cast<Complex<To>, Complex<From>> {
  static MS_INLINE Complex<To> cast(Complex<From> x) { return {static_cast<To>(x.re), static_cast<To>(x.im)}; }
};
template <typename R>
struct Cast<Boolean, Complex<R>> {
  static MS_INLINE Boolean cast(Complex<R> x) { return {static_cast<uint8_t>((x.re != 0) | (x.im != 0))}; }
};
template <typename R>
struct Cast<Complex<R>, Boolean> {
  static MS_INLINE Complex<R> cast(Boolean x) { return {static_cast<R>(x.value != 0), R(0)}; }
};

template <typename From, typename To>
int convert_tile(MS_STEP) {
  To* to = static_cast<To*>(d);
  const From* x = static_cast<const From*>(a);
  MS_EACH(to[i] = (Cast<To, From>::cast(x[i])))
  return 0;
}

template <typename From>
StepFunction convert_from(DType to) {
  switch (to) {
    case DType::boolean:
      return convert_tile<From, Boolean>;
    case DType::int8:
      return convert_tile<From, int8_t>;
    case DType::uint8:
      return convert_tile<From, uint8_t>;
    case DType::int16:
      return convert_tile<From, int16_t>;
    case DType::uint16:
      return convert_tile<From, uint16_t>;
    case DType::int32:
      return convert_tile<From, int32_t>;
    case DType::uint32:
      return convert_tile<From, uint32_t>;
    case DType::int64:
      return convert_tile<From, int64_t>;
    case DType::uint64:
      return convert_tile<From, uint64_t>;
    case DType::float32:
      return convert_tile<From, float>;
    case DType::float64:
      return convert_tile<From, double>;
    case DType::complex64:
      return convert_tile<From, Complex<float>>;
    case DType::complex128:
      return convert_tile<From, Complex<double>>;
    default:
      return nullptr;
  }
}

int load_half(MS_STEP) {
  float* to = static_cast<float*>(d);
  const uint16_t* x = static_cast<const uint16_t*>(a);
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  }
#endif
  for (; i < n; ++i) to[i] = float_of_half(x[i]);
  return 0;
}

int store_half(MS_STEP) {
  uint16_t* to = static_cast<uint16_t*>(d);
  const float* x = static_cast<const float*>(a);
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < n; ++i) to[i] = half_of_float(x[i]);
  return 0;
}

int round_half(MS_STEP) {
  float* to = static_cast<float*>(d);
  const float* x = static_cast<const float*>(a);
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT)));
  }
#endif
  for (; i < n; ++i) to[i] = float_of_half(half_of_float(x[i]));
  return 0;
}

int8_t low_signed(uint8_t x) { return static_cast<int8_t>(static_cast<int8_t>(x << 4) >> 4); }

template <typename F>
int load_float8(MS_STEP) {
  return each_one<uint8_t, float>(n, d, a, [](uint8_t x) { return F::decode(x); });
}
template <typename F>
int store_float8(MS_STEP) {
  return each_one<float, uint8_t>(n, d, a, [](float x) { return F::encode(x); });
}
template <typename F>
int round_float8(MS_STEP) {
  return each_one<float, float>(n, d, a, [](float x) { return F::decode(F::encode(x)); });
}

template <typename F>
StepFunction float8_motion(Motion motion) {
  return motion == Motion::load ? load_float8<F> : motion == Motion::store ? store_float8<F> : round_float8<F>;
}

}  // namespace

StepFunction convert_step(DType from, DType to) {
  switch (from) {
    case DType::boolean:
      return convert_from<Boolean>(to);
    case DType::int8:
      return convert_from<int8_t>(to);
    case DType::uint8:
      return convert_from<uint8_t>(to);
    case DType::int16:
      return convert_from<int16_t>(to);
    case DType::uint16:
      return convert_from<uint16_t>(to);
    case DType::int32:
      return convert_from<int32_t>(to);
    case DType::uint32:
      return convert_from<uint32_t>(to);
    case DType::int64:
      return convert_from<int64_t>(to);
    case DType::uint64:
      return convert_from<uint64_t>(to);
    case DType::float32:
      return convert_from<float>(to);
    case DType::float64:
      return convert_from<double>(to);
    case DType::complex64:
      return convert_from<Complex<float>>(to);
    case DType::complex128:
      return convert_from<Complex<double>>(to);
    default:
      return nullptr;
  }
}

StepFunction motion_of(DType type, Motion motion) {
  switch (type) {
    case DType::float16:
      return motion == Motion::load ? load_half : motion == Motion::store ? store_half : round_half;
    case DType::bfloat16:
      if (motion == Motion::load) return MS_ONE(uint16_t, float, float_of_bfloat16(x));
      if (motion == Motion::store) return MS_ONE(float, uint16_t, bfloat16_of_float(x));
      return MS_ONE(float, float, float_of_bfloat16(bfloat16_of_float(x)));
    case DType::float8_e5m2:
      return float8_motion<Float8E5m2>(motion);
    case DType::float8_e4m3fn:
      return float8_motion<Float8E4m3fn>(motion);
    case DType::float8_e4m3fnuz:
      return float8_motion<Float8E4m3fnuz>(motion);
    case DType::float8_e4m3b11fnuz:
      return float8_motion<Float8E4m3b11fnuz>(motion);
    case DType::float8_e5m2fnuz:
      return float8_motion<Float8E5m2fnuz>(motion);
    case DType::int4:
      return MS_ONE(uint8_t, int8_t, low_signed(x));
    case DType::uint4:
      return MS_ONE(uint8_t, uint8_t, x & 15);
    default:
      return nullptr;
  }
}

}  // namespace millstream::MS_ISA
