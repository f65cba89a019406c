// Kernels over the last axis, one pass over memory each. float32, float64, and half and bfloat16 through float32. Refuses
// other types and scalars.
//
//   softmax, log_softmax    x -> y                      y like x
//   softmax_gradient        dy, y -> dx                 y: what softmax gave
//   log_softmax_gradient    dy, y -> dx                 y: what log_softmax gave
//   softmax_cross_entropy   logits, labels -> loss, gradient?     labels and gradient like logits; loss: one per row
//   sparse_softmax_cross_entropy  logits, labels -> loss, gradient?   labels: one int32 or int64 per row; outside
//                           [0, classes) is INVALID_ARGUMENT. An absent gradient: give one output only
// No attributes. The first output like x may share the bytes of the first input; a gradient those of the logits.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernels/rowwise.h"
#include "kernels/rowwise_access.h"

namespace millstream {
namespace {

template <typename T>
using UnaryRow = void (*)(int64_t, T*, const T*);
template <typename T>
using BinaryRow = void (*)(int64_t, T*, const T*, const T*);

template <typename T>
Status run_unary(const Call& call, UnaryRow<T> function) {
  const Tensor& x = call.in(0);
  const Tensor& y = call.out(0);
  const Rows rows = rows_of_tensor(x);
  if (rows.count == 0 || rows.length == 0) return Status();
  parallel_for(rows.count, row_grain(rows.length, 10), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(x.dtype == computed_as<T> ? 0 : static_cast<size_t>(2 * rows.length));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * rows.length;
      T* to = place_row(y, at, buffer.data() + (buffer.empty() ? 0 : rows.length));
      function(rows.length, to, read_row(x, at, rows.length, buffer.data()));
      finish_row(y, at, rows.length, to);
    }
  });
  return Status();
}

template <typename T>
Status run_binary(const Call& call, BinaryRow<T> function) {
  const Tensor& dy = call.in(0);
  const Tensor& y = call.in(1);
  const Tensor& dx = call.out(0);
  const Rows rows = rows_of_tensor(dy);
  if (rows.count == 0 || rows.length == 0) return Status();
  parallel_for(rows.count, row_grain(rows.length, 6), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(static_cast<size_t>(3 * rows.length));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * rows.length;
      T* to = place_row(dx, at, buffer.data());
      const T* slope = read_row(dy, at, rows.length, buffer.data() + rows.length);
      function(rows.length, to, slope, read_row(y, at, rows.length, buffer.data() + 2 * rows.length));
      finish_row(dx, at, rows.length, to);
    }
  });
  return Status();
}

Status check_unary(const Call& call, const char* name) {
  MS_RETURN_IF_ERROR(require_counts(call, name, 1, 1, 1, 0));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  return require_like(call.out(0), call.in(0), name, "the output");
}
Status check_binary(const Call& call, const char* name) {
  MS_RETURN_IF_ERROR(require_counts(call, name, 2, 1, 1, 0));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_REQUIRE(call.has(1), std::string(name) + ": y is absent");
  MS_RETURN_IF_ERROR(require_like(call.in(1), call.in(0), name, "y"));
  return require_like(call.out(0), call.in(0), name, "the output");
}

#define MS_ROW_KERNEL(name, shape)                                                                      \
  Status check_##name(const Call& call) { return check_##shape(call, #name); }                          \
  Status run_##name(const Call& call) {                                                                 \
    return call.in(0).dtype == DType::float64 ? run_##shape<double>(call, row_functions<double>().name) \
                                              : run_##shape<float>(call, row_functions<float>().name);  \
  }                                                                                                     \
  const Kernel kernel_##name = {#name, check_##name, run_##name};

// TensorFlow's float16 rows with NaN are NaN throughout, unlike those of float32 and bfloat16.
void softmax_of_half(int64_t n, float* y, const float* x) {
  row_functions<float>().softmax(n, y, x);
  if (std::any_of(y, y + n, [](float p) { return p != p; })) std::fill(y, y + n, std::nanf(""));
}

Status check_softmax(const Call& call) { return check_unary(call, "softmax"); }
Status run_softmax(const Call& call) {
  const DType type = call.in(0).dtype;
  if (type == DType::float64) return run_unary<double>(call, row_functions<double>().softmax);
  return run_unary<float>(call, type == DType::float16 ? softmax_of_half : row_functions<float>().softmax);
}
const Kernel kernel_softmax = {"softmax", check_softmax, run_softmax};

MS_ROW_KERNEL(log_softmax, unary)
MS_ROW_KERNEL(softmax_gradient, binary)
MS_ROW_KERNEL(log_softmax_gradient, binary)

Status check_cross_entropy_outputs(const Call& call, const char* name) {
  MS_RETURN_IF_ERROR(require_vector(call.out(0), call.in(0).dtype, rows_of_tensor(call.in(0)).count, name, "the loss"));
  return call.output_count == 2 ? require_like(call.out(1), call.in(0), name, "the gradient") : Status();
}

