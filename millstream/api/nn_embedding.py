"""tf.nn.embedding_lookup_sparse and its safe form: rows of a table combined for each row of a sparse tensor of ids."""

from __future__ import annotations

from typing import Any

from millstream.api import array, picking, sparse, sparse_segment
from millstream.api.math import cast
from millstream.api.nn import embedding_lookup
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.composite import CompositeArgument, CompositeTensor
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.variable import Variable
from millstream.ops.registry import find

_NARROW = (dtypes.float16, dtypes.bfloat16)


@public("nn.embedding_lookup_sparse")
def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    combiner: str | None = None,
    max_norm: Any = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Look up the rows of `params` that each row of `sp_ids` names, and combine them to one.

    params: a table [rows, ...], or a list of its parts. sp_ids: SparseTensor [n, m] of ids; each row has one at least.
    sp_weights: SparseTensor of the same places, or None for ones. combiner: "mean" (the default: the weighted sum over
    the sum of the weights), "sqrtn" (over the root of the sum of their squares) or "sum". max_norm: clip each row to
    this norm first. Returns [n, ...]. Raises TypeError where ids or weights are not sparse, ValueError for other
    combiners.

    >>> ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [0, 1, 1], [2, 2])
    >>> tf.nn.embedding_lookup_sparse(tf.constant([[1.0], [3.0]]), ids, None, combiner="sum").numpy().tolist()
    [[4.0], [3.0]]
    """
    return _combined_rows(params, sp_ids, sp_weights, combiner, max_norm, "div", allow_fast_lookup)


def _combined_rows(
    params: Any, sp_ids: Any, sp_weights: Any, combiner: str | None, max_norm: Any, strategy: str, fast: bool
) -> Any:
    kind = "mean" if combiner is None else combiner
    if kind not in ("mean", "sqrtn", "sum"):
        raise ValueError(explain(f"combiner must be one of 'mean', 'sqrtn' or 'sum', got {combiner}"))
    if isinstance(sp_ids, CompositeTensor) and not isinstance(sp_ids, SparseTensor):
        raise CompositeArgument(sp_ids)
    if not isinstance(sp_ids, SparseTensor):
        raise TypeError(explain(f"sp_ids must be SparseTensor, got {type(sp_ids)}"))
    if sp_weights is not None and not isinstance(sp_weights, SparseTensor):
        raise TypeError(explain(f"sp_weights must be either None or SparseTensor, got {type(sp_weights)}"))
    tables = list(params) if isinstance(params, (list, tuple)) else [params]
    rows, ids = sp_ids.indices[:, 0], sp_ids.values
    if sp_weights is None and len(tables) == 1 and max_norm is None:
        return _segments(kind)(to_tensor(tables[0]), ids, rows, sparse_gradient=not fast)
    names, places = array.unique(ids)
    found = _rows_of(tables, names, max_norm, strategy)
    if sp_weights is None:
        return _segments(kind)(found, places, rows)
    return _weighted(picking.gather(found, places), sp_weights.values, cast(rows, dtypes.int32), kind)


def _segments(kind: str) -> Any:
    return {
        "sum": sparse_segment.segment_sum,
        "mean": sparse_segment.segment_mean,
        "sqrtn": sparse_segment.segment_sqrt_n,
    }[kind]


def _weighted(rows: Any, weights: Any, ids: Any, kind: str) -> Any:
    dtype, add = rows.dtype, find("SegmentSum")
    if dtype in _NARROW:
        rows = cast(rows, dtypes.float32)
    weights = cast(weights, rows.dtype)
    weights = array.reshape(weights, [-1] + [1] * (rows.shape.rank - 1))
    total = apply(add, apply(find("Mul"), rows, weights), ids)
    if kind == "mean":
        total = apply(find("DivNoNan"), total, apply(add, weights, ids))
    elif kind == "sqrtn":
        squares = apply(add, apply(find("Square"), weights), ids)
        total = apply(find("DivNoNan"), total, apply(find("Sqrt"), squares))
    return cast(total, dtype)


@public("nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str = "mean",
    default_id: Any = None,
    max_norm: Any = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Combine rows as embedding_lookup_sparse does, where rows of ids may be empty and ids invalid.

    Ids below 0 are left out, and so are weights that are not above 0, unless the combiner is "sum". Rows without ids
    give the row `default_id`, or zeros without it. The ids may have any rank >= 2: the last axis is combined.

    >>> ids = tf.SparseTensor([[0, 0], [0, 1]], [1, -1], [2, 2])
    >>> tf.nn.safe_embedding_lookup_sparse(tf.constant([[1.0], [3.0]]), ids).numpy().tolist()
    [[3.0], [0.0]]
    """
    return _safe(
        embedding_weights, sparse_ids, sparse_weights, combiner, default_id, max_norm, "div", allow_fast_lookup
    )


