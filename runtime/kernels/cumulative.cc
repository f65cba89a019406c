// Kernel `cumulative`: running sum, product, maximum, minimum or log-sum-exp along an axis. Refuses booleans, strings,
// 4-bit integers, and orders of complex numbers.
//
//   input 0    x: any number type; logsumexp: floats only
//   output 0   the type and sizes of x; may share the bytes of x
//   attributes [kind, axis, exclusive, reverse]: kind 1 sum, 2 product, 3 max, 4 min, 5 logsumexp; the others 0 or 1
//
// Exclusive results begin with 0, 1, the lowest, the highest value; log-sum-exp with the lowest finite one, as TensorFlow
// does. Float32 and smaller floats are carried in float64 and float32.
#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/kernel.h"

namespace millstream {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Running : int64_t { sum = 1, product, max, min, logsumexp };

template <typename T>
struct Plain {
  using Stored = T;
  using Carried = T;
  static T read(T x) { return x; }
  static T write(T x) { return x; }
};
struct Float32 {
  using Stored = float;
  using Carried = double;
  static double read(float x) { return static_cast<double>(x); }
  static float write(double x) { return static_cast<float>(x); }
};
template <typename S, float (*decode)(S), S (*encode)(float)>
struct Small {
  using Stored = S;
  using Carried = float;
  static float read(S x) { return decode(x); }
  static S write(float x) { return encode(x); }
};
// Signed integers are added and multiplied as unsigned ones: overflow wraps.
template <typename S>
struct Signed {
  using Stored = S;
  using Carried = std::conditional_t<sizeof(S) == 8, uint64_t, uint32_t>;
  static Carried read(S x) { return static_cast<Carried>(x); }
  static S write(Carried x) { return static_cast<S>(x); }
};

struct Sum {
  template <typename C>
  static C combine(C a, C b) {
    return a + b;
  }
};
struct Product {
  template <typename C>
  static C combine(C a, C b) {
    return a * b;
  }
};
struct Max {
  template <typename C>
  static C combine(C a, C b) {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <typename C>
  static C combine(C a, C b) {
    return a < b || a != a ? a : b;
  }
};
struct LogSumExp {
  template <typename C>
  static C combine(C a, C b) {
    const C high = Max::combine(a, b), low = a > b ? b : a;
    if (!(std::fabs(high) <= std::numeric_limits<C>::max())) return high;
    return high + std::log1p(std::exp(low - high));
  }
};

struct Space {
  int64_t outer = 1, length = 1, inner = 1;
  bool exclusive = false, reverse = false;
};

constexpr int64_t lane_block = 256;

template <typename Type, typename Operation>
void scan_row(const Space& space, const typename Type::Stored* x, typename Type::Stored* y,
              typename Type::Carried carried) {
  const int64_t step = space.reverse ? -1 : 1;
  int64_t at = space.reverse ? space.length - 1 : 0;
  for (int64_t k = 0; k < space.length; ++k, at += step) {
    const typename Type::Carried next = Operation::combine(carried, Type::read(x[at]));
    y[at] = Type::write(space.exclusive ? carried : next);
    carried = next;
  }
}

// Rows of `lanes` scans side by side.
template <typename Type, typename Operation>
void scan_lanes(const Space& space, const typename Type::Stored* x, typename Type::Stored* y, int64_t lanes,
                typename Type::Carried first) {
  typename Type::Carried carried[lane_block];
  std::fill(carried, carried + lanes, first);
  for (int64_t k = 0; k < space.length; ++k) {
    const int64_t at = (space.reverse ? space.length - 1 - k : k) * space.inner;
    for (int64_t i = 0; i < lanes; ++i) {
      const typename Type::Carried next = Operation::combine(carried[i], Type::read(x[at + i]));
      y[at + i] = Type::write(space.exclusive ? carried[i] : next);
      carried[i] = next;
    }
  }
}

template <typename Type, typename Operation>
void scan(const Space& space, const void* from, void* to, typename Type::Carried first) {
  const typename Type::Stored* x = static_cast<const typename Type::Stored*>(from);
  typename Type::Stored* y = static_cast<typename Type::Stored*>(to);
  const int64_t blocks = (space.inner + lane_block - 1) / lane_block;
  const int64_t work = std::max<int64_t>(1, space.length * std::min(space.inner, lane_block));
  parallel_for(space.outer * blocks, std::max<int64_t>(1, 32768 / work), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t lane = task % blocks * lane_block;
      const int64_t at = task / blocks * space.length * space.inner + lane;
      if (space.inner == 1)
        scan_row<Type, Operation>(space, x + at, y + at, first);
      else
        scan_lanes<Type, Operation>(space, x + at, y + at, std::min(lane_block, space.inner - lane), first);
    }
  });
}

template <typename Type>
bool scan_arithmetic(Running kind, const Space& space, const void* x, void* y) {
  using Carried = typename Type::Carried;
  if (kind == Running::sum)
    scan<Type, Sum>(space, x, y, Carried(0));
  else if (kind == Running::product)
    scan<Type, Product>(space, x, y, Carried(1));
  else
    return false;
  return true;
}

