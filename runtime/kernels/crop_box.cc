// Kernel that finds a random box which covers enough of given ones. It refuses boxes outside of [0, 1] when it runs.
//
//   random_crop_box   bits uint32 [4 * attempts], sizes int64 [3] (rows, columns, depth), boxes float32 [n, 4] (y1, x1, y2, x2),
//                     least share of a box to be covered float32 -> begin int64 [3], size int64 [3], box float32 [1, 1, 4]
//     attributes: 0-1 range of aspect ratios, 2-3 range of areas (doubles bit for bit), 4 attempts, 5 whole image without boxes
// An attempt takes up to four numbers: the aspect ratio, then the height, the row and the column as far as there is a choice.
// Where none of the attempts fits, the box is the whole image.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/operands.h"

namespace millstream {
namespace {

struct Bits {
  const uint32_t* next;
  float unit() {  // in [0, 1)
    const uint32_t word = (*next++ & 0x7fffffu) | 0x3f800000u;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return value - 1.0f;
  }
  int below(int limit) { return static_cast<int>(*next++ % static_cast<uint32_t>(limit)); }
};

struct Rectangle {
  int left, top, right, bottom;
  float area() const { return static_cast<float>((right - left) * (bottom - top)); }
  Rectangle within(const Rectangle& other) const {
    const Rectangle both{std::max(left, other.left), std::max(top, other.top), std::min(right, other.right),
                         std::min(bottom, other.bottom)};
    return both.left > both.right || both.top > both.bottom ? Rectangle{0, 0, 0, 0} : both;
  }
};

int rounded(float value) { return static_cast<int>(std::lrint(value)); }

bool draw(int columns, int rows, float least, float most, float ratio, Bits& bits, Rectangle& crop) {
  if (!(most > 0) || !(ratio > 0) || columns <= 0 || rows <= 0 || least > most) return false;
  const float wide = static_cast<float>(columns), tall = static_cast<float>(rows);
  const float min_area = least * wide * tall, max_area = most * wide * tall;
  const float low = std::sqrt(min_area / ratio), high = std::sqrt(max_area / ratio);
  if (!(low < 1e9f && high < 1e9f)) return false;
  int height = rounded(low), max_height = rounded(high);
  if (static_cast<float>(max_height) * ratio > static_cast<float>(columns) + 0.5f ||
      rounded(static_cast<float>(max_height) * ratio) > columns) {
    max_height = static_cast<int>(std::min((static_cast<float>(columns) + 0.5f - 1e-7f) / ratio, 1e9f));
    if (rounded(static_cast<float>(max_height) * ratio) > columns) --max_height;
  }
  max_height = std::min(max_height, rows);
  if (height >= max_height)
    height = max_height;
  else
    height += bits.below(max_height - height + 1);
  int width = rounded(static_cast<float>(height) * ratio);
  float area = static_cast<float>(width) * static_cast<float>(height);
  const auto resize = [&](int by) {
    height += by;
    width = rounded(static_cast<float>(height) * ratio);
    area = static_cast<float>(width) * static_cast<float>(height);
  };
  if (area < min_area) resize(1);
  if (area > max_area) resize(-1);
  if (area < min_area || area > max_area || width > columns || height > rows || width <= 0 || height <= 0) return false;
  const int top = height < rows ? bits.below(rows - height) : 0;
  const int left = width < columns ? bits.below(columns - width) : 0;
  crop = {left, top, left + width, top + height};
  return true;
}

bool covers(const Rectangle& crop, float least, const std::vector<Rectangle>& boxes) {
  if (crop.area() < 1) return false;
  return std::any_of(boxes.begin(), boxes.end(), [&](const Rectangle& box) {
    return box.area() >= 1 && crop.within(box).area() / box.area() >= least;
  });
}

Status check_crop_box(const Call& call) {
  const std::string who = "random_crop_box: ";
  MS_RETURN_IF_ERROR(check_operands(call, "random_crop_box", 4, 3));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_crop_box", 6));
  const Tensor &bits = call.in(0), &sizes = call.in(1), &boxes = call.in(2), &least = call.in(3);
  const int64_t attempts = call.attributes[4];
  MS_REQUIRE(attempts >= 0 && attempts < int64_t{1} << 31 && call.attributes[5] >= 0 && call.attributes[5] <= 1,
             who + "attempts must not be negative");
  MS_REQUIRE(bits.dtype == DType::uint32 && bits.rank == 1 && bits.dims[0] >= 4 * attempts,
             who + "needs four numbers an attempt, got " + show(bits));
  MS_REQUIRE(sizes.dtype == DType::int64 && sizes.rank == 1 && sizes.dims[0] == 3,
             who + "image_size must be 1-D and have 3 elements, got " + show(sizes));
  MS_REQUIRE(boxes.dtype == DType::float32 && boxes.rank == 2 && boxes.dims[1] == 4,
             who + "boxes have 4 coordinates, got " + show(boxes));
  MS_REQUIRE(least.dtype == DType::float32 && least.rank == 0, who + "min_object_covered is a scalar");
  for (int i = 0; i < 2; ++i) {
    MS_REQUIRE(call.out(i).dtype == DType::int64 && call.out(i).rank == 1 && call.out(i).dims[0] == 3,
               who + "begin and size are int64 [3]");
  }
  MS_REQUIRE(call.out(2).dtype == DType::float32 && call.out(2).count() == 4, who + "the box has 4 coordinates");
  return {};
}

Status run_crop_box(const Call& call) try {
  MS_RETURN_IF_ERROR(check_crop_box(call));
  const auto* sizes = call.in(1).as<const int64_t>();
  MS_REQUIRE(
      sizes[0] > 0 && sizes[1] > 0 && sizes[0] < 1 << 24 && sizes[1] < 1 << 24,
      "image height and width must be positive, got " + std::to_string(sizes[0]) + " x " + std::to_string(sizes[1]));
  const int rows = static_cast<int>(sizes[0]), columns = static_cast<int>(sizes[1]);
  const Rectangle image{0, 0, columns, rows};
  const auto* box = call.in(2).as<const float>();
  std::vector<Rectangle> boxes;
  for (int64_t i = 0; i < call.in(2).dims[0]; ++i, box += 4) {
    for (int k = 0; k < 4; ++k)
      MS_REQUIRE(box[k] >= 0 && box[k] <= 1,
                 "All bounding box coordinates must be in [0.0, 1.0]: " + std::to_string(box[k]));
    boxes.push_back(
        {static_cast<int>(box[1] * static_cast<float>(columns)), static_cast<int>(box[0] * static_cast<float>(rows)),
         static_cast<int>(box[3] * static_cast<float>(columns)), static_cast<int>(box[2] * static_cast<float>(rows))});
  }
  if (boxes.empty()) {
    MS_REQUIRE(call.attributes[5] == 1,
               "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you wish to not "
               "provide any bounding boxes.");
    boxes.push_back(image);
  }
  const auto real = [&](int i) { return static_cast<float>(call.real(i)); };
  const float least = call.in(3).as<const float>()[0];
  MS_REQUIRE(least >= 0, "Min object covered must be non-negative: " + std::to_string(least));
  Bits bits{call.in(0).as<const uint32_t>()};
  Rectangle crop = image;
  for (int64_t i = 0; i < call.attributes[4]; ++i) {
    const float ratio = bits.unit() * (real(1) - real(0)) + real(0);
    Rectangle found{};
    if (draw(columns, rows, real(2), real(3), ratio, bits, found) && covers(found, least, boxes)) {
      crop = found;
      break;
    }
  }
  auto *begin = call.out(0).as<int64_t>(), *size = call.out(1).as<int64_t>();
  begin[0] = crop.top, begin[1] = crop.left, begin[2] = 0;
  size[0] = crop.bottom - crop.top, size[1] = crop.right - crop.left, size[2] = -1;
  const float edges[] = {static_cast<float>(crop.top) / static_cast<float>(rows),
                         static_cast<float>(crop.left) / static_cast<float>(columns),
                         static_cast<float>(crop.bottom) / static_cast<float>(rows),
                         static_cast<float>(crop.right) / static_cast<float>(columns)};
  std::copy_n(edges, 4, call.out(2).as<float>());
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("random_crop_box", call.in(2));
}

const Kernel kernel_random_crop_box{"random_crop_box", check_crop_box, run_crop_box};

}  // namespace

void register_crop_box(Registry& registry) { registry.add(kernel_random_crop_box); }

}  // namespace millstream
