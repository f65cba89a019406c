// Functions over rows of float32 or float64, compiled once per instruction set; the kernels around them are in rowwise.cc
// and rowwise_normalization.cc. Refuses nothing.
#pragma once

#include <cstdint>

namespace millstream {

// Outputs may be the same address as the first operand named, `x` or `dy`.
template <typename T>
struct RowFunctions {
  void (*softmax)(int64_t n, T* y, const T* x);
  void (*log_softmax)(int64_t n, T* y, const T* x);
  void (*softmax_gradient)(int64_t n, T* dx, const T* dy, const T* y);
  void (*log_softmax_gradient)(int64_t n, T* dx, const T* dy, const T* y);
  // The loss of a row; its gradient goes to `gradient`, n elements, which must not be where the labels are.
  T (*cross_entropy)(int64_t n, T* gradient, const T* x, const T* labels);
  T (*sparse_cross_entropy)(int64_t n, T* gradient, const T* x, int64_t label);
  // scale and offset may be nullptr.
  void (*layer_norm)(int64_t n, T* y, const T* x, const T* scale, const T* offset, T epsilon, T* mean, T* rstd);
  // Adds to dscale and doffset where they are not nullptr; dx may be nullptr.
  void (*layer_norm_gradient)(int64_t n, T* dx, const T* dy, const T* x, const T* scale, T mean, T rstd, T* dscale,
                              T* doffset);
  // Over `rows` rows of n channels: adds sum(x - center) and sum((x - center)^2).
  void (*channel_moments)(int64_t rows, int64_t n, const T* x, const T* center, T* sums, T* squares);
  // Adds sum(dy) and sum(dy * (x - center)).
  void (*channel_products)(int64_t rows, int64_t n, const T* dy, const T* x, const T* center, T* sums, T* products);
  // y = (x - center) * factor + offset.
  void (*channel_affine)(int64_t rows, int64_t n, T* y, const T* x, const T* center, const T* factor, const T* offset);
  // dx = dy * a + (x - center) * b + c.
  void (*channel_combine)(int64_t rows, int64_t n, T* dx, const T* dy, const T* x, const T* center, const T* a,
                          const T* b, const T* c);
};

template <typename T>
const RowFunctions<T>& row_functions();  // for this processor

}  // namespace millstream
