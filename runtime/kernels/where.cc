// Kernels `where` and `select`. They refuse unequal sizes and element types that have no zero.
//
// where: x (bool or number) -> y int64 [n, rank of x]: the positions of what is not zero, in order. y is given whole: mark it binding.
// select: condition bool, x, y -> z, all of one shape: x where condition holds, else y. No attributes. Element types: all with
//   bytes, and string.
#include <algorithm>
#include <new>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/operands.h"
#include "kernels/strings_move.h"
#include "memory/objects.h"

namespace millstream {
namespace {

constexpr int64_t piece = 1 << 16;

Status check_where(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.has(0) && call.output_count == 1,
             "where: takes one input and gives one output.");
  MS_RETURN_IF_ERROR(check_tensor(call.in(0), "where"));
  MS_RETURN_IF_ERROR(check_attributes(call, "where", 0));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(element_bytes(x.dtype) > 0 && !is_float8(x.dtype), "where: " + show(x) + " is neither bool nor number.");
  MS_REQUIRE(y.dtype == DType::int64 && y.rank == 2,
             "where: gives int64 [n, rank], not rank " + std::to_string(y.rank) + ".");
  return Status();
}

// Bits that tell a number from zero; -0 is zero.
template <typename T>
void find(const Tensor& x, int64_t begin, int64_t end, T mask, std::vector<int64_t>& found) {
  const T* data = x.as<const T>();
  for (int64_t i = begin; i < end; ++i) {
    if (data[i] & mask) found.push_back(i);
  }
}

void find_any(const Tensor& x, int64_t begin, int64_t end, std::vector<int64_t>& found) {
  const bool sign = is_floating(x.dtype);
  switch (x.dtype) {
    case DType::complex64:
    case DType::complex128: {
      const bool narrow = x.dtype == DType::complex64;
      for (int64_t i = begin; i < end; ++i) {
        const bool zero = narrow ? x.as<float>()[2 * i] == 0.0f && x.as<float>()[2 * i + 1] == 0.0f
                                 : x.as<double>()[2 * i] == 0.0 && x.as<double>()[2 * i + 1] == 0.0;
        if (!zero) found.push_back(i);
      }
      return;
    }
    default:
      break;
  }
  switch (element_bytes(x.dtype)) {
    case 1:
      return find<uint8_t>(x, begin, end, 0xff, found);
    case 2:
      return find<uint16_t>(x, begin, end, sign ? 0x7fff : 0xffff, found);
    case 4:
      return find<uint32_t>(x, begin, end, sign ? 0x7fffffffu : ~0u, found);
    default:
      return find<uint64_t>(x, begin, end, sign ? ~uint64_t{0} >> 1 : ~uint64_t{0}, found);
  }
}

Status run_where(const Call& call) try {
  const Tensor& x = call.in(0);
  Tensor& y = call.out(0);
  const int64_t count = x.count(), pieces = (count + piece - 1) / piece;
  std::vector<std::vector<int64_t>> found(static_cast<size_t>(pieces));
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      find_any(x, i * piece, std::min(count, (i + 1) * piece), found[static_cast<size_t>(i)]);
  });
  std::vector<int64_t> starts(static_cast<size_t>(pieces) + 1, 0);
  for (size_t i = 0; i < found.size(); ++i) starts[i + 1] = starts[i] + static_cast<int64_t>(found[i].size());
  y.rank = 2;
  y.dims[0] = starts.back();
  y.dims[1] = x.rank;
  allocate_data(y);
  auto* out = y.as<int64_t>();
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t* row = out + starts[static_cast<size_t>(i)] * x.rank;
      for (int64_t position : found[static_cast<size_t>(i)]) {
        for (int axis = x.rank - 1; axis >= 0; --axis) {
          row[axis] = position % x.dims[axis];
          position /= x.dims[axis];
        }
        row += x.rank;
      }
    }
  });
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("where", call.in(0));
}

Status check_select(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "select", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "select", 0));
  const Tensor &condition = call.in(0), &x = call.in(1), &y = call.in(2), &z = call.out(0);
  MS_REQUIRE(condition.dtype == DType::boolean && x.dtype == y.dtype && x.dtype == z.dtype &&
                 moved_bytes(x.dtype) > 0 && same_dims(x, y) && same_dims(x, z) && same_dims(x, condition),
             "select: given " + show(condition) + ", " + show(x) + " and " + show(y) + " for " + show(z) +
                 "; all must have one shape.");
  return Status();
}

template <typename T>
void choose(const Call& call, int64_t begin, int64_t end) {
  const auto* condition = call.in(0).as<const uint8_t>();
  const T *x = call.in(1).as<const T>(), *y = call.in(2).as<const T>();
  T* z = call.out(0).as<T>();
  for (int64_t i = begin; i < end; ++i) z[i] = condition[i] ? x[i] : y[i];
}

struct Wide {
  uint64_t low, high;
};

Status run_select(const Call& call) {
  if (call.out(0).dtype == DType::string) return move_strings(call, run_select);
  parallel_for(call.out(0).count(), piece, [&](int64_t begin, int64_t end) {
    switch (element_bytes(call.out(0).dtype)) {
      case 1:
        return choose<uint8_t>(call, begin, end);
      case 2:
        return choose<uint16_t>(call, begin, end);
      case 4:
        return choose<uint32_t>(call, begin, end);
      case 8:
        return choose<uint64_t>(call, begin, end);
      default:
        return choose<Wide>(call, begin, end);
    }
  });
  return Status();
}

const Kernel kernel_where{"where", check_where, run_where, nullptr, true};
const Kernel kernel_select{"select", check_select, run_select};

}  // namespace

void register_where(Registry& registry) {
  registry.add(kernel_where);
  registry.add(kernel_select);
}

}  // namespace millstream
