// Convolution and its gradients as matrix products whose operands are gathered while they are packed. Refuses what has no memory.
#include <algorithm>
#include <new>
#include <numeric>

#include "kernels/convolution.h"
#include "kernels/gemm.h"
#include "threads/pool.h"

namespace millstream {
namespace {

constexpr int most_lines = 64;        // no tile is wider
constexpr int64_t most_length = 256;  // depths packed at a time, see gemm.cc

template <typename A>
const A* zeros() {
  alignas(64) static const A values[most_length] = {};
  return values;
}

struct Pixel {
  int64_t image, at[3];
};

Pixel pixel_at(int64_t index, const int64_t* sizes) {
  Pixel pixel;
  pixel.at[2] = index % sizes[2], index /= sizes[2];
  pixel.at[1] = index % sizes[1], index /= sizes[1];
  pixel.at[0] = index % sizes[0], pixel.image = index / sizes[0];
  return pixel;
}

void next(Pixel& pixel, const int64_t* sizes) {
  if (++pixel.at[2] < sizes[2]) return;
  pixel.at[2] = 0;
  if (++pixel.at[1] < sizes[1]) return;
  pixel.at[1] = 0;
  if (++pixel.at[0] < sizes[0]) return;
  pixel.at[0] = 0;
  ++pixel.image;
}

// Windows of a tensor [image, sizes…, channels], around the pixels of another: of the input around output pixels, or back.
// A pixel at p meets position (p * scale + shift + tap * step) / divisor along each axis, where that is whole and inside.
template <typename A>
struct Windows {
  const ConvolutionShape& shape;
  const A* data;         // at the group's first channel
  const int64_t* sizes;  // of `data`
  int64_t around[3], taps[3];
  int64_t channels, group_channels;
  int64_t scale[3], shift[3], step[3], divisor[3];
  bool whole;  // all divisors are 1

  Windows(const ConvolutionShape& s, const A* first, int64_t group, bool back)
      : shape(s),
        data(first),
        sizes(back ? s.out : s.in),
        channels(back ? s.out_channels : s.in_channels),
        group_channels(group),
        whole(true) {
    for (int axis = 0; axis < 3; ++axis) {
      around[axis] = back ? s.in[axis] : s.out[axis];
      taps[axis] = s.kernel[axis];
      scale[axis] = back ? s.input_dilation[axis] : s.stride[axis];
      divisor[axis] = back ? s.stride[axis] : s.input_dilation[axis];
      shift[axis] = back ? s.low[axis] : -s.low[axis];
      step[axis] = back ? -s.kernel_dilation[axis] : s.kernel_dilation[axis];
      whole = whole && divisor[axis] == 1;
    }
  }

  struct Place {
    int64_t image, at[3];
  };

  Place place_of(const Pixel& pixel) const {
    Place place{pixel.image, {}};
    for (int axis = 0; axis < 3; ++axis) place.at[axis] = pixel.at[axis] * scale[axis] + shift[axis];
    return place;
  }

  Place move_of(int64_t tap) const {
    const int64_t k[3] = {tap / (taps[1] * taps[2]), tap / taps[2] % taps[1], tap % taps[2]};
    return {0, {k[0] * step[0], k[1] * step[1], k[2] * step[2]}};
  }

  // Where the channels under a tap lie for a pixel, or nullptr for padding.
  const A* find(const Place& place, const Place& move) const {
    int64_t at[3] = {place.at[0] + move.at[0], place.at[1] + move.at[1], place.at[2] + move.at[2]};
    if (!whole) {
      for (int axis = 0; axis < 3; ++axis) {
        if (divisor[axis] == 1) continue;
        if (at[axis] % divisor[axis]) return nullptr;
        at[axis] /= divisor[axis];
      }
    }
    for (int axis = 0; axis < 3; ++axis) {
      if (static_cast<uint64_t>(at[axis]) >= static_cast<uint64_t>(sizes[axis])) return nullptr;
    }
    return data + (((place.image * sizes[0] + at[0]) * sizes[1] + at[1]) * sizes[2] + at[2]) * channels;
  }

