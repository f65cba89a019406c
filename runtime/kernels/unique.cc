// Kernel `unique`. Refuses inputs that are not 1-D, complex numbers and handles.
//
// unique: x [n] -> values [m] in the order of first appearance, index int32 or int64 [n] (where each element of x is in values),
//   optional third output counts [m] of index's type. No attributes. All outputs are given whole: mark values and counts binding.
//   NaN equals nothing, -0 equals 0. Element types: bool, integers, floats, string.
#include <bit>
#include <new>
#include <string_view>
#include <vector>

#include "kernels/elementwise_types.h"
#include "kernels/operands.h"
#include "kernels/strings_move.h"
#include "memory/objects.h"

namespace millstream {
namespace {

Status check_unique(const Call& call) {
  MS_REQUIRE(call.input_count == 1 && call.has(0) && (call.output_count == 2 || call.output_count == 3),
             "unique: takes one input and gives two or three outputs.");
  MS_RETURN_IF_ERROR(check_tensor(call.in(0), "unique"));
  MS_RETURN_IF_ERROR(check_attributes(call, "unique", 0));
  const Tensor& x = call.in(0);
  MS_REQUIRE(x.rank == 1, "unique expects a 1D vector, got " + show(x) + ".");
  MS_REQUIRE(moved_bytes(x.dtype) > 0 && !is_complex(x.dtype), "unique: cannot compare " + show(x) + ".");
  const DType index = call.out(1).dtype;
  MS_REQUIRE(call.out(0).dtype == x.dtype && (index == DType::int32 || index == DType::int64) &&
                 (call.output_count == 2 || call.out(2).dtype == index) &&
                 (index == DType::int64 || x.dims[0] <= INT32_MAX),
             "unique: " + show(x) + " does not give outputs of these types.");
  for (int i = 0; i < call.output_count; ++i) MS_REQUIRE(call.out(i).rank == 1, "unique: all outputs are 1-D.");
  return Status();
}

constexpr uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
  return x ^ (x >> 32);
}

// Elements as 64 bits that are equal where they are; `nan` says where nothing is.
uint64_t bits_at(const Tensor& x, int64_t i, bool& nan) {
  nan = false;
  switch (element_bytes(x.dtype)) {
    case 1: {
      const uint8_t bits = x.as<const uint8_t>()[i];
      return bits;
    }
    case 2: {
      const uint16_t bits = x.as<const uint16_t>()[i];
      if (!is_floating(x.dtype)) return bits;
      const float value = x.dtype == DType::float16 ? float_of_half(bits) : float_of_bfloat16(bits);
      nan = value != value;
      return value == 0.0f ? 0 : bits;
    }
    case 4: {
      const uint32_t bits = x.as<const uint32_t>()[i];
      if (!is_floating(x.dtype)) return bits;
      nan = (bits & 0x7fffffffu) > 0x7f800000u;
      return bits == 0x80000000u ? 0 : bits;
    }
    default: {
      const uint64_t bits = x.as<const uint64_t>()[i];
      if (!is_floating(x.dtype)) return bits;
      nan = (bits << 1) > (uint64_t{0x7ff} << 53);
      return bits == uint64_t{1} << 63 ? 0 : bits;
    }
  }
}

// Numbers the elements by first appearance. hash(i, alone) sets `alone` where element i equals nothing, not even itself.
template <typename Hash, typename Equal>
void number(int64_t count, Hash&& hash, Equal&& equal, std::vector<int64_t>& first, std::vector<int64_t>& index) {
  const auto slots = std::bit_ceil(static_cast<uint64_t>(count) * 2 + 2);
  std::vector<int64_t> table(slots, -1);
  for (int64_t i = 0; i < count; ++i) {
    bool alone = false;
    uint64_t slot = hash(i, alone) & (slots - 1);
    while (!alone && table[slot] >= 0 && !equal(first[static_cast<size_t>(table[slot])], i))
      slot = (slot + 1) & (slots - 1);
    if (alone || table[slot] < 0) {
      if (!alone) table[slot] = static_cast<int64_t>(first.size());
      index[static_cast<size_t>(i)] = static_cast<int64_t>(first.size());
      first.push_back(i);
    } else {
      index[static_cast<size_t>(i)] = table[slot];
    }
  }
}

void put_numbers(Tensor& out, const std::vector<int64_t>& numbers) {
  out.dims[0] = static_cast<int64_t>(numbers.size());
  allocate_data(out);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (out.dtype == DType::int32) {
      out.as<int32_t>()[i] = static_cast<int32_t>(numbers[i]);
    } else {
      out.as<int64_t>()[i] = numbers[i];
    }
  }
}

Status run_unique(const Call& call) try {
  const Tensor& x = call.in(0);
  Tensor& values = call.out(0);
  const int64_t count = x.dims[0];
  std::vector<int64_t> first, index(static_cast<size_t>(count));
  values.rank = 1;
  if (x.dtype == DType::string) {
    const auto* offsets = x.as<const int64_t>();
    const char* bytes = reinterpret_cast<const char*>(offsets + count + 1);
    const auto text = [&](int64_t i) {
      return std::string_view(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
    };
    number(
        count, [&](int64_t i, bool&) { return mixed(std::hash<std::string_view>()(text(i))); },
        [&](int64_t i, int64_t j) { return text(i) == text(j); }, first, index);
    values.dims[0] = static_cast<int64_t>(first.size());
    const Tensor* source = &x;
    MS_RETURN_IF_ERROR(take_strings(values, {&source, 1}, first.data()));
  } else {
    bool nan;
    number(
        count, [&](int64_t i, bool& alone) { return mixed(bits_at(x, i, alone)); },
        [&](int64_t i, int64_t j) { return bits_at(x, i, nan) == bits_at(x, j, nan); }, first, index);
    values.dims[0] = static_cast<int64_t>(first.size());
    allocate_data(values);
    const size_t width = element_bytes(x.dtype);
    for (size_t i = 0; i < first.size(); ++i) {
      std::memcpy(values.as<char>() + i * width, x.as<const char>() + static_cast<size_t>(first[i]) * width, width);
    }
  }
  put_numbers(call.out(1), index);
  if (call.output_count == 3) {
    std::vector<int64_t> counts(first.size(), 0);
    for (int64_t i : index) ++counts[static_cast<size_t>(i)];
    put_numbers(call.out(2), counts);
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("unique", call.in(0));
}

const Kernel kernel_unique{"unique", check_unique, run_unique, nullptr, true};

}  // namespace

void register_unique(Registry& registry) { registry.add(kernel_unique); }

}  // namespace millstream
