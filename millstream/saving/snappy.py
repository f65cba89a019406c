"""Blocks in snappy's compression, taken out of it. Refuses damage before it takes memory; writes none."""

from __future__ import annotations

_LARGEST_RATIO = 64
"""Two bytes of a block give at most 64, so no sound block says that it holds more than this many times its own size."""


def decompressed(data: bytes) -> bytes:
    """Return the bytes of a block; ValueError says what is wrong with it.

    >>> decompressed(b"\\x06\\x04ab\\x0e\\x02\\x00")
    b'ababab'
    """
    size, at = varint(data, 0)
    if size > _LARGEST_RATIO * len(data):
        raise ValueError(f"it says that {len(data)} bytes hold {size}")
    made = bytearray()
    end = len(data)
    while at < end:
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            count = (tag >> 2) + 1
            if count > 60:
                wide = count - 60
                count = int.from_bytes(data[at : at + wide], "little") + 1
                at += wide
            if at + count > end:
                raise ValueError(f"{count} bytes are to follow at {at} of {end}")
            made += data[at : at + count]
            at += count
        else:
            wide = (1, 2, 4)[kind - 1]
            if at + wide > end:
                raise ValueError(f"a reference at {at} is cut off")
            back = int.from_bytes(data[at : at + wide], "little")
            at += wide
            count = (tag >> 2) + 1
            if kind == 1:
                back |= (tag >> 5) << 8
                count = (tag >> 2 & 7) + 4
            if not 0 < back <= len(made):
                raise ValueError(f"it refers {back} bytes back where there are {len(made)}")
            start = len(made) - back
            for i in range(0, count, back):
                made += made[start : start + min(back, count - i)]
        if len(made) > size:
            break
    if len(made) != size:
        raise ValueError(f"it holds {len(made)} bytes and says {size}")
    return bytes(made)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, seven bits in a byte, and where it ends; ValueError where it does not end."""
    number = shift = 0
    while shift < 64:
        if at >= len(data):
            raise ValueError(f"a number is cut off at {at}")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError(f"a number at {at - 10} is longer than 64 bits")
