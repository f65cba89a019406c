// Prints GFLOP/s of our matrix products and convolutions, of oneDNN called directly, and each as a share of the machine's peak.
// Not built by default:  ninja bench_matmul && ./bench_matmul [threads] [seconds per line]
#include <chrono>
#include <cstdlib>
#include <functional>

#include "kernels/convolution_testing.h"
#include "kernels/gemm.h"
#include "threads/pool.h"
#ifdef MS_ONEDNN
#include "kernels/onednn_primitive.h"
#endif

using namespace millstream;
using namespace millstream::testing;

namespace {

double seconds_a_line = 0.2;
double peak = 0;  // GFLOP/s of all threads

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The shortest of the runs that fit in the time.
double shortest(const std::function<void()>& work) {
  double best = 1e9;
  const double start = now();
  for (int i = 0; i < 3 || now() - start < seconds_a_line; ++i) {
    const double begin = now();
    work();
    best = std::min(best, now() - begin);
  }
  return best;
}

// What the innermost tile reaches out of the first cache, on every thread: the practical peak.
void measure_peak() {
  const auto& tile = gemm_tiles<float>().wide;
  const int threads = thread_count(), rounds = 5000;
  constexpr int depth = 128;
  const double time = shortest([&] {
    parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        alignas(64) float x[depth * 32] = {}, y[depth * 64] = {}, z[32 * 64];
        for (int i = 0; i < rounds; ++i) tile.run(depth, x, y, tile.columns, z, tile.columns, false);
      }
    });
  });
  peak = 2e-9 * tile.rows * tile.columns * depth * rounds * threads / time;
  std::printf("peak of the innermost tile: %.0f GFLOP/s on %d threads\n", peak, threads);
}

void print(const char* name, double flops, double time) {
  std::printf("  %s %7.1f (%3.0f %%, %8.1f us)", name, flops / time * 1e-9, flops / time * 1e-7 / peak, time * 1e6);
}

double run_kernel(const Kernel& kernel, std::vector<const Tensor*> in, std::vector<Tensor*> out,
                  std::vector<int64_t> words) {
  Call call{in.data(),    static_cast<int>(in.size()),        out.data(), static_cast<int>(out.size()),
            words.data(), static_cast<int64_t>(words.size()), nullptr,    nullptr};
  Status status = kernel.check(call);
  std::shared_ptr<const void> prepared;
  if (status.ok() && kernel.prepare) prepared = kernel.prepare(call, status);
  if (!status.ok()) std::printf("%s\n", status.message().c_str()), std::exit(1);
  call.prepared = prepared.get();
  return shortest([&] { (void)kernel.run(call); });
}

#ifdef MS_ONEDNN
// oneDNN as its own examples use it, with nothing of ours around it.
double run_plain_matmul(const Value& x, const Value& y, Value& z, int64_t m, int64_t k, int64_t n) {
  using dnnl::memory;
  const dnnl::engine& engine = onednn_engine();
  dnnl::stream stream(engine);
  const auto type = memory::data_type::f32;
  const auto rows = memory::format_tag::ab;
  const memory::desc xd({m, k}, type, rows), yd({k, n}, type, rows), zd({m, n}, type, rows);
  const dnnl::matmul primitive(dnnl::matmul::primitive_desc(engine, xd, yd, zd));
  memory xm(xd, engine, x.tensor.data), ym(yd, engine, y.tensor.data), zm(zd, engine, z.tensor.data);
  return shortest([&] { primitive.execute(stream, {{DNNL_ARG_SRC, xm}, {DNNL_ARG_WEIGHTS, ym}, {DNNL_ARG_DST, zm}}); });
}

