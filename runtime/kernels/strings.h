// What the kernels on text share: reading strings, writing string tensors, checks of operands by letters.
#pragma once

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/operands.h"

namespace millstream {

// The strings of a tensor. A tensor of one element answers for any position where `spread` is set.
class Strings {
 public:
  explicit Strings(const Tensor& tensor, bool spread = false)
      : offsets_(tensor.as<const int64_t>()),
        bytes_(reinterpret_cast<const char*>(offsets_ + tensor.count() + 1)),
        step_(spread && tensor.count() == 1 ? 0 : 1) {}
  std::string_view operator[](int64_t element) const {
    const int64_t i = element * step_;
    return {bytes_ + offsets_[i], static_cast<size_t>(offsets_[i + 1] - offsets_[i])};
  }

 private:
  const int64_t* offsets_;
  const char* bytes_;
  int64_t step_;
};

// Collects strings one after the other; `give` makes them the content of a tensor whose sizes are set.
class StringWriter {
 public:
  explicit StringWriter(int64_t expected) { ends_.reserve(static_cast<size_t>(expected)); }
  void append(std::string_view piece) { text_.append(piece); }
  void append(char byte) { text_.push_back(byte); }
  void end() { ends_.push_back(static_cast<int64_t>(text_.size())); }
  void add(std::string_view whole) {
    append(whole);
    end();
  }
  std::string& text() { return text_; }
  int64_t count() const { return static_cast<int64_t>(ends_.size()); }
  Status give(Tensor& out) const;

 private:
  std::string text_;
  std::vector<int64_t> ends_;
};

// Letters for operands: s string, S string scalar, i int32 or int64, I int32, L int64, b bool, t anything with elements.
Status check_letters(const Call& call, const char* name, const char* inputs, const char* outputs, int64_t words);
// Makes an int32 or int64 vector of these numbers.
void give_numbers(Tensor& out, const std::vector<int64_t>& numbers);

// Runs `work`, which may throw std::bad_alloc.
template <typename Work>
Status guarded(const char* name, Work&& work) try {
  return work();
} catch (const std::bad_alloc&) {
  return Status(Code::resource_exhausted, std::string(name) + ": no memory left.");
} catch (const std::length_error&) {
  return Status(Code::resource_exhausted, std::string(name) + ": no memory left.");
}

inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline std::string_view stripped(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Text as it stands in an error.
std::string quoted(std::string_view text);

}  // namespace millstream
