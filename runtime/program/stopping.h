// Ending what runs on a thread: loops of plans and calls of the host look whether that was asked for. Kernels are not stopped.
#pragma once

#include <atomic>

#include "program/status.h"

namespace millstream {

class StopFlag {
 public:
  void set() { set_.store(true, std::memory_order_relaxed); }
  bool is_set() const { return set_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> set_{false};
};

// The flag that ends what runs on this thread; nullptr where there is none.
const StopFlag* stop_flag();
// Returns the flag before.
const StopFlag* set_stop_flag(const StopFlag* flag);

// What runs inside is ended by a flag, unless one around it is there already.
class Stoppable {
 public:
  explicit Stoppable(const StopFlag* flag) : sets_(flag && !stop_flag()) {
    if (sets_) set_stop_flag(flag);
  }
  ~Stoppable() {
    if (sets_) set_stop_flag(nullptr);
  }
  Stoppable(const Stoppable&) = delete;
  Stoppable& operator=(const Stoppable&) = delete;

 private:
  const bool sets_;
};

inline Status stopped() { return Status(Code::cancelled, "The run was cancelled."); }

}  // namespace millstream
