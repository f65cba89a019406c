// What reductions need to know of element types: identities, combining steps, row functions of this processor.
#include <limits>

#include "kernels/fused.h"
#include "kernels/simd_isa.h"

namespace millstream {

namespace baseline {
RowFunction row_function(ReduceKind kind, DType type);
}
#if defined(__x86_64__)
namespace avx2 {
RowFunction row_function(ReduceKind kind, DType type);
}
namespace avx512 {
RowFunction row_function(ReduceKind kind, DType type);
}
#endif

namespace {

template <typename T>
void fill(ReduceKind kind, int64_t n, void* to) {
  T value = T(0);
  using Limits = std::numeric_limits<T>;
  if (kind == ReduceKind::product) value = T(1);
  if (kind == ReduceKind::max) value = Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::lowest();
  if (kind == ReduceKind::min) value = Limits::has_infinity ? Limits::infinity() : Limits::max();
  T* out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) out[i] = value;
}

template <typename T>
void fill_complex(ReduceKind kind, int64_t n, void* to) {
  T* out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) {
    out[2 * i] = kind == ReduceKind::product ? T(1) : T(0);
    out[2 * i + 1] = T(0);
  }
}

}  // namespace

void fill_identity(ReduceKind kind, DType type, int64_t n, void* to) {
  switch (type) {
    case DType::boolean:
      for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(to)[i] = kind == ReduceKind::all;
      return;
    case DType::int8:
      return fill<int8_t>(kind, n, to);
    case DType::uint8:
      return fill<uint8_t>(kind, n, to);
    case DType::int16:
      return fill<int16_t>(kind, n, to);
    case DType::uint16:
      return fill<uint16_t>(kind, n, to);
    case DType::int32:
      return fill<int32_t>(kind, n, to);
    case DType::uint32:
      return fill<uint32_t>(kind, n, to);
    case DType::int64:
      return fill<int64_t>(kind, n, to);
    case DType::uint64:
      return fill<uint64_t>(kind, n, to);
    case DType::float32:
      return fill<float>(kind, n, to);
    case DType::float64:
      return fill<double>(kind, n, to);
    case DType::complex64:
      return fill_complex<float>(kind, n, to);
    case DType::complex128:
      return fill_complex<double>(kind, n, to);
    default:
      return;
  }
}

TileOp combining_op(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::product:
      return TileOp::multiply;
    case ReduceKind::max:
      return TileOp::maximum;
    case ReduceKind::min:
      return TileOp::minimum;
    case ReduceKind::all:
      return TileOp::bit_and;
    case ReduceKind::any:
      return TileOp::bit_or;
    default:
      return TileOp::add;
  }
}

RowFunction row_reduction(ReduceKind kind, DType type) {
#if defined(__x86_64__)
  const Isa isa = processor_isa();
  if (isa == Isa::avx512) return avx512::row_function(kind, type);
  if (isa == Isa::avx2) return avx2::row_function(kind, type);
#endif
  return baseline::row_function(kind, type);
}

}  // namespace millstream
