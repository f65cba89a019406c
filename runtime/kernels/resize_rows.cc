// Kernels of resizing, compiled once for each instruction set (-DMS_ISA=...). They refuse what resize.cc refuses.
//
//   resize            x [n, rows, columns, depth] (, scale [2], translation [2] float32) -> y [n, rows', columns', depth]
//   resize_gradient   dy [n, rows', columns', depth] (, scale, translation) -> dx [n, rows, columns, depth]
//   attributes: 0 method (ResizeMethod in resize.h), 1 align_corners, 2 half_pixel_centers, 3 antialias
// x is float32 or uint8, y float32; with method nearest both have one element type, any whose bytes can be copied (gradient:
// real numbers). Scale and translation are given with the methods from lanczos1 on. Output rows run in parallel; of the two
// axes that goes first which costs less.
#include <algorithm>
#include <new>
#include <type_traits>
#include <vector>

#include "kernels/gemm_number.h"
#include "kernels/operands.h"
#include "kernels/resize.h"
#include "threads/pool.h"

namespace millstream::MS_ISA {
namespace {

using Four = float __attribute__((vector_size(16)));
using Words = uint32_t __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
using Bytes = uint8_t __attribute__((vector_size(16)));

inline Four load(const float* from) {
  Four value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
// Bytes become the low ends of words: a plain conversion of vectors would go one by one.
inline Four load(const uint8_t* from) {
  uint32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  const auto bytes = reinterpret_cast<Bytes>(Words{word, 0, 0, 0});
  const Bytes wide =
      __builtin_shufflevector(bytes, Bytes{}, 0, 16, 16, 16, 1, 16, 16, 16, 2, 16, 16, 16, 3, 16, 16, 16);
  return __builtin_convertvector(reinterpret_cast<Ints>(wide), Four);
}
inline void store(float* to, Four value) { __builtin_memcpy(to, &value, sizeof value); }

// out = matrix * in along columns; `depth` elements a pixel, 0 for any depth.
template <int depth_, typename T>
void across(const ResizeSpans& spans, int64_t inputs, int64_t any_depth, const T* in, float* out) {
  const int64_t depth = depth_ ? depth_ : any_depth, outputs = spans.outputs();
  const float* weight = spans.weight.data();
  for (int64_t i = 0; i < outputs; ++i, out += depth) {
    const int64_t start = spans.start[static_cast<size_t>(i)], count = spans.count(i);
    const T* from = in + start * depth;
    const float* w = weight + spans.offset[static_cast<size_t>(i)];
    if (depth_ == 3 || depth_ == 4) {
      // Four lanes of which three count: not at the end of a row, whose next bytes belong to others.
      if (depth_ == 4 || (start + count < inputs && i + 1 < outputs)) {
        Four sum = {};
        if (spans.lerp && count > 0) {
          sum = load(from);
          if (count == 2) sum += (load(from + depth) - sum) * w[1];
        } else {
          for (int64_t t = 0; t < count; ++t) sum += load(from + t * depth) * w[t];
        }
        store(out, sum);
        continue;
      }
    }
    if (spans.lerp && count > 0) {
      const T* next = count == 2 ? from + depth : from;
      const float part = count == 2 ? w[1] : 0;
      for (int64_t c = 0; c < depth; ++c) {
        const auto low = static_cast<float>(from[c]);
        out[c] = count == 2 ? low + (static_cast<float>(next[c]) - low) * part : low;
      }
    } else if (depth_ == 1) {
      float sum = 0;
      for (int64_t t = 0; t < count; ++t) sum += static_cast<float>(from[t]) * w[t];
      out[0] = sum;
    } else {
      std::fill_n(out, depth, 0.0f);
      for (int64_t t = 0; t < count; ++t) {
        for (int64_t c = 0; c < depth; ++c) out[c] += static_cast<float>(from[t * depth + c]) * w[t];
      }
    }
  }
}

template <typename T>
void across(const ResizeSpans& spans, int64_t inputs, int64_t depth, const T* in, float* out) {
  if (depth == 1) return across<1>(spans, inputs, depth, in, out);
  if (depth == 3) return across<3>(spans, inputs, depth, in, out);
  if (depth == 4) return across<4>(spans, inputs, depth, in, out);
  return across<0>(spans, inputs, depth, in, out);
}

// out = the weighted sum of whole rows; row(t) is the t-th of the span.
template <typename Row>
void down(const ResizeSpans& spans, int64_t i, int64_t width, Row&& row, float* __restrict out) {
  const int64_t count = spans.count(i);
  const float* w = spans.weight.data() + spans.offset[static_cast<size_t>(i)];
  if (count == 0) {
    std::fill_n(out, width, 0.0f);
    return;
  }
  const auto* first = row(0);
  if (count == 1) {
    const float weight = w[0];
    for (int64_t k = 0; k < width; ++k) out[k] = static_cast<float>(first[k]) * weight;
    return;
  }
  const auto* second = row(1);
  if (spans.lerp) {
    const float part = w[1];
    for (int64_t k = 0; k < width; ++k) {
      const auto low = static_cast<float>(first[k]);
      out[k] = low + (static_cast<float>(second[k]) - low) * part;
    }
    return;
  }
  int64_t t = 2;
  if (count >= 4) {
    const auto *third = row(2), *fourth = row(3);
    for (int64_t k = 0; k < width; ++k) {
      out[k] = static_cast<float>(first[k]) * w[0] + static_cast<float>(second[k]) * w[1] +
               static_cast<float>(third[k]) * w[2] + static_cast<float>(fourth[k]) * w[3];
    }
    t = 4;
  } else {
    for (int64_t k = 0; k < width; ++k)
      out[k] = static_cast<float>(first[k]) * w[0] + static_cast<float>(second[k]) * w[1];
  }
  for (; t + 1 < count; t += 2) {
    const auto *one = row(t), *two = row(t + 1);
    const float a = w[t], b = w[t + 1];
    for (int64_t k = 0; k < width; ++k) out[k] += static_cast<float>(one[k]) * a + static_cast<float>(two[k]) * b;
  }
  for (; t < count; ++t) {
    const auto* one = row(t);
    const float a = w[t];
    for (int64_t k = 0; k < width; ++k) out[k] += static_cast<float>(one[k]) * a;
  }
}

struct Images {
  int64_t count, rows, columns, depth;
};

// Rows go down into one row, which then goes across.
template <typename T>
void down_first(const Images& from, const ResizeSpans& rows, const ResizeSpans& columns, const T* x, float* y,
                int64_t begin, int64_t end, float* held) {
  const int64_t in_row = from.columns * from.depth, out_row = columns.outputs() * from.depth;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / rows.outputs(), i = index % rows.outputs();
    const T* base = x + (image * from.rows + rows.start[static_cast<size_t>(i)]) * in_row;
    down(rows, i, in_row, [&](int64_t t) { return base + t * in_row; }, held);
    across(columns, from.columns, from.depth, held, y + index * out_row);
  }
}

// Each row goes across once and is kept while outputs need it.
template <typename T>
void across_first(const Images& from, const ResizeSpans& rows, const ResizeSpans& columns, const T* x, float* y,
                  int64_t begin, int64_t end, float* held, int64_t* tags) {
  const int64_t in_row = from.columns * from.depth, out_row = columns.outputs() * from.depth;
  std::fill_n(tags, rows.most, -1);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / rows.outputs(), i = index % rows.outputs();
    const int64_t first = image * from.rows + rows.start[static_cast<size_t>(i)];
    const auto row = [&](int64_t t) -> const float* {
      const int64_t wanted = first + t, place = wanted % rows.most;
      float* kept = held + place * out_row;
      if (tags[place] != wanted) {
        across(columns, from.columns, from.depth, x + wanted * in_row, kept);
        tags[place] = wanted;
      }
      return kept;
    };
    down(rows, i, out_row, row, y + index * out_row);
  }
}

template <typename T>
void resample(const Images& from, const ResizeSpans& rows, const ResizeSpans& columns, const T* x, float* y) {
  const int64_t in_row = from.columns * from.depth, out_row = columns.outputs() * from.depth;
  const auto total = static_cast<double>(rows.offset.back()), outputs = static_cast<double>(rows.outputs());
  // Going across jumps from pixel to pixel, which costs more the fewer elements a pixel has.
  const double jump = from.depth >= 16 ? 1 : from.depth == 3 || from.depth == 4 ? 1.25 : 3;
  const double taps = static_cast<double>(columns.offset.back() * from.depth) * jump;
  const double down_cost = total * static_cast<double>(in_row) + outputs * taps;
  const double read = std::min(total, static_cast<double>(from.rows) + outputs / 8);
  const double across_cost = read * taps + total * static_cast<double>(out_row);
  const bool is_down_first = down_cost <= across_cost;
  const double work = (is_down_first ? down_cost : across_cost) / std::max(1.0, outputs);
  const auto grain = static_cast<int64_t>(std::max(1.0, 32768.0 / std::max(1.0, work)));
  const int64_t count = from.count * rows.outputs();
  const auto scratch = static_cast<size_t>(is_down_first ? in_row + 4 : rows.most * out_row + 4);
  // Taken here, where running out of memory can still be reported.
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(thread_count() * 2, count / grain));
  std::vector<float> held(scratch * static_cast<size_t>(parts));
  std::vector<int64_t> tags(static_cast<size_t>(parts * std::max<int64_t>(1, rows.most)));
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      float* own = held.data() + static_cast<size_t>(part) * scratch;
      const int64_t low = part * count / parts, high = (part + 1) * count / parts;
      if (is_down_first)
        down_first(from, rows, columns, x, y, low, high, own);
      else
        across_first(from, rows, columns, x, y, low, high, own, tags.data() + part * rows.most);
    }
  });
}

