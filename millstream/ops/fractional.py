"""Declare fractional pooling: windows of changing size, whose borders are random. Sizes must be known when compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millstream.base.dtypes import float32, float64, int32, int64, uint64
from millstream.base.errors import UnimplementedError, explain
from millstream.base.sizes import is_known
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.linear import dot
from millstream.program.primitives.random import random_distribution, random_next, random_permutation, random_skip
from millstream.program.primitives.reduction import arg_reduce, cumulative, reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    constant,
    contents,
    full,
    iota,
    reshape,
    slice_axis,
    transpose,
)
from millstream.program.random_numbers import stateful_start
from millstream.program.value import Value

T = Types("T", float32, float64, int32, int64)
Stream = tuple[Value, Value]


def _sizes(what: str, value: Value, ratio: Sequence[float]) -> list[int]:
    """Return rows and columns, before and after."""
    if value.rank != 4:
        raise refuse(what, f"rank {value.rank}", "tensor_in must be 4-dimensional")
    if len(ratio) != 4:
        raise refuse(what, f"{len(ratio)} ratios", "pooling_ratio field must specify 4 dimensions")
    if ratio[0] != 1 or ratio[3] != 1:
        raise UnimplementedError(
            None,
            None,
            explain(f"{what} is not yet supported on the batch nor channel dimension: give ratios of 1 there."),
        )
    before = value.shape[1:3]
    if not all(is_known(n) for n in before):
        raise refuse(what, f"shape {list(value.shape)}", "give rows and columns that are known when it is compiled")
    after = [int(np.floor(np.float32(n) / np.float32(r))) for n, r in zip(before, ratio[1:3], strict=True)]
    if any(not 0 < m <= n for n, m in zip(before, after, strict=True)):
        raise refuse(what, f"ratios {list(ratio)} for {list(before)} pixels", "give ratios that leave 1 pixel or more")
    return [*before, *after]


def _borders(before: int, after: int, stream: Stream, pseudo_random: bool) -> tuple[Value, int]:
    """Return where the windows begin, and at the end where the last one does; and how many blocks that took."""
    small = before // after
    if not pseudo_random:
        wide = np.arange(after) < before % after
        steps = gather(constant(small + wide, int64), random_permutation(*stream, after), 0)
        borders = concatenate([constant([0], int64), cumulative(steps, "sum", 0)], 0)
        return borders, (after + 3) // 4
    alpha = before / after
    most = min((small + 2) / alpha - 1, (before + 1 - small) / alpha - (after - 1))
    start = random_distribution("uniform", (1,), float64, *stream) * constant([most], float64)
    place = iota((after - 1,), 0, float64) + 1.0 + broadcast(start, (after - 1,), (0,))
    inner = e.convert(e.ceil(place * alpha), int64) - 1
    return concatenate([constant([0], int64), inner, constant([before], int64)], 0), 1


def _regions(what: str, sizes: list[int], pseudo_random: bool, deterministic: bool, seeds: tuple[int, int]) -> Stream:
    """Return the borders of rows and columns."""
    rows, columns, high, wide = sizes
    blocks = 1 if pseudo_random else (high + 3) // 4
    if deterministic:
        key, counter = stateful_start(*seeds)
        stream = constant(key, uint64), constant(counter, uint64)
    else:
        stream = random_next(blocks + (1 if pseudo_random else (wide + 3) // 4), *seeds)
    first, taken = _borders(rows, high, stream, pseudo_random)
    second, _ = _borders(columns, wide, (stream[0], random_skip(stream[1], constant(taken, uint64))), pseudo_random)
    return first, second


def _ends(borders: Value, size: int, overlapping: bool) -> tuple[Value, Value]:
    """Return the first and the last element of each window."""
    count = borders.shape[0]
    last = slice_axis(borders, 0, 1, count) - (0 if overlapping else 1)
    return slice_axis(borders, 0, 0, count - 1), e.minimum(last, full(last.shape, size - 1, int64))


def _places(borders: Value, size: int, overlapping: bool) -> Value:
    """Return the elements of each window, [windows, most]; the last one again where there are fewer."""
    first, last = _ends(borders, size, overlapping)
    count = first.shape[0]
    shape = (count, min(size, size // count + 1 + overlapping))
    return e.minimum(broadcast(first, shape, (0,)) + iota(shape, 1, int64), broadcast(last, shape, (0,)))


def _shares(borders: Value, size: int, overlapping: bool, dtype: object) -> Value:
    """Return how much of each element is in the mean of each window, [windows, elements]."""
    first, last = _ends(borders, size, overlapping)
    shape = (first.shape[0], size)
    place = iota(shape, 1, int64)
    inside = e.bit_and(
        e.compare(place, broadcast(first, shape, (0,)), "GE"), e.compare(place, broadcast(last, shape, (0,)), "LE")
    )
    count = e.convert(last - first + 1, dtype)
    return e.convert(inside, dtype) / broadcast(count, shape, (0,))


def _windows(x: Value, rows: Value, columns: Value, overlapping: bool) -> Value:
    """Return the elements of the windows, [batch, high, wide, rows * columns of a window, depth]."""
    n, height, width, depth = x.shape
    down, across = _places(rows, height, overlapping), _places(columns, width, overlapping)
    cut = gather(gather(x, down, 1), across, 3)
    (high, tall), (wide, broad) = down.shape, across.shape
    return reshape(transpose(cut, (0, 1, 3, 2, 4, 5)), (n, high, wide, tall * broad, depth))


def _declare(name: str, what: str) -> Op:
    def body(value, *, pooling_ratio, pseudo_random=False, overlapping=False, deterministic=False, seed=0, seed2=0):  # type: ignore[no-untyped-def]
        sizes = _sizes(name, value, pooling_ratio)
        rows, columns = _regions(name, sizes, pseudo_random, deterministic, (seed, seed2))
        if what == "max":
            return reduce(_windows(value, rows, columns, overlapping), "max", (3,)), rows, columns
        return _mean(value, rows, columns, overlapping), rows, columns

    body.__doc__ = f"Return the {'largest' if what == 'max' else 'mean'} of each window, and where windows begin."
    body.__annotations__ = {
        "value": Tensor[T],
        "pooling_ratio": list[float],
        "pseudo_random": bool,
        "overlapping": bool,
        "deterministic": bool,
        "seed": int,
        "seed2": int,
        "return": tuple[Tensor[T], Tensor[int64], Tensor[int64]],
    }
    return op(name, outputs=("output", "row_pooling_sequence", "col_pooling_sequence"), effects=True)(body)


def _mean(x: Value, rows: Value, columns: Value, overlapping: bool) -> Value:
    wide = e.convert(x, float64) if x.dtype in (int32, int64) else x
    down = _shares(rows, x.shape[1], overlapping, wide.dtype)
    across = _shares(columns, x.shape[2], overlapping, wide.dtype)
    found = dot(dot(wide, down, ((1,), (1,))), across, ((1,), (1,)))  # [batch, depth, high, wide]
    return e.convert(transpose(found, (0, 2, 3, 1)), x.dtype)


def _spread(dy: Value, down: Value, across: Value) -> Value:
    """Return the sums over windows of their adjoints times shares [windows, elements]."""
    return transpose(dot(dot(dy, down, ((1,), (0,))), across, ((1,), (0,))), (0, 2, 3, 1))


max_pool = _declare("FractionalMaxPool", "max")
avg_pool = _declare("FractionalAvgPool", "avg")


@op("FractionalMaxPoolGrad", outputs="output")
def max_pool_gradient(
    orig_input: Tensor[T],
    orig_output: Tensor[T],
    out_backprop: Tensor[T],
    row_pooling_sequence: Tensor[int64],
    col_pooling_sequence: Tensor[int64],
    *,
    overlapping: bool = False,
) -> Tensor[T]:
    """Return the adjoint of FractionalMaxPool's input: that of each window goes to its first largest element."""
    n, height, width, depth = orig_input.shape
    down = _places(row_pooling_sequence, height, overlapping)
    across = _places(col_pooling_sequence, width, overlapping)
    (high, tall), (wide, broad) = down.shape, across.shape
    windows = _windows(orig_input, row_pooling_sequence, col_pooling_sequence, overlapping)
    best = arg_reduce(windows, "max", 3, int64)
    chosen = e.compare(iota(windows.shape, 3, int64), broadcast(best, windows.shape, (0, 1, 2, 4)), "EQ")
    each = broadcast(out_backprop, windows.shape, (0, 1, 2, 4))
    picked = e.select(chosen, each, full(windows.shape, 0, each.dtype))
    picked = transpose(reshape(picked, (n, high, wide, tall, broad, depth)), (0, 1, 3, 2, 4, 5))
    lines = reshape(picked, (n, high * tall, wide * broad, depth))
    ones = [_one_hot(places, size, each.dtype) for places, size in ((down, height), (across, width))]
    return _spread(lines, *ones)


