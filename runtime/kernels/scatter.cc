// Kernel `scatter_nd`. An index out of range is INVALID_ARGUMENT, with TensorFlow's words; nothing is written then.
//
// scatter_nd: x, indices [..., k] (int16, int32, int64), updates -> y, which may be an alias of x (in place).
//   attributes: kind (enum Combine: 0 set 1 add 2 subtract 3 maximum 4 minimum 5 multiply 6 divide 7 bit_and 8 bit_or),
//               style: how a bad index is named: 0 "indices[1] = [7, 0] does not index into shape [5,2]", 1 (k = 1)
//               "indices[1] = 7 is not in [0, 5)".
//   updates is indices.shape[:-1] + x.shape[k:], or a scalar that is used everywhere. Equal indices are combined in order;
//   for set the last one wins.
// ResourceScatterAdd and the like: state_edit, then this kernel with its output an alias, indices reshaped to [..., 1].
// Element types: set takes all with bytes, and string; divide by 0 of integers is refused; see scatter_combine.h.
#include <algorithm>
#include <atomic>
#include <new>

#include "kernels/elementwise_types.h"
#include "kernels/operands.h"
#include "kernels/scatter_combine.h"
#include "kernels/strided.h"
#include "kernels/strings_move.h"

namespace millstream {
namespace {

Status check_scatter_nd(const Call& call) {
  MS_RETURN_IF_ERROR(check_operands(call, "scatter_nd", 3, 1));
  MS_RETURN_IF_ERROR(check_attributes(call, "scatter_nd", 2));
  const Tensor &x = call.in(0), &indices = call.in(1), &updates = call.in(2), &y = call.out(0);
  MS_REQUIRE(call.attributes[0] >= 0 && call.attributes[0] < combine_count && call.attributes[1] >= 0 &&
                 call.attributes[1] <= 1,
             "scatter_nd: kind " + std::to_string(call.attributes[0]) + ", style " +
                 std::to_string(call.attributes[1]) + " are not known.");
  const auto kind = static_cast<Combine>(call.attributes[0]);
  MS_REQUIRE(x.dtype == y.dtype && x.dtype == updates.dtype && same_dims(x, y) && moved_bytes(x.dtype) > 0,
             "scatter_nd: given " + show(x) + " and updates " + show(updates) + " for " + show(y) + ".");
  MS_REQUIRE(kind == Combine::set || combine_run(kind, x.dtype) != nullptr,
             "scatter_nd: " + show(x) + " cannot be combined by kind " + std::to_string(call.attributes[0]) + ".");
  MS_REQUIRE(is_index(indices.dtype) && indices.rank >= 1,
             "scatter_nd: indices are " + show(indices) + "; give int16, int32 or int64 [..., k].");
  const int64_t depth = indices.dims[indices.rank - 1];
  MS_REQUIRE(depth <= x.rank && (call.attributes[1] == 0 || depth == 1),
             "scatter_nd: indices " + show(indices) + " do not index " + show(x) + ".");
  bool fits = updates.rank == indices.rank - 1 + x.rank - depth;
  for (int i = 0; fits && i < indices.rank - 1; ++i) fits = updates.dims[i] == indices.dims[i];
  for (int64_t i = depth; fits && i < x.rank; ++i) fits = updates.dims[indices.rank - 1 + i - depth] == x.dims[i];
  MS_REQUIRE(fits || updates.rank == 0, "scatter_nd: updates " + show(updates) + " do not fit indices " +
                                            show(indices) + " into " + show(x) + ".");
  return Status();
}

Status bad_index(const Call& call, int64_t row, int64_t depth) {
  const Tensor &x = call.in(0), &indices = call.in(1);
  const std::string where = "indices" + show_position(indices.dims, indices.rank - 1, row) + " = ";
  if (call.attributes[1] == 1) {
    return invalid(where + std::to_string(index_at(indices, row)) + " is not in [0, " + std::to_string(x.dims[0]) +
                   ")");
  }
  std::string index;
  for (int64_t i = 0; i < depth; ++i) index += (i ? ", " : "") + std::to_string(index_at(indices, row * depth + i));
  return invalid(where + "[" + index + "] does not index into shape " + show_dims(x.dims, x.rank));
}

// An integer that is 0.
bool has_zero(const Tensor& tensor) {
  const auto width = element_bytes(tensor.dtype);
  const char zero[16] = {};
  for (size_t i = 0; i < tensor.bytes(); i += width) {
    if (std::memcmp(tensor.as<const char>() + i, zero, width) == 0) return true;
  }
  return false;
}

// Where each row of indices leads; the first row that leads nowhere, or `rows`.
template <typename I>
int64_t find_offsets(const Tensor& x, const Tensor& indices, int64_t rows, int64_t depth, int64_t inner, int64_t* to) {
  std::atomic<int64_t> first_bad{rows};
  const auto* from = indices.as<const volatile I>();  // read once: what is checked is what is used
  parallel_for(rows, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t offset = 0;
      bool good = true;
      for (int64_t i = 0; i < depth; ++i) {
        const int64_t index = from[row * depth + i];
        good &= index >= 0 && index < x.dims[i];
        offset = static_cast<int64_t>(static_cast<uint64_t>(offset) * static_cast<uint64_t>(x.dims[i]) +
                                      static_cast<uint64_t>(index));
      }
      if (!good) {
        int64_t known = first_bad.load();
        while (row < known && !first_bad.compare_exchange_weak(known, row)) {
        }
        return;
      }
      to[row] = offset * inner;
    }
  });
  return first_bad.load();
}

