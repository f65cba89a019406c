// Kernels of layer and batch normalisation over the last axis (channels last). float32, float64, and half and bfloat16
// through float32. Refuses other types, scalars, and vectors that have not one element per channel.
//
//   layer_norm            x, scale?, offset? -> y, mean, rstd          attributes [epsilon]
//   layer_norm_gradient   dy, x, mean, rstd, scale? -> dx, dscale?, doffset?   no attributes; 1 or 3 outputs
//   batch_norm_training   x, scale?, offset? -> y, mean, variance, rstd   attributes [epsilon]
//   batch_norm_inference  x, scale?, offset?, mean, variance -> y      attributes [epsilon]
//   batch_norm_gradient   dy, x, scale?, mean, rstd -> dx, dscale, doffset   attributes [training]; 0: mean and rstd are
//                         constants, as in inference
// x, y, dy, dx: one type and sizes. All others are vectors of the statistic type: float64 for float64, else float32;
// layer_norm: mean, rstd one per row; scale, offset, dscale, doffset one per channel; batch_norm: all one per channel.
// epsilon is a double's bits. rstd = 1 / sqrt(variance + epsilon); variance is the mean square, not Bessel's. An absent
// scale is 1, an absent offset 0. y may share the bytes of x, dx those of dy.
#include <cmath>

#include "kernels/rowwise.h"
#include "kernels/rowwise_access.h"

namespace millstream {
namespace {

constexpr int64_t most_slices = 16;
constexpr int64_t rows_between_flushes = 64;  // float32 sums are carried in float64 beyond this many rows

template <typename T>
const T* optional_vector(const Call& call, int i) {
  return call.has(i) ? call.in(i).as<T>() : nullptr;
}

// Sums over rows: a fixed number of slices by the sizes alone, so that any number of threads gives the same numbers.
// add(begin, end, first, second): adds rows to two narrow sums of n.
template <typename T, typename F>
void sum_rows(int64_t rows, int64_t n, double* first, double* second, F add) {
  const int64_t slices = std::max<int64_t>(1, std::min({most_slices, rows / 16, rows * n / 16384}));
  std::vector<double> partial(static_cast<size_t>(slices * 2 * n), 0.0);
  const int64_t grain = std::max<int64_t>(1, slices * row_grain(n, 2) / std::max<int64_t>(1, rows));
  parallel_for(slices, grain, [&](int64_t begin, int64_t end) {
    std::vector<T> narrow(static_cast<size_t>(2 * n), T(0));
    for (int64_t slice = begin; slice < end; ++slice) {
      double* wide = partial.data() + slice * 2 * n;
      const int64_t last = rows * (slice + 1) / slices;
      for (int64_t r = rows * slice / slices; r < last; r += rows_between_flushes) {
        add(r, std::min(last, r + rows_between_flushes), narrow.data(), narrow.data() + n);
        for (int64_t i = 0; i < 2 * n; ++i) wide[i] += static_cast<double>(narrow[static_cast<size_t>(i)]);
        std::fill(narrow.begin(), narrow.end(), T(0));
      }
    }
  });
  for (int64_t i = 0; i < n; ++i) {
    first[i] = second[i] = 0;
    for (int64_t slice = 0; slice < slices; ++slice) {
      first[i] += partial[static_cast<size_t>(slice * 2 * n + i)];
      second[i] += partial[static_cast<size_t>((slice * 2 + 1) * n + i)];
    }
  }
}

// Calls f(at, count) for blocks of whole rows small enough for a buffer; all at once where nothing is converted.
template <typename F>
void each_block(int64_t begin, int64_t end, int64_t n, bool converted, F f) {
  const int64_t block = converted ? std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n)) : end - begin;
  for (int64_t r = begin; r < end; r += block) f(r, std::min(block, end - r));
}
inline size_t block_elements(int64_t n, bool converted) {
  return converted ? static_cast<size_t>(std::max<int64_t>(1, 4096 / std::max<int64_t>(1, n)) * n) : 0;
}

template <typename T>
Status layer_norm(const Call& call) {
  const Tensor& x = call.in(0);
  const Tensor& y = call.out(0);
  const Rows rows = rows_of_tensor(x);
  const T epsilon = static_cast<T>(call.real(0));
  const T* scale = optional_vector<T>(call, 1);
  const T* offset = optional_vector<T>(call, 2);
  const auto function = row_functions<T>().layer_norm;
  parallel_for(rows.count, row_grain(rows.length, 4), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(x.dtype == computed_as<T> ? 0 : static_cast<size_t>(rows.length));
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * rows.length;
      const T* from = read_row(x, at, rows.length, buffer.data());
      T* to = place_row(y, at, buffer.data());
      function(rows.length, to, from, scale, offset, epsilon, call.out(1).as<T>() + r, call.out(2).as<T>() + r);
      finish_row(y, at, rows.length, to);
    }
  });
  return Status();
}

