// Kernel `fft`. Refuses kinds, lengths and sizes that do not belong together.
//
// fft: x -> y; attributes: kind (0 fft, 1 ifft, 2 rfft, 3 irfft), then the lengths of the 1 to 3 last axes, each >= 1.
//   fft, ifft: complex64 or complex128, x and y of one shape, the last axes being the lengths.
//   rfft: float32 -> complex64, float64 -> complex128; x's last axes are the lengths, y's last axis is length / 2 + 1.
//   irfft: the other way round; imaginary parts that a real signal cannot have are not looked at.
//   Inverse transforms divide by the number of points. Pad or cut before, as TensorFlow's fft_length asks.
// Lengths with factors up to 31 are transformed by mixed radix, others by Bluestein's convolution.
#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <new>
#include <vector>

#include "kernels/operands.h"
#include "kernels/strided.h"

namespace millstream {
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

// Plain products: std::complex's look for infinities, at several times the price.
template <typename T>
inline std::complex<T> times(std::complex<T> a, std::complex<T> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// The forward transform of one length.
template <typename T>
class Transform {
 public:
  using C = std::complex<T>;

  explicit Transform(int64_t length) : length_(length) {
    int64_t rest = length;
    while (rest % 4 == 0) add_factor(4, rest);
    for (int64_t p = 2; p <= 31 && p * p <= rest; ++p) {
      while (rest % p == 0) add_factor(p, rest);
    }
    if (rest > 1 && rest <= 31) add_factor(rest, rest);
    if (rest > 1) {
      factors_.clear();
      make_bluestein();
      return;
    }
    roots_.resize(static_cast<size_t>(length));
    for (int64_t k = 0; k < length; ++k) roots_[static_cast<size_t>(k)] = C(root(k, length));
  }

  // Elements of workspace that `run` needs beside the data.
  int64_t workspace() const { return helper_.empty() ? length_ : 2 * helper_[0].length_; }

  void run(C* data, C* work) const {
    if (!helper_.empty()) return run_bluestein(data, work);
    C *from = data, *to = work;
    int64_t n = length_, stride = 1;
    for (int64_t p : factors_) {
      stage(p, n, stride, from, to);
      std::swap(from, to);
      n /= p;
      stride *= p;
    }
    if (from != data) std::copy(from, from + length_, data);
  }

 private:
  void add_factor(int64_t p, int64_t& rest) {
    factors_.push_back(p);
    rest /= p;
  }

  // Stockham's step: groups of p elements, m apart, become neighbours; no reordering is left at the end.
  void stage(int64_t p, int64_t n, int64_t s, const C* x, C* y) const {
    const int64_t m = n / p;
    for (int64_t q = 0; q < m; ++q) {
      C turn[31];
      for (int64_t t = 1; t < p; ++t) turn[t] = roots_[static_cast<size_t>(q * t * s % length_)];
      const C* from = x + s * q;
      C* to = y + s * p * q;
      const int64_t step = s * m;
      switch (p) {
        case 2:
          for (int64_t k = 0; k < s; ++k) {
            const C a = from[k], b = from[k + step];
            to[k] = a + b;
            to[k + s] = times(a - b, turn[1]);
          }
          break;
        case 4:
          for (int64_t k = 0; k < s; ++k) {
            const C a = from[k], b = from[k + step], c = from[k + 2 * step], d = from[k + 3 * step];
            const C sum = a + c, difference = a - c, other = b + d, turned(b.imag() - d.imag(), d.real() - b.real());
            to[k] = sum + other;
            to[k + s] = times(difference + turned, turn[1]);
            to[k + 2 * s] = times(sum - other, turn[2]);
            to[k + 3 * s] = times(difference - turned, turn[3]);
          }
          break;
        default: {
          C small[31];  // the roots of length p
          for (int64_t j = 0; j < p; ++j) small[j] = roots_[static_cast<size_t>(j * (length_ / p))];
          for (int64_t k = 0; k < s; ++k) {
            for (int64_t t = 0; t < p; ++t) {
              C sum = from[k];
              for (int64_t j = 1, at = t; j < p; ++j, at = at + t < p ? at + t : at + t - p)
                sum += times(from[k + j * step], small[at]);
              to[k + t * s] = t ? times(sum, turn[t]) : sum;
            }
          }
        }
      }
    }
  }

  void make_bluestein() {
    const auto size = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * length_ - 1)));
    helper_.emplace_back(size);
    chirp_.resize(static_cast<size_t>(length_));
    filter_.assign(static_cast<size_t>(size), C());
    for (int64_t k = 0; k < length_; ++k) {
      // k * k modulo 2n, without overflow for the lengths that are allowed.
      const auto square = static_cast<int64_t>(static_cast<uint64_t>(k) * static_cast<uint64_t>(k) %
                                               static_cast<uint64_t>(2 * length_));
      chirp_[static_cast<size_t>(k)] = C(root(square, 2 * length_));
      const C turned = std::conj(chirp_[static_cast<size_t>(k)]);
      filter_[static_cast<size_t>(k)] = turned;
      if (k > 0) filter_[static_cast<size_t>(size - k)] = turned;
    }
    std::vector<C> work(static_cast<size_t>(size));
    helper_[0].run(filter_.data(), work.data());
  }

  void run_bluestein(C* data, C* work) const {
    const int64_t size = helper_[0].length_;
    C *a = work, *scratch = work + size;
    for (int64_t k = 0; k < length_; ++k) a[k] = times(data[k], chirp_[static_cast<size_t>(k)]);
    std::fill(a + length_, a + size, C());
    helper_[0].run(a, scratch);
    // The inverse transform is the forward one of the conjugate.
    for (int64_t k = 0; k < size; ++k) a[k] = std::conj(times(a[k], filter_[static_cast<size_t>(k)]));
    helper_[0].run(a, scratch);
    const T scale = T(1) / static_cast<T>(size);
    for (int64_t k = 0; k < length_; ++k) data[k] = times(std::conj(a[k]), chirp_[static_cast<size_t>(k)]) * scale;
  }

  int64_t length_;
  std::vector<int64_t> factors_;
  std::vector<C> roots_;
  std::vector<Transform> helper_;  // of a power of two, for Bluestein's convolution
  std::vector<C> chirp_, filter_;
};