template <typename Pixel>
void pick_row(const ResizeSpans& columns, int64_t depth, const Pixel* from, Pixel* to) {
  const auto pick = [&](auto fixed) {
    const int64_t n = fixed() ? fixed() : depth;
    for (int64_t j = 0; j < columns.outputs(); ++j) {
      const Pixel* pixel = from + columns.start[static_cast<size_t>(j)] * n;
      for (int64_t c = 0; c < n; ++c) to[j * n + c] = pixel[c];
    }
  };
  if (depth == 1) return pick([] { return 1; });
  if (depth == 3) return pick([] { return 3; });
  if (depth == 4) return pick([] { return 4; });
  pick([] { return 0; });
}

template <typename Pixel>
void pick_nearest(const Images& from, const ResizeSpans& rows, const ResizeSpans& columns, const Pixel* x, Pixel* y) {
  const int64_t in_row = from.columns * from.depth, out_row = columns.outputs() * from.depth;
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, out_row));
  parallel_for(from.count * rows.outputs(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t image = index / rows.outputs();
      const int64_t row = image * from.rows + rows.start[static_cast<size_t>(index % rows.outputs())];
      Pixel* to = y + index * out_row;
      const bool again = index > begin && index % rows.outputs() > 0 &&
                         rows.start[static_cast<size_t>(index % rows.outputs())] ==
                             rows.start[static_cast<size_t>(index % rows.outputs() - 1)];
      if (again)
        std::copy_n(to - out_row, out_row, to);
      else
        pick_row(columns, from.depth, x + row * in_row, to);
    }
  });
}

