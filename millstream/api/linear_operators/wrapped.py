"""Operators made of one other: its conjugate transpose, its inverse."""

from __future__ import annotations

from typing import Any

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linear_operators.helpers import combine_hint, own_arguments
from millstream.api.linear_operators.operator import HINTS, LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import conj
from millstream.api.public import public
from millstream.base.errors import explain


class WrappedOperator(LinearOperator):
    """An operator made of another of the same hints."""

    _operator: Any

    def _wrap(self, operator: Any, arguments: dict[str, Any], what: str, ending: str) -> None:
        self._operator = operator
        words = ("non-singular", "self-adjoint", "positive-definite", "square")
        settled: dict[str, Any] = {
            hint: combine_hint(
                operator, hint, arguments[hint], f"An operator is {word} if and only if its {what} is {word}."
            )
            for hint, word in zip(HINTS, words, strict=True)
        }
        settled["name"] = operator.name + ending if arguments["name"] is None else arguments["name"]
        self._settle(operator.dtype, arguments, **settled)

    @property
    def operator(self) -> Any:
        """The other operator."""
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        return self._operator.assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        return self._operator.assert_self_adjoint()

    def _cond(self) -> Any:
        return self._operator.cond()

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("operator",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"operator": 0}


@public("linalg.LinearOperatorAdjoint")
@composite
class LinearOperatorAdjoint(WrappedOperator):
    """The conjugate transpose of an operator.

    >>> operator = tf.linalg.LinearOperatorFullMatrix([[1., 2.], [3., 4.]])
    >>> tf.linalg.LinearOperatorAdjoint(operator).to_dense().numpy()
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """

    def __init__(
        self,
        operator: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._wrap(operator, own_arguments(locals()), "adjoint", "_adjoint")

    def _shape(self) -> Any:
        shape = self._operator.shape
        return shape if shape.rank is None else shape[:-2].concatenate([shape[-1], shape[-2]])

    def _shape_tensor(self) -> Any:
        shape = self._operator.shape_tensor()
        return array.concat([shape[:-2], shape[-1:], shape[-2:-1]], 0)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _matvec(self, x: Any, adjoint: bool = False) -> Any:
        return self._operator.matvec(x, adjoint=not adjoint)

    def _turned(self, x: Any) -> Any:
        return x if self.is_self_adjoint else conj(x)

    def _determinant(self) -> Any:
        return self._turned(self._operator.determinant())

    def _log_abs_determinant(self) -> Any:
        return self._operator.log_abs_determinant()

    def _trace(self) -> Any:
        return self._turned(self._operator.trace())

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solvevec(self, rhs: Any, adjoint: bool = False) -> Any:
        return self._operator.solvevec(rhs, adjoint=not adjoint)

    def _to_dense(self) -> Any:
        dense = self._operator.to_dense()
        return dense if self.is_self_adjoint else adjoint_of(dense)

    def _diag_part(self) -> Any:
        return self._turned(self._operator.diag_part())

    def _eigvals(self) -> Any:
        return self._turned(self._operator.eigvals())


@public("linalg.LinearOperatorInversion")
@composite
class LinearOperatorInversion(WrappedOperator):
    """The inverse of an operator.

    >>> operator = tf.linalg.LinearOperatorDiag([2., 4.])
    >>> tf.linalg.LinearOperatorInversion(operator).matvec([1., 1.]).numpy()
    array([0.5 , 0.25], dtype=float32)
    """

    def __init__(
        self,
        operator: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        arguments = own_arguments(locals())
        for hint, given in (("is_non_singular", is_non_singular), ("is_square", is_square)):
            if getattr(operator, hint) is False or given is False:
                raise ValueError(
                    explain(
                        f"Argument `{hint}` or argument `operator` must have supplied hint `{hint}` equal to `True` or "
                        f"`None`. Found `operator.{hint}`: {getattr(operator, hint)}, `{hint}`: {given}."
                    )
                )
        self._wrap(operator, arguments, "inverse", "_inv")

    def _shape(self) -> Any:
        return self._operator.shape

    def _shape_tensor(self) -> Any:
        return self._operator.shape_tensor()

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Any:
        return 1.0 / self._operator.determinant()

    def _log_abs_determinant(self) -> Any:
        return -self._operator.log_abs_determinant()

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _eigvals(self) -> Any:
        return 1.0 / self._operator.eigvals()
