// text_fingerprint, text_of_integer and text_join: known answers and refusals.
#include <cstdint>

#include "kernels/move_testing.h"

namespace millstream {
void register_text(Registry&);
}

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;

// Lengths on both sides of each of FarmHash's cases, with what TensorFlow's tf.fingerprint gives for them.
struct Known {
  int64_t length;
  uint64_t hash;
};
constexpr Known known[] = {
    {0, 0x9ae16a3b2f90404fu},   {1, 0xbec09cc447469d8bu},   {3, 0x40b4412e33eefd64u},  {4, 0xf3c7ee05197a7b92u},
    {7, 0x4fef0b39c12aa9a4u},   {8, 0x0c97ecbc1e9d2626u},   {16, 0x7eda0ed8c837a168u}, {17, 0xc9518fe63ebf6127u},
    {32, 0xa53f806f23a314e8u},  {33, 0xc24f9d7ce864f0e9u},  {64, 0x0566266cb579eca2u}, {65, 0x77e0867714e6b0e4u},
    {128, 0x666823960b3ac271u}, {200, 0x6d7105b27cbe2fd7u},
};

void test_fingerprints_are_farmhash() {
  for (const Known& item : known) {
    std::string text;
    for (int64_t i = 0; i < item.length; ++i) text += static_cast<char>((i * 7 + 3) % 256);
    const Tensor x = strings({2}, {text, ""});
    Tensor y = empty(DType::uint64, {2});
    EXPECT(run(registry, "text_fingerprint", {&x}, {&y}, {}).ok());
    EXPECT(y.as<uint64_t>()[0] == item.hash);
    EXPECT(y.as<uint64_t>()[1] == known[0].hash);
  }
}

void test_numbers_become_digits() {
  const Tensor x = tensor_of<int64_t>({2, 2}, {0, -7, INT64_MAX, INT64_MIN});
  Tensor y = empty(DType::string, {2, 2});
  EXPECT(run(registry, "text_of_integer", {&x}, {&y}, {}).ok());
  EXPECT(string_at(y, 0) == "0" && string_at(y, 1) == "-7");
  EXPECT(string_at(y, 2) == "9223372036854775807" && string_at(y, 3) == "-9223372036854775808");
}

void test_strings_are_joined_with_a_separator() {
  const Tensor a = strings({2}, {"a", ""}), b = strings({2}, {"bc", "d"}), between = strings({}, {"_X_"});
  Tensor y = empty(DType::string, {2});
  EXPECT(run(registry, "text_join", {&a, &b, &between}, {&y}, {}).ok());
  EXPECT(string_at(y, 0) == "a_X_bc" && string_at(y, 1) == "_X_d");
  EXPECT(run(registry, "text_join", {&a, &between}, {&y}, {}).ok());
  EXPECT(string_at(y, 0) == "a" && string_at(y, 1).empty());
  const Tensor nothing = strings({0}, {});
  Tensor none = empty(DType::string, {0});
  EXPECT(run(registry, "text_join", {&nothing, &nothing, &between}, {&none}, {}).ok());
}

void test_bad_calls_are_refused() {
  const Tensor text = strings({2}, {"a", "b"}), numbers = tensor_of<int64_t>({2}, {1, 2}), one = strings({1}, {"a"});
  Tensor hashes = empty(DType::uint64, {2}), few = empty(DType::uint64, {1}), y = empty(DType::string, {2});
  EXPECT(!run(registry, "text_fingerprint", {&numbers}, {&hashes}, {}).ok());
  EXPECT(!run(registry, "text_fingerprint", {&text}, {&few}, {}).ok());
  EXPECT(!run(registry, "text_fingerprint", {&text}, {&hashes}, {1}).ok());
  EXPECT(!run(registry, "text_of_integer", {&text}, {&y}, {}).ok());
  EXPECT(!run(registry, "text_join", {&text}, {&y}, {}).ok());
  EXPECT(!run(registry, "text_join", {&text, &one}, {&y}, {}).ok());
  EXPECT(!run(registry, "text_join", {&numbers, &one}, {&y}, {}).ok());
}

}  // namespace

int main() {
  register_text(registry);
  test_fingerprints_are_farmhash();
  test_numbers_become_digits();
  test_strings_are_joined_with_a_separator();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
