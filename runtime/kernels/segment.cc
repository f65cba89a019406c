// Kernel `segment_reduce`. An id not below the segment count is INVALID_ARGUMENT, with TensorFlow's words.
//
// segment_reduce: x, ids (int16, int32, int64; the first axes of x) -> y [segments, x's other axes]
//   attributes: kind (0 sum, 1 product, 2 maximum, 3 minimum, 4 mean), sorted: 1 if ids must not decrease (SegmentSum).
//   Negative ids are dropped. Empty segments hold the identity (sum 0, product 1, maximum the lowest finite value, minimum the
//   highest, mean 0); with sorted 1 they hold 0 whatever the kind.
// Element types: numbers; no order on complex ones; bool for maximum and minimum; mean of floats and complex.
#include <algorithm>
#include <complex>
#include <new>
#include <numeric>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/operands.h"
#include "kernels/scatter_combine.h"
#include "kernels/strided.h"

namespace millstream {
namespace {

constexpr Combine kinds[] = {Combine::add, Combine::multiply, Combine::maximum, Combine::minimum, Combine::add};
constexpr int64_t mean = 4;

Status check_segment_reduce(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "segment_reduce", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "segment_reduce", 2));
  const Tensor &x = call.in(0), &ids = call.in(1), &y = call.out(0);
  const int64_t kind = call.attributes[0];
  MS_REQUIRE(kind >= 0 && kind <= mean && call.attributes[1] >= 0 && call.attributes[1] <= 1,
             "segment_reduce: kind " + std::to_string(kind) + ", sorted " + std::to_string(call.attributes[1]) +
                 " are not known.");
  char identity[16];
  MS_REQUIRE(x.dtype == y.dtype && combine_run(kinds[kind], x.dtype) != nullptr &&
                 combine_identity(kinds[kind], x.dtype, identity) &&
                 (kind != mean || is_floating(x.dtype) || is_complex(x.dtype)),
             "segment_reduce: kind " + std::to_string(kind) + " does not take " + show(x) + " to " + show(y) + ".");
  bool fits = is_index(ids.dtype) && ids.rank <= x.rank && y.rank == x.rank - ids.rank + 1;
  for (int i = 0; fits && i < ids.rank; ++i) fits = ids.dims[i] == x.dims[i];
  for (int i = ids.rank; fits && i < x.rank; ++i) fits = y.dims[i - ids.rank + 1] == x.dims[i];
  MS_REQUIRE(fits, "segment_reduce: " + show(x) + " with ids " + show(ids) + " does not give " + show(y) + ".");
  return Status();
}

void divide(const Tensor& y, int64_t at, int64_t count, int64_t by) {
  const auto each = [&](auto* data, auto&& one) {
    for (int64_t i = at; i < at + count; ++i) data[i] = one(data[i]);
  };
  const auto n = static_cast<double>(by);
  const auto n_float = static_cast<float>(by);
  switch (y.dtype) {
    case DType::float32:
      return each(y.as<float>(), [&](float v) { return v / n_float; });
    case DType::float64:
      return each(y.as<double>(), [&](double v) { return v / n; });
    case DType::complex64:
      return each(y.as<std::complex<float>>(), [&](auto v) { return v / n_float; });
    case DType::complex128:
      return each(y.as<std::complex<double>>(), [&](auto v) { return v / n; });
    case DType::float16:
      return each(y.as<uint16_t>(), [&](uint16_t v) { return half_of_float(float_of_half(v) / n_float); });
    default:
      return each(y.as<uint16_t>(), [&](uint16_t v) { return bfloat16_of_float(float_of_bfloat16(v) / n_float); });
  }
}

Status run_segment_reduce(const Call& call) try {
  const Tensor &x = call.in(0), &ids = call.in(1), &y = call.out(0);
  const int64_t kind = call.attributes[0], rows = ids.count(), segments = y.dims[0];
  const bool sorted = call.attributes[1] == 1;
  const int64_t inner = product(x.dims, ids.rank, x.rank);
  const auto width = static_cast<int64_t>(element_bytes(x.dtype));
  MS_REQUIRE(y.count() == 0 || (y.data != ids.data && y.data != x.data),
             "segment_reduce: the output must not share the bytes of an input.");
  std::vector<int64_t> targets(static_cast<size_t>(rows)), counts;
  if (kind == mean || sorted) counts.resize(static_cast<size_t>(segments));
  int64_t last = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t id = targets[static_cast<size_t>(row)] = index_at(ids, row);
    if (sorted && row > 0 && id < last) return invalid("segment ids are not increasing");
    if (id >= segments || (sorted && id < 0)) {
      return invalid("segment_ids" + show_position(ids.dims, ids.rank, row) + " = " + std::to_string(id) +
                     " is out of range [0, " + std::to_string(segments) + ")");
    }
    if (id >= 0 && !counts.empty()) ++counts[static_cast<size_t>(id)];
    last = id;
  }
  if (y.count() == 0) return Status();
  char identity[16] = {};
  combine_identity(kinds[kind], x.dtype, identity);
  const CombineRun combine = combine_run(kinds[kind], x.dtype);
  for (int64_t& target : targets) target *= target < 0 ? 1 : inner;
  const auto fill = [&](int64_t first, int64_t past) {
    fill_elements(y.as<char>() + first * inner * width, (past - first) * inner, identity, width);
  };
  const auto finish = [&](int64_t first, int64_t past) {
    for (int64_t id = first; id < past; ++id) {
      const int64_t count = counts[static_cast<size_t>(id)];
      if (sorted && count == 0) std::memset(y.as<char>() + id * inner * width, 0, static_cast<size_t>(inner * width));
      if (kind == mean && count > 1) divide(y, id * inner, inner, count);
    }
  };
  const int64_t largest = counts.empty() ? rows : *std::max_element(counts.begin(), counts.end());
  if (sorted && rows > 0 && largest * 4 <= rows) {
    // Many segments, each of rows that lie together: whole segments are made in one go, while they are in the cache.
    std::vector<int64_t> starts(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), int64_t{0});
    const auto segment_at = [&](int64_t row) {
      return row == rows ? segments : std::lower_bound(starts.begin(), starts.end(), row) - starts.begin();
    };
    parallel_for(rows, std::max<int64_t>(1, (128 << 10) / std::max<int64_t>(1, inner * width)),
                 [&](int64_t begin, int64_t end) {
                   const int64_t first = segment_at(begin), past = segment_at(end);
                   if (first == past) return;
                   fill(first, past);
                   const int64_t from = starts[static_cast<size_t>(first)];
                   const int64_t to = past == segments ? rows : starts[static_cast<size_t>(past)];
                   const char* source = static_cast<const char*>(x.data) + from * inner * width;
                   combine({y.data, targets.data() + from, to - from, source, inner, false}, 0, inner);
                   finish(first, past);
                 });
    return Status();
  }
  fill(0, segments);
  const CombineRows work{y.data, targets.data(), rows, x.data, inner, false};
  parallel_for(inner, std::max<int64_t>(64, (128 << 10) / std::max<int64_t>(1, rows * width)),
               [&](int64_t begin, int64_t end) { combine(work, begin, end); });
  finish(0, static_cast<int64_t>(counts.size()));
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("segment_reduce", call.in(1));
}

const Kernel kernel_segment_reduce{"segment_reduce", check_segment_reduce, run_segment_reduce};

}  // namespace

void register_segment(Registry& registry) { registry.add(kernel_segment_reduce); }

}  // namespace millstream
