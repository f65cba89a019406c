"""Declare the elementwise arithmetic ops."""

from __future__ import annotations

from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.types import COMPLEX, FLOATS, NUMBERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast_together, reshape
from millstream.program.value import Value

T = Types("T", *NUMBERS)
F = Types("T", *FLOATS, *COMPLEX)


def unbroadcast(dy: Value, x: Value) -> Value:
    """Sum `dy` over the axes along which `x` was broadcast to it."""
    lead = dy.rank - x.rank
    axes = [*range(lead), *(i + lead for i, n in enumerate(x.shape) if n != dy.shape[i + lead])]
    return reshape(reduce(dy, "sum", axes), x.shape)


@op("AddV2", outputs="z")
def add(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x + y with broadcasting."""
    x, y = broadcast_together(x, y, what="AddV2")
    return x + y


@op("Mul", outputs="z")
def multiply(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x * y with broadcasting."""
    x, y = broadcast_together(x, y, what="Mul")
    return x * y


@op("Exp", outputs="y")
def exp(x: Tensor[F]) -> Tensor[F]:
    """Return e to the power of x."""
    return e.exp(x)


add.cases([((3,), (3,)), (("batch", 4), (4,)), ((), (2, 3)), ((0, 3), (1, 3))])
multiply.cases([((3,), (3,)), (("batch", 4), (4,)), ((2, 1), (1, 3))])
exp.cases([(3,), ("batch", 4), (), (0,)])
exp.cases([(7,)], extreme=[1e4, -1e4, float("inf"), float("-inf"), float("nan"), 0.0])
