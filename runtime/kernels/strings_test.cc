// Kernels on text: known answers, edges (no strings, empty ones, broken UTF-8), and refusals.
#include "kernels/move_testing.h"

namespace millstream {
void register_strings_simple(Registry&);
void register_strings_parts(Registry&);
void register_strings_hash(Registry&);
void register_strings_number(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;

// An output whose sizes the kernel gives.
Tensor open(DType dtype, int rank) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.rank = rank;
  return tensor;
}

std::vector<std::string> all_of(const Tensor& tensor) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < tensor.count(); ++i) all.push_back(string_at(tensor, i));
  return all;
}
using Words = std::vector<std::string>;

void test_strings_are_compared_and_measured() {
  const Tensor x = strings({4}, {"", "a", "\xc3\xa9t\xc3\xa9", "b"}),
               y = strings({4}, {"", "b", "\xc3\xa9t\xc3\xa9", "b "});
  Tensor same = empty(DType::boolean, {4}), length = empty(DType::int32, {4});
  EXPECT(run(registry, "text_compare", {&x, &y}, {&same}, {0}).ok());
  EXPECT(values_of<uint8_t>(same) == (std::vector<uint8_t>{1, 0, 1, 0}));
  EXPECT(run(registry, "text_compare", {&x, &y}, {&same}, {1}).ok());
  EXPECT(values_of<uint8_t>(same) == (std::vector<uint8_t>{0, 1, 0, 1}));
  EXPECT(run(registry, "text_length", {&x}, {&length}, {0}).ok());
  EXPECT(values_of<int32_t>(length) == (std::vector<int32_t>{0, 1, 5, 1}));
  EXPECT(run(registry, "text_length", {&x}, {&length}, {1}).ok());
  EXPECT(values_of<int32_t>(length) == (std::vector<int32_t>{0, 1, 3, 1}));
  // Bytes that only continue a character begin none.
  const Tensor broken = strings({1}, {"\x80\x80"});
  Tensor one = empty(DType::int32, {1});
  EXPECT(run(registry, "text_length", {&broken}, {&one}, {1}).ok());
  EXPECT(one.as<int32_t>()[0] == 0);
  Tensor wrong = empty(DType::int64, {4}), few = empty(DType::boolean, {3});
  EXPECT(!run(registry, "text_length", {&x}, {&wrong}, {0}).ok());
  EXPECT(!run(registry, "text_compare", {&x, &y}, {&few}, {0}).ok());
  EXPECT(!run(registry, "text_compare", {&x}, {&same}, {0}).ok());
}

void test_strings_are_stripped_cased_and_cut() {
  const Tensor x = strings({4}, {"", " \t\n", " a B ", "Z"});
  Tensor y = empty(DType::string, {4});
  EXPECT(run(registry, "text_strip", {&x}, {&y}, {}).ok());
  EXPECT(all_of(y) == (Words{"", "", "a B", "Z"}));
  EXPECT(run(registry, "text_case", {&x}, {&y}, {0}).ok());
  EXPECT(all_of(y) == (Words{"", " \t\n", " a b ", "z"}));
  EXPECT(run(registry, "text_case", {&x}, {&y}, {1}).ok());
  EXPECT(all_of(y) == (Words{"", " \t\n", " A B ", "Z"}));
  const Tensor text = strings({3}, {"hello", "\xc3\xa9t\xc3\xa9", "abc"});
  const Tensor from = tensor_of<int32_t>({3}, {1, 1, -2}), length = tensor_of<int32_t>({3}, {3, 9, 1});
  Tensor cut = empty(DType::string, {3});
  EXPECT(run(registry, "text_cut", {&text, &from, &length}, {&cut}, {1}).ok());
  EXPECT(all_of(cut) == (Words{"ell", "t\xc3\xa9", "b"}));
  const Tensor far = tensor_of<int32_t>({3}, {9, 0, 0});
  EXPECT(!run(registry, "text_cut", {&text, &far, &length}, {&cut}, {0}).ok());
  const Tensor least = tensor_of<int64_t>({3}, {INT64_MIN, 0, 0}), most = tensor_of<int64_t>({3}, {INT64_MAX, 0, 0});
  EXPECT(!run(registry, "text_cut", {&text, &least, &most}, {&cut}, {0}).ok());
  const Tensor begin = tensor_of<int64_t>({3}, {0, 0, 0}), whole = tensor_of<int64_t>({3}, {INT64_MAX, INT64_MAX, 0});
  EXPECT(run(registry, "text_cut", {&text, &begin, &whole}, {&cut}, {0}).ok());
  EXPECT(all_of(cut) == (Words{"hello", "\xc3\xa9t\xc3\xa9", ""}));
}

