"""State the primitives that hash rows of bytes and measure how far sequences are from each other."""

from __future__ import annotations

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.text_hash import fingerprint as hashed
from millstream.program.value import Value, emit

BYTES_FINGERPRINT = primitive(
    "bytes_fingerprint",
    lambda x: Spec(dtypes.uint64, known_shape(x)[:1]),
    lambda x: np.array([hashed(row.tobytes()) for row in x], np.uint64),
    lambda dy, y, x: (None,),
)


def bytes_fingerprint(x: Value) -> Value:
    """Return FarmHash's Fingerprint64 of each row of bytes (uint8 [n, k]), uint64 [n]."""
    return emit(BYTES_FINGERPRINT, x)[0]


def _sequences(places: np.ndarray, symbols: np.ndarray, shape: tuple[int, ...]) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for place, symbol in zip(places, symbols, strict=True):
        group = tuple(int(p) for p in place[:-1])
        if any(not 0 <= p < n for p, n in zip(group, shape, strict=True)):
            raise refuse("edit_distance", f"index {group} for shape {list(shape)}", "give places inside the result")
        found.setdefault(group, []).append(int(symbol))
    return found


def _distance(x: list[int], y: list[int]) -> int:
    row = list(range(len(y) + 1))
    for i, a in enumerate(x, 1):
        corner, row[0] = row[0], i
        for j, b in enumerate(y, 1):
            replaced = corner + (a != b)
            corner = row[j]
            row[j] = min(replaced, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def _meaning(
    places: np.ndarray,
    symbols: np.ndarray,
    true_places: np.ndarray,
    truth: np.ndarray,
    shape: tuple[int, ...],
    normalize: bool,
) -> np.ndarray:
    given, wanted = _sequences(places, symbols, shape), _sequences(true_places, truth, shape)
    found = np.zeros(shape, np.float32)
    for group in {**given, **wanted}:
        x, y = given.get(group, []), wanted.get(group, [])
        found[group] = (
            _distance(x, y) / np.float32(len(y)) if normalize and y else np.inf if normalize else _distance(x, y)
        )
    return found


EDIT_DISTANCE = primitive(
    "edit_distance",
    lambda places, symbols, true_places, truth, shape, normalize: Spec(dtypes.float32, shape),
    _meaning,
    lambda dy, y, *inputs, **_: (None,) * 4,
)


def edit_distance(
    places: Value, symbols: Value, true_places: Value, truth: Value, shape: tuple[Size, ...], normalize: bool
) -> Value:
    """Return Levenshtein's distances between the sequences of two sparse tensors of int64 symbols."""
    return emit(EDIT_DISTANCE, places, symbols, true_places, truth, shape=shape, normalize=normalize)[0]
