// `matmul` and `dot` on oneDNN: float32, bfloat16 where the processor has it, float16 through float32. What oneDNN has no fast
// form for (sums over several axes, odd strides, other types) and very small products run on the portable kernels.
#include <algorithm>

#include "kernels/onednn_primitive.h"

namespace millstream {
namespace {

using dnnl::memory;

constexpr int64_t small_work = 1 << 14;  // multiplications: below, oneDNN's start costs more than the work

constexpr int addend_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

memory::data_type type_of(DType dtype) {
  return dtype == DType::bfloat16 ? memory::data_type::bf16 : memory::data_type::f32;
}

bool native(DType type) { return type == DType::float32 || (type == DType::bfloat16 && onednn_has_bfloat16()); }

bool suits(const Product& p) {
  const DType type = p.x_tensor->dtype;
  if (type != DType::float32 && type != DType::bfloat16 && type != DType::float16) return false;
  if (p.m == 0 || p.k == 0 || p.sum_count > 0 || p.loop_count > 4 || p.z_column != 1) return false;
  if (p.x_row != 1 && p.x_column != 1 && p.m > 1 && p.k > 1) return false;
  if (p.y_row != 1 && p.y_column != 1 && p.k > 1 && p.n > 1) return false;
  if (p.bias_tensor) {
    if (p.bias_row != 0 || (p.bias_column != 1 && p.n > 1)) return false;
    for (int i = 0; i < p.loop_count; ++i) {
      if (p.loops[i].bias) return false;
    }
  }
  int64_t work = p.m * p.n * p.k;
  if (work >= small_work) return p.m > 1 && p.n > 1;
  for (int i = 0; i < p.loop_count; ++i) work = std::min(work * p.loops[i].size, small_work);
  return work >= small_work && p.m >= 8 && p.n >= 8 && p.k >= 8;
}

// Strides along axes of size 1 are free: choose those that look dense.
memory::desc describe(const Product& p, DType type, int64_t ProductAxis::* stride, int64_t rows, int64_t columns,
                      int64_t row, int64_t column) {
  memory::dims sizes, strides;
  if (columns == 1) column = 1;
  if (rows == 1) row = column == 1 ? columns : 1;
  if (columns == 1 && row == 1 && rows > 1) column = rows;
  for (int i = 0; i < p.loop_count; ++i) {
    const bool shared = p.loops[i].*stride == 0;
    sizes.push_back(shared ? 1 : p.loops[i].size);
    strides.push_back(shared ? rows * columns : p.loops[i].*stride);
  }
  sizes.insert(sizes.end(), {rows, columns});
  strides.insert(strides.end(), {row, column});
  return {sizes, type_of(type), strides};
}

std::shared_ptr<OneDnnOperation> make(const Product& p, DType type, DType z_type, int threads) {
  const memory::desc x = describe(p, type, &ProductAxis::x, p.m, p.k, p.x_row, p.x_column);
  const memory::desc y = describe(p, type, &ProductAxis::y, p.k, p.n, p.y_row, p.y_column);
  const memory::desc z = describe(p, z_type, &ProductAxis::z, p.m, p.n, p.z_row, p.z_column);
  dnnl::primitive_attr attributes = onednn_attributes();
  dnnl::post_ops operations;
  if (p.addend_tensor) operations.append_binary(dnnl::algorithm::binary_add, z);
  if (!drops_nan(p.activation)) append_activation(operations, p.activation, p.alpha);
  attributes.set_post_ops(operations);
  memory::desc bias;
  if (p.bias_tensor) {
    memory::dims sizes(static_cast<size_t>(p.loop_count) + 2, 1), strides(sizes.size(), p.n);
    sizes.back() = p.n;
    strides.back() = 1;
    bias = {sizes, type_of(z_type), strides};
  }
  const dnnl::matmul::primitive_desc description(onednn_engine(), x, y, bias, z, attributes);
  if (std::string(description.impl_info_str()).find("ref") == 0) return nullptr;
  std::vector<OneDnnOperation::Slot> slots{
      {DNNL_ARG_SRC, x, x, false}, {DNNL_ARG_WEIGHTS, y, y, false}, {DNNL_ARG_DST, z, z, true}};
  if (p.bias_tensor) slots.push_back({DNNL_ARG_BIAS, bias, bias, false});
  if (p.addend_tensor) slots.push_back({addend_argument, z, z, false});
  return std::make_shared<OneDnnOperation>(dnnl::matmul(description), description.scratchpad_desc(), slots, threads);
}

std::shared_ptr<const void> prepare(const Product& p, DType z_type, Status& status) {
  if (!suits(p)) return nullptr;
  const DType type = native(p.x_tensor->dtype) ? p.x_tensor->dtype : DType::float32;
  if (type == DType::float32) z_type = DType::float32;
  std::vector<int64_t> key{static_cast<int64_t>(OneDnnKind::matmul),
                           static_cast<int64_t>(type),
                           static_cast<int64_t>(z_type),
                           p.m,
                           p.n,
                           p.k,
                           p.x_row,
                           p.x_column,
                           p.y_row,
                           p.y_column,
                           p.z_row,
                           p.bias_tensor != nullptr,
                           p.addend_tensor != nullptr,
                           static_cast<int64_t>(p.activation)};
  int64_t alpha;
  std::memcpy(&alpha, &p.alpha, sizeof alpha);
  key.push_back(alpha);
  for (int i = 0; i < p.loop_count; ++i)
    key.insert(key.end(), {p.loops[i].size, p.loops[i].x, p.loops[i].y, p.loops[i].z});
  double work = static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  for (int i = 0; i < p.loop_count; ++i) work *= static_cast<double>(p.loops[i].size);
  const int threads = onednn_threads(work);
  return onednn_operation(std::move(key), threads, status, [&] { return make(p, type, z_type, threads); });
}

Status run_native(const Call& call, const Product& p) {
  const auto* operation = static_cast<const OneDnnOperation*>(call.prepared);
  MS_RETURN_IF_ERROR(operation->run({{DNNL_ARG_SRC, p.x_tensor->data},
                                     {DNNL_ARG_WEIGHTS, p.y_tensor->data},
                                     {DNNL_ARG_DST, call.out(0).data},
                                     {DNNL_ARG_BIAS, p.bias_tensor ? p.bias_tensor->data : nullptr},
                                     {addend_argument, p.addend_tensor ? p.addend_tensor->data : nullptr}}));
  if (drops_nan(p.activation)) apply_relu(p.activation, call.out(0));
  return {};
}

Status run(const Call& call, const Product& p) {
  if (!call.prepared) return run_product(call, p);
  return native(p.x_tensor->dtype) ? run_native(call, p) : run_product_widened(call, p, run_native);
}

template <Status (*read)(const Call&, Product&)>
struct Form {
  static std::shared_ptr<const void> prepare(const Call& call, Status& status) {
    Product product;
    status = read(call, product);
    return status.ok() ? millstream::prepare(product, call.out(0).dtype, status) : nullptr;
  }
  static Status run(const Call& call) {
    Product product;
    MS_RETURN_IF_ERROR(read(call, product));
    return millstream::run(call, product);
  }
};

}  // namespace

const Kernel kernel_matmul_onednn{"matmul", kernel_matmul.check, Form<read_matmul>::run, Form<read_matmul>::prepare};
const Kernel kernel_dot_onednn{"dot", kernel_dot.check, Form<read_dot>::run, Form<read_dot>::prepare};

void register_onednn_matmul(Registry& registry) {
  registry.add(kernel_matmul_onednn);
  registry.add(kernel_dot_onednn);
}

}  // namespace millstream
