// The steps of tile programs as loops over a tile, compiled once per instruction set. Refuses nothing: the caller verified.
#include "kernels/elementwise_functions.h"

#include "kernels/elementwise_types.h"
#include "kernels/simd_math.h"

namespace millstream::MS_ISA {
namespace {

// Loops may run in place (d equal to an operand); the pragma tells the compiler that nothing else overlaps.
#define MS_EACH(statement) \
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) { statement; }

#define MS_STEP \
  int64_t n, void *d, [[maybe_unused]] const void *a, [[maybe_unused]] const void *b, [[maybe_unused]] const void *c

template <typename T>
struct UnsignedOf {
  using type = T;
};
template <>
struct UnsignedOf<int8_t> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<int16_t> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<int32_t> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using type = uint64_t;
};
// Wide enough that arithmetic wraps instead of overflowing: 16-bit products do not fit int.
template <typename T>
using Wrapping = decltype(typename UnsignedOf<T>::type{} + uint32_t{});
template <>
struct UnsignedOf<float> {
  using type = float;
};

template <typename T>
struct Complex {
  T re, im;
};

template <typename T, typename R = T, typename F>
MS_INLINE int each_one(int64_t n, void* d, const void* a, F f) {
  R* to = static_cast<R*>(d);
  const T* x = static_cast<const T*>(a);
  MS_EACH(to[i] = static_cast<R>(f(x[i])))
  return 0;
}
template <typename T, typename R = T, typename F>
MS_INLINE int each_two(int64_t n, void* d, const void* a, const void* b, F f) {
  R* to = static_cast<R*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  MS_EACH(to[i] = static_cast<R>(f(x[i], y[i])))
  return 0;
}
template <typename T, typename F>
MS_INLINE int each_three(int64_t n, void* d, const void* a, const void* b, const void* c, F f) {
  T* to = static_cast<T*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  const T* z = static_cast<const T*>(c);
  MS_EACH(to[i] = f(x[i], y[i], z[i]))
  return 0;
}

#define MS_ONE(T, R, expression) [](MS_STEP) -> int { return each_one<T, R>(n, d, a, [](T x) { return expression; }); }
#define MS_TWO(T, R, expression) \
  [](MS_STEP) -> int { return each_two<T, R>(n, d, a, b, [](T x, T y) { return expression; }); }
#define MS_THREE(T, expression) \
  [](MS_STEP) -> int { return each_three<T>(n, d, a, b, c, [](T x, T y, T z) { return expression; }); }

// Whole vectors, then what is left of one through a partial load.
template <typename F>
MS_INLINE int vectors_one(int64_t n, void* d, const void* a, F f) {
  float* to = static_cast<float*>(d);
  const float* x = static_cast<const float*>(a);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, f(load(x + i)));
  if (i < n) store_part(to + i, f(load_part(x + i, n - i)), n - i);
  return 0;
}
template <typename F>
MS_INLINE int vectors_two(int64_t n, void* d, const void* a, const void* b, F f) {
  float* to = static_cast<float*>(d);
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, f(load(x + i), load(y + i)));
  if (i < n) store_part(to + i, f(load_part(x + i, n - i), load_part(y + i, n - i)), n - i);
  return 0;
}
#define MS_VECTOR_ONE(expression) \
  [](MS_STEP) -> int { return vectors_one(n, d, a, [](vf x) -> vf { return expression; }); }
#define MS_VECTOR_TWO(expression) \
  [](MS_STEP) -> int { return vectors_two(n, d, a, b, [](vf x, vf y) -> vf { return expression; }); }

vf sine(vf x, int quarter) {
  vi turns;
  const vf r = quarter_turn(x, turns);
  const vf y = sin_or_cos(r, turns + quarter);
  const vi far = ~(magnitude(x) <= 8192.0f);
  if (!any(far)) return y;
  vf slow = y;
  for (int i = 0; i < lanes; ++i) {
    if (far[i]) slow[i] = quarter ? __builtin_cosf(x[i]) : __builtin_sinf(x[i]);
  }
  return slow;
}

vf power_any(vf x, vf y) {
  const vi strange = ~ordinary_power(x, y);
  const vf z = power(x, y);
  if (!any(strange)) return z;
  vf slow = z;
  for (int i = 0; i < lanes; ++i) {
    if (strange[i]) slow[i] = __builtin_powf(x[i], y[i]);
  }
  return slow;
}

template <typename T>
int divide_integers(MS_STEP) {
  T* to = static_cast<T*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  int failed = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T under = y[i];
    if (under == 0) {
      failed = step_division_by_zero;
      to[i] = 0;
    } else if (static_cast<T>(-1) < 0 && under == static_cast<T>(-1)) {
      to[i] = static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x[i]));
    } else {
      to[i] = static_cast<T>(x[i] / under);
    }
  }
  return failed;
}

