// Kernels `random_bits`, `random_skip`, `random_key_counter`, `random_permutation`. They refuse unknown algorithms.
//
// random_bits: key uint64 [1], counter uint64 [2] -> uint32 or uint64 of any shape; attributes: algorithm (1 philox,
//   2 threefry, 3 auto: philox). Philox: blocks of four words in order, two words (low first) for a uint64. ThreeFry 2x32-20:
//   the counter is one 64-bit number (counter[0]), block i encrypts (low, high) of counter + i into two words.
// random_skip: counter uint64 [2 or more], delta uint64 scalar -> counter, the same shape; attributes: algorithm. Adds delta
//   to the 128-bit (philox) or 64-bit (threefry) counter.
// random_key_counter: seed int32 or int64 [2] -> key uint64 [1], counter uint64 [2]; no attributes. TensorFlow's
//   StatelessRandomGetKeyCounter: the seed scrambled by one Philox block.
// random_permutation: key, counter -> int32 or int64 [n]: the order in which RandomShuffle takes rows; attributes: algorithm.
#include <algorithm>

#include "kernels/random_operands.h"
#include "kernels/simd_isa.h"

namespace millstream {

namespace baseline {
void philox_blocks(uint64_t, uint64_t, uint64_t, int64_t, uint32_t*);
}
#if defined(__x86_64__)
namespace avx2 {
void philox_blocks(uint64_t, uint64_t, uint64_t, int64_t, uint32_t*);
}
namespace avx512 {
void philox_blocks(uint64_t, uint64_t, uint64_t, int64_t, uint32_t*);
}
#endif

void philox_blocks(uint64_t low, uint64_t high, uint64_t key, int64_t blocks, uint32_t* words) {
#if defined(__x86_64__)
  switch (processor_isa()) {
    case Isa::avx512:
      return avx512::philox_blocks(low, high, key, blocks, words);
    case Isa::avx2:
      return avx2::philox_blocks(low, high, key, blocks, words);
    default:
      break;
  }
#endif
  baseline::philox_blocks(low, high, key, blocks, words);
}

Status check_key_counter(const Call& call, const char* name, int64_t algorithm) {
  const Tensor &key = call.in(0), &counter = call.in(1);
  const std::string who = std::string(name) + ": ";
  MS_REQUIRE(algorithm >= 1 && algorithm <= 3, "Unsupported algorithm id: " + std::to_string(algorithm));
  MS_REQUIRE(key.dtype == DType::uint64 && key.rank == 1 && key.dims[0] == 1,
             who + "key must have shape [1] and be uint64, got " + show(key) + ".");
  const int64_t words = algorithm == static_cast<int64_t>(RandomAlgorithm::threefry) ? 1 : 2;
  MS_REQUIRE(counter.dtype == DType::uint64 && counter.rank == 1 && counter.dims[0] >= words,
             who + "counter must be a uint64 vector with length at least " + std::to_string(words) + "; got " +
                 show(counter) + ".");
  return Status();
}

namespace {

constexpr int64_t threefry = static_cast<int64_t>(RandomAlgorithm::threefry);

// ThreeFry 2x32 with 20 rounds.
uint64_t threefry_block(uint64_t key, uint64_t counter) {
  constexpr int turns[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t k[3] = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32),
                         static_cast<uint32_t>(key) ^ static_cast<uint32_t>(key >> 32) ^ 0x1BD11BDAu};
  uint32_t x = static_cast<uint32_t>(counter) + k[0], y = static_cast<uint32_t>(counter >> 32) + k[1];
  for (uint32_t round = 0; round < 20; ++round) {
    x += y;
    const int turn = turns[round % 8];
    y = (y << turn | y >> (32 - turn)) ^ x;
    if (round % 4 == 3) {
      const uint32_t step = round / 4 + 1;
      x += k[step % 3];
      y += k[(step + 1) % 3] + step;
    }
  }
  return x | static_cast<uint64_t>(y) << 32;
}

Status check_random_bits(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_bits", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_bits", 1));
  MS_RETURN_IF_ERROR(check_key_counter(call, "random_bits", call.attributes[0]));
  const DType dtype = call.out(0).dtype;
  MS_REQUIRE(dtype == DType::uint32 || dtype == DType::uint64,
             "random_bits: makes uint32 or uint64, not " + show(call.out(0)) + ".");
  return Status();
}

Status run_random_bits(const Call& call) {
  const Tensor& y = call.out(0);
  const int64_t words = static_cast<int64_t>(y.bytes()) / 4;
  auto* out = y.as<uint32_t>();
  const uint64_t key = call.in(0).as<const uint64_t>()[0];
  if (call.attributes[0] == threefry) {
    const uint64_t counter = call.in(1).as<const uint64_t>()[0];
    parallel_for((words + 1) / 2, 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint64_t block = threefry_block(key, counter + static_cast<uint64_t>(i));
        std::memcpy(out + 2 * i, &block, static_cast<size_t>(std::min<int64_t>(2, words - 2 * i)) * 4);
      }
    });
    return Status();
  }
  const Philox start = philox_of(call.in(0), call.in(1));
  const int64_t whole = words / 4;
  parallel_for(whole, 4096, [&](int64_t begin, int64_t end) {
    Philox generator = start;
    generator.skip(static_cast<uint64_t>(begin));
    philox_blocks(generator.low, generator.high, key, end - begin, out + 4 * begin);
  });
  if (words % 4) {
    Philox generator = start;
    generator.skip(static_cast<uint64_t>(whole));
    const PhiloxBlock block = generator.block();
    std::memcpy(out + 4 * whole, block.word, static_cast<size_t>(words % 4) * 4);
  }
  return Status();
}

