// Elements of the readers that elements stand for: several at a time, in blocks that take turns; by threads, in the same order.
#include <algorithm>
#include <deque>

#include "data/items.h"
#include "threads/pool.h"

namespace millstream {
namespace {

// One of the readers under way, and the element that it was made of.
struct Place {
  bool open = false;
  int64_t index = -1;
  Element element;
  ReaderRef reader;
  // Of threads:
  std::deque<ItemRef> ready;
  bool queued = false, finished = false;

  void close() {
    open = finished = false;
    element.clear();
    reader.reset();
  }
};

// Whose turn it is, and the elements that readers are made of.
class Turning {
 public:
  Turning(ReaderRef before, OpenNested open, int64_t cycle, int64_t block)
      : places_(static_cast<size_t>(cycle)), block_(block), before_(std::move(before)), open_(std::move(open)) {}

 protected:
  Place& now() { return places_[static_cast<size_t>(at_)]; }

  void turn() {
    at_ = (at_ + 1) % static_cast<int64_t>(places_.size());
    taken_ = 0;
  }

  void took() {
    if (++taken_ == block_) turn();
  }

  // Gives the next reader a place, where there is one more.
  Found begin(int64_t at, Failure& failure) {
    if (ended_) return Found::end;
    Element element;
    const Found found = before_->next(element, failure);
    ended_ = found == Found::end;
    if (found != Found::element) return found;
    return begin(at, ++index_, std::move(element), failure) ? Found::element : Found::failure;
  }

  bool begin(int64_t at, int64_t index, Element&& element, Failure& failure) {
    Place& place = places_[static_cast<size_t>(at)];
    if (!open_(at, index, element, place.reader, failure)) return false;
    place.element = std::move(element);
    place.index = index;
    place.open = true;
    return true;
  }

  void put(Marks& marks) {
    for (const Place& place : places_) marks.put(place.open);
    for (const int64_t number : {index_, at_, taken_, static_cast<int64_t>(ended_)}) marks.put(number);
    for (const Place& place : places_) {
      if (!place.open) continue;
      marks.put(place.index);
      marks.put(place.element);
      marks.put(place.finished);
      marks.put(static_cast<int64_t>(place.ready.size()));
      for (const ItemRef& item : place.ready) save_item(*item, marks);
    }
  }

  bool take(Marks& marks) {
    std::vector<int64_t> open(places_.size());
    int64_t ended = 0;
    for (int64_t& one : open) {
      if (!marks.take(one)) return false;
    }
    if (!marks.take(index_) || !marks.take(at_) || !marks.take(taken_) || !marks.take(ended) || at_ < 0 ||
        at_ >= static_cast<int64_t>(places_.size()))
      return false;
    ended_ = ended != 0;
    for (size_t i = 0; i < places_.size(); ++i) {
      Place& place = places_[i];
      place.close();
      place.ready.clear();
      if (!open[i]) continue;
      int64_t index = 0, finished = 0, count = 0;
      Element element;
      Failure failure;
      if (!marks.take(index) || !marks.take(element) || !marks.take(finished) || !marks.take(count) ||
          !begin(static_cast<int64_t>(i), index, std::move(element), failure))
        return false;
      place.finished = finished != 0;
      for (int64_t j = 0; j < count; ++j) {
        place.ready.push_back(std::make_shared<Item>());
        if (!restore_item(*place.ready.back(), marks)) return false;
      }
    }
    return true;
  }

  std::vector<Place> places_;
  int64_t block_, at_ = 0, taken_ = 0, index_ = -1;
  bool ended_ = false;

 private:
  ReaderRef before_;
  OpenNested open_;
};

class Nested final : public Reader, private Turning {
 public:
  using Turning::Turning;

  Found next(Element& out, Failure& failure) override {
    for (size_t idle = 0; idle <= places_.size();) {
      if (!now().open) {
        const Found found = begin(at_, failure);
        if (found == Found::failure) return found;
        if (found == Found::end) {
          ++idle;
          turn();
          continue;
        }
      }
      idle = 0;
      const Found found = now().reader->next(out, failure);
      if (found == Found::failure) return found;
      if (found == Found::element) {
        took();
        return found;
      }
      now().close();
      turn();
      if (interrupted(failure)) return Found::failure;
    }
    return Found::end;
  }
  void save(Marks& marks) override { put(marks); }
  bool restore(Marks& marks) override { return take(marks); }
};

// Threads read ahead for all places: two blocks each, or more elements where those are small. Readers are made in the caller's
// thread, in order. Without a number of threads, there is one more while the caller waits and places want to be read.
class NestedLine final : public Wakeable, private Turning {
 public:
  NestedLine(ReaderRef before, OpenNested open, int64_t cycle, int64_t block, int64_t threads, bool ordered)
      : Turning(std::move(before), std::move(open), cycle, block),
        most_(std::min(cycle, threads > 0 ? threads : 4 * thread_count())),
        wanted_(threads > 0 ? most_ : std::min<int64_t>(2, most_)),
        ordered_(ordered) {}

  void wake() override {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    work_.notify_all();
    ready_.notify_all();
  }

  void pause() {
    std::unique_lock lock(mutex_);
    paused_ = true;
    ready_.wait(lock, [&] { return reading_ == 0 || stopped_; });
  }

  void go_on() {
    std::lock_guard lock(mutex_);
    paused_ = false;
    work_.notify_all();
  }

