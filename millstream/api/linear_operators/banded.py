"""Operators whose matrices follow from few of their diagonals: three of them, or one element for each."""

from __future__ import annotations

from typing import Any

from millstream.api import array, picking
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg_factorisation import diag, diag_part
from millstream.api.linear_operators.circulant import LinearOperatorCirculant, as_complex
from millstream.api.linear_operators.helpers import (
    always,
    assert_real,
    common_batch,
    common_batch_tensor,
    own_arguments,
    part,
    with_batch,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import cast, conj
from millstream.api.matrix_functions import tridiagonal_matmul, tridiagonal_solve
from millstream.api.public import PUBLIC, public
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


@public("linalg.LinearOperatorTridiag")
@composite
class LinearOperatorTridiag(LinearOperator):
    """The operator of tridiagonal matrices, given in one of the forms of `tf.linalg.tridiagonal_solve`.

    In the form "sequence" all three diagonals have as many elements as the matrix has rows.

    >>> tf.linalg.LinearOperatorTridiag([[1., 1., 0.], [4., 4., 4.], [0., 1., 1.]]).to_dense().numpy()
    array([[4., 1., 0.],
           [1., 4., 1.],
           [0., 1., 4.]], dtype=float32)
    """

    def __init__(
        self,
        diagonals: Any,
        diagonals_format: str = "compact",
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorTridiag",
    ) -> None:
        arguments = own_arguments(locals())
        if diagonals_format not in ("compact", "matrix", "sequence"):
            raise ValueError(
                explain(
                    "Argument `diagonals_format` must be one of compact, matrix, or sequence. "
                    f"Received : {diagonals_format}."
                )
            )
        sequence = diagonals_format == "sequence"
        self._diagonals: Any = [part(d) for d in diagonals] if sequence else part(diagonals)
        self._diagonals_format = diagonals_format
        first: Any = self._diagonals[0] if sequence else self._diagonals
        self._settle(first.dtype, arguments)

    @property
    def diagonals(self) -> Any:
        """The diagonals as they were given."""
        return self._diagonals

    @property
    def diagonals_format(self) -> str:
        """The form of `diagonals`."""
        return self._diagonals_format

    def _shape(self) -> Any:
        if self._diagonals_format == "matrix":
            return self._diagonals.shape
        if self._diagonals_format == "compact":
            shape = self._diagonals.shape
            return shape[:-2].concatenate([shape[-1], shape[-1]])
        size = self._diagonals[1].shape[-1]
        return common_batch(d.shape[:-1] for d in self._diagonals).concatenate([size, size])

    def _shape_tensor(self) -> Any:
        if self._diagonals_format == "matrix":
            return array.shape(self._diagonals)
        if self._diagonals_format == "compact":
            shape = array.shape(self._diagonals)
            return array.concat([shape[:-2], shape[-1:], shape[-1:]], 0)
        size = array.shape(self._diagonals[1])[-1:]
        return array.concat([common_batch_tensor([array.shape(d)[:-1] for d in self._diagonals]), size, size], 0)

    def _compact(self, adjoint: bool = False) -> Any:
        """Return the diagonals, or those of the adjoint, in the form "compact"."""
        if self._diagonals_format == "compact":
            found = array.unstack(to_tensor(self._diagonals), 3, -2)
        elif self._diagonals_format == "matrix":
            found = array.unstack(diag_part(self._diagonals, k=(-1, 1), align="LEFT_RIGHT"), 3, -2)
        else:
            shape = self.shape_tensor()[:-1]
            found = [array.broadcast_to(to_tensor(d), shape) for d in self._diagonals]
        if adjoint:
            above, main, below = (conj(d) for d in found)
            found = [array.roll(below, -1, -1), main, array.roll(above, 1, -1)]
        return array.stack(found, -2)

    def _assert_self_adjoint(self) -> Any:
        if self._diagonals_format == "matrix":
            return super()._assert_self_adjoint()
        above, main, below = array.unstack(self._compact(), 3, -2)
        real = assert_real(main, "This tridiagonal operator contained non-zero imaginary values on the diagonal.")
        equal = PUBLIC["debugging.assert_equal"](
            conj(below[..., 1:]),
            above[..., :-1],
            message="This tridiagonal operator has non-conjugate subdiagonal and superdiagonal.",
        )
        return PUBLIC["group"](real, equal)

    def _with_common_batch(self, x: Any, adjoint: bool) -> tuple[Any, Any]:
        diagonals = self._compact(adjoint)
        if self.batch_shape.is_fully_defined() and self.batch_shape == x.shape[:-2]:
            return diagonals, x
        lead = common_batch_tensor([array.shape(diagonals)[:-2], array.shape(x)[:-2]])
        return with_batch(diagonals, lead, 2), with_batch(x, lead, 2)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return tridiagonal_matmul(*self._with_common_batch(adjoint_of(x) if adjoint_arg else x, adjoint))

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return tridiagonal_solve(*self._with_common_batch(adjoint_of(rhs) if adjoint_arg else rhs, adjoint))

    def _diag_part(self) -> Any:
        if self._diagonals_format == "matrix":
            return diag_part(self._diagonals)
        if self._diagonals_format == "compact":
            return self._diagonals[..., 1, :]
        return array.broadcast_to(to_tensor(self._diagonals[1]), self.shape_tensor()[:-1])

    def _to_dense(self) -> Any:
        if self._diagonals_format == "matrix":
            return to_tensor(self._diagonals)
        return diag(self._compact(), k=(-1, 1), align="LEFT_RIGHT")

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("diagonals", "diagonals_format")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"diagonals": [1, 1, 1] if self._diagonals_format == "sequence" else 2}


