// Resizing as two banded matrices, one along each axis: which inputs an output takes, and their weights. Refuses sizes below 1.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel.h"

namespace millstream {

// Numbers are part of the plan format. From `lanczos1` on the places come from a scale and a translation (ScaleAndTranslate).
enum class ResizeMethod : int64_t {
  bilinear = 0,
  nearest = 1,
  bicubic = 2,
  area = 3,
  lanczos1 = 4,
  lanczos3 = 5,
  lanczos5 = 6,
  gaussian = 7,
  box = 8,
  triangle = 9,
  keyscubic = 10,
  mitchellcubic = 11,
};

struct ResizeRule {
  ResizeMethod method = ResizeMethod::bilinear;
  bool align_corners = false, half_pixel_centers = false, antialias = false;
  bool is_scaled() const { return method >= ResizeMethod::lanczos1; }
};

// Output i is the sum of weight[offset[i] + t] * input[start[i] + t] for t < count(i).
struct ResizeSpans {
  std::vector<int64_t> start, offset;
  std::vector<float> weight;
  int64_t most = 0;   // the largest count
  bool lerp = false;  // at most two inputs: written a + (b - a) * weight, so that what is constant stays so

  int64_t outputs() const { return static_cast<int64_t>(start.size()); }
  int64_t count(int64_t i) const { return offset[static_cast<size_t>(i) + 1] - offset[static_cast<size_t>(i)]; }
};

// Throws std::bad_alloc. `scale` and `translation` only count where the rule is scaled; scale > 0.
ResizeSpans resize_spans(const ResizeRule& rule, int64_t inputs, int64_t outputs, float scale, float translation);
// The transposed matrix: input i of the result is output i of `spans`.
ResizeSpans transposed_spans(const ResizeSpans& spans, int64_t inputs);

// What `resize` and `resize_gradient` read from a call: x [images, rows, columns, depth], first and last sizes equal in both.
Status read_resize(const Call& call, bool gradient, ResizeRule& rule);
// The matrices of both axes, from the sizes and, where scaled, the contents of inputs 1 and 2.
Status read_spans(const Call& call, bool gradient, const ResizeRule& rule, ResizeSpans& rows, ResizeSpans& columns);

}  // namespace millstream
