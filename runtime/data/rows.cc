// Rows of tensors along their first axis, and elements that are such rows.
#include <cstring>

#include "data/reader.h"
#include "memory/objects.h"

namespace millstream {

Tensor row_of(const Tensor& tensor, int64_t index) {
  Tensor row;
  row.dtype = tensor.dtype;
  row.rank = tensor.rank - 1;
  std::copy(tensor.dims + 1, tensor.dims + tensor.rank, row.dims);
  if (tensor.dtype != DType::string) {
    row.buffer = tensor.buffer;
    row.data = tensor.as<char>() + row.bytes() * static_cast<size_t>(index);
    return row;
  }
  const int64_t count = row.count(), first = index * count;
  const int64_t* ends = tensor.as<int64_t>();
  const char* text = reinterpret_cast<const char*>(ends + tensor.count() + 1);
  const int64_t begin = ends[first], size = ends[first + count] - begin;
  row.buffer = Buffer::allocate(static_cast<size_t>((count + 1) * 8 + size));
  row.data = row.buffer->data();
  for (int64_t i = 0; i <= count; ++i) row.as<int64_t>()[i] = ends[first + i] - begin;
  std::memcpy(row.as<int64_t>() + count + 1, text + begin, static_cast<size_t>(size));
  return row;
}

namespace {

class Unbatched final : public Reader {
 public:
  Unbatched(ReaderRef before, std::string stage) : before_(std::move(before)), stage_(std::move(stage)) {}

  Found next(Element& out, Failure& failure) override {
    while (at_ >= count_) {
      Element element;
      const Found found = before_->next(element, failure);
      if (found != Found::element) return found;
      ++index_;
      if (!begin(std::move(element), failure)) return Found::failure;
      if (interrupted(failure)) return Found::failure;
    }
    out.clear();
    for (const Tensor& tensor : element_) out.push_back(row_of(tensor, at_));
    if (++at_ == count_) element_.clear();
    return Found::element;
  }

  void save(Marks& marks) override {
    marks.put(index_);
    marks.put(at_ < count_);
    if (at_ >= count_) return;
    marks.put(at_);
    marks.put(element_);
  }

  bool restore(Marks& marks) override {
    int64_t held = 0, at = 0;
    at_ = count_ = 0;
    element_.clear();
    if (!marks.take(index_) || !marks.take(held)) return false;
    if (!held) return true;
    Element element;
    Failure failure;
    if (!marks.take(at) || !marks.take(element) || !begin(std::move(element), failure) || at < 0 || at >= count_) {
      at_ = count_ = 0;
      return false;
    }
    at_ = at;
    return true;
  }

 private:
  bool begin(Element&& element, Failure& failure) {
    std::string wrong = element.empty() ? "there are no components" : "";
    for (const Tensor& tensor : element) {
      if (!wrong.empty()) continue;
      if (tensor.rank == 0) {
        wrong = "Input element must have a non-scalar value in each component.";
      } else if (tensor.dims[0] != element[0].dims[0]) {
        wrong = "Input element must have the same batch size in each component; got " +
                std::to_string(element[0].dims[0]) + " and " + std::to_string(tensor.dims[0]) + ".";
      }
    }
    if (!wrong.empty()) {
      failure = failure_of(invalid(std::move(wrong)));
      failure.stage = stage_;
      failure.index = index_;
      return false;
    }
    for (Tensor& tensor : element) tensor = owned(tensor);
    element_ = std::move(element);
    at_ = 0;
    count_ = element_[0].dims[0];
    if (count_ == 0) element_.clear();
    return true;
  }

  ReaderRef before_;
  std::string stage_;
  Element element_;
  int64_t at_ = 0, count_ = 0, index_ = -1;
};

}  // namespace

ReaderRef read_unbatched(ReaderRef before, std::string stage) {
  return std::make_shared<Unbatched>(std::move(before), std::move(stage));
}

}  // namespace millstream
