// Kernels `matmul` and `dot`: attributes, checks and the reduction of both to one matrix product in loops.
// They refuse unequal element types, strings, booleans and 8-bit floats, sizes that do not match, wrong attributes.
//
// matmul: x [batch…, m, k], y [batch…, k, n], bias [n] (optional) -> z [batch…, m, n]
//   Batch axes are aligned on the right and broadcast where one operand has size 1 or lacks the axis.
//   attributes: 0 transpose_x: 1 if x is [batch…, k, m]   1 transpose_y: 1 if y is [batch…, n, k]
//               2 conjugate: bit 0 x, bit 1 y             3 activation (enum Activation in matmul.h; floats only)
//               4 alpha: a double, bit for bit (the slope of leaky_relu and elu, else 0)
// dot: x, y, bias [y's free axes] (optional), addend (optional) -> z, any ranks; reads and writes transposed operands where
//   they lie. The addend has z's sizes; float32 and float64 only.
//   attributes: 0 batch count B   1 contract count C   2 conjugate   3 activation   4 alpha
//               B batch axes of x, B batch axes of y, C contracted axes of x, C contracted axes of y,
//               then for each axis of z the axis of the natural order (batch, x's free axes, y's free axes).
//   The free axes of x are those not named, in x's order; likewise y's.
// Element types: float16 bfloat16 float32 float64 complex64 complex128 and all integers of 8 to 64 bits; z has the type of x
// and y, or float32 for half and bfloat16, or int32 for int8 and uint8. half and bfloat16 are summed in float32.
#include "kernels/matmul.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "kernels/kernel.h"

