"""The default strategy: one replica, here. Other strategies say that they are not supported yet."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public, publish
from millstream.base import errors


class ReduceOp(enum.Enum):
    """How values of several replicas become one."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """Return the reduction that a variable's aggregation means."""
        return ReduceOp.MEAN if getattr(aggregation, "name", "") == "MEAN" else ReduceOp.SUM


class ReplicaContext:
    """Where one replica runs."""

    replica_id_in_sync_group = 0
    num_replicas_in_sync = 1

    @property
    def strategy(self) -> Strategy:
        """The strategy that this replica belongs to."""
        return get_strategy()

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Return the value: there is one replica."""
        return value

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call merge_fn(strategy, *args)."""
        return merge_fn(self.strategy, *args, **(kwargs or {}))


class Extended:
    """The part of a strategy that optimizers talk to."""

    @contextmanager
    def colocate_vars_with(self, variable: Any) -> Iterator[None]:
        """Make variables where `variable` is."""
        yield

    def update(self, var: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True) -> Any:
        """Call fn(var, *args)."""
        return fn(var, *args, **(kwargs or {}))

    def variable_created_in_scope(self, variable: Any) -> bool:
        """Return True: there is one scope."""
        return True

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """Return the value."""
        return value

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that replicas run on."""
        return ("/device:CPU:0",)


class Strategy:
    """tf.distribute.Strategy with one replica."""

    def __init__(self, extended: Extended | None = None) -> None:
        self.extended = Extended() if extended is None else extended

    num_replicas_in_sync = 1

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Enter the strategy."""
        yield self

    def run(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Call fn(*args, **kwargs)."""
        return fn(*args, **(kwargs or {}))

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """Return the value, reduced over `axis` where given."""
        if axis is None:
            return value
        from millstream.api.public import PUBLIC

        mean = reduce_op in (ReduceOp.MEAN, "MEAN", "mean")
        return PUBLIC["reduce_mean" if mean else "reduce_sum"](value, axis)

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """Return (value,)."""
        return (value,)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Return the dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable[..., Any], options: Any = None) -> Any:
        """Return dataset_fn(context)."""
        return dataset_fn(None)

    def gather(self, value: Any, axis: int) -> Any:
        """Return the value."""
        return value


_default = Strategy()
_context = ReplicaContext()

publish("distribute.Strategy", Strategy)
publish("distribute.StrategyExtended", Extended)
publish("distribute.ReduceOp", ReduceOp)
publish("distribute.ReplicaContext", ReplicaContext)


@public("distribute.get_strategy")
def get_strategy() -> Strategy:
    """Return the strategy in force."""
    return _default


@public("distribute.has_strategy")
def has_strategy() -> bool:
    """Return whether a strategy other than the default one is in force."""
    return False


@public("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Return False: code runs in its one replica."""
    return False


@public("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext:
    """Return the context of the one replica."""
    return _context


@public("__internal__.distribute.strategy_supports_no_merge_call")
def strategy_supports_no_merge_call() -> bool:
    """Return True: nothing has to be merged."""
    return True


@public("__internal__.distribute.interim.maybe_merge_call")
def maybe_merge_call(fn: Callable[..., Any], strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
    """Call fn(strategy, *args)."""
    return fn(strategy, *args, **kwargs)


class DistributedValues:
    """A value with one part for each replica; there is none with one replica."""


class DistributedDataset:
    """A dataset divided among replicas; there is none with one replica."""


class DistributedIterator:
    """An iterator over a DistributedDataset; there is none with one replica."""


publish("distribute.DistributedValues", DistributedValues)
publish("distribute.DistributedDataset", DistributedDataset)
publish("distribute.DistributedIterator", DistributedIterator)


def _unsupported(name: str) -> type:
    def __init__(self: Any, *_: Any, **__: Any) -> None:
        raise errors.UnimplementedError(
            None, None, f"tf.distribute.{name} is not supported yet; train without a strategy, on this process's cpu."
        )

    return type(name, (Strategy,), {"__init__": __init__, "__doc__": f"tf.distribute.{name}: not supported yet."})


for _name in (
    "MirroredStrategy",
    "MultiWorkerMirroredStrategy",
    "TPUStrategy",
    "OneDeviceStrategy",
    "ParameterServerStrategy",
    "CentralStorageStrategy",
):
    publish(f"distribute.{_name}", _unsupported(_name))
