// Elements joined along a new first axis, each filled up at its ends to a common shape.
#include <algorithm>
#include <cstring>

#include "data/columns.h"
#include "memory/objects.h"

namespace millstream {
namespace {

void fill(char* to, int64_t count, const char* value, size_t bytes) {
  if (count <= 0) return;
  if (std::all_of(value, value + bytes, [](char byte) { return byte == 0; })) {
    std::memset(to, 0, static_cast<size_t>(count) * bytes);
    return;
  }
  const size_t total = static_cast<size_t>(count) * bytes;
  std::memcpy(to, value, bytes);
  for (size_t done = bytes; done < total; done *= 2) std::memcpy(to + done, to, std::min(done, total - done));
}

int64_t product(const int64_t* sizes, int rank) {
  int64_t count = 1;
  for (int axis = 0; axis < rank; ++axis) count *= sizes[axis];
  return count;
}

// Calls `run(from, to, count)` for the neighbours of a row that stay neighbours, and `gap(to, count)` for what is between, in order.
template <typename Run, typename Gap>
void spread(const Tensor& row, const int64_t* full, int axis, int64_t& from, int64_t& to, const Run& run,
            const Gap& gap) {
  const int64_t inner = product(full + axis + 1, row.rank - axis - 1);
  if (std::equal(row.dims + axis + 1, row.dims + row.rank, full + axis + 1)) {
    const int64_t count = row.dims[axis] * inner;
    run(from, to, count);
    from += count;
    to += count;
  } else {
    for (int64_t i = 0; i < row.dims[axis]; ++i) spread(row, full, axis + 1, from, to, run, gap);
  }
  const int64_t missing = (full[axis] - row.dims[axis]) * inner;
  gap(to, missing);
  to += missing;
}

template <typename Run, typename Gap>
void spread(const Tensor& row, const int64_t* full, int64_t to, const Run& run, const Gap& gap) {
  int64_t from = 0;
  if (row.rank == 0) return run(from, to, 1);
  spread(row, full, 0, from, to, run, gap);
}

void join_numbers(const Rows& rows, const int64_t* full, const Tensor& value, Tensor& out) {
  const size_t bytes = element_bytes(out.dtype);
  const int64_t count = product(full, rows[0].rank);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Tensor& row = rows[i];
    spread(
        row, full, static_cast<int64_t>(i) * count,
        [&](int64_t from, int64_t to, int64_t size) {
          if (size == 0) return;
          std::memcpy(out.as<char>() + static_cast<size_t>(to) * bytes,
                      row.as<const char>() + static_cast<size_t>(from) * bytes, static_cast<size_t>(size) * bytes);
        },
        [&](int64_t to, int64_t size) {
          fill(out.as<char>() + static_cast<size_t>(to) * bytes, size, value.as<const char>(), bytes);
        });
  }
}

Status join_texts(const Rows& rows, const int64_t* full, const Tensor& value, Tensor& out) {
  const int64_t count = product(full, rows[0].rank), total = count * static_cast<int64_t>(rows.size());
  const int64_t filler = value.as<const int64_t>()[1] - value.as<const int64_t>()[0];
  int64_t size = 0;
  for (const Tensor& row : rows) {
    const int64_t own = row.count();
    int64_t filled = 0;
    if (__builtin_mul_overflow(count - own, filler, &filled) || __builtin_add_overflow(size, filled, &size) ||
        __builtin_add_overflow(size, row.as<const int64_t>()[own] - row.as<const int64_t>()[0], &size))
      return exhausted();
  }
  out.buffer = Buffer::allocate(static_cast<size_t>((total + 1) * 8 + size));
  out.data = out.buffer->data();
  auto* ends = out.as<int64_t>();
  char* const bytes = reinterpret_cast<char*>(ends + total + 1);
  *ends = 0;
  const char* const filling = value.as<const char>() + 16 + value.as<const int64_t>()[0];
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto* given = rows[i].as<const int64_t>();
    const char* const text = reinterpret_cast<const char*>(given + rows[i].count() + 1);
    spread(
        rows[i], full, static_cast<int64_t>(i) * count,
        [&](int64_t from, int64_t to, int64_t many) {
          const int64_t begin = given[from], length = given[from + many] - begin;
          std::memcpy(bytes + ends[to], text + begin, static_cast<size_t>(length));
          for (int64_t j = 1; j <= many; ++j) ends[to + j] = ends[to] + given[from + j] - begin;
        },
        [&](int64_t to, int64_t many) {
          for (int64_t j = to; j < to + many; ++j) {
            std::memcpy(bytes + ends[j], filling, static_cast<size_t>(filler));
            ends[j + 1] = ends[j] + filler;
          }
        });
  }
  return Status();
}

