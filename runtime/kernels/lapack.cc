// LAPACK on row-major matrices: to its column-major eyes each is its own transpose, so most need not be moved.
#include "kernels/lapack.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace millstream {
namespace {

constexpr int64_t smallest = 32;                // below, the kernels' own loops are as fast
constexpr int64_t greatest = int64_t{1} << 30;  // elements: LAPACK counts them with 32 bits
constexpr int64_t shared = 2048;                // from here on one matrix is worth several threads

enum Function { potrf, trsm, getrf, gelqf, orglq, syevd, gesdd, geev, functions };
constexpr const char* real_names[] = {"potrf", "trsm", "getrf", "gelqf", "orglq", "syevd", "gesdd", "geev"};
constexpr const char* complex_names[] = {"potrf", "trsm", "getrf", "gelqf", "unglq", "heevd", "gesdd", "geev"};

struct Table {
  void* of_type[4][functions] = {};  // s, d, c, z
  void *real_gees = nullptr, *complex_gees = nullptr;
  void (*set_threads)(int) = nullptr;
  int (*get_threads)() = nullptr;
};

Table table;
std::atomic<LapackLookup> given{nullptr};
std::atomic<bool> ready{false};
std::mutex loading;

// False where a function is missing.
bool fill(LapackLookup lookup, Table& result) {
  bool whole = true;
  const auto ask = [&](const std::string& name) {
    void* function = whole ? lookup(name.c_str()) : nullptr;
    whole &= function != nullptr;
    return function;
  };
  for (int type = 0; type < 4; ++type) {
    for (int i = 0; i < functions; ++i)
      result.of_type[type][i] = ask(std::string(1, "sdcz"[type]) + (type < 2 ? real_names : complex_names)[i]);
  }
  result.real_gees = ask("dgees");
  result.complex_gees = ask("zgees");
  if (!whole) return false;
  result.set_threads = reinterpret_cast<void (*)(int)>(lookup("set_num_threads"));
  result.get_threads = reinterpret_cast<int (*)()>(lookup("get_num_threads"));
  return true;
}

bool loaded() {
  if (ready) return true;
  const LapackLookup lookup = given;
  if (!lookup) return false;
  // Without the lock: the host may wait for another thread that asks, too. All are told the same.
  Table found;
  const bool whole = fill(lookup, found);
  const std::lock_guard<std::mutex> lock(loading);
  if (!whole) {
    given = nullptr;
  } else if (!ready) {
    table = found;
    ready = true;
  }
  return whole;
}

// LAPACK's threads are one setting of the whole process.
std::mutex counting;
int users = 0, threads_before = 0;

template <typename S>
constexpr int type_of = std::is_same_v<S, float>                 ? 0
                        : std::is_same_v<S, double>              ? 1
                        : std::is_same_v<S, std::complex<float>> ? 2
                                                                 : 3;

template <typename S, typename F>
F function(Function which) {
  return reinterpret_cast<F>(table.of_type[type_of<S>][which]);
}

int narrow(int64_t n) { return static_cast<int>(n); }

template <typename S>
int length_of(S answer) {
  return std::max(1, static_cast<int>(real_part(answer)));
}

template <typename S>
void transpose(const S* x, S* y, int64_t rows, int64_t columns, bool conjugated) {
  constexpr int64_t block = 16;
  for (int64_t top = 0; top < rows; top += block) {
    for (int64_t left = 0; left < columns; left += block) {
      for (int64_t i = top; i < std::min(rows, top + block); ++i) {
        for (int64_t j = left; j < std::min(columns, left + block); ++j)
          y[j * rows + i] = conjugated ? conjugate(x[i * columns + j]) : x[i * columns + j];
      }
    }
  }
}

// x [k, n], column-major, becomes x a^-1: `upper`, `turn` (N or C) and `unit` are said of a as it lies there.
template <typename S>
void solve_from_right(const S* a, S* x, int64_t n, int64_t k, bool upper, char turn, bool unit) {
  using F = void (*)(const char*, const char*, const char*, const char*, const int*, const int*, const S*, const S*,
                     const int*, S*, const int*);
  if (k == 0) return;
  const int rows = narrow(k), columns = narrow(n);
  const S one(1);
  function<S, F>(trsm)("R", upper ? "U" : "L", &turn, unit ? "U" : "N", &rows, &columns, &one, a, &columns, x, &rows);
}

template <typename S>
int factorise(S* a, int* pivots, int64_t n) {
  using F = void (*)(const int*, const int*, S*, const int*, int*, int*);
  const int size = narrow(n);
  int info = 0;
  function<S, F>(getrf)(&size, &size, a, &size, pivots, &info);
  for (int64_t i = 0; i < n && info == 0; ++i) {
    if (!(std::abs(a[i * n + i]) > 0)) info = 1;  // NaN
  }
  return info;
}

}  // namespace

