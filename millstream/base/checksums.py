"""CRC-32C (Castagnoli), and the masked form of it that TensorFlow's files carry. The runtime computes the sums."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime

_MASK_DELTA = 0xA282EAD8


def crc32c(data: Any, start: int = 0) -> int:
    """Return the sum of bytes, going on from the sum `start` of those before.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return runtime.crc32c(data, start)


def masked(sum_: int) -> int:
    """Return a sum turned and moved, as it stands beside the data in files."""
    return ((sum_ >> 15 | sum_ << 17) + _MASK_DELTA) & 0xFFFFFFFF


def masked_crc32c(data: Any) -> int:
    """Return the masked sum of bytes."""
    return masked(crc32c(data))
