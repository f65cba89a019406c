// What the tests of elementwise, reduction and row-wise kernels share: tensors with guards, calls, a writer of tile programs.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/fused.h"
#include "kernels/kernel.h"

namespace millstream::testing {

inline int failures = 0;
inline void expect(bool condition, const std::string& what) {
  if (condition) return;
  if (++failures < 20) std::printf("FAILED: %s\n", what.c_str());
}
inline int report() {
  std::printf(failures ? "%d failures\n" : "all passed\n", failures);
  return failures ? 1 : 0;
}

inline int64_t bits_of(double value) {
  int64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// A tensor with exactly its bytes on the heap, so that AddressSanitizer sees every step outside.
struct Value {
  Tensor tensor;
  Value() = default;
  Value(DType dtype, const std::vector<int64_t>& dims) {
    tensor.dtype = dtype;
    tensor.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) tensor.dims[i] = dims[i];
    tensor.data = std::malloc(tensor.bytes() + 1);
    std::memset(tensor.data, 0xa5, tensor.bytes() + 1);
  }
  Value(const Value&) = delete;
  Value(Value&& other) noexcept { std::swap(tensor, other.tensor); }
  Value& operator=(Value&& other) noexcept {
    std::swap(tensor, other.tensor);
    return *this;
  }
  ~Value() { std::free(tensor.data); }
  int64_t count() const { return tensor.count(); }
  template <typename T>
  T* as() const {
    return static_cast<T*>(tensor.data);
  }
};

inline double get(const Value& value, int64_t i) {
  switch (value.tensor.dtype) {
    case DType::boolean:
    case DType::uint8:
      return value.as<uint8_t>()[i];
    case DType::int8:
      return value.as<int8_t>()[i];
    case DType::int16:
      return value.as<int16_t>()[i];
    case DType::uint16:
      return value.as<uint16_t>()[i];
    case DType::int32:
      return value.as<int32_t>()[i];
    case DType::uint32:
      return value.as<uint32_t>()[i];
    case DType::int64:
      return static_cast<double>(value.as<int64_t>()[i]);
    case DType::uint64:
      return static_cast<double>(value.as<uint64_t>()[i]);
    case DType::float16:
      return static_cast<double>(float_of_half(value.as<uint16_t>()[i]));
    case DType::bfloat16:
      return static_cast<double>(float_of_bfloat16(value.as<uint16_t>()[i]));
    case DType::float32:
      return static_cast<double>(value.as<float>()[i]);
    default:
      return value.as<double>()[i];
  }
}
inline void put(Value& value, int64_t i, double x) {
  switch (value.tensor.dtype) {
    case DType::boolean:
    case DType::uint8:
      value.as<uint8_t>()[i] = static_cast<uint8_t>(x);
      break;
    case DType::int8:
      value.as<int8_t>()[i] = static_cast<int8_t>(x);
      break;
    case DType::int16:
      value.as<int16_t>()[i] = static_cast<int16_t>(x);
      break;
    case DType::uint16:
      value.as<uint16_t>()[i] = static_cast<uint16_t>(x);
      break;
    case DType::int32:
      value.as<int32_t>()[i] = static_cast<int32_t>(x);
      break;
    case DType::uint32:
      value.as<uint32_t>()[i] = static_cast<uint32_t>(x);
      break;
    case DType::int64:
      value.as<int64_t>()[i] = static_cast<int64_t>(x);
      break;
    case DType::uint64:
      value.as<uint64_t>()[i] = static_cast<uint64_t>(x);
      break;
    case DType::float16:
      value.as<uint16_t>()[i] = half_of_float(static_cast<float>(x));
      break;
    case DType::bfloat16:
      value.as<uint16_t>()[i] = bfloat16_of_float(static_cast<float>(x));
      break;
    case DType::float32:
      value.as<float>()[i] = static_cast<float>(x);
      break;
    default:
      value.as<double>()[i] = x;
  }
}

inline std::mt19937 generator(7);

// Normal numbers; whole and small ones for integers; 0 and 1 for booleans.
inline Value random_value(DType dtype, const std::vector<int64_t>& dims) {
  Value value(dtype, dims);
  std::normal_distribution<double> normal(0, 2);
  for (int64_t i = 0; i < value.count(); ++i) {
    const double x = normal(generator);
    const bool whole = is_integer(dtype), positive = static_cast<double>(static_cast<uint8_t>(dtype)) >= 0 &&
                                                     (dtype == DType::uint8 || dtype == DType::uint16 ||
                                                      dtype == DType::uint32 || dtype == DType::uint64);
    put(value, i, dtype == DType::boolean ? x > 0 : whole ? (positive ? std::floor(std::fabs(x)) : std::floor(x)) : x);
  }
  return value;
}

inline bool close(double got, double want, double tolerance) {
  if (std::isnan(want)) return std::isnan(got);
  return got == want || std::fabs(got - want) <= tolerance * std::fmax(1, std::fabs(want));
}

inline Status call_kernel(const char* name, const std::vector<const Value*>& inputs, const std::vector<Value*>& outputs,
                          const std::vector<int64_t>& words) {
  const Kernel* kernel = Registry::instance().find(name, std::strlen(name));
  if (kernel == nullptr) return invalid(std::string("no kernel ") + name);
  std::vector<const Tensor*> in;
  std::vector<Tensor*> out;
  for (const Value* value : inputs) in.push_back(value ? &value->tensor : nullptr);
  for (Value* value : outputs) out.push_back(&value->tensor);
  Call call{in.data(),    static_cast<int>(in.size()),        out.data(), static_cast<int>(out.size()),
            words.data(), static_cast<int64_t>(words.size()), nullptr,    nullptr};
  MS_RETURN_IF_ERROR(kernel->check(call));
  std::shared_ptr<const void> prepared;
  if (kernel->prepare != nullptr) {
    Status status;
    prepared = kernel->prepare(call, status);
    MS_RETURN_IF_ERROR(status);
    call.prepared = prepared.get();
  }
  return kernel->run(call);
}
inline void must_run(const char* name, const std::vector<const Value*>& inputs, const std::vector<Value*>& outputs,
                     const std::vector<int64_t>& words) {
  const Status status = call_kernel(name, inputs, outputs, words);
  expect(status.ok(), std::string(name) + ": " + status.message());
}
inline void must_refuse(const char* name, const std::vector<const Value*>& inputs, const std::vector<Value*>& outputs,
                        const std::vector<int64_t>& words, const char* message) {
  const Status status = call_kernel(name, inputs, outputs, words);
  expect(!status.ok() && status.message().find(message) != std::string::npos,
         std::string(name) + " must refuse with '" + message + "', said '" + status.message() + "'");
}

// Writes the words that fused.h states. Inputs before steps.
class ProgramWriter {
 public:
  explicit ProgramWriter(std::vector<int64_t> dims, int64_t outer = 0, int64_t reduced = 0)
      : dims_(std::move(dims)), outer_(outer), reduced_(reduced) {}
  int64_t input(DType dtype, const std::vector<int64_t>& strides, int64_t offset = 0) {
    inputs_.push_back(static_cast<int64_t>(dtype));
    inputs_.push_back(offset);
    inputs_.insert(inputs_.end(), strides.begin(), strides.end());
    return values_++;
  }
  int64_t step(TileOp op, DType dtype, int64_t a = 0, int64_t b = 0, int64_t c = 0) {
    for (const int64_t word : {static_cast<int64_t>(op), static_cast<int64_t>(dtype), a, b, c}) steps_.push_back(word);
    return values_++;
  }
  int64_t constant(float value) { return step(TileOp::constant, DType::float32, bits_of_float(value)); }
  void output(int64_t value, DType dtype, ReduceKind kind = ReduceKind::store) {
    for (const int64_t word : {value, static_cast<int64_t>(dtype), static_cast<int64_t>(kind)})
      outputs_.push_back(word);
  }
  std::vector<int64_t> words() const {
    const int64_t rank = static_cast<int64_t>(dims_.size());
    std::vector<int64_t> all = {1,
                                rank,
                                static_cast<int64_t>(inputs_.size()) / (2 + rank),
                                static_cast<int64_t>(steps_.size()) / 5,
                                static_cast<int64_t>(outputs_.size()) / 3,
                                outer_,
                                reduced_,
                                0};
    for (const auto* part : {&dims_, &inputs_, &steps_, &outputs_}) all.insert(all.end(), part->begin(), part->end());
    return all;
  }

 private:
  std::vector<int64_t> dims_;
  int64_t outer_, reduced_, values_ = 0;
  std::vector<int64_t> inputs_, steps_, outputs_;
};

inline std::vector<int64_t> dense_strides(const std::vector<int64_t>& dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}
inline int64_t product_of(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (const int64_t d : dims) n *= d;
  return n;
}

}  // namespace millstream::testing
