"""Operators that vectors stand for: diagonals, reflections, permutations."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg import matmul
from millstream.api.linalg_factorisation import diag, diag_part, set_diag
from millstream.api.linear_operators.helpers import (
    always,
    assert_no_zeros,
    assert_real,
    column,
    log,
    own_arguments,
    part,
    square_shape,
    square_shape_tensor,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import abs_, cast, conj, real
from millstream.api.nn import l2_normalize
from millstream.api.public import PUBLIC, public
from millstream.api.reduction import reduce_max, reduce_min, reduce_prod, reduce_sum
from millstream.api.sorting import argsort
from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.static_value import static_value


def _vector(value: Any, name: str) -> Any:
    vector = part(value)
    if vector.shape.rank is not None and vector.shape.rank < 1:
        raise ValueError(explain(f"Argument {name} must have at least 1 dimension.  Found: {vector}"))
    return vector


@public("linalg.LinearOperatorDiag")
@composite
class LinearOperatorDiag(LinearOperator):
    """The operator of diagonal matrices, given by their diagonals `[..., N]`.

    >>> tf.linalg.LinearOperatorDiag([1., 2.]).to_dense().numpy()
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """

    def __init__(
        self,
        diag: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorDiag",
    ) -> None:
        arguments = own_arguments(locals())
        self._diag = _vector(diag, "diag")
        if not self._diag.dtype.is_complex:
            is_self_adjoint = always(is_self_adjoint, "A real diagonal operator is always self adjoint.")
        square = always(is_square, "Only square diagonal operators currently supported.")
        self._settle(self._diag.dtype, arguments, is_self_adjoint=is_self_adjoint, is_square=square)

    @property
    def diag(self) -> Any:
        """The diagonals."""
        return self._diag

    def _shape(self) -> Any:
        return square_shape(self._diag)

    def _shape_tensor(self) -> Any:
        return square_shape_tensor(self._diag)

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._diag, "Singular operator:  Diagonal contained zero values.")

    def _assert_positive_definite(self) -> Any:
        words = "Real diagonal operator had non-positive diagonal entries"
        if self.dtype.is_complex:
            words = "Diagonal operator had diagonal entries with non-positive real part"
        return PUBLIC["debugging.assert_positive"](
            real(to_tensor(self._diag)), message=f"{words}, thus was not positive definite."
        )

    def _assert_self_adjoint(self) -> Any:
        return assert_real(
            self._diag,
            "This diagonal operator contained non-zero imaginary values.   Thus it was not self-adjoint.",
        )

    def _scale(self, adjoint: bool) -> Any:
        return conj(self._diag) if adjoint else to_tensor(self._diag)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return column(self._scale(adjoint)) * (adjoint_of(x) if adjoint_arg else x)

    def _matvec(self, x: Any, adjoint: bool = False) -> Any:
        return self._scale(adjoint) * x

    def _determinant(self) -> Any:
        return reduce_prod(self._diag, -1)

    def _log_abs_determinant(self) -> Any:
        return cast(reduce_sum(log(abs_(self._diag)), -1), self.dtype)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return (adjoint_of(rhs) if adjoint_arg else rhs) * column(1.0 / self._scale(adjoint))

    def _to_dense(self) -> Any:
        return diag(self._diag)

    def _diag_part(self) -> Any:
        return to_tensor(self._diag)

    def _add_to_tensor(self, x: Any) -> Any:
        return set_diag(x, self._diag + diag_part(x))

    def _eigvals(self) -> Any:
        return to_tensor(self._diag)

    def _cond(self) -> Any:
        sizes = abs_(self._diag)
        return reduce_max(sizes, -1) / reduce_min(sizes, -1)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("diag",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"diag": 1}


@public("linalg.LinearOperatorHouseholder")
@composite
class LinearOperatorHouseholder(LinearOperator):
    """The operator that reflects vectors in the planes through 0 that stand upright on `reflection_axis` `[..., N]`.

    >>> tf.linalg.LinearOperatorHouseholder([0., 2.]).matvec([3., 4.]).numpy()
    array([ 3., -4.], dtype=float32)
    """

    def __init__(
        self,
        reflection_axis: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorHouseholder",
    ) -> None:
        arguments = own_arguments(locals())
        self._reflection_axis = _vector(reflection_axis, "reflection_axis")
        if is_positive_definite:
            raise ValueError(explain("A Householder operator is always non-positive definite."))
        self._settle(
            self._reflection_axis.dtype,
            arguments,
            is_self_adjoint=always(is_self_adjoint, "A Householder operator is always self adjoint."),
            is_positive_definite=False,
            is_square=always(is_square, "A Householder operator is always square."),
        )

    @property
    def reflection_axis(self) -> Any:
        """The vectors that the mirrors stand upright on."""
        return self._reflection_axis

    def _shape(self) -> Any:
        return square_shape(self._reflection_axis)

    def _shape_tensor(self) -> Any:
        return square_shape_tensor(self._reflection_axis)

    def _assert_non_singular(self) -> Any:
        return PUBLIC["no_op"]()

    def _assert_positive_definite(self) -> Any:
        raise InvalidArgumentError(None, None, explain("Householder operators are always non-positive definite."))

    def _assert_self_adjoint(self) -> Any:
        return PUBLIC["no_op"]()

    def _axis(self) -> Any:
        """Return the vectors with length 1."""
        return l2_normalize(to_tensor(self._reflection_axis), axis=-1)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        x = adjoint_of(x) if adjoint_arg else x
        axis = column(self._axis())
        return x - 2 * axis * matmul(axis, x, adjoint_a=True)

    def _trace(self) -> Any:
        ones = array.ones(self.batch_shape_tensor(), self.dtype)
        return cast(self.domain_dimension_tensor() - 2, self.dtype) * ones

    def _determinant(self) -> Any:
        return -array.ones(self.batch_shape_tensor(), self.dtype)

    def _log_abs_determinant(self) -> Any:
        return array.zeros(self.batch_shape_tensor(), self.dtype)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _to_dense(self) -> Any:
        axis = column(self._axis())
        matrix = -2 * matmul(axis, axis, adjoint_b=True)
        return set_diag(matrix, 1.0 + diag_part(matrix))

    def _diag_part(self) -> Any:
        axis = self._axis()
        return 1.0 - 2 * axis * conj(axis)

    def _eigvals(self) -> Any:
        shape = array.shape(self._reflection_axis)
        less = array.ones(array.concat([shape[:-1], shape[-1:] - 1], 0), self.dtype)
        return array.concat([-array.ones(array.concat([shape[:-1], [1]], 0), self.dtype), less], -1)

    def _cond(self) -> Any:
        return array.ones(self.batch_shape_tensor(), self.dtype)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("reflection_axis",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"reflection_axis": 1}


@public("linalg.LinearOperatorPermutation")
@composite
class LinearOperatorPermutation(LinearOperator):
    """The operator that brings element `perm[..., i]` of vectors to place i.

    >>> tf.linalg.LinearOperatorPermutation([2, 0, 1]).matvec([5., 6., 7.]).numpy()
    array([7., 5., 6.], dtype=float32)
    """

    def __init__(
        self,
        perm: Any,
        dtype: Any = dtypes.float32,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorPermutation",
    ) -> None:
        arguments = own_arguments(locals())
        self._perm = _vector(perm, "perm")
        if not self._perm.dtype.is_integer:
            raise TypeError(explain(f"Argument `perm` must be integer dtype. Received: {self._perm}."))
        known = static_value(self._perm)
        if isinstance(known, np.ndarray) and np.any(np.sort(known, -1) != np.arange(known.shape[-1])):
            raise ValueError(
                explain(f"Argument `perm` must be a vector of unique integers from 0 to {known.shape[-1] - 1}.")
            )
        always(is_non_singular, "A Permutation operator is always non-singular.")
        square = always(is_square, "A Permutation operator is always square.")
        self._settle(dtype, arguments, is_square=square)

    @property
    def perm(self) -> Any:
        """Where the elements come from."""
        return self._perm

    def _shape(self) -> Any:
        return square_shape(self._perm)

    def _shape_tensor(self) -> Any:
        return square_shape_tensor(self._perm)

    def _assert_non_singular(self) -> Any:
        return PUBLIC["no_op"]()

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        order = to_tensor(self._perm)
        if adjoint and not self.is_self_adjoint:
            order = argsort(order, axis=-1)
        x = adjoint_of(x) if adjoint_arg else x
        shape = array.shape(x)
        lead = array.broadcast_dynamic_shape(shape[:-1], array.shape(order))
        rows, columns = shape[-2], shape[-1]
        whole = array.concat([lead, [columns]], 0)
        flat = array.reshape(array.broadcast_to(x, whole), [-1, rows, columns])
        places = array.reshape(array.broadcast_to(order, lead), [-1, rows])
        result = array.reshape(picking.gather(flat, places, axis=-2, batch_dims=1), whole)
        result.set_shape(array.broadcast_static_shape(x.shape[:-1], order.shape).concatenate(x.shape[-1:]))
        return result

    def _log_abs_determinant(self) -> Any:
        return array.zeros(self.batch_shape_tensor(), self.dtype)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._matmul(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _places(self) -> Any:
        return array.range_(array.shape(self._perm)[-1], dtype=self._perm.dtype)

    def _to_dense(self) -> Any:
        return cast(PUBLIC["equal"](self._places(), column(to_tensor(self._perm))), self.dtype)

    def _diag_part(self) -> Any:
        return cast(PUBLIC["equal"](self._places(), to_tensor(self._perm)), self.dtype)

    def _cond(self) -> Any:
        return array.ones(self.batch_shape_tensor(), self.dtype)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("perm", "dtype")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"perm": 1}
