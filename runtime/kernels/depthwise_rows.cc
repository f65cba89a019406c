// Depthwise convolution and its gradients, vectorised over channels; compiled once for each instruction set (-DMS_ISA=...).
// Operands, attributes and refusals: convolution.cc, with one or two spatial axes.
#include <algorithm>
#include <new>
#include <type_traits>

#include "kernels/convolution.h"
#include "kernels/simd_vector.h"
#include "threads/pool.h"

namespace millstream::MS_ISA {
namespace {

constexpr int most_taps = 64;  // handled in one pass over a row

// One pass over a row of results: result p (of `count`) = sum over taps of weights[t] * data[t][p * data_step], all channels.
template <typename A>
struct Row {
  int64_t channels;
  int taps;
  const A* data[most_taps];
  const A* weights[most_taps];
  int64_t data_step, out_step;  // in elements
  bool accumulate;
  const A* bias;  // or nullptr
  bool clamp_low, clamp_six;
  const A* ahead;  // the row that will be read next, or nullptr
  int group;       // 3 or 5: so many taps in turn read positions one after another; 1: any taps

  template <typename V>
  V first_sum(const A* out, int64_t channel) const {
    return accumulate ? load<V>(out) : bias ? load<V>(bias + channel) : V{};
  }

  template <typename V>
  void finish(A* out, V sum) const {
    if constexpr (std::is_floating_point_v<A>) {
      const V six = V{} + A(6);
      if (clamp_low) sum = sum < V{} ? V{} : sum;
      if (clamp_six) sum = sum > six ? six : sum;
    }
    store(out, sum);
  }

  // Each element of data is loaded once for all the taps of its group.
  template <int lanes, int pixels, int size, int step>
  void block_of_groups(int64_t channel, int64_t p, A* out) const {
    using V = typename VectorOf<A, lanes>::type;
    V sum[pixels];
#pragma GCC unroll 8
    for (int i = 0; i < pixels; ++i) sum[i] = first_sum<V>(out + (p + i) * out_step + channel, channel);
    if (ahead) {
#pragma GCC unroll 16
      for (int i = 0; i < pixels * step; ++i) __builtin_prefetch(ahead + p * data_step + i * channels + channel);
    }
    for (int t = 0; t < taps; t += size) {
      V weight[size];
#pragma GCC unroll 5
      for (int k = 0; k < size; ++k) weight[k] = load<V>(weights[t + k] + channel);
      const A* from = data[t] + p * data_step + channel;
#pragma GCC unroll 24
      for (int i = 0; i < (pixels - 1) * step + size; ++i) {
        const V value = load<V>(from + i * channels);
#pragma GCC unroll 5
        for (int k = 0; k < size; ++k) {
          if (i >= k && (i - k) % step == 0 && (i - k) / step < pixels) sum[(i - k) / step] += weight[k] * value;
        }
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < pixels; ++i) finish(out + (p + i) * out_step + channel, sum[i]);
  }

  template <int lanes, int pixels>
  void block(int64_t channel, int64_t p, A* out) const {
    using V = typename VectorOf<A, lanes>::type;
    V sum[pixels];
#pragma GCC unroll 8
    for (int i = 0; i < pixels; ++i) sum[i] = first_sum<V>(out + (p + i) * out_step + channel, channel);
    for (int t = 0; t < taps; ++t) {
      const V weight = load<V>(weights[t] + channel);
      const A* from = data[t] + p * data_step + channel;
#pragma GCC unroll 8
      for (int i = 0; i < pixels; ++i) sum[i] += weight * load<V>(from + i * data_step);
    }
#pragma GCC unroll 8
    for (int i = 0; i < pixels; ++i) finish(out + (p + i) * out_step + channel, sum[i]);
  }

  template <int lanes, int pixels, int size, int step>
  void block_any(int64_t channel, int64_t p, A* out) const {
    if constexpr (size > 1)
      block_of_groups<lanes, pixels, size, step>(channel, p, out);
    else
      block<lanes, pixels>(channel, p, out);
  }

  template <int pixels, int size, int step>
  void channels_of(int64_t p, A* out) const {
    constexpr int lanes = vector_bytes / static_cast<int>(sizeof(A));
    int64_t c = 0;
    for (; c + lanes <= channels; c += lanes) block_any<lanes, pixels, size, step>(c, p, out);
    if constexpr (lanes >= 16) {
      if (c + 8 <= channels) block_any<8, pixels, size, step>(c, p, out), c += 8;
    }
    if constexpr (lanes >= 8) {
      if (c + 4 <= channels) block_any<4, pixels, size, step>(c, p, out), c += 4;
    }
    for (; c < channels; ++c) block_any<1, pixels, size, step>(c, p, out);
  }

  template <int size, int step>
  void run_groups(int64_t count, A* out) const {
    int64_t p = 0;
    for (; p + 8 <= count; p += 8) channels_of<8, size, step>(p, out);
    for (; p + 4 <= count; p += 4) channels_of<4, size, step>(p, out);
    for (; p < count; ++p) channels_of<1, size, step>(p, out);
  }

  void run(int64_t count, A* out) const {
    const bool one = data_step == channels, two = data_step == 2 * channels;
    if (group == 3 && one && count > 1) return run_groups<3, 1>(count, out);
    if (group == 3 && two && count > 1) return run_groups<3, 2>(count, out);
    if (group == 5 && one && count > 1) return run_groups<5, 1>(count, out);
    if (group == 5 && two && count > 1) return run_groups<5, 2>(count, out);
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) channels_of<4, 1, 1>(p, out);
    for (; p < count; ++p) channels_of<1, 1, 1>(p, out);
  }
};

int group_of(const ConvolutionShape& s) {
  return s.kernel_dilation[2] == 1 && (s.kernel[2] == 3 || s.kernel[2] == 5) ? static_cast<int>(s.kernel[2]) : 1;
}

// What one row of results reads: for each tap a row of data, the position in it that result 0 reads, and the weights.
template <typename A>
struct TapList {
  int count = 0;
  const A* data[most_taps];
  int64_t first[most_taps];
  const A* weights[most_taps];

