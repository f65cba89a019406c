// Philox 4x32-10 as TensorFlow counts it: a 128-bit counter, a 64-bit key, four 32-bit numbers a block.
#pragma once

#include <cstdint>

namespace millstream {

// Internal linkage: also compiled for newer processors.
namespace {

struct PhiloxBlock {
  uint32_t word[4];
};

struct Philox {
  uint64_t low = 0, high = 0;  // the counter
  uint64_t key = 0;

  void skip(uint64_t blocks) {
    low += blocks;
    high += low < blocks;
  }

  PhiloxBlock block() const {
    uint32_t a = static_cast<uint32_t>(low), b = static_cast<uint32_t>(low >> 32);
    uint32_t c = static_cast<uint32_t>(high), d = static_cast<uint32_t>(high >> 32);
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t p = uint64_t{0xD2511F53u} * a, q = uint64_t{0xCD9E8D57u} * c;
      const uint32_t next_a = static_cast<uint32_t>(q >> 32) ^ b ^ k0, next_c = static_cast<uint32_t>(p >> 32) ^ d ^ k1;
      b = static_cast<uint32_t>(q);
      d = static_cast<uint32_t>(p);
      a = next_a;
      c = next_c;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{a, b, c, d}};
  }

  PhiloxBlock next() {
    const PhiloxBlock result = block();
    skip(1);
    return result;
  }
};

}  // namespace

// Writes `blocks` blocks, 4 words each, beginning at `start`; vectorised where the processor allows.
void philox_blocks(uint64_t low, uint64_t high, uint64_t key, int64_t blocks, uint32_t* words);

}  // namespace millstream
