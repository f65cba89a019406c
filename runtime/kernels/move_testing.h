// For tests of kernels: tensors that own their bytes, a way to run a kernel by name, and checks that end the test.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "memory/objects.h"

#define EXPECT(condition)                                                            \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (false)

namespace millstream::testing {

template <typename T>
constexpr DType dtype_of = DType::invalid;
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;
template <>
inline constexpr DType dtype_of<int8_t> = DType::int8;
template <>
inline constexpr DType dtype_of<int16_t> = DType::int16;
template <>
inline constexpr DType dtype_of<int32_t> = DType::int32;
template <>
inline constexpr DType dtype_of<int64_t> = DType::int64;
template <>
inline constexpr DType dtype_of<uint32_t> = DType::uint32;
template <>
inline constexpr DType dtype_of<uint64_t> = DType::uint64;
template <>
inline constexpr DType dtype_of<bool> = DType::boolean;

inline Tensor empty(DType dtype, const std::vector<int64_t>& dims) {
  Tensor tensor;
  tensor.dtype = dtype;
  tensor.rank = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) tensor.dims[i] = dims[i];
  if (element_bytes(dtype)) allocate_data(tensor);
  return tensor;
}

template <typename T>
Tensor tensor_of(const std::vector<int64_t>& dims, const std::vector<T>& values) {
  Tensor tensor = empty(dtype_of<T>, dims);
  for (size_t i = 0; i < values.size(); ++i) tensor.as<T>()[i] = values[i];
  return tensor;
}

inline Tensor strings(const std::vector<int64_t>& dims, const std::vector<std::string>& values) {
  Tensor tensor = empty(DType::string, dims);
  std::string text;
  std::vector<int64_t> offsets{0};
  for (const std::string& value : values) {
    text += value;
    offsets.push_back(static_cast<int64_t>(text.size()));
  }
  tensor.buffer = Buffer::allocate(offsets.size() * 8 + text.size());
  tensor.data = tensor.buffer->data();
  std::memcpy(tensor.data, offsets.data(), offsets.size() * 8);
  std::memcpy(tensor.as<char>() + offsets.size() * 8, text.data(), text.size());
  return tensor;
}

inline std::string string_at(const Tensor& tensor, int64_t i) {
  const auto* offsets = tensor.as<const int64_t>();
  const char* bytes = reinterpret_cast<const char*>(offsets + tensor.count() + 1);
  return std::string(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  return std::vector<T>(tensor.as<T>(), tensor.as<T>() + tensor.count());
}

// Checks and, where that allows it, prepares and runs. Bad calls return the check's status.
inline Status run(const Registry& registry, const char* name, const std::vector<const Tensor*>& inputs,
                  const std::vector<Tensor*>& outputs, const std::vector<int64_t>& attributes) {
  const Kernel* kernel = registry.find(name, std::strlen(name));
  EXPECT(kernel != nullptr);
  Call call{
      inputs.data(),     static_cast<int>(inputs.size()),         outputs.data(), static_cast<int>(outputs.size()),
      attributes.data(), static_cast<int64_t>(attributes.size()), nullptr,        nullptr};
  MS_RETURN_IF_ERROR(kernel->check(call));
  std::shared_ptr<const void> prepared;
  if (kernel->prepare) {
    Status status;
    prepared = kernel->prepare(call, status);
    MS_RETURN_IF_ERROR(status);
    call.prepared = prepared.get();
  }
  return kernel->run(call);
}

// Numbers that look random and are the same everywhere.
struct Numbers {
  uint64_t state = 0x9e3779b97f4a7c15u;
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  }
  int64_t below(int64_t limit) { return static_cast<int64_t>(next() % static_cast<uint64_t>(limit)); }
};

}  // namespace millstream::testing
