// Elements joined along a new first axis. Their bytes go straight to where they stay.
#include <algorithm>
#include <cstring>

#include "data/reader.h"
#include "memory/objects.h"

namespace millstream {
namespace {

std::string brackets(const Tensor& tensor) {
  std::string text = "[";
  for (int axis = 0; axis < tensor.rank; ++axis) text += (axis ? "," : "") + std::to_string(tensor.dims[axis]);
  return text + "]";
}

// One component of the batch that is being made. Strings are kept until all are there.
class Column {
 public:
  void begin(const Tensor& first, int64_t capacity) {
    result_ = Tensor();
    result_.dtype = first.dtype;
    result_.rank = first.rank + 1;
    std::copy(first.dims, first.dims + first.rank, result_.dims + 1);
    row_bytes_ = first.bytes();
    is_text_ = first.dtype == DType::string;
    rows_ = 0;
    capacity_ = 0;
    if (!is_text_) reserve(capacity);
  }

  bool fits(const Tensor& row) const {
    return row.rank == result_.rank - 1 && std::equal(row.dims, row.dims + row.rank, result_.dims + 1) &&
           row.dtype == result_.dtype;
  }

  std::string sizes() const {
    Tensor row;
    row.rank = result_.rank - 1;
    std::copy(result_.dims + 1, result_.dims + result_.rank, row.dims);
    return brackets(row);
  }

  void add(Tensor&& row) {
    if (is_text_) {
      texts_.push_back(std::move(row));
    } else {
      if (rows_ == capacity_) reserve(2 * capacity_);
      if (row_bytes_) std::memcpy(result_.as<char>() + static_cast<size_t>(rows_) * row_bytes_, row.data, row_bytes_);
    }
    ++rows_;
  }

  Tensor finish() {
    result_.dims[0] = rows_;
    if (is_text_) join_texts();
    return std::move(result_);
  }

 private:
  void reserve(int64_t rows) {
    Ref<Buffer> larger = Buffer::allocate(std::max<size_t>(static_cast<size_t>(rows) * row_bytes_, 1));
    if (rows_ && row_bytes_) std::memcpy(larger->data(), result_.data, static_cast<size_t>(rows_) * row_bytes_);
    result_.buffer = std::move(larger);
    result_.data = result_.buffer->data();
    capacity_ = rows;
  }

  void join_texts() {
    int64_t total = 0, count = 0;
    for (const Tensor& text : texts_) {
      const int64_t inner = text.count();
      total += text.as<const int64_t>()[inner] - text.as<const int64_t>()[0];
      count += inner;
    }
    result_.buffer = Buffer::allocate(static_cast<size_t>((count + 1) * 8 + total));
    result_.data = result_.buffer->data();
    auto* ends = result_.as<int64_t>();
    char* const bytes = reinterpret_cast<char*>(ends + count + 1);
    int64_t at = 0;
    *ends = 0;
    for (const Tensor& text : texts_) {
      const auto* given = text.as<const int64_t>();
      const int64_t inner = text.count(), size = given[inner] - given[0];
      std::memcpy(bytes + at, reinterpret_cast<const char*>(given + inner + 1) + given[0], static_cast<size_t>(size));
      for (int64_t i = 1; i <= inner; ++i) *++ends = at + given[i] - given[0];
      at += size;
    }
    texts_.clear();
  }

  Tensor result_;
  std::vector<Tensor> texts_;
  size_t row_bytes_ = 0;
  int64_t rows_ = 0, capacity_ = 0;
  bool is_text_ = false;
};

class Batches final : public Reader {
 public:
  Batches(ReaderRef before, int64_t size, bool drop, std::string stage)
      : before_(std::move(before)), size_(size), drop_(drop), stage_(std::move(stage)) {}

  Found next(Element& out, Failure& failure) override {
    int64_t rows = 0;
    Element row;
    bool fits = true;
    std::string wrong;
    for (; rows < size_; ++rows) {
      const Found found = before_->next(row, failure);
      if (found == Found::failure) return found;
      if (found == Found::end) break;
      if (rows == 0) begin(row);
      for (size_t i = 0; fits && i < row.size(); ++i) {
        fits = columns_[i].fits(row[i]);
        if (fits) {
          columns_[i].add(std::move(row[i]));
          continue;
        }
        wrong = "Cannot batch tensors with different shapes in component " + std::to_string(i) +
                ". First element had shape " + columns_[i].sizes() + " and element " + std::to_string(rows) +
                " had shape " + brackets(row[i]) + ".";
      }
    }
    const bool whole = rows == size_;
    out.clear();
    for (Column& column : columns_) out.push_back(column.finish());
    if (rows == 0 || (drop_ && !whole)) return Found::end;
    expected_ = rows;
    const int64_t index = index_++;
    if (fits) return Found::element;
    failure = failure_of(invalid(std::move(wrong)));
    failure.stage = stage_;
    failure.index = index;
    return Found::failure;
  }

  void save(Marks& marks) override { marks.put(index_); }
  bool restore(Marks& marks) override { return marks.take(index_); }

 private:
  // A batch may be asked for that is larger than memory: the first one grows with what comes.
  void begin(const Element& row) {
    constexpr int64_t first_rows = 64;
    columns_.resize(row.size());
    const int64_t rows = std::min(size_, std::max(expected_, first_rows));
    for (size_t i = 0; i < row.size(); ++i) columns_[i].begin(row[i], rows);
  }

  ReaderRef before_;
  int64_t size_;
  bool drop_;
  std::string stage_;
  std::vector<Column> columns_;
  int64_t expected_ = 0, index_ = 0;
};

}  // namespace

ReaderRef read_batches(ReaderRef before, int64_t size, bool drop, std::string stage) {
  return std::make_shared<Batches>(std::move(before), size, drop, std::move(stage));
}

}  // namespace millstream
