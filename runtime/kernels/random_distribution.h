// The kinds of distributions and the pieces that the filling and the sampling kinds share. Numbers are part of the plan format.
#pragma once

#include <cmath>

#include "kernels/elementwise_types.h"
#include "kernels/random_operands.h"

namespace millstream {

enum class RandomKind : int64_t {
  uniform = 0,
  normal = 1,
  truncated_normal = 2,
  uniform_int = 3,
  uniform_full_int = 4,
  gamma = 5,
  poisson = 6,
  binomial = 7,
  multinomial = 8,
};

// random_sampling.cc: kinds that draw a varying number of samples for each output, with parameters of many elements.
Status check_sampling(const Call& call, RandomKind kind);
Status run_sampling(const Call& call, RandomKind kind);

namespace {

inline float uniform_float(uint32_t bits) { return float_of_bits((bits & 0x7fffffu) | 0x3f800000u) - 1.0f; }

inline double uniform_double(uint32_t high, uint32_t low) {
  const uint64_t bits = (uint64_t{high & 0xfffffu} << 32) | low | 0x3ff0000000000000u;
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value - 1.0;
}

constexpr double pi = 3.14159265358979323846;

// Two normal numbers from two uniform ones.
inline void box_muller(uint32_t x, uint32_t y, float& first, float& second) {
  float u = uniform_float(x);
  u = u < 1.0e-7f ? 1.0e-7f : u;
  const float angle = static_cast<float>(2.0 * pi * static_cast<double>(uniform_float(y)));
  const float radius = std::sqrt(-2.0f * std::log(u));
  first = std::sin(angle) * radius;
  second = std::cos(angle) * radius;
}

inline void box_muller(const uint32_t* words, double& first, double& second) {
  double u = uniform_double(words[0], words[1]);
  u = u < 1.0e-7 ? 1.0e-7 : u;
  const double angle = 2.0 * pi * uniform_double(words[2], words[3]);
  const double radius = std::sqrt(-2.0 * std::log(u));
  first = std::sin(angle) * radius;
  second = std::cos(angle) * radius;
}

}  // namespace

}  // namespace millstream
