// Kernels `gather` and `gather_nd`. An index out of range is INVALID_ARGUMENT, with TensorFlow's words.
//
// gather: x, indices (int16, int32, int64) -> y; attributes: axis, batch_axes, with 0 <= batch_axes <= axis < rank of x and
//   batch_axes <= rank of indices; the first batch_axes sizes of x and indices are equal.
//   y = x.shape[:axis] + indices.shape[batch_axes:] + x.shape[axis+1:].
// gather_nd: x, indices [..., k] -> y; attributes: batch_axes. The last axis of indices names k axes of x after the batch axes;
//   y = indices.shape[:-1] + x.shape[batch_axes + k:].
// Element types: all with bytes, and string.
#include <algorithm>
#include <atomic>

#include "kernels/operands.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

constexpr int64_t piece_bytes = 64 << 10;

void copy_one(char* to, const char* from, int64_t bytes) {
  switch (bytes) {
    case 1:
      std::memcpy(to, from, 1);
      return;
    case 2:
      std::memcpy(to, from, 2);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 8:
      std::memcpy(to, from, 8);
      return;
    case 16:
      std::memcpy(to, from, 16);
      return;
    default:
      std::memcpy(to, from, static_cast<size_t>(bytes));
  }
}

// Several threads may find a bad index; the first in order is told.
void remember_first(std::atomic<int64_t>& bad, int64_t position) {
  int64_t known = bad.load(std::memory_order_relaxed);
  while ((known < 0 || position < known) && !bad.compare_exchange_weak(known, position)) {
  }
}

Status check_gather(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "gather", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "gather", 2));
  const Tensor &x = call.in(0), &indices = call.in(1), &y = call.out(0);
  const int64_t axis = call.attributes[0], batch = call.attributes[1];
  MS_REQUIRE(is_index(indices.dtype), "gather: indices are " + show(indices) + "; give int16, int32 or int64.");
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0, "gather: given " + show(x) + " for " + show(y) + ".");
  MS_REQUIRE(batch >= 0 && batch <= axis && axis < x.rank && batch <= indices.rank,
             "gather: axis " + std::to_string(axis) + ", batch_axes " + std::to_string(batch) + " for " + show(x) +
                 " and " + show(indices) + "; 0 <= batch_axes <= axis < rank is needed.");
  MS_REQUIRE(y.rank == x.rank + indices.rank - 1 - batch,
             "gather: " + show(x) + " and " + show(indices) + " do not give " + show(y) + ".");
  bool fits = true;
  for (int64_t i = 0; i < axis; ++i) fits &= y.dims[i] == x.dims[i] && (i >= batch || indices.dims[i] == x.dims[i]);
  for (int64_t i = batch; i < indices.rank; ++i) fits &= y.dims[axis + i - batch] == indices.dims[i];
  for (int64_t i = axis + 1; i < x.rank; ++i) fits &= y.dims[indices.rank - batch + i - 1] == x.dims[i];
  MS_REQUIRE(fits, "gather: " + show(x) + " and " + show(indices) + " do not give " + show(y) + ".");
  return Status();
}

Status run_gather(const Call& call) {
  const Tensor &x = call.in(0), &indices = call.in(1), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_gather);
  const int axis = static_cast<int>(call.attributes[0]), batch = static_cast<int>(call.attributes[1]);
  MS_REQUIRE(y.data != indices.data || y.count() == 0, "gather: the output must not share the bytes of the indices.");
  const int64_t batches = product(x.dims, 0, batch), middle = product(x.dims, batch, axis), limit = x.dims[axis];
  const int64_t bytes = product(x.dims, axis + 1, x.rank) * static_cast<int64_t>(element_bytes(x.dtype));
  const int64_t each = product(indices.dims, batch, indices.rank);
  const int64_t all = batches * middle * each;
  std::atomic<int64_t> bad{-1};
  if (all == 0 || bytes == 0) {
    // Nothing is copied, but an index that is out of range is still wrong.
    for (int64_t i = 0; i < indices.count(); ++i) {
      const int64_t index = index_at(indices, i);
      if (index >= 0 && index < limit) continue;
      bad = i;
      break;
    }
  } else {
    parallel_for(all, std::max<int64_t>(1, piece_bytes / std::max<int64_t>(bytes, 8)), [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t plane = at / each, first = at % each, count = std::min(each - first, end - at);
        const int64_t position = plane / middle * each;
        const char* from = x.as<const char>() + plane * limit * bytes;
        char* to = y.as<char>() + at * bytes;
        for (int64_t i = first; i < first + count; ++i, to += bytes) {
          const int64_t index = index_at(indices, position + i);
          if (index < 0 || index >= limit) return remember_first(bad, position + i);
          copy_one(to, from + index * bytes, bytes);
        }
        at += count;
      }
    });
  }
  if (const int64_t at = bad; at >= 0) {
    return invalid("indices" + show_position(indices.dims, indices.rank, at) + " = " +
                   std::to_string(index_at(indices, at)) + " is not in [0, " + std::to_string(limit) + ")");
  }
  return Status();
}

