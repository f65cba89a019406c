"""Tables of keys and values: written, read, compressed, and damaged in all ways."""

from __future__ import annotations

import random
import struct

import pytest

from millstream.base import errors
from millstream.base.checksums import masked_crc32c
from millstream.saving.snappy import decompressed, varint
from millstream.saving.table import encoded_varint, read_table, write_table


def items(count: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    chosen = random.Random(seed)
    keys = sorted({b"layer/%d/%s" % (chosen.randrange(count), chosen.randbytes(3)) for _ in range(count)})
    return [(key, chosen.randbytes(chosen.randrange(40))) for key in keys]


def test_numbers_of_seven_bits_come_back() -> None:
    for number in (0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1):
        data = encoded_varint(number)
        assert varint(b"x" + data, 1) == (number, 1 + len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 11])
def test_numbers_that_do_not_end_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|longer"):
        varint(data, 0)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 1000])
def test_a_table_gives_back_what_was_written(count: int) -> None:
    given = items(count)
    assert list(read_table(write_table(given), "x").items()) == given


def test_a_table_of_many_blocks_gives_back_what_was_written() -> None:
    given = [(b"key %06d" % i, b"v" * 300) for i in range(4000)]
    data = write_table(given)
    assert len(data) > 4 * 262144
    assert read_table(data, "x") == dict(given)


def test_an_empty_table_is_one() -> None:
    assert read_table(write_table([]), "x") == {}


def compressed(data: bytes, made: bytes) -> bytes:
    """Return a table of one block that holds `made`, snappy's form of the block of the table `data`."""
    block = made + b"\x01" + struct.pack("<I", masked_crc32c(made + b"\x01"))
    index = encoded_varint(0) + encoded_varint(len(made))
    entry = b"\x00" + encoded_varint(1) + encoded_varint(len(index)) + b"z" + index + struct.pack("<II", 0, 1)
    empty = struct.pack("<II", 0, 1)
    out = bytearray(block)
    handles = b""
    for content in (empty, entry):
        handles += encoded_varint(len(out)) + encoded_varint(len(content))
        out += content + b"\0" + struct.pack("<I", masked_crc32c(content + b"\0"))
    return bytes(out) + handles.ljust(40, b"\0") + data[-8:]


def literal(block: bytes) -> bytes:
    return encoded_varint(len(block)) + b"\xf4" + struct.pack("<H", len(block) - 1) + block


def test_compressed_blocks_are_read() -> None:
    given = items(20)
    data = write_table(given)
    index, _ = varint(data[-48:], varint(data[-48:], varint(data[-48:], 0)[1])[1])
    block = data[: data.index(struct.pack("<II", 0, 1)) - 5]
    assert index > len(block)
    assert read_table(compressed(data, literal(block)), "x") == dict(given)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x03\x08abc", b"abc"),
        (b"\x06\x04ab\x0e\x02\x00", b"ababab"),
        (b"\x05\x00a\x01\x01", b"aaaaa"),
        (b"\x06\x04ab\x0f\x02\x00\x00\x00", b"ababab"),
        (b"\x00", b""),
    ],
)
def test_snappy_is_taken_out(data: bytes, text: bytes) -> None:
    assert decompressed(data) == text


@pytest.mark.parametrize(
    "data", [b"", b"\x05\x08abc", b"\x03\x08ab", b"\x04\x00a\x01\x02", b"\x04\x00a\x01", b"\xff\xff\xff\x7f\x00a"]
)
def test_damaged_snappy_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decompressed(data)


def test_every_changed_byte_is_found() -> None:
    data = write_table(items(40))
    wanted = read_table(data, "x")
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            # Bytes that pad the footer mean nothing.
            assert read_table(changed, "x") == wanted
        except errors.DataLossError as error:
            assert "x is damaged" in error.message


def test_every_cut_is_found() -> None:
    data = write_table(items(40))
    for length in range(len(data)):
        with pytest.raises(errors.DataLossError, match="is damaged"):
            read_table(data[:length], "x")


def sealed(data: bytes) -> bytes:
    """Return a changed table of one data block with the sums made right again, so that what stands behind them is reached."""
    out = bytearray(data)
    footer = len(data) - 48
    try:
        _, at = varint(data, footer)
        _, at = varint(data, at)
        offset, at = varint(data, at)
        size, at = varint(data, at)
    except ValueError:
        return data
    for start, length in ((0, offset - 13), (offset, size)):
        if start >= 0 and length > 0 and start + length + 5 <= footer:
            out[start + length + 1 : start + length + 5] = struct.pack(
                "<I", masked_crc32c(bytes(out[start : start + length + 1]))
            )
    return bytes(out)


def test_changed_tables_with_right_sums_raise_or_are_read() -> None:
    chosen = random.Random(7)
    data = write_table(items(60))
    refused = 0
    for _ in range(4000):
        changed = bytearray(data)
        for _ in range(chosen.randrange(1, 4)):
            changed[chosen.randrange(len(changed) - 8)] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF, chosen.randrange(256)))
        try:
            found = read_table(sealed(bytes(changed)), "x")
            assert sum(map(len, found)) < 64 * len(data)
        except errors.DataLossError:
            refused += 1
    assert refused > 1000


def test_keys_that_repeat_a_long_one_many_times_are_refused() -> None:
    long = b"k" * 2000
    content = b"\x00" + encoded_varint(len(long)) + b"\x00" + long
    for _ in range(2000):
        content += encoded_varint(len(long)) + b"\x01\x00" + b"k"
        long += b"k"
    content += struct.pack("<II", 0, 1)
    with pytest.raises(errors.DataLossError, match="times its own size"):
        read_table(compressed(write_table([]), literal(content)), "x")
