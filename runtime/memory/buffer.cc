// The caching allocator behind Buffer. Small blocks are kept per thread, large ones in one bounded store; each block starts
// with its Buffer object, the bytes follow 64 bytes later.
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "memory/allocator.h"
#include "memory/tensor.h"

namespace millstream {
namespace {

constexpr size_t header_bytes = 64;  // beside the class's bytes, so that powers of two waste nothing
constexpr size_t fine_step = 64;
constexpr size_t fine_limit = 1024;  // up to here classes are 64 bytes apart, then four in each doubling
constexpr int fine_classes = fine_limit / fine_step;
constexpr size_t thread_limit = 64 << 10;  // larger blocks are not kept per thread
constexpr size_t map_limit = 1 << 20;      // larger blocks are mapped, so that they can go back to the system
constexpr int thread_classes = fine_classes + 6 * 4 + 1;
constexpr int class_count = fine_classes + 4 * 38;
constexpr size_t thread_class_bytes = 128 << 10;

// Under AddressSanitizer nothing is kept, so that a use after the last release is seen.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif

int class_of(size_t bytes) {
  if (bytes <= fine_limit) return static_cast<int>((bytes + fine_step - 1) / fine_step) - 1;
  const int top = std::bit_width(bytes - 1) - 1;  // 2^top < bytes <= 2^(top+1)
  const size_t quarter = size_t{1} << (top - 2);
  const size_t part = (bytes - (size_t{1} << top) + quarter - 1) / quarter;  // 1..4
  return fine_classes + (top - 10) * 4 + static_cast<int>(part) - 1;
}

size_t class_bytes(int index) {
  if (index < fine_classes) return static_cast<size_t>(index + 1) * fine_step;
  const int doubling = (index - fine_classes) / 4, part = (index - fine_classes) % 4 + 1;
  const size_t base = fine_limit << doubling;
  return base + (base / 4) * static_cast<size_t>(part);
}

struct FreeBlock {
  FreeBlock* next;
};

// What stands in a block's first bytes until its Buffer is built over them.
struct Tag {
  int index;  // the class it was made in
  int uses;   // of mapped blocks: how often they were taken again
};

// Huge pages make long-lived blocks quicker by some percent, but are dear to get: on a virtual machine whose host takes free ones
// back, four times as dear as small ones (1.3 against 0.3 ms a megabyte). Who uses a block so often has earned them.
constexpr int earns_huge_pages = 32;
constexpr size_t worth_huge_pages = 4 << 20;
#ifdef MADV_COLLAPSE
constexpr int collapse = MADV_COLLAPSE;
#else
constexpr int collapse = 25;  // Linux 6.1; older ones refuse it
#endif

class Store {
 public:
  void* take(int index) {
    Kept found;
    {
      std::lock_guard lock(mutex_);
      // A block up to half as large again serves large requests: fresh memory costs more than the waste.
      const int reach = class_bytes(index) > thread_limit ? 2 : 0;
      for (int i = index; i <= index + reach && i < class_count && !found.block; ++i) {
        if (auto& list = free_[i]; !list.empty()) {
          found = list.back();
          list.pop_back();
          cached_ -= static_cast<int64_t>(class_bytes(i));
          index = i;
        }
      }
    }
    if (!found.block) return new (fresh(index)) Tag{index, 0};
    if (++found.uses == earns_huge_pages && class_bytes(index) >= worth_huge_pages)
      madvise(found.block, class_bytes(index) + header_bytes, collapse);
    return new (found.block) Tag{index, found.uses};
  }

  void give(void* block, int index, int uses) {
    const auto bytes = static_cast<int64_t>(class_bytes(index));
    {
      std::lock_guard lock(mutex_);
      if (keeps_blocks && cached_ + bytes <= limit_) {
        free_[index].push_back({block, uses});
        cached_ += bytes;
        return;
      }
    }
    free_to_system(block, index);
  }

  void trim(int64_t limit) {
    std::vector<std::pair<void*, int>> dropped;
    {
      std::lock_guard lock(mutex_);
      for (int i = class_count - 1; i >= 0 && cached_ > limit; --i) {
        while (!free_[i].empty() && cached_ > limit) {
          dropped.emplace_back(free_[i].back().block, i);
          free_[i].pop_back();
          cached_ -= static_cast<int64_t>(class_bytes(i));
        }
      }
    }
    for (auto [block, index] : dropped) free_to_system(block, index);
  }

  void set_limit(int64_t bytes) {
    {
      std::lock_guard lock(mutex_);
      limit_ = bytes;
    }
    trim(bytes);
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return {reserved_.load(), cached_, peak_.load(), system_allocations_.load()};
  }

 private:
  struct Kept {
    void* block = nullptr;
    int uses = 0;
  };

  void* fresh(int index) {
    const size_t bytes = class_bytes(index) + header_bytes;
    void* block = nullptr;
    for (int attempt = 0; attempt < 2 && !block; ++attempt) {
      if (bytes >= map_limit) {
        block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) block = nullptr;
      } else {
        block = std::aligned_alloc(64, bytes);
      }
      if (!block && attempt == 0) trim(0);
    }
    if (!block) throw std::bad_alloc();
    const int64_t now = reserved_.fetch_add(static_cast<int64_t>(bytes)) + static_cast<int64_t>(bytes);
    system_allocations_.fetch_add(1, std::memory_order_relaxed);
    int64_t peak = peak_.load();
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
    return block;
  }

