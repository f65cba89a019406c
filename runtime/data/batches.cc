// Elements joined along a new first axis. Their bytes go straight to where they stay.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "data/columns.h"
#include "data/row_places.h"
#include "memory/objects.h"

namespace millstream {

void join_bytes(const Rows& parts, Tensor& out) {
  if (out.dtype != DType::string) {
    allocate_data(out);
    char* to = out.as<char>();
    for (const Tensor& part : parts) {
      const size_t bytes = part.bytes();
      if (bytes) std::memcpy(to, part.data, bytes);
      to += bytes;
    }
    return;
  }
  int64_t total = 0, count = 0;
  for (const Tensor& part : parts) {
    const int64_t inner = part.count();
    total += part.as<const int64_t>()[inner] - part.as<const int64_t>()[0];
    count += inner;
  }
  out.buffer = Buffer::allocate(static_cast<size_t>((count + 1) * 8 + total));
  out.data = out.buffer->data();
  auto* ends = out.as<int64_t>();
  char* const bytes = reinterpret_cast<char*>(ends + count + 1);
  int64_t at = 0;
  *ends = 0;
  for (const Tensor& part : parts) {
    const auto* given = part.as<const int64_t>();
    const int64_t inner = part.count(), size = given[inner] - given[0];
    std::memcpy(bytes + at, reinterpret_cast<const char*>(given + inner + 1) + given[0], static_cast<size_t>(size));
    for (int64_t i = 1; i <= inner; ++i) *++ends = at + given[i] - given[0];
    at += size;
  }
}

std::string too_many_axes(size_t component) {
  return "Component " + std::to_string(component) + " of a batch would have " + std::to_string(max_rank + 1) +
         " axes; tensors have at most " + std::to_string(max_rank) + ".";
}

std::string unlike_the_first(size_t component, const Tensor& first, int64_t number, const Tensor& row) {
  return "Cannot batch tensors with different shapes in component " + std::to_string(component) +
         ". First element had shape " + shape_text(first.rank, first.dims) + " and element " + std::to_string(number) +
         " had shape " + shape_text(row.rank, row.dims) + ".";
}

Status stack_rows(const Rows& rows, size_t component, Tensor& out) {
  const Tensor& first = rows[0];
  if (first.rank >= max_rank) return invalid(too_many_axes(component));
  for (size_t i = 1; i < rows.size(); ++i) {
    const Tensor& row = rows[i];
    if (row.rank != first.rank || row.dtype != first.dtype || !std::equal(row.dims, row.dims + row.rank, first.dims))
      return invalid(unlike_the_first(component, first, static_cast<int64_t>(i), row));
  }
  out.dtype = first.dtype;
  out.rank = first.rank + 1;
  out.dims[0] = static_cast<int64_t>(rows.size());
  std::copy(first.dims, first.dims + first.rank, out.dims + 1);
  join_bytes(rows, out);
  return Status();
}

Found CollectedBatches::next(Element& out, Failure& failure) {
  std::vector<Rows> columns(width_);
  int64_t rows = 0;
  Element row;
  for (; rows < size_; ++rows) {
    const Found found = before_->next(row, failure);
    if (found == Found::failure) return found;
    if (found == Found::end) break;
    for (size_t i = 0; i < width_; ++i) columns[i].push_back(std::move(row[i]));
    if (interrupted(failure)) return Found::failure;
  }
  if (rows == 0 || (drop_ && rows < size_)) return Found::end;
  const int64_t index = index_++;
  out.clear();
  for (size_t i = 0; i < width_; ++i) {
    Status status = join(columns[i], i, out);
    if (status.ok()) continue;
    failure = failure_of(std::move(status));
    failure.stage = stage_;
    failure.index = index;
    return Found::failure;
  }
  return Found::element;
}

namespace {

// One component of the batch that is being made. Strings are kept until all are there.
class Column {
 public:
  void begin(const Tensor& first, int64_t capacity, RowPlaces* places) {
    result_ = Tensor();
    result_.dtype = first.dtype;
    result_.rank = first.rank + 1;
    std::copy(first.dims, first.dims + first.rank, result_.dims + 1);
    row_bytes_ = first.bytes();
    is_text_ = first.dtype == DType::string;
    rows_ = 0;
    capacity_ = 0;
    texts_.clear();  // of a batch that was not finished
    if (is_text_) return;
    const Buffer* const held = first.buffer.get();
    if (places && held && first.data == held->data() && held->bytes() == static_cast<size_t>(capacity) * row_bytes_ &&
        places->claim(held)) {
      result_.buffer = first.buffer;
      result_.data = first.data;
      capacity_ = capacity;
    } else {
      reserve(capacity);
    }
  }