  // Lines are pixels, depths are (tap, channel).
  static void pack_pixels(const void* self, A* panel, int width, int64_t line, int64_t count, int64_t depth,
                          int64_t length) {
    const auto& w = *static_cast<const Windows*>(self);
    Place places[most_lines];
    Pixel pixel = pixel_at(line, w.around);
    for (int64_t i = 0; i < count; ++i, next(pixel, w.around)) places[i] = w.place_of(pixel);
    const A* lines[most_lines];
    int64_t tap = depth / w.group_channels, channel = depth % w.group_channels;
    for (; length > 0; ++tap, channel = 0) {
      const int64_t some = std::min(length, w.group_channels - channel);
      const Place move = w.move_of(tap);
      for (int64_t i = 0; i < count; ++i) {
        const A* found = w.find(places[i], move);
        lines[i] = found ? found + channel : zeros<A>();
      }
      gemm_tiles<A>().pack_lines(panel, width, lines, count, some);
      panel += some * width, length -= some;
    }
  }

  // Lines are (tap, channel), depths are pixels.
  static void pack_taps(const void* self, A* panel, int width, int64_t line, int64_t count, int64_t depth,
                        int64_t length) {
    const auto& w = *static_cast<const Windows*>(self);
    struct Part {
      Place move;
      int64_t channel, first, count;
    } parts[most_lines];
    int part_count = 0;
    for (int64_t i = 0; i < count;) {
      const int64_t channel = (line + i) % w.group_channels, some = std::min(count - i, w.group_channels - channel);
      parts[part_count++] = {w.move_of((line + i) / w.group_channels), channel, i, some};
      i += some;
    }
    Pixel pixel = pixel_at(depth, w.around);
    for (int64_t d = 0; d < length; ++d, panel += width, next(pixel, w.around)) {
      const Place place = w.place_of(pixel);
      for (int p = 0; p < part_count; ++p) {
        const Part& part = parts[p];
        const A* found = w.find(place, part.move);
        const A* from = found ? found + part.channel : zeros<A>();
        A* to = panel + part.first;
        for (int64_t j = 0; j < part.count; ++j) to[j] = from[j];
      }
      for (int64_t i = count; i < width; ++i) panel[i] = A{};
    }
  }
};

// Of a strided convolution's input, the pixels that the same taps reach: every stride-th, through every period-th tap.
struct Phase {
  int64_t pixel[3], pixels[3], stride[3];  // first, how many, how far apart
  int64_t tap[3], taps[3], period[3];

  Phase(const ConvolutionShape& s, const int64_t* first) {
    for (int axis = 0; axis < 3; ++axis) {
      pixel[axis] = first[axis];
      stride[axis] = s.stride[axis];
      pixels[axis] = (s.in[axis] - first[axis] + stride[axis] - 1) / stride[axis];
      period[axis] = stride[axis] / std::gcd(stride[axis], s.kernel_dilation[axis]);
      const int64_t last = std::min(period[axis], s.kernel[axis]);
      const auto reaches = [&](int64_t k) {
        return (first[axis] + s.low[axis] - k * s.kernel_dilation[axis]) % stride[axis] == 0;
      };
      for (tap[axis] = 0; tap[axis] < last && !reaches(tap[axis]);) ++tap[axis];
      taps[axis] = tap[axis] < last ? (s.kernel[axis] - tap[axis] + period[axis] - 1) / period[axis] : 0;
    }
  }

  // Every pixel and every tap.
  explicit Phase(const ConvolutionShape& s) {
    for (int axis = 0; axis < 3; ++axis) {
      pixel[axis] = tap[axis] = 0;
      stride[axis] = period[axis] = 1;
      pixels[axis] = s.in[axis], taps[axis] = s.kernel[axis];
    }
  }

