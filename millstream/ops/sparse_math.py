"""Declare arithmetic on sparse tensors: sums, maxima, products with dense tensors, softmax. Reductions are in `sparse_reduction`."""

from __future__ import annotations

from collections.abc import Callable

from millstream.base import dtypes
from millstream.base.dtypes import float16, float32, float64, int32, int64
from millstream.base.sizes import is_known
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.sparse import Number, picked
from millstream.ops.sparse_order import (
    Groups,
    all_of,
    along_rows,
    check_inside,
    column,
    columns,
    compare_number,
    depth_of,
    filled,
    group,
    kept,
    matches,
)
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, gather_nd, scatter_nd
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    contents,
    full,
    scalar_size,
    sizes,
    slice_axis,
    stop_gradient,
    transpose,
)
from millstream.program.value import Value

T = Types("T")
Real = Types("T", *FLOATS, *INTEGERS)
Threshold = Types("Treal", *FLOATS, *INTEGERS)
Index = Types("Tindices", int32, int64, default=int64)
Wide = Types("Tindices", int32, int64)


def _check_shapes(a: Value, b: Value, what: str) -> None:
    if a.shape[0] != b.shape[0] and is_known(a.shape[0]) and is_known(b.shape[0]):
        raise refuse(what, f"ranks {a.shape[0]} and {b.shape[0]}", "give sparse tensors of one rank")
    check(all_of(e.compare(a, b, "EQ")), f"{what}: the dense shapes of both operands must be equal")


@op("SparseAdd", outputs=("sum_indices", "sum_values", "sum_shape"))
def sparse_add(
    a_indices: Tensor[int64],
    a_values: Tensor[Number],
    a_shape: Tensor[int64],
    b_indices: Tensor[int64],
    b_values: Tensor[Number],
    b_shape: Tensor[int64],
    thresh: Tensor[Threshold],
) -> tuple[Tensor[int64], Tensor[Number], Tensor[int64]]:
    """Add two sparse tensors; where both have an element, a sum smaller than `thresh` is left out."""
    _check_shapes(a_shape, b_shape, "SparseAdd")
    groups = group(concatenate([a_indices, b_indices], 0))
    sums = groups.reduce(concatenate([a_values, b_values], 0), "sum")
    size = sums if sums.dtype.is_unsigned else e.absolute(sums)
    large = e.compare(size, filled(e.convert(thresh, size.dtype), size.shape), "GE")
    places = kept(e.bit_or(large, _alone(groups)))
    return gather(groups.indices, places), gather(sums, places), a_shape


@op("SparseAddGrad", outputs=("a_val_grad", "b_val_grad"))
def sparse_add_gradient(
    backprop_val_grad: Tensor[Number], a_indices: Tensor[int64], b_indices: Tensor[int64], sum_indices: Tensor[int64]
) -> tuple[Tensor[Number], Tensor[Number]]:
    """Return for each element of both operands of SparseAdd the gradient of their sum, 0 where it was left out."""
    return (
        picked(backprop_val_grad, *matches(sum_indices, a_indices)),
        picked(backprop_val_grad, *matches(sum_indices, b_indices)),
    )


def _alone(groups: Groups) -> Value:
    """Return which groups have one row."""
    numbers = groups.reduce(full((groups.order.shape[0],), 1, int64), "sum")
    return compare_number(numbers, 1, "EQ")


def _merged(what: str, kind: str, a: tuple[Value, Value, Value], b: tuple[Value, Value, Value]) -> tuple[Value, Value]:
    _check_shapes(a[2], b[2], what)
    groups = group(concatenate([a[0], b[0]], 0))
    found = groups.reduce(concatenate([a[1], b[1]], 0), kind)
    # Where only one of them has an element, the other one is 0.
    choose = e.maximum if kind == "max" else e.minimum
    with_zero = choose(found, full(found.shape, 0, found.dtype))
    return groups.indices, e.select(_alone(groups), with_zero, found)


@op("SparseSparseMaximum", outputs=("output_indices", "output_values"))
def sparse_maximum(
    a_indices: Tensor[int64],
    a_values: Tensor[Real],
    a_shape: Tensor[int64],
    b_indices: Tensor[int64],
    b_values: Tensor[Real],
    b_shape: Tensor[int64],
) -> tuple[Tensor[int64], Tensor[Real]]:
    """Return the larger elements of two sparse tensors."""
    return _merged("SparseSparseMaximum", "max", (a_indices, a_values, a_shape), (b_indices, b_values, b_shape))


