// The random kinds that reject: gamma, poisson, binomial, multinomial. Their operands are stated in random_fill.cc.
// Refuses parameters whose sizes do not fit.
#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#include "kernels/random_distribution.h"

namespace millstream {
namespace {

constexpr uint64_t blocks_for_output = 256;

// Gives the elements of a group in TensorFlow's order here: the last first.
struct UniformBack {
  double value[2];
  int left = 0;
  double next(Philox& generator) {
    if (left == 0) {
      const PhiloxBlock block = generator.next();
      value[0] = uniform_double(block.word[0], block.word[1]);
      value[1] = uniform_double(block.word[2], block.word[3]);
      left = 2;
    }
    return value[--left];
  }
};
struct NormalBack {
  double value[2];
  int left = 0;
  double next(Philox& generator) {
    if (left == 0) {
      const PhiloxBlock block = generator.next();
      box_muller(block.word, value[0], value[1]);
      left = 2;
    }
    return value[--left];
  }
};

bool is_sampled(DType dtype) {
  return dtype == DType::float16 || dtype == DType::bfloat16 || dtype == DType::float32 || dtype == DType::float64 ||
         dtype == DType::int32 || dtype == DType::int64;
}

double number_at(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype) {
    case DType::float16:
      return static_cast<double>(float_of_half(tensor.as<const uint16_t>()[i]));
    case DType::bfloat16:
      return static_cast<double>(float_of_bfloat16(tensor.as<const uint16_t>()[i]));
    case DType::float32:
      return static_cast<double>(tensor.as<const float>()[i]);
    case DType::float64:
      return tensor.as<const double>()[i];
    case DType::int32:
      return tensor.as<const int32_t>()[i];
    default:
      return static_cast<double>(tensor.as<const int64_t>()[i]);
  }
}

template <typename I>
I whole_of(double value) {
  // What x86 gives for a value that does not fit; elsewhere the conversion would be undefined.
  constexpr double bound = sizeof(I) == 4 ? 0x1p31 : 0x1p63;
  return value >= -bound && value < bound ? static_cast<I>(value) : std::numeric_limits<I>::min();
}

void put_number(const Tensor& tensor, int64_t i, double value) {
  switch (tensor.dtype) {
    case DType::float16:
      tensor.as<uint16_t>()[i] = half_of_float(static_cast<float>(value));
      return;
    case DType::bfloat16:
      tensor.as<uint16_t>()[i] = bfloat16_of_float(static_cast<float>(value));
      return;
    case DType::float32:
      tensor.as<float>()[i] = static_cast<float>(value);
      return;
    case DType::float64:
      tensor.as<double>()[i] = value;
      return;
    case DType::int32:
      tensor.as<int32_t>()[i] = whole_of<int32_t>(value);
      return;
    default:
      tensor.as<int64_t>()[i] = whole_of<int64_t>(value);
  }
}

double draw_gamma(Philox generator, double alpha) {
  UniformBack uniform;
  if (alpha == 1.0) return -std::log1p(-uniform.next(generator));
  NormalBack normal;
  const bool small = alpha < 1;
  const double d = alpha + (small ? 2.0 / 3 : -1.0 / 3), c = 1.0 / 3 / std::sqrt(d);
  for (;;) {
    const double x = normal.next(generator);
    double v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    const double u = uniform.next(generator);
    if (u < 1 - 0.0331 * (x * x) * (x * x) || std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v))) {
      const double result = d * v;
      return small ? result * std::pow(uniform.next(generator), 1 / alpha) : result;
    }
    if (!(alpha > 0)) return std::numeric_limits<double>::quiet_NaN();  // would never accept
  }
}

