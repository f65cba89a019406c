// Kernel `fft`. Refuses kinds, lengths and sizes that do not belong together.
//
// fft: x -> y; attributes: kind (0 fft, 1 ifft, 2 rfft, 3 irfft), then the lengths of the 1 to 3 last axes, each >= 1.
//   fft, ifft: complex64 or complex128, x and y of one shape, the last axes being the lengths.
//   rfft: float32 -> complex64, float64 -> complex128; x's last axes are the lengths, y's last axis is length / 2 + 1.
//   irfft: the other way round; imaginary parts that a real signal cannot have are not looked at.
//   Inverse transforms divide by the number of points. Pad or cut before, as TensorFlow's fft_length asks.
// Lengths with factors up to 31 are transformed by mixed radix, others by Bluestein's convolution.
#include <algorithm>
#include <cmath>
#include <complex>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "kernels/fft_stages.h"
#include "kernels/operands.h"
#include "kernels/simd_isa.h"

namespace millstream {

#define MS_DECLARE_FFT(isa)                       \
  namespace isa {                                 \
  extern const FftLoops<float> fft_loops_float;   \
  extern const FftLoops<double> fft_loops_double; \
  }
MS_DECLARE_FFT(baseline)
#if defined(__x86_64__)
MS_DECLARE_FFT(avx2)
MS_DECLARE_FFT(avx512)
#define MS_PICK_FFT(name) \
  return processor_isa() == Isa::avx512 ? avx512::name : processor_isa() == Isa::avx2 ? avx2::name : baseline::name
#else
#define MS_PICK_FFT(name) return baseline::name
#endif

template <>
const FftLoops<float>& fft_loops<float>() {
  MS_PICK_FFT(fft_loops_float);
}
template <>
const FftLoops<double>& fft_loops<double>() {
  MS_PICK_FFT(fft_loops_double);
}

namespace {

enum Kind : int64_t { forward = 0, inverse = 1, real_forward = 2, real_inverse = 3 };

constexpr int64_t longest = int64_t{1} << 32;

// exp(-2 pi i k / n), exact to the last place: the angle is reduced to an eighth of the circle first.
std::complex<double> root(int64_t k, int64_t n) {
  k %= n;
  const int64_t eighth = 8 * k / n;
  const auto part = [&](int64_t numerator) {
    return 2 * 3.14159265358979323846 * static_cast<double>(numerator) / (8.0 * static_cast<double>(n));
  };
  switch (eighth) {
    case 0:
      return {std::cos(part(8 * k)), -std::sin(part(8 * k))};
    case 1:
    case 2:
      return {-std::sin(part(8 * k - 2 * n)), -std::cos(part(8 * k - 2 * n))};
    case 3:
    case 4:
      return {-std::cos(part(8 * k - 4 * n)), std::sin(part(8 * k - 4 * n))};
    case 5:
    case 6:
      return {std::sin(part(8 * k - 6 * n)), std::cos(part(8 * k - 6 * n))};
    default:
      return {std::cos(part(8 * k - 8 * n)), -std::sin(part(8 * k - 8 * n))};
  }
}

// Whether n has no prime factor above the largest one that has a stage.
bool is_smooth(int64_t n, int64_t largest) {
  for (int64_t p = 2; p <= largest; ++p) {
    while (n % p == 0) n /= p;
  }
  return n == 1;
}

// One length: its stages; or, where a prime is too large, the convolution that Bluestein makes of the transform.
template <typename T>
class Transform {
 public:
  explicit Transform(int64_t length) : length_(length) {
    if (!is_smooth(length, largest_fft_factor)) {
      make_bluestein();
      return;
    }
    int64_t rest = length;
    while (rest % 8 == 0 && rest != 16) add_stage(8, rest);
    while (rest % 4 == 0) add_stage(4, rest);
    for (int64_t p = 2; p <= largest_fft_factor; ++p) {
      while (rest % p == 0) add_stage(p, rest);
    }
  }

  int64_t length() const { return length_; }
  bool whole() const { return helper_.empty(); }
  // Elements that each of the four arrays given to `run` needs, for each sequence.
  int64_t room() const { return whole() ? length_ : helper_[0].length_; }

