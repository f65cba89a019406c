"""tf.gather, tf.scatter_nd, tf.one_hot and the other functions that pick, place and repeat elements."""

from __future__ import annotations

from typing import Any

from millstream.api.array import (
    as_type,
    broadcast_to,
    cast_index,
    concat,
    expand_dims,
    index_tensor,
    range_,
    reshape,
    shape_tensor,
    squeeze,
    stack,
    tile,
)
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.by_rank import takes_any_rank
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import array, picking, unary
from millstream.ops.registry import find


@public("gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Any:
    """Pick params[..., indices, ...] along `axis` (the first after the batch axes without it)."""
    if axis is None:
        axis = batch_dims
    reader = getattr(params, "sparse_read", None)
    if reader is not None and isinstance(axis, int) and axis == 0 and batch_dims == 0:
        return reader(indices)
    return apply(
        picking.gather, params, to_tensor(indices, None, dtypes.int32), index_tensor(axis), batch_dims=batch_dims
    )


@public("gather_nd", "manip.gather_nd")
def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None, bad_indices_policy: str = ""
) -> Any:
    """Pick params[indices[..., 0], indices[..., 1], ...]."""
    indices = to_tensor(indices, None, dtypes.int32)
    if batch_dims:
        return _batch_gather_nd(to_tensor(params), indices, batch_dims)
    return apply(picking.gather_nd, params, indices, bad_indices_policy=bad_indices_policy)


def _batch_gather_nd(params: Any, indices: Any, batch_dims: int) -> Any:
    lead = apply(array.shape, indices, out_type=indices.dtype)
    grids = []
    for i in range(batch_dims):
        n = lead[i]
        steps = range_(n, dtype=indices.dtype)
        grid = reshape(steps, [-1 if j == i else 1 for j in range(indices.shape.rank)])
        grids.append(broadcast_to(grid, concat([lead[:-1], [1]], 0)))
    return apply(picking.gather_nd, params, concat([*grids, indices], -1))


@public("scatter_nd", "manip.scatter_nd")
def scatter_nd(indices: Any, updates: Any, shape: Any, bad_indices_policy: str = "", name: str | None = None) -> Any:
    """Return zeros of `shape` to which `updates` are added at `indices`."""
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(
        picking.scatter_nd, indices, updates, shape_tensor(shape, indices.dtype), bad_indices_policy=bad_indices_policy
    )


@public("tensor_scatter_nd_update")
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Any:
    """Return the tensor with updates written at the indices."""
    return apply(picking.tensor_scatter_update, tensor, to_tensor(indices, None, dtypes.int32), updates)


