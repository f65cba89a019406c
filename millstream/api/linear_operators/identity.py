"""Operators that sizes stand for: identities, their multiples, zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg_factorisation import diag_part, set_diag
from millstream.api.linear_operators.helpers import (
    always,
    assert_no_zeros,
    assert_real,
    checked_size,
    column,
    log,
    own_arguments,
    part,
    with_size_checks,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import abs_, cast, conj, real
from millstream.api.public import PUBLIC, public
from millstream.api.reduction import reduce_min
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import InvalidArgumentError, explain
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor


class SizedOperator(LinearOperator):
    """An operator whose rows, columns and batch shape are given as numbers."""

    _num_rows: Any
    _num_columns: Any
    _lead: Any
    """The batch shape as a tensor, None without one."""

    def _set_sizes(self, num_rows: Any, num_columns: Any, batch_shape: Any, checked: bool) -> None:
        self._assert_proper_shapes = checked
        self._known: list[Any] = []
        for key, value in (("num_rows", num_rows), ("num_columns", num_columns)):
            tensor, known = checked_size(value, key, 0)
            self._known.append(None if known is None else int(known))
            setattr(self, f"_{key}", with_size_checks(tensor, key, 0) if checked else tensor)
        self._lead, self._known_lead = None, TensorShape([])
        if batch_shape is not None:
            tensor, known = checked_size(batch_shape, "batch_shape", 1)
            self._lead = with_size_checks(tensor, "batch_shape", 1) if checked else tensor
            self._known_lead = TensorShape(None if known is None else known.tolist())

    def _shape(self) -> Any:
        return self._known_lead.concatenate(self._known)

    def _shape_tensor(self) -> Any:
        sides = array.stack(array.together([self._num_rows, self._num_columns]))
        return sides if self._lead is None else array.concat([array.cast_index(self._lead, sides.dtype), sides], 0)

    def _checked(self, x: Any, adjoint_arg: bool) -> Any:
        """Return x, or its adjoint; where asked for, its rows are compared with the columns of this when it runs."""
        x = adjoint_of(x) if adjoint_arg else x
        if self._assert_proper_shapes:
            PUBLIC["debugging.assert_equal"](
                array.shape(x)[-2],
                self.domain_dimension_tensor(),
                message="Dimensions are not compatible.  shape[-2] of argument to be the same as this operator",
            )
        return x

    def _with_lead(self, x: Any) -> Any:
        """Return x with the batch shape of this broadcast into its own."""
        if self._lead is None:
            return x
        ones = array.concat([self._lead, [1, 1]], 0)
        shape = array.broadcast_dynamic_shape(array.shape(x), ones)
        result = array.broadcast_to(x, shape)
        result.set_shape(array.broadcast_static_shape(x.shape, self._known_lead.concatenate([1, 1])))
        return result

    def _filled(self, number: int) -> Any:
        """Return the number for each matrix."""
        return array.fill(self.batch_shape_tensor(), cast(number, self.dtype))

    def _shorter_side(self) -> Any:
        return reduce_min(self.shape_tensor()[-2:])

    def _filled_diagonal(self, number: int) -> Any:
        shape = array.concat([self.batch_shape_tensor(), array.reshape(self._shorter_side(), [1])], 0)
        result = array.fill(shape, cast(number, self.dtype))
        known = None if None in self._known else min(self._known)
        result.set_shape(self.batch_shape.concatenate([known]))
        return result


@public("linalg.LinearOperatorIdentity")
@composite
class LinearOperatorIdentity(SizedOperator):
    """The operator that leaves vectors of `num_rows` elements as they are.

    >>> tf.linalg.LinearOperatorIdentity(2).to_dense().numpy()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        num_rows: Any,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = True,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = True,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorIdentity",
    ) -> None:
        arguments = own_arguments(locals())
        for hint, words in (
            (is_self_adjoint, "self adjoint"),
            (is_non_singular, "non-singular"),
            (is_positive_definite, "positive-definite"),
            (is_square, "square"),
        ):
            if not hint:
                raise ValueError(explain(f"An identity operator is always {words}."))
        self._settle(as_dtype(dtype or dtypes.float32), arguments)
        self._set_sizes(num_rows, num_rows, batch_shape, assert_proper_shapes)

    def _assert_non_singular(self) -> Any:
        return PUBLIC["no_op"]()

    def _assert_positive_definite(self) -> Any:
        return PUBLIC["no_op"]()

    def _assert_self_adjoint(self) -> Any:
        return PUBLIC["no_op"]()

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._with_lead(self._checked(x, adjoint_arg))

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._matmul(rhs, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Any:
        return self._filled(1)

    def _log_abs_determinant(self) -> Any:
        return self._filled(0)

    def _trace(self) -> Any:
        return cast(self._shorter_side(), self.dtype) * self._filled(1)

    def _diag_part(self) -> Any:
        return self._filled_diagonal(1)

    def _add_to_tensor(self, x: Any) -> Any:
        x = self._with_lead(x)
        return set_diag(x, 1 + diag_part(x))

    def _eigvals(self) -> Any:
        return self._filled_diagonal(1)

    def _cond(self) -> Any:
        return self._filled(1)

    @property
    def _composite_tensor_prefer_static_fields(self) -> tuple[str, ...]:
        return ("num_rows", "batch_shape")

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("num_rows", "batch_shape", "dtype", "assert_proper_shapes")

    @property
    def _batch_shape(self) -> Any:
        return self._lead


@public("linalg.LinearOperatorScaledIdentity")
@composite
class LinearOperatorScaledIdentity(SizedOperator):
    """The operator that multiplies vectors of `num_rows` elements by `multiplier`, whose shape is the batch shape.

    >>> tf.linalg.LinearOperatorScaledIdentity(2, 3.).to_dense().numpy()
    array([[3., 0.],
           [0., 3.]], dtype=float32)
    """

    def __init__(
        self,
        num_rows: Any,
        multiplier: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ) -> None:
        arguments = own_arguments(locals())
        self._multiplier = part(multiplier)
        if not self._multiplier.dtype.is_complex:
            is_self_adjoint = always(is_self_adjoint, "A real diagonal operator is always self adjoint.")
        if not is_square:
            raise ValueError(explain("A ScaledIdentity operator is always square."))
        self._settle(self._multiplier.dtype, arguments, is_self_adjoint=is_self_adjoint)
        self._set_sizes(num_rows, num_rows, None, assert_proper_shapes)

    @property
    def multiplier(self) -> Any:
        """What vectors are multiplied by."""
        return self._multiplier

    def _shape(self) -> Any:
        return self._multiplier.shape.concatenate(self._known)

    def _shape_tensor(self) -> Any:
        return array.concat([array.shape(self._multiplier), super()._shape_tensor()], 0)

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._multiplier, "LinearOperator was singular")

    def _assert_positive_definite(self) -> Any:
        return PUBLIC["debugging.assert_positive"](
            real(to_tensor(self._multiplier)), message="LinearOperator was not positive definite."
        )

    def _assert_self_adjoint(self) -> Any:
        return assert_real(self._multiplier, "LinearOperator was not self-adjoint")

    def _scale(self, adjoint: bool) -> Any:
        scale = column(column(to_tensor(self._multiplier)))
        return conj(scale) if adjoint else scale

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._checked(x, adjoint_arg) * self._scale(adjoint)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._checked(rhs, adjoint_arg) / self._scale(adjoint)

    def _determinant(self) -> Any:
        return self._multiplier ** cast(self._num_rows, self.dtype)

    def _log_abs_determinant(self) -> Any:
        return cast(self._num_rows, self.dtype.real_dtype) * log(abs_(self._multiplier))

    def _trace(self) -> Any:
        return self._multiplier * cast(self._num_rows, self.dtype)

    def _diag_part(self) -> Any:
        return self._filled_diagonal(1) * column(to_tensor(self._multiplier))

    def _add_to_tensor(self, x: Any) -> Any:
        diagonal = column(to_tensor(self._multiplier)) + diag_part(x)
        lead = array.broadcast_dynamic_shape(array.shape(diagonal)[:-1], array.shape(x)[:-2])
        whole = array.broadcast_to(x, array.concat([lead, array.shape(x)[-2:]], 0))
        return set_diag(whole, diagonal)

    def _eigvals(self) -> Any:
        return self._diag_part()

    def _cond(self) -> Any:
        zero = PUBLIC["equal"](self._multiplier, cast(0, self.dtype))
        return array.where(zero, cast(np.nan, self.dtype), cast(1.0, self.dtype))

    @property
    def _composite_tensor_prefer_static_fields(self) -> tuple[str, ...]:
        return ("num_rows",)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("num_rows", "multiplier", "assert_proper_shapes")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"multiplier": 0}


