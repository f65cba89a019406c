"""Elements in files of ours: one record of sizes and bytes for each tensor. Damaged or foreign files raise DataLossError.

A file begins with `MSDATA1` and a newline, then come elements. An element is its number of bytes (u64), then each tensor: element
type (u32), rank (u32), sizes (i64 each), and its bytes; of strings the number of bytes (u64) and the bytes of each.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.files import open_for_reading
from millstream.data.leaves import components, leaf_specs, leaves_of
from millstream.data.stage import Element
from millstream.execution.tensor import eager_from_array

MAGIC = b"MSDATA1\n"


def pack_tensor(tensor: Any) -> bytes:
    """Return a tensor as bytes."""
    head = struct.pack(f"<II{len(tensor._shape)}q", tensor._dtype, len(tensor._shape), *tensor._shape)
    if tensor.dtype is dtypes.string:
        return head + b"".join(struct.pack("<Q", len(s)) + s for s in tensor._strings())
    return head + np.ascontiguousarray(tensor._array()).tobytes()


def unpack_tensors(data: bytes) -> list[Any]:
    """Return the tensors of one element."""
    at, found = 0, []
    try:
        while at < len(data):
            number, rank = struct.unpack_from("<II", data, at)
            shape = struct.unpack_from(f"<{rank}q", data, at + 8)
            at += 8 + 8 * rank
            dtype = as_dtype(number)
            count = int(np.prod(shape, dtype=np.int64))
            if dtype is dtypes.string:
                strings = []
                for _ in range(count):
                    (size,) = struct.unpack_from("<Q", data, at)
                    strings.append(data[at + 8 : at + 8 + size])
                    at += 8 + size
                found.append(runtime.from_strings(strings, shape))
                continue
            kind = np.dtype(dtype.as_numpy_dtype)
            array = np.frombuffer(data, kind, count, at).reshape(shape)
            at += count * kind.itemsize
            found.append(eager_from_array(array.copy(), dtype))
    except (struct.error, ValueError, TypeError, IndexError) as error:
        raise errors.DataLossError(None, None, f"A record of elements is damaged at byte {at}: {error}") from None
    return found


class ElementWriter:
    """Writes elements; the file has its name only when it is closed."""

    def __init__(self, path: str, spec: Any, compression: str = "") -> None:
        self.path, self.specs = path, leaf_specs(spec)
        self.partial = f"{path}.{os.getpid()}.partial"
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self.file: Any = gzip.open(self.partial, "wb") if compression == "GZIP" else open(self.partial, "wb")  # noqa: SIM115
        self.file.write(MAGIC)

    def write(self, element: Element) -> None:
        """Add an element."""
        parts = [pack_tensor(c) for s, leaf in zip(self.specs, element, strict=True) for c in components(s, leaf)]
        self.file.write(struct.pack("<Q", sum(map(len, parts))))
        for part in parts:
            self.file.write(part)

    def close(self) -> None:
        """Finish the file."""
        self.file.close()
        os.replace(self.partial, self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.partial)


def read_elements(path: str, spec: Any, compression: str = "") -> Iterator[Element]:
    """Go through the elements of a file."""
    specs = leaf_specs(spec)
    file = open_for_reading(path, compression)
    try:
        if file.read(len(MAGIC)) != MAGIC:
            raise errors.DataLossError(None, None, f"{path} is not a file of elements that Millstream wrote.")
        while head := file.read(8):
            size = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            data = file.read(size) if size >= 0 else b""
            if size < 0 or len(data) != size:
                raise errors.DataLossError(None, None, f"{path} ends inside of an element.")
            yield tuple(leaves_of(specs, unpack_tensors(data)))
    finally:
        file.close()
