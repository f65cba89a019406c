// Tests of `reduce` and `fused_reduce` against plain loops: every set of axes, all kinds, empty spaces, NaN, accuracy.
#include "kernels/elementwise_testing.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

double combine(ReduceKind kind, double a, double b) {
  switch (kind) {
    case ReduceKind::sum:
      return a + b;
    case ReduceKind::product:
      return a * b;
    case ReduceKind::max:
      return a > b || std::isnan(a) ? a : b;
    case ReduceKind::min:
      return a < b || std::isnan(a) ? a : b;
    case ReduceKind::all:
      return a != 0 && b != 0;
    default:
      return a != 0 || b != 0;
  }
}

std::vector<double> reduced(const Value& x, unsigned axes, ReduceKind kind, double first) {
  std::vector<int64_t> stride(static_cast<size_t>(x.tensor.rank), 0);
  int64_t kept = 1;
  for (int i = x.tensor.rank - 1; i >= 0; --i) {
    if (axes >> i & 1) continue;
    stride[static_cast<size_t>(i)] = kept;
    kept *= x.tensor.dims[i];
  }
  std::vector<double> result(static_cast<size_t>(kept), first);
  for (int64_t flat = 0; flat < x.count(); ++flat) {
    int64_t rest = flat, at = 0;
    for (int i = x.tensor.rank - 1; i >= 0; --i) {
      at += rest % x.tensor.dims[i] * stride[static_cast<size_t>(i)];
      rest /= x.tensor.dims[i];
    }
    result[static_cast<size_t>(at)] = combine(kind, result[static_cast<size_t>(at)], get(x, flat));
  }
  return result;
}

double tolerance_of(DType type) {
  return type == DType::float32    ? 2e-5
         : type == DType::float64  ? 1e-12
         : type == DType::float16  ? 2e-3
         : type == DType::bfloat16 ? 1.6e-2
                                   : 0;
}

void test_all_sets_of_axes(DType type, const std::vector<int64_t>& dims) {
  Value x = random_value(type, dims);
  const bool boolean = type == DType::boolean;
  for (unsigned axes = 0; axes < (1u << dims.size()); ++axes) {
    std::vector<int64_t> kept, words = {0};
    int64_t size = 1;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (axes >> i & 1)
        words.push_back(static_cast<int64_t>(i)), size *= dims[i];
      else
        kept.push_back(dims[i]);
    }
    for (const ReduceKind kind :
         {ReduceKind::sum, ReduceKind::max, ReduceKind::min, ReduceKind::all, ReduceKind::any}) {
      const bool logical = kind == ReduceKind::all || kind == ReduceKind::any;
      if (logical != boolean || (size == 0 && !logical && kind != ReduceKind::sum)) continue;
      const double inf = std::numeric_limits<double>::infinity();
      const double first = kind == ReduceKind::max   ? -inf
                           : kind == ReduceKind::min ? inf
                           : kind == ReduceKind::all ? 1
                                                     : 0;
      Value out(type, kept);
      words[0] = static_cast<int64_t>(kind);
      must_run("reduce", {&x}, {&out}, words);
      std::vector<double> want = reduced(x, axes, kind, first);
      Value narrow(type, {1});
      for (int64_t i = 0; i < out.count(); ++i) {
        put(narrow, 0, want[static_cast<size_t>(i)]);
        const double scale = std::sqrt(static_cast<double>(std::max<int64_t>(size, 1)));
        expect(close(get(out, i), get(narrow, 0), kind == ReduceKind::sum ? tolerance_of(type) * scale : 0),
               "reduce type " + std::to_string(static_cast<int>(type)) + " kind " + std::to_string(words[0]) +
                   " axes " + std::to_string(axes) + " rank " + std::to_string(dims.size()) + " element " +
                   std::to_string(i));
      }
    }
  }
}

void test_products_and_empty_spaces() {
  Value x(DType::float64, {3, 5}), out(DType::float64, {5});
  for (int i = 0; i < 15; ++i) put(x, i, 1 + i * 0.1);
  must_run("reduce", {&x}, {&out}, {2, 0});
  for (int i = 0; i < 5; ++i) expect(close(get(out, i), get(x, i) * get(x, i + 5) * get(x, i + 10), 1e-14), "product");
  Value none(DType::float32, {0, 2}), two(DType::float32, {2}), bytes(DType::int8, {0}), one(DType::int8, {});
  const double inf = std::numeric_limits<double>::infinity(), wants[] = {0, 1, -inf, inf};
  for (int kind = 1; kind <= 4; ++kind) {
    must_run("reduce", {&none}, {&two}, {kind, 0});
    expect(get(two, 0) == wants[kind - 1] && get(two, 1) == wants[kind - 1], "an empty reduction");
  }
  must_run("reduce", {&bytes}, {&one}, {3, 0});
  expect(get(one, 0) == -128, "an empty maximum of integers");
}

