"""Convert Python values, arrays and objects that stand for tensors to tensors, by TensorFlow's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.composite import CompositeArgument, CompositeTensor
from millstream.base.conversion import to_array
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.tensor import EagerTensor, Tensor, TensorType, eager_from_array
from millstream.ops.registry import find

_registry: list[tuple[int, Any, Callable[..., Any]]] = []
"""What `tf.register_tensor_conversion_function` was given, in the order in which it is asked."""

applying: list[Callable[..., Any]] = []
"""`dispatch.apply`, which puts itself here: it stands above, and lists with tensors in them need it."""

_PLAIN = frozenset((int, float, bool, complex, str, bytes, np.float32, np.float64, np.int32, np.int64, np.bool_))


def register_conversion(base_type: Any, function: Callable[..., Any], priority: int = 100) -> None:
    """Convert objects of `base_type` (a class or tuple of classes) with `function(value, dtype, name, as_ref)`."""
    bases = base_type if isinstance(base_type, tuple) else (base_type,)
    if not bases or not all(isinstance(base, type) for base in bases):
        raise TypeError(explain(f"Argument `base_type` must be a type or a tuple of types. Obtained: {base_type}"))
    if not callable(function):
        raise TypeError(explain(f"Argument `conversion_func` must be callable. Received {function}."))
    if any(issubclass(base, (*_PLAIN, np.ndarray, np.generic)) for base in bases):
        raise TypeError(explain("Cannot register conversions for Python numeric types and NumPy scalars and arrays."))
    _registry.append((priority, bases, function))
    _registry.sort(key=lambda entry: entry[0])


def to_tensor(value: Any, dtype: Any = None, preferred: DType | None = None, name: str | None = None) -> Any:
    """Return `value` as a tensor: of `dtype` where given, else of its own, else of `preferred` if it fits."""
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype is not wanted and not wanted.is_compatible_with(value.dtype):
            raise ValueError(
                explain(
                    f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: {value!r}"
                )
            )
        return value
    if value.__class__ not in _PLAIN:
        found = _converted(value, wanted, preferred, name)
        if found is not None:
            return found
    if wanted is None and preferred is not None:
        try:
            return constant_of(value, preferred)
        except (TypeError, ValueError, OverflowError):
            pass
    return constant_of(value, wanted)


def _converted(value: Any, wanted: DType | None, preferred: DType | None, name: str | None) -> Any:
    """Ask what knows how to make a tensor of itself; None where nothing does."""
    convert = getattr(value, "__tf_tensor__", None)
    if convert is not None and not isinstance(value, type):
        return convert(wanted, name)
    for _, bases, function in _registry:
        if isinstance(value, bases):
            found = NotImplemented
            if wanted is None and preferred is not None:
                try:
                    found = function(value, dtype=preferred, name=name, as_ref=False)
                except (TypeError, ValueError):
                    found = NotImplemented
            if found is NotImplemented:
                found = function(value, dtype=wanted, name=name, as_ref=False)
            if found is not NotImplemented:
                return found
    if isinstance(value, (list, tuple)):
        inner = _tensor_dtype(value)
        if inner is not None:
            return _pack(value, inner, wanted)
    elif isinstance(value, TensorShape):
        return _shape_tensor(value, wanted)
    elif isinstance(value, CompositeTensor):
        raise CompositeArgument(value)
    return None


def _shape_tensor(shape: TensorShape, wanted: DType | None) -> EagerTensor:
    if not shape.is_fully_defined():
        raise ValueError(explain(f"Cannot convert a partially known TensorShape {shape} to a Tensor."))
    sizes = shape.as_list()
    if wanted is None:
        wanted = dtypes.int64 if any(n is not None and n > 2**31 - 1 for n in sizes) else dtypes.int32
    if wanted not in (dtypes.int32, dtypes.int64):
        raise TypeError(explain(f"Cannot convert TensorShape to dtype {wanted.name}: choose tf.int32 or tf.int64."))
    return constant_of(np.asarray(sizes, wanted.as_numpy_dtype), wanted)


def _tensor_dtype(value: Any) -> DType | None:
    """Return the element type of the first tensor inside nested lists; None where there is none."""
    kinds = set(map(type, value))
    if kinds <= _PLAIN:
        return None
    for item in value:
        if item.__class__ in _PLAIN:
            continue
        if isinstance(item, TensorType):
            dtype = item.dtype  # type: ignore[attr-defined]
            return dtype if isinstance(dtype, DType) else as_dtype(dtype)
        if isinstance(item, (list, tuple)):
            found = _tensor_dtype(item)
            if found is not None:
                return found
        elif isinstance(item, CompositeTensor):
            raise CompositeArgument(item)
    return None


def _pack(value: Any, inner: DType, wanted: DType | None) -> Any:
    """Stack a list with tensors in it; numbers beside them take their element type."""
    (apply,) = applying
    dtype = inner if wanted is None else wanted
    parts = []
    for item in value:
        if isinstance(item, (list, tuple)):
            parts.append(_pack(item, dtype, dtype) if _tensor_dtype(item) is not None else constant_of(item, dtype))
        elif isinstance(item, TensorType):
            tensor = to_tensor(item)
            if wanted is not None and tensor.dtype is not wanted:
                tensor = apply(find("Cast"), tensor, DstT=wanted)
            parts.append(tensor)
        else:
            parts.append(to_tensor(item, dtype))
    return apply(find("Pack"), parts, axis=0)


def constant_of(value: Any, wanted: DType | None) -> EagerTensor:
    """Return a Python value or array as an eager tensor."""
    kind = value.__class__
    if kind is float:
        if wanted is None:
            if -3.4e38 < value < 3.4e38:
                return runtime.scalar(value, 1)  # type: ignore[no-any-return]
        elif wanted is dtypes.float32 or wanted is dtypes.float64:
            return runtime.scalar(value, wanted.as_datatype_enum)  # type: ignore[no-any-return]
    elif kind is int and -(2**31) <= value < 2**31:
        if wanted is None:
            return runtime.scalar(value, 3)  # type: ignore[no-any-return]
        if wanted in _INT_SCALARS:
            return runtime.scalar(value, wanted.as_datatype_enum)  # type: ignore[no-any-return]
    elif kind is list or kind is tuple:
        found = _uniform_list(value, wanted)
        if found is not None:
            return found
    array, dtype = to_array(value, wanted)
    return eager_from_array(array, dtype)


def _uniform_list(value: Any, wanted: DType | None) -> EagerTensor | None:
    """Return a list of floats alone, or of ints alone, as a tensor, if that is easy; None where TensorFlow's rules are to decide."""
    kind = _leaf_kind(value)
    if kind is None:
        return None
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    if kind is float and (wanted is None or wanted is dtypes.float32 or wanted is dtypes.float64):
        if wanted is dtypes.float64:
            return eager_from_array(array, wanted)
        if np.abs(array).max() < 3.4e38:
            return eager_from_array(array.astype(np.float32), dtypes.float32)
    elif kind is int and array.dtype == np.int64:
        if wanted in _INT_SCALARS and wanted is not dtypes.int32:
            return eager_from_array(array.astype(wanted.as_numpy_dtype), wanted)  # type: ignore[union-attr]
        if (wanted is None or wanted is dtypes.int32) and array.min() >= -(2**31) and array.max() < 2**31:
            return eager_from_array(array.astype(np.int32), dtypes.int32)
    return None


def _leaf_kind(value: Any) -> Any:
    """Return float or int where all leaves of nested lists are that; None otherwise."""
    kinds = set(map(type, value))
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind is float or kind is int:
        return kind
    if kind is list or kind is tuple:
        inner = {_leaf_kind(row) for row in value}
        return inner.pop() if len(inner) == 1 else None
    return None


_INT_SCALARS = frozenset((dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64))


def infer_dtype(value: Any) -> DType:
    """Return the element type that TensorFlow gives a Python value or array."""
    return to_array(value)[1]
