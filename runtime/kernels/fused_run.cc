// Cuts an iteration space into tiles and runs them on the pool, with or without a reduction. Refuses outputs that share
// bytes with an input read in another order.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/elementwise_types.h"
#include "kernels/fused_worker.h"

namespace millstream {
namespace {

constexpr int64_t parallel_grain = 49152;  // additions that are worth waking a thread for
constexpr int tiles_between_flushes = 64;  // float32 sums are carried in float64 beyond this many additions
constexpr int64_t most_slices = 32;

Status failure_status(int failure) {
  if (failure & step_division_by_zero) return invalid("Integer division by zero");
  if (failure & step_negative_power) return invalid("Integers to negative integer powers are not allowed");
  return Status();
}

// Outputs over an input's bytes: what must be written only when a tile is done, or not at all.
Status find_deferred(const TilePlan& plan, const Call& call, bool single_tile, bool* deferred) {
  for (size_t k = 0; k < plan.results.size(); ++k) {
    const TileResult& result = plan.results[k];
    deferred[k] = false;
    const Tensor& out = call.out(static_cast<int>(k));
    const char* begin = static_cast<const char*>(out.data);
    const char* end = begin + out.bytes();
    for (const TileReader& reader : plan.readers) {
      if (reader.input < 0) continue;
      const Tensor& in = call.in(reader.input);
      const char* from = static_cast<const char*>(in.data);
      if (from >= end || begin >= from + in.bytes()) continue;
      const bool dense = reader.reading == Reading::moving || reader.reading == Reading::loaded;
      const bool same = dense && from + reader.offset * reader.bytes == begin && reader.bytes == result.bytes &&
                        result.kind == ReduceKind::store;
      if (!same && !single_tile) {
        return invalid("fused: output " + std::to_string(k) + " overlaps input " + std::to_string(reader.input) +
                       ", which is not read in the output's order; give the output memory of its own");
      }
      deferred[k] = deferred[k] || !same || reader.last_read > result.written;
    }
  }
  return Status();
}

// How rows are cut: `pieces` of a row where rows are long, else `block` whole rows.
struct Cut {
  int64_t pieces, width, block;
  explicit Cut(const TilePlan& plan) {
    pieces = (plan.row + plan.capacity - 1) / plan.capacity;
    width = pieces == 1 ? plan.row : std::min(plan.capacity, ((plan.row + pieces - 1) / pieces + 63) / 64 * 64);
    pieces = (plan.row + width - 1) / width;
    block = pieces == 1 ? std::max<int64_t>(1, plan.capacity / plan.row) : 1;
  }
  int64_t tiles(int64_t rows) const { return pieces == 1 ? (rows + block - 1) / block : rows * pieces; }
  int run(const TilePlan& plan, TileWorker& worker, int64_t first_row, int64_t rows, int64_t tile, int64_t& n) const {
    if (pieces == 1) {
      const int64_t at = tile * block, count = std::min(block, rows - at);
      n = count * plan.row;
      return worker.run(first_row + at, count, 0, plan.row);
    }
    const int64_t column = tile % pieces * width;
    n = std::min(width, plan.row - column);
    return worker.run(first_row + tile / pieces, 1, column, n);
  }
};

void parallel_tiles(const TilePlan& plan, int64_t count, int64_t elements_each,
                    const std::function<void(int64_t, int64_t)>& body) {
  const int64_t cost_each = std::max<int64_t>(1, elements_each * plan.cost);
  const int64_t grain = std::max<int64_t>(1, parallel_grain / cost_each);
  if (count <= grain) return body(0, count);
  parallel_for(count, grain, body);
}

Status run_stores(const TilePlan& plan, const Call& call) {
  const Cut cut(plan);
  const int64_t tiles = cut.tiles(plan.rows);
  bool few[16];
  std::unique_ptr<bool[]> many(plan.results.size() > 16 ? new bool[plan.results.size()] : nullptr);
  bool* deferred = many ? many.get() : few;
  MS_RETURN_IF_ERROR(find_deferred(plan, call, tiles == 1, deferred));
  if (tiles == 1) {
    TileWorker worker(plan, call, deferred, 0);
    int64_t n;
    return failure_status(cut.run(plan, worker, 0, plan.rows, 0, n));
  }
  std::atomic<int> failure{0};
  parallel_tiles(plan, tiles, cut.block * cut.width, [&](int64_t begin, int64_t end) {
    TileWorker worker(plan, call, deferred, 0);
    int failed = 0;
    int64_t n;
    for (int64_t tile = begin; tile < end; ++tile) failed |= cut.run(plan, worker, 0, plan.rows, tile, n);
    if (failed) failure.fetch_or(failed);
  });
  return failure_status(failure.load());
}

void store_result(const TileResult& result, const Call& call, size_t k, int64_t at, int64_t n, const void* registers) {
  char* to = static_cast<char*>(call.out(static_cast<int>(k)).data) + at * result.bytes;
  if (result.store != nullptr)
    result.store(n, to, registers, nullptr, nullptr);
  else
    std::memcpy(to, registers, static_cast<size_t>(n * result.bytes));
}

// Folds `count` rows of n elements onto one, in pairs; `to` has room for half of them.
void fold_rows(StepFunction combine, int64_t count, int64_t n, int64_t bytes, char* to, const char* from) {
  if (count == 1) std::memcpy(to, from, static_cast<size_t>(n * bytes));
  while (count > 1) {
    const int64_t half = (count + 1) / 2, pairs = count - half;
    combine(pairs * n, to, from, from + half * n * bytes, nullptr);
    const int64_t odd = pairs * n * bytes;
    if (pairs < half && to != from) std::memcpy(to + odd, from + odd, static_cast<size_t>(n * bytes));
    from = to;
    count = half;
  }
}

// Whole reduced spaces fit into a tile: several of them at once.
Status run_short(const TilePlan& plan, const Call& call, const bool* deferred) {
  const int64_t space = plan.reduced * plan.inner;
  const int64_t each = space / plan.row;  // rows of the innermost dimension to a space
  const int64_t block = std::max<int64_t>(1, plan.capacity / space);
  const int64_t tiles = (plan.outer + block - 1) / block;
  std::atomic<int> failure{0};
  parallel_tiles(plan, tiles, block * space, [&](int64_t begin, int64_t end) {
    TileWorker worker(plan, call, deferred, plan.capacity * 16);
    int failed = 0;
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t at = tile * block, count = std::min(block, plan.outer - at);
      failed |= worker.run(at * each, count * each, 0, plan.row);
      for (size_t k = 0; k < plan.results.size(); ++k) {
        const TileResult& result = plan.results[k];
        if (result.kind == ReduceKind::store) continue;
        const char* from = static_cast<const char*>(worker.value(result.value));
        if (plan.inner == 1) {
          row_reduction(result.kind, result.register_dtype)(count, plan.reduced, worker.extra(), from);
        } else {
          const StepFunction combine = step_table().step(combining_op(result.kind), result.register_dtype);
          const int64_t bytes = result.register_bytes;
          char* to = worker.extra();
          for (int64_t o = 0; o < count; ++o, to += plan.inner * bytes) {
            // Half a space beyond the results done so far is free: there are as many as the tile has elements.
            fold_rows(combine, plan.reduced, plan.inner, bytes, to, from + o * space * bytes);
          }
        }
        store_result(result, call, k, at * plan.inner, count * plan.inner, worker.extra());
      }
    }
    if (failed) failure.fetch_or(failed);
  });
  return failure_status(failure.load());
}

// What a reduced output is gathered in: a tile of partial results, added to element by element.
struct Accumulator {
  size_t output;
  StepFunction combine, combine_wide;
  DType type, wide;  // float32 sums are carried on in float64
  int64_t bytes, wide_bytes;
  bool carries() const { return type != wide; }
};

std::vector<Accumulator> accumulators_of(const TilePlan& plan) {
  std::vector<Accumulator> all;
  for (size_t k = 0; k < plan.results.size(); ++k) {
    const TileResult& result = plan.results[k];
    if (result.kind == ReduceKind::store) continue;
    Accumulator a;
    a.output = k;
    a.type = result.register_dtype;
    a.wide = result.kind == ReduceKind::sum && a.type == DType::float32 ? DType::float64 : a.type;
    a.combine = step_table().step(combining_op(result.kind), a.type);
    a.combine_wide = step_table().step(combining_op(result.kind), a.wide);
    a.bytes = static_cast<int64_t>(element_bytes(a.type));
    a.wide_bytes = static_cast<int64_t>(element_bytes(a.wide));
    all.push_back(a);
  }
  return all;
}

class LongReduction {
 public:
  LongReduction(const TilePlan& plan, const Call& call, const bool* deferred)
      : plan_(plan), call_(call), deferred_(deferred), cut_(plan), accumulators_(accumulators_of(plan)) {
    const int64_t row_each = plan.inner == 1 ? 1 : plan.inner / plan.row;  // rows to one position of the inner space
    if (plan.inner == 1) {
      rows_ = plan.reduced / plan.row;
      steps_ = cut_.tiles(rows_);
      widest_ = std::min(plan.capacity, cut_.block * cut_.width);
    } else if (plan.inner <= plan.capacity) {
      positions_ = plan.capacity / plan.inner;
      steps_ = (plan.reduced + positions_ - 1) / positions_;
      widest_ = positions_ * plan.inner;
    } else {
      blocks_ = cut_.tiles(row_each);
      steps_ = plan.reduced;
      widest_ = cut_.block * cut_.width;
    }
    row_each_ = row_each;
    units_ = plan.outer * blocks_;
    // By the sizes alone, never by the number of threads: the same numbers everywhere.
    slices_ = std::max<int64_t>(1, std::min({steps_ / 16, (most_slices + units_ - 1) / units_, most_slices}));
    for (const Accumulator& a : accumulators_) {
      narrow_at_.push_back(thread_bytes_);
      thread_bytes_ += (widest_ * a.bytes + 63) / 64 * 64;
      wide_at_.push_back(thread_bytes_);
      thread_bytes_ += (widest_ * a.wide_bytes + 63) / 64 * 64;
    }
  }

