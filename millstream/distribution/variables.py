"""Variables with one copy for each replica: mirrored ones stay equal, those that are summed on reading differ.

Reading one in a replica gives that replica's copy. Refused: changes that would make mirrored copies differ.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from millstream.base.errors import explain
from millstream.distribution.contexts import ReduceOp, places, replica_in_reach, updated_replica
from millstream.distribution.reduction import reduced
from millstream.distribution.values import DistributedValues, PerReplica
from millstream.execution.convert import to_tensor
from millstream.execution.variable import Variable, VariableAggregation, VariableSynchronization

_COMMON = ("_trainable", "_constraint", "_dtype", "_shape", "_sizes", "_handle_name", "_unique_id", "_read_key")
_SCATTERS = ("add", "sub", "mul", "div", "max", "min", "update")


class DistributedVariable(DistributedValues, Variable):
    """A variable with one copy for each replica of a strategy."""

    @classmethod
    def of(cls, strategy: Any, copies: Sequence[Variable], aggregation: VariableAggregation) -> Any:
        """Return the variable whose copies these are."""
        made = object.__new__(cls)
        made._strategy = strategy
        made._values = tuple(copies)
        for name in _COMMON:
            setattr(made, name, getattr(copies[0], name))
        made._aggregation = aggregation
        made._synchronization = cls.SYNCHRONIZATION
        for copy in copies:
            copy.__dict__["_distributed_container"] = weakref.ref(made)
        return made

    SYNCHRONIZATION = VariableSynchronization.ON_WRITE
    _strategy: Any

    @property
    def distribute_strategy(self) -> Any:
        """The strategy that made this."""
        return self._strategy

    @property
    def _handle(self) -> Any:
        return self._here()._handle

    def _here(self) -> Variable:
        """Return the copy of the replica that reads; of all, the first."""
        replica = replica_in_reach()
        inside = replica is not None and (updated_replica() is not None or places()[-1].strategy is self._strategy)
        found: Variable = self._values[replica if inside and replica is not None else 0]
        return found

    def _changed(self) -> Any:
        return self

    def assign(self, value: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Make the copies hold `value`."""
        return self._change_copies("assign", value)

    def assign_add(self, delta: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Add `delta` to what the copies hold."""
        return self._change_copies("assign_add", delta)

    def assign_sub(self, delta: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Subtract `delta` from what the copies hold."""
        return self._change_copies("assign_sub", delta)

    def _change_copies(self, method: str, value: Any) -> Any:
        """Change the copy of a replica that is being updated; all, where code speaks for all; else see `_in_replica`."""

        def change(copy: Any, given: Any) -> Any:
            return getattr(copy, method)(given)

        replica = updated_replica()
        if replica is not None:
            return change(self._values[replica], value)
        place = places()[-1] if places() else None
        if place is None or place.strategy is not self._strategy or place.replica is None:
            self._strategy.extended.update(self, change, args=(value,))
            return self
        return self._in_replica(place.replica, change, value)

    def _in_replica(self, replica: Any, change: Callable[[Any, Any], Any], value: Any) -> Any:
        if self._aggregation is VariableAggregation.NONE:
            return change(self._here(), value)

        def merge(strategy: Any, given: Any) -> Any:
            strategy.extended.update(self, change, args=(self._aggregated(strategy, given),))
            return self

        # A list would be regrouped element by element.
        given = to_tensor(value, self._dtype) if isinstance(value, (list, tuple)) else value
        return replica.merge_call(merge, args=(given,))

    def _aggregated(self, strategy: Any, value: Any) -> Any:
        if self._aggregation is VariableAggregation.ONLY_FIRST_REPLICA:
            return value.values[0] if isinstance(value, DistributedValues) else value
        return strategy.extended.reduce_to(ReduceOp.from_variable_aggregation(self._aggregation), value, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = type(self).of(self._strategy, [copy.__deepcopy__({}) for copy in self._values], self._aggregation)
        memo[id(self)] = made
        return made

    def __reduce__(self) -> Any:
        raise NotImplementedError(explain(f"A {type(self).__name__} cannot be pickled; pickle its numpy() instead."))

    __repr__ = DistributedValues.__repr__
    __str__ = DistributedValues.__repr__


def _scatter(name: str) -> Callable[..., Any]:
    def method(self: Any, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        return self._change_copies(method.__name__, sparse_delta)

    method.__name__ = f"scatter_{name}"
    method.__doc__ = f"Do `tf.Variable.scatter_{name}` with the copies."
    return method


for _kind in _SCATTERS:
    setattr(DistributedVariable, f"scatter_{_kind}", _scatter(_kind))


class MirroredVariable(DistributedVariable):
    """Copies that are equal: a change in the replicas is aggregated before it is made in all."""


class SyncOnReadVariable(DistributedVariable):
    """Copies that each replica changes by itself. Reading them for all of them aggregates them."""

    SYNCHRONIZATION = VariableSynchronization.ON_READ

    def _in_replica(self, replica: Any, change: Callable[[Any, Any], Any], value: Any) -> Any:
        return change(self._here(), value)

    def _change_copies(self, method: str, value: Any) -> Any:
        summed = self._aggregation is VariableAggregation.SUM
        if replica_in_reach() is None and summed and method != "assign" and not isinstance(value, PerReplica):
            raise ValueError(
                explain(
                    "SyncOnReadVariable does not support `assign_add` in cross-replica context when aggregation is set "
                    "to `tf.VariableAggregation.SUM`."
                )
            )
        return super()._change_copies(method, self._share(value) if method == "assign" else value)

    def _share(self, value: Any) -> Any:
        """Return what each copy gets of a value for all, so that their sum is the value."""
        if replica_in_reach() is not None or self._aggregation is not VariableAggregation.SUM:
            return value
        from millstream.api import math

        return math.cast(value, self._dtype) / math.cast(len(self._values), self._dtype)

    def value(self) -> Any:
        """Return what the copy of this replica holds, or for all of them the aggregate."""
        if replica_in_reach() is not None or self._aggregation is VariableAggregation.ONLY_FIRST_REPLICA:
            return self._here().value()
        if self._aggregation is VariableAggregation.NONE:
            raise ValueError(
                explain(
                    "Could not convert from `tf.VariableAggregation` NONE: to read this variable for all replicas, give it an "
                    "aggregation, or read its `values`."
                )
            )
        return reduced(ReduceOp.from_variable_aggregation(self._aggregation), [copy.value() for copy in self._values])

    read_value = value
    read_value_no_copy = value


def made_in(strategy: Any, next_creator: Callable[..., Any], arguments: dict[str, Any], count: int) -> Any:
    """Return a variable with `count` copies, the first made of the arguments, the others of its value."""
    synchronization = arguments.get("synchronization") or VariableSynchronization.AUTO
    aggregation = arguments.get("aggregation") or VariableAggregation.NONE
    if synchronization is VariableSynchronization.NONE:
        raise ValueError(
            explain(
                "`NONE` variable synchronization mode is not supported with a mirrored strategy. Please change the "
                f"`synchronization` for variable: {arguments.get('name')}"
            )
        )
    first = next_creator(**arguments)
    others = []
    for i in range(1, count):
        words = {
            **arguments,
            "initial_value": first.value,
            "name": f"{first._shared_name.rpartition('/')[2]}/replica_{i}",
        }
        others.append(next_creator(**words))
    kind = SyncOnReadVariable if synchronization is VariableSynchronization.ON_READ else MirroredVariable
    return kind.of(strategy, [first, *others], aggregation)
