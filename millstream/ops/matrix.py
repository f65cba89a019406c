"""Declare factorisations and solutions of matrices on the last two axes. float16 is computed as float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.base.dtypes import bfloat16, complex64, complex128, float16, float32, float64, int32, int64
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.types import COMPLEX
from millstream.program.primitives import factorisation as f
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.shaping import broadcast_shapes, full, spread_to
from millstream.program.value import Value

T = Types("T", float64, float32, float16, *COMPLEX)
Triangular = Types("T", bfloat16, float64, float32, float16, *COMPLEX)
Index = Types("output_idx_type", int32, int64, default=int32)
KINDS = (float32, float64, complex64, complex128)


def in_float32(function: Callable[..., Any], *inputs: Value) -> Any:
    """Compute in float32 what has a narrower type."""
    kind = inputs[0].dtype
    if kind not in (float16, bfloat16):
        return function(*inputs)
    found = function(*(convert(x, float32) for x in inputs))
    back = [convert(y, kind) if y.dtype == float32 else y for y in (found if isinstance(found, tuple) else (found,))]
    return tuple(back) if isinstance(found, tuple) else back[0]


@op("Cholesky", outputs="output")
def cholesky(input: Tensor[T]) -> Tensor[T]:
    """Return lower triangles whose products with their adjoints are the input."""
    return in_float32(f.cholesky, input)


@op("MatrixTriangularSolve", outputs="output")
def triangular_solve(
    matrix: Tensor[Triangular], rhs: Tensor[Triangular], *, lower: bool = True, adjoint: bool = False
) -> Tensor[Triangular]:
    """Return x with matrix x = rhs for triangular matrices; leading axes broadcast."""
    if matrix.rank < 2 or rhs.rank < 2:
        raise refuse("MatrixTriangularSolve", f"ranks {matrix.rank} and {rhs.rank}", "give matrices")
    lead = broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2], what="MatrixTriangularSolve")
    a, b = spread_to(matrix, (*lead, *matrix.shape[-2:])), spread_to(rhs, (*lead, *rhs.shape[-2:]))
    return in_float32(lambda p, q: f.triangular_solve(p, q, lower=lower, adjoint=adjoint), a, b)


@op("MatrixSolve", outputs="output")
def solve(matrix: Tensor[T], rhs: Tensor[T], *, adjoint: bool = False) -> Tensor[T]:
    """Return x with matrix x = rhs, or with the matrix's adjoint."""
    return in_float32(lambda a, b: f.solve(a, b, adjoint=adjoint), matrix, rhs)


@op("MatrixInverse", outputs="output")
def inverse(input: Tensor[T], *, adjoint: bool = False) -> Tensor[T]:
    """Return the inverses of the matrices, or of their adjoints."""
    return in_float32(lambda x: f.inverse(x, adjoint=adjoint), input)


@op("MatrixDeterminant", outputs="output")
def determinant(input: Tensor[T]) -> Tensor[T]:
    """Return the determinants."""
    return in_float32(f.determinant, input)


@op("LogMatrixDeterminant", outputs=("sign", "log_abs_determinant"))
def log_determinant(input: Tensor[T]) -> tuple[Tensor[T], Tensor[T]]:
    """Return the signs of the determinants and the logarithms of their absolute values."""
    return in_float32(f.log_determinant, input)


@op("Lu", outputs=("lu", "p"))
def lu(input: Tensor[T], *, output_idx_type: Index = int32) -> tuple[Tensor[T], Tensor["output_idx_type"]]:
    """Return lower and upper triangle in one matrix, and the order of the rows that they multiply to."""
    return in_float32(lambda x: f.lu(x, output_idx_type), input)


@op("Qr", outputs=("q", "r"))
def qr(input: Tensor[T], *, full_matrices: bool = False) -> tuple[Tensor[T], Tensor[T]]:
    """Return orthogonal columns and an upper triangle that multiply to the input."""
    return in_float32(lambda x: f.qr(x, full_matrices), input)


@op("SelfAdjointEigV2", outputs=("e", "v"))
def eigh(input: Tensor[T], *, compute_v: bool = True) -> tuple[Tensor[T], Tensor[T]]:
    """Return eigenvalues, ascending, and eigenvectors of Hermitian matrices, whose lower triangles are read."""
    if not compute_v:
        values = in_float32(f.eigenvalues, input)
        return convert(values, input.dtype), full((0,), 0, input.dtype)
    values, vectors = in_float32(f.eigh, input)
    return convert(values, input.dtype), vectors


@op("Svd", outputs=("s", "u", "v"))
def svd(
    input: Tensor[T], *, compute_uv: bool = True, full_matrices: bool = False
) -> tuple[Tensor[T], Tensor[T], Tensor[T]]:
    """Return singular values, descending, and left and right vectors in columns."""
    if not compute_uv:
        none = full((0,), 0, input.dtype)
        return convert(in_float32(f.singular_values, input), input.dtype), none, none
    s, u, v = in_float32(lambda x: f.svd(x, full_matrices), input)
    return convert(s, input.dtype), u, v


def _definite(random: Any) -> Any:
    x = random.standard_normal((2, 3, 3))
    return x @ x.transpose(0, 2, 1) + 3 * _eye(3)


def _eye(n: int) -> Any:
    import numpy as np

    return np.eye(n)


def _good(random: Any) -> Any:
    return random.standard_normal((2, 3, 3)) + 3 * _eye(3)


REAL = [float32, float64]
# The gradient is symmetric, though only the lower triangle is read: differences do not show it.
cholesky.cases([((2, 3, 3),)], inputs=(_definite,), dtypes=REAL, gradient=False)
for _lower in (True, False):
    for _adjoint in (True, False):
        triangular_solve.cases(
            [((2, 3, 3), (2, 3, 2))],
            inputs=(_good, None),
            attributes={"lower": _lower, "adjoint": _adjoint},
            dtypes=KINDS,
        )
triangular_solve.cases([((2, 3, 3), (3, 2))], inputs=(_good, None), dtypes=REAL)
for _adjoint in (True, False):
    solve.cases([((2, 3, 3), (2, 3, 2))], inputs=(_good, None), attributes={"adjoint": _adjoint}, dtypes=KINDS)
    inverse.cases([((2, 3, 3),)], inputs=(_good,), attributes={"adjoint": _adjoint}, dtypes=KINDS)
determinant.cases([((2, 3, 3),)], inputs=(_good,), dtypes=KINDS)
log_determinant.cases([((2, 3, 3),)], inputs=(_good,), dtypes=KINDS)
lu.cases([((2, 3, 3),)], inputs=(_good,), attributes={"output_idx_type": int32}, dtypes=KINDS)
qr.cases([(3, 3), (2, 4, 3), (2, 3)], dtypes=REAL)
qr.cases([(4, 3)], attributes={"full_matrices": True}, dtypes=REAL, gradient=False)
eigh.cases([((2, 3, 3),)], inputs=(_definite,), attributes={"compute_v": False}, dtypes=REAL)
svd.cases([(3, 3), (2, 4, 3), (2, 3)], attributes={"compute_uv": False}, dtypes=REAL)