// Transforms `data`, of these sizes, along one axis. An inverse one is made of conjugates; it scales.
template <typename T>
void along_axis(std::complex<T>* data, const int64_t* dims, int rank, int axis, bool backwards) {
  using C = std::complex<T>;
  const int64_t n = dims[axis], inner = product(dims, axis + 1, rank), rows = product(dims, 0, axis) * inner;
  if (rows == 0 || n == 0) return;
  const Transform<T> transform(n);
  const T scale = T(1) / static_cast<T>(n);
  parallel_for(rows, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
    std::vector<C> row(static_cast<size_t>(n)), work(static_cast<size_t>(transform.workspace()));
    for (int64_t r = begin; r < end; ++r) {
      C* first = data + r / inner * inner * n + r % inner;
      for (int64_t i = 0; i < n; ++i)
        row[static_cast<size_t>(i)] = backwards ? std::conj(first[i * inner]) : first[i * inner];
      transform.run(row.data(), work.data());
      for (int64_t i = 0; i < n; ++i)
        first[i * inner] = backwards ? std::conj(row[static_cast<size_t>(i)]) * scale : row[static_cast<size_t>(i)];
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
    copy_bytes(y.as<char>(), x.as<const char>(), static_cast<int64_t>(x.bytes()));
    for (int i = last; i > last - axes; --i) along_axis(y.as<C>(), x.dims, rank, i, kind == inverse);
    return;
  }
  const int64_t n = call.attributes[axes], half = n / 2 + 1, rows = product(x.dims, 0, last);
  const Transform<T> transform(n);
  if (kind == real_forward) {
    parallel_for(rows, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
      std::vector<C> row(static_cast<size_t>(n)), work(static_cast<size_t>(transform.workspace()));
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t i = 0; i < n; ++i) row[static_cast<size_t>(i)] = C(x.as<const T>()[r * n + i]);
        transform.run(row.data(), work.data());
        std::copy(row.begin(), row.begin() + half, y.as<C>() + r * half);
      }
    });
    for (int i = last - 1; i > last - axes; --i) along_axis(y.as<C>(), y.dims, rank, i, false);
    return;
  }
  std::vector<C> spectrum(x.as<const C>(), x.as<const C>() + x.count());
  for (int i = last - 1; i > last - axes; --i) along_axis(spectrum.data(), x.dims, rank, i, true);
  const T scale = T(1) / static_cast<T>(n);
  parallel_for(rows, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
    std::vector<C> row(static_cast<size_t>(n)), work(static_cast<size_t>(transform.workspace()));
    for (int64_t r = begin; r < end; ++r) {
      const C* from = spectrum.data() + r * half;
      // The conjugate of a real signal's spectrum, whose forward transform is the signal.
      row[0] = C(from[0].real());
      for (int64_t i = 1; i < half; ++i) {
        const bool middle = 2 * i == n;
        row[static_cast<size_t>(i)] = middle ? C(from[i].real()) : std::conj(from[i]);
        if (!middle) row[static_cast<size_t>(n - i)] = from[i];
      }
      transform.run(row.data(), work.data());
      for (int64_t i = 0; i < n; ++i) y.as<T>()[r * n + i] = row[static_cast<size_t>(i)].real() * scale;
    }
  });
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
