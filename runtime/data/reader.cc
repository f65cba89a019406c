// What readers share: marks, threads, failures, and the plans of mapped functions.
#include "data/reader.h"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "data/compiled.h"
#include "kernels/random_operands.h"
#include "memory/objects.h"

namespace millstream {

ReaderHooks reader_hooks;

void Marks::put(const Element& element) {
  put(static_cast<int64_t>(element.size()));
  for (const Tensor& tensor : element) put(tensor);
}

bool Marks::take(int64_t& number) {
  if (at >= marks.size() || marks[at].is_tensor) return at = marks.size(), false;
  number = marks[at++].number;
  return true;
}

bool Marks::take(Tensor& tensor) {
  if (at >= marks.size() || !marks[at].is_tensor) return at = marks.size(), false;
  tensor = marks[at++].tensor;
  return true;
}

bool Marks::take(Element& element) {
  int64_t count = 0;
  if (!take(count) || count < 0 || count > static_cast<int64_t>(marks.size() - at)) return at = marks.size(), false;
  element.resize(static_cast<size_t>(count));
  for (Tensor& tensor : element) {
    if (!take(tensor)) return false;
  }
  return true;
}

Status exhausted() {
  return Status(Code::resource_exhausted, "There is not enough memory for an element of a dataset.");
}

Failure failure_of(Status status) {
  Failure failure;
  failure.status = std::move(status);
  failure.source = take_failure_source();
  if (reader_hooks.capture) reader_hooks.capture(failure);
  return failure;
}

Found next_of(Reader& reader, Element& out, Failure& failure) {
  try {
    return reader.next(out, failure);
  } catch (const std::bad_alloc&) {
    failure = failure_of(exhausted());
    return Found::failure;
  }
}

namespace {

struct Threads {
  std::mutex mutex;  // nobody who holds it asks for another
  std::condition_variable ended;
  int64_t running = 0;
  std::mutex waking;
  std::map<const Wakeable*, std::weak_ptr<Wakeable>> wakeables;  // those that ever had a thread
};

Threads& threads() {
  static Threads* const instance = new Threads;  // never destroyed: threads may outlive static objects
  return *instance;
}

thread_local bool is_reader_thread = false;

struct Running {
  Running() {
    is_reader_thread = true;
    if (reader_hooks.thread_begins) host = reader_hooks.thread_begins();
  }
  ~Running() {
    if (host) reader_hooks.thread_ends(host);
    std::lock_guard lock(threads().mutex);
    if (--threads().running == 0) threads().ended.notify_all();
  }
  void* host = nullptr;
};

}  // namespace

void start_reader_thread(const std::shared_ptr<Wakeable>& owner, std::function<void()> work) {
  {
    std::lock_guard lock(threads().waking);
    threads().wakeables[owner.get()] = owner;
  }
  {
    std::lock_guard lock(threads().mutex);
    ++threads().running;
  }
  try {
    std::thread([work = std::move(work)]() mutable {
      const Running running;
      work();
      work = nullptr;  // what it held goes while the host still serves this thread
    }).detach();
  } catch (const std::system_error&) {
    std::lock_guard lock(threads().mutex);
    --threads().running;
    throw;
  }
}

void stop_readers(double seconds) {
  {
    std::vector<std::shared_ptr<Wakeable>> awake;  // those that go meanwhile have no threads
    {
      std::lock_guard lock(threads().waking);
      for (const auto& [address, held] : threads().wakeables) awake.push_back(held.lock());
    }
    for (const auto& each : awake) {
      if (each) each->wake();
    }
  }
  std::unique_lock lock(threads().mutex);
  threads().ended.wait_for(lock, std::chrono::duration<double>(seconds), [] { return threads().running == 0; });
}

namespace {

// Of a clock that costs a few nanoseconds where there is one.
int64_t about_now_ms() {
#ifdef CLOCK_MONOTONIC_COARSE
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
#else
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
#endif
}

}  // namespace

bool interrupted(Failure& failure) {
  constexpr int64_t between_ms = 50;
  thread_local int64_t asked_ms = 0;
  if (is_reader_thread || !reader_hooks.interrupted) return false;
  const int64_t now_ms = about_now_ms();
  if (now_ms - asked_ms < between_ms) return false;
  asked_ms = now_ms;
  return reader_hooks.interrupted(failure);
}

bool wait_or_interrupted(std::condition_variable& change, std::unique_lock<std::mutex>& lock,
                         const std::function<bool()>& done, Failure& failure) {
  if (is_reader_thread || !reader_hooks.interrupted) return change.wait(lock, done), false;
  while (!change.wait_for(lock, std::chrono::milliseconds(50), done)) {
    lock.unlock();
    const bool stops = reader_hooks.interrupted(failure);
    lock.lock();
    if (stops) return true;
  }
  return false;
}

Wakeable::~Wakeable() {
  std::lock_guard lock(threads().waking);
  threads().wakeables.erase(this);
}

struct MappedFunction::Table {
  std::mutex mutex;
  std::vector<int64_t> last_key;
  std::shared_ptr<const Compiled> last;
  std::map<std::vector<int64_t>, std::shared_ptr<const Compiled>> all;
};

MappedFunction::MappedFunction() : table_(std::make_unique<Table>()) {}
MappedFunction::~MappedFunction() = default;

std::shared_ptr<const MappedFunction::Compiled> MappedFunction::compile(const Element&, Failure& failure) {
  failure = failure_of(Status(Code::internal, "A mapped function has no plan."));
  return nullptr;
}

bool MappedFunction::call(const Element& in, Element& out, Failure& failure, std::span<const Place> places) {
  constexpr size_t most_entries = 4096;
  std::vector<int64_t> key;
  key.reserve(in.size() * 4);
  for (const Tensor& tensor : in) {
    key.push_back(static_cast<int64_t>(tensor.dtype) << 8 | tensor.rank);
    key.insert(key.end(), tensor.dims, tensor.dims + tensor.rank);
  }
  std::shared_ptr<const Compiled> found;
  Table* const table = table_.get();
  {
    std::lock_guard lock(table->mutex);
    if (table->last && table->last_key == key) {
      found = table->last;
    } else if (const auto place = table->all.find(key); place != table->all.end()) {
      found = table->last = place->second;
      table->last_key = key;
    }
  }
  if (!found) {
    found = compile(in, failure);
    if (!found) return false;
    std::lock_guard lock(table->mutex);
    if (table->all.size() >= most_entries) table->all.clear();
    table->all.emplace(key, found);
    table->last = found;
    table->last_key = std::move(key);
  }
  if (in.size() + found->captures.size() != found->function->inputs.size()) {
    failure = failure_of(Status(Code::internal, "A mapped function's plan takes another number of inputs."));
    return false;
  }
  std::vector<const Tensor*> inputs;
  inputs.reserve(found->function->inputs.size());
  for (const Tensor& tensor : in) inputs.push_back(&tensor);
  for (const Tensor& tensor : found->captures) inputs.push_back(&tensor);
  out.clear();
  out.resize(found->function->outputs.size());
  std::vector<Tensor*> outputs;
  outputs.reserve(out.size());
  for (Tensor& tensor : out) outputs.push_back(&tensor);
  const int64_t scope = random_scope ? set_random_scope(random_scope) : 0;
  Status status = run_function(*found->module, *found->function, inputs.data(), outputs.data(),
                               places.size() == outputs.size() ? places : std::span<const Place>());
  if (random_scope) set_random_scope(scope);
  if (status.ok()) return true;
  failure = failure_of(std::move(status));
  return false;
}

int64_t bytes_of(const Element& element) {
  int64_t bytes = 0;
  for (const Tensor& tensor : element) {
    bytes += static_cast<int64_t>(tensor.data ? held_bytes(tensor) : 0) + static_cast<int64_t>(sizeof(Tensor));
  }
  return bytes;
}

std::string text_of(const Tensor& scalar) {
  if (scalar.dtype != DType::string || scalar.rank) return "";
  const auto* ends = scalar.as<const int64_t>();
  return std::string(scalar.as<const char>() + 16 + ends[0], static_cast<size_t>(ends[1] - ends[0]));
}

Tensor text_scalar(const char* data, size_t size) {
  Tensor tensor;
  tensor.dtype = DType::string;
  tensor.buffer = Buffer::allocate(16 + size);
  tensor.data = tensor.buffer->data();
  tensor.as<int64_t>()[0] = 0;
  tensor.as<int64_t>()[1] = static_cast<int64_t>(size);
  if (size) std::memcpy(tensor.as<char>() + 16, data, size);
  return tensor;
}

}  // namespace millstream