  Status run() {
    const int64_t fold = plan_.inner == 1 ? 1 : std::min(plan_.inner, widest_);
    if (slices_ > 1) {
      for (const Accumulator& a : accumulators_) {
        partials_.push_back(aligned_bytes(static_cast<size_t>(units_ * slices_ * fold * a.wide_bytes)));
        if (!partials_.back()) return Status(Code::resource_exhausted, "fused_reduce: no memory for partial results");
      }
    }
    const int64_t tasks = units_ * slices_;
    parallel_tiles(plan_, tasks, (steps_ + slices_ - 1) / slices_ * widest_, [&](int64_t begin, int64_t end) {
      TileWorker worker(plan_, call_, deferred_, thread_bytes_);
      for (int64_t task = begin; task < end; ++task) run_task(worker, task / slices_, task % slices_, fold);
    });
    if (slices_ > 1) combine_slices(fold);
    return failure_status(failure_.load());
  }

 private:
  struct Place {
    int64_t o, block, at, width;  // kept position [at, at + width)
  };
  Place place_of(int64_t unit) const {
    Place place{unit / blocks_, unit % blocks_, 0, 1};
    if (plan_.inner == 1) {
      place.at = unit;
    } else if (blocks_ == 1 && plan_.inner <= plan_.capacity) {
      place.at = unit * plan_.inner;
      place.width = plan_.inner;
    } else if (cut_.pieces == 1) {
      place.at = place.o * plan_.inner + place.block * cut_.block * plan_.row;
      place.width = std::min(cut_.block, row_each_ - place.block * cut_.block) * plan_.row;
    } else {
      const int64_t column = place.block % cut_.pieces * cut_.width;
      place.at = place.o * plan_.inner + place.block / cut_.pieces * plan_.row + column;
      place.width = std::min(cut_.width, plan_.row - column);
    }
    return place;
  }