  void add(const A* row, int64_t position, const A* tap_weights) {
    data[count] = row, first[count] = position, weights[count++] = tap_weights;
  }
};

// Result p reads position first + p * step of rows of `width` pixels; positions outside are left out.
template <typename A>
void run_taps(Row<A>& row, const TapList<A>& list, int64_t width, int64_t step, int64_t count, A* out) {
  int64_t from = 0, to = count;  // between these every tap reads inside
  for (int t = 0; t < list.count; ++t) {
    const int64_t first = list.first[t];
    if (first < 0) from = std::max(from, (-first + step - 1) / step);
    to = std::min(to, first >= width ? 0 : (width - 1 - first) / step + 1);
  }
  if (from >= to) from = to = count;
  row.data_step = step * row.channels;
  const int group = row.group;
  const auto edge = [&](int64_t p) {
    row.group = 1;
    row.taps = 0;
    for (int t = 0; t < list.count; ++t) {
      const int64_t at = list.first[t] + p * step;
      if (at < 0 || at >= width) continue;
      row.data[row.taps] = list.data[t] + at * row.channels;
      row.weights[row.taps++] = list.weights[t];
    }
    row.run(1, out + p * row.out_step);
  };
  for (int64_t p = 0; p < from; ++p) edge(p);
  if (from < to) {
    row.group = group;
    row.taps = list.count;
    for (int t = 0; t < list.count; ++t) {
      row.data[t] = list.data[t] + (list.first[t] + from * step) * row.channels;
      row.weights[t] = list.weights[t];
    }
    row.run(to - from, out + from * row.out_step);
  }
  for (int64_t p = to; p < count; ++p) edge(p);
  row.group = group;
}

// x and z are one image each.
template <typename A>
void forward_row(const ConvolutionShape& s, int64_t channels, const A* x, const A* w, const A* bias, A* z, int64_t oy) {
  Row<A> row{};
  row.channels = row.out_step = channels;
  row.bias = bias;
  row.group = group_of(s);
  const int64_t below = (oy + 1) * s.stride[1] + (s.kernel[1] - 1) * s.kernel_dilation[1] - s.low[1];
  if (below > 0 && below < s.in[1] && s.low[2] <= s.stride[2]) row.ahead = x + below * s.in[2] * channels;
  TapList<A> list;
  const auto flush = [&](bool last) {
    row.clamp_low = last && (s.activation == Activation::relu || s.activation == Activation::relu6);
    row.clamp_six = last && s.activation == Activation::relu6;
    run_taps(row, list, s.in[2], s.stride[2], s.out[2], z + oy * s.out[2] * channels);
    row.accumulate = true;
    list.count = 0;
  };
  for (int64_t ky = 0; ky < s.kernel[1]; ++ky) {
    const int64_t iy = s.meet(1, oy, ky);
    if (iy < 0) continue;
    for (int64_t kx = 0; kx < s.kernel[2]; ++kx) {
      if (kx % row.group == 0 && list.count + row.group > most_taps) flush(false);
      list.add(x + iy * s.in[2] * channels, kx * s.kernel_dilation[2] - s.low[2],
               w + (ky * s.kernel[2] + kx) * channels);
    }
  }
  flush(true);
}

template <typename A>
void input_row(const ConvolutionShape& s, int64_t channels, const A* dz, const A* w, A* dx, int64_t iy) {
  const int64_t step = s.stride[2];
  for (int64_t phase = 0; phase < std::min(step, s.in[2]); ++phase) {  // inputs that the same taps reach
    Row<A> row{};
    row.channels = channels;
    row.out_step = step * channels;
    row.group = step == 1 ? group_of(s) : 1;
    TapList<A> list;
    const auto flush = [&] {
      run_taps(row, list, s.out[2], 1, (s.in[2] - phase + step - 1) / step, dx + (iy * s.in[2] + phase) * channels);
      row.accumulate = true;
      list.count = 0;
    };
    for (int64_t ky = 0; ky < s.kernel[1]; ++ky) {
      const int64_t oy = s.meet_back(1, iy, ky);
      if (oy < 0) continue;
      for (int64_t kx = s.kernel[2] - 1; kx >= 0; --kx) {  // backwards, so that positions go forwards
        const int64_t at = phase + s.low[2] - kx * s.kernel_dilation[2];
        if (at % step) continue;
        if (kx % row.group == row.group - 1 && list.count + row.group > most_taps) flush();
        list.add(dz + oy * s.out[2] * channels, at / step, w + (ky * s.kernel[2] + kx) * channels);
      }
    }
    flush();
  }
}

// dw[t] += sum over p of dz[p] * x[t][p * step], for `taps` taps that all read inside, one vector of channels.
template <typename A, int lanes, int taps>
void gather_weights(int64_t channel, int64_t channels, int64_t count, const A* dz, const A* const* x, int64_t step,
                    A* const* dw) {
  using V = typename VectorOf<A, lanes>::type;
  V sum[taps];
#pragma GCC unroll 9
  for (int t = 0; t < taps; ++t) sum[t] = load<V>(dw[t] + channel);
  for (int64_t p = 0; p < count; ++p) {
    const V d = load<V>(dz + p * channels + channel);
#pragma GCC unroll 9
    for (int t = 0; t < taps; ++t) sum[t] += d * load<V>(x[t] + p * step + channel);
  }
#pragma GCC unroll 9
  for (int t = 0; t < taps; ++t) store(dw[t] + channel, sum[t]);
}

template <typename A, int taps>
void gather_weights_of(int64_t channels, int64_t count, const A* dz, const A* const* x, int64_t step, A* const* dw) {
  constexpr int lanes = vector_bytes / static_cast<int>(sizeof(A));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) gather_weights<A, lanes, taps>(c, channels, count, dz, x, step, dw);
  if constexpr (lanes >= 8) {
    for (; c + lanes / 2 <= channels; c += lanes / 2)
      gather_weights<A, lanes / 2, taps>(c, channels, count, dz, x, step, dw);
  }
  for (; c < channels; ++c) gather_weights<A, 1, taps>(c, channels, count, dz, x, step, dw);
}

template <typename A>
void weight_row(const ConvolutionShape& s, int64_t channels, const A* x, const A* dz, A* dw, int64_t oy) {
  const int64_t step = s.stride[2] * channels;
  const A* dz_row = dz + oy * s.out[2] * channels;
  struct Part {
    const A* x;
    int64_t from, to;
    A* dw;
  };
  Part parts[9];
  int count = 0;
  const auto flush = [&] {
    int64_t from = 0, to = s.out[2];
    for (int t = 0; t < count; ++t) from = std::max(from, parts[t].from), to = std::min(to, parts[t].to);
    const A* rows[9];
    A* sums[9];
    if (from < to) {
      for (int t = 0; t < count; ++t) rows[t] = parts[t].x + from * step, sums[t] = parts[t].dw;
      const A* first = dz_row + from * channels;
      int t = 0;
      if (count == 9) gather_weights_of<A, 9>(channels, to - from, first, rows, step, sums), t = 9;
      for (; t + 3 <= count; t += 3) gather_weights_of<A, 3>(channels, to - from, first, rows + t, step, sums + t);
      for (; t < count; ++t) gather_weights_of<A, 1>(channels, to - from, first, rows + t, step, sums + t);
    } else {
      from = to = 0;
    }
    for (int t = 0; t < count; ++t) {  // the ends of the row, which not every tap reaches
      const Part& part = parts[t];
      const int64_t ends[2][2] = {{part.from, std::min(part.to, from)}, {std::max(part.from, to), part.to}};
      for (const auto& end : ends) {
        if (end[0] >= end[1]) continue;
        const A* from_x = part.x + end[0] * step;
        gather_weights_of<A, 1>(channels, end[1] - end[0], dz_row + end[0] * channels, &from_x, step, &part.dw);
      }
    }
    count = 0;
  };
  for (int64_t ky = 0; ky < s.kernel[1]; ++ky) {
    const int64_t iy = s.meet(1, oy, ky);
    if (iy < 0) continue;
    for (int64_t kx = 0; kx < s.kernel[2]; ++kx) {
      const int64_t first = kx * s.kernel_dilation[2] - s.low[2];
      const int64_t from = first < 0 ? (-first + s.stride[2] - 1) / s.stride[2] : 0;
      const int64_t to = first >= s.in[2] ? 0 : std::min(s.out[2], (s.in[2] - 1 - first) / s.stride[2] + 1);
      if (from >= to) continue;
      parts[count++] = {x + (iy * s.in[2] + first) * channels, from, to, dw + (ky * s.kernel[2] + kx) * channels};
      if (count == 9) flush();
    }
  }
  flush();
}

// Each channel `multiplier` times, side by side: then every form has one weight a channel.
template <typename A>
Ref<Buffer> repeat(const A* from, int64_t pixels, int64_t channels, int64_t multiplier) {
  Ref<Buffer> made = Buffer::allocate(static_cast<size_t>(pixels * channels * multiplier) * sizeof(A));
  A* to = static_cast<A*>(made->data());
  parallel_for(pixels * channels, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::fill_n(to + i * multiplier, multiplier, from[i]);
  });
  return made;
}

