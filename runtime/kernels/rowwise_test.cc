// Tests of the row-wise kernels against plain loops in double.
#include "kernels/elementwise_testing.h"
#include "kernels/rowwise_access.h"

using namespace millstream;
using namespace millstream::testing;

namespace {

constexpr double epsilon = 1e-3;
double tolerance_of(DType type) {
  return type == DType::float64 ? 1e-11 : type == DType::float32 ? 2e-5 : type == DType::float16 ? 1e-2 : 8e-2;
}

std::vector<double> row_of(const Value& x, int64_t r, int64_t n) {
  std::vector<double> row(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) row[static_cast<size_t>(i)] = get(x, r * n + i);
  return row;
}
double log_total(const std::vector<double>& row, double& most) {
  most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const double v : row) sum += std::exp(v - most);
  return std::log(sum);
}

void test_softmax_family(DType type, int64_t rows, int64_t n) {
  Value x = random_value(type, {rows, n}), y(type, {rows, n}), logs(type, {rows, n}), loss(type, {rows}),
        gradient(type, {rows, n});
  Value labels(type, {rows, n}), dy = random_value(type, {rows, n}), dx(type, {rows, n}), dlogs(type, {rows, n});
  Value classes(DType::int32, {rows}), sparse_loss(type, {rows}), sparse_gradient(type, {rows, n});
  for (int64_t i = 0; i < rows * n; ++i) put(labels, i, static_cast<double>(i % 3));
  for (int64_t r = 0; r < rows; ++r) put(classes, r, static_cast<double>(r % n));
  must_run("softmax", {&x}, {&y}, {});
  must_run("log_softmax", {&x}, {&logs}, {});
  must_run("softmax_gradient", {&dy, &y}, {&dx}, {});
  must_run("log_softmax_gradient", {&dy, &logs}, {&dlogs}, {});
  must_run("softmax_cross_entropy", {&x, &labels}, {&loss, &gradient}, {});
  must_run("sparse_softmax_cross_entropy", {&x, &classes}, {&sparse_loss, &sparse_gradient}, {});
  const double tolerance = tolerance_of(type);
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<double> row = row_of(x, r, n);
    double most, dot = 0, sum = 0, want_loss = 0;
    const double total = log_total(row, most);
    for (int64_t i = 0; i < n; ++i) {
      dot += get(dy, r * n + i) * get(y, r * n + i);
      sum += get(dy, r * n + i);
      want_loss += get(labels, r * n + i) * (total - row[static_cast<size_t>(i)] + most);
    }
    expect(close(get(loss, r), want_loss, tolerance), "cross entropy");
    expect(close(get(sparse_loss, r), total - row[static_cast<size_t>(r % n)] + most, tolerance),
           "sparse cross entropy");
    for (int64_t i = 0; i < n; ++i) {
      const double log_p = row[static_cast<size_t>(i)] - most - total, p = std::exp(log_p), slope = get(dy, r * n + i);
      const int64_t at = r * n + i;
      expect(close(get(y, at), p, tolerance) && close(get(logs, at), log_p, tolerance), "softmax");
      expect(close(get(dx, at), (slope - dot) * get(y, at), tolerance), "softmax_gradient");
      const double spread = 1 + std::fabs(sum);
      expect(close(get(dlogs, at), slope - std::exp(get(logs, at)) * sum, tolerance * spread), "log_softmax_gradient");
      expect(close(get(gradient, at), p - get(labels, at), tolerance), "gradient of cross entropy");
      expect(close(get(sparse_gradient, at), p - (i == r % n), tolerance), "gradient of sparse cross entropy");
    }
  }
  put(classes, rows - 1, static_cast<double>(n));
  must_refuse("sparse_softmax_cross_entropy", {&x, &classes}, {&sparse_loss}, {}, "outside the valid range");
  put(classes, rows - 1, -1);
  must_refuse("sparse_softmax_cross_entropy", {&x, &classes}, {&sparse_loss}, {}, "outside the valid range");
}