  bool fits(const Tensor& row) const {
    return row.rank == result_.rank - 1 && std::equal(row.dims, row.dims + row.rank, result_.dims + 1) &&
           row.dtype == result_.dtype;
  }

  Tensor first() const {
    Tensor row;
    row.rank = result_.rank - 1;
    std::copy(result_.dims + 1, result_.dims + result_.rank, row.dims);
    return row;
  }

  void add(Tensor&& row) {
    if (is_text_) {
      texts_.push_back(std::move(row));
    } else {
      if (rows_ == capacity_) reserve(2 * capacity_);
      char* const place = result_.as<char>() + static_cast<size_t>(rows_) * row_bytes_;
      if (row_bytes_ && row.data != place) std::memcpy(place, row.data, row_bytes_);
    }
    ++rows_;
  }

  size_t row_bytes() const { return is_text_ ? 0 : row_bytes_; }

  Tensor finish() {
    result_.dims[0] = rows_;
    if (is_text_) join_bytes(texts_, result_);
    texts_.clear();
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

  Tensor result_;
  Rows texts_;
  size_t row_bytes_ = 0;
  int64_t rows_ = 0, capacity_ = 0;
  bool is_text_ = false;
};

// The components of a batch that is being made.
class Columns {
 public:
  void begin(const Element& row, int64_t capacity, RowPlaces* places = nullptr) {
    columns_.resize(row.size());
    rows_ = 0;
    wrong_.clear();
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].rank < max_rank) {
        columns_[i].begin(row[i], capacity, places);
      } else if (wrong_.empty()) {
        wrong_ = too_many_axes(i);
      }
    }
  }

  std::vector<size_t> row_bytes() const {
    std::vector<size_t> bytes;
    for (const Column& column : columns_) bytes.push_back(column.row_bytes());
    return bytes;
  }

  // After a row that does not fit, others are not looked at.
  void add(Element& row) {
    for (size_t i = 0; wrong_.empty() && i < row.size(); ++i) {
      if (columns_[i].fits(row[i])) {
        columns_[i].add(std::move(row[i]));
        continue;
      }
      wrong_ = unlike_the_first(i, columns_[i].first(), rows_, row[i]);
    }
    ++rows_;
  }

  // False where a row did not fit.
  bool finish(Element& out, Failure& failure) {
    out.clear();
    for (Column& column : columns_) out.push_back(column.finish());
    if (wrong_.empty()) return true;
    failure = failure_of(invalid(std::move(wrong_)));
    return false;
  }

 private:
  std::vector<Column> columns_;
  std::string wrong_;
  int64_t rows_ = 0;
};

// The sizes of batches take turns.
class Batches final : public Reader {
 public:
  Batches(ReaderRef before, std::vector<int64_t> sizes, bool drop, std::string stage)
      : before_(std::move(before)), sizes_(std::move(sizes)), drop_(drop), stage_(std::move(stage)) {
    if (sizes_.size() == 1) before_->place_rows(places_ = std::make_shared<RowPlaces>(sizes_[0]));
  }