def _safe(
    params: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None,
    combiner: str,
    default_id: Any,
    max_norm: Any,
    strategy: str,
    fast: bool,
) -> Any:
    if params is None or (isinstance(params, (list, tuple)) and not params):
        raise ValueError(explain(f"Missing embedding_weights {params}."))
    if isinstance(sparse_ids, CompositeTensor) and not isinstance(sparse_ids, SparseTensor):
        raise CompositeArgument(sparse_ids)
    dtype = None if sparse_weights is None else sparse_weights.dtype
    tables = [
        table if isinstance(table, Variable) and dtype in (None, table.dtype) else to_tensor(table, dtype)
        for table in (params if isinstance(params, list) else [params])
    ]
    shape, rank = sparse_ids.dense_shape, sparse_ids.dense_shape.shape.as_list()[0]
    ids = sparse_ids
    if rank != 2:
        lead = apply(find("Prod"), shape[:-1], to_tensor([0], dtypes.int32), keep_dims=False)
        ids = sparse.reshape(ids, array.stack([lead, shape[-1]]))
    weights = sparse_weights
    if weights is not None:
        weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
    ids, weights = _retained(ids, weights, ids.values, "GreaterEqual")
    if combiner != "sum" and weights is not None:
        ids, weights = _retained(ids, weights, weights.values, "Greater")
    ids, empty = sparse.fill_empty_rows(ids, default_id or 0)
    if weights is not None:
        weights, _ = sparse.fill_empty_rows(weights, 1)
    result = _combined_rows(tables, ids, weights, combiner, max_norm, strategy, fast)
    if default_id is None:
        result = array.where(array.expand_dims(empty, 1), array.zeros_like(result), result)
    if rank == 2:
        return result
    sizes = array.concat([cast(shape[:-1], dtypes.int32), array.shape(result)[1:]], 0)
    return array.reshape(result, sizes)


def _retained(ids: SparseTensor, weights: SparseTensor | None, values: Any, test: str) -> tuple[Any, Any]:
    """Return the ids and weights whose values stand in the relation `test` to 0."""
    kept = apply(find(test), values, to_tensor(0, values.dtype))
    return sparse.retain(ids, kept), None if weights is None else sparse.retain(weights, kept)


def _rows_of(tables: list[Any], ids: Any, max_norm: Any, strategy: str) -> Any:
    """Look up rows of a table given in parts: one after the other ("div"), or in turn ("mod")."""
    if strategy not in ("mod", "div"):
        raise ValueError(explain(f"Unrecognized partition strategy: {strategy}. Must be one of either `mod` or `div`."))
    if strategy == "div" or len(tables) == 1:
        return embedding_lookup(tables, ids, max_norm)
    sizes = [array.shape(table, ids.dtype)[0] for table in tables]
    starts = apply(find("Cumsum"), array.stack(sizes), to_tensor(0), exclusive=True, reverse=False)
    count = to_tensor(len(tables), ids.dtype)
    part, row = apply(find("FloorMod"), ids, count), apply(find("FloorDiv"), ids, count)
    return embedding_lookup(tables, apply(find("AddV2"), picking.gather(starts, part), row), max_norm)


@public("compat.v1.nn.embedding_lookup")
def embedding_lookup_v1(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Any:
    """Return the rows of `params` that `ids` names; the rows of several parts follow each other or take turns ("mod")."""
    tables = list(params) if isinstance(params, (list, tuple)) else [params]
    return _rows_of(tables, to_tensor(ids, None, dtypes.int32), max_norm, partition_strategy)


@public("compat.v1.nn.embedding_lookup_sparse")
def embedding_lookup_sparse_v1(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Combine rows as tf.nn.embedding_lookup_sparse; the rows of several parts take turns ("mod") or follow each other."""
    return _combined_rows(params, sp_ids, sp_weights, combiner, max_norm, partition_strategy, allow_fast_lookup)


@public("compat.v1.nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse_v1(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str = "mean",
    default_id: Any = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Combine rows as tf.nn.safe_embedding_lookup_sparse; rows of several parts follow each other or take turns."""
    return _safe(
        embedding_weights,
        sparse_ids,
        sparse_weights,
        combiner,
        default_id,
        max_norm,
        partition_strategy,
        allow_fast_lookup,
    )
