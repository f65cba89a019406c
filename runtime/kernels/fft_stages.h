// What a Fourier transform of one length is made of, and who runs its stages for this processor.
#pragma once

#include <cstdint>
#include <vector>

namespace millstream {

constexpr int64_t largest_fft_factor = 31;

// One pass over the data: groups of `factor` elements, `groups` apart, become neighbours.
template <typename T>
struct FftStage {
  int64_t factor, groups;
  std::vector<T> turn_re, turn_im;  // exp(-2 pi i q t / (factor groups)) at [t - 1][q]
  std::vector<T> cosine, sine;      // of 2 pi j / factor
};

// The loops of a transform. They work on planes: `batch` sequences lie interleaved, element i of sequence b at
// [i * batch + b], real and imaginary parts apart.
template <typename T>
struct FftLoops {
  int64_t lanes;  // the batch that they like best
  // Transforms in both pairs of arrays; returns whether the result lies in the second one.
  bool (*run)(const std::vector<FftStage<T>>& stages, int64_t batch, T* re, T* im, T* other_re, T* other_im);
  // Rows of `count` complex numbers, `row` of them apart, to planes; and back, each times `scale`.
  void (*pack)(const T* from, int64_t row, int64_t batch, int64_t count, T* re, T* im);
  void (*unpack)(const T* re, const T* im, T scale, int64_t batch, int64_t count, T* to, int64_t row);
  // What `points` complex numbers, in truth pairs of neighbours of a real sequence, were transformed to -> the points + 1
  // first numbers of its own transform; and back, times 2. `roots` are exp(-pi i k / points).
  void (*split)(const T* roots, int64_t batch, int64_t points, const T* re, const T* im, T* to_re, T* to_im);
  void (*merge)(const T* roots, int64_t batch, int64_t points, const T* re, const T* im, T* to_re, T* to_im);
};

template <typename T>
const FftLoops<T>& fft_loops();  // for this processor

}  // namespace millstream
