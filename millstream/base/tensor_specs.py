"""Specs of single tensors and variables: `tf.TensorSpec`, `tf.BoundedTensorSpec`, `VariableSpec`. Refuses what is no shape or type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.trace_types import PlaceholderContext, installed
from millstream.base.type_specs import (
    BatchableTypeSpec,
    TypeSpec,
    register_type_spec,
    register_type_spec_from_value_converter,
)


class DenseSpec(TypeSpec):
    """Shape, element type and name."""

    __slots__ = ("_dtype", "_name", "_shape")

    _shape: TensorShape
    _dtype: DType
    _name: str | None

    def __init__(self, shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._name = name

    @property
    def shape(self) -> TensorShape:
        """The shape, as far as it is known."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def name(self) -> str | None:
        """The name of the argument, if it has one."""
        return self._name

    @property
    def _component_specs(self) -> Any:
        return self

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether the spec or value may be of this type."""
        return (
            _is_dense(spec_or_value, self)
            and bool(self._dtype.is_compatible_with(spec_or_value.dtype))
            and self._shape.is_compatible_with(spec_or_value.shape)
        )

    def _serialize(self) -> Any:
        return self._shape, self._dtype, self._name

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape

    def __eq__(self, other: object) -> Any:
        return (
            type(self) is type(other)
            and isinstance(other, DenseSpec)
            and self._shape._dims == other._shape._dims
            and self._dtype is other._dtype
            and self._name == other._name
        )

    def __hash__(self) -> int:
        return hash((self._shape._dims, self._dtype))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"


def _is_dense(value: Any, spec: DenseSpec) -> bool:
    """Whether it is a dense spec or a value of the spec's class; that class need not exist to tell specs apart."""
    return isinstance(value, DenseSpec if isinstance(value, TypeSpec) else spec.value_type)


@register_type_spec("tf.TensorSpec")
class TensorSpec(DenseSpec, BatchableTypeSpec):
    """The type of a tensor: shape, element type and perhaps a name."""

    __slots__ = ()

    _nested_as = "leaf"
    _is_tensor_spec = True

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> Any:
        """The TensorSpec with the shape and element type of another spec."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> Any:
        """The TensorSpec of a tensor; in a graph the tensor's operation gives the name."""
        if not isinstance(tensor, installed("Tensor")):
            raise ValueError(explain(f"`tensor` should be a tf.Tensor, but got type {type(tensor)}."))
        if name is None and getattr(tensor, "graph", None) is not None:
            name = tensor.op.name
        return TensorSpec(tensor.shape, tensor.dtype, name)

    @property
    def value_type(self) -> Any:
        """The class Tensor."""
        return installed("Tensor")

    def is_subtype_of(self, other: Any) -> Any:
        """Whether every tensor of this type is of the type `other`."""
        return (
            isinstance(other, TensorSpec)
            and (not self._name or self._name == other._name)
            and self._shape.is_subtype_of(other._shape)
            and self._dtype.is_subtype_of(other._dtype)
        )

    def placeholder_value(self, placeholder_context: Any) -> Any:
        """The symbolic tensor that stands for an argument of this type."""
        if placeholder_context.unnest_only:
            return self
        return installed("placeholder_for_spec")(self, placeholder_context)

    def to_tensors(self, value: Any) -> list[Any]:
        """The tensor, checked."""
        value = self.cast(value, _STRICT)
        if not value.shape.is_subtype_of(self._shape):
            raise TypeError(explain(f"Received tensor of shape {value.shape} instead of {self._shape}"))
        return [value]

    def from_tensors(self, tensors: Iterator[Any]) -> Any:
        """The next tensor."""
        return next(tensors)

    def flatten(self) -> list[Any]:
        """Itself: one tensor."""
        return [self]

    def cast(self, value: Any, cast_context: Any) -> Any:
        """The value as a tensor of this type."""
        if cast_context.allow_specs and isinstance(value, TensorSpec):
            if not value.is_subtype_of(self):
                raise AssertionError(f"Can not cast {value!r} to {self!r}")
            return self
        if not isinstance(value, installed("Tensor")):
            value = installed("convert_to_tensor")(value, self._dtype)
        value_spec = TensorSpec(value.shape, value.dtype, self._name)
        if not value_spec.is_subtype_of(self):
            if not self.is_subtype_of(value_spec):
                raise TypeError(explain(f"Can not cast {value_spec!r} to {self!r}"))
            value.set_shape(self._shape)
        return value

    def _to_components(self, value: Any) -> Any:
        if not isinstance(value, installed("Tensor")):
            raise AssertionError(f"Expected a tensor for {self!r}, got {type(value)}.")
        return value

    def _from_components(self, components: Any) -> Any:
        return components

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        (tensor,) = tensor_list
        tensor.set_shape(self._shape)
        return tensor

    def _to_batchable_tensor_list(self, value: Any, batched: bool = False) -> Any:
        if batched and self._shape.merge_with(value.shape).ndims == 0:
            raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
        return self._to_components(value)

    def _batch(self, batch_size: int | None) -> Any:
        return TensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> Any:
        if self._shape.ndims == 0:
            raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
        return TensorSpec(self._shape[1:], self._dtype)

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [self]

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return [self._to_components(value)]

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return self._to_tensor_list(value)

    def _without_tensor_names(self) -> Any:
        return self if self._name is None else TensorSpec(self._shape, self._dtype)

    @classmethod
    def experimental_type_proto(cls) -> Any:
        """The proto class that stands for tensor specs."""
        return installed("TensorSpecProto")


