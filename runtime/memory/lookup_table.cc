// Hash tables of strings or plain bytes. Refuses reserved keys, and second values in a table that is filled once.
#include "memory/lookup_table.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "threads/pool.h"

namespace millstream {
namespace {

constexpr int64_t keys_at_once = 2048;  // worth a thread

std::string_view text_at(const Tensor& tensor, int64_t i) {
  const auto* offsets = tensor.as<const int64_t>();
  const char* bytes = reinterpret_cast<const char*>(offsets + tensor.count() + 1);
  return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
}

// The bytes that stand for an element: -0 and 0 are one key.
std::string_view key_at(const Tensor& keys, int64_t i, int64_t& scratch) {
  if (keys.dtype == DType::string) return text_at(keys, i);
  const size_t bytes = element_bytes(keys.dtype);
  scratch = 0;
  std::memcpy(&scratch, keys.as<const char>() + static_cast<size_t>(i) * bytes, bytes);
  if (keys.dtype == DType::float32 && scratch == int64_t{0x80000000}) scratch = 0;
  if (keys.dtype == DType::float64 && scratch == INT64_MIN) scratch = 0;
  return {reinterpret_cast<const char*>(&scratch), bytes};
}

void give_texts(Tensor& out, const std::vector<std::string_view>& texts) {
  size_t total = 0;
  for (const std::string_view text : texts) total += text.size();
  const size_t header = (texts.size() + 1) * sizeof(int64_t);
  auto buffer = Buffer::allocate(header + total);
  auto* offsets = static_cast<int64_t*>(buffer->data());
  char* bytes = static_cast<char*>(buffer->data()) + header;
  offsets[0] = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].empty()) std::memcpy(bytes + offsets[i], texts[i].data(), texts[i].size());
    offsets[i + 1] = offsets[i] + static_cast<int64_t>(texts[i].size());
  }
  out.data = buffer->data();
  out.buffer = std::move(buffer);
}

}  // namespace

LookupTable::LookupTable(DType key, DType value, int value_rank, const int64_t* value_dims, bool once)
    : Object(ObjectKind::table), key_type(key), value_type(value), filled_once(once), rank(value_rank) {
  std::copy_n(value_dims, value_rank, dims);
}

void LookupTable::reserve(const Tensor& key, const char* name) {
  int64_t scratch;
  reserved_.emplace_back(std::string(key_at(key, 0, scratch)), name);
}

Status LookupTable::check_key(std::string_view key) const {
  for (const auto& [reserved, name] : reserved_) {
    if (key == reserved) return invalid(std::string("Using the ") + name + " as a table key is not allowed");
  }
  return Status();
}

int64_t LookupTable::width() const {
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) count *= dims[i];
  return count;
}

Status LookupTable::find(const Tensor& keys, const Tensor& defaults, Tensor& out) const {
  std::shared_lock lock(mutex_);
  if (filled_once && !filled_) return Status(Code::failed_precondition, "Table not initialized.");
  const int64_t count = keys.count(), each = width();
  if (out.count() != count * each) return Status(Code::internal, "A table's values do not fit their tensor.");
  const bool one_default = defaults.count() == each;
  if (!one_default && defaults.count() != count * each)
    return invalid("The default value has " + std::to_string(defaults.count()) + " elements; give one value of " +
                   std::to_string(each) + ", or one for each of the " + std::to_string(count) + " keys.");
  const size_t bytes = static_cast<size_t>(each) * element_bytes(value_type);
  std::vector<std::string_view> texts(value_type == DType::string ? static_cast<size_t>(count * each) : 0);
  std::atomic<bool> refused{false};
  parallel_for(count, keys_at_once, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t scratch;
      const std::string_view key = key_at(keys, i, scratch);
      if (!reserved_.empty() && !check_key(key).ok()) refused = true;
      const auto found = index_.find(key);
      const int64_t default_row = one_default ? 0 : i;
      for (int64_t j = 0; j < each && value_type == DType::string; ++j) {
        texts[static_cast<size_t>(i * each + j)] =
            found != index_.end() ? std::string_view(texts_[static_cast<size_t>(found->second * each + j)])
                                  : text_at(defaults, default_row * each + j);
      }
      if (!bytes) continue;
      const char* from = found != index_.end() ? numbers_.data() + static_cast<size_t>(found->second) * bytes
                                               : defaults.as<const char>() + static_cast<size_t>(default_row) * bytes;
      std::memcpy(out.as<char>() + static_cast<size_t>(i) * bytes, from, bytes);
    }
  });
  for (int64_t i = 0; i < count && refused; ++i) {
    int64_t scratch;
    MS_RETURN_IF_ERROR(check_key(key_at(keys, i, scratch)));
  }
  if (value_type == DType::string) give_texts(out, texts);
  return Status();
}

void LookupTable::put(int64_t place, const Tensor& values, int64_t row) {
  const int64_t each = width();
  if (value_type == DType::string) {
    const auto needed = static_cast<size_t>((place + 1) * each);
    if (texts_.size() < needed) texts_.resize(needed);
    for (int64_t j = 0; j < each; ++j) texts_[static_cast<size_t>(place * each + j)] = text_at(values, row * each + j);
    return;
  }
  const size_t bytes = static_cast<size_t>(each) * element_bytes(value_type), at = static_cast<size_t>(place) * bytes;
  if (numbers_.size() < at + bytes) numbers_.resize(at + bytes);
  if (bytes) std::memcpy(numbers_.data() + at, values.as<const char>() + static_cast<size_t>(row) * bytes, bytes);
}