@op("SparseSparseMinimum", outputs=("output_indices", "output_values"))
def sparse_minimum(
    a_indices: Tensor[int64],
    a_values: Tensor[Number],
    a_shape: Tensor[int64],
    b_indices: Tensor[int64],
    b_values: Tensor[Number],
    b_shape: Tensor[int64],
) -> tuple[Tensor[int64], Tensor[Number]]:
    """Return the smaller elements of two sparse tensors."""
    return _merged("SparseSparseMinimum", "min", (a_indices, a_values, a_shape), (b_indices, b_values, b_shape))


@op("SparseTensorDenseAdd", outputs="output")
def sparse_tensor_dense_add(
    a_indices: Tensor[Wide], a_values: Tensor[Number], a_shape: Tensor[Wide], b: Tensor[Number]
) -> Tensor[Number]:
    """Return the sum of a sparse and a dense tensor."""
    if depth_of(a_indices) != b.rank:
        raise refuse("SparseTensorDenseAdd", f"ranks {depth_of(a_indices)} and {b.rank}", "give operands of one rank")
    shape = sizes(b.shape, a_shape.dtype)
    check(all_of(e.compare(a_shape, shape, "EQ")), "SparseTensorDenseAdd: the shapes of both operands must be equal")
    return scatter_nd(b, a_indices, a_values, "add")


def _at_places(what: str, indices: Value, shape: Value, dense: Value) -> Value:
    """Return the elements of `dense`, broadcast to the sparse shape, at the places of the sparse tensor."""
    rank = depth_of(indices)
    if dense.rank > rank:
        raise refuse(
            what,
            f"a dense operand of rank {dense.rank} and a sparse one of rank {rank}",
            "SparseDenseBinaryOpShared broadcasts dense to sparse only",
        )
    check_inside(indices, shape, what)
    skipped = rank - dense.rank
    own = columns(indices, range(skipped, rank))
    size = broadcast(sizes(dense.shape, int64), own.shape, (1,))
    whole = along_rows(slice_axis(shape, 0, skipped, rank), own)
    fits = e.bit_or(e.compare(size, whole, "EQ"), compare_number(size, 1, "EQ"))
    check(all_of(fits), f"{what}: the dense operand must broadcast to the shape of the sparse one")
    if dense.rank == 0:
        return filled(dense, indices.shape[:1])
    return gather_nd(dense, e.select(compare_number(size, 1, "EQ"), full(own.shape, 0, int64), own))


def _elementwise(name: str, function: Callable[[Value, Value], Value], doc: str) -> Op:
    def body(
        sp_indices: Tensor[int64], sp_values: Tensor[Number], sp_shape: Tensor[int64], dense: Tensor[Number]
    ) -> Tensor[Number]:
        return function(sp_values, _at_places(name, sp_indices, sp_shape, dense))

    body.__doc__ = doc
    return op(name, outputs="output")(body)


sparse_dense_add = _elementwise(
    "SparseDenseCwiseAdd", lambda x, y: x + y, "Add to the elements of a sparse tensor those of a dense one there."
)
sparse_dense_multiply = _elementwise(
    "SparseDenseCwiseMul", lambda x, y: x * y, "Multiply the elements of a sparse tensor by those of a dense one there."
)


def _quotient(x: Value, y: Value) -> Value:
    check(
        all_of(compare_number(y, 0, "NE")),
        "SparseDenseCwiseDiv cannot divide by zero, but input dense tensor contains zero",
    )
    return x / y


sparse_dense_divide = _elementwise(
    "SparseDenseCwiseDiv", _quotient, "Divide the elements of a sparse tensor by those of a dense one there."
)


@op("SparseTensorDenseMatMul", outputs="product")
def sparse_tensor_dense_matmul(
    a_indices: Tensor[Index],
    a_values: Tensor[T],
    a_shape: Known[Tensor[int64]],
    b: Tensor[T],
    *,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
) -> Tensor[T]:
    """Return the product of a sparse and a dense matrix, each adjoint first where asked."""
    shape = contents(a_shape)
    if depth_of(a_indices) != 2 or len(shape) != 2 or b.rank != 2:
        raise refuse(
            "SparseTensorDenseMatMul",
            f"ranks {len(shape)} and {b.rank}",
            "give two matrices: Tensor 'b' is not a matrix",
        )
    if adjoint_b:
        b = e.conjugate(transpose(b, (1, 0)))
    values = e.conjugate(a_values) if adjoint_a else a_values
    outer, inner = (1, 0) if adjoint_a else (0, 1)
    width, given = shape[inner], b.shape[0]
    if is_known(width) and is_known(given) and width != given:
        raise refuse(
            "SparseTensorDenseMatMul",
            f"inner sizes {width} and {given}",
            f"Cannot multiply A and B because inner dimension does not match: {width} vs. {given}",
        )
    if not (is_known(width) and is_known(given)):
        fits = e.compare(scalar_size(width, int64), scalar_size(given, int64), "EQ")
        check(fits, "SparseTensorDenseMatMul: Cannot multiply A and B because inner dimension does not match")
    rows, places = column(a_indices, outer), column(a_indices, inner)
    check(
        all_of(compare_number(rows, 0, "GE")), "SparseTensorDenseMatMul: indices are out of bounds: they are negative"
    )
    taken = gather(b, places)
    narrow = taken.dtype in (float16, dtypes.bfloat16)
    if narrow:
        taken, values = e.convert(taken, float32), e.convert(values, float32)
    product = segment_reduce(taken * broadcast(values, taken.shape, (0,)), rows, "sum", shape[outer])
    return e.convert(product, b.dtype) if narrow else product


