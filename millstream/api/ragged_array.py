"""What the functions that join, repeat, cut, turn and reshape tensors do with ragged ones, and tf.ragged.stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC, composite_rule, public
from millstream.api.ragged import is_ragged, ragged_or_tensor, same_partitions
from millstream.api.ragged_broadcast import depth_of, number, operand
from millstream.api.ragged_elementwise import mapped
from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import take_rows
from millstream.execution.ragged_structure import positive_axis, splits_dtype_of
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import RowPartition, integer, sized
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find


@composite_rule("concat")
def _concat(values: Any, axis: Any, name: str = "concat") -> Any:
    values = values if isinstance(values, (list, tuple)) else [values]
    if not any(is_ragged(v) for v in values):
        return NotImplemented
    return concatenate(values, int(axis))


@composite_rule("stack")
def _stack(values: Any, axis: int = 0, name: str = "stack") -> Any:
    if is_ragged(values):
        values = list(values)
    if not any(is_ragged(v) for v in values):
        return NotImplemented
    return stack(values, axis)


@public("ragged.stack")
def stack(values: Any, axis: int = 0, name: str | None = None) -> Any:
    """Join tensors and ragged tensors of one rank along a new axis; their sizes may differ.

    Args:
      values: tensors or ragged tensors.
      axis: where the new axis is; negative ones count from the end.
      name: accepted and not used.

    Returns:
      A ragged tensor of one rank more.

    Raises:
      ValueError: without values, or where ranks differ.

    >>> tf.ragged.stack([tf.constant([1, 2]), tf.constant([3])])
    <tf.RaggedTensor [[1, 2], [3]]>
    """
    parts = _ragged_parts(values)
    rank = _common_rank(parts)
    if rank is None:
        raise ValueError(explain("The rank of at least one value must be known."))
    axis = positive_axis(axis, rank + 1, "axis", "rank(values[0]) + 1")
    if not any(is_ragged(p) for p in parts):
        if rank == 0 or axis:
            return PUBLIC["stack"](parts, axis)
        if rank == 1:
            lengths = PUBLIC["stack"]([sized(p, dtypes.int32) for p in parts])
            return RaggedTensor.from_row_lengths(PUBLIC["concat"](parts, 0), lengths, validate=False)
        parts = [RaggedTensor.from_tensor(p) for p in parts]
    if len(parts) == 1:
        whole = expand(parts[0], axis)
        return RaggedTensor.from_nested_row_splits(whole.flat_values, whole.nested_row_splits, validate=False)
    return concatenate([PUBLIC["expand_dims"](p, axis) for p in parts], axis)


def _ragged_parts(values: Any) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise ValueError(explain("values may not be empty."))
    dtype = next((v.dtype for v in values if is_ragged(v)), None)
    parts = [ragged_or_tensor(v, dtype) for v in values]
    splits_dtype_of(*parts)
    return parts


def _common_rank(parts: Sequence[Any]) -> int | None:
    ranks = {p.shape.rank for p in parts if p.shape.rank is not None}
    if len(ranks) > 1:
        shapes = ", ".join(str(p.shape) for p in parts)
        raise ValueError(explain(f"All values must have the same rank; their shapes are {shapes}."))
    return ranks.pop() if ranks else None


def concatenate(values: Sequence[Any], axis: int) -> Any:
    """Join ragged and dense tensors along an axis."""
    parts = _ragged_parts(values)
    rank = _common_rank(parts)
    axis = positive_axis(axis, rank, "axis", "rank(values)")
    if len(parts) == 1:
        return parts[0]
    depth = max(depth_of(p) for p in parts)
    # What is joined at an axis may differ there, so that axis becomes a ragged one; dense values are cut as deep as others.
    kind = next((p.row_splits.dtype for p in parts if is_ragged(p)), dtypes.int64)
    depth = max(depth, 1)
    if axis > depth:
        deep = [_deepened(p, depth, kind) for p in parts]
        partitions = same_partitions(deep)
        joined = PUBLIC["concat"]([p.flat_values for p in deep], axis - depth)
        return RaggedTensor._from_nested_row_partitions(joined, partitions, validate=False)
    return _concatenate([_deepened(p, min(depth, rank - 1 if rank else depth), kind) for p in parts], axis)


def _deepened(value: Any, depth: int, kind: Any) -> Any:
    """Return a value with at least `depth` partitioned axes."""
    if (is_ragged(value) and value.ragged_rank >= depth) or depth == 0:
        return value
    made = operand(value, value.shape.rank, depth, kind)
    return RaggedTensor._from_nested_row_partitions(made.values, made.partitions, validate=False)


def _concatenate(parts: Sequence[Any], axis: int) -> Any:
    if not any(is_ragged(p) for p in parts):
        return PUBLIC["concat"](parts, axis)
    if axis == 0:
        return _joined(parts)
    if axis > 1:
        partition = same_partitions([_shallow(p) for p in parts])[0]
        values = _concatenate([p.values for p in parts], axis - 1)
        return RaggedTensor.from_row_splits(values, partition.row_splits(), validate=False)
    # Rows of all parts one part after the other, then taken row by row: part 0 and 1 … of row 0, of row 1 …
    rows = parts[0].nrows()
    for other in parts[1:]:
        apply(ops.CHECK_EQUAL, rows, other.nrows(), message="Input tensors have incompatible shapes.")
    whole = _joined(parts)
    count = eager_constant(np.asarray(len(parts)), rows.dtype)
    zero, one = number(0, rows.dtype), number(1, rows.dtype)
    grid = PUBLIC["reshape"](apply(find("Range"), zero, rows * count, one), [len(parts), -1])
    order = PUBLIC["reshape"](PUBLIC["transpose"](grid), [-1])
    turned = take_rows(whole, order)
    outer = RaggedTensor._from_row_partition(
        turned, RowPartition.from_uniform_row_length(count, None, rows, validate=False), validate=False
    )
    return outer.merge_dims(1, 2)


def _shallow(value: Any) -> Any:
    """Return only the outermost partition of a ragged tensor, around the numbers of its values."""
    partition = value._row_partition
    return RaggedTensor._from_row_partition(partition.value_rowids(), partition, validate=False)


def _joined(parts: Sequence[Any]) -> Any:
    """Return the rows of all parts, one part after the other."""
    if not any(is_ragged(p) for p in parts):
        return PUBLIC["concat"](parts, 0)
    depth = max(depth_of(p) for p in parts)
    kind = next(p.row_splits.dtype for p in parts if is_ragged(p))
    deep = [_deepened(p, depth, kind) for p in parts]
    values = _joined([p.values for p in deep])
    lengths = PUBLIC["concat"]([p.row_lengths() for p in deep], 0)
    partition = RowPartition.from_row_lengths(lengths, validate=False)
    return RaggedTensor._from_row_partition(values, partition, validate=False)


@composite_rule("expand_dims")
def _expand_dims(input: Any, axis: Any, name: str | None = None) -> Any:
    if isinstance(input, SparseTensor):
        return PUBLIC["size"](input.dense_shape)
    if not is_ragged(input):
        return NotImplemented
    rank = input.shape.rank
    return expand(input, positive_axis(int(axis), None if rank is None else rank + 1, "axis", "rank(input)"))


def expand(value: Any, axis: int) -> Any:
    """Return a ragged tensor with a new axis of size 1."""
    kind = value.row_splits.dtype
    if axis == 0:
        partition = RowPartition.from_uniform_row_length(value.nrows(), None, number(1, kind), validate=False)
        return RaggedTensor._from_row_partition(value, partition, validate=False)
    if axis == 1:
        partition = RowPartition.from_uniform_row_length(number(1, kind), None, value.nrows(), validate=False)
        return RaggedTensor._from_row_partition(value, partition, validate=False)
    if is_ragged(value.values):
        return value.with_values(expand(value.values, axis - 1))
    return value.with_values(PUBLIC["expand_dims"](value.values, axis - 1))


@composite_rule("squeeze")
def _squeeze(input: Any, axis: Any = None, name: str | None = None) -> Any:
    if not is_ragged(input):
        return NotImplemented
    if axis is None:
        raise ValueError(explain("Ragged.squeeze must have an axis argument."))
    axes = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    rank = input.shape.rank
    places = sorted({positive_axis(int(a), rank, "axis", "rank(input)") for a in axes}, reverse=True)
    result = input
    for place in places:
        result = _squeezed(result, place)
    return result


def _squeezed(value: Any, axis: int) -> Any:
    if not is_ragged(value):
        return PUBLIC["squeeze"](value, [axis])
    if axis > 1:
        return value.with_values(_squeezed(value.values, axis - 1))
    message = f"Cannot squeeze axis {axis}: its size must be 1"
    counted = value.nrows() if axis == 0 else value.row_lengths()
    found = static_value(counted)
    if found is not None and not np.all(found == 1):
        raise InvalidArgumentError(None, None, explain(f"{message}; found {np.asarray(found).tolist()}"))
    apply(ops.CHECK_EQUAL, counted, apply(find("OnesLike"), counted), message=message)
    return value.values


@composite_rule("tile")
def _tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    if not is_ragged(input):
        return NotImplemented
    kind = input.row_splits.dtype
    times = integer(to_tensor(multiples, None, kind), kind)
    times.shape.assert_is_compatible_with([input.shape.rank])
    return _tiled(input, times)


def _tiled(value: Any, times: Any) -> Any:
    kind = times.dtype
    zero, one = number(0, kind), number(1, kind)
    count = value.nrows()
    rows = apply(
        find("FloorMod"), apply(find("Range"), zero, count * times[0], one), apply(find("Maximum"), count, one)
    )
    partitions: list[RowPartition] = []
    for depth, partition in enumerate(value._nested_row_partitions, 1):
        lengths = take_rows(partition.row_lengths(), rows)
        made = RowPartition.from_row_lengths(lengths * times[depth], validate=False)
        ids = made.value_rowids()
        within = apply(find("FloorMod"), made.offsets_in_rows(), apply(find("Maximum"), take_rows(lengths, ids), one))
        rows = take_rows(take_rows(partition.row_starts(), rows), ids) + within
        partitions.append(made)
    flat = take_rows(value.flat_values, rows)
    inner = flat.shape.rank - 1
    if inner:
        flat = PUBLIC["tile"](flat, PUBLIC["concat"]([[one], times[len(partitions) + 1 :]], 0))
    return RaggedTensor._from_nested_row_partitions(flat, partitions, validate=False)


@composite_rule("reverse")
def _reverse(tensor: Any, axis: Any, name: str | None = None) -> Any:
    if not is_ragged(tensor):
        return NotImplemented
    axes = [axis] if isinstance(axis, (int, np.integer)) else np.ravel(np.asarray(axis)).tolist()
    result = tensor
    for a in {positive_axis(int(a), tensor.shape.rank, "axis", "rank(tensor)") for a in axes}:
        result = result[(*[slice(None)] * a, slice(None, None, -1))]
    return result


@composite_rule("split")
def _split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split") -> Any:
    if not is_ragged(value):
        return NotImplemented
    axis = positive_axis(int(axis), value.shape.rank, "axis", "rank(value)")
    size = value.shape.as_list()[axis]
    if axis and axis <= value.ragged_rank and not value._nested_row_partitions[axis - 1].is_uniform():
        raise ValueError(explain(f"Cannot split along axis {axis}, which is ragged: its rows differ in length."))
    if isinstance(num_or_size_splits, (int, np.integer)):
        count = int(num_or_size_splits)
        if count < 1 or (size is not None and size % count):
            message = f"Dimension size {size} must be divisible by num_or_size_splits={count}"
            raise InvalidArgumentError(None, None, explain(message))
        if size is None:
            whole = value.nrows() if axis == 0 else value._nested_row_partitions[axis - 1].uniform_row_length()
            width = apply(find("FloorDiv"), whole, number(count, whole.dtype))
            borders: list[Any] = [width * i for i in range(count)] + [whole]
        else:
            borders = [size // count * i for i in range(count + 1)]
    else:
        sizes = to_tensor(num_or_size_splits, None, value.row_splits.dtype)
        count = num if num is not None else sizes.shape.as_list()[0]
        if count is None:
            raise ValueError(explain("`num` must be known statically; give num=."))
        plain = static_value(sizes)
        if plain is not None:
            borders = [0, *np.cumsum(plain).tolist()]
            if size is not None and borders[-1] != size:
                message = f"The sizes {plain.tolist()} do not sum up to the size {size} of axis {axis}."
                raise InvalidArgumentError(None, None, explain(message))
        else:
            ends = PUBLIC["cumsum"](sizes)
            borders = [0, *(ends[i] for i in range(count))]
    head = [slice(None)] * axis
    return [value[(*head, slice(borders[i], borders[i + 1]))] for i in range(count)]


@composite_rule("where")
def _where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    given = [v for v in (condition, x, y) if v is not None]
    if not any(is_ragged(v) for v in given):
        return NotImplemented
    if x is None and y is None:
        return _places(condition)
    if x is None or y is None:
        raise ValueError(explain("x and y must both be non-None or both be None."))
    condition = ragged_or_tensor(condition, dtypes.bool)
    dtype = next((v.dtype for v in (x, y) if hasattr(v, "dtype")), None)
    x = ragged_or_tensor(x, dtype)
    y = ragged_or_tensor(y, x.dtype)
    return mapped(PUBLIC["where"], condition, x, y)


def _places(condition: Any) -> Any:
    """Return the positions of what holds, one row each."""
    found = PUBLIC["where"](condition.flat_values)
    inner = found[:, 1:]
    rows = found[:, 0]
    columns: list[Any] = []
    for partition in reversed(condition._nested_row_partitions):
        ids = take_rows(partition.value_rowids(), rows)
        offset = rows - integer(take_rows(partition.row_starts(), ids), dtypes.int64)
        columns.insert(0, offset)
        rows = integer(ids, dtypes.int64)
    columns.insert(0, rows)
    return PUBLIC["concat"]([PUBLIC["stack"](columns, axis=1), inner], 1)


@composite_rule("size")
def _size(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    return PUBLIC["size"](input.flat_values, out_type) if is_ragged(input) else NotImplemented


@composite_rule("rank")
def _rank(input: Any, name: str | None = None) -> Any:
    if isinstance(input, SparseTensor):
        return PUBLIC["size"](input.dense_shape)
    if not is_ragged(input):
        return NotImplemented
    rank = input.shape.rank
    if rank is not None:
        return number(rank, dtypes.int32)
    return number(input.ragged_rank, dtypes.int32) + PUBLIC["rank"](input.flat_values)


@composite_rule("one_hot")
def _one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    if not is_ragged(indices):
        return NotImplemented
    if isinstance(axis, int) and axis >= 0:
        if axis <= indices.ragged_rank:
            raise ValueError(explain("axis must be greater than indices.ragged_rank."))
        axis -= indices.ragged_rank
    return indices.with_flat_values(PUBLIC["one_hot"](indices.flat_values, depth, on_value, off_value, axis, dtype))
