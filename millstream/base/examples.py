"""Example messages as arrays: what one feature of several examples is, dense, padded, sparse or ragged. Knows no tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.messages import read

KINDS = {dtypes.float32: "float_list", dtypes.int64: "int64_list", dtypes.string: "bytes_list"}
_NAMES = {"float_list": "float", "int64_list": "int64", "bytes_list": "string"}


class Row(NamedTuple):
    """The features of one example (or its lists of features), its name for errors and its place."""

    features: Any
    name: str
    place: int

    def refused(self, key: str, reason: str) -> errors.InvalidArgumentError:
        """Return the error of a feature."""
        return errors.InvalidArgumentError(None, None, f"Name: {self.name}, Key: {key}, Index: {self.place}.  {reason}")

    def missing(self, key: str, dtype: DType) -> errors.InvalidArgumentError:
        """Return the error of a feature that is not there."""
        what = _NAMES[KINDS[dtype]]
        return errors.InvalidArgumentError(
            None, None, f"Name: {self.name}, Feature: {key} (data type: {what}) is required but could not be found."
        )


def rows_of(serialized: Sequence[bytes], names: Sequence[bytes], kind: str) -> list[Any]:
    """Return the messages of a kind; InvalidArgumentError where bytes are none."""
    found = []
    for i, data in enumerate(serialized):
        row = read(kind, data)
        if row is None:
            raise errors.InvalidArgumentError(
                None, None, f"Name: {name_of(names, i)}, Could not parse example input, value: {data[:64]!r}"
            )
        found.append(row)
    return found


def name_of(names: Sequence[bytes], index: int) -> str:
    """Return the name of an example."""
    return names[index].decode(errors="replace") if index < len(names) else "<unknown>"


def values_of(row: Row, key: str, dtype: DType) -> Any:
    """Return the elements of a feature as an array (a list of bytes for strings); None where it is missing or empty."""
    if key not in row.features:
        return None
    return elements_of(row.features[key], row, key, dtype)


def elements_of(feature: Any, row: Row, key: str, dtype: DType) -> Any:
    """Return the elements of a feature; None where it has no kind."""
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    if kind != KINDS[dtype]:
        raise row.refused(
            key, f"Data types don't match. Expected type: {_NAMES[KINDS[dtype]]}, Actual type: {_NAMES[kind]}"
        )
    return array_of(getattr(feature, kind).value, dtype)


def array_of(values: Sequence[Any], dtype: DType) -> Any:
    """Return an array of elements; strings are objects."""
    made = np.empty(len(values), dtype.as_numpy_dtype)
    made[:] = list(values)
    return made


def dense(rows: Sequence[Row], key: str, dtype: DType, shape: Sequence[int], default: Any) -> Any:
    """Return the elements of all rows [rows, *shape]; `default` (or None) is the array of rows that have none."""
    made = np.empty((len(rows), math.prod(shape)), dtype.as_numpy_dtype)
    for i, row in enumerate(rows):
        values = values_of(row, key, dtype)
        if values is None:
            if default is None:
                raise row.missing(key, dtype)
            values = default.ravel()
        elif len(values) != made.shape[1]:
            raise row.refused(
                key,
                f"Number of {_NAMES[KINDS[dtype]]} values != expected.  "
                f"Values size: {len(values)} but output shape: {list(shape)}",
            )
        made[i] = values
    return made.reshape(len(rows), *shape)


def padded(rows: Sequence[Row], key: str, dtype: DType, shape: Sequence[int], filling: Any) -> Any:
    """Return the elements of all rows [rows, longest, *shape], filled up with `filling`."""
    stride = math.prod(shape)
    found = []
    for row in rows:
        values = values_of(row, key, dtype)
        count = 0 if values is None else len(values)
        if count % stride if stride else count:
            raise row.refused(
                key,
                f"Number of {_NAMES[KINDS[dtype]]} values is not a multiple of stride length. "
                f"Saw {count} values but output shape is: [?,{','.join(map(str, shape))}]",
            )
        found.append(values if values is not None else np.empty(0, dtype.as_numpy_dtype))
    return _filled(found, stride, shape, dtype, filling)


def _filled(found: list[Any], stride: int, shape: Sequence[int], dtype: DType, filling: Any) -> Any:
    longest = max((len(v) // stride if stride else 0 for v in found), default=0)
    made = np.empty((len(found), longest * stride), dtype.as_numpy_dtype)
    made[...] = filling
    for i, values in enumerate(found):
        made[i, : len(values)] = values
    return made.reshape(len(found), longest, *shape)


def zero_of(dtype: DType) -> Any:
    """Return what fills dense features up: 0 or no bytes."""
    return b"" if dtype is dtypes.string else 0


def joined(found: Sequence[Any], dtype: DType) -> Any:
    """Return arrays one after the other."""
    return np.concatenate([np.empty(0, dtype.as_numpy_dtype), *found])


def lists(rows: Sequence[Row], key: str, dtype: DType) -> list[Any]:
    """Return the elements of each row; none where the feature is missing."""
    none = np.empty(0, dtype.as_numpy_dtype)
    return [none if (v := values_of(row, key, dtype)) is None else v for row in rows]


def sparse(found: Sequence[Any], dtype: DType) -> tuple[Any, Any, Any]:
    """Return lists of elements as indices [elements, 2], values and shape of a sparse tensor."""
    sizes = np.array([len(v) for v in found], np.int64)
    indices = np.empty((int(sizes.sum()), 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(found)), sizes)
    indices[:, 1] = np.concatenate([np.empty(0, np.int64), *(np.arange(n) for n in sizes)])
    return indices, joined(found, dtype), np.array([len(found), sizes.max(initial=0)], np.int64)


def placed(
    rows: Sequence[Row], places: Sequence[str], key: str, dtype: DType, sizes: Sequence[int], in_order: bool
) -> tuple[Any, Any, Any]:
    """Return a sparse tensor whose elements come from one feature and their places from others."""
    all_indices, all_values = [np.empty((0, 1 + len(places)), np.int64)], []
    columns = [lists(rows, p, dtypes.int64) for p in places]
    for i, values in enumerate(lists(rows, key, dtype)):
        where = [c[i] for c in columns]
        for column in where:
            if len(column) != len(values):
                raise ValueError(
                    f"Dimensions {len(column)} and {len(values)} are not compatible: example {i} has {len(values)} values in "
                    f"'{key}', and {len(column)} places."
                )
        indices = np.stack([np.full(len(values), i, np.int64), *where], axis=1)
        if not in_order:
            order = np.lexsort(indices.T[::-1])
            indices, values = indices[order], values[order]
        all_indices.append(indices)
        all_values.append(values)
    return np.concatenate(all_indices), joined(all_values, dtype), np.array([len(rows), *sizes], np.int64)


def lengths_by_limits(limits: Any) -> Any:
    """Return the lengths of rows from where they end."""
    return np.diff(limits, prepend=0) if len(limits) else limits


Lengths = Callable[[Any, int], Any]
"""How the lengths of rows follow from a feature's numbers and the number of what is in them."""


def row_lengths(kind: str) -> Lengths:
    """Return how a kind of row partition says the lengths of rows."""
    return {
        "RowLengths": lambda numbers, count: numbers,
        "RowSplits": lambda numbers, count: np.diff(numbers),
        "RowStarts": lambda numbers, count: np.diff(numbers, append=count) if len(numbers) else numbers,
        "RowLimits": lambda numbers, count: lengths_by_limits(numbers),
        "ValueRowIds": lambda numbers, count: np.bincount(numbers) if len(numbers) else numbers,
    }[kind]


def splits_of(lengths: Any, kind: Any) -> Any:
    """Return where rows begin and the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(kind)