class _StrictCast:
    allow_specs = False


_STRICT = _StrictCast()


@register_type_spec("tf.BoundedTensorSpec")
class BoundedTensorSpec(TensorSpec):
    """A TensorSpec with the lowest and highest values allowed."""

    __slots__ = ("_maximum", "_minimum")

    def __init__(self, shape: Any, dtype: Any, minimum: Any, maximum: Any, name: str | None = None) -> None:
        super().__init__(shape, dtype, name)
        self._minimum = self._read_bound("minimum", minimum)
        self._maximum = self._read_bound("maximum", maximum)

    def _read_bound(self, name: str, value: Any) -> Any:
        if value is None:
            raise ValueError(explain(f"`{name}` can not be None."))
        shape = np.shape(value)
        sizes = self._shape._dims
        if sizes is not None and not _fits(shape, sizes):
            raise ValueError(explain(f"`{name}` {value} is not compatible with shape {self.shape}."))
        array = np.array(value, dtype=self.dtype.as_numpy_dtype)
        array.setflags(write=False)
        return array

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> Any:
        """The BoundedTensorSpec of another spec; the range of the element type where it has none."""
        dtype = dtypes.as_dtype(spec.dtype)
        minimum = getattr(spec, "minimum", None)
        maximum = getattr(spec, "maximum", None)
        return BoundedTensorSpec(
            spec.shape,
            dtype,
            dtype.min if minimum is None else minimum,
            dtype.max if maximum is None else maximum,
            name or spec.name,
        )

    @property
    def minimum(self) -> Any:
        """The lowest values allowed, as a NumPy array."""
        return self._minimum

    @property
    def maximum(self) -> Any:
        """The highest values allowed, as a NumPy array."""
        return self._maximum

    def cast(self, value: Any, cast_context: Any) -> Any:
        """The value as a tensor of this type; its content is not looked at."""
        if cast_context.allow_specs and isinstance(value, BoundedTensorSpec):
            if not value.is_subtype_of(self):
                raise AssertionError(f"Can not cast {value!r} to {self!r}")
            return self
        return TensorSpec(self.shape, self.dtype, self.name).cast(value, cast_context)

    def _serialize(self) -> Any:
        return self._shape, self._dtype, self._minimum, self._maximum, self._name

    def __eq__(self, other: object) -> Any:
        return (
            super().__eq__(other)
            and isinstance(other, BoundedTensorSpec)
            and np.allclose(self.minimum, other.minimum)
            and np.allclose(self.maximum, other.maximum)
        )

    def __hash__(self) -> int:
        return hash((self._shape._dims, self._dtype))

    def __repr__(self) -> str:
        return (
            f"BoundedTensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r}, "
            f"minimum={self.minimum!r}, maximum={self.maximum!r})"
        )


def _fits(shape: tuple[int, ...], sizes: tuple[int | None, ...]) -> bool:
    """Whether the two shapes broadcast against each other."""
    pairs = zip(reversed(shape), reversed(sizes))
    return all(left == 1 or right is None or right == 1 or left == right for left, right in pairs)