Status check_gather_nd(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "gather_nd", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "gather_nd", 1));
  const Tensor &x = call.in(0), &indices = call.in(1), &y = call.out(0);
  const int64_t batch = call.attributes[0];
  MS_REQUIRE(is_index(indices.dtype) && indices.rank >= 1,
             "gather_nd: indices are " + show(indices) + "; give int16, int32 or int64 [..., k].");
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0, "gather_nd: given " + show(x) + " for " + show(y) + ".");
  const int64_t depth = indices.dims[indices.rank - 1];
  MS_REQUIRE(batch >= 0 && batch < indices.rank && batch <= x.rank && depth <= x.rank - batch,
             "gather_nd: indices " + show(indices) + " with batch_axes " + std::to_string(batch) + " do not index " +
                 show(x) + ".");
  const int64_t inner = x.rank - batch - depth;
  bool fits = y.rank == indices.rank - 1 + inner;
  for (int64_t i = 0; fits && i < batch; ++i) fits = x.dims[i] == indices.dims[i];
  for (int64_t i = 0; fits && i < indices.rank - 1; ++i) fits = y.dims[i] == indices.dims[i];
  for (int64_t i = 0; fits && i < inner; ++i) fits = y.dims[indices.rank - 1 + i] == x.dims[batch + depth + i];
  MS_REQUIRE(fits, "gather_nd: " + show(x) + " and " + show(indices) + " do not give " + show(y) + ".");
  return Status();
}

Status run_gather_nd(const Call& call) {
  const Tensor &x = call.in(0), &indices = call.in(1), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_gather_nd);
  const int batch = static_cast<int>(call.attributes[0]);
  const int depth = static_cast<int>(indices.dims[indices.rank - 1]);
  MS_REQUIRE(y.data != indices.data || y.count() == 0,
             "gather_nd: the output must not share the bytes of the indices.");
  const int64_t batches = product(x.dims, 0, batch), rows = product(indices.dims, 0, indices.rank - 1);
  const int64_t each = batches > 0 ? rows / batches : 0, plane = product(x.dims, batch, x.rank);
  const auto width = static_cast<int64_t>(element_bytes(x.dtype));
  const int64_t bytes = product(x.dims, batch + depth, x.rank) * width;
  std::atomic<int64_t> bad{-1};
  parallel_for(rows, std::max<int64_t>(1, piece_bytes / std::max<int64_t>(bytes, 8)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t offset = 0;
      for (int i = 0; i < depth; ++i) {
        const int64_t index = index_at(indices, row * depth + i);
        if (index < 0 || index >= x.dims[batch + i]) return remember_first(bad, row);
        offset = offset * x.dims[batch + i] + index;
      }
      if (bytes > 0)
        copy_one(y.as<char>() + row * bytes, x.as<const char>() + row / each * plane * width + offset * bytes, bytes);
    }
  });
  if (const int64_t row = bad; row >= 0) {
    std::string index = "[";
    if (batch > 0) index += std::to_string(row / each) + ", ";
    for (int i = 0; i < depth; ++i) index += (i ? ", " : "") + std::to_string(index_at(indices, row * depth + i));
    return invalid("indices" + show_position(indices.dims, indices.rank - 1, row) + " = " + index +
                   "] does not index into param shape " + show_dims(x.dims, x.rank));
  }
  return Status();
}

const Kernel kernel_gather{"gather", check_gather, run_gather};
const Kernel kernel_gather_nd{"gather_nd", check_gather_nd, run_gather_nd};

}  // namespace

void register_gather(Registry& registry) {
  registry.add(kernel_gather);
  registry.add(kernel_gather_nd);
}

}  // namespace millstream
