// Kernel `random_distribution`: numbers bit-equal to TensorFlow's CPU kernels, however many threads make them.
//
// random_distribution: key uint64 [1], counter uint64 [2], parameters… -> y of any shape; attributes: kind, algorithm (1 philox
//   or 3 auto: on CPU TensorFlow has no other).
//   kind 0 uniform            in [0, 1): half, bfloat16, float32, float64
//   kind 1 normal             the same types
//   kind 2 truncated_normal   within 2: the same types
//   kind 3 uniform_int        minval, maxval (scalars of y's type): int32, int64 (uint32, uint64 too)
//   kind 4 uniform_full_int   int32, int64, uint32, uint64
//   kind 5 gamma              alpha; half, bfloat16, float32, float64; y's sizes end with alpha's
//   kind 6 poisson            rate half, bfloat16, float32, float64, int32, int64; y any of these, its sizes end with rate's
//   kind 7 binomial           counts, probabilities (one type and shape: broadcast them before); y as poisson
//   kind 8 multinomial        logits [batch, classes]; y int32 or int64 [batch, samples]. TensorFlow starts a new stream
//                             for each of its threads' rows, so that large batches there depend on the machine: this is one thread's
// A stateful op of TensorFlow (seed, seed2) begins with key [seed], counter [0, seed2], and then moves the counter by what it
// reserved: see millstream/program/random_numbers.py.
#include <algorithm>

#include "kernels/random_distribution.h"

namespace millstream {
namespace {

constexpr int64_t batch_blocks = 256;  // 4 KiB of words: in the first cache

struct HalfStore {
  using type = uint16_t;
  static uint16_t uniform(uint32_t bits) { return half_of_float(static_cast<float>(bits & 0x3ffu) * 0x1p-10f); }
  static uint16_t from(float value) { return half_of_float(value); }
};
struct BrainStore {
  using type = uint16_t;
  static uint16_t uniform(uint32_t bits) { return bfloat16_of_float(static_cast<float>(bits & 0x7fu) * 0x1p-7f); }
  static uint16_t from(float value) { return bfloat16_of_float(value); }
};
struct FloatStore {
  using type = float;
  static float uniform(uint32_t bits) { return uniform_float(bits); }
  static float from(float value) { return value; }
};

// Fills `y` in groups: each block of four words becomes `each` elements, written by convert(words, out).
template <typename T, int each, typename F>
void fill_blocks(const Tensor& y, const Philox& start, int64_t grain, F&& convert) {
  const int64_t count = y.count(), whole = count / each;
  T* out = y.as<T>();
  parallel_for(whole, grain, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[4 * batch_blocks];
    for (int64_t block = begin; block < end; block += batch_blocks) {
      const int64_t blocks = std::min(batch_blocks, end - block);
      Philox generator = start;
      generator.skip(static_cast<uint64_t>(block));
      philox_blocks(generator.low, generator.high, generator.key, blocks, words);
      for (int64_t i = 0; i < blocks; ++i) convert(words + 4 * i, out + (block + i) * each);
    }
  });
  if (whole * each < count) {
    Philox generator = start;
    generator.skip(static_cast<uint64_t>(whole));
    const PhiloxBlock block = generator.block();
    T last[each];
    convert(block.word, last);
    std::memcpy(out + whole * each, last, static_cast<size_t>(count - whole * each) * sizeof(T));
  }
}

template <typename Store>
void fill_uniform(const Tensor& y, const Philox& start) {
  fill_blocks<typename Store::type, 4>(y, start, 4096, [](const uint32_t* words, auto* out) {
    for (int i = 0; i < 4; ++i) out[i] = Store::uniform(words[i]);
  });
}

template <typename Store>
void fill_normal(const Tensor& y, const Philox& start) {
  fill_blocks<typename Store::type, 4>(y, start, 512, [](const uint32_t* words, auto* out) {
    for (int i = 0; i < 4; i += 2) {
      float first, second;
      box_muller(words[i], words[i + 1], first, second);
      out[i] = Store::from(first);
      out[i + 1] = Store::from(second);
    }
  });
}

// Each group of outputs begins 256 words for each output further on, and draws until it is full.
template <typename T, int each, typename F>
void fill_groups(const Tensor& y, const Philox& start, F&& draw) {
  const int64_t count = y.count();
  parallel_for((count + each - 1) / each, 256, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      Philox generator = start;
      generator.skip(static_cast<uint64_t>(group) * (each * 256 / 4));
      T out[each];
      draw(generator, out);
      std::memcpy(y.as<T>() + group * each, out,
                  static_cast<size_t>(std::min<int64_t>(each, count - group * each)) * sizeof(T));
    }
  });
}

