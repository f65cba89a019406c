// Kernels `random_candidates` and `random_index_shuffle`, number for number TensorFlow's.
//
// random_candidates: classes int64 [b, t], key uint64 [1], counter uint64 [2], weights float32 [range or 0] -> sampled int64 [n],
//   expected counts of the classes float32 [b, t], of the sampled float32 [n]. Refuses classes outside [0, range).
//   attributes: kind, unique (0 or 1), range, origin, ordinal, seed, seed2
//   kind 0 uniform   1 log uniform   2 learned: by how often the calls with these last four attributes saw a class (origin -1:
//   by nothing)   3 fixed: by the weights   4 all: 0, 1 ... n - 1
// random_index_shuffle: index uint64 [n], seed uint32 [n, 3], most uint64 [n] -> uint64 [n]: where the element goes when
//   0 ... most are shuffled; attribute: rounds, an even number from 4 on. Refuses indices above most.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <new>
#include <unordered_set>
#include <vector>

#include "kernels/random_distribution.h"

namespace millstream {
namespace {

enum class Sampler : int64_t { uniform = 0, log_uniform = 1, learned = 2, fixed = 3, all = 4 };

// The words of a stream one by one, and what TensorFlow makes of them.
class Words {
 public:
  explicit Words(const Philox& generator) : generator_(generator) {}

  uint32_t next() {
    if (used_ == 4) block_ = generator_.next(), used_ = 0;
    return block_.word[used_++];
  }
  uint64_t next_long() {
    const uint64_t low = next();
    return low | static_cast<uint64_t>(next()) << 32;
  }
  double next_double() {
    const uint32_t high = next();
    return uniform_double(high, next());
  }

  // A number below n, all equally likely: words that would favour some are dropped.
  template <typename Word>
  Word below(Word n, Word (Words::*draw)()) {
    if ((n & (n - 1)) == 0) return (this->*draw)() & (n - 1);
    const Word least = static_cast<Word>(static_cast<Word>(~Word{0}) % n + 1);
    for (;;) {
      const Word word = (this->*draw)();
      if (word >= least) return word % n;
    }
  }

 private:
  Philox generator_;
  PhiloxBlock block_{};
  int used_ = 4;
};

// How often each class was seen, one more; by identity of the op. Sums over binary ranges find a class in few steps.
class Counts {
 public:
  explicit Counts(int64_t range) : counts_(static_cast<size_t>(range), 1), total_(range) {}
  uint32_t total() const { return static_cast<uint32_t>(total_); }
  int64_t of(int64_t value) const { return counts_[static_cast<size_t>(value)]; }
  void add(int64_t value) {
    if (total_ < INT32_MAX) ++counts_[static_cast<size_t>(value)], ++total_, sums_.clear();
  }
  int64_t pick(uint32_t place) {
    if (sums_.empty()) {
      int64_t sum = 0;
      for (const int64_t count : counts_) sums_.push_back(sum += count);
    }
    return std::upper_bound(sums_.begin(), sums_.end(), static_cast<int64_t>(place)) - sums_.begin();
  }

 private:
  std::vector<int64_t> counts_, sums_;
  int64_t total_;
};

using Identity = std::array<int64_t, 5>;
struct Learned {
  std::mutex mutex;
  std::map<Identity, Counts> counts;
};
Learned& learned() {
  static Learned* const instance = new Learned;  // never destroyed: threads may outlive static objects
  return *instance;
}

// Walker's method: each class shares its place with one other.
class Shares {
 public:
  explicit Shares(const Tensor& weights) {
    const float* weight = weights.as<const float>();
    const int64_t n = weights.dims[0];
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(weight[i]), total_ += weight[i];
    std::vector<double> share;
    std::vector<size_t> high, low;
    for (int64_t i = 0; i < n; ++i) {
      share.push_back(static_cast<double>(weight[i] * static_cast<float>(n)) / sum);
      (share.back() < 1 ? low : high).push_back(static_cast<size_t>(i));
    }
    other_.resize(static_cast<size_t>(n), -1);
    while (!high.empty() && !low.empty()) {
      const size_t l = low.back(), h = high.back();
      low.pop_back(), high.pop_back();
      other_[l] = static_cast<int64_t>(h);
      share[h] -= 1 - share[l];
      (share[h] < 1 ? low : high).push_back(h);
    }
    for (const double s : share) share_.push_back(static_cast<float>(s));
    for (const auto* rest : {&high, &low}) {
      for (const size_t i : *rest) share_[i] = 1, other_[i] = static_cast<int64_t>(i);
    }
  }
  float total() const { return total_; }
  int64_t pick(Words& words) const {
    const float place = uniform_float(words.next());
    const auto i = words.below<uint32_t>(static_cast<uint32_t>(share_.size()), &Words::next);
    return place < share_[i] ? i : other_[i];
  }

