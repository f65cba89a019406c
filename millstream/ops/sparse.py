"""Declare the ops that order, reshape, join, cut and complete sparse tensors. Arithmetic is in `sparse_math`."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int32, int64
from millstream.base.sizes import is_known
from millstream.ops.declaration import Known, Tensor, Tensors, Types, op
from millstream.ops.sparse_order import (
    all_of,
    along_rows,
    check_ascending,
    check_inside,
    column,
    compare_number,
    depth_of,
    element,
    filled,
    inverse_of,
    kept,
    linear,
    matches,
    order_of,
    order_of_numbers,
    strides_of,
)
from millstream.ops.types import NUMBERS, QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    contents,
    full,
    iota,
    reshape,
    scalar_size,
    slice_axis,
)
from millstream.program.value import UnknownRank, Value

T = Types("T")
Wide = Types("Tindices", int32, int64)
remainder = e.binary(e.REMAINDER)
Number = Types("T", *NUMBERS, *QUANTIZED)


@op("SparseReorder", outputs=("output_indices", "output_values"))
def sparse_reorder(
    input_indices: Tensor[int64], input_values: Tensor[T], input_shape: Tensor[int64]
) -> tuple[Tensor[int64], Tensor[T]]:
    """Return the elements of a sparse tensor in row-major order of their indices."""
    order = order_of(input_indices)
    return gather(input_indices, order), gather(input_values, order)


@op("SparseReshape", outputs=("output_indices", "output_shape"))
def sparse_reshape(
    input_indices: Tensor[int64], input_shape: Tensor[int64], new_shape: Tensor[int64]
) -> tuple[Tensor[int64], Tensor[int64]]:
    """Return the indices of the same elements in another dense shape, and that shape; one size may be -1."""
    open_ = compare_number(new_shape, -1, "EQ")
    one = full(new_shape.shape, 1, int64)
    many = reduce(e.convert(open_, int64), "sum", (0,))
    check(compare_number(many, 1, "LE"), "SparseReshape: only one output dimension may be -1")
    check(all_of(compare_number(new_shape, -1, "GE")), "SparseReshape: sizes must be -1 or not negative")
    total = reduce(input_shape, "product", (0,))
    rest = reduce(e.select(open_, one, new_shape), "product", (0,))
    guessed = total / e.maximum(rest, full((), 1, int64))
    empty = e.bit_and(compare_number(rest, 0, "EQ"), compare_number(many, 1, "EQ"))
    check(
        e.logical_not(empty),
        "SparseReshape: reshape cannot infer the missing input size for an empty tensor unless all specified input "
        "sizes are non-zero",
    )
    shape = e.select(open_, filled(guessed, new_shape.shape), new_shape)
    check(
        e.compare(reduce(shape, "product", (0,)), total, "EQ"),
        "SparseReshape: Input to reshape is a SparseTensor with another number of dense values than the requested shape",
    )
    number = linear(input_indices, input_shape)
    rank = new_shape.shape[0]
    if not isinstance(rank, int):
        raise UnknownRank("The rank of the new shape is known only when the program runs.")
    spread = broadcast(number, (input_indices.shape[0], rank), (0,))
    steps = along_rows(e.maximum(strides_of(shape), one), spread)
    return remainder(spread / steps, along_rows(e.maximum(shape, one), spread)), shape


@op("SparseConcat", outputs=("output_indices", "output_values", "output_shape"))
def sparse_concat(
    indices: Tensors[int64, "N"], values: Tensors[T, "N"], shapes: Tensors[int64, "N"], *, concat_dim: int
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Join sparse tensors along an axis."""
    rank = depth_of(indices[0])
    if not -rank <= concat_dim < rank:
        raise refuse("SparseConcat", f"concat_dim {concat_dim} for rank {rank}", f"give an axis in [{-rank}, {rank})")
    axis = concat_dim % rank
    moved, offset = [], full((rank,), 0, int64)
    along = _one_along(rank, axis)
    same = e.select(along, full((rank,), 0, int64), shapes[0])
    for where, shape in zip(indices, shapes, strict=True):
        if depth_of(where) != rank:
            raise refuse("SparseConcat", f"ranks {rank} and {depth_of(where)}", "give sparse tensors of one rank")
        rest = e.select(along, full((rank,), 0, int64), shape)
        check(all_of(e.compare(rest, same, "EQ")), "SparseConcat: all but the concatenated sizes must be equal")
        moved.append(where + along_rows(offset, where))
        offset = offset + e.select(along, shape, full((rank,), 0, int64))
    joined, elements = concatenate(moved, 0), concatenate(values, 0)
    order = order_of(joined)
    return gather(joined, order), gather(elements, order), same + offset


def _one_along(rank: int, axis: int) -> Value:
    return compare_number(iota((rank,), 0, int64), axis, "EQ")


