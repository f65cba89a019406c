// Elements collected for a while: windows of neighbours, and windows of equal keys of which the host makes readers.
#include <algorithm>
#include <deque>
#include <map>

#include "data/reader.h"
#include "memory/objects.h"

namespace millstream {

Status HeldElements::call(const Tensor* const*, int, Tensor* const*, int) {
  return Status(Code::internal, "Elements of a dataset were called.");
}

Tensor window_of(std::vector<Element> elements) {
  Tensor tensor;
  tensor.dtype = DType::variant;
  tensor.object = Ref<Object>::adopt(new HeldElements(std::move(elements)));
  return tensor;
}

namespace {

class AtHand final : public Reader {
 public:
  explicit AtHand(Ref<HeldElements> held) : held_(std::move(held)) {}
  Found next(Element& out, Failure&) override {
    if (at_ >= static_cast<int64_t>(held_->elements.size())) return Found::end;
    out = held_->elements[static_cast<size_t>(at_++)];
    return Found::element;
  }
  void save(Marks& marks) override { marks.put(at_); }
  bool restore(Marks& marks) override { return marks.take(at_) && at_ >= 0; }

 private:
  Ref<HeldElements> held_;
  int64_t at_ = 0;
};

void put(Marks& marks, const std::vector<Element>& elements) {
  marks.put(static_cast<int64_t>(elements.size()));
  for (const Element& element : elements) marks.put(element);
}

bool take(Marks& marks, std::vector<Element>& elements) {
  int64_t count = 0;
  elements.clear();
  if (!marks.take(count) || count < 0) return false;
  for (int64_t i = 0; i < count; ++i) {
    Element element;
    if (!marks.take(element)) return false;
    elements.push_back(std::move(element));
  }
  return true;
}

class Windows final : public Reader {
 public:
  Windows(ReaderRef before, std::vector<int64_t> widths, WindowSizes sizes)
      : before_(std::move(before)), widths_(std::move(widths)), sizes_(sizes) {
    int64_t between = 0;
    if (__builtin_mul_overflow(sizes.size - 1, sizes.stride, &between) ||
        __builtin_add_overflow(between, int64_t{1}, &reach_))
      reach_ = INT64_MAX;
  }

  Found next(Element& out, Failure& failure) override {
    Element passed;
    while (!ended_ && (skip_ > 0 || held() < reach_)) {
      const Found found = before_->next(passed, failure);
      if (found == Found::failure) return found;
      ended_ = found == Found::end;
      if (ended_) break;
      if (skip_ > 0) {
        --skip_;
      } else {
        buffer_.push_back(std::move(passed));
      }
      if (interrupted(failure)) return Found::failure;
    }
    if (buffer_.empty() || (sizes_.drop && held() < reach_)) {
      buffer_.clear();
      return Found::end;
    }
    out.clear();
    size_t first = 0;
    for (const int64_t width : widths_) {
      if (width == 0) continue;
      std::vector<Element> rows;
      const int64_t count = std::min(sizes_.size, (held() - 1) / sizes_.stride + 1);
      for (int64_t i = 0; i < count; ++i) {
        const auto from = buffer_[static_cast<size_t>(i * sizes_.stride)].begin() + static_cast<std::ptrdiff_t>(first);
        rows.emplace_back(from, from + static_cast<std::ptrdiff_t>(width));
      }
      out.push_back(window_of(std::move(rows)));
      first += static_cast<size_t>(width);
    }
    const int64_t gone = std::min(sizes_.shift, held());
    skip_ = sizes_.shift - gone;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(gone));
    return Found::element;
  }

  void save(Marks& marks) override {
    marks.put(skip_);
    marks.put(ended_);
    put(marks, {buffer_.begin(), buffer_.end()});
  }

  bool restore(Marks& marks) override {
    int64_t ended = 0;
    std::vector<Element> elements;
    if (!marks.take(skip_) || !marks.take(ended) || !take(marks, elements)) return false;
    for (const Element& element : elements) {
      if (!fits(element)) return false;
    }
    ended_ = ended != 0;
    buffer_.assign(elements.begin(), elements.end());
    return true;
  }

 private:
  int64_t held() const { return static_cast<int64_t>(buffer_.size()); }
  bool fits(const Element& element) const {
    int64_t all = 0;
    for (const int64_t width : widths_) all += width;
    return static_cast<int64_t>(element.size()) == all;
  }

  ReaderRef before_;
  std::vector<int64_t> widths_;  // how many tensors of an element go to each of the datasets
  WindowSizes sizes_;
  int64_t reach_ = 0, skip_ = 0;
  std::deque<Element> buffer_;
  bool ended_ = false;
};

// At the end, the windows that are not full come in the order of their keys.
class Grouped final : public Reader {
 public:
  Grouped(ReaderRef before, FunctionRef key, FunctionRef size, OpenNested open, std::string stage)
      : before_(std::move(before)),
        key_(std::move(key)),
        size_(std::move(size)),
        open_(std::move(open)),
        stage_(std::move(stage)) {}

