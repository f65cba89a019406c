"""Declare operations on sets: the last axis of a dense or sparse tensor holds one set for each place of the others.

Sets of numbers only: sets of strings are refused.
"""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import int8, int16, int32, int64, uint8, uint16
from millstream.base.sizes import Size, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.sparse_order import (
    all_of,
    check_ascending,
    check_inside,
    columns,
    compare_number,
    depth_of,
    group,
    kept,
)
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import (
    concatenate,
    contents,
    full,
    iota,
    reshape,
    sizes,
    slice_axis,
)
from millstream.program.value import Value

T = Types("T", int8, int16, int32, int64, uint8, uint16, dtypes.string)
OPERATIONS = ("a-b", "b-a", "intersection", "union")
Sets = tuple[Value, Value, Value]
"""Elements of sets, one row each: the place of the set and the element; their element type's values; the places' shape."""


def _check_numbers(values: Value, what: str) -> None:
    if values.dtype == dtypes.string:
        raise refuse(what, "sets of strings", "give sets of integers, such as the hashes of tf.strings.to_hash_bucket")


def _rows(lead: Value, values: Value) -> Value:
    return concatenate([lead, reshape(e.convert(values, int64), (*values.shape, 1))], 1)


def _dense_sets(sets: Value, what: str) -> Sets:
    _check_numbers(sets, what)
    if sets.rank < 2:
        raise refuse(what, f"rank {sets.rank}", "give sets of rank 2 or more")
    count = product(sets.shape)
    lead = [reshape(iota(sets.shape, axis, int64), (count, 1)) for axis in range(sets.rank - 1)]
    flat = reshape(sets, (count,))
    return _rows(concatenate(lead, 1), flat), flat, sizes(sets.shape[:-1], int64)


def _sparse_sets(indices: Value, values: Value, shape: Value, validate: bool, what: str) -> Sets:
    _check_numbers(values, what)
    rank = depth_of(indices)
    if rank < 2:
        raise refuse(what, f"rank {rank}", "give sets of rank 2 or more")
    if validate:
        check_inside(indices, shape, what)
        check_ascending(indices, what)
    return _rows(columns(indices, range(rank - 1)), values), values, slice_axis(shape, 0, 0, rank - 1)


def _combine(a: Sets, b: Sets, operation: str, what: str) -> tuple[Value, Value, Value]:
    if operation not in OPERATIONS:
        raise refuse(what, f"set_operation={operation!r}", f"choose one of {', '.join(OPERATIONS)}")
    depth = depth_of(a[0]) - 1
    if depth_of(b[0]) - 1 != depth:
        raise refuse(what, f"ranks {depth + 1} and {depth_of(b[0])}", "give sets of one rank")
    check(all_of(e.compare(a[2], b[2], "EQ")), f"{what}: all sizes but the last must be equal")
    groups = group(concatenate([a[0], b[0]], 0))
    ours = concatenate([full(a[1].shape, 1, int64), full(b[1].shape, 0, int64)], 0)
    in_a = compare_number(groups.reduce(ours, "max"), 0, "GT")
    in_b = compare_number(groups.reduce(ours, "min"), 0, "EQ")
    chosen = {
        "a-b": lambda: e.bit_and(in_a, e.logical_not(in_b)),
        "b-a": lambda: e.bit_and(in_b, e.logical_not(in_a)),
        "intersection": lambda: e.bit_and(in_a, in_b),
        "union": lambda: e.bit_or(in_a, in_b),
    }[operation]()
    rows = gather(groups.indices, kept(chosen))
    n = rows.shape[0]
    lead = columns(rows, range(depth))
    places = group(lead, iota((n,), 0, int64))
    position = iota((n,), 0, int64) - gather(places.first, places.ids)
    largest = reduce(concatenate([full((1,), 0, int64), position + 1], 0), "max", (0,))
    elements = e.convert(reshape(slice_axis(rows, 1, depth, depth + 1), (n,)), a[1].dtype)
    shape = concatenate([a[2], reshape(largest, (1,))], 0)
    return concatenate([lead, reshape(position, (n, 1))], 1), elements, shape


