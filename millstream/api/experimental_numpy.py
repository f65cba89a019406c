"""tf.experimental.numpy: element types as NumPy promotes them, and arrays made of anything. The functions stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api import experimental_numpy_promotion as promotion
from millstream.api.array import expand_dims
from millstream.api.math import cast
from millstream.api.public import public, publish
from millstream.api.tensors import constant
from millstream.base import nest
from millstream.base.dtypes import DType, as_dtype, float32
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import EagerTensor, Tensor, TensorType
from millstream.ops.registry import find

for _name, _item in {
    "pi": np.pi,
    "e": np.e,
    "inf": np.inf,
    "newaxis": None,
    "ndarray": Tensor,
    "bool_": np.bool_,
    "complex_": np.complex128,
    "complex128": np.complex128,
    "complex64": np.complex64,
    "float_": np.float64,
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "inexact": np.inexact,
    "int_": np.int64,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "int8": np.int8,
    "object_": np.object_,
    "string_": np.bytes_,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "uint8": np.uint8,
    "unicode_": np.str_,
}.items():
    publish(f"experimental.numpy.{_name}", _item)

for _name in ("iinfo", "issubdtype"):
    publish(f"experimental.numpy.{_name}", getattr(np, _name))


@public("experimental.numpy.finfo")
def finfo(dtype: Any) -> Any:
    """Return NumPy's limits of an element type of floats: `eps`, `max`, `tiny` …

    Raises ValueError for other types.

    >>> float(tf.experimental.numpy.finfo(tf.float32).eps)
    1.1920928955078125e-07
    """
    return np.finfo(dtype.as_numpy_dtype if isinstance(dtype, DType) else np.dtype(dtype))


FLOAT64 = as_dtype(np.float64)


class Preference:
    """Whether Python's floats become float32 rather than float64; set by `experimental_enable_numpy_behavior`."""

    float32 = False
    gives_way = False
    """Whether arrays of Python's numbers are of int32 and float32 and give way: the modes "safe" and "all"."""


def default_float() -> DType:
    """Return the floating type that whole numbers become: that of the modes "safe" and "all" is float32."""
    return float32 if Preference.gives_way else FLOAT64


_NARROW = {np.dtype(np.float64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.complex64)}


def preferred(dtype: Any) -> np.dtype[Any]:
    """Return an element type that Python's values decided: 32 bits wide where those are preferred."""
    wide = np.dtype(dtype)
    return _NARROW.get(wide, wide) if Preference.float32 else wide


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """Return what is given for an element type as NumPy's."""
    return np.dtype(as_dtype(dtype).as_numpy_dtype) if isinstance(dtype, DType) else np.dtype(dtype)


def _kind_of(value: Any) -> Any:
    """Return what decides the type of a result: an element type, or a Python number, which only says its kind."""
    if isinstance(value, (bool, int, float, complex)):
        if not isinstance(value, np.generic):
            return value
        if Preference.float32:
            return complex(value) if isinstance(value, complex) else float(value)
    if isinstance(value, (DType, np.dtype, type)):
        return numpy_dtype(value)
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return np.dtype(as_dtype(dtype).as_numpy_dtype)
    if isinstance(value, str):
        try:
            return np.dtype(value)
        except TypeError:
            return np.dtype(np.str_)
    return np.asarray(value).dtype


def common_type(*values: Any) -> DType:
    """Return the element type that NumPy gives a result of `values`: arrays, types, numbers, lists of those."""
    kinds = [_kind_of(v) for v in nest.flatten(list(values))]
    found = np.result_type(*kinds) if kinds else np.dtype(np.float64)
    weak = all(isinstance(k, (bool, int, float, complex)) for k in kinds)
    return as_dtype(preferred(found) if weak and kinds else found)


def array_of(value: Any, dtype: Any = None) -> Any:
    """Return `value` as a tensor: Python's numbers as wide as NumPy makes them, or all of `dtype`."""
    if dtype is not None:
        wanted = dtype if isinstance(dtype, DType) else as_dtype(numpy_dtype(dtype))
        return cast(array_of(value), wanted) if not _is_plain(value) else _constant(value, wanted)
    if isinstance(value, TensorType):
        return to_tensor(value)
    if isinstance(value, (np.ndarray, np.generic)) or not _is_plain(value):
        if isinstance(value, (list, tuple)):
            wanted = common_type(*value)
            return apply(find("Pack"), [cast(array_of(v), wanted) for v in value], axis=0)
        return to_tensor(value)
    return _constant(value, None)


def _is_plain(value: Any) -> bool:
    return not any(isinstance(v, TensorType) for v in nest.flatten(value))


