"""Arrays as TensorProto messages and back: numbers as raw bytes, strings one by one; the repeated fields are read too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.messages import message

FIELDS = {
    "float32": "float_val", "float64": "double_val", "int64": "int64_val", "uint32": "uint32_val", "uint64": "uint64_val",
    "bool": "bool_val", "complex64": "scomplex_val", "complex128": "dcomplex_val", "float16": "half_val",
    "bfloat16": "half_val", "int32": "int_val", "int16": "int_val", "int8": "int_val", "uint16": "int_val",
    "uint8": "int_val", "qint8": "int_val", "quint8": "int_val", "qint16": "int_val", "quint16": "int_val",
    "qint32": "int_val",
}  # fmt: skip

_MOST_FILLED_BYTES = 1 << 28
"""A few bytes of a file make no tensor larger than this."""


def to_proto(values: Any, dtype: DType, shape: Sequence[int]) -> Any:
    """Return a TensorProto of an array, or of a sequence of bytes for strings."""
    made = message("TensorProto")(dtype=dtype.as_datatype_enum)
    made.tensor_shape.SetInParent()
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    if dtype is dtypes.string:
        made.string_val.extend(values)
    elif math.prod(shape):
        made.tensor_content = np.ascontiguousarray(values).tobytes()
    return made


def of_proto(proto: Any) -> tuple[Any, DType]:
    """Return the array (of bytes objects for strings) and the element type of a TensorProto.

    Raises:
      tf.errors.InvalidArgumentError: the element type, the shape and the content do not go together.
    """
    try:
        dtype = as_dtype(proto.dtype)
    except TypeError:
        raise _refused(f"the element type {proto.dtype} is unknown") from None
    shape = tuple(d.size for d in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(s < 0 for s in shape):
        raise _refused(f"its shape {shape} is not fully known")
    count = math.prod(shape)
    if dtype is dtypes.string:
        return _filled(list(proto.string_val), count, object, b"").reshape(shape), dtype
    kind = np.dtype(dtype.as_numpy_dtype)
    if kind.hasobject:
        raise _refused(f"elements of {dtype.name} cannot be read from bytes")
    if proto.tensor_content:
        if len(proto.tensor_content) != count * kind.itemsize:
            raise _refused(f"{len(proto.tensor_content)} bytes for {count} elements of {dtype.name}")
        return np.frombuffer(proto.tensor_content, kind).reshape(shape).copy(), dtype
    if dtype.name not in FIELDS:
        if dtype.size == 1:
            return _filled(list(proto.float8_val), count, np.uint8, 0).view(kind).reshape(shape), dtype
        raise _refused(f"elements of {dtype.name} stand in no field")
    given: Any = getattr(proto, FIELDS[dtype.name])
    if dtype.name in ("float16", "bfloat16"):
        return _filled([v & 0xFFFF for v in given], count, np.uint16, 0).view(kind).reshape(shape), dtype
    if dtype.is_complex:
        given = [complex(*given[i : i + 2]) for i in range(0, len(given) - 1, 2)]
    return _filled(list(given), count, kind, 0).reshape(shape), dtype


def _filled(given: list[Any], count: int, kind: Any, zero: Any) -> Any:
    """Return `count` elements: those given, and the last of them for what is missing."""
    if count > len(given) and count * np.dtype(kind).itemsize > _MOST_FILLED_BYTES:
        raise _refused(f"{len(given)} elements are to fill {count}, which is more than {_MOST_FILLED_BYTES} bytes")
    array = np.empty(count, kind)
    array[: len(given)] = np.array(given[:count], object) if kind is object else np.asarray(given[:count]).astype(kind)
    array[len(given) :] = given[-1] if given else zero
    return array


def _refused(reason: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(None, None, f"Cannot parse tensor from proto: {reason}.")
