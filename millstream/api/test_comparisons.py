"""The comparisons of tf.test.TestCase: arrays, tensors and nested structures of them, with what differs in the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.tensor import TensorType

_Array: TypeAlias = Any
_SHOWN = 10
"""How many places that differ are listed."""


def array_of(value: Any) -> _Array:
    """Return what a tensor, variable or Python value holds as an array."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "_type_spec") and hasattr(value, "dense_shape") and not isinstance(value, TensorType):
        raise TypeError(f"{type(value).__name__} is compared by its parts: give them, or its dense form.")
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy())
    if isinstance(value, (list, tuple)):
        return np.array([array_of(v) if hasattr(v, "numpy") else v for v in value])
    return np.array(value)


def ragged(*values: Any) -> bool:
    """Return whether one of these is ragged."""
    return any(isinstance(v, RaggedStructure) for v in values)


def rows_of(value: Any) -> Any:
    """Return a ragged value as nested lists."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return value.to_list() if hasattr(value, "to_list") else array_of(value).tolist()


def check_shapes(case: Any, a: _Array, b: _Array, message: str) -> None:
    """Fail where two arrays are of different shapes; small ones are shown."""
    if a.shape == b.shape:
        return
    shown = f" with contents {b!r}" if b.ndim <= 3 or b.size < 500 else ""
    case.assertEqual(a.shape, b.shape, f"Shape mismatch: expected {a.shape}, got {b.shape}{shown}. {message}")


def check_close(case: Any, a: Any, b: Any, rtol: Any, atol: Any, message: str) -> None:
    """Fail where two arrays differ by more than atol + rtol * abs(b) anywhere."""
    x, y = array_of(a), array_of(b)
    check_shapes(case, x, y, message)
    kind = x.dtype
    x, y = (v.astype(np.float32) if _is_small(v.dtype) else v for v in (x, y))
    if np.allclose(x, y, rtol=rtol, atol=atol):
        return
    with np.errstate(invalid="ignore"):
        far = (np.abs(x - y) > atol + rtol * np.abs(y)) | (np.isnan(x) != np.isnan(y))
    left, right = (x[far], y[far]) if x.ndim else (x, y)
    lines = [
        message,
        f"not close where = {np.nonzero(far)}" if x.ndim else "",
        f"not close lhs = {left}",
        f"not close rhs = {right}",
        f"not close dif = {np.abs(left - right)}",
        f"not close tol = {atol + rtol * np.abs(right)}",
        f"dtype = {kind}, shape = {x.shape}",
    ]
    np.testing.assert_allclose(x, y, rtol=rtol, atol=atol, err_msg="\n".join(filter(None, lines)), equal_nan=True)


def _is_small(kind: Any) -> bool:
    name = str(kind)
    return name == "bfloat16" or name.startswith("float8")


def check_close_structures(
    case: Any, a: Any, b: Any, rtol: Any, atol: Any, message: str | None, path: str = ""
) -> None:
    """Fail where two nested structures differ in form, or their arrays by more than the tolerance."""
    text = message or ""
    if ragged(a, b):
        check_close_structures(case, rows_of(a), rows_of(b), rtol, atol, message, path)
        return
    a, b = (v._asdict() if hasattr(v, "_asdict") else v for v in (a, b))
    where = f"Mismatched value: a{path} is different from b{path}. {text}"
    if isinstance(a, Mapping) != isinstance(b, Mapping):
        raise ValueError(f"Can't compare dict to non-dict, a{path} vs b{path}. {text}")
    if isinstance(a, Mapping):
        case.assertCountEqual(
            a.keys(), b.keys(), f"mismatched keys: a{path} has keys {a.keys()}, but b{path} has keys {b.keys()}. {text}"
        )
        for key in a:
            check_close_structures(case, a[key], b[key], rtol, atol, message, f"{path}[{key}]")
    elif isinstance(a, (list, tuple)):
        try:
            arrays = array_of(a), array_of(b)
            comparable = all(v.dtype != object for v in arrays)
        except (ValueError, TypeError):
            comparable = False
        if comparable:
            check_close(case, *arrays, rtol, atol, where)
            return
        if len(a) != len(b):
            raise ValueError(f"Mismatched length: a{path} has {len(a)} items, but b{path} has {len(b)} items. {text}")
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            check_close_structures(case, one, other, rtol, atol, message, f"{path}[{i}]")
    else:
        try:
            check_close(case, a, b, rtol, atol, where)
        except TypeError as error:
            raise TypeError(f"{error} : Error: a{path} has {type(a)}, but b{path} has {type(b)}. {text}") from None


def check_equal(case: Any, a: Any, b: Any, message: str | None) -> None:
    """Fail where two arrays differ anywhere; NaN equals NaN."""
    if ragged(a, b):
        case.assertEqual(rows_of(a), rows_of(b), message)
        return
    x, y = array_of(a), array_of(b)
    check_shapes(case, x, y, message or "")
    if {x.dtype.kind, y.dtype.kind} <= {"U", "S", "O"}:
        x, y = (_as_bytes(v) for v in (x, y))
    same = x == y
    if x.dtype.kind == "f" or as_dtype(x.dtype).is_floating:
        same = same | (np.isnan(x) & np.isnan(y))
    if np.all(same):
        return
    different = np.logical_not(same)
    left, right = (x[different], y[different]) if x.ndim else (x, y)
    lines = [message or "", f"not equal where = {np.nonzero(different)}" if x.ndim else ""]
    lines += [f"not equal lhs = {left!r}", f"not equal rhs = {right!r}"]
    np.testing.assert_array_equal(x, y, err_msg="\n".join(filter(None, lines)))
    raise AssertionError("\n".join(filter(None, lines)))


def _as_bytes(array: _Array) -> _Array:
    flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
    made = np.empty(len(flat), object)
    made[:] = flat
    return made.reshape(array.shape)


def check_range(target: Any, low: Any, high: Any, open_low: bool, open_high: bool) -> None:
    """Fail where an element is NaN or outside of the range."""
    array = array_of(target)
    if array.dtype.kind not in "fiu" and not as_dtype(array.dtype).is_floating:
        raise AssertionError(
            f"The value of {target} does not have an ordered numeric type, instead it has type: {array.dtype}"
        )
    unknown = np.isnan(array.astype(np.float64))
    if unknown.any():
        raise AssertionError(
            f"{unknown.sum()} of the {array.size} element(s) are NaN. Subscripts(s) and value(s) of the NaN element(s):\n"
            + _places(unknown, array)
        )
    outside = (array <= low if open_low else array < low) | (array >= high if open_high else array > high)
    if outside.any():
        text = f"{'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
        raise AssertionError(
            f"{outside.sum()} of the {array.size} element(s) are outside the range {text}. Subscript(s) and value(s) of the "
            f"offending elements:\n{_places(outside, array)}"
        )


def _places(marked: _Array, array: _Array) -> str:
    if array.ndim == 0:
        return f"  [0] : {array}"
    places = np.argwhere(marked)
    lines = [f"  {place} : {array[tuple(place)]}" for place in places[:_SHOWN]]
    return "\n".join([*lines, *(["  ..."] if len(places) > _SHOWN else [])])


def tolerances(a: Any, b: Any, **by_type: tuple[float, float]) -> tuple[float, float]:
    """Return the widest (rtol, atol) of those for the element types of two arrays."""
    names = {str(array_of(v).dtype) for v in (a, b)}
    wanted = [by_type["rest"]]
    if names & {"float32", "complex64"}:
        wanted.append(by_type["float32"])
    if "float16" in names:
        wanted.append(by_type["float16"])
    if dtypes.bfloat16.name in names:
        wanted.append(by_type["bfloat16"])
    return max(w[0] for w in wanted), max(w[1] for w in wanted)
