"""tf.RaggedTensor, tf.experimental.RowPartition and tf.ragged: what makes ragged tensors and maps over their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.api.public import public, publish
from millstream.base import dtypes, nest
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_structure import RaggedStructure, splits_dtype_of
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import RowPartition, integer
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops import ragged as ops
from millstream.ops.registry import find
from millstream.ops.row_partition import CHECK_EQUAL

publish("experimental.RowPartition", RowPartition)
publish("RaggedTensor", RaggedTensor)


def splits_dtype(dtype: Any) -> DType:
    """Return the element type of row splits. Refuses all but int32 and int64."""
    wanted = as_dtype(dtype)
    if wanted not in (dtypes.int32, dtypes.int64):
        raise ValueError(explain(f"Argument `row_splits` dtype must be int32 or int64. Received {wanted!r}."))
    return wanted


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


@public("ragged.constant")
def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> Any:
    """Return nested lists, whose rows may differ in length, as a ragged tensor; lists without rows as a tensor.

    Args:
      pylist: nested lists, tuples or arrays with all scalars at one depth.
      dtype: the element type, found from the scalars without it.
      ragged_rank: how many axes are ragged; all but the outermost without it and `inner_shape`.
      inner_shape: the shape of each value, where that is no scalar.
      name: accepted and not used.
      row_splits_dtype: int32 or int64.

    Raises:
      ValueError: where scalars stand at several depths, or ragged_rank and inner_shape do not fit.

    >>> tf.ragged.constant([[1, 2], [3, 4, 5]])
    <tf.RaggedTensor [[1, 2], [3, 4, 5]]>
    """
    kind = splits_dtype(row_splits_dtype)
    shape = None if inner_shape is None else _sizes(inner_shape)
    if not _is_row(pylist):
        if ragged_rank:
            raise ValueError(explain(f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank}"))
        if shape:
            raise ValueError(explain(f"Invalid pylist={pylist!r}: incompatible with dim(inner_shape)={len(shape)}"))
        return to_tensor(pylist, dtype)
    if ragged_rank is not None and ragged_rank < 0:
        raise ValueError(explain(f"Invalid ragged_rank={ragged_rank}: must be nonnegative"))
    scalars, deepest = _depths(pylist)
    if scalars is not None and deepest > scalars:
        raise ValueError(explain(f"Invalid pylist={pylist!r}: empty list nesting is greater than scalar value nesting"))
    ragged_rank, shape = _ranks(pylist, scalars, deepest, ragged_rank, shape)
    splits: list[list[int]] = []
    values: Any = pylist
    for _ in range(ragged_rank):
        ends = [0]
        for row in values:
            ends.append(ends[-1] + len(row))
        splits.append(ends)
        values = [item for row in values for item in row]
    flat = _flat(values, len(shape))
    wanted = None if dtype is None else as_dtype(dtype)
    tensor = to_tensor(flat, wanted)
    tensor = apply(find("Reshape"), tensor, to_tensor([len(values), *shape], dtypes.int64))
    return RaggedTensor.from_nested_row_splits(
        tensor, [eager_constant(np.asarray(s), kind) for s in splits], validate=False
    )


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in (shape.as_list() if hasattr(shape, "as_list") else np.ravel(shape)))


def _flat(values: Any, depth: int) -> list[Any]:
    """Return the scalars of values that are nested `depth` deep."""
    for _ in range(depth):
        values = [item for row in values for item in row]
    return list(values)


def _depths(value: Any) -> tuple[int | None, int]:
    """Return the depth of the scalars (None without any), and of the deepest list."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (value.ndim if value.size else None), value.ndim
    if not _is_row(value):
        return 0, 0
    found: int | None = None
    deepest = 1
    for item in value:
        scalars, depth = _depths(item)
        deepest = max(deepest, depth + 1)
        if scalars is None:
            continue
        if found is not None and found != scalars + 1:
            raise ValueError(explain("all scalar values must have the same nesting depth"))
        found = scalars + 1
    return found, deepest


def _ranks(
    pylist: Any, scalars: int | None, deepest: int, ragged_rank: int | None, shape: tuple[int, ...] | None
) -> tuple[int, tuple[int, ...]]:
    """Return how many axes are ragged and the shape of each value."""
    if shape is not None:
        if ragged_rank is None:
            ragged_rank = max(0, deepest - 1 - len(shape)) if scalars is None else scalars - 1 - len(shape)
        if (scalars is not None and scalars != ragged_rank + len(shape) + 1) or ragged_rank < 0:
            raise ValueError(
                explain(
                    f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank} and "
                    f"dim(inner_shape)={len(shape)}"
                )
            )
        if any(_shape_of(value) != shape for value in _flat(pylist, ragged_rank)):
            raise ValueError(explain(f"Invalid pylist={pylist!r}: a value has another shape than inner_shape={shape}"))
        return ragged_rank, shape
    if ragged_rank is None:
        return max(0, deepest - 1), ()
    if scalars is not None and scalars <= ragged_rank:
        raise ValueError(
            explain(
                f"Invalid pylist={pylist!r}: pylist has scalar values depth {scalars}, but ragged_rank={ragged_rank} "
                f"requires scalar value depth greater than {ragged_rank}"
            )
        )
    return ragged_rank, _inner_shape(_flat(pylist, ragged_rank))


def _inner_shape(values: Any) -> tuple[int, ...]:
    """Return the one shape that all values have."""
    shapes = {_shape_of(value) for value in values}
    if len(shapes) > 1:
        raise ValueError(explain("inner values have inconsistent shape"))
    return shapes.pop() if shapes else ()


def _shape_of(value: Any) -> tuple[int, ...]:
    if not _is_row(value):
        return ()
    return (len(value), *_inner_shape(value))


