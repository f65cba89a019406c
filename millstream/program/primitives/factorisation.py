"""State the factorisations and solutions of matrices on the last two axes. Eigenvalues of matrices that are not Hermitian: none here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, is_known, minimum
from millstream.base.spec import Spec
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.linear import matmul
from millstream.program.primitives.shaping import broadcast, concatenate, full, iota, slice_axis, transpose
from millstream.program.value import Value, emit

KINDS = (dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)


def _real_of(dtype: DType) -> DType:
    return {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}.get(dtype, dtype)


def matrices(what: str, x: Spec, square: bool = True) -> tuple[Size, ...]:
    """Return the sizes of matrices; refuse other types and ranks, and where `square` is set sizes that differ."""
    shape = known_shape(x)
    if x.dtype not in KINDS:
        raise refuse(what, f"element type {x.dtype.name}", "give float32, float64, complex64 or complex128")
    if len(shape) < 2:
        raise refuse(what, str(x), f"Input tensor must have rank >= 2, got {len(shape)}")
    if square and is_known(shape[-1]) and is_known(shape[-2]) and shape[-1] != shape[-2]:
        raise refuse(what, str(x), "Input matrix must be square")
    return shape


def adjoint(x: Value) -> Value:
    """Return the conjugate transposes."""
    return e.conjugate(transpose(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2]))


def _below(x: Value, keep: str) -> Value:
    """Return, as bool, where row - column is in relation `keep` (GE, LE, EQ …) to 0."""
    return e.compare(iota(x.shape, x.rank - 2, dtypes.int64), iota(x.shape, x.rank - 1, dtypes.int64), keep)


def part(x: Value, keep: str) -> Value:
    """Return x where row `keep` column, 0 elsewhere: GE is the lower triangle, LE the upper, EQ the diagonal."""
    return e.select(_below(x, keep), x, full(x.shape, 0, x.dtype))


def scaled_columns(x: Value, s: Value) -> Value:
    """Return x with column j multiplied by s[..., j]."""
    return x * broadcast(s, x.shape, [*range(x.rank - 2), x.rank - 1])


def _scaled_rows(x: Value, s: Value) -> Value:
    return x * broadcast(s, x.shape, range(x.rank - 1))


def each_matrix(function: Callable[..., Any], results: int) -> Callable[..., Any]:
    """Return the function applied to each matrix of its operands."""

    def meaning(*arrays: np.ndarray, **attributes: Any) -> Any:
        lead = arrays[0].shape[:-2]
        rows = [a.reshape(-1, *a.shape[-2:]) for a in arrays]
        with np.errstate(all="ignore"):
            found = [function(*(r[i] for r in rows), **attributes) for i in range(rows[0].shape[0])]
            if not found:
                found = [
                    function(
                        *(np.zeros(r.shape[1:], r.dtype) + np.eye(*r.shape[1:], dtype=r.dtype) for r in rows),
                        **attributes,
                    )
                ]
                columns = list(zip(*found, strict=True)) if results > 1 else [found]
                parts = [np.asarray(c[0])[None][:0].reshape(*lead, *np.shape(c[0])) for c in columns]
                return tuple(parts) if results > 1 else parts[0]
        columns = list(zip(*found, strict=True)) if results > 1 else [found]
        parts = [np.asarray(c).reshape((*lead, *np.shape(c[0]))) for c in columns]
        return tuple(parts) if results > 1 else parts[0]

    return meaning


def _one_cholesky(x: np.ndarray) -> np.ndarray:
    lower = np.tril(x)
    whole = lower + np.conj(np.tril(x, -1)).T
    try:
        return np.linalg.cholesky(whole)
    except np.linalg.LinAlgError:
        return np.tril(np.full_like(x, np.nan))


def _cholesky_reverse(dy: Value, y: Value, x: Value) -> tuple[Value]:
    inner = part(matmul(adjoint(y), dy), "GE")
    half = full(inner.shape, 0.5, inner.dtype)
    inner = e.select(_below(inner, "EQ"), inner * half, inner)
    left = triangular_solve(y, inner, lower=True, adjoint=True)
    whole = adjoint(triangular_solve(y, adjoint(left), lower=True, adjoint=True))
    return ((whole + adjoint(whole)) * half,)


CHOLESKY = primitive(
    "cholesky", lambda x: Spec(x.dtype, matrices("Cholesky", x)), each_matrix(_one_cholesky, 1), _cholesky_reverse
)


def cholesky(x: Value) -> Value:
    """Return lower triangles whose products with their adjoints are x; NaN where x is not positive definite."""
    return emit(CHOLESKY, x)[0]


def _solve_infer(a: Spec, b: Spec, **_: Any) -> Spec:
    left, right = matrices("MatrixSolve", a), known_shape(b)
    if len(right) < 2 or len(left) != len(right):
        raise refuse("MatrixSolve", f"{a} and {b}", "give matrices and right sides of one rank")
    if is_known(left[-1]) and is_known(right[-2]) and left[-1] != right[-2]:
        raise refuse("MatrixSolve", f"{a} and {b}", "Input matrix and rhs are incompatible: their rows must be as many")
    return Spec(a.dtype, right)


def _one_triangular(a: np.ndarray, b: np.ndarray, lower: bool, adjoint: bool) -> np.ndarray:
    kept = np.tril(a) if lower else np.triu(a)
    m = np.conj(kept).T if adjoint else kept
    down = lower != adjoint
    n = m.shape[0]
    x = np.zeros(b.shape, b.dtype)
    for i in range(n) if down else range(n - 1, -1, -1):
        x[i] = (b[i] - m[i] @ x) / m[i, i]
    return x


def _triangular_reverse(dy: Value, y: Value, a: Value, b: Value, lower: bool, adjoint: bool) -> tuple[Value, Value]:
    db = triangular_solve(a, dy, lower=lower, adjoint=not adjoint)
    da = -matmul(y, _adjoint(db)) if adjoint else -matmul(db, _adjoint(y))
    return part(da, "GE" if lower else "LE"), db


_adjoint = adjoint
TRIANGULAR_SOLVE = primitive("triangular_solve", _solve_infer, each_matrix(_one_triangular, 1), _triangular_reverse)


def triangular_solve(a: Value, b: Value, *, lower: bool, adjoint: bool) -> Value:
    """Return x with a x = b (or a's adjoint x = b), of a's lower or upper triangle alone."""
    return emit(TRIANGULAR_SOLVE, a, b, lower=lower, adjoint=adjoint)[0]


def _one_solve(a: np.ndarray, b: np.ndarray, adjoint: bool) -> np.ndarray:
    try:
        return np.linalg.solve(np.conj(a).T if adjoint else a, b)
    except np.linalg.LinAlgError:
        raise refuse("MatrixSolve", "a singular matrix", "Input matrix is not invertible") from None


def _solve_reverse(dy: Value, y: Value, a: Value, b: Value, adjoint: bool) -> tuple[Value, Value]:
    db = solve(a, dy, adjoint=not adjoint)
    return (-matmul(y, _adjoint(db)) if adjoint else -matmul(db, _adjoint(y))), db


SOLVE = primitive("solve", _solve_infer, each_matrix(_one_solve, 1), _solve_reverse)


def solve(a: Value, b: Value, *, adjoint: bool = False) -> Value:
    """Return x with a x = b, or a's adjoint x = b."""
    return emit(SOLVE, a, b, adjoint=adjoint)[0]


def _one_inverse(x: np.ndarray, adjoint: bool) -> np.ndarray:
    try:
        return np.linalg.inv(np.conj(x).T if adjoint else x)
    except np.linalg.LinAlgError:
        raise refuse("MatrixInverse", "a singular matrix", "Input is not invertible.") from None


def _inverse_reverse(dy: Value, y: Value, x: Value, adjoint: bool) -> tuple[Value]:
    if adjoint:
        return (-matmul(matmul(y, _adjoint(dy)), y),)
    back = _adjoint(y)
    return (-matmul(matmul(back, dy), back),)


INVERSE = primitive(
    "inverse",
    lambda x, adjoint: Spec(x.dtype, matrices("MatrixInverse", x)),
    each_matrix(_one_inverse, 1),
    _inverse_reverse,
)


def inverse(x: Value, *, adjoint: bool = False) -> Value:
    """Return the inverses of the matrices, or of their adjoints."""
    return emit(INVERSE, x, adjoint=adjoint)[0]


def _spread(x: Value, like: Value) -> Value:
    return broadcast(x, like.shape, range(x.rank))


DETERMINANT = primitive(
    "determinant",
    lambda x: Spec(x.dtype, matrices("MatrixDeterminant", x)[:-2]),
    each_matrix(lambda x: np.asarray(np.linalg.det(x), x.dtype), 1),
    lambda dy, y, x: (_spread(dy * e.conjugate(y), x) * inverse(x, adjoint=True),),
)


def determinant(x: Value) -> Value:
    """Return the determinants."""
    return emit(DETERMINANT, x)[0]


def _one_log_determinant(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sign, log = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(log, x.dtype)


LOG_DETERMINANT = primitive(
    "log_determinant",
    lambda x: (Spec(x.dtype, matrices("LogMatrixDeterminant", x)[:-2]),) * 2,
    each_matrix(_one_log_determinant, 2),
    lambda dys, ys, x: (_spread(dys[1], x) * inverse(x, adjoint=True),),
    outputs=2,
)


def log_determinant(x: Value) -> tuple[Value, Value]:
    """Return the determinants' signs and the logarithms of their absolute values."""
    sign, log = emit(LOG_DETERMINANT, x)
    return sign, log


def _one_lu(x: np.ndarray, index_dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    a, n = x.copy(), x.shape[0]
    order = np.arange(n)
    for j in range(n):
        i = j + int(np.argmax(np.abs(a[j:, j])))
        if a[i, j] == 0:
            raise refuse("Lu", "a singular matrix", "Input is not invertible.")
        a[[i, j]], order[[i, j]] = a[[j, i]], order[[j, i]]
        a[j + 1 :, j] /= a[j, j]
        a[j + 1 :, j + 1 :] -= np.outer(a[j + 1 :, j], a[j, j + 1 :])
    return a, order.astype(index_dtype.as_numpy_dtype)


def _lu_reverse(dys: Any, ys: Any, x: Value, index_dtype: DType) -> tuple[Value]:
    packed, places = ys
    one = full(packed.shape, 1, packed.dtype)
    lower = e.select(_below(packed, "EQ"), one, part(packed, "GE"))
    upper = part(packed, "LE")
    strict = part(dys[0], "GT")
    inner = part(matmul(adjoint(lower), strict), "GT") + part(matmul(part(dys[0], "LE"), adjoint(upper)), "LE")
    left = triangular_solve(lower, inner, lower=True, adjoint=True)
    turned = adjoint(triangular_solve(upper, adjoint(left), lower=False, adjoint=False))
    # Row i of the product is row places[i] of x: bring the rows back with the permutation as a matrix.
    wide = (*packed.shape[:-1], packed.shape[-1])
    spots = broadcast(places, wide, range(packed.rank - 1))
    matrix = e.convert(e.compare(spots, iota(wide, packed.rank - 1, places.dtype), "EQ"), x.dtype)
    return (matmul(matrix, turned, transpose_x=True),)


LU = primitive(
    "lu",
    lambda x, index_dtype: (Spec(x.dtype, matrices("Lu", x)), Spec(index_dtype, known_shape(x)[:-1])),
    each_matrix(_one_lu, 2),
    _lu_reverse,
    outputs=2,
)


def lu(x: Value, index_dtype: DType) -> tuple[Value, Value]:
    """Return lower and upper triangle in one matrix, and the order of the rows of x that they multiply to."""
    packed, places = emit(LU, x, index_dtype=index_dtype)
    return packed, places


def _qr_infer(x: Spec, whole: bool) -> tuple[Spec, Spec]:
    *lead, m, n = matrices("Qr", x, False)
    k = m if whole else minimum(m, n)
    return Spec(x.dtype, (*lead, m, k)), Spec(x.dtype, (*lead, k, n))


def _one_qr(x: np.ndarray, whole: bool) -> Any:
    return tuple(np.linalg.qr(x, "complete" if whole else "reduced"))


def _times_inverse_adjoint(x: Value, r: Value) -> Value:
    """Return x times the inverse of r's adjoint, r an upper triangle."""
    return adjoint(triangular_solve(r, adjoint(x), lower=False, adjoint=False))


def _qr_deep(q: Value, r: Value, dq: Value, dr: Value) -> Value:
    qdq, rdr = matmul(adjoint(q), dq), matmul(r, adjoint(dr))
    low = part(qdq - adjoint(qdq) + rdr - adjoint(rdr), "GE")
    result = matmul(q, dr + _times_inverse_adjoint(low, r)) + _times_inverse_adjoint(dq - matmul(q, qdq), r)
    if q.dtype.is_complex:
        middle = part(rdr - adjoint(qdq), "EQ")
        correction = middle - e.convert(e.real(middle), middle.dtype)
        result = result + _times_inverse_adjoint(matmul(q, e.conjugate(correction)), r)
    return result


def _qr_reverse(dys: Any, ys: Any, x: Value, whole: bool) -> tuple[Value]:
    (q, r), (dq, dr) = ys, dys
    m, n = x.shape[-2], x.shape[-1]
    if whole and m != n:
        raise refuse("Qr", "a gradient with full_matrices=True", "give full_matrices=False; only then is it defined")
    if m == n:
        return (_qr_deep(q, r, dq, dr),)
    # The columns after the first min(m, n) are products with q alone; a tall x has none.
    k, last = minimum(m, n), x.rank - 1
    y, u = slice_axis(x, last, k, n), slice_axis(r, last, 0, k)
    du, dv = slice_axis(dr, last, 0, k), slice_axis(dr, last, k, n)
    return (concatenate([_qr_deep(q, u, dq + matmul(y, adjoint(dv)), du), matmul(q, dv)], last),)


QR = primitive("qr", _qr_infer, each_matrix(_one_qr, 2), _qr_reverse, outputs=2)


def qr(x: Value, whole: bool) -> tuple[Value, Value]:
    """Return orthogonal columns and an upper triangle that multiply to x."""
    q, r = emit(QR, x, whole=whole)
    return q, r


def _one_eigh(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(x)
    return values, vectors


def inverse_gaps(values: Value, like: Value, squares: bool = False) -> Value:
    """Return 1 / (s_j - s_i) at row i, column j (of squares where asked); 0 where they are equal."""
    s = values * values if squares else values
    rows = broadcast(s, like.shape, range(like.rank - 1))
    columns = broadcast(s, like.shape, [*range(like.rank - 2), like.rank - 1])
    distance = columns - rows
    empty = e.compare(distance, full(distance.shape, 0, distance.dtype), "EQ")
    one = full(distance.shape, 1, distance.dtype)
    return e.select(empty, full(distance.shape, 0, distance.dtype), one / e.select(empty, one, distance))


def _eigh_reverse(dys: Any, ys: Any, x: Value) -> tuple[Value]:
    (dvalues, dvectors), (values, v) = dys, ys
    f = e.convert(inverse_gaps(values, v), v.dtype)
    inner = f * matmul(adjoint(v), dvectors)
    diagonal = scaled_columns(full(v.shape, 1, v.dtype), e.convert(dvalues, v.dtype))
    inner = inner + part(diagonal, "EQ")
    back = matmul(v, matmul(inner, adjoint(v)))
    # Only the lower triangle of x was read.
    both = part(back + adjoint(back), "GE")
    return (e.select(_below(both, "EQ"), both * full(both.shape, 0.5, both.dtype), both),)


EIGH = primitive(
    "eigh",
    lambda x: (Spec(_real_of(x.dtype), matrices("SelfAdjointEigV2", x)[:-1]), Spec(x.dtype, known_shape(x))),
    each_matrix(_one_eigh, 2),
    _eigh_reverse,
    outputs=2,
)


def eigh(x: Value) -> tuple[Value, Value]:
    """Return the eigenvalues, ascending, and the eigenvectors, in columns, of Hermitian matrices (their lower triangles)."""
    values, vectors = emit(EIGH, x)
    return values, vectors


EIGVALSH = primitive(
    "eigenvalues",
    lambda x: Spec(_real_of(x.dtype), matrices("SelfAdjointEigV2", x)[:-1]),
    each_matrix(np.linalg.eigvalsh, 1),
    lambda dy, y, x: _eigh_reverse((dy, full(x.shape, 0, x.dtype)), eigh(x), x),
)


def eigenvalues(x: Value) -> Value:
    """Return the eigenvalues, ascending, of Hermitian matrices."""
    return emit(EIGVALSH, x)[0]


def _svd_infer(x: Spec, whole: bool) -> tuple[Spec, Spec, Spec]:
    *lead, m, n = matrices("Svd", x, False)
    k = minimum(m, n)
    p, q = (m, n) if whole else (k, k)
    return Spec(_real_of(x.dtype), (*lead, k)), Spec(x.dtype, (*lead, m, p)), Spec(x.dtype, (*lead, n, q))


def _one_svd(x: np.ndarray, whole: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, v = np.linalg.svd(x, full_matrices=whole)
    return s, u, np.conj(v).T


def _svd_reverse(dys: Any, ys: Any, x: Value, whole: bool) -> tuple[Value]:
    (ds, du, dv), (s, u, v) = dys, ys
    m, n = x.shape[-2], x.shape[-1]
    if not whole or m == n:
        return (_svd_back(ds, du, dv, s, u, v),)
    if m - n not in (1, -1):
        raise NotImplementedError(
            f"svd gradient is not implemented for abs(m - n) > 1 when full_matrices is True. Received: m={m} and n={n}; "
            "give full_matrices=False."
        )
    # One vector more on one side: up to its sign the others fix it.
    k, last = minimum(m, n), x.rank - 1
    (u, more_u), (v, more_v) = ((slice_axis(y, last, 0, k), slice_axis(y, last, k, y.shape[-1])) for y in (u, v))
    (du, more_du), (dv, more_dv) = ((slice_axis(y, last, 0, k), slice_axis(y, last, k, y.shape[-1])) for y in (du, dv))
    over = _over(s, u.dtype)
    # The side without it has none of these columns: its product is 0.
    right = matmul(matmul(scaled_columns(u, over), matmul(adjoint(v), more_dv)), adjoint(more_v))
    left = matmul(more_u, adjoint(matmul(scaled_columns(v, over), matmul(adjoint(u), more_du))))
    return (_svd_back(ds, du, dv, s, u, v) - left - right,)


def _over(s: Value, kind: DType) -> Value:
    """Return 1 / s as `kind`; 0 where s is 0."""
    zero, one = full(s.shape, 0, s.dtype), full(s.shape, 1, s.dtype)
    empty = e.compare(s, zero, "EQ")
    return e.convert(e.select(empty, zero, one / e.select(empty, one, s)), kind)


def _svd_back(ds: Value, du: Value, dv: Value, s: Value, u: Value, v: Value) -> Value:
    kind = u.dtype
    wide = e.convert(s, kind)
    inner = matmul(adjoint(u), du)
    f = e.convert(inverse_gaps(s, inner, True), kind)
    over = _over(s, kind)
    left = f * (inner - adjoint(inner))
    other = matmul(adjoint(v), dv)
    right = f * (other - adjoint(other))
    middle = scaled_columns(left, wide) + _scaled_rows(right, wide)
    middle = middle + part(scaled_columns(full(middle.shape, 1, kind), e.convert(ds, kind)), "EQ")
    if kind.is_complex:
        # The part of the phases that the sizes above do not fix.
        turn = part(inner, "EQ")
        imaginary = (turn - e.conjugate(turn)) * full(turn.shape, 0.5, kind)
        middle = middle + scaled_columns(imaginary, over)
    back = matmul(middle, adjoint(v))
    result = matmul(u, back)
    result = result + matmul(scaled_columns(du - matmul(u, inner), over), adjoint(v))
    return result + matmul(scaled_columns(u, over), adjoint(dv - matmul(v, other)))


SVD = primitive("svd", _svd_infer, each_matrix(_one_svd, 3), _svd_reverse, outputs=3)


def svd(x: Value, whole: bool) -> tuple[Value, Value, Value]:
    """Return singular values, descending, and left and right vectors in columns."""
    s, u, v = emit(SVD, x, whole=whole)
    return s, u, v


def _values_reverse(dy: Value, y: Value, x: Value) -> tuple[Value]:
    _, u, v = svd(x, False)
    return (matmul(scaled_columns(u, e.convert(dy, u.dtype)), adjoint(v)),)


SINGULAR_VALUES = primitive(
    "singular_values",
    lambda x: _svd_infer(x, False)[0],
    each_matrix(lambda x: np.linalg.svd(x, compute_uv=False), 1),
    _values_reverse,
)


def singular_values(x: Value) -> Value:
    """Return the singular values, descending."""
    return emit(SINGULAR_VALUES, x)[0]
