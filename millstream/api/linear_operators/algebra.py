"""What operators give together: adjoints, inverses, Cholesky factors, products and solutions as operators of the simplest kind."""

from __future__ import annotations

from typing import Any

from millstream.api import array
from millstream.api.linalg_factorisation import cholesky
from millstream.api.linear_operators.blocks import LinearOperatorBlockDiag, LinearOperatorBlockLowerTriangular
from millstream.api.linear_operators.circulant import CirculantOperator
from millstream.api.linear_operators.dense import LinearOperatorFullMatrix, LinearOperatorLowerTriangular
from millstream.api.linear_operators.diagonal import LinearOperatorDiag, LinearOperatorHouseholder
from millstream.api.linear_operators.helpers import (
    both_non_singular,
    column,
    commuting_hints,
    hints_of,
    product_hints,
    sum_of,
)
from millstream.api.linear_operators.identity import (
    LinearOperatorIdentity,
    LinearOperatorScaledIdentity,
    LinearOperatorZeros,
)
from millstream.api.linear_operators.operator import LinearOperator, rule
from millstream.api.linear_operators.products import LinearOperatorComposition, LinearOperatorKronecker, is_mirrored
from millstream.api.linear_operators.wrapped import LinearOperatorAdjoint, LinearOperatorInversion
from millstream.api.math import conj, sign
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


def _root(x: Any) -> Any:
    return apply(find("Sqrt"), to_tensor(x))


# Adjoints


@rule("adjoint", LinearOperator)
def _adjoint(operator: Any) -> Any:
    return LinearOperatorAdjoint(operator, **hints_of(operator, is_square=operator.is_square))


@rule("adjoint", LinearOperatorAdjoint)
def _adjoint_of_adjoint(operator: Any) -> Any:
    return operator.operator


@rule("adjoint", LinearOperatorIdentity)
@rule("adjoint", LinearOperatorHouseholder)
@rule("inverse", LinearOperatorIdentity)
@rule("inverse", LinearOperatorHouseholder)
def _itself(operator: Any) -> Any:
    return operator


@rule("adjoint", LinearOperatorDiag)
def _adjoint_diagonal(operator: Any) -> Any:
    return LinearOperatorDiag(conj(operator.diag), **hints_of(operator))


@rule("adjoint", LinearOperatorScaledIdentity)
def _adjoint_multiple(operator: Any) -> Any:
    return LinearOperatorScaledIdentity(operator._num_rows, conj(operator.multiplier), **hints_of(operator))


@rule("adjoint", CirculantOperator)
def _adjoint_circulant(operator: Any) -> Any:
    return type(operator)(conj(operator.spectrum), operator.dtype, **hints_of(operator))


@rule("adjoint", LinearOperatorBlockDiag)
@rule("adjoint", LinearOperatorKronecker)
def _adjoint_parts(operator: Any) -> Any:
    parts = [o.adjoint() for o in operator.operators]
    return type(operator)(parts, **hints_of(operator, is_square=operator.is_square))


# Inverses


@rule("inverse", LinearOperator)
def _inverse(operator: Any) -> Any:
    return LinearOperatorInversion(operator, **hints_of(operator, is_square=operator.is_square))


@rule("inverse", LinearOperatorInversion)
def _inverse_of_inverse(operator: Any) -> Any:
    return operator.operator


@rule("inverse", LinearOperatorDiag)
def _inverse_diagonal(operator: Any) -> Any:
    return LinearOperatorDiag(1.0 / operator.diag, **hints_of(operator))


@rule("inverse", LinearOperatorScaledIdentity)
def _inverse_multiple(operator: Any) -> Any:
    return LinearOperatorScaledIdentity(operator._num_rows, 1.0 / operator.multiplier, **hints_of(operator))


@rule("inverse", CirculantOperator)
def _inverse_circulant(operator: Any) -> Any:
    return type(operator)(1.0 / operator.spectrum, operator.dtype, **hints_of(operator))


@rule("inverse", LinearOperatorBlockDiag)
@rule("inverse", LinearOperatorKronecker)
def _inverse_parts(operator: Any) -> Any:
    return type(operator)([o.inverse() for o in operator.operators], **hints_of(operator))


