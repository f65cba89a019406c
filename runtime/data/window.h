// Files that are read block by block, and what readers of their records share.
#pragma once

#include "data/reader.h"

namespace millstream {

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

// The records of files, one file after the other. Its input gives their names.
class FileRecords : public Reader {
 public:
  FileRecords(ReaderRef names, OpenFile open, std::string stage);
  Found next(Element& out, Failure& failure) final;
  void save(Marks& marks) final;
  bool restore(Marks& marks) final;

 protected:
  virtual void begin_file() = 0;
  // `goes_on`: after a failure, the next record of this file can be read.
  virtual Found record(Window& window, Element& out, Failure& failure, bool& goes_on) = 0;
  const std::string& path() const { return path_; }

 private:
  bool begin(Failure& failure);

  ReaderRef names_;
  OpenFile open_;
  std::string stage_, path_;
  std::unique_ptr<Window> window_;
  int64_t count_ = 0, index_ = -1;
};

}  // namespace millstream
