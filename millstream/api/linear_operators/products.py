"""Operators made of several others that multiply: one after the other, or as Kronecker's product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api import array
from millstream.api.linalg import matrix_transpose
from millstream.api.linear_operators.helpers import (
    column,
    common_batch,
    common_batch_tensor,
    own_arguments,
    product_of,
    sum_of,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import cast, conj
from millstream.api.public import PUBLIC, public
from millstream.base.errors import InvalidArgumentError, explain
from millstream.base.shapes import TensorShape


class ManyOperators(LinearOperator):
    """An operator made of a list of others of one element type."""

    _operators: list[Any]

    def _take(self, operators: Any) -> list[Any]:
        """Keep the operators; refuse none, and several element types."""
        PUBLIC["debugging.assert_proper_iterable"](operators)
        kept = list(operators)
        if not kept:
            raise ValueError(explain(f"Expected a non-empty list of operators. Found: {operators}"))
        if any(o.dtype != kept[0].dtype for o in kept):
            found = "   ".join(str((o.name, o.dtype)) for o in kept)
            raise TypeError(explain(f"Expected all operators to have the same dtype.  Found {found}"))
        self._operators = kept
        return kept

    def _all_or_given(self, hint: str, given: bool | None, what: str) -> bool | None:
        """Return True where all operators have the hint, which may then not be False."""
        if not all(getattr(o, hint) for o in self._operators):
            return given
        if given is False:
            word = hint.removeprefix("is_").replace("_", "-")
            raise ValueError(explain(f"The {what} of {word} operators is always {word}."))
        return True

    def _settle_each(self, arguments: dict[str, Any], what: str, between: str) -> None:
        """Keep the operators; take the hints that all have, and a name made of theirs, where none is given."""
        kept = self._take(arguments["operators"])
        settled: dict[str, Any] = {
            hint: self._all_or_given(hint, arguments[hint], what)
            for hint in ("is_non_singular", "is_self_adjoint", "is_positive_definite")
        }
        if arguments["name"] is None:
            settled["name"] = between.join(o.name for o in kept)
        self._settle(kept[0].dtype, arguments, **settled)

    @property
    def operators(self) -> Any:
        """The operators that this is made of."""
        return self._operators

    def _common_batch(self) -> TensorShape:
        return common_batch(o.batch_shape for o in self._operators)

    def _common_batch_tensor(self) -> Any:
        return common_batch_tensor([o.batch_shape_tensor() for o in self._operators])

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("operators",)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"operators": [0] * len(self._operators)}


def _adjoint_pair(left: Any, right: Any) -> bool:
    """Return whether one operator is known to be the other's adjoint."""
    if left is right and left.is_self_adjoint is not None:
        return bool(left.is_self_adjoint)
    return left.H is right or right.H is left


