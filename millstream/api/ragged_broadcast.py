"""Broadcasting with ragged tensors: an axis of size 1 is repeated to rows of any lengths. Refuses rows that do not match.

Every operand keeps, axis by axis from the outermost, which of its rows each row of the result takes; at the end its flat
values are gathered once. An operand of which nothing is repeated is never moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream.api.ragged import is_ragged
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import take_rows
from millstream.execution.ragged_structure import merge_dims, splits_dtype_of
from millstream.execution.row_partition import RowPartition, known, sized
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

_MISMATCH = "Unable to broadcast: dimension size mismatch in dimension"


@dataclass
class Operand:
    """Partitions, the outermost first, values, and which row of the current axis each row of the result takes."""

    partitions: list[RowPartition]
    values: Any
    rows: Any = None

    def count(self, dtype: DType) -> Any:
        """Return the size of the outermost axis."""
        return self.partitions[0].nrows() if self.partitions else sized(self.values, dtype)


def number(value: int, dtype: DType) -> Any:
    """Return an integer as a scalar tensor."""
    return eager_constant(np.asarray(value), dtype)


def depth_of(value: Any) -> int:
    """Return how many axes of a value are partitioned."""
    return value.ragged_rank if is_ragged(value) else 0


def operand(value: Any, rank: int, depth: int, dtype: DType) -> Operand:
    """Return a value as `depth` partitions of values, axes of size 1 put in front of it up to `rank`."""
    partitions = [p.with_dtype(dtype) for p in value._nested_row_partitions] if is_ragged(value) else []
    made = Operand(partitions, value.flat_values if is_ragged(value) else value)
    missing = rank - value.shape.rank
    for i in range(missing):
        # The first axis that is put in front becomes one row of all that there is.
        length = made.count(dtype) if i == 0 else number(1, dtype)
        made.partitions.insert(0, RowPartition.from_uniform_row_length(length, None, number(1, dtype), validate=False))
    while len(made.partitions) < depth:
        sizes = made.values.shape.as_list()
        length = sizes[1] if sizes[1] is not None else apply(find("Shape"), made.values, out_type=dtype)[1]
        rows = sized(made.values, dtype)
        made.partitions.append(RowPartition.from_uniform_row_length(length, None, rows, validate=False, dtype=dtype))
        made.values = merge_dims(made.values, 0, 1)
    return made


def broadcast(values: Sequence[Any]) -> tuple[list[RowPartition], list[Any]]:
    """Return the partitions that values, ragged or dense, broadcast to, and their flat values, moved to them.

    The inner axes that are not partitioned are left to the op that is applied to the flat values.
    """
    ragged = [v for v in values if is_ragged(v)]
    dtype = splits_dtype_of(*ragged) or dtypes.int64
    shared = _shared(values, ragged)
    if shared is not None:
        return shared
    ranks = [v.shape.rank for v in values]
    if None in ranks:
        raise ValueError(explain("Unable to broadcast: a rank is unknown; give tensors of known rank."))
    rank = max(ranks)
    depth = max(depth_of(v) + rank - v.shape.rank for v in values)
    operands = [operand(v, rank, depth, dtype) for v in values]
    partitions = _aligned(operands, depth, dtype)
    return partitions, [o.values if o.rows is None else take_rows(o.values, o.rows) for o in operands]


def _shared(values: Sequence[Any], ragged: Sequence[Any]) -> tuple[list[RowPartition], list[Any]] | None:
    """Return partitions and flat values where all ragged values have the same rows, and dense ones need not be repeated."""
    first = ragged[0]
    own = first._nested_row_partitions
    inner = first.flat_values.shape.rank
    for value in values:
        if not is_ragged(value):
            if value.shape.rank is None or inner is None or value.shape.rank >= inner:
                return None
        elif value is not first:
            other = value._nested_row_partitions
            if len(other) != len(own) or not all(_are_same(a, b) for a, b in zip(own, other, strict=True)):
                return None
    return list(own), [v.flat_values if is_ragged(v) else v for v in values]


def _are_same(a: RowPartition, b: RowPartition) -> bool:
    """Whether two partitions are known to be equal."""
    if a is b or a.row_splits() is b.row_splits():
        return True
    first, second = static_value(a.row_splits()), static_value(b.row_splits())
    return first is not None and second is not None and first.dtype == second.dtype and np.array_equal(first, second)


def _aligned(operands: Sequence[Operand], depth: int, dtype: DType) -> list[RowPartition]:
    """Find the rows of each operand, axis by axis; return the partitions of the result."""
    _outermost(operands, dtype)
    result: list[RowPartition] = []
    for axis in range(depth):
        parts = [o.partitions[axis] for o in operands]
        fixed = [known(p.uniform_row_length()) if p.is_uniform() else None for p in parts]
        repeated = [p.is_uniform() and n == 1 for p, n in zip(parts, fixed, strict=True)]
        unsure = [p.is_uniform() and n is None for p, n in zip(parts, fixed, strict=True)]
        if all(repeated):
            repeated = [False] * len(operands)
        lengths = [_lengths(o, p) for o, p in zip(operands, parts, strict=True)]
        decisive = next((i for i in range(len(operands)) if not repeated[i] and not unsure[i]), None)
        if decisive is None:
            decisive = repeated.index(False)
            target = lengths[decisive]
            for other, here in zip(lengths, unsure, strict=True):
                if here and other is not target:
                    one = apply(find("Equal"), target, number(1, dtype))
                    target = apply(find("SelectV2"), one, other, target)
        else:
            target = lengths[decisive]
        for i, own in enumerate(lengths):
            if i != decisive and not repeated[i]:
                _check_lengths(own, target, unsure[i], axis + 1)
        kept = operands[decisive].rows is None and not any(unsure)
        partition = parts[decisive] if kept else RowPartition.from_row_lengths(target, validate=False)
        if not kept and parts[decisive].is_uniform() and not any(unsure):
            partition = RowPartition.from_uniform_row_length(
                parts[decisive].uniform_row_length(), nrows=partition.nrows(), validate=False
            )
        for o, own_part, again, here, own in zip(operands, parts, repeated, unsure, lengths, strict=True):
            _descend(o, own_part, partition, again, here, own, dtype)
        result.append(partition)
    return result


def _lengths(o: Operand, partition: RowPartition) -> Any:
    lengths = partition.row_lengths()
    return lengths if o.rows is None else take_rows(lengths, o.rows)


def _check_lengths(own: Any, target: Any, unsure: bool, axis: int) -> None:
    """Refuse rows of other lengths than the result has; of 1, where that may be repeated."""
    if own is target:
        return
    first, second = static_value(own), static_value(target)
    if first is not None and second is not None:
        if not np.array_equal(first, second) and not (unsure and np.all(first == 1)):
            raise InvalidArgumentError(
                None, None, explain(f"{_MISMATCH} {axis}: rows of lengths {first.tolist()} and {second.tolist()}.")
            )
        return
    if unsure:
        one = apply(find("Equal"), own, number(1, own.dtype))
        own = apply(find("SelectV2"), one, target, own)
    apply(ops.CHECK_EQUAL, own, target, message=f"{_MISMATCH} {axis}")


def _outermost(operands: Sequence[Operand], dtype: DType) -> None:
    counts = [o.count(dtype) for o in operands]
    plain = [known(n) for n in counts]
    sizes = {n for n in plain if n is not None and n != 1}
    if len(sizes) > 1:
        raise InvalidArgumentError(None, None, explain(f"{_MISMATCH} 0: sizes {sorted(sizes)}."))
    if None not in plain:
        size = sizes.pop() if sizes else 1
        for o, n in zip(operands, plain, strict=True):
            if n != size:
                o.rows = apply(find("Fill"), eager_constant(np.asarray([size]), dtypes.int64), number(0, dtype))
        return
    total = counts[0]
    for n in counts[1:]:
        total = apply(find("SelectV2"), apply(find("Equal"), total, number(1, dtype)), n, total)
    places = apply(find("Range"), number(0, dtype), total, number(1, dtype))
    for o, n in zip(operands, counts, strict=True):
        one = apply(find("Equal"), n, number(1, dtype))
        apply(ops.CHECK_EQUAL, apply(find("SelectV2"), one, total, n), total, message=f"{_MISMATCH} 0")
        o.rows = apply(find("SelectV2"), one, apply(find("ZerosLike"), places), places)


def _descend(
    o: Operand, own: RowPartition, result: RowPartition, repeated: bool, unsure: bool, lengths: Any, dtype: DType
) -> None:
    """Find which values of an operand the values of the result take."""
    if o.rows is None and not repeated and not unsure:
        return
    ids = result.value_rowids()
    starts = own.row_starts()
    begin = take_rows(starts if o.rows is None else take_rows(starts, o.rows), ids)
    if repeated:
        o.rows = begin
        return
    offsets = result.offsets_in_rows()
    if unsure:
        one = apply(find("Equal"), take_rows(lengths, ids), number(1, dtype))
        offsets = apply(find("SelectV2"), one, apply(find("ZerosLike"), offsets), offsets)
    o.rows = apply(find("AddV2"), begin, offsets)
