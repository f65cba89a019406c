"""tf.linalg.LinearOperator: what all operators share. Subclasses say how they multiply; what they leave out is done with dense matrices."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg_factorisation import cholesky, cholesky_solve, det, diag_part, eigvalsh, slogdet, svd
from millstream.api.linear_operators.helpers import log, solve_broadcast
from millstream.api.linear_operators.spec import OperatorGradient, batch_slice
from millstream.api.math import abs_, cast
from millstream.api.public import PUBLIC, public
from millstream.api.reduction import reduce_max, reduce_min, reduce_sum
from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import Dimension, dimension_at_index
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.module import Module
from millstream.execution.name_scope import named
from millstream.ops.registry import find

Rule = TypeVar("Rule", bound=Callable[..., Any])
HINTS = ("is_non_singular", "is_self_adjoint", "is_positive_definite", "is_square")

_RULES: dict[tuple[Any, ...], Callable[..., Any]] = {}


def rule(operation: str, *classes: type) -> Callable[[Rule], Rule]:
    """Say what `operation` (adjoint, inverse, cholesky, matmul, solve) gives for operators of `classes` and their subclasses."""

    def register(function: Rule) -> Rule:
        _RULES[(operation, *classes)] = function
        return function

    return register


def _by_rule(operation: str, *operators: Any) -> Any:
    """Return what the rule for the nearest classes gives: those of the first operator count more."""
    left = type(operators[0]).__mro__
    right: Any = type(operators[1]).__mro__ if len(operators) == 2 else ((),)
    for first in left:
        for second in right:
            found = _RULES.get((operation, first, second) if second else (operation, first))
            if found is not None:
                return found(*operators)
    raise NotImplementedError(explain(f"{operation} is not implemented for {type(operators[0]).__name__}."))


@public("linalg.LinearOperator")
class LinearOperator(Module, CompositeTensor):
    """A matrix, or a batch of matrices of shape `[..., M, N]`, known by what it does.

    A subclass says at least `_shape`, `_shape_tensor` and `_matmul`; each public method `x` calls `_x`, so what a class can do
    better than with a dense matrix it states there. Hints (`is_self_adjoint` and so on) are what the caller promises: True,
    False, or None where nothing is known; nothing is checked unless an `assert_` method is called.

    >>> operator = tf.linalg.LinearOperatorDiag([1., 2.])
    >>> operator.matvec([3., 4.]).numpy()
    array([3., 8.], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        graph_parents: Any = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        if is_positive_definite:
            if is_non_singular is False:
                raise ValueError(explain("A positive definite matrix is always non-singular."))
            is_non_singular = True
        for hint, words in ((is_non_singular, "non-singular"), (is_self_adjoint, "self-adjoint")):
            if hint:
                if is_square is False:
                    raise ValueError(explain(f"A {words} matrix is always square."))
                is_square = True
        self._square_hint = is_square
        self._graph_parents = self._no_dependency(list(graph_parents or []))
        self._dtype = as_dtype(dtype) if dtype else dtype
        self._is_non_singular = is_non_singular
        self._is_self_adjoint = is_self_adjoint
        self._is_positive_definite = is_positive_definite
        self._parameters = self._no_dependency(parameters)
        self._name = name or type(self).__name__

    def _settle(self, dtype: Any, arguments: dict[str, Any], **settled: Any) -> None:
        """Call LinearOperator's own constructor with the hints and the name among `arguments`, but for those in `settled`."""
        given = {key: settled.get(key, arguments[key]) for key in (*HINTS, "name")}
        LinearOperator.__init__(self, dtype, parameters=arguments, **given)

    @contextmanager
    def _name_scope(self, name: str | None = None) -> Iterator[str]:  # type: ignore[override]
        with named(self.name if name is None else f"{self.name}/{name}") as scope:
            yield scope

    @property
    def parameters(self) -> dict[str, Any]:
        """What this operator was made with, by the names of the constructor's arguments."""
        return dict(self._parameters)

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._dtype

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def graph_parents(self) -> list[Any]:
        """What was given as `graph_parents`, which nothing uses."""
        return self._graph_parents

    @property
    def is_non_singular(self) -> bool | None:
        """Whether this is promised to be invertible."""
        return self._is_non_singular

    @property
    def is_self_adjoint(self) -> bool | None:
        """Whether this is promised to equal its conjugate transpose."""
        return self._is_self_adjoint

    @property
    def is_positive_definite(self) -> bool | None:
        """Whether the real part of x^H A x is promised to be positive for all x but 0."""
        return self._is_positive_definite

    @property
    def is_square(self) -> bool | None:
        """Whether this has as many rows as columns; None where that is not known."""
        found = self.domain_dimension == self.range_dimension
        if self._square_hint is False and found:
            raise ValueError(explain("User set is_square hint to False, but the operator was square."))
        return found if self._square_hint is None else self._square_hint

    # Shapes

    @abc.abstractmethod
    def _shape(self) -> Any:
        raise NotImplementedError("_shape is not implemented.")

    @property
    def shape(self) -> Any:
        """The `TensorShape` of this as a tensor, as far as it is known."""
        return self._shape()

    def _shape_tensor(self) -> Any:
        raise NotImplementedError("_shape_tensor is not implemented.")

    def shape_tensor(self, name: str = "shape_tensor") -> Any:
        """Return the shape as a tensor."""
        with self._name_scope(name):
            if self.shape.is_fully_defined():
                return array.index_tensor(self.shape.as_list())
            return self._shape_tensor()

    @property
    def batch_shape(self) -> Any:
        """The shape without the last two axes, as far as it is known."""
        return self.shape[:-2]

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Any:
        """Return the shape without the last two axes, as a tensor."""
        with self._name_scope(name):
            if self.batch_shape.is_fully_defined():
                return array.index_tensor(self.batch_shape.as_list())
            return self.shape_tensor()[:-2]

    @property
    def tensor_rank(self) -> int | None:
        """How many axes this has as a tensor."""
        return self.shape.rank  # type: ignore[no-any-return]

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Any:
        """Return how many axes this has as a tensor."""
        with self._name_scope(name):
            return array.size(self.shape_tensor()) if self.tensor_rank is None else to_tensor(self.tensor_rank)

    @property
    def domain_dimension(self) -> Any:
        """How many columns the matrices have, as a `Dimension`."""
        return Dimension(None) if self.shape.rank is None else self.shape.dims[-1]

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Any:
        """Return how many columns the matrices have."""
        with self._name_scope(name):
            known = self.domain_dimension.value
            return self.shape_tensor()[-1] if known is None else to_tensor(known)

    @property
    def range_dimension(self) -> Any:
        """How many rows the matrices have, as a `Dimension`."""
        return self.shape.dims[-2] if self.shape.rank else Dimension(None)

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Any:
        """Return how many rows the matrices have."""
        with self._name_scope(name):
            known = self.range_dimension.value
            return self.shape_tensor()[-2] if known is None else to_tensor(known)

    # Checks

    def _assert_non_singular(self) -> Any:
        if self._can_use_cholesky():
            return self.assert_positive_definite()
        values = svd(self.to_dense(), compute_uv=False)
        condition = reduce_max(values, -1) / reduce_min(values, -1)
        real_type = self.dtype.real_dtype
        sides = [cast(n, real_type) for n in (self.range_dimension_tensor(), self.domain_dimension_tensor())]
        most = reduce_max(array.stack([cast(100.0, real_type), *sides])) * np.finfo(real_type.as_numpy_dtype).eps
        return PUBLIC["debugging.assert_less"](
            condition, 1.0 / most, message="Singular matrix up to precision epsilon."
        )

    def assert_non_singular(self, name: str = "assert_non_singular") -> Any:
        """Raise InvalidArgumentError where this is singular, up to rounding."""
        with self._name_scope(name):
            return self._assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        if not self.is_self_adjoint:
            raise NotImplementedError(
                explain("assert_positive_definite is not implemented for operators that may not be self-adjoint.")
            )
        diagonal = diag_part(cholesky(self.to_dense()))
        return PUBLIC["debugging.assert_positive"](
            PUBLIC["math.real"](diagonal), message="Matrix was not positive definite."
        )

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        """Raise InvalidArgumentError where this is not positive definite."""
        with self._name_scope(name):
            return self._assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        dense = self.to_dense()
        return PUBLIC["debugging.assert_equal"](
            dense, adjoint_of(dense), message="Matrix was not equal to its adjoint."
        )

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Any:
        """Raise InvalidArgumentError where this differs from its conjugate transpose."""
        with self._name_scope(name):
            return self._assert_self_adjoint()

    def _check_input_dtype(self, arg: Any) -> None:
        if arg.dtype != self.dtype:
            raise TypeError(
                explain(f"Expected argument to have dtype {self.dtype}.  Found: {arg.dtype} in tensor {arg}")
            )

    def _argument(self, x: Any, own_axis: int, axis: int) -> Any:
        """Return x as a tensor of this type whose size along `axis` is that of this operator along `own_axis`."""
        x = to_tensor(x)
        self._check_input_dtype(x)
        dimension_at_index(self.shape, own_axis).assert_is_compatible_with(x.shape[axis])
        return x

    def _operands(self, x: LinearOperator, adjoint: bool, adjoint_arg: bool, what: str) -> tuple[Any, Any]:
        """Return both operators, each adjoint where asked; refuse those whose sizes do not fit."""
        left = self.adjoint() if adjoint else self
        right = x.adjoint() if adjoint_arg else x
        columns, rows = left.domain_dimension, right.range_dimension
        if columns.value is not None and rows.value is not None and columns != rows:
            raise ValueError(
                explain(f"Operators are incompatible. Expected `{what}` to have dimension {columns} but got {rows}.")
            )
        return left, right

    # Products

    @abc.abstractmethod
    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        raise NotImplementedError("_matmul is not implemented.")

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """Return this, or its adjoint, times x `[..., N, R]` or its adjoint; an operator where x is one.

        Raises:
          TypeError: where x is of another element type.
          ValueError: where sizes do not fit.
        """
        with self._name_scope(name):
            if isinstance(x, LinearOperator):
                return self._linop_matmul(*self._operands(x, adjoint, adjoint_arg, "x"))
            x = self._argument(x, -2 if adjoint else -1, -1 if adjoint_arg else -2)
            return self._matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _linop_matmul(self, left_operator: Any, right_operator: Any) -> Any:
        return _by_rule("matmul", left_operator, right_operator)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Any:
        return adjoint_of(self.matmul(other, adjoint=True, adjoint_arg=True))

    def _matvec(self, x: Any, adjoint: bool = False) -> Any:
        return array.squeeze(self.matmul(array.expand_dims(x, -1), adjoint=adjoint), -1)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Any:
        """Return this, or its adjoint, times the vectors x `[..., N]`."""
        with self._name_scope(name):
            return self._matvec(self._argument(x, -2 if adjoint else -1, -1), adjoint=adjoint)

    # Determinants

    def _determinant(self) -> Any:
        if self._can_use_cholesky():
            return apply(find("Exp"), self.log_abs_determinant())
        return det(self.to_dense())

    def _square_for(self, what: str) -> None:
        if self.is_square is False:
            raise NotImplementedError(
                explain(f"{what} not implemented for an operator that is expected to not be square.")
            )

    def determinant(self, name: str = "det") -> Any:
        """Return the determinants; refuse operators that are not square."""
        self._square_for("Determinant")
        with self._name_scope(name):
            return self._determinant()

    def _log_abs_determinant(self) -> Any:
        dense = self.to_dense()
        if self._can_use_cholesky():
            return 2 * reduce_sum(log(diag_part(cholesky(dense))), -1)
        return slogdet(dense)[1]

    def log_abs_determinant(self, name: str = "log_abs_det") -> Any:
        """Return the logarithms of the determinants' sizes; refuse operators that are not square."""
        self._square_for("Determinant")
        with self._name_scope(name):
            return self._log_abs_determinant()

    # Solutions

    def _dense_solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        self._square_for("Solve is")
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        dense = self.to_dense()
        if self._can_use_cholesky():
            return cholesky_solve(cholesky(dense), rhs)
        return solve_broadcast(dense, rhs, adjoint)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._dense_solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solvable(self) -> None:
        for hint, words in ((self.is_non_singular, "be singular"), (self.is_square, "not be square")):
            if hint is False:
                raise NotImplementedError(
                    explain(f"Exact solve not implemented for an operator that is expected to {words}.")
                )

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """Return x with this, or its adjoint, times x equal to rhs `[..., M, R]` or its adjoint; an operator where rhs is one.

        Raises:
          NotImplementedError: where this is said to be singular or not square.
          TypeError: where rhs is of another element type.
          ValueError: where sizes do not fit.
        """
        self._solvable()
        with self._name_scope(name):
            if isinstance(rhs, LinearOperator):
                return self._linop_solve(*self._operands(rhs, adjoint, adjoint_arg, "rhs"))
            rhs = self._argument(rhs, -1 if adjoint else -2, -1 if adjoint_arg else -2)
            return self._solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _linop_solve(self, left_operator: Any, right_operator: Any) -> Any:
        return _by_rule("solve", left_operator, right_operator)

    def _solvevec(self, rhs: Any, adjoint: bool = False) -> Any:
        return array.squeeze(self.solve(array.expand_dims(rhs, -1), adjoint=adjoint), -1)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Any:
        """Return x with this, or its adjoint, times x equal to the vectors rhs `[..., M]`."""
        with self._name_scope(name):
            return self._solvevec(self._argument(rhs, -1 if adjoint else -2, -1), adjoint=adjoint)

    # Other operators

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        """Return the conjugate transpose as an operator: this itself where it is said to be self-adjoint."""
        if self.is_self_adjoint is True:
            return self
        with self._name_scope(name):
            return self._linop_adjoint()

    H = property(adjoint, None, doc="The conjugate transpose as an operator.")

    def _linop_adjoint(self) -> LinearOperator:
        return _by_rule("adjoint", self)  # type: ignore[no-any-return]

    def inverse(self, name: str = "inverse") -> LinearOperator:
        """Return the inverse as an operator; refuse operators that are said to be singular or not square."""
        for hint, words in ((self.is_square, "non square"), (self.is_non_singular, "singular")):
            if hint is False:
                raise ValueError(explain(f"Cannot take the Inverse: This operator represents a {words} matrix."))
        with self._name_scope(name):
            return self._linop_inverse()

    def _linop_inverse(self) -> LinearOperator:
        return _by_rule("inverse", self)  # type: ignore[no-any-return]

    def cholesky(self, name: str = "cholesky") -> LinearOperator:
        """Return the Cholesky factor as an operator; refuse operators not said to be self-adjoint and positive definite."""
        if not self._can_use_cholesky():
            raise ValueError(
                explain("Cannot take the Cholesky decomposition: Not a positive definite self adjoint matrix.")
            )
        with self._name_scope(name):
            return self._linop_cholesky()

    def _linop_cholesky(self) -> LinearOperator:
        return _by_rule("cholesky", self)  # type: ignore[no-any-return]

    # Elements

    def _to_dense(self) -> Any:
        known = self.domain_dimension.value
        columns = self.domain_dimension_tensor() if known is None else known
        return self.matmul(array.eye(columns, batch_shape=self.batch_shape_tensor(), dtype=self.dtype))

    def to_dense(self, name: str = "to_dense") -> Any:
        """Return the matrices."""
        with self._name_scope(name):
            return self._to_dense()

    def _diag_part(self) -> Any:
        return diag_part(self.to_dense())

    def diag_part(self, name: str = "diag_part") -> Any:
        """Return the diagonals."""
        with self._name_scope(name):
            return self._diag_part()

    def _trace(self) -> Any:
        return reduce_sum(self.diag_part(), -1)

    def trace(self, name: str = "trace") -> Any:
        """Return the sums of the diagonals."""
        with self._name_scope(name):
            return self._trace()

    def _add_to_tensor(self, x: Any) -> Any:
        return self.to_dense() + x

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Any:
        """Return the matrices plus x."""
        with self._name_scope(name):
            x = to_tensor(x)
            self._check_input_dtype(x)
            return self._add_to_tensor(x)

    def _eigvals(self) -> Any:
        return eigvalsh(self.to_dense())

    def eigvals(self, name: str = "eigvals") -> Any:
        """Return the eigenvalues, in any order; refuse operators not said to be self-adjoint."""
        if not self.is_self_adjoint:
            raise NotImplementedError(explain("Only self-adjoint matrices are supported."))
        with self._name_scope(name):
            return self._eigvals()

    def _cond(self) -> Any:
        values = abs_(self._eigvals()) if self.is_self_adjoint else svd(self.to_dense(), compute_uv=False)
        return reduce_max(values, -1) / reduce_min(values, -1)

    def cond(self, name: str = "cond") -> Any:
        """Return the condition numbers: the longest of the singular values by the shortest."""
        with self._name_scope(name):
            return self._cond()

    def _can_use_cholesky(self) -> Any:
        return self.is_self_adjoint and self.is_positive_definite

    # Parts

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ()

    @property
    def _composite_tensor_prefer_static_fields(self) -> tuple[str, ...]:
        return ()

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {}

    @property
    def _type_spec(self) -> Any:
        return None

    def _convert_variables_to_tensors(self) -> Any:
        spec = self._type_spec
        parts = nest.map_structure(
            lambda x: x._convert_variables_to_tensors() if isinstance(x, LinearOperator) else to_tensor(x),
            spec._to_components(self),
        )
        return spec._from_components(parts)

    def __getitem__(self, slices: Any) -> Any:
        return batch_slice(self, slices)

    __composite_gradient__ = OperatorGradient()
