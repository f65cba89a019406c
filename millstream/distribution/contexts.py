"""Which strategy is in force, and in which replica code runs: per thread. Knows no variable and no device."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

Strategy: TypeAlias = Any
"""`strategy.Strategy`, which stands above."""


class ReduceOp(enum.Enum):
    """How values of several replicas become one."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def of(name: Any) -> ReduceOp:
        """Return the reduction that a ReduceOp or its name, of any case, is."""
        return name if isinstance(name, ReduceOp) else ReduceOp(str(name).upper())

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """Return the reduction that a variable's aggregation means."""
        name = getattr(aggregation, "name", "")
        if name not in ("SUM", "MEAN"):
            raise ValueError(
                f"Could not convert from `tf.VariableAggregation` {aggregation} to `tf.distribute.ReduceOp` type"
            )
        return ReduceOp(name)


class ReplicaContext:
    """Where one of the replicas of a strategy runs. This one is that of the strategies with a single replica."""

    def __init__(self, strategy: Strategy, replica_id_in_sync_group: int = 0) -> None:
        self._strategy = strategy
        self._id = replica_id_in_sync_group

    @property
    def strategy(self) -> Strategy:
        """The strategy that this replica belongs to."""
        return self._strategy

    @property
    def replica_id_in_sync_group(self) -> int:
        """The number of this replica."""
        return self._id

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._strategy.num_replicas_in_sync  # type: ignore[no-any-return]

    @property
    def devices(self) -> tuple[str, ...]:
        """The device that this replica runs on."""
        return (self._strategy.extended.worker_devices[self._id],)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Return the sum or mean over all replicas: of one, the value."""
        ReduceOp.of(reduce_op)
        return value

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """Return the values of all replicas joined along `axis`: of one, the value."""
        return value

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call merge_fn(strategy, *args) once for all replicas."""
        with entered(self._strategy, None):
            return merge_fn(self._strategy, *args, **(kwargs or {}))

    def __enter__(self) -> ReplicaContext:
        _state.places.append(Place(self._strategy, self))
        return self

    def __exit__(self, *_: object) -> None:
        _state.places.pop()


class Place(NamedTuple):
    """The strategy in force, and the replica that runs; None where code speaks for all replicas."""

    strategy: Strategy
    replica: ReplicaContext | None


class _State(threading.local):
    def __init__(self) -> None:
        self.places: list[Place] = []
        self.updated: list[int] = []


_state = _State()


def places() -> list[Place]:
    """Return what was entered on this thread, the innermost last."""
    return _state.places


@contextmanager
def entered(strategy: Strategy, replica: ReplicaContext | None) -> Iterator[None]:
    """Put a strategy in force."""
    _state.places.append(Place(strategy, replica))
    updated, _state.updated = _state.updated, []
    try:
        yield
    finally:
        _state.places.pop()
        _state.updated = updated


@contextmanager
def updating(replica: int) -> Iterator[None]:
    """Let variables be those of one replica, in code that speaks for all."""
    _state.updated.append(replica)
    try:
        yield
    finally:
        _state.updated.pop()


def updated_replica() -> int | None:
    """Return the replica whose variables are being updated; None outside of `updating`."""
    return _state.updated[-1] if _state.updated else None


def replica_in_reach() -> int | None:
    """Return the replica whose part of a variable is meant here; None where all are."""
    if _state.updated:
        return _state.updated[-1]
    place = _state.places[-1] if _state.places else None
    return None if place is None or place.replica is None else place.replica.replica_id_in_sync_group
