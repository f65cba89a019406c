"""Declare the forms of Unique that take an axis."""

from __future__ import annotations

from millstream.base.dtypes import DType, float32, int32, int64
from millstream.base.sizes import is_known, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import bit_or, compare, convert
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import cumulative, reduce
from millstream.program.primitives.searching import order_rows, unique, where
from millstream.program.primitives.shaping import concatenate, contents, full, iota, reshape, slice_, transpose
from millstream.program.value import Value

Any = Types("T")
Axis = Types("Taxis", int32, int64, default=int64)
Out = Types("out_idx", int32, int64, default=int32)


def _distinct(x: Value, axis: Value, out: DType, what: str) -> tuple[Value, Value, Value]:
    """Return the distinct slices of `x` along an axis in order of appearance, the place of each among them, and counts."""
    axes = contents(axis)
    if len(axes) > 1:
        raise refuse(what, f"axis of {len(axes)} elements", "axis does not support more than 1 element")
    if not axes:
        if x.rank != 1:
            raise refuse(what, f"rank {x.rank}", "unique expects a 1D vector.")
        return unique(x, out)
    at = axes[0]
    if not is_known(at) or not -x.rank <= at < x.rank:
        raise refuse(what, f"axis {at} and rank {x.rank}", f"axis should be in [{-x.rank}, {x.rank})")
    at %= x.rank
    if x.rank == 1:
        return unique(x, out)
    front = [at, *(i for i in range(x.rank) if i != at)]
    rows = transpose(x, front)
    first, index, counts = _distinct_rows(rows, out)
    return transpose(gather(rows, first), [front.index(i) for i in range(x.rank)]), index, counts


def _distinct_rows(rows: Value, out: DType) -> tuple[Value, Value, Value]:
    """Return where each distinct row is first, the place of each row among them, and counts."""
    count = rows.shape[0]
    width = product(rows.shape[1:])
    # Numbers of elements are compared, so that elements may be of any type.
    numbers = reshape(unique(reshape(rows, (count * width,)), int64)[1], (count, width))
    order = order_rows(numbers)
    ordered = gather(numbers, order)
    before = concatenate([full((1, width), -1, int64), ordered], 0)
    differ = reduce(compare(ordered, slice_(before, (0, 0), (count, width)), "NE"), "or", (1,))
    begins = bit_or(differ, compare(iota((count,), 0, int64), full((count,), 0, int64), "EQ"))
    groups = cumulative(convert(begins, int64), "sum", 0) - 1
    group_of = scatter_nd(full((count,), 0, int64), reshape(order, (count, 1)), groups, "set")
    found, index, counts = unique(group_of, out)
    starts = where(begins)
    return gather(order, gather(reshape(starts, (starts.shape[0],)), found)), index, counts


@op("UniqueV2", outputs=("y", "idx"))
def unique_v2(
    x: Tensor[Any], axis: Known[Tensor[Axis]], *, out_idx: Out = int32
) -> tuple[Tensor[Any], Tensor["out_idx"]]:
    """Return the distinct slices along an axis in order of appearance, and where each slice is among them."""
    values, index, _ = _distinct(x, axis, out_idx, "UniqueV2")
    return values, index


@op("UniqueWithCountsV2", outputs=("y", "idx", "count"))
def unique_with_counts_v2(
    x: Tensor[Any], axis: Known[Tensor[Axis]], *, out_idx: Out = int32
) -> tuple[Tensor[Any], Tensor["out_idx"], Tensor["out_idx"]]:
    """Return the distinct slices along an axis, where each slice is among them, and how often each occurs."""
    return _distinct(x, axis, out_idx, "UniqueWithCountsV2")


for _op in (unique_v2, unique_with_counts_v2):
    _op.no_gradient()
    _op.cases([((8,), (1,))], dtypes=[int32, int64], inputs=([3, 1, 3, 2, 1, 1, 7, 3], [0]))
    _op.cases([((4, 2), (1,))], dtypes=[int32], inputs=([[3, 1], [2, 2], [3, 1], [0, 2]], [0]))
    _op.cases([((2, 4), (1,))], dtypes=[float32], inputs=([[3, 1, 3, 0], [2, 2, 2, 0]], [-1]))
