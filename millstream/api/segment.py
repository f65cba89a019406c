"""tf.math.segment_sum and the other reductions of rows by segment, and tf.math.bincount."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api import array, picking
from millstream.api.calls import call_of
from millstream.api.math import cast
from millstream.api.public import public
from millstream.api.reduction import reduce_max
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find

_WORDS = {"sum": "sums", "prod": "products", "max": "largest elements", "min": "smallest elements", "mean": "means"}


def _unsorted(kind: str) -> Callable[..., Any]:
    call = call_of(f"UnsortedSegment{kind.capitalize()}")

    def function(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
        count = num_segments if isinstance(num_segments, Tensor) else to_tensor(num_segments, None, dtypes.int32)
        return call(to_tensor(data), to_tensor(segment_ids, None, dtypes.int32), count)

    function.__name__ = function.__qualname__ = f"unsorted_segment_{kind}"
    function.__doc__ = (
        f"Return the {_WORDS[kind]} of the rows of each of `num_segments` segments; ids below 0 are dropped."
    )
    return public(f"math.unsorted_segment_{kind}")(function)


def _sorted(kind: str) -> Callable[..., Any]:
    call = call_of(f"Segment{kind.capitalize()}")

    def function(data: Any, segment_ids: Any, name: str | None = None) -> Any:
        return call(to_tensor(data), to_tensor(segment_ids, None, dtypes.int32))

    function.__name__ = function.__qualname__ = f"segment_{kind}"
    function.__doc__ = f"Return the {_WORDS[kind]} of the rows of each segment; the ids do not decrease."
    return public(f"math.segment_{kind}")(function)


for _kind in ("sum", "prod", "max", "min"):
    globals()[f"unsorted_segment_{_kind}"] = _unsorted(_kind)
for _kind in ("sum", "prod", "max", "min", "mean"):
    globals()[f"segment_{_kind}"] = _sorted(_kind)


def _numbers(data: Any, ids: Any, count: Any) -> Any:
    """Return how many rows each segment has, at least 1, in a shape that broadcasts to the segments."""
    found = apply(find("UnsortedSegmentSum"), array.ones_like(ids, data.dtype), ids, count)
    found = apply(find("Maximum"), found, eager_constant(1, data.dtype))
    rank = data.shape.rank - ids.shape.rank
    return array.reshape(found, [-1] + [1] * rank)


def _mean_of(data: Any, segment_ids: Any, num_segments: Any, root: bool) -> Any:
    data, ids = to_tensor(data), to_tensor(segment_ids, None, dtypes.int32)
    count = to_tensor(num_segments, None, dtypes.int32)
    numbers = _numbers(data, ids, count)
    total = apply(find("UnsortedSegmentSum"), data, ids, count)
    return total / (apply(find("Sqrt"), numbers) if root else numbers)


@public("math.unsorted_segment_mean")
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Return the means of the rows of each segment, 0 of an empty one."""
    return _mean_of(data, segment_ids, num_segments, False)


@public("math.unsorted_segment_sqrt_n")
def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Return the sums of the rows of each segment divided by the root of their number."""
    return _mean_of(data, segment_ids, num_segments, True)


@public("math.bincount")
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Any:
    """Return how often each number occurs, in all of `arr` or (axis=-1) in each row; or add weights up."""
    if axis not in (None, 0, -1):
        raise ValueError(explain(f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported."))
    given = arr.values if isinstance(arr, SparseTensor) and axis != -1 else arr
    if isinstance(arr, SparseTensor):
        if weights is not None and not isinstance(weights, SparseTensor):
            raise ValueError(explain("Argument `weights` must be a SparseTensor if `arr` is a SparseTensor."))
        weights = None if weights is None else weights.values
    sparse = given if isinstance(given, SparseTensor) else None
    x = sparse.values if sparse is not None else to_tensor(given, None, dtypes.int32)
    if x.dtype not in (dtypes.int32, dtypes.int64):
        x = cast(x, dtypes.int32)
    wanted = as_dtype(dtype)
    if weights is not None:
        weights = to_tensor(weights)
        wanted = weights.dtype
    if axis != -1:
        x = array.reshape(x, [-1])
        weights = None if weights is None else array.reshape(weights, [-1])
    flat = array.reshape(x, [-1])
    one, none = eager_constant(1, x.dtype), eager_constant([-1], x.dtype)
    size = apply(find("AddV2"), reduce_max(array.concat([none, flat], 0)), one)
    if minlength is not None:
        size = apply(find("Maximum"), size, cast(to_tensor(minlength), x.dtype))
    if maxlength is not None:
        size = apply(find("Minimum"), size, cast(to_tensor(maxlength), x.dtype))
    ones = eager_constant([], wanted) if weights is None else weights
    if sparse is not None:
        return apply(
            find("SparseBincount"),
            sparse.indices,
            x,
            sparse.dense_shape,
            size,
            ones,
            binary_output=bool(binary_output),
        )
    return apply(find("DenseBincount"), x, size, ones, binary_output=bool(binary_output))


@public("math.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Any:
    """Return how often each label (row) was predicted as each class (column)."""
    labels, predictions = cast(to_tensor(labels), dtypes.int64), cast(to_tensor(predictions), dtypes.int64)
    if labels.shape.rank is not None and predictions.shape.rank is not None:
        if labels.shape.rank - predictions.shape.rank == 1:
            labels = array.squeeze(labels, -1)
        elif predictions.shape.rank - labels.shape.rank == 1:
            predictions = array.squeeze(predictions, -1)
    wanted = as_dtype(dtype)
    if num_classes is None:
        largest = apply(find("Maximum"), reduce_max(predictions), reduce_max(labels))
        num_classes = apply(find("AddV2"), largest, eager_constant(1, dtypes.int64))
    count = cast(to_tensor(num_classes), dtypes.int64)
    values = array.ones_like(predictions, wanted) if weights is None else cast(weights, wanted)
    return picking.scatter_nd(array.stack([labels, predictions], 1), values, array.stack([count, count]))
