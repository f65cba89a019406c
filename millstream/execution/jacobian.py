"""Jacobians: one gradient for each element of the target. Where the target's size is not known they are staged as a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.indexed_slices import IndexedSlices
from millstream.ops.registry import find

Gradient = Callable[[Any], Sequence[Any]]


def _dense(adjoint: Any) -> Any:
    return adjoint.to_dense() if isinstance(adjoint, IndexedSlices) else adjoint


def _sizes(target: Any) -> list[int]:
    sizes = target.shape.as_list() if target.shape.rank is not None else [None]
    if any(n is None for n in sizes):
        raise ValueError(
            explain(
                f"The shape of the target of a jacobian, {target.shape}, must be known while tracing; give the function an "
                "input_signature of known sizes, or call it eagerly."
            )
        )
    return [int(n or 0) for n in sizes]


def jacobian(gradient: Gradient, target: Any, sources: Sequence[Any]) -> list[Any]:
    """Return, for each source, the gradients of all elements of `target`, stacked; None where nothing flows."""
    sizes = _sizes(target)
    count = int(np.prod(sizes))
    rows: list[Sequence[Any]] = []
    for i in range(count):
        unit = np.zeros(count, target.dtype.stored)
        unit[i] = 1
        rows.append(gradient(constant_of(unit.reshape(sizes), target.dtype)))
    found: list[Any] = []
    for k, source in enumerate(sources):
        parts = [_dense(row[k]) for row in rows]
        if not parts or parts[0] is None:
            found.append(None)
            continue
        stacked = apply(find("Pack"), parts, axis=0)
        shape = (
            constant_of([*sizes, *source.shape.as_list()], dtypes.int32)
            if (sizes or source.shape.rank)
            else to_tensor([], dtypes.int32)
        )
        found.append(apply(find("Reshape"), stacked, shape))
    return found


def batch_jacobian(gradient: Callable[[Any], Any], target: Any, source: Any) -> Any:
    """Return the jacobian of each row of `target` by the same row of `source`, stacked; None where nothing flows."""
    rows, *sizes = target.shape.as_list()
    if any(n is None for n in sizes):
        raise ValueError(
            explain(f"All sizes of the target of a batch_jacobian but the first must be known, given {target.shape}.")
        )
    count = int(np.prod(sizes))
    parts = []
    ones = apply(find("OnesLike"), target)
    for i in range(count):
        unit = np.zeros(count, target.dtype.stored)
        unit[i] = 1
        part = gradient(apply(find("Mul"), ones, constant_of(unit.reshape([1, *sizes]), target.dtype)))
        if part is None:
            return None
        parts.append(_dense(part))
    stacked = apply(find("Pack"), parts, axis=1)
    shape = [-1 if rows is None else rows, *sizes, *(-1 if n is None else n for n in source.shape.as_list()[1:])]
    return apply(find("Reshape"), stacked, constant_of(shape, dtypes.int32))