// Whole numbers added to few places from many rows: each thread to places of its own, since their order does not matter.
bool counts(const Call& call, Combine kind, int64_t rows, int64_t inner) {
  const Tensor& y = call.out(0);
  return kind == Combine::add && inner == 1 && is_integer(y.dtype) && rows >= 65536 && y.count() <= rows / 16;
}
void add_apart(const CombineRows& work, CombineRun combine, const Tensor& y) {
  const auto width = static_cast<int64_t>(element_bytes(y.dtype)), bytes = static_cast<int64_t>(y.bytes());
  const int64_t shares = thread_count(), whole = 0;
  const Ref<Buffer> memory = Buffer::allocate(static_cast<size_t>(shares * bytes));
  char* own = static_cast<char*>(memory->data());
  parallel_for(shares, 1, [&](int64_t first, int64_t last) {
    for (int64_t share = first; share < last; ++share) {
      const int64_t begin = work.rows * share / shares, end = work.rows * (share + 1) / shares;
      std::memset(own + share * bytes, 0, static_cast<size_t>(bytes));
      const char* from = static_cast<const char*>(work.from) + begin * work.row_step * width;
      combine({own + share * bytes, work.targets + begin, end - begin, from, work.row_step, work.one}, 0, 1);
    }
  });
  for (int64_t share = 0; share < shares; ++share)
    combine({y.data, &whole, 1, own + share * bytes, 0, false}, 0, y.count());
}

Status run_scatter_nd(const Call& call) try {
  const Tensor &x = call.in(0), &indices = call.in(1), &updates = call.in(2), &y = call.out(0);
  if (x.dtype == DType::string) return move_strings(call, run_scatter_nd);
  const auto kind = static_cast<Combine>(call.attributes[0]);
  const int64_t depth = indices.dims[indices.rank - 1], rows = product(indices.dims, 0, indices.rank - 1);
  const int64_t inner = product(x.dims, static_cast<int>(depth), x.rank);
  const auto width = static_cast<int64_t>(element_bytes(x.dtype));
  const bool scalar = updates.rank == 0 && !(indices.rank == 1 && inner == 1);
  if (rows > 0 && inner > 0)
    MS_REQUIRE(y.data != indices.data && y.data != updates.data,
               "scatter_nd: the output must not share the bytes of indices or updates.");
  if (kind == Combine::divide && is_integer(x.dtype) && has_zero(updates)) return invalid("Integer division by zero");

  // Checked before anything is written.
  const Ref<Buffer> memory = Buffer::allocate(static_cast<size_t>(std::max<int64_t>(rows, 1)) * sizeof(int64_t));
  auto* offsets = static_cast<int64_t*>(memory->data());
  const int64_t bad = indices.dtype == DType::int64   ? find_offsets<int64_t>(x, indices, rows, depth, inner, offsets)
                      : indices.dtype == DType::int32 ? find_offsets<int32_t>(x, indices, rows, depth, inner, offsets)
                                                      : find_offsets<int16_t>(x, indices, rows, depth, inner, offsets);
  if (bad < rows) return bad_index(call, bad, depth);
  copy_bytes(y.as<char>(), x.as<const char>(), static_cast<int64_t>(x.bytes()));
  if (rows == 0 || inner == 0) return Status();
  const CombineRun combine = kind == Combine::set ? nullptr : combine_run(kind, x.dtype);
  if (counts(call, kind, rows, inner)) {
    add_apart({y.data, offsets, rows, updates.data, scalar ? 0 : 1, scalar}, combine, y);
    return Status();
  }
  // Threads share the inner elements, never the rows: equal indices are combined in order.
  const CombineRows work{y.data, offsets, rows, updates.data, scalar ? 0 : inner, scalar};
  parallel_for(inner, std::max<int64_t>(64, (128 << 10) / std::max<int64_t>(1, rows * width)),
               [&](int64_t begin, int64_t end) {
                 if (combine) return combine(work, begin, end);
                 for (int64_t row = 0; row < rows; ++row) {
                   char* to = y.as<char>() + (offsets[row] + begin) * width;
                   const char* from = updates.as<const char>() + (scalar ? 0 : (row * inner + begin) * width);
                   if (scalar) {
                     for (int64_t i = begin; i < end; ++i, to += width)
                       std::memcpy(to, from, static_cast<size_t>(width));
                   } else {
                     std::memcpy(to, from, static_cast<size_t>((end - begin) * width));
                   }
                 }
               });
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory("scatter_nd", call.in(1));
}

const Kernel kernel_scatter_nd{"scatter_nd", check_scatter_nd, run_scatter_nd};

}  // namespace

void register_scatter(Registry& registry) { registry.add(kernel_scatter_nd); }

}  // namespace millstream