template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

constexpr int64_t lanes = 64;  // elements of a pixel summed at a time

// Sums dy over the outputs that took each input; rows and columns are transposed: of input i the outputs.
template <typename T>
void sum_nearest(const Images& from, const ResizeSpans& rows, const ResizeSpans& columns, const T* dy, T* dx,
                 std::vector<unsigned char>& scratch) {
  using W = Wide<T>;
  const int64_t in_row = from.columns * from.depth, out_row = columns.outputs() * from.depth;
  const int64_t count = from.count * rows.outputs();
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(thread_count() * 2, count));
  scratch.resize(static_cast<size_t>(parts * in_row) * sizeof(W) + 64);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      auto* sums = reinterpret_cast<W*>(scratch.data()) + part * in_row;
      for (int64_t index = part * count / parts; index < (part + 1) * count / parts; ++index) {
        const int64_t image = index / rows.outputs(), i = index % rows.outputs();
        const T* base = dy + (image * from.rows + rows.start[static_cast<size_t>(i)]) * in_row;
        std::fill_n(sums, in_row, W(0));
        for (int64_t t = 0; t < rows.count(i); ++t) {
          for (int64_t k = 0; k < in_row; ++k) sums[k] = static_cast<W>(sums[k] + static_cast<W>(base[t * in_row + k]));
        }
        T* to = dx + index * out_row;
        for (int64_t j = 0; j < columns.outputs(); ++j) {
          const W* pixel = sums + columns.start[static_cast<size_t>(j)] * from.depth;
          for (int64_t lane = 0; lane < from.depth; lane += lanes) {
            const int64_t some = std::min(lanes, from.depth - lane);
            W own[lanes] = {};
            for (int64_t t = 0; t < columns.count(j); ++t) {
              for (int64_t c = 0; c < some; ++c) own[c] = static_cast<W>(own[c] + pixel[t * from.depth + lane + c]);
            }
            for (int64_t c = 0; c < some; ++c) to[j * from.depth + lane + c] = T(own[c]);
          }
        }
      }
    }
  });
}

