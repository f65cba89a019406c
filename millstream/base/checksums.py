"""CRC-32C (Castagnoli), and the masked form of it that TensorFlow's files carry. Whole blocks at once, in NumPy."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78
_BLOCK = 1024
_MASK_DELTA = 0xA282EAD8


@functools.cache
def _byte_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@functools.cache
def _position_tables() -> Any:
    """What a byte adds to the sum of a block, by how many bytes follow it: uint32 [_BLOCK, 256]."""
    first = _byte_table()
    tables = np.empty((_BLOCK, 256), np.uint32)
    tables[0] = first
    for i in range(1, _BLOCK):
        tables[i] = first[tables[i - 1] & 0xFF] ^ (tables[i - 1] >> np.uint32(8))
    return tables


def crc32c(data: bytes | memoryview, start: int = 0) -> int:
    """Return the sum of bytes, going on from the sum `start` of those before.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    tables = _position_tables()
    array = np.frombuffer(data, np.uint8)
    state = start ^ 0xFFFFFFFF
    for at in range(0, len(array), _BLOCK):
        block = array[at : at + _BLOCK]
        count = len(block)
        found = np.bitwise_xor.reduce(tables[np.arange(count - 1, -1, -1), block])
        # The state so far is as four bytes in front of the block: combined with its first four bytes.
        before = 0
        for i in range(min(4, count)):
            before ^= int(tables[count - 1 - i, (state >> (8 * i)) & 0xFF])
        rest = state >> (8 * count) if count < 4 else 0
        state = int(found) ^ before ^ rest
    return state ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """Return the sum turned and moved, as it stands beside the data in files."""
    found = crc32c(data)
    return ((found >> 15 | found << 17) + _MASK_DELTA) & 0xFFFFFFFF
