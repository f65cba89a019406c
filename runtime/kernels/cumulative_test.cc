// Tests of `cumulative` and `arg_reduce` against plain loops.
#include "kernels/elementwise_testing.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

struct Space {
  int64_t outer = 1, length = 1, inner = 1;
  Space(const std::vector<int64_t>& dims, int64_t axis) {
    for (size_t i = 0; i < dims.size(); ++i) {
      (static_cast<int64_t>(i) < axis ? outer : static_cast<int64_t>(i) == axis ? length : inner) *= dims[i];
    }
  }
  int64_t at(int64_t o, int64_t k, int64_t i) const { return (o * length + k) * inner + i; }
};

double combine(int64_t kind, double a, double b) {
  switch (kind) {
    case 1:
      return a + b;
    case 2:
      return a * b;
    case 3:
      return a > b || std::isnan(a) ? a : b;
    case 4:
      return a < b || std::isnan(a) ? a : b;
    default:
      return std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
  }
}

void test_scans(DType type, const std::vector<int64_t>& dims, int64_t axis) {
  const Space space(dims, axis);
  const bool whole = is_integer(type);
  Value x = random_value(type, dims), out(type, dims), narrow(type, {1});
  for (int64_t kind = 1; kind <= (whole ? 4 : 5); ++kind) {
    if (kind == 2) {
      for (int64_t i = 0; i < x.count(); ++i)
        put(x, i, whole ? 1 + (i % 7 == 0) : 1 + 0.01 * (static_cast<double>(i % 5) - 2));
    }
    for (int64_t flags = 0; flags < 4; ++flags) {
      const bool exclusive = flags & 1, reverse = flags & 2;
      if (exclusive && kind > 2) continue;  // the first value is checked below
      must_run("cumulative", {&x}, {&out}, {kind, axis, exclusive, reverse});
      for (int64_t o = 0; o < space.outer; ++o) {
        for (int64_t i = 0; i < space.inner; ++i) {
          double total = kind == 2 ? 1 : 0;
          for (int64_t k = 0; k < space.length; ++k) {
            const int64_t at = space.at(o, reverse ? space.length - 1 - k : k, i);
            const double next = k == 0 && kind > 2 ? get(x, at) : combine(kind, total, get(x, at));
            put(narrow, 0, exclusive ? total : next);
            const double got = get(out, at), want = get(narrow, 0);
            const double tolerance = whole ? 0 : type == DType::float64 ? 1e-9 : type == DType::float32 ? 1e-5 : 2e-2;
            expect(whole && std::fabs(next) > 100 ? true : close(got, want, tolerance),
                   "scan kind " + std::to_string(kind) + " type " + std::to_string(static_cast<int>(type)));
            total = next;
          }
        }
      }
    }
  }
}

void test_exclusive_scans_begin_with_what_changes_nothing() {
  Value x(DType::float32, {2}), out(DType::float32, {2});
  put(x, 0, 3), put(x, 1, 4);
  const double inf = std::numeric_limits<double>::infinity();
  const double firsts[] = {0, 1, -inf, inf, -inf};
  for (int64_t kind = 1; kind <= 5; ++kind) {
    must_run("cumulative", {&x}, {&out}, {kind, 0, 1, 0});
    expect(get(out, 0) == firsts[kind - 1] && get(out, 1) == 3, "exclusive scan of kind " + std::to_string(kind));
  }
  Value flags(DType::boolean, {2});
  must_refuse("cumulative", {&flags}, {&flags}, {1, 0, 0, 0}, "has no kind");
  must_refuse("cumulative", {&x}, {&out}, {1, 1, 0, 0}, "axis 1");
  must_refuse("cumulative", {&x}, {&out}, {6, 0, 0, 0}, "kind");
}

void test_places(DType type, const std::vector<int64_t>& dims, int64_t axis, bool with_nan) {
  const Space space(dims, axis);
  Value x = random_value(type, dims);
  if (with_nan) put(x, x.count() / 2, std::numeric_limits<double>::quiet_NaN());
  std::vector<int64_t> kept = dims;
  kept.erase(kept.begin() + axis);
  for (const DType index : {DType::int32, DType::int64}) {
    for (const int64_t kind : {3, 4}) {
      Value out(index, kept);
      must_run("arg_reduce", {&x}, {&out}, {kind, axis});
      for (int64_t o = 0; o < space.outer; ++o) {
        for (int64_t i = 0; i < space.inner; ++i) {
          int64_t best = 0;
          for (int64_t k = 1; k < space.length; ++k) {
            const double value = get(x, space.at(o, k, i)), most = get(x, space.at(o, best, i));
            if (!std::isnan(value) && (std::isnan(most) || (kind == 3 ? value > most : value < most))) best = k;
          }
          expect(get(out, o * space.inner + i) == static_cast<double>(best), "the place of an extreme");
        }
      }
    }
  }
}

}  // namespace

int main() {
  const struct {
    std::vector<int64_t> dims;
    int64_t axis;
  } cases[] = {{{5}, 0}, {{1}, 0}, {{3, 400}, 1}, {{400, 3}, 0}, {{4, 33, 7}, 1}, {{2, 3, 700}, 1}};
  for (const DType type : {DType::float32, DType::float64, DType::int32, DType::uint8, DType::int8, DType::int64,
                           DType::float16, DType::bfloat16}) {
    for (const auto& [dims, axis] : cases) {
      test_scans(type, dims, axis);
      test_places(type, dims, axis, false);
      if (is_floating(type)) test_places(type, dims, axis, true);
    }
  }
  test_places(DType::boolean, {6, 50}, 1, false);
  test_exclusive_scans_begin_with_what_changes_nothing();
  Value none(DType::float32, {0, 3}), out(DType::int32, {3});
  must_refuse("arg_reduce", {&none}, {&out}, {3, 0}, "is empty");
  return report();
}
