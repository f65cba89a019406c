// Readers without a host: order, states, threads that end, damaged states.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "data/reader.h"
#include "data/row_places.h"
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
  const ReaderRef batches = read_batches(numbers(200), {70}, false, "Batch");
  Element element;
  Failure failure;
  for (const int64_t rows : {70, 70, 60}) {
    EXPECT(batches->next(element, failure) == Found::element);
    EXPECT(element[0].rank == 1 && element[0].dims[0] == rows);
  }
  EXPECT(batches->next(element, failure) == Found::end);
  EXPECT(numbers_of(*read_batches(numbers(200), {int64_t{1} << 60}, false, "Batch")).size() == 200);
  EXPECT(numbers_of(*read_batches(numbers(200), {70}, true, "Batch")).size() == 140);
}

constexpr int64_t wide = 8 << 10;  // numbers in a row that is worth a place

// Rows of its number each, put where they may be; each seventh fails.
class Widened final : public MappedFunction {
 public:
  bool call(const Element& in, Element& out, Failure& failure, std::span<const Place> places) override {
    const int64_t number = *in[0].as<const int64_t>();
    if (fails && number % 7 == 3) {
      failure.status = Status(Code::invalid_argument, "seven");
      return false;
    }
    out.assign(1, {});
    out[0].dtype = DType::int64;
    out[0].rank = 1;
    out[0].dims[0] = wide;
    if (places.size() == 1 && places[0].bytes == out[0].bytes()) {
      out[0].buffer = places[0].buffer;
      out[0].data = places[0].data;
      ++placed;
    } else {
      allocate_data(out[0]);
    }
    std::fill_n(out[0].as<int64_t>(), wide, number);
    return true;
  }
  bool fails = false;
  std::atomic<int> placed{0};
};

void test_rows_are_made_at_their_places_in_batches() {
  for (const bool fails : {false, true}) {
    for (const int64_t threads : {1, 4}) {
      const auto function = std::make_shared<Widened>();
      function->fails = fails;
      function->calls_host = threads > 1;  // begins with threads
      const auto budget = std::make_shared<Budget>(1 << 30);
      ReaderRef rows = threads == 1
                           ? read_mapped(numbers(103), function, "Map")
                           : read_mapped_by_threads(numbers(103), function, "Map", {threads, false, true, budget});
      const ReaderRef batches = read_batches(rows, {5}, false, "Batch");
      std::vector<Element> kept;  // what was given stays as it was
      int64_t failed = 0;
      for (;;) {
        Element element;
        Failure failure;
        const Found found = batches->next(element, failure);
        if (found == Found::end) break;
        if (found == Found::failure) {
          ++failed;
        } else {
          kept.push_back(std::move(element));
        }
      }
      int64_t last = -1;
      for (const Element& batch : kept) {
        EXPECT(batch[0].rank == 2 && batch[0].dims[1] == wide);
        for (int64_t i = 0; i < batch[0].dims[0]; ++i) {
          const int64_t* row = batch[0].as<const int64_t>() + i * wide;
          EXPECT(*row > last && std::all_of(row, row + wide, [&](int64_t n) { return n == *row; }));
          last = *row;
        }
      }
      EXPECT(last == 102 && failed == (fails ? 15 : 0) && (fails || kept.size() == 21));
      EXPECT(fails || function->placed > 80);
    }
  }
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
    if (!first && pair.rank)
      next = read_rows({[&] {
                         Tensor rows = pair;
                         rows.rank = 2;
                         rows.dims[0] = 1;
                         rows.dims[1] = 2;
                         pair.rank = 0;
                         return rows;
                       }()},
                       1);
    first = false;
    return true;
  });
  Element element;
  Failure failure;
  EXPECT(read_batches(both, {2}, false, "Batch")->next(element, failure) == Found::failure);
  EXPECT(failure.stage == "Batch" && failure.index == 0);
  EXPECT(failure.status.message().find("First element had shape [] and element 1 had shape [2]") != std::string::npos);
}

