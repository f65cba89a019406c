"""What linear operators share below their classes: hints, batches, checks. Knows no operator."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from millstream.api import array
from millstream.api.linalg_factorisation import solve
from millstream.api.math import abs_, imag
from millstream.api.public import PUBLIC
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.module import Module
from millstream.execution.static_value import static_value
from millstream.execution.variable import is_resource_variable
from millstream.ops.registry import find


def own_arguments(names: dict[str, Any]) -> dict[str, Any]:
    """Return a constructor's arguments, out of its local names before it makes others."""
    return {key: value for key, value in names.items() if key not in ("self", "__class__")}


def always(hint: bool | None, message: str) -> bool:
    """Return True, which the hint may not contradict."""
    if hint is False:
        raise ValueError(explain(message))
    return True


def combine_hint(own_operator: Any, key: str, given: bool | None, message: str) -> bool | None:
    """Return the hint that an operator and the caller agree on; refuse it where they do not."""
    own = getattr(own_operator, key)
    if (own is False and given) or (own and given is False):
        raise ValueError(explain(message))
    if own or given:
        return True
    return False if own is False or given is False else None


def both_non_singular(left: Any, right: Any) -> bool | None:
    """Return whether a product is invertible."""
    if left.is_non_singular is False or right.is_non_singular is False:
        return False
    return left.is_non_singular and right.is_non_singular  # type: ignore[no-any-return]


def product_is_square(left: Any, right: Any) -> bool | None:
    """Return whether a product is square."""
    if left.is_square and right.is_square:
        return True
    if left.is_square is False and right.is_square is False:
        rows, columns = left.range_dimension, right.domain_dimension
        return None if rows.value is None or columns.value is None else rows.value == columns.value
    if left.is_square is not None and right.is_square is not None:
        return False
    return None


def commuting_hints(left: Any, right: Any) -> dict[str, Any]:
    """Return the hints of the product of two operators that may be exchanged."""
    adjoint = (left.is_self_adjoint, right.is_self_adjoint)
    both = bool(adjoint[0] and adjoint[1])
    definite = both and left.is_positive_definite is True and right.is_positive_definite is True
    return {
        "is_non_singular": both_non_singular(left, right),
        "is_self_adjoint": True if both else False if set(adjoint) == {True, False} else None,
        "is_positive_definite": True if definite else None,
        "is_square": True,
    }


def product_hints(left: Any, right: Any) -> dict[str, Any]:
    """Return the hints of the product of two operators of which no more is known."""
    square = product_is_square(left, right)
    singular = both_non_singular(left, right) if square else False if square is False else None
    other = False if square is False else None
    return {
        "is_non_singular": singular,
        "is_self_adjoint": other,
        "is_positive_definite": other,
        "is_square": square,
    }


def hints_of(given: Any, **settled: bool | None) -> dict[str, Any]:
    """Return the hints of an operator, but for those in `settled`."""
    hints = ("is_non_singular", "is_self_adjoint", "is_positive_definite")
    return {**{key: getattr(given, key) for key in hints}, "is_square": True, **settled}


def is_reference(x: Any) -> bool:
    """Return whether x is a variable, or a module that stands for a tensor."""
    return is_resource_variable(x) or (isinstance(x, Module) and hasattr(x, "dtype") and hasattr(x, "shape"))


def part(value: Any, dtype: Any = None) -> Any:
    """Return what an operator is made of: variables as they are, so that they count as they change; all else as tensors."""
    return value if value is None or is_reference(value) else to_tensor(value, dtype)


def plain_integer(value: Any, name: str) -> Any:
    """Return a size or a shape as a tensor of integers; refuse variables, whose value may change."""
    if is_reference(value):
        raise TypeError(explain(f"Argument {name} cannot be reference type. Found: {type(value)}."))
    tensor = array.index_tensor(value)
    if not tensor.dtype.is_integer:
        raise TypeError(explain(f"Argument {name} must be integer type.  Found: {tensor}"))
    return tensor


def checked_size(value: Any, name: str, axes: int) -> tuple[Any, Any]:
    """Return a size (axes 0) or a batch shape (axes 1) as a tensor and, where known, as an array; refuse negative ones."""
    tensor = plain_integer(value, name)
    known = static_value(tensor)
    if known is not None:
        if known.ndim != axes:
            raise ValueError(explain(f"Argument {name} must be a {axes}-D Tensor.  Found: {known}"))
        if (known < 0).any():
            raise ValueError(explain(f"Argument {name} must be non-negative.  Found: {known}"))
    return tensor, known