template <typename Type>
bool scan_order(Running kind, const Space& space, const void* x, void* y) {
  using Carried = typename Type::Carried;
  using Limits = std::numeric_limits<Carried>;
  if (kind == Running::max) {
    scan<Type, Max>(space, x, y, Limits::has_infinity ? static_cast<Carried>(-Limits::infinity()) : Limits::lowest());
  } else if (kind == Running::min) {
    scan<Type, Min>(space, x, y, Limits::has_infinity ? Limits::infinity() : Limits::max());
  } else {
    return false;
  }
  return true;
}

template <typename Type>
bool scan_float(Running kind, const Space& space, const void* x, void* y, double none) {
  using Carried = typename Type::Carried;
  if (kind == Running::logsumexp) {
    scan<Type, LogSumExp>(space, x, y, static_cast<Carried>(none));
    return true;
  }
  return scan_arithmetic<Type>(kind, space, x, y) || scan_order<Type>(kind, space, x, y);
}

template <typename T>
bool scan_integer(Running kind, const Space& space, const void* x, void* y) {
  return scan_arithmetic<Signed<T>>(kind, space, x, y) || scan_order<Plain<T>>(kind, space, x, y);
}

template <typename F>
using Float8Type = Small<uint8_t, F::decode, F::encode>;

// False where the type has no such scan.
bool scan_of(DType type, Running kind, const Space& space, const void* x, void* y) {
  switch (type) {
    case DType::int8:
      return scan_integer<int8_t>(kind, space, x, y);
    case DType::uint8:
      return scan_integer<uint8_t>(kind, space, x, y);
    case DType::int16:
      return scan_integer<int16_t>(kind, space, x, y);
    case DType::uint16:
      return scan_integer<uint16_t>(kind, space, x, y);
    case DType::int32:
      return scan_integer<int32_t>(kind, space, x, y);
    case DType::uint32:
      return scan_integer<uint32_t>(kind, space, x, y);
    case DType::int64:
      return scan_integer<int64_t>(kind, space, x, y);
    case DType::uint64:
      return scan_integer<uint64_t>(kind, space, x, y);
    case DType::float32:
      return scan_float<Float32>(kind, space, x, y, -infinity);
    case DType::float64:
      return scan_float<Plain<double>>(kind, space, x, y, -infinity);
    case DType::float16:
      return scan_float<Small<uint16_t, float_of_half, half_of_float>>(kind, space, x, y, -infinity);
    case DType::bfloat16:
      return scan_float<Small<uint16_t, float_of_bfloat16, bfloat16_of_float>>(kind, space, x, y, -infinity);
    case DType::float8_e5m2:
      return scan_float<Float8Type<Float8E5m2>>(kind, space, x, y, -57344.0);
    case DType::float8_e4m3fn:
      return scan_float<Float8Type<Float8E4m3fn>>(kind, space, x, y, -448.0);
    case DType::complex64:
      return scan_arithmetic<Plain<std::complex<float>>>(kind, space, x, y);
    case DType::complex128:
      return scan_arithmetic<Plain<std::complex<double>>>(kind, space, x, y);
    default:
      return false;
  }
}

Status check_cumulative(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0) && call.attribute_count == 4,
             "cumulative: takes one input, one output, and attributes [kind, axis, exclusive, reverse]");
  const Tensor& x = call.in(0);
  const Tensor& y = call.out(0);
  const int64_t kind = call.attributes[0], axis = call.attributes[1];
  MS_REQUIRE(kind >= 1 && kind <= 5, "cumulative: kind must be 1..5, is " + std::to_string(kind));
  MS_REQUIRE(axis >= 0 && axis < x.rank,
             "cumulative: axis " + std::to_string(axis) + " is not in 0.." + std::to_string(x.rank - 1));
  MS_REQUIRE(x.dtype == y.dtype && x.rank == y.rank && std::equal(x.dims, x.dims + x.rank, y.dims),
             "cumulative: the output must have the type and sizes of the input");
  MS_REQUIRE(
      scan_of(x.dtype, static_cast<Running>(kind), Space{0, 0, 0, false, false}, nullptr, nullptr),
      "cumulative: element type " + std::to_string(static_cast<int>(x.dtype)) + " has no kind " + std::to_string(kind));
  return Status();
}

Status run_cumulative(const Call& call) {
  const Tensor& x = call.in(0);
  const int axis = static_cast<int>(call.attributes[1]);
  Space space;
  for (int i = 0; i < axis; ++i) space.outer *= x.dims[i];
  space.length = x.dims[axis];
  for (int i = axis + 1; i < x.rank; ++i) space.inner *= x.dims[i];
  space.exclusive = call.attributes[2] != 0;
  space.reverse = call.attributes[3] != 0;
  if (x.count() == 0) return Status();
  scan_of(x.dtype, static_cast<Running>(call.attributes[0]), space, x.data, call.out(0).data);
  return Status();
}

const Kernel kernel_cumulative = {"cumulative", check_cumulative, run_cumulative};

}  // namespace

void register_cumulative(Registry& registry) { registry.add(kernel_cumulative); }

}  // namespace millstream