  int run_step(TileWorker& worker, const Place& place, int64_t step, int64_t& n) const {
    if (plan_.inner == 1) return cut_.run(plan_, worker, place.o * rows_, rows_, step, n);
    if (positions_ > 0) {
      const int64_t r = step * positions_, count = std::min(positions_, plan_.reduced - r);
      n = count * plan_.inner;
      return worker.run((place.o * plan_.reduced + r) * row_each_, count * row_each_, 0, plan_.row);
    }
    return cut_.run(plan_, worker, (place.o * plan_.reduced + step) * row_each_, row_each_, place.block, n);
  }

  void run_task(TileWorker& worker, int64_t unit, int64_t slice, int64_t fold) {
    const Place place = place_of(unit);
    const int64_t used = plan_.inner == 1 || positions_ > 0 ? widest_ : place.width;
    char* memory = worker.extra();
    for (size_t k = 0; k < accumulators_.size(); ++k) {
      const Accumulator& a = accumulators_[k];
      const ReduceKind kind = plan_.results[a.output].kind;
      fill_identity(kind, a.type, used, memory + narrow_at_[k]);
      fill_identity(kind, a.wide, used, memory + wide_at_[k]);
    }
    const int64_t begin = steps_ * slice / slices_, end = steps_ * (slice + 1) / slices_;
    int failed = 0;
    for (int64_t step = begin; step < end; ++step) {
      int64_t n = 0;
      failed |= run_step(worker, place, step, n);
      const bool flush = (step - begin) % tiles_between_flushes == tiles_between_flushes - 1;
      for (size_t k = 0; k < accumulators_.size(); ++k) {
        const Accumulator& a = accumulators_[k];
        char* sum = memory + (a.carries() ? narrow_at_[k] : wide_at_[k]);
        a.combine(n, sum, sum, worker.value(plan_.results[a.output].value), nullptr);
        if (flush && a.carries()) carry(memory, k, used);
      }
    }
    for (size_t k = 0; k < accumulators_.size(); ++k) {
      const Accumulator& a = accumulators_[k];
      if (a.carries()) carry(memory, k, used);
      char* wide = memory + wide_at_[k];
      for (int64_t count = used / place.width; count > 1;) {  // fold the positions of the tile onto the first
        const int64_t half = count / 2;
        a.combine_wide(half * place.width, wide, wide, wide + (count - half) * place.width * a.wide_bytes, nullptr);
        count -= half;
      }
      if (slices_ == 1) {
        finish(a, place, wide, memory + narrow_at_[k]);
      } else {
        std::memcpy(partials_[k].get() + (unit * slices_ + slice) * fold * a.wide_bytes, wide,
                    static_cast<size_t>(place.width * a.wide_bytes));
      }
    }
    if (failed) failure_.fetch_or(failed);
  }

