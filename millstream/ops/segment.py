"""Declare reductions of rows by segment, and counting."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int16, int32, int64
from millstream.base.sizes import Size, is_known, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.types import FLOATS, INTEGERS, NUMBERS, QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    constant,
    contents,
    full,
    iota,
    reshape,
    scalar_size,
    slice_axis,
)
from millstream.program.value import Value

T = Types("T", *NUMBERS, *QUANTIZED)
Real = Types("T", *FLOATS, *INTEGERS)
Ids = Types("Tindices", int16, int32, int64)
Wide = Types("Tindices", int32, int64)
Count = Types("Tnumsegments", int32, int64, default=int32)


def _unsorted(kind: str, data: Value, ids: Value, count: Value, what: str) -> Value:
    n = contents(count)[0]
    if is_known(n) and n < 0:
        raise refuse(what, f"num_segments = {n}", "Input num_segments must be non-negative")
    return segment_reduce(data, ids, kind, n)


@op("UnsortedSegmentSum", outputs="output")
def unsorted_segment_sum(data: Tensor[T], segment_ids: Tensor[Ids], num_segments: Known[Tensor[Count]]) -> Tensor[T]:
    """Return the sums of the rows of each segment; rows with an id below 0 are dropped."""
    return _unsorted("sum", data, segment_ids, num_segments, "UnsortedSegmentSum")


@op("UnsortedSegmentProd", outputs="output")
def unsorted_segment_product(
    data: Tensor[T], segment_ids: Tensor[Wide], num_segments: Known[Tensor[Count]]
) -> Tensor[T]:
    """Return the products of the rows of each segment; 1 for an empty one."""
    return _unsorted("product", data, segment_ids, num_segments, "UnsortedSegmentProd")


@op("UnsortedSegmentMax", outputs="output")
def unsorted_segment_max(
    data: Tensor[Real], segment_ids: Tensor[Wide], num_segments: Known[Tensor[Count]]
) -> Tensor[Real]:
    """Return the largest elements of each segment; the lowest number for an empty one."""
    return _unsorted("max", data, segment_ids, num_segments, "UnsortedSegmentMax")


@op("UnsortedSegmentMin", outputs="output")
def unsorted_segment_min(
    data: Tensor[Real], segment_ids: Tensor[Wide], num_segments: Known[Tensor[Count]]
) -> Tensor[Real]:
    """Return the smallest elements of each segment; the highest number for an empty one."""
    return _unsorted("min", data, segment_ids, num_segments, "UnsortedSegmentMin")


def segment_count(ids: Value) -> Size:
    """Return one more than the largest id, 0 without ids."""
    largest = reduce(concatenate([full((1,), -1, ids.dtype), ids], 0), "max", (0,))
    return contents(reshape(largest + 1, (1,)))[0]


def _sorted(kind: str, data: Value, ids: Value) -> Value:
    return segment_reduce(data, ids, kind, segment_count(ids), True)


@op("SegmentSum", outputs="output")
def segment_sum(data: Tensor[T], segment_ids: Tensor[Wide]) -> Tensor[T]:
    """Return the sums of the rows of each segment; the ids do not decrease."""
    return _sorted("sum", data, segment_ids)


@op("SegmentProd", outputs="output")
def segment_product(data: Tensor[T], segment_ids: Tensor[Wide]) -> Tensor[T]:
    """Return the products of the rows of each segment; the ids do not decrease."""
    # Its empty segments hold 1, unlike those of the other sorted ones.
    return segment_reduce(data, segment_ids, "product", segment_count(segment_ids))


@op("SegmentMax", outputs="output")
def segment_max(data: Tensor[Real], segment_ids: Tensor[Wide]) -> Tensor[Real]:
    """Return the largest elements of each segment; the ids do not decrease."""
    return _sorted("max", data, segment_ids)


@op("SegmentMin", outputs="output")
def segment_min(data: Tensor[Real], segment_ids: Tensor[Wide]) -> Tensor[Real]:
    """Return the smallest elements of each segment; the ids do not decrease."""
    return _sorted("min", data, segment_ids)


@op("SegmentMean", outputs="output")
def segment_mean(data: Tensor[T], segment_ids: Tensor[Wide]) -> Tensor[T]:
    """Return the means of the rows of each segment; the ids do not decrease."""
    if not data.dtype.is_integer:
        return _sorted("mean", data, segment_ids)
    total = _sorted("sum", data, segment_ids)
    ones = full(segment_ids.shape, 1, data.dtype)
    numbers = segment_reduce(ones, segment_ids, "sum", total.shape[0], True)
    return total / broadcast(e.maximum(numbers, full(numbers.shape, 1, data.dtype)), total.shape, (0,))


Weight = Types("T", int32, int64, float32, float64)
Bin = Types("Tidx", int32, int64)


def _bins(ids: Value, size: Size, weights: Value, binary: bool, dtype: dtypes.DType) -> Value:
    """Count ids [n] (or rows of them [b, n]) below `size`; the rest is dropped."""
    given = not (weights.rank == 1 and weights.shape[0] == 0 and ids.shape != weights.shape)
    rows = ids.rank == 2
    positive = e.compare(ids, full(ids.shape, 0, ids.dtype), "GE")
    check(reduce(positive, "and", range(ids.rank)), "Input must be non-negative, given", data=[ids])
    bound = broadcast(scalar_size(size, ids.dtype), ids.shape, ())
    inside = e.bit_and(e.compare(ids, bound, "LT"), e.compare(ids, full(ids.shape, 0, ids.dtype), "GE"))
    place = e.select(inside, ids, bound)
    where = reshape(place, (*ids.shape, 1))
    shape: tuple[Size, ...] = (size + 1,)
    if rows:
        shape = (ids.shape[0], size + 1)
        where = concatenate([reshape(iota(ids.shape, 0, ids.dtype), (*ids.shape, 1)), where], 2)
    updates = full(ids.shape, 1, dtype) if not given or binary else weights
    full_counts = scatter_nd(full(shape, 0, dtype), where, updates, "set" if binary else "add")
    return slice_axis(full_counts, len(shape) - 1, 0, size)


@op("DenseBincount", outputs="output")
def dense_bincount(
    input: Tensor[Bin], size: Known[Tensor[Bin]], weights: Tensor[Weight], *, binary_output: bool = False
) -> Tensor[Weight]:
    """Count how often each number below `size` occurs in a vector, or in each row of a matrix; or add weights up."""
    if input.rank > 2:
        raise refuse("DenseBincount", f"rank {input.rank}", "Shape must be at most rank 2")
    flat = reshape(input, (1,)) if input.rank == 0 else input
    return _bins(flat, contents(size)[0], weights, binary_output, weights.dtype)


@op("Bincount", outputs="bins")
def bincount(arr: Tensor[int32], size: Known[Tensor[int32]], weights: Tensor[Weight]) -> Tensor[Weight]:
    """Count how often each number below `size` occurs, or add weights up."""
    return _bins(reshape(arr, (product(arr.shape),)), contents(size)[0], weights, False, weights.dtype)


@op("Bucketize", outputs="output")
def bucketize(input: Tensor[Weight], *, boundaries: list[float]) -> Tensor[int32]:
    """Return for each element how many boundaries are not above it."""
    if list(boundaries) != sorted(boundaries):
        raise refuse("Bucketize", f"boundaries {list(boundaries)}", "Expected sorted boundaries")
    narrow = input.dtype in (float32, int32)
    kind = float32 if narrow and input.dtype == float32 else float64
    flat = reshape(e.convert(input, kind), (1, product(input.shape)))
    rows = constant([list(boundaries)], kind) if boundaries else full((1, 0), 0, kind)
    return reshape(search_sorted(rows, flat, True, int32), input.shape)


for _op in (unsorted_segment_sum, unsorted_segment_product, unsorted_segment_max, unsorted_segment_min):
    _op.cases(
        [((4, 3), (4,), ())],
        inputs=(None, [0, 2, 0, -1], 3),
        dtypes=[float32, float64, dtypes.bfloat16, int32, int64],
        gradient=False,
    )
    _op.cases(
        [((2, 3, 3), (2, 3), ())], inputs=(None, [[0, 2, -1], [2, 1, 0]], 3), dtypes=[float32, float64, int32, int64]
    )
for _op in (segment_sum, segment_product, segment_max, segment_min, segment_mean):
    _op.cases([((4, 3), (4,))], inputs=(None, [0, 0, 2, 2]), dtypes=[float32, float64, int32, int64])
for _op in (dense_bincount, bincount, bucketize):
    _op.no_gradient()
dense_bincount.cases([((5,), (), (0,))], inputs=([1, 0, 1, 3, 9], 4, None), dtypes=[int32, int64, float32])
dense_bincount.cases([((2, 3), (), (2, 3))], inputs=([[1, 0, 1], [2, 2, 2]], 4, None), dtypes=[int32, float32])
dense_bincount.cases(
    [((2, 3), (), (0,))],
    inputs=([[1, 0, 1], [2, 2, 2]], 4, None),
    attributes={"binary_output": True},
    dtypes=[int32, float32],
)
bincount.cases([((5,), (), (0,))], inputs=([1, 0, 1, 3, 9], 4, None), dtypes=[int32, float32])
bucketize.cases([(3, 4)], attributes={"boundaries": (-1.0, 0.0, 1.5)}, dtypes=[float32, float64, int32, int64])