  int64_t tap_of(int64_t index, const int64_t* kernel) const {
    const int64_t k[3] = {index / (taps[1] * taps[2]), index / taps[2] % taps[1], index % taps[2]};
    int64_t whole = 0;
    for (int axis = 0; axis < 3; ++axis) whole = whole * kernel[axis] + tap[axis] + k[axis] * period[axis];
    return whole;
  }
};

// Weights [tap, group_in, out] of one group as the right operand of the input gradient: depths are (tap, output channel).
template <typename A>
struct TurnedWeights {
  const A* data;
  int64_t group_in, group_out, out;
  const Phase& phase;
  const int64_t* kernel;

  static void pack(const void* self, A* panel, int width, int64_t line, int64_t count, int64_t depth, int64_t length) {
    const auto& w = *static_cast<const TurnedWeights*>(self);
    while (length > 0) {
      const int64_t tap = w.phase.tap_of(depth / w.group_out, w.kernel), channel = depth % w.group_out;
      const int64_t some = std::min(length, w.group_out - channel);
      const A* first = w.data + (tap * w.group_in + line) * w.out + channel;
      gemm_tiles<A>().pack(panel, width, first, w.out, 1, count, some);
      panel += some * width, depth += some, length -= some;
    }
  }
};

// Carries the finished rows of a phase to where its pixels lie.
template <typename A>
struct Spread {
  const A* from;
  int64_t width;
  A* to;
  int64_t channels;
  const int64_t* in;
  const Phase& phase;

  static void run(const void* self, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const auto& e = *static_cast<const Spread*>(self);
    Pixel pixel = pixel_at(row, e.phase.pixels);
    for (int64_t i = row; i < row + rows; ++i, next(pixel, e.phase.pixels)) {
      int64_t index = pixel.image;
      for (int axis = 0; axis < 3; ++axis) {
        index = index * e.in[axis] + e.phase.pixel[axis] + pixel.at[axis] * e.phase.stride[axis];
      }
      std::copy_n(e.from + i * e.width + column, columns, e.to + index * e.channels + column);
    }
  }
};

template <typename A>
struct Epilogue {
  A* z;
  int64_t z_row;
  const A* bias;
  Activation activation;
  double alpha;

