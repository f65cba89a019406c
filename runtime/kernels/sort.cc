// Kernels `sort`, `top_k` and `search_sorted`. They refuse element types without an order and axes of 2^31 elements or more.
//
// sort: x -> values (x's sizes), indices int32 (x's sizes); attributes: axis, descending, stable. Equal elements keep their order
//   in either direction, whether stable is asked or not. NaN counts as the largest, -0 equals 0.
// top_k: x [..., n] -> values [..., k], indices int16, int32 or int64 [..., k], k <= n; attributes: sorted. Largest first, of
//   equal ones the lower index first, also where sorted is 0.
// search_sorted: x [rows, n] (ascending), values [rows, m] -> int32 or int64 [rows, m]; attributes: right: 0 the first place that
//   keeps the order (LowerBound), 1 the last (UpperBound).
// Element types: bool, integers of 8 to 64 bits, half, bfloat16, float32, float64.
#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/operands.h"
#include "kernels/sort_keys.h"

namespace millstream {
namespace {

// A key and where it came from. All pairs differ, so that any sort of them is stable.
struct WideItem {
  uint64_t key;
  uint32_t index;
  bool operator<(const WideItem& other) const { return key != other.key ? key < other.key : index < other.index; }
};

using NarrowItem = uint64_t;  // key above, index below

inline uint32_t index_of(const WideItem& item) { return item.index; }
inline uint32_t index_of(NarrowItem item) { return static_cast<uint32_t>(item); }

inline uint64_t key_of(const WideItem& item) { return item.key; }
inline uint64_t key_of(NarrowItem item) { return item >> 32; }

template <typename Item>
struct Workspace {
  std::vector<std::conditional_t<std::is_same_v<Item, WideItem>, uint64_t, uint32_t>> keys;
  std::vector<Item> items, spare;
};

// Items lie in the order of their indices: sorting by digits from the lowest keeps equal keys in that order.
template <typename Item>
void sort_by_digits(std::vector<Item>& items, std::vector<Item>& spare) {
  constexpr int digits = std::is_same_v<Item, WideItem> ? 8 : 4;
  const size_t count = items.size();
  std::vector<std::array<uint32_t, 256>> counts(digits);
  for (const Item& item : items) {
    for (int digit = 0; digit < digits; ++digit)
      ++counts[static_cast<size_t>(digit)][key_of(item) >> (8 * digit) & 0xff];
  }
  spare.resize(count);
  for (int digit = 0; digit < digits; ++digit) {
    auto& starts = counts[static_cast<size_t>(digit)];
    if (starts[key_of(items[0]) >> (8 * digit) & 0xff] == count) continue;  // the same everywhere
    uint32_t at = 0;
    for (uint32_t& start : starts) at += std::exchange(start, at);
    for (const Item& item : items) spare[starts[key_of(item) >> (8 * digit) & 0xff]++] = item;
    items.swap(spare);
  }
}

// The first `wanted` items in order, by insertion: for few of many.
template <typename Item>
void keep_least(std::vector<Item>& items, int64_t wanted) {
  const auto middle = items.begin() + wanted;
  std::sort(items.begin(), middle);
  for (auto item = middle; item != items.end(); ++item) {
    if (!(*item < *(middle - 1))) continue;
    const Item kept = *item;
    auto place = middle - 1;
    for (; place != items.begin() && kept < *(place - 1); --place) *place = *(place - 1);
    *place = kept;
  }
}

constexpr int64_t few = 32;
constexpr size_t many = 512;

// Sorts the first `wanted` of `count` elements to the front; visit(position, index).
template <typename Item, typename F>
void order(Workspace<Item>& work, const Tensor& x, int64_t first, int64_t step, int64_t count, int64_t wanted,
           bool descending, F&& visit) {
  if (wanted == 0) return;
  const auto n = static_cast<size_t>(count);
  work.keys.resize(n);
  work.items.resize(n);
  sort_keys(x, first, step, count, descending, work.keys.data());
  for (size_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<Item, WideItem>) {
      work.items[i] = {work.keys[i], static_cast<uint32_t>(i)};
    } else {
      work.items[i] = static_cast<uint64_t>(work.keys[i]) << 32 | i;
    }
  }
  auto& items = work.items;
  const auto middle = items.begin() + wanted;
  if (wanted < count && wanted <= few) {
    keep_least(items, wanted);
  } else if (wanted == count && n >= many) {
    sort_by_digits(items, work.spare);
  } else {
    if (wanted < count) std::nth_element(items.begin(), middle - 1, items.end());
    std::sort(items.begin(), middle);
  }
  for (int64_t i = 0; i < wanted; ++i) visit(i, index_of(items[static_cast<size_t>(i)]));
}

// Calls visit with an item of the kind that x's keys need.
template <typename F>
void with_item(const Tensor& x, F&& visit) {
  if (sort_key_bytes(x.dtype) == 4) {
    visit(NarrowItem{});
  } else {
    visit(WideItem{});
  }
}

void copy_element(const Tensor& to, int64_t to_at, const Tensor& from, int64_t from_at, size_t width) {
  std::memcpy(to.as<char>() + static_cast<size_t>(to_at) * width,
              from.as<const char>() + static_cast<size_t>(from_at) * width, width);
}

int64_t rows_for_thread(int64_t count) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(count, 1)); }

