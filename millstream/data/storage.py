"""Elements in files of ours, which the runtime reads and writes (`runtime/data/element_files.cc`). Handles have no bytes.

Damaged and foreign files raise DataLossError.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.files import of_system, open_for_reading
from millstream.base.specs import TensorSpec
from millstream.data.leaves import component_specs, components, leaf_specs
from millstream.data.native import NativeReader, is_transparent
from millstream.data.stage import Element
from millstream.execution.convert import to_tensor

MAGIC = b"MSDATA1\n"
BLOCK_BYTES = 1 << 18


def opened_blocks(name: bytes, compression: str) -> Callable[[], bytes]:
    """Open a file; what comes gives one block after the other, and nothing at the end."""
    path = os.fsdecode(name)
    file = open_for_reading(path, compression)

    def read() -> bytes:
        try:
            block = file.read(BLOCK_BYTES)
        except (OSError, EOFError) as error:
            raise errors.DataLossError(None, None, f"{path}: {error}") from error
        if not block:
            file.close()
        return block

    return read


def element_reader(path: str | bytes, spec: Any, stage: str, compression: str = "") -> NativeReader:
    """Return a reader of the elements in a file."""
    name = NativeReader(runtime.read_rows([to_tensor([path])], 1), TensorSpec([], dtypes.string))
    types = [c.dtype.as_datatype_enum for s in leaf_specs(spec) for c in component_specs(s)]
    handle = runtime.read_element_files(name.handle, lambda n: opened_blocks(n, compression), types, stage)
    return NativeReader(handle, spec, [name])


def refuse_handles(spec: Any) -> None:
    """Raise UnimplementedError where elements are more than tensors with bytes."""
    if not is_transparent(spec):
        raise errors.UnimplementedError(
            None, None, errors.explain(f"Elements of {spec} cannot be kept in files;", "keep what they are made of")
        )


class PartialFile:
    """A file that has its name only when it is closed."""

    def __init__(self, path: str, compression: str = "") -> None:
        self.path, self.partial = path, f"{path}.{os.getpid()}.partial"
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            self.file: Any = gzip.open(self.partial, "wb") if compression == "GZIP" else open(self.partial, "wb")  # noqa: SIM115
        except OSError as error:
            raise of_system(error, path) from None

    def write(self, data: bytes) -> None:
        """Add bytes."""
        try:
            self.file.write(data)
        except OSError as error:
            raise of_system(error, self.path) from None

    def close(self) -> None:
        """Finish the file."""
        try:
            self.file.close()
            os.replace(self.partial, self.path)
        except OSError as error:
            raise of_system(error, self.path) from None

    def discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.partial)


class ElementWriter(PartialFile):
    """Writes elements."""

    def __init__(self, path: str, spec: Any, compression: str = "") -> None:
        refuse_handles(spec)
        super().__init__(path, compression)
        self.specs = leaf_specs(spec)
        super().write(MAGIC)

    def add(self, element: Element) -> None:
        """Add an element."""
        data = runtime.pack_tensors(
            [c for s, leaf in zip(self.specs, element, strict=True) for c in components(s, leaf)]
        )
        self.write(struct.pack("<Q", len(data)))
        self.write(data)
