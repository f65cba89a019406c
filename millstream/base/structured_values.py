"""Nested Python values as StructuredValue messages and back: specs, shapes, numbers, texts. Refuses other objects."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np

from millstream.base import errors, nest, tensor_proto
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import BoundedTensorSpec, TensorSpec
from millstream.base.trace_types import install, installed
from millstream.base.type_specs import TypeSpec, get_type_spec_name, lookup_type_spec

_KNOWN = {
    "SparseTensorSpec": 1, "IndexedSlicesSpec": 2, "RaggedTensorSpec": 3, "TensorArraySpec": 4, "DatasetSpec": 5,
    "IteratorSpec": 6, "OptionalSpec": 7, "PerReplicaSpec": 8, "VariableSpec": 9, "RowPartitionSpec": 10,
}  # fmt: skip
_NAMES = {number: name for name, number in _KNOWN.items()}
_REGISTERED, _EXTENSION = 12, 13


def encode(value: Any) -> Any:
    """Return a StructuredValue of a nested value.

    Raises:
      TypeError: there is an object in it that has no such form.

    >>> encode({"a": [1, None]}).dict_value.fields["a"].list_value.values[0].int64_value
    1
    """
    made = message("StructuredValue")()
    _encode(value, made)
    return made


def _encode(value: Any, made: Any) -> None:
    if value is None:
        made.none_value.SetInParent()
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, DType):
        made.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        made.numpy_value.CopyFrom(tensor_proto.to_proto(array, as_dtype(array.dtype), array.shape))
    elif isinstance(value, int):
        made.int64_value = value
    elif isinstance(value, float):
        made.float64_value = value
    elif isinstance(value, TensorShape):
        _shape(made.tensor_shape_value, value)
    elif isinstance(value, BoundedTensorSpec):
        _spec(made.bounded_tensor_spec_value, value)
        for name in ("minimum", "maximum"):
            bound = np.asarray(getattr(value, name))
            getattr(made.bounded_tensor_spec_value, name).CopyFrom(
                tensor_proto.to_proto(bound, as_dtype(bound.dtype), bound.shape)
            )
    elif isinstance(value, TensorSpec):
        _spec(made.tensor_spec_value, value)
    elif isinstance(value, TypeSpec):
        _type_spec(made.type_spec_value, value)
    else:
        _collection(value, made)


def _collection(value: Any, made: Any) -> None:
    if isinstance(value, Mapping):
        made.dict_value.SetInParent()
        for key, part in value.items():
            if not isinstance(key, str):
                raise TypeError(explain(f"A dictionary in a file has texts as keys, not {key!r}."))
            _encode(part, made.dict_value.fields[key])
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        made.named_tuple_value.name = type(value).__name__
        for key, part in zip(value._fields, value, strict=True):
            pair = made.named_tuple_value.values.add(key=key)
            _encode(part, pair.value)
    elif isinstance(value, (list, tuple)):
        target = made.list_value if isinstance(value, list) else made.tuple_value
        target.SetInParent()
        for part in value:
            _encode(part, target.values.add())
    elif isinstance(value, installed("Tensor")) and hasattr(value, "numpy"):
        array = np.asarray(value.numpy())
        made.tensor_value.CopyFrom(tensor_proto.to_proto(array, value.dtype, array.shape))
    else:
        raise TypeError(explain(f"{value!r} of type {type(value).__name__} has no form in a file."))


def _shape(made: Any, shape: TensorShape) -> None:
    made.SetInParent()
    if shape.rank is None:
        made.unknown_rank = True
    else:
        for size in shape.as_list():
            made.dim.add(size=-1 if size is None else size)


def _spec(made: Any, spec: TensorSpec) -> None:
    if spec.name:
        made.name = spec.name
    _shape(made.shape, spec.shape)
    made.dtype = spec.dtype.as_datatype_enum


def _type_spec(made: Any, spec: TypeSpec) -> None:
    number = _KNOWN.get(type(spec).__name__)
    name = type(spec).__name__
    if number is None:
        number = _EXTENSION if hasattr(spec, "_tf_extension_type_fields") else _REGISTERED
        name = get_type_spec_name(type(spec))
    made.type_spec_class = number
    made.type_spec_class_name = name
    _encode(spec._serialize(), made.type_state)
    made.num_flat_components = len(nest.flatten(spec._component_specs, expand_composites=True))


def decode(proto: Any) -> Any:
    """Return the nested value of a StructuredValue.

    Raises:
      ValueError: it names a kind of spec that is not known here.
    """
    kind = proto.WhichOneof("kind")
    if kind in (None, "none_value"):
        return None
    value: Any = getattr(proto, kind)
    if kind in ("list_value", "tuple_value"):
        parts = [decode(v) for v in value.values]
        return parts if kind == "list_value" else tuple(parts)
    if kind == "dict_value":
        return {k: decode(value.fields[k]) for k in sorted(value.fields)}
    if kind == "named_tuple_value":
        parts = [decode(v.value) for v in value.values]
        try:
            return collections.namedtuple(value.name, [v.key for v in value.values])(*parts)  # type: ignore[misc]
        except ValueError as error:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"The file is damaged: the named tuple {value.name!r} in it cannot be ({error}). Save it anew.",
            ) from None
    if kind == "tensor_shape_value":
        return shape_of(value)
    if kind == "tensor_dtype_value":
        return as_dtype(value)
    if kind == "tensor_spec_value":
        return TensorSpec(shape_of(value.shape), as_dtype(value.dtype), value.name or None)
    if kind == "bounded_tensor_spec_value":
        low, high = (tensor_proto.of_proto(b)[0] for b in (value.minimum, value.maximum))
        return BoundedTensorSpec(shape_of(value.shape), as_dtype(value.dtype), low, high, value.name or None)
    if kind == "type_spec_value":
        return type_spec_of(value)
    if kind in ("tensor_value", "numpy_value"):
        return tensor_proto.of_proto(value)[0]
    return value


def shape_of(proto: Any) -> TensorShape:
    """Return the shape of a TensorShapeProto."""
    return TensorShape(None if proto.unknown_rank else [None if d.size < 0 else d.size for d in proto.dim])


def type_spec_of(proto: Any) -> TypeSpec:
    """Return the spec of a TypeSpecProto."""
    name = _NAMES.get(proto.type_spec_class)
    if name is not None:
        kind = _class_of(name)
    elif proto.type_spec_class in (_REGISTERED, _EXTENSION):
        kind = lookup_type_spec(proto.type_spec_class_name)
    else:
        raise ValueError(explain(f"The file has a spec of the unknown kind {proto.type_spec_class_name!r}."))
    return kind._deserialize(decode(proto.type_state))


def _class_of(name: str) -> Any:
    known = [TypeSpec]
    while known:
        kind = known.pop()
        if kind.__name__ == name:
            return kind
        known += kind.__subclasses__()
    raise ValueError(explain(f"The file has a {name}, which is not supported here."))


def _as_type_spec_message(spec: TypeSpec) -> Any:
    made = message("TypeSpecProto")()
    _type_spec(made, spec)
    return made


install("decode_type_spec", type_spec_of)
install("encode_type_spec", _as_type_spec_message)
