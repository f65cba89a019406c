"""What tf.gather, tf.gather_nd and tf.nn.embedding_lookup do with ragged tensors, and tf.ragged.boolean_mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api.public import PUBLIC, composite_rule, public
from millstream.api.ragged import is_ragged, ragged_or_tensor
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import take_rows
from millstream.execution.ragged_structure import positive_axis, splits_dtype_of
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import RowPartition, integer
from millstream.execution.tensor import eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find


@composite_rule("gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Any:
    """Pick parts of ragged params, or at ragged indices."""
    if not is_ragged(params) and not is_ragged(indices):
        return NotImplemented
    params = ragged_or_tensor(params)
    indices = indices if is_ragged(indices) else to_tensor(indices, None, dtypes.int32)
    if params.shape.rank is None or indices.shape.rank is None:
        raise ValueError(explain("tf.gather of ragged tensors asks for params and indices of known rank."))
    batch_dims = positive_axis(batch_dims, indices.shape.rank + 1, "batch_dims", "rank(indices)")
    axis = batch_dims if axis is None else positive_axis(int(axis), params.shape.rank, "axis", "rank(params)")
    if axis < batch_dims:
        raise ValueError(explain(f"axis={axis} must be at least batch_dims={batch_dims}"))
    return _gather(params, indices, axis, batch_dims)


def _gather(params: Any, indices: Any, axis: int, batch_dims: int) -> Any:
    if not is_ragged(params) and not is_ragged(indices):
        return PUBLIC["gather"](params, indices, axis=axis, batch_dims=batch_dims)
    if batch_dims:
        return _batched(params, indices, axis, batch_dims)
    if axis:
        if not is_ragged(params):
            params = RaggedTensor.from_tensor(params, ragged_rank=axis, row_splits_dtype=indices.row_splits.dtype)
        if axis > 1:
            return params.with_values(_gather(params.values, indices, axis - 1, 0))
        return _batched(params, _repeated(indices, params), 1, 1)
    if is_ragged(indices):
        return indices.with_values(_gather(params, indices.values, 0, 0))
    if indices.shape.rank == 0:
        return params[indices]
    if indices.shape.rank > 1:
        return _in_shape(_gather(params, PUBLIC["reshape"](indices, [-1]), 0, 0), indices)
    picked = integer(indices, params.row_splits.dtype)
    message = "indices must be in the range of the rows of params"
    apply(ops.CHECK_BELOW, picked, params.nrows(), message=message)
    rows = take_rows(params, picked)
    # Of picked rows nothing is known but their splits.
    return RaggedTensor.from_nested_row_splits(rows.flat_values, rows.nested_row_splits, validate=False)


def _repeated(indices: Any, params: Any) -> Any:
    """Return the same indices for each row of params."""
    rows = params.nrows()
    if is_ragged(indices):
        wide = PUBLIC["expand_dims"](indices, 0)
        return PUBLIC["tile"](wide, PUBLIC["stack"]([integer(rows, dtypes.int64), *[1] * (wide.shape.rank - 1)]))
    sizes = apply(find("Shape"), indices, out_type=rows.dtype)
    shape = apply(find("ConcatV2"), [PUBLIC["reshape"](rows, [1]), sizes], eager_constant(np.asarray(0), dtypes.int32))
    return apply(find("BroadcastTo"), indices, shape)


def _batched(params: Any, indices: Any, axis: int, batch_dims: int) -> Any:
    """Pick from each row of params what the same row of the indices says."""
    kind = next(v.row_splits.dtype for v in (params, indices) if is_ragged(v))
    if not is_ragged(indices):
        if indices.shape.rank == batch_dims:
            wide = PUBLIC["expand_dims"](indices, -1)
            return PUBLIC["squeeze"](_batched(params, wide, axis, batch_dims), axis)
        frame = RaggedTensor.from_tensor(indices, ragged_rank=batch_dims, row_splits_dtype=kind)
        made = _batched(params, frame, axis, batch_dims)
        if axis != batch_dims:
            return made
        return _in_shape(made.merge_dims(0, indices.shape.rank - 1), indices)
    if not is_ragged(params):
        params = RaggedTensor.from_tensor(
            params, ragged_rank=min(batch_dims, params.shape.rank - 1), row_splits_dtype=kind
        )
    if batch_dims > 1:
        values = _gather(params.values, indices.values, axis - 1, batch_dims - 1)
        return indices.with_values(values)
    if axis > 1:
        return _each_row(params, indices, axis)
    if is_ragged(indices.values):
        # Deeper indices pick as their innermost rows do, one after the other.
        inner = indices.merge_dims(1, indices.ragged_rank)
        picked = _batched(params, inner, 1, 1)
        return indices.with_flat_values(picked.values)
    ids = indices.value_rowids()
    places = integer(indices.values, params.row_splits.dtype)
    shape = None
    if places.shape.rank > 1:
        shape = places
        width = apply(
            find("Prod"),
            apply(find("Shape"), places, out_type=ids.dtype)[1:],
            to_tensor([0], dtypes.int32),
            keep_dims=False,
        )
        places = PUBLIC["reshape"](places, [-1])
        ids = PUBLIC["repeat"](ids, width)
    lengths = take_rows(params.row_lengths(), integer(ids, params.row_splits.dtype))
    apply(ops.CHECK_BELOW, places, lengths, message="indices must be in the range of each row of params")
    starts = take_rows(params.row_starts(), integer(ids, params.row_splits.dtype))
    picked = take_rows(params.values, apply(find("AddV2"), starts, places))
    if shape is not None:
        picked = _in_shape(picked, shape)
    return indices.with_values(picked)


def _in_shape(picked: Any, like: Any) -> Any:
    """Return picked rows, given one after the other, in the axes of the tensor `like`."""
    if is_ragged(picked):
        frame = RaggedTensor.from_tensor(
            like, ragged_rank=like.shape.rank - 1, row_splits_dtype=picked.row_splits.dtype
        )
        return RaggedTensor.from_nested_row_splits(picked, frame.nested_row_splits, validate=False)
    sizes = apply(find("Shape"), like, out_type=dtypes.int32)
    inner = apply(find("Shape"), picked, out_type=dtypes.int32)[1:]
    joined = apply(find("ConcatV2"), [sizes, inner], eager_constant(np.asarray(0), dtypes.int32))
    return apply(find("Reshape"), picked, joined)


def _each_row(params: Any, indices: Any, axis: int) -> Any:
    """Pick along an axis behind the first one that is not of the batch."""
    lengths = params.row_lengths()
    # The indices of a row of the batch are those of each of its values.
    ids = params.value_rowids()
    own = take_rows(indices, ids)
    values = _batched(params.values, own, axis - 1, 1)
    return RaggedTensor.from_row_lengths(values, lengths, validate=False)


@composite_rule("gather_nd")
def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None, bad_indices_policy: str = ""
) -> Any:
    """Pick params[indices[..., 0], indices[..., 1], ...] of ragged params or at ragged indices."""
    if not is_ragged(params) and not is_ragged(indices):
        return NotImplemented
    if batch_dims:
        raise ValueError(explain("gather_nd of ragged tensors is for batch_dims=0; use tf.gather with batch_dims."))
    params = ragged_or_tensor(params)
    indices = indices if is_ragged(indices) else to_tensor(indices, None, dtypes.int64)
    if is_ragged(indices):
        if indices.flat_values.shape.rank < 2:
            raise ValueError(explain("The innermost axis of the indices must be uniform."))
        return indices.with_flat_values(gather_nd_of_tensor(params, indices.flat_values))
    return gather_nd_of_tensor(params, indices)


def _in_axes(picked: Any, indices: Any) -> Any:
    """Return picked parts in all axes of the indices but the last."""
    first = (..., 0)
    return _in_shape(picked, indices[first])


def gather_nd_of_tensor(params: Any, indices: Any) -> Any:
    """Pick from ragged or dense params at a dense tensor of indices."""
    if not is_ragged(params):
        return PUBLIC["gather_nd"](params, indices)
    depth = indices.shape.as_list()[-1] if indices.shape.rank else None
    if depth is None:
        raise ValueError(explain("indices.shape[-1] must be known before running."))
    if indices.shape.rank > 2:
        frame = RaggedTensor.from_tensor(
            indices, ragged_rank=indices.shape.rank - 2, row_splits_dtype=params.row_splits.dtype
        )
        return _in_axes(gather_nd_of_tensor(params, frame.flat_values), indices)
    if indices.shape.rank == 1:
        return gather_nd_of_tensor(params, PUBLIC["expand_dims"](indices, 0))[0]
    if depth == 0:
        wide = PUBLIC["expand_dims"](params, 0)
        zeros = PUBLIC["zeros"]([1], params.row_splits.dtype)
        return take_rows(wide, PUBLIC["repeat"](zeros, PUBLIC["shape"](indices)[0]))
    kind = params.row_splits.dtype
    columns = integer(indices, kind)
    place = columns[:, 0]
    apply(ops.CHECK_BELOW, place, params.nrows(), message="indices out of bounds")
    current: Any = params
    for axis in range(1, depth):
        if not is_ragged(current):
            rest = apply(
                find("ConcatV2"),
                [PUBLIC["expand_dims"](place, 1), columns[:, axis:]],
                eager_constant(np.asarray(1), dtypes.int32),
            )
            return PUBLIC["gather_nd"](current, rest)
        step = columns[:, axis]
        lengths = take_rows(current.row_lengths(), place)
        apply(ops.CHECK_BELOW, step, lengths, message="indices out of bounds")
        place = apply(find("AddV2"), take_rows(current.row_starts(), place), step)
        current = current.values
    return take_rows(current, place)


@public("ragged.boolean_mask")
def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """Return the parts of `data` where `mask` holds, in rows as the mask has them.

    Args:
      data: a tensor or ragged tensor.
      mask: bools whose shape is that of the first axes of `data`.
      name: accepted and not used.

    Returns:
      A ragged tensor for a mask of rank 2 or more; with a vector as mask what `data` is.

    Raises:
      ValueError: for a scalar mask, or one of higher rank than `data`.

    >>> tf.ragged.boolean_mask([[1, 2, 3], [4, 5, 6]], [[True, False, True], [False, False, True]])
    <tf.RaggedTensor [[1, 3], [6]]>
    """
    data, mask = ragged_or_tensor(data), ragged_or_tensor(mask, dtypes.bool)
    if mask.shape.rank is None:
        raise ValueError(explain("mask.shape.ndims must be known statically."))
    if mask.shape.rank == 0:
        raise ValueError(explain("mask cannot be scalar."))
    return _masked(data, mask, splits_dtype_of(data, mask) or dtypes.int64)


def _masked(data: Any, mask: Any, kind: Any) -> Any:
    if mask.shape.rank == 1:
        if not is_ragged(data):
            return PUBLIC["boolean_mask"](data, mask)
        places = apply(find("Where"), mask)[:, 0]
        return take_rows(data, integer(places, kind))
    mask = mask if is_ragged(mask) else RaggedTensor.from_tensor(mask, row_splits_dtype=kind)
    data = data if is_ragged(data) else RaggedTensor.from_tensor(data, row_splits_dtype=kind)
    apply(ops.CHECK_EQUAL, data.row_lengths(), mask.row_lengths(), message="Inputs must have identical ragged splits")
    kept = _masked(data.values, mask.values, kind)
    if mask.values.shape.rank > 1:
        return RaggedTensor.from_row_splits(kept, mask.row_splits, validate=False)
    counts = _sums_of_rows(apply(find("Cast"), mask.values, DstT=kind), mask._row_partition)
    return RaggedTensor.from_row_lengths(kept, counts, validate=False)


def _sums_of_rows(values: Any, partition: RowPartition) -> Any:
    return apply(find("UnsortedSegmentSum"), values, partition.value_rowids(), partition.nrows())


@composite_rule("nn.embedding_lookup")
def _embedding_lookup(params: Any, ids: Any, *args: Any, **kwargs: Any) -> Any:
    if not is_ragged(ids):
        return NotImplemented
    return ids.with_flat_values(PUBLIC["nn.embedding_lookup"](params, ids.flat_values, *args, **kwargs))
