// Kernel of projective transforms of images, compiled once for each instruction set (-DMS_ISA=...), without joined
// multiply-adds: a place off by one rounding picks another pixel. Refuses other ranks than 4 and transforms that are not 8 long.
//
//   projective_transform   x [n, rows, columns, depth], transforms float32 [n or 1, 8], fill float32 scalar
//                          -> y [n, rows', columns', depth] of x's type (uint8, int32, int64, half, bfloat16, float32, float64)
//   attributes: 0 interpolation (0 nearest, 1 bilinear), 1 fill mode (0 reflect, 1 wrap, 2 constant, 3 nearest)
// Output (i, j) takes x at row (t3 j + t4 i + t5) / d and column (t0 j + t1 i + t2) / d, d = t6 j + t7 i + 1. Places that are not
// finite, and those outside with fill mode constant, hold the fill. Output rows run in parallel.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/gemm_number.h"
#include "kernels/operands.h"
#include "threads/pool.h"

namespace millstream::MS_ISA {
namespace {

enum class FillMode : int64_t { reflect = 0, wrap = 1, constant = 2, nearest = 3 };

constexpr float far = 1e9f;  // beyond it places are not folded back

float folded(float at, int64_t size, FillMode mode) {
  const auto length = static_cast<float>(size);
  if (mode == FillMode::constant) return at;
  if (mode == FillMode::nearest) return std::clamp(at, 0.0f, length - 1);
  if (at >= 0 && at <= length - 1) return at;
  if (size <= 1) return 0;
  if (mode == FillMode::wrap) {
    const float whole = length - 1;
    if (at < 0)
      at += length * static_cast<float>(static_cast<int64_t>(-at / whole) + 1);
    else
      at -= length * static_cast<float>(static_cast<int64_t>(at / whole));
  } else {
    const float both = 2 * length;
    if (at < 0) {
      at += both * static_cast<float>(static_cast<int64_t>(-at / both));
      at = at < -length ? at + both : -at - 1;
    } else {
      at -= both * static_cast<float>(static_cast<int64_t>(at / both));
      if (at >= length) at = both - at - 1;
    }
  }
  return std::clamp(at, 0.0f, length - 1);
}

template <typename T>
T number(float value) {
  if constexpr (std::is_integral_v<T>) {
    return std::fabs(value) < 9e18f ? static_cast<T>(static_cast<int64_t>(value)) : T(0);
  } else {
    return T(value);
  }
}

template <typename T>
struct Image {
  const T* data;
  int64_t rows, columns, depth;
  const T* at(int64_t row, int64_t column) const {
    const bool inside = row >= 0 && row < rows && column >= 0 && column < columns;
    return inside ? data + (row * columns + column) * depth : nullptr;
  }
};

template <typename T>
void take_nearest(const Image<T>& image, float row, float column, T fill, T* to) {
  const T* from = image.at(static_cast<int64_t>(std::round(row)), static_cast<int64_t>(std::round(column)));
  if (from)
    std::copy_n(from, image.depth, to);
  else
    std::fill_n(to, image.depth, fill);
}

template <typename T>
void take_between(const Image<T>& image, float row, float column, T fill, T* to) {
  const float top = std::floor(row), left = std::floor(column), bottom = top + 1, right = left + 1;
  const auto i = static_cast<int64_t>(top), j = static_cast<int64_t>(left);
  const T* corner[] = {image.at(i, j), image.at(i, j + 1), image.at(i + 1, j), image.at(i + 1, j + 1)};
  const float left_part = right - column, right_part = column - left, top_part = bottom - row, bottom_part = row - top;
  if (corner[0] && corner[1] && corner[2] && corner[3]) {
    for (int64_t c = 0; c < image.depth; ++c) {
      const float above = left_part * static_cast<float>(corner[0][c]) + right_part * static_cast<float>(corner[1][c]);
      const float below = left_part * static_cast<float>(corner[2][c]) + right_part * static_cast<float>(corner[3][c]);
      to[c] = number<T>(top_part * above + bottom_part * below);
    }
    return;
  }
  for (int64_t c = 0; c < image.depth; ++c) {
    const auto read = [&](int k) { return static_cast<float>(corner[k] ? corner[k][c] : fill); };
    const float above = left_part * read(0) + right_part * read(1);
    const float below = left_part * read(2) + right_part * read(3);
    to[c] = number<T>(top_part * above + bottom_part * below);
  }
}

template <typename T>
void transform(const Call& call) {
  const Tensor &x = call.in(0), &transforms = call.in(1), &y = call.out(0);
  const bool bilinear = call.attributes[0] == 1;
  const auto mode = static_cast<FillMode>(call.attributes[1]);
  const T fill = number<T>(call.in(2).as<const float>()[0]);
  const int64_t rows = y.dims[1], columns = y.dims[2], depth = y.dims[3];
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, columns * (depth + 4)));
  parallel_for(y.dims[0] * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t n = index / rows;
      const auto i = static_cast<float>(index % rows);
      const float* t = transforms.as<const float>() + (transforms.dims[0] == 1 ? 0 : n * 8);
      const Image<T> image{x.as<const T>() + n * x.dims[1] * x.dims[2] * depth, x.dims[1], x.dims[2], depth};
      T* to = y.as<T>() + index * columns * depth;
      for (int64_t k = 0; k < columns; ++k, to += depth) {
        const auto j = static_cast<float>(k);
        const float divisor = t[6] * j + t[7] * i + 1.0f;
        const float column = (t[0] * j + t[1] * i + t[2]) / divisor, row = (t[3] * j + t[4] * i + t[5]) / divisor;
        if (divisor == 0 || !(std::fabs(row) < far && std::fabs(column) < far)) {
          std::fill_n(to, depth, fill);
          continue;
        }
        const float at_row = folded(row, image.rows, mode), at_column = folded(column, image.columns, mode);
        if (bilinear)
          take_between(image, at_row, at_column, fill, to);
        else
          take_nearest(image, at_row, at_column, fill, to);
      }
    }
  });
}

