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

// Transforms `batch` sequences that lie interleaved, element i of sequence b at [i * batch + b], real and imaginary parts
// apart. Works in both pairs of arrays; returns whether the result lies in the second one.
template <typename T>
using FftRun = bool (*)(const std::vector<FftStage<T>>& stages, int64_t batch, T* re, T* im, T* other_re, T* other_im);

template <typename T>
FftRun<T> fft_run();  // for this processor

}  // namespace millstream
