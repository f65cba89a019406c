"""tf.__operators__: what Python's operators on tensors do, as functions."""

from __future__ import annotations

import operator
from typing import Any

from millstream.api.public import public
from millstream.execution.convert import to_tensor
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.tensor import Tensor


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
