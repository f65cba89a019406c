// Readers with threads of their own: a function applied to several elements at once, and elements made ahead.
//
// Threads share a state with their reader and outlive it where they are busy; nobody waits for them.
#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>

#include "data/items.h"
#include "data/row_places.h"
#include "threads/pool.h"

namespace millstream {
namespace {

constexpr int64_t worth_a_thread_ns = 20'000;  // a call that is quicker is better made in the reader's thread
constexpr int64_t slow_call_ns = 500'000;      // two of these are enough to judge by
constexpr int judged_calls = 16;               // where a quarter of so many calls is worth one, threads make them
constexpr int64_t tuned_most_ahead = 64;

class Line : public Wakeable {
 public:
  explicit Line(ReaderRef before) : before_(std::move(before)) {}

  void wake() override {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    work_.notify_all();
    ready_.notify_all();
  }

  void pause() {
    std::unique_lock lock(mutex_);
    paused_ = true;
    work_.notify_all();
    ready_.wait(lock, [&] { return (!reading_ && running_ == 0) || stopped_; });
  }

  void go_on() {
    std::lock_guard lock(mutex_);
    paused_ = false;
    work_.notify_all();
  }

 protected:
  // Reads an element where `lock` is held before and after, not meanwhile.
  ItemRef read(std::unique_lock<std::mutex>& lock) {
    reading_ = true;
    lock.unlock();
    auto item = std::make_shared<Item>();
    item->found = next_of(*before_, item->element, item->failure);
    lock.lock();
    reading_ = false;
    ended_ = ended_ || item->found == Found::end;
    return item;
  }

  bool take_items(Marks& marks) {
    int64_t ended = 0, count = 0;
    std::deque<ItemRef> taken;
    bool good = marks.take(ended) && marks.take(count);
    for (int64_t i = 0; good && i < count; ++i) {
      taken.push_back(std::make_shared<Item>());
      good = restore_item(*taken.back(), marks);
    }
    std::lock_guard lock(mutex_);
    ended_ = ended != 0;
    items_.swap(taken);
    return good;
  }

  void put_items(Marks& marks) {
    std::lock_guard lock(mutex_);
    marks.put(ended_);
    marks.put(static_cast<int64_t>(items_.size()));
    for (const ItemRef& item : items_) save_item(*item, marks);
  }

  ReaderRef before_;
  std::mutex mutex_;
  std::condition_variable work_, ready_;  // for its threads; for the reader
  std::deque<ItemRef> items_;
  bool stopped_ = false, paused_ = false, ended_ = false, reading_ = false;
  int running_ = 0;
};

// Threads work where calls are worth one; where they are not, the reader's thread makes them one by one. As many elements as
// there are threads are under way. The number of threads is tuned: one more while the reader waits for them in vain, one fewer
// while all have long been done; so is how many elements may lie ready.
class MapLine final : public Line {
 public:
  MapLine(ReaderRef before, FunctionRef function, std::string stage, Calls calls)
      : Line(std::move(before)), function_(std::move(function)), stage_(std::move(stage)), calls_(std::move(calls)) {
    wanted_ = calls_.tuned ? std::min<int64_t>(2, calls_.most) : calls_.most;
    room_ = 2 * wanted_;
    // Calls of the host may wait for one another: as many as were asked for must be under way.
    threaded_ = function_->calls_host && !calls_.tuned && calls_.most > 1;
  }

  Found next(Element& out, Failure& failure) {
    if (!threaded_) return next_here(out, failure);
    ItemRef item;
    {
      std::unique_lock lock(mutex_);
      start_thread();
      if (!ready()) {
        const auto began = Clock::now();
        const auto done = [&] { return ready() || stopped_ || nothing_more(); };
        if (wait_or_interrupted(ready_, lock, done, failure)) return Found::failure;
        waited_ns_ += since(began);
      }
      if (calls_.tuned) tune();
      const auto place = first_done();
      if (place != items_.end()) {
        item = std::move(*place);
        items_.erase(place);
        work_.notify_one();
      } else if (retiring_ && !ended_ && !stopped_) {
        threaded_ = retiring_ = false;
        worth_ = judged_ = 0;
      } else {
        return Found::end;
      }
    }
    return item ? give(*item, out, failure) : next_here(out, failure);
  }

  void place_rows(const RowPlacesRef& places) {
    if (calls_.ordered) places_ = places;
  }

  void save(Marks& marks) {
    marks.put(index_);
    put_items(marks);
  }

  bool restore(Marks& marks) {
    const bool good = marks.take(index_) && take_items(marks);
    threaded_ = threaded_ || !items_.empty();
    return good;
  }

