// half and bfloat16 as kernels of linear algebra read and write them: through float. Refuses nothing.
#pragma once

#include <cstdint>
#include <cstring>

namespace millstream {

struct BFloat16 {
  uint16_t bits;
  operator float() const {
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  BFloat16() = default;
  explicit BFloat16(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    const bool nan = (wide & 0x7fffffff) > 0x7f800000;
    bits = static_cast<uint16_t>(nan ? (wide >> 16) | 0x40 : (wide + 0x7fff + ((wide >> 16) & 1)) >> 16);
  }
};

struct Half {
  uint16_t bits;
  operator float() const {
    uint32_t wide = static_cast<uint32_t>(bits & 0x7fff) << 13;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    value *= 0x1p112f;  // moves the exponent and makes subnormals normal
    std::memcpy(&wide, &value, sizeof wide);
    if ((bits & 0x7c00) == 0x7c00) wide |= 0x7f800000;
    wide |= static_cast<uint32_t>(bits & 0x8000) << 16;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  Half() = default;
  explicit Half(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    const uint32_t sign = (wide >> 16) & 0x8000;
    wide &= 0x7fffffff;
    uint32_t narrow;
    if (wide >= 0x47800000) {  // too large, infinite or NaN
      narrow = wide > 0x7f800000 ? 0x7e00 : 0x7c00;
    } else if (wide < 0x38800000) {  // subnormal: the addition rounds
      float small;
      std::memcpy(&small, &wide, sizeof small);
      small += 0.5f;
      std::memcpy(&narrow, &small, sizeof narrow);
      narrow -= 0x3f000000;
    } else {
      narrow = (wide + 0xc8000fff + ((wide >> 13) & 1)) >> 13;
    }
    bits = static_cast<uint16_t>(sign | narrow);
  }
};

}  // namespace millstream
