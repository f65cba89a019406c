"""All public type specs in one place."""

from millstream.base.composite_specs import IndexedSlicesSpec, RaggedTensorSpec, SparseTensorSpec
from millstream.base.tensor_specs import BoundedTensorSpec, DenseSpec, TensorSpec, VariableSpec
from millstream.base.type_specs import (
    BatchableTypeSpec,
    LegacyTypeSpecBatchEncoder,
    TypeSpec,
    TypeSpecBatchEncoder,
    get_type_spec_name,
    lookup_type_spec,
    register_type_spec,
    register_type_spec_from_value_converter,
    type_spec_from_value,
)

__all__ = [
    "BatchableTypeSpec",
    "BoundedTensorSpec",
    "DenseSpec",
    "IndexedSlicesSpec",
    "LegacyTypeSpecBatchEncoder",
    "RaggedTensorSpec",
    "SparseTensorSpec",
    "TensorSpec",
    "TypeSpec",
    "TypeSpecBatchEncoder",
    "VariableSpec",
    "get_type_spec_name",
    "lookup_type_spec",
    "register_type_spec",
    "register_type_spec_from_value_converter",
    "type_spec_from_value",
]
