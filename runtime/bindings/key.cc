// Keys of input types and sizes, and the bounded table they lead into.
#include "bindings/python.h"

#include <algorithm>

#include "memory/lookup_table.h"

namespace millstream::python {

namespace {

constexpr int64_t largest_value_count = 256;  // the compiler takes the content of larger tensors for unknown

void free_entry(Entry* entry) {
  Py_XDECREF(entry->held);
  Py_XDECREF(reinterpret_cast<PyObject*>(entry->plan));
  Py_XDECREF(entry->captures);
  delete entry;
}

}  // namespace

void Key::spill(int64_t word) {
  if (more_.empty()) more_.assign(words_, words_ + count_);
  more_.push_back(word);
  ++count_;
}

void Key::add_tensor(const Tensor& tensor) {
  add(static_cast<int64_t>(tensor.dtype) | static_cast<int64_t>(tensor.rank) << 8);
  for (int i = 0; i < tensor.rank; ++i) add(tensor.dims[i]);
  if (!tensor.object) return;
  if (State* state = object_as<State>(tensor, ObjectKind::state)) {
    std::lock_guard lock(state->mutex);
    bool open = state->rank < 0;
    add(static_cast<int64_t>(state->dtype) | static_cast<int64_t>(state->rank) << 8);
    for (int i = 0; i < state->rank; ++i) {
      add(state->dims[i]);
      open |= state->dims[i] < 0;
    }
    if (!open) return;
    add(state->is_set);
    if (!state->is_set) return;
    add(state->value.rank);
    for (int i = 0; i < state->value.rank; ++i) add(state->value.dims[i]);
  } else if (List* list = object_as<List>(tensor, ObjectKind::list)) {
    add(static_cast<int64_t>(list->dtype) | static_cast<int64_t>(list->rank) << 8);
    for (int i = 0; i < list->rank; ++i) add(list->dims[i]);
  } else if (LookupTable* table = object_as<LookupTable>(tensor, ObjectKind::table)) {
    add(static_cast<int64_t>(table->value_type) | static_cast<int64_t>(table->rank) << 8);
    for (int i = 0; i < table->rank; ++i) add(table->dims[i]);
  }
}

void Key::add_value(const Tensor& tensor) {
  if (tensor.object || tensor.count() > largest_value_count) return;
  const size_t bytes = held_bytes(tensor);
  const char* data = static_cast<const char*>(tensor.data);
  for (size_t at = 0; at < bytes; at += 8) {
    int64_t word = 0;
    std::memcpy(&word, data + at, bytes - at < 8 ? bytes - at : 8);
    add(word);
  }
}

void Table::add(Entry* entry) {
  if (size_ >= most_) drop_oldest();
  if (size_ >= buckets_.size()) {
    buckets_.assign(buckets_.size() * 2, nullptr);
    for (Entry* old = oldest_; old; old = old->newer) link(old);
  }
  link(entry);
  entry->newer = nullptr;
  if (newest_) newest_->newer = entry;
  newest_ = entry;
  if (!oldest_) oldest_ = entry;
  ++size_;
}

void Table::drop_oldest() {
  Entry* entry = oldest_;
  Entry** place = &buckets_[entry->hash & (buckets_.size() - 1)];
  while (*place != entry) place = &(*place)->next;
  *place = entry->next;
  oldest_ = entry->newer;
  if (!oldest_) newest_ = nullptr;
  --size_;
  free_entry(entry);
}

void Table::clear() {
  Entry* entry = oldest_;
  oldest_ = newest_ = nullptr;
  size_ = 0;
  std::fill(buckets_.begin(), buckets_.end(), nullptr);
  while (entry) {
    Entry* next = entry->newer;
    free_entry(entry);
    entry = next;
  }
}

}  // namespace millstream::python
