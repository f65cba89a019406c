// Runs a Product (matmul.h) on the portable blocked matrix product, for every element type. Refuses what has no memory.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <new>
#include <type_traits>

#include "kernels/gemm.h"
#include "kernels/matmul.h"

namespace millstream {
namespace {

template <typename R>
R activate_any(Activation activation, R value, R alpha) {
  switch (activation) {
    case Activation::none:
      return value;
    case Activation::relu:
      return value < 0 ? R(0) : value;
    case Activation::relu6:
      return value < 0 ? R(0) : value > 6 ? R(6) : value;
    case Activation::tanh:
      return std::tanh(value);
    case Activation::logistic:
      return 1 / (1 + std::exp(-value));
    case Activation::gelu:
      return R(0.5) * value * (1 + std::erf(value * R(0.70710678118654752440)));
    case Activation::gelu_tanh:
      return R(0.5) * value *
             (1 + std::tanh(R(0.79788456080286535588) * (value + R(0.044715) * value * value * value)));
    case Activation::swish:
      return value / (1 + std::exp(-value));
    case Activation::elu:
      return value > 0 ? value : alpha * std::expm1(value);
    case Activation::leaky_relu:
      return value > 0 ? value : alpha * value;
  }
  return value;
}

template <typename R>
struct Complex {
  R real, imaginary;
};

template <typename T>
struct StridedSource {
  const T* data;
  int64_t line, depth;
};

// Reads elements that must be converted: narrow integers.
template <typename T, typename A>
void pack_converted(const void* self, A* panel, int width, int64_t line, int64_t count, int64_t depth, int64_t length) {
  const auto& source = *static_cast<const StridedSource<T>*>(self);
  for (int64_t i = 0; i < width; ++i) {
    const T* from = source.data + (line + i) * source.line + depth * source.depth;
    for (int64_t d = 0; d < length; ++d) {
      if constexpr (std::is_integral_v<A>) {
        panel[d * width + i] = i < count ? static_cast<A>(static_cast<int64_t>(from[d * source.depth])) : A{};
      } else {
        panel[d * width + i] = i < count ? static_cast<A>(from[d * source.depth]) : A{};
      }
    }
  }
}

// Stores sums as Z with bias and activation.
template <typename A, typename Z>
struct Epilogue {
  const A* from;
  int64_t from_row;
  Z* to;
  int64_t to_row, to_column;
  const Z* bias;
  int64_t bias_row, bias_column;
  Activation activation;
  double alpha;
  const Z* addend;  // lies as `to` does