def with_size_checks(tensor: Any, name: str, axes: int) -> Any:
    """Return the tensor, checked when it runs as `checked_size` checks what is known."""
    PUBLIC["debugging.assert_rank"](tensor, axes, message=f"Argument {name} must be a {axes}-D Tensor.")
    PUBLIC["debugging.assert_non_negative"](tensor, message=f"Argument {name} must be non-negative.")
    return array.identity(tensor)


def square_shape(vector: Any) -> TensorShape:
    """Return the shape of the square matrices that vectors stand for."""
    shape: TensorShape = vector.shape
    return shape.concatenate(shape[-1:])


def square_shape_tensor(vector: Any) -> Any:
    """Return `square_shape` as a tensor."""
    shape = array.shape(vector)
    return array.concat([shape, shape[-1:]], 0)


def common_batch(shapes: Iterable[TensorShape]) -> TensorShape:
    """Return the shape that batch shapes broadcast to, as far as it is known."""
    result = TensorShape([])
    for shape in shapes:
        result = array.broadcast_static_shape(result, shape)
    return result


def common_batch_tensor(shapes: Sequence[Any]) -> Any:
    """Return the shape that batch shapes broadcast to."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = array.broadcast_dynamic_shape(result, shape)
    return result


def with_batch(x: Any, lead: Any, axes: int) -> Any:
    """Return x with its axes before the last `axes` broadcast to `lead`."""
    return array.broadcast_to(x, array.concat([lead, array.shape(x)[-axes:]], 0))


def broadcast_batches(matrices: Sequence[Any]) -> list[Any]:
    """Return the matrices with their batch shapes broadcast to one."""
    matrices = [to_tensor(m) for m in matrices]
    known = [m.shape[:-2] for m in matrices]
    if all(shape.is_fully_defined() and shape == known[0] for shape in known):
        return matrices
    lead = common_batch_tensor([array.shape(m)[:-2] for m in matrices])
    return [with_batch(m, lead, 2) for m in matrices]


def solve_broadcast(matrix: Any, rhs: Any, adjoint: bool = False) -> Any:
    """Return the solutions of linear systems, batch shapes broadcast; one matrix is factorised once for all right sides."""
    matrix, rhs = to_tensor(matrix), to_tensor(rhs)
    more = rhs.shape.rank
    if matrix.shape.rank == 2 and more is not None and more > 2:
        order = [more - 2, *range(more - 2), more - 1]
        turned = array.transpose(rhs, order)
        flat = array.reshape(turned, array.concat([array.shape(turned)[:1], [-1]], 0))
        back = [*range(1, more - 1), 0, more - 1]
        found = array.transpose(array.reshape(solve(matrix, flat, adjoint=adjoint), array.shape(turned)), back)
        found.set_shape(rhs.shape)
        return found
    matrix, rhs = broadcast_batches([matrix, rhs])
    return solve(matrix, rhs, adjoint=adjoint)


def product_of(values: Iterable[Any]) -> Any:
    """Return the product of tensors, sizes or operators' numbers."""
    return functools.reduce(operator.mul, values)


def sum_of(values: Iterable[Any]) -> Any:
    """Return the sum of tensors or sizes."""
    return functools.reduce(operator.add, values)


def log(x: Any) -> Any:
    """Return the natural logarithm elementwise."""
    return apply(find("Log"), x)


def column(x: Any) -> Any:
    """Return vectors as matrices of one column."""
    return array.expand_dims(x, -1)


def assert_no_zeros(x: Any, message: str) -> Any:
    """Raise InvalidArgumentError where an element is 0."""
    return PUBLIC["debugging.assert_positive"](abs_(to_tensor(x)), message=message)


def assert_real(x: Any, message: str) -> Any:
    """Raise InvalidArgumentError where an element has an imaginary part."""
    x = to_tensor(x)
    if not x.dtype.is_complex:
        return PUBLIC["no_op"]()
    part_ = imag(x)
    return PUBLIC["debugging.assert_equal"](array.zeros_like(part_), part_, message=message)
