// Kernel `edit_distance`: Levenshtein's distances between sequences that lie in sparse tensors. Refuses places outside y.
//
// edit_distance: hypothesis places int64 [m, r], hypothesis symbols int64 [m], truth places int64 [k, r], truth symbols int64 [k]
//   -> y float32 of rank r - 1: of each pair of sequences; the last column of the places only orders. attribute: normalize: 1 to
//   divide by the truth's length (infinity where that is 0 and the hypothesis's is not). Places ascend.
#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#include "kernels/operands.h"

namespace millstream {
namespace {

Status check_edit_distance(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "edit_distance", 4, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "edit_distance", 1));
  const Tensor& y = call.out(0);
  MS_REQUIRE(y.dtype == DType::float32, "edit_distance: does not give " + show(y) + ".");
  for (int i = 0; i < 4; i += 2) {
    const Tensor &places = call.in(i), &symbols = call.in(i + 1);
    MS_REQUIRE(places.dtype == DType::int64 && places.rank == 2 && places.dims[1] == y.rank + 1 &&
                   symbols.dtype == DType::int64 && symbols.rank == 1 && symbols.dims[0] == places.dims[0],
               "edit_distance: given " + show(places) + " and " + show(symbols) + " for " + show(y) + ".");
  }
  return Status();
}

// The end of the sequence that begins at element i, and which element of y it belongs to.
Status sequence_at(const Tensor& places, const Tensor& y, int64_t i, int64_t& end, int64_t& group) {
  const int64_t width = places.dims[1], *place = places.as<const int64_t>();
  group = 0;
  for (int axis = 0; axis < y.rank; ++axis) {
    const int64_t at = place[i * width + axis];
    MS_REQUIRE(at >= 0 && at < y.dims[axis], "edit_distance: index " + std::to_string(at) + " is outside of axis " +
                                                 std::to_string(axis) + " of size " + std::to_string(y.dims[axis]));
    group = group * y.dims[axis] + at;
  }
  for (end = i + 1; end < places.dims[0]; ++end) {
    if (!std::equal(place + i * width, place + i * width + width - 1, place + end * width)) break;
  }
  return Status();
}

int64_t distance_of(const int64_t* x, int64_t m, const int64_t* y, int64_t n, std::vector<int64_t>& row) {
  row.resize(static_cast<size_t>(n + 1));
  for (int64_t j = 0; j <= n; ++j) row[static_cast<size_t>(j)] = j;
  for (int64_t i = 1; i <= m; ++i) {
    int64_t corner = row[0];
    row[0] = i;
    for (int64_t j = 1; j <= n; ++j) {
      int64_t& now = row[static_cast<size_t>(j)];
      const int64_t replaced = corner + (x[i - 1] != y[j - 1]);
      corner = now;
      now = std::min({replaced, now + 1, row[static_cast<size_t>(j - 1)] + 1});
    }
  }
  return row[static_cast<size_t>(n)];
}

Status run_edit_distance(const Call& call) try {
  const Tensor& y = call.out(0);
  const int64_t count = y.count();
  std::vector<int64_t> begin(static_cast<size_t>(count), 0), size(begin), row;
  for (int64_t i = 0, end, group; i < call.in(0).dims[0]; i = end) {
    MS_RETURN_IF_ERROR(sequence_at(call.in(0), y, i, end, group));
    begin[static_cast<size_t>(group)] = i;
    size[static_cast<size_t>(group)] = end - i;
  }
  const auto *hypothesis = call.in(1).as<const int64_t>(), *truth = call.in(3).as<const int64_t>();
  const bool normalize = call.attributes[0] != 0;
  for (int64_t g = 0; g < count; ++g) {
    const int64_t alone = size[static_cast<size_t>(g)];
    y.as<float>()[g] = alone == 0 || !normalize ? static_cast<float>(alone) : std::numeric_limits<float>::infinity();
  }
  for (int64_t i = 0, end, group; i < call.in(2).dims[0]; i = end) {
    MS_RETURN_IF_ERROR(sequence_at(call.in(2), y, i, end, group));
    const auto g = static_cast<size_t>(group);
    const int64_t found = distance_of(hypothesis + begin[g], size[g], truth + i, end - i, row);
    y.as<float>()[group] = static_cast<float>(found) / (normalize ? static_cast<float>(end - i) : 1.0f);
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("edit_distance", call.in(0));
}

const Kernel kernel_edit_distance{"edit_distance", check_edit_distance, run_edit_distance};

}  // namespace

void register_edit_distance(Registry& registry) { registry.add(kernel_edit_distance); }

}  // namespace millstream
