"""What tables that may change save in checkpoints, laid out as TensorFlow's own tables are."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.execution.tensor import eager_constant

_FULLEST = 0.8
_ALL = 0xFFFFFFFFFFFFFFFF
_FACTOR, _SEED, _SHIFT = 0xC6A4A7935BD1E995, 0xDECAFCAFFE, 47


def text_hash(text: bytes) -> int:
    """Return the hash by which TensorFlow's dense tables place texts (MurmurHash64A).

    >>> hex(text_hash(b""))
    '0x81769421199f9e3b'
    """
    found = _SEED ^ (len(text) * _FACTOR & _ALL)
    whole = len(text) // 8 * 8
    for at in range(0, whole, 8):
        word = int.from_bytes(text[at : at + 8], "little") * _FACTOR & _ALL
        word = (word ^ word >> _SHIFT) * _FACTOR & _ALL
        found = (found ^ word) * _FACTOR & _ALL
    if whole < len(text):
        found = (found ^ int.from_bytes(text[whole:], "little")) * _FACTOR & _ALL
    found = (found ^ found >> _SHIFT) * _FACTOR & _ALL
    return found ^ found >> _SHIFT


def buckets_of(keys: Any, values: Any, empty: Any, dtype: DType, value_dtype: DType, least: int) -> dict[str, Any]:
    """Return the tensors of a dense table: a power of two buckets, each with a key, or the empty one, and its value.

    Args:
      keys: the keys as an array.
      values: an array of as many rows.
      empty: the key of empty buckets.
      dtype: the element type of the keys.
      value_dtype: the element type of the values.
      least: how many buckets there are at least.
    """
    count = least
    while len(keys) > count * _FULLEST:
        count *= 2
    places = np.full(count, empty, keys.dtype)
    rows = values.reshape(len(keys), -1) if len(keys) else values.reshape(0, max(1, int(np.prod(values.shape[1:]))))
    held = (
        np.full((count, rows.shape[1]), b"", object)
        if rows.dtype == object
        else np.zeros((count, rows.shape[1]), rows.dtype)
    )
    taken = np.zeros(count, bool)
    for key, row in zip(keys.tolist(), rows, strict=True):
        at = (text_hash(key) if dtype is dtypes.string else int(key)) & (count - 1)
        step = 0
        while taken[at]:
            step += 1
            at = (at + step) & (count - 1)
        taken[at] = True
        places[at], held[at] = key, row
    return {"-keys": eager_constant(places[:, None], dtype), "-values": eager_constant(held, value_dtype)}


def held_in(tensors: dict[str, Any], reserved: tuple[Any, Any], value_shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return the keys and values of a dense table's tensors, without the buckets that hold none."""
    keys = tensors["-keys"].numpy().reshape(-1)
    values = tensors["-values"].numpy().reshape(len(keys), *value_shape)
    used = np.array([key not in reserved for key in keys.tolist()], bool)
    return keys[used], values[used]
