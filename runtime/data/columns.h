// Batches whose rows are collected before they are joined, component by component.
#pragma once

#include "data/reader.h"

namespace millstream {

using Rows = std::vector<Tensor>;

// The bytes of tensors one behind the other, as those of `out`, whose element type and sizes are set.
void join_bytes(const Rows& parts, Tensor& out);
// Tensors of one shape along a new first axis.
Status stack_rows(const Rows& rows, size_t component, Tensor& out);
std::string too_many_axes(size_t component);
std::string unlike_the_first(size_t component, const Tensor& first, int64_t number, const Tensor& row);

class CollectedBatches : public Reader {
 public:
  CollectedBatches(ReaderRef before, size_t width, int64_t size, bool drop, std::string stage)
      : before_(std::move(before)), width_(width), size_(size), drop_(drop), stage_(std::move(stage)) {}
  Found next(Element& out, Failure& failure) final;
  void save(Marks& marks) final { marks.put(index_); }
  bool restore(Marks& marks) final { return marks.take(index_); }

 protected:
  // Puts what the rows of a component make behind those of `out`.
  virtual Status join(Rows& rows, size_t component, Element& out) const = 0;

 private:
  ReaderRef before_;
  size_t width_;
  int64_t size_;
  bool drop_;
  std::string stage_;
  int64_t index_ = 0;
};

}  // namespace millstream