def _one_hot(places: Value, size: int, dtype: object) -> Value:
    shape = (places.shape[0] * places.shape[1], size)
    flat = broadcast(reshape(places, shape[:1]), shape, (0,))
    return e.convert(e.compare(iota(shape, 1, int64), flat, "EQ"), dtype)


@op("FractionalAvgPoolGrad", outputs="output")
def avg_pool_gradient(
    orig_input_tensor_shape: Known[Tensor[int64]],
    out_backprop: Tensor[T],
    row_pooling_sequence: Tensor[int64],
    col_pooling_sequence: Tensor[int64],
    *,
    overlapping: bool = False,
) -> Tensor[T]:
    """Return the adjoint of FractionalAvgPool's input: equal parts for the elements of each window."""
    height, width = contents(orig_input_tensor_shape)[1:3]
    wide = e.convert(out_backprop, float64) if out_backprop.dtype in (int32, int64) else out_backprop
    down = _shares(row_pooling_sequence, height, overlapping, wide.dtype)
    across = _shares(col_pooling_sequence, width, overlapping, wide.dtype)
    return e.convert(_spread(wide, down, across), out_backprop.dtype)


@max_pool.gradient
def _(dys: tuple[Value, ...], ys: tuple[Value, ...], value: Value, **attributes: object) -> tuple[Value]:
    return (max_pool_gradient(value, ys[0], dys[0], ys[1], ys[2], overlapping=attributes["overlapping"]),)