  static void run(const void* self, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const auto& e = *static_cast<const Epilogue*>(self);
    for (int64_t i = row; i < row + rows; ++i) {
      const A* from = e.from + i * e.from_row;
      Z* to = e.to + i * e.to_row;
      for (int64_t j = column; j < column + columns; ++j) {
        if constexpr (std::is_integral_v<A>) {
          A value = from[j];
          if (e.bias) value += static_cast<A>(static_cast<int64_t>(e.bias[i * e.bias_row + j * e.bias_column]));
          to[j * e.to_column] = static_cast<Z>(value);
        } else {
          A value = from[j];
          if (e.bias) value += static_cast<A>(e.bias[i * e.bias_row + j * e.bias_column]);
          if (e.addend) value += static_cast<A>(e.addend[i * e.to_row + j * e.to_column]);
          if (e.activation != Activation::none) value = activate(e.activation, value, static_cast<A>(e.alpha));
          to[j * e.to_column] = Z(value);
        }
      }
    }
  }
};

// The offsets of one step of the loops.
struct Offsets {
  int64_t x = 0, y = 0, z = 0, bias = 0;
};

Offsets offsets_at(const ProductAxis* loops, int count, int64_t index) {
  Offsets at;
  for (int i = count - 1; i >= 0; --i) {
    const int64_t position = index % loops[i].size;
    index /= loops[i].size;
    at.x += position * loops[i].x;
    at.y += position * loops[i].y;
    at.z += position * loops[i].z;
    at.bias += position * loops[i].bias;
  }
  return at;
}

int64_t steps(const ProductAxis* loops, int count) {
  int64_t total = 1;
  for (int i = 0; i < count; ++i) total *= loops[i].size;
  return total;
}

template <typename T, typename A>
GemmSource<A> source_of(const StridedSource<T>& source) {
  GemmSource<A> made{pack_converted<T, A>, &source};
  if constexpr (sizeof(T) == sizeof(A) && std::is_integral_v<T> == std::is_integral_v<A>) {
    made.plain = reinterpret_cast<const A*>(source.data);
    made.line_stride = source.line;
    made.depth_stride = source.depth;
  }
  return made;
}

// X, Y, Z: stored types; A: the type of the sums. Integers are stored as signed of their width: wrapping makes them equal.
template <typename X, typename Y, typename Z, typename A>
Status run_typed(const Call& call, const Product& p) {
  const int outer_count = p.loop_count - p.sum_count;
  const int64_t outer = steps(p.loops, outer_count), inner = steps(p.loops + outer_count, p.sum_count);
  constexpr bool same = sizeof(Z) == sizeof(A) && std::is_integral_v<Z> == std::is_integral_v<A>;
  const bool direct = same && p.z_column == 1;
  const bool finishing = !direct || p.bias_tensor || p.addend_tensor || p.activation != Activation::none;
  const bool spread = outer > 1 && p.m * p.n < (int64_t{1} << 40) / std::max<int64_t>(p.k, 1);
  const double work =
      static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(std::max<int64_t>(p.k, 1) * inner);
  const int64_t grain =
      !spread || work > 4e6 * thread_count() ? outer : std::max<int64_t>(1, static_cast<int64_t>(100e3 / work));
  const int64_t workers = grain >= outer ? 1 : std::min<int64_t>(thread_count(), (outer + grain - 1) / grain);
  Ref<Buffer> sums;
  if (!direct) sums = Buffer::allocate(static_cast<size_t>(workers * p.m * p.n) * sizeof(A));

  const auto one = [&](int64_t index, A* scratch) {
    const Offsets base = offsets_at(p.loops, outer_count, index);
    Z* z = call.out(0).as<Z>() + base.z;
    A* to = direct ? reinterpret_cast<A*>(z) : scratch;
    const int64_t to_row = direct ? p.z_row : p.n;
    const Epilogue<A, Z> epilogue{to,
                                  to_row,
                                  z,
                                  p.z_row,
                                  p.z_column,
                                  p.bias_tensor ? p.bias_tensor->as<Z>() + base.bias : nullptr,
                                  p.bias_row,
                                  p.bias_column,
                                  p.activation,
                                  p.alpha,
                                  p.addend_tensor ? p.addend_tensor->as<Z>() + base.z : nullptr};
    for (int64_t sum = 0; sum < inner; ++sum) {
      const Offsets at = offsets_at(p.loops + outer_count, p.sum_count, sum);
      const StridedSource<X> x{p.x_tensor->as<X>() + base.x + at.x, p.x_row, p.x_column};
      const StridedSource<Y> y{p.y_tensor->as<Y>() + base.y + at.y, p.y_column, p.y_row};
      Gemm<A> gemm{p.m, p.n, p.k, source_of<X, A>(x), source_of<Y, A>(y), to, to_row, sum > 0};
      if (finishing && sum + 1 == inner) gemm.finish = {Epilogue<A, Z>::run, &epilogue};
      run_gemm(gemm);
    }
  };
  if (workers == 1) {
    for (int64_t i = 0; i < outer; ++i) one(i, direct ? nullptr : static_cast<A*>(sums->data()));
    return {};
  }
  std::atomic<bool> starved{false};
  parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      A* scratch = direct ? nullptr : static_cast<A*>(sums->data()) + worker * p.m * p.n;
      try {
        for (int64_t i = outer * worker / workers; i < outer * (worker + 1) / workers; ++i) one(i, scratch);
      } catch (const std::bad_alloc&) {
        starved = true;
      }
    }
  });
  if (starved) return Status(Code::resource_exhausted, "matmul: out of memory for working space");
  return {};
}

// Complex numbers: plain loops, a row of sums at a time.
template <typename R>
Status run_complex(const Call& call, const Product& p) {
  const int outer_count = p.loop_count - p.sum_count;
  const int64_t outer = steps(p.loops, outer_count), inner = steps(p.loops + outer_count, p.sum_count);
  using C = Complex<R>;
  const R x_sign = p.conjugate_x ? -1 : 1, y_sign = p.conjugate_y ? -1 : 1;
  const int64_t rows = outer * p.m;
  const int64_t workers = std::clamp<int64_t>(rows * p.n / 1024, 1, std::min<int64_t>(rows, thread_count()));
  Ref<Buffer> scratch = Buffer::allocate(static_cast<size_t>(workers * p.n) * sizeof(C));
  parallel_for(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      C* sums = static_cast<C*>(scratch->data()) + worker * p.n;
      for (int64_t index = rows * worker / workers; index < rows * (worker + 1) / workers; ++index) {
        const Offsets base = offsets_at(p.loops, outer_count, index / p.m);
        const int64_t i = index % p.m;
        std::fill_n(sums, p.n, C{0, 0});
        for (int64_t step = 0; step < inner; ++step) {
          const Offsets at = offsets_at(p.loops + outer_count, p.sum_count, step);
          const C* x = p.x_tensor->as<C>() + base.x + at.x + i * p.x_row;
          const C* y = p.y_tensor->as<C>() + base.y + at.y;
          for (int64_t d = 0; d < p.k; ++d) {
            const C a{x[d * p.x_column].real, x_sign * x[d * p.x_column].imaginary};
            const C* right = y + d * p.y_row;
            for (int64_t j = 0; j < p.n; ++j) {
              const C b{right[j * p.y_column].real, y_sign * right[j * p.y_column].imaginary};
              sums[j].real += a.real * b.real - a.imaginary * b.imaginary;
              sums[j].imaginary += a.real * b.imaginary + a.imaginary * b.real;
            }
          }
        }
        C* z = call.out(0).as<C>() + base.z + i * p.z_row;
        const C* bias = p.bias_tensor ? p.bias_tensor->as<C>() + base.bias + i * p.bias_row : nullptr;
        for (int64_t j = 0; j < p.n; ++j) {
          const C more = bias ? bias[j * p.bias_column] : C{0, 0};
          z[j * p.z_column] = {sums[j].real + more.real, sums[j].imaginary + more.imaginary};
        }
      }
    }
  });
  return {};
}