class PaddedBatches final : public CollectedBatches {
 public:
  PaddedBatches(ReaderRef before, int64_t size, bool drop, std::vector<Padding> paddings, std::string stage)
      : CollectedBatches(std::move(before), paddings.size(), size, drop, std::move(stage)),
        paddings_(std::move(paddings)) {
    for (Padding& padding : paddings_) padding.value = owned(padding.value);
  }

 protected:
  Status join(Rows& rows, size_t component, Element& out) const override {
    return join(rows, paddings_[component], component, out.emplace_back());
  }

 private:
  static Status join(const Rows& rows, const Padding& padding, size_t component, Tensor& out) {
    const auto rank = static_cast<int>(padding.shape.size());
    if (rank >= max_rank) return invalid(too_many_axes(component));
    out.dtype = rows[0].dtype;
    out.rank = rank + 1;
    out.dims[0] = static_cast<int64_t>(rows.size());
    int64_t* const full = out.dims + 1;
    for (int axis = 0; axis < rank; ++axis) full[axis] = std::max<int64_t>(padding.shape[static_cast<size_t>(axis)], 0);
    for (const Tensor& row : rows) {
      if (row.rank != rank) {
        return invalid("All elements in a batch must have the same rank as the padded shape for component" +
                       std::to_string(component) + ": expected rank " + std::to_string(rank) +
                       " but got element with rank " + std::to_string(row.rank));
      }
      if (row.dtype != out.dtype || padding.value.dtype != out.dtype)
        return invalid("A row of a batch has another element type.");
      for (int axis = 0; axis < rank; ++axis) {
        if (padding.shape[static_cast<size_t>(axis)] < 0) {
          full[axis] = std::max(full[axis], row.dims[axis]);
        } else if (row.dims[axis] > full[axis]) {
          return Status(Code::data_loss,
                        "Attempted to pad to a smaller size than the input element: an element of component " +
                            std::to_string(component) + " has shape " + shape_text(rank, row.dims) +
                            ", the padded shape is " + shape_text(rank, padding.shape.data()) + ".");
        }
      }
    }
    // Of strings, the places of their ends.
    int64_t bytes = static_cast<int64_t>(std::max(element_bytes(out.dtype), sizeof(int64_t)));
    for (int axis = 0; axis <= rank; ++axis) {
      if (__builtin_mul_overflow(bytes, out.dims[axis], &bytes))
        return invalid("A padded batch of shape " + shape_text(out.rank, out.dims) + " has too many elements.");
    }
    if (out.dtype == DType::string) return join_texts(rows, full, padding.value, out);
    allocate_data(out);
    join_numbers(rows, full, padding.value, out);
    return Status();
  }

  std::vector<Padding> paddings_;
};

}  // namespace

ReaderRef read_padded_batches(ReaderRef before, int64_t size, bool drop, std::vector<Padding> paddings,
                              std::string stage) {
  return std::make_shared<PaddedBatches>(std::move(before), size, drop, std::move(paddings), std::move(stage));
}

}  // namespace millstream
