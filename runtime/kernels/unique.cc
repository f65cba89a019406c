// Kernel `unique`. Refuses inputs that are not 1-D, complex numbers and handles.
//
// unique: x [n] -> values [m] in the order of first appearance, index int32 or int64 [n] (where each element of x is in values),
//   optional third output counts [m] of index's type. No attributes. All outputs are given whole: mark values and counts binding.
//   NaN equals nothing, -0 equals 0. Element types: bool, integers, floats, string.
#include <algorithm>
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

// An element as 64 bits that are equal where elements are; `alone` says that it is NaN, which equals nothing.
template <typename Bits>
uint64_t key_of(Bits bits, DType dtype, bool& alone) {
  constexpr int mantissa = sizeof(Bits) == 8 ? 52 : sizeof(Bits) == 4 ? 23 : 7;
  if (sizeof(Bits) == 1 || !is_floating(dtype)) return bits;
  const int digits = dtype == DType::float16 ? 10 : mantissa;
  const auto size = static_cast<Bits>(bits << 1), infinity = static_cast<Bits>(static_cast<Bits>(-1) << (digits + 1));
  alone = size > infinity;
  return size == 0 ? 0 : bits;
}

// Numbers elements by first appearance. The table grows with what is found: few values among many elements stay in the cache.
class Numbering {
 public:
  explicit Numbering(std::vector<int64_t>& first) : first_(first), slots_(64) {}

  // `same(j)` says whether element j, of an equal key, equals this one.
  template <typename Same>
  int64_t add(int64_t element, uint64_t key, bool alone, Same&& same) {
    if (alone) return fresh(element);
    const uint64_t mask = slots_.size() - 1;
    uint64_t at = mixed(key) & mask;
    for (; slots_[at].number >= 0; at = (at + 1) & mask) {
      if (slots_[at].key == key && same(first_[static_cast<size_t>(slots_[at].number)])) return slots_[at].number;
    }
    slots_[at] = {key, static_cast<int64_t>(first_.size())};
    if (++used_ * 2 > slots_.size()) grow();
    return fresh(element);
  }

 private:
  struct Slot {
    uint64_t key = 0;
    int64_t number = -1;
  };

  int64_t fresh(int64_t element) {
    first_.push_back(element);
    return static_cast<int64_t>(first_.size()) - 1;
  }

  void grow() {
    std::vector<Slot> wider(slots_.size() * 4);
    for (const Slot& slot : slots_) {
      if (slot.number < 0) continue;
      uint64_t at = mixed(slot.key) & (wider.size() - 1);
      while (wider[at].number >= 0) at = (at + 1) & (wider.size() - 1);
      wider[at] = slot;
    }
    slots_.swap(wider);
  }

  std::vector<int64_t>& first_;
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

template <typename Bits, typename Index>
void number_bits(const Tensor& x, std::vector<int64_t>& first, Index* index) {
  Numbering numbering(first);
  const auto* bits = x.as<const Bits>();
  const int64_t count = x.dims[0];
  for (int64_t i = 0; i < count; ++i) {
    bool alone = false;
    const uint64_t key = key_of(bits[i], x.dtype, alone);
    index[i] = static_cast<Index>(numbering.add(i, key, alone, [](int64_t) { return true; }));
  }
}

template <typename Index>
Status number_elements(const Call& call, std::vector<int64_t>& first) {
  const Tensor& x = call.in(0);
  Tensor &values = call.out(0), &index = call.out(1);
  const int64_t count = x.dims[0];
  index.dims[0] = count;
  allocate_data(index);
  auto* to = index.as<Index>();
  values.rank = 1;
  if (x.dtype == DType::string) {
    const auto* offsets = x.as<const int64_t>();
    const char* bytes = reinterpret_cast<const char*>(offsets + count + 1);
    const auto text = [&](int64_t i) {
      return std::string_view(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
    };
    Numbering numbering(first);
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view own = text(i);
      const auto same = [&](int64_t j) { return text(j) == own; };
      to[i] = static_cast<Index>(numbering.add(i, std::hash<std::string_view>()(own), false, same));
    }
    values.dims[0] = static_cast<int64_t>(first.size());
    const Tensor* source = &x;
    return take_strings(values, {&source, 1}, first.data());
  }
  const size_t width = element_bytes(x.dtype);
  switch (width) {
    case 1:
      number_bits<uint8_t>(x, first, to);
      break;
    case 2:
      number_bits<uint16_t>(x, first, to);
      break;
    case 4:
      number_bits<uint32_t>(x, first, to);
      break;
    default:
      number_bits<uint64_t>(x, first, to);
      break;
  }
  values.dims[0] = static_cast<int64_t>(first.size());
  allocate_data(values);
  for (size_t i = 0; i < first.size(); ++i) {
    std::memcpy(values.as<char>() + i * width, x.as<const char>() + static_cast<size_t>(first[i]) * width, width);
  }
  return Status();
}

template <typename Index>
Status run_typed(const Call& call) {
  std::vector<int64_t> first;
  MS_RETURN_IF_ERROR(number_elements<Index>(call, first));
  if (call.output_count < 3) return Status();
  Tensor& counts = call.out(2);
  counts.dims[0] = static_cast<int64_t>(first.size());
  allocate_data(counts);
  auto* to = counts.as<Index>();
  std::fill_n(to, first.size(), Index(0));
  const auto* index = call.out(1).as<const Index>();
  for (int64_t i = 0; i < call.in(0).dims[0]; ++i) ++to[index[i]];
  return Status();
}

Status run_unique(const Call& call) try {
  return call.out(1).dtype == DType::int32 ? run_typed<int32_t>(call) : run_typed<int64_t>(call);
} catch (const std::bad_alloc&) {
  return out_of_memory("unique", call.in(0));
}

const Kernel kernel_unique{"unique", check_unique, run_unique, nullptr, true};

}  // namespace

void register_unique(Registry& registry) { registry.add(kernel_unique); }

}  // namespace millstream
