"""Declare crosses of features: for each row, every way to take one value of each column, joined or hashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.base import dtypes
from millstream.base.dtypes import int64, string, uint64
from millstream.base.sizes import Size, product
from millstream.ops.declaration import Tensor, TensorList, Tensors, Types, op
from millstream.ops.sparse_order import column, depth_of, element, filled
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import text
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.reduction import cumulative, reduce
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    bitcast,
    concatenate,
    constant,
    contents,
    full,
    iota,
    reshape,
    scalar_size,
)
from millstream.program.value import Value

Out = Types("out_type", int64, string)
Internal = Types("internal_type", int64, string)
remainder = e.binary(e.REMAINDER)


@dataclass(frozen=True)
class Column:
    """The values of one column, row after row."""

    values: Value
    starts: Value
    """Where the values of each row begin."""
    counts: Value
    """How many each row has."""


def columns_of(
    indices: Sequence[Value], values: Sequence[Value], shapes: Sequence[Value], dense: Sequence[Value], what: str
) -> tuple[list[Column], Size]:
    rows: Size = 0
    if indices:
        rows = contents(reshape(element(shapes[0], 0), (1,)))[0]
    elif dense:
        rows = dense[0].shape[0]
    count = scalar_size(rows, int64)
    result = []
    for where, elements, shape in zip(indices, values, shapes, strict=True):
        if depth_of(where) != 2:
            raise refuse(what, f"a sparse input of rank {depth_of(where)}", "give matrices")
        check(e.compare(element(shape, 0), count, "EQ"), f"{what}: all inputs must have as many rows as the first")
        ones = full(where.shape[:1], 1, int64)
        counts = segment_reduce(ones, column(where, 0), "sum", rows)
        result.append(Column(elements, cumulative(counts, "sum", 0, exclusive=True), counts))
    for matrix in dense:
        if matrix.rank != 2:
            raise refuse(what, f"a dense input of rank {matrix.rank}", "Dense inputs should be a matrix")
        height, width = matrix.shape
        check(
            e.compare(scalar_size(height, int64), count, "EQ"),
            f"{what}: all inputs must have as many rows as the first",
        )
        each = filled(scalar_size(width, int64), (rows,))
        result.append(Column(reshape(matrix, (product(matrix.shape),)), iota((rows,), 0, int64) * each, each))
    return result, rows


@dataclass(frozen=True)
class Cross:
    """All ways to take one value of each column, row after row; the last column changes fastest."""

    features: list[Value]
    indices: Value
    shape: Value


def crossed(columns: Sequence[Column], rows: Size) -> Cross:
    ways = full((rows,), 1, int64)
    for item in columns:
        ways = ways * item.counts
    ends = cumulative(ways, "sum", 0)
    total = contents(reshape(reduce(ways, "sum", (0,)), (1,)))[0]
    number = iota((total,), 0, int64)
    row = reshape(search_sorted(reshape(ends, (1, rows)), reshape(number, (1, total)), True, int64), (total,))
    place = number - gather(ends - ways, row)
    features: list[Value] = []
    left = place
    for item in reversed(columns):
        counts = gather(item.counts, row)
        features.append(gather(item.values, gather(item.starts, row) + remainder(left, counts)))
        left = left / counts
    features.reverse()
    most = reduce(concatenate([full((1,), 0, int64), ways], 0), "max", (0,))
    shape = concatenate([reshape(scalar_size(rows, int64), (1,)), reshape(most, (1,))], 0)
    indices = concatenate([reshape(row, (total, 1)), reshape(place, (total, 1))], 1)
    return Cross(features, indices, shape)


_FACTOR = 0xC6A4A7935BD1E995


def _times(x: Value) -> Value:
    return x * full(x.shape, _FACTOR, uint64)


def _shifted(x: Value) -> Value:
    return e.bit_xor(x, e.shift_right(x, full(x.shape, 47, uint64)))


def _joined_hash(first: Value, second: Value) -> Value:
    """Return TensorFlow's fingerprint of two fingerprints."""
    mixed = e.bit_xor(first, full(first.shape, _FACTOR, uint64))
    mixed = _times(e.bit_xor(mixed, _times(_shifted(_times(second)))))
    return _shifted(_times(_shifted(mixed)))


def hashed(features: Sequence[Value], key: int, buckets: int) -> Value:
    found = full(features[0].shape if features else (0,), key % 2**64, uint64)
    for feature in features:
        mark = text.fingerprint(feature) if feature.dtype == string else bitcast(feature, uint64)
        found = _joined_hash(found, mark)
    limit = buckets if buckets else dtypes.int64.max
    return bitcast(remainder(found, full(found.shape, limit, uint64)), int64)


def joined_text(features: Sequence[Value], separator: Value) -> Value:
    if not features:
        return full((0,), b"", string)
    texts = [feature if feature.dtype == string else text.of_integer(feature) for feature in features]
    return text.join(texts, separator)


@op("SparseCross", outputs=("output_indices", "output_values", "output_shape"))
def sparse_cross(
    indices: Tensors[int64, "N"],
    values: TensorList["sparse_types", int64, string],
    shapes: Tensors[int64, "N"],
    dense_inputs: TensorList["dense_types", int64, string],
    *,
    hashed_output: bool,
    num_buckets: int,
    hash_key: int,
    out_type: Out,
    internal_type: Internal,
) -> tuple[Tensor[int64], Tensor["out_type"], Tensor[int64]]:
    """Cross the columns of matrices: strings joined by "_X_", or hashes of them below `num_buckets` (2**63 - 1 if 0)."""
    if num_buckets < 0:
        raise refuse("SparseCross", f"num_buckets {num_buckets}", "give 0 or more: it must be at least minimum 0")
    cross = crossed(*columns_of(indices, values, shapes, dense_inputs, "SparseCross"))
    if hashed_output:
        return cross.indices, hashed(cross.features, hash_key, num_buckets), cross.shape
    return cross.indices, joined_text(cross.features, constant(b"_X_", string)), cross.shape


@op("SparseCrossV2", outputs=("output_indices", "output_values", "output_shape"))
def sparse_cross_v2(
    indices: Tensors[int64, "N"],
    values: TensorList["sparse_types", int64, string],
    shapes: Tensors[int64, "N"],
    dense_inputs: TensorList["dense_types", int64, string],
    sep: Tensor[string],
) -> tuple[Tensor[int64], Tensor[string], Tensor[int64]]:
    """Cross the columns of matrices: strings joined by `sep`."""
    cross = crossed(*columns_of(indices, values, shapes, dense_inputs, "SparseCrossV2"))
    return cross.indices, joined_text(cross.features, sep), cross.shape


_PLACES = [[0, 0], [1, 0], [1, 1]]
for _buckets in (0, 7):
    sparse_cross.cases(
        [((3, 2), (3,), (2,), (3, 2))],
        inputs=(_PLACES, [1, -5, 9], [3, 2], [[1, 2], [3, 4], [5, 6]]),
        attributes={
            "hashed_output": True,
            "num_buckets": _buckets,
            "hash_key": 0xDECAFCAFFE,
            "out_type": int64,
            "internal_type": int64,
            "*": int64,
        },
    )
sparse_cross.no_gradient()
sparse_cross_v2.cases(
    [((3, 2), (3,), (2,), (3, 2), ())],
    inputs=(_PLACES, [b"a", b"", b"c"], [3, 2], [[b"f", b"q"], [b"g", b"h"], [b"k", b"l"]], b"-"),
    attributes={"*": string},
)
sparse_cross_v2.no_gradient()
