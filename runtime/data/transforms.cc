// Elements changed, left out, put side by side or in random order, one at a time in the caller's thread.
#include <iterator>

#include "data/reader.h"
#include "data/row_places.h"
#include "kernels/random_philox.h"
#include "memory/objects.h"

namespace millstream {
namespace {

class Mapped : public Reader {
 public:
  Mapped(ReaderRef before, FunctionRef function, std::string stage)
      : before_(std::move(before)), function_(std::move(function)), stage_(std::move(stage)) {}
  Found next(Element& out, Failure& failure) override {
    Element in;
    const Found found = before_->next(in, failure);
    if (found != Found::element) return found;
    ++index_;
    return call(in, out, failure, places_ ? places_->of(index_) : std::vector<Place>()) ? Found::element
                                                                                        : Found::failure;
  }
  void place_rows(const RowPlacesRef& places) override { places_ = places; }
  void save(Marks& marks) override { marks.put(index_); }
  bool restore(Marks& marks) override { return marks.take(index_); }

 protected:
  bool call(const Element& in, Element& out, Failure& failure, std::span<const Place> places = {}) {
    if (function_->call(in, out, failure, places)) return true;
    failure.stage = stage_;
    failure.index = index_;
    failure.in_function = true;
    return false;
  }
  ReaderRef before_;
  FunctionRef function_;
  std::string stage_;
  RowPlacesRef places_;
  int64_t index_ = -1;
};

// `stops`: ends before the first element for which the function gives false.
class Filtered final : public Mapped {
 public:
  Filtered(ReaderRef before, FunctionRef function, std::string stage, bool stops)
      : Mapped(std::move(before), std::move(function), std::move(stage)), stops_(stops) {}
  Found next(Element& out, Failure& failure) override {
    while (!done_) {
      const Found found = before_->next(out, failure);
      if (found != Found::element) return found;
      ++index_;
      Element answer;
      if (!call(out, answer, failure)) return Found::failure;
      if (answer.size() != 1 || answer[0].dtype != DType::boolean || answer[0].rank) {
        failure = failure_of(invalid("A predicate of elements must give one bool, a scalar."));
        failure.stage = stage_;
        failure.index = index_;
        return Found::failure;
      }
      if (*answer[0].as<bool>()) return Found::element;
      done_ = stops_;
      if (interrupted(failure)) return Found::failure;
    }
    return Found::end;
  }
  void save(Marks& marks) override {
    Mapped::save(marks);
    marks.put(done_);
  }
  bool restore(Marks& marks) override {
    int64_t done = 0;
    const bool good = Mapped::restore(marks) && marks.take(done);
    done_ = done != 0;
    return good;
  }

 private:
  bool stops_, done_ = false;
};

class Scanned final : public Mapped {
 public:
  Scanned(ReaderRef before, FunctionRef function, Element state, std::string stage)
      : Mapped(std::move(before), std::move(function), std::move(stage)), state_(std::move(state)) {}
  Found next(Element& out, Failure& failure) override {
    Element in;
    const Found found = before_->next(in, failure);
    if (found != Found::element) return found;
    ++index_;
    Element given = state_, answer;
    std::move(in.begin(), in.end(), std::back_inserter(given));
    if (!call(given, answer, failure)) return Found::failure;
    const auto width = static_cast<std::ptrdiff_t>(state_.size());
    out.assign(std::make_move_iterator(answer.begin() + width), std::make_move_iterator(answer.end()));
    answer.resize(state_.size());
    state_ = std::move(answer);
    return Found::element;
  }
  void save(Marks& marks) override {
    Mapped::save(marks);
    marks.put(state_);
  }
  bool restore(Marks& marks) override {
    const size_t width = state_.size();
    return Mapped::restore(marks) && marks.take(state_) && state_.size() == width;
  }

 private:
  Element state_;
};

class Taken final : public Reader {
 public:
  Taken(ReaderRef before, int64_t count) : before_(std::move(before)), left_(count) {}
  Found next(Element& out, Failure& failure) override {
    if (left_ == 0) return Found::end;
    const Found found = before_->next(out, failure);
    if (found == Found::element && left_ > 0) --left_;
    return found;
  }
  void save(Marks& marks) override { marks.put(left_); }
  bool restore(Marks& marks) override { return marks.take(left_); }

