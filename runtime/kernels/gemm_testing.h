// What the tests of linear algebra kernels share: tensors with their bytes, calls, failures counted. For tests only.
#pragma once

#include <cmath>
#include <complex>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/gemm_number.h"
#include "kernels/kernel.h"

namespace millstream::testing {

inline int failures = 0;

inline void expect(bool condition, const std::string& what) {
  if (condition) return;
  ++failures;
  std::printf("FAILED: %s\n", what.c_str());
}

inline int64_t word(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// A tensor that owns its bytes, with guard bytes behind them.
struct Value {
  Tensor tensor;
  std::vector<unsigned char> bytes;

  Value() = default;
  Value(DType dtype, std::vector<int64_t> dims) {
    tensor.dtype = dtype;
    tensor.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) tensor.dims[i] = dims[i];
    bytes.assign(tensor.bytes() + 64 + 64, 0xa5);
    const auto address = reinterpret_cast<uintptr_t>(bytes.data());
    tensor.data = bytes.data() + (64 - address % 64) % 64;
  }
  Value(const Value&) = delete;
  Value(Value&&) = default;
  Value& operator=(Value&&) = default;

  template <typename T>
  T* as() const {
    return static_cast<T*>(tensor.data);
  }
  bool guard_intact() const {
    const auto* end = static_cast<const unsigned char*>(tensor.data) + tensor.bytes();
    for (const auto* p = end; p < bytes.data() + bytes.size(); ++p) {
      if (*p != 0xa5) return false;
    }
    return true;
  }
};

template <typename F>
auto with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(double{});
    case DType::float16:
      return f(Half{});
    case DType::bfloat16:
      return f(BFloat16{});
    case DType::int8:
      return f(int8_t{});
    case DType::uint8:
      return f(uint8_t{});
    case DType::int16:
      return f(int16_t{});
    case DType::uint16:
      return f(uint16_t{});
    case DType::int32:
      return f(int32_t{});
    case DType::uint32:
      return f(uint32_t{});
    case DType::int64:
      return f(int64_t{});
    case DType::uint64:
      return f(uint64_t{});
    case DType::complex64:
      return f(std::complex<float>{});
    case DType::complex128:
      return f(std::complex<double>{});
    default:
      return f(float{});
  }
}

inline bool is_complex(DType dtype) { return dtype == DType::complex64 || dtype == DType::complex128; }

inline std::complex<double> get(const Value& value, int64_t i) {
  return with_type(value.tensor.dtype, [&](auto zero) -> std::complex<double> {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>) {
      return std::complex<double>(value.as<T>()[i].real(), value.as<T>()[i].imag());
    } else {
      return static_cast<double>(value.as<T>()[i]);
    }
  });
}

inline void put(Value& value, int64_t i, std::complex<double> number) {
  with_type(value.tensor.dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>) {
      value.as<T>()[i] =
          T(static_cast<typename T::value_type>(number.real()), static_cast<typename T::value_type>(number.imag()));
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      value.as<T>()[i] = T(static_cast<float>(number.real()));
    } else {
      value.as<T>()[i] =
          static_cast<T>(static_cast<int64_t>(number.real()) == number.real() || std::is_floating_point_v<T>
                             ? number.real()
                             : std::round(number.real()));
    }
  });
}

inline Value random_value(DType dtype, std::vector<int64_t> dims, std::mt19937& random) {
  Value value(dtype, std::move(dims));
  const bool real = dtype == DType::float32 || dtype == DType::float64;
  std::uniform_int_distribution<int> small(-4, 4), few(0, 4);
  std::uniform_real_distribution<double> unit(-1, 1);
  const bool positive =
      dtype == DType::uint8 || dtype == DType::uint16 || dtype == DType::uint32 || dtype == DType::uint64;
  for (int64_t i = 0; i < value.tensor.count(); ++i) {
    if (is_complex(dtype)) {
      put(value, i, {unit(random), unit(random)});
    } else {
      put(value, i,
          real                                                  ? unit(random)
          : positive                                            ? few(random)
          : dtype == DType::float16 || dtype == DType::bfloat16 ? small(random) / 4.0
                                                                : small(random));
    }
  }
  return value;
}

// Checks and runs a kernel; `prepare` too, as the executor would.
inline Status call_kernel(const Kernel& kernel, const std::vector<const Value*>& inputs,
                          const std::vector<Value*>& outputs, const std::vector<int64_t>& attributes,
                          bool check_only = false) {
  std::vector<const Tensor*> in;
  std::vector<Tensor*> out;
  for (const Value* value : inputs) in.push_back(value ? &value->tensor : nullptr);
  for (Value* value : outputs) out.push_back(value ? &value->tensor : nullptr);
  Call call{in.data(),         static_cast<int>(in.size()),
            out.data(),        static_cast<int>(out.size()),
            attributes.data(), static_cast<int64_t>(attributes.size()),
            nullptr,           nullptr};
  MS_RETURN_IF_ERROR(kernel.check(call));
  if (check_only) return {};
  std::shared_ptr<const void> prepared;
  if (kernel.prepare) {
    Status status;
    prepared = kernel.prepare(call, status);
    MS_RETURN_IF_ERROR(status);
    call.prepared = prepared.get();
  }
  return kernel.run(call);
}

// The largest difference, relative to the largest expected magnitude.
inline double difference(const Value& value, const std::vector<std::complex<double>>& expected) {
  double worst = 0, scale = 1e-30;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(get(value, static_cast<int64_t>(i)) - expected[i]);
    worst = error > worst || std::isnan(error) ? error : worst;
    scale = std::max(scale, std::abs(expected[i]));
  }
  return worst / scale;
}

inline double tolerance(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::complex64:
      return 2e-5;
    case DType::float64:
    case DType::complex128:
      return 1e-12;
    case DType::float16:
      return 1e-3;
    case DType::bfloat16:
      return 8e-3;
    default:
      return 0;
  }
}

inline int report() {
  std::printf(failures ? "%d failures\n" : "all passed\n", failures);
  return failures ? 1 : 0;
}

}  // namespace millstream::testing
