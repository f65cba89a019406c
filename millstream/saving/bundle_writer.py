"""Checkpoint files (TensorBundle, version 2), written. What was there under the same prefix stays until all is on the disk.

The index is put in its place last, by renaming, and names files of data that no index before it named: whoever reads
finds the old checkpoint or the new one, whenever the writer is killed.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.checksums import crc32c, masked
from millstream.base.dtypes import DType
from millstream.base.files import of_system
from millstream.base.messages import message
from millstream.saving.bundle_reader import data_path, index_path, packed_lengths
from millstream.saving.slices import Part
from millstream.saving.table import encoded_varint, write_table

_CHUNK_BYTES = 1 << 22
_VERSION = 1
_DATA_FILE = re.compile(r"\.data-\d{5}-of-(\d{5})$")


class _Shard:
    """One file of data while it is written, under a name of its own."""

    def __init__(self, path: str) -> None:
        self.path, self.offset = path, 0
        self.file = open(path, "wb", buffering=1 << 20)  # noqa: SIM115 - closed by the writer

    def write(self, data: Any) -> None:
        self.file.write(data)
        self.offset += len(data)


class BundleWriter:
    """Writes tensors under their names as one checkpoint.

    >>> import tempfile; folder = tempfile.mkdtemp()
    >>> with BundleWriter(f"{folder}/numbers") as writer:
    ...     writer.add("a", tf.constant([1, 2]))
    >>> tf.train.load_variable(f"{folder}/numbers", "a").tolist()
    [1, 2]

    Args:
      prefix: the checkpoint's path without endings. Folders on the way are made.
      shards: how many files the data goes to.

    Raises:
      tf.errors.OpError: the operating system refuses something: no room, no permission. The old checkpoint is kept.
    """

    def __init__(self, prefix: str, shards: int = 1) -> None:
        self.prefix, self.count = prefix, max(1, shards)
        self._folder, base = os.path.split(prefix)
        self._temporary = os.path.join(self._folder, f".{base}.{os.getpid()}-{secrets.token_hex(4)}")
        self._entries: dict[bytes, Any] = {}
        self._shards: dict[int, _Shard] = {}
        self._placed: list[str] = []
        if self._folder:
            with _reported(self._folder):
                os.makedirs(self._folder, exist_ok=True)

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self.finish()
        else:
            self.drop()

    def add(self, name: str, tensor: Any, part: Part | None = None, shard: int = 0) -> None:
        """Write an eager tensor; with `part` as that part of the tensor `name`.

        Raises:
          tf.errors.InvalidArgumentError: there is one of this name, or elements of this type cannot be written.
        """
        dtype: DType = tensor.dtype
        shape = tuple(tensor._shape)
        if dtype in (dtypes.resource, dtypes.variant):
            raise errors.InvalidArgumentError(
                None, None, f"{name!r} is of type {dtype.name}; checkpoints hold numbers, truth values and strings."
            )
        key = name.encode(errors="surrogateescape")
        if not key or key.startswith(b"\0"):
            raise errors.InvalidArgumentError(None, None, f"{name!r} cannot be the name of a tensor in a checkpoint.")
        if part is not None and not part.is_whole():
            key = self._note_part(key, name, part, dtype, shape)
        if key in self._entries:
            raise errors.InvalidArgumentError(None, None, f"Adding duplicate key: {name}")
        entry = self._entry(dtype, shape)
        self._entries[key] = entry
        with _reported(self.prefix):
            file = self._shard(shard)
            entry.shard_id, entry.offset = shard, file.offset
            if dtype is dtypes.string:
                sum_ = _write_strings(file, tensor._strings())
            else:
                sum_ = _write_bytes(file, tensor._numpy())
            entry.size, entry.crc32c = file.offset - entry.offset, masked(sum_)

    def _note_part(self, key: bytes, name: str, part: Part, dtype: DType, shape: tuple[int, ...]) -> bytes:
        """Add a part to the entry of the whole tensor; return the key of its own."""
        whole = self._entries.get(key)
        if whole is None:
            whole = self._entries[key] = self._entry(dtype, part.shape)
        elif not whole.slices or tuple(d.size for d in whole.shape.dim) != part.shape:
            raise errors.InvalidArgumentError(
                None, None, f"{name!r} is written as one of {list(part.shape)} and as something else, too."
            )
        if part.lengths != shape:
            raise errors.InvalidArgumentError(
                None, None, f"{name!r}: a tensor of {list(shape)} cannot be its part of {list(part.lengths)}."
            )
        part.fill_proto(whole.slices.add())
        return part.key(name)

    @staticmethod
    def _entry(dtype: DType, shape: tuple[int, ...]) -> Any:
        made = message("BundleEntryProto")(dtype=dtype.as_datatype_enum)
        made.shape.SetInParent()
        for size in shape:
            made.shape.dim.add(size=size)
        return made

    def _shard(self, number: int) -> _Shard:
        if not 0 <= number < self.count:
            raise ValueError(f"There are {self.count} files of data, given the number {number}.")
        if number not in self._shards:
            self._shards[number] = _Shard(f"{self._temporary}.data{number}")
        return self._shards[number]

    def finish(self) -> None:
        """Put the checkpoint in its place."""
        try:
            with _reported(self.prefix):
                for number in range(self.count):
                    file = self._shard(number).file
                    file.flush()
                    os.fsync(file.fileno())
                    file.close()
                old = self._data_files()
                taken = {int(count) for path in old if (count := _DATA_FILE.search(path)[1])}  # type: ignore[index]
                shards = next(n for n in range(self.count, self.count + len(taken) + 1) if n not in taken)
                self._write_index(shards)
                for number in range(shards):
                    path = data_path(self.prefix, number, shards)
                    self._placed.append(path)
                    if number < self.count:
                        os.rename(self._shards[number].path, path)
                    else:
                        open(path, "wb").close()
                os.rename(f"{self._temporary}.index", index_path(self.prefix))
                _sync_folder(self._folder)
        except BaseException:
            self.drop()
            raise
        for path in old:
            with suppress(FileNotFoundError):
                os.unlink(path)

    def _data_files(self) -> list[str]:
        """Return the files of data that lie under this prefix."""
        return [p for p in glob.glob(f"{glob.escape(self.prefix)}.data-*-of-*") if _DATA_FILE.search(p)]

    def _write_index(self, shards: int) -> None:
        header = message("BundleHeaderProto")(num_shards=shards)
        header.version.producer = _VERSION
        items = [(b"", header.SerializeToString())]
        items += [(key, self._entries[key].SerializeToString()) for key in sorted(self._entries)]
        with open(f"{self._temporary}.index", "wb") as file:
            file.write(write_table(items))
            file.flush()
            os.fsync(file.fileno())

    def drop(self) -> None:
        """Write nothing after all."""
        for shard in self._shards.values():
            with suppress(OSError):
                shard.file.close()
        for path in [*(s.path for s in self._shards.values()), *self._placed, f"{self._temporary}.index"]:
            with suppress(FileNotFoundError):
                os.unlink(path)


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """Report what the operating system refuses as TensorFlow does."""
    try:
        yield
    except OSError as error:
        raise of_system(error, error.filename or path) from None


def _write_bytes(file: _Shard, array: Any) -> int:
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    sum_ = 0
    for at in range(0, len(flat), _CHUNK_BYTES):
        piece = flat[at : at + _CHUNK_BYTES]
        sum_ = crc32c(piece, sum_)
        file.write(piece)
    return sum_


def _write_strings(file: _Shard, texts: list[bytes]) -> int:
    lengths = [len(t) for t in texts]
    file.write(b"".join(encoded_varint(n) for n in lengths))
    sum_ = crc32c(packed_lengths(lengths))
    check = masked(sum_).to_bytes(4, "little")
    file.write(check)
    sum_ = crc32c(check, sum_)
    for text in texts:
        sum_ = crc32c(text, sum_)
        file.write(text)
    return sum_


def _sync_folder(folder: str) -> None:
    handle = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