 private:
  ReaderRef before_;
  int64_t left_;
};

class Skipped final : public Reader {
 public:
  Skipped(ReaderRef before, int64_t first, int64_t between)
      : before_(std::move(before)), left_(first), between_(between) {}
  Found next(Element& out, Failure& failure) override {
    for (;; --left_) {
      const Found found = before_->next(out, failure);
      if (found != Found::element) return found;
      if (left_ == 0) break;
      if (interrupted(failure)) return Found::failure;
    }
    left_ = between_;
    return Found::element;
  }
  void save(Marks& marks) override { marks.put(left_); }
  bool restore(Marks& marks) override { return marks.take(left_); }

 private:
  ReaderRef before_;
  int64_t left_, between_;
};

class Turns final : public Reader {
 public:
  explicit Turns(NextTurn turns) : turns_(std::move(turns)) {}
  Found next(Element& out, Failure& failure) override {
    while (!ended_) {
      if (!now_) {
        if (!turns_(empty_, now_, failure)) return Found::failure;
        ended_ = !now_;
        empty_ = true;
        continue;
      }
      const Found found = now_->next(out, failure);
      if (found == Found::element) empty_ = false;
      if (found != Found::end) return found;
      now_.reset();
    }
    return Found::end;
  }
  void save(Marks& marks) override {
    marks.put(empty_);
    marks.put(ended_);
  }
  bool restore(Marks& marks) override {
    int64_t empty = 0, ended = 0;
    const bool good = marks.take(empty) && marks.take(ended);
    empty_ = empty != 0;
    ended_ = ended != 0;
    now_.reset();
    return good;
  }

 private:
  NextTurn turns_;
  ReaderRef now_;
  bool empty_ = true, ended_ = false;
};

// All parts are asked, also after one has ended, as TensorFlow does.
class Zipped final : public Reader {
 public:
  explicit Zipped(std::vector<ReaderRef> parts) : parts_(std::move(parts)) {}
  Found next(Element& out, Failure& failure) override {
    if (ended_) return Found::end;
    out.clear();
    bool failed = false;
    for (const ReaderRef& part : parts_) {
      Element element;
      Failure found;
      switch (part->next(element, found)) {
        case Found::element:
          for (Tensor& tensor : element) out.push_back(std::move(tensor));
          break;
        case Found::end:
          ended_ = true;
          break;
        case Found::failure:
          if (!failed) failure = std::move(found);
          failed = true;
          break;
      }
    }
    return ended_ ? Found::end : failed ? Found::failure : Found::element;
  }
  void save(Marks& marks) override { marks.put(ended_); }
  bool restore(Marks& marks) override {
    int64_t ended = 0;
    const bool good = marks.take(ended);
    ended_ = ended != 0;
    return good;
  }

 private:
  std::vector<ReaderRef> parts_;
  bool ended_ = false;
};

class Numbered final : public Reader {
 public:
  Numbered(ReaderRef before, int64_t start) : before_(std::move(before)), number_(start) {}
  Found next(Element& out, Failure& failure) override {
    Element element;
    const Found found = before_->next(element, failure);
    if (found != Found::element) return found;
    out.assign(1, {});
    out[0].dtype = DType::int64;
    allocate_data(out[0]);
    *out[0].as<int64_t>() = number_++;
    for (Tensor& tensor : element) out.push_back(std::move(tensor));
    return found;
  }
  void save(Marks& marks) override { marks.put(number_); }
  bool restore(Marks& marks) override { return marks.take(number_); }

