"""Order and group the rows of sparse indices: what the ops on sparse tensors are made of. Declares no op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.base import dtypes
from millstream.base.dtypes import int64
from millstream.base.sizes import Size
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import cumulative, reduce
from millstream.program.primitives.searching import order_rows, where
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    constant,
    full,
    iota,
    pad,
    reshape,
    scalar_size,
    slice_axis,
)
from millstream.program.value import UnknownRank, Value


def depth_of(indices: Value) -> int:
    """Return the rank of the sparse tensor that has these indices [n, rank]."""
    depth = indices.shape[1]
    if not isinstance(depth, int):
        raise UnknownRank("The rank of a sparse tensor is known only when the program runs.")
    return depth


def column(indices: Value, axis: int) -> Value:
    """Return the index along one axis of each element, [n]."""
    return reshape(slice_axis(indices, 1, axis, axis + 1), indices.shape[:1])


def columns(indices: Value, axes: Sequence[int]) -> Value:
    """Return the indices along `axes`, [n, len(axes)]."""
    if not axes:
        return full((indices.shape[0], 0), 0, indices.dtype)
    return concatenate([slice_axis(indices, 1, a, a + 1) for a in axes], 1)


def element(vector: Value, i: int) -> Value:
    """Return one element of a vector as a scalar."""
    return reshape(slice_axis(vector, 0, i, i + 1), ())


def filled(scalar: Value, shape: Sequence[Size]) -> Value:
    """Return a scalar in every place of `shape`."""
    return broadcast(scalar, shape, ())


def along_rows(vector: Value, rows: Value) -> Value:
    """Return a vector [rank] once for each of the rows [n, rank]."""
    return broadcast(vector, rows.shape, (1,))


def order_of(indices: Value) -> Value:
    """Return the places of the rows in row-major order; equal rows stay in order."""
    depth_of(indices)
    return order_rows(indices)


def order_of_numbers(numbers: Value) -> Value:
    """Return the places of integers in ascending order; equal ones stay in order."""
    return order_rows(reshape(numbers, (*numbers.shape, 1)))


def inverse_of(permutation: Value) -> Value:
    """Return the permutation that undoes this one."""
    n = permutation.shape[0]
    return scatter_nd(full((n,), 0, int64), reshape(permutation, (n, 1)), iota((n,), 0, int64), "set")


def kept(holds: Value) -> Value:
    """Return the places of the elements of a bool vector that hold, int64 [m]."""
    places = where(holds)
    return reshape(places, places.shape[:1])


def all_of(holds: Value) -> Value:
    """Return whether all elements hold."""
    return reduce(holds, "and", tuple(range(holds.rank)))


def compare_number(x: Value, number: float, direction: str) -> Value:
    """Compare each element with one number."""
    return e.compare(x, full(x.shape, number, x.dtype), direction)


def check_inside(indices: Value, shape: Value, what: str) -> None:
    """Refuse indices below 0, or not below the dense shape."""
    low = compare_number(indices, 0, "GE")
    high = e.compare(indices, along_rows(e.convert(shape, indices.dtype), indices), "LT")
    check(all_of(e.bit_and(low, high)), f"{what}: indices are out of bounds: give indices in [0, dense_shape)")


def check_ascending(indices: Value, what: str) -> None:
    """Refuse indices that are repeated, or not in row-major order."""
    n, depth = indices.shape[0], depth_of(indices)
    if not depth:
        return
    before = pad(indices, (1, 0), (-1, 0), value=constant(-1, indices.dtype))
    above, equal = full((n,), False, dtypes.bool), full((n,), True, dtypes.bool)
    for axis in range(depth):
        old, new = column(before, axis), column(indices, axis)
        above = e.bit_or(above, e.bit_and(equal, e.compare(old, new, "LT")))
        equal = e.bit_and(equal, e.compare(old, new, "EQ"))
    first = compare_number(iota((n,), 0, int64), 0, "EQ")
    check(all_of(e.logical_not(e.bit_and(equal, e.logical_not(first)))), f"{what}: an index is repeated")
    check(
        all_of(e.bit_or(above, first)),
        f"{what}: an index is out of order. Many sparse ops require sorted indices. Use `tf.sparse.reorder` to "
        "create a correctly ordered copy.",
    )


def strides_of(shape: Value) -> Value:
    """Return how far apart neighbours along each axis are in row-major order."""
    return cumulative(shape, "product", 0, exclusive=True, backwards=True)


def linear(indices: Value, shape: Value) -> Value:
    """Return the row-major number of each place, [n]."""
    return reduce(indices * along_rows(strides_of(shape), indices), "sum", (1,))


@dataclass(frozen=True)
class Groups:
    """Rows of indices put in order; equal ones make one group."""

    order: Value
    """Where each row in order was."""
    ids: Value
    """The group of each row in order."""
    first: Value
    """For each group, the place of its first row in order."""
    indices: Value
    """The row of each group."""

    @property
    def count(self) -> Size:
        """How many groups there are."""
        return self.first.shape[0]

    def reduce(self, values: Value, kind: str) -> Value:
        """Reduce the values of each group's rows to one."""
        return segment_reduce(gather(values, self.order), self.ids, kind, self.count)

    def spread(self, values: Value) -> Value:
        """Give each row the value of its group."""
        return gather(gather(values, self.ids), inverse_of(self.order))


def group(indices: Value, order: Value | None = None) -> Groups:
    """Put the rows [n, rank] in order, and equal ones together."""
    order = order_of(indices) if order is None else order
    rows = gather(indices, order)
    starts = compare_number(iota(rows.shape[:1], 0, int64), 0, "EQ")
    for axis in range(depth_of(rows)):
        new = column(rows, axis)
        before = pad(new, (1,), (-1,), value=constant(-1, rows.dtype))
        starts = e.bit_or(starts, e.compare(new, before, "NE"))
    first = kept(starts)
    ids = cumulative(e.convert(starts, int64), "sum", 0) - 1
    return Groups(order, ids, first, gather(rows, first))


def matches(table: Value, queries: Value) -> tuple[Value, Value]:
    """Return for each query row its place in the table of distinct rows, and whether it is there (0 and False where not)."""
    rows, wanted = table.shape[0], queries.shape[0]
    groups = group(concatenate([table, queries], 0))
    # The table comes first, and equal rows keep their order: a group that has a row of the table begins with it.
    place = groups.spread(gather(groups.order, groups.first))
    place = slice_axis(place, 0, rows, rows + wanted)
    bound = filled(scalar_size(rows, int64), (wanted,))
    found = e.compare(place, bound, "LT")
    return e.select(found, place, full(place.shape, 0, int64)), found
