// Kernel `pad`. Refuses interior below 0 and sizes that do not follow.
//
// pad: x, value (scalar) -> y; attributes: low, high, interior, each one word per axis. low and high may be negative (they cut),
//   interior >= 0 elements go between neighbours. y's size is low + high + size + max(size - 1, 0) * interior.
// Element types: all with bytes, and string.
#include <algorithm>

#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

constexpr int64_t largest_pad = int64_t{1} << 46;  // keeps all sums below far from overflow

Status check_pad(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "pad", 2, 1));
  const Tensor &x = call.in(0), &value = call.in(1), &y = call.out(0);
  const int rank = x.rank;
  MS_RETURN_IF_ERROR(check_attributes(call, "pad", 3 * int64_t{rank}));
  MS_REQUIRE(
      x.dtype == y.dtype && x.dtype == value.dtype && moved_bytes(x.dtype) > 0 && rank == y.rank && value.count() == 1,
      "pad: given " + show(x) + " and " + show(value) + " for " + show(y) + "; value is one element of the same type.");
  for (int i = 0; i < rank; ++i) {
    const int64_t low = call.attributes[i], high = call.attributes[rank + i], interior = call.attributes[2 * rank + i];
    const std::string axis = "pad: axis " + std::to_string(i);
    MS_REQUIRE(low > -largest_pad && low < largest_pad && high > -largest_pad && high < largest_pad && interior >= 0,
               axis + " has padding " + std::to_string(low) + ", " + std::to_string(high) + ", interior " +
                   std::to_string(interior) + "; interior must be at least 0.");
    int64_t length = 0;
    const bool fits = x.dims[i] < largest_pad &&
                      !__builtin_mul_overflow(std::max<int64_t>(x.dims[i] - 1, 0), interior, &length) &&
                      length < largest_pad && interior < largest_pad;
    MS_REQUIRE(fits && low + high + x.dims[i] + length == y.dims[i],
               axis + " of " + show(x) + " does not give " + show(y) + ".");
  }
  return Status();
}

Status run_pad(const Call& call) {
  const Tensor &x = call.in(0), &value = call.in(1), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_pad);
  const int rank = x.rank;
  if (y.count() == 0) return Status();
  MS_REQUIRE(x.data != y.data || x.count() == 0, "pad: the output must not share the bytes of the input.");
  StridedCopy copy;
  copy.rank = rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  dense_strides(x.dims, rank, copy.width, copy.from_bytes);
  dense_strides(y.dims, rank, copy.width, copy.to_bytes);
  const char* from = x.as<const char>();
  char* to = y.as<char>();
  for (int i = 0; i < rank; ++i) {
    const int64_t low = call.attributes[i], step = call.attributes[2 * rank + i] + 1;
    // Elements first..last of x land at low + k * step; those outside [0, size of y) are cut.
    const int64_t first = low < 0 ? (-low + step - 1) / step : 0;
    const int64_t room = y.dims[i] - 1 - low;
    const int64_t last = room < 0 ? -1 : std::min(x.dims[i] - 1, room / step);
    copy.sizes[i] = std::max<int64_t>(0, last - first + 1);
    if (copy.sizes[i] > 0) {
      from += first * copy.from_bytes[i];
      to += (low + first * step) * copy.to_bytes[i];
    }
    copy.to_bytes[i] *= copy.sizes[i] > 1 ? step : 1;
  }
  int64_t kept = 1;
  for (int i = 0; i < rank; ++i) kept *= copy.sizes[i];
  if (kept < y.count()) fill_elements(y.as<char>(), y.count(), value.as<const char>(), copy.width);
  if (kept > 0) copy_strided(to, from, copy);
  return Status();
}

const Kernel kernel_pad{"pad", check_pad, run_pad};

}  // namespace

void register_pad(Registry& registry) { registry.add(kernel_pad); }

}  // namespace millstream