  static void run(const void* self, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const auto& e = *static_cast<const Epilogue*>(self);
    for (int64_t i = row; i < row + rows; ++i) {
      A* z = e.z + i * e.z_row + column;
      if (e.bias) {
        for (int64_t j = 0; j < columns; ++j) z[j] += e.bias[column + j];
      }
      if constexpr (std::is_floating_point_v<A>) {
        if (e.activation == Activation::relu) {
          for (int64_t j = 0; j < columns; ++j) z[j] = z[j] < 0 ? A(0) : z[j];
        } else if (e.activation != Activation::none) {
          for (int64_t j = 0; j < columns; ++j) z[j] = activate(e.activation, z[j], static_cast<A>(e.alpha));
        }
      }
    }
  }
};

// A window of one element that neither skips nor pads: rows of the tensor are the lines.
bool pointwise(const ConvolutionShape& s) {
  for (int axis = 0; axis < 3; ++axis) {
    if (s.kernel[axis] != 1 || s.stride[axis] != 1 || s.low[axis] || s.high[axis] || s.input_dilation[axis] != 1)
      return false;
  }
  return true;
}

template <typename A>
GemmSource<A> lines_of(const Windows<A>& windows) {
  GemmSource<A> source{Windows<A>::pack_pixels, &windows};
  if (pointwise(windows.shape))
    source.plain = windows.data, source.line_stride = windows.channels, source.depth_stride = 1;
  return source;
}

template <typename A>
GemmSource<A> plain_source(const A* data, int64_t line_stride, int64_t depth_stride) {
  return {nullptr, nullptr, data, line_stride, depth_stride};
}

template <typename A>
void forward(const Call& call, const ConvolutionShape& s) {
  const int64_t group_in = s.in_channels / s.groups, group_out = s.out_channels / s.groups;
  for (int64_t g = 0; g < s.groups; ++g) {
    const Windows<A> windows(s, call.in(0).as<A>() + g * group_in, group_in, false);
    A* z = call.out(0).as<A>() + g * group_out;
    const Epilogue<A> epilogue{z, s.out_channels, call.has(2) ? call.in(2).as<A>() + g * group_out : nullptr,
                               s.activation, s.alpha};
    Gemm<A> gemm{s.batch * s.out_pixels(),
                 group_out,
                 s.taps() * group_in,
                 lines_of(windows),
                 plain_source(call.in(1).as<A>() + g * group_out, 1, s.out_channels),
                 z,
                 s.out_channels};
    if (s.in_pixels() == 0) gemm.k = 0;
    if (call.has(2) || s.activation != Activation::none) gemm.finish = {Epilogue<A>::run, &epilogue};
    run_gemm(gemm);
  }
}

template <typename A>
void input_gradient(const Call& call, const ConvolutionShape& s) {
  const int64_t group_in = s.in_channels / s.groups, group_out = s.out_channels / s.groups;
  int64_t phases[3];
  bool plain = true;  // no input dilation, and not so many phases that each is tiny
  for (int axis = 0; axis < 3; ++axis) {
    phases[axis] = std::min(s.stride[axis], s.in[axis]);
    plain = plain && s.input_dilation[axis] == 1 && phases[axis] <= 8;
  }
  const int64_t phase_count = plain ? phases[0] * phases[1] * phases[2] : 1;
  for (int64_t g = 0; g < s.groups * phase_count; ++g) {
    const int64_t group = g / phase_count, index = g % phase_count;
    const int64_t first[3] = {index / (phases[1] * phases[2]), index / phases[2] % phases[1], index % phases[2]};
    const Phase phase = phase_count > 1 ? Phase(s, first) : Phase(s);
    Windows<A> windows(s, call.in(1).as<A>() + group * group_out, group_out, true);
    const TurnedWeights<A> weights{
        call.in(0).as<A>() + group * group_out, group_in, group_out, s.out_channels, phase, s.kernel};
    Gemm<A> gemm{s.batch * s.in_pixels(),
                 group_in,
                 s.taps() * group_out,
                 lines_of(windows),
                 {TurnedWeights<A>::pack, &weights},
                 call.out(0).as<A>() + group * group_in,
                 s.in_channels};
    Spread<A> spread{nullptr, group_in, gemm.z, s.in_channels, s.in, phase};
    Ref<Buffer> rows;
    if (phase_count > 1) {
      for (int axis = 0; axis < 3; ++axis) {
        windows.around[axis] = phase.pixels[axis];
        windows.taps[axis] = phase.taps[axis];
        windows.scale[axis] = windows.divisor[axis] = 1;
        windows.shift[axis] =
            (phase.pixel[axis] + s.low[axis] - phase.tap[axis] * s.kernel_dilation[axis]) / s.stride[axis];
        windows.step[axis] = -(phase.period[axis] * s.kernel_dilation[axis] / s.stride[axis]);
      }
      windows.whole = true;
      gemm.m = s.batch * phase.pixels[0] * phase.pixels[1] * phase.pixels[2];
      gemm.k = phase.taps[0] * phase.taps[1] * phase.taps[2] * group_out;
      rows = Buffer::allocate(static_cast<size_t>(gemm.m * group_in) * sizeof(A));
      gemm.z = static_cast<A*>(rows->data());
      gemm.z_row = group_in;
      spread.from = gemm.z;
      gemm.finish = {Spread<A>::run, &spread};
    }
    if (s.out_pixels() == 0) gemm.k = 0;
    run_gemm(gemm);
  }
}

template <typename A>
void weight_gradient(const Call& call, const ConvolutionShape& s) {
  const int64_t group_in = s.in_channels / s.groups, group_out = s.out_channels / s.groups;
  const int64_t pixels = s.in_pixels() == 0 ? 0 : s.batch * s.out_pixels();
  for (int64_t g = 0; g < s.groups; ++g) {
    const Windows<A> windows(s, call.in(0).as<A>() + g * group_in, group_in, false);
    GemmSource<A> lines{Windows<A>::pack_taps, &windows};
    if (pointwise(s)) lines.plain = windows.data, lines.line_stride = 1, lines.depth_stride = s.in_channels;
    run_gemm(Gemm<A>{s.taps() * group_in, group_out, pixels, lines,
                     plain_source(call.in(1).as<A>() + g * group_out, 1, s.out_channels),
                     call.out(0).as<A>() + g * group_out, s.out_channels});
  }
  if (call.output_count < 2) return;
  A* sums = call.out(1).as<A>();
  std::fill_n(sums, s.out_channels, A{});
  const A* dz = call.in(1).as<A>();
  const int64_t rows = s.batch * s.out_pixels();
  parallel_for(s.out_channels, std::max<int64_t>(16, 65536 / std::max<int64_t>(rows, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = 0; row < rows; ++row) {
                   for (int64_t o = begin; o < end; ++o) sums[o] += dz[row * s.out_channels + o];
                 }
               });
}

}  // namespace

Status run_widened(const Call& call, const ConvolutionShape& shape,
                   Status (*run)(const Call&, const ConvolutionShape&)) {
  try {
    Tensor inputs[3], outputs[2];
    const Tensor* input_list[3] = {};
    Tensor* output_list[2] = {};
    for (int i = 0; i < call.input_count && i < 3; ++i) {
      if (!call.has(i)) continue;
      inputs[i] = widened(call.in(i));
      input_list[i] = &inputs[i];
    }
    for (int i = 0; i < call.output_count && i < 2; ++i) {
      outputs[i] = wide_like(call.out(i));
      output_list[i] = &outputs[i];
    }
    Call wide = call;
    wide.inputs = input_list;
    wide.outputs = output_list;
    ConvolutionShape wide_shape = shape;
    wide_shape.dtype = DType::float32;
    MS_RETURN_IF_ERROR(run(wide, wide_shape));
    for (int i = 0; i < call.output_count && i < 2; ++i) narrow_into(outputs[i], call.out(i));
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "convolution: out of memory for float32 copies");
  }
}

