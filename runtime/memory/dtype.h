// Element types, with TensorFlow's DataType numbers. Refuses nothing: unknown numbers have size 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millstream {

enum class DType : int32_t {
  invalid = 0,
  float32 = 1,
  float64 = 2,
  int32 = 3,
  uint8 = 4,
  int16 = 5,
  int8 = 6,
  string = 7,
  complex64 = 8,
  int64 = 9,
  boolean = 10,
  qint8 = 11,
  quint8 = 12,
  qint32 = 13,
  bfloat16 = 14,
  qint16 = 15,
  quint16 = 16,
  uint16 = 17,
  complex128 = 18,
  float16 = 19,
  resource = 20,
  variant = 21,
  uint32 = 22,
  uint64 = 23,
  float8_e5m2 = 24,
  float8_e4m3fn = 25,
  float8_e4m3fnuz = 26,
  float8_e4m3b11fnuz = 27,
  float8_e5m2fnuz = 28,
  int4 = 29,   // one element a byte
  uint4 = 30,  // one element a byte
};

// Bytes of one element; 0 for string, resource, variant and unknown numbers.
constexpr size_t element_bytes(DType dtype) {
  switch (dtype) {
    case DType::boolean:
    case DType::int8:
    case DType::uint8:
    case DType::float8_e5m2:
    case DType::float8_e4m3fn:
    case DType::float8_e4m3fnuz:
    case DType::float8_e4m3b11fnuz:
    case DType::float8_e5m2fnuz:
    case DType::int4:
    case DType::uint4:
    case DType::qint8:
    case DType::quint8:
      return 1;
    case DType::int16:
    case DType::uint16:
    case DType::qint16:
    case DType::quint16:
    case DType::float16:
    case DType::bfloat16:
      return 2;
    case DType::int32:
    case DType::uint32:
    case DType::qint32:
    case DType::float32:
      return 4;
    case DType::int64:
    case DType::uint64:
    case DType::float64:
    case DType::complex64:
      return 8;
    case DType::complex128:
      return 16;
    default:
      return 0;
  }
}

}  // namespace millstream
