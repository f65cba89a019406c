// Many Philox blocks at once, compiled for each instruction set (-DMS_ISA=...). Refuses nothing.
#include "kernels/random_philox.h"

namespace millstream::MS_ISA {
namespace {

constexpr int lanes = 16;

}  // namespace

void philox_blocks(uint64_t low, uint64_t high, uint64_t key, int64_t blocks, uint32_t* words) {
  int64_t done = 0;
  // The counter's upper half stays the same within a group of lanes unless the lower half overflows: rare, done singly.
  for (; done + lanes <= blocks; done += lanes) {
    const uint64_t first = low + static_cast<uint64_t>(done);
    if (first + (lanes - 1) < first) break;
    const uint64_t above = high + (first < low);
    uint64_t a[lanes], b[lanes], c[lanes], d[lanes];
    for (int i = 0; i < lanes; ++i) {
      const uint64_t counter = first + static_cast<uint64_t>(i);
      a[i] = counter & 0xffffffffu;
      b[i] = counter >> 32;
      c[i] = above & 0xffffffffu;
      d[i] = above >> 32;
    }
    uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < lanes; ++i) {
        const uint64_t p = (a[i] & 0xffffffffu) * 0xD2511F53u, q = (c[i] & 0xffffffffu) * 0xCD9E8D57u;
        a[i] = (q >> 32) ^ b[i] ^ k0;
        c[i] = (p >> 32) ^ d[i] ^ k1;
        b[i] = q & 0xffffffffu;
        d[i] = p & 0xffffffffu;
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    uint64_t pairs[2 * lanes];
    for (int i = 0; i < lanes; ++i) {
      pairs[2 * i] = a[i] | b[i] << 32;
      pairs[2 * i + 1] = c[i] | d[i] << 32;
    }
    __builtin_memcpy(words + 4 * done, pairs, sizeof pairs);
  }
  Philox generator{low, high, key};
  generator.skip(static_cast<uint64_t>(done));
  for (; done < blocks; ++done) {
    const PhiloxBlock block = generator.next();
    __builtin_memcpy(words + 4 * done, block.word, sizeof block.word);
  }
}

}  // namespace millstream::MS_ISA
