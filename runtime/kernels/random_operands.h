// The operands that random kernels share: key uint64 [1], counter uint64 [2 or more], and their checks.
#pragma once

#include "kernels/operands.h"
#include "kernels/random_philox.h"

namespace millstream {

// Numbers of the plan format; those of TensorFlow's `Algorithm`. auto_select is Philox.
enum class RandomAlgorithm : int64_t { philox = 1, threefry = 2, auto_select = 3 };

Status check_key_counter(const Call& call, const char* name, int64_t algorithm);

// random_state.cc: makes the counters of all stateful random ops begin again.
void forget_random_states();
void forget_learned_candidates();  // random_candidates.cc

// What this thread draws from now on belongs to `scope` (0: to none). Returns the scope before.
int64_t set_random_scope(int64_t scope);
void forget_random_scope(int64_t scope);

namespace {

inline Philox philox_of(const Tensor& key, const Tensor& counter) {
  return {counter.as<const uint64_t>()[0], counter.as<const uint64_t>()[1], key.as<const uint64_t>()[0]};
}

}  // namespace

}  // namespace millstream