@rule("inverse", LinearOperatorBlockLowerTriangular)
def _inverse_triangle(operator: Any) -> Any:
    rows: list[list[Any]] = []
    for row in operator.operators:
        corner = row[-1].inverse()
        blocks = []
        for i in range(len(rows)):
            # The inverse of [[a, 0], [b, c]] has -c^-1 b a^-1 in its corner.
            products = [row[j].matmul(rows[j][i]).to_dense() for j in range(i, len(rows))]
            blocks.append(LinearOperatorFullMatrix(-corner.matmul(sum_of(products))))
        rows.append([*blocks, corner])
    return LinearOperatorBlockLowerTriangular(rows, **hints_of(operator))


# Cholesky factors


@rule("cholesky", LinearOperator)
def _cholesky(operator: Any) -> Any:
    return LinearOperatorLowerTriangular(
        cholesky(operator.to_dense()), is_non_singular=True, is_self_adjoint=False, is_square=True
    )


_POSITIVE: dict[str, Any] = {
    "is_non_singular": True,
    "is_self_adjoint": True,
    "is_positive_definite": True,
    "is_square": True,
}


@rule("cholesky", LinearOperatorDiag)
def _cholesky_diagonal(operator: Any) -> Any:
    return LinearOperatorDiag(_root(operator.diag), **_POSITIVE)


@rule("cholesky", LinearOperatorIdentity)
def _cholesky_identity(operator: Any) -> Any:
    return LinearOperatorIdentity(operator._num_rows, operator._lead, operator.dtype, **_POSITIVE)


@rule("cholesky", LinearOperatorScaledIdentity)
def _cholesky_multiple(operator: Any) -> Any:
    return LinearOperatorScaledIdentity(operator._num_rows, _root(operator.multiplier), **_POSITIVE)


@rule("cholesky", LinearOperatorBlockDiag)
@rule("cholesky", LinearOperatorKronecker)
def _cholesky_parts(operator: Any) -> Any:
    return type(operator)([o.cholesky() for o in operator.operators], is_non_singular=True, is_square=True)


@rule("cholesky", LinearOperatorComposition)
def _cholesky_product(operator: Any) -> Any:
    first = operator.operators[0]
    if len(operator.operators) != 2 or not isinstance(first, LinearOperatorLowerTriangular):
        return _cholesky(operator)
    if not is_mirrored(operator.operators):
        return _cholesky(operator)
    if first.is_positive_definite:
        return first
    # A lower triangle times its adjoint: the factor is the triangle with its diagonal made positive.
    signs = array.expand_dims(sign(first.diag_part()), -2)
    return LinearOperatorLowerTriangular(
        first.tril / signs, is_non_singular=first.is_non_singular, is_self_adjoint=first.is_self_adjoint, is_square=True
    )


# Products


@rule("matmul", LinearOperator, LinearOperator)
def _product(left: Any, right: Any) -> Any:
    return LinearOperatorComposition([left, right], **product_hints(left, right))


@rule("matmul", LinearOperator, LinearOperatorIdentity)
def _product_with_identity(left: Any, right: Any) -> Any:
    return left


@rule("matmul", LinearOperatorIdentity, LinearOperator)
@rule("solve", LinearOperatorIdentity, LinearOperator)
def _identity_with(left: Any, right: Any) -> Any:
    return right


def _squares_only(left: Any, right: Any) -> None:
    if not left.is_square or not right.is_square:
        raise ValueError(
            explain(
                "Matmul with non-square `LinearOperator`s or non-square `LinearOperatorZeros` not supported at this time."
            )
        )


@rule("matmul", LinearOperator, LinearOperatorZeros)
def _product_with_zeros(left: Any, right: Any) -> Any:
    _squares_only(left, right)
    return right


@rule("matmul", LinearOperatorZeros, LinearOperator)
def _zeros_with(left: Any, right: Any) -> Any:
    _squares_only(left, right)
    return left


