// Kernels of text. They refuse element types other than those said, and unequal sizes.
//
// text_fingerprint: x string -> y uint64 of its sizes: FarmHash's Fingerprint64 of each string. No attributes.
// bytes_fingerprint: x uint8 [n, k] -> y uint64 [n]: that of each row's bytes. No attributes.
// text_of_integer: x int64 -> y string of its sizes: each number in decimal digits. No attributes.
// text_join: x1 … xk string of one size, separator string scalar -> y string: the strings with the separator between. No
//   attributes; k >= 1.
#include <charconv>
#include <new>
#include <string_view>
#include <utility>

#include "kernels/operands.h"

namespace millstream {
namespace {

std::string_view text_at(const Tensor& x, int64_t i) {
  const auto* offsets = x.as<const int64_t>();
  const char* bytes = reinterpret_cast<const char*>(offsets + x.count() + 1);
  return std::string_view(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
}

// Gives `out` its strings: length(i) says how long string i is, write(i, bytes) writes it.
template <typename Length, typename Write>
Status put_texts(Tensor& out, Length&& length, Write&& write) {
  const int64_t count = out.count();
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += length(i);
  const size_t header = static_cast<size_t>(count + 1) * sizeof(int64_t);
  auto buffer = Buffer::allocate(header + static_cast<size_t>(total));
  auto* offsets = static_cast<int64_t*>(buffer->data());
  char* bytes = static_cast<char*>(buffer->data()) + header;
  offsets[0] = 0;
  for (int64_t i = 0; i < count; ++i) {
    write(i, bytes + offsets[i]);
    offsets[i + 1] = offsets[i] + length(i);
  }
  out.data = buffer->data();
  out.buffer = std::move(buffer);
  return Status();
}

Status check_one(const Call& call, const char* name, DType from, DType to) {
  MS_RETURN_IF_ERROR(check_operands(call, name, 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, name, 0));
  MS_REQUIRE(call.in(0).dtype == from && call.out(0).dtype == to && same_dims(call.in(0), call.out(0)),
             std::string(name) + ": " + show(call.in(0)) + " does not give " + show(call.out(0)) + ".");
  return Status();
}

constexpr uint64_t k0 = 0xc3a5c85c97cb3127u, k1 = 0xb492b66fbe98f273u, k2 = 0x9ae16a3b2f90404fu;

struct Words {
  uint64_t first = 0, second = 0;
};

template <typename Word = uint64_t>
uint64_t word(const char* text) {
  Word value;
  std::memcpy(&value, text, sizeof value);
  return value;
}

uint64_t turned(uint64_t x, int by) { return x >> by | x << (64 - by); }

uint64_t shifted(uint64_t x) { return x ^ x >> 47; }

uint64_t mixed(uint64_t u, uint64_t v, uint64_t factor) {
  const uint64_t a = shifted((u ^ v) * factor), b = shifted((v ^ a) * factor);
  return b * factor;
}

uint64_t hash_short(const char* s, size_t n) {
  const uint64_t factor = k2 + n * 2;
  if (n >= 8) {
    const uint64_t a = word(s) + k2, b = word(s + n - 8);
    return mixed(turned(b, 37) * factor + a, (turned(a, 25) + b) * factor, factor);
  }
  if (n >= 4) return mixed(n + (word<uint32_t>(s) << 3), word<uint32_t>(s + n - 4), factor);
  if (n == 0) return k2;
  const uint64_t y = word<uint8_t>(s) + (word<uint8_t>(s + n / 2) << 8), z = n + (word<uint8_t>(s + n - 1) << 2);
  return shifted((y * k2) ^ (z * k0)) * k2;
}

uint64_t hash_middle(const char* s, size_t n) {
  const uint64_t factor = k2 + n * 2;
  const uint64_t a = word(s) * (n <= 32 ? k1 : k2), b = word(s + 8), c = word(s + n - 8) * factor,
                 d = word(s + n - 16) * k2;
  const uint64_t y = turned(a + b, 43) + turned(c, 30) + d, z = mixed(y, a + turned(b + k2, 18) + c, factor);
  if (n <= 32) return z;
  const uint64_t e = word(s + 16) * factor, f = word(s + 24), g = (y + word(s + n - 32)) * factor,
                 h = (z + word(s + n - 24)) * factor;
  return mixed(turned(e + f, 43) + turned(g, 30) + h, e + turned(f + a, 18) + g, factor);
}

Words weak(const char* s, uint64_t a, uint64_t b) {
  a += word(s);
  b = turned(b + a + word(s + 24), 21);
  const uint64_t before = a;
  a += word(s + 8) + word(s + 16);
  b += turned(a, 44);
  return {a + word(s + 24), b + before};
}

struct Fold {
  uint64_t x, y, z;
  Words v, w;

  void take(const char* s, uint64_t factor, uint64_t nine) {
    x = turned(x + y + v.first + word(s + 8), 37) * factor;
    y = turned(y + v.second + word(s + 48), 42) * factor;
    x ^= w.second * nine;
    y += v.first * nine + word(s + 40);
    z = turned(z + w.first, 33) * factor;
    v = weak(s, v.second * factor, x + w.first);
    w = weak(s + 32, z + w.second, y + word(s + 16));
    std::swap(x, z);
  }
};

uint64_t fingerprint(std::string_view text) {
  const size_t n = text.size();
  const char* s = text.data();
  if (n <= 16) return hash_short(s, n);
  if (n <= 64) return hash_middle(s, n);
  Fold state{81 * k2 + word(s), 81 * k1 + 113, 0, {}, {}};
  state.z = shifted(state.y * k2 + 113) * k2;
  for (size_t at = 0; at < (n - 1) / 64 * 64; at += 64) state.take(s + at, k1, 1);
  const uint64_t factor = k1 + ((state.z & 0xff) << 1);
  state.w.first += (n - 1) & 63;
  state.v.first += state.w.first;
  state.w.first += state.v.first;
  state.take(s + n - 64, factor, 9);
  return mixed(mixed(state.v.first, state.w.first, factor) + shifted(state.y) * k0 + state.z,
               mixed(state.v.second, state.w.second, factor) + state.x, factor);
}

Status check_fingerprint(const Call& call) { return check_one(call, "text_fingerprint", DType::string, DType::uint64); }

Status run_fingerprint(const Call& call) {
  const Tensor& x = call.in(0);
  auto* y = call.out(0).as<uint64_t>();
  parallel_for(x.count(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = fingerprint(text_at(x, i));
  });
  return Status();
}

Status check_of_integer(const Call& call) { return check_one(call, "text_of_integer", DType::int64, DType::string); }

struct Digits {
  char bytes[24];
  int64_t length;

  explicit Digits(int64_t number) : length(std::to_chars(bytes, bytes + sizeof bytes, number).ptr - bytes) {}
};

Status run_of_integer(const Call& call) try {
  const auto* x = call.in(0).as<const int64_t>();
  return put_texts(
      call.out(0), [&](int64_t i) { return Digits(x[i]).length; },
      [&](int64_t i, char* bytes) {
        const Digits digits(x[i]);
        std::memcpy(bytes, digits.bytes, static_cast<size_t>(digits.length));
      });
} catch (const std::bad_alloc&) {
  return out_of_memory("text_of_integer", call.out(0));
}

Status check_join(const Call& call) {
  const int count = call.input_count;
  MS_REQUIRE(count >= 2, "text_join: takes one or more strings and a separator.");
  MS_RETURN_IF_ERROR(check_operands(call, "text_join", count, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "text_join", 0));
  for (int i = 0; i < count; ++i) {
    const bool separator = i == count - 1;
    MS_REQUIRE(
        call.in(i).dtype == DType::string && (separator ? call.in(i).rank == 0 : same_dims(call.in(i), call.out(0))),
        "text_join: input " + std::to_string(i) + ", " + show(call.in(i)) + ", does not fit " + show(call.out(0)) +
            ".");
  }
  MS_REQUIRE(call.out(0).dtype == DType::string, "text_join: gives strings.");
  return Status();
}

Status run_join(const Call& call) try {
  const int count = call.input_count - 1;
  const std::string_view separator = text_at(call.in(count), 0);
  const auto length = [&](int64_t i) {
    auto total = static_cast<int64_t>(separator.size()) * (count - 1);
    for (int k = 0; k < count; ++k) total += static_cast<int64_t>(text_at(call.in(k), i).size());
    return total;
  };
  return put_texts(call.out(0), length, [&](int64_t i, char* bytes) {
    for (int k = 0; k < count; ++k) {
      if (k) bytes += separator.copy(bytes, separator.size());
      const std::string_view text = text_at(call.in(k), i);
      bytes += text.copy(bytes, text.size());
    }
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("text_join", call.out(0));
}

Status check_bytes_fingerprint(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "bytes_fingerprint", 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "bytes_fingerprint", 0));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(
      x.dtype == DType::uint8 && x.rank == 2 && y.dtype == DType::uint64 && y.rank == 1 && y.dims[0] == x.dims[0],
      "bytes_fingerprint: given " + show(x) + " for " + show(y) + "; takes uint8 [n, k], gives uint64 [n].");
  return Status();
}

Status run_bytes_fingerprint(const Call& call) {
  const Tensor& x = call.in(0);
  const auto width = static_cast<size_t>(x.dims[1]);
  for (int64_t i = 0; i < x.dims[0]; ++i)
    call.out(0).as<uint64_t>()[i] = fingerprint({x.as<const char>() + i * x.dims[1], width});
  return Status();
}

const Kernel kernel_fingerprint{"text_fingerprint", check_fingerprint, run_fingerprint};
const Kernel kernel_bytes_fingerprint{"bytes_fingerprint", check_bytes_fingerprint, run_bytes_fingerprint};
const Kernel kernel_of_integer{"text_of_integer", check_of_integer, run_of_integer};
const Kernel kernel_join{"text_join", check_join, run_join};

}  // namespace

void register_text(Registry& registry) {
  registry.add(kernel_fingerprint);
  registry.add(kernel_bytes_fingerprint);
  registry.add(kernel_of_integer);
  registry.add(kernel_join);
}

}  // namespace millstream