def _row_groups(indices: Value) -> Groups:
    """Group elements by all indices but the last."""
    return group(columns(indices, range(depth_of(indices) - 1)))


@op("SparseSoftmax", outputs="output")
def sparse_softmax(
    sp_indices: Tensor[int64],
    sp_values: Tensor[Types("T", float16, float32, float64)],
    sp_shape: Tensor[int64],
) -> Tensor[Types("T", float16, float32, float64)]:
    """Return softmax over the elements that there are in each row."""
    if depth_of(sp_indices) < 2:
        raise refuse("SparseSoftmax", f"rank {depth_of(sp_indices)}", "Input should have rank >= 2")
    check_inside(sp_indices, sp_shape, "SparseSoftmax")
    groups = _row_groups(sp_indices)
    largest = groups.spread(groups.reduce(sp_values, "max"))
    powers = e.exp(sp_values - stop_gradient(largest))
    return powers / groups.spread(groups.reduce(powers, "sum"))


PLACES = [[0, 1], [2, 0], [2, 2], [3, 1]]
OTHERS = [[0, 0], [2, 0], [3, 1]]
SHAPE = [5, 3]
_two = [((4, 2), (4,), (2,), (3, 2), (3,), (2,))]
sparse_add.cases(
    [(*_two[0], ())],
    inputs=(PLACES, None, SHAPE, OTHERS, None, SHAPE, 0),
    dtypes=[float32, float64, int32, dtypes.int8, dtypes.uint8],
)
sparse_add.cases(
    [(*_two[0], ())],
    inputs=(PLACES, [1, 2, 3, 4], SHAPE, OTHERS, [1, -2, 5], SHAPE, 2.5),
    attributes={"Treal": float64},
    dtypes=[float64, float32],
)
sparse_add_gradient.cases(
    [((3,), (4, 2), (3, 2), (3, 2))],
    inputs=(None, PLACES, OTHERS, [[0, 0], [2, 0], [2, 2]]),
    dtypes=[float32, float64],
)
sparse_add_gradient.no_gradient()
for _op in (sparse_maximum, sparse_minimum):
    _op.cases(
        _two, inputs=(PLACES, None, SHAPE, OTHERS, None, SHAPE), dtypes=[float32, float64, int32, dtypes.bfloat16]
    )
sparse_tensor_dense_add.cases(
    [((4, 2), (4,), (2,), (5, 3))], inputs=(PLACES, None, SHAPE, None), dtypes=[float32, float64, int32]
)
for _op in (sparse_dense_add, sparse_dense_multiply, sparse_dense_divide):
    _op.cases(
        [
            ((4, 2), (4,), (2,), (5, 3)),
            ((4, 2), (4,), (2,), (5, 1)),
            ((4, 2), (4,), (2,), (3,)),
            ((4, 2), (4,), (2,), ()),
        ],
        inputs=(PLACES, None, SHAPE),
        low=1,
        high=5,
        dtypes=[float32, float64, int32],
    )
for _flags in ({}, {"adjoint_a": True}, {"adjoint_b": True}, {"adjoint_a": True, "adjoint_b": True}):
    _shape = (5, 3) if _flags.get("adjoint_a") else (3, 4)
    _shape = _shape[::-1] if _flags.get("adjoint_b") else _shape
    sparse_tensor_dense_matmul.cases(
        [((4, 2), (4,), (2,), _shape)],
        inputs=(PLACES, None, SHAPE),
        attributes=_flags,
        dtypes=[float32, float64, dtypes.complex64, dtypes.bfloat16, int32],
    )
sparse_softmax.cases([((4, 2), (4,), (2,))], inputs=(PLACES, None, SHAPE), dtypes=[float32, float64, float16])