@avg_pool.gradient
def _(dys: tuple[Value, ...], ys: tuple[Value, ...], value: Value, **attributes: object) -> tuple[Value]:
    overlapping = attributes["overlapping"]
    down = _shares(ys[1], value.shape[1], overlapping, value.dtype)
    return (_spread(dys[0], down, _shares(ys[2], value.shape[2], overlapping, value.dtype)),)


for _op in (max_pool, avg_pool):
    for _pseudo, _overlap in ((False, False), (True, True)):
        _op.cases(
            [(2, 7, 9, 2)],
            attributes={
                "pooling_ratio": (1.0, 1.4, 1.7, 1.0), "pseudo_random": _pseudo, "overlapping": _overlap,
                "deterministic": True, "seed": 3, "seed2": 5,
            },
            dtypes=[float32, float64, int32],
        )  # fmt: skip
max_pool_gradient.cases(
    [((1, 5, 4, 2), (1, 2, 2, 2), (1, 2, 2, 2), (3,), (3,))],
    inputs=(None, None, None, [0, 3, 5], [0, 2, 4]),
    dtypes=[float32, float64],
    gradient=False,
)
avg_pool_gradient.cases(
    [((4,), (1, 2, 2, 2), (3,), (3,))],
    inputs=([1, 5, 4, 2], None, [0, 3, 5], [0, 2, 4]),
    attributes={"overlapping": True},
    dtypes=[float32, float64],
)
