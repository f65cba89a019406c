"""Indexing of ragged tensors with []: rows, parts of rows, ellipsis and new axes. Refuses integers on ragged axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.row_partition import RowPartition, integer
from millstream.execution.slicing import get_item as get_dense_item
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor, TensorType, eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

Key = Any


def get_item(value: Any, key: Key) -> Any:
    """Return value[key] of a ragged tensor."""
    if isinstance(key, RaggedStructure) or (isinstance(key, TensorType) and key.dtype is dtypes.bool):
        raise TypeError(explain("Masks are not indices of a RaggedTensor; use tf.ragged.boolean_mask."))
    keys = list(key) if isinstance(key, (list, tuple)) else [key]
    return _item(value, _without_ellipsis(keys, value.shape.rank))


def row_at(value: Any, place: Any) -> Any:
    """Return the row at a place that is none of Python's, and not negative; there may be no row at all."""
    splits = value.row_splits
    return get_cut(value.values, get_dense_item(splits, place), get_dense_item(splits, place + 1))


def _without_ellipsis(keys: list[Key], rank: int | None) -> list[Key]:
    """Write `...` as whole slices."""
    places = [i for i, k in enumerate(keys) if k is Ellipsis]
    if not places:
        return keys
    if len(places) > 1:
        raise ValueError(explain("Cannot have multiple ellipses in the index of a RaggedTensor."))
    if rank is None:
        raise ValueError(explain("Ellipsis not supported for unknown shape RaggedTensors"))
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if used > rank:
        raise IndexError(explain(f"Too many indices for a RaggedTensor of rank {rank}."))
    at = places[0]
    return [*keys[:at], *[slice(None)] * (rank - used), *keys[at + 1 :]]


def _item(value: Any, keys: list[Key]) -> Any:
    if not keys:
        return value
    if not isinstance(value, RaggedStructure):
        return get_dense_item(value, tuple(keys))
    first, rest = keys[0], keys[1:]
    if first is None:
        inner = _item(value, rest)
        return _new_outer_axis(value, inner)
    if isinstance(first, slice):
        return _inner(_rows(value, first), rest)
    row = _plain(_scalar(first))
    count = value._row_partition.static_nrows
    if isinstance(row, int) and count is not None and not -count <= row < count:
        raise IndexError(explain(f"Index {row} is out of bounds for a RaggedTensor of {count} rows."))
    begin, end = get_dense_item(value.row_starts(), row), get_dense_item(value.row_limits(), row)
    return _item(get_cut(value.values, begin, end), rest)


def _new_outer_axis(value: Any, inner: Any) -> Any:
    if not isinstance(inner, RaggedStructure):
        return apply(find("ExpandDims"), inner, eager_constant(np.asarray(0), dtypes.int32))
    partition = RowPartition.from_uniform_row_length(
        inner.nrows(), nrows=eager_constant(np.asarray(1), inner.row_splits.dtype), validate=False
    )
    return type(value)(inner, partition, internal=True)


def get_cut(values: Any, begin: Any, end: Any) -> Any:
    """Return values[begin:end] of a tensor or ragged tensor, begin and end known to be in range."""
    key = slice(_plain(begin), _plain(end))
    return _rows(values, key) if isinstance(values, RaggedStructure) else get_dense_item(values, key)


def _scalar(key: Key) -> Any:
    """Return an index as it was given. Refuses what is no integer."""
    if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
        return key
    if isinstance(key, TensorType):
        tensor = to_tensor(key)
        if tensor.dtype.is_integer and tensor.shape.rank in (0, None):
            return tensor
    elif hasattr(key, "__index__") and not isinstance(key, (bool, np.bool_)):
        return key.__index__()
    raise TypeError(explain(f"Slice offsets must be integers or None; got {key!r}"))


def _rows(value: Any, key: slice) -> Any:
    """Return the rows that a slice chooses."""
    if key.start is None and key.stop is None and key.step is None:
        return value
    begin, end, step = (None if b is None else _plain(_scalar(b)) for b in (key.start, key.stop, key.step))
    key = slice(begin, end, step)
    partition = value._row_partition
    count = partition.static_nrows
    if count is not None and step in (None, 1) and _is_plain(begin, end):
        begin, end, _ = key.indices(count)
        made, values = _adjoining(value, begin, max(begin, end))
    else:
        starts, limits = get_dense_item(value.row_starts(), key), get_dense_item(value.row_limits(), key)
        made, values = _chosen(value, starts, limits)
    if partition.is_uniform():
        made = RowPartition.from_uniform_row_length(partition.uniform_row_length(), nrows=made.nrows(), validate=False)
    return type(value)(values, made, internal=True)


def _plain(bound: Any) -> Any:
    """Return a bound as a number where it is known."""
    found = static_value(bound) if isinstance(bound, Tensor) else bound
    return bound if found is None else int(found)


def _is_plain(*bounds: Any) -> bool:
    return all(b is None or isinstance(b, int) for b in bounds)


def _adjoining(value: Any, begin: int, end: int) -> tuple[RowPartition, Any]:
    """Return rows that lie one after the other: the values between the first start and the last limit."""
    chosen = value.row_splits[begin : end + 1]
    values = get_cut(value.values, chosen[0], chosen[-1])
    return RowPartition.from_row_splits(chosen - chosen[0], validate=False), values


