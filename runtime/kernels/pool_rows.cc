// Kernels of reduction over windows, compiled once for each instruction set (-DMS_ISA=...). They refuse what pool.cc refuses.
//
//   reduce_window           x -> z                 attributes: 0 kind (0 sum, 1 max, 2 min, 3 average), then for each axis of x
//                                                  (all axes, also batch and channels): windows, strides, low, high padding
//   pool_max_gradient       x, y, dy -> dx         attributes: windows, strides, low, high; y = reduce_window(x, max);
//                                                  dy goes to the first maximum of each window, in row-major order
//   pool_average_gradient   dy -> dx               attributes: 0 kind (3 average, or 0: the gradient of sum), then the same
// Padding counts as the identity of the kind; `average` divides by the elements of x in the window, as TensorFlow's AvgPool.
// NaN wins in max and min. Real numbers of 8 to 64 bits; average of floating types only. Fast where the windows leave the last
// axes alone (channels last).
#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/gemm_number.h"
#include "kernels/pool.h"
#include "kernels/simd_vector.h"
#include "threads/pool.h"

namespace millstream::MS_ISA {
namespace {

constexpr int64_t most_lanes = 256;  // elements side by side handled at a time

template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

template <typename F>
Status with_number(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      f(float{});
      break;
    case DType::float64:
      f(double{});
      break;
    case DType::float16:
      f(Half{});
      break;
    case DType::bfloat16:
      f(BFloat16{});
      break;
    case DType::int8:
      f(int8_t{});
      break;
    case DType::uint8:
      f(uint8_t{});
      break;
    case DType::int16:
      f(int16_t{});
      break;
    case DType::uint16:
      f(uint16_t{});
      break;
    case DType::int32:
      f(int32_t{});
      break;
    case DType::uint32:
      f(uint32_t{});
      break;
    case DType::int64:
      f(int64_t{});
      break;
    case DType::uint64:
      f(uint64_t{});
      break;
    default:
      return Status(Code::internal, "reduce_window: unexpected element type");
  }
  return {};
}

// Visits the elements of one window that lie inside x: visit(offset in elements of x, within the image).
template <typename Visit>
int64_t each_tap(const WindowShape& s, const int64_t* at, Visit&& visit) {
  int64_t begin[max_rank], end[max_rank], tap[max_rank], offset = 0, stride[max_rank], count = 1;
  int64_t step = s.inner;
  for (int i = s.rank - 1; i >= s.leading; --i) {
    const int64_t first = at[i] * s.stride[i] - s.low[i];
    begin[i] = std::max<int64_t>(first, 0);
    end[i] = std::min(first + s.window[i], s.in[i]);
    if (begin[i] >= end[i]) return 0;
    count *= end[i] - begin[i];
    tap[i] = begin[i];
    stride[i] = step;
    offset += begin[i] * step;
    step *= s.in[i];
  }
  const int last = s.rank - 1;
  while (true) {
    if (last < s.leading) {
      visit(offset);
      return count;
    }
    for (int64_t k = begin[last]; k < end[last]; ++k, offset += stride[last]) visit(offset);
    offset -= (end[last] - begin[last]) * stride[last];
    int axis = last - 1;
    for (; axis >= s.leading; --axis) {
      offset += stride[axis];
      if (++tap[axis] < end[axis]) break;
      offset -= (end[axis] - begin[axis]) * stride[axis];
      tap[axis] = begin[axis];
    }
    if (axis < s.leading) return count;
  }
}

// The taps of a window that lies whole inside x, as offsets from its first one: most windows do, and need no look at borders.
class WholeWindows {
 public:
  explicit WholeWindows(const WindowShape& s) : shape_(s) {
    int64_t count = 1, step = s.inner;
    for (int i = s.rank - 1; i >= s.leading; --i) {
      step_[i] = step;
      step *= s.in[i];
      count = count > most_taps / s.window[i] ? most_taps + 1 : count * s.window[i];
    }
    if (count > most_taps) return;
    taps_.assign(1, 0);
    for (int i = s.leading; i < s.rank; ++i) {
      std::vector<int64_t> longer;
      for (int64_t tap : taps_) {
        for (int64_t k = 0; k < s.window[i]; ++k) longer.push_back(tap + k * step_[i]);
      }
      taps_ = std::move(longer);
    }
  }
  // The offset within the image of the first tap of the window at a position; -1 where it is not whole, or has many taps.
  int64_t first(const int64_t* at) const {
    int64_t offset = taps_.empty() ? -1 : 0;
    for (int i = shape_.leading; i < shape_.rank && offset >= 0; ++i) {
      const int64_t begin = at[i] * shape_.stride[i] - shape_.low[i];
      offset = begin < 0 || begin + shape_.window[i] > shape_.in[i] ? -1 : offset + begin * step_[i];
    }
    return offset;
  }
  // From a position with a whole window: how many along the last axis have one, and the elements from one to the next.
  int64_t run(const int64_t* at) const {
    const int last = shape_.rank - 1;
    if (last < shape_.leading) return 1;
    const int64_t most = shape_.in[last] + shape_.low[last] - shape_.window[last];
    return std::min(most / shape_.stride[last] + 1, shape_.out[last]) - at[last];
  }
  int64_t stride() const {
    return shape_.rank > shape_.leading ? shape_.stride[shape_.rank - 1] * step_[shape_.rank - 1] : 0;
  }
  const std::vector<int64_t>& taps() const { return taps_; }