 private:
  ReaderRef before_;
  int64_t number_;
};

// A ring of places of which a random one is taken: TensorFlow's order for these seeds. It grows to `size` as it fills.
class Shuffled final : public Reader {
 public:
  Shuffled(ReaderRef before, int64_t size, uint64_t seed, uint64_t seed2)
      : before_(std::move(before)), size_(size), seed_(seed), seed2_(seed2) {}
  Found next(Element& out, Failure& failure) override {
    while (!ended_ && end_ - start_ < size_) {
      Element element;
      const Found found = before_->next(element, failure);
      if (found == Found::failure) return found;
      if (found == Found::end) {
        ended_ = true;
        break;
      }
      place(end_++) = std::move(element);
      if (interrupted(failure)) return Found::failure;
    }
    if (start_ == end_) return Found::end;
    Element& chosen = place(start_ + static_cast<int64_t>(word()) % (end_ - start_));
    Element& first = place(start_++);
    out = std::move(chosen);
    if (&chosen != &first) chosen = std::move(first);
    first.clear();
    return Found::element;
  }
  void save(Marks& marks) override {
    for (const int64_t number : {static_cast<int64_t>(seed_), static_cast<int64_t>(seed2_), used_, start_, end_,
                                 static_cast<int64_t>(ended_)}) {
      marks.put(number);
    }
    for (int64_t i = start_; i < end_; ++i) marks.put(place(i));
  }
  bool restore(Marks& marks) override {
    int64_t seed = 0, seed2 = 0, ended = 0;
    if (!marks.take(seed) || !marks.take(seed2) || !marks.take(used_) || !marks.take(start_) || !marks.take(end_) ||
        !marks.take(ended) || start_ < 0 || end_ < start_ || end_ - start_ > size_)
      return false;
    seed_ = static_cast<uint64_t>(seed);
    seed2_ = static_cast<uint64_t>(seed2);
    ended_ = ended != 0;
    known_block_ = -1;
    ring_.clear();
    for (int64_t i = start_; i < end_; ++i) {
      if (!marks.take(place(i))) return false;
    }
    return true;
  }

 private:
  Element& place(int64_t at) {
    const auto index = static_cast<size_t>(at % size_);
    if (index >= ring_.size())
      ring_.resize(std::max(index + 1, std::min(2 * ring_.size(), static_cast<size_t>(size_))));
    return ring_[index];
  }
  uint32_t word() {
    const int64_t block = used_ / 4;
    if (block != known_block_) {
      known_ = Philox{static_cast<uint64_t>(block), seed2_, seed_}.block();
      known_block_ = block;
    }
    return known_.word[used_++ % 4];
  }

  ReaderRef before_;
  int64_t size_;
  uint64_t seed_, seed2_;
  int64_t used_ = 0, start_ = 0, end_ = 0, known_block_ = -1;
  PhiloxBlock known_{};
  bool ended_ = false;
  std::vector<Element> ring_;
};

}  // namespace

ReaderRef read_mapped(ReaderRef before, FunctionRef function, std::string stage) {
  return std::make_shared<Mapped>(std::move(before), std::move(function), std::move(stage));
}

ReaderRef read_filtered(ReaderRef before, FunctionRef function, std::string stage, bool stops) {
  return std::make_shared<Filtered>(std::move(before), std::move(function), std::move(stage), stops);
}

ReaderRef read_scanned(ReaderRef before, FunctionRef function, Element state, std::string stage) {
  return std::make_shared<Scanned>(std::move(before), std::move(function), std::move(state), std::move(stage));
}

ReaderRef read_taken(ReaderRef before, int64_t count) { return std::make_shared<Taken>(std::move(before), count); }

ReaderRef read_skipped(ReaderRef before, int64_t first, int64_t between) {
  return std::make_shared<Skipped>(std::move(before), first, between);
}

ReaderRef read_turns(NextTurn turns) { return std::make_shared<Turns>(std::move(turns)); }

ReaderRef read_zipped(std::vector<ReaderRef> parts) { return std::make_shared<Zipped>(std::move(parts)); }

ReaderRef read_numbered(ReaderRef before, int64_t start) {
  return std::make_shared<Numbered>(std::move(before), start);
}

ReaderRef read_shuffled(ReaderRef before, int64_t size, uint64_t seed, uint64_t seed2) {
  return std::make_shared<Shuffled>(std::move(before), size > 0 ? size : int64_t{1} << 62, seed, seed2);
}

}  // namespace millstream