def is_mirrored(operators: Sequence[Any]) -> bool:
    """Return whether the operators are known to read, from both ends, as adjoints of each other: a product a a^H."""
    count = len(operators)
    return count % 2 == 0 and all(_adjoint_pair(operators[i], operators[-1 - i]) for i in range(count // 2))


@public("linalg.LinearOperatorComposition")
@composite
class LinearOperatorComposition(ManyOperators):
    """The product of operators: the last is applied first.

    >>> halves = tf.linalg.LinearOperatorScaledIdentity(2, 0.5)
    >>> operator = tf.linalg.LinearOperatorFullMatrix([[1., 2.], [3., 4.]])
    >>> tf.linalg.LinearOperatorComposition([halves, operator]).to_dense().numpy()
    array([[0.5, 1. ],
           [1.5, 2. ]], dtype=float32)
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        arguments = own_arguments(locals())
        kept = self._take(operators)
        settled: dict[str, Any] = {
            "is_non_singular": self._all_or_given("is_non_singular", is_non_singular, "composition")
        }
        mirrored = is_mirrored(kept)
        known = {
            "is_self_adjoint": mirrored or (len(kept) == 1 and kept[0].is_self_adjoint),
            "is_square": mirrored,
            "is_positive_definite": mirrored and settled["is_non_singular"],
        }
        for hint, holds in known.items():
            if holds and arguments[hint] is False:
                raise ValueError(
                    explain(f"The operators have the form A @ A.H, so that {hint} is True. Received: {hint}=False.")
                )
            settled[hint] = True if holds else arguments[hint]
        settled["name"] = "_o_".join(o.name for o in kept) if name is None else name
        self._settle(kept[0].dtype, arguments, **settled)

    def _shape(self) -> Any:
        for left, right in zip(self._operators[:-1], self._operators[1:], strict=True):
            left.domain_dimension.assert_is_compatible_with(right.range_dimension)
        return self._common_batch().concatenate(
            [self._operators[0].range_dimension, self._operators[-1].domain_dimension]
        )

    def _shape_tensor(self) -> Any:
        sides = [self._operators[0].range_dimension_tensor(), self._operators[-1].domain_dimension_tensor()]
        return array.concat([self._common_batch_tensor(), array.stack(sides)], 0)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        for operator in self._operators if adjoint else reversed(self._operators):
            x, adjoint_arg = operator.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg), False
        return x

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        for operator in reversed(self._operators) if adjoint else self._operators:
            rhs, adjoint_arg = operator.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg), False
        return rhs

    def _determinant(self) -> Any:
        return product_of([o.determinant() for o in self._operators])

    def _log_abs_determinant(self) -> Any:
        return sum_of([o.log_abs_determinant() for o in self._operators])

    def _assert_non_singular(self) -> Any:
        if all(o.is_square for o in self._operators):
            return PUBLIC["group"](*[o.assert_non_singular() for o in self._operators])
        return super()._assert_non_singular()


@public("linalg.LinearOperatorKronecker")
@composite
class LinearOperatorKronecker(ManyOperators):
    """Kronecker's product of operators: blocks of the next, each times an element of the first.

    >>> left = tf.linalg.LinearOperatorFullMatrix([[1., 2.], [3., 4.]])
    >>> right = tf.linalg.LinearOperatorIdentity(2)
    >>> tf.linalg.LinearOperatorKronecker([left, right]).to_dense().numpy()
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.],
           [3., 0., 4., 0.],
           [0., 3., 0., 4.]], dtype=float32)
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._settle_each(own_arguments(locals()), "Kronecker product", "_x_")

    def _shape(self) -> Any:
        rows = product_of([o.range_dimension for o in self._operators])
        columns = product_of([o.domain_dimension for o in self._operators])
        return self._common_batch().concatenate([rows, columns])

    def _shape_tensor(self) -> Any:
        rows = product_of([o.range_dimension_tensor() for o in self._operators])
        columns = product_of([o.domain_dimension_tensor() for o in self._operators])
        return array.concat([self._common_batch_tensor(), array.stack([rows, columns])], 0)

    def _each(self, x: Any, method: str, adjoint: bool, adjoint_arg: bool) -> Any:
        """Apply the operators from the last to the first, each to its own part of the index of x's rows."""
        columns = array.shape(x)[-2 if adjoint_arg else -1]
        # Rows are x's columns from here on; the place in a row is the index of all operators, the last one's innermost.
        rows = (conj(x) if self.dtype.is_complex else x) if adjoint_arg else matrix_transpose(x)
        for operator in reversed(self._operators):
            size = operator.range_dimension_tensor() if adjoint else operator.domain_dimension_tensor()
            split = array.concat([array.shape(rows)[:-2], [-1], array.reshape(size, [1])], 0)
            rows = array.reshape(rows, split)
            rows = conj(rows) if self.dtype.is_complex else rows
            # Its results stand in columns, so that its own index comes before all others.
            rows = getattr(operator, method)(rows, adjoint=adjoint, adjoint_arg=True)
        size = self.domain_dimension_tensor() if adjoint else self.range_dimension_tensor()
        lead = array.shape(rows)[:-2]
        result = array.reshape(rows, array.concat([lead, array.stack([size, columns])], 0))
        known = self.domain_dimension if adjoint else self.range_dimension
        result.set_shape(
            array.broadcast_static_shape(x.shape[:-2], self.batch_shape).concatenate(
                [known, x.shape[-2 if adjoint_arg else -1]]
            )
        )
        return result

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._each(x, "matmul", adjoint, adjoint_arg)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._each(rhs, "solve", adjoint, adjoint_arg)

    def _share(self, operator: Any) -> Any:
        """Return how often the operator's matrix stands in the product, as a number of this type."""
        whole = self.domain_dimension_tensor()
        return cast(whole // operator.domain_dimension_tensor(), self.dtype)

    def _determinant(self) -> Any:
        return product_of([o.determinant() ** self._share(o) for o in self._operators])

    def _log_abs_determinant(self) -> Any:
        return sum_of([o.log_abs_determinant() * self._share(o) for o in self._operators])

    def _trace(self) -> Any:
        return product_of([o.trace() for o in self._operators])

    def _outer(self, vectors: Sequence[Any]) -> Any:
        """Return all products of one element of each of the vectors."""
        result = vectors[0]
        for vector in vectors[1:]:
            result = column(result) * array.expand_dims(vector, -2)
            result = array.reshape(result, array.concat([array.shape(result)[:-2], [-1]], 0))
        return result

    def _diag_part(self) -> Any:
        if not all(o.is_square for o in self._operators):
            return super()._diag_part()
        result = self._outer([o.diag_part() for o in self._operators])
        result.set_shape(self.batch_shape.concatenate([self.domain_dimension]))
        return result

    def _to_dense(self) -> Any:
        result = self._operators[0].to_dense()
        for operator in self._operators[1:]:
            left = array.expand_dims(array.expand_dims(result, -1), -3)
            right = array.expand_dims(array.expand_dims(operator.to_dense(), -2), -4)
            result = left * right
            shape = array.shape(result)
            sides = array.stack([shape[-4] * shape[-3], shape[-2] * shape[-1]])
            result = array.reshape(result, array.concat([shape[:-4], sides], 0))
        result.set_shape(self.shape)
        return result

    def _eigvals(self) -> Any:
        result = self._outer([o.eigvals() for o in self._operators])
        result.set_shape(self.shape[:-1])
        return result

    def _all_square(self, check: str) -> Any:
        if not all(o.is_square for o in self._operators):
            raise InvalidArgumentError(
                None,
                None,
                explain(
                    "All Kronecker factors must be square for the product to be invertible. Expected hint `is_square` to "
                    "be True for every operator in argument `operators`."
                ),
            )
        return PUBLIC["group"](*[getattr(o, check)() for o in self._operators])

    def _assert_non_singular(self) -> Any:
        return self._all_square("assert_non_singular")

    def _assert_self_adjoint(self) -> Any:
        return self._all_square("assert_self_adjoint")
