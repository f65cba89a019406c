// The kernels that move elements, against plain loops on many shapes, element sizes and attributes; and what they refuse.
#include <algorithm>

#include "kernels/move_testing.h"
#include "kernels/operands.h"

namespace millstream {
void register_transpose(Registry&);
void register_broadcast(Registry&);
void register_reverse(Registry&);
void register_slice(Registry&);
void register_pad(Registry&);
void register_concatenate(Registry&);
}  // namespace millstream

using namespace millstream;
using namespace millstream::testing;

namespace {

Registry registry;
Numbers numbers;
const DType types[] = {DType::uint8, DType::float16, DType::float32, DType::int64, DType::complex128};

Tensor filled(DType dtype, const std::vector<int64_t>& dims) {
  Tensor tensor = empty(dtype, dims);
  for (size_t i = 0; i < tensor.bytes(); ++i) tensor.as<uint8_t>()[i] = static_cast<uint8_t>(numbers.next());
  return tensor;
}

// Compares y[index] with x[source(index)], or with `otherwise` where source gives -1.
template <typename F>
void compare(const Tensor& y, const Tensor& x, F&& source, const char* otherwise = nullptr) {
  const size_t width = element_bytes(y.dtype);
  std::vector<int64_t> at(static_cast<size_t>(y.rank), 0);
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t rest = i;
    for (int k = y.rank - 1; k >= 0; --k) {
      at[static_cast<size_t>(k)] = rest % y.dims[k];
      rest /= y.dims[k];
    }
    const int64_t from = source(at);
    const char* expected = from < 0 ? otherwise : x.as<char>() + static_cast<size_t>(from) * width;
    EXPECT(std::memcmp(y.as<char>() + static_cast<size_t>(i) * width, expected, width) == 0);
  }
}

int64_t flat(const Tensor& x, const std::vector<int64_t>& at) {
  int64_t position = 0;
  for (int i = 0; i < x.rank; ++i) position = position * x.dims[i] + at[static_cast<size_t>(i)];
  return position;
}

std::vector<int64_t> some_shape(int64_t most_rank, int64_t most) {
  std::vector<int64_t> dims(static_cast<size_t>(numbers.below(most_rank + 1)));
  for (int64_t& size : dims) size = numbers.below(12) == 0 ? numbers.below(2) : 1 + numbers.below(most);
  return dims;
}

void test_transpose_moves_every_element(const std::vector<int64_t>& dims, DType dtype) {
  const Tensor x = filled(dtype, dims);
  std::vector<int64_t> permutation(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) permutation[i] = static_cast<int64_t>(i);
  for (size_t i = dims.size(); i > 1; --i)
    std::swap(permutation[i - 1], permutation[static_cast<size_t>(numbers.below(static_cast<int64_t>(i)))]);
  std::vector<int64_t> result;
  for (int64_t axis : permutation) result.push_back(dims[static_cast<size_t>(axis)]);
  Tensor y = empty(dtype, result);
  EXPECT(run(registry, "transpose", {&x}, {&y}, permutation).ok());
  compare(y, x, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> from(at.size());
    for (size_t i = 0; i < at.size(); ++i) from[static_cast<size_t>(permutation[i])] = at[i];
    return flat(x, from);
  });
}

void test_broadcast_repeats(const std::vector<int64_t>& dims, DType dtype) {
  std::vector<int64_t> axes, source;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (numbers.below(3) == 0) continue;
    axes.push_back(static_cast<int64_t>(i));
    source.push_back(numbers.below(3) ? dims[i] : 1);
  }
  const Tensor x = filled(dtype, source);
  Tensor y = empty(dtype, dims);
  EXPECT(run(registry, "broadcast", {&x}, {&y}, axes).ok());
  compare(y, x, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> from;
    for (size_t i = 0; i < axes.size(); ++i) from.push_back(source[i] == 1 ? 0 : at[static_cast<size_t>(axes[i])]);
    return flat(x, from);
  });
}

void test_reverse_turns_the_named_axes(const std::vector<int64_t>& dims, DType dtype) {
  const Tensor x = filled(dtype, dims);
  Tensor y = empty(dtype, dims);
  std::vector<int64_t> axes;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (numbers.below(2)) axes.push_back(static_cast<int64_t>(i));
  }
  EXPECT(run(registry, "reverse", {&x}, {&y}, axes).ok());
  compare(y, x, [&](std::vector<int64_t> at) {
    for (int64_t axis : axes)
      at[static_cast<size_t>(axis)] = dims[static_cast<size_t>(axis)] - 1 - at[static_cast<size_t>(axis)];
    return flat(x, at);
  });
}

