"""Records of TFRecord files: length, sum of the length, data, sum of the data. Damage raises DataLossError."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.base.checksums import masked_crc32c


def read_records(file: Any, path: str) -> Iterator[bytes]:
    """Go through the records of a TFRecord file; DataLossError where one is cut off, or its sum is wrong."""
    at = 0
    while head := file.read(12):
        if len(head) < 12:
            raise errors.DataLossError(
                None, None, f"truncated record at {at} in {path}: its head has {len(head)} bytes of 12."
            )
        length, check = struct.unpack("<QI", head)
        if masked_crc32c(head[:8]) != check:
            raise errors.DataLossError(
                None, None, f"corrupted record at {at} in {path}: the sum of its length is wrong."
            )
        data = file.read(length + 4)
        if len(data) < length + 4:
            raise errors.DataLossError(
                None, None, f"truncated record at {at} in {path}: {len(data)} bytes of {length + 4}."
            )
        if masked_crc32c(data[:length]) != struct.unpack_from("<I", data, length)[0]:
            raise errors.DataLossError(None, None, f"corrupted record at {at} in {path}: the sum of its data is wrong.")
        yield data[:length]
        at += 16 + length


def framed_record(data: bytes) -> bytes:
    """Return a record as it stands in a TFRecord file."""
    return runtime.framed_record(data)