template <typename X, typename Y>
Status run_narrow(const Call& call, const Product& p) {
  if (call.out(0).dtype == DType::int32) return run_typed<X, Y, int32_t, uint32_t>(call, p);
  return run_typed<X, Y, int8_t, uint32_t>(call, p);
}

Status dispatch(const Call& call, const Product& p) {
  const bool y_unsigned = p.y_tensor->dtype == DType::uint8;
  switch (p.x_tensor->dtype) {
    case DType::float32:
      return run_typed<float, float, float, float>(call, p);
    case DType::float64:
      return run_typed<double, double, double, double>(call, p);
    case DType::float16:
    case DType::bfloat16:
      return run_product_widened(call, p, run_typed<float, float, float, float>);
    case DType::complex64:
      return run_complex<float>(call, p);
    case DType::complex128:
      return run_complex<double>(call, p);
    case DType::int32:
    case DType::uint32:
      return run_typed<int32_t, int32_t, int32_t, uint32_t>(call, p);
    case DType::int64:
    case DType::uint64:
      return run_typed<int64_t, int64_t, int64_t, uint64_t>(call, p);
    case DType::int16:
    case DType::uint16:
      return run_typed<int16_t, int16_t, int16_t, uint32_t>(call, p);
    case DType::int8:
      return y_unsigned ? run_narrow<int8_t, uint8_t>(call, p) : run_narrow<int8_t, int8_t>(call, p);
    case DType::uint8:
      return y_unsigned ? run_narrow<uint8_t, uint8_t>(call, p) : run_narrow<uint8_t, int8_t>(call, p);
    default:
      return Status(Code::internal, "matmul: element type " + show_sizes(*p.x_tensor));
  }
}

}  // namespace

Tensor wide_like(const Tensor& from) {
  Tensor to;
  to.dtype = DType::float32;
  to.rank = from.rank;
  std::copy(from.dims, from.dims + from.rank, to.dims);
  to.buffer = Buffer::allocate(to.bytes());
  to.data = to.buffer->data();
  return to;
}

Tensor widened(const Tensor& from) {
  Tensor to = wide_like(from);
  const auto convert = from.dtype == DType::float16 ? conversions().half_to_float : conversions().bfloat16_to_float;
  parallel_for(from.count(), 65536, [&](int64_t begin, int64_t end) {
    convert(from.as<uint16_t>() + begin, to.as<float>() + begin, end - begin);
  });
  return to;
}

void narrow_into(const Tensor& wide, const Tensor& to) {
  const auto convert = to.dtype == DType::float16 ? conversions().float_to_half : conversions().float_to_bfloat16;
  parallel_for(to.count(), 65536, [&](int64_t begin, int64_t end) {
    convert(wide.as<float>() + begin, to.as<uint16_t>() + begin, end - begin);
  });
}

Status run_product_widened(const Call& call, const Product& product, Status (*run)(const Call&, const Product&)) {
  try {
    const Tensor x = widened(*product.x_tensor), y = widened(*product.y_tensor);
    const bool keep = call.out(0).dtype == DType::float32;
    Tensor z = keep ? call.out(0) : wide_like(call.out(0)), bias;
    Product wide = product;
    wide.x_tensor = &x;
    wide.y_tensor = &y;
    if (product.bias_tensor && !keep) {
      bias = widened(*product.bias_tensor);
      wide.bias_tensor = &bias;
    }
    Tensor* outputs[] = {&z};
    Call wide_call = call;
    wide_call.outputs = outputs;
    MS_RETURN_IF_ERROR(run(wide_call, wide));
    if (!keep) narrow_into(z, call.out(0));
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "matmul: out of memory for float32 copies");
  }
}

float activate(Activation activation, float value, float alpha) { return activate_any(activation, value, alpha); }
double activate(Activation activation, double value, double alpha) { return activate_any(activation, value, alpha); }

Status run_product(const Call& call, const Product& product) {
  if (product.m == 0) return {};
  try {
    return dispatch(call, product);
  } catch (const std::bad_alloc&) {
    return Status(Code::resource_exhausted, "matmul: out of memory for working space");
  }
}

}  // namespace millstream