Status check_random_skip(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_skip", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_skip", 1));
  const Tensor &counter = call.in(0), &delta = call.in(1), &y = call.out(0);
  MS_REQUIRE(call.attributes[0] >= 1 && call.attributes[0] <= 3,
             "Unsupported algorithm id: " + std::to_string(call.attributes[0]));
  const int64_t words = call.attributes[0] == threefry ? 1 : 2;
  MS_REQUIRE(counter.dtype == DType::uint64 && counter.rank == 1 && counter.dims[0] >= words &&
                 y.dtype == DType::uint64 && same_dims(counter, y),
             "random_skip: counter is " + show(counter) + "; give a uint64 vector with at least " +
                 std::to_string(words) + " elements.");
  MS_REQUIRE(delta.dtype == DType::uint64 && delta.count() == 1,
             "random_skip: delta is " + show(delta) + "; give one uint64.");
  return Status();
}

Status run_random_skip(const Call& call) {
  const auto* counter = call.in(0).as<const uint64_t>();
  const uint64_t delta = *call.in(1).as<const uint64_t>();
  auto* out = call.out(0).as<uint64_t>();
  if (out != counter) std::memcpy(out, counter, call.in(0).bytes());
  if (call.attributes[0] == threefry) {
    out[0] += delta;
  } else {
    Philox generator{out[0], out[1], 0};
    generator.skip(delta);
    out[0] = generator.low;
    out[1] = generator.high;
  }
  return Status();
}

Status check_random_key_counter(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_key_counter", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_key_counter", 0));
  const Tensor &seed = call.in(0), &key = call.out(0), &counter = call.out(1);
  MS_REQUIRE((seed.dtype == DType::int32 || seed.dtype == DType::int64) && seed.rank == 1 && seed.dims[0] == 2,
             "seed must have shape [2], not " + show_dims(seed.dims, seed.rank));
  MS_REQUIRE(key.dtype == DType::uint64 && key.rank == 1 && key.dims[0] == 1 && counter.dtype == DType::uint64 &&
                 counter.rank == 1 && counter.dims[0] == 2,
             "random_key_counter: gives uint64 [1] and uint64 [2], not " + show(key) + " and " + show(counter) + ".");
  return Status();
}

Status run_random_key_counter(const Call& call) {
  const Tensor& seed = call.in(0);
  // Both halves are sign-extended, as TensorFlow's are.
  const Philox generator{static_cast<uint64_t>(index_at(seed, 0)), static_cast<uint64_t>(index_at(seed, 1)),
                         0x02461e293ec8f720u};
  const PhiloxBlock block = generator.block();
  call.out(0).as<uint64_t>()[0] = block.word[0] | static_cast<uint64_t>(block.word[1]) << 32;
  call.out(1).as<uint64_t>()[0] = 0;
  call.out(1).as<uint64_t>()[1] = block.word[2] | static_cast<uint64_t>(block.word[3]) << 32;
  return Status();
}

Status check_random_permutation(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_permutation", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_permutation", 1));
  MS_RETURN_IF_ERROR(check_key_counter(call, "random_permutation", call.attributes[0]));
  const Tensor& y = call.out(0);
  MS_REQUIRE(call.attributes[0] != threefry, "Unsupported algorithm id: 2");
  MS_REQUIRE((y.dtype == DType::int32 || y.dtype == DType::int64) && y.rank == 1 && y.dims[0] <= INT32_MAX,
             "random_permutation: makes int32 or int64 [n], n below 2^31, not " + show(y) + ".");
  return Status();
}

template <typename T>
void permute(Philox generator, T* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(i);
  PhiloxBlock block{};
  int used = 4;
  for (int64_t i = 0; i + 1 < count; ++i) {
    if (used == 4) {
      block = generator.next();
      used = 0;
    }
    std::swap(out[i], out[i + block.word[used++] % static_cast<uint32_t>(count - i)]);
  }
}

Status run_random_permutation(const Call& call) {
  const Tensor& y = call.out(0);
  const Philox generator = philox_of(call.in(0), call.in(1));
  if (y.dtype == DType::int32) {
    permute(generator, y.as<int32_t>(), y.count());
  } else {
    permute(generator, y.as<int64_t>(), y.count());
  }
  return Status();
}

const Kernel kernel_random_bits{"random_bits", check_random_bits, run_random_bits};
const Kernel kernel_random_skip{"random_skip", check_random_skip, run_random_skip};
const Kernel kernel_random_key_counter{"random_key_counter", check_random_key_counter, run_random_key_counter};
const Kernel kernel_random_permutation{"random_permutation", check_random_permutation, run_random_permutation};

}  // namespace

void register_random_bits(Registry& registry) {
  registry.add(kernel_random_bits);
  registry.add(kernel_random_skip);
  registry.add(kernel_random_key_counter);
  registry.add(kernel_random_permutation);
}

}  // namespace millstream