void set_lapack(LapackLookup lookup) {
  const std::lock_guard<std::mutex> lock(loading);
  ready = false;
  given = lookup;
}

UseLapack::UseLapack(int64_t matrices, int64_t n, int64_t most)
    : used_(n >= smallest && n <= greatest / n && most <= greatest && loaded()),
      alone_(used_ && (matrices > 1 || n < shared)) {
  if (!alone_ || !table.set_threads || !table.get_threads) return;
  const std::lock_guard<std::mutex> lock(counting);
  if (users++ > 0) return;
  threads_before = table.get_threads();
  if (threads_before > 1) table.set_threads(1);
}

UseLapack::~UseLapack() {
  if (!alone_ || !table.set_threads || !table.get_threads) return;
  const std::lock_guard<std::mutex> lock(counting);
  if (--users == 0 && threads_before > 1) table.set_threads(threads_before);
}

template <typename S>
bool lapack_cholesky(S* a, int64_t n) {
  using F = void (*)(const char*, const int*, S*, const int*, int*);
  const int size = narrow(n);
  int info = 0;
  function<S, F>(potrf)("U", &size, a, &size, &info);
  for (int64_t i = 0; i < n && info == 0; ++i) {
    if (!(real_part(a[i * n + i]) > 0)) info = 1;  // NaN
  }
  return info == 0;
}

template <typename S>
void lapack_triangular_solve(const S* a, S* x, int64_t n, int64_t k, bool lower, bool adjoint, bool unit) {
  solve_from_right(a, x, n, k, lower, adjoint ? 'C' : 'N', unit);
}

template <typename S>
bool lapack_factorise(S* a, int* pivots, int64_t n) {
  return factorise(a, pivots, n) == 0;
}

template <typename S>
void lapack_solve(const S* a, const int* pivots, S* x, int64_t n, int64_t k, bool adjoint) {
  const auto exchange = [&](int64_t i) {
    const int64_t other = pivots[i] - 1;
    if (other != i) std::swap_ranges(x + i * k, x + (i + 1) * k, x + other * k);
  };
  // a's transpose is p l u there.
  if (!adjoint) {
    solve_from_right(a, x, n, k, true, 'N', false);
    solve_from_right(a, x, n, k, false, 'N', true);
    for (int64_t i = n - 1; i >= 0; --i) exchange(i);
  } else {
    for (int64_t i = 0; i < n; ++i) exchange(i);
    solve_from_right(a, x, n, k, false, 'C', true);
    solve_from_right(a, x, n, k, true, 'C', false);
  }
}

template <typename S>
bool lapack_lu(S* a, int64_t* rows, int64_t n) {
  std::vector<S> turned(static_cast<size_t>(n * n));
  std::vector<int> pivots(static_cast<size_t>(n));
  transpose(a, turned.data(), n, n, false);
  const bool regular = factorise(turned.data(), pivots.data(), n) == 0;
  transpose(turned.data(), a, n, n, false);
  std::iota(rows, rows + n, 0);
  for (int64_t i = 0; i < n; ++i) std::swap(rows[i], rows[pivots[static_cast<size_t>(i)] - 1]);
  return regular;
}

template <typename S>
bool lapack_qr(S* a, S* q, S* r, int64_t m, int64_t n, int64_t columns) {
  // x's transpose is l q^T there, with l the transpose of r.
  using Factorise = void (*)(const int*, const int*, S*, const int*, S*, S*, const int*, int*);
  using Generate = void (*)(const int*, const int*, const int*, S*, const int*, const S*, S*, const int*, int*);
  const int64_t k = std::min(m, n);
  const int rows = narrow(n), width = narrow(m), count = narrow(k), wanted = narrow(columns), ask = -1;
  int info = 0;
  S answer(0);
  std::vector<S> tau(static_cast<size_t>(k)), work;
  function<S, Factorise>(gelqf)(&rows, &width, a, &rows, tau.data(), &answer, &ask, &info);
  work.resize(static_cast<size_t>(length_of(answer)));
  int length = narrow(static_cast<int64_t>(work.size()));
  function<S, Factorise>(gelqf)(&rows, &width, a, &rows, tau.data(), work.data(), &length, &info);
  if (info != 0) return false;
  for (int64_t i = 0; i < columns; ++i) {
    for (int64_t j = 0; j < n; ++j) r[i * n + j] = j < i ? S(0) : a[i * n + j];
  }
  for (int64_t i = 0; i < m; ++i) std::copy_n(a + i * n, k, q + i * columns);
  function<S, Generate>(orglq)(&wanted, &width, &count, q, &wanted, tau.data(), &answer, &ask, &info);
  work.resize(static_cast<size_t>(length_of(answer)));
  length = narrow(static_cast<int64_t>(work.size()));
  function<S, Generate>(orglq)(&wanted, &width, &count, q, &wanted, tau.data(), work.data(), &length, &info);
  return info == 0;
}

