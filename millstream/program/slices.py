"""Adjoints that touch only some rows: what a gather sends back, kept sparse until somebody needs all of it."""

from __future__ import annotations

from dataclasses import dataclass

from millstream.base.sizes import Size
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.shaping import concatenate, full, reshape
from millstream.program.value import Value


@dataclass(frozen=True)
class Slices:
    """Rows `values[i]` to be added at row `indices[i]` of zeros of `shape`."""

    values: Value
    indices: Value
    shape: tuple[Size, ...]


Adjoint = Value | Slices


def dense(adjoint: Adjoint) -> Value:
    """Return the adjoint as one array."""
    if isinstance(adjoint, Value):
        return adjoint
    zeros = full(adjoint.shape, 0, adjoint.values.dtype)
    return scatter_nd(zeros, reshape(adjoint.indices, (*adjoint.indices.shape, 1)), adjoint.values, "add")


def accumulate(a: Adjoint, b: Adjoint) -> Adjoint:
    """Return a + b; two sparse ones stay sparse."""
    if isinstance(a, Slices) and isinstance(b, Slices) and a.indices.dtype == b.indices.dtype:
        return Slices(concatenate([a.values, b.values], 0), concatenate([a.indices, b.indices], 0), a.shape)
    return dense(a) + dense(b)