template <typename T>
int remainder_integers(MS_STEP) {
  T* to = static_cast<T*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  int failed = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T under = y[i];
    if (under == 0) {
      failed = step_division_by_zero;
      to[i] = 0;
    } else if (static_cast<T>(-1) < 0 && under == static_cast<T>(-1)) {
      to[i] = 0;
    } else {
      to[i] = static_cast<T>(x[i] % under);
    }
  }
  return failed;
}

template <typename T>
int power_integers(MS_STEP) {
  T* to = static_cast<T*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  int failed = 0;
  for (int64_t i = 0; i < n; ++i) {
    T left = y[i];
    if (static_cast<T>(-1) < 0 && left < 0) {
      failed = step_negative_power;
      left = 0;
    }
    Wrapping<T> result = 1, square = static_cast<Wrapping<T>>(x[i]);
    for (; left != 0; left = static_cast<T>(left / 2), square *= square) {
      if (left % 2 != 0) result *= square;
    }
    to[i] = static_cast<T>(result);
  }
  return failed;
}

// Comparisons of float32: the compiler packs masks to bytes badly on its own.
template <typename F>
MS_INLINE int compare_floats(int64_t n, void* d, const void* a, const void* b, F f) {
  uint8_t* to = static_cast<uint8_t*>(d);
  const float* x = static_cast<const float*>(a);
  const float* y = static_cast<const float*>(b);
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + lanes <= n; i += lanes) {
    const __mmask16 mask = _mm512_movepi32_mask((__m512i)f(load(x + i), load(y + i)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm_maskz_set1_epi8(mask, 1));
  }
#elif defined(__AVX2__)
  for (; i + lanes <= n; i += lanes) {
    const __m256i mask = _mm256_srli_epi32((__m256i)f(load(x + i), load(y + i)), 31);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(mask), _mm256_extracti128_si256(mask, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + i), _mm_packs_epi16(words, words));
  }
#else
  for (; i + lanes <= n; i += lanes) {
    const vi mask = f(load(x + i), load(y + i));
    for (int k = 0; k < lanes; ++k) to[i + k] = static_cast<uint8_t>(-mask[k]);
  }
#endif
  if (i < n) {
    const vi mask = f(load_part(x + i, n - i), load_part(y + i, n - i));
    for (int k = 0; k < static_cast<int>(n - i); ++k) to[i + k] = static_cast<uint8_t>(-mask[k]);
  }
  return 0;
}
#define MS_COMPARE(sign) \
  [](MS_STEP) -> int { return compare_floats(n, d, a, b, [](vf x, vf y) -> vi { return x sign y; }); }

template <typename W>
int select_words(MS_STEP) {
  W* to = static_cast<W*>(d);
  const uint8_t* condition = static_cast<const uint8_t*>(a);
  const W* x = static_cast<const W*>(b);
  const W* y = static_cast<const W*>(c);
  MS_EACH(const W left = x[i]; const W right = y[i]; to[i] = condition[i] != 0 ? left : right)
  return 0;
}

StepFunction float32_step(TileOp op) {
  using enum TileOp;
  switch (op) {
    case abs:
      return MS_ONE(float, float, __builtin_fabsf(x));
    case exp:
      return MS_VECTOR_ONE(MS_ISA::exp(x));
    case expm1:
      return MS_VECTOR_ONE(MS_ISA::expm1(x));
    case log:
      return MS_VECTOR_ONE(MS_ISA::log(x));
    case log1p:
      return MS_VECTOR_ONE(MS_ISA::log1p(x));
    case sqrt:
      return MS_VECTOR_ONE(square_root(x));
    case rsqrt:
      return MS_VECTOR_ONE(1.0f / square_root(x));
    case tanh:
      return MS_VECTOR_ONE(MS_ISA::tanh(x));
    case logistic:
      return MS_VECTOR_ONE(MS_ISA::logistic(x));
    case erf:
      return MS_VECTOR_ONE(MS_ISA::erf(x));
    case sin:
      return MS_VECTOR_ONE(sine(x, 0));
    case cos:
      return MS_VECTOR_ONE(sine(x, 1));
    case floor:
      return MS_VECTOR_ONE(round_down(x));
    case ceil:
      return MS_VECTOR_ONE(-round_down(-x));
    case round_even:
      return MS_VECTOR_ONE(MS_ISA::round_even(x));
    case power:
      return MS_VECTOR_TWO(power_any(x, y));
    case maximum:
      return MS_VECTOR_TWO(larger(x, y));
    case minimum:
      return MS_VECTOR_TWO(smaller(x, y));
    case compare_eq:
      return MS_COMPARE(==);
    case compare_ne:
      return MS_COMPARE(!=);
    case compare_lt:
      return MS_COMPARE(<);
    case compare_le:
      return MS_COMPARE(<=);
    case compare_gt:
      return MS_COMPARE(>);
    case compare_ge:
      return MS_COMPARE(>=);
    case relu_like:
      return MS_THREE(float, x > y ? z : y);
    default:
      return nullptr;
  }
}