void test_slices_take_the_window(const std::vector<int64_t>& dims, DType dtype) {
  const Tensor x = filled(dtype, dims);
  std::vector<int64_t> start, limit, stride, sizes, words;
  for (int64_t size : dims) {
    start.push_back(numbers.below(size + 1));
    limit.push_back(start.back() + numbers.below(size - start.back() + 1));
    stride.push_back(1 + numbers.below(3));
    sizes.push_back((limit.back() - start.back() + stride.back() - 1) / stride.back());
  }
  for (const auto* part : {&start, &limit, &stride}) words.insert(words.end(), part->begin(), part->end());
  Tensor y = empty(dtype, sizes);
  EXPECT(run(registry, "slice", {&x}, {&y}, words).ok());
  compare(y, x, [&](std::vector<int64_t> at) {
    for (size_t i = 0; i < at.size(); ++i) at[i] = start[i] + at[i] * stride[i];
    return flat(x, at);
  });

  std::vector<int64_t> wish, clamped;
  for (size_t i = 0; i < dims.size(); ++i) {
    wish.push_back(numbers.below(2 * dims[i] + 3) - dims[i]);
    clamped.push_back(std::clamp<int64_t>(wish[i], 0, dims[i] - sizes[i]));
  }
  const Tensor where = tensor_of<int64_t>({static_cast<int64_t>(dims.size())}, wish);
  Tensor z = empty(dtype, sizes);
  EXPECT(run(registry, "dynamic_slice", {&x, &where}, {&z}, {}).ok());
  EXPECT(run(registry, "dynamic_slice", {&x, &where}, {&z}, {1}).ok() == (wish == clamped));
  EXPECT(!run(registry, "dynamic_slice", {&x, &where}, {&z}, {2}).ok());
  compare(z, x, [&](std::vector<int64_t> at) {
    for (size_t i = 0; i < at.size(); ++i) at[i] += clamped[i];
    return flat(x, at);
  });

  Tensor updated = empty(dtype, dims);
  const Tensor update = filled(dtype, sizes);
  EXPECT(run(registry, "dynamic_update_slice", {&x, &update, &where}, {&updated}, {}).ok());
  Tensor again = empty(dtype, sizes);
  EXPECT(run(registry, "dynamic_slice", {&updated, &where}, {&again}, {}).ok());
  EXPECT(update.bytes() == 0 || std::memcmp(again.data, update.data, update.bytes()) == 0);
  const size_t width = element_bytes(dtype);
  int64_t changed = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    changed += std::memcmp(x.as<char>() + static_cast<size_t>(i) * width,
                           updated.as<char>() + static_cast<size_t>(i) * width, width) != 0;
  }
  EXPECT(changed <= update.count());
}

void test_pad_places_cuts_and_spreads(const std::vector<int64_t>& dims, DType dtype) {
  const Tensor x = filled(dtype, dims), value = filled(dtype, {});
  std::vector<int64_t> low, high, interior, sizes, words;
  for (int64_t size : dims) {
    interior.push_back(numbers.below(3));
    low.push_back(numbers.below(7) - 3);
    high.push_back(numbers.below(7) - 3);
    int64_t length = low.back() + high.back() + size + std::max<int64_t>(size - 1, 0) * interior.back();
    if (length < 0) {
      high.back() -= length;
      length = 0;
    }
    sizes.push_back(length);
  }
  for (const auto* part : {&low, &high, &interior}) words.insert(words.end(), part->begin(), part->end());
  Tensor y = empty(dtype, sizes);
  EXPECT(run(registry, "pad", {&x, &value}, {&y}, words).ok());
  compare(
      y, x,
      [&](std::vector<int64_t> at) -> int64_t {
        for (size_t i = 0; i < at.size(); ++i) {
          const int64_t position = at[i] - low[i], step = interior[i] + 1;
          if (position < 0 || position % step || position / step >= dims[i]) return -1;
          at[i] = position / step;
        }
        return flat(x, at);
      },
      value.as<char>());
}

void test_concatenate_joins(const std::vector<int64_t>& dims, DType dtype) {
  if (dims.empty()) return;
  const auto axis = static_cast<size_t>(numbers.below(static_cast<int64_t>(dims.size())));
  std::vector<Tensor> parts;
  std::vector<const Tensor*> pointers;
  auto sizes = dims;
  sizes[axis] = 0;
  for (int i = 0; i < 3; ++i) {
    auto part = dims;
    part[axis] = numbers.below(4);
    sizes[axis] += part[axis];
    parts.push_back(filled(dtype, part));
  }
  for (const Tensor& part : parts) pointers.push_back(&part);
  Tensor y = empty(dtype, sizes);
  EXPECT(run(registry, "concatenate", pointers, {&y}, {static_cast<int64_t>(axis)}).ok());
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    std::vector<int64_t> start(dims.size(), 0), limit = sizes, stride(dims.size(), 1), words;
    start[axis] = begin;
    limit[axis] = begin += part.dims[axis];
    for (const auto* word : {&start, &limit, &stride}) words.insert(words.end(), word->begin(), word->end());
    Tensor piece = part;
    allocate_data(piece);
    EXPECT(run(registry, "slice", {&y}, {&piece}, words).ok());
    EXPECT(part.bytes() == 0 || std::memcmp(piece.data, part.data, part.bytes()) == 0);
  }
}