  void free_to_system(void* block, int index) {
    const size_t bytes = class_bytes(index) + header_bytes;
    if (bytes >= map_limit) {
      munmap(block, bytes);
    } else {
      std::free(block);
    }
    reserved_.fetch_sub(static_cast<int64_t>(bytes));
  }

  std::mutex mutex_;
  std::vector<Kept> free_[class_count];
  int64_t cached_ = 0;
  int64_t limit_ = int64_t{1} << 30;
  std::atomic<int64_t> reserved_{0}, peak_{0}, system_allocations_{0};
};

Store& store() {
  static Store* const instance = new Store;  // never destroyed: buffers may outlive static objects
  return *instance;
}

struct ThreadCache {
  FreeBlock* free[thread_classes] = {};
  int count[thread_classes] = {};

  ~ThreadCache() {
    for (int i = 0; i < thread_classes; ++i) {
      while (FreeBlock* block = free[i]) {
        free[i] = block->next;
        store().give(block, i, 0);
      }
    }
  }
};

__attribute__((tls_model("initial-exec"))) thread_local ThreadCache* thread_cache = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local bool thread_ended = false;

struct ThreadCacheOwner {
  ThreadCache* cache = nullptr;
  ~ThreadCacheOwner() {
    thread_cache = nullptr;
    thread_ended = true;
    delete cache;
  }
};

ThreadCache* make_thread_cache() {
  if (thread_ended) return nullptr;
  thread_local ThreadCacheOwner owner;
  owner.cache = new ThreadCache;
  return thread_cache = owner.cache;
}

void* take_block(int index) {
  if (index < thread_classes) {
    ThreadCache* cache = thread_cache ? thread_cache : make_thread_cache();
    if (cache) {
      if (FreeBlock* block = cache->free[index]) {
        cache->free[index] = block->next;
        --cache->count[index];
        return new (block) Tag{index, 0};
      }
    }
  }
  return store().take(index);
}

void give_block(void* block, int index, int uses) {
  if (keeps_blocks && index < thread_classes) {
    ThreadCache* cache = thread_cache ? thread_cache : make_thread_cache();
    if (cache && static_cast<size_t>(cache->count[index]) * class_bytes(index) < thread_class_bytes) {
      auto* free_block = static_cast<FreeBlock*>(block);
      free_block->next = cache->free[index];
      cache->free[index] = free_block;
      ++cache->count[index];
      return;
    }
  }
  store().give(block, index, uses);
}

class CachedBuffer final : public Buffer {
 public:
  CachedBuffer(void* data, size_t bytes, Tag tag) : Buffer(data, bytes, true, true), tag_(tag) {}

 protected:
  void dispose() override {
    const Tag tag = tag_;
    this->~CachedBuffer();
    give_block(this, tag.index, tag.uses);
  }

 private:
  Tag tag_;
};
static_assert(sizeof(CachedBuffer) <= header_bytes);

class ForeignBuffer final : public Buffer {
 public:
  ForeignBuffer(void* data, size_t bytes, Deleter deleter, void* context, bool writable)
      : Buffer(data, bytes, writable, false), deleter_(deleter), context_(context) {}
  ~ForeignBuffer() override {
    if (deleter_) deleter_(data_, context_);
  }

 private:
  Deleter deleter_;
  void* context_;
};

std::mutex& derived_mutex() {
  static std::mutex* const instance = new std::mutex;  // never destroyed: buffers may outlive static objects
  return *instance;
}

}  // namespace

Buffer::~Buffer() {
  if (Object* made = derived_.load(std::memory_order_acquire)) made->release();
}

Ref<Object> Buffer::derived() const {
  if (!derived_.load(std::memory_order_acquire)) return {};
  std::lock_guard lock(derived_mutex());
  return Ref<Object>::share(derived_.load(std::memory_order_relaxed));
}

bool Buffer::derive(const Ref<Object>& made) {
  std::lock_guard lock(derived_mutex());
  if (!watched_.load(std::memory_order_relaxed) || derived_.load(std::memory_order_relaxed)) return false;
  made->retain();
  derived_.store(made.get(), std::memory_order_release);
  return true;
}

void Buffer::changing() {
  if (!derived_.load(std::memory_order_acquire)) return;
  Ref<Object> dropped;
  std::lock_guard lock(derived_mutex());
  dropped = Ref<Object>::adopt(derived_.exchange(nullptr));
}

void Buffer::expose() {
  watched_.store(false);
  changing();
}

Ref<Buffer> Buffer::allocate(size_t bytes) {
  if (bytes > (size_t{1} << 46)) throw std::bad_alloc();
  void* block = take_block(class_of(bytes ? bytes : 1));
  const Tag tag = *static_cast<Tag*>(block);
  return Ref<Buffer>::adopt(new (block) CachedBuffer(static_cast<char*>(block) + header_bytes, bytes, tag));
}

Ref<Buffer> Buffer::wrap(void* data, size_t bytes, Deleter deleter, void* context, bool writable) {
  return Ref<Buffer>::adopt(new ForeignBuffer(data, bytes, deleter, context, writable));
}

MemoryStats memory_stats() { return store().stats(); }
void set_cache_limit(int64_t bytes) { store().set_limit(bytes); }
void release_cached_memory() { store().trim(0); }

}  // namespace millstream
