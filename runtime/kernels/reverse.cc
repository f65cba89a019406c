// Kernel `reverse`. Refuses axes named twice or out of range.
//
// reverse: x -> y; attributes: the axes to reverse. Element types: all with bytes, and string.
#include "kernels/operands.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_reverse(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "reverse", 1, 1));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(x.dtype == y.dtype && moved_bytes(x.dtype) > 0 && same_dims(x, y),
             "reverse: given " + show(x) + " for " + show(y) + ".");
  MS_REQUIRE(call.attribute_count <= max_rank && distinct_axes(call.attributes, call.attribute_count, x.rank),
             "reverse: the axes must differ and lie in [0, " + std::to_string(x.rank) + ").");
  return Status();
}

Status run_reverse(const Call& call) {
  const Tensor &x = call.in(0), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_reverse);
  if (x.count() == 0) return Status();
  MS_REQUIRE(x.data != y.data, "reverse: the output must not share the bytes of the input.");
  StridedCopy copy;
  copy.rank = x.rank;
  copy.width = static_cast<int64_t>(element_bytes(x.dtype));
  dense_strides(x.dims, x.rank, copy.width, copy.to_bytes);
  dense_strides(x.dims, x.rank, copy.width, copy.from_bytes);
  for (int i = 0; i < x.rank; ++i) copy.sizes[i] = x.dims[i];
  const char* from = x.as<const char>();
  for (int64_t i = 0; i < call.attribute_count; ++i) {
    int64_t& stride = copy.from_bytes[call.attributes[i]];
    from += stride * (x.dims[call.attributes[i]] - 1);
    stride = -stride;
  }
  copy_strided(y.as<char>(), from, copy);
  return Status();
}

const Kernel kernel_reverse{"reverse", check_reverse, run_reverse};

}  // namespace

void register_reverse(Registry& registry) { registry.add(kernel_reverse); }

}  // namespace millstream
