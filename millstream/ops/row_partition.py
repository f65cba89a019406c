"""Ops of ours that no file names: the ways to write down how values fall into rows, turned into each other and checked."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.sizes import Size
from millstream.ops.declaration import Known, Op, Tensor, Types
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.reduction import cumulative, reduce_all
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    contents,
    full,
    iota,
    reshape,
    size,
    slice_axis,
)
from millstream.program.value import Value

Splits = Types("Tsplits", dtypes.int32, dtypes.int64)


def row_of_each(splits: Value, count: Size | None = None) -> Value:
    """Return for each value the number of its row; the last split says how many values there are."""
    rows = splits.shape[0]
    total = contents(slice_axis(splits, 0, rows - 1, rows))[0] if count is None else count
    places = reshape(iota((total,), 0, splits.dtype), (1, total))
    ends = reshape(slice_axis(splits, 0, 1, rows), (1, rows - 1))
    return reshape(search_sorted(ends, places, True, splits.dtype), (total,))


def splits_of_lengths(lengths: Value) -> Value:
    """Return where each row begins, and the end."""
    return concatenate([full((1,), 0, lengths.dtype), cumulative(lengths, "sum", 0)], 0)


def ranges(starts: Value, lengths: Value) -> tuple[Value, Value]:
    """Return the splits and the numbers of the rows starts[i], starts[i] + 1, …, of these lengths."""
    splits = splits_of_lengths(lengths)
    rows = row_of_each(splits)
    shift = starts - slice_axis(splits, 0, 0, lengths.shape[0])
    return splits, iota(rows.shape, 0, starts.dtype) + gather(shift, rows)


def _rowids(row_splits: Tensor[Splits]) -> Tensor[Splits]:
    """Return the row of each value."""
    return row_of_each(row_splits)


def _lengths(row_splits: Tensor[Splits]) -> Tensor[Splits]:
    """Return the length of each row."""
    n = row_splits.shape[0]
    return slice_axis(row_splits, 0, 1, n) - slice_axis(row_splits, 0, 0, n - 1)


def _splits_of_lengths(row_lengths: Tensor[Splits]) -> Tensor[Splits]:
    """Return the splits of rows of these lengths."""
    return splits_of_lengths(row_lengths)


def _splits_of_rowids(value_rowids: Tensor[Splits], nrows: Known[Tensor[Splits]]) -> Tensor[Splits]:
    """Return the splits of `nrows` rows, given the row of each value in ascending order."""
    n, count = contents(nrows)[0], value_rowids.shape[0]
    borders = reshape(iota((n + 1,), 0, value_rowids.dtype), (1, n + 1))
    found = search_sorted(reshape(value_rowids, (1, count)), borders, False, value_rowids.dtype)
    return reshape(found, (n + 1,))


def _offsets(row_splits: Tensor[Splits]) -> Tensor[Splits]:
    """Return the place of each value in its row."""
    rows = row_of_each(row_splits)
    return iota(rows.shape, 0, row_splits.dtype) - gather(row_splits, rows)


def _ranges(starts: Tensor[Splits], lengths: Tensor[Splits]) -> tuple[Tensor[Splits], Tensor[Splits]]:
    """Return the splits and the numbers of rows starts[i], starts[i] + 1, … of these lengths."""
    return ranges(starts, lengths)


def _holds(condition: Value) -> Value:
    return reduce_all(condition, "and")


def _check_splits(row_splits: Tensor[Splits], *, message: str) -> None:
    """Stop where the splits do not begin at 0 or do not ascend."""
    n = row_splits.shape[0]
    first = slice_axis(row_splits, 0, 0, 1)
    lengths = _lengths(row_splits)
    check(_holds(e.compare(first, full((1,), 0, first.dtype), "EQ")), f"{message}:zero", data=[first])
    check(_holds(e.compare(lengths, full((n - 1,), 0, first.dtype), "GE")), f"{message}:monotonic", data=[row_splits])


def _check_ascending(numbers: Tensor[Splits], first: Tensor[Splits], *, equal: bool, message: str) -> None:
    """Stop where a vector descends, or its first element is below `first` (or another, with `equal`)."""
    n = numbers.shape[0]
    whole = concatenate([reshape(first, (1,)), numbers], 0)
    steps = slice_axis(whole, 0, 1, n + 1) - slice_axis(whole, 0, 0, n)
    check(_holds(e.compare(steps, full((n,), 0, numbers.dtype), "GE")), message, data=[numbers])
    if equal:
        head = gather(concatenate([numbers, reshape(first, (1,))], 0), full((), 0, dtypes.int64))
        check(e.compare(head, first, "EQ"), message, data=[numbers])


def _check_equal(x: Tensor[Splits], y: Tensor[Splits], *, message: str) -> None:
    """Stop where two integer tensors of one shape differ."""
    check(_holds(e.compare(x, y, "EQ")), message, data=[x, y])


def _check_below(numbers: Tensor[Splits], limit: Tensor[Splits], *, message: str) -> None:
    """Stop where a number is negative or not below `limit`: one for all numbers, or one for each."""
    shape = numbers.shape
    limits = limit if limit.rank else broadcast(limit, shape, ())
    low = e.compare(numbers, full(shape, 0, numbers.dtype), "GE")
    high = e.compare(numbers, limits, "LT")
    check(_holds(e.bit_and(low, high)), message, data=[numbers, limit])


def _count_rows(values: Tensor[Types("T")], *, out_type: Splits = dtypes.int64) -> Tensor["out_type"]:
    """Return the size of the first axis."""
    if values.rank == 0:
        raise refuse("CountRows", "a scalar", "give values of rank 1 or more, with one row each")
    return size(values.shape[0], out_type)


def _internal(name: str, body: object, outputs: tuple[str, ...], *, effects: bool = False) -> Op:
    # Not in the table of ops: they are made by row partitions alone.
    made = Op(name, body, outputs, stateful=False, effects=effects)  # type: ignore[arg-type]
    return made if effects else made.no_gradient()


ROW_IDS = _internal("RowIds", _rowids, ("value_rowids",))
ROW_LENGTHS = _internal("RowLengths", _lengths, ("row_lengths",))
ROW_OFFSETS = _internal("RowOffsets", _offsets, ("offsets",))
ROW_RANGES = _internal("RowRanges", _ranges, ("row_splits", "indices"))
ROW_COUNT = _internal("RowCount", _count_rows, ("nrows",))
SPLITS_OF_LENGTHS = _internal("SplitsOfLengths", _splits_of_lengths, ("row_splits",))
SPLITS_OF_ROW_IDS = _internal("SplitsOfRowIds", _splits_of_rowids, ("row_splits",))
CHECK_SPLITS = _internal("CheckSplits", _check_splits, (), effects=True)
CHECK_ASCENDING = _internal("CheckAscending", _check_ascending, (), effects=True)
CHECK_EQUAL = _internal("CheckEqual", _check_equal, (), effects=True)
CHECK_BELOW = _internal("CheckBelow", _check_below, (), effects=True)