void test_rows_are_joined() {
  const Tensor x = strings({2, 3}, {"a", "", "c", "", "", ""}), comma = strings({}, {", "});
  Tensor y = empty(DType::string, {2});
  EXPECT(run(registry, "text_join_rows", {&x, &comma}, {&y}, {}).ok());
  EXPECT(all_of(y) == (Words{"a, , c", ", , "}));
  const Tensor none = strings({2, 0}, {});
  EXPECT(run(registry, "text_join_rows", {&none, &comma}, {&y}, {}).ok());
  EXPECT(all_of(y) == (Words{"", ""}));
  const Tensor ids = tensor_of<int32_t>({2}, {1, 1});
  Tensor segments = empty(DType::string, {3, 3});
  EXPECT(run(registry, "text_join_segments", {&x, &ids, &comma}, {&segments}, {}).ok());
  EXPECT(all_of(segments) == (Words{"", "", "", "a, ", ", ", "c, ", "", "", ""}));
  const Tensor outside = tensor_of<int32_t>({2}, {0, 3});
  EXPECT(!run(registry, "text_join_segments", {&x, &outside, &comma}, {&segments}, {}).ok());
  Tensor few = empty(DType::string, {1});
  EXPECT(!run(registry, "text_join_rows", {&x, &comma}, {&few}, {}).ok());
}

void test_strings_are_split() {
  const Tensor x = strings({3}, {"a b  c", "", " d "}), blank = strings({}, {""}), comma = strings({}, {", "});
  Tensor places = open(DType::int64, 2), parts = open(DType::string, 1), sizes = open(DType::int64, 1);
  EXPECT(run(registry, "text_split", {&x, &blank}, {&places, &parts, &sizes}, {0, -1}).ok());
  EXPECT(all_of(parts) == (Words{"a", "b", "c", "d"}));
  EXPECT(values_of<int64_t>(places) == (std::vector<int64_t>{0, 0, 0, 1, 0, 2, 2, 0}));
  EXPECT(values_of<int64_t>(sizes) == (std::vector<int64_t>{3, 3}));
  EXPECT(run(registry, "text_split", {&x, &blank}, {&places, &parts, &sizes}, {0, 1}).ok());
  EXPECT(all_of(parts)[0] == "a" && all_of(parts)[1] == "b  c");
  const Tensor list = strings({2}, {"a, b,", ", "});
  EXPECT(run(registry, "text_split", {&list, &comma}, {&places, &parts, &sizes}, {0, -1}).ok());
  EXPECT(all_of(parts) == (Words{"a", "b,", "", ""}));
  EXPECT(run(registry, "text_split", {&list, &comma}, {&places, &parts, &sizes}, {2, -1}).ok());
  EXPECT(all_of(parts) == (Words{"a", "b"}));
  const Tensor none = strings({0}, {});
  EXPECT(run(registry, "text_split", {&none, &comma}, {&places, &parts, &sizes}, {0, -1}).ok());
  EXPECT(parts.count() == 0 && values_of<int64_t>(sizes) == (std::vector<int64_t>{0, 0}));
  EXPECT(!run(registry, "text_split", {&list, &comma}, {&places, &parts, &sizes}, {3, -1}).ok());
  EXPECT(!run(registry, "text_split", {&list, &list}, {&places, &parts, &sizes}, {0, -1}).ok());
}

void test_ngrams_take_neighbours_and_check_their_splits() {
  const Tensor x = strings({4}, {"a", "b", "c", "d"}), splits = tensor_of<int64_t>({3}, {0, 3, 4});
  const Tensor bar = strings({}, {"|"}), left = strings({}, {"<"}), right = strings({}, {">"});
  Tensor grams = open(DType::string, 1), ends = open(DType::int64, 1);
  EXPECT(run(registry, "text_ngrams", {&x, &splits, &bar, &left, &right}, {&grams, &ends}, {0, 0, 2}).ok());
  EXPECT(all_of(grams) == (Words{"a|b", "b|c"}));
  EXPECT(values_of<int64_t>(ends) == (std::vector<int64_t>{0, 2, 2}));
  EXPECT(run(registry, "text_ngrams", {&x, &splits, &bar, &left, &right}, {&grams, &ends}, {-1, 0, 2}).ok());
  EXPECT(all_of(grams) == (Words{"<|a", "a|b", "b|c", "c|>", "<|d", "d|>"}));
  for (const std::vector<int64_t>& bad :
       {std::vector<int64_t>{0, 5, 4}, {1, 3, 4}, {0, 3, 3}, {0, -1, 4}, {0, 4, INT64_MAX}}) {
    const Tensor wrong = tensor_of<int64_t>({3}, bad);
    EXPECT(!run(registry, "text_ngrams", {&x, &wrong, &bar, &left, &right}, {&grams, &ends}, {0, 0, 2}).ok());
  }
  EXPECT(!run(registry, "text_ngrams", {&x, &splits, &bar, &left, &right}, {&grams, &ends}, {0, 0, 0}).ok());
}

