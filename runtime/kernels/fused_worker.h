// Runs single tiles of a lowered program on one thread. Internal to fused_*.cc.
#pragma once

#include <cstdint>

#include "kernels/fused_plan.h"

namespace millstream {

// Memory of a thread, kept between runs. Never two users at once on a thread.
char* thread_scratch(int64_t bytes);

class TileWorker {
 public:
  // `extra_bytes` of scratch memory for the caller, aligned to 64, at extra().
  TileWorker(const TilePlan& plan, const Call& call, const bool* deferred, int64_t extra_bytes);

  // Rows [row, row + rows) of the innermost dimension, columns [column, column + columns); whole rows if rows > 1.
  // Returns a StepFailure.
  int run(int64_t row, int64_t rows, int64_t column, int64_t columns);

  const void* value(int index) const { return pointers_[index]; }
  char* extra() const { return extra_; }

 private:
  void fill(const TileReader& reader);
  void gather(const TileReader& reader, int64_t row, int64_t rows, int64_t column, int64_t columns);
  char* slot(int value) const { return slots_ + plan_.slots[static_cast<size_t>(value)] * plan_.capacity; }
  const char* memory(const TileReader& reader) const {
    return static_cast<const char*>(call_.in(reader.input).data) + reader.offset * reader.bytes;
  }

  const TilePlan& plan_;
  const Call& call_;
  const bool* deferred_;
  const bool whole_rows_;  // a tile always holds whole rows
  const void** pointers_;
  char* slots_;
  char* raw_;
  char* extra_;
};

}  // namespace millstream