namespace millstream {

bool sizes_fit(const int64_t* sizes, int rank, int64_t unit) {
  int64_t total = unit;
  for (int i = 0; i < rank; ++i) {
    if (sizes[i] < 0) return false;
    if (sizes[i] > 0 && __builtin_mul_overflow(total, sizes[i], &total)) return false;
  }
  return true;
}

std::string show_sizes(const Tensor& tensor) {
  std::string text = "type " + std::to_string(static_cast<int>(tensor.dtype)) + " [";
  for (int i = 0; i < tensor.rank && i < max_rank; ++i) {
    if (i) text += ',';
    text += std::to_string(tensor.dims[i]);
  }
  return text += ']';
}

namespace {

bool is_number(DType dtype) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16:
    case DType::float32:
    case DType::float64:
    case DType::complex64:
    case DType::complex128:
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

bool is_real_float(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64;
}

Status check_operands(const Call& call, const char* name) {
  const std::string who = std::string(name) + ": ";
  const int most = name[0] == 'd' ? 4 : 3;
  MS_REQUIRE(call.input_count >= 2 && call.input_count <= most,
             who + "takes x, y, an optional bias" + (most == 4 ? " and an optional addend" : "") + ", got " +
                 std::to_string(call.input_count) + " inputs");
  MS_REQUIRE(call.output_count == 1, who + "has one output, got " + std::to_string(call.output_count));
  MS_REQUIRE(call.has(0) && call.has(1), who + "x and y must be present");
  const Tensor &x = call.in(0), &y = call.in(1), &z = call.out(0);
  for (const Tensor* tensor : {&x, &y, static_cast<const Tensor*>(&z)}) {
    MS_REQUIRE(tensor->rank >= 0 && tensor->rank <= max_rank, who + "rank must be 0 to 12");
    MS_REQUIRE(is_number(tensor->dtype), who + "takes numbers of 8 to 128 bits, got " + show_sizes(*tensor));
    MS_REQUIRE(sizes_fit(tensor->dims, tensor->rank, 16), who + "sizes out of range: " + show_sizes(*tensor));
  }
  const bool narrow =
      (x.dtype == DType::int8 || x.dtype == DType::uint8) && (y.dtype == DType::int8 || y.dtype == DType::uint8);
  const bool brief = x.dtype == DType::float16 || x.dtype == DType::bfloat16;
  MS_REQUIRE(x.dtype == y.dtype || (narrow && z.dtype == DType::int32),
             who + "x and y must have one type, got " + show_sizes(x) + " and " + show_sizes(y));
  MS_REQUIRE(z.dtype == x.dtype || (narrow && z.dtype == DType::int32) || (brief && z.dtype == DType::float32),
             who + "the result must have the operands' type, got " + show_sizes(z) + " from " + show_sizes(x));
  if (call.has(2)) {
    MS_REQUIRE(call.in(2).dtype == z.dtype && call.in(2).rank >= 0 && call.in(2).rank <= max_rank &&
                   sizes_fit(call.in(2).dims, call.in(2).rank, 16),
               who + "the bias must have the result's type, got " + show_sizes(call.in(2)));
  }
  if (call.has(3)) {
    const Tensor& addend = call.in(3);
    MS_REQUIRE(
        (z.dtype == DType::float32 || z.dtype == DType::float64) && addend.dtype == z.dtype && x.dtype == z.dtype,
        who + "an addend needs float32 or float64 throughout, got " + show_sizes(addend));
    MS_REQUIRE(addend.rank == z.rank && std::equal(z.dims, z.dims + z.rank, addend.dims),
               who + "the addend must have the result's sizes, got " + show_sizes(addend));
  }
  return {};
}

Status read_epilogue(const Call& call, const char* name, Product& product) {
  const std::string who = std::string(name) + ": ";
  const int64_t conjugate = call.attributes[2], activation = call.attributes[3];
  MS_REQUIRE(conjugate >= 0 && conjugate <= 3, who + "conjugate must be 0 to 3, got " + std::to_string(conjugate));
  MS_REQUIRE(activation >= 0 && activation < activation_count,
             who + "activation must be 0 to 9, got " + std::to_string(activation));
  MS_REQUIRE(activation == 0 || is_real_float(call.out(0).dtype), who + "an activation needs a real floating type");
  product.conjugate_x = conjugate & 1;
  product.conjugate_y = conjugate & 2;
  product.activation = static_cast<Activation>(activation);
  product.alpha = call.real(4);
  product.x_tensor = &call.in(0);
  product.y_tensor = &call.in(1);
  product.bias_tensor = call.has(2) ? &call.in(2) : nullptr;
  product.addend_tensor = call.has(3) ? &call.in(3) : nullptr;
  return {};
}

void dense_strides(const Tensor& tensor, int64_t* strides) {
  int64_t stride = 1;
  for (int i = tensor.rank - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= std::max<int64_t>(tensor.dims[i], 1);
  }
}

bool merges(const ProductAxis& outer, const ProductAxis& inner) {
  return outer.x == inner.size * inner.x && outer.y == inner.size * inner.y && outer.z == inner.size * inner.z &&
         outer.bias == inner.size * inner.bias;
}

// Removes and returns the axis of the class (has x, has y, has z) that `better` likes best.
template <typename Better>
ProductAxis take(ProductAxis* axes, int& count, bool x, bool y, bool z, Better better) {
  int best = -1;
  for (int i = 0; i < count; ++i) {
    if ((axes[i].x != 0) != x || (axes[i].y != 0) != y || (axes[i].z != 0) != z) continue;
    if (best < 0 || better(axes[i], axes[best])) best = i;
  }
  if (best < 0) return {1, 0, 0, 0, 0};
  const ProductAxis taken = axes[best];
  std::copy(axes + best + 1, axes + count, axes + best);
  --count;
  return taken;
}

void arrange(ProductAxis* axes, int count, Product& product) {
  bool no_depth = false, empty = false;
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    if (axes[i].size == 0) (axes[i].z ? empty : no_depth) = true;
    if (axes[i].size != 1) axes[kept++] = axes[i];
  }
  count = kept;
  if (empty) {
    product.m = 0;
    return;
  }
  if (no_depth) {
    kept = 0;
    for (int i = 0; i < count; ++i) {
      if (axes[i].z) axes[kept++] = axes[i];
    }
    count = kept;
  }
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) {
      if (i == j || !merges(axes[i], axes[j])) continue;
      axes[j].size *= axes[i].size;
      std::copy(axes + i + 1, axes + count, axes + i);
      --count;
      i = -1;
      break;
    }
  }
  // z is written along its unit stride: if that axis belongs to x, swap the operands (z' = y' x').
  for (int i = 0; i < count && !product.swapped; ++i) product.swapped = axes[i].z == 1 && axes[i].x && !axes[i].y;
  if (product.swapped) {
    for (int i = 0; i < count; ++i) std::swap(axes[i].x, axes[i].y);
    std::swap(product.conjugate_x, product.conjugate_y);
    std::swap(product.x_tensor, product.y_tensor);
  }
  const auto larger = [](const ProductAxis& a, const ProductAxis& b) { return a.size > b.size; };
  const auto along = [](const ProductAxis& a, const ProductAxis& b) {
    return (a.z == 1) != (b.z == 1) ? a.z == 1 : a.size > b.size;
  };
  const ProductAxis column = take(axes, count, false, true, true, along);
  const ProductAxis row = take(axes, count, true, false, true, larger);
  const ProductAxis depth = take(axes, count, true, true, false, larger);
  product.m = row.size, product.n = column.size, product.k = no_depth ? 0 : depth.size;
  product.x_row = row.x, product.x_column = depth.x;
  product.y_row = depth.y, product.y_column = column.y;
  product.z_row = row.z, product.z_column = column.size == 1 ? 1 : column.z;
  product.bias_row = row.bias, product.bias_column = column.bias;
  for (const bool sums : {false, true}) {
    for (int i = 0; i < count; ++i) {
      if ((axes[i].z == 0) != sums) continue;
      product.loops[product.loop_count++] = axes[i];
      product.sum_count += sums;
    }
  }
}