template <typename Store>
void fill_truncated(const Tensor& y, const Philox& start) {
  fill_groups<typename Store::type, 4>(y, start, [](Philox& generator, auto* out) {
    for (int made = 0; made < 4;) {
      const PhiloxBlock block = generator.next();
      for (int i = 0; i < 4 && made < 4; i += 2) {
        float value[2];
        box_muller(block.word[i], block.word[i + 1], value[0], value[1]);
        for (int k = 0; k < 2 && made < 4; ++k) {
          if (std::fabs(value[k]) < 2.0f) out[made++] = Store::from(value[k]);
        }
      }
    }
  });
}

void fill_truncated_double(const Tensor& y, const Philox& start) {
  fill_groups<double, 2>(y, start, [](Philox& generator, double* out) {
    for (int made = 0; made < 2;) {
      const PhiloxBlock block = generator.next();
      double value[2];
      box_muller(block.word, value[0], value[1]);
      for (int k = 0; k < 2 && made < 2; ++k) {
        if (std::fabs(value[k]) < 2.0) out[made++] = value[k];
      }
    }
  });
}

template <typename T>
Status fill_uniform_int(const Call& call, const Philox& start) {
  const T low = *call.in(2).as<const T>(), high = *call.in(3).as<const T>();
  MS_REQUIRE(call.out(0).count() == 0 || low < high,
             "Need minval < maxval, got " + std::to_string(low) + " >= " + std::to_string(high));
  if constexpr (sizeof(T) == 4) {
    const auto base = static_cast<uint32_t>(low), range = static_cast<uint32_t>(high) - static_cast<uint32_t>(low);
    fill_blocks<uint32_t, 4>(call.out(0), start, 2048, [=](const uint32_t* words, uint32_t* out) {
      for (int i = 0; i < 4; ++i) out[i] = base + words[i] % range;
    });
  } else {
    const auto base = static_cast<uint64_t>(low), range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    fill_blocks<uint64_t, 2>(call.out(0), start, 2048, [=](const uint32_t* words, uint64_t* out) {
      for (int i = 0; i < 2; ++i)
        out[i] = base + (words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32) % range;
    });
  }
  return Status();
}