Status check_types(const Call& call, const ResizeRule& rule, bool gradient) {
  const Tensor &x = call.in(0), &y = call.out(0);
  const std::string who = gradient ? "resize_gradient: " : "resize: ";
  if (rule.method == ResizeMethod::nearest) {
    MS_REQUIRE(x.dtype == y.dtype && element_bytes(x.dtype) > 0 && element_bytes(x.dtype) <= 8,
               who + "nearest copies elements of one type, got " + show(x) + " and " + show(y));
    return {};
  }
  MS_REQUIRE(y.dtype == DType::float32 && (x.dtype == DType::float32 || (x.dtype == DType::uint8 && !gradient)),
             who + "takes float32 or uint8 and gives float32, got " + show(x) + " and " + show(y));
  return {};
}

template <bool gradient>
Status check(const Call& call) {
  ResizeRule rule;
  MS_RETURN_IF_ERROR(read_resize(call, gradient, rule));
  return check_types(call, rule, gradient);
}

Status pick(const Call& call, const Images& from, const ResizeSpans& rows, const ResizeSpans& columns) {
  const Tensor &x = call.in(0), &y = call.out(0);
  switch (element_bytes(x.dtype)) {
    case 1:
      pick_nearest(from, rows, columns, x.as<const uint8_t>(), y.as<uint8_t>());
      break;
    case 2:
      pick_nearest(from, rows, columns, x.as<const uint16_t>(), y.as<uint16_t>());
      break;
    case 4:
      pick_nearest(from, rows, columns, x.as<const uint32_t>(), y.as<uint32_t>());
      break;
    default:
      pick_nearest(from, rows, columns, x.as<const uint64_t>(), y.as<uint64_t>());
  }
  return {};
}

Status sum(const Call& call, const Images& from, const ResizeSpans& rows, const ResizeSpans& columns) {
  const Tensor &x = call.in(0), &y = call.out(0);
  std::vector<unsigned char> scratch;
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    sum_nearest(from, rows, columns, x.as<const T>(), y.as<T>(), scratch);
    return Status();
  };
  switch (x.dtype) {
    case DType::float32:
      return run(float{});
    case DType::float64:
      return run(double{});
    case DType::float16:
      return run(Half{});
    case DType::bfloat16:
      return run(BFloat16{});
    case DType::uint8:
    case DType::int8:
      return run(uint8_t{});
    case DType::uint16:
    case DType::int16:
      return run(uint16_t{});
    case DType::uint32:
    case DType::int32:
      return run(uint32_t{});
    case DType::uint64:
    case DType::int64:
      return run(uint64_t{});
    default:
      return invalid("resize_gradient: takes real numbers, got " + show(x));
  }
}

template <bool gradient>
Status run(const Call& call) try {
  ResizeRule rule;
  MS_RETURN_IF_ERROR(check<gradient>(call));
  MS_RETURN_IF_ERROR(read_resize(call, gradient, rule));
  const Tensor &x = call.in(0), &y = call.out(0);
  if (y.count() == 0) return {};
  if (x.count() == 0) {
    std::fill_n(y.as<unsigned char>(), y.bytes(), static_cast<unsigned char>(0));
    return {};
  }
  ResizeSpans rows, columns;
  MS_RETURN_IF_ERROR(read_spans(call, gradient, rule, rows, columns));
  const Images from{x.dims[0], x.dims[1], x.dims[2], x.dims[3]};
  if (rule.method == ResizeMethod::nearest) {
    return gradient ? sum(call, from, rows, columns) : pick(call, from, rows, columns);
  }
  if (x.dtype == DType::uint8)
    resample(from, rows, columns, x.as<const uint8_t>(), y.as<float>());
  else
    resample(from, rows, columns, x.as<const float>(), y.as<float>());
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("resize", call.out(0));
}

}  // namespace

extern const Kernel kernel_resize, kernel_resize_gradient;
const Kernel kernel_resize{"resize", check<false>, run<false>};
const Kernel kernel_resize_gradient{"resize_gradient", check<true>, run<true>};

void register_resize(Registry& registry);
void register_resize(Registry& registry) {
  registry.add(kernel_resize);
  registry.add(kernel_resize_gradient);
}

}  // namespace millstream::MS_ISA
