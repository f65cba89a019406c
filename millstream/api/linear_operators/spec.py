"""Operators as composite tensors: their type specs, the gradients that flow to them, and slices of their batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api import array
from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.base.tensor_specs import TensorSpec, VariableSpec
from millstream.base.type_specs import BatchableTypeSpec, TypeSpec, register_type_spec
from millstream.execution.convert import to_tensor
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor
from millstream.execution.variable import is_resource_variable

_CHECKED = ("is_non_singular", "is_self_adjoint", "is_positive_definite", "is_square")
_MISSING = object()


class LinearOperatorSpec(BatchableTypeSpec):
    """The type of an operator: the specs of the tensors and operators that it is made of, and its other arguments."""

    __slots__ = ("_non_tensor_params", "_param_specs", "_prefer_static_fields")

    def __init__(self, param_specs: Any, non_tensor_params: Any, prefer_static_fields: Any) -> None:
        self._param_specs = param_specs
        self._non_tensor_params = non_tensor_params
        self._prefer_static_fields = tuple(prefer_static_fields)

    @classmethod
    def from_operator(cls, operator: Any) -> Any:
        """Return the spec of an operator."""
        specs, others = {}, {}
        for key, value in _parts(operator, (*operator._composite_tensor_fields, *_CHECKED)).items():
            spec = _spec_of(value)
            found = [isinstance(item, TypeSpec) for item in nest.flatten(spec)]
            if all(found):
                specs[key] = spec
            elif any(found):
                raise NotImplementedError(explain(f"Field {key} contains a mix of `Tensor` and non-`Tensor` values."))
            else:
                others[key] = value
        return cls(specs, others, operator._composite_tensor_prefer_static_fields)

    def _serialize(self) -> Any:
        return self._param_specs, self._non_tensor_params, self._prefer_static_fields

    @property
    def _component_specs(self) -> Any:
        return self._param_specs

    def _to_components(self, value: Any) -> Any:
        return _parts(value, tuple(self._param_specs))

    def _from_components(self, components: Any) -> Any:
        return self.value_type(**self._non_tensor_params, **components)

    def _with_specs(self, change: Any) -> Any:
        return type(self)(
            nest.map_structure(change, self._param_specs), self._non_tensor_params, self._prefer_static_fields
        )

    def _batch(self, batch_size: int | None) -> Any:
        return self._with_specs(lambda spec: spec._batch(batch_size))

    def _unbatch(self) -> Any:
        return self._with_specs(lambda spec: spec._unbatch())


def _parts(operator: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Return by name what an operator is made of: lists and numbers plain, sizes too where they are known."""
    found = {}
    for key in keys:
        places = (getattr(operator, f"_{key}", _MISSING), getattr(operator, key, _MISSING))
        value = next((v for v in places if v is not _MISSING), _MISSING)
        if value is _MISSING:
            value = operator.parameters.get(key, _MISSING)
        if value is _MISSING:
            raise ValueError(
                explain(
                    f"Could not determine an appropriate value for field `{key}` in object {operator}: it has no attribute "
                    f"`{key}` or `_{key}`, and no parameter of that name."
                )
            )
        if key in operator._composite_tensor_prefer_static_fields and isinstance(value, Tensor):
            known = static_value(value)
            value = value if known is None else known
        found[key] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    # A tracked list is a list of its own kind.
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _spec_of(value: Any) -> Any:
    if is_resource_variable(value):
        return VariableSpec(value.shape, dtype=value.dtype, trainable=value.trainable)
    if isinstance(value, CompositeTensor):
        return value._type_spec
    if isinstance(value, Tensor):
        return TensorSpec(value.shape, value.dtype)
    if isinstance(value, (list, tuple)):
        return type(value)(_spec_of(item) for item in value)
    return value


def composite(cls: Any) -> Any:
    """Give an operator's class its type spec."""
    name = f"{cls.__name__}Spec"
    spec: Any = type(name, (LinearOperatorSpec,), {"value_type": cls, "__slots__": (), "__module__": cls.__module__})
    register_type_spec(f"tf.linalg.{name}")(spec)
    cls._type_spec = property(spec.from_operator)
    return cls


class OperatorGradient:
    """How gradients flow through operators: to what they are made of (`__composite_gradient__`)."""

    def get_gradient_components(self, value: Any) -> Any:
        """Return the parts that gradients flow to."""
        return value._type_spec._to_components(value)

    def replace_gradient_components(self, value: Any, components: Any) -> Any:
        """Return the gradient as an operator of the same kind; 0 for parts that none flows to."""
        spec = value._type_spec
        parts = spec._to_components(value)
        pairs = zip(nest.flatten(parts), nest.flatten(components), strict=True)
        whole = [
            nest.map_structure(array.zeros_like, part, expand_composites=True) if gradient is None else gradient
            for part, gradient in pairs
        ]
        return spec._from_components(nest.pack_sequence_as(parts, whole))


def batch_slice(operator: Any, slices: Any) -> Any:
    """Return the operator of some of the matrices of a batch."""
    slices = slices if isinstance(slices, tuple) else (slices,)
    if len(slices) == 1 and slices[0] is Ellipsis:
        return type(operator)(**operator.parameters)
    return _sliced(operator, slices, operator.batch_shape_tensor())


def _sliced(operator: Any, slices: tuple[Any, ...], lead: Any) -> Any:
    """Cut what an operator is made of, as if its batch shape were `lead`."""
    changed: dict[str, Any] = {}
    for key, axes in operator._experimental_parameter_ndims_to_matrix_ndims.items():
        value = getattr(operator, key)
        if value is not None:
            changed[key] = _cut(value, axes, slices, lead)
    if "batch_shape" in operator.parameters:
        changed["batch_shape"] = array.shape(array.ones(lead)[slices])
    return type(operator)(**{**operator.parameters, **changed})


def _cut(value: Any, axes: Any, slices: tuple[Any, ...], lead: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_cut(item, a, slices, lead) for item, a in zip(value, axes, strict=True)]
    if hasattr(value, "batch_shape_tensor"):
        return _sliced(value, slices, lead)
    value = to_tensor(value)
    own = array.shape(value)
    rank = value.shape.rank
    whole = (
        array.broadcast_to(value, array.concat([lead, own[rank - axes :]], 0))
        if axes
        else array.broadcast_to(value, lead)
    )
    if any(item is Ellipsis for item in slices):
        return whole[(*slices, *[slice(None)] * axes)]
    return whole[slices]