double draw_poisson(Philox generator, double rate) {
  UniformBack uniform;
  if (!(rate >= 0.0) || std::isinf(rate)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (rate < 10.0) {
    const double limit = std::exp(-rate);
    double together = 1, count = 0;
    for (;;) {
      together = together * uniform.next(generator);
      if (together <= limit) return count;
      count += 1;
    }
  }
  const double log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  for (;;) {
    const double u = uniform.next(generator) - 0.5;
    const double v = uniform.next(generator);
    const double shifted = 0.5 - std::fabs(u);
    const double k = std::floor((2.0 * a / shifted + b) * u + rate + 0.43);
    if (shifted >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2.0)) return k;
    if (k < 0 || (shifted < 0.013 && v > shifted)) continue;
    const double s = std::log(v * inverse_alpha / (a / (shifted * shifted) + b));
    const double t = -rate + k * log_rate - std::lgamma(k + 1);
    if (s <= t) return k;
  }
}

double binomial_inversion(Philox generator, double count, double probability) {
  UniformBack uniform;
  double sum = 0;
  int drawn = 0;
  for (;;) {
    sum += std::ceil(std::log(uniform.next(generator)) / std::log1p(-probability));
    if (!(sum <= count)) return drawn;
    ++drawn;
  }
}

double stirling_tail(double k) {
  static constexpr double first[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                     0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                     0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return first[static_cast<int>(std::max(k, 0.0))];
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

double binomial_rejection(Philox generator, double count, double probability) {
  UniformBack uniform;
  const double deviation = std::sqrt(count * probability * (1 - probability));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * probability;
  const double c = count * probability + 0.5, v_r = 0.92 - 4.2 / b, r = probability / (1 - probability);
  const double alpha = (2.83 + 5.1 / b) * deviation, m = std::floor((count + 1) * probability);
  for (;;) {
    const double u = uniform.next(generator) - 0.5;
    double v = uniform.next(generator);
    const double us = 0.5 - std::fabs(u), k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (m + 0.5) * std::log((m + 1) / (r * (count - m + 1))) +
                         (count + 1) * std::log((count - m + 1) / (count - k + 1)) +
                         (k + 0.5) * std::log(r * (count - k + 1) / (k + 1)) + stirling_tail(m) +
                         stirling_tail(count - m) - stirling_tail(k) - stirling_tail(count - k);
    if (v <= bound) return k;
  }
}

double draw_binomial(const Philox& start, uint64_t output, double count, double probability, bool narrow) {
  if (count <= 0 || probability <= 0) return 0;
  if (std::isnan(count) || std::isnan(probability) || std::isinf(count))
    return std::numeric_limits<double>::quiet_NaN();
  if (probability >= 1) return count;
  const bool mirrored = probability > 0.5;
  const auto to_type = [&](double value) { return narrow ? static_cast<double>(static_cast<float>(value)) : value; };
  const double p = mirrored ? to_type(1 - probability) : probability;
  Philox generator = start;
  if (to_type(count * p) >= 10) {
    generator.skip(256 * output);
    const double k = binomial_rejection(generator, count, p);
    return mirrored ? count - k : k;
  }
  generator.skip(42 * output);
  const double k = binomial_inversion(generator, count, p);
  return mirrored ? count - k : k;
}

// Rows are drawn one after the other from one stream, as TensorFlow does on one thread; it goes on where the row before ended.
Status run_multinomial(const Call& call, Philox generator) try {
  const Tensor &logits = call.in(2), &y = call.out(0);
  const int64_t batch = logits.dims[0], classes = logits.dims[1], samples = y.dims[1];
  if (y.count() == 0) return Status();
  std::vector<double> sums(static_cast<size_t>(classes));
  PhiloxBlock block{};
  int used = 4;
  for (int64_t row = 0; row < batch; ++row) {
    double most = std::numeric_limits<double>::lowest();
    for (int64_t i = 0; i < classes; ++i) {
      const double value = number_at(logits, row * classes + i);
      if (std::isfinite(value)) most = std::max(most, value);
    }
    double total = 0;
    for (int64_t i = 0; i < classes; ++i) {
      const double value = number_at(logits, row * classes + i);
      if (std::isfinite(value)) total += std::exp(value - most);
      sums[static_cast<size_t>(i)] = total;
    }
    for (int64_t i = 0; i < samples; ++i) {
      if (used == 4) {
        block = generator.next();
        used = 0;
      }
      const double find = uniform_double(block.word[used], block.word[used + 1]) * total;
      used += 2;
      const int64_t found = std::upper_bound(sums.begin(), sums.end(), find) - sums.begin();
      if (y.dtype == DType::int32) {
        y.as<int32_t>()[row * samples + i] = static_cast<int32_t>(found);
      } else {
        y.as<int64_t>()[row * samples + i] = found;
      }
    }
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("random_distribution", call.in(2));
}

// y's sizes end with those of `tail`.
bool ends_with(const Tensor& y, const Tensor& tail) {
  if (tail.rank > y.rank) return false;
  for (int i = 0; i < tail.rank; ++i) {
    if (y.dims[y.rank - tail.rank + i] != tail.dims[i]) return false;
  }
  return true;
}

}  // namespace

Status check_sampling(const Call& call, RandomKind kind) {
  const Tensor& y = call.out(0);
  const int parameters = kind == RandomKind::binomial ? 2 : 1;
  MS_RETURN_IF_ERROR(check_operands(call, "random_distribution", 2 + parameters, 1));
  const Tensor& first = call.in(2);
  const bool real = first.dtype == DType::float16 || first.dtype == DType::bfloat16 || first.dtype == DType::float32 ||
                    first.dtype == DType::float64;
  const std::string given = "random_distribution: given " + show(first) + " for " + show(y) + ".";
  for (int i = 0; i < parameters; ++i) {
    MS_REQUIRE(call.in(2 + i).dtype == first.dtype && is_sampled(first.dtype), given);
    MS_REQUIRE(call.in(2 + i).data != y.data || y.data == nullptr, given);
  }
  if (kind == RandomKind::multinomial) {
    MS_REQUIRE(first.rank == 2, "logits should be a matrix, got shape " + show_dims(first.dims, first.rank));
    MS_REQUIRE(first.dims[1] > 0, "num_classes should be positive, got 0");
    MS_REQUIRE((y.dtype == DType::int32 || y.dtype == DType::int64) && y.rank == 2 && y.dims[0] == first.dims[0] &&
                   first.dims[1] <= INT32_MAX,
               given);
    return Status();
  }
  MS_REQUIRE(ends_with(y, first), "Shape passed in must end with broadcasted shape: " + given);
  if (kind == RandomKind::gamma) {
    MS_REQUIRE(real && y.dtype == first.dtype, given);
  } else {
    MS_REQUIRE(is_sampled(y.dtype), given);
  }
  if (kind == RandomKind::binomial) MS_REQUIRE(same_dims(first, call.in(3)), given);
  return Status();
}

Status run_sampling(const Call& call, RandomKind kind) {
  const Tensor& y = call.out(0);
  const Philox start = philox_of(call.in(0), call.in(1));
  if (kind == RandomKind::multinomial) return run_multinomial(call, start);
  const Tensor& first = call.in(2);
  const int64_t parameters = first.count(), samples = parameters > 0 ? y.count() / parameters : 0;
  // Output number n is sample n % samples of parameter n / samples; in y the parameters lie innermost.
  parallel_for(parameters * samples, 256, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const int64_t parameter = n / samples;
      const double value = number_at(first, parameter);
      Philox generator = start;
      double result;
      if (kind == RandomKind::binomial) {
        const bool narrow = first.dtype == DType::float32;
        result = draw_binomial(start, static_cast<uint64_t>(n), value, number_at(call.in(3), parameter), narrow);
      } else {
        generator.skip(blocks_for_output * static_cast<uint64_t>(n));
        result = kind == RandomKind::gamma ? draw_gamma(generator, value) : draw_poisson(generator, value);
      }
      put_number(y, n % samples * parameters + parameter, result);
    }
  });
  return Status();
}

}  // namespace millstream
