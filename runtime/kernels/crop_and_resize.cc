// Kernel that cuts boxes out of images and resizes them, compiled once for each instruction set (-DMS_ISA=...), without joined
// multiply-adds. It refuses sizes that do not fit, and box indices out of range when it runs.
//
//   crop_and_resize   image [n, rows, columns, depth] float32 or uint8, boxes float32 [k, 4] (y1, x1, y2, x2), image index int32 [k]
//                     -> crops float32 [k, crop rows, crop columns, depth]
//   attributes: 0 method (0 bilinear, 1 nearest), 1 what lies outside (a double, bit for bit)
// Coordinates are parts of the image, whose last pixels are at 1. Rows of crops run in parallel.
#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "kernels/operands.h"
#include "threads/pool.h"

namespace millstream::MS_ISA {
namespace {

struct Place {
  int64_t low = -1, high = -1;  // below 0: outside of the image
  float part = 0;
};

Place place(float from, float to, int64_t size, int64_t crop, int64_t i, bool nearest) {
  const auto last = static_cast<float>(size - 1);
  const float at = crop > 1 ? from * last + static_cast<float>(i) * ((to - from) * last / static_cast<float>(crop - 1))
                            : (from + to) * 0.5f * last;
  if (!(at >= 0 && at <= last)) return {};
  if (nearest) {
    const auto index = static_cast<int64_t>(std::floor(at + 0.5f));
    return {index, index, 0};
  }
  const float low = std::floor(at);
  return {static_cast<int64_t>(low), static_cast<int64_t>(std::ceil(at)), at - low};
}

template <typename T>
void crop_row(const T* top, const T* bottom, float down, const Place* columns, int64_t count, int64_t depth,
              float outside, float* to) {
  for (int64_t j = 0; j < count; ++j, to += depth) {
    const Place& x = columns[j];
    if (x.low < 0) {
      std::fill_n(to, depth, outside);
      continue;
    }
    const T *a = top + x.low * depth, *b = top + x.high * depth, *c = bottom + x.low * depth,
            *d = bottom + x.high * depth;
    for (int64_t k = 0; k < depth; ++k) {
      const float left = static_cast<float>(a[k]), low_left = static_cast<float>(c[k]);
      const float above = left + (static_cast<float>(b[k]) - left) * x.part;
      const float below = low_left + (static_cast<float>(d[k]) - low_left) * x.part;
      to[k] = above + (below - above) * down;
    }
  }
}

Status check(const Call& call) {
  const std::string who = "crop_and_resize: ";
  MS_RETURN_IF_ERROR(check_operands(call, "crop_and_resize", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "crop_and_resize", 2));
  const Tensor &x = call.in(0), &boxes = call.in(1), &index = call.in(2), &y = call.out(0);
  MS_REQUIRE(call.attributes[0] >= 0 && call.attributes[0] <= 1, who + "the method is 0 or 1");
  MS_REQUIRE((x.dtype == DType::float32 || x.dtype == DType::uint8) && x.rank == 4 && y.dtype == DType::float32 &&
                 y.rank == 4 && x.dims[3] == y.dims[3],
             who + "takes images [n, rows, columns, depth] of float32 or uint8, got " + show(x) + " for " + show(y));
  MS_REQUIRE(boxes.dtype == DType::float32 && boxes.rank == 2 && boxes.dims[1] == 4 && boxes.dims[0] == y.dims[0],
             who + "boxes must be [k, 4], got " + show(boxes));
  MS_REQUIRE(index.dtype == DType::int32 && index.rank == 1 && index.dims[0] == y.dims[0],
             who + "box_ind must be int32 [k], got " + show(index));
  constexpr int64_t limit = int64_t{1} << 31;
  MS_REQUIRE(y.count() == 0 || (x.dims[1] > 0 && x.dims[2] > 0), who + "image dimensions must be positive");
  MS_REQUIRE(x.dims[1] < limit && x.dims[2] < limit && y.dims[1] < limit && y.dims[2] < limit,
             who + "sizes must be below 2^31");
  return {};
}

template <typename T>
void crop(const Call& call, const std::vector<Place>& columns, const std::vector<int64_t>& images) {
  const Tensor &x = call.in(0), &y = call.out(0);
  const bool nearest = call.attributes[0] == 1;
  const auto outside = static_cast<float>(call.real(1));
  const auto* boxes = call.in(1).as<const float>();
  const int64_t rows = y.dims[1], count = y.dims[2], depth = y.dims[3], in_row = x.dims[2] * depth;
  const int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, count * depth));
  parallel_for(y.dims[0] * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t n = at / rows;
      const float* box = boxes + n * 4;
      const Place row = place(box[0], box[2], x.dims[1], rows, at % rows, nearest);
      float* to = y.as<float>() + at * count * depth;
      if (row.low < 0) {
        std::fill_n(to, count * depth, outside);
        continue;
      }
      const T* image = x.as<const T>() + images[static_cast<size_t>(n)] * x.dims[1] * in_row;
      crop_row(image + row.low * in_row, image + row.high * in_row, row.part, columns.data() + n * count, count, depth,
               outside, to);
    }
  });
}

Status run(const Call& call) try {
  MS_RETURN_IF_ERROR(check(call));
  const Tensor &x = call.in(0), &y = call.out(0);
  if (y.count() == 0) return {};
  const auto* boxes = call.in(1).as<const float>();
  std::vector<Place> columns(static_cast<size_t>(y.dims[0] * y.dims[2]));
  std::vector<int64_t> images;
  for (int64_t n = 0; n < y.dims[0]; ++n) {
    const int64_t image = index_at(call.in(2), n);
    if (image < 0 || image >= x.dims[0]) {
      return Status(Code::out_of_range, "box_index has values outside [0, batch_size): " + std::to_string(image) +
                                            " of " + std::to_string(x.dims[0]));
    }
    images.push_back(image);
    for (int64_t j = 0; j < y.dims[2]; ++j) {
      columns[static_cast<size_t>(n * y.dims[2] + j)] =
          place(boxes[n * 4 + 1], boxes[n * 4 + 3], x.dims[2], y.dims[2], j, call.attributes[0] == 1);
    }
  }
  if (x.dtype == DType::uint8)
    crop<uint8_t>(call, columns, images);
  else
    crop<float>(call, columns, images);
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("crop_and_resize", call.out(0));
}

}  // namespace

extern const Kernel kernel_crop_and_resize;
const Kernel kernel_crop_and_resize{"crop_and_resize", check, run};

void register_crop_and_resize(Registry& registry);
void register_crop_and_resize(Registry& registry) { registry.add(kernel_crop_and_resize); }

}  // namespace millstream::MS_ISA