int64_t rows_a_task(const ConvolutionShape& s, int64_t width, int64_t channels) {
  return std::max<int64_t>(1, 65536 / std::max<int64_t>(1, width * channels * s.kernel[1] * s.kernel[2]));
}

template <typename A>
void forward(const Call& call, const ConvolutionShape& s) {
  const int64_t channels = s.out_channels;
  const A* x = call.in(0).as<A>();
  Ref<Buffer> repeated;
  if (channels != s.in_channels) {
    repeated = repeat(x, s.batch * s.in_pixels(), s.in_channels, channels / s.in_channels);
    x = static_cast<A*>(repeated->data());
  }
  const A* bias = call.has(2) ? call.in(2).as<A>() : nullptr;
  A* z = call.out(0).as<A>();
  parallel_for(s.batch * s.out[1], rows_a_task(s, s.out[2], channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / s.out[1], oy = row % s.out[1];
      forward_row(s, channels, x + image * s.in_pixels() * channels, call.in(1).as<A>(), bias,
                  z + image * s.out_pixels() * channels, oy);
      if constexpr (std::is_floating_point_v<A>) {
        if (s.activation <= Activation::relu6) continue;
        A* done = z + row * s.out[2] * channels;
        for (int64_t i = 0; i < s.out[2] * channels; ++i)
          done[i] = activate(s.activation, done[i], static_cast<A>(s.alpha));
      }
    }
  });
}

