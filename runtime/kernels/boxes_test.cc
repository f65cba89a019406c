// Tests of the kernels on boxes and of projective transforms: what is chosen, drawn, cut out and refused.
#include <algorithm>

#include "kernels/gemm_testing.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

const Kernel& kernel(const char* name) { return *Registry::instance().find(name, std::string(name).size()); }

Value floats(std::vector<int64_t> dims, const std::vector<float>& numbers) {
  Value value(DType::float32, std::move(dims));
  std::copy(numbers.begin(), numbers.end(), value.as<float>());
  return value;
}

Value whole(int32_t number) {
  Value value(DType::int32, {});
  value.as<int32_t>()[0] = number;
  return value;
}

const std::vector<float> six{0, 0,  1, 1,  0, 0.1f,  1, 1.1f,  0, -0.1f, 1, 0.9f,
                             0, 10, 1, 11, 0, 10.1f, 1, 11.1f, 1, 101,   0, 100};

void test_overlapping_boxes_are_dropped() {
  const Value boxes = floats({6, 4}, six), scores = floats({6}, {0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.3f});
  const Value limit = floats({}, {0.5f}), floor = floats({}, {0.0f}), none = floats({}, {0.0f});
  for (int32_t most : {0, 2, 30}) {
    const Value count = whole(most);
    Value indices(DType::int32, {0}), kept(DType::float32, {0}), valid(DType::int32, {});
    expect(call_kernel(kernel("non_max_suppression"), {&boxes, &scores, &count, &limit, &floor, &none},
                       {&indices, &kept, &valid}, {0, 0})
               .ok(),
           "suppression runs");
    const std::vector<int32_t> all{3, 0, 5}, wanted(all.begin(), all.begin() + std::min<int32_t>(most, 3));
    expect(indices.tensor.dims[0] == static_cast<int64_t>(wanted.size()) &&
               std::equal(wanted.begin(), wanted.end(), indices.as<int32_t>()) &&
               valid.as<int32_t>()[0] == static_cast<int32_t>(wanted.size()),
           "the best boxes that do not overlap");
  }
}

void test_padding_is_zeros() {
  const Value boxes = floats({1, 4}, {0, 0, 1, 1}), scores = floats({1}, {1});
  const Value limit = floats({}, {0.5f}), floor = floats({}, {0.0f}), none = floats({}, {0.0f}), count = whole(3);
  Value indices(DType::int32, {0}), kept(DType::float32, {0}), valid(DType::int32, {});
  expect(call_kernel(kernel("non_max_suppression"), {&boxes, &scores, &count, &limit, &floor, &none},
                     {&indices, &kept, &valid}, {0, 1})
             .ok(),
         "suppression runs");
  expect(indices.tensor.dims[0] == 3 && indices.as<int32_t>()[2] == 0 && kept.as<float>()[0] == 1 &&
             kept.as<float>()[1] == 0 && valid.as<int32_t>()[0] == 1,
         "padded with zeros");
}

void test_hostile_calls_are_refused() {
  const Value boxes = floats({6, 4}, six), scores = floats({6}, {1, 2, 3, 4, 5, 6}), few = floats({5}, {1, 2, 3, 4, 5});
  const Value limit = floats({}, {0.5f}), high = floats({}, {1.5f}), nan = floats({}, {NAN}), none = floats({}, {0.0f});
  const Value three = whole(3), negative = whole(-1);
  Value indices(DType::int32, {0}), kept(DType::float32, {0}), valid(DType::int32, {});
  const auto refused = [&](std::vector<const Value*> inputs, std::vector<int64_t> words, const std::string& what) {
    expect(!call_kernel(kernel("non_max_suppression"), inputs, {&indices, &kept, &valid}, words).ok(), what);
  };
  refused({&boxes, &few, &three, &limit, &none, &none}, {0, 0}, "fewer scores");
  refused({&boxes, &scores, &three, &limit, &none, &none}, {1, 0}, "boxes as overlaps");
  refused({&boxes, &scores, &three, &limit, &none, &none}, {2, 0}, "an unknown kind");
  refused({&boxes, &scores, &three, &limit, &none, &none}, {0}, "one word");
  refused({&boxes, &scores, &negative, &limit, &none, &none}, {0, 0}, "a negative size");
  refused({&boxes, &scores, &three, &high, &none, &none}, {0, 0}, "a limit above 1");
  refused({&boxes, &scores, &three, &nan, &none, &none}, {0, 0}, "a limit that is no number");
  refused({&boxes, &scores, &three, &limit, &none}, {0, 0}, "five inputs");
}

