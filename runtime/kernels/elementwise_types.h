// Small element types as bits: half, bfloat16, 8-bit floats, 4-bit integers, to and from float32. Rounds to nearest even.
#pragma once

#include <cstdint>

#include "memory/dtype.h"

namespace millstream {

// Everything here has internal linkage: it is also compiled into files for newer processors, and the linker must not
// pick one of those copies for an older one.
namespace {

inline float float_of_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  // Scaling by 2^112 turns half denormals into floats of the same value.
  const uint32_t finite = bits_of_float(float_of_bits(rest << 13) * 0x1p112f);
  const uint32_t special = (rest << 13) | 0x7f800000u;
  return float_of_bits((rest >= 0x7c00u ? special : finite) | sign);
}

inline uint16_t half_of_float(float value) {
  const uint32_t bits = bits_of_float(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t rest = bits & 0x7fffffffu;
  // Adding 0.5 lets the adder round a denormal half; otherwise round by hand and move the exponent.
  const uint32_t small = bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
  uint32_t result = rest < 0x38800000u ? small : normal;
  result = rest >= 0x477ff000u ? 0x7c00u : result;
  result = rest > 0x7f800000u ? 0x7e00u : result;
  return static_cast<uint16_t>(result | sign);
}

inline float float_of_bfloat16(uint16_t value) { return float_of_bits(static_cast<uint32_t>(value) << 16); }

inline uint16_t bfloat16_of_float(float value) {
  const uint32_t bits = bits_of_float(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | ((bits & 0xffffu) != 0 ? 0x40u : 0u);  // a bfloat16 NaN keeps its bits
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

// An 8-bit float: sign, exponent, `mantissa` bits. `largest`: the highest finite code; `overflow`, `nan`: the codes for
// these; `signed_zero` false: code 0x80 is the only NaN ("fnuz").
template <int mantissa, int bias, int largest, int overflow, int nan, bool signed_zero>
struct Float8 {
  static float decode(uint8_t code) {
    const int rest = code & 0x7f;
    if (!signed_zero && code == 0x80) return float_of_bits(0x7fc00000u);
    float value;
    if (rest > largest) {
      value = rest == overflow && overflow != nan ? float_of_bits(0x7f800000u) : float_of_bits(0x7fc00000u);
    } else if (rest < (1 << mantissa)) {
      value = static_cast<float>(rest) * float_of_bits(static_cast<uint32_t>(127 + 1 - bias - mantissa) << 23);
    } else {
      value =
          float_of_bits((static_cast<uint32_t>(rest) << (23 - mantissa)) + (static_cast<uint32_t>(127 - bias) << 23));
    }
    return code & 0x80 ? -value : value;
  }

  static uint8_t encode(float value) {
    const uint32_t bits = bits_of_float(value);
    const uint32_t sign = (bits >> 24) & 0x80u;
    const uint32_t rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return static_cast<uint8_t>(signed_zero ? (nan | sign) : nan);
    uint32_t code;
    if (rest < (static_cast<uint32_t>(127 + 1 - bias) << 23)) {
      // In units of the smallest denormal; adding 2^23 makes the adder round to a whole number.
      const float units = float_of_bits(rest) * float_of_bits(static_cast<uint32_t>(127 - 1 + bias + mantissa) << 23);
      code = bits_of_float(units + 0x1p23f) - 0x4b000000u;
    } else {
      constexpr int shift = 23 - mantissa;
      code = (rest + (1u << (shift - 1)) - 1u + ((rest >> shift) & 1u)) >> shift;
      code -= static_cast<uint32_t>(127 - bias) << mantissa;
    }
    if (code > static_cast<uint32_t>(largest)) return static_cast<uint8_t>(signed_zero ? (overflow | sign) : overflow);
    if (!signed_zero && code == 0) return 0;
    return static_cast<uint8_t>(code | sign);
  }
};

using Float8E5m2 = Float8<2, 15, 0x7b, 0x7c, 0x7e, true>;
using Float8E4m3fn = Float8<3, 7, 0x7e, 0x7f, 0x7f, true>;
using Float8E4m3fnuz = Float8<3, 8, 0x7f, 0x80, 0x80, false>;
using Float8E4m3b11fnuz = Float8<3, 11, 0x7f, 0x80, 0x80, false>;
using Float8E5m2fnuz = Float8<2, 16, 0x7f, 0x80, 0x80, false>;

}  // namespace

constexpr bool is_float8(DType dtype) { return dtype >= DType::float8_e5m2 && dtype <= DType::float8_e5m2fnuz; }
constexpr bool is_small_float(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 || is_float8(dtype);
}
constexpr bool is_complex(DType dtype) { return dtype == DType::complex64 || dtype == DType::complex128; }
constexpr bool is_floating(DType dtype) {
  return dtype == DType::float32 || dtype == DType::float64 || is_small_float(dtype);
}
constexpr bool is_integer(DType dtype) {
  switch (dtype) {
    case DType::int8:
    case DType::uint8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
    case DType::uint32:
    case DType::int64:
    case DType::uint64:
    case DType::int4:
    case DType::uint4:
      return true;
    default:
      return false;
  }
}

// The type in which a tile holds values of an element type: small floats are computed in float32, 4-bit integers in 8.
constexpr DType register_type(DType dtype) {
  if (is_small_float(dtype)) return DType::float32;
  if (dtype == DType::int4) return DType::int8;
  if (dtype == DType::uint4) return DType::uint8;
  return dtype;
}

}  // namespace millstream
