"""State the primitives on strings: fingerprints, digits of numbers, joining. Nothing flows back through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.elementwise import merged_shape
from millstream.program.text_hash import fingerprint as hashed
from millstream.program.value import Value, emit


def _each(x: np.ndarray, function: object, kind: object) -> np.ndarray:
    found = np.empty(x.shape, kind)  # type: ignore[call-overload]
    flat, source = found.reshape(-1), x.reshape(-1)
    for i in range(flat.size):
        flat[i] = function(source[i])  # type: ignore[operator]
    return found


def _bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _fingerprint_infer(x: Spec) -> Spec:
    if x.dtype != dtypes.string:
        raise refuse("text_fingerprint", str(x), "give strings")
    return Spec(dtypes.uint64, known_shape(x))


FINGERPRINT = primitive(
    "text_fingerprint",
    _fingerprint_infer,
    lambda x: _each(x, lambda text: hashed(_bytes(text)), np.uint64),
    lambda dy, y, x: (None,),
)


def fingerprint(x: Value) -> Value:
    """Return FarmHash's Fingerprint64 of each string, uint64."""
    return emit(FINGERPRINT, x)[0]


def _of_integer_infer(x: Spec) -> Spec:
    if x.dtype != dtypes.int64:
        raise refuse("text_of_integer", str(x), "give int64 numbers")
    return Spec(dtypes.string, known_shape(x))


OF_INTEGER = primitive(
    "text_of_integer",
    _of_integer_infer,
    lambda x: _each(x, lambda number: str(int(number)).encode(), object),
    lambda dy, y, x: (None,),
)


def of_integer(x: Value) -> Value:
    """Return the decimal digits of each number."""
    return emit(OF_INTEGER, x)[0]


def _join_infer(*operands: Spec) -> Spec:
    *texts, separator = operands
    if not texts or any(x.dtype != dtypes.string for x in operands) or known_shape(separator):
        raise refuse("text_join", ", ".join(map(str, operands)), "give strings of one shape and a scalar separator")
    return Spec(dtypes.string, merged_shape("text_join", tuple(texts)))


def _join_meaning(*operands: np.ndarray) -> np.ndarray:
    *texts, separator = operands
    between = _bytes(separator.reshape(-1)[0])
    rows = [x.reshape(-1) for x in texts]
    found = np.empty(texts[0].shape, object)
    flat = found.reshape(-1)
    for i in range(flat.size):
        flat[i] = between.join(_bytes(row[i]) for row in rows)
    return found


JOIN = primitive("text_join", _join_infer, _join_meaning, lambda dy, y, *operands: tuple(None for _ in operands))


def join(texts: Sequence[Value], separator: Value) -> Value:
    """Return the strings of each place with the separator, a scalar, between them."""
    return emit(JOIN, *texts, separator)[0]