Status check(const Call& call) {
  const std::string who = "projective_transform: ";
  MS_RETURN_IF_ERROR(check_operands(call, "projective_transform", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "projective_transform", 2));
  const Tensor &x = call.in(0), &transforms = call.in(1), &fill = call.in(2), &y = call.out(0);
  MS_REQUIRE(call.attributes[0] >= 0 && call.attributes[0] <= 1 && call.attributes[1] >= 0 && call.attributes[1] <= 3,
             who + "interpolation is 0 or 1, fill mode 0 to 3");
  MS_REQUIRE(x.rank == 4 && y.rank == 4 && x.dims[0] == y.dims[0] && x.dims[3] == y.dims[3] && x.dtype == y.dtype,
             who + "takes images [count, rows, columns, depth] of one count, depth and type, got " + show(x) + " and " +
                 show(y));
  MS_REQUIRE(transforms.dtype == DType::float32 && transforms.rank == 2 && transforms.dims[1] == 8 &&
                 (transforms.dims[0] == 1 || transforms.dims[0] == x.dims[0]),
             "Input transform should be num_images x 8 or 1 x 8, got " + show(transforms));
  MS_REQUIRE(fill.dtype == DType::float32 && fill.rank == 0, who + "the fill is one float, got " + show(fill));
  switch (x.dtype) {
    case DType::uint8:
    case DType::int32:
    case DType::int64:
    case DType::float16:
    case DType::bfloat16:
    case DType::float32:
    case DType::float64:
      return {};
    default:
      return invalid(who + "takes uint8, int32, int64 and floats, got " + show(x));
  }
}

Status run(const Call& call) {
  MS_RETURN_IF_ERROR(check(call));
  if (call.out(0).count() == 0) return {};
  switch (call.in(0).dtype) {
    case DType::uint8:
      transform<uint8_t>(call);
      break;
    case DType::int32:
      transform<int32_t>(call);
      break;
    case DType::int64:
      transform<int64_t>(call);
      break;
    case DType::float16:
      transform<Half>(call);
      break;
    case DType::bfloat16:
      transform<BFloat16>(call);
      break;
    case DType::float64:
      transform<double>(call);
      break;
    default:
      transform<float>(call);
  }
  return {};
}

}  // namespace

extern const Kernel kernel_projective_transform;
const Kernel kernel_projective_transform{"projective_transform", check, run};

void register_projective(Registry& registry);
void register_projective(Registry& registry) { registry.add(kernel_projective_transform); }

}  // namespace millstream::MS_ISA