@public("linalg.LinearOperatorToeplitz")
@composite
class LinearOperatorToeplitz(LinearOperator):
    """The operator of matrices that are constant along their diagonals, given by first columns and first rows `[..., N]`.

    The first element of the column counts, that of the row does not. Products go through Fourier transforms.

    >>> tf.linalg.LinearOperatorToeplitz([1., 2., 3.], [1., 4., 5.]).to_dense().numpy()
    array([[1., 4., 5.],
           [2., 1., 4.],
           [3., 2., 1.]], dtype=float32)
    """

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ) -> None:
        arguments = own_arguments(locals())
        self._row, self._col = part(row), part(col)
        for key, vector in (("row", self._row), ("col", self._col)):
            if vector.shape.rank is not None and vector.shape.rank < 1:
                raise ValueError(explain(f"Argument {key} must have at least 1 dimension.  Found: {vector}"))
        sizes = [v.shape.as_list()[-1] if v.shape.rank is not None else None for v in (self._row, self._col)]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(explain("Expected square matrix, got row and col with mismatched dimensions."))
        square = always(is_square, "Only square Toeplitz operators currently supported.")
        self._settle(self._row.dtype, arguments, is_square=square)

    @property
    def col(self) -> Any:
        """The first columns."""
        return self._col

    @property
    def row(self) -> Any:
        """The first rows."""
        return self._row

    def _shape(self) -> Any:
        shape = array.broadcast_static_shape(self._row.shape, self._col.shape)
        return shape.concatenate(shape[-1:])

    def _shape_tensor(self) -> Any:
        shape = array.broadcast_dynamic_shape(array.shape(self._row), array.shape(self._col))
        return array.concat([shape, shape[-1:]], 0)

    def _assert_self_adjoint(self) -> Any:
        return PUBLIC["debugging.assert_equal"](
            to_tensor(self._row),
            conj(self._col),
            message="row and col are not the same, and so this operator is not self-adjoint.",
        )

    def _parts(self) -> tuple[Any, Any]:
        """Return columns and rows with their batch shapes broadcast."""
        shape = self.shape_tensor()[:-1]
        return array.broadcast_to(to_tensor(self._col), shape), array.broadcast_to(to_tensor(self._row), shape)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        x = adjoint_of(x) if adjoint_arg else x
        col, row = self._parts()
        # A circulant matrix of twice the size has this one in its corner.
        whole = array.concat([col, array.zeros_like(col[..., :1]), array.reverse(row[..., 1:], [-1])], -1)
        circulant = LinearOperatorCirculant(apply(find("FFT"), as_complex(whole)), input_output_dtype=self.dtype)
        result = circulant.matmul(array.concat([x, array.zeros_like(x)], -2), adjoint=adjoint)
        return result[..., : self.domain_dimension_tensor(), :]

    def _trace(self) -> Any:
        return cast(self.domain_dimension_tensor(), self.dtype) * self._diagonal()[..., 0]

    def _diagonal(self) -> Any:
        return array.broadcast_to(self._col[..., :1], array.concat([self.batch_shape_tensor(), [1]], 0))

    def _diag_part(self) -> Any:
        size = array.reshape(self.domain_dimension_tensor(), [1])
        return self._diagonal() * array.ones(size, self.dtype)

    def _to_dense(self) -> Any:
        col, row = self._parts()
        elements = array.concat([array.reverse(col, [-1]), row[..., 1:]], -1)
        size = self.domain_dimension_tensor()
        places = array.range_(size) + array.expand_dims(array.range_(size - 1, -1, -1), -1)
        result = picking.gather(elements, places, axis=-1)
        result.set_shape(self.shape)
        return result

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("col", "row")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"col": 1, "row": 1}
