// sort, top_k, search_sorted, where, select and unique: order, ties, NaN, sizes that the data decides, refusals.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/move_testing.h"

namespace millstream {
void register_sort(Registry&);
void register_where(Registry&);
void register_unique(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;
Numbers numbers;
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

Tensor unknown(DType dtype, int rank) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.rank = rank;
  return tensor;
}

template <typename T>
void test_sort_is_stable_along_any_axis(bool descending) {
  for (int round = 0; round < 40; ++round) {
    const int64_t outer = 1 + numbers.below(3), count = 1 + numbers.below(round % 10 == 0 ? 3000 : 9),
                  inner = 1 + numbers.below(3);
    Tensor x = empty(dtype_of<T>, {outer, count, inner}), values = empty(dtype_of<T>, {outer, count, inner}),
           indices = empty(DType::int32, {outer, count, inner});
    for (int64_t i = 0; i < x.count(); ++i) x.as<T>()[i] = static_cast<T>(numbers.below(7) - 3);
    EXPECT(run(registry, "sort", {&x}, {&values, &indices}, {1, descending, 1}).ok());
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        std::vector<int64_t> expected;
        for (int64_t k = 0; k < count; ++k) expected.push_back(k);
        const auto at = [&](int64_t k) { return x.as<T>()[(o * count + k) * inner + i]; };
        std::stable_sort(expected.begin(), expected.end(),
                         [&](int64_t a, int64_t b) { return descending ? at(a) > at(b) : at(a) < at(b); });
        for (int64_t k = 0; k < count; ++k) {
          const int64_t place = (o * count + k) * inner + i;
          EXPECT(indices.as<int32_t>()[place] == expected[static_cast<size_t>(k)]);
          EXPECT(values.as<T>()[place] == at(expected[static_cast<size_t>(k)]));
        }
      }
  }
}

void test_nan_is_largest_and_zeros_are_equal() {
  const Tensor x = tensor_of<float>({6}, {nan_value, 0.0f, INFINITY, -0.0f, -INFINITY, 1});
  Tensor values = empty(DType::float32, {6}), indices = empty(DType::int32, {6});
  EXPECT(run(registry, "sort", {&x}, {&values, &indices}, {0, 0, 0}).ok());
  EXPECT((values_of<int32_t>(indices) == std::vector<int32_t>{4, 1, 3, 5, 2, 0}));
  EXPECT(run(registry, "sort", {&x}, {&values, &indices}, {0, 1, 0}).ok());
  EXPECT((values_of<int32_t>(indices) == std::vector<int32_t>{0, 2, 5, 1, 3, 4}));
}

void test_top_k_prefers_the_lower_index() {
  const Tensor x = tensor_of<int32_t>({2, 5}, {3, 9, 9, 1, 9, -5, -5, -7, -5, -9});
  Tensor values = empty(DType::int32, {2, 3}), indices = empty(DType::int64, {2, 3});
  EXPECT(run(registry, "top_k", {&x}, {&values, &indices}, {1}).ok());
  EXPECT((values_of<int32_t>(values) == std::vector<int32_t>{9, 9, 9, -5, -5, -5}));
  EXPECT((values_of<int64_t>(indices) == std::vector<int64_t>{1, 2, 4, 0, 1, 3}));
  Tensor none = empty(DType::int32, {2, 0}), no_indices = empty(DType::int32, {2, 0});
  EXPECT(run(registry, "top_k", {&x}, {&none, &no_indices}, {1}).ok());
  Tensor much = empty(DType::int32, {2, 6}), much_indices = empty(DType::int32, {2, 6});
  EXPECT(run(registry, "top_k", {&x}, {&much, &much_indices}, {1}).message() ==
         "input must have at least k columns. Had 5, needed 6");
}

void test_search_finds_both_ends_of_equal_runs() {
  const Tensor x = tensor_of<double>({1, 5}, {1, 2, 2, 2, 5}), wanted = tensor_of<double>({1, 4}, {0, 2, 5, 7});
  Tensor y = empty(DType::int32, {1, 4});
  EXPECT(run(registry, "search_sorted", {&x, &wanted}, {&y}, {0}).ok());
  EXPECT((values_of<int32_t>(y) == std::vector<int32_t>{0, 1, 4, 5}));
  EXPECT(run(registry, "search_sorted", {&x, &wanted}, {&y}, {1}).ok());
  EXPECT((values_of<int32_t>(y) == std::vector<int32_t>{0, 4, 5, 5}));
}

void test_where_lists_positions_in_order() {
  const Tensor x = tensor_of<float>({2, 3}, {0, 1, -0.0f, nan_value, 0, 2});
  Tensor y = unknown(DType::int64, 2);
  EXPECT(run(registry, "where", {&x}, {&y}, {}).ok());
  EXPECT(y.dims[0] == 3 && y.dims[1] == 2);
  EXPECT((values_of<int64_t>(y) == std::vector<int64_t>{0, 1, 1, 0, 1, 2}));
  Tensor large = empty(DType::boolean, {200000});
  int64_t count = 0;
  for (int64_t i = 0; i < 200000; ++i) count += large.as<bool>()[i] = numbers.below(3) == 0;
  EXPECT(run(registry, "where", {&large}, {&y}, {}).ok());
  EXPECT(y.dims[0] == count);
  for (int64_t i = 0; i < count; ++i)
    EXPECT(large.as<bool>()[y.as<int64_t>()[i]] && (i == 0 || y.as<int64_t>()[i] > y.as<int64_t>()[i - 1]));
  const Tensor scalar = tensor_of<int32_t>({}, {7}), nothing = empty(DType::boolean, {0, 4});
  EXPECT(run(registry, "where", {&scalar}, {&y}, {}).ok() && y.dims[0] == 1 && y.dims[1] == 0);
  EXPECT(run(registry, "where", {&nothing}, {&y}, {}).ok() && y.dims[0] == 0 && y.dims[1] == 2);
}

