"""Declare the ops that draw random boxes within images, and those that look at parts of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millstream.base.dtypes import float32, int8, int16, int32, int64, uint8, uint32
from millstream.base.sizes import Size, is_known, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.image_resize import sizes_of
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import shaping as s
from millstream.program.primitives.core import refuse
from millstream.program.primitives.crop_box import random_crop_box
from millstream.program.primitives.elementwise import compare, convert, select
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.random import random_bits, random_distribution, random_key_counter, random_next
from millstream.program.primitives.reduction import reduce
from millstream.program.random_numbers import PHILOX
from millstream.program.value import Value

T = Types("T", uint8, int8, int16, int32, int64)
Seed = Types("Tseed", int32, int64)


def _drawn(
    image_size: Value,
    boxes: Value,
    least: Value,
    stream: tuple[Value, Value],
    ratios: Sequence[float],
    areas: Sequence[float],
    attempts: int,
    whole: bool,
) -> tuple[Value, Value, Value]:
    what = "SampleDistortedBoundingBox"
    if image_size.rank != 1 or (is_known(image_size.shape[0]) and image_size.shape[0] != 3):
        raise refuse(what, f"image_size {image_size.spec}", "image_size must be 1-dimensional of 3 elements")
    if boxes.rank != 3 or (is_known(boxes.shape[2]) and boxes.shape[2] != 4):
        raise refuse(
            what, f"bounding_boxes {boxes.spec}", "input boxes must be 3-dimensional [batch, num_boxes, coords]"
        )
    for name, (low, high) in (("aspect_ratio_range", ratios), ("area_range", areas)):
        if low <= 0 or high <= 0 or low > high:
            raise refuse(what, f"{name} {[low, high]}", f"{name} must be positive and ascend")
    if attempts <= 0:
        raise refuse(what, f"max_attempts {attempts}", "max_attempts must be positive")
    bits = random_bits(*stream, (4 * attempts,), uint32, PHILOX)
    flat = s.reshape(boxes, (boxes.shape[0] * boxes.shape[1], 4))
    wide = image_size if image_size.dtype == int64 else convert(image_size, int64)
    begin, size, box = random_crop_box(bits, wide, flat, least, ratios, areas, attempts, whole)
    return convert(begin, image_size.dtype), convert(size, image_size.dtype), box


@op("StatelessSampleDistortedBoundingBox", outputs=("begin", "size", "bboxes"))
def stateless_sample_distorted_bounding_box(
    image_size: Tensor[T],
    bounding_boxes: Tensor[float32],
    min_object_covered: Tensor[float32],
    seed: Tensor[Seed],
    *,
    aspect_ratio_range: list[float] = (0.75, 1.33),
    area_range: list[float] = (0.05, 1.0),
    max_attempts: int = 100,
    use_image_if_no_bounding_boxes: bool = False,
) -> tuple[Tensor[T], Tensor[T], Tensor[float32]]:
    """Return begin and size of a box that the seed decides, and the box as parts of the image."""
    stream = random_key_counter(seed)
    more = (aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    return _drawn(image_size, bounding_boxes, min_object_covered, stream, *more)


@op("SampleDistortedBoundingBoxV2", outputs=("begin", "size", "bboxes"), stateful=True)
def sample_distorted_bounding_box_v2(
    image_size: Tensor[T],
    bounding_boxes: Tensor[float32],
    min_object_covered: Tensor[float32],
    *,
    seed: int = 0,
    seed2: int = 0,
    aspect_ratio_range: list[float] = (0.75, 1.33),
    area_range: list[float] = (0.05, 1.0),
    max_attempts: int = 100,
    use_image_if_no_bounding_boxes: bool = False,
) -> tuple[Tensor[T], Tensor[T], Tensor[float32]]:
    """Return begin and size of a box drawn from the stream of the seeds, and the box as parts of the image."""
    stream = random_next(max_attempts, seed, seed2)
    more = (aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    return _drawn(image_size, bounding_boxes, min_object_covered, stream, *more)


@op("SampleDistortedBoundingBox", outputs=("begin", "size", "bboxes"), stateful=True)
def sample_distorted_bounding_box(
    image_size: Tensor[T],
    bounding_boxes: Tensor[float32],
    *,
    seed: int = 0,
    seed2: int = 0,
    min_object_covered: float = 0.1,
    aspect_ratio_range: list[float] = (0.75, 1.33),
    area_range: list[float] = (0.05, 1.0),
    max_attempts: int = 100,
    use_image_if_no_bounding_boxes: bool = False,
) -> tuple[Tensor[T], Tensor[T], Tensor[float32]]:
    """Return begin and size of a box drawn from the stream of the seeds, and the box as parts of the image."""
    stream = random_next(max_attempts, seed, seed2)
    more = (aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    return _drawn(image_size, bounding_boxes, s.constant(min_object_covered, float32), stream, *more)


NOISES = ("uniform", "gaussian", "zero")


def _first(offsets: Value, axis: int, size: Size, glimpse: Size, centered: bool, normalized: bool, old: bool) -> Value:
    """Return the first row or column of each glimpse."""
    at = s.reshape(s.slice_axis(offsets, 1, axis, axis + 1), (offsets.shape[0],))

    def whole(n: Size) -> Value:
        return s.broadcast(s.scalar_size(n, float32), at.shape, ())

    if normalized:
        at = at * whole(size)
    # The newer form counts pixels from the middle of the image to the corner of the window, and halves no pixels.
    both = normalized or old
    if centered:
        at = (at * 0.5 if both else at) + whole(size) * 0.5
    if old or (centered and normalized):
        at = at - whole(glimpse) * 0.5
    limit = s.full(at.shape, 1e9, float32)
    return convert(e.minimum(e.maximum(at, -limit), limit), int64)


def _noise(noise: str, x: Value, shape: tuple[Size, ...]) -> Value:
    if noise == "zero":
        return s.full(shape, 0, float32)
    stream = random_next(product(shape) * 256, 0, 0)
    low, high = (s.broadcast(reduce(x, kind, range(x.rank)), shape, ()) for kind in ("min", "max"))
    if noise == "uniform":
        return random_distribution("uniform", shape, float32, *stream) * (high - low) + low
    count = s.scalar_size(product(x.shape), float32)
    mean = reduce(x, "sum", range(x.rank)) / count
    distance = x - s.broadcast(mean, x.shape, ())
    deviation = e.sqrt(reduce(distance * distance, "sum", range(x.rank)) / count)
    drawn = random_distribution("normal", shape, float32, *stream)
    shifted = drawn * s.broadcast(deviation, shape, ()) + s.broadcast(mean, shape, ())
    return e.minimum(e.maximum(shifted, low), high)


def _glimpsed(
    what: str, x: Value, size: Value, offsets: Value, centered: bool, normalized: bool, noise: str, old: bool
) -> Value:
    if x.rank != 4 or offsets.rank != 2:
        raise refuse(what, f"input {x.spec} and offsets {offsets.spec}", "give [n, rows, columns, depth] and [n, 2]")
    if noise not in NOISES:
        raise refuse(what, f"Unknown noise {noise}", f"noise could only be one of {', '.join(NOISES)}")
    count, rows, columns, depth = x.shape
    height, width = sizes_of(size, what)
    shape = (count, height, width)
    flags = (centered, normalized, old)
    first_row, first_column = _first(offsets, 0, rows, height, *flags), _first(offsets, 1, columns, width, *flags)
    row = s.broadcast(first_row, shape, (0,)) + s.iota(shape, 1, int64)
    column = s.broadcast(first_column, shape, (0,)) + s.iota(shape, 2, int64)

    def wide(n: Size) -> Value:
        return s.broadcast(s.scalar_size(n, int64), shape, ())

    zero = s.full(shape, 0, int64)
    inside = s.full(shape, True, compare(zero, zero, "EQ").dtype)
    for at, limit in ((row, wide(rows)), (column, wide(columns))):
        inside = e.bit_and(inside, e.bit_and(compare(at, zero, "GE"), compare(at, limit, "LT")))
    flat = (s.iota(shape, 0, int64) * wide(rows) + row) * wide(columns) + column
    pixels = gather(s.reshape(x, (count * rows * columns, depth)), select(inside, flat, zero))
    deep = (*shape, depth)
    return select(s.broadcast(inside, deep, (0, 1, 2)), pixels, _noise(noise, x, deep))


@op("ExtractGlimpse", outputs="glimpse", effects=True)
def extract_glimpse(
    input: Tensor[float32],
    size: Known[Tensor[int32]],
    offsets: Tensor[float32],
    *,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    noise: str = "uniform",
) -> Tensor[float32]:
    """Return a window of each image around its offset (y, x); what lies outside is noise. The older form."""
    return _glimpsed("ExtractGlimpse", input, size, offsets, centered, normalized, noise, True)


@op("ExtractGlimpseV2", outputs="glimpse", effects=True)
def extract_glimpse_v2(
    input: Tensor[float32],
    size: Known[Tensor[int32]],
    offsets: Tensor[float32],
    *,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    noise: str = "uniform",
) -> Tensor[float32]:
    """Return a window of each image, beginning at its offset (y, x) or around it; what lies outside is noise."""
    return _glimpsed("ExtractGlimpseV2", input, size, offsets, centered, normalized, noise, False)


for _op in (
    stateless_sample_distorted_bounding_box,
    sample_distorted_bounding_box,
    sample_distorted_bounding_box_v2,
    extract_glimpse,
    extract_glimpse_v2,
):
    _op.no_gradient()
for _seed in range(4):
    stateless_sample_distorted_bounding_box.cases(
        [((3,), (1, 2, 4), (), (2,))],
        inputs=([40, 50, 3], [[[0.1, 0.1, 0.6, 0.7], [0.5, 0.5, 0.9, 0.9]]], 0.3, np.array([1, _seed])),
        dtypes=[int32, int64],
    )
stateless_sample_distorted_bounding_box.cases(
    [((3,), (0, 0, 4), (), (2,))],
    inputs=([30, 20, 1], None, 0.1, [5, 6]),
    attributes={"use_image_if_no_bounding_boxes": True, "max_attempts": 3, "area_range": (0.9, 1.0)},
    dtypes=[int32],
)
