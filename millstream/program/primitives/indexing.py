"""State the primitives that pick and place rows: gather, gather_nd, scatter_nd."""

from __future__ import annotations

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import may_be_equal
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.elementwise import compare, convert
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    full,
    iota,
    reshape,
    transpose,
)
from millstream.program.value import Value, emit


def _gather_infer(x: Spec, indices: Spec, axis: int, batch_axes: int) -> Spec:
    shape, where = known_shape(x), known_shape(indices)
    return Spec(x.dtype, (*shape[:axis], *where[batch_axes:], *shape[axis + 1 :]))


def _gather_meaning(x: np.ndarray, indices: np.ndarray, axis: int, batch_axes: int) -> np.ndarray:
    if x.dtype == object and not isinstance(x.flat[0] if x.size else b"", (bytes, str)):
        if any(not isinstance(i, int) for i in np.ravel(indices).tolist()):
            raise TypeError("The place is not known.")
        return x[np.asarray(indices, np.int64)]
    bad = (indices < 0) | (indices >= x.shape[axis])
    if np.any(bad):
        at = [int(i) for i in np.argwhere(bad)[0]]
        raise refuse(
            "gather", f"indices{at} = {indices[tuple(at)]} is not in [0, {x.shape[axis]})", "give indices in range"
        )
    if not batch_axes:
        return np.take(x, indices, axis)
    lead = x.shape[:batch_axes]
    rows = [
        np.take(a, i, axis - batch_axes)
        for a, i in zip(
            x.reshape(-1, *x.shape[batch_axes:]), indices.reshape(-1, *indices.shape[batch_axes:]), strict=True
        )
    ]
    tail = (*x.shape[batch_axes:axis], *indices.shape[batch_axes:], *x.shape[axis + 1 :])
    return np.array(rows, x.dtype).reshape(*lead, *tail)


def _gather_reverse(dy: Value, y: Value, x: Value, indices: Value, axis: int, batch_axes: int) -> tuple[Value, None]:
    """Bring the gathered axes of dy to the front, then add rows into zeros."""
    count = indices.rank - batch_axes
    middle = list(range(batch_axes, axis))
    order = [*range(batch_axes), *range(axis, axis + count), *middle, *range(axis + count, dy.rank)]
    rows = transpose(dy, order)
    turned = (*x.shape[:batch_axes], x.shape[axis], *(x.shape[i] for i in middle), *x.shape[axis + 1 :])
    where = reshape(indices, (*indices.shape, 1))
    parts = [reshape(iota(indices.shape, b, indices.dtype), (*indices.shape, 1)) for b in range(batch_axes)]
    flat = scatter_nd(full(turned, 0, x.dtype), concatenate([*parts, where], indices.rank), rows, "add")
    permutation = [*range(batch_axes), *(i + 1 for i in middle), batch_axes, *range(axis + 1, x.rank)]
    return transpose(flat, permutation), None


GATHER = primitive("gather", _gather_infer, _gather_meaning, _gather_reverse, sizes=True)


def gather(x: Value, indices: Value, axis: int = 0, batch_axes: int = 0) -> Value:
    """Pick x[..., indices, ...] along `axis`; the first `batch_axes` axes of both go together."""
    return emit(GATHER, x, indices, axis=axis, batch_axes=batch_axes)[0]


def _gather_nd_infer(x: Spec, indices: Spec, batch_axes: int) -> Spec:
    shape, where = known_shape(x), known_shape(indices)
    depth = where[-1]
    if not isinstance(depth, int):
        from millstream.program.value import UnknownRank

        raise UnknownRank("The depth of the indices is unknown here.")
    if depth > len(shape) - batch_axes:
        raise refuse("gather_nd", f"indices of depth {depth} into {x}", f"the last size must be at most {len(shape)}")
    return Spec(x.dtype, (*where[:-1], *shape[batch_axes + depth :]))


def _gather_nd_meaning(x: np.ndarray, indices: np.ndarray, batch_axes: int) -> np.ndarray:
    depth = indices.shape[-1]
    limits = np.array(x.shape[batch_axes : batch_axes + depth])
    bad = np.any((indices < 0) | (indices >= limits), axis=-1)
    if np.any(bad):
        at = [int(i) for i in np.argwhere(bad)[0]]
        raise refuse(
            "gather_nd",
            f"indices{at} = {indices[tuple(at)].tolist()} is outside {list(x.shape)}",
            "give indices in range",
        )
    lead = np.indices(indices.shape[:-1])[:batch_axes] if batch_axes else ()
    return np.asarray(x[(*lead, *np.moveaxis(indices, -1, 0))])