def _cut(indices: Value, values: Value, start: Value, size: Value) -> tuple[Value, Value]:
    """Return the elements at start <= index < start + size, moved so that start is 0."""
    moved = indices - along_rows(start, indices)
    inside = e.bit_and(compare_number(moved, 0, "GE"), e.compare(moved, along_rows(size, moved), "LT"))
    places = kept(reduce(inside, "and", (1,)))
    return gather(moved, places), gather(values, places)


@op("SparseSlice", outputs=("output_indices", "output_values", "output_shape"))
def sparse_slice(
    indices: Tensor[int64], values: Tensor[T], shape: Tensor[int64], start: Tensor[int64], size: Tensor[int64]
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Cut `size` out of a sparse tensor from `start`; what is beyond its end is left out."""
    check(all_of(compare_number(size, 0, "GE")), "SparseSlice: size must not be negative")
    left = e.maximum(shape - start, full(shape.shape, 0, int64))
    fitting = e.minimum(size, left)
    where, elements = _cut(indices, values, start, fitting)
    return where, elements, fitting


@op("SparseSliceGrad", outputs="val_grad")
def sparse_slice_gradient(
    backprop_val_grad: Tensor[Number],
    input_indices: Tensor[int64],
    input_start: Tensor[int64],
    output_indices: Tensor[int64],
) -> Tensor[Number]:
    """Return for each element of the input of SparseSlice the gradient of its output, 0 where it was cut off."""
    places, found = matches(output_indices, input_indices - along_rows(input_start, input_indices))
    return picked(backprop_val_grad, places, found)


def picked(values: Value, places: Value, found: Value) -> Value:
    """Return values[places] where found, 0 elsewhere; there may be no values at all."""
    spare = concatenate([values, full((1,), 0, values.dtype)], 0)
    last = filled(scalar_size(values.shape[0], places.dtype), places.shape)
    return gather(spare, e.select(found, places, last))


@op("SparseSplit", outputs=("output_indices", "output_values", "output_shape"))
def sparse_split(
    split_dim: Known[Tensor[int64]], indices: Tensor[int64], values: Tensor[T], shape: Tensor[int64], *, num_split: int
) -> tuple[Tensors[int64, "num_split"], Tensors[T, "num_split"], Tensors[int64, "num_split"]]:
    """Cut a sparse tensor along an axis into parts of nearly one size; the first ones are longer by one."""
    rank, axis = depth_of(indices), contents(split_dim)[0]
    if not is_known(axis):
        raise UnknownRank("The axis to split is known only when the program runs.")
    if not -rank <= axis < rank:
        raise refuse("SparseSplit", f"split_dim {axis} for rank {rank}", f"give an axis in [{-rank}, {rank})")
    axis = int(axis) % rank
    check_inside(indices, shape, "SparseSplit")
    whole = element(shape, axis)
    check(
        compare_number(whole, num_split, "GE"),
        f"SparseSplit: Input num_split should be between 1 and the splitting dimension size, got {num_split}",
    )
    part, longer = whole / num_split, remainder(whole, full((), num_split, int64))
    along = _one_along(rank, axis)
    results: tuple[list[Value], list[Value], list[Value]] = ([], [], [])
    for i in range(num_split):
        number = full((), i, int64)
        begin = part * i + e.minimum(number, longer)
        length = part + e.convert(e.compare(number, longer, "LT"), int64)
        start = e.select(along, filled(begin, (rank,)), full((rank,), 0, int64))
        size = e.select(along, filled(length, (rank,)), shape)
        where, elements = _cut(indices, values, start, size)
        for result, value in zip(results, (where, elements, size), strict=True):
            result.append(value)
    return results


@op("SparseToDense", outputs="dense")
def sparse_to_dense(
    sparse_indices: Tensor[Wide],
    output_shape: Known[Tensor[Wide]],
    sparse_values: Tensor[T],
    default_value: Tensor[T],
    *,
    validate_indices: bool = True,
) -> Tensor[T]:
    """Return a tensor of default_value with sparse_values at the indices, which ascend where they are to be checked."""
    where = sparse_indices
    if where.rank < 2:
        where = reshape(where, (*where.shape, 1) if where.rank else (1, 1))
    if validate_indices:
        check_ascending(where, "SparseToDense")
    values = sparse_values
    if values.rank == 0:
        values = filled(values, where.shape[:1])
    base = filled(default_value, contents(output_shape))
    return scatter_nd(base, where, values, "set")


@op("SparseFillEmptyRows", outputs=("output_indices", "output_values", "empty_row_indicator", "reverse_index_map"))
def sparse_fill_empty_rows(
    indices: Tensor[int64], values: Tensor[T], dense_shape: Known[Tensor[int64]], default_value: Tensor[T]
) -> tuple[Tensor[int64], Tensor[T], Tensor[dtypes.bool], Tensor[int64]]:
    """Put default_value at the first place of every row that has no element."""
    rank, count = depth_of(indices), contents(dense_shape)[0]
    n = indices.shape[0]
    rows = column(indices, 0)
    inside = e.bit_and(
        compare_number(rows, 0, "GE"), e.compare(rows, filled(scalar_size(count, int64), rows.shape), "LT")
    )
    check(all_of(inside), "SparseFillEmptyRows: the row of an index is out of bounds: give rows in [0, dense_shape[0])")
    numbers = segment_reduce(full((n,), 1, int64), rows, "sum", count)
    empty = compare_number(numbers, 0, "EQ")
    missing = kept(empty)
    m = missing.shape[0]
    places = reshape(missing, (m, 1))
    if rank > 1:
        places = concatenate([places, full((m, rank - 1), 0, int64)], 1)
    order = order_of_numbers(concatenate([rows, missing], 0))
    where = gather(concatenate([indices, places], 0), order)
    elements = gather(concatenate([values, filled(default_value, (m,))], 0), order)
    back = slice_axis(inverse_of(order), 0, 0, n)
    return where, elements, empty, back


@op("SparseFillEmptyRowsGrad", outputs=("d_values", "d_default_value"))
def sparse_fill_empty_rows_gradient(
    reverse_index_map: Tensor[int64], grad_values: Tensor[T]
) -> tuple[Tensor[T], Tensor[T]]:
    """Return what flows back through SparseFillEmptyRows to the values and to the default value."""
    taken = full(reverse_index_map.shape, 0, grad_values.dtype)
    where = reshape(reverse_index_map, (*reverse_index_map.shape, 1))
    return gather(grad_values, reverse_index_map), reduce(scatter_nd(grad_values, where, taken, "set"), "sum", (0,))


PLACES = [[0, 1], [2, 0], [2, 2], [3, 1]]
SHAPE = [5, 3]
MOST = [float32, float64, int32, dtypes.complex64, dtypes.bool]
sparse_reorder.cases([((4, 2), (4,), (2,))], inputs=([[2, 2], [0, 1], [3, 1], [2, 0]], None, SHAPE), dtypes=MOST)
sparse_reorder.cases([((0, 2), (0,), (2,)), ((3, 1), (3,), (1,))], inputs=(None, None, None), low=0, high=4)
sparse_reshape.cases([((4, 2), (2,), (3,))], inputs=(PLACES, SHAPE, [3, -1, 5]))
sparse_reshape.cases([((4, 2), (2,), (1,)), ((0, 2), (2,), (1,))], inputs=(None, SHAPE, [15]), low=0, high=3)
sparse_reshape.no_gradient()
sparse_concat.cases(
    [((4, 2), (1, 2), (4,), (1,), (2,), (2,))],
    inputs=(PLACES, [[0, 0]], None, None, SHAPE, [5, 1]),
    attributes={"concat_dim": -1},
    dtypes=MOST,
)
sparse_concat.no_gradient()
sparse_slice.cases([((4, 2), (4,), (2,), (2,), (2,))], inputs=(PLACES, None, SHAPE, [1, 0], [3, 1]), dtypes=MOST)
sparse_slice.cases([((4, 2), (4,), (2,), (2,), (2,))], inputs=(PLACES, None, SHAPE, [0, 2], [9, 9]), dtypes=[float64])
sparse_slice_gradient.cases(
    [((2,), (4, 2), (2,), (2, 2))], inputs=(None, PLACES, [2, 0], [[0, 0], [1, 1]]), dtypes=[float32, float64]
)
sparse_slice_gradient.no_gradient()
sparse_split.cases(
    [((), (4, 2), (4,), (2,))], inputs=(0, PLACES, None, SHAPE), attributes={"num_split": 2}, dtypes=MOST
)
sparse_fill_empty_rows.cases(
    [((4, 2), (4,), (2,), ())], inputs=([[3, 1], [0, 1], [2, 2], [2, 0]], None, SHAPE, None), dtypes=MOST
)
sparse_fill_empty_rows.cases([((0, 2), (0,), (2,), ())], inputs=(None, None, [2, 3], None), dtypes=[float64, int32])
sparse_fill_empty_rows_gradient.cases([((3,), (5,))], inputs=([4, 0, 2], None), dtypes=[float32, float64])
sparse_to_dense.cases(
    [((2, 2), (2,), (2,), ())], inputs=([[0, 1], [2, 0]], [3, 2], None, None), dtypes=[float32, float64, int32]
)
sparse_to_dense.cases(
    [((2,), (1,), (), ())],
    inputs=([4, 1], [6], None, None),
    attributes={"validate_indices": False},
    dtypes=[float64, int32],
)
