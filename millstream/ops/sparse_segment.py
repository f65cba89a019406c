"""Declare reductions of picked rows by segment, SparseSegmentSum and its kin, and their gradients."""

from __future__ import annotations

from typing import Any, Literal

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int32, int64
from millstream.base.sizes import Size, is_known
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.segment import Real, segment_count
from millstream.ops.sparse_order import kept, order_of_numbers
from millstream.ops.types import FLOATS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import cumulative
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import broadcast, constant, contents, full, pad, reshape
from millstream.program.slices import Slices
from millstream.program.value import Value

Float = Types("T", *FLOATS)
Index = Types("Tidx", int32, int64, default=int32)
Ids = Types("Tsegmentids", int32, int64, default=int32)
Count = Types("Tnumsegments", int32, int64, default=int32)
Kind = Literal["sum", "mean", "sqrt_n"]


def _shares(ids: Value, count: Size, kind: Kind, dtype: dtypes.DType) -> Value:
    """Return what one row of each segment counts for: 1 over its number of rows, or over the root of that."""
    numbers = segment_reduce(full(ids.shape, 1, dtype), ids, "sum", count)
    numbers = e.maximum(numbers, full(numbers.shape, 1, dtype))
    return 1 / (e.sqrt(numbers) if kind == "sqrt_n" else numbers)


def _wide(dtype: dtypes.DType) -> dtypes.DType:
    return float32 if dtype in (dtypes.float16, dtypes.bfloat16) else dtype


def _picked_rows(data: Value, indices: Value, ids: Value, count: Size, kind: Kind) -> Value:
    rows = gather(data, indices)
    wide = _wide(data.dtype)
    total = segment_reduce(e.convert(rows, wide), ids, "sum", count, True)
    if kind != "sum":
        total = total * broadcast(_shares(ids, count, kind, wide), total.shape, (0,))
    return e.convert(total, data.dtype)


def _given_count(num_segments: Value, what: str) -> Size:
    count = contents(num_segments)[0]
    if is_known(count) and count < 0:
        raise refuse(what, f"num_segments = {count}", "segment ids must be >= 0 and num_segments not negative")
    return count


@op("SparseSegmentSum", outputs="output")
def sparse_segment_sum(
    data: Tensor[Real], indices: Tensor[Index], segment_ids: Tensor[Ids], *, sparse_gradient: bool = False
) -> Tensor[Real]:
    """Return the sums of the rows data[indices] of each segment; the ids do not decrease."""
    return _picked_rows(data, indices, segment_ids, segment_count(segment_ids), "sum")


@op("SparseSegmentMean", outputs="output")
def sparse_segment_mean(
    data: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], *, sparse_gradient: bool = False
) -> Tensor[Float]:
    """Return the means of the rows data[indices] of each segment; the ids do not decrease."""
    return _picked_rows(data, indices, segment_ids, segment_count(segment_ids), "mean")


@op("SparseSegmentSqrtN", outputs="output")
def sparse_segment_sqrt_n(
    data: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], *, sparse_gradient: bool = False
) -> Tensor[Float]:
    """Return the sums of the rows data[indices] of each segment divided by the root of their number."""
    return _picked_rows(data, indices, segment_ids, segment_count(segment_ids), "sqrt_n")


@op("SparseSegmentSumWithNumSegments", outputs="output")
def sparse_segment_sum_of(
    data: Tensor[Real],
    indices: Tensor[Index],
    segment_ids: Tensor[Ids],
    num_segments: Known[Tensor[Count]],
    *,
    sparse_gradient: bool = False,
) -> Tensor[Real]:
    """Return the sums of the rows data[indices] of each of `num_segments` segments."""
    count = _given_count(num_segments, "SparseSegmentSumWithNumSegments")
    return _picked_rows(data, indices, segment_ids, count, "sum")


@op("SparseSegmentMeanWithNumSegments", outputs="output")
def sparse_segment_mean_of(
    data: Tensor[Float],
    indices: Tensor[Index],
    segment_ids: Tensor[Ids],
    num_segments: Known[Tensor[Count]],
    *,
    sparse_gradient: bool = False,
) -> Tensor[Float]:
    """Return the means of the rows data[indices] of each of `num_segments` segments, 0 of an empty one."""
    count = _given_count(num_segments, "SparseSegmentMeanWithNumSegments")
    return _picked_rows(data, indices, segment_ids, count, "mean")


@op("SparseSegmentSqrtNWithNumSegments", outputs="output")
def sparse_segment_sqrt_n_of(
    data: Tensor[Float],
    indices: Tensor[Index],
    segment_ids: Tensor[Ids],
    num_segments: Known[Tensor[Count]],
    *,
    sparse_gradient: bool = False,
) -> Tensor[Float]:
    """Return the sums of the rows data[indices] of each of `num_segments` segments over the root of their number."""
    count = _given_count(num_segments, "SparseSegmentSqrtNWithNumSegments")
    return _picked_rows(data, indices, segment_ids, count, "sqrt_n")


def _row_gradients(grad: Value, ids: Value, kind: Kind) -> Value:
    """Return what flows back to each picked row."""
    wide = e.convert(grad, _wide(grad.dtype))
    if kind != "sum":
        wide = wide * broadcast(_shares(ids, grad.shape[0], kind, wide.dtype), wide.shape, (0,))
    return gather(wide, ids)


