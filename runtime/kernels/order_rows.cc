// Kernel `order_rows`. Refuses element types other than int32 and int64, and 2^31 rows or more.
//
// order_rows: x int32 or int64 [n, k] -> int64 [n]: the places of the rows in lexicographic order; equal rows keep their order. No
//   attributes. Rows that lie in a few ascending runs, as those of sorted parts joined, are merged.
#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/operands.h"

namespace millstream {
namespace {

Status check_order_rows(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "order_rows", 1, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "order_rows", 0));
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(x.rank == 2 && (x.dtype == DType::int32 || x.dtype == DType::int64) && x.dims[0] <= INT32_MAX,
             "order_rows: give int32 or int64 [n, k] with less than 2^31 rows, not " + show(x) + ".");
  MS_REQUIRE(y.dtype == DType::int64 && y.rank == 1 && y.dims[0] == x.dims[0],
             "order_rows: " + show(x) + " does not give " + show(y) + ".");
  return Status();
}

template <typename T>
class Rows {
 public:
  explicit Rows(const Tensor& x) : data_(x.as<const T>()), count_(x.dims[0]), width_(x.dims[1]) {}
  bool less(int64_t a, int64_t b) const {
    const T *left = data_ + a * width_, *right = data_ + b * width_;
    return std::lexicographical_compare(left, left + width_, right, right + width_);
  }
  T at(int64_t row, int64_t column) const { return data_[row * width_ + column]; }
  int64_t count() const { return count_; }
  int64_t width() const { return width_; }

 private:
  const T* data_;
  int64_t count_, width_;
};

constexpr size_t few_runs = 16;

// Where the ascending runs begin, and the end; more than `few_runs` are not counted.
template <typename T>
std::vector<int64_t> runs_of(const Rows<T>& rows) {
  std::vector<int64_t> starts{0};
  for (int64_t i = 1; i < rows.count() && starts.size() <= few_runs; ++i) {
    if (rows.less(i, i - 1)) starts.push_back(i);
  }
  starts.push_back(rows.count());
  return starts;
}

template <typename T>
void merge_runs(const Rows<T>& rows, std::vector<int64_t> starts, int64_t* order) {
  std::vector<int64_t> spare(static_cast<size_t>(rows.count()));
  int64_t *from = order, *to = spare.data();
  const auto less = [&](int64_t a, int64_t b) { return rows.less(a, b); };
  while (starts.size() > 2) {
    std::vector<int64_t> next;
    for (size_t i = 0; i + 1 < starts.size(); i += 2) {
      next.push_back(starts[i]);
      const int64_t middle = starts[i + 1], end = i + 2 < starts.size() ? starts[i + 2] : middle;
      std::merge(from + starts[i], from + middle, from + middle, from + end, to + starts[i], less);
    }
    next.push_back(rows.count());
    starts = std::move(next);
    std::swap(from, to);
  }
  if (from != order) std::copy(from, from + rows.count(), order);
}

struct Item {
  uint64_t key;
  int64_t row;
};

// Writes each row as one number that sorts the same way. Returns how many bits that takes; more than 64 do not fit.
template <typename T>
int pack(const Rows<T>& rows, std::vector<Item>& items) {
  const int64_t width = rows.width();
  std::vector<uint64_t> least(static_cast<size_t>(width));
  std::vector<int> bits(static_cast<size_t>(width));
  int total = 0;
  for (int64_t column = 0; column < width; ++column) {
    T low = rows.at(0, column), high = low;
    for (int64_t row = 1; row < rows.count(); ++row) {
      low = std::min(low, rows.at(row, column));
      high = std::max(high, rows.at(row, column));
    }
    const auto k = static_cast<size_t>(column);
    least[k] = static_cast<uint64_t>(low);
    bits[k] = std::bit_width(static_cast<uint64_t>(high) - least[k]);
    total += bits[k];
    if (total > 64) return total;
  }
  items.resize(static_cast<size_t>(rows.count()));
  for (int64_t row = 0; row < rows.count(); ++row) {
    uint64_t key = 0;
    for (int64_t column = 0; column < width; ++column) {
      const auto k = static_cast<size_t>(column);
      if (bits[k] == 0) continue;
      key = (bits[k] == 64 ? 0 : key << bits[k]) | (static_cast<uint64_t>(rows.at(row, column)) - least[k]);
    }
    items[static_cast<size_t>(row)] = {key, row};
  }
  return total;
}

// Items lie in the order of their rows: sorting by digits from the lowest keeps equal keys in that order.
void sort_by_digits(std::vector<Item>& items, int bits) {
  constexpr int digit_bits = 11;
  constexpr uint64_t mask = (1u << digit_bits) - 1;
  std::vector<Item> spare(items.size());
  for (int shift = 0; shift < bits; shift += digit_bits) {
    std::array<size_t, mask + 1> starts{};
    for (const Item& item : items) ++starts[item.key >> shift & mask];
    size_t at = 0;
    for (size_t& start : starts) at += std::exchange(start, at);
    for (const Item& item : items) spare[starts[item.key >> shift & mask]++] = item;
    items.swap(spare);
  }
}

template <typename T>
void order(const Rows<T>& rows, int64_t* order) {
  std::iota(order, order + rows.count(), int64_t{0});
  const std::vector<int64_t> starts = runs_of(rows);
  if (starts.size() <= 2) return;
  if (starts.size() <= few_runs) return merge_runs(rows, starts, order);
  std::vector<Item> items;
  const int bits = pack(rows, items);
  if (bits > 64) {
    std::stable_sort(order, order + rows.count(), [&](int64_t a, int64_t b) { return rows.less(a, b); });
    return;
  }
  sort_by_digits(items, bits);
  for (size_t i = 0; i < items.size(); ++i) order[i] = items[i].row;
}

Status run_order_rows(const Call& call) try {
  const Tensor &x = call.in(0), &y = call.out(0);
  MS_REQUIRE(x.count() == 0 || x.data != y.data, "order_rows: the output must not share the bytes of the input.");
  if (x.dtype == DType::int32) {
    order(Rows<int32_t>(x), y.as<int64_t>());
  } else {
    order(Rows<int64_t>(x), y.as<int64_t>());
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("order_rows", call.in(0));
}

const Kernel kernel_order_rows{"order_rows", check_order_rows, run_order_rows};

}  // namespace

void register_order_rows(Registry& registry) { registry.add(kernel_order_rows); }

}  // namespace millstream
