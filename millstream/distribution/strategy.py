"""tf.distribute: strategies, the default one, and the one of a single device. What is not supported: names.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from millstream.api import array, math, reduction
from millstream.api.public import public, publish
from millstream.base import errors, nest
from millstream.distribution import contexts
from millstream.distribution.contexts import Place, ReduceOp, ReplicaContext
from millstream.distribution.options import InputReplicationMode
from millstream.distribution.reduction import reduced_alike
from millstream.distribution.values import DistributedValues, PerReplica, local_results
from millstream.execution.generator import Generator


class Extended:
    """The part of a strategy that optimizers talk to; this one has a single replica."""

    def __init__(self, strategy: Strategy, devices: tuple[str, ...] = ("/device:CPU:0",)) -> None:
        self._strategy = strategy
        self._devices = devices

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that replicas run on."""
        return self._devices

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The devices that variables lie on."""
        return self._devices

    @contextmanager
    def colocate_vars_with(self, colocate_with_variable: Any) -> Iterator[None]:
        """Make variables where another one is."""
        yield

    def variable_created_in_scope(self, v: Any) -> bool:
        """Return whether a variable belongs to this strategy."""
        return getattr(v, "distribute_strategy", get_strategy()) is self._strategy

    def call_for_each_replica(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call fn(*args, **kwargs) in each replica."""
        with ReplicaContext(self._strategy):
            return fn(*args, **(kwargs or {}))

    def update(self, var: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True) -> Any:
        """Call fn(copy, *args) with each copy of a variable, and the parts of the arguments that belong to it."""
        return fn(var, *args, **(kwargs or {}))

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """Return the sum or mean of a value over the replicas."""
        return reduced_alike(ReduceOp.of(reduce_op), value, 1)

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any, options: Any = None) -> list[Any]:
        """Return the sums or means of several values over the replicas."""
        return [self.reduce_to(reduce_op, value, place, options) for value, place in value_destination_pairs]

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """Return a tensor that is at hand on all devices."""
        return tensor

    def read_var(self, v: Any) -> Any:
        """Return what a variable holds."""
        return v.read_value()

    def non_slot_devices(self, var_list: Any) -> tuple[str, ...]:
        """Return the devices that variables lie on which belong to no other variable."""
        return self._devices

    def update_non_slot(
        self, colocate_with: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True
    ) -> Any:
        """Call fn(*args) once, for variables that belong to no other one."""
        return fn(*args, **(kwargs or {}))

    def value_container(self, value: Any) -> Any:
        """Return the variable that a copy belongs to; else the value."""
        found = getattr(value, "_distributed_container", None)
        return value if found is None else found()

    def distribute_dataset(self, dataset: Any) -> Any:
        """Return the dataset with a part of each batch for each replica."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable[..., Any]) -> Any:
        """Return the dataset of `dataset_fn(InputContext)`, whose batches are for one replica each."""
        return dataset_fn(InputContext())


class Strategy:
    """How a computation is spread over devices. See tf.distribute.Strategy; this one has a single replica."""

    def __init__(self, extended: Any = None) -> None:
        self._extended = Extended(self) if extended is None else extended

    @property
    def extended(self) -> Any:
        """The part that optimizers talk to."""
        return self._extended

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas a value is averaged over."""
        return len(self._extended.worker_devices)

    @property
    def cluster_resolver(self) -> None:
        """None: all runs in this process."""
        return None

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Put this strategy in force: variables made inside belong to it."""
        with contexts.entered(self, None):
            yield self

    def run(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Call fn(*args, **kwargs) in each replica, with the parts of the arguments that belong to it.

        Returns what the replicas gave, as PerReplica where there are several.
        """
        with self.scope():
            return self._extended.call_for_each_replica(fn, args, kwargs)

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """Return the sum or mean of a value over the replicas, and over `axis` of it where given."""
        op = ReduceOp.of(reduce_op)
        if axis is None:
            return nest.map_structure(lambda v: self._extended.reduce_to(op, v, None), value)
        return nest.map_structure(lambda v: self._reduced_along(op, v, axis), value)

    def _reduced_along(self, op: ReduceOp, value: Any, axis: Any) -> Any:
        parts = local_results(value)
        sums = [reduction.reduce_sum(part, axis) for part in parts]
        total = sums[0] if len(sums) == 1 else math.add_n(sums)
        if op is ReduceOp.SUM:
            return total
        axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
        counts = [reduction.reduce_prod([_size_along(part, a) for a in axes]) for part in parts]
        return total / math.cast(counts[0] if len(counts) == 1 else math.add_n(counts), total.dtype)

    def gather(self, value: Any, axis: int) -> Any:
        """Return the values of the replicas joined along `axis`."""
        return nest.map_structure(lambda v: _joined(local_results(v), axis), value)

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """Return the parts of a value; of one without parts, itself alone."""
        return local_results(value)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return the dataset with a part of each batch for each replica."""
        _refuse_per_replica(options)
        return self._extended.distribute_dataset(dataset)

    def distribute_datasets_from_function(self, dataset_fn: Callable[..., Any], options: Any = None) -> Any:
        """Return the dataset of `dataset_fn(InputContext)`, whose batches are for one replica each."""
        _refuse_per_replica(options)
        return self._extended.distribute_datasets_from_function(dataset_fn)

    def experimental_distribute_values_from_function(self, value_fn: Callable[..., Any]) -> Any:
        """Return the values of `value_fn(ValueContext)`, one for each replica."""
        count = self.num_replicas_in_sync
        values = [value_fn(ValueContext(i, count)) for i in range(count)]
        return values[0] if count == 1 else PerReplica(values)


def _refuse_per_replica(options: Any) -> None:
    if options is not None and options.experimental_replication_mode is InputReplicationMode.PER_REPLICA:
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain(
                "tf.distribute.InputReplicationMode.PER_REPLICA is not supported",
                "leave it out: one dataset gives a batch to each replica.",
            ),
        )


def _size_along(part: Any, axis: int) -> Any:
    return array.shape(part)[axis]


def _joined(parts: tuple[Any, ...], axis: int) -> Any:
    return parts[0] if len(parts) == 1 else array.concat(list(parts), axis)


@public("distribute.InputContext")
class InputContext:
    """For which part of a computation a dataset is made.

    Args:
      num_input_pipelines: how many datasets are made.
      input_pipeline_id: the number of this one.
      num_replicas_in_sync: how many replicas there are.
    """

    def __init__(self, num_input_pipelines: int = 1, input_pipeline_id: int = 0, num_replicas_in_sync: int = 1) -> None:
        self.num_input_pipelines = num_input_pipelines
        self.input_pipeline_id = input_pipeline_id
        self.num_replicas_in_sync = num_replicas_in_sync

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """Return the rows of one replica; ValueError where they do not come out even."""
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(
                errors.explain(
                    f"The `global_batch_size` {global_batch_size} is not divisible by `num_replicas_in_sync` "
                    f"{self.num_replicas_in_sync}"
                )
            )
        return global_batch_size // self.num_replicas_in_sync


@public("distribute.experimental.ValueContext")
class ValueContext:
    """For which replica a value is made."""

    def __init__(self, replica_id_in_sync_group: int = 0, num_replicas_in_sync: int = 1) -> None:
        self.replica_id_in_sync_group = replica_id_in_sync_group
        self.num_replicas_in_sync = num_replicas_in_sync


@public("distribute.OneDeviceStrategy")
class OneDeviceStrategy(Strategy):
    """All on one device.

    Args:
      device: its name, such as "/cpu:0".
    """

    def __init__(self, device: str) -> None:
        super().__init__(Extended(self, (device,)))


class _Set(threading.local):
    stack: ExitStack | None = None


_set = _Set()
_default = Strategy()
_default_replica = ReplicaContext(_default)


def _place() -> Place:
    places = contexts.places()
    return places[-1] if places else Place(_default, _default_replica)


publish("distribute.Strategy", Strategy)
publish("distribute.StrategyExtended", Extended)
publish("distribute.ReduceOp", ReduceOp)
publish("distribute.ReplicaContext", ReplicaContext)
publish("distribute.DistributedValues", DistributedValues)


def _placed() -> tuple[Strategy | None, int | None]:
    strategy, replica = _place()
    if strategy is _default:
        return None, None
    return strategy, None if replica is None else replica.replica_id_in_sync_group


Generator.placed = staticmethod(_placed)


@public("distribute.get_strategy")
def get_strategy() -> Strategy:
    """Return the strategy in force."""
    return _place().strategy  # type: ignore[no-any-return]


@public("distribute.experimental_set_strategy")
def experimental_set_strategy(strategy: Strategy | None) -> None:
    """Put a strategy in force for all that follows on this thread; None ends that.

    Raises:
      RuntimeError: this is called inside of a strategy's scope.
    """
    entered = _set.stack
    if len(contexts.places()) > (entered is not None):
        raise RuntimeError(errors.explain("Must not be called inside a `tf.distribute.Strategy` scope."))
    if entered is not None:
        entered.close()
        _set.stack = None
    if strategy is not None:
        _set.stack = ExitStack()
        _set.stack.enter_context(strategy.scope())


@public("distribute.has_strategy")
def has_strategy() -> bool:
    """Return whether a strategy other than the default one is in force."""
    return get_strategy() is not _default


@public("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Return whether code speaks for all replicas, and not for the one that it runs in."""
    return _place().replica is None


@public("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext | None:
    """Return the replica that runs; None where code speaks for all."""
    return _place().replica


@public("__internal__.distribute.strategy_supports_no_merge_call")
def strategy_supports_no_merge_call() -> bool:
    """Return whether updates need no merging: where there is one replica."""
    return get_strategy().num_replicas_in_sync == 1


@public("__internal__.distribute.interim.maybe_merge_call")
def maybe_merge_call(fn: Callable[..., Any], strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
    """Call fn(strategy, *args) once for all replicas."""
    replica = get_replica_context()
    if strategy_supports_no_merge_call() or replica is None:
        return fn(strategy, *args, **kwargs)
    return replica.merge_call(fn, args=args, kwargs=kwargs)
