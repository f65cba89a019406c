"""State eigenvalues of any matrices, their roots and logarithms, and solutions with banded matrices. Refuses 8-bit and half floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import evaluate, is_known
from millstream.base.spec import Spec
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.factorisation import (
    adjoint,
    each_matrix,
    inverse_gaps,
    matrices,
    part,
    scaled_columns,
    solve,
)
from millstream.program.primitives.linear import matmul
from millstream.program.primitives.reduction import arg_reduce, reduce
from millstream.program.primitives.shaping import broadcast, concatenate, full, iota, pad, reshape, reverse, slice_axis
from millstream.program.value import Value, emit


def _complex_of(dtype: DType) -> DType:
    return {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}.get(dtype, dtype)


def _same_type(x: Value, like: Value) -> Value:
    """Return the gradient of a matrix that was taken as complex numbers."""
    return x if like.dtype.is_complex else e.real(x)


def _one_eig(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eig(x)
    kind = np.result_type(x.dtype, np.complex64)
    return values.astype(kind), vectors.astype(kind)


def _eig_reverse(dys: Any, ys: Any, x: Value) -> tuple[Value]:
    (dvalues, dvectors), (values, v) = dys, ys
    turned = adjoint(v)
    inner = matmul(turned, dvectors)
    # Vectors have length 1: what would only change a length does not count.
    lengths = part(inner, "EQ")
    lengths = e.convert(e.real(lengths), lengths.dtype)
    middle = e.conjugate(inverse_gaps(values, v)) * (inner - matmul(matmul(turned, v), lengths))
    middle = middle + part(scaled_columns(full(v.shape, 1, v.dtype), dvalues), "EQ")
    return (_same_type(solve(turned, matmul(middle, turned)), x),)


EIG = primitive(
    "eig",
    lambda x: (
        Spec(_complex_of(x.dtype), matrices("Eig", x)[:-1]),
        Spec(_complex_of(x.dtype), known_shape(x)),
    ),
    each_matrix(_one_eig, 2),
    _eig_reverse,
    outputs=2,
)


def eig(x: Value) -> tuple[Value, Value]:
    """Return eigenvalues and eigenvectors of length 1, in columns, as complex numbers."""
    values, vectors = emit(EIG, x)
    return values, vectors


def _of_nearest(x: Value, places: Value, wanted: Value) -> Value:
    """Return for each number in `wanted` the element of x where `places` is nearest to it: eigenvalues come in any order."""
    shape = (*wanted.shape, wanted.shape[-1])
    rank = len(shape)
    lead = range(rank - 2)
    distance = e.absolute(broadcast(wanted, shape, range(rank - 1)) - broadcast(places, shape, [*lead, rank - 1]))
    nearest = arg_reduce(distance, "min", rank - 1, dtypes.int64)
    chosen = e.compare(broadcast(nearest, shape, range(rank - 1)), iota(shape, rank - 1, dtypes.int64), "EQ")
    found = matmul(e.convert(chosen, x.dtype), reshape(x, (*x.shape, 1)))
    return reshape(found, wanted.shape)


def _eig_values_reverse(dy: Value, y: Value, x: Value) -> tuple[Value]:
    values, vectors = eig(x)
    turned = adjoint(vectors)
    diagonal = scaled_columns(full(turned.shape, 1, turned.dtype), _of_nearest(dy, y, values))
    return (_same_type(solve(turned, matmul(part(diagonal, "EQ"), turned)), x),)


EIG_VALUES = primitive(
    "eig_values",
    lambda x: Spec(_complex_of(x.dtype), matrices("Eig", x)[:-1]),
    each_matrix(lambda x: _one_eig(x)[0], 1),
    _eig_values_reverse,
)


def eig_values(x: Value) -> Value:
    """Return eigenvalues as complex numbers."""
    return emit(EIG_VALUES, x)[0]


def _one_root(x: np.ndarray) -> np.ndarray:
    import scipy.linalg

    found = scipy.linalg.sqrtm(x.astype(np.result_type(x.dtype, np.float64)))
    return found.astype(x.dtype) if x.dtype.kind == "c" or found.dtype.kind == "f" else np.full_like(x, np.nan)


def _one_logarithm(x: np.ndarray) -> np.ndarray:
    import scipy.linalg

    return scipy.linalg.logm(x.astype(np.complex128)).astype(x.dtype)


def _function_reverse(function: Any) -> Any:
    def rule(dy: Value, y: Value, x: Value) -> tuple[Value]:
        # The function of [[a, b], [0, a]] has its derivative at a in direction b in the corner; the gradient is that at a's adjoint.
        turned, last = adjoint(x), x.rank - 1
        above = concatenate([turned, dy], last)
        below = concatenate([full(turned.shape, 0, turned.dtype), turned], last)
        n = x.shape[-1]
        corner = slice_axis(function(concatenate([above, below], last - 1)), last - 1, 0, n)
        return (slice_axis(corner, last, n, corner.shape[-1]),)

    return rule


def matrix_square_root(x: Value) -> Value:
    """Return y with y y = x, its eigenvalues in the right half plane; NaN where a real x has none of real numbers."""
    return emit(MATRIX_SQUARE_ROOT, x)[0]


def matrix_logarithm(x: Value) -> Value:
    """Return the principal logarithms of complex matrices."""
    return emit(MATRIX_LOGARITHM, x)[0]


MATRIX_SQUARE_ROOT = primitive(
    "matrix_square_root",
    lambda x: Spec(x.dtype, matrices("MatrixSquareRoot", x)),
    each_matrix(_one_root, 1),
    _function_reverse(matrix_square_root),
)
MATRIX_LOGARITHM = primitive(
    "matrix_logarithm",
    lambda x: Spec(x.dtype, matrices("MatrixLogarithm", x)),
    each_matrix(_one_logarithm, 1),
    _function_reverse(matrix_logarithm),
)


def _right_side(what: str, bands: Spec, b: Spec) -> Spec:
    left, right = matrices(what, bands, square=False), known_shape(b)
    if len(right) != len(left):
        raise refuse(what, f"{bands} and {b}", "give diagonals and right sides of one rank")
    if is_known(left[-1]) and is_known(right[-2]) and left[-1] != right[-2]:
        raise refuse(what, f"{bands} and {b}", "give right sides with as many rows as the matrices have")
    return Spec(b.dtype, right)


def _shifted(x: Value, by: int, axis: int) -> Value:
    """Return x with element i where i + by was: later ones come forward where `by` is above 0; 0 moves in."""
    low = [-by if i == axis else 0 for i in range(x.rank)]
    return pad(x, low, [-n for n in low]) if by else x


def _row_products(x: Value, y: Value) -> Value:
    """Return, at [..., 0, i], the sum over k of x[..., i, k] and y's conjugate [..., i, k]."""
    found = reduce(x * e.conjugate(y), "sum", [x.rank - 1])
    return reshape(found, (*found.shape[:-1], 1, found.shape[-1]))


