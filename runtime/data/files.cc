// The records of files: lines, TFRecords, records of one length. The host opens files and takes them out of compression.
#include <cstring>

#include "data/reader.h"
#include "memory/crc32c.h"

namespace millstream {
namespace {

// The bytes of a file that are read and not yet taken.
class Window {
 public:
  explicit Window(BlocksRef blocks) : blocks_(std::move(blocks)) {}
  const char* data() const { return bytes_.data() + at_; }
  size_t size() const { return bytes_.size() - at_; }
  void drop(size_t count) { at_ += count; }
  // Reads until there are `count` bytes, or to the end.
  bool fill(size_t count, Failure& failure) {
    while (size() < count && !ended_) {
      if (!more(failure)) return false;
    }
    return true;
  }
  bool more(Failure& failure) {
    bytes_.erase(0, at_);
    at_ = 0;
    const size_t before = bytes_.size();
    if (!blocks_->more(bytes_, failure)) return false;
    ended_ = bytes_.size() == before;
    return true;
  }
  bool ended() const { return ended_; }

 private:
  BlocksRef blocks_;
  std::string bytes_;
  size_t at_ = 0;
  bool ended_ = false;
};

uint64_t number_at(const char* bytes, size_t count) {
  uint64_t number = 0;
  std::memcpy(&number, bytes, count);
  return number;
}

uint64_t masked_sum(const char* data, size_t size) {
  const uint32_t sum = crc32c(0, data, size);
  return static_cast<uint32_t>((sum >> 15 | sum << 17) + 0xA282EAD8u);
}

class Files final : public Reader {
 public:
  Files(ReaderRef names, OpenFile open, FileKind kind, FixedSizes sizes, std::string stage)
      : names_(std::move(names)), open_(std::move(open)), kind_(kind), sizes_(sizes), stage_(std::move(stage)) {}

  Found next(Element& out, Failure& failure) override {
    for (;;) {
      if (window_) {
        const Found found = record(out, failure);
        if (found == Found::element) {
          ++count_;
          ++index_;
          return found;
        }
        window_.reset();
        if (found == Found::failure) {
          failure.stage = stage_;
          failure.index = index_ + 1;
          return found;
        }
      }
      Element name;
      const Found found = names_->next(name, failure);
      if (found != Found::element) return found;
      const auto* ends = name[0].as<const int64_t>();
      path_.assign(name[0].as<const char>() + 16, static_cast<size_t>(ends[1] - ends[0]));
      if (!begin(failure)) return Found::failure;
    }
  }

  void save(Marks& marks) override {
    marks.put(index_);
    marks.put(window_ != nullptr);
    if (!window_) return;
    marks.put(text_scalar(path_.data(), path_.size()));
    marks.put(count_);
  }

  bool restore(Marks& marks) override {
    int64_t open = 0, count = 0;
    Tensor path;
    window_.reset();
    if (!marks.take(index_) || !marks.take(open)) return false;
    if (!open) return true;
    if (!marks.take(path) || path.dtype != DType::string || path.rank || !marks.take(count)) return false;
    path_.assign(path.as<const char>() + 16, static_cast<size_t>(path.as<const int64_t>()[1]));
    Failure failure;
    Element passed;
    if (!begin(failure)) return false;
    for (; count_ < count; ++count_) {
      if (record(passed, failure) != Found::element) return false;
    }
    return true;
  }

 private:
  bool begin(Failure& failure) {
    BlocksRef blocks = open_(path_, failure);
    if (!blocks) return false;
    window_ = std::make_unique<Window>(std::move(blocks));
    position_ = 0;
    count_ = 0;
    return true;
  }

  Found give(Element& out, size_t size) {
    out.assign(1, text_scalar(window_->data(), size));
    return Found::element;
  }

  Found record(Element& out, Failure& failure) {
    switch (kind_) {
      case FileKind::lines:
        return line(out, failure);
      case FileKind::records:
        return framed(out, failure);
      default:
        return fixed(out, failure);
    }
  }

  Found line(Element& out, Failure& failure) {
    size_t seen = 0;
    for (;;) {
      const char* const start = window_->data();
      const auto* const end =
          window_->size() == seen ? nullptr : static_cast<const char*>(std::memchr(start + seen, '\n', window_->size() - seen));
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
        Status(Code::data_loss, what + " record at " + std::to_string(position_) + " in " + path_ + ": " + how));
    return Found::failure;
  }

  Found framed(Element& out, Failure& failure) {
    constexpr size_t head = 12, foot = 4;
    if (!window_->fill(head, failure)) return Found::failure;
    if (window_->size() == 0) return Found::end;
    if (window_->size() < head) {
      return damaged(failure, "truncated", "its head has " + std::to_string(window_->size()) + " bytes of 12.");
    }
    if (masked_sum(window_->data(), 8) != number_at(window_->data() + 8, 4))
      return damaged(failure, "corrupted", "the sum of its length is wrong.");
    const uint64_t length = number_at(window_->data(), 8);
    if (length > (uint64_t{1} << 46)) return damaged(failure, "corrupted", "its length is " + std::to_string(length) + ".");
    if (!window_->fill(head + length + foot, failure)) return Found::failure;
    if (window_->size() < head + length + foot) {
      return damaged(failure, "truncated",
                     std::to_string(window_->size() - head) + " bytes of " + std::to_string(length + foot) + ".");
    }
    window_->drop(head);
    const bool good = masked_sum(window_->data(), length) == number_at(window_->data() + length, foot);
    if (!good) return damaged(failure, "corrupted", "the sum of its data is wrong.");
    give(out, length);
    window_->drop(length + foot);
    position_ += head + length + foot;
    return Found::element;
  }

  // The size of a file decides whether it can be read at all, so it is read whole.
  Found fixed(Element& out, Failure& failure) {
    const auto length = static_cast<size_t>(sizes_.length), footer = static_cast<size_t>(sizes_.footer);
    if (count_ == 0 && position_ == 0) {
      while (!window_->ended()) {
        if (!window_->more(failure)) return Found::failure;
      }
      const auto size = static_cast<int64_t>(window_->size()), body = size - sizes_.header - sizes_.footer;
      if (body < 0 || body % sizes_.length) {
        failure = failure_of(invalid("Excepted that file " + path_ + " has a size that is a multiple of the record length " +
                                     std::to_string(length) + " between its header (" + std::to_string(sizes_.header) +
                                     " bytes) and footer (" + std::to_string(footer) + " bytes); it has " +
                                     std::to_string(size) + " bytes."));
        return Found::failure;
      }
      window_->drop(static_cast<size_t>(sizes_.header));
      position_ = 1;
    }
    if (window_->size() <= footer) return Found::end;
    give(out, length);
    window_->drop(length);
    return Found::element;
  }

  ReaderRef names_;
  OpenFile open_;
  FileKind kind_;
  FixedSizes sizes_;
  std::string stage_, path_;
  std::unique_ptr<Window> window_;
  uint64_t position_ = 0;
  int64_t count_ = 0, index_ = -1;
};

}  // namespace

ReaderRef read_files(ReaderRef names, OpenFile open, FileKind kind, FixedSizes sizes, std::string stage) {
  return std::make_shared<Files>(std::move(names), std::move(open), kind, sizes, std::move(stage));
}

}  // namespace millstream
