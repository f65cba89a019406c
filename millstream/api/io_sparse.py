"""tf.io: sparse tensors as strings: three for each: places, elements and shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.io_codecs import proto_of, read_proto, refused
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import eager_constant


def _checked(sp_input: Any, out_type: Any) -> Any:
    if not isinstance(sp_input, SparseTensor):
        raise TypeError("Input must be a SparseTensor.")
    if as_dtype(out_type) is not dtypes.string:
        raise errors.UnimplementedError(
            None, None, errors.explain(f"Sparse tensors are serialized as strings, not {out_type}: leave out_type out.")
        )
    return sp_input


@public("io.serialize_sparse")
def serialize_sparse(sp_input: Any, out_type: Any = dtypes.string, name: str | None = None) -> Any:
    """Return a sparse tensor as three strings: `TensorProto` messages of its places, elements and shape.

    Args:
      sp_input: a `tf.SparseTensor`.
      out_type: only string.

    Returns:
      A vector of three strings.

    Raises:
      TypeError: `sp_input` is none.
    """
    given = _checked(sp_input, out_type)

    def call(*parts: Any) -> list[Any]:
        return [runtime.from_strings([proto_of(p) for p in parts], (3,))]

    parts = [given.indices, given.values, given.dense_shape]
    return call_on_host("SerializeSparse", call, parts, [Spec(dtypes.string, (3,))])[0]


@public("io.serialize_many_sparse")
def serialize_many_sparse(sp_input: Any, out_type: Any = dtypes.string, name: str | None = None) -> Any:
    """Return the rows of a sparse tensor as three strings each; see `tf.io.serialize_sparse`.

    Args:
      sp_input: a `tf.SparseTensor` of rank 2 or more, its places in order.
      out_type: only string.

    Returns:
      A matrix of strings [rows, 3].

    Raises:
      TypeError: `sp_input` is none.
      tf.errors.InvalidArgumentError: its rank is less than 2.
    """
    given = _checked(sp_input, out_type)
    if given.shape.rank is not None and given.shape.rank < 2:
        raise refused(errors.explain(f"Rank of input SparseTensor should be > 1, but saw rank: {given.shape.rank}"))

    def call(indices: Any, values: Any, shape: Any) -> list[Any]:
        places, elements = indices.numpy(), values.numpy()
        sizes, found = shape.numpy(), []
        for i in range(int(sizes[0])):
            here = places[:, 0] == i
            parts = (
                eager_constant(places[here][:, 1:], dtypes.int64),
                eager_constant(elements[here], values.dtype),
                eager_constant(sizes[1:], dtypes.int64),
            )
            found += [proto_of(p) for p in parts]
        return [runtime.from_strings(found, (int(sizes[0]), 3))]

    parts = [given.indices, given.values, given.dense_shape]
    return call_on_host("SerializeManySparse", call, parts, [Spec(dtypes.string, (fresh_symbol("rows"), 3))])[0]


@public("io.deserialize_many_sparse")
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> Any:
    """Return sparse tensors that were serialized as one, with an axis for them in front; its sizes are the largest.

    Args:
      serialized_sparse: strings [tensors, 3]; or [3], a single one, which gets no further axis.
      dtype: the type of the elements.
      rank: the rank of the result, where it is known.

    Returns:
      A `tf.SparseTensor`.

    Raises:
      tf.errors.InvalidArgumentError: when it runs: there are none, or they differ in rank, or have other elements.
    """
    texts, kind = to_tensor(serialized_sparse, dtypes.string), as_dtype(dtype)
    if texts.shape.rank not in (1, 2, None) or (texts.shape.rank and texts.shape[-1] not in (3, None)):
        raise refused(errors.explain(f"Serialized sparse should have 3 columns, but has shape {texts.shape}"))

    def call(found: Any) -> list[Any]:
        single = len(found._shape) == 1
        strings = list(found._strings())
        rows = [strings[i : i + 3] for i in range(0, len(strings), 3)]
        if not rows:
            raise refused("Serialized sparse should have at least 1 serialized tensor, but has a zero dimension [0,3]")
        places, elements, sizes = [], [], None
        for i, row in enumerate(rows):
            indices, values, shape = _one(row, kind, i)
            if sizes is not None and len(shape) != len(sizes):
                raise refused(
                    f"Inconsistent shape across SparseTensors: rank prior to SparseTensor[{i}] was: {len(sizes)} but rank of "
                    f"SparseTensor[{i}] is: {len(shape)}"
                )
            sizes = shape if sizes is None else np.maximum(sizes, shape)
            before = np.full((len(values), 0 if single else 1), i, np.int64)
            places.append(np.concatenate([before, indices.reshape(len(values), len(shape))], axis=1))
            elements.append(values)
        shape = sizes if single else np.concatenate([[len(rows)], np.asarray(sizes)])
        return [
            eager_constant(np.concatenate(places), dtypes.int64),
            eager_constant(np.concatenate(elements), kind),
            eager_constant(shape, dtypes.int64),
        ]

    axes = fresh_symbol("axes") if rank is None else int(rank)
    elements = fresh_symbol("elements")
    specs = [Spec(dtypes.int64, (elements, axes)), Spec(kind, (elements,)), Spec(dtypes.int64, (axes,))]
    made = call_on_host("DeserializeSparse", call, [texts], specs)
    return SparseTensor(*made)


def _one(row: list[bytes], kind: Any, number: int) -> tuple[Any, Any, Any]:
    try:
        values = read_proto(row[1], kind)
    except errors.InvalidArgumentError as error:
        raise refused(
            f"Requested SparseTensor of type {kind.name} but SparseTensor[{number}].values: {error.message}"
        ) from None
    return read_proto(row[0], dtypes.int64).numpy(), values.numpy(), read_proto(row[2], dtypes.int64).numpy()
