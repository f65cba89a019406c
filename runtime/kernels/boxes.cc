// Kernels on boxes [y1, x1, y2, x2]: choosing boxes that do not overlap, drawing boxes. They refuse sizes that do not fit.
//
//   non_max_suppression      boxes float32 [n, 4] (or overlaps [n, n]), scores float32 [n], most int32 scalar, thresholds of overlap
//                            and of score, softness sigma (float32 scalars) -> indices int32 [m], scores float32 [m], int32 valid
//     attributes: 0 kind (0 boxes, 1 overlaps), 1 padded (1: m is `most`, zeros behind the valid ones). Outputs are given whole:
//     mark them binding. Of equal scores the lower index goes first. sigma > 0 lowers scores in place of dropping boxes.
//   combined_non_max_suppression  boxes float32 [images, n, 1 or classes, 4], scores float32 [images, n, classes], overlap and score
//                            thresholds float32 scalars -> boxes [images, m, 4], scores [images, m], classes [images, m] float32,
//                            int32 valid [images]
//     attributes: 0 most of a class, 1 most in all, 2 clip (1: boxes cut to [0, 1])
//   draw_boxes               images float32 [n, rows, columns, depth], boxes float32 [n, k, 4], colours float32 [c, at least depth]
//                            -> images with the boxes' outlines; no attributes
#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <queue>
#include <vector>

#include "kernels/operands.h"
#include "memory/objects.h"
#include "threads/pool.h"

