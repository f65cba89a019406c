"""Adjoints that touch only some rows or one element of a list: kept sparse until somebody needs all of it."""

from __future__ import annotations

from dataclasses import dataclass

from millstream.base import dtypes
from millstream.base.sizes import Size
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.lists import ListItem, list_add, list_get, list_set, list_zeros
from millstream.program.primitives.shaping import (
    Window,
    concatenate,
    dynamic_slice,
    dynamic_update_slice,
    full,
    reshape,
)
from millstream.program.value import Value


@dataclass(frozen=True)
class Slices:
    """Rows `values[i]` to be added at row `indices[i]` of zeros of `shape`."""

    values: Value
    indices: Value
    shape: tuple[Size, ...]


Adjoint = Value | Slices | ListItem | Window


def dense(adjoint: Adjoint) -> Value:
    """Return the adjoint as one array."""
    if isinstance(adjoint, Value):
        return adjoint
    if isinstance(adjoint, ListItem):
        return list_set(list_zeros(adjoint.of), adjoint.index, adjoint.value)
    if isinstance(adjoint, Window):
        return dynamic_update_slice(full(adjoint.of.shape, 0, adjoint.value.dtype), adjoint.value, adjoint.start)
    zeros = full(adjoint.shape, 0, adjoint.values.dtype)
    return scatter_nd(zeros, reshape(adjoint.indices, (*adjoint.indices.shape, 1)), adjoint.values, "add")


def accumulate(a: Adjoint, b: Adjoint, of: Value) -> Adjoint:
    """Return a + b, two adjoints of the value `of`; two sparse ones stay sparse."""
    if isinstance(a, Slices) and isinstance(b, Slices) and a.indices.dtype == b.indices.dtype:
        return Slices(concatenate([a.values, b.values], 0), concatenate([a.indices, b.indices], 0), a.shape)
    if isinstance(a, ListItem):
        a, b = b, a
    if isinstance(b, ListItem):
        held = dense(a)
        before = list_get(held, b.index, b.value.spec.with_value(None))
        added = list_add(before, b.value) if before.dtype == dtypes.variant else before + b.value
        return list_set(held, b.index, added)
    if isinstance(a, Window) and not isinstance(b, Window):
        a, b = b, a
    if isinstance(b, Window):
        whole = dense(a)
        added = dynamic_slice(whole, b.start, b.value.shape) + b.value
        return dynamic_update_slice(whole, added, b.start)
    if isinstance(a, Slices):
        a, b = b, a
    if isinstance(b, Slices):
        return scatter_nd(dense(a), reshape(b.indices, (*b.indices.shape, 1)), b.values, "add")
    assert isinstance(a, Value)
    return list_add(a, b, of.spec.handle) if a.dtype == dtypes.variant else a + b