StepFunction float64_step(TileOp op) {
  using enum TileOp;
  switch (op) {
    case abs:
      return MS_ONE(double, double, __builtin_fabs(x));
    case sqrt:
      return MS_ONE(double, double, __builtin_sqrt(x));
    case rsqrt:
      return MS_ONE(double, double, 1.0 / __builtin_sqrt(x));
    case floor:
      return MS_ONE(double, double, __builtin_floor(x));
    case ceil:
      return MS_ONE(double, double, __builtin_ceil(x));
    case round_even:
      return MS_ONE(double, double, __builtin_rint(x));
    case maximum:
      return MS_TWO(double, double, (x > y) | (x != x) ? x : y);
    case minimum:
      return MS_TWO(double, double, (x < y) | (x != x) ? x : y);
    default:
      return nullptr;
  }
}

template <typename T>
StepFunction floating_step(TileOp op) {
  using enum TileOp;
  constexpr T top = sizeof(T) == 4 ? static_cast<T>(__builtin_inff()) : static_cast<T>(__builtin_inf());
  switch (op) {
    case negate:
      return MS_ONE(T, T, -x);
    case sign:
      return MS_ONE(T, T, x > 0 ? T(1) : x < 0 ? T(-1) : x == 0 ? T(0) : x);
    case is_finite:
      return MS_ONE(T, uint8_t, x - x == 0);
    case is_nan:
      return MS_ONE(T, uint8_t, x != x);
    case is_inf:
      return MS_ONE(T, uint8_t, (x == top) | (x == -top));
    case add:
      return MS_TWO(T, T, x + y);
    case subtract:
      return MS_TWO(T, T, x - y);
    case multiply:
      return MS_TWO(T, T, x * y);
    case divide:
      return MS_TWO(T, T, x / y);
    case complex:
      return [](MS_STEP) -> int {
        T* to = static_cast<T*>(d);
        const T* re = static_cast<const T*>(a);
        const T* im = static_cast<const T*>(b);
        for (int64_t i = 0; i < n; ++i) {
          to[2 * i] = re[i];
          to[2 * i + 1] = im[i];
        }
        return 0;
      };
    case multiply_add:
      return MS_THREE(T, x * y + z);
    case multiply_subtract:
      return MS_THREE(T, x * y - z);
    case subtract_product:
      return MS_THREE(T, z - x * y);
    case subtract_multiply:
      return MS_THREE(T, (x - y) * z);
    case add_multiply:
      return MS_THREE(T, (x + y) * z);
    default:
      return nullptr;
  }
}

template <typename T>
StepFunction ordered_step(TileOp op) {
  using enum TileOp;
  switch (op) {
    case compare_eq:
      return MS_TWO(T, uint8_t, x == y);
    case compare_ne:
      return MS_TWO(T, uint8_t, x != y);
    case compare_lt:
      return MS_TWO(T, uint8_t, x < y);
    case compare_le:
      return MS_TWO(T, uint8_t, x <= y);
    case compare_gt:
      return MS_TWO(T, uint8_t, x > y);
    case compare_ge:
      return MS_TWO(T, uint8_t, x >= y);
    default:
      return nullptr;
  }
}

// Shift counts outside [0, width) are moved to the nearest end, as TensorFlow does.
template <typename T>
MS_INLINE int shift_count(T count) {
  constexpr int last = static_cast<int>(sizeof(T)) * 8 - 1;
  return count < T(0) ? 0 : count > T(last) ? last : static_cast<int>(count);
}

template <typename T>
StepFunction integer_step(TileOp op) {
  using enum TileOp;
  using W = Wrapping<T>;
  switch (op) {
    case negate:
      return MS_ONE(T, T, W{0} - static_cast<W>(x));
    case conj:
      return MS_ONE(T, T, x);
    case abs:
      return MS_ONE(T, T, x < 0 ? W{0} - static_cast<W>(x) : static_cast<W>(x));
    case sign:
      return MS_ONE(T, T, (x > 0) - (x < 0));
    case logical_not:
      return MS_ONE(T, T, ~x);
    case popcnt:
      return MS_ONE(
          T, T, __builtin_popcountll(static_cast<unsigned long long>(static_cast<typename UnsignedOf<T>::type>(x))));
    case add:
      return MS_TWO(T, T, static_cast<W>(x) + static_cast<W>(y));
    case subtract:
      return MS_TWO(T, T, static_cast<W>(x) - static_cast<W>(y));
    case multiply:
      return MS_TWO(T, T, static_cast<W>(x) * static_cast<W>(y));
    case divide:
      return divide_integers<T>;
    case remainder:
      return remainder_integers<T>;
    case power:
      return power_integers<T>;
    case maximum:
      return MS_TWO(T, T, x > y ? x : y);
    case minimum:
      return MS_TWO(T, T, x < y ? x : y);
    case bit_and:
      return MS_TWO(T, T, x & y);
    case bit_or:
      return MS_TWO(T, T, x | y);
    case bit_xor:
      return MS_TWO(T, T, x ^ y);
    case shift_left:
      return MS_TWO(T, T, static_cast<W>(x) << shift_count(y));
    case shift_right:
      return MS_TWO(T, T, x >> shift_count(y));
    default:
      return ordered_step<T>(op);
  }
}