def _tridiagonal_infer(d: Spec, b: Spec, **_: Any) -> Spec:
    shape = known_shape(d)
    if len(shape) < 2 or (is_known(shape[-2]) and shape[-2] != 3):
        raise refuse("TridiagonalSolve", str(d), "Expected diagonals of shape [..., 3, M]")
    return _right_side("TridiagonalSolve", d, b)


def _one_tridiagonal(d: np.ndarray, b: np.ndarray, pivoting: bool, perturb: bool) -> np.ndarray:
    n = d.shape[1]
    dense = np.diag(d[1]) + np.diag(d[0, : n - 1], 1) + np.diag(d[2, 1:], -1)
    try:
        return np.linalg.solve(dense, b)
    except np.linalg.LinAlgError:
        return np.full_like(b, np.nan)


def adjoint_diagonals(d: Value) -> Value:
    """Return the three diagonals of the adjoints."""
    above, main, below = (slice_axis(d, d.rank - 2, i, i + 1) for i in range(3))
    last = d.rank - 1
    return e.conjugate(concatenate([_shifted(below, 1, last), main, _shifted(above, -1, last)], d.rank - 2))


def _tridiagonal_reverse(dy: Value, y: Value, d: Value, b: Value, pivoting: bool, perturb: bool) -> tuple[Value, Value]:
    db = tridiagonal_solve(adjoint_diagonals(d), dy, pivoting=pivoting, perturb=perturb)
    row = y.rank - 2
    dd = [_row_products(db, _shifted(y, 1, row)), _row_products(db, y), _row_products(db, _shifted(y, -1, row))]
    return -concatenate(dd, d.rank - 2), db


