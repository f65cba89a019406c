"""State segment_reduce: rows of one segment reduced to one row. Ids below 0 are dropped."""

from __future__ import annotations

import numpy as np

from millstream.base.dtypes import as_dtype
from millstream.base.sizes import Size, may_be_equal
from millstream.base.spec import Spec
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.reduction import highest, lowest
from millstream.program.primitives.shaping import broadcast, full
from millstream.program.value import Value, emit

_FUNCTIONS = {"sum": np.add, "product": np.multiply, "max": np.maximum, "min": np.minimum, "mean": np.add}


def _infer(x: Spec, ids: Spec, kind: str, count: Size, ascending: bool) -> Spec:
    shape, lead = known_shape(x), known_shape(ids)
    if not may_be_equal(shape[: len(lead)], lead):
        raise refuse("segment_reduce", f"data {x} with ids {ids}", "data.shape must start with segment_ids.shape")
    return Spec(x.dtype, (count, *shape[len(lead) :]))


def _identity(kind: str, x: np.ndarray, ascending: bool) -> object:
    if ascending:
        return 0
    dtype = as_dtype(x.dtype)
    if kind in ("max", "min"):
        return dtype.min if kind == "max" else dtype.max
    return 1 if kind == "product" else 0


def _meaning(x: np.ndarray, ids: np.ndarray, kind: str, count: int, ascending: bool) -> np.ndarray:
    rows, flat = x.reshape(-1, *x.shape[ids.ndim :]), ids.reshape(-1)
    if ascending and np.any(np.diff(flat) < 0):
        raise refuse(
            "segment_reduce",
            "ids that are not sorted",
            "segment ids are not increasing; use an unsorted segment function",
        )
    if ascending and np.any(flat < 0):
        raise refuse("segment_reduce", f"the id {flat.min()}", "segment ids must be >= 0")
    if np.any(flat >= count):
        raise refuse("segment_reduce", f"the id {flat.max()} of {count} segments", f"give ids below {count}")
    kept = flat >= 0
    wide = x.astype(np.float32) if x.dtype.kind == "V" else x
    start: object = 1 if kind == "product" else 0
    if kind in ("max", "min"):
        start = (lowest if kind == "max" else highest)(as_dtype(x.dtype))
    result = np.full((count, *rows.shape[1:]), start).astype(wide.dtype)
    with np.errstate(all="ignore"):
        _FUNCTIONS[kind].at(result, flat[kept], wide.reshape(rows.shape)[kept])
    numbers = np.bincount(flat[kept].astype(np.int64), minlength=count)
    result[numbers == 0] = np.asarray(_identity(kind, x, ascending)).astype(wide.dtype)
    if kind == "mean":
        result = (result / np.maximum(numbers, 1).reshape(-1, *[1] * (rows.ndim - 1))).astype(wide.dtype)
    return result.astype(x.dtype)


def _rows(y: Value, ids: Value, like: Value, kept: Value) -> Value:
    """Return the row of each id; 0 where it was dropped."""
    zero = full(ids.shape, 0, ids.dtype)
    rows = gather(y, e.maximum(ids, zero))
    return e.select(kept, rows, full(like.shape, 0, like.dtype))


def _reverse(
    dy: Value, y: Value, x: Value, ids: Value, kind: str, count: Size, ascending: bool
) -> tuple[Value | None, None]:
    lead = range(ids.rank)
    kept = broadcast(e.compare(ids, full(ids.shape, 0, ids.dtype), "GE"), x.shape, lead)
    if kind == "sum":
        return _rows(dy, ids, x, kept), None
    ones = full(ids.shape, 1, dy.dtype)
    if kind == "mean":
        numbers = segment_reduce(ones, ids, "sum", count)
        share = dy / broadcast(e.maximum(numbers, full(numbers.shape, 1, dy.dtype)), dy.shape, (0,))
        return _rows(share, ids, x, kept), None
    if kind in ("max", "min"):
        chosen = e.bit_and(e.compare(_rows(y, ids, x, kept), x, "EQ"), kept)
        numbers = segment_reduce(e.convert(chosen, dy.dtype), ids, "sum", count)
        share = dy / e.maximum(numbers, full(numbers.shape, 1, dy.dtype))
        return e.select(chosen, _rows(share, ids, x, kept), full(x.shape, 0, x.dtype)), None
    is_zero = e.compare(x, full(x.shape, 0, x.dtype), "EQ")
    zeros = segment_reduce(e.convert(is_zero, dy.dtype), ids, "sum", count)
    many = e.compare(zeros, full(zeros.shape, 1, dy.dtype), "GT")
    flowing = e.select(many, full(dy.shape, 0, dy.dtype), dy)
    others = e.select(is_zero, full(x.shape, 1, x.dtype), x)
    product = segment_reduce(others, ids, "product", count)
    slope = e.select(is_zero, _rows(product, ids, x, kept), _rows(y, ids, x, kept) / others)
    return _rows(flowing, ids, x, kept) * e.conjugate(slope), None


SEGMENT_REDUCE = primitive("segment_reduce", _infer, _meaning, _reverse)


def segment_reduce(x: Value, ids: Value, kind: str, count: Size, ascending: bool = False) -> Value:
    """Reduce (sum product max min mean) the rows of x that have one id to one row of the result."""
    return emit(SEGMENT_REDUCE, x, ids, kind=kind, count=count, ascending=ascending)[0]
