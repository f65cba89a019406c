"""tf.io: what features of examples become: dense, padded, sparse or ragged tensors."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype


@public("io.FixedLenFeature", "compat.v1.io.FixedLenFeature", "compat.v1.FixedLenFeature")
class FixedLenFeature(NamedTuple):
    """A feature with the same number of elements in each example: a dense tensor.

    Args:
      shape: its shape in one example.
      dtype: float32, int64 or string.
      default_value: what examples have that lack it, of that shape; None: they are refused.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


@public("io.FixedLenSequenceFeature", "compat.v1.io.FixedLenSequenceFeature", "compat.v1.FixedLenSequenceFeature")
class FixedLenSequenceFeature(NamedTuple):
    """A feature of any number of steps, each of one shape: a dense tensor, filled up to the longest.

    Args:
      shape: the shape of one step.
      dtype: float32, int64 or string.
      allow_missing: whether an example may lack it (then it has no steps). Must be true but for sequence examples.
      default_value: what is filled in; None for 0 or no bytes.
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


@public("io.VarLenFeature", "compat.v1.io.VarLenFeature", "compat.v1.VarLenFeature")
class VarLenFeature(NamedTuple):
    """A feature with any number of elements: a sparse tensor [examples, most elements].

    Args:
      dtype: float32, int64 or string.
    """

    dtype: Any


class _SparseFields(NamedTuple):
    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


@public("io.SparseFeature", "compat.v1.io.SparseFeature", "compat.v1.SparseFeature")
class SparseFeature(_SparseFields):
    """A sparse tensor whose elements are one feature, and their places others.

    Args:
      index_key: the name of the feature of places (int64), or one name for each axis.
      value_key: the name of the feature of elements.
      dtype: the type of the elements: float32, int64 or string.
      size: the size of the axis, or of each.
      already_sorted: whether the places are in order; otherwise they are put in order.
    """

    __slots__ = ()


class RowSplits(NamedTuple):
    """Rows by where they begin, and where the last one ends: the feature `key`."""

    key: str


class RowLengths(NamedTuple):
    """Rows by their lengths: the feature `key`."""

    key: str


class RowStarts(NamedTuple):
    """Rows by where they begin: the feature `key`."""

    key: str


class RowLimits(NamedTuple):
    """Rows by where they end: the feature `key`."""

    key: str


class ValueRowIds(NamedTuple):
    """Rows by the row of each value: the feature `key`."""

    key: str


class UniformRowLength(NamedTuple):
    """Rows of one length."""

    length: int


PARTITIONS = (RowSplits, RowLengths, RowStarts, RowLimits, ValueRowIds, UniformRowLength)


class _RaggedFields(NamedTuple):
    dtype: Any
    value_key: Any
    partitions: Any
    row_splits_dtype: Any
    validate: bool


@public("io.RaggedFeature", "compat.v1.io.RaggedFeature")
class RaggedFeature(_RaggedFields):
    """A feature with any number of elements: a ragged tensor [examples, elements], with more axes by `partitions`.

    Args:
      dtype: float32, int64 or string.
      value_key: the name of the feature of elements; None for the name of this.
      partitions: how the elements are parted into rows, outermost first: `RaggedFeature.RowSplits(key)`, `RowLengths(key)`,
        `RowStarts(key)`, `RowLimits(key)`, `ValueRowIds(key)` or `UniformRowLength(length)`.
      row_splits_dtype: int32 or int64.
      validate: whether the partitions are checked.

    Raises:
      ValueError: for other types.
      TypeError: for other partitions.
    """

    __slots__ = ()

    RowSplits: ClassVar[Any] = RowSplits
    RowLengths: ClassVar[Any] = RowLengths
    RowStarts: ClassVar[Any] = RowStarts
    RowLimits: ClassVar[Any] = RowLimits
    ValueRowIds: ClassVar[Any] = ValueRowIds
    UniformRowLength: ClassVar[Any] = UniformRowLength

    def __new__(
        cls,
        dtype: Any,
        value_key: str | None = None,
        partitions: Any = (),
        row_splits_dtype: Any = dtypes.int32,
        validate: bool = False,
    ) -> RaggedFeature:
        kind, splits = as_dtype(dtype), as_dtype(row_splits_dtype)
        if value_key is not None and not isinstance(value_key, str):
            raise ValueError(f"Argument `value_key` must be a string; got {value_key!r}")
        if kind not in (dtypes.int64, dtypes.float32, dtypes.string):
            raise ValueError(f"Argument `dtype` must be int64, float32, or bytes; got {kind!r}")
        if splits not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"Argument `row_splits_dtype` must be int32 or int64; got {splits!r}")
        if not isinstance(partitions, (list, tuple)):
            raise TypeError("Argument `partitions` must be a list or tuple")
        given = tuple(partitions)
        for part in given:
            if not isinstance(part, PARTITIONS):
                names = ", ".join(p.__name__ for p in PARTITIONS)
                raise TypeError(f"Argument `partitions` has {part!r}: give RaggedFeature's {names}.")
        if not isinstance(validate, bool):
            raise TypeError(f"Argument `validate` must be a bool; got {validate!r}")
        return super().__new__(cls, kind, value_key, given, splits, validate)
