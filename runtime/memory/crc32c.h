// CRC-32C (Castagnoli) of bytes: the sum that checkpoints, tables and records carry.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millstream {

// The sum of bytes, going on from the sum `start` of those before; 0 where there are none.
uint32_t crc32c(uint32_t start, const void* data, size_t count);

// The same by tables alone, as every processor can run it.
uint32_t crc32c_portable(uint32_t start, const void* data, size_t count);

// A sum turned and moved, as it stands beside the data in files.
inline uint32_t masked_sum(uint32_t sum) { return (sum >> 15 | sum << 17) + 0xA282EAD8u; }

}  // namespace millstream