bool LookupTable::same(int64_t place, const Tensor& values, int64_t row) const {
  const int64_t each = width();
  if (value_type == DType::string) {
    for (int64_t j = 0; j < each; ++j) {
      if (texts_[static_cast<size_t>(place * each + j)] != text_at(values, row * each + j)) return false;
    }
    return true;
  }
  const size_t bytes = static_cast<size_t>(each) * element_bytes(value_type);
  return !bytes || std::memcmp(numbers_.data() + static_cast<size_t>(place) * bytes,
                               values.as<const char>() + static_cast<size_t>(row) * bytes, bytes) == 0;
}

Status LookupTable::insert(const Tensor& keys, const Tensor& values, bool clear) {
  std::unique_lock lock(mutex_);
  if (values.count() != keys.count() * width())
    return invalid("Expected " + std::to_string(keys.count() * width()) + " elements of values for " +
                   std::to_string(keys.count()) + " keys, given are " + std::to_string(values.count()) + ".");
  if (filled_once && filled_) return Status(Code::failed_precondition, "Table already initialized.");
  if (clear) {
    index_.clear();
    keys_.clear();
    numbers_.clear();
    texts_.clear();
  }
  for (int64_t i = 0; i < keys.count(); ++i) {
    int64_t scratch;
    const std::string_view key = key_at(keys, i, scratch);
    MS_RETURN_IF_ERROR(check_key(key));
    const auto found = index_.find(key);
    if (found != index_.end()) {
      if (filled_once && !same(found->second, values, i)) {
        index_.clear();
        keys_.clear();
        return Status(Code::failed_precondition, "HashTable has different value for same key; give each key once.");
      }
      put(found->second, values, i);
      continue;
    }
    const auto place = static_cast<int64_t>(keys_.size());
    const auto added = index_.emplace(std::string(key), place).first;
    keys_.push_back(&added->first);
    put(place, values, i);
  }
  filled_ = true;
  return Status();
}

Status LookupTable::remove(const Tensor& keys) {
  std::unique_lock lock(mutex_);
  for (int64_t i = 0; i < keys.count(); ++i) {
    int64_t scratch;
    const std::string_view key = key_at(keys, i, scratch);
    MS_RETURN_IF_ERROR(check_key(key));
    const auto found = index_.find(key);
    if (found == index_.end()) continue;
    keys_[static_cast<size_t>(found->second)] = nullptr;
    index_.erase(found);
  }
  if (keys_.size() > 16 && keys_.size() > 2 * index_.size()) pack();
  return Status();
}

// Closes the gaps that removing left.
void LookupTable::pack() {
  const auto each = static_cast<size_t>(width());
  const size_t bytes = each * element_bytes(value_type);
  size_t next = 0;
  for (size_t place = 0; place < keys_.size(); ++place) {
    if (!keys_[place]) continue;
    if (next != place) {
      keys_[next] = keys_[place];
      index_.find(*keys_[next])->second = static_cast<int64_t>(next);
      if (value_type == DType::string) {
        for (size_t j = 0; j < each; ++j) texts_[next * each + j] = std::move(texts_[place * each + j]);
      } else if (bytes) {
        std::memcpy(numbers_.data() + next * bytes, numbers_.data() + place * bytes, bytes);
      }
    }
    ++next;
  }
  keys_.resize(next);
  texts_.resize(value_type == DType::string ? next * each : 0);
  numbers_.resize(next * bytes);
}

int64_t LookupTable::size() const {
  std::shared_lock lock(mutex_);
  return static_cast<int64_t>(index_.size());
}

Status LookupTable::take_all(Tensor& keys, Tensor& values) const {
  std::shared_lock lock(mutex_);
  const auto each = static_cast<size_t>(width());
  const size_t bytes = each * element_bytes(value_type), key_bytes = element_bytes(key_type);
  keys.rank = 1;
  keys.dims[0] = static_cast<int64_t>(index_.size());
  values.rank = rank + 1;
  values.dims[0] = keys.dims[0];
  std::memcpy(values.dims + 1, dims, static_cast<size_t>(rank) * sizeof(int64_t));
  std::vector<std::string_view> key_texts, value_texts;
  if (key_type != DType::string) allocate_data(keys);
  if (value_type != DType::string) allocate_data(values);
  size_t next = 0;
  for (size_t place = 0; place < keys_.size(); ++place) {
    if (!keys_[place]) continue;
    if (key_type == DType::string) {
      key_texts.push_back(*keys_[place]);
    } else {
      std::memcpy(keys.as<char>() + next * key_bytes, keys_[place]->data(), key_bytes);
    }
    if (value_type == DType::string) {
      for (size_t j = 0; j < each; ++j) value_texts.push_back(texts_[place * each + j]);
    } else if (bytes) {
      std::memcpy(values.as<char>() + next * bytes, numbers_.data() + place * bytes, bytes);
    }
    ++next;
  }
  if (key_type == DType::string) give_texts(keys, key_texts);
  if (value_type == DType::string) give_texts(values, value_texts);
  return Status();
}

}  // namespace millstream
