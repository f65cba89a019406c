// A table from keys to values, TensorFlow's hash tables. Read by many threads at once, changed by one at a time.
#pragma once

#include <cstring>
#include <functional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "memory/objects.h"

namespace millstream {

class LookupTable final : public Object {
 public:
  LookupTable(DType key, DType value, int value_rank, const int64_t* value_dims, bool filled_once);

  const DType key_type, value_type;
  const bool filled_once;  // TensorFlow's HashTable: its content comes once, whole
  int rank = 0;            // of each value
  int64_t dims[max_rank] = {};

  // Keys nobody may use, and what they are called; before the first use.
  void reserve(const Tensor& key, const char* name);
  // Values of keys, or the defaults: one value, or one for each key. `out` has its sizes.
  Status find(const Tensor& keys, const Tensor& defaults, Tensor& out) const;
  // Adds or replaces; with `clear` all that was there goes first. A table filled once takes equal values for a key only.
  Status insert(const Tensor& keys, const Tensor& values, bool clear);
  Status remove(const Tensor& keys);
  int64_t size() const;
  // Keys and values in the order in which they came.
  Status take_all(Tensor& keys, Tensor& values) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const {
      if (text.size() != sizeof(uint64_t)) return std::hash<std::string_view>()(text);
      uint64_t bits;  // a number: mixed so that its high bits reach the low ones
      std::memcpy(&bits, text.data(), sizeof bits);
      bits *= 0x9e3779b97f4a7c15u;
      return static_cast<size_t>(bits ^ (bits >> 32));
    }
  };
  using Index = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;

  Status check_key(std::string_view key) const;
  int64_t width() const;  // elements of a value
  void put(int64_t place, const Tensor& values, int64_t row);
  bool same(int64_t place, const Tensor& values, int64_t row) const;
  void pack();

  mutable std::shared_mutex mutex_;
  Index index_;                           // to places
  std::vector<const std::string*> keys_;  // by place; nullptr where removed
  std::string numbers_;                   // by place, where values are numbers
  std::vector<std::string> texts_;        // by place, where they are strings
  std::vector<std::pair<std::string, const char*>> reserved_;
  bool filled_ = false;
};

}  // namespace millstream
