// The loops that combine runs of elements. half and bfloat16 are computed in float32 and rounded each time, as TensorFlow does.
#include "kernels/scatter_combine.h"

#include <complex>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/elementwise_types.h"

namespace millstream {
namespace {

struct Half {
  uint16_t bits;
  float get() const { return float_of_half(bits); }
  void put(float value) { bits = half_of_float(value); }
};
struct Brain {
  uint16_t bits;
  float get() const { return float_of_bfloat16(bits); }
  void put(float value) { bits = bfloat16_of_float(value); }
};

template <typename T>
constexpr bool is_narrow = std::is_same_v<T, Half> || std::is_same_v<T, Brain>;
template <typename T>
constexpr bool is_complex_number = std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

template <Combine kind, typename T>
inline T combine(T a, T b) {
  if constexpr (is_narrow<T>) {
    T result;
    result.put(combine<kind, float>(a.get(), b.get()));
    return result;
  } else if constexpr (std::is_same_v<T, bool>) {
    return kind == Combine::maximum || kind == Combine::bit_or ? a || b : a && b;
  } else if constexpr (std::is_integral_v<T>) {
    // Unsigned arithmetic wraps as TensorFlow's integers do, without undefined behaviour.
    using U = std::conditional_t<sizeof(T) < 4, uint32_t, std::make_unsigned_t<T>>;
    if constexpr (kind == Combine::add) return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    if constexpr (kind == Combine::subtract) return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
    if constexpr (kind == Combine::multiply) return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
    if constexpr (kind == Combine::divide) {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return static_cast<T>(U{0} - static_cast<U>(a));
      }
      return static_cast<T>(a / b);
    }
    if constexpr (kind == Combine::maximum) return a < b ? b : a;
    if constexpr (kind == Combine::minimum) return b < a ? b : a;
    if constexpr (kind == Combine::bit_and) return static_cast<T>(a & b);
    if constexpr (kind == Combine::bit_or) return static_cast<T>(a | b);
  } else {
    if constexpr (kind == Combine::add) return a + b;
    if constexpr (kind == Combine::subtract) return a - b;
    if constexpr (kind == Combine::multiply) return a * b;
    if constexpr (kind == Combine::divide) return a / b;
    if constexpr (kind == Combine::maximum) return a < b || b != b ? b : a;
    if constexpr (kind == Combine::minimum) return b < a || b != b ? b : a;
  }
}

template <Combine kind, typename T>
void run(const CombineRows& work, int64_t begin, int64_t end) {
  auto* to = static_cast<T*>(work.to);
  const auto* from = static_cast<const T*>(work.from);
  const bool single = end - begin == 1;
  for (int64_t row = 0; row < work.rows; ++row, from += work.row_step) {
    const int64_t target = work.targets[row];
    if (target < 0) continue;
    T* out = to + target;
    if (single) {
      out[begin] = combine<kind, T>(out[begin], from[work.one ? 0 : begin]);
    } else if (work.one) {
      const T value = *from;
      for (int64_t i = begin; i < end; ++i) out[i] = combine<kind, T>(out[i], value);
    } else {
      for (int64_t i = begin; i < end; ++i) out[i] = combine<kind, T>(out[i], from[i]);
    }
  }
}

template <typename T>
CombineRun pick(Combine kind) {
  constexpr bool boolean = std::is_same_v<T, bool>;
  constexpr bool ordered = !is_complex_number<T>;
  if constexpr (!boolean) {
    switch (kind) {
      case Combine::add:
        return run<Combine::add, T>;
      case Combine::subtract:
        return run<Combine::subtract, T>;
      case Combine::multiply:
        return run<Combine::multiply, T>;
      case Combine::divide:
        return run<Combine::divide, T>;
      default:
        break;
    }
  }
  if constexpr (ordered) {
    if (kind == Combine::maximum) return run<Combine::maximum, T>;
    if (kind == Combine::minimum) return run<Combine::minimum, T>;
  }
  if constexpr (std::is_integral_v<T>) {
    if (kind == Combine::bit_and) return run<Combine::bit_and, T>;
    if (kind == Combine::bit_or) return run<Combine::bit_or, T>;
  }
  return nullptr;
}

template <typename T>
bool identity(Combine kind, void* value) {
  const auto put = [&](auto number) {
    T result;
    if constexpr (is_narrow<T>) {
      result.put(static_cast<float>(number));
    } else {
      result = static_cast<T>(number);
    }
    std::memcpy(value, &result, sizeof result);
    return true;
  };
  using limits = std::numeric_limits<std::conditional_t<std::is_integral_v<T>, T, float>>;
  switch (kind) {
    case Combine::add:
    case Combine::bit_or:
      return put(0);
    case Combine::multiply:
      return put(1);
    case Combine::bit_and:
      if constexpr (std::is_same_v<T, bool>) return put(true);
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return put(static_cast<T>(~T{0}));
      return false;
    case Combine::maximum:
    case Combine::minimum: {
      const bool lowest = kind == Combine::maximum;
      if constexpr (is_complex_number<T>) return false;
      if constexpr (std::is_same_v<T, Half>) return put(lowest ? -65504.0f : 65504.0f);
      if constexpr (std::is_same_v<T, Brain>) return put(float_of_bits(lowest ? 0xff7f0000u : 0x7f7f0000u));
      if constexpr (std::is_same_v<T, double>)
        return put(lowest ? -std::numeric_limits<double>::max() : std::numeric_limits<double>::max());
      if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, double>)
        return put(lowest ? limits::lowest() : limits::max());
      return false;
    }
    default:
      return false;
  }
}

template <typename F>
auto with_type(DType dtype, F&& visit) -> decltype(visit(float{})) {
  switch (dtype) {
    case DType::float16:
      return visit(Half{});
    case DType::bfloat16:
      return visit(Brain{});
    case DType::float32:
      return visit(float{});
    case DType::float64:
      return visit(double{});
    case DType::complex64:
      return visit(std::complex<float>{});
    case DType::complex128:
      return visit(std::complex<double>{});
    case DType::int8:
    case DType::int4:
      return visit(int8_t{});
    case DType::uint8:
    case DType::uint4:
      return visit(uint8_t{});
    case DType::int16:
      return visit(int16_t{});
    case DType::uint16:
      return visit(uint16_t{});
    case DType::int32:
      return visit(int32_t{});
    case DType::uint32:
      return visit(uint32_t{});
    case DType::int64:
      return visit(int64_t{});
    case DType::uint64:
      return visit(uint64_t{});
    case DType::boolean:
      return visit(bool{});
    default:
      return {};
  }
}

}  // namespace

CombineRun combine_run(Combine kind, DType dtype) {
  if (dtype == DType::int4 || dtype == DType::uint4) return nullptr;
  return with_type(dtype, [&](auto sample) -> CombineRun { return pick<decltype(sample)>(kind); });
}

bool combine_identity(Combine kind, DType dtype, void* value) {
  return with_type(dtype, [&](auto sample) -> bool { return identity<decltype(sample)>(kind, value); });
}

}  // namespace millstream