void test_outlines_are_drawn_inside() {
  const Value x = floats({1, 3, 4, 1}, std::vector<float>(12, 0.0f)), colours = floats({1, 1}, {2});
  const Value box = floats({1, 3, 4}, {0, 0, 1, 0.4f, -9, -9, 1e30f, 1e30f, NAN, 0, 1, 1});
  Value y(DType::float32, {1, 3, 4, 1});
  expect(call_kernel(kernel("draw_boxes"), {&x, &box, &colours}, {&y}, {}).ok(), "drawing runs");
  const float wanted[] = {2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0, 0};
  float found[12];
  std::copy_n(y.as<float>(), 12, found);
  expect(found[0] == wanted[0] && found[4] == wanted[4] && found[9] == wanted[9] && y.guard_intact(), "an outline");
  const Value none = floats({0, 1}, {});
  expect(!call_kernel(kernel("draw_boxes"), {&x, &box, &none}, {&y}, {}).ok(), "accepted no colours");
}

void test_combined_results_are_sorted_and_padded() {
  const Value boxes = floats({1, 2, 1, 4}, {0, 0, 1, 1, 2, 2, 3, 3}), scores = floats({1, 2, 2}, {0.1f, 0.9f, 0.5f, 0});
  const Value limit = floats({}, {0.5f}), floor = floats({}, {0.05f});
  Value b(DType::float32, {1, 4, 4}), s(DType::float32, {1, 4}), c(DType::float32, {1, 4}), n(DType::int32, {1});
  expect(call_kernel(kernel("combined_non_max_suppression"), {&boxes, &scores, &limit, &floor}, {&b, &s, &c, &n},
                     {5, 4, 1})
             .ok(),
         "combined runs");
  expect(n.as<int32_t>()[0] == 3 && s.as<float>()[0] == 0.9f && c.as<float>()[0] == 1 && s.as<float>()[1] == 0.5f &&
             s.as<float>()[3] == 0 && b.as<float>()[4] == 1,
         "best first, clipped");
  expect(!call_kernel(kernel("combined_non_max_suppression"), {&boxes, &scores, &limit, &floor}, {&b, &s, &c, &n},
                      {-1, 4, 1}, true)
              .ok(),
         "accepted a negative size");
}

void test_projective_transforms_shift_and_fill() {
  const Value x = floats({1, 2, 2, 1}, {1, 2, 3, 4}), fill = floats({}, {9});
  const Value shift = floats({1, 8}, {1, 0, 1, 0, 1, 0, 0, 0}), odd = floats({1, 8}, {NAN, 0, 1e38f, 0, 1, 0, -1, 0});
  Value y(DType::float32, {1, 2, 2, 1});
  const Kernel& transform = kernel("projective_transform");
  expect(call_kernel(transform, {&x, &shift, &fill}, {&y}, {0, 2}).ok(), "a shift");
  const float wanted[] = {2, 9, 4, 9};
  expect(std::equal(wanted, wanted + 4, y.as<float>()), "what lies outside holds the fill");
  for (int64_t interpolation : {0, 1}) {
    for (int64_t mode : {0, 1, 2, 3})
      expect(call_kernel(transform, {&x, &odd, &fill}, {&y}, {interpolation, mode}).ok() && y.guard_intact(), "odd");
  }
  expect(!call_kernel(transform, {&x, &shift, &fill}, {&y}, {2, 2}, true).ok(), "accepted interpolation 2");
  expect(!call_kernel(transform, {&x, &shift, &fill}, {&y}, {0, 4}, true).ok(), "accepted fill mode 4");
  const Value two = floats({2, 8}, std::vector<float>(16, 0.0f));
  expect(!call_kernel(transform, {&x, &two, &fill}, {&y}, {0, 2}, true).ok(), "accepted two transforms");
}

