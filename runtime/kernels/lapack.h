// LAPACK, where the host gives it: factorisations of one row-major matrix each, in place of the kernels' own for larger ones. Knows no
// tensor. Where no LAPACK is given, or it does not come to an end, the functions say so and have changed nothing that counts.
#pragma once

#include <complex>
#include <cstdint>

#include "kernels/linalg.h"

namespace millstream {

// Gives the address of a function of BLAS or LAPACK by its plain name ("dgetrf"), nullptr where it has none: column-major, all
// arguments by address, sizes of 32 bits, no lengths of texts. Also asked for, but not needed: "set_num_threads", "get_num_threads".
using LapackLookup = void* (*)(const char* name);
void set_lapack(LapackLookup lookup);

// Whether `matrices` matrices of n rows or columns go to LAPACK, with none of more than `most` elements around; while it lives, LAPACK uses threads of its own only for one great matrix,
// since the threads here are many already. The first one asks the host for the functions: not to be made inside a parallel_for.
class UseLapack {
 public:
  UseLapack(int64_t matrices, int64_t n, int64_t most = 0);
  ~UseLapack();
  UseLapack(const UseLapack&) = delete;
  UseLapack& operator=(const UseLapack&) = delete;
  operator bool() const { return used_; }

 private:
  bool used_, alone_;
};

// Each is false where LAPACK failed.
// a's lower triangle becomes its Cholesky factor; what is above it is left as it was.
template <typename S>
bool lapack_cholesky(S* a, int64_t n);
// x [n, k] becomes a^-1 x, or a^-H x; a is a lower or an upper triangle.
template <typename S>
void lapack_triangular_solve(const S* a, S* x, int64_t n, int64_t k, bool lower, bool adjoint, bool unit);
// a becomes its factors with columns exchanged; `pivots` [n]. False where a pivot is 0: then the factors count all the same.
template <typename S>
bool lapack_factorise(S* a, int* pivots, int64_t n);
// x [n, k] becomes a^-1 x, or a^-H x, out of a's factors.
template <typename S>
void lapack_solve(const S* a, const int* pivots, S* x, int64_t n, int64_t k, bool adjoint);
// a [n, n] becomes its factors with rows exchanged, as Gauss does: rows[i] is where row i came from.
template <typename S>
bool lapack_lu(S* a, int64_t* rows, int64_t n);
// a [m, n] is overwritten; q [m, columns], r [columns, n].
template <typename S>
bool lapack_qr(S* a, S* q, S* r, int64_t m, int64_t n, int64_t columns);
// a [n, n], its lower triangle, is overwritten. values [n], ascending; vectors [n, n] in columns, or nullptr.
template <typename S>
bool lapack_eigh(S* a, Real<S>* values, S* vectors, int64_t n);
// a [m, n] is overwritten. values [k], descending; u [m, m or k] and v [n, n or k] in columns, or nullptr.
template <typename S>
bool lapack_svd(S* a, Real<S>* values, S* u, S* v, int64_t m, int64_t n, bool whole);
// Row i of `vectors` is the eigenvector of values[i], of length 1; nullptr: values alone.
template <typename S>
bool lapack_eig(const S* a, std::complex<Real<S>>* values, std::complex<Real<S>>* vectors, int64_t n);
// a [n, n] becomes Schur's triangle t, q unitary: q t q^H is what a was. Of real numbers (double) t has blocks of 2 on its diagonal.
template <typename S>
bool lapack_schur(S* a, S* q, int64_t n);

}  // namespace millstream
