"""Declare morphological dilation of images, and the fit of rows that do not rise."""

from __future__ import annotations

import itertools
from typing import Literal

from millstream.base.dtypes import bfloat16, float16, float32, float64, int32
from millstream.base.dtypes import bool as boolean
from millstream.base.sizes import is_known
from millstream.ops.convolution import pads
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.candidates import isotonic
from millstream.program.primitives.core import refuse
from millstream.program.primitives.reduction import lowest
from millstream.program.primitives.shaping import broadcast, constant, full, pad, reshape, slice_
from millstream.program.primitives.windows import output_size
from millstream.program.value import Value

Real = Types("T", *FLOATS, *INTEGERS)


@op("Dilation2D", outputs="output")
def dilation(
    input: Tensor[Real],
    filter: Tensor[Real],
    *,
    strides: list[int],
    rates: list[int],
    padding: Literal["SAME", "VALID"],
) -> Tensor[Real]:
    """Return, for each window of images, the largest sum of an element and the filter's element over it."""
    if input.rank != 4 or filter.rank != 3:
        raise refuse(
            "Dilation2D",
            f"{input.spec} and {filter.spec}",
            "give [batch, rows, columns, depth] and [rows, columns, depth]",
        )
    for name, words in (("strides", strides), ("rates", rates)):
        if len(words) != 4 or words[0] != 1 or words[3] != 1 or any(w < 1 for w in words):
            raise refuse("Dilation2D", f"{name} {list(words)}", "give [1, rows, columns, 1]")
    n, _, _, depth = input.shape
    if is_known(depth) and is_known(filter.shape[2]) and depth != filter.shape[2]:
        raise refuse("Dilation2D", f"{depth} vs {filter.shape[2]}", "input and filter must have the same depth")
    kernel, steps, gaps = filter.shape[:2], strides[1:3], rates[1:3]
    low, high = pads(padding, input.shape[1:3], kernel, steps, gaps, (), "NHWC")
    shape = (n, *map(output_size, input.shape[1:3], kernel, steps, low, high, (1, 1), gaps), depth)
    before, after = (0, *low, 0), (0, *high, 0)
    x = pad(input, before, after)
    there = pad(full(input.shape, True, boolean), before, after, value=constant(False, boolean))
    least = full(shape, lowest(input.dtype), input.dtype)
    best: Value | None = None
    for i, j in itertools.product(*map(range, kernel)):
        start = (0, i * gaps[0], j * gaps[1], 0)
        limit = (n, start[1] + (shape[1] - 1) * steps[0] + 1, start[2] + (shape[2] - 1) * steps[1] + 1, depth)
        stride = (1, *steps, 1)
        tap = reshape(slice_(filter, (i, j, 0), (i + 1, j + 1, depth)), (depth,))
        found = slice_(x, start, limit, stride) + broadcast(tap, shape, (3,))
        found = e.select(slice_(there, start, limit, stride), found, least)
        best = found if best is None else e.maximum(best, found)
    return least if best is None else best


@op("IsotonicRegression", outputs=("output", "segments"))
def isotonic_regression(
    input: Tensor[Real],
    *,
    output_dtype: Types("output_dtype", float16, bfloat16, float32, float64, default=float32) = float32,
) -> tuple[Tensor["output_dtype"], Tensor[int32]]:
    """Return the rows that do not rise and are nearest to the input's, and the numbers of their runs of equal values."""
    if input.rank < 1:
        raise refuse("IsotonicRegression", "a scalar", "give a tensor of rank 1 or more")
    wide = float64 if output_dtype == float64 else float32
    last = input.shape[-1]
    rows = 1
    for size in input.shape[:-1]:
        rows = rows * size
    y, segments = isotonic(reshape(e.convert(input, wide), (rows, last)))
    return e.convert(reshape(y, input.shape), output_dtype), reshape(segments, input.shape)


for _padding in ("SAME", "VALID"):
    dilation.cases(
        [((2, 5, 6, 3), (2, 3, 3))],
        attributes={"strides": (1, 2, 1, 1), "rates": (1, 1, 2, 1), "padding": _padding},
        dtypes=[float32, float64],
    )
isotonic_regression.cases([(3, 7), (5,)], attributes={"output_dtype": float64}, dtypes=[float64])
isotonic_regression.cases([(3, 7)], dtypes=[float32])
