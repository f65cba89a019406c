"""The product of two sparse matrices, an op of ours that no file names: TensorFlow's works on handles of its own format."""

from __future__ import annotations

from millstream.base.dtypes import int64
from millstream.ops.declaration import Op, Tensor, Types
from millstream.ops.sparse_order import column, columns, depth_of, group, inverse_of, order_of_numbers
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.reduction import cumulative, reduce
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import concatenate, contents, full, iota, reshape, slice_axis

T = Types("T")


def _product(
    a_indices: Tensor[int64], a_values: Tensor[T], b_indices: Tensor[int64], b_values: Tensor[T]
) -> tuple[Tensor[int64], Tensor[T]]:
    """Return indices and values of the product of two sparse matrices, or of two batches of them."""
    depth = depth_of(a_indices)
    if depth not in (2, 3) or depth_of(b_indices) != depth:
        raise refuse(
            "SparseProduct", f"ranks {depth} and {depth_of(b_indices)}", "give two of rank 2, or two of rank 3"
        )
    n, m = a_indices.shape[0], b_indices.shape[0]
    batch = list(range(depth - 2))
    ours, theirs = columns(a_indices, [*batch, depth - 1]), columns(b_indices, [*batch, depth - 2])
    groups = group(concatenate([ours, theirs], 0))
    ids = gather(groups.ids, inverse_of(groups.order))
    a_ids, b_ids = slice_axis(ids, 0, 0, n), slice_axis(ids, 0, n, n + m)
    b_order = order_of_numbers(b_ids)
    b_counts = segment_reduce(full((m,), 1, int64), b_ids, "sum", groups.count)
    b_starts = cumulative(b_counts, "sum", 0, exclusive=True)
    # Each element of a meets b_counts elements of b: list the meetings one after the other.
    meetings = gather(b_counts, a_ids)
    total = contents(reshape(reduce(meetings, "sum", (0,)), (1,)))[0]
    ends = cumulative(meetings, "sum", 0)
    number = iota((total,), 0, int64)
    a_of = reshape(search_sorted(reshape(ends, (1, n)), reshape(number, (1, total)), True, int64), (total,))
    offset = number - gather(ends - meetings, a_of)
    b_of = gather(b_order, gather(gather(b_starts, a_ids), a_of) + offset)
    products = gather(a_values, a_of) * gather(b_values, b_of)
    rows = gather(columns(a_indices, range(depth - 1)), a_of)
    ends_at = reshape(gather(column(b_indices, depth - 1), b_of), (total, 1))
    found = group(concatenate([rows, ends_at], 1))
    return found.indices, found.reduce(products, "sum")


SPARSE_PRODUCT = Op("SparseProduct", _product, ("indices", "values"), stateful=False, effects=False)
