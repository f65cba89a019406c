// Runs single tiles of a lowered program on one thread: moves pointers, gathers rows, calls the steps, stores results.
#include "kernels/fused_worker.h"

#include <algorithm>
#include <cstring>

namespace millstream {
namespace {

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

template <typename W>
void fill_words(void* to, const void* element, int64_t n) {
  W value;
  std::memcpy(&value, element, sizeof value);
  W* out = static_cast<W*>(to);
  for (int64_t i = 0; i < n; ++i) out[i] = value;
}

struct Wide {
  int64_t low, high;
};

void fill_elements(void* to, const void* element, int64_t n, int bytes) {
  switch (bytes) {
    case 1:
      return fill_words<uint8_t>(to, element, n);
    case 2:
      return fill_words<uint16_t>(to, element, n);
    case 4:
      return fill_words<uint32_t>(to, element, n);
    case 8:
      return fill_words<uint64_t>(to, element, n);
    default:
      return fill_words<Wide>(to, element, n);
  }
}

// Walks rows of the collapsed space: where a row begins for one reader.
class RowWalk {
 public:
  RowWalk(const TilePlan& plan, const TileReader& reader, int64_t row) : plan_(plan), reader_(reader) {
    for (int i = plan.rank - 2; i >= 0; --i) {
      at_[i] = row % plan.dims[i];
      row /= plan.dims[i];
      offset_ += at_[i] * reader.strides[i];
    }
  }
  int64_t offset() const { return offset_; }
  void next() {
    for (int i = plan_.rank - 2; i >= 0; --i) {
      offset_ += reader_.strides[i];
      if (++at_[i] < plan_.dims[i]) return;
      offset_ -= at_[i] * reader_.strides[i];
      at_[i] = 0;
    }
  }

