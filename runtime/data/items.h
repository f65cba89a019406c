// What readers with threads share: elements on their way from one thread to another, and what the host holds of them.
#pragma once

#include <chrono>

#include "data/reader.h"

namespace millstream {

using Clock = std::chrono::steady_clock;

inline int64_t since(Clock::time_point began) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began).count();
}

// Elements, ends and failures on their way from one thread to another.
struct Item {
  Found found = Found::element;
  Element element;
  Failure failure;
  int64_t index = 0;
  bool done = false;
};
using ItemRef = std::shared_ptr<Item>;

inline Found give(Item& item, Element& out, Failure& failure) {
  if (item.found == Found::element) out = std::move(item.element);
  if (item.found == Found::failure) failure = std::move(item.failure);
  return item.found;
}

void save_item(const Item& item, Marks& marks);
bool restore_item(Item& item, Marks& marks);

// What the host holds: when it goes, the threads end.
template <typename Kind>
class Threaded final : public Reader {
 public:
  explicit Threaded(std::shared_ptr<Kind> line) : line_(std::move(line)) {}
  ~Threaded() override { line_->wake(); }
  Found next(Element& out, Failure& failure) override { return line_->next(out, failure); }
  void pause() override { line_->pause(); }
  void go_on() override { line_->go_on(); }
  void place_rows(const RowPlacesRef& places) override {
    if constexpr (requires { line_->place_rows(places); }) line_->place_rows(places);
  }
  void save(Marks& marks) override { line_->save(marks); }
  bool restore(Marks& marks) override { return line_->restore(marks); }

 private:
  std::shared_ptr<Kind> line_;
};

}  // namespace millstream
