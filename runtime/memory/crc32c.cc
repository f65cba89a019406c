// CRC-32C by the processor's own instruction where it has one, by eight tables elsewhere.
#include "memory/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millstream {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;
using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b] is what the byte b adds when k bytes follow it.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = sum;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t by_instruction(uint32_t start, const unsigned char* at, size_t count) {
  uint64_t state = start ^ 0xFFFFFFFFu;
  for (; count >= 8; at += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    state = _mm_crc32_u64(state, word);
  }
  uint32_t rest = static_cast<uint32_t>(state);
  for (; count > 0; ++at, --count) rest = _mm_crc32_u8(rest, *at);
  return rest ^ 0xFFFFFFFFu;
}
#endif

}  // namespace

uint32_t crc32c_portable(uint32_t start, const void* data, size_t count) {
  static_assert(std::endian::native == std::endian::little, "the tables are applied to words of this order");
  const unsigned char* at = static_cast<const unsigned char*>(data);
  uint32_t state = start ^ 0xFFFFFFFFu;
  for (; count >= 8; at += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= state;
    state = 0;
    for (size_t k = 0; k < 8; ++k) state ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; count > 0; ++at, --count) state = (state >> 8) ^ kTables[0][(state ^ *at) & 0xFF];
  return state ^ 0xFFFFFFFFu;
}

uint32_t crc32c(uint32_t start, const void* data, size_t count) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(start, static_cast<const unsigned char*>(data), count);
#endif
  return crc32c_portable(start, data, count);
}

}  // namespace millstream