  // Transforms `batch` interleaved sequences; batch is 1 unless `whole`. True: the result lies in the second arrays.
  bool run(int64_t batch, T* re, T* im, T* other_re, T* other_im) const {
    if (whole()) return fft_loops<T>().run(stages_, batch, re, im, other_re, other_im);
    const int64_t size = helper_[0].length_;
    for (int64_t k = 0; k < length_; ++k) turn(re[k], im[k], chirp_[static_cast<size_t>(k)]);
    std::fill(re + length_, re + size, T());
    std::fill(im + length_, im + size, T());
    T *now_re = re, *now_im = im;
    if (helper_[0].run(1, re, im, other_re, other_im)) std::swap(now_re, other_re), std::swap(now_im, other_im);
    for (int64_t k = 0; k < size; ++k) turn(now_re[k], now_im[k], filter_[static_cast<size_t>(k)]);
    // The inverse transform is the forward one with both parts exchanged. It takes as many stages as the first, so the result
    // lies where the data lay.
    helper_[0].run(1, now_im, now_re, other_im, other_re);
    for (int64_t k = 0; k < length_; ++k) turn(re[k], im[k], chirp_[static_cast<size_t>(k)]);
    return false;
  }

 private:
  static void turn(T& re, T& im, std::complex<T> by) {
    const T real = re * by.real() - im * by.imag();
    im = re * by.imag() + im * by.real();
    re = real;
  }

  void add_stage(int64_t p, int64_t& rest) {
    const int64_t n = rest, groups = rest / p;
    FftStage<T> stage{p, groups, {}, {}, {}, {}};
    for (int64_t t = 1; t < p; ++t) {
      for (int64_t q = 0; q < groups; ++q) {
        const std::complex<double> w = root(q * t, n);
        stage.turn_re.push_back(static_cast<T>(w.real()));
        stage.turn_im.push_back(static_cast<T>(w.imag()));
      }
    }
    for (int64_t j = 0; j < p; ++j) {
      const std::complex<double> w = root(j, p);
      stage.cosine.push_back(static_cast<T>(w.real()));
      stage.sine.push_back(static_cast<T>(-w.imag()));
    }
    stages_.push_back(std::move(stage));
    rest = groups;
  }

  void make_bluestein() {
    int64_t size = 2 * length_ - 1;
    while (!is_smooth(size, 5)) ++size;
    helper_.emplace_back(size);
    std::vector<T> re(static_cast<size_t>(size)), im(re), other_re(re), other_im(re);
    for (int64_t k = 0; k < length_; ++k) {
      // k * k modulo 2n, without overflow for the lengths that are allowed.
      const auto square = static_cast<int64_t>(static_cast<uint64_t>(k) * static_cast<uint64_t>(k) %
                                               static_cast<uint64_t>(2 * length_));
      const std::complex<double> w = root(square, 2 * length_);
      chirp_.emplace_back(static_cast<T>(w.real()), static_cast<T>(w.imag()));
      for (const int64_t at : {k, k ? size - k : 0}) {
        re[static_cast<size_t>(at)] = static_cast<T>(w.real());
        im[static_cast<size_t>(at)] = static_cast<T>(-w.imag());
      }
    }
    const bool second = helper_[0].run(1, re.data(), im.data(), other_re.data(), other_im.data());
    const std::vector<T>&from_re = second ? other_re : re, &from_im = second ? other_im : im;
    const T scale = T(1) / static_cast<T>(size);
    for (size_t k = 0; k < re.size(); ++k) filter_.emplace_back(from_re[k] * scale, from_im[k] * scale);
  }

  int64_t length_;
  std::vector<FftStage<T>> stages_;
  std::vector<Transform> helper_;  // of a length without large factors, for Bluestein's convolution
  std::vector<std::complex<T>> chirp_, filter_;
};

// exp(-2 pi i k / n) for the first half of the circle, and the transform of a real sequence: as half as many complex numbers
// where their count is even.
template <typename T>
struct RealTransform {
  explicit RealTransform(int64_t n) : length_(n), transform(n % 2 ? n : n / 2) {
    for (int64_t k = 0; k <= n / 2 && n % 2 == 0; ++k) roots.emplace_back(root(k, n));
  }
  int64_t length() const { return length_; }
  int64_t room() const { return transform.room(); }

