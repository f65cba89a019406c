// The caching allocator's numbers and knobs. Blocks come through Buffer::allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millstream {

struct MemoryStats {
  int64_t reserved_bytes;  // taken from the system: in use, or kept for reuse
  int64_t cached_bytes;    // of these, kept for reuse
  int64_t peak_reserved_bytes;
  int64_t system_allocations;
};

MemoryStats memory_stats();
void set_cache_limit(int64_t bytes);  // what is kept for reuse beyond the threads' own small blocks
void release_cached_memory();

}  // namespace millstream
