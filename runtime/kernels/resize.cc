// The weights of resizing, as TensorFlow computes them in float32, and the checks. Compiled for the baseline without joined
// multiply-adds: a place that is off by one rounding picks another pixel.
#include "kernels/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/operands.h"

namespace millstream {
namespace {

struct Place {
  const ResizeRule& rule;
  float scale;

  Place(const ResizeRule& given, int64_t inputs, int64_t outputs)
      : rule(given),
        scale(given.align_corners && outputs > 1 ? static_cast<float>(inputs - 1) / static_cast<float>(outputs - 1)
                                                 : static_cast<float>(inputs) / static_cast<float>(outputs)) {}
  float operator()(int64_t at) const {
    const auto place = static_cast<float>(at);
    return rule.half_pixel_centers ? (place + 0.5f) * scale - 0.5f : place * scale;
  }
};

void add_span(ResizeSpans& spans, int64_t start, const float* weights, int64_t count) {
  spans.start.push_back(start);
  spans.weight.insert(spans.weight.end(), weights, weights + count);
  spans.offset.push_back(static_cast<int64_t>(spans.weight.size()));
  spans.most = std::max(spans.most, count);
}

void add_bilinear(ResizeSpans& spans, float at, int64_t inputs) {
  const float below = std::floor(at), part = at - below;
  const int64_t low = std::clamp<int64_t>(static_cast<int64_t>(below), 0, inputs - 1);
  const int64_t high = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(at)), 0, inputs - 1);
  const float one = 1, both[] = {1 - part, part};
  add_span(spans, low, high == low ? &one : both, high == low ? 1 : 2);
}

void add_nearest(ResizeSpans& spans, const Place& place, int64_t i, int64_t inputs) {
  const auto index = static_cast<float>(i);
  const float at = (place.rule.half_pixel_centers ? index + 0.5f : index) * place.scale;
  const float nearest = place.rule.align_corners ? std::round(at) : std::floor(at);
  const float one = 1;
  add_span(spans, std::clamp<int64_t>(static_cast<int64_t>(nearest), 0, inputs - 1), &one, 1);
}

constexpr int64_t cubic_steps = 1024;