 private:
  // One by one in the reader's thread, while that is quick.
  Found next_here(Element& out, Failure& failure) {
    Element in;
    const Found found = before_->next(in, failure);
    if (found != Found::element) return found;
    ++index_;
    const auto began = Clock::now();
    const bool good = function_->call(in, out, failure, places_of(index_));
    threaded_ = calls_.most > 1 && judge(since(began), judged_calls) > 0;
    if (!good) name(failure, index_);
    return good ? Found::element : Found::failure;
  }

  // Counts a call. After `calls` of them: 1 where they are worth threads, -1 where they are not; 0 before.
  int judge(int64_t took, int calls) {
    if (index_ == 0) return 0;  // the first one compiles
    const int weight = took > slow_call_ns ? judged_calls / 2 : 1;
    if (took > worth_a_thread_ns) worth_ += weight;
    if ((judged_ += weight) < calls) return 0;
    const int verdict = 4 * worth_ >= calls ? 1 : -1;
    worth_ = judged_ = 0;
    return verdict;
  }

  std::vector<Place> places_of(int64_t index) const { return places_ ? places_->of(index) : std::vector<Place>(); }

  void name(Failure& failure, int64_t index) const {
    failure.stage = stage_;
    failure.index = index;
    failure.in_function = function_->of_user;
  }

  std::deque<ItemRef>::iterator first_done() {
    if (items_.empty()) return items_.end();
    if (calls_.ordered) return items_.front()->done ? items_.begin() : items_.end();
    return std::find_if(items_.begin(), items_.end(), [](const ItemRef& item) { return item->done; });
  }

  bool ready() { return first_done() != items_.end(); }
  bool nothing_more() const { return items_.empty() && !reading_ && (ended_ || (retiring_ && threads_ == 0)); }

  // One more, where one is wanted: each element that is read starts the next, so there are no more threads than elements.
  void start_thread() {
    if (ended_ || retiring_ || stopped_ || threads_ >= wanted_) return;
    try {
      start_reader_thread(shared_from_this(),
                          [self = std::static_pointer_cast<MapLine>(shared_from_this())] { self->serve(); });
    } catch (const std::system_error&) {
      if (threads_ == 0) throw;  // the others go on without it
      wanted_ = threads_;
      return;
    }
    ++threads_;
  }

  // Processor time of this thread, where it tells how many threads are of use.
  int64_t worked_ns() const {
    if (!calls_.tuned || !function_->calls_host) return 0;
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return int64_t{1'000'000'000} * time.tv_sec + time.tv_nsec;
  }

  int64_t room() const { return calls_.tuned ? room_ : wanted_; }

  void tune() {
    constexpr int64_t period_ns = 20'000'000;
    if (++taken_ % 8) return;
    const auto now = Clock::now();
    const int64_t passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now - period_began_).count();
    if (passed < period_ns) return;
    const bool waits = waited_ns_ * 10 > passed;
    // More threads than processors help where calls wait for something else, too.
    const bool may_help = wanted_ < thread_count() || worked_ns_ * 2 < called_ns_;
    if (waits && may_help && wanted_ < calls_.most && calls_.budget->take(2 * element_bytes_)) {
      ++wanted_;
      room_ += 2;
    } else if (waits && full_ns_ * 5 > passed && room_ < 16 * wanted_ && calls_.budget->take(room_ * element_bytes_)) {
      room_ *= 2;  // one slow element keeps the others from going on
    } else if (waited_ns_ * 100 < passed && wanted_ > 1 && running_ == 0) {
      --wanted_;
      work_.notify_all();
    }
    waited_ns_ = full_ns_ = called_ns_ = worked_ns_ = 0;
    period_began_ = now;
  }

  bool has_room() const { return static_cast<int64_t>(items_.size()) < room(); }

  void serve() {
    stay_on_this_thread();  // elements are what is made in parallel
    std::unique_lock lock(mutex_);
    for (;;) {
      const bool full = !has_room();
      const auto idle = Clock::now();
      work_.wait(lock, [&] {
        return stopped_ || ended_ || retiring_ || threads_ > wanted_ || (!paused_ && !reading_ && has_room());
      });
      if (full) full_ns_ += since(idle);
      if (stopped_ || ended_ || retiring_ || threads_ > wanted_) break;
      const ItemRef item = read(lock);
      if (item->found == Found::end) break;
      items_.push_back(item);
      work_.notify_one();
      if (item->found == Found::failure) {
        item->done = true;
        ready_.notify_one();
        continue;
      }
      item->index = ++index_;
      start_thread();
      ++running_;
      lock.unlock();
      Element in = std::move(item->element), out;
      Failure failure;
      const auto began = Clock::now();
      const int64_t worked = worked_ns();
      const bool good = function_->call(in, out, failure, places_of(item->index));
      const int64_t took = since(began), work = worked_ns() - worked;
      in.clear();
      if (!good) name(failure, item->index);
      lock.lock();
      called_ns_ += took;
      worked_ns_ += work;
      if (judge(took, 4 * judged_calls) < 0 && !function_->calls_host) retiring_ = true;
      element_bytes_ = std::max(element_bytes_, bytes_of(out));
      item->element = std::move(out);
      item->failure = std::move(failure);
      item->found = good ? Found::element : Found::failure;
      item->done = true;
      --running_;
      ready_.notify_one();
    }
    --threads_;
    work_.notify_all();
    ready_.notify_all();
  }

