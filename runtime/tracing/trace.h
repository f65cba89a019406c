// Trace events: what ran, from when to when. Off unless asked for; then each instruction is one event.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace millstream {

struct TraceEvent {
  std::string name;
  int64_t begin_ns, end_ns;  // of the steady clock
  int64_t thread;
};

extern std::atomic<bool> tracing_on;
int64_t now_ns();
void trace_start();
std::vector<TraceEvent> trace_stop();
void trace_add(const char* name, int64_t begin_ns, int64_t end_ns);

}  // namespace millstream
