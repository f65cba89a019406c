"""Element types, shapes, specs and error classes under their public names."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.base import dtypes, errors, shapes, specs
from millstream.execution.tensor_array_spec import TensorArraySpec

for _name, _dtype in vars(dtypes).items():
    if isinstance(_dtype, dtypes.DType) and not _name.startswith("_"):
        if _name.startswith(("float8", "int2", "uint2", "int4", "uint4", "float4")):
            publish(f"dtypes.experimental.{_name}", _dtype)
            publish(f"experimental.{_name}", _dtype)
        else:
            publish(_name, _dtype)
            publish(f"dtypes.{_name}", _dtype)

_quantized = [d for d in vars(dtypes).values() if isinstance(d, dtypes.DType) and d.is_quantized]
publish("dtypes.QUANTIZED_DTYPES", frozenset(_quantized + [d._as_ref for d in _quantized]))
publish("DType", dtypes.DType)
publish("dtypes.DType", dtypes.DType)
publish("as_dtype", dtypes.as_dtype)
publish("dtypes.as_dtype", dtypes.as_dtype)
publish("TensorShape", shapes.TensorShape)
publish("compat.v1.TensorShape", shapes.TensorShape)
publish("compat.v1.Dimension", shapes.Dimension)
publish("newaxis", None)
publish("TensorArraySpec", TensorArraySpec)

for _name in (
    "TensorSpec",
    "TypeSpec",
    "IndexedSlicesSpec",
    "RaggedTensorSpec",
    "SparseTensorSpec",
    "type_spec_from_value",
):
    publish(_name, getattr(specs, _name))

for _name, _class in vars(errors).items():
    if isinstance(_class, type) and issubclass(_class, errors.OpError):
        publish(f"errors.{_name}", _class)
for _name in ("InaccessibleTensorError", "OperatorNotAllowedInGraphError"):
    publish(f"errors.{_name}", getattr(errors, _name))
for _name, _code in vars(errors).items():
    if _name.isupper() and isinstance(_code, int):
        publish(f"errors.{_name}", _code)