// Forward, everything in the layouts it likes best and already there: the most it could give.
double run_plain_convolution(const ConvolutionCase& c, const std::vector<int64_t>& out) {
  using dnnl::memory;
  const dnnl::engine& engine = onednn_engine();
  dnnl::stream stream(engine);
  const auto type = memory::data_type::f32;
  const auto any = memory::format_tag::any;
  const dnnl::convolution_forward::primitive_desc d(
      engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      memory::desc({c.batch, c.in_channels, c.in[0], c.in[1]}, type, any),
      memory::desc({c.out_channels, c.in_channels, c.kernel[0], c.kernel[1]}, type, any),
      memory::desc({c.out_channels}, type, memory::format_tag::a),
      memory::desc({c.batch, c.out_channels, out[0], out[1]}, type, any), c.stride, {0, 0}, c.low, c.high);
  const dnnl::convolution_forward primitive(d);
  memory x(d.src_desc(), engine), w(d.weights_desc(), engine), b(d.bias_desc(), engine), z(d.dst_desc(), engine);
  for (memory* filled : {&x, &w, &b}) std::memset(filled->get_data_handle(), 0, filled->get_desc().get_size());
  return shortest([&] {
    primitive.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, z}});
  });
}
#endif

void bench_matmul(int64_t m, int64_t k, int64_t n, DType dtype, const char* type) {
  std::mt19937 random(1);
  const Value x = random_value(dtype, {m, k}, random), y = random_value(dtype, {k, n}, random);
  Value z(dtype, {m, n});
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
  std::printf("matmul %s %ldx%ldx%ld\n", type, static_cast<long>(m), static_cast<long>(k), static_cast<long>(n));
  print("portable", flops, run_kernel(kernel_matmul, {&x.tensor, &y.tensor}, {&z.tensor}, {0, 0, 0, 0, 0}));
#ifdef MS_ONEDNN
  print("ours", flops, run_kernel(kernel_matmul_onednn, {&x.tensor, &y.tensor}, {&z.tensor}, {0, 0, 0, 0, 0}));
  if (dtype == DType::float32) print("oneDNN alone", flops, run_plain_matmul(x, y, z, m, k, n));
#endif
  std::printf("\n");
}

void bench_convolution(const char* name, ConvolutionCase c) {
  c = complete(c);
  std::mt19937 random(1);
  const auto out = out_sizes(c);
  const DType f = DType::float32;
  const Value x = random_value(f, {c.batch, c.in[0], c.in[1], c.in_channels}, random);
  const Value w = random_value(f, {c.kernel[0], c.kernel[1], c.in_channels, c.out_channels}, random),
              b = random_value(f, {c.out_channels}, random);
  // As a variable holds them: in a buffer, with which another layout can be kept.
  Tensor held = w.tensor;
  held.buffer = Buffer::allocate(w.tensor.bytes());
  held.data = held.buffer->data();
  std::memcpy(held.data, w.tensor.data, w.tensor.bytes());
  const Value dz = random_value(f, {c.batch, out[0], out[1], c.out_channels}, random);
  Value z(f, {c.batch, out[0], out[1], c.out_channels}), dx(f, {c.batch, c.in[0], c.in[1], c.in_channels});
  Value dw(f, {c.kernel[0], c.kernel[1], c.in_channels, c.out_channels});
  const double flops =
      2.0 * static_cast<double>(dz.tensor.count()) * static_cast<double>(c.kernel[0] * c.kernel[1] * c.in_channels);
  const auto words = attributes_of(c, false, false);
  std::printf("%s\n", name);
  const auto all = [&](const char* who, const Kernel& forward, const Kernel& back, const Kernel& weights) {
    std::printf("  %s:", who);
    print("forward", flops, run_kernel(forward, {&x.tensor, &held, &b.tensor}, {&z.tensor}, words));
    print("input gradient", flops, run_kernel(back, {&held, &dz.tensor}, {&dx.tensor}, words));
    print("weight gradient", flops, run_kernel(weights, {&x.tensor, &dz.tensor}, {&dw.tensor}, words));
    std::printf("\n");
  };
  all("portable", kernel_convolution, kernel_convolution_input_gradient, kernel_convolution_weight_gradient);
#ifdef MS_ONEDNN
  all("ours", kernel_convolution_onednn, kernel_convolution_input_gradient_onednn,
      kernel_convolution_weight_gradient_onednn);
  print("oneDNN alone: forward", flops, run_plain_convolution(c, out));
  std::printf("\n");
#endif
}

}  // namespace