template <typename A>
void input_gradient(const Call& call, const ConvolutionShape& s) {
  const int64_t channels = s.out_channels, multiplier = channels / s.in_channels;
  A* dx = call.out(0).as<A>();
  Ref<Buffer> repeated;
  if (multiplier > 1) {
    repeated = Buffer::allocate(static_cast<size_t>(s.batch * s.in_pixels() * channels) * sizeof(A));
    dx = static_cast<A*>(repeated->data());
  }
  parallel_for(s.batch * s.in[1], rows_a_task(s, s.in[2], channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / s.in[1];
      input_row(s, channels, call.in(1).as<A>() + image * s.out_pixels() * channels, call.in(0).as<A>(),
                dx + image * s.in_pixels() * channels, row % s.in[1]);
    }
  });
  if (multiplier == 1) return;
  A* sums = call.out(0).as<A>();
  parallel_for(s.batch * s.in_pixels() * s.in_channels, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      A sum = A{};
      for (int64_t m = 0; m < multiplier; ++m) sum += dx[i * multiplier + m];
      sums[i] = sum;
    }
  });
}

template <typename A>
void weight_gradient(const Call& call, const ConvolutionShape& s) {
  const int64_t channels = s.out_channels, elements = s.taps() * channels, rows = s.batch * s.out[1];
  const A* x = call.in(0).as<A>();
  Ref<Buffer> repeated;
  if (channels != s.in_channels) {
    repeated = repeat(x, s.batch * s.in_pixels(), s.in_channels, channels / s.in_channels);
    x = static_cast<A*>(repeated->data());
  }
  // Each worker sums its own rows; then the sums are added in order, so that results repeat.
  const bool biased = call.output_count == 2;
  const int64_t own = elements + (biased ? channels : 0);
  const int64_t workers = std::clamp<int64_t>(rows / rows_a_task(s, s.out[2], channels), 1, thread_count());
  Ref<Buffer> buffer = Buffer::allocate(static_cast<size_t>(workers * own) * sizeof(A));
  A* sums = static_cast<A*>(buffer->data());
  const A* dz = call.in(1).as<A>();
  parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      A* mine = sums + worker * own;
      std::fill_n(mine, own, A{});
      for (int64_t row = rows * worker / workers; row < rows * (worker + 1) / workers; ++row) {
        const int64_t image = row / s.out[1];
        weight_row(s, channels, x + image * s.in_pixels() * channels, dz + image * s.out_pixels() * channels, mine,
                   row % s.out[1]);
        for (int64_t p = 0; biased && p < s.out[2]; ++p) {
          for (int64_t c = 0; c < channels; ++c) mine[elements + c] += dz[(row * s.out[2] + p) * channels + c];
        }
      }
    }
  });
  A* dw = call.out(0).as<A>();
  for (int64_t worker = 0; worker < workers; ++worker) {
    const A* mine = sums + worker * own;
    for (int64_t i = 0; i < elements; ++i) dw[i] = worker ? dw[i] + mine[i] : mine[i];
    for (int64_t c = 0; biased && c < channels; ++c) {
      A& to = call.out(1).as<A>()[c];
      to = worker ? to + mine[elements + c] : mine[elements + c];
    }
  }
}