TRIDIAGONAL_SOLVE = primitive(
    "tridiagonal_solve", _tridiagonal_infer, each_matrix(_one_tridiagonal, 1), _tridiagonal_reverse
)


def tridiagonal_solve(d: Value, b: Value, *, pivoting: bool, perturb: bool = False) -> Value:
    """Return x with t x = b; d [..., 3, m] holds t's diagonals above, on and below the main one."""
    return emit(TRIDIAGONAL_SOLVE, d, b, pivoting=pivoting, perturb=perturb)[0]


def tridiagonal_matmul(above: Value, main: Value, below: Value, b: Value) -> Value:
    """Return t b; the diagonals are [..., 1, m], with one element too much at the end of `above` and the start of `below`."""

    row, n = b.rank - 2, b.shape[-2]

    def product(diagonal: Value, first: int, x: Value) -> Value:
        flat = reshape(diagonal, (*diagonal.shape[:-2], diagonal.shape[-1]))
        kept = slice_axis(flat, flat.rank - 1, first, first + x.shape[row])
        return x * broadcast(kept, x.shape, range(x.rank - 1))

    def moved(x: Value, low: int, high: int) -> Value:
        ends = [0] * row
        return pad(x, [*ends, low, 0], [*ends, high, 0])

    # What is too much is not even multiplied by 0: it may be NaN.
    upper = moved(product(above, 0, slice_axis(b, row, 1, n)), 0, 1)
    lower = moved(product(below, 1, slice_axis(b, row, 0, n - 1)), 1, 0)
    return upper + product(main, 0, b) + lower


def _one_banded(bands: np.ndarray, b: np.ndarray, lower: bool, adjoint: bool) -> np.ndarray:
    count, n = bands.shape
    dense = np.zeros((n, n), bands.dtype)
    for k in range(min(count, n)):
        if lower:
            dense += np.diag(bands[k, k:], -k)
        else:
            dense += np.diag(bands[count - 1 - k, : n - k], k)
    turned = np.conj(dense).T if adjoint else dense
    x = np.zeros(b.shape, b.dtype)
    down = lower != adjoint
    for i in range(n) if down else range(n - 1, -1, -1):
        if not abs(turned[i, i]) > 0:
            raise refuse("BandedTriangularSolve", "a singular matrix", "Input matrix is not invertible")
        x[i] = (b[i] - turned[i] @ x) / turned[i, i]
    return x


def _banded_reverse(dy: Value, y: Value, a: Value, b: Value, lower: bool, adjoint: bool) -> tuple[Value, Value]:
    count = a.shape[-2]
    if not is_known(count):
        raise refuse("BandedTriangularSolve", "a gradient with bands of unknown number", "set it with tf.ensure_shape")
    db = banded_solve(a, dy, lower=lower, adjoint=not adjoint)
    left, right, row = (y, db, y.rank - 2) if adjoint else (db, y, y.rank - 2)
    found = [_row_products(left, _shifted(right, -k if lower else k, row)) for k in range(evaluate(count))]
    rows = concatenate(found, a.rank - 2)
    return -(rows if lower else reverse(rows, [a.rank - 2])), db


BANDED_SOLVE = primitive(
    "banded_solve",
    lambda a, b, **_: _right_side("BandedTriangularSolve", a, b),
    each_matrix(_one_banded, 1),
    _banded_reverse,
)


def banded_solve(a: Value, b: Value, *, lower: bool, adjoint: bool) -> Value:
    """Return x with t x = b (or t's adjoint x = b), t triangular; a [..., k, m] holds its diagonals, the main one first if lower."""
    return emit(BANDED_SOLVE, a, b, lower=lower, adjoint=adjoint)[0]
