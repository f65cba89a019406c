"""tf.distribute.MirroredStrategy on the logical devices of this machine's cpu.

Each replica runs in turn, since they share the cores; what is trained is what it would be on as many devices. Refused, when
they are used: devices that are not there.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from millstream.api.config_devices import list_logical_devices
from millstream.api.public import public, publish
from millstream.base.device_names import HERE, device_text, name_of, parts_of
from millstream.base.errors import explain
from millstream.distribution import contexts, values
from millstream.distribution.contexts import ReduceOp
from millstream.distribution.cross_device import CrossDeviceOps
from millstream.distribution.inputs import DistributedDataset, divided, from_function
from millstream.distribution.reduction import reduced_alike
from millstream.distribution.replicas import call_each, created_once
from millstream.distribution.strategy import Extended, InputContext, Strategy
from millstream.distribution.values import DistributedValues, regroup, select_replica
from millstream.distribution.variables import DistributedVariable, made_in
from millstream.execution import autograph
from millstream.execution import variable as variables
from millstream.execution.context import current_graph
from millstream.execution.function import Function

log = logging.getLogger("millstream")

publish("types.experimental.distributed.PerReplica", values.PerReplica)
publish("types.experimental.distributed.Mirrored", values.Mirrored)


class MirroredExtended(Extended):
    """The part of a MirroredStrategy that optimizers talk to."""

    def __init__(
        self, strategy: Strategy, devices: tuple[str, ...], cross_device_ops: CrossDeviceOps | None = None
    ) -> None:
        super().__init__(strategy, devices)
        self._cross_device_ops = CrossDeviceOps() if cross_device_ops is None else cross_device_ops
        self._lifted: weakref.WeakKeyDictionary[Any, Function] = weakref.WeakKeyDictionary()

    def call_for_each_replica(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call fn(*args, **kwargs) in each replica. Of a tf.function, one graph has all replicas."""
        if isinstance(fn, Function):
            return self._of_function(fn)(*args, **(kwargs or {}))
        if current_graph() is not None and autograph.current_status() is not autograph.Status.DISABLED:
            fn = autograph.convert(fn)
        return call_each(self._strategy, fn, args, kwargs or {}, len(self._devices))

    def _of_function(self, fn: Function) -> Function:
        found = self._lifted.get(fn)
        if found is None:
            # Functions may be held by nothing but the caller: what is kept of them here must not hold them.
            inner = fn.python_function

            def in_each_replica(*args: Any, **kwargs: Any) -> Any:
                with self._strategy.scope():
                    converted = autograph.convert(inner) if fn_options["autograph"] else inner
                    return call_each(self._strategy, converted, args, kwargs, len(self._devices))

            fn_options = {"autograph": fn._autograph}
            found = self._lifted[fn] = Function(
                in_each_replica,
                fn.name,
                fn.input_signature,
                False,
                fn._jit_compile,
                fn._reduce_retracing,
                fn._options,
            )
        return found

    def update(self, var: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True) -> Any:
        """Call fn(copy, *args) with each copy of a variable, and the parts of the arguments that belong to it."""
        if not isinstance(var, DistributedVariable):
            raise ValueError(
                explain(
                    f"The variable {getattr(var, 'name', var)} was not made under this strategy; make models, optimizers and "
                    "variables inside of `with strategy.scope():`."
                )
            )
        found = []
        for i, copy in enumerate(var.values):
            with contexts.updating(i):
                found.append(fn(copy, *select_replica(i, args), **select_replica(i, kwargs or {})))
        return regroup(found, values.Mirrored)

    def sum_or_mean(self, op: ReduceOp, value: Any) -> Any:
        """Return the reduction of what replicas gave; of one value that they all gave, itself."""
        return self._cross_device_ops.reduced(op, value.values if isinstance(value, DistributedValues) else [value])

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """Return the sum or mean of a value over the replicas."""
        op = ReduceOp.of(reduce_op)
        if isinstance(value, values.Mirrored) or (isinstance(value, DistributedVariable) and op is ReduceOp.MEAN):
            return value.values[0]
        if isinstance(value, DistributedValues):
            return self._cross_device_ops.reduced(op, value.values)
        return reduced_alike(op, value, len(self._devices))

    def distribute_dataset(self, dataset: Any) -> Any:
        """Return the dataset with a part of each batch for each replica."""
        return DistributedDataset(divided(dataset, len(self._devices)))

    def distribute_datasets_from_function(self, dataset_fn: Callable[..., Any]) -> Any:
        """Return the dataset of `dataset_fn(InputContext)`, whose batches are for one replica each."""
        count = len(self._devices)
        return from_function(dataset_fn, InputContext(num_replicas_in_sync=count), count)


class CopyingStrategy(Strategy):
    """What strategies share whose replicas have copies of the variables."""

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Put this strategy in force: variables made inside have a copy for each replica."""
        count = self.num_replicas_in_sync

        def create(next_creator: Callable[..., Any], **arguments: Any) -> Any:
            def make() -> Any:
                return made_in(self, next_creator, arguments, count)

            return created_once(arguments.get("name") or "Variable", make)

        if contexts.places() and contexts.places()[-1].strategy is self:
            with contexts.entered(self, None):
                yield self
            return
        variables.creators.append(create)
        try:
            with contexts.entered(self, None):
                yield self
        finally:
            variables.creators.remove(create)


@public("distribute.MirroredStrategy")
class MirroredStrategy(CopyingStrategy):
    """Train on several devices, each with a copy of the variables and a part of every batch.

    Args:
      devices: their names, such as ["CPU:0", "CPU:1"] after `tf.config.set_logical_device_configuration`; all without.
      cross_device_ops: a `tf.distribute.CrossDeviceOps`, which makes sums and means.

    Raises:
      ValueError: a device is given twice; when it is used, one that is not there.
    """

    def __init__(self, devices: Sequence[Any] | None = None, cross_device_ops: CrossDeviceOps | None = None) -> None:
        names = _checked(devices)
        self._missing = [name for name in names if "/device:CPU:" not in name]
        if self._missing:
            log.warning(
                "Some requested devices in `tf.distribute.Strategy` are not visible: %s", ",".join(self._missing)
            )
        super().__init__(MirroredExtended(self, names, cross_device_ops))

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Put this strategy in force: variables made inside have a copy for each replica."""
        if self._missing:
            known = [device.name for device in list_logical_devices()]
            raise ValueError(
                explain(f"There are no devices {self._missing}; tf.config.list_logical_devices() gives {known}.")
            )
        with super().scope():
            yield self


def _checked(devices: Sequence[Any] | None) -> tuple[str, ...]:
    """Return the full names of the devices. A cpu of any number will do: all are names for the same cores."""
    names = []
    for device in devices or list_logical_devices("CPU"):
        parts = parts_of(device_text(device))
        names.append(name_of({"device_type": parts.get("device_type"), "device_index": parts.get("device_index") or 0}))
    if len(set(names)) != len(names):
        raise ValueError(explain(f"devices={devices!r}: give each device once."))
    return tuple(HERE + name for name in names)