@op("DenseToDenseSetOperation", outputs=("result_indices", "result_values", "result_shape"))
def dense_to_dense(
    set1: Tensor[T], set2: Tensor[T], *, set_operation: str, validate_indices: bool = True
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Combine the sets of two dense tensors: a-b, b-a, intersection or union."""
    what = "DenseToDenseSetOperation"
    return _combine(_dense_sets(set1, what), _dense_sets(set2, what), set_operation, what)


@op("DenseToSparseSetOperation", outputs=("result_indices", "result_values", "result_shape"))
def dense_to_sparse(
    set1: Tensor[T],
    set2_indices: Tensor[int64],
    set2_values: Tensor[T],
    set2_shape: Tensor[int64],
    *,
    set_operation: str,
    validate_indices: bool = True,
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Combine the sets of a dense and a sparse tensor: a-b, b-a, intersection or union."""
    what = "DenseToSparseSetOperation"
    second = _sparse_sets(set2_indices, set2_values, set2_shape, validate_indices, what)
    return _combine(_dense_sets(set1, what), second, set_operation, what)


@op("SparseToSparseSetOperation", outputs=("result_indices", "result_values", "result_shape"))
def sparse_to_sparse(
    set1_indices: Tensor[int64],
    set1_values: Tensor[T],
    set1_shape: Tensor[int64],
    set2_indices: Tensor[int64],
    set2_values: Tensor[T],
    set2_shape: Tensor[int64],
    *,
    set_operation: str,
    validate_indices: bool = True,
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Combine the sets of two sparse tensors: a-b, b-a, intersection or union."""
    what = "SparseToSparseSetOperation"
    first = _sparse_sets(set1_indices, set1_values, set1_shape, validate_indices, what)
    second = _sparse_sets(set2_indices, set2_values, set2_shape, validate_indices, what)
    return _combine(first, second, set_operation, what)


@op("SetSize", outputs="size")
def set_size(
    set_indices: Tensor[int64],
    set_values: Tensor[T],
    set_shape: Known[Tensor[int64]],
    *,
    validate_indices: bool = True,
) -> Tensor[int32]:
    """Return how many different elements each set of a sparse tensor has."""
    rows, _, _ = _sparse_sets(set_indices, set_values, set_shape, validate_indices, "SetSize")
    shape: tuple[Size, ...] = contents(set_shape)[:-1]
    distinct = group(rows).indices
    where = columns(distinct, range(len(shape)))
    return scatter_nd(full(shape, 0, int32), where, full((distinct.shape[0],), 1, int32), "add")


_PLACES, _OTHERS = [[0, 0], [0, 1], [2, 0], [2, 2]], [[0, 0], [1, 0], [2, 0], [2, 1]]
for _operation in OPERATIONS:
    _attributes = {"set_operation": _operation}
    dense_to_dense.cases([((2, 3), (2, 4))], attributes=_attributes, dtypes=[int32, int64, uint8])
    dense_to_sparse.cases(
        [((3, 2), (4, 2), (4,), (2,))],
        inputs=(None, _PLACES, [3, 1, 5, 0], [3, 4]),
        attributes=_attributes,
        dtypes=[int32, int8],
    )
    sparse_to_sparse.cases(
        [((4, 2), (4,), (2,), (4, 2), (4,), (2,))],
        inputs=(_PLACES, [3, 1, 5, 0], [3, 4], _OTHERS, [1, 4, 5, 5], [3, 2]),
        attributes=_attributes,
        dtypes=[int32, int64],
    )
set_size.cases([((4, 2), (4,), (2,))], inputs=(_PLACES, [3, 1, 5, 5], [3, 4]), dtypes=[int32, int64])
