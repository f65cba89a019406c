"""How values of several devices become one: TensorFlow's kinds of it. They differ in the route only, and here in nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api import math
from millstream.api.public import public
from millstream.base.errors import explain
from millstream.distribution.contexts import ReduceOp
from millstream.distribution.reduction import reduced, reduced_alike
from millstream.distribution.values import DistributedValues, Mirrored


@public("distribute.CrossDeviceOps")
class CrossDeviceOps:
    """Sums and means over devices, and copies to them."""

    def reduced(self, op: ReduceOp, values: Sequence[Any]) -> Any:
        """Return the sum or mean of the values of all replicas."""
        return reduced(op, values)

    def reduce(self, reduce_op: Any, per_replica_value: Any, destinations: Any, options: Any = None) -> Any:
        """Return the sum or mean of a value over its replicas.

        Args:
          reduce_op: a `tf.distribute.ReduceOp` or its name.
          per_replica_value: a `tf.distribute.DistributedValues`, or a tensor that is the same everywhere.
          destinations: where it is wanted; all devices here share their memory.
          options: hints.
        """
        op = ReduceOp.of(reduce_op)
        if isinstance(per_replica_value, DistributedValues):
            return self.reduced(op, per_replica_value.values)
        return reduced_alike(op, per_replica_value, 1)

    def batch_reduce(self, reduce_op: Any, value_destination_pairs: Any, options: Any = None) -> list[Any]:
        """Return the sums or means of several pairs of a value and its destinations."""
        return [self.reduce(reduce_op, value, place, options) for value, place in value_destination_pairs]

    def broadcast(self, tensor: Any, destinations: Any) -> Any:
        """Return the tensor on all devices of `destinations`."""
        count = len(destinations.values) if isinstance(destinations, DistributedValues) else 1
        return tensor if count == 1 else Mirrored([tensor] * count)


def _checked_packs(num_packs: int) -> int:
    if num_packs < 0:
        raise ValueError(explain(f"Argument `num_packs` must be 0 or more, but is {num_packs}."))
    return num_packs


@public("distribute.HierarchicalCopyAllReduce")
class HierarchicalCopyAllReduce(CrossDeviceOps):
    """Sums along a tree of devices.

    Args:
      num_packs: in how many packs values travel; a hint.
    """

    def __init__(self, num_packs: int = 1) -> None:
        self.num_packs = _checked_packs(num_packs)


@public("distribute.NcclAllReduce")
class NcclAllReduce(CrossDeviceOps):
    """Sums by NVIDIA's library on GPUs; on cpus as all others.

    Args:
      num_packs: in how many packs values travel; a hint.
    """

    def __init__(self, num_packs: int = 1) -> None:
        self.num_packs = _checked_packs(num_packs)


@public("distribute.ReductionToOneDevice")
class ReductionToOneDevice(CrossDeviceOps):
    """Sums on one device.

    Args:
      reduce_to_device: its name; all devices here share their memory.
      accumulation_fn: sums a list of tensors; `tf.add_n` without.
    """

    def __init__(self, reduce_to_device: str | None = None, accumulation_fn: Callable[..., Any] | None = None) -> None:
        self.reduce_to_device = reduce_to_device
        self.accumulation_fn = accumulation_fn

    def reduced(self, op: ReduceOp, values: Sequence[Any]) -> Any:
        """Return the sum or mean of the values of all replicas."""
        if self.accumulation_fn is None:
            return reduced(op, values)
        total = self.accumulation_fn(list(values))
        return total / math.cast(len(values), total.dtype) if op is ReduceOp.MEAN else total