// loss_of(row, n, gradient, logits, buffer)
template <typename T, typename F>
void each_loss(const Call& call, F loss_of) {
  const Tensor& x = call.in(0);
  const Tensor& loss = call.out(0);
  const bool wanted = call.output_count == 2;
  const Rows rows = rows_of_tensor(x);
  parallel_for(rows.count, row_grain(rows.length, 10), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(static_cast<size_t>(3 * rows.length + 1));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * rows.length;
      T* gradient = wanted ? place_row(call.out(1), at, buffer.data()) : buffer.data();
      const T* logits = read_row(x, at, rows.length, buffer.data() + rows.length);
      const T value =
          rows.length == 0 ? T(0) : loss_of(r, rows.length, gradient, logits, buffer.data() + 2 * rows.length);
      T* to = place_row(loss, r, &buffer[0]);
      if (wanted) finish_row(call.out(1), at, rows.length, gradient);
      *to = value;
      finish_row(loss, r, 1, to);
    }
  });
}

template <typename T>
void run_dense(const Call& call) {
  const auto function = row_functions<T>().cross_entropy;
  each_loss<T>(call, [&](int64_t r, int64_t n, T* gradient, const T* logits, T* buffer) {
    return function(n, gradient, logits, read_row(call.in(1), r * n, n, buffer));
  });
}

Status check_softmax_cross_entropy(const Call& call) {
  constexpr const char* name = "softmax_cross_entropy";
  MS_RETURN_IF_ERROR(require_counts(call, name, 2, 1, 2, 0));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_REQUIRE(call.has(1), "softmax_cross_entropy: labels are absent");
  MS_RETURN_IF_ERROR(require_like(call.in(1), call.in(0), name, "labels"));
  return check_cross_entropy_outputs(call, name);
}

Status run_softmax_cross_entropy(const Call& call) {
  if (call.in(0).dtype == DType::float64)
    run_dense<double>(call);
  else
    run_dense<float>(call);
  return Status();
}

template <typename T>
void run_sparse(const Call& call, std::atomic<int64_t>& bad_row) {
  const auto function = row_functions<T>().sparse_cross_entropy;
  const Tensor& labels = call.in(1);
  each_loss<T>(call, [&](int64_t r, int64_t n, T* gradient, const T* logits, T*) {
    const int64_t label = labels.dtype == DType::int32 ? labels.as<int32_t>()[r] : labels.as<int64_t>()[r];
    if (label >= 0 && label < n) return function(n, gradient, logits, label);
    bad_row.store(r);
    std::fill(gradient, gradient + n, T(0));
    return T(0);
  });
}

Status check_sparse_softmax_cross_entropy(const Call& call) {
  constexpr const char* name = "sparse_softmax_cross_entropy";
  MS_RETURN_IF_ERROR(require_counts(call, name, 2, 1, 2, 0));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_REQUIRE(call.has(1) && (call.in(1).dtype == DType::int32 || call.in(1).dtype == DType::int64),
             "sparse_softmax_cross_entropy: labels must be int32 or int64");
  MS_REQUIRE(call.in(1).count() == rows_of_tensor(call.in(0)).count,
             "sparse_softmax_cross_entropy: needs one label per row");
  MS_REQUIRE(rows_of_tensor(call.in(0)).length > 0, "Must have at least one class, but got logits with 0 classes");
  return check_cross_entropy_outputs(call, name);
}

Status run_sparse_softmax_cross_entropy(const Call& call) {
  std::atomic<int64_t> bad_row{-1};
  if (call.in(0).dtype == DType::float64)
    run_sparse<double>(call, bad_row);
  else
    run_sparse<float>(call, bad_row);
  const int64_t r = bad_row.load();
  if (r < 0) return Status();
  const Tensor& labels = call.in(1);
  const int64_t label = labels.dtype == DType::int32 ? labels.as<int32_t>()[r] : labels.as<int64_t>()[r];
  return invalid("Received a label value of " + std::to_string(label) + " which is outside the valid range of [0, " +
                 std::to_string(rows_of_tensor(call.in(0)).length) + ").");
}

const Kernel kernel_softmax_cross_entropy = {"softmax_cross_entropy", check_softmax_cross_entropy,
                                             run_softmax_cross_entropy};
const Kernel kernel_sparse_softmax_cross_entropy = {"sparse_softmax_cross_entropy", check_sparse_softmax_cross_entropy,
                                                    run_sparse_softmax_cross_entropy};

}  // namespace

void register_rowwise(Registry& registry) {
  registry.add(kernel_softmax);
  registry.add(kernel_log_softmax);
  registry.add(kernel_softmax_gradient);
  registry.add(kernel_log_softmax_gradient);
  registry.add(kernel_softmax_cross_entropy);
  registry.add(kernel_sparse_softmax_cross_entropy);
}

}  // namespace millstream
