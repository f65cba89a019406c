// Tests of the thread pool: every item once, nested calls inline, several callers, a changed number of threads.
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "testing.h"
#include "threads/pool.h"

using namespace millstream;

namespace {

bool each_once(int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  std::atomic<bool> small{false};
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    if (end - begin < grain && end != count) small = true;
    for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
  });
  bool good = !small;
  for (auto& times : seen) good &= times == 1;
  return good;
}

void test_every_item_is_done_once() {
  for (int threads : {1, 2, 5, 2}) {
    set_thread_count(threads);
    EXPECT_THAT(thread_count() == threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      for (int64_t grain : {0, 1, 3, 100, 5000}) EXPECT_THAT(each_once(count, grain));
    }
  }
}

void test_a_nested_call_runs_inline() {
  std::atomic<int64_t> sum{0};
  std::atomic<bool> moved{false};
  parallel_for(8, 1, [&](int64_t begin, int64_t end) {
    const auto self = std::this_thread::get_id();
    parallel_for(100, 1, [&](int64_t inner_begin, int64_t inner_end) {
      if (std::this_thread::get_id() != self) moved = true;
      sum += (inner_end - inner_begin) * (end - begin);
    });
  });
  EXPECT_THAT(sum == 800 && !moved);
}

void test_several_callers_at_once() {
  std::atomic<int> bad{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) bad += !each_once(64, 4);
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_THAT(bad == 0);
}

}  // namespace

int main() {
  test_every_item_is_done_once();
  test_a_nested_call_runs_inline();
  test_several_callers_at_once();
  return testing::exit_status();
}