@rule("matmul", LinearOperatorDiag, LinearOperatorDiag)
def _diagonals(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(left.diag * right.diag, **commuting_hints(left, right))


def _along(multiple: Any) -> Any:
    """Return the multiplier as factors of diagonals."""
    return column(to_tensor(multiple.multiplier))


@rule("matmul", LinearOperatorDiag, LinearOperatorScaledIdentity)
def _diagonal_and_multiple(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(left.diag * _along(right), **commuting_hints(left, right))


@rule("matmul", LinearOperatorScaledIdentity, LinearOperatorDiag)
def _multiple_and_diagonal(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(right.diag * _along(left), **commuting_hints(left, right))


@rule("matmul", LinearOperatorScaledIdentity, LinearOperatorScaledIdentity)
def _multiples(left: Any, right: Any) -> Any:
    return LinearOperatorScaledIdentity(
        left._num_rows, left.multiplier * right.multiplier, **commuting_hints(left, right)
    )


def _triangle(values: Any, left: Any, right: Any) -> Any:
    hints = {**commuting_hints(left, right), "is_positive_definite": None}
    return LinearOperatorLowerTriangular(values, **hints)


@rule("matmul", LinearOperatorDiag, LinearOperatorLowerTriangular)
def _diagonal_and_triangle(left: Any, right: Any) -> Any:
    return _triangle(column(to_tensor(left.diag)) * right.to_dense(), left, right)


@rule("matmul", LinearOperatorLowerTriangular, LinearOperatorDiag)
def _triangle_and_diagonal(left: Any, right: Any) -> Any:
    return _triangle(left.to_dense() * array.expand_dims(to_tensor(right.diag), -2), left, right)


@rule("matmul", CirculantOperator, CirculantOperator)
def _circulants(left: Any, right: Any) -> Any:
    if type(left) is not type(right):
        return _product(left, right)
    return type(left)(left.spectrum * right.spectrum, left.dtype, **commuting_hints(left, right))


def _block_by_block(left: Any, right: Any, method: str) -> Any:
    if len(left.operators) != len(right.operators):
        what = (
            "multiply two `LinearOperatorBlockDiag`s together"
            if method == "matmul"
            else "solve `LinearOperatorBlockDiag`"
        )
        raise ValueError(explain(f"Can not efficiently {what} when number of blocks differ."))
    pairs = zip(left.operators, right.operators, strict=True)
    return LinearOperatorBlockDiag(
        [getattr(a, method)(b) for a, b in pairs], is_non_singular=both_non_singular(left, right), is_square=True
    )


@rule("matmul", LinearOperatorBlockDiag, LinearOperatorBlockDiag)
def _block_diagonals(left: Any, right: Any) -> Any:
    return _block_by_block(left, right, "matmul")


# Solutions


@rule("solve", LinearOperator, LinearOperator)
def _solution(left: Any, right: Any) -> Any:
    return LinearOperatorComposition([LinearOperatorInversion(left), right], **product_hints(left, right))


@rule("solve", LinearOperator, LinearOperatorIdentity)
def _solution_of_identity(left: Any, right: Any) -> Any:
    return left.inverse()


@rule("solve", LinearOperatorInversion, LinearOperator)
def _solution_of_inverse(left: Any, right: Any) -> Any:
    return left.operator.matmul(right)


@rule("solve", LinearOperatorDiag, LinearOperatorDiag)
def _diagonals_divided(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(right.diag / left.diag, **commuting_hints(left, right))


@rule("solve", LinearOperatorDiag, LinearOperatorScaledIdentity)
def _multiple_by_diagonal(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(_along(right) / left.diag, **commuting_hints(left, right))


@rule("solve", LinearOperatorScaledIdentity, LinearOperatorDiag)
def _diagonal_by_multiple(left: Any, right: Any) -> Any:
    return LinearOperatorDiag(right.diag / _along(left), **commuting_hints(left, right))


@rule("solve", LinearOperatorScaledIdentity, LinearOperatorScaledIdentity)
def _multiples_divided(left: Any, right: Any) -> Any:
    return LinearOperatorScaledIdentity(
        left._num_rows, right.multiplier / left.multiplier, **commuting_hints(left, right)
    )


@rule("solve", LinearOperatorDiag, LinearOperatorLowerTriangular)
def _triangle_by_diagonal(left: Any, right: Any) -> Any:
    return _triangle(right.to_dense() / column(to_tensor(left.diag)), left, right)


@rule("solve", CirculantOperator, CirculantOperator)
def _circulants_divided(left: Any, right: Any) -> Any:
    if type(left) is not type(right):
        return _solution(left, right)
    return type(left)(right.spectrum / left.spectrum, left.dtype, **commuting_hints(left, right))


@rule("solve", LinearOperatorBlockDiag, LinearOperatorBlockDiag)
def _block_diagonals_solved(left: Any, right: Any) -> Any:
    return _block_by_block(left, right, "solve")
