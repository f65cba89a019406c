"""tf.math: elementwise functions."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.execution.dispatch import apply
from millstream.ops import math as ops
from millstream.ops import unary


@public("add", "math.add")
def add(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x + y elementwise, with broadcasting."""
    return apply(ops.add, x, y)


@public("multiply", "math.multiply")
def multiply(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x * y elementwise, with broadcasting."""
    return apply(ops.multiply, x, y)


@public("exp", "math.exp")
def exp(x: Any, name: str | None = None) -> Any:
    """Return e to the power of x elementwise."""
    return apply(unary.exp, x)