  int64_t length_;
  Transform<T> transform;
  std::vector<std::complex<T>> roots;
};

// Transforms of the lengths used last are kept: making one costs more than running it.
template <typename Made>
std::shared_ptr<const Made> made_for(int64_t length) {
  constexpr int64_t most_kept = int64_t{1} << 22;  // elements
  static std::mutex mutex;
  static std::list<std::shared_ptr<const Made>> kept;  // the latest first
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = std::find_if(kept.begin(), kept.end(), [&](const auto& made) { return made->length() == length; });
  if (found != kept.end()) {
    kept.splice(kept.begin(), kept, found);
  } else {
    kept.push_front(std::make_shared<const Made>(length));
    int64_t total = 0;
    for (auto at = kept.begin(); at != kept.end();) {
      total += (*at)->room();
      at = total > most_kept && at != kept.begin() ? kept.erase(at) : std::next(at);
    }
  }
  return kept.front();
}

// The four arrays of a thread.
template <typename T>
struct Workspace {
  explicit Workspace(int64_t room) : own(std::make_unique_for_overwrite<T[]>(static_cast<size_t>(4 * room))) {
    T* at = own.get();
    re = at, im = at + room, other_re = at + 2 * room, other_im = at + 3 * room;
  }

  // Runs the transform and points re and im at the result. Backwards: both parts change places.
  void run(const Transform<T>& transform, int64_t batch, bool backwards) {
    const bool second =
        backwards ? transform.run(batch, im, re, other_im, other_re) : transform.run(batch, re, im, other_re, other_im);
    if (second) exchange();
  }
  void exchange() { std::swap(re, other_re), std::swap(im, other_im); }

  std::unique_ptr<T[]> own;
  T *re, *im, *other_re, *other_im;
};

int64_t grain_of(int64_t length) { return std::max<int64_t>(1, 8192 / length); }

// How many rows go through together, interleaved: vectors of them need no reordering, but all must stay near the processor.
template <typename T>
int64_t rows_together(const Transform<T>& transform) {
  constexpr int64_t most_bytes = 512 << 10;
  const int64_t widest = fft_loops<T>().lanes;
  return transform.whole() && 4 * static_cast<int64_t>(sizeof(T)) * transform.room() * widest <= most_bytes ? widest
                                                                                                            : 1;
}

// work(first row, rows) for all rows, `most` at a time.
template <typename F>
void each_batch(int64_t rows, int64_t most, int64_t length, F&& work) {
  const int64_t blocks = (rows + most - 1) / most;
  parallel_for(blocks, grain_of(length * most),
               [&](int64_t begin, int64_t end) { work(begin * most, std::min(end * most, rows)); });
}

// Transforms rows of n neighbours; x and y may be the same. An inverse transform scales.
template <typename T>
void along_rows(const std::complex<T>* x, std::complex<T>* y, int64_t rows, int64_t n, bool backwards) {
  if (rows * n == 0) return;
  const auto transform = made_for<Transform<T>>(n);
  const T scale = backwards ? T(1) / static_cast<T>(n) : T(1);
  const int64_t most = rows_together(*transform);
  each_batch(rows, most, n, [&](int64_t row, int64_t end) {
    Workspace<T> work(transform->room() * most);
    for (; row < end; row += most) {
      const int64_t batch = std::min(most, end - row);
      fft_loops<T>().pack(reinterpret_cast<const T*>(x + row * n), n, batch, n, work.re, work.im);
      work.run(*transform, batch, backwards);
      fft_loops<T>().unpack(work.re, work.im, scale, batch, n, reinterpret_cast<T*>(y + row * n), n);
    }
  });
}

// Transforms `data`, of these sizes, along one axis. An inverse one scales.
template <typename T>
void along_axis(std::complex<T>* data, const int64_t* dims, int rank, int axis, bool backwards) {
  using C = std::complex<T>;
  const int64_t n = dims[axis], inner = product(dims, axis + 1, rank), outer = product(dims, 0, axis);
  if (outer * inner == 0 || n == 0) return;
  if (inner == 1) return along_rows(data, data, outer, n, backwards);
  const auto transform = made_for<Transform<T>>(n);
  const T scale = backwards ? T(1) / static_cast<T>(n) : T(1);
  // Neighbours along the last axes go through together.
  const int64_t most = transform->whole() ? std::min<int64_t>(inner, 128 / static_cast<int64_t>(sizeof(T))) : 1;
  const int64_t blocks = (inner + most - 1) / most;
  parallel_for(outer * blocks, grain_of(n * most), [&](int64_t begin, int64_t end) {
    Workspace<T> work(transform->room() * most);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t column = r % blocks * most, batch = std::min(most, inner - column);
      C* first = data + r / blocks * inner * n + column;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t b = 0; b < batch; ++b) {
          work.re[i * batch + b] = first[i * inner + b].real();
          work.im[i * batch + b] = first[i * inner + b].imag();
        }
      }
      work.run(*transform, batch, backwards);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t b = 0; b < batch; ++b)
          first[i * inner + b] = C(work.re[i * batch + b] * scale, work.im[i * batch + b] * scale);
      }
    }
  });
}

