// Moving strings: a kernel moves int64 element numbers instead, then the strings are taken by number.
#pragma once

#include "kernels/kernel.h"

namespace millstream {

// Several string tensors seen as one list of elements, one after the other.
struct StringSource {
  const Tensor* const* tensors;
  int count;
};

// Gives `out` (its sizes are set) the strings with these numbers.
Status take_strings(Tensor& out, StringSource source, const int64_t* numbers);
// Runs `run` on a call whose string operands are replaced by int64 tensors holding the numbers of their elements, counted
// through all string inputs, then takes the strings. The output is the only one.
Status move_strings(const Call& call, Status (*run)(const Call&));

}  // namespace millstream
