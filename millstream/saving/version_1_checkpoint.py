"""Checkpoint files of version 1, read: tables that hold the tensors themselves, as messages. None are written."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.files import of_system
from millstream.base.messages import read as read_message
from millstream.base.tensor_proto import of_proto
from millstream.saving.bundle_reader import BundleReader, Entry, index_path
from millstream.saving.slices import Part
from millstream.saving.table import damaged, read_table


class Version1Reader(BundleReader):
    """The tensors of a checkpoint of version 1 by name.

    Args:
      prefix: the path of the checkpoint.
      files: its files.

    Raises:
      tf.errors.DataLossError: one is damaged.
    """

    def __init__(self, prefix: str, files: list[str]) -> None:
        self.prefix, self._index = prefix, files[0]
        self._pieces: dict[bytes, bytes] = {}
        self._entries: dict[str, Entry] = {}
        for path in files:
            try:
                with open(path, "rb") as file:
                    table = read_table(file.read(), path)
            except OSError as error:
                raise of_system(error, path) from None
            head = read_message("SavedTensorSlices", table.pop(b"", b"\xff"))
            if head is None:
                raise damaged(path, "its first entry is no SavedTensorSlices that says which tensors there are")
            self._pieces.update(table)
            for meta in head.meta.tensor:
                self._note(path, meta)

    def _note(self, path: str, meta: Any) -> None:
        shape = tuple(d.size for d in meta.shape.dim)
        try:
            dtype = as_dtype(meta.type)
            parts = tuple(Part.of_proto(shape, each) for each in meta.slice)
        except (TypeError, ValueError) as error:
            raise damaged(path, f"what it says of {meta.name!r} cannot be: {error}") from None
        before = self._entries.get(meta.name)
        if before is not None:
            if (before.shape, before.dtype) != (shape, dtype):
                raise damaged(path, f"it says of {meta.name!r} something else than another file of the checkpoint")
            parts = before.parts + parts
        self._entries[meta.name] = Entry(dtype, shape, 0, 0, 0, 0, parts)

    @property
    def names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def entry(self, name: str) -> Entry:
        """Return what the checkpoint says of a tensor; NotFoundError where there is none."""
        if name not in self._entries:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint")
        found = self._entries[name]
        if not found.parts:
            raise damaged(self._index, f"it says of {name!r} nothing but its shape")
        return found

    def _piece(self, name: str, entry: Entry, part: Part) -> Callable[[], Any]:
        where = f"the part {part.starts} + {part.lengths} of {name!r}"
        content = self._pieces.get(part.key(name))
        if content is None:
            raise damaged(self._index, f"{where} is not there")
        proto = read_message("SavedTensorSlices", content)
        # Each element takes a byte at least.
        if proto is None or part.count() > len(content):
            raise damaged(self._index, f"{where} is no message of {part.count()} elements")
        data = proto.data.data
        data.dtype = entry.dtype.as_datatype_enum
        data.tensor_shape.Clear()
        for size in part.lengths:
            data.tensor_shape.dim.add(size=size)
        try:
            array, _ = of_proto(data)
        except (errors.InvalidArgumentError, ValueError, OverflowError) as error:
            raise damaged(self._index, f"{where}: {error}") from None
        return lambda: array


def open_checkpoint(prefix: str) -> BundleReader:
    """Return what reads the checkpoint of a path, of version 2 or 1.

    Raises:
      tf.errors.NotFoundError: there is none.
      tf.errors.DataLossError: it is damaged.
    """
    if not os.path.exists(index_path(prefix)):
        files = [prefix] if os.path.isfile(prefix) else sorted(glob.glob(f"{glob.escape(prefix)}-?????-of-?????"))
        if files:
            return Version1Reader(prefix, files)
    return BundleReader(prefix)