  Found next(Element& out, Failure& failure) override {
    for (;;) {
      if (now_) {
        const Found found = now_->next(out, failure);
        if (found != Found::end) return found;
        close();
      }
      if (ended_ && groups_.empty()) return Found::end;
      if (ended_) {
        if (!open(groups_.begin(), failure)) return Found::failure;
        continue;
      }
      Element element;
      const Found found = before_->next(element, failure);
      if (found == Found::failure) return found;
      ended_ = found == Found::end;
      if (ended_) continue;
      ++index_;
      if (!collect(std::move(element), failure)) return Found::failure;
      if (interrupted(failure)) return Found::failure;
    }
  }

  void save(Marks& marks) override {
    marks.put(now_ != nullptr);
    for (const int64_t number : {index_, static_cast<int64_t>(ended_), static_cast<int64_t>(groups_.size())})
      marks.put(number);
    for (const auto& [key, group] : groups_) {
      marks.put(key);
      marks.put(group.size);
      put(marks, group.rows);
    }
    if (!now_) return;
    marks.put(opened_key_);
    put(marks, opened_->elements);
  }

  bool restore(Marks& marks) override {
    int64_t is_open = 0, ended = 0, count = 0;
    if (!marks.take(is_open) || !marks.take(index_) || !marks.take(ended) || !marks.take(count)) return false;
    groups_.clear();
    close();
    for (int64_t i = 0; i < count; ++i) {
      int64_t key = 0;
      Group group;
      if (!marks.take(key) || !marks.take(group.size) || !take(marks, group.rows) || group.rows.empty()) return false;
      groups_.emplace(key, std::move(group));
    }
    ended_ = ended != 0;
    if (!is_open) return true;
    int64_t key = 0;
    std::vector<Element> rows;
    Failure failure;
    return marks.take(key) && take(marks, rows) && open(key, std::move(rows), failure);
  }

 private:
  struct Group {
    int64_t size = 0;
    std::vector<Element> rows;
  };

  bool collect(Element&& element, Failure& failure) {
    int64_t key = 0;
    if (!number(*key_, element, "`key_func` must return a scalar int64.", key, failure)) return false;
    auto place = groups_.find(key);
    if (place == groups_.end()) {
      int64_t size = 0;
      if (!number(*size_, {scalar(key)}, "`window_size_func` must return a scalar int64.", size, failure)) return false;
      if (size <= 0) {
        failure = failure_of(invalid("Window size must be greater than zero, but got " + std::to_string(size) + "."));
        return name(failure);
      }
      place = groups_.emplace(key, Group{size, {}}).first;
    }
    place->second.rows.push_back(std::move(element));
    return static_cast<int64_t>(place->second.rows.size()) < place->second.size || open(place, failure);
  }

  bool open(std::map<int64_t, Group>::iterator place, Failure& failure) {
    const int64_t key = place->first;
    std::vector<Element> rows = std::move(place->second.rows);
    groups_.erase(place);
    return open(key, std::move(rows), failure);
  }

  bool open(int64_t key, std::vector<Element>&& rows, Failure& failure) {
    const Tensor window = window_of(std::move(rows));
    if (!open_(0, index_, {scalar(key), window}, now_, failure)) return name(failure);
    opened_key_ = key;
    opened_ = Ref<HeldElements>::share(static_cast<HeldElements*>(window.object.get()));
    return true;
  }

  void close() {
    now_.reset();
    opened_ = {};
  }

  bool number(MappedFunction& function, const Element& in, const char* wrong, int64_t& found, Failure& failure) {
    Element answer;
    if (!function.call(in, answer, failure, {})) return name(failure);
    if (answer.size() != 1 || answer[0].dtype != DType::int64 || answer[0].rank) {
      failure = failure_of(invalid(wrong));
      return name(failure);
    }
    found = *answer[0].as<const int64_t>();
    return true;
  }

  static Tensor scalar(int64_t number) {
    Tensor tensor;
    tensor.dtype = DType::int64;
    allocate_data(tensor);
    *tensor.as<int64_t>() = number;
    return tensor;
  }

  bool name(Failure& failure) const {
    failure.stage = stage_;
    failure.index = index_;
    failure.in_function = true;
    return false;
  }

  ReaderRef before_, now_;
  FunctionRef key_, size_;
  OpenNested open_;
  std::string stage_;
  std::map<int64_t, Group> groups_;
  Ref<HeldElements> opened_;
  int64_t opened_key_ = 0, index_ = -1;
  bool ended_ = false;
};

}  // namespace

ReaderRef read_held(Ref<HeldElements> held) { return std::make_shared<AtHand>(std::move(held)); }

ReaderRef read_windows(ReaderRef before, std::vector<int64_t> widths, WindowSizes sizes) {
  return std::make_shared<Windows>(std::move(before), std::move(widths), sizes);
}

ReaderRef read_grouped(ReaderRef before, FunctionRef key, FunctionRef size, OpenNested open, std::string stage) {
  return std::make_shared<Grouped>(std::move(before), std::move(key), std::move(size), std::move(open),
                                   std::move(stage));
}

}  // namespace millstream
