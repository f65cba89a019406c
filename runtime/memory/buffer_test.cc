// Tests of the caching allocator: alignment, sizes, reuse, many threads.
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "memory/allocator.h"
#include "memory/tensor.h"
#include "testing.h"

using namespace millstream;

namespace {

void test_blocks_are_aligned_and_hold_their_bytes() {
  std::vector<Ref<Buffer>> held;
  for (size_t bytes : {0, 1, 63, 64, 65, 1000, 1024, 1025, 4096, 65536, 65537, 1 << 20, (1 << 20) + 1, 5 << 20}) {
    auto buffer = Buffer::allocate(bytes);
    EXPECT_THAT(reinterpret_cast<uintptr_t>(buffer->data()) % 64 == 0);
    EXPECT_THAT(buffer->bytes() == bytes && buffer->writable() && buffer->unique());
    std::memset(buffer->data(), static_cast<int>(held.size()), bytes);
    held.push_back(std::move(buffer));
  }
  for (size_t i = 0; i < held.size(); ++i) {
    const auto* bytes = static_cast<const unsigned char*>(held[i]->data());
    bool same = true;
    for (size_t k = 0; k < held[i]->bytes(); ++k) same &= bytes[k] == i;
    EXPECT_THAT(same);
  }
}

void test_a_foreign_block_is_given_back_once() {
  static int given_back = 0;
  char bytes[8];
  {
    auto first = Buffer::wrap(bytes, 8, [](void*, void*) { ++given_back; }, nullptr, false);
    auto second = first;
    EXPECT_THAT(!second->unique() && !second->writable());
  }
  EXPECT_THAT(given_back == 1);
}

struct Made final : Object {
  explicit Made(int& alive) : Object(ObjectKind::layouts), alive_(alive) { ++alive_; }
  ~Made() override { --alive_; }
  int& alive_;
};

void test_what_is_made_from_bytes_goes_with_them() {
  int alive = 0;
  const auto make = [&] { return Ref<Object>::adopt(new Made(alive)); };
  auto buffer = Buffer::allocate(100);
  EXPECT_THAT(!buffer->derived() && buffer->derive(make()) && buffer->derived() && alive == 1);
  EXPECT_THAT(!buffer->derive(make()));  // the first one stays
  EXPECT_THAT(alive == 1);
  buffer->changing();
  EXPECT_THAT(!buffer->derived() && alive == 0);
  EXPECT_THAT(buffer->derive(make()) && alive == 1);
  buffer.reset();
  EXPECT_THAT(alive == 0);
  auto shown = Buffer::allocate(100);
  EXPECT_THAT(shown->derive(make()));
  shown->expose();
  EXPECT_THAT(!shown->derived() && !shown->derive(make()));
  EXPECT_THAT(alive == 0);
  char bytes[8];
  auto foreign = Buffer::wrap(bytes, 8, nullptr, nullptr, true);
  EXPECT_THAT(!foreign->derive(make()));
  EXPECT_THAT(alive == 0);
}

void test_more_than_there_is_throws() {
  bool thrown = false;
  try {
    Buffer::allocate(size_t{1} << 50);
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  EXPECT_THAT(thrown);
}

void test_cached_memory_goes_back_when_asked() {
  {
    auto buffer = Buffer::allocate(64 << 20);
  }
  release_cached_memory();
  EXPECT_THAT(memory_stats().cached_bytes == 0);
}

void test_threads_exchange_blocks() {
  constexpr int threads = 4, slots = 64;
  static std::atomic<Buffer*> shared[slots];
  std::vector<std::thread> workers;
  std::atomic<int> damaged{0};
  for (int worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      std::mt19937 random(static_cast<unsigned>(worker));
      for (int round = 0; round < 20000; ++round) {
        auto made = Buffer::allocate(1 + random() % (round % 100 ? 5000 : 200000));
        auto* bytes = static_cast<unsigned char*>(made->data());
        bytes[0] = bytes[made->bytes() - 1] = static_cast<unsigned char>(made->bytes());
        if (Buffer* other = shared[random() % slots].exchange(made.detach())) {
          const auto held = Ref<Buffer>::adopt(other);
          const auto* given = static_cast<const unsigned char*>(held->data());
          if (given[0] != static_cast<unsigned char>(held->bytes()) || given[held->bytes() - 1] != given[0]) ++damaged;
        }
      }
    });
  }
  for (auto& worker : workers) worker.join();
  for (auto& slot : shared) {
    if (Buffer* left = slot.exchange(nullptr)) left->release();
  }
  EXPECT_THAT(damaged == 0);
}

}  // namespace

int main() {
  test_blocks_are_aligned_and_hold_their_bytes();
  test_a_foreign_block_is_given_back_once();
  test_what_is_made_from_bytes_goes_with_them();
  test_more_than_there_is_throws();
  test_cached_memory_goes_back_when_asked();
  test_threads_exchange_blocks();
  return testing::exit_status();
}