def _constant(value: Any, wanted: DType | None) -> Any:
    if wanted is None:
        if value is None:
            raise ValueError(explain("Attempt to convert a value (None) with an unsupported type to a Tensor."))
        try:
            made = np.asarray(value)
        except ValueError:
            raise ValueError(explain("Can't convert non-rectangular Python sequence to Tensor.")) from None
        if made.dtype.kind in "US":
            return to_tensor(value)
        # Numbers of NumPy decide, those of Python only say their kind.
        typed = any(isinstance(v, np.generic) for v in nest.flatten(value))
        kind = common_type(*nest.flatten(value)).as_numpy_dtype if typed else preferred(made.dtype)
        return to_tensor(made if isinstance(value, np.ndarray) else made.astype(kind, copy=False))
    return to_tensor(np.asarray(value).astype(wanted.as_numpy_dtype)) if wanted.name != "string" else to_tensor(value)


def promoted(*values: Any) -> list[Any]:
    """Return the values as tensors of one element type."""
    wanted = common_type(*values)
    return [convert(v, wanted) for v in values]


def joined(*values: Any) -> list[Any]:
    """Return the values as tensors of one element type: by the table, in the modes "safe" and "all"."""
    if not Preference.gives_way:
        return promoted(*values)
    wanted = promotion.common_type(values)
    return [convert(v, wanted) for v in values]


def convert(value: Any, dtype: DType) -> Any:
    """Return a value as a tensor of an element type."""
    if isinstance(value, EagerTensor) and value.dtype is dtype:
        return value
    return cast(value, dtype) if isinstance(value, TensorType) else array_of(value, dtype)


def floating(value: Any) -> Any:
    """Return a tensor of a floating or complex type of NumPy's own; others become float64."""
    tensor = array_of(value)
    if np.issubdtype(np.dtype(tensor.dtype.as_numpy_dtype), np.inexact):
        return tensor
    return cast(tensor, default_float())


def promoted_floating(*values: Any) -> list[Any]:
    """Return the values as tensors of one floating or complex type."""
    return [floating(v) for v in promoted(*values)]


def known_rank(tensor: Any, what: str) -> int:
    """Return the number of axes; ValueError where that is not known while tracing."""
    rank = tensor.shape.rank
    if rank is None:
        raise ValueError(
            explain(f"tf.experimental.numpy.{what} needs a tensor of known rank; give it with tf.ensure_shape.")
        )
    return int(rank)


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    place = int(axis)
    if not -rank <= place < rank:
        raise ValueError(explain(f"axis {axis} is out of bounds for array of dimension {rank}"))
    return place % rank if rank else 0


def sizes_of(shape: Any) -> Any:
    """Return a shape, one number or several, as a vector."""
    if isinstance(shape, TensorType):
        return apply(find("Reshape"), cast(shape, as_dtype(np.int32)), [-1])
    sizes = list(shape) if isinstance(shape, (Sequence, np.ndarray)) or hasattr(shape, "as_list") else [shape]
    if any(isinstance(n, TensorType) for n in sizes):
        return apply(find("Pack"), [cast(n, as_dtype(np.int32)) for n in sizes], axis=0)
    return to_tensor(np.array([int(n) for n in sizes], np.int32))


@public("experimental.numpy.result_type")
def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the element type that NumPy gives a result of these arrays, numbers and types.

    >>> tf.experimental.numpy.result_type(tf.constant(1), 2.0)
    tf.float64
    """
    return common_type(*arrays_and_dtypes)


@public("experimental.numpy.promote_types")
def promote_types(type1: Any, type2: Any) -> Any:
    """Return the smallest element type that holds both.

    >>> tf.experimental.numpy.promote_types(tf.int8, tf.uint8)
    dtype('int16')
    """
    return np.promote_types(numpy_dtype(type1), numpy_dtype(type2))


@public("experimental.numpy.array")
def array(val: Any, dtype: Any = None, copy: bool = True, ndmin: int = 0) -> Any:
    """Return a tensor of what `val` holds, with at least `ndmin` axes.

    Args:
      val: numbers, nested lists, arrays or tensors.
      dtype: the element type; without it, NumPy's: int64, float64, complex128 for Python's numbers.
      copy: whether the tensor is another one.
      ndmin: the least number of axes; those missing are put in front.
    """
    if Preference.gives_way and dtype is None and isinstance(val, (int, float, complex)):
        tensor = constant(val)
    else:
        tensor = array_of(val, dtype)
    if copy and tensor is val:
        tensor = apply(find("Identity"), tensor)
    while ndmin > known_rank(tensor, "array"):
        tensor = expand_dims(tensor, 0)
    return tensor


@public("experimental.numpy.asarray")
def asarray(a: Any, dtype: Any = None) -> Any:
    """Return `a` as a tensor, the same where it is one of the element type asked for."""
    if isinstance(a, Tensor) and (dtype is None or a.dtype == as_dtype(numpy_dtype(dtype))):
        return a
    return array(a, dtype, copy=False)


@public("experimental.numpy.asanyarray")
def asanyarray(a: Any, dtype: Any = None) -> Any:
    """Return `a` as a tensor; see asarray."""
    return asarray(a, dtype)


@public("experimental.numpy.ascontiguousarray")
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """Return `a` as a tensor of at least one axis."""
    return array(a, dtype, ndmin=1)


@public("experimental.numpy.copy")
def copy(a: Any) -> Any:
    """Return another tensor of the same elements."""
    return array(a, copy=True)