Status check_sort(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "sort", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "sort", 3));
  const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
  MS_REQUIRE(sort_key_bytes(x.dtype) > 0, "sort: " + show(x) + " has no order; give real numbers.");
  MS_REQUIRE(values.dtype == x.dtype && indices.dtype == DType::int32 && same_dims(x, values) && same_dims(x, indices),
             "sort: " + show(x) + " does not give " + show(values) + " and " + show(indices) + ".");
  const int64_t axis = call.attributes[0];
  MS_REQUIRE(
      axis >= 0 && axis < x.rank && x.dims[axis] <= INT32_MAX,
      "sort: axis " + std::to_string(axis) + " of " + show(x) + " is out of range, or has 2^31 elements or more.");
  return Status();
}

Status run_sort(const Call& call) {
  const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
  MS_REQUIRE(x.count() == 0 || (x.data != values.data && x.data != indices.data),
             "sort: the outputs must not share the bytes of the input.");
  const int axis = static_cast<int>(call.attributes[0]);
  const int64_t count = x.dims[axis], inner = product(x.dims, axis + 1, x.rank),
                rows = product(x.dims, 0, axis) * inner;
  const size_t width = element_bytes(x.dtype);
  with_item(x, [&](auto item) {
    parallel_for(rows, rows_for_thread(count), [&](int64_t begin, int64_t end) {
      Workspace<decltype(item)> work;
      for (int64_t row = begin; row < end; ++row) {
        const int64_t first = row / inner * inner * count + row % inner;
        order(work, x, first, inner, count, count, call.attributes[1] != 0, [&](int64_t at, uint32_t index) {
          copy_element(values, first + at * inner, x, first + index * inner, width);
          indices.as<int32_t>()[first + at * inner] = static_cast<int32_t>(index);
        });
      }
    });
  });
  return Status();
}

Status check_top_k(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "top_k", 1, 2));
  MS_RETURN_IF_ERROR(check_attributes(call, "top_k", 1));
  const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
  MS_REQUIRE(sort_key_bytes(x.dtype) > 0, "top_k: " + show(x) + " has no order; give real numbers.");
  MS_REQUIRE(x.rank >= 1, "input must be >= 1-D, got shape " + show_dims(x.dims, x.rank));
  const int last = x.rank - 1;
  bool fits = values.dtype == x.dtype && is_index(indices.dtype) && values.rank == x.rank && same_dims(values, indices);
  for (int i = 0; fits && i < last; ++i) fits = values.dims[i] == x.dims[i];
  MS_REQUIRE(fits && x.dims[last] <= (indices.dtype == DType::int16 ? INT16_MAX : INT32_MAX),
             "top_k: " + show(x) + " does not give " + show(values) + " and " + show(indices) + ".");
  MS_REQUIRE(values.dims[last] <= x.dims[last], "input must have at least k columns. Had " +
                                                    std::to_string(x.dims[last]) + ", needed " +
                                                    std::to_string(values.dims[last]));
  return Status();
}

