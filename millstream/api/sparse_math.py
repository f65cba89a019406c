"""tf.sparse: arithmetic on sparse tensors: sums, products, maxima, reductions, softmax, counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api import array, picking
from millstream.api.public import public
from millstream.api.sparse import is_sparse, made, parts, sparse_of
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.ops import sparse_math, sparse_reduction
from millstream.ops.registry import find


@public("sparse.add")
def add(a: Any, b: Any, threshold: Any = 0) -> Any:
    """Add two tensors, one of which at least is sparse.

    Two sparse ones, of one shape, give a sparse one; where both have an element, a sum smaller than `threshold` is left
    out. A sparse and a dense one give a dense one. Raises TypeError where none is sparse.

    >>> a = tf.SparseTensor([[0, 1]], [2], [1, 3])
    >>> tf.sparse.to_dense(tf.sparse.add(a, a)).numpy()
    array([[0, 4, 0]], dtype=int32)
    """
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError(explain("At least one input should be SparseTensor; do you mean to use tf.add()?"))
    if is_sparse(a) and is_sparse(b):
        x, y = sparse_of(a), sparse_of(b)
        limit = to_tensor(threshold, x.dtype.real_dtype.base_dtype)
        indices, values, shape = apply(sparse_math.sparse_add, *parts(x), *parts(y), limit)
        known = x.shape.merge_with(y.shape) if x.shape.is_compatible_with(y.shape) else x.shape
        return made(indices, values, shape, known)
    x, other = (sparse_of(a), b) if is_sparse(a) else (sparse_of(b), a)
    return apply(sparse_math.sparse_tensor_dense_add, *parts(x), to_tensor(other, x.dtype))


@public("compat.v1.sparse.add", "compat.v1.sparse_add")
def add_v1(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """Add two tensors, one of which at least is sparse; `thresh` is the older name of `threshold`."""
    given = thresh if threshold is None else threshold
    return add(a, b, 0 if given is None else given)


@public("sparse.maximum", "compat.v1.sparse.maximum", "compat.v1.sparse_maximum")
def maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """Return the larger elements of two sparse tensors of one shape; elements that are missing count as 0."""
    a, b = sparse_of(sp_a), sparse_of(sp_b)
    indices, values = apply(sparse_math.sparse_maximum, *parts(a), *parts(b))
    return made(indices, values, a.dense_shape, a.shape)


@public("sparse.minimum", "compat.v1.sparse.minimum", "compat.v1.sparse_minimum")
def minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """Return the smaller elements of two sparse tensors of one shape; elements that are missing count as 0."""
    a, b = sparse_of(sp_a), sparse_of(sp_b)
    indices, values = apply(sparse_math.sparse_minimum, *parts(a), *parts(b))
    return made(indices, values, a.dense_shape, a.shape)


@public("sparse.map_values")
def map_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> SparseTensor:
    """Apply `op` to the values of the sparse tensors among the arguments, which all have elements at the same places.

    Raises ValueError where no argument is sparse, or the result is no vector of the same length, and
    InvalidArgumentError where the places differ.

    >>> tf.sparse.map_values(tf.add, tf.SparseTensor([[0]], [7], [2]), 5).values.numpy()
    array([12], dtype=int32)
    """
    found: list[SparseTensor] = []
    inner_args = [_values_of(a, found) for a in args]
    inner_kwargs = {k: _values_of(v, found) for k, v in kwargs.items()}
    if not found:
        raise ValueError(explain("No SparseTensor in argument list of map_values"))
    first = found[0]
    for other in found[1:]:
        _assert_same(first.dense_shape, other.dense_shape, "Mismatched shapes!")
        _assert_same(first.indices, other.indices, "Mismatched indices!")
    return made(first.indices, op(*inner_args, **inner_kwargs), first.dense_shape, first.shape)


def _values_of(value: Any, found: list[SparseTensor]) -> Any:
    if isinstance(value, SparseTensor):
        found.append(value)
        return value.values
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_values_of(v, found) for v in value)
    if isinstance(value, dict):
        return {k: _values_of(v, found) for k, v in value.items()}
    return value


def _assert_same(a: Any, b: Any, message: str) -> None:
    if a is b:
        return
    axes = to_tensor(list(range(a.shape.rank)), dtypes.int32)
    if a.shape.is_compatible_with(b.shape):
        same = apply(find("All"), apply(find("Equal"), a, b, incompatible_shape_error=True), axes, keep_dims=False)
    else:
        same = to_tensor(False)
    apply(find("Assert"), same, [to_tensor(message), a, b], summarize=3)


@public(
    "sparse.sparse_dense_matmul",
    "compat.v1.sparse.sparse_dense_matmul",
    "compat.v1.sparse.matmul",
    "compat.v1.sparse_tensor_dense_matmul",
)
def sparse_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Any:
    """Return the product of a sparse matrix and a dense one, or of a dense and a sparse one, as a dense matrix.

    adjoint_a, adjoint_b: take the conjugate transpose of that matrix first.

    >>> tf.sparse.sparse_dense_matmul(tf.SparseTensor([[0, 1]], [2.0], [1, 2]), [[1.0], [3.0]]).numpy()
    array([[6.]], dtype=float32)
    """
    if is_sparse(b):
        if is_sparse(sp_a):
            raise TypeError(explain("One of both matrices must be dense; use tf.sparse.to_dense on the smaller one."))
        # (b' a')' is a b; adjoint matrices are conjugated, too, which is undone by conjugating the result.
        flipped = sparse_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a)
        return array.transpose(flipped, [1, 0], conjugate=flipped.dtype.is_complex)
    a = sparse_of(sp_a)
    dense = to_tensor(b, a.dtype)
    return apply(
        sparse_math.sparse_tensor_dense_matmul, *parts(a), dense, adjoint_a=bool(adjoint_a), adjoint_b=bool(adjoint_b)
    )


@public("sparse.softmax", "compat.v1.sparse.softmax", "compat.v1.sparse_softmax")
def softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Return exp(x) / sum(exp(x)) over the elements that there are in each row of the last axis."""
    given = sparse_of(sp_input)
    return made(given.indices, apply(sparse_math.sparse_softmax, *parts(given)), given.dense_shape, given.shape)


