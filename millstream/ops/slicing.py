"""Declare the ops that cut, pad and turn."""

from __future__ import annotations

from typing import Literal

from millstream.base import dtypes
from millstream.base.dtypes import int16, int32, int64
from millstream.base.sizes import Size, is_known, maximum, minimum, select_nonnegative
from millstream.ops.array import MOST
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.reduction import read_axes
from millstream.ops.types import NUMBERS
from millstream.program.primitives import shaping as s
from millstream.program.primitives.core import refuse
from millstream.program.value import UnknownRank, Value

T = Types("T")
Index = Types("Index", int32, int64)
StridedIndex = Types("Index", int16, int32, int64)
Paddings = Types("Tpaddings", int32, int64, default=int32)


@op("Slice", outputs="output")
def slice_(input: Tensor[T], begin: Tensor[Index], size: Known[Tensor[Index]]) -> Tensor[T]:
    """Cut `size` elements from `begin` along each axis; a size of -1 takes the rest."""
    sizes = s.contents(size)
    if len(sizes) != input.rank:
        raise refuse("Slice", f"{len(sizes)} sizes for rank {input.rank}", "give one for each axis")
    if any(is_known(m) and m < -1 for m in sizes):
        raise refuse("Slice", f"sizes {list(sizes)}", "give sizes of 0 or more, or -1 for the rest")
    if begin.spec.value is not None or any(is_known(m) and m == -1 for m in sizes):
        start = s.contents(begin)
        if all(is_known(a) for a in start):
            limit = [n if is_known(m) and m == -1 else a + m for n, m, a in zip(input.shape, sizes, start, strict=True)]
            return s.slice_(input, start, limit)
        # Where a begin is a size, the cut is found when the program runs.
        wanted = [n - a if is_known(m) and m == -1 else m for n, m, a in zip(input.shape, sizes, start, strict=True)]
        return s.dynamic_slice(input, s.sizes(start), wanted, within=True)
    from millstream.program.primitives.elementwise import convert

    return s.dynamic_slice(input, convert(begin, int64), sizes, within=True)


class Cut:
    """What StridedSlice takes along one axis of its input."""

    def __init__(self, start: Size, count: Size, stride: int) -> None:
        self.start = start
        self.count = count
        self.stride = stride


def _bound(value: Size, n: Size, low: Size, high: Size) -> Size:
    if is_known(value):
        place = value if value >= 0 else n + value
    else:
        place = select_nonnegative(value, n + value)
    return minimum(maximum(place, low), high)


