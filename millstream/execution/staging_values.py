"""Leaves of structures that go in and out of traced functions: TensorArrays count by their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import nest
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import Tensor


def leaf_tensor(leaf: Any, dtype: Any = None) -> Any:
    """Return a leaf as the tensor that stands for it; None for None."""
    if leaf is None or isinstance(leaf, Tensor):
        return leaf
    flow = getattr(leaf, "traced_flow", None)
    if flow is not None:
        return flow()
    if dtype is not None and isinstance(leaf, (int, float, bool, complex, str, bytes)):
        return to_tensor(leaf, dtype)
    return to_tensor(leaf)


def with_leaves(structure: Any, tensors: Sequence[Any]) -> Any:
    """Return the structure with `tensors` as its leaves; a TensorArray gets a new list."""
    leaves = nest.flatten(structure, expand_composites=True)
    new = [old.with_flow(t) if hasattr(old, "with_flow") else t for old, t in zip(leaves, tensors, strict=True)]
    return nest.pack_sequence_as(structure, new, expand_composites=True)
