"""State sorting and searching: sort, order_rows, top_k, search_sorted, where, unique. The sizes of where and unique are the data's."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.shaping import concatenate, full, iota, reshape
from millstream.program.value import Value, emit


def _comparable(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype.kind == "V" else x


def _order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    wide = _comparable(x)
    if not descending:
        return np.argsort(wide, axis, kind="stable")
    # Equal elements keep their order, and NaN counts as the largest, in either direction.
    turned = np.argsort(np.flip(wide, axis), axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(turned, axis)


def _sort_meaning(x: np.ndarray, axis: int, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    order = _order(x, axis, descending)
    return np.take_along_axis(x, order, axis), order.astype(np.int32)


def _put_back(dy: Value, indices: Value, shape: tuple[Size, ...]) -> Value:
    """Add dy at `indices` along the last axis into zeros of `shape`."""
    parts = [reshape(iota(indices.shape, i, indices.dtype), (*indices.shape, 1)) for i in range(indices.rank - 1)]
    where_ = concatenate([*parts, reshape(indices, (*indices.shape, 1))], indices.rank)
    return scatter_nd(full(shape, 0, dy.dtype), where_, dy, "add")


def _sort_reverse(dys: Any, ys: Any, x: Value, axis: int, descending: bool) -> tuple[Value]:
    from millstream.program.primitives.shaping import transpose

    order = [*(i for i in range(x.rank) if i != axis), axis]
    back = [order.index(i) for i in range(x.rank)]
    moved = _put_back(transpose(dys[0], order), transpose(ys[1], order), tuple(x.shape[i] for i in order))
    return (transpose(moved, back),)


SORT = primitive(
    "sort",
    lambda x, axis, descending: (Spec(x.dtype, known_shape(x)), Spec(dtypes.int32, known_shape(x))),
    _sort_meaning,
    _sort_reverse,
    outputs=2,
)


def sort(x: Value, axis: int, descending: bool = False) -> tuple[Value, Value]:
    """Return the elements in order along `axis`, and where each was."""
    values, indices = emit(SORT, x, axis=axis, descending=descending)
    return values, indices


def _order_rows_infer(x: Spec) -> Spec:
    shape = known_shape(x)
    if len(shape) != 2 or x.dtype not in (dtypes.int32, dtypes.int64):
        raise refuse("order_rows", str(x), "give a matrix of int32 or int64")
    return Spec(dtypes.int64, shape[:1])


def _order_rows_meaning(x: np.ndarray) -> np.ndarray:
    if not x.shape[1]:
        return np.arange(len(x), dtype=np.int64)
    return np.lexsort(x.T[::-1]).astype(np.int64)


ORDER_ROWS = primitive("order_rows", _order_rows_infer, _order_rows_meaning, lambda dy, y, x: (None,))


def order_rows(x: Value) -> Value:
    """Return the places of the rows of a matrix in lexicographic order, int64; equal rows keep their order."""
    return emit(ORDER_ROWS, x)[0]


def _top_k_infer(x: Spec, k: Size, sorted: bool, index_dtype: DType) -> tuple[Spec, Spec]:
    shape = (*known_shape(x)[:-1], k)
    return Spec(x.dtype, shape), Spec(index_dtype, shape)


def _top_k_meaning(x: np.ndarray, k: int, sorted: bool, index_dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    order = _order(x, x.ndim - 1, True)[..., :k]
    return np.take_along_axis(x, order, -1), order.astype(index_dtype.as_numpy_dtype)


TOP_K = primitive(
    "top_k",
    _top_k_infer,
    _top_k_meaning,
    lambda dys, ys, x, **_: (_put_back(dys[0], ys[1], x.shape),),
    outputs=2,
)


def top_k(x: Value, k: Size, sorted: bool, index_dtype: DType) -> tuple[Value, Value]:
    """Return the k largest elements along the last axis and their places."""
    values, indices = emit(TOP_K, x, k=k, sorted=sorted, index_dtype=index_dtype)
    return values, indices


def _search_meaning(rows: np.ndarray, values: np.ndarray, right: bool, dtype: DType) -> np.ndarray:
    side: Any = "right" if right else "left"
    found = [np.searchsorted(_comparable(a), _comparable(b), side) for a, b in zip(rows, values, strict=True)]
    return np.array(found).reshape(values.shape).astype(dtype.as_numpy_dtype)


def _search_infer(rows: Spec, values: Spec, right: bool, dtype: DType) -> Spec:
    if rows.dtype != values.dtype or len(known_shape(rows)) != 2 or len(known_shape(values)) != 2:
        raise refuse("search_sorted", f"{rows} and {values}", "give two matrices of one element type")
    return Spec(dtype, known_shape(values))


SEARCH_SORTED = primitive("search_sorted", _search_infer, _search_meaning, lambda dy, y, *_, **__: (None, None))


def search_sorted(rows: Value, values: Value, right: bool, dtype: DType) -> Value:
    """Return, row by row, where each value goes into the ascending rows."""
    return emit(SEARCH_SORTED, rows, values, right=right, dtype=dtype)[0]


WHERE = primitive(
    "where",
    lambda x: Spec(dtypes.int64, (fresh_symbol("n"), len(known_shape(x)))),
    lambda x: np.argwhere(x).astype(np.int64).reshape(-1, x.ndim),
    lambda dy, y, x: (None,),
)


def where(x: Value) -> Value:
    """Return the positions of what is not zero, [n, rank]."""
    return emit(WHERE, x)[0]


def _unique_infer(x: Spec, index_dtype: DType) -> tuple[Spec, Spec, Spec]:
    shape = known_shape(x)
    if len(shape) != 1:
        raise refuse("unique", str(x), "unique expects a 1D vector")
    n = fresh_symbol("n")
    return Spec(x.dtype, (n,)), Spec(index_dtype, shape), Spec(index_dtype, (n,))


def _unique_meaning(x: np.ndarray, index_dtype: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places: dict[Any, int] = {}
    index = np.array([places.setdefault(v, len(places)) for v in x.tolist()], np.int64)
    values = np.array(list(places), x.dtype)
    counts = np.bincount(index, minlength=len(places)) if len(index) else np.zeros(0, np.int64)
    return values, index.astype(index_dtype.as_numpy_dtype), counts.astype(index_dtype.as_numpy_dtype)


UNIQUE = primitive("unique", _unique_infer, _unique_meaning, lambda *_, **__: (None,), outputs=3)


def unique(x: Value, index_dtype: DType) -> tuple[Value, Value, Value]:
    """Return distinct elements in order of appearance, the place of each element among them, and counts."""
    values, index, counts = emit(UNIQUE, x, index_dtype=index_dtype)
    return values, index, counts
