// Loops over a tile that the compiler turns into vectors. Only for files compiled once per instruction set (-DMS_ISA=...).
#pragma once

#include "kernels/elementwise_functions.h"
#include "kernels/simd_math.h"

namespace millstream::MS_ISA {

enum class Motion { load, store, round };
StepFunction convert_step(DType from, DType to);
StepFunction motion_of(DType type, Motion motion);
StepFunction vector_step(TileOp op, DType type);  // nullptr where there is none

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

}  // namespace
}  // namespace millstream::MS_ISA