// Elements of one tensor; a tensor of no type stands for a failure.
class Given final : public Reader {
 public:
  explicit Given(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {}
  Found next(Element& out, Failure& failure) override {
    if (at_ == tensors_.size()) return Found::end;
    out.assign(1, tensors_[at_++]);
    if (out[0].dtype != DType::invalid) return Found::element;
    failure = failure_of(invalid("There is no such element."));
    return Found::failure;
  }
  void save(Marks&) override {}
  bool restore(Marks&) override { return true; }

 private:
  std::vector<Tensor> tensors_;
  size_t at_ = 0;
};

ReaderRef given(std::vector<Tensor> tensors) { return std::make_shared<Given>(std::move(tensors)); }

void test_texts_of_a_batch_that_failed_do_not_come_into_the_next() {
  const ReaderRef batches = read_batches(
      given({text_scalar("lost", 4), Tensor(), text_scalar("a", 1), text_scalar("bc", 2)}), {2}, false, "");
  Element element;
  Failure failure;
  EXPECT(batches->next(element, failure) == Found::failure);
  EXPECT(batches->next(element, failure) == Found::element);
  EXPECT(element[0].dims[0] == 2 && text_of(row_of(element[0], 0)) == "a" && text_of(row_of(element[0], 1)) == "bc");
}

Tensor ones(int rank) {
  Tensor tensor;
  tensor.dtype = DType::int64;
  tensor.rank = rank;
  std::fill(tensor.dims, tensor.dims + rank, 1);
  allocate_data(tensor);
  std::memset(tensor.data, 0, tensor.bytes());
  return tensor;
}

void test_batches_have_no_more_axes_or_elements_than_tensors() {
  const std::vector<int64_t> wide(2, int64_t{1} << 32), deep(max_rank, -1);
  for (const ReaderRef& batches :
       {read_batches(given({ones(max_rank)}), {2}, false, "Batch"),
        read_mapped_by_threads(read_groups(given({ones(max_rank)}), 2, false), joining(), "Batch", {}),
        read_padded_batches(given({ones(max_rank)}), 2, false, {{deep, ones(0)}}, "Batch"),
        read_padded_batches(given({ones(2)}), 2, false, {{wide, ones(0)}}, "Batch")}) {
    Element element;
    Failure failure;
    EXPECT(batches->next(element, failure) == Found::failure && failure.stage == "Batch");
    EXPECT(failure.status.code() == Code::invalid_argument);
  }
}

void test_predicates_that_give_no_bool_are_refused() {
  class Vector final : public MappedFunction {
    bool call(const Element&, Element& out, Failure&, std::span<const Place>) override {
      return out.assign(1, ones(1)), true;
    }
  };
  Element element;
  Failure failure;
  const ReaderRef filtered = read_filtered(numbers(3), std::make_shared<Vector>(), "Filter", false);
  EXPECT(filtered->next(element, failure) == Found::failure && failure.stage == "Filter" && failure.index == 0);
}

void test_a_name_of_a_file_that_is_no_text_is_refused() {
  const OpenFile open = [](const std::string&, Failure&) -> BlocksRef { std::abort(); };
  Element element;
  Failure failure;
  EXPECT(read_files(numbers(1), open, FileKind::lines, {}, "TextLine")->next(element, failure) == Found::failure);
}

// 1, 1 2, 1 2 3 … as vectors.
ReaderRef growing(int64_t count) {
  auto at = std::make_shared<int64_t>(0);
  return read_turns([at, count](bool, ReaderRef& next, Failure&) {
    if (*at == count) return true;
    Tensor row;
    row.dtype = DType::int64;
    row.rank = 2;
    row.dims[0] = 1;
    row.dims[1] = ++*at;
    allocate_data(row);
    for (int64_t i = 0; i < *at; ++i) row.as<int64_t>()[i] = i + 1;
    next = read_rows({row}, 1);
    return true;
  });
}

Tensor number(int64_t value) {
  Tensor tensor;
  tensor.dtype = DType::int64;
  allocate_data(tensor);
  *tensor.as<int64_t>() = value;
  return tensor;
}

void test_rows_are_padded_and_cut_apart_again() {
  const auto padded = [](int64_t width) {
    return read_padded_batches(growing(4), 2, false, {{{width}, number(-1)}}, "PaddedBatch");
  };
  EXPECT((numbers_of(*padded(-1)) == std::vector<int64_t>{1, -1, 1, 2, 1, 2, 3, -1, 1, 2, 3, 4}));
  EXPECT(numbers_of(*padded(5)).size() == 20);
  EXPECT((numbers_of(*read_unbatched(padded(-1), "Unbatch")) ==
          std::vector<int64_t>{1, -1, 1, 2, 1, 2, 3, -1, 1, 2, 3, 4}));
  Element element;
  Failure failure;
  const ReaderRef narrow = padded(3);
  EXPECT(narrow->next(element, failure) == Found::element && narrow->next(element, failure) == Found::failure);
  EXPECT(failure.status.code() == Code::data_loss && failure.stage == "PaddedBatch" && failure.index == 1);
}

void test_rows_are_joined_with_where_they_end() {
  for (const bool wide : {true, false}) {
    const ReaderRef ragged = read_ragged_batches(growing(4), 3, false, {{1, wide}}, "RaggedBatch");
    Element element;
    Failure failure;
    EXPECT(ragged->next(element, failure) == Found::element && element.size() == 2);
    EXPECT(element[0].count() == 6 && element[1].count() == 4);
    EXPECT(element[1].dtype == (wide ? DType::int64 : DType::int32));
    for (int64_t i = 0, end = 0; i < 4; end += ++i)
      EXPECT((wide ? element[1].as<int64_t>()[i] : element[1].as<int32_t>()[i]) == end);
    EXPECT(ragged->next(element, failure) == Found::element && element[0].count() == 4);
    EXPECT(ragged->next(element, failure) == Found::end);
  }
  Element element;
  Failure failure;
  const ReaderRef stacked = read_ragged_batches(growing(4), 3, false, {{0, true}}, "RaggedBatch");
  EXPECT(stacked->next(element, failure) == Found::failure && failure.stage == "RaggedBatch");
  const ReaderRef flat = read_ragged_batches(numbers(4), 3, false, {{1, true}}, "RaggedBatch");
  EXPECT(flat->next(element, failure) == Found::failure);
}

void test_batches_larger_than_memory_are_failures_of_threads_too() {
  const auto budget = std::make_shared<Budget>(1 << 20);
  const auto huge = [] {
    return read_padded_batches(growing(4), 2, false, {{{int64_t{1} << 45}, number(0)}}, "PaddedBatch");
  };
  Element element;
  Failure failure;
  EXPECT(next_of(*huge(), element, failure) == Found::failure && failure.status.code() == Code::resource_exhausted);
  const ReaderRef ahead = read_ahead(huge(), 1, false, budget);
  EXPECT(ahead->next(element, failure) == Found::failure && failure.status.code() == Code::resource_exhausted);
}

OpenNested spans() {
  return [](int64_t, int64_t, const Element& element, ReaderRef& opened, Failure&) {
    const int64_t n = *element[0].as<const int64_t>();
    opened = read_range(DType::int64, 100 * n, 1, n % 7);
    return true;
  };
}

void test_threads_take_the_turns_that_one_takes() {
  for (const int64_t cycle : {1, 2, 5, 40}) {
    for (const int64_t block : {1, 3}) {
      const std::vector<int64_t> one = numbers_of(*read_nested(numbers(30), spans(), cycle, block));
      EXPECT(one.size() == 85);
      EXPECT(numbers_of(*read_nested_by_threads(numbers(30), spans(), cycle, block, 3, true)) == one);
      std::vector<int64_t> any = numbers_of(*read_nested_by_threads(numbers(30), spans(), cycle, block, 0, false));
      std::vector<int64_t> sorted = one;
      std::sort(any.begin(), any.end());
      std::sort(sorted.begin(), sorted.end());
      EXPECT(any == sorted);
    }
  }
}

void test_blocks_of_any_size_take_turns() {
  const int64_t block = INT64_MAX;
  EXPECT(numbers_of(*read_nested_by_threads(numbers(30), spans(), 2, block, 2, true)).size() == 85);
}

void test_groups_joined_by_threads_are_batches() {
  const auto budget = std::make_shared<Budget>(1 << 20);
  const ReaderRef joined = read_mapped_by_threads(read_groups(numbers(1000), 7, false), joining(), "ParallelBatch",
                                                  {3, false, true, budget});
  EXPECT(numbers_of(*joined) == numbers_of(*numbers(1000)));
}

void test_a_cache_is_shared_when_it_is_whole() {
  const auto cache = std::make_shared<Cache>();
  const ReaderRef first = read_cached(numbers(3), cache);
  EXPECT(numbers_of(*read_cached(numbers(5), cache)).size() == 5 && cache->elements->size() == 5);
  EXPECT(numbers_of(*first).size() == 3);  // it began before
  EXPECT(numbers_of(*read_cached(numbers(3), cache)).size() == 5);
}

void test_packed_tensors_come_back_and_damaged_bytes_do_not() {
  const Element element{ones(3), text_scalar("text", 4), number(-7), text_scalar("", 0)};
  std::string data;
  pack(element, data);
  Element found;
  EXPECT(unpack(data, found) && found.size() == 4 && found[0].rank == 3 && text_of(found[1]) == "text");
  EXPECT(*found[2].as<const int64_t>() == -7 && text_of(found[3]).empty());
  for (size_t cut = 1; cut < data.size(); ++cut) {
    if (unpack(std::string_view(data).substr(0, cut), found)) EXPECT(found.size() < 4);  // between two tensors
  }
  for (size_t at = 0; at < data.size(); ++at) {
    for (const int bits : {1, 0x80, 0xff}) {
      std::string damaged = data;
      damaged[at] = static_cast<char>(damaged[at] ^ bits);
      unpack(damaged, found);  // nothing is read or taken that is not there
    }
  }
}

void test_files_of_elements_are_read_as_they_were_written() {
  std::string file;
  const ReaderRef written = read_written(numbers(70000), [&](const std::string& data, bool, Failure&) {
    file += data;
    return true;
  });
  EXPECT(numbers_of(*written).size() == 70000);
  class Whole final : public Blocks {
   public:
    explicit Whole(std::string given) : given_(std::move(given)) {}
    bool more(std::string& data, Failure&) override { return data += std::exchange(given_, ""), true; }

   private:
    std::string given_;
  };
  const auto read = [](const std::string& bytes, DType type) {
    const OpenFile open = [=](const std::string&, Failure&) { return std::make_shared<Whole>(bytes); };
    return read_element_files(given({text_scalar("file", 4)}), open, {type}, "Cache");
  };
  EXPECT(numbers_of(*read(file, DType::int64)) == numbers_of(*numbers(70000)));
  Element element;
  Failure failure;
  for (const std::string& damaged : {file.substr(0, 4), "X" + file, file.substr(0, 20), file.substr(0, 8) + "\1"}) {
    EXPECT(read(damaged, DType::int64)->next(element, failure) == Found::failure);
    EXPECT(failure.status.code() == Code::data_loss && failure.stage == "Cache");
  }
  EXPECT(read(file, DType::float64)->next(element, failure) == Found::failure);
}

// Numbers by their rest of 3, in windows of 4.
ReaderRef grouped() {
  class Rest final : public MappedFunction {
    bool call(const Element& in, Element& out, Failure&, std::span<const Place>) override {
      return out.assign(1, number(*in[0].as<const int64_t>() % 3)), true;
    }
  };
  class Four final : public MappedFunction {
    bool call(const Element&, Element& out, Failure&, std::span<const Place>) override {
      return out.assign(1, number(4)), true;
    }
  };
  const OpenNested open = [](int64_t, int64_t, const Element& given, ReaderRef& opened, Failure&) {
    opened = read_held(Ref<HeldElements>::share(dynamic_cast<HeldElements*>(given[1].object.get())));
    return true;
  };
  return read_grouped(numbers(14), std::make_shared<Rest>(), std::make_shared<Four>(), open, "GroupByWindow");
}

void test_windows_come_by_their_keys() {
  EXPECT((numbers_of(*grouped()) == std::vector<int64_t>{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 12, 13}));
}

void test_windows_hold_neighbours() {
  const ReaderRef windows = read_windows(numbers(7), {1}, {3, 2, 2, false});
  const std::vector<std::vector<int64_t>> expected{{0, 2, 4}, {2, 4, 6}, {4, 6}, {6}};
  Element element;
  Failure failure;
  for (const std::vector<int64_t>& rows : expected) {
    EXPECT(windows->next(element, failure) == Found::element);
    const auto held = Ref<HeldElements>::share(dynamic_cast<HeldElements*>(element[0].object.get()));
    EXPECT(numbers_of(*read_held(held)) == rows && numbers_of(*read_held(held)) == rows);
  }
  EXPECT(windows->next(element, failure) == Found::end);
  EXPECT(windows->next(element, failure) == Found::end);
}

void test_damaged_states_of_nests_and_caches_are_refused() {
  const auto makers = std::vector<std::function<ReaderRef()>>{
      [] { return read_nested(numbers(9), spans(), 3, 2); },
      [] { return read_cached(numbers(9), std::make_shared<Cache>()); },
      [] { return read_unbatched(read_batches(numbers(9), {4}, false, "Batch"), "Unbatch"); },
      [] { return read_windows(numbers(90), {1}, {5, 3, 2, false}); },
      grouped,
  };
  for (const auto& make : makers) {
    const ReaderRef reader = make();
    Element element;
    Failure failure;
    for (int i = 0; i < 6; ++i) EXPECT(reader->next(element, failure) == Found::element);
    Marks marks;
    reader->save(marks);
    for (size_t cut = 0; cut < marks.marks.size(); ++cut) {
      Marks damaged;
      damaged.marks.assign(marks.marks.begin(), marks.marks.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT(!make()->restore(damaged));
    }
    EXPECT(make()->restore(marks));
  }
}

}  // namespace

int main() {
  test_batches_hold_what_comes();
  test_rows_are_made_at_their_places_in_batches();
  test_what_is_made_ahead_keeps_its_order();
  test_readers_that_go_leave_no_thread_behind();
  test_states_go_on_where_they_were();
  test_damaged_states_are_refused();
  test_parts_of_other_shapes_are_refused_by_name();
  test_texts_of_a_batch_that_failed_do_not_come_into_the_next();
  test_batches_have_no_more_axes_or_elements_than_tensors();
  test_predicates_that_give_no_bool_are_refused();
  test_a_name_of_a_file_that_is_no_text_is_refused();
  test_rows_are_padded_and_cut_apart_again();
  test_rows_are_joined_with_where_they_end();
  test_batches_larger_than_memory_are_failures_of_threads_too();
  test_threads_take_the_turns_that_one_takes();
  test_blocks_of_any_size_take_turns();
  test_groups_joined_by_threads_are_batches();
  test_a_cache_is_shared_when_it_is_whole();
  test_packed_tensors_come_back_and_damaged_bytes_do_not();
  test_files_of_elements_are_read_as_they_were_written();
  test_windows_come_by_their_keys();
  test_windows_hold_neighbours();
  test_damaged_states_of_nests_and_caches_are_refused();
  std::puts("ok");
  return 0;
}