using Form = void (*)(const Call&, const ConvolutionShape&);

template <Form in_float, Form in_double, Form in_int>
Status run_any(const Call& call, const ConvolutionShape& s) {
  if (s.dtype == DType::float16 || s.dtype == DType::bfloat16)
    return run_widened(call, s, run_any<in_float, in_double, in_int>);
  try {
    if (s.dtype == DType::float32)
      in_float(call, s);
    else if (s.dtype == DType::float64)
      in_double(call, s);
    else
      in_int(call, s);
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "depthwise_convolution: out of memory for working space");
  }
}

template <ConvolutionForm form>
Status check(const Call& call) {
  ConvolutionShape shape;
  return read_convolution(call, form, true, shape);
}

template <ConvolutionForm form>
Status run(const Call& call) {
  ConvolutionShape s;
  MS_RETURN_IF_ERROR(read_convolution(call, form, true, s));
  if (call.out(0).count() == 0 && call.output_count == 1) return {};
  const bool plain =
      s.input_dilation[1] == 1 && s.input_dilation[2] == 1;  // the general form reads the same weights as C groups
  if (form == ConvolutionForm::forward) {
    return plain ? run_any<forward<float>, forward<double>, forward<uint32_t>>(call, s) : run_convolution(call, s);
  }
  if (form == ConvolutionForm::input_gradient) {
    return plain ? run_any<input_gradient<float>, input_gradient<double>, input_gradient<uint32_t>>(call, s)
                 : run_convolution_input_gradient(call, s);
  }
  return plain ? run_any<weight_gradient<float>, weight_gradient<double>, weight_gradient<uint32_t>>(call, s)
               : run_convolution_weight_gradient(call, s);
}

}  // namespace

extern const Kernel kernel_depthwise_convolution, kernel_depthwise_convolution_input_gradient,
    kernel_depthwise_convolution_weight_gradient;
const Kernel kernel_depthwise_convolution{"depthwise_convolution", check<ConvolutionForm::forward>,
                                          run<ConvolutionForm::forward>};
const Kernel kernel_depthwise_convolution_input_gradient{"depthwise_convolution_input_gradient",
                                                         check<ConvolutionForm::input_gradient>,
                                                         run<ConvolutionForm::input_gradient>};
const Kernel kernel_depthwise_convolution_weight_gradient{"depthwise_convolution_weight_gradient",
                                                          check<ConvolutionForm::weight_gradient>,
                                                          run<ConvolutionForm::weight_gradient>};

void register_depthwise(Registry& registry);
void register_depthwise(Registry& registry) {
  registry.add(kernel_depthwise_convolution);
  registry.add(kernel_depthwise_convolution_input_gradient);
  registry.add(kernel_depthwise_convolution_weight_gradient);
}

}  // namespace millstream::MS_ISA
