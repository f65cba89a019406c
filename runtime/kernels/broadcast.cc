// Kernel `broadcast`. Refuses axes that are not increasing, and sizes that are neither 1 nor those of the output.
//
// broadcast: x -> y; attributes: for each axis of x the axis of y it becomes, increasing. Where x has size 1 and y more, x is
//   repeated; axes of y that are not named are new. Element types: all with bytes, and string.
#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_broadcast(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "broadcast", 1, 1));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_RETURN_IF_ERROR(check_attributes(call, "broadcast", x.rank));
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0, "broadcast: given " + show(x) + " for " + show(y) + ".");
  int64_t last = -1;
  for (int i = 0; i < x.rank; ++i) {
    const int64_t axis = call.attributes[i];
    MS_REQUIRE(axis > last && axis < y.rank,
               "broadcast: the axes must increase and lie in [0, " + std::to_string(y.rank) + ").");
    MS_REQUIRE(x.dims[i] == 1 || x.dims[i] == y.dims[axis], "broadcast: " + show(x) + " does not fit " + show(y) +
                                                                ": axis " + std::to_string(i) + " must be 1 or " +
                                                                std::to_string(y.dims[axis]) + ".");
    last = axis;
  }
  return Status();
}

Status run_broadcast(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_broadcast);
  const int64_t width = static_cast<int64_t>(element_bytes(x.dtype)), count = y.count();
  if (count == 0) return Status();
  if (x.count() == 1) {
    fill_elements(y.as<char>(), count, x.as<const char>(), width);
    return Status();
  }
  StridedCopy copy;
  copy.rank = y.rank;
  copy.width = width;
  int64_t from[max_rank];
  dense_strides(x.dims, x.rank, width, from);
  dense_strides(y.dims, y.rank, width, copy.to_bytes);
  for (int i = 0; i < y.rank; ++i) copy.sizes[i] = y.dims[i];
  for (int i = 0; i < x.rank; ++i) {
    if (x.dims[i] != 1) copy.from_bytes[call.attributes[i]] = from[i];
  }
  copy_strided(y.as<char>(), x.as<const char>(), copy);
  return Status();
}

const Kernel kernel_broadcast{"broadcast", check_broadcast, run_broadcast};

}  // namespace

void register_broadcast(Registry& registry) { registry.add(kernel_broadcast); }

}  // namespace millstream
