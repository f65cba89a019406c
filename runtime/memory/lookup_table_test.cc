// Tests of tables: found and default values, replacement, removal, reserved keys, order, many threads.
#include <string>
#include <thread>
#include <vector>

#include "memory/lookup_table.h"
#include "testing.h"

using namespace millstream;

namespace {

Tensor numbers(const std::vector<int64_t>& values) {
  Tensor tensor;
  tensor.dtype = DType::int64;
  tensor.rank = 1;
  tensor.dims[0] = static_cast<int64_t>(values.size());
  allocate_data(tensor);
  std::copy(values.begin(), values.end(), tensor.as<int64_t>());
  return tensor;
}

Tensor texts(const std::vector<std::string>& values) {
  Tensor tensor;
  tensor.dtype = DType::string;
  tensor.rank = 1;
  tensor.dims[0] = static_cast<int64_t>(values.size());
  size_t total = 0;
  for (const auto& value : values) total += value.size();
  tensor.buffer = Buffer::allocate((values.size() + 1) * 8 + total);
  tensor.data = tensor.buffer->data();
  auto* offsets = tensor.as<int64_t>();
  char* bytes = reinterpret_cast<char*>(offsets + values.size() + 1);
  offsets[0] = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    std::copy(values[i].begin(), values[i].end(), bytes + offsets[i]);
    offsets[i + 1] = offsets[i] + static_cast<int64_t>(values[i].size());
  }
  return tensor;
}

std::vector<int64_t> found(const LookupTable& table, const Tensor& keys) {
  Tensor out = numbers(std::vector<int64_t>(static_cast<size_t>(keys.count())));
  EXPECT_THAT(table.find(keys, numbers({-1}), out).ok());
  return {out.as<int64_t>(), out.as<int64_t>() + out.count()};
}

void test_values_are_found_replaced_and_removed() {
  auto table = Ref<LookupTable>::adopt(new LookupTable(DType::string, DType::int64, 0, nullptr, false));
  EXPECT_THAT(table->insert(texts({"a", "", "b"}), numbers({1, 2, 3}), false).ok() && table->size() == 3);
  EXPECT_THAT((found(*table, texts({"b", "none", "", "a"})) == std::vector<int64_t>{3, -1, 2, 1}));
  EXPECT_THAT(table->insert(texts({"a"}), numbers({9}), false).ok() && table->size() == 3);
  EXPECT_THAT(table->remove(texts({"", "none"})).ok() && table->size() == 2);
  EXPECT_THAT((found(*table, texts({"a", ""})) == std::vector<int64_t>{9, -1}));
  Tensor keys, values;
  keys.dtype = DType::string, values.dtype = DType::int64;
  EXPECT_THAT(table->take_all(keys, values).ok() && keys.count() == 2);
  EXPECT_THAT(values.as<int64_t>()[0] == 9 && values.as<int64_t>()[1] == 3);  // as they came
  EXPECT_THAT(table->insert(texts({"z"}), numbers({5}), true).ok() && table->size() == 1);
  EXPECT_THAT((found(*table, texts({"a", "z"})) == std::vector<int64_t>{-1, 5}));
}

void test_a_table_filled_once_takes_no_other_value_for_a_key() {
  auto table = Ref<LookupTable>::adopt(new LookupTable(DType::int64, DType::int64, 0, nullptr, true));
  EXPECT_THAT(!table->insert(numbers({1, 1}), numbers({5, 6}), false).ok());
  auto other = Ref<LookupTable>::adopt(new LookupTable(DType::int64, DType::int64, 0, nullptr, true));
  EXPECT_THAT(other->insert(numbers({1, 1}), numbers({5, 5}), false).ok());
}

void test_reserved_keys_are_refused_by_name() {
  auto table = Ref<LookupTable>::adopt(new LookupTable(DType::int64, DType::int64, 0, nullptr, false));
  table->reserve(numbers({-7}), "empty_key");
  const Status status = table->insert(numbers({1, -7}), numbers({5, 6}), false);
  EXPECT_THAT(!status.ok() && status.message().find("empty_key") != std::string::npos);
}

void test_threads_read_while_one_writes() {
  auto table = Ref<LookupTable>::adopt(new LookupTable(DType::int64, DType::int64, 0, nullptr, false));
  EXPECT_THAT(table->insert(numbers({0}), numbers({0}), false).ok());
  std::vector<std::thread> readers;
  std::vector<int> wrong(3, 0);
  for (size_t reader = 0; reader < wrong.size(); ++reader) {
    readers.emplace_back([&, reader] {
      for (int64_t round = 0; round < 500; ++round) {
        Tensor out = numbers({0, 0});
        const Status status = table->find(numbers({0, round % 64}), numbers({-1}), out);
        const int64_t second = out.as<int64_t>()[1];
        wrong[reader] += !status.ok() || out.as<int64_t>()[0] != 0 || (second != -1 && second != 2 * (round % 64));
      }
    });
  }
  for (int64_t round = 1; round < 500; ++round) {
    EXPECT_THAT(table->insert(numbers({round % 64}), numbers({2 * (round % 64)}), false).ok());
    if (round % 7 == 0) EXPECT_THAT(table->remove(numbers({round % 64 ? round % 64 : 1})).ok());
  }
  for (auto& reader : readers) reader.join();
  for (int count : wrong) EXPECT_THAT(count == 0);
}

}  // namespace

int main() {
  test_values_are_found_replaced_and_removed();
  test_a_table_filled_once_takes_no_other_value_for_a_key();
  test_reserved_keys_are_refused_by_name();
  test_threads_read_while_one_writes();
  return millstream::testing::exit_status();
}
