"""tf.linalg: factorisations, solutions, diagonals and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.calls import named, unary
from millstream.api.control_flow import cond
from millstream.api.linalg import matmul
from millstream.api.math import abs_, cast, multiply, pow_, real
from millstream.api.older_names import either
from millstream.api.public import public
from millstream.api.reduction import reduce_max, reduce_sum
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.by_rank import takes_any_rank
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

cholesky = unary(
    "linalg.cholesky", "Cholesky", "Return lower triangles whose products with their adjoints are the input.", "input"
)
det = unary("linalg.det", "MatrixDeterminant", "Return the determinants of matrices.", "input")


@public("linalg.inv")
def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Return the inverses of matrices, or of their adjoints."""
    return apply(find("MatrixInverse"), input, adjoint=bool(adjoint))


@public("linalg.solve")
def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Return x with matrix x = rhs."""
    return apply(find("MatrixSolve"), matrix, rhs, adjoint=bool(adjoint))


@public("linalg.triangular_solve")
def triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None) -> Any:
    """Return x with matrix x = rhs for triangular matrices."""
    return apply(find("MatrixTriangularSolve"), matrix, rhs, lower=bool(lower), adjoint=bool(adjoint))


@public("linalg.cholesky_solve")
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Any:
    """Return x with a x = rhs, out of a's Cholesky factor."""
    return triangular_solve(chol, triangular_solve(chol, rhs), adjoint=True)


@public("linalg.qr")
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """Return orthogonal columns and an upper triangle that multiply to the input."""
    return named(find("Qr"), input, full_matrices=bool(full_matrices))


