// Keeps the batches that are being filled: one is made with its first row, and forgotten when all rows went to who began with it.
#include "data/row_places.h"

#include <algorithm>

namespace millstream {
namespace {

constexpr size_t worth_a_place = 16 << 10;  // bytes of a row
constexpr size_t alignment = 64;            // what kernels expect of the bytes they write

}  // namespace

void RowPlaces::learn(std::vector<size_t> row_bytes) {
  for (size_t& bytes : row_bytes) {
    if (bytes < worth_a_place || bytes % alignment) bytes = 0;
  }
  if (std::ranges::all_of(row_bytes, [](size_t bytes) { return bytes == 0; })) row_bytes.clear();
  std::lock_guard lock(mutex_);
  row_bytes_ = std::move(row_bytes);
}

bool RowPlaces::is_done(const Batch& batch) const {
  for (size_t i = 0; i < batch.columns.size(); ++i) {
    const Ref<Buffer>& column = batch.columns[i];
    // Where nobody began with a column whose rows all went by, we hold it alone.
    if (column && !batch.claimed[i] && !column->unique()) return false;
  }
  return batch.given == rows_;
}

std::vector<Place> RowPlaces::of(int64_t index) try {
  const int64_t number = index / rows_, row = index % rows_;
  std::lock_guard lock(mutex_);
  if (row_bytes_.empty()) return {};
  auto batch = std::ranges::find(open_, number, &Batch::number);
  if (batch == open_.end()) {
    if (row != 0) return {};
    std::erase_if(open_, [&](const Batch& old) { return is_done(old); });
    Batch made{number, 0, {}, std::vector<bool>(row_bytes_.size())};
    for (size_t bytes : row_bytes_) {
      made.columns.push_back(bytes ? Buffer::allocate(bytes * static_cast<size_t>(rows_)) : Ref<Buffer>());
    }
    batch = open_.insert(open_.end(), std::move(made));
  }
  std::vector<Place> places(row_bytes_.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const Ref<Buffer>& column = batch->columns[i];
    if (!column) continue;
    places[i] = {column, static_cast<char*>(column->data()) + static_cast<size_t>(row) * row_bytes_[i], row_bytes_[i]};
  }
  ++batch->given;
  if (is_done(*batch)) open_.erase(batch);
  return places;
} catch (const std::bad_alloc&) {
  return {};  // the rows find places of their own, or fail there
}

bool RowPlaces::claim(const Buffer* buffer) {
  std::lock_guard lock(mutex_);
  for (auto batch = open_.begin(); batch != open_.end(); ++batch) {
    for (size_t i = 0; i < batch->columns.size(); ++i) {
      if (batch->columns[i].get() != buffer || batch->claimed[i]) continue;
      batch->claimed[i] = true;
      if (is_done(*batch)) open_.erase(batch);
      return true;
    }
  }
  return false;
}

}  // namespace millstream
