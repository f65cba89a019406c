"""Checkpoint files (TensorBundle, version 2), read: an index `<prefix>.index` and shards of data beside it.

Everything an index says is checked against the data before memory is taken for it; sums are checked while data is read.
Not read: elements of resource and variant type.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.checksums import crc32c, masked
from millstream.base.dtypes import DType, as_dtype
from millstream.base.files import of_system
from millstream.base.messages import read as read_message
from millstream.saving.slices import Part
from millstream.saving.snappy import varint
from millstream.saving.table import damaged, read_table

_CHUNK_BYTES = 1 << 22
_ALIGNMENT_BYTES = 64
_PART_KEY = b"\0"
"""Keys of parts of tensors begin so; no name does."""


def index_path(prefix: str) -> str:
    """Return the path of a checkpoint's index."""
    return f"{prefix}.index"


def data_path(prefix: str, shard: int, shards: int) -> str:
    """Return the path of one shard of a checkpoint's data."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


@dataclass(frozen=True)
class Entry:
    """What an index says of one tensor."""

    dtype: DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size_bytes: int
    sum_: int
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


class BundleReader:
    """The tensors of a checkpoint by name. Data is read when it is asked for.

    Raises:
      tf.errors.NotFoundError: there is no index for this prefix.
      tf.errors.DataLossError: the index is damaged.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._index = index_path(prefix)
        try:
            with open(self._index, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            raise errors.NotFoundError(
                None,
                None,
                f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {prefix}; there is no "
                f"file {self._index}.",
            ) from None
        except OSError as error:
            raise of_system(error, self._index) from None
        self._table = read_table(content, self._index)
        header = read_message("BundleHeaderProto", self._table.pop(b"", b"\xff"))
        if header is None or header.num_shards < 1:
            raise damaged(self._index, "its first entry is no header that says how many files of data there are")
        if header.version.min_consumer > 1:
            raise damaged(self._index, f"it wants readers of version {header.version.min_consumer}; this is version 1")
        self.shards: int = header.num_shards
        self._swapped = header.endianness == 1
        self._sizes: dict[int, int] = {}

    @property
    def names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return [key.decode(errors="surrogateescape") for key in self._table if not key.startswith(_PART_KEY)]

    def __contains__(self, name: str) -> bool:
        return name.encode(errors="surrogateescape") in self._table

    def entry(self, name: str) -> Entry:
        """Return what the index says of a tensor.

        Raises:
          tf.errors.NotFoundError: there is none of this name.
          tf.errors.DataLossError: what it says cannot be.
        """
        try:
            return self._entry(name.encode(errors="surrogateescape"), name)
        except KeyError:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint") from None

    def _entry(self, key: bytes, name: str) -> Entry:
        proto = read_message("BundleEntryProto", self._table[key])
        where = f"its entry for {name!r}"
        if proto is None:
            raise damaged(self._index, f"{where} is no BundleEntryProto")
        try:
            dtype = as_dtype(proto.dtype)
        except TypeError:
            raise damaged(self._index, f"{where} has the unknown element type {proto.dtype}") from None
        shape = tuple(d.size for d in proto.shape.dim)
        if proto.shape.unknown_rank or any(s < 0 for s in shape):
            raise damaged(self._index, f"{where} has the sizes {list(shape)}")
        if not 0 <= proto.shard_id < self.shards or proto.offset < 0 or proto.size < 0:
            raise damaged(
                self._index,
                f"{where} points to {proto.size} bytes at {proto.offset} of file {proto.shard_id} of {self.shards}",
            )
        try:
            parts = tuple(Part.of_proto(shape, p) for p in proto.slices)
        except ValueError as error:
            raise damaged(self._index, f"in {where} {error}") from None
        return Entry(dtype, shape, proto.shard_id, proto.offset, proto.size, proto.crc32c, parts)

    def array(self, name: str, part: Part | None = None) -> Any:
        """Return a tensor, or a part of it, as a NumPy array; strings as an array of bytes objects."""
        return self._value(name, part)[0]

    def tensor(self, name: str, part: Part | None = None) -> Any:
        """Return a tensor, or a part of it, as an eager tensor; the bytes are those that were read."""
        array, dtype = self._value(name, part)
        if dtype is dtypes.string:
            return runtime.from_strings(array.ravel().tolist(), array.shape)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        try:
            return runtime.from_array(flat, dtype.as_datatype_enum, array.shape, False)
        except TypeError:
            raise errors.UnimplementedError(
                None,
                None,
                f"{name!r} is of {dtype.name}, which tensors here do not hold; tf.train.load_variable gives an array.",
            ) from None

    def _value(self, name: str, part: Part | None) -> tuple[Any, DType]:
        entry = self.entry(name)
        if part is not None and part.shape != entry.shape:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{name!r} has the sizes {list(entry.shape)} in {self.prefix}; asked for a part of {list(part.shape)}.",
            )
        if entry.parts:
            return self._joined(name, entry, part), entry.dtype
        found = self._read(name, entry)
        return (found if part is None or part.is_whole() else found[part.index()].copy()), entry.dtype

    def _joined(self, name: str, entry: Entry, wanted: Part | None) -> Any:
        """Return a tensor, or a part of it, that was written in parts."""
        if wanted is None:
            wanted = Part.all_of(entry.shape)
        pieces = []
        for part in entry.parts:
            common = part.common(wanted)
            if common is not None:
                pieces.append((part, common, self._piece(name, entry, part)))
        have = sum(common.count() for _, common, _ in pieces)
        if have != wanted.count():
            raise damaged(self._index, f"its parts of {name!r} hold {have} of the {wanted.count()} elements asked for")
        kind = _numpy_kind(entry.dtype)
        made = np.empty(wanted.lengths, object) if kind is None else _zeros(wanted.lengths, kind)
        for part, common, read in pieces:
            made[common.inside(wanted)] = read()[common.inside(part)]
        return made

    def _piece(self, name: str, entry: Entry, part: Part) -> Callable[[], Any]:
        """Return what reads one part of a tensor, once it is sure that it is there."""
        try:
            piece = self._entry(part.key(name), name)
        except KeyError:
            raise damaged(self._index, f"the part {part.starts} + {part.lengths} of {name!r} is not there") from None
        if piece.shape != part.lengths or piece.dtype is not entry.dtype or piece.parts:
            raise damaged(self._index, f"the part {part.starts} + {part.lengths} of {name!r} has {list(piece.shape)}")
        self._check(name, piece)
        return lambda: self._read(name, piece)

    def _check(self, name: str, entry: Entry) -> int:
        """Return the size of the elements of an entry in bytes, 0 for strings, once it is sure that its data is there."""
        if entry.dtype in (dtypes.resource, dtypes.variant):
            raise errors.UnimplementedError(
                None,
                None,
                f"{name!r} in {self.prefix} is of type {entry.dtype.name}, as the state of TensorFlow's own iterators is; it is not "
                "read here. Leave the object that saved it out of what is restored, and make it anew.",
            )
        kind = _numpy_kind(entry.dtype)
        path = data_path(self.prefix, entry.shard, self.shards)
        have = self._data_bytes(entry.shard)
        if entry.offset + entry.size_bytes > have:
            raise damaged(
                path,
                f"it has {have} bytes, and {name!r} is to be {entry.size_bytes} bytes at {entry.offset}; it is cut off",
            )
        if kind is None:
            if entry.size_bytes < entry.count + 4:
                raise damaged(self._index, f"{name!r} is to be {entry.count} strings in {entry.size_bytes} bytes")
            return 0
        if entry.size_bytes != entry.count * kind.itemsize:
            raise damaged(
                self._index,
                f"{name!r} is to be {entry.dtype.name} {list(entry.shape)}, {entry.count * kind.itemsize} bytes, in "
                f"{entry.size_bytes} bytes",
            )
        return int(kind.itemsize)

    def _data_bytes(self, shard: int) -> int:
        path = data_path(self.prefix, shard, self.shards)
        if shard not in self._sizes:
            try:
                self._sizes[shard] = os.path.getsize(path)
            except OSError as error:
                raise of_system(error, path) from None
        return self._sizes[shard]

    def _read(self, name: str, entry: Entry) -> Any:
        width = self._check(name, entry)
        path = data_path(self.prefix, entry.shard, self.shards)
        buffer = _aligned(entry.size_bytes)
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(entry.offset)
                if not width:
                    _fill(file, buffer, path)
                    return self._strings(name, entry, buffer.tobytes(), path)
                sum_ = _fill(file, buffer, path)
        except OSError as error:
            raise of_system(error, path) from None
        self._compare(name, entry, sum_, path)
        kind = _numpy_kind(entry.dtype)
        array = buffer.view(kind).reshape(entry.shape)
        return array.byteswap() if self._swapped and width > 1 else array

    def _compare(self, name: str, entry: Entry, sum_: int, path: str) -> None:
        if masked(sum_) != entry.sum_:
            raise damaged(
                path,
                f"the {entry.size_bytes} bytes of {name!r} at {entry.offset} have the sum {masked(sum_):#010x}, and "
                f"{entry.sum_:#010x} was written with them",
            )

    def _strings(self, name: str, entry: Entry, data: bytes, path: str) -> Any:
        """Return strings: their lengths, the sum of these, then all their bytes."""
        where = f"the strings of {name!r} at {entry.offset}"
        lengths, at = [], 0
        try:
            for _ in range(entry.count):
                length, at = varint(data, at)
                lengths.append(length)
        except ValueError as error:
            raise damaged(path, f"in {where} {error}") from None
        if at + 4 + sum(lengths) != len(data):
            raise damaged(path, f"{where} take {at + 4 + sum(lengths)} bytes, and the index says {len(data)}")
        sum_ = crc32c(packed_lengths(lengths))
        check = data[at : at + 4]
        if masked(sum_).to_bytes(4, "big" if self._swapped else "little") != check:
            raise damaged(path, f"the sum of the lengths of {where} is wrong")
        self._compare(name, entry, crc32c(memoryview(data)[at:], sum_), path)
        made = np.empty(entry.count, object)
        at += 4
        for i, length in enumerate(lengths):
            made[i] = data[at : at + length]
            at += length
        return made.reshape(entry.shape)


