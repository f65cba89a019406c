"""Declare the ops on ragged tensors: RaggedRange, RaggedGather, RaggedTensorToTensor, RaggedTensorToSparse."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base import dtypes
from millstream.base.dtypes import bfloat16, float32, float64, int32, int64
from millstream.base.sizes import Size, is_known, product
from millstream.ops.declaration import Known, Tensor, Tensors, Types, op
from millstream.ops.row_partition import ranges, row_of_each, splits_of_lengths
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import reduce, reduce_all
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    contents,
    full,
    iota,
    reshape,
    scalar_size,
    sizes,
    slice_axis,
    spread_to,
)
from millstream.program.value import Value

Splits = Types("Tsplits", int32, int64, default=int64)
Step = Types("T", bfloat16, float32, float64, int32, int64, default=int32)
T = Types("T")
Values = Types("Tvalues")
Index = Types("Tindices", int32, int64)
Tindex = Types("Tindex", int64, int32)
Tshape = Types("Tshape", int64, int32)


def _vector(x: Value, count: Size) -> Value:
    return x if x.rank else broadcast(x, (count,), ())


@op("RaggedRange", outputs=("rt_nested_splits", "rt_dense_values"))
def ragged_range(
    starts: Tensor[Step], limits: Tensor[Step], deltas: Tensor[Step], *, Tsplits: Splits = int64
) -> tuple[Tensor["Tsplits"], Tensor[Step]]:
    """Return the splits and values of rows that begin at `starts`, go by `deltas` and end before `limits`."""
    if any(v.rank > 1 for v in (starts, limits, deltas)):
        raise refuse("RaggedRange", "a matrix", "starts, limits and deltas must be scalars or vectors")
    vectors = [v.shape[0] for v in (starts, limits, deltas) if v.rank]
    if len({n for n in vectors if is_known(n)}) > 1:
        raise refuse("RaggedRange", f"sizes {vectors}", "starts, limits, and deltas must have the same shape")
    count: Size = vectors[0] if vectors else 1
    first, last, step = (_vector(v, count) for v in (starts, limits, deltas))
    zero = full((count,), 0, step.dtype)
    check(reduce_all(e.compare(step, zero, "NE"), "and"), "RaggedRange: Requires delta != 0")
    if first.dtype.is_integer:
        wide = [e.convert(v, int64) for v in (first, last, step)]
        none, one = full((count,), 0, int64), full((count,), 1, int64)
        down = e.compare(wide[2], none, "LT")
        span = e.select(down, wide[0] - wide[1], wide[1] - wide[0])
        size = e.select(down, none - wide[2], wide[2])
        numbers = e.maximum((span + size - one) / size, none)
    else:
        fine = [e.convert(v, float64) for v in (first, last, step)]
        numbers = e.convert(e.maximum(e.ceil((fine[1] - fine[0]) / fine[2]), full((count,), 0, float64)), int64)
    splits = splits_of_lengths(e.convert(numbers, Tsplits))
    rows = row_of_each(splits)
    places = iota(rows.shape, 0, rows.dtype) - gather(splits, rows)
    return splits, gather(first, rows) + e.convert(places, first.dtype) * gather(step, rows)


@op("RaggedGather", outputs=("output_nested_splits", "output_dense_values"))
def ragged_gather(
    params_nested_splits: Tensors[Splits, "PARAMS_RAGGED_RANK"],
    params_dense_values: Tensor[Values],
    indices: Tensor[Index],
    *,
    OUTPUT_RAGGED_RANK: int,
) -> tuple[Tensors[Splits, "OUTPUT_RAGGED_RANK"], Tensor[Values]]:
    """Return the rows of a ragged tensor at `indices`, in rows as `indices` has them."""
    depth = indices.rank
    if len(params_nested_splits) + depth - 1 != OUTPUT_RAGGED_RANK:
        raise refuse(
            "RaggedGather",
            f"OUTPUT_RAGGED_RANK = {OUTPUT_RAGGED_RANK}",
            f"give {len(params_nested_splits) + depth - 1}",
        )
    kind = params_nested_splits[0].dtype
    made: list[Value] = []
    for axis in range(depth - 1):
        # The axes of the indices are uniform.
        borders = (product(indices.shape[: axis + 1]) + 1,)
        width = broadcast(scalar_size(indices.shape[axis + 1], kind), borders, ())
        made.append(iota(borders, 0, kind) * width)
    chosen = e.convert(reshape(indices, (product(indices.shape),)), kind)
    rows_held = params_nested_splits[0].shape[0] - 1
    bound = broadcast(scalar_size(rows_held, kind), chosen.shape, ())
    inside = e.bit_and(e.compare(chosen, full(chosen.shape, 0, kind), "GE"), e.compare(chosen, bound, "LT"))
    check(reduce_all(inside, "and"), "RaggedGather: indices must be in the range of the rows", data=[indices, bound])
    for splits in params_nested_splits:
        n = splits.shape[0]
        starts = gather(slice_axis(splits, 0, 0, n - 1), chosen)
        lengths = gather(slice_axis(splits, 0, 1, n), chosen) - starts
        outer, chosen = ranges(starts, lengths)
        made.append(outer)
    return (*made, gather(params_dense_values, chosen))  # type: ignore[return-value]


def _partitions(tensors: Sequence[Value], kinds: Sequence[str]) -> list[Value]:
    """Return partitions, given in any of the ways that have a name, as row splits."""
    made: list[Value] = []
    rows: Size | None = None
    for tensor, kind in zip(tensors, kinds, strict=True):
        if kind == "FIRST_DIM_SIZE":
            rows = contents(tensor)[0]
            continue
        if kind == "ROW_SPLITS":
            made.append(tensor)
        elif kind == "ROW_LENGTHS":
            made.append(splits_of_lengths(tensor))
        elif kind == "VALUE_ROWIDS" and rows is not None:
            borders = reshape(iota((rows + 1,), 0, tensor.dtype), (1, rows + 1))
            found = search_sorted(reshape(tensor, (1, tensor.shape[0])), borders, False, tensor.dtype)
            made.append(reshape(found, (rows + 1,)))
            rows = tensor.shape[0]
            continue
        else:
            raise refuse(
                "RaggedTensorToTensor",
                f"row partition type {kind}",
                "choose FIRST_DIM_SIZE and VALUE_ROWIDS, ROW_SPLITS or ROW_LENGTHS",
            )
        rows = contents(slice_axis(made[-1], 0, made[-1].shape[0] - 1, made[-1].shape[0]))[0]
    return made


def _longest(splits: Value) -> Value:
    """Return the length of the longest row, 0 for no rows, as int64 [1]."""
    n = splits.shape[0]
    lengths = slice_axis(splits, 0, 1, n) - slice_axis(splits, 0, 0, n - 1)
    padded = concatenate([full((1,), 0, splits.dtype), lengths], 0)
    return reshape(e.convert(reduce(padded, "max", (0,)), int64), (1,))


def _wanted(given: Size, found: Value) -> Size:
    """Return the size that a shape asks for; the one found where it is -1."""
    if is_known(given):
        return given if given >= 0 else contents(found)[0]
    asked = reshape(sizes((given,), int64), (1,))
    return contents(e.select(e.compare(asked, full((1,), 0, int64), "LT"), found, asked))[0]


@op("RaggedTensorToTensor", outputs="result")
def ragged_to_tensor(
    shape: Known[Tensor[Tshape]],
    values: Tensor[T],
    default_value: Tensor[T],
    row_partition_tensors: Tensors[Tindex, "num_row_partition_tensors"],
    *,
    row_partition_types: tuple[str, ...],
) -> Tensor[T]:
    """Return a dense tensor with the values at the front of their rows and default_value behind; rows may be cut."""
    splits = _partitions(row_partition_tensors, row_partition_types)
    depth = len(splits)
    asked = contents(shape) if shape.rank else (-1,) * (depth + values.rank)
    if len(asked) != depth + values.rank:
        raise refuse(
            "RaggedTensorToTensor",
            f"rt_input.rank = {depth + values.rank} but shape.rank = {len(asked)}",
            "rt_input.shape and shape are incompatible: give a size for each axis",
        )
    if default_value.rank >= values.rank and not (default_value.rank == 0):
        raise refuse(
            "RaggedTensorToTensor",
            f"default_value.rank = {default_value.rank} and rt_input.flat_values.rank = {values.rank}",
            "default_value.shape and rt_input.flat_values.shape are incompatible: the rank must be less",
        )
    inner = values.shape[1:]
    for n, m in zip(inner, asked[depth + 1 :], strict=True):
        if is_known(n) and is_known(m) and m >= 0 and n != m:
            raise refuse("RaggedTensorToTensor", f"shape {list(asked)}", f"the inner shape is {list(inner)}")
    rows = splits[0].shape[0] - 1
    outer = [_wanted(asked[0], reshape(sizes((rows,), int64), (1,)))]
    outer += [_wanted(n, _longest(s)) for n, s in zip(asked[1:], splits, strict=False)]
    place = iota((rows,), 0, int64)
    kept = e.compare(place, broadcast(scalar_size(outer[0], int64), (rows,), ()), "LT")
    for part, width in zip(splits, outer[1:], strict=True):
        part = e.convert(part, int64)
        ids = row_of_each(part, values.shape[0] if part is splits[-1] else None)
        offset = iota(ids.shape, 0, int64) - gather(part, ids)
        many = broadcast(scalar_size(width, int64), ids.shape, ())
        kept = e.bit_and(gather(kept, ids), e.compare(offset, many, "LT"))
        place = gather(place, ids) * many + offset
    slots = product(outer)
    # What is cut goes to one slot more, which goes.
    target = e.select(kept, place, broadcast(scalar_size(slots, int64), place.shape, ()))
    base = spread_to(default_value, (slots + 1, *inner))
    filled = scatter_nd(base, reshape(target, (*target.shape, 1)), values, "set")
    return reshape(slice_axis(filled, 0, 0, slots), (*outer, *inner))


@op("RaggedTensorToSparse", outputs=("sparse_indices", "sparse_values", "sparse_dense_shape"))
def ragged_to_sparse(
    rt_nested_splits: Tensors[Splits, "RAGGED_RANK"], rt_dense_values: Tensor[T]
) -> tuple[Tensor[int64], Tensor[T], Tensor[int64]]:
    """Return the indices, values and dense shape of the sparse tensor that has the same elements."""
    first = rt_nested_splits[0]
    columns = [iota((first.shape[0] - 1,), 0, int64)]
    bounds = [reshape(sizes((first.shape[0] - 1,), int64), (1,))]
    for splits in rt_nested_splits:
        ids = row_of_each(splits)
        offset = iota(ids.shape, 0, splits.dtype) - gather(splits, ids)
        columns = [*(gather(c, ids) for c in columns), e.convert(offset, int64)]
        bounds.append(_longest(splits))
    inner = rt_dense_values.shape[1:]
    count = rt_dense_values.shape[0]
    whole = (count, *inner)
    total = product(whole)
    flat = [reshape(broadcast(reshape(c, (count,)), whole, (0,)), (total, 1)) for c in columns]
    flat += [reshape(iota(whole, axis, int64), (total, 1)) for axis in range(1, len(whole))]
    bounds += [reshape(sizes((n,), int64), (1,)) for n in inner]
    return concatenate(flat, 1), reshape(rt_dense_values, (total,)), concatenate(bounds, 0)


ragged_range.no_gradient()
ragged_range.cases([((3,), (3,), (3,))], inputs=([0, 5, 8], [3, 5, 2], [1, 1, -2]), dtypes=[int32, int64, float32])
ragged_range.cases([((2,), (), ())], inputs=([0, 4], 7, 2), attributes={"Tsplits": int32}, dtypes=[int32, float64])
ragged_gather.cases(
    [((4,), (5, 2), (2, 2))],
    inputs=([0, 3, 3, 5], None, [[2, 0], [1, 0]]),
    attributes={"OUTPUT_RAGGED_RANK": 2},
    dtypes=[float32, float64, int32, int64],
)
ragged_to_tensor.cases(
    [((), (5,), (), (4,))],
    inputs=(-1, None, None, [0, 3, 3, 5]),
    attributes={"row_partition_types": ("ROW_SPLITS",)},
    dtypes=[float32, float64, int32, int64, dtypes.bool],
)
ragged_to_tensor.cases(
    [((3,), (5, 2), (2,), (4,))],
    inputs=([2, -1, 2], None, None, [0, 3, 3, 5]),
    attributes={"row_partition_types": ("ROW_SPLITS",)},
    dtypes=[float32, float64],
)
ragged_to_sparse.cases([((4,), (5,))], inputs=([0, 3, 3, 5], None), dtypes=[float32, float64, int32])
ragged_to_sparse.cases([((4,), (5, 2))], inputs=([0, 3, 3, 5], None), dtypes=[float32])