 private:
  static constexpr int64_t most_taps = 256;
  const WindowShape& shape_;
  int64_t step_[max_rank] = {};
  std::vector<int64_t> taps_;
};

template <typename W>
using Lanes = typename VectorOf<W>::type;
template <typename W>
constexpr int64_t block_lanes = VectorOf<W>::width;

template <typename T>
Lanes<Wide<T>> load_lanes(const T* from, int64_t some) {
  Lanes<Wide<T>> values{};
  if (std::is_same_v<T, Wide<T>> && some == block_lanes<Wide<T>>) {
    std::memcpy(&values, from, sizeof values);
  } else {
    for (int64_t c = 0; c < some; ++c) values[c] = static_cast<Wide<T>>(from[c]);
  }
  return values;
}

template <typename T>
void store_lanes(const Lanes<Wide<T>>& values, T* to, int64_t some) {
  if (std::is_same_v<T, Wide<T>> && some == block_lanes<Wide<T>>) {
    std::memcpy(to, &values, sizeof values);
  } else {
    for (int64_t c = 0; c < some; ++c) to[c] = T(values[c]);
  }
}

// Calls body(first lane, number of lanes).
template <typename W, typename Body>
void each_block(int64_t count, Body&& body) {
  constexpr int64_t most = block_lanes<W>;
  for (int64_t lane = 0; lane < count; lane += most) body(lane, std::min(most, count - lane));
}

void position(const WindowShape& s, int64_t index, int64_t* at) {
  for (int i = s.rank - 1; i >= s.leading; --i) at[i] = index % s.out[i], index /= s.out[i];
}

void advance(const WindowShape& s, int64_t* at) {
  for (int i = s.rank - 1; i >= s.leading; --i) {
    if (++at[i] < s.out[i]) return;
    at[i] = 0;
  }
}

template <typename W, typename V>
inline auto is_nan(V value) {
  if constexpr (std::is_integral_v<W>) {
    return value < value;
  } else {
    return value != value;
  }
}

// One number or a register of them. Integers wrap around.
template <WindowKind kind, typename W, typename V>
inline V combine(V best, V value) {
  if constexpr (kind == WindowKind::max) return (value > best) | is_nan<W>(value) ? value : best;
  if constexpr (kind == WindowKind::min) return (value < best) | is_nan<W>(value) ? value : best;
  if constexpr (std::is_integral_v<W>) {
    using Unsigned = std::make_unsigned_t<W>;
    using U = std::conditional_t<std::is_same_v<V, W>, Unsigned, Lanes<Unsigned>>;
    return (V)(U)((U)best + (U)value);
  } else {
    return best + value;
  }
}

template <WindowKind kind, typename W>
constexpr W identity() {
  using Limits = std::numeric_limits<W>;
  if constexpr (kind == WindowKind::max) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  if constexpr (kind == WindowKind::min) return Limits::has_infinity ? Limits::infinity() : Limits::max();
  return W(0);
}

// `together` neighbouring windows, `step` elements apart: the combinations of one wait for each other, those of others do not.
template <WindowKind kind, typename T, int together>
void reduce_whole(const WholeWindows& whole, const T* from, int64_t step, int64_t inner, T* to) {
  using W = Wide<T>;
  each_block<W>(inner, [&](int64_t lane, int64_t some) {
    Lanes<W> best[together];
    for (int k = 0; k < together; ++k) best[k] = Lanes<W>{} + identity<kind, W>();
    const auto add = [&](int64_t count) __attribute__((always_inline)) {
      for (int64_t tap : whole.taps()) {
        for (int k = 0; k < together; ++k)
          best[k] = combine<kind, W>(best[k], load_lanes(from + k * step + tap + lane, count));
      }
    };
    if (some == block_lanes<W>) {
      add(block_lanes<W>);
    } else {
      add(some);
    }
    for (int k = 0; k < together; ++k) {
      if constexpr (kind == WindowKind::average && !std::is_integral_v<W>)
        best[k] /= static_cast<W>(whole.taps().size());
      store_lanes(best[k], to + k * inner + lane, some);
    }
  });
}

template <WindowKind kind, typename T>
void reduce_windows(const WindowShape& s, const T* x, T* z) {
  using W = Wide<T>;
  const int64_t out_image = s.out_image(), in_image = s.in_image() * s.inner;
  const WholeWindows whole(s);
  parallel_for(
      s.images * out_image, std::max<int64_t>(1, 4096 / std::max<int64_t>(s.inner, 1)),
      [&](int64_t begin, int64_t end) {
        int64_t at[max_rank];
        position(s, begin % out_image, at);
        const T* image = x + begin / out_image * in_image;
        int64_t left = out_image - begin % out_image;
        for (int64_t index = begin; index < end; ++index, advance(s, at)) {
          if (left-- == 0) image += in_image, left = out_image - 1;
          if (const int64_t first = whole.first(at); first >= 0) {
            const int64_t run = std::min(whole.run(at), end - index);
            const int64_t step = whole.stride();
            int64_t i = 0;
            for (; i + 4 <= run; i += 4)
              reduce_whole<kind, T, 4>(whole, image + first + i * step, step, s.inner, z + (index + i) * s.inner);
            for (; i < run; ++i)
              reduce_whole<kind, T, 1>(whole, image + first + i * step, step, s.inner, z + (index + i) * s.inner);
            index += run - 1, left -= run - 1;
            if (run > 1) at[s.rank - 1] += run - 1;
            continue;
          }
          each_block<W>(s.inner, [&](int64_t lane, int64_t some) {
            Lanes<W> best = Lanes<W>{} + identity<kind, W>();
            const int64_t count = each_tap(
                s, at, [&](int64_t offset) { best = combine<kind, W>(best, load_lanes(image + offset + lane, some)); });
            if constexpr (kind == WindowKind::average && !std::is_integral_v<W>)
              best /= static_cast<W>(std::max<int64_t>(count, 1));
            store_lanes(best, z + index * s.inner + lane, some);
          });
        }
      });
}

// Windows may overlap: a task owns some width of a whole image, so that no two write to one place.
template <typename T, typename Body>
void each_image(const WindowShape& s, T* dx, Body&& body) {
  const int64_t in_pixels = s.in_image(), out_pixels = s.out_image();
  int64_t width = most_lanes;
  while (width > 32 && s.images * ((s.inner + width - 1) / width) < 2 * thread_count()) width /= 2;
  const int64_t parts = (s.inner + width - 1) / width;
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, in_pixels * std::min(width, s.inner)));
  parallel_for(s.images * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / parts, lane = task % parts * width, some = std::min(width, s.inner - lane);
      T* own = dx + image * in_pixels * s.inner + lane;
      for (int64_t pixel = 0; pixel < in_pixels; ++pixel) std::fill_n(own + pixel * s.inner, some, T(0));
      int64_t at[max_rank] = {};
      for (int64_t pixel = 0; pixel < out_pixels; ++pixel, advance(s, at)) {
        body(at, image * in_pixels * s.inner + lane, (image * out_pixels + pixel) * s.inner + lane, some);
      }
    }
  });
}

