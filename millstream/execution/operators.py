"""Operators of tensors: which op each of Python's operators is. Replaced piece by piece as op families land."""

from __future__ import annotations

from typing import Any

from millstream.execution.convert import constant_of
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops import math


def ones_like(tensor: Any) -> Any:
    """Return ones of the shape and element type of an eager tensor."""
    import numpy as np

    return constant_of(np.ones(tensor._shape, tensor.dtype.as_numpy_dtype), tensor.dtype)


def zeros_like(tensor: Any) -> Any:
    """Return zeros of the shape and element type of an eager tensor."""
    import numpy as np

    return constant_of(np.zeros(tensor._shape, tensor.dtype.as_numpy_dtype), tensor.dtype)


Tensor.__add__ = lambda self, other: apply(math.add, self, other)  # type: ignore[attr-defined]
Tensor.__radd__ = lambda self, other: apply(math.add, other, self)  # type: ignore[attr-defined]
Tensor.__mul__ = lambda self, other: apply(math.multiply, self, other)  # type: ignore[attr-defined]
Tensor.__rmul__ = lambda self, other: apply(math.multiply, other, self)  # type: ignore[attr-defined]
