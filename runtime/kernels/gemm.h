// The blocked matrix product under matmul, dot, convolution and recurrent kernels. Refuses nothing: callers have checked.
#pragma once

#include <cstdint>

namespace millstream {

// How one operand is read: `pack` writes `count` lines (rows of x, columns of y) from `line` on, of depth
// [depth, depth + length), as panel[d * width + i]; lines past `count` up to `width` become zero.
template <typename A>
struct GemmSource {
  void (*pack)(const void* self, A* panel, int width, int64_t line, int64_t count, int64_t depth, int64_t length);
  const void* self;
  const A* plain = nullptr;  // not null: the elements themselves, with the strides below
  int64_t line_stride = 0;
  int64_t depth_stride = 0;
};

// Called once for each finished block of z, while it is still in cache: bias, activation, conversion.
struct GemmFinish {
  void (*run)(const void* self, int64_t row, int64_t rows, int64_t column, int64_t columns) = nullptr;
  const void* self = nullptr;
};

// z[m, n] = x[m, k] y[k, n] (+ z if `accumulate`). z has unit column stride.
template <typename A>
struct Gemm {
  int64_t m, n, k;
  GemmSource<A> x, y;
  A* z;
  int64_t z_row;
  bool accumulate = false;
  GemmFinish finish = {};
};

// Runs on the thread pool. Throws std::bad_alloc. A is float, double, uint32_t or uint64_t.
template <typename A>
void run_gemm(const Gemm<A>& gemm);

// The innermost loops, compiled once for each instruction set.
template <typename A>
struct GemmTile {
  int rows, columns;
  // z[rows, columns] (+)= panel of x times y, whose depth steps are `y_step` elements apart.
  void (*run)(int64_t k, const A* x, const A* y, int64_t y_step, A* z, int64_t z_row, bool accumulate);
};

template <typename A>
struct GemmTiles {
  GemmTile<A> wide, narrow;
  // Packs a strided operand, see GemmSource.
  void (*pack)(A* panel, int width, const A* first, int64_t line_stride, int64_t depth_stride, int64_t count,
               int64_t length);
  // The same for lines that lie anywhere, each with its elements side by side.
  void (*pack_lines)(A* panel, int width, const A* const* lines, int64_t count, int64_t length);
  // z[n] (+)= sum over k of x[k * x_step] * y[k * y_step + n]; and z[n * z_step] (+)= dot(x[0..k), y[n * y_step + 0..k)).
  void (*combine_rows)(int64_t n, int64_t k, const A* x, int64_t x_step, const A* y, int64_t y_step, A* z,
                       bool accumulate);
  void (*dot_rows)(int64_t n, int64_t k, const A* x, const A* y, int64_t y_step, A* z, int64_t z_step, bool accumulate);
};

template <typename A>
const GemmTiles<A>& gemm_tiles();

// float32 from half and bfloat16, and back with rounding to the nearest; for each instruction set.
struct Conversions {
  void (*half_to_float)(const uint16_t* from, float* to, int64_t count);
  void (*bfloat16_to_float)(const uint16_t* from, float* to, int64_t count);
  void (*float_to_half)(const float* from, uint16_t* to, int64_t count);
  void (*float_to_bfloat16)(const float* from, uint16_t* to, int64_t count);
};
const Conversions& conversions();

}  // namespace millstream