 private:
  const TilePlan& plan_;
  const TileReader& reader_;
  int64_t at_[max_rank] = {};
  int64_t offset_ = 0;
};

template <typename W>
void gather_rows(RowWalk walk, const char* from, int64_t stride, int64_t rows, int64_t columns, void* to) {
  const W* source = reinterpret_cast<const W*>(from);
  W* out = static_cast<W*>(to);
  for (int64_t r = 0; r < rows; ++r, walk.next(), out += columns) {
    const W* start = source + walk.offset();
    if (stride == 1) {
      if (columns >= 32) {
        std::memcpy(out, start, static_cast<size_t>(columns) * sizeof(W));
      } else {
        for (int64_t i = 0; i < columns; ++i) out[i] = start[i];
      }
    } else if (stride == 0) {
      const W value = *start;
      for (int64_t i = 0; i < columns; ++i) out[i] = value;
    } else {
      for (int64_t i = 0; i < columns; ++i) out[i] = start[i * stride];
    }
  }
}

// Coordinates wrap where the type ends, as a conversion from int64 does.
template <typename W>
void gather_coordinates(RowWalk walk, int64_t base, int64_t stride, int64_t rows, int64_t columns, void* to) {
  W* out = static_cast<W*>(to);
  for (int64_t r = 0; r < rows; ++r, walk.next(), out += columns) {
    W at = static_cast<W>(base + walk.offset());
    for (int64_t i = 0; i < columns; ++i, at += static_cast<W>(stride)) out[i] = at;
  }
}

}  // namespace

char* thread_scratch(int64_t bytes) {
  struct Memory {
    AlignedBytes bytes;
    int64_t size = 0;
  };
  thread_local Memory memory;
  if (memory.size < bytes) {
    memory.size = aligned(std::max<int64_t>(bytes, 64 << 10));
    memory.bytes = aligned_bytes(static_cast<size_t>(memory.size));
  }
  return memory.bytes.get();
}

TileWorker::TileWorker(const TilePlan& plan, const Call& call, const bool* deferred, int64_t extra_bytes)
    : plan_(plan), call_(call), deferred_(deferred), whole_rows_(plan.row <= plan.capacity) {
  const int64_t slot_bytes = aligned(plan.slot_bytes * plan.capacity);
  const int64_t raw_bytes = 16 * plan.capacity;
  const int64_t pointer_bytes = aligned(plan.pointer_count() * static_cast<int64_t>(sizeof(void*)));
  char* memory_at = thread_scratch(slot_bytes + raw_bytes + pointer_bytes + aligned(extra_bytes));
  slots_ = memory_at;
  raw_ = slots_ + slot_bytes;
  extra_ = raw_ + raw_bytes;
  pointers_ = reinterpret_cast<const void**>(extra_ + aligned(extra_bytes));
  for (int value = 0; value < plan.value_count; ++value) {
    const size_t index = static_cast<size_t>(value);
    pointers_[value] = plan.constant_slots[index] >= 0 ? plan.constants.get() + plan.constant_slots[index]
                       : plan.slots[index] >= 0        ? slot(value)
                                                       : nullptr;
  }
  pointers_[plan.raw_pointer()] = raw_;
  for (const TileReader& reader : plan.readers) {
    if (reader.reading == Reading::uniform || (reader.reading == Reading::periodic && whole_rows_)) fill(reader);
  }
}

void TileWorker::fill(const TileReader& reader) {
  if (reader.reading == Reading::periodic) {
    gather(reader, 0, std::min(plan_.rows, plan_.capacity / plan_.row), 0, plan_.row);
    return;
  }
  alignas(16) char element[16];
  gather(reader, 0, 1, 0, 1);
  std::memcpy(element, pointers_[reader.value], static_cast<size_t>(reader.register_bytes));
  fill_elements(slot(reader.value), element, std::min(plan_.capacity, plan_.total), reader.register_bytes);
  pointers_[reader.value] = slot(reader.value);
}

void TileWorker::gather(const TileReader& reader, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const int64_t stride = reader.strides[plan_.rank - 1];
  const int64_t n = rows * columns;
  const RowWalk walk(plan_, reader, row);
  char* to = slot(reader.value);
  pointers_[reader.value] = to;
  if (reader.input < 0) {
    const int64_t base = reader.offset + column * stride;
    if (reader.counted_bytes == 4) {
      gather_coordinates<uint32_t>(walk, base, stride, rows, columns, to);
    } else {
      gather_coordinates<uint64_t>(walk, base, stride, rows, columns, reader.load != nullptr ? raw_ : to);
    }
  } else {
    const char* from = memory(reader) + column * stride * reader.bytes;
    if (rows == 1 && (stride == 1 || columns == 1)) {
      from += walk.offset() * reader.bytes;
      if (reader.load != nullptr)
        reader.load(n, to, from, nullptr, nullptr);
      else
        pointers_[reader.value] = from;
      return;
    }
    char* plain = reader.load != nullptr ? raw_ : to;
    switch (reader.bytes) {
      case 1:
        gather_rows<uint8_t>(walk, from, stride, rows, columns, plain);
        break;
      case 2:
        gather_rows<uint16_t>(walk, from, stride, rows, columns, plain);
        break;
      case 4:
        gather_rows<uint32_t>(walk, from, stride, rows, columns, plain);
        break;
      case 8:
        gather_rows<uint64_t>(walk, from, stride, rows, columns, plain);
        break;
      default:
        gather_rows<Wide>(walk, from, stride, rows, columns, plain);
        break;
    }
  }
  if (reader.load != nullptr) reader.load(n, to, raw_, nullptr, nullptr);
  if (reader.round != nullptr) reader.round(n, to, to, nullptr, nullptr);
}

int TileWorker::run(int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const int64_t n = rows * columns;
  const int64_t flat = row * plan_.row + column;
  for (size_t k = 0; k < plan_.readers.size(); ++k) {
    const TileReader& reader = plan_.readers[k];
    if (reader.reading == Reading::moving) pointers_[reader.value] = memory(reader) + flat * reader.bytes;
    if (reader.reading == Reading::loaded) {
      pointers_[plan_.reader_pointer(static_cast<int>(k))] = memory(reader) + flat * reader.bytes;
    }
    if (reader.reading == Reading::periodic && !whole_rows_) gather(reader, row, rows, column, columns);
  }
  for (size_t k = 0; k < plan_.results.size(); ++k) {
    const TileResult& result = plan_.results[k];
    if (result.direct && !deferred_[k]) {
      pointers_[result.value] = static_cast<char*>(call_.out(static_cast<int>(k)).data) + flat * result.bytes;
    }
  }
  int failure = 0;
  for (const TileInstruction& step : plan_.instructions) {
    if (step.function == nullptr) {
      gather(plan_.readers[static_cast<size_t>(step.reader)], row, rows, column, columns);
    } else {
      failure |= step.function(n, const_cast<void*>(pointers_[step.d]), pointers_[step.a], pointers_[step.b],
                               pointers_[step.c]);
    }
  }
  for (size_t k = 0; k < plan_.results.size(); ++k) {
    const TileResult& result = plan_.results[k];
    if (result.kind != ReduceKind::store || (result.direct && !deferred_[k])) continue;
    char* to = static_cast<char*>(call_.out(static_cast<int>(k)).data) + flat * result.bytes;
    const void* from = pointers_[result.value];
    if (result.store != nullptr)
      result.store(n, to, from, nullptr, nullptr);
    else if (to != from)
      std::memmove(to, from, static_cast<size_t>(n * result.bytes));
  }
  return failure;
}

}  // namespace millstream
