"""tf.sparse.segment_sum, segment_mean and segment_sqrt_n: reductions of picked rows by segment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.declaration import Op
from millstream.ops.registry import find


def _publish(leaf: str, op_name: str, what: str) -> Callable[..., Any]:
    whole: Op = find(op_name)
    counted: Op = find(f"{op_name}WithNumSegments")

    def function(
        data: Any,
        indices: Any,
        segment_ids: Any,
        num_segments: Any = None,
        name: str | None = None,
        sparse_gradient: bool = False,
    ) -> Any:
        where, ids = to_tensor(indices, None, dtypes.int32), to_tensor(segment_ids, None, dtypes.int32)
        rows, flag = to_tensor(data), bool(sparse_gradient)
        if num_segments is None:
            return apply(whole, rows, where, ids, sparse_gradient=flag)
        count = to_tensor(num_segments, None, dtypes.int32)
        return apply(counted, rows, where, ids, count, sparse_gradient=flag)

    def older(
        data: Any,
        indices: Any,
        segment_ids: Any,
        name: str | None = None,
        num_segments: Any = None,
        sparse_gradient: bool = False,
    ) -> Any:
        return function(data, indices, segment_ids, num_segments, name, sparse_gradient)

    function.__name__ = function.__qualname__ = older.__name__ = older.__qualname__ = leaf
    function.__doc__ = older.__doc__ = f"""Return {what} of the rows data[indices] of each segment.

    data: [rows, ...]. indices: int32 or int64 [n], which rows. segment_ids: [n], not decreasing.
    num_segments: how many rows the result has; one more than the last id without it.
    sparse_gradient: give the gradient of `data` as IndexedSlices. Raises InvalidArgumentError where an index is not a
    row of `data`, or the ids decrease.

    >>> tf.sparse.{leaf}([[1.0], [2.0], [4.0]], [2, 2, 0], [0, 0, 1]).shape.as_list()
    [2, 1]
    """
    public(f"sparse.{leaf}")(function)
    public(f"compat.v1.sparse.{leaf}", f"compat.v1.sparse_{leaf}")(older)
    return function


segment_sum = _publish("segment_sum", "SparseSegmentSum", "the sums")
segment_mean = _publish("segment_mean", "SparseSegmentMean", "the means")
segment_sqrt_n = _publish("segment_sqrt_n", "SparseSegmentSqrtN", "the sums over the roots of the numbers")
