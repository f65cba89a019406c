"""Parts of tensors in checkpoints: as text ("10 2 0,5:-"), as messages, and as keys of an index that sort by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream.base import errors


@dataclass(frozen=True)
class Part:
    """A block of a tensor of the sizes `shape`: where it starts and how long it is in each dimension.

    `whole` are the dimensions that were said to be taken whole, whatever their size: files name these parts otherwise.
    """

    shape: tuple[int, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    whole: frozenset[int] = frozenset()

    @classmethod
    def all_of(cls, shape: Sequence[int]) -> Part:
        """Return the part that is all of a tensor."""
        return cls(tuple(shape), (0,) * len(shape), tuple(shape), frozenset(range(len(shape))))

    @classmethod
    def of_text(cls, text: str) -> Part:
        """Return the part that a `shape_and_slice` names.

        >>> Part.of_text("10 2 0,5:-")
        Part(shape=(10, 2), starts=(0, 0), lengths=(5, 2), whole=frozenset({1}))

        Raises:
          tf.errors.InvalidArgumentError: for a text of another form, or a part that is not inside of the tensor.
        """
        *sizes, described = text.split(" ")
        try:
            shape = tuple(int(s) for s in sizes)
            pairs = [
                (0, size) if words == "-" else tuple(int(w) for w in words.split(","))
                for words, size in zip(described.split(":"), shape, strict=True)
            ]
            starts, lengths = tuple(s for s, _ in pairs), tuple(n for _, n in pairs)
            whole = frozenset(i for i, words in enumerate(described.split(":")) if words == "-")
        except ValueError:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{text!r} names no part of a tensor: sizes and start,length or - for each, as in '10 2 0,5:-'.",
            ) from None
        made = cls(shape, starts, lengths, whole)
        if not made.is_inside():
            raise errors.InvalidArgumentError(
                None, None, f"The part {text!r} is not inside of its tensor of {list(shape)}."
            )
        return made

    @classmethod
    def of_proto(cls, shape: Sequence[int], proto: Any) -> Part:
        """Return the part that a TensorSliceProto names; ValueError where it is not inside of `shape`."""
        if len(proto.extent) != len(shape):
            raise ValueError(f"a part of {len(proto.extent)} dimensions is of a tensor of {len(shape)}")
        lengths = tuple(e.length if e.HasField("length") else n for e, n in zip(proto.extent, shape, strict=True))
        whole = frozenset(i for i, extent in enumerate(proto.extent) if not extent.HasField("length"))
        made = cls(tuple(shape), tuple(e.start for e in proto.extent), lengths, whole)
        if not made.is_inside():
            raise ValueError(f"a part {made.starts} + {made.lengths} is not inside of its tensor of {list(shape)}")
        return made

    def is_inside(self) -> bool:
        """Return whether the part lies inside of its tensor."""
        ends = zip(self.shape, self.starts, self.lengths, strict=True)
        return all(start >= 0 and length >= 0 and start + length <= size for size, start, length in ends)

    def is_whole(self) -> bool:
        """Return whether the part is all of its tensor."""
        return len(self.whole) == len(self.shape)

    def count(self) -> int:
        """Return the number of elements."""
        return math.prod(self.lengths)

    def index(self) -> tuple[slice, ...]:
        """Return what NumPy takes the part by."""
        return tuple(slice(s, s + n) for s, n in zip(self.starts, self.lengths, strict=True))

    def common(self, other: Part) -> Part | None:
        """Return what two parts of one tensor have in common; None where that is nothing."""
        starts = tuple(max(a, b) for a, b in zip(self.starts, other.starts, strict=True))
        ends = [min(a, b) for a, b in zip(self._ends(), other._ends(), strict=True)]
        lengths = tuple(end - start for start, end in zip(starts, ends, strict=True))
        return Part(self.shape, starts, lengths) if all(n > 0 for n in lengths) else None

    def inside(self, outer: Part) -> tuple[slice, ...]:
        """Return what NumPy takes this part by from an array that holds only `outer`."""
        moved = zip(self.starts, outer.starts, self.lengths, strict=True)
        return tuple(slice(s - o, s - o + n) for s, o, n in moved)

    def _ends(self) -> list[int]:
        return [s + n for s, n in zip(self.starts, self.lengths, strict=True)]

    def fill_proto(self, proto: Any) -> None:
        """Write the part into a TensorSliceProto; a dimension that is taken whole has no length there."""
        for i, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True)):
            extent = proto.extent.add()
            if i not in self.whole:
                extent.start, extent.length = start, length

    def key(self, name: str) -> bytes:
        """Return the key of this part of the tensor `name` in an index."""
        made = _number(0) + _text(name.encode()) + _number(len(self.shape))
        for i, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True)):
            made += _signed(start) + _signed(-1 if i in self.whole else length)
        return made


def _number(value: int) -> bytes:
    """Return a number such that bytes sort as numbers do: how many bytes, then the bytes."""
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def _text(data: bytes) -> bytes:
    """Return a text that ends, and sorts as it did: 0 becomes 0 255, 255 becomes 255 0, the end is 0 1."""
    escaped = b"".join(b"\0\xff" if byte == 0 else b"\xff\0" if byte == 0xFF else bytes([byte]) for byte in data)
    return escaped + b"\0\1"


def _signed(value: int) -> bytes:
    """Return a signed number such that bytes sort as numbers do: ones in front say how many bytes there are."""
    bits = (~value if value < 0 else value).bit_length()
    size = bits // 7 + 1
    marks = ((1 << size) - 1) << (8 * size - size)
    return ((value & ((1 << 8 * size) - 1)) ^ marks).to_bytes(size, "big")
