// The steps of tile programs as loops over a tile, compiled once per instruction set. Refuses nothing: the caller verified.
#include "kernels/elementwise_loops.h"

namespace millstream::MS_ISA {
namespace {

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

// The quotient of integers of at most 32 bits is exact in float64, of which there are vectors. 0 fails, -1 may not overflow.
template <typename T>
MS_INLINE T quotient_of(T x, T y) {
  constexpr T minus_one = static_cast<T>(-1);
  const bool negated = minus_one < 0 && y == minus_one;
  if constexpr (sizeof(T) <= 4) {
    const double under = static_cast<double>(y == 0 || negated ? T(1) : y);
    const T quotient = static_cast<T>(static_cast<double>(x) / under);
    return y == 0 ? T(0) : negated ? static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x)) : quotient;
  } else {
    if (y == 0) return 0;
    return negated ? static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x)) : static_cast<T>(x / y);
  }
}

template <typename T, bool rest>
int divide_integers(MS_STEP) {
  using W = Wrapping<T>;
  T* to = static_cast<T*>(d);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  T zeros = 0;
  MS_EACH(const T over = x[i]; const T under = y[i]; const T quotient = quotient_of(over, under);
          zeros = static_cast<T>(zeros | (under == 0));
          const T left = under == 0
                             ? T(0)
                             : static_cast<T>(static_cast<W>(over) - static_cast<W>(quotient) * static_cast<W>(under));
          to[i] = rest ? left : quotient)
  return zeros != 0 ? step_division_by_zero : 0;
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
      return divide_integers<T, false>;
    case remainder:
      return divide_integers<T, true>;
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
  if (!found) found = vector_step(op, type);
  return found ? found : special_step(op, type);
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