namespace {

template <void (*in_float)(const Call&, const ConvolutionShape&),
          void (*in_double)(const Call&, const ConvolutionShape&), void (*in_int)(const Call&, const ConvolutionShape&)>
Status run_any(const Call& call, const ConvolutionShape& shape) {
  if (shape.dtype == DType::float16 || shape.dtype == DType::bfloat16) {
    return run_widened(call, shape, run_any<in_float, in_double, in_int>);
  }
  try {
    if (shape.dtype == DType::float32)
      in_float(call, shape);
    else if (shape.dtype == DType::float64)
      in_double(call, shape);
    else
      in_int(call, shape);
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "convolution: out of memory for working space");
  }
}

}  // namespace

Status run_convolution(const Call& call, const ConvolutionShape& shape) {
  return run_any<forward<float>, forward<double>, forward<uint32_t>>(call, shape);
}

Status run_convolution_input_gradient(const Call& call, const ConvolutionShape& shape) {
  return run_any<input_gradient<float>, input_gradient<double>, input_gradient<uint32_t>>(call, shape);
}

Status run_convolution_weight_gradient(const Call& call, const ConvolutionShape& shape) {
  return run_any<weight_gradient<float>, weight_gradient<double>, weight_gradient<uint32_t>>(call, shape);
}

}  // namespace millstream
