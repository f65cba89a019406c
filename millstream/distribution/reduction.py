"""One value from those of the replicas: sums and means of tensors and of IndexedSlices, and joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api import array, math
from millstream.base.errors import explain
from millstream.distribution.contexts import ReduceOp
from millstream.distribution.values import DistributedValues
from millstream.execution.convert import to_tensor
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.tensor import Tensor


def reduced(reduce_op: ReduceOp, values: Sequence[Any]) -> Any:
    """Return the sum or the mean of values of one shape; of IndexedSlices, IndexedSlices of all their rows."""
    if any(isinstance(value, IndexedSlices) for value in values):
        return _reduced_slices(reduce_op, values)
    total = math.add_n([to_tensor(value) for value in values]) if len(values) > 1 else to_tensor(values[0])
    return total / math.cast(len(values), total.dtype) if reduce_op is ReduceOp.MEAN else total


def _reduced_slices(reduce_op: ReduceOp, values: Sequence[Any]) -> IndexedSlices:
    if not all(isinstance(value, IndexedSlices) for value in values):
        raise ValueError(explain("Some replicas gave IndexedSlices and others tensors; give the same kind in all."))
    rows = array.concat([value.values for value in values], 0)
    if reduce_op is ReduceOp.MEAN:
        rows = rows / math.cast(len(values), rows.dtype)
    return IndexedSlices(rows, array.concat([value.indices for value in values], 0), values[0].dense_shape)


def reduced_alike(reduce_op: ReduceOp, value: Any, replicas: int) -> Any:
    """Return the reduction of a value that all replicas have in common.

    Its mean is itself; its sum is not defined, since it may stand for one value or for one of each replica, unless it is 0.
    """
    if isinstance(value, DistributedValues):
        raise ValueError(explain(f"You are passing a `DistributedValues` to a place for one value: {value}"))
    zero = not isinstance(value, (Tensor, IndexedSlices)) and np.all(np.equal(value, 0))
    if zero or reduce_op is ReduceOp.MEAN or replicas == 1:
        return value
    raise ValueError(
        explain(f"A non-DistributedValues value {value} cannot be reduced with the given reduce op {reduce_op}.")
    )
