// Elements in files of ours, read and written. Damaged and foreign files, and elements of other types, are DATA_LOSS.
//
// A file begins with `MSDATA1` and a newline, then come elements. An element is its number of bytes (u64), then each tensor:
// element type (u32), rank (u32), sizes (i64 each), and its bytes; of strings the number of bytes (u64) and the bytes of each.
#include <cstring>

#include "data/window.h"
#include "memory/objects.h"

namespace millstream {
namespace {

constexpr std::string_view magic = "MSDATA1\n";

template <typename T>
void append(std::string& to, T number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// Takes numbers and bytes off the front, and says no where there are too few.
class Rest {
 public:
  explicit Rest(std::string_view data) : data_(data) {}
  bool empty() const { return data_.empty(); }
  uint64_t size() const { return data_.size(); }

  template <typename T>
  bool take(T& number) {
    if (data_.size() < sizeof number) return false;
    std::memcpy(&number, data_.data(), sizeof number);
    data_.remove_prefix(sizeof number);
    return true;
  }
  bool take(std::string_view& bytes, uint64_t count) {
    if (count > data_.size()) return false;
    bytes = data_.substr(0, count);
    data_.remove_prefix(count);
    return true;
  }

 private:
  std::string_view data_;
};

bool take_texts(Rest& rest, int64_t count, Tensor& out) {
  std::vector<std::string_view> texts;
  uint64_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t size = 0;
    if (!rest.take(size) || !rest.take(texts.emplace_back(), size)) return false;
    total += size;
  }
  out.buffer = Buffer::allocate(static_cast<size_t>(count + 1) * sizeof(int64_t) + total);
  out.data = out.buffer->data();
  auto* ends = out.as<int64_t>();
  char* to = reinterpret_cast<char*>(ends + count + 1);
  int64_t at = 0;
  *ends = 0;
  for (const std::string_view text : texts) {
    std::memcpy(to + at, text.data(), text.size());
    *++ends = at += static_cast<int64_t>(text.size());
  }
  return true;
}

bool take_tensor(Rest& rest, Tensor& out) {
  uint32_t type = 0, rank = 0;
  if (!rest.take(type) || !rest.take(rank) || rank > static_cast<uint32_t>(max_rank)) return false;
  out.dtype = static_cast<DType>(type);
  out.rank = static_cast<int32_t>(rank);
  const size_t width = element_bytes(out.dtype);
  if (width == 0 && out.dtype != DType::string) return false;
  int64_t bytes = static_cast<int64_t>(width ? width : sizeof(uint64_t));  // of a string, at least its number of bytes
  bool is_empty = false, fits = true;
  for (int axis = 0; axis < out.rank; ++axis) {
    int64_t& size = out.dims[axis];
    if (!rest.take(size) || size < 0) return false;
    is_empty |= size == 0;
    if (size) fits &= !__builtin_mul_overflow(bytes, size, &bytes);
  }
  if (!fits || (!is_empty && static_cast<uint64_t>(bytes) > rest.size())) return false;
  if (out.dtype == DType::string) return take_texts(rest, out.count(), out);
  std::string_view data;
  if (!rest.take(data, out.bytes())) return false;
  allocate_data(out);
  if (!data.empty()) std::memcpy(out.data, data.data(), data.size());
  return true;
}

class ElementFiles final : public FileRecords {
 public:
  ElementFiles(ReaderRef names, OpenFile open, std::vector<DType> types, std::string stage)
      : FileRecords(std::move(names), std::move(open), std::move(stage)), types_(std::move(types)) {}

 protected:
  void begin_file() override { begun_ = false; }

