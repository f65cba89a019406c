"""Operators that differ from others by products of thin matrices."""

from __future__ import annotations

from typing import Any

from millstream.api import array
from millstream.api.linalg import matmul
from millstream.api.linalg_factorisation import cholesky, cholesky_solve, det, diag_part
from millstream.api.linear_operators.diagonal import LinearOperatorDiag
from millstream.api.linear_operators.helpers import (
    common_batch,
    common_batch_tensor,
    log,
    own_arguments,
    part,
    solve_broadcast,
)
from millstream.api.linear_operators.identity import LinearOperatorIdentity
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import abs_, cast, conj
from millstream.api.public import public
from millstream.api.reduction import reduce_sum
from millstream.base.errors import explain
from millstream.base.shapes import dimension_at_index
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


@public("linalg.LinearOperatorLowRankUpdate")
@composite
class LinearOperatorLowRankUpdate(LinearOperator):
    """The operator L + U D V^H, with an operator L `[..., M, N]`, U `[..., M, K]`, V `[..., N, K]` and a diagonal D `[..., K]`.

    Determinants and solutions need only those of L and of matrices `[K, K]`.

    >>> base = tf.linalg.LinearOperatorDiag([1., 2.])
    >>> tf.linalg.LinearOperatorLowRankUpdate(base, [[1.], [1.]]).to_dense().numpy()
    array([[2., 1.],
           [1., 3.]], dtype=float32)
    """

    def __init__(
        self,
        base_operator: Any,
        u: Any,
        diag_update: Any = None,
        v: Any = None,
        is_diag_update_positive: bool | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowRankUpdate",
    ) -> None:
        arguments = own_arguments(locals())
        dtype = base_operator.dtype
        if diag_update is None:
            if is_diag_update_positive is False:
                raise ValueError(
                    explain(
                        "Default diagonal is the identity, which is positive.  However, user set "
                        "'is_diag_update_positive' to False."
                    )
                )
            is_diag_update_positive = True
        self._use_cholesky = bool(
            base_operator.is_positive_definite
            and base_operator.is_self_adjoint
            and is_diag_update_positive
            and v is None
        )
        if base_operator.is_self_adjoint and v is None and not dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    explain(
                        "A = L + UDU^H, with L self-adjoint and D real diagonal.  Since UDU^H is self-adjoint, this must "
                        "be a self-adjoint operator."
                    )
                )
            is_self_adjoint = True
        if self._use_cholesky:
            if is_positive_definite is False or is_self_adjoint is False or is_non_singular is False:
                raise ValueError(explain("Arguments imply this is self-adjoint positive-definite operator."))
            is_positive_definite = is_self_adjoint = True
        self._u, self._v, self._diag_update = part(u), part(v), part(diag_update)
        self._base_operator = base_operator
        self._is_diag_update_positive = is_diag_update_positive
        self._settle(dtype, arguments, is_self_adjoint=is_self_adjoint, is_positive_definite=is_positive_definite)
        if self._diag_update is None:
            known = self._u.shape.as_list()[-1] if self._u.shape.rank is not None else None
            rank = array.shape(self._u)[-1] if known is None else known
            self._diag_operator: LinearOperator = LinearOperatorIdentity(rank, dtype=dtype)
        else:
            self._diag_operator = LinearOperatorDiag(self._diag_update, is_positive_definite=is_diag_update_positive)
        self._check_shapes()

    def _check_shapes(self) -> None:
        thin = array.broadcast_static_shape(self.u.shape, self.v.shape)
        lead = array.broadcast_static_shape(self._base_operator.batch_shape, thin[:-2])
        self._base_operator.domain_dimension.assert_is_compatible_with(dimension_at_index(thin, -2))
        if self._diag_update is not None:
            dimension_at_index(thin, -1).assert_is_compatible_with(self._diag_update.shape[-1])
            array.broadcast_static_shape(lead, self._diag_update.shape[:-1])

    @property
    def u(self) -> Any:
        """The matrices U."""
        return self._u

    @property
    def v(self) -> Any:
        """The matrices V: U where none were given."""
        return self._u if self._v is None else self._v

    @property
    def is_diag_update_positive(self) -> bool | None:
        """Whether D is promised to be positive."""
        return self._is_diag_update_positive

    @property
    def diag_update(self) -> Any:
        """The diagonal of D; None for the identity."""
        return self._diag_update

    @property
    def diag_operator(self) -> Any:
        """D as an operator."""
        return self._diag_operator

    @property
    def base_operator(self) -> Any:
        """L."""
        return self._base_operator

    def _assert_self_adjoint(self) -> Any:
        if self._v is None and self._diag_update is None:
            return self._base_operator.assert_self_adjoint()
        return super()._assert_self_adjoint()

    def _shape(self) -> Any:
        parts = (self._base_operator.batch_shape, self._diag_operator.batch_shape, self.u.shape[:-2], self.v.shape[:-2])
        return common_batch(parts).concatenate(self._base_operator.shape[-2:])

    def _shape_tensor(self) -> Any:
        leads = [self._base_operator.batch_shape_tensor(), self._diag_operator.batch_shape_tensor()]
        leads += [array.shape(self.u)[:-2], array.shape(self.v)[:-2]]
        return array.concat([common_batch_tensor(leads), self._base_operator.shape_tensor()[-2:]], 0)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        left, right = (self.v, self.u) if adjoint else (self.u, self.v)
        inner = self._diag_operator.matmul(matmul(right, x, adjoint_a=True, adjoint_b=adjoint_arg), adjoint=adjoint)
        return self._base_operator.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg) + matmul(left, inner)

    def _capacitance(self, left: Any, right: Any, adjoint: bool) -> Any:
        """Return D^-1 + V^H L^-1 U, or D^-H + U^H L^-H V for the adjoint."""
        inner = matmul(right, self._base_operator.solve(left, adjoint=adjoint), adjoint_a=True)
        diagonal = self._diag_operator.inverse()
        return (diagonal.adjoint() if adjoint else diagonal).add_to_tensor(inner)

    def _determinant(self) -> Any:
        if self.is_positive_definite and self.is_self_adjoint:
            return apply(find("Exp"), self.log_abs_determinant())
        inner = det(self._capacitance(self.u, self.v, False))
        return inner * self._diag_operator.determinant() * self._base_operator.determinant()

    def _log_abs_determinant(self) -> Any:
        capacitance = self._capacitance(self.u, self.v, False)
        if self._use_cholesky:
            inner = 2 * reduce_sum(log(diag_part(cholesky(capacitance))), -1)
        else:
            inner = cast(log(abs_(det(capacitance))), self.dtype)
        return inner + self._diag_operator.log_abs_determinant() + self._base_operator.log_abs_determinant()

    def _diag_part(self) -> Any:
        product = self.u * conj(self.v)
        if self._diag_update is not None:
            product = product * array.expand_dims(to_tensor(self._diag_update), -2)
        return reduce_sum(product, -1) + self._base_operator.diag_part()

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        base = self._base_operator
        if base.is_non_singular is False:
            raise ValueError(
                explain("Solve not implemented unless this is a perturbation of a non-singular LinearOperator.")
            )
        left, right = (self.v, self.u) if adjoint else (self.u, self.v)
        capacitance = self._capacitance(left, right, adjoint)
        found = base.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        inner = matmul(right, found, adjoint_a=True)
        if self._use_cholesky:
            inner = cholesky_solve(cholesky(capacitance), inner)
        else:
            inner = solve_broadcast(capacitance, inner)
        return found - base.solve(matmul(left, inner), adjoint=adjoint)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("base_operator", "u", "diag_update", "v", "is_diag_update_positive")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        found = {"base_operator": 0, "u": 2, "diag_update": 1, "v": 2}
        return found if self._v is not None else {key: axes for key, axes in found.items() if key != "v"}