int main(int count, char** words) {
  set_thread_count(count > 1 ? std::atoi(words[1]) : 1);
  if (count > 2) seconds_a_line = std::atof(words[2]);
  measure_peak();
#ifdef MS_ONEDNN
  // A first run, so that oneDNN alone has our number of threads, too.
  bench_matmul(256, 256, 256, DType::float32, "float32, to start");
#endif
  for (const auto& [m, k, n] : {std::array<int64_t, 3>{128, 784, 512},
                                {1024, 1024, 1024},
                                {128, 512, 10},
                                {64, 128, 512},
                                {64, 512, 128},
                                {32, 1024, 1024},
                                {1, 1024, 1024},
                                {2048, 256, 1024},
                                {6400, 64, 512}}) {
    bench_matmul(m, k, n, DType::float32, "float32");
  }
  bench_matmul(1024, 1024, 1024, DType::bfloat16, "bfloat16");
  bench_matmul(1024, 1024, 1024, DType::float16, "float16");
  bench_convolution(
      "ResNet-20, 32x32x3 -> 16, batch 64",
      {.in = {32, 32}, .kernel = {3, 3}, .batch = 64, .in_channels = 3, .out_channels = 16, .low = {1, 1}});
  bench_convolution(
      "ResNet-20, 32x32x16, batch 64",
      {.in = {32, 32}, .kernel = {3, 3}, .batch = 64, .in_channels = 16, .out_channels = 16, .low = {1, 1}});
  bench_convolution("ResNet-20, 16 -> 32, stride 2", {.in = {32, 32},
                                                      .kernel = {3, 3},
                                                      .batch = 64,
                                                      .in_channels = 16,
                                                      .out_channels = 32,
                                                      .stride = {2, 2},
                                                      .low = {0, 0},
                                                      .high = {1, 1}});
  bench_convolution(
      "ResNet-20, 8x8x64, batch 64",
      {.in = {8, 8}, .kernel = {3, 3}, .batch = 64, .in_channels = 64, .out_channels = 64, .low = {1, 1}});
  bench_convolution("small CNN, 28x28x1 -> 32, batch 128",
                    {.in = {28, 28}, .kernel = {3, 3}, .batch = 128, .in_channels = 1, .out_channels = 32});
  bench_convolution("small CNN, 13x13x32 -> 64, batch 128",
                    {.in = {13, 13}, .kernel = {3, 3}, .batch = 128, .in_channels = 32, .out_channels = 64});
  bench_convolution("ResNet50, 224x224x3 -> 64, 7x7 stride 2", {.in = {224, 224},
                                                                .kernel = {7, 7},
                                                                .batch = 1,
                                                                .in_channels = 3,
                                                                .out_channels = 64,
                                                                .stride = {2, 2},
                                                                .low = {3, 3}});
  bench_convolution(
      "ResNet50, 56x56x64",
      {.in = {56, 56}, .kernel = {3, 3}, .batch = 1, .in_channels = 64, .out_channels = 64, .low = {1, 1}});
  bench_convolution(
      "ResNet50, 14x14x256",
      {.in = {14, 14}, .kernel = {3, 3}, .batch = 1, .in_channels = 256, .out_channels = 256, .low = {1, 1}});
  // Of 7x7x512 the weights are 9 MB: at small batches, laying them out anew costs as much as the convolution.
  for (const int64_t batch : {1, 8}) {
    bench_convolution(
        "ResNet50, 7x7x512",
        {.in = {7, 7}, .kernel = {3, 3}, .batch = batch, .in_channels = 512, .out_channels = 512, .low = {1, 1}});
    bench_convolution("ResNet50, 1x1, 56x56x256 -> 64",
                      {.in = {56, 56}, .kernel = {1, 1}, .batch = batch, .in_channels = 256, .out_channels = 64});
    bench_convolution("MobileNetV2, 1x1, 56x56x24 -> 144",
                      {.in = {56, 56}, .kernel = {1, 1}, .batch = batch, .in_channels = 24, .out_channels = 144});
    bench_convolution("MobileNetV2, 1x1, 7x7x960 -> 160",
                      {.in = {7, 7}, .kernel = {1, 1}, .batch = batch, .in_channels = 960, .out_channels = 160});
  }
  return 0;
}
