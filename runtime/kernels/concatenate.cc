// Kernel `concatenate`. Refuses inputs whose other axes differ.
//
// concatenate: x… (at least one) -> y; attributes: axis. Element types: all with bytes, and string.
#include <algorithm>
#include <vector>

#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_concatenate(const Call& call) {
  MS_REQUIRE(call.input_count >= 1, "concatenate: at least one input must be given.");
  MS_RETURN_IF_ERROR(check_operands(call, "concatenate", call.input_count, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "concatenate", 1));
  const Tensor& y = call.out(0);
  const int64_t axis = call.attributes[0];
  MS_REQUIRE(axis >= 0 && axis < y.rank,
             "concatenate: axis " + std::to_string(axis) + " is not in [0, " + std::to_string(y.rank) + ").");
  MS_REQUIRE(moved_bytes(y.dtype) > 0, std::string("concatenate: cannot join handles."));
  int64_t total = 0;
  for (int i = 0; i < call.input_count; ++i) {
    const Tensor& x = call.in(i);
    bool fits = x.dtype == y.dtype && x.rank == y.rank;
    for (int k = 0; fits && k < y.rank; ++k) fits = k == axis || x.dims[k] == y.dims[k];
    MS_REQUIRE(fits && x.dims[axis] <= y.dims[axis] - total, "concatenate: input " + std::to_string(i) + " is " +
                                                                 show(x) + ", which does not fit in " + show(y) +
                                                                 " along axis " + std::to_string(axis) + ".");
    total += x.dims[axis];
  }
  MS_REQUIRE(total == y.dims[axis], "concatenate: the inputs have " + std::to_string(total) +
                                        " along the axis, the output is " + show(y) + ".");
  return Status();
}

Status run_concatenate(const Call& call) {
  const Tensor& y = call.out(0);
  if (y.dtype == DType::string) return move_strings(call, run_concatenate);
  if (y.count() == 0) return Status();
  const int axis = static_cast<int>(call.attributes[0]);
  const auto width = static_cast<int64_t>(element_bytes(y.dtype));
  const int64_t outer = product(y.dims, 0, axis), inner = product(y.dims, axis + 1, y.rank) * width;
  const int64_t row = y.dims[axis] * inner;
  if (outer == 1 || call.input_count == 1) {
    int64_t at = 0;
    for (int i = 0; i < call.input_count; ++i) {
      const auto bytes = static_cast<int64_t>(call.in(i).bytes());
      copy_bytes(y.as<char>() + at, call.in(i).as<const char>(), bytes);
      at += bytes;
    }
    return Status();
  }
  parallel_for(outer, std::max<int64_t>(1, (64 << 10) / row), [&](int64_t begin, int64_t end) {
    int64_t at = 0;
    for (int i = 0; i < call.input_count; ++i) {
      const int64_t bytes = call.in(i).dims[axis] * inner;
      if (bytes == 0) continue;
      const char* from = call.in(i).as<const char>() + begin * bytes;
      char* to = y.as<char>() + begin * row + at;
      switch (bytes) {
        case 1:
          for (int64_t k = begin; k < end; ++k, from += 1, to += row) std::memcpy(to, from, 1);
          break;
        case 2:
          for (int64_t k = begin; k < end; ++k, from += 2, to += row) std::memcpy(to, from, 2);
          break;
        case 4:
          for (int64_t k = begin; k < end; ++k, from += 4, to += row) std::memcpy(to, from, 4);
          break;
        case 8:
          for (int64_t k = begin; k < end; ++k, from += 8, to += row) std::memcpy(to, from, 8);
          break;
        case 16:
          for (int64_t k = begin; k < end; ++k, from += 16, to += row) std::memcpy(to, from, 16);
          break;
        default:
          for (int64_t k = begin; k < end; ++k, from += bytes, to += row)
            std::memcpy(to, from, static_cast<size_t>(bytes));
      }
      at += bytes;
    }
  });
  return Status();
}

const Kernel kernel_concatenate{"concatenate", check_concatenate, run_concatenate};

}  // namespace

void register_concatenate(Registry& registry) { registry.add(kernel_concatenate); }

}  // namespace millstream