@public("linalg.lu")
def lu(input: Any, output_idx_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return lower and upper triangle in one matrix, and the order of the rows that they multiply to."""
    return named(find("Lu"), input, output_idx_type=as_dtype(output_idx_type))


@public("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> Any:
    """Return the signs of the determinants and the logarithms of their absolute values."""
    return named(find("LogMatrixDeterminant"), input)


@public("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Any:
    """Return the logarithms of the determinants of positive definite matrices."""
    factor = cholesky(matrix)
    diagonal = real(diag_part(factor))
    return multiply(eager_constant(2, diagonal.dtype), reduce_sum(apply(find("Log"), diagonal), -1))


@public("linalg.eigh")
def eigh(tensor: Any, name: str | None = None) -> Any:
    """Return eigenvalues, ascending, and eigenvectors of Hermitian matrices."""
    values, vectors = apply(find("SelfAdjointEigV2"), tensor, compute_v=True)
    return values, vectors


@public("linalg.eigvalsh")
def eigvalsh(tensor: Any, name: str | None = None) -> Any:
    """Return the eigenvalues, ascending, of Hermitian matrices."""
    return apply(find("SelfAdjointEigV2"), tensor, compute_v=False)[0]


def _eigen(tensor: Any, vectors: bool) -> Any:
    x = to_tensor(tensor)
    result = dtypes.complex64 if x.dtype in (dtypes.float32, dtypes.complex64) else dtypes.complex128
    return apply(find("Eig"), x, compute_v=vectors, Tout=result)


@public("eig", "linalg.eig")
def eig(tensor: Any, name: str | None = None) -> Any:
    """Return eigenvalues and, in columns, eigenvectors of length 1, as complex numbers."""
    values, vectors = _eigen(tensor, True)
    return values, vectors


@public("eigvals", "linalg.eigvals")
def eigvals(tensor: Any, name: str | None = None) -> Any:
    """Return eigenvalues as complex numbers."""
    return _eigen(tensor, False)[0]


unary(
    "linalg.sqrtm matrix_square_root",
    "MatrixSquareRoot",
    "Return matrices whose squares are the input, with eigenvalues in the right half plane; NaN where real numbers have none.",
    "input",
)
unary("linalg.logm", "MatrixLogarithm", "Return the principal logarithms of complex matrices.", "input")


@public("linalg.svd")
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """Return singular values, descending, and left and right vectors in columns; only the values without `compute_uv`."""
    tensor = to_tensor(tensor)
    s, u, v = apply(find("Svd"), tensor, compute_uv=bool(compute_uv), full_matrices=bool(full_matrices))
    s = real(s)
    return (s, u, v) if compute_uv else s


def _padding(value: Any, dtype: Any) -> Any:
    plain = isinstance(value, (int, float, bool)) and dtype is not dtypes.string
    if plain:
        return eager_constant(bool(value) if dtype is dtypes.bool else value, dtype)
    return to_tensor(value, dtype)


@public("linalg.diag_part")
def diag_part(
    input: Any, name: str = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Any:
    """Return diagonals of matrices: one as a vector, several as rows from the highest down."""
    x = to_tensor(input)
    return apply(find("MatrixDiagPartV3"), x, array.index_tensor(k), _padding(padding_value, x.dtype), align=align)


@public("linalg.diag")
def diag(
    diagonal: Any,
    name: str = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    """Return matrices that hold the diagonals, and padding elsewhere."""
    x = to_tensor(diagonal)
    sizes = array.index_tensor(num_rows), array.index_tensor(num_cols)
    return apply(find("MatrixDiagV3"), x, array.index_tensor(k), *sizes, _padding(padding_value, x.dtype), align=align)


@public("linalg.set_diag")
def set_diag(input: Any, diagonal: Any, name: str = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT") -> Any:
    """Return matrices with their diagonals replaced."""
    return apply(find("MatrixSetDiagV3"), input, diagonal, array.index_tensor(k), align=align)


@public("linalg.tensor_diag")
def tensor_diag(diagonal: Any, name: str | None = None) -> Any:
    """Return the tensor that holds the elements where both halves of the index are equal."""
    return apply(find("Diag"), diagonal)


@public("linalg.tensor_diag_part")
def tensor_diag_part(input: Any, name: str | None = None) -> Any:
    """Return the elements where both halves of the index are equal."""
    return apply(find("DiagPart"), input)


@public("linalg.band_part")
def band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Any:
    """Return matrices with 0 outside a band of so many diagonals below and above the main one; below 0: all."""
    x, lower = to_tensor(input), to_tensor(num_lower, None, getattr(num_upper, "dtype", dtypes.int64))
    upper = to_tensor(num_upper, None, lower.dtype)
    if x.shape.rank is not None and x.shape.rank >= 2:
        for key, number, side, words in (
            ("num_lower", lower, x.shape[-2], "rows"),
            ("num_upper", upper, x.shape[-1], "columns"),
        ):
            known = static_value(number)
            if known is not None and side is not None and known.ndim == 0 and known > side:
                raise InvalidArgumentError(
                    None,
                    None,
                    explain(f"{key} must be negative or less or equal to number of {words} ({side}) got: {known}"),
                )
    return apply(find("MatrixBandPart"), x, lower, upper)


@public("linalg.cross")
def cross(a: Any, b: Any, name: str | None = None) -> Any:
    """Return the cross products of vectors of 3."""
    return apply(find("Cross"), a, b)


@public("linalg.trace")
def trace(x: Any, name: str | None = None) -> Any:
    """Return the sums of the diagonals of matrices."""
    return reduce_sum(diag_part(x), -1)


@public("norm", "linalg.norm")
def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None, name: str | None = None) -> Any:
    """Return norms of vectors (axis None or one axis) or of matrices (two axes)."""
    keepdims = bool(keepdims)
    matrix = isinstance(axis, (tuple, list)) and len(axis) == 2
    if not matrix and isinstance(axis, (tuple, list)):
        raise ValueError(explain("'axis' must be None, an integer, or a tuple of 2 unique integers"))
    x = to_tensor(tensor)
    allowed: list[Any] = ["euclidean", "fro", 1, 2, np.inf] if matrix else ["euclidean", 1, 2, np.inf]
    if not (ord in allowed or (not matrix and isinstance(ord, (int, float)) and ord > 0)):
        raise ValueError(
            explain(f"'ord' must be a supported {'matrix' if matrix else 'vector'} norm in {allowed}, got {ord}")
        )
    if ord in ("fro", "euclidean", 2):
        if matrix and ord == 2:
            return _largest_singular_value(x, axis, keepdims)
        squares = multiply(x, apply(find("Conj"), x)) if x.dtype.is_complex else multiply(x, x)
        return cast(apply(find("Sqrt"), reduce_sum(squares, axis, keepdims)), x.dtype.real_dtype)
    sizes = abs_(x)
    if ord == 1:
        if not matrix:
            return reduce_sum(sizes, axis, keepdims)
        return _over(sizes, axis[0], axis[1], keepdims)
    if ord == np.inf:
        return _over(sizes, axis[1], axis[0], keepdims) if matrix else reduce_max(sizes, axis, keepdims)
    power = to_tensor(ord, sizes.dtype)
    return pow_(reduce_sum(pow_(sizes, power), axis, keepdims), apply(find("Reciprocal"), power))


@takes_any_rank("tf.norm", dtype=lambda given: given.real_dtype)
def _largest_singular_value(x: Any, axis: Any, keepdims: bool) -> Any:
    rank = x.shape.rank
    axes = [a % rank for a in axis]
    order = [i for i in range(rank) if i not in axes] + axes
    largest = reduce_max(abs_(svd(array.transpose(x, order), compute_uv=False)), -1, True)
    if not keepdims:
        return array.squeeze(largest, [-1])
    wide = array.expand_dims(largest, -1)
    return array.transpose(wide, [order.index(i) for i in range(rank)])


@public("compat.v1.norm", "compat.v1.linalg.norm")
def norm_v1(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: Any = None,
    name: str | None = None,
    keep_dims: Any = None,
) -> Any:
    """Return what `tf.norm` returns; `keep_dims` is the old name of `keepdims`."""
    return norm(tensor, ord, axis, either(keepdims, keep_dims, "keepdims", "keep_dims"))


def _over(sizes: Any, summed: int, largest: int, keepdims: bool) -> Any:
    total = reduce_sum(sizes, summed, True)
    result = reduce_max(total, largest, True)
    return result if keepdims else array.squeeze(result, [summed, largest])


@public("linalg.normalize")
def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> Any:
    """Return the tensor divided by its norm, and the norm."""
    x = to_tensor(tensor)
    length = cast(norm(x, ord, axis, True), x.dtype)
    return apply(find("RealDiv"), x, length), length


@public("linalg.matrix_rank")
def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Any:
    """Return how many singular values are above `tol`."""
    a = to_tensor(a)
    s = svd(a, compute_uv=False)
    if tol is None:
        tol = reduce_max(s, -1, True) * (_longer_side(a, s.dtype) * np.finfo(s.dtype.as_numpy_dtype).eps)
    else:
        tol = array.expand_dims(to_tensor(tol, s.dtype), -1)
    return reduce_sum(cast(apply(find("Greater"), s, tol), dtypes.int32), -1)


def _longer_side(a: Any, dtype: Any) -> Any:
    """Return the greater of rows and columns, as a tensor of `dtype` where it is not known."""
    sides = a.shape.as_list()[-2:]
    return cast(reduce_max(array.shape(a)[-2:]), dtype) if None in sides else max(int(n) for n in sides)


@public("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Any:
    """Return the Moore-Penrose inverses of matrices."""
    return _pinv(to_tensor(a), rcond)


@takes_any_rank("tf.linalg.pinv")
def _pinv(a: Any, rcond: Any) -> Any:
    if rcond is None:
        real_type = a.dtype.real_dtype
        rcond = _longer_side(a, real_type) * (10.0 * float(np.finfo(real_type.as_numpy_dtype).eps))
    s, u, v = svd(a)
    cutoff = multiply(array.expand_dims(to_tensor(rcond, s.dtype), -1), reduce_max(s, -1, True))
    # What is cut off counts as infinitely long, so that its inverse is 0.
    safe = apply(find("SelectV2"), apply(find("Greater"), s, cutoff), s, eager_constant(np.inf, s.dtype))
    scaled = apply(find("RealDiv"), v, cast(array.expand_dims(safe, -2), a.dtype))
    return matmul(scaled, u, adjoint_b=True)


@public("linalg.lstsq")
def lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None) -> Any:
    """Return x for which matrix x is nearest to rhs; of several the shortest."""
    matrix = to_tensor(matrix)
    rhs = to_tensor(rhs, None, matrix.dtype)
    if not fast:
        return matmul(pinv(matrix), rhs)
    m, n = matrix.shape.as_list()[-2:]
    if m is None or n is None:
        sides = array.shape(matrix)[-2:]
        return cond(
            sides[0] >= sides[1],
            lambda: _normal_equations(matrix, rhs, l2_regularizer, True),
            lambda: _normal_equations(matrix, rhs, l2_regularizer, False),
        )
    return _normal_equations(matrix, rhs, l2_regularizer, m >= n)


def _normal_equations(matrix: Any, rhs: Any, weight: float, tall: bool) -> Any:
    gram = matmul(matrix, matrix, adjoint_a=tall, adjoint_b=not tall)
    if weight != 0:
        gram = apply(find("MatrixSetDiagV3"), gram, diag_part(gram) + weight, array.index_tensor(0), align="RIGHT_LEFT")
    factor = cholesky(gram)
    if tall:
        return cholesky_solve(factor, matmul(matrix, rhs, adjoint_a=True))
    return matmul(matrix, cholesky_solve(factor, rhs), adjoint_a=True)
