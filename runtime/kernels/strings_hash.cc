// Kernels that hash strings to 64 bits, as TensorFlow does. They refuse everything but strings. (`text_fingerprint` is in text.cc.)
//
// text_keyed_hash: x string -> uint64 of the same sizes: SipHash-2-4; attributes: the two words of its key.
// text_older_hash: x string -> uint64 of the same sizes: MurmurHash64A of seed 0xDECAFCAFFE. No attributes.
#include <bit>
#include <cstring>

#include "kernels/strings.h"

namespace millstream {
namespace {

uint64_t fetch64(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

uint64_t byte(std::string_view text, size_t at) { return static_cast<unsigned char>(text[at]); }
uint64_t shift_mix(uint64_t x) { return x ^ (x >> 47); }

uint64_t sip(std::string_view text, uint64_t key0, uint64_t key1) {
  uint64_t v0 = key0 ^ 0x736f6d6570736575u, v1 = key1 ^ 0x646f72616e646f6du;
  uint64_t v2 = key0 ^ 0x6c7967656e657261u, v3 = key1 ^ 0x7465646279746573u;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto take = [&](uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  const size_t whole = text.size() / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) take(fetch64(text.data() + i));
  uint64_t last = static_cast<uint64_t>(text.size()) << 56;
  for (size_t i = whole; i < text.size(); ++i) last |= byte(text, i) << (8 * (i - whole));
  take(last);
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

uint64_t murmur(std::string_view text) {
  constexpr uint64_t factor = 0xc6a4a7935bd1e995u;
  uint64_t h = 0xDECAFCAFFEu ^ (text.size() * factor);
  const size_t whole = text.size() / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    uint64_t k = fetch64(text.data() + i) * factor;
    k = (k ^ (k >> 47)) * factor;
    h = (h ^ k) * factor;
  }
  if (whole < text.size()) {
    uint64_t rest = 0;
    for (size_t i = whole; i < text.size(); ++i) rest |= byte(text, i) << (8 * (i - whole));
    h = (h ^ rest) * factor;
  }
  return shift_mix(shift_mix(h) * factor);
}

Status check_keyed(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_keyed_hash", "s", "t", 2));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)) && call.out(0).dtype == DType::uint64,
             "text_keyed_hash: " + show(call.in(0)) + " does not give " + show(call.out(0)) + ".");
  return Status();
}

Status run_keyed(const Call& call) {
  const Strings x(call.in(0));
  const auto key0 = static_cast<uint64_t>(call.attributes[0]), key1 = static_cast<uint64_t>(call.attributes[1]);
  for (int64_t i = 0; i < call.in(0).count(); ++i) call.out(0).as<uint64_t>()[i] = sip(x[i], key0, key1);
  return Status();
}

Status check_older(const Call& call) {
  MS_RETURN_IF_ERROR(check_letters(call, "text_older_hash", "s", "t", 0));
  MS_REQUIRE(same_dims(call.in(0), call.out(0)) && call.out(0).dtype == DType::uint64,
             "text_older_hash: " + show(call.in(0)) + " does not give " + show(call.out(0)) + ".");
  return Status();
}

Status run_older(const Call& call) {
  const Strings x(call.in(0));
  for (int64_t i = 0; i < call.in(0).count(); ++i) call.out(0).as<uint64_t>()[i] = murmur(x[i]);
  return Status();
}

const Kernel kernel_keyed{"text_keyed_hash", check_keyed, run_keyed};
const Kernel kernel_older{"text_older_hash", check_older, run_older};

}  // namespace

void register_strings_hash(Registry& registry) {
  registry.add(kernel_keyed);
  registry.add(kernel_older);
}

}  // namespace millstream
