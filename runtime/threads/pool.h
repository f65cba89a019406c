// The one thread pool. Waits block, they never spin for long: a spinning barrier collapses on a busy machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace millstream {

// Calls body(begin, end) over [0, count), split in chunks of at least `grain` items, on the pool and the calling thread.
// Runs inline when count <= grain, when the pool has one thread, or when called from inside a parallel_for.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

// From now on, what this thread asks of parallel_for runs on it alone: for threads of which there are enough already.
void stay_on_this_thread();

// A team as OpenMP has it: members may wait for one another, so each is sure to get a thread. `begin` starts members
// 1 to size - 1, the caller does member 0, `finish` does members that have not started yet and waits for the others.
class Team {
 public:
  void begin(int size, std::function<void(int)> member);
  void finish();

 private:
  std::function<void(int)> member_;
  std::function<void(int64_t, int64_t)> job_;
  std::vector<std::thread> own_;  // where the pool cannot serve: too small, or the caller is one of its workers
  std::shared_ptr<void> pool_;
  bool nested_ = false;
};

int thread_count();
void set_thread_count(int count);  // 0: as many as the process may use

}  // namespace millstream