Status check_matmul(const Call& call) {
  Product product;
  return read_matmul(call, product);
}

Status check_dot(const Call& call) {
  Product product;
  return read_dot(call, product);
}

Status run_matmul(const Call& call) {
  Product product;
  MS_RETURN_IF_ERROR(read_matmul(call, product));
  return run_product(call, product);
}

Status run_dot(const Call& call) {
  Product product;
  MS_RETURN_IF_ERROR(read_dot(call, product));
  return run_product(call, product);
}

}  // namespace

Status read_matmul(const Call& call, Product& product) {
  MS_RETURN_IF_ERROR(check_operands(call, "matmul"));
  MS_REQUIRE(call.attribute_count == 5, "matmul: takes 5 attribute words, got " + std::to_string(call.attribute_count));
  for (int i = 0; i < 2; ++i) {
    MS_REQUIRE(call.attributes[i] == 0 || call.attributes[i] == 1,
               "matmul: transpose_x and transpose_y must be 0 or 1");
  }
  MS_RETURN_IF_ERROR(read_epilogue(call, "matmul", product));
  const Tensor &x = call.in(0), &y = call.in(1), &z = call.out(0);
  MS_REQUIRE(x.rank >= 2 && y.rank >= 2 && z.rank == std::max(x.rank, y.rank),
             "matmul: needs matrices and a result of the larger rank, got " + show_sizes(x) + ", " + show_sizes(y) +
                 " -> " + show_sizes(z));
  int64_t xs[max_rank], ys[max_rank], zs[max_rank];
  dense_strides(x, xs), dense_strides(y, ys), dense_strides(z, zs);
  const int x_row = x.rank - 2 + static_cast<int>(call.attributes[0]), x_depth = 2 * x.rank - 3 - x_row;
  const int y_depth = y.rank - 2 + static_cast<int>(call.attributes[1]), y_column = 2 * y.rank - 3 - y_depth;
  ProductAxis axes[max_rank + 1];
  bool fits = x.dims[x_depth] == y.dims[y_depth] && z.dims[z.rank - 2] == x.dims[x_row] &&
              z.dims[z.rank - 1] == y.dims[y_column];
  for (int i = 0; i < z.rank - 2; ++i) {
    const int xi = i - (z.rank - x.rank), yi = i - (z.rank - y.rank);
    const int64_t x_size = xi < 0 ? 1 : x.dims[xi], y_size = yi < 0 ? 1 : y.dims[yi];
    fits = fits && (x_size == y_size || x_size == 1 || y_size == 1) && z.dims[i] == (x_size == 1 ? y_size : x_size);
    axes[i] = {z.dims[i], x_size == 1 ? 0 : xs[xi], y_size == 1 ? 0 : ys[yi], zs[i], 0};
  }
  MS_REQUIRE(fits, "matmul: sizes do not match: " + show_sizes(x) + (call.attributes[0] ? " transposed" : "") + ", " +
                       show_sizes(y) + (call.attributes[1] ? " transposed" : "") + " -> " + show_sizes(z));
  if (call.has(2)) {
    MS_REQUIRE(call.in(2).rank == 1 && call.in(2).dims[0] == y.dims[y_column],
               "matmul: the bias must be [" + std::to_string(y.dims[y_column]) + "], got " + show_sizes(call.in(2)));
  }
  axes[z.rank - 2] = {x.dims[x_row], xs[x_row], 0, zs[z.rank - 2], 0};
  axes[z.rank - 1] = {y.dims[y_column], 0, ys[y_column], zs[z.rank - 1], call.has(2) ? 1 : 0};
  axes[z.rank] = {x.dims[x_depth], xs[x_depth], ys[y_depth], 0, 0};
  arrange(axes, z.rank + 1, product);
  return {};
}

