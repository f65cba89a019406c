"""tf.ragged.cross and tf.ragged.cross_hashed, and what counting and looking up do with ragged tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.public import PUBLIC, composite_rule, public
from millstream.api.ragged import is_ragged
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops import ragged_cross as ops

DEFAULT_KEY = 0xDECAFCAFFE


@public("ragged.cross")
def cross(inputs: Sequence[Any], name: str | None = None) -> RaggedTensor:
    """Return, for each row, every way to take one value of each input, as strings joined by "_X_".

    Args:
      inputs: ragged or sparse tensors or tensors of rank 2, of strings or integers, of one number of rows.
      name: accepted and not used.

    Raises:
      ValueError: for another rank.

    >>> tf.ragged.cross([tf.ragged.constant([['a'], ['b', 'c']]), tf.ragged.constant([['d'], ['e']])])
    <tf.RaggedTensor [[b'a_X_d'], [b'b_X_e', b'c_X_e']]>
    """
    return _crossed(inputs, hashed=False, num_buckets=0, hash_key=None)


@public("ragged.cross_hashed")
def cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> RaggedTensor:
    """Return, for each row, a hash of every way to take one value of each input.

    Args:
      inputs: ragged or sparse tensors or tensors of rank 2, of strings or integers, of one number of rows.
      num_buckets: the hashes are below it; below 2**63 - 1 where it is 0.
      hash_key: where hashing starts.
      name: accepted and not used.

    >>> tf.ragged.cross_hashed([tf.ragged.constant([['a'], ['b', 'c']]), tf.ragged.constant([['d'], ['e']])], 100)
    <tf.RaggedTensor [[82], [61, 41]]>
    """
    return _crossed(inputs, hashed=True, num_buckets=int(num_buckets), hash_key=hash_key)


def _crossed(inputs: Sequence[Any], *, hashed: bool, num_buckets: int, hash_key: int | None) -> RaggedTensor:
    if isinstance(inputs, (RaggedTensor, SparseTensor)) or not isinstance(inputs, (list, tuple)):
        raise TypeError(explain("inputs must be a list of tensors, ragged tensors and sparse tensors."))
    ragged: list[RaggedTensor] = []
    sparse: list[SparseTensor] = []
    dense: list[Any] = []
    order = ""
    for value in inputs:
        if isinstance(value, RaggedTensor):
            if value.ragged_rank != 1 or value.flat_values.shape.rank != 1:
                raise ValueError(explain("tf.ragged.cross only supports inputs with rank=2."))
            ragged.append(value.with_flat_values(_feature(value.flat_values)))  # type: ignore[arg-type]
            order += "R"
        elif isinstance(value, SparseTensor):
            sparse.append(value.with_values(_feature(value.values)))
            order += "S"
        else:
            dense.append(_feature(to_tensor(value)))
            order += "D"
    kinds = {r.row_splits.dtype for r in ragged}
    splits = dtypes.int32 if kinds == {dtypes.int32} else dtypes.int64
    values, row_splits = apply(
        ops.ragged_cross,
        [r.flat_values for r in ragged],
        [r.row_splits for r in ragged],
        [s.indices for s in sparse],
        [s.values for s in sparse],
        [s.dense_shape for s in sparse],
        dense,
        input_order=order,
        hashed_output=hashed,
        num_buckets=num_buckets,
        hash_key=DEFAULT_KEY if hash_key is None else hash_key,
        out_values_type=dtypes.int64 if hashed else dtypes.string,
        out_row_splits_type=splits,
    )
    return RaggedTensor.from_row_splits(values, row_splits, validate=False)


def _feature(values: Any) -> Any:
    if values.dtype is dtypes.string or values.dtype is dtypes.int64:
        return values
    if not values.dtype.is_integer:
        raise ValueError(explain(f"Unexpected dtype for inputs: {values.dtype}; give strings or integers."))
    return PUBLIC["cast"](values, dtypes.int64)


def _sparse(value: Any) -> Any:
    return value.to_sparse() if is_ragged(value) else value


@composite_rule("math.bincount")
def _bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Any:
    if not is_ragged(arr):
        return NotImplemented
    if weights is not None and not is_ragged(weights):
        raise ValueError(explain("`weights` must be a RaggedTensor if `arr` is one."))
    if axis == -1:
        arr, weights = _sparse(arr), _sparse(weights)
    else:
        arr, weights = arr.flat_values, None if weights is None else weights.flat_values
    return PUBLIC["math.bincount"](arr, weights, minlength, maxlength, dtype, None, axis, binary_output)


@composite_rule("dynamic_partition")
def _dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> Any:
    if not is_ragged(data) and not is_ragged(partitions):
        return NotImplemented
    stacked = PUBLIC["ragged.stack_dynamic_partitions"](data, partitions, num_partitions)
    return [stacked[i] for i in range(int(num_partitions))]


def _embedding(name: str) -> None:
    @composite_rule(name)
    def rule(params: Any, ids: Any, weights: Any = None, *args: Any, **kwargs: Any) -> Any:
        if not is_ragged(ids):
            return NotImplemented
        return PUBLIC[name](params, _sparse(ids), _sparse(weights), *args, **kwargs)


_embedding("nn.embedding_lookup_sparse")
_embedding("nn.safe_embedding_lookup_sparse")