template <typename T>
Status layer_norm_gradient(const Call& call) {
  const Tensor& dy = call.in(0);
  const Tensor& x = call.in(1);
  const Tensor& dx = call.out(0);
  const T* means = call.in(2).as<T>();
  const T* rstds = call.in(3).as<T>();
  const T* scale = optional_vector<T>(call, 4);
  const Rows rows = rows_of_tensor(dy);
  const int64_t n = rows.length;
  const bool converted = dy.dtype != computed_as<T>;
  const auto function = row_functions<T>().layer_norm_gradient;
  const auto add = [&](int64_t begin, int64_t end, T* dscale, T* doffset) {
    std::vector<T> buffer(converted ? static_cast<size_t>(2 * n) : 0);
    for (int64_t r = begin; r < end; ++r) {
      const T* slope = read_row(dy, r * n, n, buffer.data());
      T* to = place_row(dx, r * n, buffer.data());
      function(n, to, slope, read_row(x, r * n, n, buffer.data() + (converted ? n : 0)), scale, means[r], rstds[r],
               dscale, doffset);
      finish_row(dx, r * n, n, to);
    }
  };
  if (call.output_count == 1) {
    parallel_for(rows.count, row_grain(n, 6), [&](int64_t begin, int64_t end) { add(begin, end, nullptr, nullptr); });
    return Status();
  }
  std::vector<double> sums(static_cast<size_t>(2 * n));
  sum_rows<T>(rows.count, n, sums.data(), sums.data() + n, add);
  for (int64_t i = 0; i < n; ++i) {
    call.out(1).as<T>()[i] = static_cast<T>(sums[static_cast<size_t>(i)]);
    call.out(2).as<T>()[i] = static_cast<T>(sums[static_cast<size_t>(n + i)]);
  }
  return Status();
}

template <typename T>
void apply_channels(const Tensor& x, const Tensor& y, const Rows& rows, const T* center, const T* factor,
                    const T* offset) {
  const bool converted = x.dtype != computed_as<T>;
  const auto function = row_functions<T>().channel_affine;
  parallel_for(rows.count, row_grain(rows.length, 1), [&](int64_t begin, int64_t end) {
    std::vector<T> buffer(block_elements(rows.length, converted));
    each_block(begin, end, rows.length, converted, [&](int64_t r, int64_t count) {
      const int64_t at = r * rows.length, n = count * rows.length;
      const T* from = read_row(x, at, n, buffer.data());
      T* to = place_row(y, at, buffer.data());
      function(count, rows.length, to, from, center, factor, offset);
      finish_row(y, at, n, to);
    });
  });
}

template <typename T>
Status batch_norm_training(const Call& call) {
  const Tensor& x = call.in(0);
  const Rows rows = rows_of_tensor(x);
  const int64_t n = rows.length;
  const bool converted = x.dtype != computed_as<T>;
  // Away from the first row's values little is lost when the mean is far from zero.
  std::vector<T> center(static_cast<size_t>(n), T(0)), factor(center), shift(center);
  if (rows.count > 0) {
    const T* first = read_row(x, 0, n, center.data());
    std::copy(first, first + n, center.begin());
    for (T& value : center) value = std::isfinite(value) ? value : T(0);
  }
  std::vector<double> sums(static_cast<size_t>(2 * n));
  const auto function = row_functions<T>().channel_moments;
  sum_rows<T>(rows.count, n, sums.data(), sums.data() + n, [&](int64_t begin, int64_t end, T* sum, T* squares) {
    std::vector<T> buffer(block_elements(n, converted));
    each_block(begin, end, n, converted, [&](int64_t r, int64_t count) {
      function(count, n, read_row(x, r * n, count * n, buffer.data()), center.data(), sum, squares);
    });
  });
  const double count = static_cast<double>(rows.count), epsilon = call.real(0);
  const T* scale = optional_vector<T>(call, 1);
  const T* offset = optional_vector<T>(call, 2);
  T* means = call.out(1).as<T>();
  for (int64_t i = 0; i < n; ++i) {
    const size_t k = static_cast<size_t>(i);
    const double away = sums[k] / count;
    const double square = sums[k + static_cast<size_t>(n)] / count - away * away;
    const double variance = square < 0 ? 0 : square;  // NaN stays
    const double rstd = 1 / std::sqrt(variance + epsilon);
    means[i] = static_cast<T>(static_cast<double>(center[k]) + away);
    call.out(2).as<T>()[i] = static_cast<T>(variance);
    call.out(3).as<T>()[i] = static_cast<T>(rstd);
    factor[k] = static_cast<T>(rstd) * (scale != nullptr ? scale[i] : T(1));
    shift[k] = offset != nullptr ? offset[i] : T(0);
  }
  apply_channels<T>(x, call.out(0), rows, means, factor.data(), shift.data());
  return Status();
}

