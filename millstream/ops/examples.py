"""Declare the ops that read Example messages: dense, sparse and ragged features. Refuses dense ones of unknown length, and
ragged ones of a single message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType, float32, int32, int64, string
from millstream.base.shapes import TensorShape
from millstream.base.sizes import Size, product
from millstream.ops.declaration import Known, Tensor, TensorList, Tensors, op
from millstream.ops.generating import lower_bound
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import CONSTANT, constant, full, iota, reshape, slice_axis
from millstream.program.primitives.text_records import read_examples
from millstream.program.value import Value

Shapes = tuple[TensorShape, ...]


def _bytes(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()


def _keys(what: str, values: Sequence[Value]) -> list[bytes]:
    """Return the keys that tensors hold, which must be known."""
    found: list[bytes] = []
    for value in values:
        if value.node is None or value.node.definition is not CONSTANT:
            raise refuse(what, "keys that are not known when traced", "give constants")
        found += map(_bytes, value.node.attributes["value"].ravel())
    return found


def _flat(default: Value, shape: tuple[int, ...]) -> Value:
    """Return a default as a vector. An empty one says that the feature must be there: another size than that of `shape`."""
    count = product(default.shape)
    if count == 0 and 0 in shape:
        return full((1,), b"" if default.dtype == dtypes.string else 0, default.dtype)
    return reshape(default, (count,))


def _read(
    what: str,
    serialized: Value,
    names: Value,
    sparse: Sequence[tuple[bytes, DType]],
    dense_keys: Sequence[bytes],
    defaults: Sequence[Value],
    shapes: Shapes,
) -> tuple[Value, ...]:
    """Return sparse indices, values and sizes, then dense values: of one message, or of a vector of them."""
    for key, shape in zip(dense_keys, map(TensorShape, shapes), strict=True):
        if not shape.is_fully_defined():
            raise refuse(what, f"the dense feature {key.decode()!r} of shape {shape}", "give all sizes of it")
    sizes = [tuple(TensorShape(shape).as_list()) for shape in shapes]
    single = serialized.rank == 0
    if single:
        serialized = reshape(serialized, (1,))
        names = reshape(names, (names.shape[0],) if names.rank else (1,))
    flat = [_flat(d, shape) for d, shape in zip(defaults, sizes, strict=True)]
    read = list(read_examples(serialized, names, flat, list(zip(dense_keys, sizes, strict=True)), sparse))
    dense = []
    for shape in sizes:
        values = read.pop(0)
        dense.append(reshape(values, shape if single else (values.shape[0], *shape)))
    triples = [tuple(read[i : i + 3]) for i in range(0, len(read), 3)]
    if single:
        triples = [(slice_axis(p, 1, 1, 2), v, slice_axis(n, 0, 1, 2)) for p, v, n in triples]
    return (*(t[0] for t in triples), *(t[1] for t in triples), *(t[2] for t in triples), *dense)


@op(
    "ParseExampleV2",
    outputs=("sparse_indices", "sparse_values", "sparse_shapes", "dense_values", "ragged_values", "ragged_row_splits"),
)
def parse_example_v2(
    serialized: Tensor[string],
    names: Tensor[string],
    sparse_keys: Known[Tensor[string]],
    dense_keys: Known[Tensor[string]],
    ragged_keys: Known[Tensor[string]],
    dense_defaults: TensorList["Tdense", float32, int64, string],
    *,
    num_sparse: int,
    sparse_types: Annotated[tuple[DType, ...], float32, int64, string],
    ragged_value_types: Annotated[tuple[DType, ...], float32, int64, string],
    ragged_split_types: Annotated[tuple[DType, ...], int32, int64],
    dense_shapes: Shapes,
) -> tuple[
    Tensors[int64, "num_sparse"],
    TensorList["sparse_types"],
    Tensors[int64, "num_sparse"],
    TensorList["Tdense"],
    TensorList["ragged_value_types"],
    TensorList["ragged_split_types"],
]:
    """Return features of Example messages."""
    what = "ParseExampleV2"
    if ragged_value_types and serialized.rank == 0:
        raise refuse(what, "ragged features of a single message", "give a vector of messages")
    sparse = list(zip(_keys(what, [sparse_keys]), sparse_types, strict=True))
    ragged = list(zip(_keys(what, [ragged_keys]), ragged_value_types, strict=True))
    dense = _keys(what, [dense_keys])
    read = _read(what, serialized, names, [*sparse, *ragged], dense, dense_defaults, dense_shapes)
    count, both = len(sparse), len(sparse) + len(ragged)
    places, values, sizes, rest = read[:both], read[both : 2 * both], read[2 * both : 3 * both], read[3 * both :]
    splits = [_splits(p, serialized.shape[0], t) for p, t in zip(places[count:], ragged_split_types, strict=True)]
    return (*places[:count], *values[:count], *sizes[:count], *rest, *values[count:], *splits)


def _splits(places: Value, rows: Size, dtype: DType) -> Value:
    """Return where the values of each row begin, and where the last one ends."""
    held = reshape(slice_axis(places, 1, 0, 1), (1, places.shape[0]))
    begins = lower_bound(held, iota((1, rows + 1), 1, dtypes.int64), out_type=dtype)
    return reshape(begins, (rows + 1,))


@op("ParseExample", outputs=("sparse_indices", "sparse_values", "sparse_shapes", "dense_values"))
def parse_example(
    serialized: Tensor[string],
    names: Tensor[string],
    sparse_keys: Known[Tensors[string, "Nsparse"]],
    dense_keys: Known[Tensors[string, "Ndense"]],
    dense_defaults: TensorList["Tdense", float32, int64, string],
    *,
    sparse_types: Annotated[tuple[DType, ...], float32, int64, string],
    dense_shapes: Shapes,
) -> tuple[
    Tensors[int64, "Nsparse"],
    TensorList["sparse_types"],
    Tensors[int64, "Nsparse"],
    TensorList["Tdense"],
]:
    """Return features of a vector of Example messages."""
    sparse = list(zip(_keys("ParseExample", sparse_keys), sparse_types, strict=True))
    keys = _keys("ParseExample", dense_keys)
    return _read("ParseExample", serialized, names, sparse, keys, dense_defaults, dense_shapes)


@op("ParseSingleExample", outputs=("sparse_indices", "sparse_values", "sparse_shapes", "dense_values"))
def parse_single_example(
    serialized: Tensor[string],
    dense_defaults: TensorList["Tdense", float32, int64, string],
    *,
    num_sparse: int,
    sparse_keys: tuple[str, ...],
    dense_keys: tuple[str, ...],
    sparse_types: Annotated[tuple[DType, ...], float32, int64, string],
    dense_shapes: Shapes,
) -> tuple[
    Tensors[int64, "num_sparse"],
    TensorList["sparse_types"],
    Tensors[int64, "num_sparse"],
    TensorList["Tdense"],
]:
    """Return features of one Example message."""
    names = constant(np.empty(0, object), dtypes.string)
    sparse = [(_bytes(key), dtype) for key, dtype in zip(sparse_keys, sparse_types, strict=True)]
    keys = [_bytes(key) for key in dense_keys]
    return _read("ParseSingleExample", serialized, names, sparse, keys, dense_defaults, dense_shapes)


for _op in (parse_example_v2, parse_example, parse_single_example):
    _op.no_gradient()

_MESSAGE = b"\n.\n\x11\n\x01f\x12\x0c\x12\n\n\x08\x00\x00\x80?\x00\x00\x00@\n\x0c\n\x01n\x12\x07\x1a\x05\n\x03\x03\x04\x05\n\x0b\n\x01t\x12\x06\n\x04\n\x02ab"
"""An Example of f = [1.0, 2.0], n = [3, 4, 5] and t = "ab"."""

_DENSE = {"*": float32, "sparse_types": (int64,), "dense_shapes": ((2,),)}
_COUNTS = {"num_sparse": 1, "ragged_value_types": (int64,), "ragged_split_types": (int32,)}
parse_example_v2.cases(
    [((2,), (0,), (1,), (1,), (1,), (0,))],
    inputs=([_MESSAGE, _MESSAGE], [], [b"n"], [b"f"], [b"n"], []),
    attributes={**_DENSE, **_COUNTS},
)
parse_example_v2.cases(
    [((), (0,), (1,), (1,), (0,), (2,))],
    inputs=(_MESSAGE, [], [b"none"], [b"none"], [], [7.0, 8.0]),
    attributes={**_DENSE, **_COUNTS, "ragged_value_types": (), "ragged_split_types": ()},
)
parse_example.cases(
    [((1,), (0,), (), (), (0,))],
    inputs=([_MESSAGE], [], b"n", b"f", []),
    attributes={**_DENSE, "Nsparse": 1, "Ndense": 1},
)
parse_single_example.cases(
    [((), (0,))],
    inputs=(_MESSAGE, []),
    attributes={**_DENSE, "num_sparse": 1, "sparse_keys": ("n",), "dense_keys": ("f",)},
)
