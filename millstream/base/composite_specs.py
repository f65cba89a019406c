"""Specs of values made of several tensors: `tf.RaggedTensorSpec`, `tf.SparseTensorSpec`, `tf.IndexedSlicesSpec`.

Refuses ranks and types that do not fit. Values are made by the classes that execution installs under their names.
"""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, as_shape, dimension_at_index
from millstream.base.tensor_specs import TensorSpec
from millstream.base.trace_types import installed
from millstream.base.type_specs import BatchableTypeSpec, TypeSpec, register_type_spec, type_spec_from_value


@register_type_spec("tf.RaggedTensorSpec")
class RaggedTensorSpec(BatchableTypeSpec):
    """The type of a ragged tensor: its first `ragged_rank` axes after the outermost have rows of any length."""

    __slots__ = ("_dtype", "_flat_values_spec", "_ragged_rank", "_row_splits_dtype", "_shape")

    _shape: TensorShape
    _dtype: DType

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = dtypes.int64,
        flat_values_spec: Any = None,
    ) -> None:
        self._shape = as_shape(shape)
        self._row_splits_dtype = dtypes.as_dtype(row_splits_dtype)
        if flat_values_spec is not None:
            if dtype is None:
                dtype = flat_values_spec.dtype
            elif dtype != flat_values_spec.dtype:
                raise ValueError(explain("dtype must be the same as flat_values_spec.dtype"))
        elif dtype is None:
            raise ValueError(explain("At least one of dtype or flat_values_spec must be provided"))
        self._dtype = dtypes.as_dtype(dtype)
        self._flat_values_spec = flat_values_spec
        rank = self._shape.ndims
        if ragged_rank is None:
            if rank is None:
                raise ValueError(explain("Must specify ragged_rank or a shape with a known rank."))
            ragged_rank = rank - 1
        if not isinstance(ragged_rank, int):
            raise TypeError(explain(f"Argument `ragged_rank` must be an int. Received {ragged_rank}."))
        if rank is not None and ragged_rank >= rank:
            raise ValueError(explain(f"Argument `ragged_rank` ({ragged_rank}) must be less than rank ({rank})."))
        self._ragged_rank = ragged_rank

    @property
    def dtype(self) -> DType:
        """The element type of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape; ragged axes are None."""
        return self._shape

    @property
    def ragged_rank(self) -> int:
        """How many axes are ragged or stand before a ragged one."""
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> DType:
        """The element type of the row splits."""
        return self._row_splits_dtype

    @property
    def flat_values_spec(self) -> Any:
        """The spec of the values where they are no plain tensor."""
        return self._flat_values_spec

    @property
    def value_type(self) -> Any:
        """The class RaggedTensor; Tensor where no axis is ragged."""
        return installed("RaggedTensor" if self._ragged_rank > 0 else "Tensor")

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether the spec or value may be of this type."""
        if self._ragged_rank == 0:
            if self._flat_values_spec is None:
                tensor_spec = isinstance(spec_or_value, TensorSpec)
                if tensor_spec or isinstance(spec_or_value, installed("Tensor")):
                    return TensorSpec(self._shape, self._dtype).is_compatible_with(spec_or_value)
            elif not isinstance(spec_or_value, RaggedTensorSpec) and not isinstance(
                spec_or_value, installed("RaggedTensor")
            ):
                return bool(self._flat_values_spec.is_compatible_with(spec_or_value))
        return super().is_compatible_with(spec_or_value)

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """The spec of a ragged tensor."""
        flat_values_spec = None
        if not isinstance(value.flat_values, installed("Tensor")) and hasattr(value.flat_values, "_type_spec"):
            flat_values_spec = type_spec_from_value(value.flat_values)._unbatch()._batch(None)
        return cls(value.shape, value.values.dtype, value.ragged_rank, value.row_splits.dtype, flat_values_spec)

    def _serialize(self) -> Any:
        fields = (self._shape, self._dtype, self._ragged_rank, self._row_splits_dtype)
        return fields if self._flat_values_spec is None else (*fields, self._flat_values_spec)

    @property
    def _component_specs(self) -> Any:
        values = self._flat_values_spec
        if self._ragged_rank <= 0:
            return [TensorSpec(self._shape, self._dtype) if values is None else values]
        if values is None:
            inner = self._shape[self._ragged_rank + 1 :]
            values = TensorSpec(TensorShape([None]).concatenate(inner), self._dtype)
        outer = TensorSpec([dimension_at_index(self._shape, 0) + 1], self._row_splits_dtype)
        return [values, outer] + [TensorSpec([None], self._row_splits_dtype) for _ in range(self._ragged_rank - 1)]

    def _to_components(self, value: Any) -> Any:
        if isinstance(value, installed("RaggedTensor")) or hasattr(value, "nested_row_splits"):
            return [value.flat_values, *value.nested_row_splits]
        return [value]

    def _from_components(self, components: Any) -> Any:
        return self._with_known_shape(installed("ragged_from_components")(components))

    def _with_known_shape(self, value: Any) -> Any:
        if self._shape.ndims is not None:
            if isinstance(value, installed("RaggedTensor")):
                value._set_shape(self._shape)
            else:
                value.set_shape(self._shape)
        return value

    def _without_sizes_of_parts(self) -> Any:
        rank = self._shape.ndims
        if rank is None or self._flat_values_spec is not None:
            return self
        rows = self._shape.as_list()[1 : self._ragged_rank + 1]
        shape = TensorShape([None, *rows, *[None] * (rank - self._ragged_rank - 1)])
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank, self._row_splits_dtype)

    def _refuse_custom_values(self) -> None:
        if self._flat_values_spec is not None:
            raise ValueError(explain("Customized value_type is not supported."))

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [TensorSpec(None, dtypes.variant)]

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return self._encode(value, batched_input=False)

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return self._encode(value, batched_input=True)

    def _encode(self, value: Any, batched_input: bool) -> list[Any]:
        self._refuse_custom_values()
        if isinstance(value, installed("RaggedTensor")):
            if value.ragged_rank != self._ragged_rank:
                raise ValueError(
                    explain(
                        f"Ragged rank of value {value.ragged_rank} does not match ragged rank of type {self._ragged_rank}."
                    )
                )
        elif self._ragged_rank > 0:
            raise ValueError(
                explain(f"Expected a RaggedTensor if ragged rank={self._ragged_rank} but got {type(value).__name__}.")
            )
        return [installed("ragged_to_variant")(value, batched_input)]

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        self._refuse_custom_values()
        value = installed("RaggedTensor")._from_variant(
            tensor_list[0],
            dtype=self._dtype,
            row_splits_dtype=self._row_splits_dtype,
            output_ragged_rank=self._ragged_rank,
        )
        return self._with_known_shape(value)

    def _batch(self, batch_size: int | None) -> Any:
        self._refuse_custom_values()
        shape = TensorShape([batch_size]).concatenate(self._shape)
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank + 1, self._row_splits_dtype)

    def _unbatch(self) -> Any:
        self._refuse_custom_values()
        return RaggedTensorSpec(self._shape[1:], self._dtype, self._ragged_rank - 1, self._row_splits_dtype)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape

    def _to_legacy_output_classes(self) -> Any:
        return self


@register_type_spec("tf.SparseTensorSpec")
class SparseTensorSpec(BatchableTypeSpec):
    """The type of a sparse tensor."""

    __slots__ = ("_dtype", "_shape")

    _shape: TensorShape
    _dtype: DType

    def __init__(self, shape: Any = None, dtype: Any = dtypes.float32) -> None:
        self._shape = as_shape(shape)
        self._dtype = dtypes.as_dtype(dtype)

    @property
    def dtype(self) -> DType:
        """The element type of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of the dense tensor."""
        return self._shape

    @property
    def value_type(self) -> Any:
        """The class SparseTensor."""
        return installed("SparseTensor")

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """The spec of a sparse tensor or of version 1's SparseTensorValue."""
        if isinstance(value, installed("SparseTensor")):
            return cls(value.shape, value.dtype)
        if type(value).__name__ == "SparseTensorValue":
            return cls(value.dense_shape, value.values.dtype)
        raise TypeError(
            explain(f"Expected SparseTensor or SparseTensorValue. Received: {value} of type {type(value).__name__}.")
        )

    def _serialize(self) -> Any:
        return self._shape, self._dtype

    @property
    def _component_specs(self) -> Any:
        rank = self._shape.ndims
        return [
            TensorSpec([None, rank], dtypes.int64),
            TensorSpec([None], self._dtype),
            TensorSpec([rank], dtypes.int64),
        ]

    def _to_components(self, value: Any) -> Any:
        value = installed("SparseTensor").from_value(value)
        return [value.indices, value.values, value.dense_shape]

    def _from_components(self, components: Any) -> Any:
        made = installed("SparseTensor")(*components)
        made.set_shape(self._shape)
        return made

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [TensorSpec(None, dtypes.variant)]

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return [installed("serialize_sparse")(installed("SparseTensor").from_value(value))]

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        if self._shape.merge_with(value.shape).ndims == 0:
            raise ValueError(
                explain(f"Unbatching a sparse tensor is only supported for rank >= 1. Obtained input: {value}.")
            )
        return [installed("serialize_many_sparse")(value)]

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        return installed("deserialize_sparse")(tensor_list[0], self)

    def _batch(self, batch_size: int | None) -> Any:
        return SparseTensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> Any:
        if self._shape.ndims == 0:
            raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
        return SparseTensorSpec(self._shape[1:], self._dtype)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape


@register_type_spec("tf.IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """The type of `tf.IndexedSlices`: rows of a dense tensor and their numbers."""

    __slots__ = ("_dense_shape_dtype", "_indices_dtype", "_indices_shape", "_shape", "_values_dtype")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        indices_dtype: Any = dtypes.int64,
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ) -> None:
        self._shape = as_shape(shape)
        self._values_dtype = dtypes.as_dtype(dtype)
        self._indices_dtype = dtypes.as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else dtypes.as_dtype(dense_shape_dtype)
        self._indices_shape = as_shape(indices_shape).with_rank(1)

    @property
    def value_type(self) -> Any:
        """The class IndexedSlices."""
        return installed("IndexedSlices")

    def _serialize(self) -> Any:
        return self._shape, self._values_dtype, self._indices_dtype, self._dense_shape_dtype, self._indices_shape

    @property
    def _component_specs(self) -> Any:
        values = TensorSpec(self._indices_shape.concatenate(self._shape[1:]), self._values_dtype)
        specs = (values, TensorSpec(self._indices_shape, self._indices_dtype))
        if self._dense_shape_dtype is None:
            return specs
        return (*specs, TensorSpec([self._shape.ndims], self._dense_shape_dtype))

    def _to_components(self, value: Any) -> Any:
        parts = (value.values, value.indices)
        return parts if value.dense_shape is None else (*parts, value.dense_shape)

    def _from_components(self, components: Any) -> Any:
        return installed("IndexedSlices")(*components)