// Weights at distance i / 1024 from the two pixels nearest and the two behind them.
struct CubicTable {
  std::array<float, (cubic_steps + 1) * 2> values;
  explicit CubicTable(double a) {
    for (int64_t i = 0; i <= cubic_steps; ++i) {
      auto x = static_cast<float>(static_cast<double>(i) / cubic_steps);
      const auto at = static_cast<size_t>(i) * 2;
      values[at] = static_cast<float>(((a + 2) * x - (a + 3)) * x * x + 1);
      x += 1.0f;
      values[at + 1] = static_cast<float>(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
    }
  }
};

void add_bicubic(ResizeSpans& spans, float at, int64_t inputs, bool keys) {
  static const CubicTable half(-0.5), quarters(-0.75);
  const auto& table = (keys ? half : quarters).values;
  const auto first = static_cast<int64_t>(std::floor(at));
  const auto step = static_cast<size_t>(std::lrint((at - static_cast<float>(first)) * cubic_steps));
  float four[] = {table[step * 2 + 1], table[step * 2], table[(cubic_steps - step) * 2],
                  table[(cubic_steps - step) * 2 + 1]};
  int64_t index[4];
  float sum = 0;
  for (int64_t t = 0; t < 4; ++t) {
    index[t] = std::clamp<int64_t>(first - 1 + t, 0, inputs - 1);
    if (keys && index[t] != first - 1 + t) four[t] = 0;
    sum += four[t];
  }
  if (keys && std::fabs(sum) >= 1000.0f * 1.17549435e-38f) {
    const float share = 1.0f / sum;
    for (float& weight : four) weight *= share;
  }
  float merged[4] = {};
  for (int64_t t = 0; t < 4; ++t) merged[index[t] - index[0]] += four[t];
  add_span(spans, index[0], merged, index[3] - index[0] + 1);
}

void add_area(ResizeSpans& spans, int64_t i, float scale, int64_t inputs, std::vector<float>& weights) {
  const float from = static_cast<float>(i) * scale, to = static_cast<float>(i + 1) * scale;
  const auto first = static_cast<int64_t>(std::floor(from));
  const auto end = std::max(static_cast<int64_t>(std::ceil(to)), first + 1);
  const int64_t start = std::clamp<int64_t>(first, 0, inputs - 1), last = std::clamp<int64_t>(end - 1, 0, inputs - 1);
  weights.assign(static_cast<size_t>(last - start + 1), 0.0f);
  const float share = 1.0f / scale;
  for (int64_t k = first; k < end; ++k) {
    const auto low = static_cast<float>(k), high = low + 1;
    const float part = low < from ? (high > to ? scale : high - from) : (high > to ? to - low : 1.0f);
    weights[static_cast<size_t>(std::clamp<int64_t>(k, 0, inputs - 1) - start)] += part * share;
  }
  add_span(spans, start, weights.data(), static_cast<int64_t>(weights.size()));
}

float radius_of(ResizeMethod method) {
  switch (method) {
    case ResizeMethod::lanczos1:
    case ResizeMethod::triangle:
      return 1;
    case ResizeMethod::lanczos3:
      return 3;
    case ResizeMethod::lanczos5:
      return 5;
    case ResizeMethod::gaussian:
      return 1.5f;
    case ResizeMethod::box:
      return 0.5f;
    default:
      return 2;
  }
}

float kernel_at(ResizeMethod method, float x) {
  constexpr auto pi = static_cast<float>(3.14159265359);
  x = std::fabs(x);
  const float radius = radius_of(method);
  switch (method) {
    case ResizeMethod::lanczos1:
    case ResizeMethod::lanczos3:
    case ResizeMethod::lanczos5:
      if (x > radius) return 0;
      if (x <= 1e-3f) return 1;
      return radius * std::sin(pi * x) * std::sin(pi * x / radius) / (pi * pi * x * x);
    case ResizeMethod::gaussian: {
      const float sigma = radius / 3.0f;
      return x >= radius ? 0 : std::exp(-x * x / (2.0f * sigma * sigma));
    }
    case ResizeMethod::box:
      return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0;
    case ResizeMethod::triangle:
      return x < 1 ? 1 - x : 0;
    case ResizeMethod::keyscubic:
      if (x >= 2) return 0;
      if (x >= 1) return ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f;
      return ((1.5f * x - 2.5f) * x) * x + 1.0f;
    default:
      if (x >= 2) return 0;
      if (x >= 1) return (((-7.0f / 18.0f) * x + 2.0f) * x - 10.0f / 3.0f) * x + 16.0f / 9.0f;
      return (((7.0f / 6.0f) * x - 2.0f) * x) * x + 8.0f / 9.0f;
  }
}

struct Sampling {
  float inverse, shift, wide, radius;
  Sampling(const ResizeRule& rule, float scale, float translation)
      : inverse(static_cast<float>(1.0 / scale)),
        shift(-inverse * translation),
        wide(rule.antialias ? std::max(inverse, 1.0f) : 1.0f),
        radius(radius_of(rule.method) * wide) {}
};

void add_sampled(ResizeSpans& spans, const ResizeRule& rule, const Sampling& s, int64_t i, int64_t inputs,
                 std::vector<float>& weights) {
  const float at = (static_cast<float>(i) + 0.5f) * s.inverse + s.shift;
  if (!(at >= 0 && at <= static_cast<float>(inputs))) return add_span(spans, 0, nullptr, 0);
  const auto most = static_cast<float>(inputs);  // limits before the cast: a tiny scale makes the radius infinite
  const auto first = static_cast<int64_t>(std::clamp(std::ceil(at - s.radius - 0.5f), 0.0f, most));
  const auto last = static_cast<int64_t>(std::clamp(std::floor(at + s.radius - 0.5f), 0.0f, most));
  const int64_t start = std::min(first, inputs - 1), end = std::min(last, inputs - 1) + 1;
  weights.clear();
  float sum = 0;
  const float narrow = 1.0f / s.wide;
  for (int64_t k = start; k < end; ++k) {
    weights.push_back(kernel_at(rule.method, (static_cast<float>(k) + 0.5f - at) * narrow));
    sum += weights.back();
  }
  if (std::fabs(sum) < 1000.0f * 1.17549435e-38f) return add_span(spans, 0, nullptr, 0);
  const float share = 1.0f / sum;
  for (float& weight : weights) weight *= share;
  add_span(spans, start, weights.data(), static_cast<int64_t>(weights.size()));
}

}  // namespace

ResizeSpans resize_spans(const ResizeRule& rule, int64_t inputs, int64_t outputs, float scale, float translation) {
  ResizeSpans spans;
  spans.offset.push_back(0);
  spans.lerp = rule.method == ResizeMethod::bilinear;
  const Place place(rule, inputs, outputs);
  const Sampling sampling(rule, scale, translation);
  std::vector<float> weights;
  for (int64_t i = 0; i < outputs; ++i) {
    switch (rule.method) {
      case ResizeMethod::bilinear:
        add_bilinear(spans, place(i), inputs);
        break;
      case ResizeMethod::nearest:
        add_nearest(spans, place, i, inputs);
        break;
      case ResizeMethod::bicubic:
        add_bicubic(spans, place(i), inputs, rule.half_pixel_centers);
        break;
      case ResizeMethod::area:
        add_area(spans, i, place.scale, inputs, weights);
        break;
      default:
        add_sampled(spans, rule, sampling, i, inputs, weights);
    }
  }
  return spans;
}

