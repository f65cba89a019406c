"""Implicit conversion of element types in operators, modes "safe" and "all": one table, and numbers that give way (weak ones)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import nest
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.tensor import Tensor, TensorType

Kind = tuple[DType, bool]
"""An element type, and whether it gives way to others: Python's numbers, and what is made of them only."""

_NAMES = {
    "b": "bool",
    **{f"u{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    **{f"i{n}": f"int{n}" for n in (8, 16, 32, 64)},
    "bf": "bfloat16",
    **{f"f{n}": f"float{n}" for n in (16, 32, 64)},
    "c64": "complex64",
    "c128": "complex128",
}

# Rows and columns are the two types; * gives way; ! is a conversion that may lose something, refused by "safe".
_TABLE = """
-     b     u8    u16   u32   u64   i8    i16   i32   i64   bf    f16   f32   f64   c64   c128   i32*  i64*  f32*  f64*  c128*
b     b     u8    u16   u32   u64   i8    i16   i32   i64   bf    f16   f32   f64   c64   c128   i32*  i64*  f32*  f64*  c128*
u8    u8    u8    u16   u32   u64   i16!  i16   i32   i64   bf    f16   f32   f64   c64   c128   u8    u8    f64*! f64*  c128*
u16   u16   u16   u16   u32   u64   i32!  i32!  i32   i64   bf!   f16!  f32   f64   c64   c128   u16   u16   f64*! f64*  c128*
u32   u32   u32   u32   u32   u64   i64!  i64!  i64!  i64   bf!   f16!  f32!  f64   c64!  c128   u32   u32   f64*! f64*  c128*
u64   u64   u64   u64   u64   u64   f64*! f64*! f64*! f64*! bf!   f16!  f32!  f64!  c64!  c128!  u64   u64   f64*! f64*! c128*!
i8    i8    i16!  i32!  i64!  f64*! i8    i16   i32   i64   bf    f16   f32   f64   c64   c128   i8    i8    f64*! f64*  c128*
i16   i16   i16   i32!  i64!  f64*! i16   i16   i32   i64   bf!   f16!  f32   f64   c64   c128   i16   i16   f64*! f64*  c128*
i32   i32   i32   i32   i64!  f64*! i32   i32   i32   i64   bf!   f16!  f32!  f64   c64!  c128   i32   i32   f64*! f64*  c128*
i64   i64   i64   i64   i64   f64*! i64   i64   i64   i64   bf!   f16!  f32!  f64!  c64!  c128!  i64   i64   f64*! f64*! c128*!
bf    bf    bf    bf!   bf!   bf!   bf    bf!   bf!   bf!   bf    f32!  f32   f64   c64   c128   bf    bf    bf    bf    c64!
f16   f16   f16   f16!  f16!  f16!  f16   f16!  f16!  f16!  f32!  f16   f32   f64   c64   c128   f16   f16   f16   f16   c64!
f32   f32   f32   f32   f32!  f32!  f32   f32   f32!  f32!  f32   f32   f32   f64   c64   c128   f32   f32   f32   f32   c64!
f64   f64   f64   f64   f64   f64!  f64   f64   f64   f64!  f64   f64   f64   f64   c128! c128   f64   f64   f64   f64   c128
c64   c64   c64   c64   c64!  c64!  c64   c64   c64!  c64!  c64   c64   c64   c128! c64   c128   c64   c64   c64   c64   c64
c128  c128  c128  c128  c128  c128! c128  c128  c128  c128! c128  c128  c128  c128  c128  c128   c128  c128  c128  c128  c128
i32*  i32*  u8    u16   u32   u64   i8    i16   i32   i64   bf    f16   f32   f64   c64   c128   i32*  i64*  f32*  f64*  c128*
i64*  i64*  u8    u16   u32   u64   i8    i16   i32   i64   bf    f16   f32   f64   c64   c128   i64*  i64*  f32*  f64*  c128*
f32*  f32*  f64*! f64*! f64*! f64*! f64*! f64*! f64*! f64*! bf    f16   f32   f64   c64   c128   f32*  f32*  f32*  f64*  c128*
f64*  f64*  f64*  f64*  f64*  f64*! f64*  f64*  f64*  f64*! bf    f16   f32   f64   c64   c128   f64*  f64*  f64*  f64*  c128*
c128* c128* c128* c128* c128* c128*! c128* c128* c128* c128*! c64! c64!  c64!  c128  c64   c128   c128* c128* c128* c128* c128*
"""


def _kind(text: str) -> Kind:
    return as_dtype(_NAMES[text.rstrip("*!")]), "*" in text


def _read() -> dict[tuple[Kind, Kind], tuple[Kind, bool]]:
    head, *rows = (line.split() for line in _TABLE.strip().splitlines())
    found = {}
    for name, *cells in rows:
        for other, cell in zip(head[1:], cells, strict=True):
            found[_kind(name), _kind(other)] = (_kind(cell), "!" not in cell)
    return found


RESULTS = _read()
"""For two kinds: that of their result, and whether the conversion keeps everything."""


def kind_of(value: Any) -> Kind:
    """Return the element type of an operand, and whether it gives way."""
    if isinstance(value, (bool, np.bool_)):
        return as_dtype("bool"), False
    if isinstance(value, (int, float, complex)) and not isinstance(value, np.generic):
        return as_dtype({int: "int32", float: "float32", complex: "complex128"}[_python_type(value)]), True
    if isinstance(value, (list, tuple)):
        made = np.asarray(value)
        if any(isinstance(v, (np.ndarray, np.generic, TensorType)) for v in nest.flatten(value)):
            return as_dtype(made.dtype), False
        name = {"i": "int32", "f": "float32", "c": "complex128"}.get(made.dtype.kind)
        return (as_dtype(made.dtype), False) if name is None else (as_dtype(name), True)
    return as_dtype(value.dtype), isinstance(value, Tensor) and bool(getattr(value, "weak", False))


def _python_type(value: Any) -> type:
    return next(t for t in (int, float, complex) if isinstance(value, t))


def result_kind(first: Any, second: Any, safe: bool) -> Kind:
    """Return the kind of what an operator gives.

    Raises:
      TypeError: the mode is "safe", and the conversion may lose something.
    """
    kinds = kind_of(first), kind_of(second)
    known = RESULTS.get(kinds)
    if known is None:
        if kinds[0] == kinds[1]:
            return kinds[0]
        raise TypeError(
            explain(f"There is no implicit conversion between {kinds[0][0]!r} and {kinds[1][0]!r}; use tf.cast.")
        )
    result, keeps = known
    if safe and not keeps:
        described = " and ".join(f"({dtype!r}, weak={weak})" for dtype, weak in kinds)
        raise TypeError(
            explain(
                f"In promotion mode PromoMode.SAFE, implicit dtype promotion between {described} is disallowed. You need to explicitly "
                "specify the dtype in your op, or relax your dtype promotion rules (such as from SAFE mode to ALL mode)."
            )
        )
    return result


def common_type(values: Sequence[Any]) -> DType:
    """Return the element type of a result of values, or of element types among them, in the mode "all"."""
    kinds = [(as_dtype(v), False) if isinstance(v, (DType, np.dtype, type)) else kind_of(v) for v in values]
    found = kinds[0]
    for kind in kinds[1:]:
        found = RESULTS[found, kind][0] if found != kind else found
    return found[0]


def mark_constant(tensor: Any, value: Any) -> None:
    """Mark a constant made of Python's numbers as one that gives way."""
    if isinstance(value, (bool, int, float, complex, list, tuple)):
        marked(tensor, kind_of(value)[1])


def widens(given: Any, dtype: DType, safe: bool) -> bool:
    """Return whether a tensor may become one of `dtype` because an operator on both would give that type."""
    result, keeps = RESULTS.get((kind_of(given), (dtype, False)), (None, False))
    return result == (dtype, False) and (keeps or not safe)


def marked(tensor: Any, weak: bool) -> Any:
    """Return a tensor, marked as one that gives way."""
    if weak and isinstance(tensor, Tensor):
        tensor.weak = True  # type: ignore[attr-defined]
    return tensor
