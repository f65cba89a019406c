// text_examples, text_raw and text_csv: what they read, and that damaged bytes are refused and read no byte too far.
#include <cstdint>

#include "kernels/csv.h"
#include "kernels/move_testing.h"

namespace millstream {
void register_examples(Registry&);
void register_csv(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;

std::string block(char tag, const std::string& content) {
  return std::string(1, tag) + static_cast<char>(content.size()) + content;
}

std::string feature(const std::string& key, const std::string& value) {
  return block('\x0a', block('\x0a', key) + block('\x12', value));
}

// An Example of x: int64 [7, 300] (packed), t: strings ["ab"], f: float 1.5, not packed.
std::string example() {
  const std::string whole = feature("x", block('\x1a', block('\x0a', "\x07\xac\x02")));
  const std::string text = feature("t", block('\x0a', block('\x0a', "ab")));
  const std::string real = feature("f", block('\x12', std::string("\x0d\x00\x00\xc0\x3f", 5)));
  return block('\x0a', whole + text + real);
}

constexpr int64_t key_x = 'x', key_t = 't', key_f = 'f';

Status read(const std::string& bytes, Tensor& x, Tensor& f, Tensor& places, Tensor& texts, Tensor& sizes) {
  const Tensor messages = strings({1}, {bytes}), names = strings({0}, {});
  const Tensor none_x = tensor_of<int64_t>({0}, {}), none_f = tensor_of<float>({1}, {-1});
  return run(registry, "text_examples", {&messages, &names, &none_x, &none_f}, {&x, &f, &places, &texts, &sizes},
             {2, 1, 1, key_x, 1, key_f, 1, key_t, 1, 2, 0});
}

struct Outputs {
  Tensor x = empty(DType::int64, {1, 2}), f = empty(DType::float32, {1, 1}), places = empty(DType::int64, {0, 2}),
         texts = empty(DType::string, {0}), sizes = empty(DType::int64, {2});
  Status read_from(const std::string& bytes) { return read(bytes, x, f, places, texts, sizes); }
};

void test_examples_are_read() {
  Outputs out;
  EXPECT(out.read_from(example()).ok());
  EXPECT(out.x.as<int64_t>()[0] == 7 && out.x.as<int64_t>()[1] == 300);
  EXPECT(*out.f.as<float>() == 1.5f);
  EXPECT(out.texts.dims[0] == 1 && string_at(out.texts, 0) == "ab");
  EXPECT(out.sizes.as<int64_t>()[0] == 1 && out.sizes.as<int64_t>()[1] == 1);
}

void test_features_that_must_be_there_are_missed() {
  Outputs out;
  EXPECT(!out.read_from("").ok());
  const std::string only_x = block('\x0a', feature("x", block('\x1a', block('\x0a', "\x01\x02"))));
  EXPECT(out.read_from(only_x).ok());
  EXPECT(*out.f.as<float>() == -1);
  const std::string of_text = block('\x0a', feature("x", block('\x0a', block('\x0a', "ab"))));
  EXPECT(!out.read_from(of_text).ok());
}

void test_damaged_examples_do_not_read_too_far() {
  const std::string whole = example();
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    Outputs out;
    (void)out.read_from(whole.substr(0, cut));
    for (int byte = 0; byte < 256; byte += 5) {
      std::string changed = whole;
      changed[cut] = static_cast<char>(byte);
      (void)out.read_from(changed);
    }
  }
}

void test_raw_bytes_are_numbers() {
  const Tensor texts = strings({2}, {std::string("\x01\x00\x02\x00", 4), std::string("\x03\x00\x00\x01", 4)});
  Tensor out = empty(DType::uint16, {2, 2});
  EXPECT(run(registry, "text_raw", {&texts}, {&out}, {1, -1}).ok());
  EXPECT(out.as<uint16_t>()[1] == 2 && out.as<uint16_t>()[3] == 256);
  EXPECT(run(registry, "text_raw", {&texts}, {&out}, {0, 2}).ok());
  EXPECT(out.dims[1] == 1 && out.as<uint16_t>()[0] == 256 && out.as<uint16_t>()[1] == 768);
  const Tensor uneven = strings({2}, {"abc", "abcd"});
  EXPECT(!run(registry, "text_raw", {&uneven}, {&out}, {1, -1}).ok());
}

void test_rows_of_text_are_columns() {
  const Tensor rows = strings({2}, {"5,\"a \"\"b\"\"\"", ",c"}), number = tensor_of<int32_t>({}, {9}),
               text = strings({0}, {});
  Tensor numbers = empty(DType::int32, {2}), texts = empty(DType::string, {2});
  EXPECT(run(registry, "text_csv", {&rows, &number, &text}, {&numbers, &texts}, {',', 1, 0}).ok());
  EXPECT(numbers.as<int32_t>()[0] == 5 && numbers.as<int32_t>()[1] == 9);
  EXPECT(string_at(texts, 0) == "a \"b\"" && string_at(texts, 1) == "c");
  for (const char* bad : {"1", "1,a,b", "x,a", "1,", "1,\"a", "1,\"a\"b", "1,a\"", "1,a\n"}) {
    const Tensor row = strings({1}, {bad});
    Tensor one = empty(DType::int32, {1}), other = empty(DType::string, {1});
    EXPECT(!run(registry, "text_csv", {&row, &number, &text}, {&one, &other}, {',', 1, 0}).ok());
  }
}

void test_rows_of_files_end_where_their_lines_do() {
  CsvRow row;
  const CsvForm form;
  EXPECT(row.part_lines("a,\"b\nc\"\r\nd", true, form) == CsvRow::End::whole);
  EXPECT(row.size() == 2 && row[1] == "b\nc" && row.used() == 9);
  for (const char* open : {"a,b", "a,\"b", "a,\"b\"", "a,b\r", ""})
    EXPECT(row.part_lines(open, false, form) == CsvRow::End::unfinished);
  EXPECT(row.part_lines("a\"b,c\nd", true, form) == CsvRow::End::bad && row.used() == 6);
  EXPECT(row.part_lines("a,", true, form) == CsvRow::End::whole && row.size() == 2 && row[1].empty());
}

}  // namespace

int main() {
  register_examples(registry);
  register_csv(registry);
  test_examples_are_read();
  test_features_that_must_be_there_are_missed();
  test_damaged_examples_do_not_read_too_far();
  test_raw_bytes_are_numbers();
  test_rows_of_text_are_columns();
  test_rows_of_files_end_where_their_lines_do();
  std::puts("ok");
  return 0;
}
