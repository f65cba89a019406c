"""Declare eigenvalues of any matrices, their roots and logarithms, and solutions with banded matrices."""

from __future__ import annotations

from typing import Any

from millstream.base.dtypes import complex64, complex128, float32, float64
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.matrix import KINDS, REAL, T, in_float32
from millstream.ops.types import COMPLEX
from millstream.program.primitives import matrix_functions as m
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.shaping import broadcast_shapes, full, spread_to

General = Types("T", float32, float64, *COMPLEX)
Complex = Types("T", complex64, complex128)
Result = Types("Tout", complex64, complex128)


@op("Eig", outputs=("e", "v"))
def eig(input: Tensor[General], *, compute_v: bool = True, Tout: Result) -> tuple[Tensor["Tout"], Tensor["Tout"]]:
    """Return eigenvalues and, in columns, eigenvectors of length 1, as complex numbers."""
    if not compute_v:
        return convert(m.eig_values(input), Tout), full((0,), 0, Tout)
    values, vectors = m.eig(input)
    return convert(values, Tout), convert(vectors, Tout)


@op("MatrixSquareRoot", outputs="output")
def matrix_square_root(input: Tensor[T]) -> Tensor[T]:
    """Return y with y y = input, its eigenvalues in the right half plane; NaN where a real input has none of real numbers."""
    return in_float32(m.matrix_square_root, input)


@op("MatrixLogarithm", outputs="output")
def matrix_logarithm(input: Tensor[Complex]) -> Tensor[Complex]:
    """Return the principal logarithms of the matrices."""
    return m.matrix_logarithm(input)


@op("TridiagonalSolve", outputs="output")
def tridiagonal_solve(
    diagonals: Tensor[General], rhs: Tensor[General], *, partial_pivoting: bool = True, perturb_singular: bool = False
) -> Tensor[General]:
    """Return x with t x = rhs; diagonals [..., 3, M] are t's above, on and below the main one."""
    return m.tridiagonal_solve(diagonals, rhs, pivoting=partial_pivoting, perturb=perturb_singular)


@op("TridiagonalMatMul", outputs="output")
def tridiagonal_matmul(
    superdiag: Tensor[General], maindiag: Tensor[General], subdiag: Tensor[General], rhs: Tensor[General]
) -> Tensor[General]:
    """Return products of tridiagonal matrices, given by diagonals [..., 1, M], and matrices."""
    return m.tridiagonal_matmul(superdiag, maindiag, subdiag, rhs)


@op("BandedTriangularSolve", outputs="output")
def banded_triangular_solve(
    matrix: Tensor[T], rhs: Tensor[T], *, lower: bool = True, adjoint: bool = False
) -> Tensor[T]:
    """Return x with t x = rhs; matrix [..., K, M] holds the diagonals of the triangular t. Leading axes broadcast."""
    if matrix.rank < 2 or rhs.rank < 2:
        raise refuse("BandedTriangularSolve", f"ranks {matrix.rank} and {rhs.rank}", "give matrices")
    lead = broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2], what="BandedTriangularSolve")
    a, b = spread_to(matrix, (*lead, *matrix.shape[-2:])), spread_to(rhs, (*lead, *rhs.shape[-2:]))
    return in_float32(lambda p, q: m.banded_solve(p, q, lower=lower, adjoint=adjoint), a, b)


def _parted(random: Any) -> Any:
    """Return matrices whose eigenvalues are apart and in the right half plane."""
    import numpy as np

    return random.standard_normal((2, 3, 3)) / 4 + np.diag([1.0, 2.0, 3.0])


def _strong_bands(random: Any) -> Any:
    import numpy as np

    return random.standard_normal((2, 3, 4)) + 4 * np.array([[0.0], [1.0], [0.0]])


def _first_strong(random: Any) -> Any:
    import numpy as np

    return random.standard_normal((2, 2, 4)) + 3 * np.array([[1.0], [0.0]])


# Vectors are free in their phase: only values are compared.
eig.cases(
    [((2, 3, 3),)],
    inputs=(_parted,),
    attributes={"compute_v": False, "Tout": complex128},
    dtypes=[float64, complex128],
    gradient=False,
)
matrix_square_root.cases([((2, 3, 3),)], inputs=(_parted,), dtypes=KINDS)
matrix_logarithm.cases([((2, 3, 3),)], inputs=(_parted,), dtypes=[complex64, complex128])
for _pivoting in (True, False):
    tridiagonal_solve.cases(
        [((2, 3, 4), (2, 4, 2))],
        inputs=(_strong_bands, None),
        attributes={"partial_pivoting": _pivoting, "perturb_singular": False},
        dtypes=KINDS,
    )
tridiagonal_matmul.cases([((2, 1, 4), (2, 1, 4), (2, 1, 4), (2, 4, 3))], dtypes=KINDS)
for _adjoint in (True, False):
    banded_triangular_solve.cases(
        [((2, 2, 4), (2, 4, 3))],
        inputs=(_first_strong, None),
        attributes={"lower": True, "adjoint": _adjoint},
        dtypes=KINDS,
    )
banded_triangular_solve.cases(
    [((2, 2, 4), (4, 3))], inputs=(_first_strong, None), attributes={"lower": True}, dtypes=REAL
)