def _gather_nd_reverse(dy: Value, y: Value, x: Value, indices: Value, batch_axes: int) -> tuple[Value, None]:
    where = indices
    if batch_axes:
        parts = [
            reshape(iota(indices.shape[:-1], b, indices.dtype), (*indices.shape[:-1], 1)) for b in range(batch_axes)
        ]
        where = concatenate([*parts, indices], indices.rank - 1)
    return scatter_nd(full(x.shape, 0, x.dtype), where, dy, "add"), None


GATHER_ND = primitive("gather_nd", _gather_nd_infer, _gather_nd_meaning, _gather_nd_reverse)


def gather_nd(x: Value, indices: Value, batch_axes: int = 0) -> Value:
    """Pick x[indices[..., 0], indices[..., 1], ...]."""
    return emit(GATHER_ND, x, indices, batch_axes=batch_axes)[0]


_SCATTERS = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum, "multiply": np.multiply}


def _scatter_meaning(x: np.ndarray, indices: np.ndarray, updates: np.ndarray, kind: str) -> np.ndarray:
    result, depth = x.copy(), indices.shape[-1]
    bad = np.any((indices < 0) | (indices >= np.array(x.shape[:depth])), axis=-1)
    if np.any(bad):
        at = [int(i) for i in np.argwhere(bad)[0]]
        raise refuse(
            "scatter_nd",
            f"indices{at} = {indices[tuple(at)].tolist()} is outside {list(x.shape)}",
            "give indices in range",
        )
    where = tuple(np.moveaxis(indices, -1, 0))
    if kind == "set":
        result[where] = updates
    elif x.dtype.kind == "V":
        wide = x.astype(np.float32)
        _SCATTERS[kind].at(wide, where, updates.astype(np.float32))
        result = wide.astype(x.dtype)
    else:
        _SCATTERS[kind].at(result, where, updates)
    return result


def _scatter_reverse(
    dy: Value, y: Value, x: Value, indices: Value, updates: Value, kind: str
) -> tuple[Value | None, None, Value | None]:
    if kind == "add":
        return dy, None, gather_nd(dy, indices)
    if kind == "sub":
        return dy, None, -gather_nd(dy, indices)
    if kind == "set":
        zeros = full(updates.shape, 0, dy.dtype)
        return scatter_nd(dy, indices, zeros, "set"), None, gather_nd(dy, indices)
    if kind in ("max", "min"):
        kept = convert(compare(y, x, "EQ"), dy.dtype)
        placed = convert(compare(gather_nd(y, indices), updates, "EQ"), dy.dtype)
        count = scatter_nd(kept, indices, placed, "add")
        share = dy / count
        return kept * share, None, placed * gather_nd(share, indices)
    ones = scatter_nd(full(x.shape, 1, x.dtype), indices, updates, "multiply")
    return dy * ones, None, gather_nd(dy * y, indices) / updates


def _scatter_infer(x: Spec, indices: Spec, updates: Spec, kind: str) -> Spec:
    shape, where, rows = known_shape(x), known_shape(indices), known_shape(updates)
    depth = where[-1] if where else 0
    if isinstance(depth, int) and depth <= len(shape) and not may_be_equal(rows, (*where[:-1], *shape[depth:])):
        raise refuse(
            "scatter_nd",
            f"updates {updates} for indices {indices} into {x}",
            f"updates must have the shape {[*where[:-1], *shape[depth:]]}: indices.shape[:-1], then what one index leaves",
        )
    return Spec(x.dtype, shape)


SCATTER_ND = primitive("scatter_nd", _scatter_infer, _scatter_meaning, _scatter_reverse)


def scatter_nd(x: Value, indices: Value, updates: Value, kind: str) -> Value:
    """Return x with updates[...] combined into x[indices[..., 0], indices[..., 1], ...]; `kind`: set add sub max min multiply."""
    return emit(SCATTER_ND, x, indices, updates, kind=kind)[0]


def one_hot(indices: Value, depth: int, axis: int, dtype: dtypes.DType) -> Value:
    """Return 1 where the new axis' index equals the element, 0 elsewhere."""
    axis = indices.rank if axis == -1 else axis
    shape = (*indices.shape[:axis], depth, *indices.shape[axis:])
    spread = broadcast(indices, shape, [i for i in range(len(shape)) if i != axis])
    return convert(compare(spread, iota(shape, axis, indices.dtype), "EQ"), dtype)