  Found next(Element& out, Failure& failure) override {
    const int64_t size = sizes_[static_cast<size_t>(turn_++) % sizes_.size()];
    int64_t rows = 0;
    Element row;
    for (; rows < size; ++rows) {
      const Found found = before_->next(row, failure);
      if (found == Found::failure) return found;
      if (found == Found::end) break;
      // A batch may be asked for that is larger than memory: the first one grows with what comes.
      constexpr int64_t first_rows = 64;
      if (rows == 0) columns_.begin(row, std::min(size, std::max(expected_, first_rows)), places_.get());
      columns_.add(row);
      if (rows == 0 && places_ && expected_ == 0 && bytes_of_batch(size) <= surely_there)
        places_->learn(columns_.row_bytes());
      if (interrupted(failure)) return Found::failure;
    }
    if (rows == 0) return Found::end;
    const bool good = columns_.finish(out, failure);
    if (drop_ && rows < size) return Found::end;
    if (places_ && good && expected_ == 0 && rows == size)
      places_->learn(columns_.row_bytes());  // a batch fits in memory
    expected_ = rows;
    const int64_t index = index_++;
    if (good) return Found::element;
    failure.stage = stage_;
    failure.index = index;
    return Found::failure;
  }

  void save(Marks& marks) override {
    marks.put(index_);
    marks.put(turn_);
  }
  bool restore(Marks& marks) override { return marks.take(index_) && marks.take(turn_) && turn_ >= 0; }

 private:
  static constexpr double surely_there = 64 << 20;  // bytes that a first batch may take before one was seen to fit

  double bytes_of_batch(int64_t rows) const {
    double bytes = 0;
    for (size_t row : columns_.row_bytes()) bytes += static_cast<double>(row) * static_cast<double>(rows);
    return bytes;
  }

  ReaderRef before_;
  std::vector<int64_t> sizes_;
  bool drop_;
  std::string stage_;
  Columns columns_;
  RowPlacesRef places_;
  int64_t expected_ = 0, index_ = 0, turn_ = 0;
};

// The rows of a batch one after the other, behind their number.
class Groups final : public Reader {
 public:
  Groups(ReaderRef before, int64_t size, bool drop) : before_(std::move(before)), size_(size), drop_(drop) {}

  Found next(Element& out, Failure& failure) override {
    out.assign(1, {});
    out[0].dtype = DType::int64;
    allocate_data(out[0]);
    Element row;
    int64_t rows = 0;
    for (; rows < size_; ++rows) {
      const Found found = before_->next(row, failure);
      if (found == Found::failure) return found;
      if (found == Found::end) break;
      std::move(row.begin(), row.end(), std::back_inserter(out));
      if (interrupted(failure)) return Found::failure;
    }
    *out[0].as<int64_t>() = rows;
    return rows == 0 || (drop_ && rows < size_) ? Found::end : Found::element;
  }
  void save(Marks&) override {}
  bool restore(Marks&) override { return true; }

 private:
  ReaderRef before_;
  int64_t size_;
  bool drop_;
};

class Joining final : public MappedFunction {
 public:
  Joining() { of_user = false; }
  bool call(const Element& in, Element& out, Failure& failure, std::span<const Place>) override {
    try {
      return join(in, out, failure);
    } catch (const std::bad_alloc&) {
      failure = failure_of(exhausted());
      return false;
    }
  }

 private:
  static bool join(const Element& in, Element& out, Failure& failure) {
    const auto rows = static_cast<size_t>(*in[0].as<const int64_t>()), width = (in.size() - 1) / rows;
    out.clear();
    for (size_t i = 0; i < width; ++i) {
      Rows column;
      for (size_t row = 0; row < rows; ++row) column.push_back(in[1 + row * width + i]);
      Status status = stack_rows(column, i, out.emplace_back());
      if (status.ok()) continue;
      failure = failure_of(std::move(status));
      return false;
    }
    return true;
  }
};

}  // namespace

ReaderRef read_batches(ReaderRef before, std::vector<int64_t> sizes, bool drop, std::string stage) {
  return std::make_shared<Batches>(std::move(before), std::move(sizes), drop, std::move(stage));
}

ReaderRef read_groups(ReaderRef before, int64_t size, bool drop) {
  return std::make_shared<Groups>(std::move(before), size, drop);
}

FunctionRef joining() { return std::make_shared<Joining>(); }

}  // namespace millstream