def packed_lengths(lengths: list[int]) -> bytes:
    """Return the lengths of strings as their sum is taken of: four bytes each, eight for those that need them."""
    return b"".join(n.to_bytes(4 if n < 1 << 32 else 8, "little") for n in lengths)


def _numpy_kind(dtype: DType) -> Any:
    """Return the NumPy type of the elements of a type; None for strings."""
    if dtype is dtypes.string:
        return None
    return np.dtype(dtype.numpy_dtype[0] if dtype.is_quantized else dtype.as_numpy_dtype)


def _aligned(size_bytes: int) -> Any:
    """Return bytes that begin where the runtime likes them to."""
    block = np.empty(size_bytes + _ALIGNMENT_BYTES, np.uint8)
    start = -block.ctypes.data % _ALIGNMENT_BYTES
    return block[start : start + size_bytes]


def _zeros(shape: tuple[int, ...], kind: Any) -> Any:
    made = _aligned(math.prod(shape) * kind.itemsize)
    made[:] = 0
    return made.view(kind).reshape(shape)


def _fill(file: Any, buffer: Any, path: str) -> int:
    """Fill a buffer from a file, a piece at a time; return the sum of its bytes."""
    sum_, at = 0, 0
    while at < len(buffer):
        piece = buffer[at : at + _CHUNK_BYTES]
        count = file.readinto(piece)
        if not count:
            raise damaged(path, f"it ended {len(buffer) - at} bytes early while it was read")
        sum_ = crc32c(piece[:count], sum_)
        at += count
    return sum_
