"""tf.__operators__: what Python's operators on tensors do, as functions."""

from __future__ import annotations

import operator
from typing import Any

from millstream.api.public import public
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find


def _tensor(value: Any) -> Any:
    return value if isinstance(value, (Tensor, RaggedStructure)) else to_tensor(value)


@public("__operators__.add")
def add(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x + y elementwise: numbers are added, texts joined."""
    return _tensor(x) + y


@public("__operators__.eq")
def eq(self: Any, other: Any) -> Any:
    """Return x == y elementwise; False where the shapes do not go together."""
    return False if other is None else _tensor(self) == other


@public("__operators__.ne")
def ne(self: Any, other: Any) -> Any:
    """Return x != y elementwise; True where the shapes do not go together."""
    return True if other is None else _tensor(self) != other


@public("__operators__.getitem")
def getitem(tensor: Any, slice_spec: Any, var: Any = None) -> Any:
    """Return tensor[slice_spec]. `var` is accepted and not used."""
    return operator.getitem(_tensor(tensor), slice_spec)


@public("__operators__.ragged_getitem")
def ragged_getitem(rt_input: Any, key: Any) -> Any:
    """Return rt_input[key] of a ragged tensor."""
    return operator.getitem(rt_input, key)


@public("realdiv", "compat.v1.realdiv")
def realdiv(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y elementwise, for floating and complex numbers.

    Args:
      x: a tensor.
      y: a tensor of the same element type that broadcasts against x.
      name: accepted and not used.

    >>> tf.realdiv(7.0, 2.0).numpy()
    3.5
    """
    return apply(find("RealDiv"), x, y)


@public("truncatediv", "compat.v1.truncatediv")
def truncatediv(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y elementwise, rounded towards zero.

    Args:
      x: a tensor.
      y: a tensor of the same element type that broadcasts against x.
      name: accepted and not used.

    >>> tf.truncatediv(-7, 2).numpy()
    -3
    """
    return apply(find("TruncateDiv"), x, y)


@public("truncatemod", "compat.v1.truncatemod")
def truncatemod(x: Any, y: Any, name: str | None = None) -> Any:
    """Return the remainder of x / y elementwise, with the sign of x.

    Args:
      x: a tensor.
      y: a tensor of the same element type that broadcasts against x.
      name: accepted and not used.

    >>> tf.truncatemod(-7, 2).numpy()
    -1
    """
    return apply(find("TruncateMod"), x, y)


@public("guarantee_const", "compat.v1.guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Any:
    """Return the tensor as it is: a promise to a compiler of old that it never changes.

    Args:
      input: a tensor.
      name: accepted and not used.
    """
    return apply(find("Identity"), input)