def _chosen(value: Any, starts: Any, limits: Any) -> tuple[RowPartition, Any]:
    """Return the rows from starts[i] to limits[i] of the values."""
    splits, places = apply(ops.ROW_RANGES, starts, apply(find("Sub"), limits, starts))
    return RowPartition.from_row_splits(splits, validate=False), take_rows(value.values, places)


def take_rows(values: Any, places: Any) -> Any:
    """Return the rows at a vector of places of a tensor or ragged tensor."""
    if not isinstance(values, RaggedStructure):
        return apply(find("GatherV2"), values, places, eager_constant(np.asarray(0), dtypes.int32), batch_dims=0)
    places = integer(places, values.row_splits.dtype)
    made, inner = _chosen(values, take_rows(values.row_starts(), places), take_rows(values.row_limits(), places))
    if values._row_partition.is_uniform():
        made = RowPartition.from_uniform_row_length(values.uniform_row_length, nrows=made.nrows(), validate=False)
    return type(values)(inner, made, internal=True)


def _inner(value: Any, keys: list[Key]) -> Any:
    """Apply keys to each row of a ragged tensor."""
    if not keys:
        return value
    first, rest = keys[0], keys[1:]
    if first is None:
        inner = _inner(value, rest)
        if not isinstance(inner, RaggedStructure):
            return apply(find("ExpandDims"), inner, eager_constant(np.asarray(1), dtypes.int32))
        one = RowPartition.from_uniform_row_length(
            eager_constant(np.asarray(1), inner.row_splits.dtype), nrows=inner.nrows(), validate=False
        )
        return type(value)(inner, one, internal=True)
    if isinstance(first, slice):
        if first.start is None and first.stop is None and first.step is None:
            return value.with_values(_inner_of_values(value.values, rest))
        cut = _cut_rows(value, first)
        return cut.with_values(_inner_of_values(cut.values, rest))
    if not value._row_partition.is_uniform():
        raise ValueError(explain("Cannot index into an inner ragged dimension."))
    length = value.uniform_row_length
    index = _scalar(first)
    place = integer(to_tensor(index, None, length.dtype), length.dtype)
    negative = apply(find("Less"), place, eager_constant(np.asarray(0), length.dtype))
    place = apply(find("SelectV2"), negative, apply(find("AddV2"), place, length), place)
    bound = static_value(place), static_value(length)
    if bound[0] is not None and bound[1] is not None and not 0 <= bound[0] < bound[1]:
        raise InvalidArgumentError(
            None, None, explain(f"slice index {index} is out of bounds of an axis of size {int(bound[1])}.")
        )
    chosen = take_rows(value.values, apply(find("AddV2"), value.row_starts(), place))
    return _inner_of_values(chosen, rest)


def _inner_of_values(values: Any, keys: list[Key]) -> Any:
    if not keys:
        return values
    if isinstance(values, RaggedStructure):
        return _inner(values, keys)
    return get_dense_item(values, (slice(None), *keys))


def _cut_rows(value: Any, key: slice) -> Any:
    """Return each row cut as the slice has it."""
    step = 1 if key.step is None else static_value(key.step) if isinstance(key.step, Tensor) else int(key.step)
    if step is None:
        raise ValueError(explain("slice strides must be known before running on ragged axes."))
    if step == 0:
        raise ValueError(explain("slice step cannot be zero"))
    dtype = value.row_splits.dtype
    lengths, starts = value.row_lengths(), value.row_starts()
    first = _bound(key.start, lengths, dtype, 0 if step > 0 else None, step)
    last = _bound(key.stop, lengths, dtype, None if step > 0 else -1, step)
    if step == 1:
        size = apply(find("Maximum"), last - first, eager_constant(np.asarray(0), dtype))
        splits, places = apply(ops.ROW_RANGES, starts + first, size)
    else:
        splits, places = apply(
            find("RaggedRange"), starts + first, starts + last, eager_constant(np.asarray(step), dtype), Tsplits=dtype
        )
    values = take_rows(value.values, places)
    made = type(value)(values, RowPartition.from_row_splits(splits, validate=False), internal=True)
    uniform = static_value(value.uniform_row_length) if value._row_partition.is_uniform() else None
    if uniform is not None and all(b is None or isinstance(b, (int, np.integer)) for b in (key.start, key.stop)):
        made._set_shape([None, len(range(*key.indices(int(uniform)))), *[None] * (made.shape.rank - 2)])
    return made


def _bound(given: Any, lengths: Any, dtype: Any, default: int | None, step: int) -> Any:
    """Return where a cut of each row begins or ends: in [0, length] going up, in [-1, length - 1] going down."""
    low, high = eager_constant(np.asarray(0 if step > 0 else -1), dtype), lengths
    if step < 0:
        high = lengths - eager_constant(np.asarray(1), dtype)
    if given is None:
        if default is None:
            return high
        return apply(find("ZerosLike"), lengths) + eager_constant(np.asarray(default), dtype)
    number = integer(to_tensor(given, None, dtype), dtype)
    negative = apply(find("Less"), number, eager_constant(np.asarray(0), dtype))
    counted = apply(find("SelectV2"), negative, lengths + number, apply(find("ZerosLike"), lengths) + number)
    return apply(find("Maximum"), apply(find("Minimum"), counted, high), low)