void test_select_takes_either_side() {
  const Tensor condition = tensor_of<bool>({3}, {true, false, true});
  const Tensor x = strings({3}, {"a", "b", "c"}), y = strings({3}, {"x", "y", "z"});
  Tensor z = empty(DType::string, {3});
  EXPECT(run(registry, "select", {&condition, &x, &y}, {&z}, {}).ok());
  EXPECT(string_at(z, 0) == "a" && string_at(z, 1) == "y" && string_at(z, 2) == "c");
  const Tensor a = tensor_of<int64_t>({3}, {1, 2, 3}), b = tensor_of<int64_t>({3}, {4, 5, 6});
  Tensor c = empty(DType::int64, {3});
  EXPECT(run(registry, "select", {&condition, &a, &b}, {&c}, {}).ok());
  EXPECT((values_of<int64_t>(c) == std::vector<int64_t>{1, 5, 3}));
}

void test_unique_keeps_the_order_of_first_appearance() {
  const Tensor x = tensor_of<float>({8}, {3, -0.0f, nan_value, 3, 0, nan_value, 1, 3});
  Tensor values = unknown(DType::float32, 1), index = unknown(DType::int32, 1), counts = unknown(DType::int32, 1);
  EXPECT(run(registry, "unique", {&x}, {&values, &index, &counts}, {}).ok());
  EXPECT(values.dims[0] == 5 && values.as<float>()[0] == 3 && std::isnan(values.as<float>()[2]) &&
         values.as<float>()[4] == 1);
  EXPECT((values_of<int32_t>(index) == std::vector<int32_t>{0, 1, 2, 0, 1, 3, 4, 0}));
  EXPECT((values_of<int32_t>(counts) == std::vector<int32_t>{3, 2, 1, 1, 1}));
  const Tensor words = strings({5}, {"to", "be", "or", "to", ""});
  Tensor texts = unknown(DType::string, 1), places = unknown(DType::int64, 1);
  EXPECT(run(registry, "unique", {&words}, {&texts, &places}, {}).ok());
  EXPECT(texts.dims[0] == 4 && string_at(texts, 1) == "be" && string_at(texts, 3).empty());
  EXPECT((values_of<int64_t>(places) == std::vector<int64_t>{0, 1, 2, 0, 3}));
  const Tensor nothing = empty(DType::int32, {0});
  Tensor none = unknown(DType::int32, 1);
  EXPECT(run(registry, "unique", {&nothing}, {&none, &index}, {}).ok() && none.dims[0] == 0 && index.dims[0] == 0);
}

void test_bad_calls_are_refused() {
  const Tensor x = tensor_of<float>({2, 2}, {1, 2, 3, 4});
  Tensor values = empty(DType::float32, {2, 2}), indices = empty(DType::int32, {2, 2}),
         wide = empty(DType::int64, {2, 2});
  EXPECT(!run(registry, "sort", {&x}, {&values, &indices}, {2, 0, 0}).ok());
  EXPECT(!run(registry, "sort", {&x}, {&values, &indices}, {-1, 0, 0}).ok());
  EXPECT(!run(registry, "sort", {&x}, {&values, &wide}, {0, 0, 0}).ok());
  EXPECT(!run(registry, "sort", {&x}, {&values}, {0, 0, 0}).ok());
  const Tensor imaginary = empty(DType::complex64, {2, 2}), text = strings({1}, {"a"});
  Tensor other = empty(DType::complex64, {2, 2});
  EXPECT(!run(registry, "sort", {&imaginary}, {&other, &indices}, {0, 0, 0}).ok());
  Tensor positions = unknown(DType::int32, 2), row = unknown(DType::float32, 1), index = unknown(DType::int32, 1);
  EXPECT(!run(registry, "where", {&x}, {&positions}, {}).ok());
  positions.dtype = DType::int64;
  EXPECT(!run(registry, "where", {&text}, {&positions}, {}).ok());
  EXPECT(!run(registry, "unique", {&x}, {&row, &index}, {}).ok());
  EXPECT(!run(registry, "select", {&x, &x, &x}, {&values}, {}).ok());
}

}  // namespace

int main() {
  register_sort(registry);
  register_where(registry);
  register_unique(registry);
  for (bool descending : {false, true}) {
    test_sort_is_stable_along_any_axis<float>(descending);
    test_sort_is_stable_along_any_axis<double>(descending);
    test_sort_is_stable_along_any_axis<int8_t>(descending);
    test_sort_is_stable_along_any_axis<int32_t>(descending);
    test_sort_is_stable_along_any_axis<int64_t>(descending);
  }
  test_nan_is_largest_and_zeros_are_equal();
  test_top_k_prefers_the_lower_index();
  test_search_finds_both_ends_of_equal_runs();
  test_where_lists_positions_in_order();
  test_select_takes_either_side();
  test_unique_keeps_the_order_of_first_appearance();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
