"""Declare the ops that read and write diagonals and bands of matrices, and the cross product."""

from __future__ import annotations

from typing import Literal

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import bfloat16, complex64, complex128, float16, float32, float64, int32, int64
from millstream.base.sizes import Size, evaluate, is_known, minimum, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    constant,
    contents,
    full,
    iota,
    pad,
    reshape,
    scalar_size,
    slice_axis,
)
from millstream.program.value import UnknownRank, Value

Any = Types("T")
Align = Literal["LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"]


def _band(k: Value, what: str) -> tuple[int, int]:
    """Return the lowest and the highest diagonal."""
    found = contents(k)
    if not all(is_known(n) for n in found):
        raise UnknownRank(f"{what}: the diagonals are known only when the program runs.")
    low, high = int(found[0]), int(found[-1])  # type: ignore[arg-type]
    if low > high:
        raise refuse(what, f"k = {[low, high]}", "lower_diag_index must not be larger than upper_diag_index")
    return low, high


def _length(d: int, rows: Size, columns: Size) -> Size:
    return minimum(rows + min(d, 0), columns - max(d, 0))


def _on_right(d: int, align: str) -> bool:
    """Return whether the diagonal d ends, not begins, with its row."""
    return (d >= 0 and align in ("RIGHT_LEFT", "RIGHT_RIGHT")) or (d <= 0 and align in ("LEFT_RIGHT", "RIGHT_RIGHT"))


def _places(low: int, high: int, rows: int, columns: int, align: str) -> np.ndarray:
    """Return for each element of the packed diagonals where it is in a flat matrix; -1 for padding."""
    longest = min(rows + min(high, 0), columns - max(low, 0))
    result = np.full((high - low + 1, longest), -1, np.int64)
    for m, d in enumerate(range(high, low - 1, -1)):
        count = min(rows + min(d, 0), columns - max(d, 0))
        start = longest - count if _on_right(d, align) else 0
        n = np.arange(count)
        result[m, start : start + count] = (n + max(-d, 0)) * columns + n + max(d, 0)
    return result


def _picked(x: Value, places: np.ndarray, axes: int, padding: Value) -> Value:
    """Pick from the last `axes` axes of x, taken as one, with `padding` where the place is -1."""
    lead = x.shape[: x.rank - axes]
    flat = reshape(x, (*lead, product(x.shape[x.rank - axes :])))
    picked = gather(flat, constant(np.maximum(places, 0), int64), flat.rank - 1)
    if (places >= 0).all():
        return picked
    inside = broadcast(constant(places >= 0, dtypes.bool), picked.shape, range(picked.rank - places.ndim, picked.rank))
    return e.select(inside, picked, broadcast(padding, picked.shape, ()))


def _diagonals_of(x: Value, low: int, high: int, padding: Value, align: str, what: str) -> Value:
    if x.rank < 2:
        raise refuse(what, f"rank {x.rank}", "input must be at least 2-dim")
    rows, columns = x.shape[-2], x.shape[-1]
    for d in (low, high):
        if is_known(rows) and is_known(columns) and not -int(rows) < d < int(columns) and d != 0:  # type: ignore[arg-type]
            raise refuse(what, f"diagonal {d} of matrices {rows} by {columns}", f"choose one in ({-rows}, {columns})")
    if low != high and is_known(rows) and is_known(columns):
        return _picked(x, _places(low, high, evaluate(rows), evaluate(columns), align), 2, padding)
    if low != high:
        # One after the other, each with the padding that makes it as long as the longest.
        longest = minimum(rows + min(high, 0), columns - max(low, 0))
        packed = []
        for d in range(high, low - 1, -1):
            one = _diagonals_of(x, d, d, padding, align, what)
            gap, lead = longest - one.shape[-1], [0] * (one.rank - 1)
            ends = ([*lead, gap], [*lead, 0]) if _on_right(d, align) else ([*lead, 0], [*lead, gap])
            row = pad(one, *ends, value=padding)
            packed.append(reshape(row, (*row.shape[:-1], 1, row.shape[-1])))
        return concatenate(packed, x.rank - 2)
    count = _length(low, rows, columns)
    flat = reshape(x, (*x.shape[:-2], product((rows, columns))))
    step = broadcast(scalar_size(columns + 1, int64), (count,), ())
    first = broadcast(scalar_size(columns * max(-low, 0) + max(low, 0), int64), (count,), ())
    return gather(flat, iota((count,), 0, int64) * step + first, flat.rank - 1)