def _dense_gradient(grad: Value, indices: Value, ids: Value, rows: Size, kind: Kind) -> Value:
    flowing = _row_gradients(grad, ids, kind)
    zeros = full((rows, *grad.shape[1:]), 0, flowing.dtype)
    return e.convert(scatter_nd(zeros, reshape(indices, (*indices.shape, 1)), flowing, "add"), grad.dtype)


def _sparse_gradient(grad: Value, indices: Value, ids: Value, kind: Kind) -> tuple[Value, Value]:
    """Return the sums of what flows back to each picked row, and the rows' numbers in ascending order."""
    flowing = _row_gradients(grad, ids, kind)
    order = order_of_numbers(indices)
    ordered = gather(indices, order)
    starts = e.compare(ordered, pad(ordered, (1,), (-1,), value=constant(-1, ordered.dtype)), "NE")
    places = kept(starts)
    groups = cumulative(e.convert(starts, int64), "sum", 0) - 1
    sums = segment_reduce(gather(flowing, order), groups, "sum", places.shape[0])
    return e.convert(sums, grad.dtype), gather(ordered, places)


@op("SparseSegmentSumGrad", outputs="output")
def sparse_segment_sum_gradient(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], output_dim0: Known[Tensor[int32]]
) -> Tensor[Float]:
    """Return the gradient of SparseSegmentSum for its data."""
    return _dense_gradient(grad, indices, segment_ids, contents(output_dim0)[0], "sum")


@op("SparseSegmentMeanGrad", outputs="output")
def sparse_segment_mean_gradient(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], output_dim0: Known[Tensor[int32]]
) -> Tensor[Float]:
    """Return the gradient of SparseSegmentMean for its data."""
    return _dense_gradient(grad, indices, segment_ids, contents(output_dim0)[0], "mean")


@op("SparseSegmentSqrtNGrad", outputs="output")
def sparse_segment_sqrt_n_gradient(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], output_dim0: Known[Tensor[int32]]
) -> Tensor[Float]:
    """Return the gradient of SparseSegmentSqrtN for its data."""
    return _dense_gradient(grad, indices, segment_ids, contents(output_dim0)[0], "sqrt_n")


@op("SparseSegmentSumGradV2", outputs=("output", "sorted_unique_indices"))
def sparse_segment_sum_gradient_v2(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], dense_output_dim0: Tensor[int32]
) -> tuple[Tensor[Float], Tensor[Index]]:
    """Return the rows of the gradient of SparseSegmentSum that are not 0, and which they are."""
    return _sparse_gradient(grad, indices, segment_ids, "sum")


@op("SparseSegmentMeanGradV2", outputs=("output", "sorted_unique_indices"))
def sparse_segment_mean_gradient_v2(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], dense_output_dim0: Tensor[int32]
) -> tuple[Tensor[Float], Tensor[Index]]:
    """Return the rows of the gradient of SparseSegmentMean that are not 0, and which they are."""
    return _sparse_gradient(grad, indices, segment_ids, "mean")


@op("SparseSegmentSqrtNGradV2", outputs=("output", "sorted_unique_indices"))
def sparse_segment_sqrt_n_gradient_v2(
    grad: Tensor[Float], indices: Tensor[Index], segment_ids: Tensor[Ids], dense_output_dim0: Tensor[int32]
) -> tuple[Tensor[Float], Tensor[Index]]:
    """Return the rows of the gradient of SparseSegmentSqrtN that are not 0, and which they are."""
    return _sparse_gradient(grad, indices, segment_ids, "sqrt_n")


_KINDS: dict[Kind, tuple[Op, Op]] = {
    "sum": (sparse_segment_sum, sparse_segment_sum_of),
    "mean": (sparse_segment_mean, sparse_segment_mean_of),
    "sqrt_n": (sparse_segment_sqrt_n, sparse_segment_sqrt_n_of),
}


def _state_gradient(declared: Op, kind: Kind) -> None:
    def rule(
        dy: Value, y: Value, data: Value, indices: Value, ids: Value, *count: Value, sparse_gradient: bool
    ) -> tuple[Any, ...]:
        nothing = (None,) * (2 + len(count))
        if sparse_gradient:
            rows, places = _sparse_gradient(dy, indices, ids, kind)
            return Slices(rows, places, data.shape), *nothing
        return _dense_gradient(dy, indices, ids, data.shape[0], kind), *nothing

    declared.gradient(rule)


PICKED, SEGMENTS = [0, 2, 1, 1], [0, 0, 1, 3]
for _kind, _pair in _KINDS.items():
    for _op in _pair:
        _state_gradient(_op, _kind)
    _types = [float32, float64, dtypes.bfloat16] + [int32] * (_kind == "sum")
    _pair[0].cases([((3, 2), (4,), (4,))], inputs=(None, PICKED, SEGMENTS), dtypes=_types)
    _pair[0].cases([((3, 2), (0,), (0,))], dtypes=[float64])
    _pair[1].cases([((3, 2), (4,), (4,), ())], inputs=(None, PICKED, SEGMENTS, 6), dtypes=_types)
for _op in (sparse_segment_sum_gradient, sparse_segment_mean_gradient, sparse_segment_sqrt_n_gradient):
    _op.cases([((4, 2), (4,), (4,), ())], inputs=(None, PICKED, SEGMENTS, 5), dtypes=[float32, float64])
for _op in (sparse_segment_sum_gradient_v2, sparse_segment_mean_gradient_v2, sparse_segment_sqrt_n_gradient_v2):
    _op.cases([((4, 2), (4,), (4,), ())], inputs=(None, PICKED, SEGMENTS, 5), dtypes=[float32, float64])