  Found record(Window& window, Element& out, Failure& failure, bool& goes_on) override {
    goes_on = false;
    if (!begun_) {
      if (!window.fill(magic.size(), failure)) return Found::failure;
      if (window.size() < magic.size() || std::string_view(window.data(), magic.size()) != magic)
        return damaged(failure, " is not a file of elements that Millstream wrote.");
      window.drop(magic.size());
      begun_ = true;
    }
    uint64_t size = 0;
    if (!window.fill(sizeof size, failure)) return Found::failure;
    if (window.size() == 0) return Found::end;
    if (window.size() < sizeof size) return damaged(failure, " ends inside of an element.");
    std::memcpy(&size, window.data(), sizeof size);
    window.drop(sizeof size);
    if (!window.fill(size, failure)) return Found::failure;
    if (window.size() < size) return damaged(failure, " ends inside of an element.");
    const bool good = unpack({window.data(), size}, out);
    window.drop(size);
    if (!good) return damaged(failure, ": an element is damaged.");
    if (!fits(out)) return damaged(failure, " holds elements of other types than this dataset's.");
    return Found::element;
  }

 private:
  Found damaged(Failure& failure, const std::string& how) {
    failure = failure_of(Status(Code::data_loss, path() + how));
    return Found::failure;
  }

  bool fits(const Element& element) const {
    bool good = element.size() == types_.size();
    for (size_t i = 0; good && i < types_.size(); ++i) good = element[i].dtype == types_[i];
    return good;
  }

  std::vector<DType> types_;
  bool begun_ = false;
};

// Passes elements on, and gives what a file is to hold of them to the host, block by block.
class Written final : public Reader {
 public:
  Written(ReaderRef before, WriteElements write) : before_(std::move(before)), write_(std::move(write)) {}

  Found next(Element& out, Failure& failure) override {
    constexpr size_t block_bytes = 256 << 10;
    const Found found = before_->next(out, failure);
    if (found == Found::failure || !writes_) return found;
    if (found == Found::element) {
      const size_t place = data_.size();
      append(data_, uint64_t{0});
      pack(out, data_);
      const uint64_t size = data_.size() - place - sizeof size;
      std::memcpy(data_.data() + place, &size, sizeof size);
      if (data_.size() < block_bytes) return found;
    }
    writes_ = found == Found::element;
    const bool good = write_(data_, !writes_, failure);
    data_.clear();
    if (good) return found;
    writes_ = false;
    return Found::failure;
  }

  void save(Marks&) override {}
  // What came before is not here to be written.
  bool restore(Marks&) override {
    writes_ = false;
    data_.clear();
    return true;
  }

 private:
  ReaderRef before_;
  WriteElements write_;
  std::string data_{magic};
  bool writes_ = true;
};

}  // namespace

void pack(const Element& element, std::string& to) {
  for (const Tensor& tensor : element) {
    append(to, static_cast<uint32_t>(tensor.dtype));
    append(to, static_cast<uint32_t>(tensor.rank));
    for (int axis = 0; axis < tensor.rank; ++axis) append(to, tensor.dims[axis]);
    if (tensor.dtype != DType::string) {
      to.append(tensor.as<const char>(), tensor.bytes());
      continue;
    }
    const int64_t count = tensor.count();
    const auto* ends = tensor.as<const int64_t>();
    const char* const text = reinterpret_cast<const char*>(ends + count + 1);
    for (int64_t i = 0; i < count; ++i) {
      append(to, static_cast<uint64_t>(ends[i + 1] - ends[i]));
      to.append(text + ends[i], static_cast<size_t>(ends[i + 1] - ends[i]));
    }
  }
}

bool unpack(std::string_view data, Element& out) {
  Rest rest(data);
  out.clear();
  while (!rest.empty()) {
    if (!take_tensor(rest, out.emplace_back())) return false;
  }
  return true;
}

ReaderRef read_element_files(ReaderRef names, OpenFile open, std::vector<DType> types, std::string stage) {
  return std::make_shared<ElementFiles>(std::move(names), std::move(open), std::move(types), std::move(stage));
}

ReaderRef read_written(ReaderRef before, WriteElements write) {
  return std::make_shared<Written>(std::move(before), std::move(write));
}

}  // namespace millstream