def _reduced(kind: str, given: SparseTensor, axis: Any, keepdims: Any, output_is_sparse: bool) -> Any:
    if axis is None:
        rank = given.dense_shape.shape.as_list()[0]
        axes = (
            array.range_(array.size(given.dense_shape)) if rank is None else to_tensor(list(range(rank)), dtypes.int32)
        )
    else:
        axes = array.reshape(to_tensor(axis, dtypes.int32), [-1])
    keep = bool(keepdims)
    if output_is_sparse:
        op = sparse_reduction.sparse_reduce_sum_sparse if kind == "sum" else sparse_reduction.sparse_reduce_max_sparse
        return SparseTensor(*apply(op, *parts(given), axes, keep_dims=keep))
    op = sparse_reduction.sparse_reduce_sum if kind == "sum" else sparse_reduction.sparse_reduce_max
    return apply(op, *parts(given), axes, keep_dims=keep)


@public("sparse.reduce_sum")
def reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: Any = None, output_is_sparse: bool = False, name: str | None = None
) -> Any:
    """Return the sums along `axis` (all axes without it), as a dense tensor or a sparse one."""
    return _reduced("sum", sparse_of(sp_input), axis, keepdims, output_is_sparse)


@public("sparse.reduce_max")
def reduce_max(
    sp_input: Any, axis: Any = None, keepdims: Any = None, output_is_sparse: bool = False, name: str | None = None
) -> Any:
    """Return the largest of the elements that there are along `axis` (all axes without it), 0 where there is none."""
    return _reduced("max", sparse_of(sp_input), axis, keepdims, output_is_sparse)


def _older(kind: str, output_is_sparse: bool) -> None:
    """Publish the names of version 1, whose arguments have older names, too."""

    def function(
        sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
    ) -> Any:
        axis = reduction_axes if axis is None else axis
        keep = keep_dims if keepdims is None else keepdims
        return _reduced(kind, sparse_of(sp_input), axis, keep, output_is_sparse)

    leaf = f"reduce_{kind}_sparse" if output_is_sparse else f"reduce_{kind}"
    function.__name__ = function.__qualname__ = leaf
    function.__doc__ = f"Return tf.sparse.reduce_{kind}, {'sparse' if output_is_sparse else 'dense'}."
    public(f"compat.v1.sparse.{leaf}", f"compat.v1.sparse_{leaf}")(function)


for _kind in ("sum", "max"):
    for _sparse in (False, True):
        _older(_kind, _sparse)


@public("sparse.sampled_addmm")
def sampled_addmm(
    indices: Any,
    values: Any,
    dense_shape: Any,
    mat1: Any,
    mat2: Any,
    beta: Any = 1.0,
    alpha: Any = 1.0,
    output_type: Any = dtypes.float32,
) -> tuple[Any, Any, Any]:
    """Return beta * values + alpha * (mat1 @ mat2) at the places `indices`: indices, values and dense shape.

    indices: [..., n, 2]. values: [..., n]. dense_shape: [rows, columns]. mat1: [..., rows, k]. mat2: [..., k, columns].
    Raises ValueError where an element type is not `output_type`, or dense_shape is not that of the product.
    """
    wanted = dtypes.as_dtype(output_type)
    where, old = to_tensor(indices, None, dtypes.int32), to_tensor(values, wanted)
    left, right = to_tensor(mat1, wanted), to_tensor(mat2, wanted)
    shape, product = to_tensor(dense_shape, None, dtypes.int32), [left.shape[-2], right.shape[-1]]
    known = static_value(shape)
    if known is not None and None not in product and known.tolist() != product:
        raise ValueError(explain(f"Dense shape: {known} does not match output shape: {product}"))
    batch = where.shape.rank - 2
    swapped = [*range(right.shape.rank - 2), right.shape.rank - 1, right.shape.rank - 2]
    rows = picking.gather(left, where[..., 0], axis=batch, batch_dims=batch)
    columns = picking.gather(array.transpose(right, swapped), where[..., 1], axis=batch, batch_dims=batch)
    sums = apply(find("Sum"), apply(find("Mul"), rows, columns), to_tensor([-1], dtypes.int32), keep_dims=False)
    new = apply(
        find("AddV2"),
        apply(find("Mul"), old, to_tensor(beta, wanted)),
        apply(find("Mul"), sums, to_tensor(alpha, wanted)),
    )
    return where, new, shape