void test_nan_wins_and_sums_keep_their_digits() {
  const int64_t n = 3000000;
  Value x(DType::float32, {n}), out(DType::float32, {});
  for (int64_t i = 0; i < n; ++i) x.as<float>()[i] = 0.1f;
  must_run("reduce", {&x}, {&out}, {1, 0});
  expect(close(get(out, 0), static_cast<double>(0.1f) * static_cast<double>(n), 1e-6), "a long sum keeps its digits");
  x.as<float>()[n - 7] = NAN;
  for (const int64_t kind : {1, 3, 4}) {
    must_run("reduce", {&x}, {&out}, {kind, 0});
    expect(std::isnan(get(out, 0)), "NaN wins");
  }
}

void test_statistics_come_from_one_program(const std::vector<int64_t>& dims) {
  const int64_t channels = dims.back(), rows = product_of(dims) / channels;
  const DType f = DType::float32;
  Value x = random_value(f, dims), dy = random_value(f, dims), masked(f, dims), bias(f, {channels}),
        squares(f, {channels});
  ProgramWriter program(dims, 0, static_cast<int64_t>(dims.size()) - 1);
  const int64_t a = program.input(f, dense_strides(dims)), b = program.input(f, dense_strides(dims));
  const int64_t zero = program.constant(0);
  const int64_t slope =
      program.step(TileOp::select, f, program.step(TileOp::compare_gt, DType::boolean, a, zero), b, zero);
  program.output(slope, f);
  program.output(slope, f, ReduceKind::sum);
  program.output(program.step(TileOp::multiply, f, a, a), f, ReduceKind::sum);
  must_run("fused_reduce", {&x, &dy}, {&masked, &bias, &squares}, program.words());
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r * channels + c;
      const double want = get(x, i) > 0 ? get(dy, i) : 0;
      expect(get(masked, i) == want, "a stored output beside reduced ones");
      sum += want;
      square += get(x, i) * get(x, i);
    }
    expect(close(get(bias, c), sum, 1e-4) && close(get(squares, c), square, 1e-5),
           "statistics of channel " + std::to_string(c));
  }
}

void test_rows_of_a_program_are_reduced(int64_t rows, int64_t length) {
  const DType f = DType::float32;
  Value x = random_value(f, {rows, length}), center = random_value(f, {rows}), out(f, {rows}), most(f, {rows});
  ProgramWriter program({rows, length}, 1, 1);
  const int64_t a = program.input(f, {length, 1}), b = program.input(f, {1, 0});
  const int64_t away = program.step(TileOp::subtract, f, a, b);
  program.output(program.step(TileOp::multiply, f, away, away), f, ReduceKind::sum);
  program.output(away, f, ReduceKind::max);
  must_run("fused_reduce", {&x, &center}, {&out, &most}, program.words());
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0, largest = -INFINITY;
    for (int64_t i = 0; i < length; ++i) {
      const double d = get(x, r * length + i) - get(center, r);
      sum += d * d;
      largest = std::max(largest, static_cast<double>(static_cast<float>(d)));
    }
    expect(close(get(out, r), sum, 1e-5) && get(most, r) == largest,
           "row " + std::to_string(r) + " of " + std::to_string(length));
  }
}

void test_bad_calls_are_refused() {
  Value x = random_value(DType::float32, {2, 3}), out(DType::float32, {2}), flags(DType::boolean, {2});
  must_refuse("reduce", {&x}, {&out}, {1, 2}, "axis 2");
  must_refuse("reduce", {&x}, {&out}, {1, -1}, "axis -1");
  must_refuse("reduce", {&x}, {&out}, {1, 1, 1}, "twice");
  must_refuse("reduce", {&x}, {&out}, {9, 1}, "kind");
  must_refuse("reduce", {&x}, {&out}, {5, 1}, "no reduction of kind");
  must_refuse("reduce", {&x}, {&out}, {1, 0}, "must have 3 elements");
  must_refuse("reduce", {&x}, {&flags}, {1, 1}, "another element type");
}

}  // namespace

int main() {
  const DType types[] = {DType::float32, DType::float64, DType::int32,    DType::uint8,
                         DType::int64,   DType::float16, DType::bfloat16, DType::boolean};
  const std::vector<int64_t> shapes[] = {{},        {1},       {5},          {0, 3},        {7, 10},       {3, 1500},
                                         {1500, 3}, {5, 6, 7}, {4, 5, 6, 7}, {8, 33, 1100}, {2, 40, 30, 3}};
  for (const DType type : types) {
    for (const auto& shape : shapes) test_all_sets_of_axes(type, shape);
  }
  for (const DType type : {DType::float32, DType::int32}) test_all_sets_of_axes(type, {70001, 2});
  test_products_and_empty_spaces();
  test_nan_wins_and_sums_keep_their_digits();
  for (const auto& shape : {std::vector<int64_t>{2, 9, 9, 16}, {3, 50, 50, 3}, {1000, 64}, {2, 1300}, {1, 1}}) {
    test_statistics_come_from_one_program(shape);
  }
  for (const int64_t length : {1, 3, 31, 64, 1000, 1024, 1025, 5000})
    test_rows_of_a_program_are_reduced(length > 1000 ? 3 : 70, length);
  test_bad_calls_are_refused();
  return report();
}
