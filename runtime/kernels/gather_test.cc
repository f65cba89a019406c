// gather, gather_nd, scatter_nd and segment_reduce: numbers, messages and refusals.
#include <limits>

#include "kernels/move_testing.h"

namespace millstream {
void register_gather(Registry&);
void register_scatter(Registry&);
void register_segment(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;
Numbers numbers;

void test_gather_takes_rows_along_any_axis_with_batches() {
  for (int round = 0; round < 300; ++round) {
    const int64_t batch = numbers.below(3), middle = numbers.below(2), inner = numbers.below(2),
                  wide = round % 50 == 0 ? 4000 : 3;
    std::vector<int64_t> x_dims, index_dims, y_dims;
    for (int64_t i = 0; i < batch; ++i) x_dims.push_back(1 + numbers.below(3));
    index_dims = y_dims = x_dims;
    for (int64_t i = 0; i < middle; ++i) {
      x_dims.push_back(1 + numbers.below(4));
      y_dims.push_back(x_dims.back());
    }
    const int64_t limit = 1 + numbers.below(6), each = numbers.below(wide);
    x_dims.push_back(limit);
    index_dims.push_back(each);
    y_dims.push_back(each);
    for (int64_t i = 0; i < inner; ++i) {
      x_dims.push_back(1 + numbers.below(4));
      y_dims.push_back(x_dims.back());
    }
    Tensor x = empty(DType::float32, x_dims), indices = empty(round % 2 ? DType::int32 : DType::int64, index_dims),
           y = empty(DType::float32, y_dims);
    for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = static_cast<float>(i);
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < indices.count(); ++i) {
      chosen.push_back(numbers.below(limit));
      if (round % 2)
        indices.as<int32_t>()[i] = static_cast<int32_t>(chosen.back());
      else
        indices.as<int64_t>()[i] = chosen.back();
    }
    EXPECT(run(registry, "gather", {&x, &indices}, {&y}, {batch + middle, batch}).ok());
    int64_t batches = 1, middles = 1, inners = 1;
    for (int64_t i = 0; i < batch; ++i) batches *= x_dims[static_cast<size_t>(i)];
    if (middle) middles = x_dims[static_cast<size_t>(batch)];
    if (inner) inners = x_dims.back();
    int64_t at = 0;
    for (int64_t b = 0; b < batches; ++b)
      for (int64_t m = 0; m < middles; ++m)
        for (int64_t i = 0; i < each; ++i)
          for (int64_t k = 0; k < inners; ++k, ++at) {
            const int64_t from = ((b * middles + m) * limit + chosen[static_cast<size_t>(b * each + i)]) * inners + k;
            EXPECT(y.as<float>()[at] == static_cast<float>(from));
          }
  }
}

void test_a_bad_index_is_named() {
  Tensor x = empty(DType::float32, {5, 2}), y = empty(DType::float32, {2, 2, 2});
  std::memset(x.data, 0, x.bytes());
  const Tensor indices = tensor_of<int32_t>({2, 2}, {0, 1, 7, 1});
  EXPECT(run(registry, "gather", {&x, &indices}, {&y}, {0, 0}).message() == "indices[1,0] = 7 is not in [0, 5)");
  Tensor pair = empty(DType::float32, {2});
  EXPECT(run(registry, "gather_nd", {&x, &indices}, {&pair}, {0}).message() ==
         "indices[1] = [7, 1] does not index into param shape [5,2]");
  const Tensor updates = tensor_of<float>({2}, {1, 2});
  Tensor z = empty(DType::float32, {5, 2});
  EXPECT(run(registry, "scatter_nd", {&x, &indices, &updates}, {&z}, {1, 0}).message() ==
         "indices[1] = [7, 1] does not index into shape [5,2]");
  const Tensor rows = tensor_of<int64_t>({1, 1}, {-1});
  const Tensor one = tensor_of<float>({}, {1});
  EXPECT(run(registry, "scatter_nd", {&x, &rows, &one}, {&z}, {1, 1}).message() == "indices[0] = -1 is not in [0, 5)");
  const Tensor ids = tensor_of<int32_t>({5}, {0, 1, 2, 3, 9});
  Tensor sums = empty(DType::float32, {3, 2});
  EXPECT(run(registry, "segment_reduce", {&x, &ids}, {&sums}, {0, 0}).message() ==
         "segment_ids[3] = 3 is out of range [0, 3)");
  const Tensor nothing = empty(DType::float32, {5, 0});
  Tensor still = empty(DType::float32, {2, 2, 0});
  EXPECT(!run(registry, "gather", {&nothing, &indices}, {&still}, {0, 0}).ok());
}

void test_gather_nd_and_scatter_nd_are_each_others_inverse() {
  Tensor x = empty(DType::int32, {3, 4, 2}), zero = empty(DType::int32, {3, 4, 2}),
         back = empty(DType::int32, {3, 4, 2});
  for (int i = 0; i < 24; ++i) x.as<int32_t>()[i] = i + 1, zero.as<int32_t>()[i] = 0;
  const Tensor indices = tensor_of<int64_t>({2, 2, 2}, {0, 1, 2, 3, 1, 0, 2, 0});
  Tensor y = empty(DType::int32, {2, 2, 2});
  EXPECT(run(registry, "gather_nd", {&x, &indices}, {&y}, {0}).ok());
  EXPECT((values_of<int32_t>(y) == std::vector<int32_t>{3, 4, 23, 24, 9, 10, 17, 18}));
  EXPECT(run(registry, "scatter_nd", {&zero, &indices, &y}, {&back}, {0, 0}).ok());
  EXPECT(back.as<int32_t>()[2] == 3 && back.as<int32_t>()[23] == 24 && back.as<int32_t>()[0] == 0);
  const Tensor picks = tensor_of<int32_t>({3, 1, 1}, {3, 0, 2});
  Tensor each = empty(DType::int32, {3, 1, 2});
  EXPECT(run(registry, "gather_nd", {&x, &picks}, {&each}, {1}).ok());
  EXPECT((values_of<int32_t>(each) == std::vector<int32_t>{7, 8, 9, 10, 21, 22}));
}

void test_scatter_combines_in_order_and_in_place() {
  const Tensor indices = tensor_of<int32_t>({4, 1}, {1, 0, 1, 1});
  const Tensor updates = tensor_of<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto result = [&](int64_t kind) {
    Tensor x = tensor_of<float>({2, 2}, {10, 10, 10, 10});
    EXPECT(run(registry, "scatter_nd", {&x, &indices, &updates}, {&x}, {kind, 1}).ok());
    return values_of<float>(x);
  };
  EXPECT((result(0) == std::vector<float>{3, 4, 7, 8}));
  EXPECT((result(1) == std::vector<float>{13, 14, 23, 26}));
  EXPECT((result(2) == std::vector<float>{7, 6, -3, -6}));
  EXPECT((result(3) == std::vector<float>{10, 10, 10, 10}));
  EXPECT((result(4) == std::vector<float>{3, 4, 1, 2}));
  EXPECT((result(5) == std::vector<float>{30, 40, 350, 960}));
  Tensor counts = tensor_of<int64_t>({3}, {0, 0, 0});
  const Tensor ones = tensor_of<int64_t>({}, {1});
  EXPECT(run(registry, "scatter_nd", {&counts, &indices, &ones}, {&counts}, {1, 1}).ok());
  EXPECT((values_of<int64_t>(counts) == std::vector<int64_t>{1, 3, 0}));
  const Tensor zero = tensor_of<int64_t>({}, {0});
  EXPECT(!run(registry, "scatter_nd", {&counts, &indices, &zero}, {&counts}, {6, 1}).ok());
  const Tensor words = strings({3}, {"a", "b", "c"}), news = strings({4}, {"x", "y", "z", "last"});
  Tensor text = empty(DType::string, {3});
  EXPECT(run(registry, "scatter_nd", {&words, &indices, &news}, {&text}, {0, 1}).ok());
  EXPECT(string_at(text, 0) == "y" && string_at(text, 1) == "last" && string_at(text, 2) == "c");
}

void test_segments_reduce_and_empty_ones_hold_the_identity() {
  const Tensor x = tensor_of<float>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor ids = tensor_of<int32_t>({4}, {2, 0, -1, 2});
  const auto result = [&](int64_t kind) {
    Tensor y = empty(DType::float32, {3, 2});
    EXPECT(run(registry, "segment_reduce", {&x, &ids}, {&y}, {kind, 0}).ok());
    return values_of<float>(y);
  };
  constexpr float most = std::numeric_limits<float>::max();
  EXPECT((result(0) == std::vector<float>{3, 4, 0, 0, 8, 10}));
  EXPECT((result(1) == std::vector<float>{3, 4, 1, 1, 7, 16}));
  EXPECT((result(2) == std::vector<float>{3, 4, -most, -most, 7, 8}));
  EXPECT((result(3) == std::vector<float>{3, 4, most, most, 1, 2}));
  EXPECT((result(4) == std::vector<float>{3, 4, 0, 0, 4, 5}));
  const Tensor steps = tensor_of<int64_t>({4}, {0, 0, 2, 2});
  Tensor y = empty(DType::float32, {3, 2});
  EXPECT(run(registry, "segment_reduce", {&x, &steps}, {&y}, {3, 1}).ok());
  EXPECT((values_of<float>(y) == std::vector<float>{1, 2, 0, 0, 5, 6}));
  EXPECT(run(registry, "segment_reduce", {&x, &ids}, {&y}, {0, 1}).message() == "segment ids are not increasing");
}

void test_bad_calls_are_refused() {
  const Tensor x = tensor_of<float>({2, 2}, {1, 2, 3, 4}), real = tensor_of<float>({1}, {0}),
               index = tensor_of<int32_t>({1}, {0});
  Tensor y = empty(DType::float32, {1, 2});
  EXPECT(run(registry, "gather", {&x, &index}, {&y}, {0, 0}).ok());
  EXPECT(!run(registry, "gather", {&x, &real}, {&y}, {0, 0}).ok());
  EXPECT(!run(registry, "gather", {&x, &index}, {&y}, {2, 0}).ok());
  EXPECT(!run(registry, "gather", {&x, &index}, {&y}, {-1, 0}).ok());
  EXPECT(!run(registry, "gather", {&x, &index}, {&y}, {0, 1}).ok());
  EXPECT(!run(registry, "gather", {&x, &index}, {&y}, {1, 0}).ok());
  EXPECT(!run(registry, "gather_nd", {&x, &index}, {&y}, {1}).ok());
  const Tensor deep = tensor_of<int32_t>({1, 3}, {0, 0, 0});
  EXPECT(!run(registry, "gather_nd", {&x, &deep}, {&y}, {0}).ok());
  Tensor z = empty(DType::float32, {2, 2});
  EXPECT(!run(registry, "scatter_nd", {&x, &deep, &x}, {&z}, {1, 0}).ok());
  EXPECT(!run(registry, "scatter_nd", {&x, &index, &x}, {&z}, {1, 0}).ok());
  EXPECT(!run(registry, "scatter_nd", {&x, &index, &y}, {&z}, {9, 0}).ok());
  EXPECT(!run(registry, "segment_reduce", {&x, &index}, {&z}, {0, 0}).ok());
  EXPECT(!run(registry, "segment_reduce", {&x, &deep}, {&z}, {0, 0}).ok());
}

// Enough rows that threads count apart.
void test_many_whole_numbers_are_counted() {
  constexpr int64_t rows = 200000, places = 37;
  std::vector<int32_t> indices, expected(places, 5);
  Numbers draw;
  for (int64_t i = 0; i < rows; ++i) {
    indices.push_back(static_cast<int32_t>(draw.below(places)));
    expected[static_cast<size_t>(indices.back())] += 3;
  }
  const Tensor x = tensor_of<int32_t>({places}, std::vector<int32_t>(places, 5)),
               at = tensor_of<int32_t>({rows, 1}, indices);
  const Tensor three = tensor_of<int32_t>({}, {3}), threes = tensor_of<int32_t>({rows}, std::vector<int32_t>(rows, 3));
  Tensor y = empty(DType::int32, {places});
  for (const Tensor* updates : {&three, &threes}) {
    EXPECT(run(registry, "scatter_nd", {&x, &at, updates}, {&y}, {1, 0}).ok());
    EXPECT(values_of<int32_t>(y) == expected);
  }
  // The first of several bad rows is named, wherever a thread finds one.
  indices[150000] = -1, indices[199999] = places;
  const Tensor bad = tensor_of<int32_t>({rows, 1}, indices);
  const Status status = run(registry, "scatter_nd", {&x, &bad, &three}, {&y}, {1, 0});
  EXPECT(!status.ok() && status.message().find("indices[150000] = [-1]") != std::string::npos);
}

}  // namespace

int main() {
  register_gather(registry);
  register_scatter(registry);
  register_segment(registry);
  test_gather_takes_rows_along_any_axis_with_batches();
  test_a_bad_index_is_named();
  test_gather_nd_and_scatter_nd_are_each_others_inverse();
  test_scatter_combines_in_order_and_in_place();
  test_segments_reduce_and_empty_ones_hold_the_identity();
  test_bad_calls_are_refused();
  test_many_whole_numbers_are_counted();
  std::puts("ok");
  return 0;
}
