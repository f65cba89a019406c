"""Python values and arrays as NumPy arrays of TensorFlow's element types. Refuses what TensorFlow refuses, in its words.

Strings are object arrays of bytes. Values that are tensors, or lists with tensors in them, are left to execution.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, TypeAlias

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_MIXED: Final = "Can't convert Python sequence with mixed types to Tensor."
_RAGGED: Final = "Can't convert non-rectangular Python sequence to Tensor."
_TOO_LARGE: Final = "Can't convert Python sequence with out-of-range integer to Tensor."
_INFINITE: Final = "Can't convert Python sequence with a value out of range for a double-precision float."

# NumPy's kinds that each wanted type takes from Python values: bool, int, unsigned, float, complex.
_DIRECT: Final = {
    dtypes.float16: "biuf",
    dtypes.float32: "biuf",
    dtypes.float64: "biuf",
    dtypes.int32: "biu",
    dtypes.int64: "biu",
    dtypes.bool: "b",
    dtypes.complex128: "biufc",
}

# How TensorFlow's runtime calls types in errors.
_RUNTIME_NAMES: Final = {dtypes.float32: "float", dtypes.float64: "double", dtypes.float16: "half"}
_UNSUPPORTED_KINDS: Final = {"M": "NPY_DATETIME", "m": "NPY_TIMEDELTA", "f": "NPY_LONGDOUBLE", "c": "NPY_CLONGDOUBLE"}


def infer_dtype(value: Any) -> DType:
    """The element type of a Python value, list or array: ints are int32, or int64 where too large; floats float32."""
    return to_array(value)[1]


def to_array(value: Any, dtype: Any = None) -> tuple[Array, DType]:
    """The value as a NumPy array and its element type, which is `dtype` where that is given."""
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, (np.ndarray, np.generic)):
        return _from_array(np.asarray(value), wanted)
    if not isinstance(value, (list, tuple)) and hasattr(value, "__array__"):
        return _from_array(np.asarray(value), wanted)
    return _from_python(value, wanted)


def _from_array(array: Array, wanted: DType | None) -> tuple[Array, DType]:
    kind = array.dtype.kind
    if wanted is dtypes.string or (wanted is None and kind in "OUS"):
        return _as_bytes(array), dtypes.string
    if wanted is None:
        try:
            wanted = as_dtype(array.dtype)
        except TypeError:
            reason = f"type: {_UNSUPPORTED_KINDS[kind]}" if kind in _UNSUPPORTED_KINDS else "data type"
            raise ValueError(
                explain(f"Failed to convert a NumPy array to a Tensor (Unsupported numpy {reason}).")
            ) from None
    return np.ascontiguousarray(array.astype(wanted.stored, copy=False)).reshape(array.shape), wanted


def _as_bytes(array: Array) -> Array:
    result = np.empty(array.size, object)
    for position, element in enumerate(array.reshape(-1).tolist()):
        if not isinstance(element, (str, bytes)):
            name = type(element).__name__
            raise ValueError(explain(f"Failed to convert a NumPy array to a Tensor (Unsupported object type {name})."))
        result[position] = element.encode() if isinstance(element, str) else element
    return result.reshape(array.shape)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (str, bytes, dict, set, frozenset)):
        return False
    if getattr(value, "ndim", None) == 0:
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not hasattr(value, "keys")


def _first_leaf(value: Any) -> tuple[Any, bool]:
    """The first element at the bottom, and whether there is one."""
    while _is_sequence(value):
        if len(value) == 0:
            return None, False
        value = value[0]
    return value, True


def _from_python(value: Any, wanted: DType | None) -> tuple[Array, DType]:
    kind = value.__class__
    if kind is float and wanted is dtypes.float32 and -1e38 < value < 1e38:
        return np.array(value, np.float32), wanted
    if kind is int and wanted in (None, dtypes.int32) and -(2**31) <= value < 2**31:
        return np.array(value, np.int32), dtypes.int32
    if kind is bool and wanted in (None, dtypes.bool):
        return np.array(value), dtypes.bool
    leaf, exists = _first_leaf(value)
    if not exists:
        found = dtypes.float32 if wanted is None else wanted
        shape = _outer_shape(value)
        if found is dtypes.string or not found.is_numpy_compatible:
            return np.empty(shape, object), found
        return np.zeros(shape, found.stored), found
    if isinstance(leaf, (str, bytes)):
        text = _collect_text(value)
        if wanted not in (None, dtypes.string):
            _refuse(value, wanted)
        return text, dtypes.string
    if not isinstance(leaf, (bool, int, float, complex, np.number, np.bool_)) and not _is_array_leaf(leaf):
        raise ValueError(
            explain(f"Attempt to convert a value ({leaf!r}) with an unsupported type ({type(leaf)}) to a Tensor.")
        )
    raw = _raw_array(value, wanted)
    if wanted is not None and raw.dtype.kind in _DIRECT.get(wanted, ""):
        if wanted.is_integer and raw.dtype.kind == "u" and raw.size and int(raw.max()) >= 2**63:
            raise ValueError(explain(_TOO_LARGE))
        return _cast(raw, wanted), wanted
    if wanted is dtypes.uint64 and raw.dtype.kind in "iu":
        if raw.size and int(raw.min()) < 0:
            raise ValueError(explain(_TOO_LARGE))
        return raw.astype(np.uint64), wanted
    natural = _natural_type(leaf, raw)
    if wanted is None:
        if natural is dtypes.float32:
            _refuse_overflow(raw)
        return _cast(raw, natural), natural
    if not _is_castable(natural, wanted):
        _refuse(value, wanted)
    return _cast(raw, wanted), wanted


def _is_array_leaf(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.ndim == 0


def _cast(raw: Array, wanted: DType) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return raw.astype(wanted.stored)


def _refuse(value: Any, wanted: DType | None) -> NoReturn:
    assert wanted is not None
    raise TypeError(
        explain(f"Cannot convert {value!r} to EagerTensor of dtype {_RUNTIME_NAMES.get(wanted, wanted.name)}")
    )


def _refuse_overflow(raw: Array) -> None:
    if raw.dtype == np.float64 and raw.size:
        largest = np.max(np.abs(raw), initial=0.0, where=np.isfinite(raw))
        if largest > float(np.finfo(np.float32).max):
            raise ValueError(explain(_INFINITE))


def _outer_shape(value: Any) -> tuple[int, ...]:
    shape = []
    while _is_sequence(value):
        shape.append(len(value))
        if not shape[-1]:
            break
        value = value[0]
    return tuple(shape)


def _raw_array(value: Any, wanted: DType | None) -> Array:
    """All leaves in the type that NumPy finds. An error where they are no numbers, or no rectangle."""
    if not isinstance(value, (list, tuple, int, float, complex)):
        value = list(value) if _is_sequence(value) else value
    try:
        raw = np.array(value)
    except ValueError:
        raw = None
    if raw is not None and raw.dtype.kind in "biufc":
        return raw
    _refuse_irregular(value, _outer_shape(value), 0)
    # Only ints too large for NumPy's own types are left.
    if wanted is None or wanted.is_integer:
        leaves = np.array(value, object).reshape(-1)
        if not any(isinstance(leaf, (float, np.floating)) for leaf in leaves):
            raise ValueError(explain(_TOO_LARGE))
    return np.array(value, np.float64)


def _refuse_irregular(value: Any, shape: tuple[int, ...], depth: int) -> None:
    if depth == len(shape):
        if _is_sequence(value) or not isinstance(value, (bool, int, float, complex, np.number, np.bool_, np.ndarray)):
            raise ValueError(explain(_MIXED))
        return
    if not _is_sequence(value) or len(value) != shape[depth]:
        raise ValueError(explain(_RAGGED))
    for part in value:
        _refuse_irregular(part, shape, depth + 1)


def _natural_type(leaf: Any, raw: Array) -> DType:
    """The type that the first leaf asks for, widened by what the others need. An error where they do not go together."""
    kind = raw.dtype.kind
    if isinstance(leaf, np.ndarray):
        leaf = leaf[()]
    if isinstance(leaf, (bool, np.bool_)):
        if kind != "b":
            raise ValueError(explain(_MIXED))
        return dtypes.bool
    if isinstance(leaf, (complex, np.complexfloating)):
        return dtypes.complex128
    if kind == "c":
        raise ValueError(explain(_MIXED))
    if isinstance(leaf, (float, np.floating)):
        if isinstance(leaf, np.float64):
            return dtypes.float64
        return dtypes.float16 if isinstance(leaf, np.float16) else dtypes.float32
    if isinstance(leaf, (int, np.integer)):
        return _integer_type(raw)
    raise ValueError(
        explain(f"Attempt to convert a value ({leaf}) with an unsupported type ({type(leaf)}) to a Tensor.")
    )


def _integer_type(raw: Array) -> DType:
    if raw.dtype.kind == "f":
        return dtypes.float32
    if raw.size and int(raw.max()) >= 2**63:
        raise ValueError(explain(_TOO_LARGE))
    fits = not raw.size or (int(raw.min()) >= -(2**31) and int(raw.max()) < 2**31)
    return dtypes.int32 if fits else dtypes.int64


def _is_castable(natural: DType, wanted: DType) -> bool:
    """Whether TensorFlow's eager conversion casts a Python value of the first type to the second."""
    if natural is wanted:
        return True
    if wanted.is_integer or wanted.is_quantized:
        return natural.is_integer
    if wanted.is_floating:
        return natural.is_floating or natural.is_integer
    return wanted.is_complex and (natural.is_complex or natural.is_floating or natural.is_integer)


def _collect_text(value: Any) -> Array:
    shape = _outer_shape(value)
    leaves: list[bytes] = []

    def collect(part: Any, depth: int) -> None:
        if depth == len(shape):
            if not isinstance(part, (str, bytes)):
                raise ValueError(explain(_MIXED))
            leaves.append(part.encode() if isinstance(part, str) else part)
            return
        if not _is_sequence(part) or len(part) != shape[depth]:
            raise ValueError(explain(_RAGGED))
        for one in part:
            collect(one, depth + 1)

    collect(value, 0)
    result = np.empty(len(leaves), object)
    result[:] = leaves
    return result.reshape(shape)
