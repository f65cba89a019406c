// A program that prints GB/s of elementwise chains, reductions and softmax by size and threads. Not built by default:
//   cmake --build <folder> --target bench_elementwise   then   bench_elementwise [threads]
#include <chrono>

#include "kernels/elementwise_testing.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

using Seconds = std::chrono::duration<double>;

double seconds_of(const std::function<void()>& work, int64_t elements) {
  const int64_t repeats = std::max<int64_t>(3, 20000000 / std::max<int64_t>(2000, elements));
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < repeats; ++i) work();
    best = std::min(best, Seconds(std::chrono::steady_clock::now() - begin).count() / static_cast<double>(repeats));
  }
  return best;
}

void bench(const char* label, const char* name, const std::vector<const Value*>& inputs,
           const std::vector<Value*>& outputs, const std::vector<int64_t>& words) {
  const Kernel* kernel = Registry::instance().find(name, std::strlen(name));
  std::vector<const Tensor*> in;
  std::vector<Tensor*> out;
  double bytes = 0;
  int64_t elements = 1;
  for (const Value* value : inputs) {
    in.push_back(&value->tensor);
    bytes += static_cast<double>(value->tensor.bytes());
    elements = std::max(elements, value->count());
  }
  for (Value* value : outputs) {
    out.push_back(&value->tensor);
    bytes += static_cast<double>(value->tensor.bytes());
  }
  Call call{in.data(),    static_cast<int>(in.size()),        out.data(), static_cast<int>(out.size()),
            words.data(), static_cast<int64_t>(words.size()), nullptr,    nullptr};
  Status status = kernel->check(call);
  std::shared_ptr<const void> prepared;
  if (status.ok() && kernel->prepare != nullptr) prepared = kernel->prepare(call, status);
  call.prepared = prepared.get();
  const auto must = [&](const Status& result) {
    if (result.ok()) return;
    std::printf("%s: %s\n", label, result.message().c_str());
    std::exit(1);
  };
  must(status);
  const double run = seconds_of([&] { must(kernel->run(call)); }, elements);
  const double make = seconds_of(
      [&] {
        must(kernel->check(call));
        if (kernel->prepare != nullptr) kernel->prepare(call, status);
      },
      100000);
  std::printf("%-16s %9lld elements %11.2f us %8.1f GB/s   check and prepare %6.2f us\n", label,
              static_cast<long long>(elements), run * 1e6, bytes / run * 1e-9, make * 1e6);
}

void bench_size(int64_t n) {
  const DType f = DType::float32;
  Value x = random_value(f, {n}), y = random_value(f, {n}), out(f, {n}), total(f, {});
  for (int64_t i = 0; i < n; ++i) put(x, i, 0.5 + std::fabs(get(x, i)));
  const auto unary = [&](TileOp op) {
    ProgramWriter program({n});
    program.output(program.step(op, f, program.input(f, {1})), f);
    return program.words();
  };
  ProgramWriter sum({n});
  const int64_t a = sum.input(f, {1}), b = sum.input(f, {1});
  sum.output(sum.step(TileOp::add, f, a, b), f);
  bench("add", "fused", {&x, &y}, {&out}, sum.words());
  ProgramWriter chain({n});
  int64_t v = chain.input(f, {1});
  const int64_t other = chain.input(f, {1}), factor = chain.constant(1.01f);
  for (int i = 0; i < 5; ++i) v = chain.step(TileOp::maximum, f, chain.step(TileOp::multiply, f, v, factor), other);
  chain.output(v, f);
  bench("chain of 10", "fused", {&x, &y}, {&out}, chain.words());
  bench("exp", "fused", {&x}, {&out}, unary(TileOp::exp));
  bench("tanh", "fused", {&x}, {&out}, unary(TileOp::tanh));
  bench("log", "fused", {&x}, {&out}, unary(TileOp::log));
  bench("erf", "fused", {&x}, {&out}, unary(TileOp::erf));
  bench("sum", "reduce", {&x}, {&total}, {1, 0});
}

void bench_rows(int64_t rows, int64_t n) {
  const DType f = DType::float32;
  Value x = random_value(f, {rows, n}), out(f, {rows, n}), bias = random_value(f, {n}), sums(f, {n}), mean(f, {rows}),
        rstd(f, {rows});
  ProgramWriter program({rows, n});
  const int64_t a = program.input(f, {n, 1}), b = program.input(f, {0, 1});
  program.output(program.step(TileOp::add, f, a, b), f);
  bench("add a row", "fused", {&x, &bias}, {&out}, program.words());
  bench("sum of columns", "reduce", {&x}, {&sums}, {1, 0});
  bench("sum of rows", "reduce", {&x}, {&mean}, {1, 1});
  bench("softmax", "softmax", {&x}, {&out}, {});
  bench("layer_norm", "layer_norm", {&x, &bias, &bias}, {&out, &mean, &rstd}, {bits_of(1e-3)});
}

}  // namespace

int main(int count, char** arguments) {
  set_thread_count(count > 1 ? std::atoi(arguments[1]) : 0);
  for (const int64_t n : {1, 1000, 65536, 4 << 20}) bench_size(n);
  bench_rows(128, 10);
  bench_rows(16384, 128);
  bench_rows(4096, 1000);
  return 0;
}
