// The records of files: lines, TFRecords, records of one length. The host opens files and takes them out of compression.
#include <cstring>

#include "data/window.h"
#include "memory/crc32c.h"
#include "memory/objects.h"

namespace millstream {

FileRecords::FileRecords(ReaderRef names, OpenFile open, std::string stage)
    : names_(std::move(names)), open_(std::move(open)), stage_(std::move(stage)) {}

Found FileRecords::next(Element& out, Failure& failure) {
  for (;;) {
    if (window_) {
      bool goes_on = false;
      const Found found = record(*window_, out, failure, goes_on);
      if (found != Found::end) {
        ++count_;
        ++index_;
      }
      if (found == Found::element) return found;
      if (found == Found::end || !goes_on) window_.reset();
      if (found == Found::failure) {
        failure.stage = stage_;
        failure.index = index_;
        return found;
      }
    }
    Element name;
    const Found found = names_->next(name, failure);
    if (found != Found::element) return found;
    if (name[0].dtype != DType::string || name[0].rank) {
      failure = failure_of(invalid("The name of a file is a string, a scalar; given one of shape " +
                                   shape_text(name[0].rank, name[0].dims) + "."));
      return Found::failure;
    }
    path_ = text_of(name[0]);
    if (!begin(failure)) return Found::failure;
  }
}

void FileRecords::save(Marks& marks) {
  marks.put(index_);
  marks.put(window_ != nullptr);
  if (!window_) return;
  marks.put(text_scalar(path_.data(), path_.size()));
  marks.put(count_);
}

bool FileRecords::restore(Marks& marks) {
  int64_t open = 0, count = 0;
  Tensor path;
  window_.reset();
  if (!marks.take(index_) || !marks.take(open)) return false;
  if (!open) return true;
  if (!marks.take(path) || path.dtype != DType::string || path.rank || !marks.take(count)) return false;
  path_ = text_of(path);
  Failure failure;
  Element passed;
  if (!begin(failure)) return false;
  for (bool goes_on = true; count_ < count; ++count_) {
    const Found found = record(*window_, passed, failure, goes_on);
    if (found == Found::end || (found == Found::failure && !goes_on)) return false;
  }
  return true;
}

bool FileRecords::begin(Failure& failure) {
  BlocksRef blocks = open_(path_, failure);
  if (!blocks) return false;
  window_ = std::make_unique<Window>(std::move(blocks));
  count_ = 0;
  begin_file();
  return true;
}

namespace {

uint64_t number_at(const char* bytes, size_t count) {
  uint64_t number = 0;
  std::memcpy(&number, bytes, count);
  return number;
}

class Files final : public FileRecords {
 public:
  Files(ReaderRef names, OpenFile open, FileKind kind, FixedSizes sizes, std::string stage)
      : FileRecords(std::move(names), std::move(open), std::move(stage)), kind_(kind), sizes_(sizes) {}

 protected:
  void begin_file() override {
    position_ = 0;
    begun_ = false;
  }

  Found record(Window& window, Element& out, Failure& failure, bool& goes_on) override {
    goes_on = false;
    window_ = &window;
    switch (kind_) {
      case FileKind::lines:
        return line(out, failure);
      case FileKind::records:
        return framed(out, failure);
      default:
        return fixed(out, failure);
    }
  }

 private:
  Found give(Element& out, size_t size) {
    out.assign(1, text_scalar(window_->data(), size));
    return Found::element;
  }

  Found line(Element& out, Failure& failure) {
    size_t seen = 0;
    for (;;) {
      const char* const start = window_->data();
      const auto* const end = window_->size() == seen
                                  ? nullptr
                                  : static_cast<const char*>(std::memchr(start + seen, '\n', window_->size() - seen));
      if (!end && !window_->ended()) {
        seen = window_->size();
        if (!window_->more(failure)) return Found::failure;
        continue;
      }
      const size_t size = end ? static_cast<size_t>(end - start) : window_->size();
      if (!end && size == 0) return Found::end;
      give(out, size && start[size - 1] == '\r' ? size - 1 : size);
      window_->drop(size + (end != nullptr));
      return Found::element;
    }
  }

  Found damaged(Failure& failure, const std::string& what, const std::string& how) {
    failure = failure_of(
        Status(Code::data_loss, what + " record at " + std::to_string(position_) + " in " + path() + ": " + how));
    return Found::failure;
  }

  Found framed(Element& out, Failure& failure) {
    constexpr size_t head = 12, foot = 4;
    if (!window_->fill(head, failure)) return Found::failure;
    if (window_->size() == 0) return Found::end;
    if (window_->size() < head) {
      return damaged(failure, "truncated", "its head has " + std::to_string(window_->size()) + " bytes of 12.");
    }
    if (masked_sum(crc32c(0, window_->data(), 8)) != number_at(window_->data() + 8, 4))
      return damaged(failure, "corrupted", "the sum of its length is wrong.");
    const uint64_t length = number_at(window_->data(), 8);
    if (length > (uint64_t{1} << 46))
      return damaged(failure, "corrupted", "its length is " + std::to_string(length) + ".");
    if (!window_->fill(head + length + foot, failure)) return Found::failure;
    if (window_->size() < head + length + foot) {
      return damaged(failure, "truncated",
                     std::to_string(window_->size() - head) + " bytes of " + std::to_string(length + foot) + ".");
    }
    window_->drop(head);
    const bool good = masked_sum(crc32c(0, window_->data(), length)) == number_at(window_->data() + length, foot);
    if (!good) return damaged(failure, "corrupted", "the sum of its data is wrong.");
    give(out, length);
    window_->drop(length + foot);
    position_ += head + length + foot;
    return Found::element;
  }

  // The size of a file decides whether it can be read at all, so it is read whole.
  Found fixed(Element& out, Failure& failure) {
    const auto length = static_cast<size_t>(sizes_.length), footer = static_cast<size_t>(sizes_.footer);
    if (!begun_) {
      while (!window_->ended()) {
        if (!window_->more(failure)) return Found::failure;
      }
      const auto size = static_cast<int64_t>(window_->size()), body = size - sizes_.header;
      if (body < 0 || body < sizes_.footer || (body - sizes_.footer) % sizes_.length) {
        failure = failure_of(invalid("Excepted that file " + path() +
                                     " has a size that is a multiple of the record length " + std::to_string(length) +
                                     " between its header (" + std::to_string(sizes_.header) + " bytes) and footer (" +
                                     std::to_string(footer) + " bytes); it has " + std::to_string(size) + " bytes."));
        return Found::failure;
      }
      window_->drop(static_cast<size_t>(sizes_.header));
      begun_ = true;
    }
    if (window_->size() <= footer) return Found::end;
    give(out, length);
    window_->drop(length);
    return Found::element;
  }

  FileKind kind_;
  FixedSizes sizes_;
  Window* window_ = nullptr;  // of the record that is read
  uint64_t position_ = 0;
  bool begun_ = false;
};

}  // namespace

ReaderRef read_files(ReaderRef names, OpenFile open, FileKind kind, FixedSizes sizes, std::string stage) {
  return std::make_shared<Files>(std::move(names), std::move(open), kind, sizes, std::move(stage));
}

}  // namespace millstream
