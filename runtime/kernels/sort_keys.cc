// Makes sort keys of each element type. Refuses nothing: callers ask sort_key_bytes first.
#include "kernels/sort_keys.h"

#include <cstring>
#include <type_traits>

#include "kernels/elementwise_types.h"

namespace millstream {
namespace {

// Bits of an IEEE number of any width: negative ones turned, positive ones above them, NaN at the top.
template <typename U>
U float_key(U bits, U infinity) {
  constexpr U sign = U{1} << (8 * sizeof(U) - 1);
  const U rest = bits & static_cast<U>(~sign);
  if (rest > infinity) return static_cast<U>(~U{0});
  if (rest == 0) return sign;
  return bits & sign ? static_cast<U>(~bits) : static_cast<U>(bits | sign);
}

template <typename K, typename T, typename F>
void write(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, K* keys, F&& key_of) {
  const T* from = x.as<const T>() + first;
  for (int64_t i = 0; i < count; ++i) {
    const K key = static_cast<K>(key_of(from[i * step]));
    keys[i] = descending ? static_cast<K>(~key) : key;
  }
}

template <typename K, typename T>
void write_integers(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, K* keys) {
  write<K, T>(x, first, step, count, descending, keys, [](T value) {
    using U = std::make_unsigned_t<T>;
    const U bits = static_cast<U>(value);
    return std::is_signed_v<T> ? static_cast<U>(bits ^ (U{1} << (8 * sizeof(U) - 1))) : bits;
  });
}

}  // namespace

int sort_key_bytes(DType dtype) {
  switch (dtype) {
    case DType::float64:
    case DType::int64:
    case DType::uint64:
      return 8;
    case DType::float16:
    case DType::bfloat16:
    case DType::float32:
    case DType::int8:
    case DType::uint8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
    case DType::uint32:
    case DType::boolean:
      return 4;
    default:
      return 0;
  }
}

void sort_keys(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, uint32_t* keys) {
  switch (x.dtype) {
    case DType::float32:
      return write<uint32_t, uint32_t>(x, first, step, count, descending, keys,
                                       [](uint32_t bits) { return float_key<uint32_t>(bits, 0x7f800000u); });
    case DType::float16:
      return write<uint32_t, uint16_t>(x, first, step, count, descending, keys,
                                       [](uint16_t bits) { return float_key<uint16_t>(bits, 0x7c00u); });
    case DType::bfloat16:
      return write<uint32_t, uint16_t>(x, first, step, count, descending, keys,
                                       [](uint16_t bits) { return float_key<uint16_t>(bits, 0x7f80u); });
    case DType::int8:
      return write_integers<uint32_t, int8_t>(x, first, step, count, descending, keys);
    case DType::int16:
      return write_integers<uint32_t, int16_t>(x, first, step, count, descending, keys);
    case DType::uint16:
      return write_integers<uint32_t, uint16_t>(x, first, step, count, descending, keys);
    case DType::int32:
      return write_integers<uint32_t, int32_t>(x, first, step, count, descending, keys);
    case DType::uint32:
      return write_integers<uint32_t, uint32_t>(x, first, step, count, descending, keys);
    default:
      return write_integers<uint32_t, uint8_t>(x, first, step, count, descending, keys);
  }
}

void sort_keys(const Tensor& x, int64_t first, int64_t step, int64_t count, bool descending, uint64_t* keys) {
  switch (x.dtype) {
    case DType::float64:
      return write<uint64_t, uint64_t>(x, first, step, count, descending, keys,
                                       [](uint64_t bits) { return float_key<uint64_t>(bits, 0x7ff0000000000000u); });
    case DType::int64:
      return write_integers<uint64_t, int64_t>(x, first, step, count, descending, keys);
    default:
      return write_integers<uint64_t, uint64_t>(x, first, step, count, descending, keys);
  }
}

}  // namespace millstream