void test_strings_move_like_numbers() {
  const Tensor x = strings({2, 3}, {"a", "", "ccc", "dd", "e", "ffff"});
  Tensor y = empty(DType::string, {3, 2});
  EXPECT(run(registry, "transpose", {&x}, {&y}, {1, 0}).ok());
  EXPECT(string_at(y, 0) == "a" && string_at(y, 1) == "dd" && string_at(y, 5) == "ffff");
  const Tensor fill = strings({}, {"?"});
  Tensor padded = empty(DType::string, {2, 4});
  EXPECT(run(registry, "pad", {&x, &fill}, {&padded}, {0, 1, 0, 0, 0, 0}).ok());
  EXPECT(string_at(padded, 0) == "?" && string_at(padded, 3) == "ccc" && string_at(padded, 4) == "?");
  Tensor joined = empty(DType::string, {2, 6});
  EXPECT(run(registry, "concatenate", {&x, &x}, {&joined}, {1}).ok());
  EXPECT(string_at(joined, 5) == "ccc" && string_at(joined, 6) == "dd");
  const Tensor none = strings({0}, {});
  Tensor still_none = empty(DType::string, {0, 2});
  EXPECT(run(registry, "copy", {&none}, {&still_none}, {}).ok());
  EXPECT(still_none.as<int64_t>()[0] == 0);
}

void test_bad_calls_are_refused() {
  const Tensor x = filled(DType::float32, {2, 3});
  Tensor y = empty(DType::float32, {3, 2});
  Tensor wide = empty(DType::float32, {2, 3});
  EXPECT(!run(registry, "transpose", {&x}, {&y}, {1, 1}).ok());
  EXPECT(!run(registry, "transpose", {&x}, {&y}, {0, 1}).ok());
  EXPECT(!run(registry, "transpose", {&x}, {&y}, {1}).ok());
  EXPECT(!run(registry, "transpose", {nullptr}, {&y}, {1, 0}).ok());
  EXPECT(!run(registry, "slice", {&x}, {&wide}, {0, 0, 2, 4, 1, 1}).ok());
  EXPECT(!run(registry, "slice", {&x}, {&wide}, {-1, 0, 1, 3, 1, 1}).ok());
  EXPECT(!run(registry, "slice", {&x}, {&wide}, {0, 0, 2, 3, 1, 0}).ok());
  EXPECT(!run(registry, "reverse", {&x}, {&wide}, {0, 0}).ok());
  EXPECT(!run(registry, "reverse", {&x}, {&wide}, {2}).ok());
  EXPECT(!run(registry, "broadcast", {&x}, {&y}, {0, 1}).ok());
  EXPECT(!run(registry, "broadcast", {&x}, {&wide}, {1, 0}).ok());
  EXPECT(!run(registry, "concatenate", {&x, &y}, {&wide}, {0}).ok());
  EXPECT(!run(registry, "concatenate", {&x}, {&wide}, {2}).ok());
  EXPECT(!run(registry, "concatenate", {}, {&wide}, {0}).ok());
  const Tensor value = filled(DType::float32, {});
  EXPECT(!run(registry, "pad", {&x, &value}, {&wide}, {0, 0, 0, 0, 0, -1}).ok());
  EXPECT(!run(registry, "pad", {&x, &value}, {&wide}, {INT64_MAX, 0, INT64_MAX, 0, 0, 0}).ok());
  EXPECT(!run(registry, "pad", {&x, &value}, {&wide}, {0, 0, 0, 0, 0, INT64_MAX}).ok());
  Tensor huge = x;
  huge.dims[0] = INT64_MAX / 2;
  EXPECT(!run(registry, "copy", {&huge}, {&huge}, {}).ok());
  huge.rank = 13;
  EXPECT(!run(registry, "copy", {&huge}, {&huge}, {}).ok());
}

}  // namespace

int main() {
  register_transpose(registry);
  register_broadcast(registry);
  register_reverse(registry);
  register_slice(registry);
  register_pad(registry);
  register_concatenate(registry);
  for (int round = 0; round < 400; ++round) {
    const DType dtype = types[round % 5];
    const auto dims = some_shape(5, round % 7 == 0 ? 17 : 5);
    test_transpose_moves_every_element(dims, dtype);
    test_broadcast_repeats(dims, dtype);
    test_reverse_turns_the_named_axes(dims, dtype);
    test_slices_take_the_window(dims, dtype);
    test_pad_places_cuts_and_spreads(dims, dtype);
    test_concatenate_joins(dims, dtype);
  }
  for (DType dtype : types) {
    test_transpose_moves_every_element({300, 257}, dtype);
    test_transpose_moves_every_element({5, 70, 3, 67}, dtype);
    test_broadcast_repeats({130, 7, 129}, dtype);
  }
  test_strings_move_like_numbers();
  test_bad_calls_are_refused();
  std::puts("ok");
  return 0;
}
