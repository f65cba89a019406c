// Elements joined to ragged tensors: the numbers of all rows one behind the other, and where the rows of each axis end.
#include "data/columns.h"
#include "memory/objects.h"

namespace millstream {
namespace {

class RaggedBatches final : public CollectedBatches {
 public:
  RaggedBatches(ReaderRef before, int64_t size, bool drop, std::vector<RaggedAxes> axes, std::string stage)
      : CollectedBatches(std::move(before), axes.size(), size, drop, std::move(stage)), axes_(std::move(axes)) {}

 protected:
  Status join(Rows& rows, size_t component, Element& out) const override {
    const auto [ragged, wide] = axes_[component];
    if (ragged == 0) return stack_rows(rows, component, out.emplace_back());
    const Tensor& first = rows[0];
    int64_t count = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Tensor& row = rows[i];
      if (row.rank < ragged || row.rank != first.rank || row.dtype != first.dtype ||
          !std::equal(row.dims + ragged, row.dims + row.rank, first.dims + ragged)) {
        return invalid(unlike_the_first(component, first, static_cast<int64_t>(i), row));
      }
      count += leading(row, ragged);
    }
    Tensor& values = out.emplace_back();
    values.dtype = first.dtype;
    values.rank = first.rank - ragged + 1;
    values.dims[0] = count;
    std::copy(first.dims + ragged, first.dims + first.rank, values.dims + 1);
    join_bytes(rows, values);
    for (int axis = 0; axis < ragged; ++axis) {
      if (!wide && count > INT32_MAX) return invalid("A ragged batch has too many rows for row splits of int32.");
      out.push_back(wide ? splits<int64_t>(rows, axis) : splits<int32_t>(rows, axis));
    }
    return Status();
  }

 private:
  // How many parts a row has along its first axes.
  static int64_t leading(const Tensor& row, int axes) {
    int64_t count = 1;
    for (int axis = 0; axis < axes; ++axis) count *= row.dims[axis];
    return count;
  }

  template <typename T>
  static Tensor splits(const Rows& rows, int axis) {
    Tensor found;
    found.dtype = sizeof(T) == 8 ? DType::int64 : DType::int32;
    found.rank = 1;
    found.dims[0] = 1;
    for (const Tensor& row : rows) found.dims[0] += leading(row, axis);
    allocate_data(found);
    T* end = found.as<T>();
    *end = 0;
    for (const Tensor& row : rows) {
      for (int64_t i = leading(row, axis); i > 0; --i, ++end) end[1] = static_cast<T>(*end + row.dims[axis]);
    }
    return found;
  }

  std::vector<RaggedAxes> axes_;
};

}  // namespace

ReaderRef read_ragged_batches(ReaderRef before, int64_t size, bool drop, std::vector<RaggedAxes> axes,
                              std::string stage) {
  return std::make_shared<RaggedBatches>(std::move(before), size, drop, std::move(axes), std::move(stage));
}

}  // namespace millstream
