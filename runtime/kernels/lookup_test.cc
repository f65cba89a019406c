// Kernels of hash tables, edit_distance and isotonic: answers, empty and large operands, refusals.
#include <limits>

#include "kernels/move_testing.h"

namespace millstream {
void register_lookup(Registry&);
void register_edit_distance(Registry&);
void register_isotonic(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;

constexpr int64_t int64_type = 9, string_type = 7;

Tensor new_table(int64_t key, int64_t value, int64_t once, const std::vector<int64_t>& sizes = {}) {
  Tensor table = empty(DType::resource, {});
  std::vector<int64_t> words{key, value, once};
  words.insert(words.end(), sizes.begin(), sizes.end());
  EXPECT(run(registry, "table_new", {}, {&table}, words).ok());
  return table;
}

int64_t size_of(const Tensor& table) {
  Tensor size = empty(DType::int64, {});
  EXPECT(run(registry, "table_size", {&table}, {&size}, {}).ok());
  return *size.as<int64_t>();
}

// Enough keys that several threads look them up.
void test_many_keys_are_found_and_others_get_the_default() {
  constexpr int64_t n = 20000;
  const Tensor table = new_table(int64_type, int64_type, 0);
  std::vector<int64_t> keys, values, wanted;
  for (int64_t i = 0; i < n; ++i) {
    keys.push_back(i * 0x100000001 - 5);
    values.push_back(i * 3);
    wanted.push_back(i % 2 ? keys.back() : -i - 100);
  }
  const Tensor key_tensor = tensor_of<int64_t>({n}, keys), value_tensor = tensor_of<int64_t>({n}, values);
  const Tensor wanted_tensor = tensor_of<int64_t>({n}, wanted), other = tensor_of<int64_t>({}, {-1});
  EXPECT(run(registry, "table_insert", {&table, &key_tensor, &value_tensor}, {}, {0}).ok());
  EXPECT(size_of(table) == n);
  Tensor found;
  found.dtype = DType::int64;
  EXPECT(run(registry, "table_find", {&table, &wanted_tensor, &other}, {&found}, {}).ok());
  for (int64_t i = 0; i < n; ++i) EXPECT(found.as<int64_t>()[i] == (i % 2 ? i * 3 : -1));
  // One default for each key.
  EXPECT(run(registry, "table_find", {&table, &wanted_tensor, &value_tensor}, {&found}, {}).ok());
  for (int64_t i = 0; i < n; ++i) EXPECT(found.as<int64_t>()[i] == i * 3);
  EXPECT(run(registry, "table_remove", {&table, &wanted_tensor}, {}, {}).ok());
  EXPECT(size_of(table) == n / 2);
  EXPECT(run(registry, "table_find", {&table, &wanted_tensor, &other}, {&found}, {}).ok());
  for (int64_t i = 0; i < n; ++i) EXPECT(found.as<int64_t>()[i] == -1);
  Tensor left_keys, left_values;
  left_keys.dtype = left_values.dtype = DType::int64;
  EXPECT(run(registry, "table_export", {&table}, {&left_keys, &left_values}, {}).ok());
  EXPECT(left_keys.count() == n / 2 && left_keys.as<int64_t>()[1] == keys[2] && left_values.as<int64_t>()[1] == 6);
}

void test_strings_and_rows_are_values() {
  const Tensor table = new_table(string_type, string_type, 0, {2});
  const Tensor keys = strings({2}, {"", "key"}), values = strings({2, 2}, {"a", "", "c", "d"});
  EXPECT(run(registry, "table_insert", {&table, &keys, &values}, {}, {0}).ok());
  const Tensor wanted = strings({3}, {"key", "other", ""}), other = strings({2}, {"?", "!"});
  Tensor found;
  found.dtype = DType::string;
  EXPECT(run(registry, "table_find", {&table, &wanted, &other}, {&found}, {}).ok());
  const char* expected[] = {"c", "d", "?", "!", "a", ""};
  for (int64_t i = 0; i < 6; ++i) EXPECT(string_at(found, i) == expected[i]);
  const Tensor none = strings({0}, {});
  EXPECT(run(registry, "table_find", {&table, &none, &other}, {&found}, {}).ok() && found.count() == 0);
}

void test_tables_refuse_what_they_cannot_hold() {
  const Tensor table = new_table(int64_type, int64_type, 1);
  const Tensor keys = tensor_of<int64_t>({2}, {1, 1}), values = tensor_of<int64_t>({2}, {5, 6}),
               one = tensor_of<int64_t>({}, {0});
  Tensor found;
  found.dtype = DType::int64;
  EXPECT(!run(registry, "table_find", {&table, &keys, &one}, {&found}, {}).ok());  // not filled yet
  EXPECT(!run(registry, "table_insert", {&table, &keys, &values}, {}, {0}).ok());  // two values for a key
  EXPECT(run(registry, "table_insert", {&table, &keys, &keys}, {}, {0}).ok());
  EXPECT(!run(registry, "table_insert", {&table, &keys, &keys}, {}, {0}).ok());  // filled already
  const Tensor words = strings({2}, {"a", "b"}), three = tensor_of<int64_t>({3}, {0, 0, 0});
  EXPECT(!run(registry, "table_find", {&table, &words, &one}, {&found}, {}).ok());
  EXPECT(!run(registry, "table_find", {&table, &keys, &three}, {&found}, {}).ok());
  EXPECT(!run(registry, "table_find", {&one, &keys, &one}, {&found}, {}).ok());
  Tensor made = empty(DType::resource, {});
  const Tensor reserved = tensor_of<int64_t>({}, {-1}), deleted = tensor_of<int64_t>({}, {-2});
  EXPECT(run(registry, "table_new", {&reserved, &deleted}, {&made}, {int64_type, int64_type, 0}).ok());
  std::vector<int64_t> many(5000, 3);
  many[4000] = -2;
  const Tensor bad = tensor_of<int64_t>({5000}, many);
  const Status status = run(registry, "table_find", {&made, &bad, &one}, {&found}, {});
  EXPECT(!status.ok() && status.message().find("deleted_key") != std::string::npos);
  EXPECT(!run(registry, "table_new", {}, {&made}, {18, int64_type, 0}).ok());  // keys of 16 bytes
  EXPECT(!run(registry, "table_new", {}, {&made}, {int64_type, int64_type, 0, -1}).ok());
}

void test_edit_distances_are_levenshteins() {
  // Of the two pairs "kitten", "sitting" and "", "ab".
  const std::string left = "kitten", right = "sitting";
  std::vector<int64_t> left_places, left_symbols, right_places, right_symbols;
  for (size_t i = 0; i < left.size(); ++i)
    left_places.insert(left_places.end(), {0, static_cast<int64_t>(i)}), left_symbols.push_back(left[i]);
  for (size_t i = 0; i < right.size(); ++i)
    right_places.insert(right_places.end(), {0, static_cast<int64_t>(i)}), right_symbols.push_back(right[i]);
  for (int64_t i = 0; i < 2; ++i) right_places.insert(right_places.end(), {1, i}), right_symbols.push_back('a' + i);
  const Tensor a = tensor_of<int64_t>({6, 2}, left_places), b = tensor_of<int64_t>({6}, left_symbols);
  const Tensor c = tensor_of<int64_t>({9, 2}, right_places), d = tensor_of<int64_t>({9}, right_symbols);
  Tensor y = empty(DType::float32, {3});
  EXPECT(run(registry, "edit_distance", {&a, &b, &c, &d}, {&y}, {0}).ok());
  EXPECT(values_of<float>(y) == (std::vector<float>{3, 2, 0}));
  EXPECT(run(registry, "edit_distance", {&c, &d, &a, &b}, {&y}, {1}).ok());
  EXPECT(y.as<float>()[0] == 0.5f && y.as<float>()[1] == std::numeric_limits<float>::infinity() &&
         y.as<float>()[2] == 0);
  const Tensor no_places = tensor_of<int64_t>({0, 2}, {}), no_symbols = tensor_of<int64_t>({0}, {});
  EXPECT(run(registry, "edit_distance", {&no_places, &no_symbols, &no_places, &no_symbols}, {&y}, {1}).ok());
  EXPECT(values_of<float>(y) == (std::vector<float>{0, 0, 0}));
  Tensor small = empty(DType::float32, {1});
  EXPECT(!run(registry, "edit_distance", {&a, &b, &c, &d}, {&small}, {0}).ok());
  const Tensor below = tensor_of<int64_t>({6, 2}, {-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT(!run(registry, "edit_distance", {&below, &b, &c, &d}, {&y}, {0}).ok());
  EXPECT(!run(registry, "edit_distance", {&a, &d, &c, &d}, {&y}, {0}).ok());
}

void test_isotonic_rows_fall_and_keep_their_sums() {
  const Tensor x = tensor_of<double>({2, 4}, {3, 1, 2, 0, 1, 2, 3, 4});
  Tensor y = empty(DType::float64, {2, 4}), segments = empty(DType::int32, {2, 4});
  EXPECT(run(registry, "isotonic", {&x}, {&y, &segments}, {}).ok());
  EXPECT(values_of<double>(y) == (std::vector<double>{3, 1.5, 1.5, 0, 2.5, 2.5, 2.5, 2.5}));
  EXPECT(values_of<int32_t>(segments) == (std::vector<int32_t>{0, 1, 1, 2, 0, 0, 0, 0}));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor odd = tensor_of<float>({1, 3}, {nan, 1, nan});
  Tensor odd_y = empty(DType::float32, {1, 3}), odd_segments = empty(DType::int32, {1, 3});
  EXPECT(run(registry, "isotonic", {&odd}, {&odd_y, &odd_segments}, {}).ok());
  EXPECT(odd_segments.as<int32_t>()[2] < 3);
  for (const auto& dims : {std::vector<int64_t>{0, 3}, {3, 0}}) {
    const Tensor none = empty(DType::float32, dims);
    Tensor none_y = empty(DType::float32, dims), none_segments = empty(DType::int32, dims);
    EXPECT(run(registry, "isotonic", {&none}, {&none_y, &none_segments}, {}).ok());
  }
  Tensor whole = empty(DType::int32, {2, 4});
  EXPECT(!run(registry, "isotonic", {&x}, {&whole, &segments}, {}).ok());
}

}  // namespace

int main() {
  register_lookup(registry);
  register_edit_distance(registry);
  register_isotonic(registry);
  test_many_keys_are_found_and_others_get_the_default();
  test_strings_and_rows_are_values();
  test_tables_refuse_what_they_cannot_hold();
  test_edit_distances_are_levenshteins();
  test_isotonic_rows_fall_and_keep_their_sums();
  std::puts("ok");
  return 0;
}