Status check_random_distribution(const Call& call) {
  MS_REQUIRE(call.attribute_count >= 2, "random_distribution: kind and algorithm must be given.");
  MS_REQUIRE(call.input_count >= 2, "random_distribution: key and counter must be given.");
  MS_RETURN_IF_ERROR(check_operands(call, "random_distribution", call.input_count, 1));
  const int64_t number = call.attributes[0];
  MS_REQUIRE(number >= 0 && number <= static_cast<int64_t>(RandomKind::multinomial),
             "random_distribution: kind " + std::to_string(number) + " is not known.");
  const auto kind = static_cast<RandomKind>(number);
  MS_RETURN_IF_ERROR(check_attributes(call, "random_distribution", 2));
  MS_REQUIRE(call.attributes[1] == 1 || call.attributes[1] == 3,
             "Unsupported algorithm id: " + std::to_string(call.attributes[1]));
  MS_RETURN_IF_ERROR(check_key_counter(call, "random_distribution", call.attributes[1]));
  const Tensor& y = call.out(0);
  const bool real =
      y.dtype == DType::float16 || y.dtype == DType::bfloat16 || y.dtype == DType::float32 || y.dtype == DType::float64;
  const bool whole =
      y.dtype == DType::int32 || y.dtype == DType::int64 || y.dtype == DType::uint32 || y.dtype == DType::uint64;
  const auto wrong = [&] {
    return invalid("random_distribution: kind " + std::to_string(number) + " does not make " + show(y) + ".");
  };
  switch (kind) {
    case RandomKind::uniform:
    case RandomKind::normal:
    case RandomKind::truncated_normal:
      MS_RETURN_IF_ERROR(check_operands(call, "random_distribution", 2, 1));
      return real ? Status() : wrong();
    case RandomKind::uniform_full_int:
      MS_RETURN_IF_ERROR(check_operands(call, "random_distribution", 2, 1));
      return whole ? Status() : wrong();
    case RandomKind::uniform_int:
      MS_RETURN_IF_ERROR(check_operands(call, "random_distribution", 4, 1));
      for (int i = 2; i < 4; ++i) {
        MS_REQUIRE(call.in(i).dtype == y.dtype && call.in(i).rank == 0,
                   "random_distribution: minval and maxval must be scalars of the "
                   "type of the output, got " +
                       show(call.in(i)) + ".");
      }
      return whole ? Status() : wrong();
    default:
      return check_sampling(call, kind);
  }
}

Status run_random_distribution(const Call& call) {
  const Tensor& y = call.out(0);
  const auto kind = static_cast<RandomKind>(call.attributes[0]);
  const Philox start = philox_of(call.in(0), call.in(1));
  const auto by_type = [&](auto&& half, auto&& brain, auto&& single, auto&& twice) {
    switch (y.dtype) {
      case DType::float16:
        return half(y, start);
      case DType::bfloat16:
        return brain(y, start);
      case DType::float32:
        return single(y, start);
      default:
        return twice(y, start);
    }
  };
  switch (kind) {
    case RandomKind::uniform:
      by_type(fill_uniform<HalfStore>, fill_uniform<BrainStore>, fill_uniform<FloatStore>,
              [](const Tensor& out, const Philox& from) {
                fill_blocks<double, 2>(out, from, 4096, [](const uint32_t* words, double* values) {
                  values[0] = uniform_double(words[0], words[1]);
                  values[1] = uniform_double(words[2], words[3]);
                });
              });
      return Status();
    case RandomKind::normal:
      by_type(fill_normal<HalfStore>, fill_normal<BrainStore>, fill_normal<FloatStore>,
              [](const Tensor& out, const Philox& from) {
                fill_blocks<double, 2>(out, from, 512, [](const uint32_t* words, double* values) {
                  box_muller(words, values[0], values[1]);
                });
              });
      return Status();
    case RandomKind::truncated_normal:
      by_type(fill_truncated<HalfStore>, fill_truncated<BrainStore>, fill_truncated<FloatStore>, fill_truncated_double);
      return Status();
    case RandomKind::uniform_int:
      switch (y.dtype) {
        case DType::int32:
          return fill_uniform_int<int32_t>(call, start);
        case DType::uint32:
          return fill_uniform_int<uint32_t>(call, start);
        case DType::int64:
          return fill_uniform_int<int64_t>(call, start);
        default:
          return fill_uniform_int<uint64_t>(call, start);
      }
    case RandomKind::uniform_full_int:
      if (element_bytes(y.dtype) == 4) {
        fill_blocks<uint32_t, 4>(y, start, 4096,
                                 [](const uint32_t* words, uint32_t* out) { std::memcpy(out, words, 16); });
      } else {
        fill_blocks<uint64_t, 2>(y, start, 4096, [](const uint32_t* words, uint64_t* out) {
          for (int i = 0; i < 2; ++i) out[i] = words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32;
        });
      }
      return Status();
    default:
      return run_sampling(call, kind);
  }
}

const Kernel kernel_random_distribution{"random_distribution", check_random_distribution, run_random_distribution};

}  // namespace

void register_random_fill(Registry& registry) { registry.add(kernel_random_distribution); }

}  // namespace millstream
