// Elements out of memory: numbers of a range, rows of tensors.
#include <cstring>

#include "data/reader.h"
#include "memory/objects.h"

namespace millstream {
namespace {

class Counted : public Reader {
 public:
  explicit Counted(int64_t count) : count_(count) {}
  Found next(Element& out, Failure&) override {
    if (at_ >= count_) return Found::end;
    make(at_++, out);
    return Found::element;
  }
  void save(Marks& marks) override { marks.put(at_); }
  bool restore(Marks& marks) override { return marks.take(at_); }

 protected:
  virtual void make(int64_t index, Element& out) = 0;

 private:
  int64_t at_ = 0, count_;
};

class Range final : public Counted {
 public:
  Range(DType dtype, int64_t start, int64_t step, int64_t count)
      : Counted(count), dtype_(dtype), start_(start), step_(step) {}

 protected:
  void make(int64_t index, Element& out) override {
    const int64_t number = start_ + index * step_;
    out.assign(1, {});
    Tensor& tensor = out[0];
    tensor.dtype = dtype_;
    allocate_data(tensor);
    switch (dtype_) {
      case DType::float64:
        *tensor.as<double>() = static_cast<double>(number);
        return;
      case DType::float32:
        *tensor.as<float>() = static_cast<float>(number);
        return;
      default:  // whole numbers, lowest byte first
        std::memcpy(tensor.data, &number, element_bytes(dtype_));
    }
  }

 private:
  DType dtype_;
  int64_t start_, step_;
};

class Rows final : public Counted {
 public:
  Rows(std::vector<Tensor> columns, int64_t count) : Counted(count), columns_(std::move(columns)) {
    for (Tensor& column : columns_) column = owned(column);
  }

 protected:
  void make(int64_t index, Element& out) override {
    out.clear();
    for (const Tensor& column : columns_) out.push_back(row_of(column, index));
  }

 private:
  std::vector<Tensor> columns_;
};

}  // namespace

ReaderRef read_range(DType dtype, int64_t start, int64_t step, int64_t count) {
  return std::make_shared<Range>(dtype, start, step, count);
}

ReaderRef read_rows(std::vector<Tensor> columns, int64_t count) {
  return std::make_shared<Rows>(std::move(columns), count);
}

}  // namespace millstream