 private:
  std::vector<float> share_;
  std::vector<int64_t> other_;
  float total_ = 0;
};

Status check_candidates(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_candidates", 4, 3));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_candidates", 7));
  const int64_t kind = call.attributes[0], unique = call.attributes[1], range = call.attributes[2];
  const Tensor &classes = call.in(0), &key = call.in(1), &counter = call.in(2), &weights = call.in(3);
  const Tensor &sampled = call.out(0), &expected = call.out(1), &counts = call.out(2);
  MS_REQUIRE(key.dtype == DType::uint64 && key.count() == 1 && counter.dtype == DType::uint64 && counter.count() == 2,
             "random_candidates: give a key uint64 [1] and a counter uint64 [2].");
  MS_REQUIRE(kind >= 0 && kind <= 4 && (unique == 0 || unique == 1) && range > 0,
             "random_candidates: kind, unique or range is not allowed; range_max must be positive.");
  MS_REQUIRE(kind != 2 || range < INT32_MAX,
             "range_max must be less than 2147483647 for unigram samplers, got " + std::to_string(range));
  MS_REQUIRE(classes.dtype == DType::int64 && classes.rank == 2 && sampled.dtype == DType::int64 && sampled.rank == 1 &&
                 expected.dtype == DType::float32 && same_dims(classes, expected) && counts.dtype == DType::float32 &&
                 same_dims(counts, sampled),
             "random_candidates: given " + show(classes) + " for " + show(sampled) + ".");
  MS_REQUIRE(weights.dtype == DType::float32 && weights.rank == 1 && weights.dims[0] == (kind == 3 ? range : 0),
             "random_candidates: range is " + std::to_string(range) + ", which must be equal to weights size " +
                 std::to_string(weights.rank == 1 ? weights.dims[0] : 0));
  MS_REQUIRE(!unique || kind == 4 || sampled.dims[0] <= range, "Sampler's range is too small.");
  return Status();
}

// What is expected of a class of probability p when `tries` draws gave `count` of them.
float expected_count(float p, int64_t count, int64_t tries) {
  if (tries == count) return p * static_cast<float>(count);
  return -std::expm1(static_cast<float>(tries) * std::log1p(-p));
}

template <typename Draw, typename Probability>
void draw_candidates(const Call& call, Draw&& draw, Probability&& probability) {
  const Tensor &classes = call.in(0), &sampled = call.out(0);
  const int64_t n = sampled.dims[0];
  auto* to = sampled.as<int64_t>();
  int64_t tries = n;
  if (call.attributes[1]) {
    std::unordered_set<int64_t> used;
    tries = 0;
    for (int64_t i = 0; i < n; ++tries) {
      const int64_t value = draw();
      if (used.insert(value).second) to[i++] = value;
    }
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = draw();
  }
  for (int64_t i = 0; i < n; ++i) call.out(2).as<float>()[i] = expected_count(probability(to[i]), n, tries);
  for (int64_t i = 0; i < classes.count(); ++i)
    call.out(1).as<float>()[i] = expected_count(probability(classes.as<const int64_t>()[i]), n, tries);
}

