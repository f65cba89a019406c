"""Two ops of ours that no file names: a cut whose place is no part of the plan, and the sum of sparse rows."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.ops.declaration import Op, Tensor, Types
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.shaping import dynamic_slice, full, reshape

T = Types("T")
Where = Types("Tindices", dtypes.int32, dtypes.int64)


def _cut(x: Tensor[T], start: Tensor[dtypes.int64], *, sizes: tuple[int, ...], shape: tuple[int, ...]) -> Tensor[T]:
    """Cut `sizes` out of `x` from `start` and give it `shape`."""
    return reshape(dynamic_slice(x, start, sizes), shape)


def _row_sums(values: Tensor[T], indices: Tensor[Where], *, rows: int) -> Tensor[T]:
    """Return zeros of `rows` rows with values[i] added to row indices[i]."""
    zeros = full((rows, *values.shape[1:]), 0, values.dtype)
    return scatter_nd(zeros, reshape(indices, (*indices.shape, 1)), values, "add")


# Not in the table of ops: they are made by slicing and by IndexedSlices alone.
CUT = Op("StridedSlice:cut", _cut, ("output",), stateful=False, effects=False)
ROW_SUMS = Op("RowSums", _row_sums, ("output",), stateful=False, effects=False)