template <typename T>
void max_gradient(const WindowShape& s, const T* x, const T* y, const T* dy, T* dx) {
  using W = Wide<T>;
  const WholeWindows whole(s);
  each_image(s, dx, [&](const int64_t* at, int64_t in, int64_t out, int64_t width) {
    const int64_t first = whole.first(at);
    each_block<W>(width, [&](int64_t lane, int64_t some) {
      const Lanes<W> most = load_lanes(y + out + lane, some), none{};
      Lanes<W> rest = load_lanes(dy + out + lane, some);
      const auto give = [&](int64_t offset) {
        const Lanes<W> value = load_lanes(x + in + offset + lane, some);
        const auto hit = (value == most) | (is_nan<W>(value) & is_nan<W>(most));
        T* to = dx + in + offset + lane;
        store_lanes(combine<WindowKind::sum, W>(load_lanes(to, some), hit ? rest : none), to, some);
        rest = hit ? none : rest;
      };
      if (first < 0) {
        each_tap(s, at, give);
      } else {
        for (int64_t tap : whole.taps()) give(first + tap);
      }
    });
  });
}

template <typename T>
void average_gradient(const WindowShape& s, bool divide, const T* dy, T* dx) {
  using W = Wide<T>;
  const WholeWindows whole(s);
  each_image(s, dx, [&](const int64_t* at, int64_t in, int64_t out, int64_t width) {
    const int64_t first = whole.first(at);
    int64_t count = static_cast<int64_t>(whole.taps().size());
    if (divide && first < 0) count = std::max<int64_t>(each_tap(s, at, [](int64_t) {}), 1);
    each_block<W>(width, [&](int64_t lane, int64_t some) {
      Lanes<W> share = load_lanes(dy + out + lane, some);
      if constexpr (!std::is_integral_v<W>) share /= static_cast<W>(divide ? count : 1);
      const auto give = [&](int64_t offset) {
        T* to = dx + in + offset + lane;
        store_lanes(combine<WindowKind::sum, W>(load_lanes(to, some), share), to, some);
      };
      if (first < 0) {
        each_tap(s, at, give);
      } else {
        for (int64_t tap : whole.taps()) give(first + tap);
      }
    });
  });
}

