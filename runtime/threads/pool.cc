// The thread pool: one job at a time, chunks handed out by a counter. A caller that finds the pool busy works alone.
#include "threads/pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
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

// Waits for `held` without sleeping, for as long as the gaps between the kernels of one program last: to wake a thread costs
// more. A thread that was stopped meanwhile shares its processor with others, and then sleeps early for a while.
template <typename Held>
void spin_until(Held held) {
  using Clock = std::chrono::steady_clock;
  constexpr auto patience = std::chrono::microseconds(40), haste = std::chrono::microseconds(3);
  constexpr auto stopped = std::chrono::microseconds(150);
  constexpr int waits_in_haste = 2000, rounds_between_looks = 16;
  thread_local int hasty_waits = 0;
  const auto limit = hasty_waits > 0 ? (--hasty_waits, haste) : patience;
  const auto start = Clock::now();
  for (auto before = start;;) {
    for (int i = 0; i < rounds_between_looks; ++i, relax()) {
      if (held()) return;
    }
    const auto now = Clock::now();
    if (now - before > stopped) hasty_waits = waits_in_haste;
    if (now - start > limit) return;
    before = now;
  }
}

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
    if (!start_.try_lock()) return false;
    open(count, chunk, body);
    close();
    return true;
  }

  // A job whose pieces may wait for one another: the caller waits until the pool is free.
  void begin(int64_t count, const std::function<void(int64_t, int64_t)>& body) {
    start_.lock();
    open(count, 1, body);
  }

  // Helps with what is left, then waits.
  void close() {
    job_.work();
    spin_until([this] { return active_.load(std::memory_order_acquire) == 0; });
    {
      std::unique_lock lock(mutex_);
      open_ = false;
      done_.wait(lock, [this] { return active_.load(std::memory_order_acquire) == 0; });
    }
    start_.unlock();
  }

 private:
  void open(int64_t count, int64_t chunk, const std::function<void(int64_t, int64_t)>& body) {
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
  }

  void serve() {
    inside_parallel_for = true;
    uint64_t seen = 0;
    for (;;) {
      spin_until([&] { return generation_.load(std::memory_order_acquire) != seen; });
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
  std::shared_ptr<Pool> pool;  // guarded by mutex; a caller holds it while its job runs
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

std::shared_ptr<Pool> get_pool() {
  Holder& held = get_holder();
  std::lock_guard lock(held.mutex);
  if (!held.pool) held.pool = std::make_shared<Pool>(held.wanted);
  return held.pool;
}

}  // namespace

void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || inside_parallel_for) return body(0, count);
  if (get_holder().wanted == 1) return body(0, count);
  const std::shared_ptr<Pool> held = get_pool();
  Pool& pool = *held;
  if (pool.size() == 1) return body(0, count);
  const int64_t pieces = std::min<int64_t>((count + grain - 1) / grain, int64_t{4} * pool.size());
  const int64_t chunk = std::max(grain, (count + pieces - 1) / pieces);
  inside_parallel_for = true;
  const bool done = pool.run(count, chunk, body);
  if (!done) body(0, count);
  inside_parallel_for = false;
}

void stay_on_this_thread() { inside_parallel_for = true; }

void Team::begin(int size, std::function<void(int)> member) {
  member_ = std::move(member);
  nested_ = inside_parallel_for;
  if (size < 2) return;
  const std::shared_ptr<Pool> pool = get_pool();
  if (nested_ || pool->size() < size) {
    for (int i = 1; i < size; ++i) own_.emplace_back([this, i] { member_(i); });
    return;
  }
  job_ = [this](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) member_(static_cast<int>(i) + 1);
  };
  pool_ = pool;
  inside_parallel_for = true;
  pool->begin(size - 1, job_);
}

void Team::finish() {
  for (std::thread& thread : own_) thread.join();
  own_.clear();
  if (pool_) static_cast<Pool*>(pool_.get())->close();
  pool_.reset();
  inside_parallel_for = nested_;
}

int thread_count() { return get_holder().wanted; }

void set_thread_count(int count) {
  Holder& held = get_holder();
  std::shared_ptr<Pool> old;  // ends, outside the lock, when the last job in it has
  std::lock_guard lock(held.mutex);
  const int wanted = count > 0 ? std::min(count, 1024) : available_threads();
  if (wanted == held.wanted) return;
  held.wanted = wanted;
  std::swap(old, held.pool);
}

}  // namespace millstream