template <typename S>
bool lapack_eigh(S* a, Real<S>* values, S* vectors, int64_t n) {
  const int size = narrow(n), ask = -1;
  const char* job = vectors ? "V" : "N";
  int info = 0, whole_answer = 0;
  S answer(0);
  std::vector<S> work;
  std::vector<int> whole;
  if constexpr (is_complex_scalar<S>) {
    using F = void (*)(const char*, const char*, const int*, S*, const int*, Real<S>*, S*, const int*, Real<S>*,
                       const int*, int*, const int*, int*);
    Real<S> real_answer = 0;
    function<S, F>(syevd)(job, "U", &size, a, &size, values, &answer, &ask, &real_answer, &ask, &whole_answer, &ask,
                          &info);
    const int length = length_of(answer), real_length = length_of(real_answer),
              whole_length = std::max(1, whole_answer);
    work.resize(static_cast<size_t>(length));
    whole.resize(static_cast<size_t>(whole_length));
    std::vector<Real<S>> real_work(static_cast<size_t>(real_length));
    function<S, F>(syevd)(job, "U", &size, a, &size, values, work.data(), &length, real_work.data(), &real_length,
                          whole.data(), &whole_length, &info);
  } else {
    using F =
        void (*)(const char*, const char*, const int*, S*, const int*, S*, S*, const int*, int*, const int*, int*);
    function<S, F>(syevd)(job, "U", &size, a, &size, values, &answer, &ask, &whole_answer, &ask, &info);
    const int length = length_of(answer), whole_length = std::max(1, whole_answer);
    work.resize(static_cast<size_t>(length));
    whole.resize(static_cast<size_t>(whole_length));
    function<S, F>(syevd)(job, "U", &size, a, &size, values, work.data(), &length, whole.data(), &whole_length, &info);
  }
  if (info != 0) return false;
  if (vectors) transpose(a, vectors, n, n, true);
  return true;
}

template <typename S>
bool lapack_svd(S* a, Real<S>* values, S* u, S* v, int64_t m, int64_t n, bool whole) {
  // x's transpose is u' s v'^H there: x's u is conj(v'), its v is conj(u').
  const int64_t k = std::min(m, n), left = whole ? n : k, right = whole ? m : k;
  const int rows = narrow(n), columns = narrow(m), stored = narrow(right), one = 1, ask = -1;
  const char* job = !u ? "N" : whole ? "A" : "S";
  int info = 0;
  S answer(0);
  std::vector<S> work, turned(u ? static_cast<size_t>(n * left) : 0);
  std::vector<int> whole_work(static_cast<size_t>(8 * k));
  const int* ld_right = u ? &stored : &one;
  const auto run = [&](S* space, const int* length) {
    if constexpr (is_complex_scalar<S>) {
      using F = void (*)(const char*, const int*, const int*, S*, const int*, Real<S>*, S*, const int*, S*, const int*,
                         S*, const int*, Real<S>*, int*, int*);
      const int64_t least = k * std::max(5 * k + 7, 2 * std::max(m, n) + 2 * k + 1);
      std::vector<Real<S>> real_work(static_cast<size_t>(*length < 0 ? 1 : std::max<int64_t>(least, 7 * k)));
      function<S, F>(gesdd)(job, &rows, &columns, a, &rows, values, turned.data(), &rows, u, ld_right, space, length,
                            real_work.data(), whole_work.data(), &info);
    } else {
      using F = void (*)(const char*, const int*, const int*, S*, const int*, S*, S*, const int*, S*, const int*, S*,
                         const int*, int*, int*);
      function<S, F>(gesdd)(job, &rows, &columns, a, &rows, values, turned.data(), &rows, u, ld_right, space, length,
                            whole_work.data(), &info);
    }
  };
  run(&answer, &ask);
  const int length = length_of(answer);
  work.resize(static_cast<size_t>(length));
  run(work.data(), &length);
  if (info != 0) return false;
  if (u) transpose(turned.data(), v, left, n, true);
  return true;
}