Status read_dot(const Call& call, Product& product) {
  MS_RETURN_IF_ERROR(check_operands(call, "dot"));
  const Tensor &x = call.in(0), &y = call.in(1), &z = call.out(0);
  MS_REQUIRE(call.attribute_count >= 5,
             "dot: takes at least 5 attribute words, got " + std::to_string(call.attribute_count));
  const int64_t batch = call.attributes[0], contract = call.attributes[1];
  MS_REQUIRE(batch >= 0 && contract >= 0 && batch <= max_rank && contract <= max_rank &&
                 batch + contract <= std::min(x.rank, y.rank) && z.rank == x.rank + y.rank - batch - 2 * contract &&
                 call.attribute_count == 5 + 2 * batch + 2 * contract + z.rank,
             "dot: " + std::to_string(batch) + " batch and " + std::to_string(contract) + " contracted axes and " +
                 std::to_string(call.attribute_count) + " attribute words do not suit " + show_sizes(x) + ", " +
                 show_sizes(y) + " -> " + show_sizes(z));
  MS_RETURN_IF_ERROR(read_epilogue(call, "dot", product));
  int64_t xs[max_rank], ys[max_rank], zs[max_rank];
  dense_strides(x, xs), dense_strides(y, ys), dense_strides(z, zs);
  const int64_t *word = call.attributes + 5, *x_batch = word, *y_batch = word + batch, *x_depth = word + 2 * batch,
                *y_depth = x_depth + contract, *order = y_depth + contract;
  bool x_named[max_rank] = {}, y_named[max_rank] = {}, z_named[max_rank] = {};
  int z_axis[max_rank] = {};
  for (int i = 0; i < z.rank; ++i) {
    MS_REQUIRE(order[i] >= 0 && order[i] < z.rank && !z_named[order[i]],
               "dot: the order of z's axes must be a permutation");
    z_named[order[i]] = true;
    z_axis[order[i]] = i;
  }
  ProductAxis axes[3 * max_rank];
  int count = 0, natural = 0;
  for (int64_t i = 0; i < batch + contract; ++i) {
    const bool is_batch = i < batch;
    const int64_t a = is_batch ? x_batch[i] : x_depth[i - batch], b = is_batch ? y_batch[i] : y_depth[i - batch];
    MS_REQUIRE(a >= 0 && a < x.rank && !x_named[a] && b >= 0 && b < y.rank && !y_named[b],
               "dot: batch and contracted axes must be different axes of x and y, got " + std::to_string(a) + " and " +
                   std::to_string(b));
    x_named[a] = y_named[b] = true;
    MS_REQUIRE(x.dims[a] == y.dims[b], "dot: axis " + std::to_string(a) + " of " + show_sizes(x) + " and axis " +
                                           std::to_string(b) + " of " + show_sizes(y) + " must have one size");
    int64_t z_stride = 0;
    if (is_batch) {
      const int at = z_axis[natural++];
      MS_REQUIRE(z.dims[at] == x.dims[a], "dot: the result has wrong sizes: " + show_sizes(z));
      z_stride = zs[at];
    }
    axes[count++] = {x.dims[a], xs[a], ys[b], z_stride, 0};
  }
  int64_t bias_stride = 1;
  int bias_rank = 0;
  for (int i = 0; i < y.rank; ++i) bias_rank += !y_named[i];
  MS_REQUIRE(!call.has(2) || call.in(2).rank == bias_rank,
             "dot: the bias must have y's free axes, got " + show_sizes(call.in(2)));
  for (const bool of_x : {true, false}) {
    const Tensor& from = of_x ? x : y;
    for (int i = 0; i < from.rank; ++i) {
      if (of_x ? x_named[i] : y_named[i]) continue;
      const int at = z_axis[natural++];
      MS_REQUIRE(z.dims[at] == from.dims[i], "dot: the result has wrong sizes: " + show_sizes(z));
      axes[count++] = {from.dims[i], of_x ? xs[i] : 0, of_x ? 0 : ys[i], zs[at], 0};
    }
  }
  if (call.has(2)) {
    for (int i = 0; i < bias_rank; ++i) {  // the last axes of the list are y's free ones
      const int at = bias_rank - 1 - i;
      MS_REQUIRE(call.in(2).dims[at] == axes[count - 1 - i].size,
                 "dot: the bias must have y's free axes, got " + show_sizes(call.in(2)));
      axes[count - 1 - i].bias = bias_stride;
      bias_stride *= std::max<int64_t>(axes[count - 1 - i].size, 1);
    }
  }
  arrange(axes, count, product);
  return {};
}

const Kernel kernel_matmul{"matmul", check_matmul, run_matmul};
const Kernel kernel_dot{"dot", check_dot, run_dot};

void register_matmul(Registry& registry) {
  registry.add(kernel_matmul);
  registry.add(kernel_dot);
}

}  // namespace millstream
