// Kernel `random_next`: the counters of TensorFlow's stateful random ops, which live as long as the process. Refuses nothing else.
//
// random_next: delta uint64 scalar -> key uint64 [1], counter uint64 [2]; attributes: origin, ordinal, seed, seed2. Equal
//   attributes share one counter, which begins at key [seed], counter [0, seed2] (both seeds 0: anywhere) and moves on by
//   delta blocks. `forget_random_states` makes all of them begin again, as tf.random.set_seed does.
// What a thread draws between set_random_scope(n) and set_random_scope(0) has counters of its own, until forget_random_scope(n):
//   each iterator over a dataset is such a scope, so its numbers do not depend on other threads or on set_seed.
#include <array>
#include <map>
#include <mutex>
#include <random>

#include "kernels/random_operands.h"

namespace millstream {
namespace {

struct RandomStates {
  std::mutex mutex;
  std::map<std::array<int64_t, 5>, Philox> streams;  // by scope, origin, ordinal, seed, seed2
};

thread_local int64_t random_scope = 0;

RandomStates& random_states() {
  static RandomStates* states = new RandomStates;  // never destroyed: threads may outlive static objects
  return *states;
}

Philox begin_stream(uint64_t seed, uint64_t seed2) {
  if (seed == 0 && seed2 == 0) {
    std::random_device device;
    seed = device() | static_cast<uint64_t>(device()) << 32;
    seed2 = device() | static_cast<uint64_t>(device()) << 32;
  }
  return {0, seed2, seed};
}

Status check_random_next(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_next", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_next", 4));
  const Tensor &delta = call.in(0), &key = call.out(0), &counter = call.out(1);
  MS_REQUIRE(delta.dtype == DType::uint64 && delta.count() == 1,
             "random_next: delta is " + show(delta) + "; give one uint64.");
  MS_REQUIRE(key.dtype == DType::uint64 && key.rank == 1 && key.dims[0] == 1 && counter.dtype == DType::uint64 &&
                 counter.rank == 1 && counter.dims[0] == 2,
             "random_next: gives uint64 [1] and uint64 [2], not " + show(key) + " and " + show(counter) + ".");
  return Status();
}

Status run_random_next(const Call& call) {
  const int64_t* words = call.attributes;
  const std::array<int64_t, 5> name{random_scope, words[0], words[1], words[2], words[3]};
  RandomStates& states = random_states();
  const std::lock_guard<std::mutex> lock(states.mutex);
  auto found = states.streams.find(name);
  if (found == states.streams.end()) {
    const Philox start = begin_stream(static_cast<uint64_t>(words[2]), static_cast<uint64_t>(words[3]));
    found = states.streams.emplace(name, start).first;
  }
  Philox& stream = found->second;
  call.out(0).as<uint64_t>()[0] = stream.key;
  call.out(1).as<uint64_t>()[0] = stream.low;
  call.out(1).as<uint64_t>()[1] = stream.high;
  stream.skip(*call.in(0).as<const uint64_t>());
  return Status();
}

const Kernel kernel_random_next{"random_next", check_random_next, run_random_next};

}  // namespace

void forget_random_scope(int64_t scope) {
  RandomStates& states = random_states();
  const std::lock_guard<std::mutex> lock(states.mutex);
  constexpr int64_t least = INT64_MIN;
  const auto first = states.streams.lower_bound({scope, least, least, least, least});
  auto last = first;
  while (last != states.streams.end() && last->first[0] == scope) ++last;
  states.streams.erase(first, last);
}

void forget_random_states() {
  forget_random_scope(0);
  forget_learned_candidates();
}

int64_t set_random_scope(int64_t scope) {
  const int64_t before = random_scope;
  random_scope = scope;
  return before;
}

void register_random_state(Registry& registry) { registry.add(kernel_random_next); }

}  // namespace millstream
