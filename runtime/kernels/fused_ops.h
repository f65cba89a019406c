// The steps a tile program may hold: number, name, operands, rule of types. Numbers are in plan files: never change one.
#pragma once

#include <cstdint>

namespace millstream {

// Rules: what operand types a step takes, and its result.
enum class Rule : int32_t {
  constant,    // the step's words are the value
  iota,        // the coordinate along one iteration dimension
  convert,     // any number type to any
  bitcast,     // same width of element
  number,      // ints, floats, complex -> same
  real,        // ints, floats -> same
  real_float,  // floats -> same
  any_float,   // floats, complex -> same
  integer,     // ints -> same
  bits,        // ints, bool -> same
  predicate,   // floats -> bool
  equality,    // bool, numbers -> bool
  order,       // bool, ints, floats -> bool
  part,        // complex -> its real type
  magnitude,   // ints, floats -> same; complex -> its real type
  pair,        // two float32/float64 -> complex
  select,      // bool, x, x -> x
};

// X(number, name, operands, rule). millstream/backends/cpu/tile_program.py reads this very list in its test.
#define MS_TILE_OPS(X)                        \
  X(0, constant, 0, constant)                 \
  X(1, iota, 0, iota)                         \
  X(2, convert, 1, convert)                   \
  X(3, bitcast, 1, bitcast)                   \
  X(4, select, 3, select)                     \
  X(10, negate, 1, number)                    \
  X(11, abs, 1, magnitude)                    \
  X(12, sign, 1, number)                      \
  X(13, exp, 1, any_float)                    \
  X(14, expm1, 1, any_float)                  \
  X(15, log, 1, any_float)                    \
  X(16, log1p, 1, any_float)                  \
  X(17, sqrt, 1, any_float)                   \
  X(18, rsqrt, 1, any_float)                  \
  X(19, cbrt, 1, real_float)                  \
  X(20, sin, 1, any_float)                    \
  X(21, cos, 1, any_float)                    \
  X(22, tan, 1, any_float)                    \
  X(23, asin, 1, any_float)                   \
  X(24, acos, 1, any_float)                   \
  X(25, atan, 1, any_float)                   \
  X(26, sinh, 1, any_float)                   \
  X(27, cosh, 1, any_float)                   \
  X(28, tanh, 1, any_float)                   \
  X(29, asinh, 1, any_float)                  \
  X(30, acosh, 1, any_float)                  \
  X(31, atanh, 1, any_float)                  \
  X(32, logistic, 1, any_float)               \
  X(33, erf, 1, real_float)                   \
  X(34, erfc, 1, real_float)                  \
  X(35, erf_inv, 1, real_float)               \
  X(36, lgamma, 1, real_float)                \
  X(37, digamma, 1, real_float)               \
  X(38, floor, 1, real_float)                 \
  X(39, ceil, 1, real_float)                  \
  X(40, round_even, 1, real_float)            \
  X(41, is_finite, 1, predicate)              \
  X(42, is_nan, 1, predicate)                 \
  X(43, is_inf, 1, predicate)                 \
  X(44, logical_not, 1, bits)                 \
  X(45, popcnt, 1, integer)                   \
  X(46, real, 1, part)                        \
  X(47, imag, 1, part)                        \
  X(48, conj, 1, number)                      \
  X(49, bessel_i0e, 1, real_float)            \
  X(50, bessel_i1e, 1, real_float)            \
  X(60, add, 2, number)                       \
  X(61, subtract, 2, number)                  \
  X(62, multiply, 2, number)                  \
  X(63, divide, 2, number)                    \
  X(64, remainder, 2, real)                   \
  X(65, power, 2, number)                     \
  X(66, maximum, 2, real)                     \
  X(67, minimum, 2, real)                     \
  X(68, atan2, 2, real_float)                 \
  X(69, next_after, 2, real_float)            \
  X(70, bit_and, 2, bits)                     \
  X(71, bit_or, 2, bits)                      \
  X(72, bit_xor, 2, bits)                     \
  X(73, shift_left, 2, integer)               \
  X(74, shift_right, 2, integer)              \
  X(75, igamma, 2, real_float)                \
  X(76, igammac, 2, real_float)               \
  X(77, zeta, 2, real_float)                  \
  X(78, polygamma, 2, real_float)             \
  X(79, complex, 2, pair)                     \
  X(80, compare_eq, 2, equality)              \
  X(81, compare_ne, 2, equality)              \
  X(82, compare_lt, 2, order)                 \
  X(83, compare_le, 2, order)                 \
  X(84, compare_gt, 2, order)                 \
  X(85, compare_ge, 2, order)                 \
  X(86, igamma_gradient, 2, real_float)       \
  X(87, random_gamma_gradient, 2, real_float) \
  X(88, bessel_j0, 1, real_float)             \
  X(89, bessel_j1, 1, real_float)             \
  X(90, bessel_y0, 1, real_float)             \
  X(91, bessel_y1, 1, real_float)             \
  X(92, bessel_k0, 1, real_float)             \
  X(93, bessel_k0e, 1, real_float)            \
  X(94, bessel_k1, 1, real_float)             \
  X(95, bessel_k1e, 1, real_float)            \
  X(96, dawsn, 1, real_float)                 \
  X(97, expint, 1, real_float)                \
  X(98, fresnel_cos, 1, real_float)           \
  X(99, fresnel_sin, 1, real_float)           \
  X(100, spence, 1, real_float)               \
  X(101, betainc, 3, real_float)

enum class TileOp : int32_t {
#define MS_TILE_ENUM(number, name, operands, rule) name = number,
  MS_TILE_OPS(MS_TILE_ENUM)
#undef MS_TILE_ENUM
  // Made by the lowering only, never in a plan: two steps in one pass, each rounded on its own.
  multiply_add = 200,       // a * b + c
  multiply_subtract = 201,  // a * b - c
  subtract_product = 202,   // c - a * b
  subtract_multiply = 203,  // (a - b) * c
  add_multiply = 204,       // (a + b) * c
  relu_like = 205,          // select(compare_gt(a, b), c, b)
};

}  // namespace millstream
