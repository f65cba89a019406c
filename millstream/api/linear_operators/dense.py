"""Operators that hold their matrices: all of them, or a lower triangle."""

from __future__ import annotations

from typing import Any

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg import matmul
from millstream.api.linalg_factorisation import band_part, diag_part, triangular_solve
from millstream.api.linear_operators.helpers import always, assert_no_zeros, log, own_arguments, part
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import abs_
from millstream.api.public import public
from millstream.api.reduction import reduce_prod, reduce_sum
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor

_TYPES = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)


@public("linalg.LinearOperatorFullMatrix")
@composite
class LinearOperatorFullMatrix(LinearOperator):
    """The operator that matrices `[..., M, N]` are.

    >>> tf.linalg.LinearOperatorFullMatrix([[1., 2.], [3., 4.]]).matvec([1., 1.]).numpy()
    array([3., 7.], dtype=float32)
    """

    def __init__(
        self,
        matrix: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorFullMatrix",
    ) -> None:
        arguments = own_arguments(locals())
        self._matrix = part(matrix)
        if self._matrix.dtype not in _TYPES:
            raise TypeError(
                explain(f"Argument `matrix` must have dtype in {list(_TYPES)}. Received: {self._matrix.dtype}.")
            )
        if self._matrix.shape.rank is not None and self._matrix.shape.rank < 2:
            raise ValueError(explain(f"Argument `matrix` must have at least 2 dimensions. Received: {self._matrix}."))
        self._settle(self._matrix.dtype, arguments)

    @property
    def matrix(self) -> Any:
        """The matrices."""
        return self._matrix

    def _shape(self) -> Any:
        return self._matrix.shape

    def _shape_tensor(self) -> Any:
        return array.shape(self._matrix)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return matmul(self._matrix, x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _to_dense(self) -> Any:
        return to_tensor(self._matrix)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("matrix",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"matrix": 2}


@public("linalg.LinearOperatorLowerTriangular")
@composite
class LinearOperatorLowerTriangular(LinearOperator):
    """The operator of the lower triangles of matrices `[..., N, N]`: what stands above their diagonals is not read.

    >>> tf.linalg.LinearOperatorLowerTriangular([[1., 9.], [3., 4.]]).to_dense().numpy()
    array([[1., 0.],
           [3., 4.]], dtype=float32)
    """

    def __init__(
        self,
        tril: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowerTriangular",
    ) -> None:
        arguments = own_arguments(locals())
        square = always(is_square, "Only square lower triangular operators supported at this time.")
        self._tril = part(tril)
        if self._tril.shape.rank is not None and self._tril.shape.rank < 2:
            raise ValueError(explain(f"Argument tril must have at least 2 dimensions.  Found: {self._tril}"))
        self._settle(self._tril.dtype, arguments, is_square=square)

    @property
    def tril(self) -> Any:
        """The matrices as they were given."""
        return self._tril

    def _shape(self) -> Any:
        return self._tril.shape

    def _shape_tensor(self) -> Any:
        return array.shape(self._tril)

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._diag_part(), "Singular operator:  Diagonal contained zero values.")

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return matmul(self._to_dense(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _determinant(self) -> Any:
        return reduce_prod(self._diag_part(), -1)

    def _log_abs_determinant(self) -> Any:
        return reduce_sum(log(abs_(self._diag_part())), -1)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return triangular_solve(self._tril, rhs, lower=True, adjoint=adjoint)

    def _to_dense(self) -> Any:
        return band_part(self._tril, -1, 0)

    def _diag_part(self) -> Any:
        return diag_part(self._tril)

    def _eigvals(self) -> Any:
        return self._diag_part()

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("tril",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"tril": 2}
