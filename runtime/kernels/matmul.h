// What the kernels `matmul` and `dot` share with their faster forms: the product as one matrix product in loops.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernel.h"

namespace millstream {

// What is applied to a result before it is stored. The numbers are part of the plan format.
enum class Activation : int64_t {
  none = 0,
  relu = 1,
  relu6 = 2,
  tanh = 3,
  logistic = 4,
  gelu = 5,
  gelu_tanh = 6,
  swish = 7,
  elu = 8,
  leaky_relu = 9,
};
constexpr int64_t activation_count = 10;
float activate(Activation activation, float value, float alpha);
double activate(Activation activation, double value, double alpha);

// One axis of the iteration space, with each operand's stride in elements: 0 where the operand does not have the axis.
struct ProductAxis {
  int64_t size, x, y, z, bias;
};

// z[i, j] = activation(sum over d of x[i, d] y[d, j] + bias + addend), repeated over `loops`; a loop with z stride 0 adds up.
// The addend lies as z does.
struct Product {
  int64_t m = 1, n = 1, k = 1;
  int64_t x_row = 0, x_column = 0, y_row = 0, y_column = 0, z_row = 0, z_column = 0, bias_row = 0, bias_column = 0;
  ProductAxis loops[3 * max_rank];
  int loop_count = 0;  // loops that add up come last
  int sum_count = 0;
  bool swapped = false;  // x is the call's second input, y its first
  bool conjugate_x = false, conjugate_y = false;
  Activation activation = Activation::none;
  double alpha = 0;
  const Tensor *x_tensor = nullptr, *y_tensor = nullptr, *bias_tensor = nullptr, *addend_tensor = nullptr;
};

Status read_matmul(const Call& call, Product& product);
Status read_dot(const Call& call, Product& product);
Status run_product(const Call& call, const Product& product);  // portable, any element type

// float32 copies of half and bfloat16 tensors. Throw std::bad_alloc.
Tensor widened(const Tensor& from);    // same sizes and elements
Tensor wide_like(const Tensor& from);  // same sizes, elements not set
void narrow_into(const Tensor& wide, const Tensor& to);
// Runs `run` on float32 copies of half or bfloat16 operands.
Status run_product_widened(const Call& call, const Product& product, Status (*run)(const Call&, const Product&));

// True if the product of `rank` sizes, none negative, times `unit` fits in 63 bits.
bool sizes_fit(const int64_t* sizes, int rank, int64_t unit);
std::string show_sizes(const Tensor& tensor);  // float32[2,3]

extern const Kernel kernel_matmul, kernel_dot;
void register_matmul(Registry& registry);

}  // namespace millstream
