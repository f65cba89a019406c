"""tf.sparse.bincount: counts of numbers, as a sparse tensor."""

from __future__ import annotations

from typing import Any

from millstream.api import array
from millstream.api.public import public
from millstream.api.sparse import is_sparse, parts, sparse_of
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.ops import counting


@public("sparse.bincount", "compat.v1.sparse.bincount")
def bincount(
    values: Any,
    weights: Any = None,
    axis: int | None = 0,
    minlength: Any = None,
    maxlength: Any = None,
    binary_output: bool = False,
    name: str | None = None,
) -> SparseTensor:
    """Count how often each number occurs in all of `values` (axis 0), or in each row of them (axis -1).

    values: int32 or int64 numbers >= 0; a dense, sparse or ragged tensor. weights: of the same kind and shape; they are
    added up in place of counting. minlength: the least size of the last axis of the result. maxlength: its size;
    numbers not below it are left out. binary_output: whether a number occurs, in place of how often.
    Raises ValueError for another axis, for weights of another kind, and for weights with `binary_output`;
    InvalidArgumentError for numbers below 0.

    >>> tf.sparse.bincount([1, 1, 3]).values.numpy()
    array([2, 1], dtype=int32)
    """
    if axis not in (0, -1, None):
        raise ValueError(explain(f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported."))
    if binary_output and weights is not None:
        raise ValueError(
            explain("Arguments `binary_output` and `weights` are mutually exclusive. Please specify only one.")
        )
    given = sparse_of(values) if is_sparse(values) else values
    _check_kind(given, weights)
    if not isinstance(given, (SparseTensor, RaggedTensor)):
        given = to_tensor(given)
        weights = None if weights is None else to_tensor(weights)
    if axis != -1:
        given, weights = _flat(given), None if weights is None else _flat(weights)
    options = {
        "binary_output": bool(binary_output),
        "minlength": _length(minlength, "minlength"),
        "maxlength": _length(maxlength, "maxlength"),
    }
    if isinstance(given, SparseTensor):
        counted = apply(counting.sparse_count, *parts(given), _weights(given.values, weights), **options)
    elif isinstance(given, RaggedTensor):
        splits = array.cast_index(given.row_splits, dtypes.int64)
        counted = apply(counting.ragged_count, splits, given.values, _weights(given.values, weights), **options)
    else:
        counted = apply(counting.dense_count, given, _weights(given, weights), **options)
    return SparseTensor(*counted)


def _check_kind(values: Any, weights: Any) -> None:
    for kind in (SparseTensor, RaggedTensor):
        if weights is not None and isinstance(values, kind) != isinstance(weights, kind):
            raise ValueError(
                explain(
                    f"Argument `weights` must be a {kind.__name__} if `values` is one, and only then. Received "
                    f"weights={weights} of type: {type(weights).__name__}"
                )
            )


def _flat(values: Any) -> Any:
    if isinstance(values, SparseTensor):
        return values.values
    return values.flat_values if isinstance(values, RaggedTensor) else array.reshape(values, [-1])


def _weights(values: Any, weights: Any) -> Any:
    """Return the weights as a tensor, an empty one where there are none."""
    if weights is None:
        return to_tensor([], values.dtype)
    return weights.values if isinstance(weights, (SparseTensor, RaggedTensor)) else weights


def _length(value: Any, what: str) -> int:
    if value is None:
        return -1
    known = static_value(value) if hasattr(value, "dtype") else value
    if known is None:
        raise ValueError(explain(f"{what} of tf.sparse.bincount is known only when the program runs; give an integer."))
    return int(known)
