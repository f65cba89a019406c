"""Add sparse rows into a dense tensor: what IndexedSlices are worth. Not an op of TensorFlow's; no file names it."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.ops.declaration import Op, Tensor, Types
from millstream.program.primitives.indexing import scatter_nd
from millstream.program.primitives.shaping import full, reshape
from millstream.program.value import Value

T = Types("T")
I = Types("Tindices", dtypes.int32, dtypes.int64)


def _row_sums(values: Tensor[T], indices: Tensor[I], *, rows: int) -> Tensor[T]:
    """Return zeros of `rows` rows with values[i] added to row indices[i]."""
    return _add(values, indices, rows)


def _add(values: Value, indices: Value, rows: int) -> Value:
    zeros = full((rows, *values.shape[1:]), 0, values.dtype)
    return scatter_nd(zeros, reshape(indices, (*indices.shape, 1)), values, "add")


ROW_SUMS = Op("RowSums", _row_sums, ("output",), stateful=False, effects=False)