@public("linalg.LinearOperatorZeros")
@composite
class LinearOperatorZeros(SizedOperator):
    """The operator that makes 0 of everything.

    >>> tf.linalg.LinearOperatorZeros(2).to_dense().numpy()
    array([[0., 0.],
           [0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        num_rows: Any,
        num_columns: Any = None,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = False,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = False,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorZeros",
    ) -> None:
        arguments = own_arguments(locals())
        if not is_self_adjoint and is_square:
            raise ValueError(explain("A zero operator is always self adjoint."))
        if is_non_singular:
            raise ValueError(explain("A zero operator is always singular."))
        if is_positive_definite:
            raise ValueError(explain("A zero operator is always not positive-definite."))
        self._settle(as_dtype(dtype or dtypes.float32), arguments)
        self._set_sizes(num_rows, num_rows if num_columns is None else num_columns, batch_shape, assert_proper_shapes)
        if is_square and None not in self._known and self._known[0] != self._known[1]:
            raise ValueError(
                explain(
                    f"LinearOperatorZeros initialized as is_square=True, but got num_rows({self._known[0]}) != "
                    f"num_columns({self._known[1]})"
                )
            )

    def _assert_non_singular(self) -> Any:
        raise InvalidArgumentError(None, None, explain("Zero operators are always non-invertible."))

    def _assert_positive_definite(self) -> Any:
        raise InvalidArgumentError(None, None, explain("Zero operators are always non-positive definite."))

    def _assert_self_adjoint(self) -> Any:
        return PUBLIC["no_op"]()

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        x = self._checked(x, adjoint_arg)
        rows = self._num_columns if adjoint else self._num_rows
        shape = array.shape(x)
        sides = [array.cast_index(rows, shape.dtype), shape[-1]]
        result = array.zeros(array.concat([shape[:-2], array.stack(sides)], 0), x.dtype)
        result.set_shape(x.shape[:-2].concatenate([self._known[1 if adjoint else 0]]).concatenate(x.shape[-1:]))
        return self._with_lead(result)

    def _determinant(self) -> Any:
        return self._filled(0)

    def _trace(self) -> Any:
        return self._filled(0)

    def _diag_part(self) -> Any:
        return self._filled_diagonal(0)

    def _add_to_tensor(self, x: Any) -> Any:
        return self._with_lead(x)

    def _eigvals(self) -> Any:
        return self._filled_diagonal(0)

    @property
    def _composite_tensor_prefer_static_fields(self) -> tuple[str, ...]:
        return ("num_rows", "num_columns", "batch_shape")

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("num_rows", "num_columns", "batch_shape", "dtype", "assert_proper_shapes")

    @property
    def _batch_shape(self) -> Any:
        return self._lead
