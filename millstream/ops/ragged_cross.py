"""Declare RaggedCross: for each row, every way to take one value of each ragged, sparse or dense column."""

from __future__ import annotations

from collections.abc import Iterator

from millstream.base.dtypes import int32, int64, string
from millstream.base.sizes import Size
from millstream.ops.declaration import Tensor, TensorList, Tensors, Types, op
from millstream.ops.sparse_cross import Column, columns_of, crossed, hashed, joined_text
from millstream.ops.sparse_order import column
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.shaping import constant, iota, reshape, scalar_size, slice_axis
from millstream.program.value import Value

OutValues = Types("out_values_type", int64, string)
OutSplits = Types("out_row_splits_type", int32, int64)


def _ragged_column(values: Value, splits: Value) -> Column:
    rows = splits.shape[0] - 1
    starts = e.convert(slice_axis(splits, 0, 0, rows), int64)
    return Column(values, starts, e.convert(slice_axis(splits, 0, 1, rows + 1), int64) - starts)


@op("RaggedCross", outputs=("output_values", "output_row_splits"))
def ragged_cross(
    ragged_values: TensorList["ragged_values_types", int64, string],
    ragged_row_splits: TensorList["ragged_splits_types", int32, int64],
    sparse_indices: Tensors[int64, "Nsparse"],
    sparse_values: TensorList["sparse_values_types", int64, string],
    sparse_shape: Tensors[int64, "Nsparse"],
    dense_inputs: TensorList["dense_types", int64, string],
    *,
    input_order: str,
    hashed_output: bool,
    num_buckets: int,
    hash_key: int,
    out_values_type: OutValues,
    out_row_splits_type: OutSplits,
) -> tuple[Tensor["out_values_type"], Tensor["out_row_splits_type"]]:
    """Cross columns in the order that `input_order` (R, S and D) says: strings joined by "_X_", or hashes of them."""
    if num_buckets < 0:
        raise refuse("RaggedCross", f"num_buckets {num_buckets}", "give 0 or more")
    given = {"R": len(ragged_values), "S": len(sparse_indices), "D": len(dense_inputs)}
    if any(input_order.count(kind) != count for kind, count in given.items()):
        raise refuse("RaggedCross", f"input_order {input_order!r} for {given}", "name each input once")
    rest, rows = columns_of(sparse_indices, sparse_values, sparse_shape, dense_inputs, "RaggedCross")
    ragged = [_ragged_column(v, s) for v, s in zip(ragged_values, ragged_row_splits, strict=True)]
    if ragged:
        rows = _same_rows(ragged, rows, bool(rest))
    kinds: dict[str, Iterator[Column]] = {
        "R": iter(ragged),
        "S": iter(rest[: len(sparse_indices)]),
        "D": iter(rest[len(sparse_indices) :]),
    }
    cross = crossed([next(kinds[kind]) for kind in input_order], rows)
    total = cross.indices.shape[0]
    borders = reshape(iota((rows + 1,), 0, int64), (1, rows + 1))
    row = reshape(column(cross.indices, 0), (1, total))
    splits = reshape(search_sorted(row, borders, False, out_row_splits_type), (rows + 1,))
    if hashed_output:
        return hashed(cross.features, hash_key, num_buckets), splits  # type: ignore[return-value]
    return joined_text(cross.features, constant(b"_X_", string)), splits  # type: ignore[return-value]


def _same_rows(ragged: list[Column], rows: Size, others: bool) -> Size:
    """Return how many rows the ragged columns have, and the other ones too."""
    sizes = [c.counts.shape[0] for c in ragged]
    for size in [*sizes[1:], *([rows] if others else [])]:
        same = e.compare(scalar_size(size, int64), scalar_size(sizes[0], int64), "EQ")
        check(same, "RaggedCross: inputs must all have the same batch dimension size.")
    return sizes[0]


for _buckets in (0, 7):
    ragged_cross.cases(
        [((4,), (3,), (3, 2), (3,), (2,), (2, 2))],
        inputs=([1, -5, 9, 2], [0, 1, 4], [[0, 0], [1, 0], [1, 1]], [3, 4, 5], [2, 2], [[1, 2], [3, 4]]),
        attributes={
            "input_order": "RSD",
            "hashed_output": True,
            "num_buckets": _buckets,
            "hash_key": 0xDECAFCAFFE,
            "out_values_type": int64,
            "out_row_splits_type": int64,
            "*": int64,
        },
    )
ragged_cross.no_gradient()