Status run_candidates(const Call& call) try {
  const int64_t* a = call.attributes;
  const int64_t range = a[2];
  const Tensor& classes = call.in(0);
  for (int64_t i = 0; i < classes.count(); ++i) {
    const int64_t value = classes.as<const int64_t>()[i];
    MS_REQUIRE(value >= 0 && value < range,
               "`true_candidate` out of range [0, " + std::to_string(range) + "), received " + std::to_string(value));
  }
  Words words(philox_of(call.in(1), call.in(2)));
  switch (static_cast<Sampler>(a[0])) {
    case Sampler::uniform: {
      const auto p = static_cast<float>(1.0 / static_cast<double>(range));
      draw_candidates(
          call,
          [&] { return static_cast<int64_t>(words.below<uint64_t>(static_cast<uint64_t>(range), &Words::next_long)); },
          [p](int64_t) { return p; });
      break;
    }
    case Sampler::log_uniform: {
      const double width = std::log1p(static_cast<double>(range));
      draw_candidates(
          call, [&] { return (static_cast<int64_t>(std::exp(words.next_double() * width)) - 1) % range; },
          [width](int64_t value) {
            const auto v = static_cast<double>(value);
            return static_cast<float>(std::log((v + 2.0) / (v + 1.0)) / width);
          });
      break;
    }
    case Sampler::learned: {
      const std::lock_guard<std::mutex> lock(learned().mutex);
      const bool kept = a[3] >= 0;
      Counts fresh(kept ? 0 : range);
      Counts& counts =
          kept ? learned().counts.try_emplace(Identity{range, a[3], a[4], a[5], a[6]}, range).first->second : fresh;
      draw_candidates(
          call, [&] { return counts.pick(words.below<uint32_t>(counts.total(), &Words::next)); },
          [&](int64_t value) { return static_cast<float>(counts.of(value)) / static_cast<float>(counts.total()); });
      for (int64_t i = 0; i < classes.count(); ++i) counts.add(classes.as<const int64_t>()[i]);
      break;
    }
    case Sampler::fixed: {
      const Shares shares(call.in(3));
      const float* weight = call.in(3).as<const float>();
      draw_candidates(
          call, [&] { return shares.pick(words); }, [&](int64_t value) { return weight[value] / shares.total(); });
      break;
    }
    case Sampler::all:
      for (int64_t i = 0; i < call.out(0).dims[0]; ++i) call.out(0).as<int64_t>()[i] = i;
      std::fill_n(call.out(2).as<float>(), call.out(2).count(), 1.0f);
      std::fill_n(call.out(1).as<float>(), call.out(1).count(), 1.0f);
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("random_candidates", call.in(0));
}

// The Simon cipher with words of `width` bits; a few rounds are enough to shuffle.
class Cipher {
 public:
  Cipher(int width, const uint32_t* key, int64_t rounds) : width_(width), mask_((uint64_t{1} << width) - 1) {
    uint64_t pattern = 0x7369f885192c0ef5u & mask_;
    for (int i = 0; i < 3; ++i) keys_.push_back(key[i] & mask_);
    for (int64_t i = 3; i < rounds; ++i, pattern >>= 1) {
      const uint64_t last = keys_.back();
      keys_.push_back((0xfffffffcu & mask_) ^ (pattern & 1) ^ keys_[static_cast<size_t>(i) - 3] ^
                      turned(last, width_ - 3) ^ turned(last, width_ - 4));
    }
  }
  uint64_t operator()(uint64_t value) const {
    uint64_t left = value >> width_ & mask_, right = value & mask_;
    for (size_t i = 0; i < keys_.size(); i += 2) {
      left ^= mixed(right) ^ keys_[i];
      right ^= mixed(left) ^ keys_[i + 1];
    }
    return left << width_ | right;
  }

 private:
  uint64_t turned(uint64_t x, int by) const { return (x << by | x >> (width_ - by)) & mask_; }
  uint64_t mixed(uint64_t x) const { return (turned(x, 1) & turned(x, 8)) ^ turned(x, 2); }

  int width_;
  uint64_t mask_;
  std::vector<uint64_t> keys_;
};

Status check_index_shuffle(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "random_index_shuffle", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "random_index_shuffle", 1));
  const Tensor &index = call.in(0), &seed = call.in(1), &most = call.in(2), &y = call.out(0);
  MS_REQUIRE(call.attributes[0] >= 4 && call.attributes[0] <= 64 && call.attributes[0] % 2 == 0,
             "rounds must be >= 4 and even, got " + std::to_string(call.attributes[0]));
  MS_REQUIRE(index.dtype == DType::uint64 && index.rank == 1 && most.dtype == DType::uint64 && same_dims(index, most) &&
                 y.dtype == DType::uint64 && same_dims(index, y) && seed.dtype == DType::uint32 && seed.rank == 2 &&
                 seed.dims[0] == index.dims[0] && seed.dims[1] == 3,
             "random_index_shuffle: given " + show(index) + ", " + show(seed) + " and " + show(most) + " for " +
                 show(y) + ".");
  return Status();
}

Status run_index_shuffle(const Call& call) try {
  for (int64_t i = 0; i < call.in(0).dims[0]; ++i) {
    const uint64_t index = call.in(0).as<const uint64_t>()[i], most = call.in(2).as<const uint64_t>()[i];
    MS_REQUIRE(index <= most, "random_index_shuffle: index " + std::to_string(index) + " is above max_index " +
                                  std::to_string(most) + ".");
    uint64_t found = index;
    if (most > 0) {
      const int bits = static_cast<int>(std::ceil(std::log2(static_cast<double>(most))));
      const int block = std::min(64, std::max(bits + bits % 2, 16));
      const Cipher cipher(block / 2, call.in(1).as<const uint32_t>() + 3 * i, call.attributes[0]);
      do found = cipher(found);
      while (found > most);
    }
    call.out(0).as<uint64_t>()[i] = found;
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("random_index_shuffle", call.in(0));
}

const Kernel kernel_random_candidates{"random_candidates", check_candidates, run_candidates};
const Kernel kernel_random_index_shuffle{"random_index_shuffle", check_index_shuffle, run_index_shuffle};

}  // namespace

void forget_learned_candidates() {
  const std::lock_guard<std::mutex> lock(learned().mutex);
  learned().counts.clear();
}

void register_random_candidates(Registry& registry) {
  registry.add(kernel_random_candidates);
  registry.add(kernel_random_index_shuffle);
}

}  // namespace millstream