namespace millstream {
namespace {

float overlap(const float* a, const float* b) {
  const float top_a = std::min(a[0], a[2]), left_a = std::min(a[1], a[3]), bottom_a = std::max(a[0], a[2]),
              right_a = std::max(a[1], a[3]), top_b = std::min(b[0], b[2]), left_b = std::min(b[1], b[3]),
              bottom_b = std::max(b[0], b[2]), right_b = std::max(b[1], b[3]);
  const float area_a = (bottom_a - top_a) * (right_a - left_a), area_b = (bottom_b - top_b) * (right_b - left_b);
  if (area_a <= 0 || area_b <= 0) return 0;
  const float height = std::max(std::min(bottom_a, bottom_b) - std::max(top_a, top_b), 0.0f);
  const float width = std::max(std::min(right_a, right_b) - std::max(left_a, left_b), 0.0f);
  return height * width / (area_a + area_b - height * width);
}

struct Candidate {
  int64_t index;
  float score;
  int64_t compared;  // how many of the chosen boxes it has been compared with
  bool operator<(const Candidate& other) const {
    return score < other.score || (score == other.score && index > other.index);
  }
};

struct Thresholds {
  float overlap, score, sigma;
};

template <typename Similar>
void choose(const float* scores, int64_t count, int64_t most, const Thresholds& limits, Similar&& similar,
            std::vector<int64_t>& chosen, std::vector<float>& chosen_scores) {
  std::priority_queue<Candidate> candidates;
  for (int64_t i = 0; i < count; ++i) {
    if (scores[i] > limits.score) candidates.push({i, scores[i], 0});
  }
  const bool soft = limits.sigma > 0;
  const float scale = soft ? -0.5f / limits.sigma : 0;
  while (static_cast<int64_t>(chosen.size()) < most && !candidates.empty()) {
    Candidate next = candidates.top();
    candidates.pop();
    const float before = next.score;
    bool dropped = false;
    for (auto j = static_cast<int64_t>(chosen.size()) - 1; j >= next.compared; --j) {
      const float likeness = similar(next.index, chosen[static_cast<size_t>(j)]);
      if (!soft && likeness > limits.overlap) {
        dropped = true;
        break;
      }
      if (soft) next.score *= std::exp(scale * likeness * likeness);
      if (next.score <= limits.score) break;
    }
    next.compared = static_cast<int64_t>(chosen.size());
    if (dropped) continue;
    if (next.score == before) {
      chosen.push_back(next.index);
      chosen_scores.push_back(next.score);
    } else if (next.score > limits.score) {
      candidates.push(next);
    }
  }
}

bool is_scalar(const Tensor& x, DType dtype) { return x.dtype == dtype && x.rank == 0; }
bool is_floats(const Tensor& x, int rank) { return x.dtype == DType::float32 && x.rank == rank; }

Status check_suppression(const Call& call) {
  MS_REQUIRE(call.input_count == 6 && call.output_count == 3, "non_max_suppression: takes six inputs, gives three");
  for (int i = 0; i < 6; ++i) {
    MS_REQUIRE(call.has(i), "non_max_suppression: all inputs must be given");
    MS_RETURN_IF_ERROR(check_tensor(call.in(i), "non_max_suppression"));
  }
  MS_RETURN_IF_ERROR(check_attributes(call, "non_max_suppression", 2));
  const Tensor &boxes = call.in(0), &scores = call.in(1);
  const int64_t kind = call.attributes[0];
  MS_REQUIRE(kind >= 0 && kind <= 1 && call.attributes[1] >= 0 && call.attributes[1] <= 1,
             "non_max_suppression: kind and padded are 0 or 1");
  MS_REQUIRE(is_floats(scores, 1) && scores.dims[0] < int64_t{1} << 31, "scores must be 1-D, got " + show(scores));
  MS_REQUIRE(
      is_floats(boxes, 2) && boxes.dims[0] == scores.dims[0] && boxes.dims[1] == (kind == 0 ? 4 : scores.dims[0]),
      "scores has incompatible shape: " + show(scores) + " for " + show(boxes));
  MS_REQUIRE(is_scalar(call.in(2), DType::int32), "max_output_size must be 0-D, got shape " + show(call.in(2)));
  for (int i = 3; i < 6; ++i)
    MS_REQUIRE(is_scalar(call.in(i), DType::float32), "thresholds must be 0-D, got shape " + show(call.in(i)));
  MS_REQUIRE(call.out(0).dtype == DType::int32 && call.out(0).rank == 1 && is_floats(call.out(1), 1) &&
                 is_scalar(call.out(2), DType::int32),
             "non_max_suppression: gives int32 indices, float32 scores and an int32 count");
  return {};
}

Status run_suppression(const Call& call) try {
  MS_RETURN_IF_ERROR(check_suppression(call));
  const float* boxes = call.in(0).as<const float>();
  const int64_t count = call.in(1).dims[0], most = call.in(2).as<const int32_t>()[0];
  const Thresholds limits{call.in(3).as<const float>()[0], call.in(4).as<const float>()[0],
                          call.in(5).as<const float>()[0]};
  const bool by_overlaps = call.attributes[0] == 1, padded = call.attributes[1] == 1;
  MS_REQUIRE(most >= 0, "output size must be non-negative");
  if (!by_overlaps) MS_REQUIRE(limits.overlap >= 0 && limits.overlap <= 1, "iou_threshold must be in [0, 1]");
  MS_REQUIRE(limits.sigma >= 0, "soft_nms_sigma must be non-negative");
  std::vector<int64_t> chosen;
  std::vector<float> scores;
  const auto similar = [&](int64_t i, int64_t j) {
    return by_overlaps ? boxes[i * count + j] : overlap(boxes + i * 4, boxes + j * 4);
  };
  choose(call.in(1).as<const float>(), count, most, limits, similar, chosen, scores);
  const auto valid = static_cast<int64_t>(chosen.size()), size = padded ? most : valid;
  for (int i = 0; i < 3; ++i) {
    Tensor& out = call.out(i);
    out.rank = i < 2 ? 1 : 0;
    if (i < 2) out.dims[0] = size;
    allocate_data(out);
  }
  for (int64_t i = 0; i < size; ++i) {
    call.out(0).as<int32_t>()[i] = i < valid ? static_cast<int32_t>(chosen[static_cast<size_t>(i)]) : 0;
    call.out(1).as<float>()[i] = i < valid ? scores[static_cast<size_t>(i)] : 0;
  }
  call.out(2).as<int32_t>()[0] = static_cast<int32_t>(valid);
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("non_max_suppression", call.in(0));
}

Status check_combined(const Call& call) {
  const std::string who = "combined_non_max_suppression: ";
  MS_RETURN_IF_ERROR(check_operands(call, "combined_non_max_suppression", 4, 4));
  MS_RETURN_IF_ERROR(check_attributes(call, "combined_non_max_suppression", 3));
  const Tensor &boxes = call.in(0), &scores = call.in(1);
  MS_REQUIRE(is_floats(boxes, 4) && is_floats(scores, 3) && boxes.dims[0] == scores.dims[0] &&
                 boxes.dims[1] == scores.dims[1] && boxes.dims[3] == 4 &&
                 (boxes.dims[2] == 1 || boxes.dims[2] == scores.dims[2]),
             who + "boxes must be [images, n, 1 or classes, 4] and scores [images, n, classes], got " + show(boxes) +
                 " and " + show(scores));
  MS_REQUIRE(is_scalar(call.in(2), DType::float32) && is_scalar(call.in(3), DType::float32),
             who + "thresholds are scalars");
  MS_REQUIRE(call.attributes[0] >= 0 && call.attributes[1] >= 0 && call.attributes[2] >= 0 && call.attributes[2] <= 1,
             who + "sizes must not be negative");
  const Tensor& out = call.out(0);
  MS_REQUIRE(is_floats(out, 3) && out.dims[0] == boxes.dims[0] && out.dims[2] == 4 && is_floats(call.out(1), 2) &&
                 is_floats(call.out(2), 2) && call.out(3).dtype == DType::int32 && call.out(3).rank == 1 &&
                 call.out(3).dims[0] == boxes.dims[0],
             who + "gives boxes [images, m, 4], scores and classes [images, m] and counts [images]");
  for (int i = 1; i < 3; ++i)
    MS_REQUIRE(call.out(i).dims[0] == out.dims[0] && call.out(i).dims[1] == out.dims[1], who + "outputs disagree");
  return {};
}

struct Found {
  float score;
  int64_t cls;
  const float* box;
};

Status run_combined(const Call& call) try {
  MS_RETURN_IF_ERROR(check_combined(call));
  const Tensor &boxes = call.in(0), &scores = call.in(1);
  const int64_t count = boxes.dims[1], sets = boxes.dims[2], classes = scores.dims[2], width = call.out(0).dims[1];
  const Thresholds limits{call.in(2).as<const float>()[0], call.in(3).as<const float>()[0], 0};
  MS_REQUIRE(limits.overlap >= 0 && limits.overlap <= 1, "iou_threshold must be in [0, 1]");
  const bool clip = call.attributes[2] == 1;
  std::vector<float> own(static_cast<size_t>(count)), chosen_scores;
  std::vector<int64_t> chosen;
  std::vector<Found> found;
  for (int64_t image = 0; image < boxes.dims[0]; ++image) {
    found.clear();
    const float* first = boxes.as<const float>() + image * count * sets * 4;
    for (int64_t c = 0; c < classes; ++c) {
      const auto box = [&](int64_t i) { return first + (i * sets + (sets == 1 ? 0 : c)) * 4; };
      for (int64_t i = 0; i < count; ++i)
        own[static_cast<size_t>(i)] = scores.as<const float>()[(image * count + i) * classes + c];
      chosen.clear(), chosen_scores.clear();
      choose(
          own.data(), count, call.attributes[0], limits, [&](int64_t i, int64_t j) { return overlap(box(i), box(j)); },
          chosen, chosen_scores);
      for (size_t i = 0; i < chosen.size(); ++i) found.push_back({chosen_scores[i], c, box(chosen[i])});
    }
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
    const int64_t valid = std::min({static_cast<int64_t>(found.size()), call.attributes[1], width});
    float *to_box = call.out(0).as<float>() + image * width * 4, *to_score = call.out(1).as<float>() + image * width,
          *to_class = call.out(2).as<float>() + image * width;
    for (int64_t i = 0; i < width; ++i) {
      for (int k = 0; k < 4; ++k) {
        const float at = i < valid ? found[static_cast<size_t>(i)].box[k] : 0;
        to_box[i * 4 + k] = clip ? std::max(std::min(at, 1.0f), 0.0f) : at;
      }
      to_score[i] = i < valid ? found[static_cast<size_t>(i)].score : 0;
      to_class[i] = i < valid ? static_cast<float>(found[static_cast<size_t>(i)].cls) : 0;
    }
    call.out(3).as<int32_t>()[image] = static_cast<int32_t>(valid);
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("combined_non_max_suppression", call.in(0));
}

Status check_draw(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "draw_boxes", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "draw_boxes", 0));
  const Tensor &x = call.in(0), &boxes = call.in(1), &colours = call.in(2);
  MS_REQUIRE(is_floats(x, 4) && is_floats(call.out(0), 4) && same_dims(x, call.out(0)),
             "draw_boxes: images are float32 [n, rows, columns, depth], got " + show(x));
  MS_REQUIRE(is_floats(boxes, 3) && boxes.dims[0] == x.dims[0] && boxes.dims[2] == 4,
             "draw_boxes: boxes are [n, k, 4], got " + show(boxes));
  MS_REQUIRE(is_floats(colours, 2) && colours.dims[0] > 0 && colours.dims[1] >= x.dims[3],
             "draw_boxes: colours have at least the images' depth, got " + show(colours));
  return {};
}

int64_t whole(float at) {
  return at > -1e9f && at < 1e9f ? static_cast<int64_t>(at) : at > 0 ? 1000000000 : -1000000000;
}

Status run_draw(const Call& call) {
  MS_RETURN_IF_ERROR(check_draw(call));
  const Tensor &x = call.in(0), &boxes = call.in(1), &colours = call.in(2);
  const int64_t rows = x.dims[1], columns = x.dims[2], depth = x.dims[3], image = rows * columns * depth;
  parallel_for(x.dims[0], 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* to = call.out(0).as<float>() + n * image;
      const float* from = x.as<const float>() + n * image;
      if (from != to) std::copy_n(from, image, to);
      for (int64_t k = 0; k < boxes.dims[1]; ++k) {
        const float* box = boxes.as<const float>() + (n * boxes.dims[1] + k) * 4;
        const float* colour = colours.as<const float>() + k % colours.dims[0] * colours.dims[1];
        const auto last_row = static_cast<float>(rows - 1), last_column = static_cast<float>(columns - 1);
        const int64_t top = whole(box[0] * last_row), bottom = whole(box[2] * last_row);
        const int64_t left = whole(box[1] * last_column), right = whole(box[3] * last_column);
        if (top > bottom || left > right || top >= rows || bottom < 0 || left >= columns || right < 0) continue;
        const int64_t first_row = std::max<int64_t>(top, 0), end_row = std::min(bottom, rows - 1) + 1;
        const int64_t first_column = std::max<int64_t>(left, 0), end_column = std::min(right, columns - 1) + 1;
        const auto paint = [&](int64_t i, int64_t j) { std::copy_n(colour, depth, to + (i * columns + j) * depth); };
        for (int64_t j = first_column; j < end_column; ++j) {
          if (top >= 0) paint(top, j);
          if (bottom < rows) paint(bottom, j);
        }
        for (int64_t i = first_row; i < end_row; ++i) {
          if (left >= 0) paint(i, left);
          if (right < columns) paint(i, right);
        }
      }
    }
  });
  return {};
}

const Kernel kernel_non_max_suppression{"non_max_suppression", check_suppression, run_suppression, nullptr, true};
const Kernel kernel_combined_non_max_suppression{"combined_non_max_suppression", check_combined, run_combined};
const Kernel kernel_draw_boxes{"draw_boxes", check_draw, run_draw};

}  // namespace

void register_boxes(Registry& registry) {
  registry.add(kernel_non_max_suppression);
  registry.add(kernel_combined_non_max_suppression);
  registry.add(kernel_draw_boxes);
}

}  // namespace millstream