@op("MatrixDiagPartV3", outputs="diagonal")
def matrix_diag_part(
    input: Tensor[Any], k: Known[Tensor[int32]], padding_value: Tensor[Any], *, align: Align = "RIGHT_LEFT"
) -> Tensor[Any]:
    """Return diagonals of matrices: one as a vector, several as rows from the highest down."""
    low, high = _band(k, "MatrixDiagPartV3")
    return _diagonals_of(input, low, high, padding_value, align, "MatrixDiagPartV3")


@op("MatrixDiagPartV2", outputs="diagonal")
def matrix_diag_part_v2(input: Tensor[Any], k: Known[Tensor[int32]], padding_value: Tensor[Any]) -> Tensor[Any]:
    """Return diagonals of matrices as version 3 does, each beginning with its row."""
    low, high = _band(k, "MatrixDiagPartV2")
    return _diagonals_of(input, low, high, padding_value, "LEFT_LEFT", "MatrixDiagPartV2")


@op("MatrixDiagPart", outputs="diagonal")
def matrix_diag_part_v1(input: Tensor[Any]) -> Tensor[Any]:
    """Return the main diagonals of matrices."""
    return _diagonals_of(input, 0, 0, constant(0, input.dtype), "RIGHT_LEFT", "MatrixDiagPart")


def on_diagonal(shape: tuple[Size, ...], d: int) -> Value:
    """Return, as bool, where column - row is d."""
    rows, columns = iota(shape, len(shape) - 2, int64), iota(shape, len(shape) - 1, int64)
    return e.compare(columns, rows + d, "EQ")


def _with_diagonals(base: Value, diagonal: Value, low: int, high: int, align: str, what: str) -> Value:
    """Return `base` with its diagonals replaced."""
    rows, columns = base.shape[-2], base.shape[-1]
    if low == high:
        count = _length(low, rows, columns)
        lead = [0] * (diagonal.rank - 1)
        row = pad(diagonal, [*lead, max(low, 0)], [*lead, columns - max(low, 0) - count])
        spread = broadcast(row, base.shape, [*range(base.rank - 2), base.rank - 1])
        return e.select(on_diagonal(base.shape, low), spread, base)
    if not (is_known(rows) and is_known(columns)):
        for m, d in enumerate(range(high, low - 1, -1)):
            row, count = slice_axis(diagonal, diagonal.rank - 2, m, m + 1), _length(d, rows, columns)
            flat = reshape(row, (*row.shape[:-2], row.shape[-1]))
            start: Size = flat.shape[-1] - count if _on_right(d, align) else 0
            one = slice_axis(flat, flat.rank - 1, start, start + count)
            base = _with_diagonals(base, one, d, d, align, what)
        return base
    sizes = evaluate(rows), evaluate(columns)
    packed = _places(low, high, *sizes, align)
    back = np.full(sizes[0] * sizes[1], -1, np.int64)
    flat = packed.reshape(-1)
    back[flat[flat >= 0]] = np.flatnonzero(flat >= 0)
    places = back.reshape(sizes)
    spread = _picked(diagonal, places, 2, constant(0, diagonal.dtype))
    inside = broadcast(constant(places >= 0, dtypes.bool), base.shape, (base.rank - 2, base.rank - 1))
    return e.select(inside, spread, base)


@op("MatrixSetDiagV3", outputs="output")
def matrix_set_diag(
    input: Tensor[Any], diagonal: Tensor[Any], k: Known[Tensor[int32]], *, align: Align = "RIGHT_LEFT"
) -> Tensor[Any]:
    """Return matrices with their diagonals replaced."""
    low, high = _band(k, "MatrixSetDiagV3")
    return _with_diagonals(input, diagonal, low, high, align, "MatrixSetDiagV3")


