// Sizes and checks of windows. Refuses sizes that do not fit together, empty windows, strides below 1, padding beyond 2^31.
#include "kernels/pool.h"

#include <algorithm>

namespace millstream {

bool is_pool_number(DType dtype) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16:
    case DType::float32:
    case DType::float64:
    case DType::int8:
    case DType::int16:
    case DType::int32:
    case DType::int64:
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::uint64:
      return true;
    default:
      return false;
  }
}

Status read_windows(const char* name, const Tensor& x, const Tensor& z, const int64_t* words, int64_t count,
                    WindowShape& shape) {
  const std::string who = std::string(name) + ": ";
  constexpr int64_t limit = int64_t{1} << 31;
  MS_REQUIRE(x.rank >= 1 && x.rank <= max_rank && z.rank == x.rank,
             who + "needs tensors of one rank, 1 to 12, got " + show_sizes(x) + " and " + show_sizes(z));
  MS_REQUIRE(is_pool_number(x.dtype) && z.dtype == x.dtype,
             who + "takes real numbers of one type, got " + show_sizes(x) + " and " + show_sizes(z));
  MS_REQUIRE(sizes_fit(x.dims, x.rank, 64) && sizes_fit(z.dims, z.rank, 64),
             who + "sizes out of range: " + show_sizes(x) + ", " + show_sizes(z));
  MS_REQUIRE(count == 4 * x.rank, who + "takes " + std::to_string(4 * x.rank) +
                                      " words of window, strides, low and high padding, got " + std::to_string(count));
  bool trivial[max_rank];
  for (int i = 0; i < x.rank; ++i) {
    const int64_t window = words[i], stride = words[x.rank + i], low = words[2 * x.rank + i],
                  high = words[3 * x.rank + i];
    MS_REQUIRE(window >= 1 && window < limit && stride >= 1 && stride < limit && low > -limit && low < limit &&
                   high > -limit && high < limit,
               who + "window and stride must be at least 1, padding within 2^31; axis " + std::to_string(i) + " has " +
                   std::to_string(window) + ", " + std::to_string(stride) + ", " + std::to_string(low) + ", " +
                   std::to_string(high));
    MS_REQUIRE(x.dims[i] < limit * limit / 2, who + "sizes out of range: " + show_sizes(x));
    const int64_t whole = x.dims[i] + low + high;
    const int64_t expected = whole < window ? 0 : (whole - window) / stride + 1;
    MS_REQUIRE(z.dims[i] == expected, who + "axis " + std::to_string(i) + " of the result must be " +
                                          std::to_string(expected) + ", got " + show_sizes(z));
    shape.in[i] = x.dims[i], shape.out[i] = z.dims[i], shape.window[i] = window, shape.stride[i] = stride,
    shape.low[i] = low;
    trivial[i] = window == 1 && stride == 1 && low == 0 && high == 0;
  }
  shape.rank = x.rank;
  while (shape.rank > 0 && trivial[shape.rank - 1]) shape.inner *= shape.in[--shape.rank];
  while (shape.leading < shape.rank && trivial[shape.leading]) shape.images *= shape.in[shape.leading++];
  return {};
}

}  // namespace millstream