  FunctionRef function_;
  std::string stage_;
  Calls calls_;
  bool threaded_ = false, retiring_ = false;  // retiring: the threads end, what they have made is given
  RowPlacesRef places_;
  int64_t index_ = -1;
  int judged_ = 0, worth_ = 0;
  int64_t threads_ = 0, wanted_ = 1, room_ = 2;
  int64_t taken_ = 0, element_bytes_ = 0;
  // Since `period_began_`: the reader for elements, threads for room; calls took, and worked.
  int64_t waited_ns_ = 0, full_ns_ = 0, called_ns_ = 0, worked_ns_ = 0;
  Clock::time_point period_began_ = Clock::now();
};

// One thread that is at most `size` elements ahead. Where the size is tuned it doubles while both sides wait for one another in
// turn; where only one ever waits, more places would only take memory.
class AheadLine final : public Line {
 public:
  AheadLine(ReaderRef before, int64_t size, bool tuned, BudgetRef budget)
      : Line(std::move(before)), size_(size), tuned_(tuned), budget_(std::move(budget)) {}

  Found next(Element& out, Failure& failure) {
    ItemRef item;
    {
      std::unique_lock lock(mutex_);
      if (!started_ && !ended_ && !stopped_) {
        start_reader_thread(shared_from_this(),
                            [self = std::static_pointer_cast<AheadLine>(shared_from_this())] { self->serve(); });
        started_ = true;
      }
      if (items_.empty() && !ended_) {
        const auto began = Clock::now();
        const auto done = [&] { return !items_.empty() || ended_ || stopped_; };
        if (wait_or_interrupted(ready_, lock, done, failure)) return Found::failure;
        reader_waited_ns_ += since(began);
      }
      if (items_.empty()) return Found::end;
      if (tuned_) tune();
      item = std::move(items_.front());
      items_.pop_front();
      work_.notify_one();
    }
    return give(*item, out, failure);
  }

  void save(Marks& marks) { put_items(marks); }
  bool restore(Marks& marks) { return take_items(marks); }

 private:
  void tune() {
    constexpr int64_t period_ns = 1'000'000;
    if (++taken_ % 8) return;
    const int64_t passed = since(period_began_);
    if (passed < period_ns) return;
    const bool both_wait = reader_waited_ns_ * 20 > passed && thread_waited_ns_ * 20 > passed;
    if (both_wait && size_ < tuned_most_ahead && budget_->take(size_ * element_bytes_)) size_ *= 2;
    reader_waited_ns_ = thread_waited_ns_ = 0;
    period_began_ = Clock::now();
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto began = Clock::now();
      work_.wait(lock, [&] { return stopped_ || (!paused_ && static_cast<int64_t>(items_.size()) < size_); });
      thread_waited_ns_ += since(began);
      if (stopped_) break;
      const ItemRef item = read(lock);
      if (item->found != Found::end) {
        element_bytes_ = std::max(element_bytes_, bytes_of(item->element));
        items_.push_back(item);
      }
      ready_.notify_all();
      if (item->found == Found::end) break;
    }
    started_ = false;
  }

  int64_t size_, element_bytes_ = 0;
  bool tuned_, started_ = false;
  BudgetRef budget_;
  int64_t taken_ = 0, reader_waited_ns_ = 0, thread_waited_ns_ = 0;  // since `period_began_`
  Clock::time_point period_began_ = Clock::now();
};

}  // namespace

ReaderRef read_mapped_by_threads(ReaderRef before, FunctionRef function, std::string stage, Calls calls) {
  // Calls of the host also wait, for its lock or for files.
  if (calls.most < 1) calls.most = (function->calls_host ? 2 : 1) * thread_count();
  return std::make_shared<Threaded<MapLine>>(
      std::make_shared<MapLine>(std::move(before), std::move(function), std::move(stage), std::move(calls)));
}

ReaderRef read_ahead(ReaderRef before, int64_t size, bool tuned, BudgetRef budget) {
  return std::make_shared<Threaded<AheadLine>>(
      std::make_shared<AheadLine>(std::move(before), size, tuned, std::move(budget)));
}

}  // namespace millstream
