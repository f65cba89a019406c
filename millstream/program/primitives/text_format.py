"""State the primitive that writes tensors into a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.spec import Spec
from millstream.program.primitives.core import primitive
from millstream.program.primitives.strings import text_of
from millstream.program.value import Value, emit

_ESCAPES = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}


def _real(value: Any, narrow: bool) -> str:
    kind = np.float32 if narrow else np.float64
    text = f"{float(value):.{6 if narrow else 15}g}"
    return text if kind(text) == kind(value) or value != value else f"{float(value):.{9 if narrow else 17}g}"


def _element(value: Any) -> str:
    # Bytes above 127 stay as they are: Latin-1 takes them through.
    if isinstance(value, (bytes, str)):
        inner = "".join(
            _ESCAPES.get(byte) or (f"\\{byte:03o}" if byte < 32 or byte == 127 else chr(byte))
            for byte in text_of(value)
        )
        return f'"{inner}"'
    dtype = as_dtype(value.dtype)
    if dtype.is_complex:
        return f"({_real(value.real, dtype == dtypes.complex64)},{_real(value.imag, dtype == dtypes.complex64)})"
    return _real(value, dtype != dtypes.float64) if dtype.is_floating else str(int(value))


def written(x: np.ndarray, summarize: int, indent: int = 1) -> str:
    """Return an array as text, `summarize` elements at the ends of each axis; its bytes as Latin-1."""
    if x.ndim == 0:
        return _element(x[()])
    rows = [written(row, summarize, indent + 1) if x.ndim > 1 else _element(row) for row in x]
    if summarize >= 0 and len(rows) > 2 * summarize:
        rows = [*rows[:summarize], "...", *rows[len(rows) - summarize :]]
    gap = " " if x.ndim == 1 else "\n" * (x.ndim - 1) + " " * indent
    return "[" + gap.join(rows) + "]"


def _format_meaning(template: np.ndarray, placeholder: np.ndarray, *xs: np.ndarray, summarize: int) -> np.ndarray:
    parts = text_of(template.item()).split(text_of(placeholder.item()))
    texts = [written(np.asarray(x), summarize).encode("latin-1") for x in xs]
    found = np.empty((), object)
    found[()] = parts[0] + b"".join(text + part for text, part in zip(texts, parts[1:], strict=True))
    return found


FORMAT = primitive(
    "text_format",
    lambda *_, summarize: Spec(dtypes.string, ()),
    _format_meaning,
    lambda dy, y, *xs, **_: (None,) * len(xs),
)


def format_(template: Value, placeholder: Value, values: Sequence[Value], summarize: int) -> Value:
    """Return the template with each placeholder replaced by the next value, `summarize` elements at the ends of axes."""
    return emit(FORMAT, template, placeholder, *values, summarize=summarize)[0]
