// Fourier transforms of lines of numbers, by ducc0, for this processor: what fft.cc splits its tensors into.
#pragma once

#include <complex>
#include <cstdint>
#include <exception>
#include <mutex>

#include "threads/pool.h"

namespace millstream {

// parallel_for whose body may throw, on any thread.
template <typename F>
void parallel_for_throwing(int64_t count, int64_t grain, F&& body) {
  std::mutex mutex;
  std::exception_ptr failure;
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    try {
      body(begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

// `planes` blocks of `length` rows, `row` elements apart, of which the first `columns` elements are looked at: each column of
// each block is a line. Blocks follow one another.
struct FftLines {
  int64_t planes, length, columns, row;
};

// All throw std::bad_alloc. Each result is times `factor`. `x` and `y` may be the same only in `complex_columns` and
// `complex_rows`. Rows are of `length` numbers, or of length / 2 + 1 complex ones that stand for so many real ones. `together`
// rows go side by side through vectors, on this thread; others one by one, on a plan that is kept whatever its size, a long one
// on several threads. Which of both decides the last bit of a result, so it must not depend on how the rows were split.
template <typename T>
struct FftLoops {
  using C = std::complex<T>;
  void (*complex_columns)(const C* x, C* y, const FftLines& lines, bool forward, T factor);
  void (*complex_rows)(const C* x, C* y, int64_t rows, int64_t length, bool together, bool forward, T factor);
  void (*from_real_rows)(const T* x, C* y, int64_t rows, int64_t length, bool together);
  void (*to_real_rows)(const C* x, T* y, int64_t rows, int64_t length, bool together, T factor);
};

template <typename T>
const FftLoops<T>& fft_loops();  // for this processor

}  // namespace millstream
