// Kernel `arg_reduce`: the place of the largest or smallest element along an axis; the first of equals. NaN is passed
// over: where nothing is beyond the other end of the type (NaN, infinities), the answer is place 0, as TensorFlow has it.
// Refuses complex numbers, strings, and an empty axis.
//
//   input 0    x: boolean, integers, floats
//   output 0   int16, uint16, int32 or int64; the sizes of x without the axis
//   attributes [kind, axis]: kind 3 max, 4 min
#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/fused.h"

namespace millstream {
namespace {

struct Space {
  int64_t outer = 1, length = 1, inner = 1;
};

constexpr int64_t lane_block = 512;

template <typename T, bool largest>
bool better(T x, T best) {
  return largest ? x > best : x < best;
}

// What every number is better than, or equal to.
template <typename T, bool largest>
constexpr T worst() {
  return largest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
}

// Rows that lie together: the best value at vector speed, then its first place.
template <typename T, typename I, bool largest>
void place_in_row(const T* x, int64_t length, RowFunction reduce, I* place) {
  T best;
  reduce(1, length, &best, x);
  int64_t k = 0;
  if (best != best) {
    best = worst<T, largest>();
    for (int64_t i = 0; i < length; ++i) {
      if (better<T, largest>(x[i], best)) best = x[i], k = i;
    }
  } else if (better<T, largest>(best, worst<T, largest>())) {
    while (x[k] != best) ++k;
  }
  *place = static_cast<I>(k);
}

// Places are counted in 32 bits, which is as wide as most elements are, then written in the output's type.
template <typename T, typename I, bool largest>
void place_in_lanes(const Space& space, const T* x, int64_t lanes, I* to) {
  T best[lane_block];
  uint32_t place[lane_block];
  std::fill(best, best + lanes, worst<T, largest>());
  std::fill(place, place + lanes, 0u);
  for (int64_t k = 0; k < space.length; ++k) {
    const T* row = x + k * space.inner;
    const uint32_t here = static_cast<uint32_t>(k);
    for (int64_t i = 0; i < lanes; ++i) {
      const bool wins = better<T, largest>(row[i], best[i]);
      best[i] = wins ? row[i] : best[i];
      place[i] = wins ? here : place[i];
    }
  }
  for (int64_t i = 0; i < lanes; ++i) to[i] = static_cast<I>(place[i]);
}

template <typename T, typename I>
void places(const Space& space, ReduceKind kind, DType type, const T* x, I* y) {
  const RowFunction reduce = row_reduction(kind, type);
  const int64_t blocks = (space.inner + lane_block - 1) / lane_block;
  const int64_t work = space.length * std::min(space.inner, lane_block);
  parallel_for(space.outer * blocks, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, work)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t o = task / blocks, lane = task % blocks * lane_block;
                   const T* from = x + o * space.length * space.inner;
                   I* to = y + o * space.inner + lane;
                   const int64_t lanes = std::min(lane_block, space.inner - lane);
                   if (space.inner == 1 && kind == ReduceKind::max)
                     place_in_row<T, I, true>(from, space.length, reduce, to);
                   else if (space.inner == 1)
                     place_in_row<T, I, false>(from, space.length, reduce, to);
                   else if (kind == ReduceKind::max)
                     place_in_lanes<T, I, true>(space, from + lane, lanes, to);
                   else
                     place_in_lanes<T, I, false>(space, from + lane, lanes, to);
                 }
               });
}

template <typename T>
void places_as(const Space& space, ReduceKind kind, DType type, const T* x, const Tensor& out) {
  switch (out.dtype) {
    case DType::int16:
      return places(space, kind, type, x, out.as<int16_t>());
    case DType::uint16:
      return places(space, kind, type, x, out.as<uint16_t>());
    case DType::int32:
      return places(space, kind, type, x, out.as<int32_t>());
    default:
      return places(space, kind, type, x, out.as<int64_t>());
  }
}

