// Places in one batch for the components of elements that are made one by one, so that to join them moves no bytes.
#pragma once

#include <deque>

#include "data/reader.h"
#include "program/executor.h"

namespace millstream {

// Shared by what makes batches of `rows` rows and what makes the rows, in order. Places are given once a batch was there.
class RowPlaces {
 public:
  explicit RowPlaces(int64_t rows) : rows_(rows) {}

  // What each component of a row takes, said once; small ones are rather copied.
  void learn(std::vector<size_t> row_bytes);
  // The places of element `index`, the first being 0; none where it is no row of a batch that began with a place.
  std::vector<Place> of(int64_t index);
  // Whether `buffer` was made for a batch that nobody began: it is then the caller's.
  bool claim(const Buffer* buffer);

 private:
  struct Batch {
    int64_t number;
    int64_t given = 0;  // rows
    std::vector<Ref<Buffer>> columns;
    std::vector<bool> claimed;
  };

  bool is_done(const Batch& batch) const;

  const int64_t rows_;
  std::mutex mutex_;
  std::vector<size_t> row_bytes_;  // 0: too small
  std::deque<Batch> open_;
};

}  // namespace millstream