template <typename S>
bool lapack_eig(const S* a, std::complex<Real<S>>* values, std::complex<Real<S>>* vectors, int64_t n) {
  using C = std::complex<Real<S>>;
  const int size = narrow(n), ask = -1, one = 1;
  std::vector<S> turned(static_cast<size_t>(n * n)), work;
  transpose(a, turned.data(), n, n, false);
  const char* job = vectors ? "V" : "N";
  const int* stored = vectors ? &size : &one;
  int info = 0;
  S answer(0);
  if constexpr (is_complex_scalar<S>) {
    using F = void (*)(const char*, const char*, const int*, S*, const int*, S*, S*, const int*, S*, const int*, S*,
                       const int*, Real<S>*, int*);
    std::vector<Real<S>> real_work(static_cast<size_t>(2 * n));
    const auto run = [&](S* space, const int* length) {
      function<S, F>(geev)("N", job, &size, turned.data(), &size, values, nullptr, &one, vectors, stored, space, length,
                           real_work.data(), &info);
    };
    run(&answer, &ask);
    const int length = length_of(answer);
    work.resize(static_cast<size_t>(length));
    run(work.data(), &length);
  } else {
    using F = void (*)(const char*, const char*, const int*, S*, const int*, S*, S*, S*, const int*, S*, const int*, S*,
                       const int*, int*);
    std::vector<S> parts(static_cast<size_t>(2 * n)), pairs(vectors ? static_cast<size_t>(n * n) : 0);
    S *real = parts.data(), *imaginary = real + n;
    const auto run = [&](S* space, const int* length) {
      function<S, F>(geev)("N", job, &size, turned.data(), &size, real, imaginary, nullptr, &one, pairs.data(), stored,
                           space, length, &info);
    };
    run(&answer, &ask);
    const int length = length_of(answer);
    work.resize(static_cast<size_t>(length));
    run(work.data(), &length);
    for (int64_t k = 0; k < n; ++k) values[k] = C(real[k], imaginary[k]);
    // Of a pair, the real part comes first, then the imaginary one; the second is the conjugate of the first.
    for (int64_t k = 0; vectors && k < n; ++k) {
      const bool pair = imaginary[k] != 0 && k + 1 < n;
      for (int64_t i = 0; i < n; ++i) {
        const S rest = pair ? pairs[(k + 1) * n + i] : S(0);
        vectors[k * n + i] = C(pairs[k * n + i], rest);
        if (pair) vectors[(k + 1) * n + i] = C(pairs[k * n + i], -rest);
      }
      k += pair;
    }
  }
  return info == 0;
}

template <typename S>
bool lapack_schur(S* a, S* q, int64_t n) {
  const int size = narrow(n), ask = -1;
  const auto elements = static_cast<size_t>(n * n);
  std::vector<S> turned(elements), unitary(elements), work;
  transpose(a, turned.data(), n, n, false);
  int info = 0, chosen = 0;
  S answer(0);
  std::vector<double> more(static_cast<size_t>(2 * n));
  std::vector<S> values(static_cast<size_t>(n));
  const auto run = [&](S* space, const int* length) {
    if constexpr (is_complex_scalar<S>) {
      using F = void (*)(const char*, const char*, void*, const int*, S*, const int*, int*, S*, S*, const int*, S*,
                         const int*, double*, int*, int*);
      reinterpret_cast<F>(table.complex_gees)("V", "N", nullptr, &size, turned.data(), &size, &chosen, values.data(),
                                              unitary.data(), &size, space, length, more.data(), nullptr, &info);
    } else {
      using F = void (*)(const char*, const char*, void*, const int*, S*, const int*, int*, S*, S*, S*, const int*, S*,
                         const int*, int*, int*);
      reinterpret_cast<F>(table.real_gees)("V", "N", nullptr, &size, turned.data(), &size, &chosen, values.data(),
                                           more.data(), unitary.data(), &size, space, length, nullptr, &info);
    }
  };
  run(&answer, &ask);
  const int length = length_of(answer);
  work.resize(static_cast<size_t>(length));
  run(work.data(), &length);
  if (info != 0) return false;
  transpose(turned.data(), a, n, n, false);
  transpose(unitary.data(), q, n, n, false);
  return true;
}
template bool lapack_schur(double*, double*, int64_t);
template bool lapack_schur(std::complex<double>*, std::complex<double>*, int64_t);

#define MS_LAPACK(S)                                                                       \
  template bool lapack_cholesky(S*, int64_t);                                              \
  template void lapack_triangular_solve(const S*, S*, int64_t, int64_t, bool, bool, bool); \
  template bool lapack_factorise(S*, int*, int64_t);                                       \
  template void lapack_solve(const S*, const int*, S*, int64_t, int64_t, bool);            \
  template bool lapack_lu(S*, int64_t*, int64_t);                                          \
  template bool lapack_qr(S*, S*, S*, int64_t, int64_t, int64_t);                          \
  template bool lapack_eigh(S*, Real<S>*, S*, int64_t);                                    \
  template bool lapack_svd(S*, Real<S>*, S*, S*, int64_t, int64_t, bool);                  \
  template bool lapack_eig(const S*, std::complex<Real<S>>*, std::complex<Real<S>>*, int64_t);
MS_LAPACK(float)
MS_LAPACK(double)
MS_LAPACK(std::complex<float>)
MS_LAPACK(std::complex<double>)
#undef MS_LAPACK

}  // namespace millstream
