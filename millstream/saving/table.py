"""Sorted tables of keys and values, as LevelDB lays them out: what checkpoints' indexes are. Small enough to be held whole.

Blocks hold entries whose keys leave out what they share with the one before; an index block names the blocks, a footer
of 48 bytes the index. Each block carries its sum. Damage raises DataLossError, before memory is taken for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from millstream.base import errors
from millstream.base.checksums import crc32c, masked
from millstream.saving.snappy import decompressed, varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_BLOCK_BYTES = 262144
_RESTART_INTERVAL = 16
_LARGEST_EXPANSION = 64
"""Writers restart keys every 16 entries, so a sound block's keys are at most 16 times its size; more is an attack."""


def damaged(path: str, what: str) -> errors.DataLossError:
    """Return the error for a damaged file of a checkpoint: what is wrong, where, and what helps."""
    return errors.DataLossError(
        None,
        None,
        f"{path} is damaged: {what}. Copy the file again from where it was written, or use an older checkpoint.",
    )


def encoded_varint(number: int) -> bytes:
    """Return a number, seven bits in a byte, the lowest first."""
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


class _Block:
    """The bytes of one block while they are put together."""

    def __init__(self, restart_interval: int) -> None:
        self.interval, self.parts, self.size_bytes = restart_interval, bytearray(), 0
        self.restarts, self.count, self.last = [0], 0, b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.count == self.interval:
            self.restarts.append(len(self.parts))
            self.count = 0
        elif self.parts:
            shared = _shared(self.last, key)
        self.parts += encoded_varint(shared) + encoded_varint(len(key) - shared) + encoded_varint(len(value))
        self.parts += key[shared:] + value
        self.last, self.count = key, self.count + 1

    def size(self) -> int:
        return len(self.parts) + 4 * len(self.restarts) + 4

    def bytes(self) -> bytes:
        return bytes(self.parts) + struct.pack(f"<{len(self.restarts)}II", *self.restarts, len(self.restarts))


def write_table(items: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the table of keys and values, given in the order of their keys."""
    made, index = bytearray(), _Block(1)

    def place(content: bytes) -> bytes:
        """Put a block down; return where it is."""
        handle = encoded_varint(len(made)) + encoded_varint(len(content))
        made.extend(content + b"\0" + struct.pack("<I", masked(crc32c(b"\0", crc32c(content)))))
        return handle

    block, pending = _Block(_RESTART_INTERVAL), None
    for key, value in items:
        if pending is not None:
            index.add(_between(pending[0], key), pending[1])
            pending = None
        block.add(key, value)
        if block.size() >= _BLOCK_BYTES:
            pending = key, place(block.bytes())
            block = _Block(_RESTART_INTERVAL)
    if block.parts:
        pending = items[-1][0], place(block.bytes())
    meta = place(_Block(1).bytes())
    if pending is not None:
        index.add(_after(pending[0]), pending[1])
    handles = meta + place(index.bytes())
    return bytes(made) + handles.ljust(_FOOTER_BYTES - 8, b"\0") + struct.pack("<Q", _MAGIC)


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes two keys have in common at their beginning."""
    end = min(len(one), len(other))
    if one[:end] == other[:end]:
        return end
    return next(i for i in range(end) if one[i] != other[i])


def _between(low: bytes, high: bytes) -> bytes:
    """Return a short key k with low <= k < high."""
    at = _shared(low, high)
    if at < min(len(low), len(high)) and low[at] < 0xFF and low[at] + 1 < high[at]:
        return low[:at] + bytes([low[at] + 1])
    return low


def _after(key: bytes) -> bytes:
    """Return a short key that is not less than `key`."""
    for at, byte in enumerate(key):
        if byte != 0xFF:
            return key[:at] + bytes([byte + 1])
    return key


def read_table(data: bytes, path: str) -> dict[bytes, bytes]:
    """Return the keys and values of a table, in the order of the keys.

    Raises:
      tf.errors.DataLossError: where `data` (the content of the file `path`) is no table, or a damaged one.
    """
    if len(data) < _FOOTER_BYTES:
        raise damaged(path, f"it has {len(data)} bytes, and the end of a table alone has {_FOOTER_BYTES}")
    (magic,) = struct.unpack_from("<Q", data, len(data) - 8)
    if magic != _MAGIC:
        raise damaged(path, f"its last 8 bytes are {magic:#018x} where a table ends with {_MAGIC:#018x}")
    footer = len(data) - _FOOTER_BYTES
    try:
        _, at = _handle(data, footer)
        index, _ = _handle(data, at)
    except ValueError as error:
        raise damaged(path, f"in its last {_FOOTER_BYTES} bytes {error}") from None
    found: dict[bytes, bytes] = {}
    last, left = b"", _LARGEST_EXPANSION * len(data)
    for _, place in _entries(data, *index, path):
        try:
            block, end = _handle(place, 0)
        except ValueError as error:
            raise damaged(path, f"in its index block {error}") from None
        if end != len(place):
            raise damaged(path, f"an entry of its index block has {len(place)} bytes, {end} of them used")
        for key, value in _entries(data, *block, path):
            if found and key <= last:
                raise damaged(path, f"the key {key!r} stands behind {last!r}; keys are sorted")
            left -= len(key) + len(value)
            if left < 0:
                raise damaged(path, f"its entries are more than {_LARGEST_EXPANSION} times its own size")
            found[key] = value
            last = key
    return found


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _entries(data: bytes, offset: int, size: int, path: str) -> Iterator[tuple[bytes, bytes]]:
    """Go through the entries of the block at `offset`, its sum and its ends checked."""
    where = f"the block of {size} bytes at {offset}"
    if offset + size + 5 > len(data) - _FOOTER_BYTES:
        raise damaged(path, f"{where} reaches beyond the {len(data)} bytes of the file")
    (want,) = struct.unpack_from("<I", data, offset + size + 1)
    have = masked(crc32c(memoryview(data)[offset : offset + size + 1]))
    if have != want:
        raise damaged(path, f"{where} has the sum {have:#010x}, and {want:#010x} was written with it")
    content, kind = data[offset : offset + size], data[offset + size]
    try:
        if kind == 1:
            content = decompressed(content)
        elif kind:
            raise ValueError(f"its compression {kind} is unknown; 0 (none) and 1 (snappy) are read")
        yield from _parsed(content)
    except ValueError as error:
        raise damaged(path, f"in {where} {error}") from None


def _parsed(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(content) < 4:
        raise ValueError("there is no room for the number of its restarts")
    (restarts,) = struct.unpack_from("<I", content, len(content) - 4)
    end = len(content) - 4 - 4 * restarts
    if end < 0:
        raise ValueError(f"{restarts} restarts do not fit")
    at, key, left = 0, b"", _LARGEST_EXPANSION * len(content)
    while at < end:
        shared, at = varint(content, at)
        own, at = varint(content, at)
        size, at = varint(content, at)
        if shared > len(key) or at + own + size > end:
            raise ValueError(f"an entry at {at} (shared {shared}, own {own}, value {size}) does not fit")
        left -= shared + own
        if left < 0:
            raise ValueError(f"its keys are more than {_LARGEST_EXPANSION} times its own size")
        key = key[:shared] + content[at : at + own]
        at += own
        yield key, content[at : at + size]
        at += size
