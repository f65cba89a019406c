"""tf.TensorArraySpec: the type of a TensorArray, by which traces tell arrays apart. Its one tensor is the list value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.shapes import as_shape
from millstream.base.tensor_specs import TensorSpec
from millstream.base.trace_types import install
from millstream.base.type_specs import TypeSpec, register_type_spec, register_type_spec_from_value_converter
from millstream.execution.tensor_array import TensorArray


@register_type_spec("tf.TensorArraySpec")
class TensorArraySpec(TypeSpec):
    """The type of a `tf.TensorArray`.

    Args:
      element_shape: the shape of the elements, None where it is not known.
      dtype: their element type.
      dynamic_size: whether writing behind the end makes the array longer.
      infer_shape: whether the first element says the shape of the others.

    >>> tf.TensorArraySpec([2], tf.float32)
    TensorArraySpec(TensorShape([2]), tf.float32, False, True)
    """

    __slots__ = ("_dtype", "_dynamic_size", "_element_shape", "_infer_shape")

    def __init__(
        self,
        element_shape: Any = None,
        dtype: Any = dtypes.float32,
        dynamic_size: bool = False,
        infer_shape: bool = True,
    ) -> None:
        self._element_shape = as_shape(element_shape)
        self._dtype = as_dtype(dtype)
        self._dynamic_size = dynamic_size
        self._infer_shape = infer_shape

    @property
    def value_type(self) -> Any:
        """The class TensorArray."""
        return TensorArray

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    def is_subtype_of(self, other: Any) -> bool:
        """Whether every array of this type is of the type `other`: only shapes may differ."""
        return isinstance(other, TensorArraySpec) and self._key_without_shape() == other._key_without_shape()

    def most_specific_common_supertype(self, others: Sequence[Any]) -> Any:
        """The type itself where all others differ in shape only; None where not."""
        return self if all(self.is_subtype_of(other) for other in others) else None

    def _key_without_shape(self) -> Any:
        return self._dtype, self._dynamic_size

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether the spec or array may be of this type."""
        other = spec_or_value if isinstance(spec_or_value, TypeSpec) else TensorArraySpec.from_value(spec_or_value)
        return (
            isinstance(other, TensorArraySpec)
            and self._dtype.is_compatible_with(other._dtype)
            and self._element_shape.is_compatible_with(other._element_shape)
            and self._dynamic_size == other._dynamic_size
        )

    @classmethod
    def from_value(cls, value: Any) -> TensorArraySpec:
        """The spec of an array."""
        return cls(value.element_shape, value.dtype, value.dynamic_size, value._infer_shape)

    def _serialize(self) -> Any:
        return self._element_shape, self._dtype, self._dynamic_size, self._infer_shape

    @property
    def _component_specs(self) -> Any:
        return [TensorSpec([], dtypes.variant)]

    def _to_components(self, value: Any) -> Any:
        return [value.traced_flow()]

    def _from_components(self, components: Any) -> Any:
        return TensorArray(
            self._dtype,
            dynamic_size=self._dynamic_size,
            infer_shape=self._infer_shape,
            element_shape=self._element_shape,
            flow=components[0],
        )


register_type_spec_from_value_converter(TensorArray, TensorArraySpec.from_value)
install("TensorArraySpec", TensorArraySpec)
