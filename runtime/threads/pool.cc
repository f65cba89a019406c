// The thread pool: one job at a time, chunks handed out by a counter. A caller that finds the pool busy works alone.
#include "threads/pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace millstream {
namespace {

thread_local bool inside_parallel_for = false;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int spin_rounds = 200;  // a few microseconds

struct Job {
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t count = 0;
  int64_t chunk = 0;
  std::atomic<int64_t> next{0};

  void work() {
    for (;;) {
      const int64_t begin = next.fetch_add(chunk, std::memory_order_relaxed);
      if (begin >= count) return;
      (*body)(begin, std::min(begin + chunk, count));
    }
  }
};

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  bool run(int64_t count, int64_t chunk, const std::function<void(int64_t, int64_t)>& body) {
    std::unique_lock start(start_, std::try_to_lock);
    if (!start.owns_lock()) return false;
    {
      std::lock_guard lock(mutex_);
      job_.body = &body;
      job_.count = count;
      job_.chunk = chunk;
      job_.next.store(0, std::memory_order_relaxed);
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    job_.work();
    for (int i = 0; i < spin_rounds && active_.load(std::memory_order_acquire) != 0; ++i) relax();
    std::unique_lock lock(mutex_);
    open_ = false;
    done_.wait(lock, [this] { return active_.load(std::memory_order_acquire) == 0; });
    return true;
  }

 private:
  void serve() {
    inside_parallel_for = true;
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < spin_rounds && generation_.load(std::memory_order_acquire) == seen; ++i) relax();
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        seen = generation_.load(std::memory_order_relaxed);
        if (stopping_) return;
        if (!open_) continue;
        active_.fetch_add(1, std::memory_order_relaxed);
      }
      job_.work();
      std::lock_guard lock(mutex_);
      if (active_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.notify_one();
    }
  }

  std::vector<std::thread> workers_;
  std::mutex start_;  // held by the caller whose job runs
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> active_{0};
  bool open_ = false;
  bool stopping_ = false;
  Job job_;
};

int available_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

// The pool in use. Never freed while the program ends: workers may still wait in it. A forked child starts without one.
struct Holder {
  std::mutex mutex;
  std::atomic<int> wanted{0};
  std::atomic<Pool*> pool{nullptr};
};
Holder* holder = nullptr;
std::once_flag holder_once;

Holder& get_holder() {
  std::call_once(holder_once, [] {
    holder = new Holder;
    holder->wanted = available_threads();
    pthread_atfork(nullptr, nullptr, [] {
      const int wanted = holder->wanted;
      holder = new Holder;
      holder->wanted = wanted;
      inside_parallel_for = false;
    });
  });
  return *holder;
}

Pool& get_pool() {
  Holder& held = get_holder();
  Pool* pool = held.pool.load(std::memory_order_acquire);
  if (pool) return *pool;
  std::lock_guard lock(held.mutex);
  if (!held.pool.load()) held.pool.store(new Pool(held.wanted), std::memory_order_release);
  return *held.pool.load();
}

}  // namespace

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || inside_parallel_for) return body(0, count);
  Pool& pool = get_pool();
  if (pool.size() == 1) return body(0, count);
  const int64_t pieces = std::min<int64_t>((count + grain - 1) / grain, int64_t{4} * pool.size());
  const int64_t chunk = std::max(grain, (count + pieces - 1) / pieces);
  inside_parallel_for = true;
  const bool done = pool.run(count, chunk, body);
  if (!done) body(0, count);
  inside_parallel_for = false;
}

int thread_count() { return get_holder().wanted; }

// The old pool is left to its waiting workers: another thread may be in the middle of a job.
void set_thread_count(int count) {
  Holder& held = get_holder();
  std::lock_guard lock(held.mutex);
  const int wanted = count > 0 ? std::min(count, 1024) : available_threads();
  if (wanted == held.wanted) return;
  held.wanted = wanted;
  held.pool.store(nullptr, std::memory_order_release);
}

}  // namespace millstream
