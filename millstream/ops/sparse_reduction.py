"""Declare sums and maxima of sparse tensors along axes, with a dense or a sparse result."""

from __future__ import annotations

from millstream.base.dtypes import bfloat16, float32, float64, int32, int64
from millstream.base.sizes import Size, is_known
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.sparse import Number
from millstream.ops.sparse_order import Groups, check_inside, columns, compare_number, depth_of, group
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import (
    concatenate,
    contents,
    full,
    reshape,
    slice_axis,
)
from millstream.program.value import UnknownRank, Value

Real = Types("T", *FLOATS, *INTEGERS)


def _kept_axes(indices: Value, axes: Value, what: str) -> list[int]:
    """Return the axes that are not reduced."""
    rank, given = depth_of(indices), contents(axes)
    removed = set()
    for axis in given:
        if not is_known(axis):
            raise UnknownRank("The axes are known only when the program runs.")
        if not -rank <= axis < rank:
            raise refuse(what, f"axis {axis} for rank {rank}", f"give axes in [{-rank}, {rank})")
        removed.add(int(axis) % rank)
    return [a for a in range(rank) if a not in removed]


def _groups(indices: Value, shape: Value, left: list[int], what: str) -> Groups:
    check_inside(indices, shape, what)
    return group(columns(indices, left))


def _dense(indices: Value, values: Value, shape: Value, axes: Value, keep_dims: bool, kind: str, what: str) -> Value:
    left, sizes = _kept_axes(indices, axes, what), contents(shape)
    wanted: list[Size] = [sizes[a] if a in left else 1 for a in range(len(sizes)) if a in left or keep_dims]
    if not left:
        some = _reduce_all(values, kind)
        return reshape(some, wanted)
    groups = _groups(indices, shape, left, what)
    zeros = full([sizes[a] for a in left], 0, values.dtype)
    return reshape(scatter_nd(zeros, groups.indices, groups.reduce(values, kind), "set"), wanted)


def _reduce_all(values: Value, kind: str) -> Value:
    """Reduce all values to one; 0 where there are none."""
    if kind == "sum":
        return reduce(values, "sum", (0,))
    found = reduce(values, kind, (0,))
    ones = reduce(full(values.shape, 1, int64), "sum", (0,))
    return e.select(compare_number(ones, 0, "EQ"), full((), 0, values.dtype), found)


def _sparse(
    indices: Value, values: Value, shape: Value, axes: Value, keep_dims: bool, kind: str, what: str
) -> tuple[Value, Value, Value]:
    left, rank = _kept_axes(indices, axes, what), depth_of(indices)
    groups = _groups(indices, shape, left, what)
    found = groups.reduce(values, kind)
    if not keep_dims:
        sizes = [slice_axis(shape, 0, a, a + 1) for a in left]
        return groups.indices, found, concatenate(sizes, 0) if sizes else full((0,), 0, int64)
    count = groups.count
    parts = [
        slice_axis(groups.indices, 1, left.index(a), left.index(a) + 1) if a in left else full((count, 1), 0, int64)
        for a in range(rank)
    ]
    one = full((1,), 1, int64)
    sizes = [slice_axis(shape, 0, a, a + 1) if a in left else one for a in range(rank)]
    return concatenate(parts, 1), found, concatenate(sizes, 0)


@op("SparseReduceSum", outputs="output")
def sparse_reduce_sum(
    input_indices: Tensor[int64],
    input_values: Tensor[Number],
    input_shape: Known[Tensor[int64]],
    reduction_axes: Known[Tensor[int32]],
    *,
    keep_dims: bool = False,
) -> Tensor[Number]:
    """Return the sums of a sparse tensor along axes, as a dense tensor."""
    return _dense(input_indices, input_values, input_shape, reduction_axes, keep_dims, "sum", "SparseReduceSum")


@op("SparseReduceMax", outputs="output")
def sparse_reduce_max(
    input_indices: Tensor[int64],
    input_values: Tensor[Real],
    input_shape: Known[Tensor[int64]],
    reduction_axes: Known[Tensor[int32]],
    *,
    keep_dims: bool = False,
) -> Tensor[Real]:
    """Return the largest of the elements that there are along axes, as a dense tensor; 0 where there is none."""
    return _dense(input_indices, input_values, input_shape, reduction_axes, keep_dims, "max", "SparseReduceMax")


@op("SparseReduceSumSparse", outputs=("output_indices", "output_values", "output_shape"))
def sparse_reduce_sum_sparse(
    input_indices: Tensor[int64],
    input_values: Tensor[Number],
    input_shape: Tensor[int64],
    reduction_axes: Known[Tensor[int32]],
    *,
    keep_dims: bool = False,
) -> tuple[Tensor[int64], Tensor[Number], Tensor[int64]]:
    """Return the sums of a sparse tensor along axes, as a sparse tensor."""
    return _sparse(input_indices, input_values, input_shape, reduction_axes, keep_dims, "sum", "SparseReduceSumSparse")


@op("SparseReduceMaxSparse", outputs=("output_indices", "output_values", "output_shape"))
def sparse_reduce_max_sparse(
    input_indices: Tensor[int64],
    input_values: Tensor[Real],
    input_shape: Tensor[int64],
    reduction_axes: Known[Tensor[int32]],
    *,
    keep_dims: bool = False,
) -> tuple[Tensor[int64], Tensor[Real], Tensor[int64]]:
    """Return the largest of the elements that there are along axes, as a sparse tensor."""
    return _sparse(input_indices, input_values, input_shape, reduction_axes, keep_dims, "max", "SparseReduceMaxSparse")


PLACES = [[0, 1, 1], [2, 0, 0], [2, 0, 1], [3, 1, 0]]
for _op in (sparse_reduce_sum, sparse_reduce_max, sparse_reduce_sum_sparse, sparse_reduce_max_sparse):
    for _axes in ([0], [1, -1], [0, 1, 2], []):
        _op.cases(
            [((4, 3), (4,), (3,), (len(_axes),))],
            inputs=(PLACES, None, [4, 2, 2], _axes),
            attributes={"keep_dims": len(_axes) != 1},
            dtypes=[float32, float64, int32, bfloat16],
        )
    _op.cases([((0, 2), (0,), (2,), (1,))], inputs=(None, None, [2, 3], [0]), dtypes=[float32, float64])