void test_crops_are_resized_and_filled() {
  const Value x = floats({1, 2, 2, 1}, {1, 2, 3, 4});
  const Value boxes = floats({2, 4}, {0, 0, 1, 1, -1, 0, NAN, 1});
  Value index(DType::int32, {2}), y(DType::float32, {2, 1, 3, 1});
  index.as<int32_t>()[0] = index.as<int32_t>()[1] = 0;
  const Kernel& crop = kernel("crop_and_resize");
  expect(call_kernel(crop, {&x, &boxes, &index}, {&y}, {0, word(7.0)}).ok(), "crops");
  const float wanted[] = {2, 2.5f, 3, 7, 7, 7};
  expect(std::equal(wanted, wanted + 6, y.as<float>()) && y.guard_intact(), "bilinear crops");
  for (int32_t bad : {-1, 1, INT32_MAX}) {
    index.as<int32_t>()[1] = bad;
    expect(call_kernel(crop, {&x, &boxes, &index}, {&y}, {0, word(7.0)}).code() == Code::out_of_range, "a bad index");
  }
  const Value empty(DType::float32, {1, 0, 2, 1}), three = floats({2, 3}, {0, 0, 0, 0, 0, 0});
  expect(!call_kernel(crop, {&empty, &boxes, &index}, {&y}, {0, 0}, true).ok(), "accepted an empty image");
  expect(!call_kernel(crop, {&x, &three, &index}, {&y}, {0, 0}, true).ok(), "accepted three coordinates");
  expect(!call_kernel(crop, {&x, &boxes, &index}, {&y}, {2, 0}, true).ok(), "accepted method 2");
}

void test_random_boxes_survive_odd_ranges() {
  Value bits(DType::uint32, {12}), sizes(DType::int64, {3}), begin(DType::int64, {3}), size(DType::int64, {3});
  Value box(DType::float32, {1, 1, 4});
  for (int i = 0; i < 12; ++i) bits.as<uint32_t>()[i] = 2654435761u * static_cast<uint32_t>(i + 1);
  const Value boxes = floats({1, 4}, {0, 0, 1, 1}), least = floats({}, {0.1f});
  const Kernel& draw = kernel("random_crop_box");
  for (int64_t rows : {1, 7, 1 << 23}) {
    for (double ratio : {1e-30, 1.0, 1e30, static_cast<double>(NAN)}) {
      for (double area : {1e-30, 0.5, 1e30}) {
        sizes.as<int64_t>()[0] = rows, sizes.as<int64_t>()[1] = 5, sizes.as<int64_t>()[2] = 3;
        const Status found = call_kernel(draw, {&bits, &sizes, &boxes, &least}, {&begin, &size, &box},
                                         {word(ratio), word(ratio), word(area), word(area), 3, 0});
        const int64_t *b = begin.as<int64_t>(), *s = size.as<int64_t>();
        expect(found.ok() && b[0] >= 0 && b[1] >= 0 && b[0] + s[0] <= rows && b[1] + s[1] <= 5, "a box inside");
      }
    }
  }
  const Value outside = floats({1, 4}, {0, 0, 2, 1});
  const std::vector<int64_t> good{word(0.75), word(1.33), word(0.05), word(1.0), 3, 0};
  expect(!call_kernel(draw, {&bits, &sizes, &outside, &least}, {&begin, &size, &box}, good).ok(), "a box outside");
  auto many = good;
  many[4] = 4;
  expect(!call_kernel(draw, {&bits, &sizes, &boxes, &least}, {&begin, &size, &box}, many, true).ok(), "too few bits");
}

}  // namespace

int main() {
  test_overlapping_boxes_are_dropped();
  test_padding_is_zeros();
  test_hostile_calls_are_refused();
  test_outlines_are_drawn_inside();
  test_combined_results_are_sorted_and_padded();
  test_projective_transforms_shift_and_fill();
  test_crops_are_resized_and_filled();
  test_random_boxes_survive_odd_ranges();
  return report();
}