void test_layer_norm(DType type, int64_t rows, int64_t n) {
  const DType st = statistic_type(type);
  Value x = random_value(type, {rows, n}), y(type, {rows, n}), mean(st, {rows}), rstd(st, {rows});
  Value scale = random_value(st, {n}), offset = random_value(st, {n}), dy = random_value(type, {rows, n});
  Value dx(type, {rows, n}), dscale(st, {n}), doffset(st, {n}), plain(type, {rows, n});
  must_run("layer_norm", {&x, nullptr, nullptr}, {&plain, &mean, &rstd}, {bits_of(epsilon)});
  must_run("layer_norm", {&x, &scale, &offset}, {&y, &mean, &rstd}, {bits_of(epsilon)});
  must_run("layer_norm_gradient", {&dy, &x, &mean, &rstd, &scale}, {&dx, &dscale, &doffset}, {});
  const double tolerance = tolerance_of(type) * 5;
  std::vector<double> want_scale(static_cast<size_t>(n), 0.0), want_offset(want_scale);
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<double> row = row_of(x, r, n);
    double m = 0, v = 0, level = 0, tilt = 0;
    for (const double value : row) m += value / static_cast<double>(n);
    for (const double value : row) v += (value - m) * (value - m) / static_cast<double>(n);
    const double s = 1 / std::sqrt(v + epsilon);
    for (int64_t i = 0; i < n; ++i) {
      const double normal = (row[static_cast<size_t>(i)] - m) * s, slope = get(dy, r * n + i);
      level += slope * get(scale, i) / static_cast<double>(n);
      tilt += slope * get(scale, i) * normal / static_cast<double>(n);
      want_scale[static_cast<size_t>(i)] += slope * normal;
      want_offset[static_cast<size_t>(i)] += slope;
      expect(close(get(plain, r * n + i), normal, tolerance), "layer_norm without scale");
      expect(close(get(y, r * n + i), normal * get(scale, i) + get(offset, i), tolerance), "layer_norm");
    }
    for (int64_t i = 0; i < n; ++i) {
      const double normal = (row[static_cast<size_t>(i)] - m) * s;
      const double want = s * (get(dy, r * n + i) * get(scale, i) - level - normal * tilt);
      expect(close(get(dx, r * n + i), want, tolerance * (1 + s)), "layer_norm_gradient");
    }
    expect(close(get(mean, r), m, 1e-5) && close(get(rstd, r), s, 1e-4), "statistics of layer_norm");
  }
  for (int64_t i = 0; i < n; ++i) {
    expect(close(get(dscale, i), want_scale[static_cast<size_t>(i)], 1e-3) &&
               close(get(doffset, i), want_offset[static_cast<size_t>(i)], 1e-4),
           "gradients of scale and offset");
  }
}

void test_batch_norm(DType type, const std::vector<int64_t>& dims) {
  const int64_t n = dims.back(), rows = product_of(dims) / n;
  const DType st = statistic_type(type);
  Value x = random_value(type, dims), y(type, dims), used(type, dims), mean(st, {n}), variance(st, {n}), rstd(st, {n});
  Value scale = random_value(st, {n}), offset = random_value(st, {n}), dy = random_value(type, dims), dx(type, dims);
  Value dscale(st, {n}), doffset(st, {n}), frozen(type, dims);
  for (int64_t i = 0; i < x.count(); ++i) put(x, i, get(x, i) + 10);
  must_run("batch_norm_training", {&x, &scale, &offset}, {&y, &mean, &variance, &rstd}, {bits_of(epsilon)});
  must_run("batch_norm_inference", {&x, &scale, &offset, &mean, &variance}, {&used}, {bits_of(epsilon)});
  must_run("batch_norm_gradient", {&dy, &x, &scale, &mean, &rstd}, {&frozen, &dscale, &doffset}, {0});
  must_run("batch_norm_gradient", {&dy, &x, &scale, &mean, &rstd}, {&dx, &dscale, &doffset}, {1});
  const double tolerance = tolerance_of(type) * 10, count = static_cast<double>(rows);
  for (int64_t c = 0; c < n; ++c) {
    double m = 0, v = 0, sum = 0, product = 0;
    for (int64_t r = 0; r < rows; ++r) m += get(x, r * n + c) / count;
    for (int64_t r = 0; r < rows; ++r) v += (get(x, r * n + c) - m) * (get(x, r * n + c) - m) / count;
    const double s = 1 / std::sqrt(v + epsilon);
    for (int64_t r = 0; r < rows; ++r) {
      sum += get(dy, r * n + c);
      product += get(dy, r * n + c) * (get(x, r * n + c) - m) * s;
    }
    expect(close(get(mean, c), m, 1e-5) && close(get(variance, c), v, 1e-4) && close(get(rstd, c), s, 1e-3),
           "statistics");
    expect(close(get(dscale, c), product, 1e-3) && close(get(doffset, c), sum, 1e-3), "gradients of scale and offset");
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * n + c;
      const double normal = (get(x, at) - m) * s, spread = 1 + s;
      const double want = normal * get(scale, c) + get(offset, c), slope = get(dy, at);
      expect(close(get(y, at), want, tolerance * spread) && close(get(used, at), want, tolerance * spread),
             "batch_norm");
      expect(close(get(frozen, at), slope * get(scale, c) * s, tolerance * spread),
             "gradient with constant statistics");
      expect(
          close(get(dx, at), get(scale, c) * s * (slope - sum / count - normal * product / count), tolerance * spread),
          "batch_norm_gradient");
    }
  }
}