@op("MatrixSetDiag", outputs="output")
def matrix_set_diag_v1(input: Tensor[Any], diagonal: Tensor[Any]) -> Tensor[Any]:
    """Return matrices with their main diagonals replaced."""
    return _with_diagonals(input, diagonal, 0, 0, "RIGHT_LEFT", "MatrixSetDiag")


@op("MatrixDiagV3", outputs="output")
def matrix_diag(
    diagonal: Tensor[Any],
    k: Known[Tensor[int32]],
    num_rows: Known[Tensor[int32]],
    num_cols: Known[Tensor[int32]],
    padding_value: Tensor[Any],
    *,
    align: Align = "RIGHT_LEFT",
) -> Tensor[Any]:
    """Return matrices that hold the diagonals, and padding elsewhere."""
    what = "MatrixDiagV3"
    low, high = _band(k, what)
    if diagonal.rank < (1 if low == high else 2):
        raise refuse(what, f"rank {diagonal.rank}", "diagonal must be at least 1-dim, with one more axis for several")
    if low != high and is_known(diagonal.shape[-2]) and diagonal.shape[-2] != high - low + 1:
        raise refuse(
            what,
            f"{diagonal.shape[-2]} rows for the diagonals {low} to {high}",
            "The number of diagonals must match the rows",
        )
    longest = diagonal.shape[-1]
    rows, columns = contents(num_rows)[0], contents(num_cols)[0]
    smallest = longest - min(high, 0), longest + max(low, 0)
    if rows == -1 and columns == -1:
        rows = columns = longest + max(max(low, 0), -min(high, 0))
    elif rows == -1:
        rows = smallest[0]
    elif columns == -1:
        columns = smallest[1]
    lead = diagonal.shape[:-1] if low == high else diagonal.shape[:-2]
    base = broadcast(padding_value, (*lead, rows, columns), ())
    return _with_diagonals(base, diagonal, low, high, align, what)


@op("MatrixDiag", outputs="output")
def matrix_diag_v1(diagonal: Tensor[Any]) -> Tensor[Any]:
    """Return matrices that hold the vectors on their diagonals, and 0 elsewhere."""
    base = full((*diagonal.shape, diagonal.shape[-1]), 0, diagonal.dtype)
    return _with_diagonals(base, diagonal, 0, 0, "RIGHT_LEFT", "MatrixDiag")


Bound = Types("Tindex", int32, int64, default=int64)


@op("MatrixBandPart", outputs="band")
def matrix_band_part(input: Tensor[Any], num_lower: Tensor[Bound], num_upper: Tensor[Bound]) -> Tensor[Any]:
    """Return matrices with 0 outside a band of so many diagonals below and above the main one; below 0: all."""
    if input.rank < 2:
        raise refuse("MatrixBandPart", f"rank {input.rank}", "input must be at least 2-dim")
    rows, columns = input.shape[-2:]
    row, width = iota((rows,), 0, num_lower.dtype), broadcast(scalar_size(columns, num_lower.dtype), (rows,), ())

    def reach(bound: Value, edge: Value, inside: Value) -> Value:
        return e.select(e.compare(bound, full((rows,), 0, bound.dtype), "LT"), edge, inside)

    lower, upper = broadcast(num_lower, (rows,), ()), broadcast(num_upper, (rows,), ())
    first = reach(lower, full((rows,), 0, row.dtype), e.maximum(row - lower, full((rows,), 0, row.dtype)))
    last = reach(upper, width, e.minimum(row + e.minimum(upper, width), width))
    # Each element compares its column with what its row has kept: half the work where these fit 32 bits.
    narrow = int32 if is_known(columns) and evaluate(columns) < 2**31 else num_lower.dtype
    column = iota(input.shape, input.rank - 1, narrow)
    from_, until = (
        broadcast(v if v.dtype == narrow else e.convert(v, narrow), input.shape, (input.rank - 2,))
        for v in (first, last)
    )
    kept = e.bit_and(e.compare(column, from_, "GE"), e.compare(column, until, "LE"))
    return e.select(kept, input, full(input.shape, 0 if input.dtype != dtypes.bool else False, input.dtype))


