// Kernels `slice`, `dynamic_slice`, `dynamic_update_slice`. They refuse windows that do not fit.
//
// slice: x -> y; attributes: start, limit, stride, each one word per axis; 0 <= start <= limit <= size, stride >= 1,
//   y's size is ceil((limit - start) / stride).
// dynamic_slice: x, start (int32 or int64 [rank]) -> y; y's sizes say how much. Attributes: none, and start is clamped so that
//   it fits; or 1, and a start that does not fit is refused.
// dynamic_update_slice: x, update, start -> y, which may be an alias of x; start is clamped.
// Element types: all with bytes, and string.
#include <algorithm>

#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_slice(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "slice", 1, 1));
  const Tensor &x = call.in(0), &y = call.out(0);
  const int rank = x.rank;
  MS_RETURN_IF_ERROR(check_attributes(call, "slice", 3 * int64_t{rank}));
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0 && rank == y.rank,
             "slice: given " + show(x) + " for " + show(y) + ".");
  for (int i = 0; i < rank; ++i) {
    const int64_t start = call.attributes[i], limit = call.attributes[rank + i], stride = call.attributes[2 * rank + i];
    MS_REQUIRE(start >= 0 && start <= limit && limit <= x.dims[i] && stride >= 1,
               "slice: axis " + std::to_string(i) + " from " + std::to_string(start) + " to " + std::to_string(limit) +
                   " by " + std::to_string(stride) + " of " + show(x) +
                   "; 0 <= start <= limit <= size and stride >= 1.");
    const int64_t length = limit == start ? 0 : (limit - start - 1) / stride + 1;
    MS_REQUIRE(length == y.dims[i], "slice: axis " + std::to_string(i) + " gives " + std::to_string(length) +
                                        " elements, the output is " + show(y) + ".");
  }
  return Status();
}

Status run_slice(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_slice);
  if (y.count() == 0) return Status();
  const int rank = x.rank;
  StridedCopy copy;
  copy.rank = rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  dense_strides(x.dims, rank, copy.width, copy.from_bytes);
  dense_strides(y.dims, rank, copy.width, copy.to_bytes);
  const char* from = x.as<const char>();
  for (int i = 0; i < rank; ++i) {
    copy.sizes[i] = y.dims[i];
    from += copy.from_bytes[i] * call.attributes[i];
    // A single element needs no stride, and a huge one would overflow.
    copy.from_bytes[i] = y.dims[i] > 1 ? copy.from_bytes[i] * call.attributes[2 * rank + i] : 0;
  }
  copy_strided(y.as<char>(), from, copy);
  return Status();
}

// `part` must fit in `whole` on every axis, `start` hold one index per axis.
Status check_window(const char* name, const Tensor& whole, const Tensor& part, const Tensor& start) {
  const std::string who = std::string(name) + ": ";
  MS_REQUIRE(whole.dtype == part.dtype && moved_bytes(whole.dtype) > 0 && whole.rank == part.rank,
             who + "given " + show(whole) + " and " + show(part) + "; element type and rank must be equal.");
  MS_REQUIRE(
      (start.dtype == DType::int32 || start.dtype == DType::int64) && start.rank == 1 && start.dims[0] == whole.rank,
      who + "start is " + show(start) + "; give int32 or int64 with one element per axis.");
  for (int i = 0; i < whole.rank; ++i) {
    MS_REQUIRE(part.dims[i] <= whole.dims[i], who + show(part) + " does not fit in " + show(whole) + ".");
  }
  return Status();
}

// Bytes from the beginning of `whole` to the window.
int64_t window_offset(const Tensor& whole, const Tensor& part, const Tensor& start, const int64_t* strides) {
  int64_t offset = 0;
  for (int i = 0; i < whole.rank; ++i) {
    offset += strides[i] * std::clamp<int64_t>(index_at(start, i), 0, whole.dims[i] - part.dims[i]);
  }
  return offset;
}

Status check_dynamic_slice(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "dynamic_slice", 2, 1));
  if (call.attribute_count != 0) {
    MS_RETURN_IF_ERROR(check_attributes(call, "dynamic_slice", 1));
    MS_REQUIRE(call.attributes[0] == 1,
               "dynamic_slice: the attribute is " + std::to_string(call.attributes[0]) + "; 1.");
  }
  return check_window("dynamic_slice", call.in(0), call.out(0), call.in(1));
}

Status run_dynamic_slice(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out(0);
  for (int i = 0; call.attribute_count == 1 && i < x.rank; ++i) {
    const int64_t start = index_at(call.in(1), i), most = x.dims[i] - y.dims[i];
    if (start < 0 || start > most) {
      return invalid("slice index " + std::to_string(start) + " of dimension " + std::to_string(i) +
                     " out of bounds: " + std::to_string(y.dims[i]) + " elements of " + show(x) + " start in [0, " +
                     std::to_string(most) + "]");
    }
  }
  if (x.dtype == DType::string) return move_strings(call, run_dynamic_slice);
  if (y.count() == 0) return Status();
  StridedCopy copy;
  copy.rank = x.rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  dense_strides(x.dims, x.rank, copy.width, copy.from_bytes);
  dense_strides(y.dims, y.rank, copy.width, copy.to_bytes);
  for (int i = 0; i < x.rank; ++i) copy.sizes[i] = y.dims[i];
  copy_strided(y.as<char>(), x.as<const char>() + window_offset(x, y, call.in(1), copy.from_bytes), copy);
  return Status();
}

Status check_dynamic_update_slice(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "dynamic_update_slice", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "dynamic_update_slice", 0));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(x.dtype == y.dtype && same_dims(x, y), "dynamic_update_slice: given " + show(x) + " for " + show(y) + ".");
  return check_window("dynamic_update_slice", x, call.in(1), call.in(2));
}

Status run_dynamic_update_slice(const Call& call) {
  const Tensor &x = call.in(0), &update = call.in(1), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_dynamic_update_slice);
  StridedCopy copy;
  copy.rank = x.rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  dense_strides(x.dims, x.rank, copy.width, copy.to_bytes);
  dense_strides(update.dims, x.rank, copy.width, copy.from_bytes);
  for (int i = 0; i < x.rank; ++i) copy.sizes[i] = update.dims[i];
  const int64_t offset = window_offset(x, update, call.in(2), copy.to_bytes);
  copy_bytes(y.as<char>(), x.as<const char>(), static_cast<int64_t>(x.bytes()));
  if (update.count() > 0 && update.data != y.data) copy_strided(y.as<char>() + offset, update.as<const char>(), copy);
  return Status();
}

const Kernel kernel_slice{"slice", check_slice, run_slice};
const Kernel kernel_dynamic_slice{"dynamic_slice", check_dynamic_slice, run_dynamic_slice};
const Kernel kernel_dynamic_update_slice{"dynamic_update_slice", check_dynamic_update_slice, run_dynamic_update_slice};

}  // namespace

void register_slice(Registry& registry) {
  registry.add(kernel_slice);
  registry.add(kernel_dynamic_slice);
  registry.add(kernel_dynamic_update_slice);
}

}  // namespace millstream
