"""tf.sets: sets along the last axis of dense or sparse tensors."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.api.sparse import is_sparse, made, parts, sparse_of
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops import sets


def _combined(a: Any, b: Any, operation: str, validate_indices: bool) -> SparseTensor:
    flip = {"a-b": "b-a", "b-a": "a-b"}
    if is_sparse(a) and not is_sparse(b):
        return _combined(b, a, flip.get(operation, operation), validate_indices)
    options = {"set_operation": operation, "validate_indices": bool(validate_indices)}
    if is_sparse(a):
        x, y = sparse_of(a), sparse_of(b)
        found = apply(sets.sparse_to_sparse, *parts(x), *parts(y), **options)
    elif is_sparse(b):
        y = sparse_of(b)
        x = to_tensor(a, y.dtype)
        found = apply(sets.dense_to_sparse, x, *parts(y), **options)
    else:
        x = to_tensor(a, getattr(b, "dtype", None))
        y = to_tensor(b, x.dtype)
        found = apply(sets.dense_to_dense, x, y, **options)
    indices, values, shape = found
    known = x.shape.as_list()[:-1] if x.shape.rank is not None else None
    return made(indices, values, shape, None if known is None else TensorShape([*known, None]))


@public("sets.intersection", "compat.v1.sets.intersection", "compat.v1.sets.set_intersection")
def intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Return the elements that are in both sets, for each pair of sets along the last axis of `a` and `b`.

    a, b: dense or SparseTensor of integers, equal in all sizes but the last. Returns a SparseTensor whose last axis
    holds the elements in ascending order. Raises InvalidArgumentError where the sizes differ, or with
    `validate_indices` where sparse indices are not in order.

    >>> tf.sparse.to_dense(tf.sets.intersection([[1, 2, 3]], [[3, 4, 1]])).numpy().tolist()
    [[1, 3]]
    """
    return _combined(a, b, "intersection", validate_indices)


@public("sets.union", "compat.v1.sets.union", "compat.v1.sets.set_union")
def union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Return the elements that are in either set, for each pair of sets along the last axis of `a` and `b`."""
    return _combined(a, b, "union", validate_indices)


@public("sets.difference", "compat.v1.sets.difference", "compat.v1.sets.set_difference")
def difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """Return the elements that are in `a` and not in `b`; the other way round without `aminusb`."""
    return _combined(a, b, "a-b" if aminusb else "b-a", validate_indices)


@public("sets.size", "compat.v1.sets.size", "compat.v1.sets.set_size")
def size(a: Any, validate_indices: bool = True) -> Any:
    """Return how many different elements each set along the last axis of a sparse tensor has, int32."""
    if not isinstance(a, SparseTensor):
        raise TypeError(explain(f"Expected `SparseTensor`, got {a}."))
    return apply(sets.set_size, *parts(a), validate_indices=bool(validate_indices))
