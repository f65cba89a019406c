"""tf.sparse.cross and cross_hashed: crosses of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.math import cast
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import Tensor
from millstream.ops import sparse_cross

DEFAULT_KEY = 0xDECAFCAFFE


def _columns(inputs: Any) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Return indices, values and shapes of the sparse inputs, and the dense ones; numbers as int64."""
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(explain("Inputs must be a list"))
    if not all(isinstance(x, (SparseTensor, Tensor)) for x in inputs):
        raise TypeError(explain("All inputs must be Tensor or SparseTensor."))
    sparse = [x for x in inputs if isinstance(x, SparseTensor)]
    dense = [_feature(x) for x in inputs if not isinstance(x, SparseTensor)]
    return [x.indices for x in sparse], [_feature(x.values) for x in sparse], [x.dense_shape for x in sparse], dense


def _feature(values: Any) -> Any:
    return values if values.dtype == dtypes.string else cast(values, dtypes.int64)


@public("sparse.cross", "compat.v1.sparse.cross")
def cross(inputs: Sequence[Any], name: str | None = None, separator: Any = None) -> SparseTensor:
    """Return, for each row, every way to take one value of each input, as strings joined by `separator` ("_X_").

    inputs: matrices of one number of rows, dense or SparseTensor, of strings or integers; sparse ones come first in the
    result. Returns a SparseTensor of strings. Raises TypeError for other inputs, InvalidArgumentError where the rows
    differ in number.

    >>> tf.sparse.cross([tf.constant([["a", "b"]]), tf.constant([[1]])]).values.numpy().tolist()
    [b'a_X_1', b'b_X_1']
    """
    between = to_tensor("_X_" if separator is None else separator, dtypes.string)
    return SparseTensor(*apply(sparse_cross.sparse_cross_v2, *_columns(inputs), between))


@public("sparse.cross_hashed", "compat.v1.sparse.cross_hashed")
def cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """Return, for each row, a hash of every way to take one value of each input.

    inputs: as for tf.sparse.cross. num_buckets: the hashes are below it; below 2**63 - 1 where it is 0.
    hash_key: where hashing starts. Returns a SparseTensor of int64.

    >>> tf.sparse.cross_hashed([tf.constant([[1]]), tf.constant([[-2]])], num_buckets=10000).values.numpy().tolist()
    [3101]
    """
    columns = _columns(inputs)
    numbers = any(x.dtype != dtypes.string for x in (*columns[1], *columns[3]))
    found = apply(
        sparse_cross.sparse_cross,
        *columns,
        hashed_output=True,
        num_buckets=int(num_buckets),
        hash_key=hash_key or DEFAULT_KEY,
        out_type=dtypes.int64,
        internal_type=dtypes.int64 if numbers else dtypes.string,
    )
    return SparseTensor(*found)