@public("tensor_scatter_nd_add")
def tensor_scatter_nd_add(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Return the tensor with updates added at the indices."""
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(picking.tensor_scatter_add, tensor, indices, updates, bad_indices_policy=bad_indices_policy)


@public("tensor_scatter_nd_sub")
def tensor_scatter_nd_sub(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Return the tensor with updates subtracted at the indices."""
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(picking.tensor_scatter_sub, tensor, indices, updates, bad_indices_policy=bad_indices_policy)


@public("tensor_scatter_nd_max")
def tensor_scatter_nd_max(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Return the larger of tensor and updates at the indices."""
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(picking.tensor_scatter_max, tensor, indices, updates, bad_indices_policy=bad_indices_policy)


@public("tensor_scatter_nd_min")
def tensor_scatter_nd_min(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Return the smaller of tensor and updates at the indices."""
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(picking.tensor_scatter_min, tensor, indices, updates, bad_indices_policy=bad_indices_policy)


@public("one_hot")
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """Return on_value (1) where a new axis' index equals the element, off_value (0) elsewhere."""
    given = [v.dtype for v in (on_value, off_value) if isinstance(getattr(v, "dtype", None), dtypes.DType)]
    if dtype is None:
        known = [to_tensor(v).dtype for v in (on_value, off_value) if v is not None]
        if len(known) == 2 and known[0] != known[1]:
            raise TypeError(explain(f"dtype {known[0]!r} of on_value does not match dtype {known[1]!r} of off_value"))
        wanted = given[0] if given else known[0] if known else dtypes.float32
    else:
        wanted = as_dtype(dtype)
    on = (
        to_tensor(1 if on_value is None else on_value, wanted)
        if wanted != dtypes.bool
        else to_tensor(True if on_value is None else on_value, wanted)
    )
    off = (
        to_tensor(0 if off_value is None else off_value, wanted)
        if wanted != dtypes.bool
        else to_tensor(False if off_value is None else off_value, wanted)
    )
    return apply(
        picking.one_hot, to_tensor(indices), to_tensor(depth, dtypes.int32), on, off, axis=-1 if axis is None else axis
    )


@public("sequence_mask")
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool, name: str | None = None) -> Any:
    """Return, for each length n, a row whose first n elements hold."""
    lengths = to_tensor(lengths)
    if maxlen is None:
        longest = apply(find("Max"), reshape(lengths, [-1]), index_tensor([0]))
        maxlen = apply(find("Maximum"), longest, to_tensor(0, lengths.dtype))
    row = range_(0, as_type(maxlen, lengths.dtype), 1)
    result = apply(find("Less"), row, expand_dims(lengths, -1))
    return result if as_dtype(dtype) == dtypes.bool else apply(unary.cast, result, DstT=as_dtype(dtype))


@public("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Any:
    """Repeat each element (without `axis`) or each slice along `axis`."""
    data = to_tensor(input)
    if axis is None:
        data, axis = reshape(data, [-1]), 0
    return _repeated(data, to_tensor(repeats, None, dtypes.int32), axis)


@takes_any_rank("tf.repeat", 2)
def _repeated(data: Any, times: Any, axis: int) -> Any:
    axis = axis % data.shape.rank
    if times.shape.rank == 1 and times.shape.as_list()[0] == 1:
        times = reshape(times, [])
    if times.shape.rank == 0:
        wide = expand_dims(data, axis + 1)
        multiples: list[Any] = [1] * (data.shape.rank + 1)
        multiples[axis + 1] = times
        whole = apply(array.shape, data, out_type=dtypes.int32)
        merged = concat([whole[:axis], [-1], whole[axis + 1 :]], 0)
        return reshape(tile(wide, stack([cast_index(to_tensor(m), dtypes.int32) for m in multiples])), merged)
    rows, count = data.shape.as_list()[axis], times.shape.as_list()[0] if times.shape.rank else None
    if rows is not None and count is not None and rows != count:
        raise ValueError(
            explain(f"Dimensions {rows} and {count} are not compatible: give one of repeats for each slice.")
        )
    mask = sequence_mask(times)
    places = apply(find("Where"), mask)[:, 0]
    return gather(data, places, axis=axis)


@public("boolean_mask")
def boolean_mask(tensor: Any, mask: Any, axis: Any = None, name: str = "boolean_mask") -> Any:
    """Return the elements of `tensor` where `mask` holds; mask covers the axes from `axis` on."""
    tensor, mask = to_tensor(tensor), to_tensor(mask, dtypes.bool)
    if mask.shape.rank in (None, 0):
        raise ValueError(explain("Number of mask dimensions must be specified and must not be 0."))
    at = 0 if axis is None else int(axis)
    covered = tensor.shape[at : at + mask.shape.rank]
    if not covered.is_compatible_with(mask.shape):
        raise ValueError(
            explain(f"Shapes {covered} and {mask.shape} are incompatible: the mask covers axes from {at} on.")
        )
    whole = apply(array.shape, tensor, out_type=dtypes.int32)
    depth = mask.shape.rank
    flat = reshape(tensor, concat([whole[:at], [-1], whole[at + depth :]], 0))
    places = squeeze(apply(find("Where"), reshape(mask, [-1])), [1])
    return gather(flat, places, axis=at)
