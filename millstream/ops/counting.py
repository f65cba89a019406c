"""Declare counts of numbers with a sparse result, and counts of the numbers of sparse and ragged tensors."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int32, int64
from millstream.base.sizes import Size, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.segment import Weight
from millstream.ops.sparse_order import (
    all_of,
    column,
    compare_number,
    depth_of,
    element,
    filled,
    group,
    kept,
)
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.shaping import (
    concatenate,
    contents,
    full,
    iota,
    reshape,
    scalar_size,
    slice_axis,
)
from millstream.program.value import Value

T = Types("T", int32, int64)
Output = Types("output_type", int32, int64, float32, float64)
Number = Types("Tidx", int32, int64)
Counts = tuple[Value, Value, Value]


def _has_weights(values: Value, weights: Value, what: str) -> bool:
    """Return whether there are weights: none stand for ones."""
    if weights.rank == 1 and weights.shape[0] == 0:
        return False
    if weights.shape != values.shape and weights.rank != values.rank:
        raise refuse(
            what, f"weights {weights.spec} and data {values.spec}", "Weights and data must have the same shape"
        )
    return True


def _counted(
    rows: Value | None,
    count: Value | None,
    values: Value,
    weights: Value,
    lengths: tuple[int, int],
    binary: bool,
    what: str,
) -> Counts:
    """Count the values [n] of each row; without rows all of them."""
    minimum, maximum = lengths
    n = values.shape[0]
    numbers = e.convert(values, int64)
    check(all_of(compare_number(numbers, 0, "GE")), f"{what}: Input values must all be non-negative")
    parts = [reshape(numbers, (n, 1))]
    if rows is not None:
        parts.insert(0, reshape(rows, (n, 1)))
    keys = concatenate(parts, 1)
    ones = weights if not binary and _has_weights(values, weights, what) else full((n,), 1, weights.dtype)
    if maximum >= 0:
        places = kept(compare_number(numbers, maximum, "LT"))
        keys, ones, numbers = gather(keys, places), gather(ones, places), gather(numbers, places)
    groups = group(keys)
    found = full((groups.count,), 1, weights.dtype) if binary else groups.reduce(ones, "sum")
    if maximum >= 0:
        size = full((1,), maximum, int64)
    else:
        largest = reduce(concatenate([full((1,), 0, int64), numbers], 0), "max", (0,))
        size = reshape(e.maximum(largest + 1, full((), max(minimum, 0), int64)), (1,))
    if count is not None:
        size = concatenate([reshape(count, (1,)), size], 0)
    return groups.indices, found, size


@op("DenseCountSparseOutput", outputs=("output_indices", "output_values", "output_dense_shape"))
def dense_count(
    values: Tensor[T], weights: Tensor[Output], *, binary_output: bool, minlength: int = -1, maxlength: int = -1
) -> tuple[Tensor[int64], Tensor[Output], Tensor[int64]]:
    """Count how often each number occurs in a vector, or in each row of a matrix, as a sparse tensor."""
    what = "DenseCountSparseOutput"
    if values.rank not in (1, 2):
        raise refuse(what, f"rank {values.rank}", "Input must be a 1 or 2-dimensional tensor")
    total = product(values.shape)
    rows = reshape(iota(values.shape, 0, int64), (total,)) if values.rank == 2 else None
    count = scalar_size(values.shape[0], int64) if values.rank == 2 else None
    given = weights if not _has_weights(values, weights, what) else reshape(weights, (total,))
    return _counted(rows, count, reshape(values, (total,)), given, (minlength, maxlength), binary_output, what)


def _sparse_rows(indices: Value, dense_shape: Value) -> tuple[Value | None, Value | None]:
    """Return the row of each element, and how many rows there are; None for a sparse vector."""
    if depth_of(indices) == 1:
        return None, None
    return column(indices, 0), element(dense_shape, 0)


@op("SparseCountSparseOutput", outputs=("output_indices", "output_values", "output_dense_shape"))
def sparse_count(
    indices: Tensor[int64],
    values: Tensor[T],
    dense_shape: Tensor[int64],
    weights: Tensor[Output],
    *,
    binary_output: bool,
    minlength: int = -1,
    maxlength: int = -1,
) -> tuple[Tensor[int64], Tensor[Output], Tensor[int64]]:
    """Count how often each number occurs in each row of a sparse tensor, as a sparse tensor."""
    rows, count = _sparse_rows(indices, dense_shape)
    lengths = (minlength, maxlength)
    return _counted(rows, count, values, weights, lengths, binary_output, "SparseCountSparseOutput")


def _ragged_rows(splits: Value, values: Value) -> Value:
    """Return the row of each value: how many ends of rows are not after it."""
    n, rows = values.shape[0], splits.shape[0] - 1
    ends = reshape(slice_axis(splits, 0, 1, splits.shape[0]), (1, rows))
    return reshape(search_sorted(ends, reshape(iota((n,), 0, int64), (1, n)), True, int64), (n,))


@op("RaggedCountSparseOutput", outputs=("output_indices", "output_values", "output_dense_shape"))
def ragged_count(
    splits: Tensor[int64],
    values: Tensor[T],
    weights: Tensor[Output],
    *,
    binary_output: bool,
    minlength: int = -1,
    maxlength: int = -1,
) -> tuple[Tensor[int64], Tensor[Output], Tensor[int64]]:
    """Count how often each number occurs in each row of a ragged tensor, as a sparse tensor."""
    count = scalar_size(splits.shape[0] - 1, int64)
    rows, lengths = _ragged_rows(splits, values), (minlength, maxlength)
    return _counted(rows, count, values, weights, lengths, binary_output, "RaggedCountSparseOutput")


def _bins(
    rows: Value | None, count: Size, values: Value, size: Value, weights: Value, binary: bool, what: str
) -> Value:
    """Count the values below `size` of each row, as a dense tensor."""
    check(all_of(compare_number(values, 0, "GE")), f"{what}: Input arr must be non-negative!")
    columns = contents(size)[0]
    bound = filled(scalar_size(columns, values.dtype), values.shape)
    places = kept(e.compare(values, bound, "LT"))
    n = places.shape[0]
    where = reshape(gather(e.convert(values, int64), places), (n, 1))
    shape: tuple[Size, ...] = (columns,)
    if rows is not None:
        where = concatenate([reshape(gather(rows, places), (n, 1)), where], 1)
        shape = (count, columns)
    given = not binary and _has_weights(values, weights, what)
    updates = gather(weights, places) if given else full((n,), 1, weights.dtype)
    return scatter_nd(full(shape, 0, weights.dtype), where, updates, "set" if binary else "add")


@op("SparseBincount", outputs="output")
def sparse_bincount(
    indices: Tensor[int64],
    values: Tensor[Number],
    dense_shape: Known[Tensor[int64]],
    size: Known[Tensor[Number]],
    weights: Tensor[Weight],
    *,
    binary_output: bool = False,
) -> Tensor[Weight]:
    """Count how often each number below `size` occurs in each row of a sparse tensor, or add weights up."""
    rows, _ = _sparse_rows(indices, dense_shape)
    return _bins(rows, contents(dense_shape)[0], values, size, weights, binary_output, "SparseBincount")


@op("RaggedBincount", outputs="output")
def ragged_bincount(
    splits: Tensor[int64],
    values: Tensor[Number],
    size: Known[Tensor[Number]],
    weights: Tensor[Weight],
    *,
    binary_output: bool = False,
) -> Tensor[Weight]:
    """Count how often each number below `size` occurs in each row of a ragged tensor, or add weights up."""
    rows = _ragged_rows(splits, values)
    return _bins(rows, splits.shape[0] - 1, values, size, weights, binary_output, "RaggedBincount")


_PLACES, _VALUES, _SHAPE = [[0, 0], [0, 1], [2, 0], [2, 2]], [3, 1, 3, 3], [3, 4]
for _op in (dense_count, sparse_count, ragged_count, sparse_bincount, ragged_bincount):
    _op.no_gradient()
for _binary in (False, True):
    for _lengths in ({}, {"minlength": 6}, {"maxlength": 2}):
        _attributes = {"binary_output": _binary, **_lengths}
        for _shape in ((5,), (2, 3)):
            dense_count.cases([(_shape, (0,)), (_shape, _shape)], attributes=_attributes, low=0, high=5)
        sparse_count.cases(
            [((4, 2), (4,), (2,), (4,)), ((4, 2), (4,), (2,), (0,))],
            inputs=(_PLACES, _VALUES, _SHAPE),
            attributes=_attributes,
        )
        ragged_count.cases([((4,), (4,), (4,))], inputs=([0, 2, 2, 4], _VALUES), attributes=_attributes)
    sparse_bincount.cases(
        [((4, 2), (4,), (2,), (), (4,)), ((4, 2), (4,), (2,), (), (0,))],
        inputs=(_PLACES, _VALUES, _SHAPE, 3),
        attributes={"binary_output": _binary},
        dtypes=[int32, int64, float32, dtypes.float64],
    )
    ragged_bincount.cases(
        [((4,), (4,), (), (4,))], inputs=([0, 2, 2, 4], _VALUES, 4), attributes={"binary_output": _binary}
    )
