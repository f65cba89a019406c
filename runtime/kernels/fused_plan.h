// A tile program lowered for its sizes: what each tile reads, calls and writes. Internal to fused_*.cc and reduce.cc.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/fused.h"

namespace millstream {

// How an input, or an iota, reaches a register.
enum class Reading : int32_t {
  moving,    // dense, usable where it lies: only the pointer moves
  loaded,    // dense, but held in registers as another type
  uniform,   // one element for all: filled once per worker
  periodic,  // depends on the innermost dimension only: filled once per worker where a tile holds whole rows
  gathered,  // anything else: copied row by row
};

struct TileReader {
  int input = -1;  // -1: an iota
  int value = 0;
  Reading reading = Reading::gathered;
  int64_t offset = 0;
  int64_t strides[max_rank] = {};  // of the collapsed dimensions
  int bytes = 0;                   // an element in memory
  int register_bytes = 0;
  StepFunction load = nullptr;   // memory (or int64 coordinates) to register type
  StepFunction round = nullptr;  // after an iota
  int counted_bytes = 0;         // of an iota's coordinates: those of a register that can hold them as they are, else 8
  int last_read = -1;            // the last instruction that reads the tensor's memory
};

struct TileInstruction {
  StepFunction function = nullptr;  // nullptr: gather `reader`
  int d = 0, a = 0, b = 0, c = 0;   // indices of pointers
  int reader = -1;
};

struct TileResult {
  int value = 0;
  ReduceKind kind = ReduceKind::store;
  DType element = DType::invalid;
  DType register_dtype = DType::invalid;
  int bytes = 0, register_bytes = 0;
  StepFunction store = nullptr;  // register type to memory; nullptr: copy
  bool direct = false;           // the step may write to the output itself
  int written = -1;              // by this instruction, if direct
};

struct AlignedFree {
  void operator()(void* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<char[], AlignedFree>;
AlignedBytes aligned_bytes(size_t bytes);

class TilePlan {
 public:
  // Pointers are numbered: the values, then raw_pointer, then one per reader for dense memory.
  int value_count = 0;
  int raw_pointer() const { return value_count; }
  int reader_pointer(int reader) const { return value_count + 1 + reader; }
  int pointer_count() const { return value_count + 1 + static_cast<int>(readers.size()); }

  int rank = 0;  // collapsed
  int64_t dims[max_rank] = {};
  int64_t outer = 1, reduced = 1, inner = 1;  // products
  int64_t row = 1;                            // the innermost collapsed dimension
  int64_t rows = 1;
  int64_t total = 1;
  int64_t capacity = 0;  // elements of a register
  bool reduces = false;

  std::vector<TileReader> readers;
  std::vector<TileInstruction> instructions;
  std::vector<TileResult> results;
  std::vector<int64_t> slots;           // per value: bytes per element before it in the scratch memory; -1: none
  int64_t slot_bytes = 0;               // all of them, per element
  std::vector<int64_t> constant_slots;  // per value, in `constants`; -1: none
  AlignedBytes constants;
  int64_t cost = 1;  // of an element, in additions
};

}  // namespace millstream