template <typename T>
Status batch_norm_inference(const Call& call) {
  const Rows rows = rows_of_tensor(call.in(0));
  const T* scale = optional_vector<T>(call, 1);
  const T* offset = optional_vector<T>(call, 2);
  const T* variance = call.in(4).as<T>();
  const T epsilon = static_cast<T>(call.real(0));
  std::vector<T> factor(static_cast<size_t>(rows.length)), shift(factor);
  for (int64_t i = 0; i < rows.length; ++i) {
    const size_t k = static_cast<size_t>(i);
    factor[k] = (scale != nullptr ? scale[i] : T(1)) / std::sqrt(variance[i] + epsilon);
    shift[k] = offset != nullptr ? offset[i] : T(0);
  }
  apply_channels<T>(call.in(0), call.out(0), rows, call.in(3).as<T>(), factor.data(), shift.data());
  return Status();
}

template <typename T>
Status batch_norm_gradient(const Call& call) {
  const Tensor& dy = call.in(0);
  const Tensor& x = call.in(1);
  const Tensor& dx = call.out(0);
  const Rows rows = rows_of_tensor(dy);
  const int64_t n = rows.length;
  const bool converted = dy.dtype != computed_as<T>, training = call.attributes[0] != 0;
  const T* scale = optional_vector<T>(call, 2);
  const T* means = call.in(3).as<T>();
  const T* rstds = call.in(4).as<T>();
  const RowFunctions<T>& functions = row_functions<T>();
  std::vector<double> sums(static_cast<size_t>(2 * n));
  sum_rows<T>(rows.count, n, sums.data(), sums.data() + n, [&](int64_t begin, int64_t end, T* sum, T* products) {
    std::vector<T> slopes(block_elements(n, converted)), values(slopes);
    each_block(begin, end, n, converted, [&](int64_t r, int64_t count) {
      const T* slope = read_row(dy, r * n, count * n, slopes.data());
      functions.channel_products(count, n, slope, read_row(x, r * n, count * n, values.data()), means, sum, products);
    });
  });
  std::vector<T> a(static_cast<size_t>(n), T(0)), b(a), c(a);
  const double count = static_cast<double>(std::max<int64_t>(1, rows.count));
  for (int64_t i = 0; i < n; ++i) {
    const size_t k = static_cast<size_t>(i);
    const double rstd = static_cast<double>(rstds[i]), sum = sums[k], product = sums[k + static_cast<size_t>(n)];
    const double factor = (scale != nullptr ? static_cast<double>(scale[i]) : 1.0) * rstd;
    call.out(1).as<T>()[i] = static_cast<T>(product * rstd);
    call.out(2).as<T>()[i] = static_cast<T>(sum);
    a[k] = static_cast<T>(factor);
    b[k] = training ? static_cast<T>(-factor * rstd * rstd * product / count) : T(0);
    c[k] = training ? static_cast<T>(-factor * sum / count) : T(0);
  }
  parallel_for(rows.count, row_grain(n, 2), [&](int64_t begin, int64_t end) {
    std::vector<T> slopes(block_elements(n, converted)), values(slopes);
    each_block(begin, end, n, converted, [&](int64_t r, int64_t block) {
      const T* slope = read_row(dy, r * n, block * n, slopes.data());
      T* to = place_row(dx, r * n, slopes.data());
      functions.channel_combine(block, n, to, slope, read_row(x, r * n, block * n, values.data()), means, a.data(),
                                b.data(), c.data());
      finish_row(dx, r * n, block * n, to);
    });
  });
  return Status();
}

Status check_optional_vectors(const Call& call, const char* name, std::initializer_list<int> places) {
  const int64_t n = rows_of_tensor(call.in(0)).length;
  for (const int i : places) {
    if (call.has(i))
      MS_RETURN_IF_ERROR(require_vector(call.in(i), statistic_type(call.in(0).dtype), n, name, "scale or offset"));
  }
  return Status();
}

Status check_vectors(const Call& call, const char* name, std::initializer_list<int> places, int64_t n) {
  for (const int i : places) {
    MS_REQUIRE(call.has(i), std::string(name) + ": input " + std::to_string(i) + " is absent");
    MS_RETURN_IF_ERROR(require_vector(call.in(i), statistic_type(call.in(0).dtype), n, name, "mean, variance or rstd"));
  }
  return Status();
}

