// order_rows: against a stable sort, for runs, narrow keys and wide ones; refusals.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "kernels/move_testing.h"

namespace millstream {
void register_order_rows(Registry&);
}

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;
Numbers numbers;

template <typename T>
void expect_ordered(const std::vector<T>& values, int64_t count, int64_t width) {
  const Tensor x = tensor_of<T>({count, width}, values);
  Tensor y = empty(DType::int64, {count});
  EXPECT(run(registry, "order_rows", {&x}, {&y}, {}).ok());
  std::vector<int64_t> expected(static_cast<size_t>(count));
  std::iota(expected.begin(), expected.end(), int64_t{0});
  std::stable_sort(expected.begin(), expected.end(), [&](int64_t a, int64_t b) {
    return std::lexicographical_compare(values.begin() + a * width, values.begin() + (a + 1) * width,
                                        values.begin() + b * width, values.begin() + (b + 1) * width);
  });
  EXPECT(values_of<int64_t>(y) == expected);
}

template <typename T>
void test_rows_are_ordered(T least, int64_t range) {
  for (int64_t round = 0; round < 60; ++round) {
    const int64_t count = numbers.below(200), width = numbers.below(4);
    std::vector<T> values;
    for (int64_t i = 0; i < count * width; ++i) values.push_back(static_cast<T>(least + numbers.below(range)));
    expect_ordered(values, count, width);
  }
}

void test_runs_are_merged() {
  for (int64_t parts = 1; parts < 25; ++parts) {
    std::vector<int64_t> values;
    int64_t count = 0;
    for (int64_t part = 0; part < parts; ++part) {
      for (int64_t row = numbers.below(3); row < 40; row += 1 + numbers.below(5), ++count) {
        values.push_back(row);
        values.push_back(numbers.below(2) ? row : 5);
      }
    }
    expect_ordered(values, count, 2);
  }
}

void test_rows_of_any_size_are_ordered() {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 300; ++i) values.push_back(static_cast<int64_t>(numbers.next()));
  expect_ordered(values, 100, 3);
  expect_ordered(values, 300, 1);
  for (int64_t& value : values) value = numbers.below(2) ? INT64_MIN : INT64_MAX;
  expect_ordered(values, 150, 2);
}

void test_bad_calls_are_refused() {
  const Tensor x = tensor_of<int64_t>({2, 2}, {1, 2, 3, 4}), flat = tensor_of<int64_t>({2}, {1, 2});
  const Tensor real = tensor_of<float>({2, 2}, {1, 2, 3, 4});
  Tensor y = empty(DType::int64, {2}), narrow = empty(DType::int32, {2}), few = empty(DType::int64, {1});
  EXPECT(!run(registry, "order_rows", {&flat}, {&y}, {}).ok());
  EXPECT(!run(registry, "order_rows", {&real}, {&y}, {}).ok());
  EXPECT(!run(registry, "order_rows", {&x}, {&narrow}, {}).ok());
  EXPECT(!run(registry, "order_rows", {&x}, {&few}, {}).ok());
  EXPECT(!run(registry, "order_rows", {&x}, {&y}, {0}).ok());
}

}  // namespace

int main() {
  register_order_rows(registry);
  test_rows_are_ordered<int64_t>(0, 5);
  test_rows_are_ordered<int32_t>(-3, 7);
  test_rows_are_ordered<int64_t>(-1000000, 2000000);
  test_runs_are_merged();
  test_rows_of_any_size_are_ordered();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
