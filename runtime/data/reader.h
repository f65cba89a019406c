// Readers make the elements of a dataset one by one. What their threads need of the host language comes through hooks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory/objects.h"
#include "program/status.h"

namespace millstream {

struct Place;
using Element = std::vector<Tensor>;

enum class Found { element, end, failure };

// Why an element cannot be made. Where `stage` is given, the message is to name it and the number of the element.
struct Failure {
  Status status;
  std::string source;               // the user's line
  std::shared_ptr<void> exception;  // of the host; it goes before `status`
  std::string stage;
  int64_t index = -1;
  bool in_function = false;
};

// Where a reader stands, as numbers and tensors in the order in which they are put and taken.
class Marks {
 public:
  struct Mark {
    int64_t number = 0;
    bool is_tensor = false;
    Tensor tensor;
  };

  void put(int64_t number) { marks.push_back({number, false, {}}); }
  void put(const Tensor& tensor) { marks.push_back({0, true, tensor}); }
  void put(const Element& element);
  // False where something else stands here; then all later ones are refused, too.
  bool take(int64_t& number);
  bool take(Tensor& tensor);
  bool take(Element& element);

  std::vector<Mark> marks;
  size_t at = 0;
};

class RowPlaces;
using RowPlacesRef = std::shared_ptr<RowPlaces>;

// `next` is called by one thread at a time. A failure ends one element, not the reader.
class Reader {
 public:
  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  virtual ~Reader() = default;
  virtual Found next(Element& out, Failure& failure) = 0;
  // The reader's own threads stop reading those before it, until `go_on`.
  virtual void pause() {}
  virtual void go_on() {}
  // Said before the first `next`, by whoever copies all elements into batches: makes them at their places there, if it can.
  virtual void place_rows(const RowPlacesRef&) {}
  virtual void save(Marks& marks) = 0;
  virtual bool restore(Marks& marks) = 0;
};
using ReaderRef = std::shared_ptr<Reader>;

// The next element; where memory is exhausted, that is its failure.
Found next_of(Reader& reader, Element& out, Failure& failure);

// What the host does around the threads that readers start, and with a failure on the thread where it came about.
struct ReaderHooks {
  void* (*thread_begins)() = nullptr;
  void (*thread_ends)(void*) = nullptr;
  void (*capture)(Failure&) = nullptr;
  bool (*interrupted)(Failure&) = nullptr;  // whether the user asked this thread to stop; why goes to the failure
};
extern ReaderHooks reader_hooks;

// Asks the host whether to stop, now and then: cheap enough for each element. Threads of readers are never asked.
bool interrupted(Failure& failure);
// Waits until `done` or an interruption, which is true.
bool wait_or_interrupted(std::condition_variable& change, std::unique_lock<std::mutex>& lock,
                         const std::function<bool()>& done, Failure& failure);

// The failure of a plan or kernel on this thread.
Failure failure_of(Status status);
Status exhausted();

// What has threads of readers: how `stop_readers` wakes them.
class Wakeable : public std::enable_shared_from_this<Wakeable> {
 public:
  virtual ~Wakeable();
  virtual void wake() = 0;
};

// Starts a thread of `owner`, which `work` must hold. It should end soon once the owner was woken.
void start_reader_thread(const std::shared_ptr<Wakeable>& owner, std::function<void()> work);
// Tells all threads of readers to end, and waits for them for at most this long.
void stop_readers(double seconds);

// A function of elements: finds the plan for their types and sizes, and runs it.
class MappedFunction {
 public:
  struct Compiled;
  MappedFunction();
  MappedFunction(const MappedFunction&) = delete;
  MappedFunction& operator=(const MappedFunction&) = delete;
  virtual ~MappedFunction();
  // `places`: where the tensors of `out` may be put, or none.
  virtual bool call(const Element& in, Element& out, Failure& failure, std::span<const Place> places);

  int64_t random_scope = 0;  // 0: it draws nothing
  bool calls_host = false;
  bool of_user = true;  // failures are then said to be those of the user's function

