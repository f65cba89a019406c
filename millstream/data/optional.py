"""tf.experimental.Optional: a value that may be missing. One bool beside the value's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors, nest
from millstream.base.composite import CompositeTensor
from millstream.base.specs import TensorSpec, TypeSpec, type_spec_from_value
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor


def flat_specs(element_spec: Any) -> list[TensorSpec]:
    """Return the specs of the tensors of an element; none where nothing is known of it."""
    return [] if element_spec is None else nest.flatten(element_spec, expand_composites=True)


def zeros_of(spec: TensorSpec) -> Any:
    """Return what stands for a missing tensor: zeros, of size 0 where sizes are open."""
    shape = [] if spec.shape.rank is None else [n or 0 for n in spec.shape.as_list()]
    return to_tensor(np.full(shape, "" if spec.dtype is dtypes.string else 0, spec.dtype.as_numpy_dtype), spec.dtype)


def spec_of_element(value: Any) -> Any:
    """Return the structure of type specs of an element."""
    return nest.map_structure(_leaf_spec, value)


class NoneTensorSpec(TypeSpec):
    """The type of None as a part of an element. It has no tensors."""

    __slots__: list[str] = []

    @property
    def value_type(self) -> type:
        return type(None)

    def _serialize(self) -> tuple[Any, ...]:
        return ()

    @property
    def _component_specs(self) -> Any:
        return []

    def _to_components(self, value: Any) -> list[Any]:
        return []

    def _from_components(self, components: Sequence[Any]) -> None:
        return None

    def __repr__(self) -> str:
        return "NoneTensorSpec()"


def _leaf_spec(value: Any) -> Any:
    if value is None:
        return NoneTensorSpec()
    if isinstance(value, CompositeTensor):
        return value._type_spec
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, dtypes.DType) and hasattr(value, "shape"):
        return TensorSpec(value.shape, dtype)
    found = type_spec_from_value(to_tensor(value))
    return TensorSpec(found.shape, found.dtype) if isinstance(found, TensorSpec) else found


class OptionalSpec(TypeSpec):
    """The type of an Optional whose value has the structure `element_spec`."""

    __slots__ = ["_element_spec"]

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    @property
    def value_type(self) -> type:
        return Optional

    def _serialize(self) -> tuple[Any, ...]:
        return (self._element_spec,)

    @property
    def _component_specs(self) -> Any:
        return [TensorSpec([], dtypes.bool), *flat_specs(self._element_spec)]

    def _to_components(self, value: Any) -> list[Any]:
        return [value._has, *value._tensors]

    def _from_components(self, components: Sequence[Any]) -> Optional:
        return Optional(components[0], list(components[1:]), self._element_spec)

    @classmethod
    def from_value(cls, value: Optional) -> OptionalSpec:
        """Return the spec of an Optional."""
        return cls(value.element_spec)


class Optional(CompositeTensor):
    """A value that may be missing, as datasets give at their end."""

    def __init__(self, has: Any, tensors: list[Any], element_spec: Any) -> None:
        self._has = has
        self._held = tensors
        self._element_spec = element_spec

    @property
    def _tensors(self) -> list[Any]:
        # An empty one may be told late what it would hold.
        return self._held or [zeros_of(spec) for spec in flat_specs(self._element_spec)]

    @property
    def _type_spec(self) -> OptionalSpec:
        return OptionalSpec(self._element_spec)

    @property
    def element_spec(self) -> Any:
        """The structure of type specs of the value."""
        return self._element_spec

    @staticmethod
    def from_value(value: Any) -> Optional:
        """Return an Optional that holds `value`."""
        spec = spec_of_element(value)
        tensors = [to_tensor(v) for v in nest.flatten(value, expand_composites=True)]
        return Optional(to_tensor(True, dtypes.bool), tensors, spec)

    @staticmethod
    def empty(element_spec: Any) -> Optional:
        """Return an Optional that holds nothing, of the structure `element_spec`."""
        return Optional(to_tensor(False, dtypes.bool), [], element_spec)

    def has_value(self, name: str | None = None) -> Any:
        """Return whether there is a value."""
        return self._has

    def get_value(self, name: str | None = None) -> Any:
        """Return the value; InvalidArgumentError where there is none."""
        if current_graph() is None and not bool(self._has):
            raise errors.InvalidArgumentError(None, None, errors.explain("The given optional does not have a value."))
        return nest.pack_sequence_as(self._element_spec, self._tensors, expand_composites=True)