def _axis_cut(n: Size, begin: Size, end: Size, stride: int, begin_mask: bool, end_mask: bool) -> Cut:
    if stride > 0:
        start = 0 if begin_mask else _bound(begin, n, 0, n)
        stop = n if end_mask else _bound(end, n, 0, n)
        return Cut(start, maximum((stop - start + stride - 1) // stride, 0), stride)
    start = n - 1 if begin_mask else _bound(begin, n, -1, n - 1)
    stop = -1 if end_mask else _bound(end, n, -1, n - 1)
    return Cut(start, maximum((start - stop - stride - 1) // -stride, 0), stride)


def read_cuts(
    shape: tuple[Size, ...],
    begin: tuple[Size, ...],
    end: tuple[Size, ...],
    strides: tuple[Size, ...],
    masks: dict[str, int],
) -> tuple[list[Cut], list[Size]]:
    """Return what is taken along each axis, and the shape of the result with new axes and without dropped ones."""

    def has(name: str, i: int) -> bool:
        return bool(masks[name] >> i & 1)

    count = len(begin)
    ellipses = [i for i in range(count) if has("ellipsis_mask", i)]
    if len(ellipses) > 1:
        raise refuse("StridedSlice", "several ellipses", "give one at most")
    real = sum(1 for i in range(count) if not has("ellipsis_mask", i) and not has("new_axis_mask", i))
    if real > len(shape):
        raise refuse(
            "StridedSlice", f"{real} indices for rank {len(shape)}", f"give at most {len(shape)}. Index out of range"
        )
    cuts: list[Cut] = []
    result: list[Size] = []

    def whole(times: int) -> None:
        for _ in range(times):
            n = shape[len(cuts)]
            cuts.append(Cut(0, n, 1))
            result.append(n)

    for i in range(count):
        if has("ellipsis_mask", i):
            whole(len(shape) - real)
        elif has("new_axis_mask", i):
            result.append(1)
        elif has("shrink_axis_mask", i):
            n, at = shape[len(cuts)], begin[i]
            if is_known(at) and is_known(n) and not -n <= at < n:
                raise refuse(
                    "StridedSlice",
                    f"slice index {at} of dimension {len(cuts)}",
                    f"give an index in [{-n}, {n}): out of bounds",
                )
            place = (at if at >= 0 else n + at) if is_known(at) else select_nonnegative(at, n + at)
            cuts.append(Cut(place, 1, 1))
        else:
            stride = strides[i]
            if not is_known(stride):
                raise UnknownRank("The strides are known only when the program runs.")
            if stride == 0:
                raise refuse("StridedSlice", f"strides[{i}] = 0", "strides must be non-zero")
            cut = _axis_cut(shape[len(cuts)], begin[i], end[i], stride, has("begin_mask", i), has("end_mask", i))
            cuts.append(cut)
            result.append(cut.count)
    whole(len(shape) - len(cuts))
    return cuts, result


def apply_cuts(x: Value, cuts: list[Cut]) -> Value:
    """Take the cuts out of `x`; axes that go keep size 1."""
    turned = [i for i, c in enumerate(cuts) if c.stride < 0]
    starts = [x.shape[i] - 1 - c.start if c.stride < 0 else c.start for i, c in enumerate(cuts)]
    steps = [abs(c.stride) for c in cuts]
    x = s.reverse(x, turned)
    if all(is_known(a) for a in starts) or not all(n == 1 for n in steps):
        limits = [
            minimum(a + (c.count - 1) * n + 1, x.shape[i]) if n != 1 else a + c.count
            for i, (a, c, n) in enumerate(zip(starts, cuts, steps, strict=True))
        ]
        limits = [maximum(b, a) for a, b in zip(starts, limits, strict=True)]
        return s.slice_(x, starts, limits, steps)
    return s.dynamic_slice(x, s.sizes(starts), [c.count for c in cuts], within=True)


@op("StridedSlice", outputs="output")
def strided_slice(
    input: Tensor[T],
    begin: Known[Tensor[StridedIndex]],
    end: Known[Tensor[StridedIndex]],
    strides: Known[Tensor[StridedIndex]],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Tensor[T]:
    """Cut begin:end:strides, as Python's slices do; the bits of the masks say where a slice has no begin or end, is an
    ellipsis, adds an axis, or is one index whose axis goes."""
    masks = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    cuts, result = read_cuts(input.shape, s.contents(begin), s.contents(end), s.contents(strides), masks)
    return s.reshape(apply_cuts(input, cuts), result)


@op("StridedSliceGrad", outputs="output")
def strided_slice_gradient(
    shape: Known[Tensor[Index]],
    begin: Known[Tensor[Index]],
    end: Known[Tensor[Index]],
    strides: Known[Tensor[Index]],
    dy: Tensor[T],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Tensor[T]:
    """Return zeros of `shape` with dy where StridedSlice cut."""
    masks = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    full = s.contents(shape)
    cuts, _ = read_cuts(full, s.contents(begin), s.contents(end), s.contents(strides), masks)
    rows = s.reshape(dy, [c.count for c in cuts])
    turned = [i for i, c in enumerate(cuts) if c.stride < 0]
    low = [full[i] - 1 - c.start if c.stride < 0 else c.start for i, c in enumerate(cuts)]
    steps = [abs(c.stride) for c in cuts]
    high = [n - a - maximum((c.count - 1) * m + 1, 0) for n, a, c, m in zip(full, low, cuts, steps, strict=True)]
    return s.reverse(s.pad(rows, low, high, [m - 1 for m in steps]), turned)


def read_paddings(x: Value, paddings: Value, what: str) -> tuple[list[Size], list[Size]]:
    """Return low and high paddings from a tensor [rank, 2]."""
    flat = s.contents(s.reshape(paddings, (2 * x.rank,)))
    low, high = list(flat[::2]), list(flat[1::2])
    if any(is_known(n) and n < 0 for n in flat):
        raise refuse(what, f"paddings {list(flat)}", "paddings must be non-negative")
    return low, high


@op("Pad", outputs="output")
def pad(input: Tensor[T], paddings: Known[Tensor[Paddings]]) -> Tensor[T]:
    """Add paddings[i, 0] zeros before and paddings[i, 1] after along axis i."""
    return s.pad(input, *read_paddings(input, paddings, "Pad"))


@op("PadV2", outputs="output")
def pad_v2(input: Tensor[T], paddings: Known[Tensor[Paddings]], constant_values: Tensor[T]) -> Tensor[T]:
    """Add copies of a scalar before and after along each axis."""
    return s.pad(input, *read_paddings(input, paddings, "PadV2"), None, constant_values)


@op("MirrorPad", outputs="output")
def mirror_pad(
    input: Tensor[T], paddings: Known[Tensor[Paddings]], *, mode: Literal["REFLECT", "SYMMETRIC"]
) -> Tensor[T]:
    """Add mirrored elements; REFLECT leaves the border out, SYMMETRIC repeats it."""
    low, high = read_paddings(input, paddings, "MirrorPad")
    skip = 1 if mode == "REFLECT" else 0
    x = input
    for axis in range(input.rank):
        n = input.shape[axis]
        for m in (low[axis], high[axis]):
            if is_known(m) and is_known(n) and m > n - skip:
                raise refuse("MirrorPad", f"padding {m} of size {n} in mode {mode}", f"give at most {n - skip}")
        parts = []
        if not (is_known(low[axis]) and low[axis] == 0):
            parts.append(s.reverse(s.slice_axis(x, axis, skip, skip + low[axis]), [axis]))
        parts.append(x)
        if not (is_known(high[axis]) and high[axis] == 0):
            parts.append(s.reverse(s.slice_axis(x, axis, n - skip - high[axis], n - skip), [axis]))
        x = s.concatenate(parts, axis)
    return x


Reversible = Types("T", *NUMBERS, dtypes.bool, dtypes.string)
ReverseIndex = Types("Tidx", int32, int64, default=int32)


@op("ReverseV2", outputs="output")
def reverse(tensor: Tensor[Reversible], axis: Known[Tensor[ReverseIndex]]) -> Tensor[Reversible]:
    """Turn the order along the named axes round."""
    return s.reverse(tensor, read_axes(tensor, axis, "ReverseV2"))


@op("Roll", outputs="output")
def roll(
    input: Tensor[T],
    shift: Known[Tensor[Types("Tshift", int32, int64)]],
    axis: Known[Tensor[Types("Taxis", int32, int64)]],
) -> Tensor[T]:
    """Move elements along axes by `shift` places; what falls off comes in at the other end."""
    x = input
    if x.rank == 0:
        raise refuse("Roll", "a scalar", "input must be 1-D or higher")
    steps, places = s.contents(shift), s.contents(axis)
    if len(steps) != len(places):
        raise refuse("Roll", f"{len(steps)} shifts, {len(places)} axes", "shift and axis must have the same size")
    for step, place in zip(steps, places, strict=True):
        if not is_known(place):
            raise UnknownRank("The axis is known only when the program runs.")
        if not -x.rank <= place < x.rank:
            raise refuse("Roll", f"axis {place} is out of range", f"give an axis in [{-x.rank}, {x.rank})")
        at = place % x.rank
        n = x.shape[at]
        cut = (n - step) % n if not (is_known(n) and n == 0) else 0
        x = s.concatenate([s.slice_axis(x, at, cut, n), s.slice_axis(x, at, 0, cut)], at)
    return x


slice_.cases([((4, 5), (2,), (2,)), (("batch", 5), (2,), (2,))], inputs=(None, [1, 2], [2, -1]), dtypes=MOST)
strided_slice.cases([((4, 5), (2,), (2,), (2,))], inputs=(None, [1, 4], [4, 0], [2, -1]), dtypes=MOST)
strided_slice.cases(
    [((4, 5), (2,), (2,), (2,)), (("batch", 5), (2,), (2,), (2,))],
    inputs=(None, [0, 2], [0, 3], [1, 1]),
    attributes={"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 2},
    dtypes=[dtypes.float32, dtypes.float64],
)
strided_slice.cases(
    [((4, 5, 6), (3,), (3,), (3,))],
    inputs=(None, [0, 0, -2], [0, 0, 0], [1, 1, 1]),
    attributes={"ellipsis_mask": 1, "new_axis_mask": 2, "end_mask": 4},
    dtypes=[dtypes.float32, dtypes.float64],
)
strided_slice_gradient.cases(
    [((2,), (2,), (2,), (2,), (2, 4))],
    inputs=([4, 5], [1, 4], [4, 0], [2, -1], None),
    dtypes=[dtypes.float32, dtypes.float64, int32],
)
pad.cases([((2, 3), (2, 2)), (("batch", 3), (2, 2))], inputs=(None, [[1, 2], [0, 1]]), dtypes=MOST)
pad_v2.cases([((2, 3), (2, 2), ())], inputs=(None, [[1, 2], [0, 1]], None), dtypes=MOST)
for _mode in ("REFLECT", "SYMMETRIC"):
    mirror_pad.cases([((3, 4), (2, 2))], inputs=(None, [[1, 2], [0, 3]]), attributes={"mode": _mode}, dtypes=MOST)
reverse.cases([((3, 4), (2,))], inputs=(None, [0, -1]), dtypes=MOST)
roll.cases([((3, 4), (2,), (2,))], inputs=(None, [1, -2], [0, 1]), dtypes=MOST)