// Rows of real numbers to the first halves of their transforms.
template <typename T>
void forward_rows(const T* x, std::complex<T>* y, int64_t rows, int64_t n) {
  const bool even = n % 2 == 0;
  const int64_t half = n / 2 + 1, points = even ? n / 2 : n;
  const auto made = made_for<RealTransform<T>>(n);
  const T* roots = reinterpret_cast<const T*>(made->roots.data());
  const int64_t most = even ? rows_together(made->transform) : 1;
  each_batch(rows, most, n, [&](int64_t row, int64_t end) {
    Workspace<T> work((made->room() + 1) * most);
    for (; row < end; row += most) {
      const int64_t batch = std::min(most, end - row);
      if (even) {
        fft_loops<T>().pack(x + row * n, points, batch, points, work.re, work.im);
      } else {
        std::copy(x + row * n, x + row * n + n, work.re);
        std::fill(work.im, work.im + n, T());
      }
      work.run(made->transform, batch, false);
      if (even) {
        fft_loops<T>().split(roots, batch, points, work.re, work.im, work.other_re, work.other_im);
        work.exchange();
      }
      fft_loops<T>().unpack(work.re, work.im, T(1), batch, half, reinterpret_cast<T*>(y + row * half), half);
    }
  });
}

// Back again; imaginary parts that a real signal cannot have are not looked at.
template <typename T>
void inverse_rows(const std::complex<T>* x, T* y, int64_t rows, int64_t n) {
  const bool even = n % 2 == 0;
  const int64_t half = n / 2 + 1, points = even ? n / 2 : n;
  const auto made = made_for<RealTransform<T>>(n);
  const T* roots = reinterpret_cast<const T*>(made->roots.data());
  const T scale = T(1) / static_cast<T>(n);
  const int64_t most = even ? rows_together(made->transform) : 1;
  each_batch(rows, most, n, [&](int64_t row, int64_t end) {
    Workspace<T> work((made->room() + 1) * most);
    for (; row < end; row += most) {
      const int64_t batch = std::min(most, end - row);
      fft_loops<T>().pack(reinterpret_cast<const T*>(x + row * half), half, batch, half, work.re, work.im);
      if (even) {
        fft_loops<T>().merge(roots, batch, points, work.re, work.im, work.other_re, work.other_im);
        work.exchange();
        work.run(made->transform, batch, true);
        fft_loops<T>().unpack(work.re, work.im, scale, batch, points, y + row * n, points);
        continue;
      }
      work.im[0] = T();
      for (int64_t k = 1; k < half; ++k) {
        work.re[n - k] = work.re[k];
        work.im[n - k] = -work.im[k];
      }
      work.run(made->transform, 1, true);
      for (int64_t i = 0; i < n; ++i) y[row * n + i] = work.re[i] * scale;
    }
  });
}