Plain = Types("T", bfloat16, float16, float32, float64, int32, int64, complex64, complex128)


@op("Diag", outputs="output")
def diag(diagonal: Tensor[Plain]) -> Tensor[Plain]:
    """Return the tensor of twice the rank that holds the elements where both halves of the index are equal."""
    n = product(diagonal.shape)
    flat = reshape(diagonal, (n,))
    square = _with_diagonals(full((n, n), 0, diagonal.dtype), flat, 0, 0, "RIGHT_LEFT", "Diag")
    return reshape(square, (*diagonal.shape, *diagonal.shape))


@op("DiagPart", outputs="diagonal")
def diag_part(input: Tensor[Plain]) -> Tensor[Plain]:
    """Return the elements where both halves of the index are equal."""
    half = input.rank // 2
    if input.rank % 2 or not input.rank:
        raise refuse("DiagPart", f"rank {input.rank}", "The rank of the tensor should be even and positive")
    n = product(input.shape[:half])
    square = reshape(input, (n, n))
    return reshape(_diagonals_of(square, 0, 0, constant(0, input.dtype), "RIGHT_LEFT", "DiagPart"), input.shape[:half])


Real = Types("T", *FLOATS, *INTEGERS)


@op("Cross", outputs="product")
def cross(a: Tensor[Real], b: Tensor[Real]) -> Tensor[Real]:
    """Return the cross products of vectors of 3 along the last axis."""
    last = a.rank - 1
    if a.rank < 1 or (is_known(a.shape[-1]) and a.shape[-1] != 3) or a.shape != b.shape:
        raise refuse(
            "Cross", f"{a.spec} and {b.spec}", "Both inputs must be of same shape, with 3 elements along the last axis"
        )
    x, y = ([slice_axis(v, last, i, i + 1) for i in range(3)] for v in (a, b))
    return concatenate([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]], last)


FEW = [float32, float64, int32]
matrix_diag_part.cases([((2, 3, 4), (), ()), (("batch", 3, 3), (), ())], inputs=(None, 0, None), dtypes=FEW)
for _k in (1, -1):
    matrix_diag_part.cases([((3, 4), (), ())], inputs=(None, _k, None), dtypes=FEW)
    matrix_diag.cases([((2, 3), (), (), (), ())], inputs=(None, _k, -1, -1, None), dtypes=FEW)
    matrix_set_diag.cases([((3, 3), (2,), ())], inputs=(None, None, _k), dtypes=FEW)
matrix_diag_part_v2.cases([((2, 3, 4), (2,), ())], inputs=(None, [-1, 2], None), dtypes=FEW)
for _align in ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"):
    matrix_diag_part.cases(
        [((2, 3, 4), (2,), ())], inputs=(None, [-1, 2], None), attributes={"align": _align}, dtypes=FEW
    )
    matrix_diag.cases(
        [((2, 3, 3), (2,), (), (), ())], inputs=(None, [-1, 1], 3, 4, None), attributes={"align": _align}, dtypes=FEW
    )
    matrix_set_diag.cases(
        [((2, 3, 3), (2, 3, 3), (2,))], inputs=(None, None, [-1, 1]), attributes={"align": _align}, dtypes=FEW
    )
matrix_diag.cases([((2, 3), (), (), (), ())], inputs=(None, 0, 4, 3, None), dtypes=FEW)
for _op in (matrix_diag_part_v1, matrix_diag_v1):
    _op.cases([(2, 3, 3), ("batch", 4, 4)], dtypes=FEW)
matrix_set_diag_v1.cases([((2, 3, 3), (2, 3))], dtypes=FEW)
for _low, _high in ((0, 1), (-1, 0), (1, -1)):
    matrix_band_part.cases([((2, 4, 3), (), ()), (("batch", 3, 3), (), ())], inputs=(None, _low, _high), dtypes=FEW)
diag.cases([(3,), (2, 2)], dtypes=FEW)
diag_part.cases([(3, 3), (2, 2, 2, 2)], dtypes=FEW)
cross.cases([((3,), (3,)), (("batch", 3), ("batch", 3))], dtypes=FEW)
