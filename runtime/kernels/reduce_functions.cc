// Sums, products, maxima of rows in a tile, and the elements that change nothing; compiled once per instruction set.
#include "kernels/fused.h"
#include "kernels/simd_math.h"

namespace millstream::MS_ISA {
namespace {

template <typename T>
struct ComplexRow {
  T re, im;
};

struct Add {
  template <typename T>
  static T combine(T x, T y) {
    return x + y;
  }
};
struct Multiply {
  template <typename T>
  static T combine(T x, T y) {
    return x * y;
  }
  template <typename T>
  static ComplexRow<T> combine(ComplexRow<T> x, ComplexRow<T> y) {
    return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
  }
};
struct Larger {
  template <typename T>
  static T combine(T x, T y) {
    return (x > y) | (x != x) ? x : y;
  }
};
struct Smaller {
  template <typename T>
  static T combine(T x, T y) {
    return (x < y) | (x != x) ? x : y;
  }
};
struct All {
  template <typename T>
  static T combine(T x, T y) {
    return static_cast<T>((x != 0) & (y != 0));
  }
};
struct Any {
  template <typename T>
  static T combine(T x, T y) {
    return static_cast<T>((x != 0) | (y != 0));
  }
};

template <typename T>
MS_INLINE ComplexRow<T> operator+(ComplexRow<T> x, ComplexRow<T> y) {
  return {x.re + y.re, x.im + y.im};
}

template <typename T, typename F>
void reduce_rows(int64_t rows, int64_t length, void* d, const void* a) {
  T* to = static_cast<T*>(d);
  const T* from = static_cast<const T*>(a);
  constexpr int ways = 16;  // independent, so that the compiler keeps them in vectors
  for (int64_t r = 0; r < rows; ++r, from += length) {
    T total;
    int64_t i;
    if (length >= 2 * ways) {
      T part[ways];
      for (int w = 0; w < ways; ++w) part[w] = from[w];
      for (i = ways; i + ways <= length; i += ways) {
        for (int w = 0; w < ways; ++w) part[w] = F::combine(part[w], from[i + w]);
      }
      for (int width = ways / 2; width > 0; width /= 2) {
        for (int w = 0; w < width; ++w) part[w] = F::combine(part[w], part[w + width]);
      }
      total = part[0];
    } else {
      total = from[0];
      i = 1;
    }
    for (; i < length; ++i) total = F::combine(total, from[i]);
    to[r] = total;
  }
}

template <typename F>
MS_INLINE vf combine_vectors(vf x, vf y);
template <>
MS_INLINE vf combine_vectors<Add>(vf x, vf y) {
  return x + y;
}
template <>
MS_INLINE vf combine_vectors<Larger>(vf x, vf y) {
  return larger(x, y);
}
template <>
MS_INLINE vf combine_vectors<Smaller>(vf x, vf y) {
  return smaller(x, y);
}

template <typename F>
void reduce_float_rows(int64_t rows, int64_t length, void* d, const void* a) {
  if (length < 4 * lanes) return reduce_rows<float, F>(rows, length, d, a);
  float* to = static_cast<float*>(d);
  const float* from = static_cast<const float*>(a);
  for (int64_t r = 0; r < rows; ++r, from += length) {
    vf part[4];
    for (int w = 0; w < 4; ++w) part[w] = load(from + w * lanes);
    int64_t i = 4 * lanes;
    for (; i + 4 * lanes <= length; i += 4 * lanes) {
      for (int w = 0; w < 4; ++w) part[w] = combine_vectors<F>(part[w], load(from + i + w * lanes));
    }
    for (; i + lanes <= length; i += lanes) part[0] = combine_vectors<F>(part[0], load(from + i));
    const vf all_parts = combine_vectors<F>(combine_vectors<F>(part[0], part[1]), combine_vectors<F>(part[2], part[3]));
    float total = fold_lanes<lanes / 2>(all_parts, combine_vectors<F>)[0];
    for (; i < length; ++i) total = F::combine(total, from[i]);
    to[r] = total;
  }
}

template <typename T>
RowFunction number_rows(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::sum:
      return reduce_rows<T, Add>;
    case ReduceKind::product:
      return reduce_rows<T, Multiply>;
    case ReduceKind::max:
      return reduce_rows<T, Larger>;
    case ReduceKind::min:
      return reduce_rows<T, Smaller>;
    default:
      return nullptr;
  }
}

// Signed integers share the unsigned code where the bits are the same: overflow wraps.
template <typename S, typename U>
RowFunction integer_rows(ReduceKind kind) {
  if (kind == ReduceKind::max || kind == ReduceKind::min) return number_rows<S>(kind);
  if (kind == ReduceKind::sum || kind == ReduceKind::product) {
    return sizeof(U) == 2 && kind == ReduceKind::product
               ? [](int64_t rows, int64_t length, void* d, const void* a) {
                   U* to = static_cast<U*>(d);
                   const U* from = static_cast<const U*>(a);
                   for (int64_t r = 0; r < rows; ++r, from += length) {
                     uint32_t total = 1;
                     for (int64_t i = 0; i < length; ++i) total *= from[i];
                     to[r] = static_cast<U>(total);
                   }
                 }
               : number_rows<U>(kind);
  }
  return nullptr;
}

template <typename T>
RowFunction complex_rows(ReduceKind kind) {
  if (kind == ReduceKind::sum) return reduce_rows<ComplexRow<T>, Add>;
  if (kind == ReduceKind::product) return reduce_rows<ComplexRow<T>, Multiply>;
  return nullptr;
}

}  // namespace

RowFunction row_function(ReduceKind kind, DType type);
RowFunction row_function(ReduceKind kind, DType type) {
  switch (type) {
    case DType::boolean:
      return kind == ReduceKind::all   ? reduce_rows<uint8_t, All>
             : kind == ReduceKind::any ? reduce_rows<uint8_t, Any>
                                       : nullptr;
    case DType::int8:
      return integer_rows<int8_t, uint8_t>(kind);
    case DType::uint8:
      return integer_rows<uint8_t, uint8_t>(kind);
    case DType::int16:
      return integer_rows<int16_t, uint16_t>(kind);
    case DType::uint16:
      return integer_rows<uint16_t, uint16_t>(kind);
    case DType::int32:
      return integer_rows<int32_t, uint32_t>(kind);
    case DType::uint32:
      return integer_rows<uint32_t, uint32_t>(kind);
    case DType::int64:
      return integer_rows<int64_t, uint64_t>(kind);
    case DType::uint64:
      return integer_rows<uint64_t, uint64_t>(kind);
    case DType::float32:
      if (kind == ReduceKind::sum) return reduce_float_rows<Add>;
      if (kind == ReduceKind::max) return reduce_float_rows<Larger>;
      if (kind == ReduceKind::min) return reduce_float_rows<Smaller>;
      return number_rows<float>(kind);
    case DType::float64:
      return number_rows<double>(kind);
    case DType::complex64:
      return complex_rows<float>(kind);
    case DType::complex128:
      return complex_rows<double>(kind);
    default:
      return nullptr;
  }
}

}  // namespace millstream::MS_ISA
