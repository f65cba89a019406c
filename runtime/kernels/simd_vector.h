// The width of the instruction set's vectors, vector types of numbers, and how they are loaded and stored. Only for files
// compiled once per instruction set (-DMS_ISA=...).
// No header of the standard library with inline functions here: the linker could keep this copy for every processor.
#pragma once

namespace millstream::MS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// As many numbers as fit a register, or `count` of them.
template <typename T, int count = vector_bytes / static_cast<int>(sizeof(T))>
struct VectorOf {
  typedef T type __attribute__((vector_size(count * sizeof(T))));
  static constexpr int width = count;
};
template <typename T>
struct VectorOf<T, 1> {
  typedef T type;
  static constexpr int width = 1;
};

template <typename V, typename T>
inline V load(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename V, typename T>
inline void store(T* to, V value) {
  __builtin_memcpy(to, &value, sizeof value);
}

}  // namespace
}  // namespace millstream::MS_ISA