 protected:
  // Makes what runs elements like this one. Not asked where `call` is another.
  virtual std::shared_ptr<const Compiled> compile(const Element& in, Failure& failure);

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};
using FunctionRef = std::shared_ptr<MappedFunction>;

// A file, block by block.
class Blocks {
 public:
  virtual ~Blocks() = default;
  // Puts the next bytes behind those of `data`; none at the end.
  virtual bool more(std::string& data, Failure& failure) = 0;
};
using BlocksRef = std::shared_ptr<Blocks>;

// What readers ask of the host while they read.
using OpenFile = std::function<BlocksRef(const std::string& name, Failure& failure)>;
// The reader of the next turn, empty at the end; `empty` says that the turn before had no element.
using NextTurn = std::function<bool(bool empty, ReaderRef& next, Failure& failure)>;

// Makes the reader of what an element stands for; `place` is where it is kept: below the number of those read in turn.
using OpenNested =
    std::function<bool(int64_t place, int64_t index, const Element& element, ReaderRef& opened, Failure& failure)>;

// Bytes that the buffers of one iterator may come to when they grow by themselves.
struct Budget {
  explicit Budget(int64_t bytes) : left(bytes) {}
  std::atomic<int64_t> left;
  bool take(int64_t bytes) {
    int64_t now = left.load();
    while (now >= bytes && !left.compare_exchange_weak(now, now - bytes)) {
    }
    return now >= bytes;
  }
};
using BudgetRef = std::shared_ptr<Budget>;

// sources.cc
ReaderRef read_range(DType dtype, int64_t start, int64_t step, int64_t count);
ReaderRef read_rows(std::vector<Tensor> columns, int64_t count);

// files.cc
enum class FileKind { lines, records, fixed };
struct FixedSizes {
  int64_t length = 0, header = 0, footer = 0;
};
ReaderRef read_files(ReaderRef names, OpenFile open, FileKind kind, FixedSizes sizes, std::string stage);

// element_files.cc
// Tensors with bytes, strings among them, as bytes behind those of `to`; `unpack` says no where they are damaged.
void pack(const Element& element, std::string& to);
bool unpack(std::string_view data, Element& out);
ReaderRef read_element_files(ReaderRef names, OpenFile open, std::vector<DType> types, std::string stage);
// What is to be written next, and whether it is the last.
using WriteElements = std::function<bool(const std::string& data, bool is_last, Failure& failure)>;
ReaderRef read_written(ReaderRef before, WriteElements write);

// csv_rows.cc
struct CsvSettings {
  std::vector<Tensor> defaults;  // a scalar; a vector of none where the field must be there
  std::vector<int64_t> chosen;   // the columns that are read, in order; none for all
  char delimiter = ',';
  bool quotes = true, header = false;
  std::string missing;
};
ReaderRef read_csv(ReaderRef names, OpenFile open, CsvSettings settings, std::string stage);

// transforms.cc
ReaderRef read_mapped(ReaderRef before, FunctionRef function, std::string stage);
ReaderRef read_filtered(ReaderRef before, FunctionRef function, std::string stage, bool stops);
ReaderRef read_taken(ReaderRef before, int64_t count);  // below 0: all
ReaderRef read_skipped(ReaderRef before, int64_t first,
                       int64_t between);  // passes over `first`, then `between` each time
ReaderRef read_turns(NextTurn turns);
ReaderRef read_zipped(std::vector<ReaderRef> parts);
ReaderRef read_numbered(ReaderRef before, int64_t start);
// The function takes `width` tensors of a state before those of an element, and gives the next state before what comes out.
ReaderRef read_scanned(ReaderRef before, FunctionRef function, Element state, std::string stage);
ReaderRef read_shuffled(ReaderRef before, int64_t size, uint64_t seed, uint64_t seed2);

// batches.cc
ReaderRef read_batches(ReaderRef before, std::vector<int64_t> sizes, bool drop, std::string stage);  // sizes take turns
// What threads need to make batches: the rows of each as one element, and what joins them.
ReaderRef read_groups(ReaderRef before, int64_t size, bool drop);
FunctionRef joining();

// padded_batches.cc
struct Padding {
  std::vector<int64_t> shape;  // below 0: the largest in the batch
  Tensor value;
};
ReaderRef read_padded_batches(ReaderRef before, int64_t size, bool drop, std::vector<Padding> paddings,
                              std::string stage);

// ragged_batches.cc
struct RaggedAxes {
  int count = 0;     // the first axes of a component's rows that are ragged; none: the rows are stacked
  bool wide = true;  // row splits of int64, not int32
};
ReaderRef read_ragged_batches(ReaderRef before, int64_t size, bool drop, std::vector<RaggedAxes> axes,
                              std::string stage);

// rows.cc
ReaderRef read_unbatched(ReaderRef before, std::string stage);
// A row of a tensor along its first axis; it shares bytes where it can.
Tensor row_of(const Tensor& tensor, int64_t index);

// cache.cc
struct Cache {
  std::mutex mutex;
  std::shared_ptr<const std::vector<Element>> elements;  // once an iteration came to its end
};
using CacheRef = std::shared_ptr<Cache>;
ReaderRef read_cached(ReaderRef before, CacheRef cache);

// nested.cc
ReaderRef read_nested(ReaderRef before, OpenNested open, int64_t cycle, int64_t block);
// The same order by several threads; without `ordered`, whatever is there first.
ReaderRef read_nested_by_threads(ReaderRef before, OpenNested open, int64_t cycle, int64_t block, int64_t threads,
                                 bool ordered);

// windows.cc
// What a window holds, as a variant tensor shows it to the host.
class HeldElements final : public Host {
 public:
  explicit HeldElements(std::vector<Element> given) : elements(std::move(given)) {}
  Status call(const Tensor* const*, int, Tensor* const*, int) override;
  const std::vector<Element> elements;
};
Tensor window_of(std::vector<Element> elements);
ReaderRef read_held(Ref<HeldElements> held);
struct WindowSizes {
  int64_t size = 1, shift = 1, stride = 1;
  bool drop = false;  // windows of fewer elements
};
// An element becomes a window for each of `widths`, which says how many of its tensors are there.
ReaderRef read_windows(ReaderRef before, std::vector<int64_t> widths, WindowSizes sizes);
// `open` takes a key and the window of its elements.
ReaderRef read_grouped(ReaderRef before, FunctionRef key, FunctionRef size, OpenNested open, std::string stage);

// threads.cc
struct Calls {
  int64_t most = 1;
  bool tuned = false;  // the number of threads follows what is waited for
  bool ordered = true;
  BudgetRef budget;
};
ReaderRef read_mapped_by_threads(ReaderRef before, FunctionRef function, std::string stage, Calls calls);
ReaderRef read_ahead(ReaderRef before, int64_t size, bool tuned, BudgetRef budget);

int64_t bytes_of(const Element& element);
// A string scalar.
Tensor text_scalar(const char* data, size_t size);
// What a string scalar says; nothing of other tensors.
std::string text_of(const Tensor& scalar);

}  // namespace millstream