Status check_output_vectors(const Call& call, const char* name, int first, int64_t n) {
  for (int i = first; i < call.output_count; ++i) {
    MS_RETURN_IF_ERROR(require_vector(call.out(i), statistic_type(call.in(0).dtype), n, name, "an output"));
  }
  return Status();
}

Status check_layer_norm(const Call& call) {
  constexpr const char* name = "layer_norm";
  MS_RETURN_IF_ERROR(require_counts(call, name, 3, 3, 3, 1));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_RETURN_IF_ERROR(require_like(call.out(0), call.in(0), name, "y"));
  MS_RETURN_IF_ERROR(check_optional_vectors(call, name, {1, 2}));
  return check_output_vectors(call, name, 1, rows_of_tensor(call.in(0)).count);
}

Status check_layer_norm_gradient(const Call& call) {
  constexpr const char* name = "layer_norm_gradient";
  MS_RETURN_IF_ERROR(require_counts(call, name, 5, 1, 3, 0));
  MS_REQUIRE(call.output_count != 2, "layer_norm_gradient: gives dx, or dx, dscale and doffset");
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_REQUIRE(call.has(1), "layer_norm_gradient: x is absent");
  MS_RETURN_IF_ERROR(require_like(call.in(1), call.in(0), name, "x"));
  MS_RETURN_IF_ERROR(require_like(call.out(0), call.in(0), name, "dx"));
  MS_RETURN_IF_ERROR(check_vectors(call, name, {2, 3}, rows_of_tensor(call.in(0)).count));
  MS_RETURN_IF_ERROR(check_optional_vectors(call, name, {4}));
  return check_output_vectors(call, name, 1, rows_of_tensor(call.in(0)).length);
}

Status check_batch_norm_training(const Call& call) {
  constexpr const char* name = "batch_norm_training";
  MS_RETURN_IF_ERROR(require_counts(call, name, 3, 4, 4, 1));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_RETURN_IF_ERROR(require_like(call.out(0), call.in(0), name, "y"));
  MS_RETURN_IF_ERROR(check_optional_vectors(call, name, {1, 2}));
  return check_output_vectors(call, name, 1, rows_of_tensor(call.in(0)).length);
}

Status check_batch_norm_inference(const Call& call) {
  constexpr const char* name = "batch_norm_inference";
  MS_RETURN_IF_ERROR(require_counts(call, name, 5, 1, 1, 1));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_RETURN_IF_ERROR(require_like(call.out(0), call.in(0), name, "y"));
  MS_RETURN_IF_ERROR(check_optional_vectors(call, name, {1, 2}));
  return check_vectors(call, name, {3, 4}, rows_of_tensor(call.in(0)).length);
}

Status check_batch_norm_gradient(const Call& call) {
  constexpr const char* name = "batch_norm_gradient";
  MS_RETURN_IF_ERROR(require_counts(call, name, 5, 3, 3, 1));
  MS_RETURN_IF_ERROR(require_rows(call, name));
  MS_REQUIRE(call.has(1), "batch_norm_gradient: x is absent");
  MS_RETURN_IF_ERROR(require_like(call.in(1), call.in(0), name, "x"));
  MS_RETURN_IF_ERROR(require_like(call.out(0), call.in(0), name, "dx"));
  MS_RETURN_IF_ERROR(check_optional_vectors(call, name, {2}));
  MS_RETURN_IF_ERROR(check_vectors(call, name, {3, 4}, rows_of_tensor(call.in(0)).length));
  return check_output_vectors(call, name, 1, rows_of_tensor(call.in(0)).length);
}

#define MS_NORM_KERNEL(name)                                                            \
  Status run_##name(const Call& call) {                                                 \
    return call.in(0).dtype == DType::float64 ? name<double>(call) : name<float>(call); \
  }                                                                                     \
  const Kernel kernel_##name = {#name, check_##name, run_##name};

MS_NORM_KERNEL(layer_norm)
MS_NORM_KERNEL(layer_norm_gradient)
MS_NORM_KERNEL(batch_norm_training)
MS_NORM_KERNEL(batch_norm_inference)
MS_NORM_KERNEL(batch_norm_gradient)

}  // namespace

void register_rowwise_normalization(Registry& registry) {
  registry.add(kernel_layer_norm);
  registry.add(kernel_layer_norm_gradient);
  registry.add(kernel_batch_norm_training);
  registry.add(kernel_batch_norm_inference);
  registry.add(kernel_batch_norm_gradient);
}

}  // namespace millstream
