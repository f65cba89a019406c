// The one thread pool. Waits block, they never spin for long: a spinning barrier collapses on a busy machine.
#pragma once

#include <cstdint>
#include <functional>

namespace millstream {

// Calls body(begin, end) over [0, count), split in chunks of at least `grain` items, on the pool and the calling thread.
// Runs inline when count <= grain, when the pool has one thread, or when called from inside a parallel_for.
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

int thread_count();
void set_thread_count(int count);  // 0: as many as the process may use

}  // namespace millstream
