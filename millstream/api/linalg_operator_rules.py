"""What the functions of tf.linalg do with linear operators: what the operators' own methods do."""

from __future__ import annotations

from typing import Any

from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.public import PUBLIC, composite_rule
from millstream.base.errors import explain


def _is_operator(value: Any) -> bool:
    # The class is loaded when somebody asks for it.
    operator = PUBLIC.get("linalg.LinearOperator")
    return operator is not None and isinstance(value, operator)


def _by_method(function: str, method: str) -> None:
    """Let tf.linalg.<function> of an operator be what its method gives."""

    @composite_rule(f"linalg.{function}")
    def rule(operator: Any, *rest: Any) -> Any:
        return getattr(operator, method)() if _is_operator(operator) else NotImplemented


for _function, _method in (
    ("adjoint", "adjoint"),
    ("cholesky", "cholesky"),
    ("det", "determinant"),
    ("diag_part", "diag_part"),
    ("trace", "trace"),
):
    _by_method(_function, _method)


@composite_rule("linalg.inv")
def _inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    if not _is_operator(input):
        return NotImplemented
    inverse = input.inverse()
    return inverse.adjoint() if adjoint else inverse


@composite_rule("linalg.logdet")
def _logdet(matrix: Any, name: str | None = None) -> Any:
    if not _is_operator(matrix):
        return NotImplemented
    if matrix.is_positive_definite and matrix.is_self_adjoint:
        return matrix.log_abs_determinant()
    raise ValueError(explain("Expected matrix to be self-adjoint positive definite."))


@composite_rule("linalg.matmul")
def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    grad_a: bool = False,
    grad_b: bool = False,
    name: str | None = None,
) -> Any:
    if not _is_operator(a) and not _is_operator(b):
        return NotImplemented
    if transpose_a or transpose_b:
        raise ValueError(explain("Transposing not supported at this time."))
    if a_is_sparse or b_is_sparse:
        raise ValueError(explain("Sparse methods not supported at this time."))
    if _is_operator(a):
        return a.matmul(b, adjoint=adjoint_a, adjoint_arg=adjoint_b)
    return adjoint_of(b.matmul(a, adjoint=not adjoint_b, adjoint_arg=not adjoint_a))


@composite_rule("linalg.matvec")
def _matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    if not _is_operator(a):
        return NotImplemented
    if transpose_a:
        raise ValueError(explain("Transposing not supported at this time."))
    return a.matvec(b, adjoint=adjoint_a)


@composite_rule("linalg.solve")
def _solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    if not _is_operator(matrix) and not _is_operator(rhs):
        return NotImplemented
    if not _is_operator(matrix):
        raise ValueError(explain("Passing in `matrix` as a Tensor and `rhs` as a LinearOperator is not supported."))
    return matrix.solve(rhs, adjoint=adjoint)
