"""Declare changes of colour spaces, contrast, hue and saturation. The last axis holds red, green and blue."""

from __future__ import annotations

from millstream.base.dtypes import bfloat16, float16, float32, float64
from millstream.base.sizes import is_known
from millstream.ops.declaration import Tensor, Types, op
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert, scalar_like, select
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast, concatenate, reshape, scalar_size, slice_axis
from millstream.program.value import Value

Colour = Types("T", float16, bfloat16, float32, float64, default=float32)
Adjusted = Types("T", float16, float32, default=float32)


def _channels(images: Value, what: str) -> tuple[Value, Value, Value]:
    if images.rank < 1 or (is_known(images.shape[-1]) and images.shape[-1] != 3):
        raise refuse(what, f"input must have 3 channels, got {images.spec}", "give images of shape [..., 3]")
    parts = [slice_axis(images, images.rank - 1, i, i + 1) for i in range(3)]
    red, green, blue = (reshape(part, images.shape[:-1]) for part in parts)
    return red, green, blue


def _joined(*channels: Value) -> Value:
    return concatenate([reshape(c, (*c.shape, 1)) for c in channels], channels[0].rank)


def _within_one(x: Value) -> Value:
    return e.minimum(e.maximum(x, scalar_like(x, 0)), scalar_like(x, 1))