bool is_floating(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64;
}

Status read_kind(const Call& call, const char* name, bool gradient, DType dtype, WindowShape& shape) {
  const std::string who = std::string(name) + ": ";
  MS_REQUIRE(call.attribute_count >= 1, who + "needs attribute words");
  const int64_t kind = call.attributes[0];
  MS_REQUIRE(kind >= 0 && kind <= 3 && (!gradient || kind == 0 || kind == 3),
             who + "kind " + std::to_string(kind) + " is not known here");
  MS_REQUIRE(kind != 3 || is_floating(dtype), who + "an average needs a floating type");
  shape.kind = static_cast<WindowKind>(kind);
  return {};
}

Status read_reduce_window(const Call& call, WindowShape& shape) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0),
             "reduce_window: has one input and one output");
  MS_RETURN_IF_ERROR(read_kind(call, "reduce_window", false, call.in(0).dtype, shape));
  return read_windows("reduce_window", call.in(0), call.out(0), call.attributes + 1, call.attribute_count - 1, shape);
}

Status read_max_gradient(const Call& call, WindowShape& shape) {
  MS_REQUIRE(call.input_count == 3 && call.output_count == 1 && call.has(0) && call.has(1) && call.has(2),
             "pool_max_gradient: takes x, y and dy and gives dx");
  const auto same = [](const Tensor& a, const Tensor& b) {
    return a.dtype == b.dtype && a.rank == b.rank && a.rank >= 0 && a.rank <= max_rank &&
           std::equal(a.dims, a.dims + a.rank, b.dims);
  };
  MS_REQUIRE(same(call.in(0), call.out(0)) && same(call.in(1), call.in(2)),
             "pool_max_gradient: dx must be like x and dy like y, got " + show_sizes(call.in(0)) + ", " +
                 show_sizes(call.in(1)) + ", " + show_sizes(call.in(2)) + " -> " + show_sizes(call.out(0)));
  return read_windows("pool_max_gradient", call.in(0), call.in(1), call.attributes, call.attribute_count, shape);
}

