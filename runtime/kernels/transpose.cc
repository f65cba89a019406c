// Kernels `copy` and `transpose`. They refuse unequal element types and sizes that do not follow from the attributes.
//
// copy: x -> y, same element type and count, any sizes (a reshape that could not be an alias). No attributes.
//   Handles (resource, variant) are shared.
// transpose: x -> y; attributes: the permutation, one word per axis: axis i of y is axis permutation[i] of x.
// Element types: all with bytes, and string.
#include <cstring>

#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_copy(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "copy", 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "copy", 0));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(x.dtype == y.dtype && x.count() == y.count(), "copy: given " + show(x) + " for " + show(y) + ".");
  return Status();
}

Status run_copy(const Call& call) {
  const Tensor& x = call.in(0);
  Tensor& y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_copy);
  if (moved_bytes(x.dtype) == 0) {
    y.object = x.object;
    return Status();
  }
  copy_bytes(y.as<char>(), x.as<const char>(), static_cast<int64_t>(x.bytes()));
  return Status();
}

Status check_transpose(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "transpose", 1, 1));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_RETURN_IF_ERROR(check_attributes(call, "transpose", x.rank));
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0 && x.rank == y.rank,
             "transpose: given " + show(x) + " for " + show(y) + ".");
  MS_REQUIRE(distinct_axes(call.attributes, x.rank, x.rank),
             "transpose: the attributes are not a permutation of the axes.");
  for (int i = 0; i < y.rank; ++i) {
    MS_REQUIRE(y.dims[i] == x.dims[call.attributes[i]], "transpose: " + show(x) + " does not give " + show(y) + ".");
  }
  return Status();
}

Status run_transpose(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_transpose);
  StridedCopy copy;
  copy.rank = x.rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  int64_t from[max_rank];
  dense_strides(x.dims, x.rank, copy.width, from);
  dense_strides(y.dims, y.rank, copy.width, copy.to_bytes);
  for (int i = 0; i < x.rank; ++i) {
    copy.sizes[i] = y.dims[i];
    copy.from_bytes[i] = from[call.attributes[i]];
  }
  copy_strided(y.as<char>(), x.as<const char>(), copy);
  return Status();
}

const Kernel kernel_copy{"copy", check_copy, run_copy};
const Kernel kernel_transpose{"transpose", check_transpose, run_transpose};

}  // namespace

void register_transpose(Registry& registry) {
  registry.add(kernel_copy);
  registry.add(kernel_transpose);
}

}  // namespace millstream