void put_index(const Tensor& indices, int64_t at, int64_t index) {
  switch (indices.dtype) {
    case DType::int16:
      indices.as<int16_t>()[at] = static_cast<int16_t>(index);
      return;
    case DType::int32:
      indices.as<int32_t>()[at] = static_cast<int32_t>(index);
      return;
    default:
      indices.as<int64_t>()[at] = index;
  }
}

Status run_top_k(const Call& call) {
  const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
  MS_REQUIRE(values.count() == 0 || (x.data != values.data && x.data != indices.data),
             "top_k: the outputs must not share the bytes of the input.");
  const int64_t count = x.dims[x.rank - 1], wanted = values.dims[x.rank - 1], rows = product(x.dims, 0, x.rank - 1);
  const size_t width = element_bytes(x.dtype);
  with_item(x, [&](auto item) {
    parallel_for(rows, rows_for_thread(count), [&](int64_t begin, int64_t end) {
      Workspace<decltype(item)> work;
      for (int64_t row = begin; row < end; ++row) {
        order(work, x, row * count, 1, count, wanted, true, [&](int64_t at, uint32_t index) {
          copy_element(values, row * wanted + at, x, row * count + index, width);
          put_index(indices, row * wanted + at, index);
        });
      }
    });
  });
  return Status();
}

Status check_search_sorted(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "search_sorted", 2, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "search_sorted", 1));
  const Tensor &x = call.in(0), &values = call.in(1), &y = call.out(0);
  MS_REQUIRE(x.dtype == values.dtype && sort_key_bytes(x.dtype) > 0 && x.rank == 2 && values.rank == 2 &&
                 x.dims[0] == values.dims[0] && same_dims(values, y) &&
                 (y.dtype == DType::int32 || y.dtype == DType::int64) && x.dims[1] <= INT32_MAX,
             "search_sorted: given " + show(x) + " and " + show(values) + " for " + show(y) +
                 "; the leading sizes must be equal.");
  return Status();
}

template <typename K>
void search_rows(const Call& call) {
  const Tensor &x = call.in(0), &values = call.in(1), &y = call.out(0);
  const int64_t count = x.dims[1], each = values.dims[1];
  const bool right = call.attributes[0] != 0;
  parallel_for(x.dims[0], rows_for_thread(count + each), [&](int64_t begin, int64_t end) {
    std::vector<K> keys(static_cast<size_t>(count)), wanted(static_cast<size_t>(each));
    for (int64_t row = begin; row < end; ++row) {
      sort_keys(x, row * count, 1, count, false, keys.data());
      sort_keys(values, row * each, 1, each, false, wanted.data());
      for (int64_t i = 0; i < each; ++i) {
        const K key = wanted[static_cast<size_t>(i)];
        const auto found =
            right ? std::upper_bound(keys.begin(), keys.end(), key) : std::lower_bound(keys.begin(), keys.end(), key);
        put_index(y, row * each + i, found - keys.begin());
      }
    }
  });
}

Status run_search_sorted(const Call& call) {
  MS_REQUIRE(call.out(0).count() == 0 || (call.out(0).data != call.in(0).data && call.out(0).data != call.in(1).data),
             "search_sorted: the output must not share the bytes of an input.");
  if (sort_key_bytes(call.in(0).dtype) == 4) {
    search_rows<uint32_t>(call);
  } else {
    search_rows<uint64_t>(call);
  }
  return Status();
}

const Kernel kernel_sort{"sort", check_sort, run_sort};
const Kernel kernel_top_k{"top_k", check_top_k, run_top_k};
const Kernel kernel_search_sorted{"search_sorted", check_search_sorted, run_search_sorted};

}  // namespace

void register_sort(Registry& registry) {
  registry.add(kernel_sort);
  registry.add(kernel_top_k);
  registry.add(kernel_search_sorted);
}

}  // namespace millstream
