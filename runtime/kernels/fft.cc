// Kernel `fft`. Refuses kinds, lengths and sizes that do not belong together.
//
// fft: x -> y; attributes: kind (0 fft, 1 ifft, 2 rfft, 3 irfft), then the lengths of the 1 to 3 last axes, each >= 1.
//   fft, ifft: complex64 or complex128, x and y of one shape, the last axes being the lengths.
//   rfft: float32 -> complex64, float64 -> complex128; x's last axes are the lengths, y's last axis is length / 2 + 1.
//   irfft: the other way round; imaginary parts that a real signal cannot have are not looked at.
//   Inverse transforms divide by the number of points. Pad or cut before, as TensorFlow's fft_length asks.
// ducc0 transforms the lines (fft_lines.cc); here they are shared out.
#include <algorithm>
#include <complex>
#include <memory>
#include <new>

#include "kernels/fft_lines.h"
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
#define MS_PICK_FFT(name) return processor_isa() == Isa::baseline ? baseline::name : avx2::name
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
constexpr int64_t most_side_by_side = 16;    // lines that ducc0 takes at once
constexpr int64_t points_of_a_piece = 8192;  // fewer are not worth another thread

// work(first, end) for pieces of [0, count) that begin at multiples of `unit`, so that lines meet the same neighbours however
// many threads there are.
template <typename F>
void share_out(int64_t count, int64_t unit, int64_t points, F&& work) {
  const int64_t units = (count + unit - 1) / unit, grain = std::max<int64_t>(1, points_of_a_piece / (points * unit));
  parallel_for_throwing(units, grain,
                        [&](int64_t begin, int64_t end) { work(begin * unit, std::min(end * unit, count)); });
}

// work(first row, end, whether they go side by side) for all rows. Of longer ones too few fit side by side into the second
// cache, and ducc0 would not keep their plans.
template <typename Number, typename F>
void each_rows(int64_t rows, int64_t length, F&& work) {
  constexpr int64_t longest_together = (64 << 10) / sizeof(Number);
  const bool together = rows > 1 && length <= longest_together;
  share_out(rows, together ? most_side_by_side : 1, length,
            [&](int64_t begin, int64_t end) { work(begin, end, together); });
}

// Transforms x, of these sizes, along one axis to y, which may be x.
template <typename T>
void along_axis(const std::complex<T>* x, std::complex<T>* y, const int64_t* dims, int rank, int axis, bool backwards) {
  const int64_t n = dims[axis], inner = product(dims, axis + 1, rank), outer = product(dims, 0, axis),
                plane = n * inner;
  const T factor = backwards ? T(1) / static_cast<T>(n) : T(1);
  const FftLoops<T>& loops = fft_loops<T>();
  if (inner == 1) {
    return each_rows<std::complex<T>>(outer, n, [&](int64_t begin, int64_t end, bool together) {
      loops.complex_rows(x + begin * n, y + begin * n, end - begin, n, together, !backwards, factor);
    });
  }
  if (plane <= 2048) {
    return share_out(outer, most_side_by_side, plane, [&](int64_t begin, int64_t end) {
      loops.complex_columns(x + begin * plane, y + begin * plane, {end - begin, n, inner, inner}, !backwards, factor);
    });
  }
  const int64_t width = (inner + most_side_by_side - 1) / most_side_by_side * most_side_by_side;
  share_out(outer * width, most_side_by_side, n, [&](int64_t begin, int64_t end) {
    for (int64_t next; begin < end; begin = next) {
      const int64_t column = begin % width, at = begin / width * plane + column;
      next = std::min(end, begin - column + width);
      const int64_t columns = std::min(next - begin, inner - column);
      loops.complex_columns(x + at, y + at, {1, n, columns, inner}, !backwards, factor);
    }
  });
}

template <typename T>
void run_typed(const Call& call) {
  using C = std::complex<T>;
  const Tensor &x = call.in(0), &y = call.out(0);
  const int64_t kind = call.attributes[0];
  const int rank = x.rank, axes = static_cast<int>(call.attribute_count - 1), last = rank - 1;
  const int64_t n = call.attributes[axes], half = n / 2 + 1, rows = product(x.dims, 0, last);
  const FftLoops<T>& loops = fft_loops<T>();
  if (kind == forward || kind == inverse) {
    const C* from = x.as<const C>();
    for (int i = last; i > last - axes; --i, from = y.as<C>())
      along_axis(from, y.as<C>(), x.dims, rank, i, kind == inverse);
    return;
  }
  if (kind == real_forward) {
    each_rows<T>(rows, n, [&](int64_t begin, int64_t end, bool together) {
      loops.from_real_rows(x.as<const T>() + begin * n, y.as<C>() + begin * half, end - begin, n, together);
    });
    for (int i = last - 1; i > last - axes; --i) along_axis(y.as<C>(), y.as<C>(), y.dims, rank, i, false);
    return;
  }
  const C* spectrum = x.as<const C>();
  std::unique_ptr<C[]> own;
  if (axes > 1) own = std::make_unique_for_overwrite<C[]>(static_cast<size_t>(x.count()));
  for (int i = last - 1; i > last - axes; --i, spectrum = own.get())
    along_axis(spectrum, own.get(), x.dims, rank, i, true);
  each_rows<T>(rows, n, [&](int64_t begin, int64_t end, bool together) {
    loops.to_real_rows(spectrum + begin * half, y.as<T>() + begin * n, end - begin, n, together,
                       T(1) / static_cast<T>(n));
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
