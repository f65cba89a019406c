// The store of trace events. Bounded: after a million events the rest is dropped.
#include "tracing/trace.h"

#include <chrono>
#include <mutex>
#include <thread>

namespace millstream {
namespace {

constexpr size_t most_events = 1'000'000;
std::mutex mutex;
std::vector<TraceEvent>& events() {
  static auto* const instance = new std::vector<TraceEvent>;
  return *instance;
}

}  // namespace

std::atomic<bool> tracing_on{false};

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void trace_start() {
  std::lock_guard lock(mutex);
  events().clear();
  tracing_on = true;
}

std::vector<TraceEvent> trace_stop() {
  std::lock_guard lock(mutex);
  tracing_on = false;
  return std::move(events());
}

void trace_add(const char* name, int64_t begin_ns, int64_t end_ns) {
  const auto thread = static_cast<int64_t>(std::hash<std::thread::id>()(std::this_thread::get_id()) >> 1);
  std::lock_guard lock(mutex);
  if (tracing_on && events().size() < most_events) events().push_back({name, begin_ns, end_ns, thread});
}

}  // namespace millstream