Status read_average_gradient(const Call& call, WindowShape& shape) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0),
             "pool_average_gradient: takes dy and gives dx");
  MS_RETURN_IF_ERROR(read_kind(call, "pool_average_gradient", true, call.in(0).dtype, shape));
  return read_windows("pool_average_gradient", call.out(0), call.in(0), call.attributes + 1, call.attribute_count - 1,
                      shape);
}

template <Status (*read)(const Call&, WindowShape&)>
Status check(const Call& call) {
  WindowShape shape;
  return read(call, shape);
}

Status run_reduce_window(const Call& call) {
  WindowShape s;
  MS_RETURN_IF_ERROR(read_reduce_window(call, s));
  if (call.out(0).count() == 0) return {};
  return with_number(call.in(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = call.in(0).as<T>();
    T* z = call.out(0).as<T>();
    if (s.kind == WindowKind::sum)
      reduce_windows<WindowKind::sum>(s, x, z);
    else if (s.kind == WindowKind::max)
      reduce_windows<WindowKind::max>(s, x, z);
    else if (s.kind == WindowKind::min)
      reduce_windows<WindowKind::min>(s, x, z);
    else
      reduce_windows<WindowKind::average>(s, x, z);
  });
}

Status run_max_gradient(const Call& call) {
  WindowShape s;
  MS_RETURN_IF_ERROR(read_max_gradient(call, s));
  if (call.out(0).count() == 0) return {};
  return with_number(call.in(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    max_gradient(s, call.in(0).as<T>(), call.in(1).as<T>(), call.in(2).as<T>(), call.out(0).as<T>());
  });
}

Status run_average_gradient(const Call& call) {
  WindowShape s;
  MS_RETURN_IF_ERROR(read_average_gradient(call, s));
  if (call.out(0).count() == 0) return {};
  return with_number(call.in(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    average_gradient(s, s.kind == WindowKind::average, call.in(0).as<T>(), call.out(0).as<T>());
  });
}

}  // namespace

extern const Kernel kernel_reduce_window, kernel_pool_max_gradient, kernel_pool_average_gradient;
const Kernel kernel_reduce_window{"reduce_window", check<read_reduce_window>, run_reduce_window};
const Kernel kernel_pool_max_gradient{"pool_max_gradient", check<read_max_gradient>, run_max_gradient};
const Kernel kernel_pool_average_gradient{"pool_average_gradient", check<read_average_gradient>, run_average_gradient};

void register_pool(Registry& registry);
void register_pool(Registry& registry) {
  registry.add(kernel_reduce_window);
  registry.add(kernel_pool_max_gradient);
  registry.add(kernel_pool_average_gradient);
}

}  // namespace millstream::MS_ISA