  Found next(Element& out, Failure& failure) {
    std::unique_lock lock(mutex_);
    if (index_ < 0) {
      for (size_t i = 0; i < places_.size() && !ended_; ++i) {
        if (open_place(static_cast<int64_t>(i), lock, failure) == Found::failure) return Found::failure;
      }
    }
    start_threads();
    for (size_t idle = 0; idle <= places_.size();) {
      if (stopped_) return Found::end;
      if (!now().open) {
        const Found found = open_place(at_, lock, failure);
        if (found == Found::failure) return found;
        if (found == Found::end) {
          ++idle;
          turn();
          continue;
        }
      }
      idle = 0;
      if (now().ready.empty() && !now().finished) {
        if (!ordered_ && go_to_ready()) continue;
        if (wait(lock, failure)) return Found::failure;
        continue;
      }
      if (now().ready.empty()) {
        now().close();
        turn();
        continue;
      }
      const ItemRef item = std::move(now().ready.front());
      now().ready.pop_front();
      ask(now());
      if (item->found == Found::element) took();
      lock.unlock();
      return give(*item, out, failure);
    }
    return Found::end;
  }

  void save(Marks& marks) {
    std::lock_guard lock(mutex_);
    put(marks);
  }

  bool restore(Marks& marks) {
    std::unique_lock lock(mutex_);
    queue_.clear();
    for (Place& place : places_) place.queued = false;
    lock.unlock();  // paused: no thread reads, and readers are opened
    const bool good = take(marks);
    lock.lock();
    for (Place& place : places_) {
      if (place.open) ask(place);
    }
    return good;
  }

 private:
  Found open_place(int64_t at, std::unique_lock<std::mutex>& lock, Failure& failure) {
    lock.unlock();
    const Found found = begin(at, failure);
    lock.lock();
    if (found == Found::element) ask(places_[static_cast<size_t>(at)]);
    return found;
  }

  int64_t room() const {
    constexpr int64_t bytes = 64 << 10, most = 256, most_blocks = int64_t{1} << 32;
    const int64_t small = element_bytes_ ? std::min(most, bytes / element_bytes_) : 0;
    return std::max(2 * std::min(block_, most_blocks) + 1, small);
  }

  void ask(Place& place) {
    if (!place.open || place.finished || place.queued || 2 * static_cast<int64_t>(place.ready.size()) > room()) return;
    place.queued = true;
    queue_.push_back(&place);
    work_.notify_one();
  }

  bool go_to_ready() {
    for (size_t i = 0; i < places_.size(); ++i) {
      const size_t at = (static_cast<size_t>(at_) + i) % places_.size();
      if (!places_[at].open || (places_[at].ready.empty() && !places_[at].finished)) continue;
      at_ = static_cast<int64_t>(at);
      taken_ = 0;
      return true;
    }
    return false;
  }

  // Waits until there is something for the turn; true where the user stops it.
  bool wait(std::unique_lock<std::mutex>& lock, Failure& failure) {
    if (wanted_ < most_ && !queue_.empty() && ++waits_ % 4 == 0) {
      ++wanted_;
      start_threads();
    }
    const auto done = [&] {
      if (stopped_) return true;
      if (ordered_) return !now().ready.empty() || now().finished;
      return std::any_of(places_.begin(), places_.end(),
                         [](const Place& place) { return place.open && (!place.ready.empty() || place.finished); });
    };
    return wait_or_interrupted(ready_, lock, done, failure);
  }

  void start_threads() {
    for (; threads_ < wanted_ && !stopped_; ++threads_) {
      start_reader_thread(shared_from_this(),
                          [self = std::static_pointer_cast<NestedLine>(shared_from_this())] { self->serve(); });
    }
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return stopped_ || (!paused_ && !queue_.empty()); });
      if (stopped_) break;
      Place& place = *queue_.front();
      queue_.pop_front();
      ++reading_;
      while (!stopped_ && !paused_ && !place.finished && static_cast<int64_t>(place.ready.size()) < room()) {
        const int64_t space = room() - static_cast<int64_t>(place.ready.size());
        lock.unlock();
        std::vector<ItemRef> made = read(*place.reader, space);
        lock.lock();
        for (ItemRef& item : made) {
          if (item->found == Found::element) element_bytes_ = std::max(element_bytes_, bytes_of(item->element));
          place.finished = item->found == Found::end;
          if (!place.finished) place.ready.push_back(std::move(item));
        }
        ready_.notify_all();
      }
      --reading_;
      place.queued = false;
      if (paused_) ask(place);
      ready_.notify_all();
    }
    --threads_;
  }

  // Several elements where they come quickly, so that threads do not wake each other for each.
  static std::vector<ItemRef> read(Reader& reader, int64_t most) {
    constexpr int64_t long_ns = 50'000;
    const auto began = Clock::now();
    std::vector<ItemRef> made;
    do {
      made.push_back(std::make_shared<Item>());
      Item& item = *made.back();
      item.done = true;
      item.found = next_of(reader, item.element, item.failure);
    } while (made.back()->found == Found::element && static_cast<int64_t>(made.size()) < most &&
             since(began) < long_ns);
    return made;
  }

  std::mutex mutex_;
  std::condition_variable work_, ready_;  // for its threads; for the reader
  std::deque<Place*> queue_;
  int64_t most_, wanted_, threads_ = 0, waits_ = 0, element_bytes_ = 0;
  int reading_ = 0;
  bool ordered_, stopped_ = false, paused_ = false;
};

}  // namespace

ReaderRef read_nested(ReaderRef before, OpenNested open, int64_t cycle, int64_t block) {
  return std::make_shared<Nested>(std::move(before), std::move(open), cycle, block);
}

ReaderRef read_nested_by_threads(ReaderRef before, OpenNested open, int64_t cycle, int64_t block, int64_t threads,
                                 bool ordered) {
  return std::make_shared<Threaded<NestedLine>>(
      std::make_shared<NestedLine>(std::move(before), std::move(open), cycle, block, threads, ordered));
}

}  // namespace millstream
