// The sums of known bytes, of parts, and by both ways.
#include "memory/crc32c.h"

#include <cstring>
#include <random>
#include <vector>

#include "testing.h"

using namespace millstream;

namespace {

void test_known_sums() {
  const unsigned char zeros[32] = {};
  EXPECT_THAT(crc32c(0, "", 0) == 0);
  EXPECT_THAT(crc32c(0, "123456789", 9) == 0xE3069283u);
  EXPECT_THAT(crc32c(0, zeros, 32) == 0x8A9136AAu);
}

void test_both_ways_and_all_cuts_give_the_same_sum() {
  std::mt19937 random(1);
  std::vector<unsigned char> bytes(300);
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
  for (size_t count = 0; count <= bytes.size(); ++count) {
    const uint32_t whole = crc32c(0, bytes.data(), count);
    EXPECT_THAT(whole == crc32c_portable(0, bytes.data(), count));
    const size_t cut = count ? random() % count : 0;
    EXPECT_THAT(whole == crc32c(crc32c(0, bytes.data(), cut), bytes.data() + cut, count - cut));
  }
}

}  // namespace

int main() {
  test_known_sums();
  test_both_ways_and_all_cuts_give_the_same_sum();
  return millstream::testing::exit_status();
}