  void carry(char* memory, size_t k, int64_t n) const {
    float* narrow = reinterpret_cast<float*>(memory + narrow_at_[k]);
    double* wide = reinterpret_cast<double*>(memory + wide_at_[k]);
    for (int64_t i = 0; i < n; ++i) wide[i] += static_cast<double>(narrow[i]);
    std::memset(narrow, 0, static_cast<size_t>(n) * sizeof(float));
  }

  void finish(const Accumulator& a, const Place& place, const char* wide, char* narrow) const {
    const void* registers = wide;
    if (a.carries()) {
      step_table().convert(a.wide, a.type)(place.width, narrow, wide, nullptr, nullptr);
      registers = narrow;
    }
    store_result(plan_.results[a.output], call_, a.output, place.at, place.width, registers);
  }

  void combine_slices(int64_t fold) {
    char* narrow = thread_scratch(widest_ * 16);
    for (int64_t unit = 0; unit < units_; ++unit) {
      const Place place = place_of(unit);
      for (size_t k = 0; k < accumulators_.size(); ++k) {
        const Accumulator& a = accumulators_[k];
        char* first = partials_[k].get() + unit * slices_ * fold * a.wide_bytes;
        for (int64_t slice = 1; slice < slices_; ++slice) {
          a.combine_wide(place.width, first, first, first + slice * fold * a.wide_bytes, nullptr);
        }
        finish(a, place, first, narrow);
      }
    }
  }

  const TilePlan& plan_;
  const Call& call_;
  const bool* deferred_;
  const Cut cut_;
  const std::vector<Accumulator> accumulators_;
  std::vector<int64_t> narrow_at_, wide_at_;
  std::vector<AlignedBytes> partials_;
  std::atomic<int> failure_{0};
  int64_t rows_ = 0, positions_ = 0, blocks_ = 1, steps_ = 0, widest_ = 0, row_each_ = 1, units_ = 0, slices_ = 1;
  int64_t thread_bytes_ = 0;
};

}  // namespace

Status run_tiles(const TilePlan& plan, const Call& call) {
  if (plan.total == 0) {
    for (size_t k = 0; k < plan.results.size(); ++k) {
      const TileResult& result = plan.results[k];
      if (result.kind == ReduceKind::store) continue;
      const int64_t n = call.out(static_cast<int>(k)).count();
      alignas(16) char element[16];
      fill_identity(result.kind, result.register_dtype, 1, element);
      for (int64_t i = 0; i < n; ++i) store_result(result, call, k, i, 1, element);
    }
    return Status();
  }
  if (!plan.reduces) return run_stores(plan, call);
  std::unique_ptr<bool[]> deferred(new bool[plan.results.size()]);
  MS_RETURN_IF_ERROR(find_deferred(plan, call, false, deferred.get()));
  if (plan.reduced * plan.inner <= plan.capacity) return run_short(plan, call, deferred.get());
  return LongReduction(plan, call, deferred.get()).run();
}

}  // namespace millstream
