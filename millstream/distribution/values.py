"""Values with one part for each replica: taken apart where a replica reads them, put together from what replicas gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.base.specs import TensorSpec, TypeSpec, type_spec_from_value


class DistributedValues:
    """A value with one part for each replica."""

    _values: tuple[Any, ...]

    @property
    def values(self) -> tuple[Any, ...]:
        """The parts, in the order of the replicas."""
        return self._values

    def __repr__(self) -> str:
        return self._with_parts(repr)

    def __str__(self) -> str:
        return self._with_parts(str)

    def _with_parts(self, text: Callable[[Any], str]) -> str:
        parts = ",\n".join(f"  {i}: {text(value)}" for i, value in enumerate(self._values))
        return f"{type(self).__name__}:{{\n{parts}\n}}"


class PerReplica(DistributedValues, CompositeTensor):
    """Parts that differ: inputs and results of replicas."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = tuple(values)

    @property
    def _type_spec(self) -> PerReplicaSpec:
        return PerReplicaSpec(*(type_spec_from_value(value) for value in self._values))

    def _shape_invariant_to_type_spec(self, shape: Any) -> PerReplicaSpec:
        return PerReplicaSpec(*(TensorSpec(shape, value.dtype) for value in self._values))


class Mirrored(DistributedValues):
    """Parts that are equal."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = tuple(values)


class PerReplicaSpec(TypeSpec):
    """The types of the parts of a PerReplica."""

    __slots__ = ["_value_specs"]

    def __init__(self, *value_specs: Any) -> None:
        self._value_specs = tuple(value_specs)

    @property
    def value_type(self) -> type:
        """The class of values that differ."""
        return PerReplica

    def _serialize(self) -> tuple[Any, ...]:
        return self._value_specs

    @property
    def _component_specs(self) -> Any:
        return list(self._value_specs)

    def _to_components(self, value: Any) -> list[Any]:
        return list(value.values)

    def _from_components(self, components: Sequence[Any]) -> PerReplica:
        return PerReplica(components)

    def __tf_tracing_type__(self, context: Any) -> PerReplicaSpec:
        return self


def select_replica(replica: int, structure: Any) -> Any:
    """Return what one replica sees of a structure. Variables stay whole: they know where they are read."""

    def of(value: Any) -> Any:
        return value.values[replica] if isinstance(value, (PerReplica, Mirrored)) else value

    return nest.map_structure(of, structure)


def regroup(
    structures: Sequence[Any], make: Callable[[Sequence[Any]], Any] = PerReplica, always_wrap: bool = False
) -> Any:
    """Return one structure from those that the replicas gave, with `make` of the parts at each place.

    What is the same object in all of them stays as it is, and the parts of a variable become the variable.
    Raises ValueError where the structures differ.
    """
    first = structures[0]
    if nest.is_nested(first):
        try:
            for other in structures[1:]:
                nest.assert_same_structure(first, other)
        except (TypeError, ValueError) as error:
            raise ValueError(explain(f"The replicas gave values of different structure: {error}")) from None
        flat = [nest.flatten(s) for s in structures]
        grouped = [regroup(parts, make, always_wrap) for parts in zip(*flat, strict=True)]
        return nest.pack_sequence_as(first, grouped)
    containers = [_container(value) for value in structures]
    if containers[0] is not None and all(c is containers[0] for c in containers):
        return containers[0]
    if all(value is first for value in structures) and not always_wrap:
        return first
    return first if all(value is None for value in structures) else make(structures)


def _container(value: Any) -> Any:
    found = getattr(value, "_distributed_container", None)
    return None if found is None else found()


def local_results(value: Any) -> tuple[Any, ...]:
    """Return the parts of a value; of one without parts, itself alone."""
    return value.values if isinstance(value, DistributedValues) else (value,)