StepFunction boolean_step(TileOp op) {
  using enum TileOp;
  using B = uint8_t;
  switch (op) {
    case logical_not:
      return MS_ONE(B, B, x == 0);
    case bit_and:
      return MS_TWO(B, B, (x != 0) & (y != 0));
    case bit_or:
      return MS_TWO(B, B, (x != 0) | (y != 0));
    case bit_xor:
      return MS_TWO(B, B, (x != 0) ^ (y != 0));
    default:
      return ordered_step<B>(op);
  }
}

template <typename R>
StepFunction complex_step(TileOp op) {
  using enum TileOp;
  using T = Complex<R>;
  switch (op) {
    case negate:
      return MS_ONE(T, T, (T{-x.re, -x.im}));
    case conj:
      return MS_ONE(T, T, (T{x.re, -x.im}));
    case real:
      return MS_ONE(T, R, x.re);
    case imag:
      return MS_ONE(T, R, x.im);
    case abs:
      return MS_ONE(T, R, static_cast<R>(sizeof(R) == 4 ? __builtin_hypotf(x.re, x.im) : __builtin_hypot(x.re, x.im)));
    case add:
      return MS_TWO(T, T, (T{x.re + y.re, x.im + y.im}));
    case subtract:
      return MS_TWO(T, T, (T{x.re - y.re, x.im - y.im}));
    case multiply:
      return MS_TWO(T, T, (T{x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re}));
    case compare_eq:
      return MS_TWO(T, uint8_t, (x.re == y.re) & (x.im == y.im));
    case compare_ne:
      return MS_TWO(T, uint8_t, (x.re != y.re) | (x.im != y.im));
    default:
      return nullptr;
  }
}

StepFunction select_step(DType type) {
  switch (element_bytes(type)) {
    case 1:
      return select_words<uint8_t>;
    case 2:
      return select_words<uint16_t>;
    case 4:
      return select_words<uint32_t>;
    case 8:
      return select_words<uint64_t>;
    case 16:
      return select_words<Complex<double>>;
    default:
      return nullptr;
  }
}

StepFunction step_of(TileOp op, DType type) {
  if (op == TileOp::select) return select_step(type);
  StepFunction found = nullptr;
  switch (type) {
    case DType::boolean:
      found = boolean_step(op);
      break;
    case DType::int8:
      found = integer_step<int8_t>(op);
      break;
    case DType::uint8:
      found = integer_step<uint8_t>(op);
      break;
    case DType::int16:
      found = integer_step<int16_t>(op);
      break;
    case DType::uint16:
      found = integer_step<uint16_t>(op);
      break;
    case DType::int32:
      found = integer_step<int32_t>(op);
      break;
    case DType::uint32:
      found = integer_step<uint32_t>(op);
      break;
    case DType::int64:
      found = integer_step<int64_t>(op);
      break;
    case DType::uint64:
      found = integer_step<uint64_t>(op);
      break;
    case DType::float32:
      found = float32_step(op);
      if (!found) found = floating_step<float>(op);
      if (!found && op == TileOp::conj) found = MS_ONE(float, float, x);
      break;
    case DType::float64:
      found = float64_step(op);
      if (!found) found = floating_step<double>(op);
      if (!found) found = ordered_step<double>(op);
      if (!found && op == TileOp::conj) found = MS_ONE(double, double, x);
      break;
    case DType::complex64:
      found = complex_step<float>(op);
      break;
    case DType::complex128:
      found = complex_step<double>(op);
      break;
    default:
      break;
  }
  return found ? found : special_step(op, type);
}

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

enum class Motion { load, store, round };

template <typename F>
StepFunction float8_motion(Motion motion) {
  return motion == Motion::load ? load_float8<F> : motion == Motion::store ? store_float8<F> : round_float8<F>;
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

}  // namespace

extern const StepTable table;
const StepTable table = {
    step_of,
    convert_step,
    [](DType element) { return motion_of(element, Motion::round); },
    [](DType element) { return motion_of(element, Motion::load); },
    [](DType element) { return motion_of(element, Motion::store); },
};

}  // namespace millstream::MS_ISA