def _extremes(red: Value, green: Value, blue: Value) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Return for each channel whether it counts as the largest, and as the smallest: one each, also of equal ones."""
    red_most = e.bit_and(compare(red, blue, "GE"), compare(red, green, "GE"))
    green_most = e.bit_and(compare(green, red, "GT"), compare(green, blue, "GE"))
    red_least = e.bit_and(compare(red, blue, "LT"), compare(red, green, "LT"))
    green_least = e.bit_and(compare(green, red, "LE"), compare(green, blue, "LT"))
    rest = [e.logical_not(e.bit_or(*pair)) for pair in ((red_most, green_most), (red_least, green_least))]
    return (red_most, green_most, rest[0]), (red_least, green_least, rest[1])


def _largest_and_range(red: Value, green: Value, blue: Value) -> tuple[Value, Value, Value]:
    """Return the largest channel, the largest less the smallest, and that or 1 where it is 0."""
    most = e.maximum(e.maximum(red, green), blue)
    width = most - e.minimum(e.minimum(red, green), blue)
    return most, width, select(_is_positive(width), width, scalar_like(width, 1))


def _is_positive(x: Value) -> Value:
    return compare(x, scalar_like(x, 0), "GT")


def _hue(red: Value, green: Value, blue: Value, most: Value, width: Value, divisor: Value) -> Value:
    """Return the hue in [0, 1)."""
    sixth = scalar_like(divisor, 1 / 6) / divisor
    is_red, is_green = compare(red, most, "EQ"), compare(green, most, "EQ")
    others = select(is_green, (blue - red) * sixth + 2 / 6, (red - green) * sixth + 4 / 6)
    hue = select(is_red, (green - blue) * sixth, others)
    hue = select(_is_positive(width), hue, scalar_like(hue, 0))
    return select(compare(hue, scalar_like(hue, 0), "LT"), hue + 1, hue)


def _saturation(most: Value, width: Value) -> Value:
    lit = _is_positive(most)
    return select(lit, width / select(lit, most, scalar_like(most, 1)), scalar_like(most, 0))


def _parts(sixths: Value) -> tuple[Value, Value, Value]:
    """Return how much of the range each channel has at a hue given in sixths, in [0, 6]."""
    red = e.absolute(sixths - 3) - 1
    green, blue = (2 - e.absolute(sixths - place) for place in (2, 4))
    return _within_one(red), _within_one(green), _within_one(blue)


@op("RGBToHSV", outputs="output")
def rgb_to_hsv(images: Tensor[Colour]) -> Tensor[Colour]:
    """Return hue, saturation and value, each in [0, 1], of colours in [0, 1]."""
    red, green, blue = _channels(images, "RGBToHSV")
    most, width, divisor = _largest_and_range(red, green, blue)
    return _joined(_hue(red, green, blue, most, width, divisor), _saturation(most, width), most)


@rgb_to_hsv.gradient
def _(dy: Value, y: Value, images: Value) -> tuple[Value]:
    """Of equal channels one alone is the largest, and one the smallest; saturation passes nothing to channels of 0."""
    channels = _channels(images, "RGBToHSV")
    hue_flow, saturation_flow, value_flow = _channels(dy, "RGBToHSV")
    largest, smallest = _extremes(*channels)
    most, width, divisor = _largest_and_range(*channels)
    zero = scalar_like(most, 0)
    lit = _is_positive(most)
    safe = select(lit, most, scalar_like(most, 1))
    sixth = select(e.bit_and(lit, _is_positive(width)), scalar_like(divisor, 1 / 6) / divisor, zero) * hue_flow
    # The hue is an offset and the difference of the two other channels over the range.
    differences = [channels[(i + 1) % 3] - channels[(i + 2) % 3] for i in range(3)]
    turn = select(largest[0], differences[0], select(largest[1], differences[1], differences[2])) * sixth / divisor
    flows = []
    for i, channel in enumerate(channels):
        after, before = largest[(i + 2) % 3], largest[(i + 1) % 3]
        hue = select(after, sixth, select(before, -sixth, zero))
        hue = hue + select(smallest[i], turn, zero) - select(largest[i], turn, zero)
        slope = select(largest[i], (most - width) / (safe * safe), select(smallest[i], -1 / safe, zero))
        slope = select(e.bit_and(lit, _is_positive(channel)), slope, zero)
        flows.append(hue + slope * saturation_flow + select(largest[i], value_flow, zero))
    return (_joined(*flows),)


@op("HSVToRGB", outputs="output")
def hsv_to_rgb(images: Tensor[Colour]) -> Tensor[Colour]:
    """Return red, green and blue of hue, saturation and value in [0, 1]."""
    hue, saturation, value = _channels(images, "HSVToRGB")
    rest = 1 - saturation
    return _joined(*((rest + saturation * part) * value for part in _parts(hue * 6)))


def _as_float(x: Value) -> Value:
    return x if x.dtype == float32 else convert(x, float32)


def _scalar(factor: Value, like: Value, what: str) -> Value:
    if factor.rank != 0:
        raise refuse(what, f"a factor of shape {factor.spec}", "give a scalar")
    return broadcast(factor, like.shape, ())


@op("AdjustContrastv2", outputs="output")
def adjust_contrast(images: Tensor[Adjusted], contrast_factor: Tensor[float32]) -> Tensor[Adjusted]:
    """Return (x - mean) * factor + mean, with the mean of each channel of each image."""
    if images.rank < 3:
        raise refuse(
            "AdjustContrastv2", f"input must be at least 3-D, got {images.spec}", "give [..., rows, columns, depth]"
        )
    x = _as_float(images)
    *lead, rows, columns, depth = x.shape
    n = len(lead)
    total = reduce(x, "sum", (n, n + 1))
    mean = total / broadcast(scalar_size(rows * columns, float32), total.shape, ())
    # Whole rows: the mean of a pixel repeated along a short last axis would be read an element at a time.
    row = reshape(broadcast(mean, (*lead, columns, depth), (*range(n), n + 1)), (*lead, columns * depth))
    flat = reshape(x, (*lead, rows, columns * depth))
    middle = broadcast(row, flat.shape, (*range(n), n + 1))
    changed = (flat - middle) * _scalar(contrast_factor, flat, "AdjustContrastv2") + middle
    return convert(reshape(changed, x.shape), images.dtype)


@op("AdjustHue", outputs="output")
def adjust_hue(images: Tensor[Adjusted], delta: Tensor[float32]) -> Tensor[Adjusted]:
    """Turn the hue of colours by `delta` of a full turn."""
    red, green, blue = _channels(_as_float(images), "AdjustHue")
    most, width, divisor = _largest_and_range(red, green, blue)
    sixths = (_hue(red, green, blue, most, width, divisor) + _scalar(delta, most, "AdjustHue")) * 6
    sixths = sixths - e.floor(sixths / 6) * 6
    least = most - width
    return convert(_joined(*(least + width * part for part in _parts(sixths))), images.dtype)


@op("AdjustSaturation", outputs="output")
def adjust_saturation(images: Tensor[Adjusted], scale: Tensor[float32]) -> Tensor[Adjusted]:
    """Multiply the saturation of colours by `scale`; at most 1."""
    red, green, blue = _channels(_as_float(images), "AdjustSaturation")
    most, width, divisor = _largest_and_range(red, green, blue)
    saturation = _within_one(_saturation(most, width) * _scalar(scale, most, "AdjustSaturation"))
    chroma = saturation * most
    parts = _parts(_hue(red, green, blue, most, width, divisor) * 6)
    return convert(_joined(*((most - chroma) + chroma * part for part in parts)), images.dtype)


hsv_to_rgb.no_gradient()

_greys = [[[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]], [[0.2, 0.7, 0.7], [1.0, 0.3, 1.0]]]
rgb_to_hsv.cases([(2, 5, 3), ("batch", 4, 3), (3,), (0, 3)], low=0.0, high=1.0)
rgb_to_hsv.cases([(2, 2, 3)], inputs=(_greys,), dtypes=[float32], gradient=False)
hsv_to_rgb.cases([(2, 5, 3), ("batch", 4, 3), (3,), (0, 3)], low=0.0, high=1.0)
adjust_contrast.cases([((2, 4, 5, 3), ()), (("batch", "rows", 4, 1), ()), ((3, 3, 2), ())], inputs=(None, 1.7))
for _delta in (0.2, -0.7):
    adjust_hue.cases([((2, 5, 3), ()), (("batch", 4, 4, 3), ())], inputs=(None, _delta), low=0.0, high=1.0)
for _scale in (0.4, 3.0):
    adjust_saturation.cases([((2, 5, 3), ()), (("batch", 4, 4, 3), ())], inputs=(None, _scale), low=0.0, high=1.0)