class VariableSpec(DenseSpec):
    """The type of a variable. Two with one `alias_id` are the same variable."""

    __slots__ = ("alias_id", "trainable")

    _nested_as = "leaf"

    def __init__(self, shape: Any, dtype: Any = dtypes.float32, trainable: bool = True, alias_id: Any = None) -> None:
        super().__init__(shape, dtype)
        self.trainable = trainable
        self.alias_id = alias_id

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """The spec of a variable."""
        return cls(value.shape, dtype=value.dtype, trainable=value.trainable)

    @property
    def value_type(self) -> Any:
        """The class ResourceVariable."""
        return installed("ResourceVariable")

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether the spec or variable may be of this type."""
        if not isinstance(spec_or_value, type(self)) and not isinstance(spec_or_value, self.value_type):
            return False
        compatible = (
            self.shape.is_compatible_with(spec_or_value.shape)
            and bool(self.dtype == spec_or_value.dtype)
            and self.trainable == spec_or_value.trainable
        )
        if isinstance(spec_or_value, VariableSpec):
            return compatible and bool(self.alias_id == spec_or_value.alias_id)
        return compatible

    def is_subtype_of(self, other: Any) -> Any:
        """Whether every variable of this type is of the type `other`."""
        if type(self) is not type(other):
            return False
        if (self.alias_id is None) != (other.alias_id is None):
            raise NotImplementedError(
                explain(
                    f"VariableSpec.is_subtype_of doesn't support alias_id=None, got self: {self} and other: {other}."
                )
            )
        return super().is_subtype_of(other)

    def most_specific_common_supertype(self, others: Sequence[Any]) -> Any:
        """The narrowest type that holds this and the others."""
        if any(type(self) is not type(other) for other in others):
            return None
        if len({spec.alias_id is None for spec in (self, *others)}) > 1:
            raise NotImplementedError(
                explain(
                    "VariableSpec.most_specific_common_supertype doesn't support alias_id=None, got self: "
                    f"{self} and others: {others}."
                )
            )
        return super().most_specific_common_supertype(others)

    def placeholder_value(self, placeholder_context: PlaceholderContext) -> Any:
        """The variable that stands for an argument of this type inside a trace."""
        if placeholder_context.unnest_only:
            return self
        return installed("variable_placeholder_for_spec")(self, placeholder_context)

    def to_tensors(self, value: Any) -> list[Any]:
        """The variable's handle."""
        installed("variable_accessed")(value)
        return [value.handle]

    def from_tensors(self, tensors: Iterator[Any]) -> Any:
        """The variable of the next handle."""
        return self._from_components([next(tensors)])

    def flatten(self) -> list[Any]:
        """The spec of the handle."""
        return list(self._component_specs)

    def cast(self, value: Any, cast_context: Any) -> Any:
        """The variable."""
        if not isinstance(value, self.value_type):
            raise AssertionError(f"Expected a variable for {self!r}, got {type(value)}.")
        return value

    @property
    def _component_specs(self) -> Any:
        return [TensorSpec([], dtypes.resource)]

    def _to_components(self, value: Any) -> Any:
        return [value.handle]

    def _from_components(self, components: Any) -> Any:
        if not isinstance(components, (list, tuple)):
            raise TypeError(
                explain(f"Components of a ResourceVariable must be a list or tuple, got f{components} instead.")
            )
        if len(components) != 1:
            raise ValueError(
                explain(
                    f"Components of a ResourceVariable must only contain its resource handle, got f{components} instead."
                )
            )
        handle = components[0]
        if not isinstance(handle, installed("Tensor")) or handle.dtype is not dtypes.resource:
            raise ValueError(
                explain(f"The handle of a ResourceVariable must be a resource tensor, got {handle} instead.")
            )
        return self.value_type(trainable=self.trainable, shape=self.shape, dtype=self.dtype, handle=handle)

    def _serialize(self) -> Any:
        return self.shape, self.dtype, self.trainable, self.alias_id

    def __eq__(self, other: object) -> Any:
        return type(self) is type(other) and isinstance(other, VariableSpec) and self._serialize() == other._serialize()

    def __hash__(self) -> int:
        return hash(self._serialize())

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype!r}, trainable={self.trainable!r}, "
            f"alias_id={self.alias_id!r})"
        )


register_type_spec_from_value_converter(np.ndarray, lambda array: TensorSpec(array.shape, array.dtype))
