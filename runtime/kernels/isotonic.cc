// Kernel `isotonic`: rows that do not rise, nearest to given ones. Refuses types that are not float32 or float64.
//
// isotonic: x [rows, n] -> y of x's type and shape, segments int32 [rows, n]: the number of the run of equal values that each
//   element is in. No attributes. Neighbours that rise are pooled to their mean, until none do.
#include <new>
#include <vector>

#include "kernels/operands.h"
#include "threads/pool.h"

namespace millstream {
namespace {

Status check_isotonic(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "isotonic", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "isotonic", 0));
  const Tensor &x = call.in(0), &y = call.out(0), &segments = call.out(1);
  MS_REQUIRE(x.rank == 2 && (x.dtype == DType::float32 || x.dtype == DType::float64) && y.dtype == x.dtype &&
                 same_dims(x, y) && segments.dtype == DType::int32 && same_dims(x, segments),
             "isotonic: given " + show(x) + " for " + show(y) + " and " + show(segments) + ".");
  return Status();
}

template <typename T>
void run_rows(const Call& call, int64_t begin, int64_t end) {
  struct Pool {
    T sum;
    int64_t count;
    T mean() const { return sum / static_cast<T>(count); }
  };
  const int64_t n = call.in(0).dims[1];
  std::vector<Pool> pools;
  for (int64_t row = begin; row < end; ++row) {
    pools.clear();
    for (int64_t i = 0; i < n; ++i) {
      Pool now{call.in(0).as<const T>()[row * n + i], 1};
      while (!pools.empty() && pools.back().mean() < now.mean()) {
        now.sum += pools.back().sum;
        now.count += pools.back().count;
        pools.pop_back();
      }
      pools.push_back(now);
    }
    int64_t at = row * n;
    int32_t number = 0;
    for (const Pool& pool : pools) {
      for (int64_t i = 0; i < pool.count; ++i, ++at) {
        call.out(0).as<T>()[at] = pool.mean();
        call.out(1).as<int32_t>()[at] = number;
      }
      ++number;
    }
  }
}

Status run_isotonic(const Call& call) try {
  const Tensor& x = call.in(0);
  if (x.count() == 0) return Status();
  parallel_for(x.dims[0], 1 + 4096 / x.dims[1], [&](int64_t begin, int64_t end) {
    x.dtype == DType::float32 ? run_rows<float>(call, begin, end) : run_rows<double>(call, begin, end);
  });
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("isotonic", call.in(0));
}

const Kernel kernel_isotonic{"isotonic", check_isotonic, run_isotonic};

}  // namespace

void register_isotonic(Registry& registry) { registry.add(kernel_isotonic); }

}  // namespace millstream
