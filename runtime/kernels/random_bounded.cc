// Kernel `random_bounded_normal`: normal numbers between bounds, number for number those of TensorFlow's op on one thread.
// Refuses deviations that are not positive and bounds that leave nothing, or are both infinite.
//
// random_bounded_normal: key uint64 [1], counter uint64 [2], means, deviations, least, most -> y; float16, float32 or float64.
//   The parameters have one shape, with which y's ends. No attributes.
#include <algorithm>
#include <cmath>

#include "kernels/random_distribution.h"

namespace millstream {
namespace {

constexpr int most_tries = 1000;

// What the op computes in: T, rounded after each step as TensorFlow's half is.
template <typename Element>
struct Rounded {
  using Wide = float;
  static float load(const void* data, int64_t i) { return float_of_half(static_cast<const uint16_t*>(data)[i]); }
  static void store(void* data, int64_t i, float x) { static_cast<uint16_t*>(data)[i] = half_of_float(x); }
  static float round(float x) { return float_of_half(half_of_float(x)); }
  static constexpr int lanes = 4;
  static void uniform(const uint32_t* words, float* out) {
    for (int i = 0; i < 4; ++i) out[i] = static_cast<float>(words[i] & 0x3ffu) * 0x1p-10f;
  }
  static void normal(const uint32_t* words, float* out) {
    box_muller(words[0], words[1], out[0], out[1]);
    box_muller(words[2], words[3], out[2], out[3]);
    for (int i = 0; i < 4; ++i) out[i] = round(out[i]);
  }
};
template <>
struct Rounded<float> {
  using Wide = float;
  static float load(const void* data, int64_t i) { return static_cast<const float*>(data)[i]; }
  static void store(void* data, int64_t i, float x) { static_cast<float*>(data)[i] = x; }
  static float round(float x) { return x; }
  static constexpr int lanes = 4;
  static void uniform(const uint32_t* words, float* out) {
    for (int i = 0; i < 4; ++i) out[i] = uniform_float(words[i]);
  }
  static void normal(const uint32_t* words, float* out) {
    box_muller(words[0], words[1], out[0], out[1]);
    box_muller(words[2], words[3], out[2], out[3]);
  }
};
template <>
struct Rounded<double> {
  using Wide = double;
  static double load(const void* data, int64_t i) { return static_cast<const double*>(data)[i]; }
  static void store(void* data, int64_t i, double x) { static_cast<double*>(data)[i] = x; }
  static double round(double x) { return x; }
  static constexpr int lanes = 2;
  static void uniform(const uint32_t* words, double* out) {
    for (int i = 0; i < 2; ++i) out[i] = uniform_double(words[2 * i], words[2 * i + 1]);
  }
  static void normal(const uint32_t* words, double* out) { box_muller(words, out[0], out[1]); }
};

template <typename Element>
Status fill(const Call& call) {
  using R = Rounded<Element>;
  using T = typename R::Wide;
  constexpr int lanes = R::lanes;
  const Tensor& y = call.out(0);
  const int64_t batches = call.in(2).count(), samples = batches > 0 ? y.count() / batches : 0;
  Philox generator = philox_of(call.in(0), call.in(1));
  generator.skip((lanes - 1) / lanes);
  for (int64_t b = 0; b < batches && samples > 0; ++b) {
    T mean = R::load(call.in(2).data, b), deviation = R::load(call.in(3).data, b), low = R::load(call.in(4).data, b),
      high = R::load(call.in(5).data, b);
    MS_REQUIRE(deviation > 0 && low < high && (std::isfinite(low) || std::isfinite(high)), "Invalid parameters");
    if ((std::isinf(low) && low < 0) || high < mean) {
      std::swap(low, high);
      deviation = -deviation;
    }
    const auto r = [](T x) { return R::round(x); };
    const T least = r(r(low - mean) / deviation), most = r(r(high - mean) / deviation), gap = r(most - least);
    const T root = r(std::sqrt(r(r(least * least) + 4)));
    const T inner = r(r(least * r(least - root)) / 4);
    const T cutoff = r(r(2 * r(std::exp(r(T(0.5) + inner)))) / r(least + root));
    const T bound = r(T(1.3));
    int tries = 0;
    int64_t made = 0;
    const auto accept = [&](T z) {
      R::store(y.data, made * batches + b, r(r(z * deviation) + mean));
      tries = 0;
      return ++made == samples;
    };
    T first[4], second[4];
    if ((least < -bound && most >= 0) || (most > bound && least <= 0)) {
      while (made < samples) {
        R::normal(generator.next().word, first);
        for (int i = 0; i < lanes; ++i) {
          if (first[i] >= least && first[i] <= most) {
            if (accept(first[i])) break;
          } else if (++tries > most_tries) {
            return Status(Code::internal, "TruncatedNormal randn rejection sampler failed to accept a sample.");
          }
        }
      }
    } else if (gap < cutoff) {
      const T plus = least < 0 ? T(0) : r(least * least);
      while (made < samples) {
        R::uniform(generator.next().word, first);
        R::uniform(generator.next().word, second);
        for (int i = 0; i < lanes; ++i) {
          const T z = r(r(first[i] * gap) + least), g = r(r(plus - r(z * z)) / 2);
          if (second[i] <= r(std::exp(g))) {
            if (accept(z)) break;
          } else if (++tries >= most_tries) {
            return Status(Code::internal, "TruncatedNormal uniform rejection sampler failed to accept a sample.");
          }
        }
      }
    } else {
      const T alpha = r(r(least + r(std::sqrt(r(r(least * least) + 4)))) / 2);
      while (made < samples) {
        R::uniform(generator.next().word, first);
        for (int i = 0; i < lanes; i += 2) {
          const T z = r(r(r(-std::log(first[i])) / alpha) + least);
          const T x = least < alpha ? r(alpha - z) : r(least - alpha);
          const T g = r(std::exp(r(r(r(-x) * x) / 2)));
          if (first[i + 1] <= g && z < most) {
            if (accept(z)) break;
          } else if (++tries >= most_tries) {
            return Status(Code::internal, "TruncatedNormal exponential rejection sampler failed to accept a sample.");
          }
        }
      }
    }
  }
  return Status();
}

Status check_bounded(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_bounded_normal", 6, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_bounded_normal", 0));
  MS_RETURN_IF_ERROR(check_key_counter(call, "random_bounded_normal", 1));
  const Tensor &y = call.out(0), &means = call.in(2);
  MS_REQUIRE(y.dtype == DType::float16 || y.dtype == DType::float32 || y.dtype == DType::float64,
             "random_bounded_normal: does not make " + show(y) + ".");
  bool fits = means.rank <= y.rank;
  for (int i = 0; fits && i < means.rank; ++i) fits = y.dims[y.rank - means.rank + i] == means.dims[i];
  for (int i = 2; i < 6; ++i) {
    MS_REQUIRE(fits && call.in(i).dtype == y.dtype && same_dims(call.in(i), means) &&
                   (call.in(i).data != y.data || y.data == nullptr),
               "random_bounded_normal: given " + show(call.in(i)) + " for " + show(y) +
                   "; Shape passed in must end with broadcasted shape.");
  }
  return Status();
}

Status run_bounded(const Call& call) {
  switch (call.out(0).dtype) {
    case DType::float16:
      return fill<uint16_t>(call);
    case DType::float32:
      return fill<float>(call);
    default:
      return fill<double>(call);
  }
}

const Kernel kernel_random_bounded_normal{"random_bounded_normal", check_bounded, run_bounded};

}  // namespace

void register_random_bounded(Registry& registry) { registry.add(kernel_random_bounded_normal); }

}  // namespace millstream