template <typename T>
void run_typed(const Call& call) {
  using C = std::complex<T>;
  const Tensor &x = call.in(0), &y = call.out(0);
  const int64_t kind = call.attributes[0];
  const int rank = x.rank, axes = static_cast<int>(call.attribute_count - 1), last = rank - 1;
  if (kind == forward || kind == inverse) {
    along_rows(x.as<const C>(), y.as<C>(), product(x.dims, 0, last), x.dims[last], kind == inverse);
    for (int i = last - 1; i > last - axes; --i) along_axis(y.as<C>(), x.dims, rank, i, kind == inverse);
    return;
  }
  const int64_t n = call.attributes[axes], rows = product(x.dims, 0, last);
  if (kind == real_forward) {
    forward_rows(x.as<const T>(), y.as<C>(), rows, n);
    for (int i = last - 1; i > last - axes; --i) along_axis(y.as<C>(), y.dims, rank, i, false);
    return;
  }
  if (axes == 1) return inverse_rows(x.as<const C>(), y.as<T>(), rows, n);
  std::vector<C> spectrum(x.as<const C>(), x.as<const C>() + x.count());
  for (int i = last - 1; i > last - axes; --i) along_axis(spectrum.data(), x.dims, rank, i, true);
  inverse_rows(spectrum.data(), y.as<T>(), rows, n);
}

Status check_fft(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "fft", 1, 1));
  const Tensor &x = call.in(0), &y = call.out(0);
  const int64_t axes = call.attribute_count - 1;
  MS_REQUIRE(
      axes >= 1 && axes <= 3 && axes <= x.rank && x.rank == y.rank && call.attributes[0] >= 0 &&
          call.attributes[0] <= 3,
      "fft: given kind and lengths of " + std::to_string(axes) + " axes for " + show(x) + "; 1 to 3 axes are allowed.");
  const int64_t kind = call.attributes[0];
  const auto complex_of = [](DType dtype) {
    return dtype == DType::float32 ? DType::complex64 : dtype == DType::float64 ? DType::complex128 : DType::invalid;
  };
  const bool to_real = kind == real_inverse, from_real = kind == real_forward;
  const Tensor &real = to_real ? y : x, &spectrum = to_real ? x : y;
  const bool plain =
      !to_real && !from_real && x.dtype == y.dtype && (x.dtype == DType::complex64 || x.dtype == DType::complex128);
  MS_REQUIRE(
      plain || ((to_real || from_real) && spectrum.dtype == complex_of(real.dtype) && spectrum.dtype != DType::invalid),
      "fft: kind " + std::to_string(kind) + " does not take " + show(x) + " to " + show(y) + ".");
  for (int i = 0; i < x.rank; ++i) {
    const int place = i - (x.rank - static_cast<int>(axes));
    const int64_t length = place >= 0 ? call.attributes[1 + place] : real.dims[i];
    MS_REQUIRE(place < 0 || (length >= 1 && length <= longest),
               "fft: length " + std::to_string(length) + "; at least 1 is needed.");
    const int64_t other = !plain && i == x.rank - 1 ? length / 2 + 1 : length;
    MS_REQUIRE(real.dims[i] == length && spectrum.dims[i] == other, "fft: " + show(x) + " does not give " + show(y) +
                                                                        " with length " + std::to_string(length) +
                                                                        " on axis " + std::to_string(i) + ".");
  }
  return Status();
}

Status run_fft(const Call& call) try {
  if (call.out(0).count() == 0) return Status();
  MS_REQUIRE(call.attributes[0] < real_forward || call.in(0).data != call.out(0).data,
             "fft: the output must not share the bytes of the input.");
  const DType dtype = call.in(0).dtype;
  if (dtype == DType::float32 || dtype == DType::complex64) {
    run_typed<float>(call);
  } else {
    run_typed<double>(call);
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("fft", call.in(0));
}

const Kernel kernel_fft{"fft", check_fft, run_fft};

}  // namespace

void register_fft(Registry& registry) { registry.add(kernel_fft); }

}  // namespace millstream