Status check_arg_reduce(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.output_count == 1 && call.has(0) && call.attribute_count == 2,
             "arg_reduce: takes one input, one output, and attributes [kind, axis]");
  const Tensor& x = call.in(0);
  const Tensor& y = call.out(0);
  const int64_t kind = call.attributes[0], axis = call.attributes[1];
  MS_REQUIRE(kind == 3 || kind == 4, "arg_reduce: kind must be 3 (max) or 4 (min), is " + std::to_string(kind));
  MS_REQUIRE(axis >= 0 && axis < x.rank,
             "arg_reduce: axis " + std::to_string(axis) + " is not in 0.." + std::to_string(x.rank - 1));
  MS_REQUIRE(x.dtype == DType::boolean || is_integer(x.dtype) || is_floating(x.dtype),
             "arg_reduce: takes booleans, integers and floats, given element type " +
                 std::to_string(static_cast<int>(x.dtype)));
  MS_REQUIRE(y.dtype == DType::int16 || y.dtype == DType::uint16 || y.dtype == DType::int32 || y.dtype == DType::int64,
             "arg_reduce: the output must be int16, uint16, int32 or int64");
  int64_t kept = 1;
  for (int i = 0; i < x.rank; ++i) kept *= i == axis ? 1 : x.dims[i];
  MS_REQUIRE(y.count() == kept, "arg_reduce: the output must have " + std::to_string(kept) + " elements");
  MS_REQUIRE(kept == 0 || x.dims[axis] > 0,
             "Reduction axis " + std::to_string(axis) + " is empty in shape of an arg_reduce; it needs an element");
  MS_REQUIRE(x.dims[axis] <= UINT32_MAX, "arg_reduce: an axis has at most 2^32 - 1 elements");
  return Status();
}

Status run_arg_reduce(const Call& call) {
  const Tensor& x = call.in(0);
  const int axis = static_cast<int>(call.attributes[1]);
  const ReduceKind kind = call.attributes[0] == 3 ? ReduceKind::max : ReduceKind::min;
  Space space;
  for (int i = 0; i < axis; ++i) space.outer *= x.dims[i];
  space.length = x.dims[axis];
  for (int i = axis + 1; i < x.rank; ++i) space.inner *= x.dims[i];
  if (x.count() == 0) return Status();
  const Tensor& y = call.out(0);
  if (is_small_float(x.dtype)) {
    std::vector<float> wide(static_cast<size_t>(x.count()));
    const StepFunction load = step_table().load(x.dtype);
    load(x.count(), wide.data(), x.data, nullptr, nullptr);
    places_as(space, kind, DType::float32, wide.data(), y);
    return Status();
  }
  switch (register_type(x.dtype)) {
    case DType::boolean:
      places_as(space, kind, DType::uint8, x.as<uint8_t>(), y);
      break;
    case DType::int8:
      places_as(space, kind, DType::int8, x.as<int8_t>(), y);
      break;
    case DType::uint8:
      places_as(space, kind, DType::uint8, x.as<uint8_t>(), y);
      break;
    case DType::int16:
      places_as(space, kind, DType::int16, x.as<int16_t>(), y);
      break;
    case DType::uint16:
      places_as(space, kind, DType::uint16, x.as<uint16_t>(), y);
      break;
    case DType::int32:
      places_as(space, kind, DType::int32, x.as<int32_t>(), y);
      break;
    case DType::uint32:
      places_as(space, kind, DType::uint32, x.as<uint32_t>(), y);
      break;
    case DType::int64:
      places_as(space, kind, DType::int64, x.as<int64_t>(), y);
      break;
    case DType::uint64:
      places_as(space, kind, DType::uint64, x.as<uint64_t>(), y);
      break;
    case DType::float32:
      places_as(space, kind, DType::float32, x.as<float>(), y);
      break;
    default:
      places_as(space, kind, DType::float64, x.as<double>(), y);
      break;
  }
  return Status();
}

const Kernel kernel_arg_reduce = {"arg_reduce", check_arg_reduce, run_arg_reduce};

}  // namespace

void register_arg_reduce(Registry& registry) { registry.add(kernel_arg_reduce); }

}  // namespace millstream
