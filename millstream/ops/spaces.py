"""Declare moves between space, depth and batch, patches, and rows turned round, joined and parted by index."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from millstream.base import dtypes
from millstream.base.dtypes import bfloat16, float16, float32, float64, int32, int64
from millstream.base.sizes import Size, is_known, may_be_equal, product
from millstream.ops.convolution import from_last, pads, to_last
from millstream.ops.declaration import Known, Tensor, Tensors, Types, op
from millstream.ops.types import FLOATS, INTEGERS, NUMBERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import lowest, reduce
from millstream.program.primitives.searching import where
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
    slice_,
    transpose,
)
from millstream.program.primitives.windows import reduce_window
from millstream.program.value import UnknownRank, Value

Any = Types("T")
Block = Types("Tblock_shape", int32, int64, default=int32)
Pads = Types("Tpaddings", int32, int64, default=int32)
Crops = Types("Tcrops", int32, int64, default=int32)


def _pairs(value: Value, count: int) -> list[tuple[Size, Size]]:
    flat = contents(reshape(value, (2 * count,)))
    return list(zip(flat[::2], flat[1::2], strict=True))


def _divided(n: Size, by: Size, what: str) -> Size:
    if is_known(n) and is_known(by) and int(n) % int(by):  # type: ignore[arg-type]
        raise refuse(
            what, f"a size of {n} in blocks of {by}", "the size, padding included, must be a multiple of the block"
        )
    return n // by  # type: ignore[operator]


def _space_to_batch(x: Value, block: Sequence[Size], paddings: Sequence[tuple[Size, Size]], what: str) -> Value:
    n = len(block)
    rest = [0] * (x.rank - 1 - n)
    x = pad(x, [0, *(a for a, _ in paddings), *rest], [0, *(b for _, b in paddings), *rest])
    batch, inner, tail = x.shape[0], x.shape[1 : n + 1], x.shape[n + 1 :]
    outer = [_divided(size, b, what) for size, b in zip(inner, block, strict=True)]
    split = reshape(x, [batch, *(v for pair in zip(outer, block, strict=True) for v in pair), *tail])
    order = [*range(2, 2 * n + 1, 2), 0, *range(1, 2 * n, 2), *range(2 * n + 1, split.rank)]
    return reshape(transpose(split, order), [batch * product(block), *outer, *tail])


def _batch_to_space(x: Value, block: Sequence[Size], crops: Sequence[tuple[Size, Size]], what: str) -> Value:
    n = len(block)
    batch, inner, tail = _divided(x.shape[0], product(block), what), x.shape[1 : n + 1], x.shape[n + 1 :]
    split = reshape(x, [*block, batch, *inner, *tail])
    order = [n, *(v for i in range(n) for v in (n + 1 + i, i)), *range(2 * n + 1, split.rank)]
    whole = [size * b for size, b in zip(inner, block, strict=True)]
    y = reshape(transpose(split, order), [batch, *whole, *tail])
    start = [0, *(a for a, _ in crops), *[0] * len(tail)]
    limit = [batch, *(size - b for size, (_, b) in zip(whole, crops, strict=True)), *tail]
    return slice_(y, start, limit)


def _sized(block: Value, what: str) -> int:
    count = block.shape[0]
    if not is_known(count):
        raise UnknownRank(f"{what}: the number of axes is unknown here.")
    return int(count)  # type: ignore[arg-type]


@op("SpaceToBatchND", outputs="output")
def space_to_batch(input: Tensor[Any], block_shape: Known[Tensor[Block]], paddings: Known[Tensor[Pads]]) -> Tensor[Any]:
    """Move blocks of the axes after the first into the first one, after padding with zeros."""
    n = _sized(block_shape, "SpaceToBatchND")
    return _space_to_batch(input, contents(block_shape), _pairs(paddings, n), "SpaceToBatchND")


@op("BatchToSpaceND", outputs="output")
def batch_to_space(input: Tensor[Any], block_shape: Known[Tensor[Block]], crops: Known[Tensor[Crops]]) -> Tensor[Any]:
    """Move parts of the first axis back into blocks of the axes after it, then cut."""
    n = _sized(block_shape, "BatchToSpaceND")
    return _batch_to_space(input, contents(block_shape), _pairs(crops, n), "BatchToSpaceND")


Layout = Literal["NHWC", "NCHW", "NCHW_VECT_C"]


@op("SpaceToDepth", outputs="output")
def space_to_depth(input: Tensor[Any], *, block_size: int, data_format: Layout = "NHWC") -> Tensor[Any]:
    """Move square blocks of space into channels."""
    x, b = to_last(input, data_format), block_size
    n, h, w, c = x.shape
    rows, columns = _divided(h, b, "SpaceToDepth"), _divided(w, b, "SpaceToDepth")
    split = transpose(reshape(x, (n, rows, b, columns, b, c)), (0, 1, 3, 2, 4, 5))
    return from_last(reshape(split, (n, rows, columns, c * (b * b))), data_format)


@op("DepthToSpace", outputs="output")
def depth_to_space(input: Tensor[Any], *, block_size: int, data_format: Layout = "NHWC") -> Tensor[Any]:
    """Move channels into square blocks of space."""
    x, b = to_last(input, data_format), block_size
    n, h, w, c = x.shape
    depth = _divided(c, b * b, "DepthToSpace")
    split = transpose(reshape(x, (n, h, w, b, b, depth)), (0, 1, 3, 2, 4, 5))
    return from_last(reshape(split, (n, h * b, w * b, depth)), data_format)


Image = Types("T", *NUMBERS, dtypes.bool)


def _cut(x: Value, at: tuple[int, int], sizes: Sequence[Size], strides: Sequence[int], rates: Sequence[int]) -> Value:
    """Return the elements at place `at` of every window, [n, rows, columns, c]."""
    starts = [k * r for k, r in zip(at, rates, strict=True)]
    limits = [s + (m - 1) * t + 1 for s, m, t in zip(starts, sizes, strides, strict=True)]
    return slice_(x, [0, *starts, 0], [x.shape[0], *limits, x.shape[3]], [1, *strides, 1])


def _windowed(
    x: Value, kernel: Sequence[int], strides: Sequence[int], rates: Sequence[int], padding: str, fill: object
) -> tuple[Value, list[Size], tuple[Size, ...]]:
    low, high = pads(padding, x.shape[1:3], kernel, strides, rates, (), "NHWC")
    wide = pad(x, [0, *low, 0], [0, *high, 0], None, constant(fill, x.dtype))
    sizes = [(n - (k - 1) * r - 1) // s + 1 for n, k, s, r in zip(wide.shape[1:3], kernel, strides, rates, strict=True)]
    return wide, sizes, tuple(low)


@op("ExtractImagePatches", outputs="patches")
def extract_image_patches(
    images: Tensor[Image], *, ksizes: list[int], strides: list[int], rates: list[int], padding: Literal["SAME", "VALID"]
) -> Tensor[Image]:
    """Return the windows of images, each as one row of channels."""
    kernel, steps, gaps = ksizes[1:3], strides[1:3], rates[1:3]
    x, sizes, _ = _windowed(images, kernel, steps, gaps, padding, False if images.dtype == dtypes.bool else 0)
    n, depth = x.shape[0], x.shape[3]
    if list(kernel) == list(steps) and list(gaps) == [1, 1]:
        inner = slice_(x, (0, 0, 0, 0), (n, sizes[0] * kernel[0], sizes[1] * kernel[1], depth))
        split = reshape(inner, (n, sizes[0], kernel[0], sizes[1], kernel[1], depth))
        return reshape(transpose(split, (0, 1, 3, 2, 4, 5)), (n, *sizes, depth * (kernel[0] * kernel[1])))
    return concatenate([_cut(x, at, sizes, steps, gaps) for at in itertools.product(*map(range, kernel))], 3)


Pooled = Types("T", *FLOATS, *INTEGERS)
Place = Types("Targmax", int32, int64, default=int64)


@op("MaxPoolWithArgmax", outputs=("output", "argmax"))
def max_pool_with_argmax(
    input: Tensor[Pooled],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Literal["SAME", "VALID"],
    Targmax: Place = int64,
    include_batch_in_index: bool = False,
) -> tuple[Tensor[Pooled], Tensor["Targmax"]]:
    """Return the largest element of each window and where it is in the flattened image."""
    kernel, steps = ksize[1:3], strides[1:3]
    x, sizes, low = _windowed(input, kernel, steps, (1, 1), padding, lowest(input.dtype))
    h, w, c = input.shape[1:]
    best: Value | None = None
    for i, j in itertools.product(*map(range, kernel)):
        found = _cut(x, (i, j), sizes, steps, (1, 1))
        at = _flat_places(found, (i, j), steps, low, w, c)
        if best is None:
            best, where_ = found, at
        else:
            larger = e.compare(found, best, "GT")
            best, where_ = e.select(larger, found, best), e.select(larger, at, where_)
    assert best is not None
    if include_batch_in_index:
        each = broadcast(scalar_size(product((h, w, c)), int64), best.shape, ())
        where_ = where_ + iota(best.shape, 0, int64) * each
    return best, e.convert(where_, Targmax)


def _flat_places(
    found: Value, at: tuple[int, int], steps: Sequence[int], low: Sequence[Size], w: Size, c: Size
) -> Value:
    row = iota(found.shape, 1, int64) * steps[0] + broadcast(scalar_size(at[0] - low[0], int64), found.shape, ())
    column = iota(found.shape, 2, int64) * steps[1] + broadcast(scalar_size(at[1] - low[1], int64), found.shape, ())
    width, depth = (broadcast(scalar_size(v, int64), found.shape, ()) for v in (w, c))
    return (row * width + column) * depth + iota(found.shape, 3, int64)


Narrow = Types("T", float16, bfloat16, float32, default=float32)


@op("LRN", outputs="output")
def local_response_normalization(
    input: Tensor[Narrow], *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> Tensor[Narrow]:
    """Return the input divided by a power of the sum of squares of near channels."""
    if input.rank != 4:
        raise refuse("LRN", f"{input.spec}", "in must be 4-dimensional")
    r = depth_radius
    total = reduce_window(input * input, "sum", (1, 1, 1, 2 * r + 1), (1, 1, 1, 1), (0, 0, 0, r), (0, 0, 0, r))
    base = total * alpha + bias
    return input * e.power(base, full(base.shape, -beta, base.dtype))


Length = Types("Tlen", int32, int64, default=int64)


@op("ReverseSequence", outputs="output")
def reverse_sequence(
    input: Tensor[Any], seq_lengths: Tensor[Length], *, seq_dim: int, batch_dim: int = 0
) -> Tensor[Any]:
    """Turn round the first seq_lengths[i] elements of sequence i."""
    s, b = seq_dim % input.rank, batch_dim % input.rank
    if s == b:
        raise refuse("ReverseSequence", f"seq_dim = batch_dim = {s}", "choose two axes")
    order = [b, s, *(i for i in range(input.rank) if i not in (b, s))]
    rows = transpose(input, order)
    shape = rows.shape[:2]
    place, length = iota(shape, 1, seq_lengths.dtype), broadcast(seq_lengths, shape, (0,))
    turned = e.select(e.compare(place, length, "LT"), length - place - 1, place)
    return transpose(gather(rows, turned, 1, 1), [order.index(i) for i in range(input.rank)])


@op("DynamicStitch", outputs="merged")
def dynamic_stitch(indices: Tensors[int32, "N"], data: Tensors[Any, "N"]) -> Tensor[Any]:
    """Return rows of all inputs put at the places that `indices` names; of several the last."""
    tail = data[0].shape[indices[0].rank :]
    for i, (places, rows) in enumerate(zip(indices, data, strict=True)):
        if rows.rank != places.rank + len(tail) or not may_be_equal(rows.shape, (*places.shape, *tail)):
            raise refuse(
                "DynamicStitch",
                f"data[{i}] is {rows.spec} and indices[{i}] {places.spec}",
                f"give data of the indices' shape followed by {list(tail)}",
            )
    places = concatenate([reshape(i, (product(i.shape),)) for i in indices], 0)
    rows = concatenate([reshape(d, (product(i.shape), *tail)) for i, d in zip(indices, data, strict=True)], 0)
    largest = reduce(concatenate([full((1,), -1, int32), places], 0), "max", (0,))
    count = contents(reshape(largest + 1, (1,)))[0]
    empty = full((count, *tail), False if rows.dtype == dtypes.bool else 0, rows.dtype)
    return scatter_nd(empty, reshape(places, (*places.shape, 1)), rows, "set")


@op("DynamicPartition", outputs="outputs")
def dynamic_partition(
    data: Tensor[Any], partitions: Tensor[int32], *, num_partitions: int
) -> Tensors[Any, "num_partitions"]:
    """Return for each partition the rows of `data` whose number it is."""
    count = product(partitions.shape)
    rows = reshape(data, (count, *data.shape[partitions.rank :]))
    flat = reshape(partitions, (count,))
    low, high = full(flat.shape, 0, int32), full(flat.shape, num_partitions, int32)
    inside = e.bit_and(e.compare(flat, low, "GE"), e.compare(flat, high, "LT"))
    check(reduce(inside, "and", (0,)), f"partitions are not all in [0, {num_partitions}):", data=[flat])
    found = []
    for i in range(num_partitions):
        places = where(e.compare(flat, full(flat.shape, i, int32), "EQ"))
        found.append(gather(rows, reshape(places, (places.shape[0],)), 0))
    return found  # type: ignore[return-value]


Out = Types("out_idx", int32, int64, default=int32)


@op("ListDiff", outputs=("out", "idx"))
def list_diff(x: Tensor[Any], y: Tensor[Any], *, out_idx: Out = int32) -> tuple[Tensor[Any], Tensor["out_idx"]]:
    """Return the elements of x that are not in y, and where they are."""
    for name, given in (("x", x), ("y", y)):
        if given.rank != 1:
            raise refuse("ListDiff", f"{name} of rank {given.rank}", f"{name} should be a 1D vector")
    shape = (x.shape[0], y.shape[0])
    same = e.compare(broadcast(x, shape, (0,)), broadcast(y, shape, (1,)), "EQ")
    places = where(e.logical_not(reduce(same, "or", (1,))))
    flat = reshape(places, (places.shape[0],))
    return gather(x, flat, 0), e.convert(flat, out_idx)


list_diff.no_gradient()
Shape = Types("T", int32, int64, default=int32)


@op("BroadcastGradientArgs", outputs=("r0", "r1"))
def broadcast_gradient_args(s0: Known[Tensor[Shape]], s1: Known[Tensor[Shape]]) -> tuple[Tensor[Shape], Tensor[Shape]]:
    """Return the axes to sum over for what flows back through broadcasting two shapes."""
    a, b = contents(s0), contents(s1)
    if not all(is_known(n) for n in (*a, *b)):
        raise UnknownRank("BroadcastGradientArgs: the shapes are known only when the program runs.")
    rank = max(len(a), len(b))
    first, second = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    over = [
        [i for i in range(rank) if one[i] == 1 and (other[i] != 1 or i < rank - len(given))]
        for one, other, given in ((first, second, a), (second, first, b))
    ]
    both = [i for i in range(rank) if first[i] == 1 and second[i] == 1]
    axes = [sorted(set(part) | set(both)) for part in over]
    return constant(axes[0], s0.dtype), constant(axes[1], s0.dtype)


broadcast_gradient_args.no_gradient()

FEW = [float32, float64, int32]
space_to_batch.cases([((2, 3, 4, 2), (2,), (2, 2))], inputs=(None, [2, 2], [[1, 0], [0, 2]]), dtypes=FEW)
batch_to_space.cases([((8, 2, 3, 2), (2,), (2, 2))], inputs=(None, [2, 2], [[1, 0], [0, 2]]), dtypes=FEW)
for _format in ("NHWC", "NCHW"):
    space_to_depth.cases(
        [(2, 4, 4, 4), ("batch", 4, 4, 4)], attributes={"block_size": 2, "data_format": _format}, dtypes=FEW
    )
    depth_to_space.cases(
        [(2, 4, 4, 4), ("batch", 4, 4, 4)], attributes={"block_size": 2, "data_format": _format}, dtypes=FEW
    )
for _kernel, _strides, _rates, _padding in (
    ((1, 2, 2, 1), (1, 2, 2, 1), (1, 1, 1, 1), "VALID"),
    ((1, 2, 3, 1), (1, 2, 1, 1), (1, 1, 1, 1), "SAME"),
    ((1, 2, 2, 1), (1, 1, 2, 1), (1, 2, 2, 1), "VALID"),
):
    _more = {"ksizes": _kernel, "strides": _strides, "rates": _rates, "padding": _padding}
    extract_image_patches.cases([(2, 5, 6, 3), ("batch", 5, 6, 3)], attributes=_more, dtypes=FEW)
for _padding in ("VALID", "SAME"):
    max_pool_with_argmax.cases(
        [(2, 5, 6, 3)],
        attributes={
            "ksize": (1, 2, 2, 1),
            "strides": (1, 2, 2, 1),
            "padding": _padding,
            "include_batch_in_index": True,
        },
        dtypes=FEW,
    )
local_response_normalization.cases([(2, 3, 3, 7)], attributes={"depth_radius": 2}, dtypes=[float32])
reverse_sequence.cases(
    [((3, 4, 2), (3,))], inputs=(None, [2, 4, 0]), attributes={"seq_dim": 1, "batch_dim": 0}, dtypes=FEW
)
dynamic_partition.cases([((5, 2), (5,))], inputs=(None, [1, 0, 1, 1, 2]), attributes={"num_partitions": 3}, dtypes=FEW)
list_diff.cases([((5,), (2,))], inputs=([1, 2, 3, 2, 5], [2, 9]), dtypes=[int32, int64, float32])
broadcast_gradient_args.cases([((3,), (2,))], inputs=([2, 1, 3], [4, 1]), dtypes=[int32, int64])
dynamic_stitch.cases(
    [((2,), (2,), (2, 3), (2, 3))], inputs=([0, 2], [1, 3], None, None), dtypes=[dtypes.float32, dtypes.int32]
)
