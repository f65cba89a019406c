// Readers without a host: order, states, threads that end, damaged states.
#include <cstdio>
#include <cstdlib>

#include "data/reader.h"
#include "memory/objects.h"

using namespace millstream;

namespace {

void expect(bool condition, int line) {
  if (condition) return;
  std::fprintf(stderr, "%s:%d failed\n", __FILE__, line);
  std::exit(1);
}
#define EXPECT(condition) expect((condition), __LINE__)

std::vector<int64_t> numbers_of(Reader& reader) {
  std::vector<int64_t> found;
  Element element;
  Failure failure;
  while (reader.next(element, failure) == Found::element) {
    for (int64_t i = 0; i < element[0].count(); ++i) found.push_back(element[0].as<int64_t>()[i]);
  }
  return found;
}

ReaderRef numbers(int64_t count) { return read_range(DType::int64, 0, 1, count); }

void test_batches_hold_what_comes() {
  const ReaderRef batches = read_batches(numbers(200), 70, false, "Batch");
  Element element;
  Failure failure;
  for (const int64_t rows : {70, 70, 60}) {
    EXPECT(batches->next(element, failure) == Found::element);
    EXPECT(element[0].rank == 1 && element[0].dims[0] == rows);
  }
  EXPECT(batches->next(element, failure) == Found::end);
  EXPECT(numbers_of(*read_batches(numbers(200), int64_t{1} << 60, false, "Batch")).size() == 200);
  EXPECT(numbers_of(*read_batches(numbers(200), 70, true, "Batch")).size() == 140);
}

void test_what_is_made_ahead_keeps_its_order() {
  const auto budget = std::make_shared<Budget>(1 << 20);
  const ReaderRef ahead = read_ahead(read_taken(read_skipped(numbers(5000), 3, 1), 2000), 2, true, budget);
  const std::vector<int64_t> found = numbers_of(*ahead);
  EXPECT(found.size() == 2000);
  for (size_t i = 0; i < found.size(); ++i) EXPECT(found[i] == 3 + 2 * static_cast<int64_t>(i));
}

void test_readers_that_go_leave_no_thread_behind() {
  const auto budget = std::make_shared<Budget>(1 << 20);
  for (int i = 0; i < 50; ++i) {
    const ReaderRef ahead = read_ahead(read_ahead(numbers(1 << 20), 2, false, budget), 3, false, budget);
    Element element;
    Failure failure;
    EXPECT(ahead->next(element, failure) == Found::element);
  }
  stop_readers(10);
}

void test_states_go_on_where_they_were() {
  const auto make = [] { return read_shuffled(numbers(100), 10, 1, 2); };
  const ReaderRef first = make(), second = make();
  Element element;
  Failure failure;
  for (int i = 0; i < 30; ++i) EXPECT(first->next(element, failure) == Found::element);
  Marks marks;
  first->save(marks);
  EXPECT(second->restore(marks) && marks.at == marks.marks.size());
  // The numbers before are another reader's: here they begin anew, so only what was in the buffer is the same.
  EXPECT(numbers_of(*first).size() == 70 && numbers_of(*second).size() == 109);
}

void test_damaged_states_are_refused() {
  const ReaderRef reader = read_shuffled(numbers(100), 10, 1, 2);
  Element element;
  Failure failure;
  EXPECT(reader->next(element, failure) == Found::element);
  Marks marks;
  reader->save(marks);
  for (size_t cut = 0; cut < marks.marks.size(); ++cut) {
    Marks damaged;
    damaged.marks.assign(marks.marks.begin(), marks.marks.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT(!read_shuffled(numbers(100), 10, 1, 2)->restore(damaged));
  }
}

void test_parts_of_other_shapes_are_refused_by_name() {
  Tensor pair;
  pair.dtype = DType::int64;
  pair.rank = 1;
  pair.dims[0] = 2;
  allocate_data(pair);
  bool first = true;
  const ReaderRef both = read_turns([&](bool, ReaderRef& next, Failure&) {
    if (first) next = numbers(1);
    if (!first && pair.rank) next = read_rows({[&] {
      Tensor rows = pair;
      rows.rank = 2;
      rows.dims[0] = 1;
      rows.dims[1] = 2;
      pair.rank = 0;
      return rows;
    }()}, 1);
    first = false;
    return true;
  });
  Element element;
  Failure failure;
  EXPECT(read_batches(both, 2, false, "Batch")->next(element, failure) == Found::failure);
  EXPECT(failure.stage == "Batch" && failure.index == 0);
  EXPECT(failure.status.message().find("First element had shape [] and element 1 had shape [2]") != std::string::npos);
}

}  // namespace

int main() {
  test_batches_hold_what_comes();
  test_what_is_made_ahead_keeps_its_order();
  test_readers_that_go_leave_no_thread_behind();
  test_states_go_on_where_they_were();
  test_damaged_states_are_refused();
  test_parts_of_other_shapes_are_refused_by_name();
  std::puts("ok");
  return 0;
}