ResizeSpans transposed_spans(const ResizeSpans& spans, int64_t inputs) {
  const auto count = static_cast<size_t>(inputs);
  std::vector<int64_t> low(count, spans.outputs()), high(count, -1);
  for (int64_t i = 0; i < spans.outputs(); ++i) {
    for (int64_t t = 0; t < spans.count(i); ++t) {
      const auto at = static_cast<size_t>(spans.start[static_cast<size_t>(i)] + t);
      low[at] = std::min(low[at], i);
      high[at] = std::max(high[at], i);
    }
  }
  ResizeSpans result;
  result.offset.push_back(0);
  for (size_t at = 0; at < count; ++at) {
    const int64_t wide = high[at] < 0 ? 0 : high[at] - low[at] + 1;
    result.start.push_back(wide ? low[at] : 0);
    result.offset.push_back(result.offset.back() + wide);
    result.most = std::max(result.most, wide);
  }
  result.weight.assign(static_cast<size_t>(result.offset.back()), 0.0f);
  for (int64_t i = 0; i < spans.outputs(); ++i) {
    const auto row = static_cast<size_t>(i);
    for (int64_t t = 0; t < spans.count(i); ++t) {
      const auto at = static_cast<size_t>(spans.start[row] + t);
      result.weight[static_cast<size_t>(result.offset[at] + i - result.start[at])] +=
          spans.weight[static_cast<size_t>(spans.offset[row] + t)];
    }
  }
  return result;
}

Status read_resize(const Call& call, bool gradient, ResizeRule& rule) {
  const char* name = gradient ? "resize_gradient" : "resize";
  const std::string who = std::string(name) + ": ";
  MS_REQUIRE(call.input_count == 1 || call.input_count == 3,
             who + "takes one input, or a scale and a translation, too");
  MS_RETURN_IF_ERROR(check_operands(call, name, call.input_count, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, name, 4));
  const int64_t method = call.attributes[0];
  MS_REQUIRE(method >= 0 && method <= static_cast<int64_t>(ResizeMethod::mitchellcubic),
             who + "method " + std::to_string(method) + " is not known");
  for (int i = 1; i < 4; ++i) MS_REQUIRE(call.attributes[i] == 0 || call.attributes[i] == 1, who + "flags are 0 or 1");
  rule = {static_cast<ResizeMethod>(method), call.attributes[1] == 1, call.attributes[2] == 1, call.attributes[3] == 1};
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(rule.is_scaled() == (call.input_count == 3), who + "a scale is given exactly where the method takes one");
  for (int i = 1; i < call.input_count; ++i) {
    MS_REQUIRE(call.in(i).dtype == DType::float32 && call.in(i).rank == 1 && call.in(i).dims[0] == 2,
               who + "scale and translation are two floats each, got " + show(call.in(i)));
  }
  MS_REQUIRE(
      x.rank == 4 && y.rank == 4 && x.dims[0] == y.dims[0] && x.dims[3] == y.dims[3],
      who + "takes images [count, rows, columns, depth] of one count and depth, got " + show(x) + " and " + show(y));
  constexpr int64_t limit = int64_t{1} << 31;
  const Tensor &small = gradient ? y : x, &large = gradient ? x : y;
  MS_REQUIRE(large.count() == 0 || (small.dims[1] > 0 && small.dims[2] > 0),
             who + "input image must be of non-zero size, got " + show(small));
  MS_REQUIRE(x.dims[1] < limit && x.dims[2] < limit && y.dims[1] < limit && y.dims[2] < limit,
             who + "sizes must be below 2^31, got " + show(x) + " and " + show(y));
  return {};
}

Status read_spans(const Call& call, bool gradient, const ResizeRule& rule, ResizeSpans& rows, ResizeSpans& columns) {
  const Tensor &x = call.in(0), &y = call.out(0), &from = gradient ? y : x, &to = gradient ? x : y;
  float scale[] = {1, 1}, translation[] = {0, 0};
  if (rule.is_scaled()) {
    std::copy_n(call.in(1).as<const float>(), 2, scale);
    std::copy_n(call.in(2).as<const float>(), 2, translation);
    MS_REQUIRE(scale[0] > 0 && scale[1] > 0, "Scale should be greater than zero.");
  }
  rows = resize_spans(rule, from.dims[1], to.dims[1], scale[0], translation[0]);
  columns = resize_spans(rule, from.dims[2], to.dims[2], scale[1], translation[1]);
  if (gradient) {
    rows = transposed_spans(rows, from.dims[1]);
    columns = transposed_spans(columns, from.dims[2]);
  }
  return {};
}

}  // namespace millstream