_ORDER = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64)


@public("ragged.range")
def range_(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> RaggedTensor:
    """Return rows that count from starts[i] by deltas[i] as long as below limits[i]; one argument is the limits.

    Args:
      starts: scalar or vector; 0 where only limits are given.
      limits: scalar or vector.
      deltas: scalar or vector without 0.
      dtype: the element type; the widest of the three without it.
      name: accepted and not used.
      row_splits_dtype: int32 or int64.

    >>> tf.ragged.range([3, 5, 2])
    <tf.RaggedTensor [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1]]>
    """
    kind = splits_dtype(row_splits_dtype)
    if limits is None:
        starts, limits = 0, starts
    tensors = [to_tensor(v, dtype) for v in (starts, limits, deltas)]
    if dtype is None:
        wanted = max((t.dtype for t in tensors), key=_ORDER.index)
        tensors = [apply(find("Cast"), t, DstT=wanted) if t.dtype is not wanted else t for t in tensors]
    splits, values = apply(ops.ragged_range, *tensors, Tsplits=kind)
    return RaggedTensor.from_row_splits(values, splits, validate=False)


@public("ragged.map_flat_values")
def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return op(*args, **kwargs) with each ragged tensor in the arguments replaced by its flat values, in its rows.

    Args:
      op: a function whose result has as many values as it is given.
      *args: its arguments; ragged tensors may stand in nested structures, and must be of equal row splits.
      **kwargs: more arguments.

    Raises:
      ValueError: where the row splits or the sizes differ.

    >>> tf.ragged.map_flat_values(tf.square, tf.ragged.constant([[1, 2], [3]]))
    <tf.RaggedTensor [[1, 4], [9]]>
    """
    found: list[RaggedTensor] = []

    def flat(value: Any) -> Any:
        if isinstance(value, RaggedStructure):
            found.append(value)  # type: ignore[arg-type]
            return value.flat_values
        return value

    for_op = nest.map_structure(flat, (args, kwargs))
    if not found:
        return op(*args, **kwargs)
    partitions = same_partitions(found)
    result = op(*for_op[0], **for_op[1])
    given, made = found[0].flat_values.shape[:1], result.shape[:1]
    if made.rank == 0 or not given.is_compatible_with(made):
        raise ValueError(
            explain(
                "tf.ragged.map_flat_values requires that the output of `op` have the same outer-dimension size as flat_values "
                f"of any ragged inputs. (output shape: {result.shape}; expected outer dimension size: {given[0]})"
            )
        )
    return RaggedTensor._from_nested_row_partitions(result, partitions, validate=False)


def same_partitions(ragged: Sequence[RaggedTensor]) -> tuple[RowPartition, ...]:
    """Return the row partitions that all ragged tensors have. Stops where they differ."""
    splits_dtype_of(*ragged)
    for other in ragged[1:]:
        ragged[0].flat_values.shape[:1].assert_is_compatible_with(other.flat_values.shape[:1])
    first = ragged[0]._nested_row_partitions
    for other in ragged[1:]:
        rest = other._nested_row_partitions
        if len(rest) != len(first):
            raise ValueError(explain("All ragged inputs must have the same ragged_rank."))
        for a, b in zip(first, rest, strict=True):
            _require_same(a, b)
    return first


def _require_same(a: RowPartition, b: RowPartition) -> None:
    if a.row_splits() is b.row_splits():
        return
    known = static_value(a.row_splits()), static_value(b.row_splits())
    message = "Inputs must have identical ragged splits"
    if known[0] is not None and known[1] is not None:
        if not np.array_equal(*known):
            raise InvalidArgumentError(None, None, explain(message))
        return
    apply(CHECK_EQUAL, a.row_splits(), b.row_splits(), message=message)


@public("ragged.row_splits_to_segment_ids")
def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Any:
    """Return the row of each value, given where rows begin and end.

    >>> tf.ragged.row_splits_to_segment_ids([0, 3, 3, 5]).numpy().tolist()
    [0, 0, 0, 2, 2]
    """
    tensor = to_tensor(splits, None, dtypes.int64)
    if tensor.dtype not in (dtypes.int32, dtypes.int64):
        raise ValueError(explain("splits must have dtype int32 or int64"))
    tensor.shape.assert_has_rank(1)
    if tensor.shape.as_list() == [0]:
        raise ValueError(explain("Invalid row_splits: []"))
    wanted = tensor.dtype if out_type is None else as_dtype(out_type)
    return RowPartition.from_row_splits(integer(tensor, wanted), validate=False).value_rowids()


@public("ragged.segment_ids_to_row_splits")
def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Any:
    """Return where rows begin and end, given the row of each value in ascending order.

    >>> tf.ragged.segment_ids_to_row_splits([0, 0, 0, 2, 2]).numpy().tolist()
    [0, 3, 3, 5]
    """
    ids = to_tensor(segment_ids, None, dtypes.int64)
    if ids.dtype not in (dtypes.int32, dtypes.int64):
        raise ValueError(explain("segment_ids must have dtype int32 or int64"))
    ids.shape.assert_has_rank(1)
    wanted = dtypes.int64 if out_type is None else as_dtype(out_type)
    count = None if num_segments is None else integer(to_tensor(num_segments, None, wanted), wanted)
    return RowPartition.from_value_rowids(integer(ids, wanted), count, validate=False).row_splits()


def is_ragged(value: Any) -> bool:
    """Return whether a value is a ragged tensor."""
    return isinstance(value, RaggedStructure)


def ragged_or_tensor(value: Any, dtype: DType | None = None) -> Any:
    """Return a value as a ragged tensor where it is one, else as a tensor."""
    if isinstance(value, (RaggedStructure, Tensor)):
        return value
    return to_tensor(value, dtype)