void test_hashes_depend_on_every_byte() {
  Words words;
  for (int64_t i = 0; i < 40; ++i) words.push_back(std::string(static_cast<size_t>(i), 'x'));
  words.push_back(std::string(1, '\0'));
  const auto n = static_cast<int64_t>(words.size());
  const Tensor x = strings({n}, words);
  for (const char* kernel : {"text_keyed_hash", "text_older_hash"}) {
    const bool keyed = std::strcmp(kernel, "text_keyed_hash") == 0;
    Tensor y = empty(DType::uint64, {n}), again = empty(DType::uint64, {n});
    const std::vector<int64_t> key = keyed ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{};
    EXPECT(run(registry, kernel, {&x}, {&y}, key).ok());
    EXPECT(run(registry, kernel, {&x}, {&again}, key).ok());
    EXPECT(values_of<uint64_t>(y) == values_of<uint64_t>(again));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t k = 0; k < i; ++k) EXPECT(y.as<uint64_t>()[i] != y.as<uint64_t>()[k]);
    }
    Tensor wrong = empty(DType::int64, {n});
    EXPECT(!run(registry, kernel, {&x}, {&wrong}, key).ok());
  }
}

void test_numbers_are_read_and_written() {
  const Tensor x = strings({5}, {"1", "-2.5", "1e40", "nan", " 7 "});
  Tensor y = empty(DType::float32, {5});
  EXPECT(run(registry, "text_to_number", {&x}, {&y}, {}).ok());
  EXPECT(y.as<float>()[0] == 1 && y.as<float>()[1] == -2.5f && y.as<float>()[3] != y.as<float>()[3] &&
         y.as<float>()[4] == 7);
  Tensor whole = empty(DType::int32, {5}), one = empty(DType::int32, {1});
  EXPECT(!run(registry, "text_to_number", {&x}, {&whole}, {}).ok());
  for (const char* bad : {"", "x", "1x", "2147483648", "-2147483649", "1.0", "--1"}) {
    const Tensor word = strings({1}, {bad});
    EXPECT(!run(registry, "text_to_number", {&word}, {&one}, {}).ok());
  }
  const Tensor least = strings({1}, {"-2147483648"});
  EXPECT(run(registry, "text_to_number", {&least}, {&one}, {}).ok() && one.as<int32_t>()[0] == INT32_MIN);
  const Tensor numbers = tensor_of<float>({3}, {1.5f, -0.0f, 1e10f}), no_fill = strings({}, {""}),
               zero = strings({}, {"0"});
  Tensor text = empty(DType::string, {3});
  EXPECT(run(registry, "text_of_number", {&numbers, &no_fill}, {&text}, {0, 2, -1}).ok());
  EXPECT(all_of(text) == (Words{"1.50", "-0.00", "10000000000.00"}));
  EXPECT(run(registry, "text_of_number", {&numbers, &zero}, {&text}, {0, 1, 6}).ok());
  EXPECT(all_of(text)[0] == "0001.5");
  const Tensor long_fill = strings({}, {"00"});
  EXPECT(!run(registry, "text_of_number", {&numbers, &long_fill}, {&text}, {0, 1, 6}).ok());
}

}  // namespace

int main() {
  register_strings_simple(registry);
  register_strings_parts(registry);
  register_strings_hash(registry);
  register_strings_number(registry);
  test_strings_are_compared_and_measured();
  test_strings_are_stripped_cased_and_cut();
  test_rows_are_joined();
  test_strings_are_split();
  test_ngrams_take_neighbours_and_check_their_splits();
  test_hashes_depend_on_every_byte();
  test_numbers_are_read_and_written();
  std::puts("ok");
  return 0;
}