void test_extreme_logits() {
  const float inf = std::numeric_limits<float>::infinity();
  Value x(DType::float32, {3, 3}), y(DType::float32, {3, 3});
  const float values[] = {1000, -1000, 0, -inf, 1, 2, 1, NAN, 2};
  std::memcpy(x.tensor.data, values, sizeof values);
  must_run("softmax", {&x}, {&y}, {});
  expect(get(y, 0) == 1 && get(y, 1) == 0 && get(y, 3) == 0 && close(get(y, 4) + get(y, 5), 1, 1e-6), "extreme logits");
  expect(get(y, 6) == 0 && std::isnan(get(y, 7)) && get(y, 8) == 0, "a NaN spoils its row only");
  Value half(DType::float16, {1, 2}), found(DType::float16, {1, 2});
  const uint16_t bits[] = {0x3c00, 0x7e00};
  std::memcpy(half.tensor.data, bits, sizeof bits);
  must_run("softmax", {&half}, {&found}, {});
  expect(std::isnan(get(found, 0)) && std::isnan(get(found, 1)), "a NaN spoils all of a row of halves");
}

void test_bad_calls_are_refused() {
  Value x = random_value(DType::float32, {2, 3}), wrong(DType::float32, {3, 2}), whole(DType::int32, {2, 3}),
        row(DType::float32, {2});
  must_refuse("softmax", {&x}, {&wrong}, {}, "sizes");
  must_refuse("softmax", {&whole}, {&whole}, {}, "takes float32");
  must_refuse("softmax", {nullptr}, {&x}, {}, "absent");
  must_refuse("layer_norm", {&x, &row, nullptr}, {&x, &row, &row}, {0}, "scale or offset");
  must_refuse("layer_norm", {&x, nullptr, nullptr}, {&x, &wrong, &row}, {0}, "an output");
  must_refuse("batch_norm_gradient", {&x, &x, nullptr, nullptr, &row}, {&x, &row, &row}, {0}, "absent");
  Value none(DType::float32, {2, 0});
  must_run("softmax_cross_entropy", {&none, &none}, {&row}, {});
  Value classes(DType::int32, {2});
  must_refuse("sparse_softmax_cross_entropy", {&none, &classes}, {&row}, {}, "at least one class");
}

}  // namespace

int main() {
  const struct {
    int64_t rows, n;
  } cases[] = {{1, 1}, {5, 3}, {7, 10}, {33, 17}, {4, 128}, {3, 1000}, {900, 40}};
  for (const DType type : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    for (const auto& [rows, n] : cases) {
      test_softmax_family(type, rows, n);
      test_layer_norm(type, rows, n);
    }
    for (const auto& dims : {std::vector<int64_t>{40, 3}, {2, 9, 9, 16}, {3, 20, 20, 5}, {500, 70}})
      test_batch_norm(type, dims);
  }
  test_extreme_logits();
  test_bad_calls_are_refused();
  return report();
}
