// Windows over a tensor: what reduce_window and the gradients of pooling share. Checked sizes only.
#pragma once

#include <cstdint>

#include "kernels/kernel.h"
#include "kernels/matmul.h"

namespace millstream {

// Numbers are part of the plan format. `average` divides by the elements inside x, not by the window.
enum class WindowKind : int64_t { sum = 0, max = 1, min = 2, average = 3 };

struct WindowShape {
  WindowKind kind = WindowKind::max;
  int rank = 0;        // of the axes below: those before the trailing ones without a window
  int64_t inner = 1;   // elements side by side below them
  int64_t images = 1;  // leading axes without a window, together
  int leading = 0;     // how many axes those are
  int64_t in[max_rank], out[max_rank], window[max_rank], stride[max_rank], low[max_rank];

  int64_t in_image() const {
    int64_t total = 1;
    for (int i = leading; i < rank; ++i) total *= in[i];
    return total;
  }
  int64_t out_image() const {
    int64_t total = 1;
    for (int i = leading; i < rank; ++i) total *= out[i];
    return total;
  }
};

// x and z are the tensors before and after reducing; the words start at `words`: window, strides, low, high for each axis.
Status read_windows(const char* name, const Tensor& x, const Tensor& z, const int64_t* words, int64_t count,
                    WindowShape& shape);
bool is_pool_number(DType dtype);

}  // namespace millstream
