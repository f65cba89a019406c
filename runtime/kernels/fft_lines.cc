// Fourier transforms of lines by ducc0's headers, compiled once for each instruction set (-DMS_ISA=...). Instead of
// ducc0's own threads its long single transforms get the pool. Not for AVX-512: ducc0's transforms of 16 numbers
// side by side are up to three times slower than those of 8, so such processors run the AVX2 ones.
#include "kernels/fft_lines.h"

#ifndef __AVX512F__

#define MS_JOIN(a, b) a##b
#define MS_DUCC0(isa) MS_JOIN(millstream_ducc0_, isa)
#define DUCC0_NAMESPACE MS_DUCC0(MS_ISA)
#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "ducc0/fft/fftnd_impl.h"

namespace DUCC0_NAMESPACE::detail_threading {
namespace {

// What is done at once, on one thread.
class Piece final : public Scheduler {
 public:
  Piece(int64_t begin, int64_t end) : rest_(static_cast<size_t>(begin), static_cast<size_t>(end)) {}
  size_t num_threads() const override { return 1; }
  size_t thread_num() const override { return 0; }
  Range getNext() override { return std::exchange(rest_, Range()); }

 private:
  Range rest_;
};

}  // namespace

size_t adjust_nthreads(size_t) { return 1; }

void execParallel(size_t, std::function<void(Scheduler&)> body) {
  Piece all(0, 1);
  body(all);
}

void execStatic(size_t work, size_t threads, size_t, std::function<void(Scheduler&)> body) {
  constexpr int64_t most_pieces = 16;
  const auto count = static_cast<int64_t>(work);
  const auto run = [&](int64_t begin, int64_t end) {
    Piece piece(begin, end);
    body(piece);
  };
  if (threads == 1) return run(0, count);
  millstream::parallel_for_throwing(count, (count + most_pieces - 1) / most_pieces, run);
}

}  // namespace DUCC0_NAMESPACE::detail_threading

namespace millstream::MS_ISA {
namespace {

namespace ducc0 = DUCC0_NAMESPACE;
using ducc0::Cmplx;
using ducc0::detail_fft::pocketfft_c;
using ducc0::detail_fft::pocketfft_r;
using Sizes = ducc0::fmav_info::shape_t;
using Strides = ducc0::fmav_info::stride_t;

// Plans of rows that go one by one, the 64 used last at most; of the others ducc0 keeps the last ones, up to a mebibyte each.
// Making one costs more than running it.
template <typename Plan>
std::shared_ptr<const Plan> plan_for(size_t length) {
  constexpr size_t most_kept = size_t{1} << 25;  // bytes
  static std::mutex mutex;
  static std::list<std::shared_ptr<const Plan>> kept;  // the latest first
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const auto& plan) { return plan->length() == length; });
  if (found != kept.end()) {
    kept.splice(kept.begin(), kept, found);
    return kept.front();
  }
  kept.push_front(std::make_shared<const Plan>(length, true));
  size_t total = 0;
  for (auto at = kept.begin(); at != kept.end();) {
    total += std::max((*at)->footprint(), most_kept / 64);
    at = total > most_kept && at != kept.begin() ? kept.erase(at) : std::next(at);
  }
  return kept.front();
}

size_t threads_for(size_t length) { return length < 32768 ? 1 : static_cast<size_t>(thread_count()); }

template <typename T>
void complex_columns(const std::complex<T>* x, std::complex<T>* y, const FftLines& lines, bool forward, T factor) {
  const Sizes sizes{static_cast<size_t>(lines.planes), static_cast<size_t>(lines.length),
                    static_cast<size_t>(lines.columns)};
  const Strides strides{lines.length * lines.row, lines.row, 1};
  ducc0::c2c(ducc0::cfmav<std::complex<T>>(x, sizes, strides), ducc0::vfmav<std::complex<T>>(y, sizes, strides), {1},
             forward, factor);
}

template <typename T>
void complex_rows(const std::complex<T>* x, std::complex<T>* y, int64_t rows, int64_t length, bool together,
                  bool forward, T factor) {
  const auto n = static_cast<size_t>(length);
  if (together) {
    const Sizes sizes{static_cast<size_t>(rows), n};
    return ducc0::c2c(ducc0::cfmav<std::complex<T>>(x, sizes), ducc0::vfmav<std::complex<T>>(y, sizes), {1}, forward,
                      factor);
  }
  const auto plan = plan_for<pocketfft_c<T>>(n);
  ducc0::quick_array<Cmplx<T>> buffer(plan->bufsize());
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    if (x != y) std::copy(x, x + n, y);
    plan->exec_copyback(reinterpret_cast<Cmplx<T>*>(y), buffer.data(), factor, forward, threads_for(n));
  }
}

// A plan for real numbers gives the real part of the first number, then both parts of each further one, the imaginary part of
// the middle one left out: in place behind the first number's real part, all but that one are where they belong.
template <typename T>
void from_real_rows(const T* x, std::complex<T>* y, int64_t rows, int64_t length, bool together) {
  const auto n = static_cast<size_t>(length), half = n / 2 + 1;
  if (together) {
    return ducc0::r2c(ducc0::cfmav<T>(x, {static_cast<size_t>(rows), n}),
                      ducc0::vfmav<std::complex<T>>(y, {static_cast<size_t>(rows), half}), 1, true, T(1));
  }
  const auto plan = plan_for<pocketfft_r<T>>(n);
  ducc0::quick_array<T> buffer(plan->bufsize());
  for (int64_t row = 0; row < rows; ++row, x += n, y += half) {
    T* parts = reinterpret_cast<T*>(y);
    std::copy(x, x + n, parts + 1);
    if (n % 2 == 0) parts[n + 1] = T();
    plan->exec_copyback(parts + 1, buffer.data(), T(1), true, threads_for(n));
    parts[0] = std::exchange(parts[1], T());
  }
}

template <typename T>
void to_real_rows(const std::complex<T>* x, T* y, int64_t rows, int64_t length, bool together, T factor) {
  const auto n = static_cast<size_t>(length), half = n / 2 + 1;
  if (together) {
    return ducc0::c2r(ducc0::cfmav<std::complex<T>>(x, {static_cast<size_t>(rows), half}),
                      ducc0::vfmav<T>(y, {static_cast<size_t>(rows), n}), 1, false, factor);
  }
  const auto plan = plan_for<pocketfft_r<T>>(n);
  ducc0::quick_array<T> buffer(plan->bufsize());
  for (int64_t row = 0; row < rows; ++row, x += half, y += n) {
    const T* parts = reinterpret_cast<const T*>(x);
    std::copy(parts + 1, parts + 1 + n, y);
    y[0] = parts[0];
    plan->exec_copyback(y, buffer.data(), factor, false, threads_for(n));
  }
}

}  // namespace

extern const FftLoops<float> fft_loops_float;
extern const FftLoops<double> fft_loops_double;
const FftLoops<float> fft_loops_float = {complex_columns<float>, complex_rows<float>, from_real_rows<float>,
                                         to_real_rows<float>};
const FftLoops<double> fft_loops_double = {complex_columns<double>, complex_rows<double>, from_real_rows<double>,
                                           to_real_rows<double>};

}  // namespace millstream::MS_ISA

#endif
