"""Declare the ops between numbers and quantised ones: integers that stand for levels of a range."""

from __future__ import annotations

from typing import Literal

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, bfloat16, float32, float64, int32, int64, qint32, quint8
from millstream.base.sizes import is_known
from millstream.ops.array import concat_v1
from millstream.ops.declaration import Known, Tensor, Tensors, Types, op
from millstream.ops.types import QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import reduction as r
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert, scalar_like, select
from millstream.program.primitives.shaping import bitcast, broadcast, constant, plain, reshape
from millstream.program.value import Value

T = Types("T", *QUANTIZED)
Input = Types("Tinput", *QUANTIZED)
Out = Types("out_type", *QUANTIZED)
Mode = Literal["MIN_COMBINED", "MIN_FIRST", "SCALED"]


def ends_of(dtype: DType) -> tuple[int, int]:
    """Return the lowest and the highest number of a quantised element type."""
    info = np.iinfo(dtype.stored)
    return int(info.min), int(info.max)


def round_away(x: Value) -> Value:
    """Return x rounded to the nearest whole number, halves away from 0."""
    size = e.absolute(x)
    whole = e.floor(size)
    up = select(compare(size - whole, scalar_like(x, 0.5), "GE"), whole + 1, whole)
    return select(compare(x, scalar_like(x, 0), "LT"), -up, up)


def wide_as(x: Value, part: Value, axis: int = -1) -> Value:
    """Return one number, or one for each place of an axis, in the shape of x."""
    if axis == -1:
        return broadcast(reshape(part, ()), x.shape, ())
    return broadcast(part, x.shape, (axis,))


def to_quantised(x: Value, dtype: DType) -> Value:
    """Return whole float32 numbers in a quantised element type."""
    return bitcast(convert(convert(x, int32), dtypes.as_dtype(dtype.stored)), dtype)


def _steps(low: Value, high: Value, dtype: DType) -> tuple[Value, Value]:
    """Return the distance of the levels of a range in float32, and its lowest level."""
    scale = convert(convert(high - low, float64) / (2.0 ** (8 * dtype.size) - 1), float32)
    one = compare(low, high, "EQ")
    return scale, select(one, low, round_away(low / select(one, scalar_like(low, 1), scale)) * scale)


def dequantised(x: Value, low: Value, high: Value) -> Value:
    """Return the float32 numbers that quantised ones of a range stand for; its lowest level is a multiple of the distance."""
    scale, start = _steps(low, high, x.dtype)
    number = convert(plain(x), float32)
    return wide_as(x, start - scale * ends_of(x.dtype)[0]) + number * wide_as(x, scale)


def quantised(x: Value, low: Value, high: Value, dtype: DType) -> Value:
    """Return the nearest levels of a range, as quantised numbers."""
    lowest, highest = ends_of(dtype)
    empty = compare(low, high, "EQ")
    span = convert(select(empty, scalar_like(low, 1), high - low), float64)
    scale = convert(scalar_like(span, 2.0 ** (8 * dtype.size) - 1) / span, float32)
    scale = select(empty, scalar_like(low, 0), scale)
    offset = round_away(low * scale) - lowest
    found = round_away(x * wide_as(x, scale)) - wide_as(x, offset)
    found = e.minimum(
        e.maximum(found, scalar_like(x, max(lowest, -2147483648.0))), scalar_like(x, min(highest, 2147483520.0))
    )
    return to_quantised(found, dtype)


def level_of(number: float | Value, low: Value, high: Value, dtype: DType) -> Value:
    """Return the level nearest to a number in int64, which may lie outside of the element type; float64 on the way."""
    lowest, _ = ends_of(dtype)
    steps = 2.0 ** (8 * dtype.size)
    empty = compare(low, high, "EQ")
    span = convert(select(empty, scalar_like(low, 1), high - low), float64) * (steps / (steps - 1))
    scale = scalar_like(span, steps) / span
    wide = convert(number, float64) if isinstance(number, Value) else scalar_like(scale, number)
    level = round_away(scale * wide) - round_away(convert(low, float64) * scale) + lowest
    return convert(select(empty, scalar_like(level, lowest), level), int64)


def clamped_level(number: float | Value, low: Value, high: Value, dtype: DType) -> Value:
    """Return the level nearest to a number within the element type, in its plain integers."""
    level = level_of(number, low, high, dtype)
    lowest, highest = ends_of(dtype)
    inside = e.minimum(e.maximum(level, scalar_like(level, lowest)), scalar_like(level, highest))
    return convert(inside, dtypes.as_dtype(dtype.stored))


def number_of(level: Value, low: Value, high: Value, dtype: DType) -> Value:
    """Return the float32 number that a level in plain integers stands for, computed in float64."""
    steps = 2.0 ** (8 * dtype.size)
    empty = compare(low, high, "EQ")
    span = convert(select(empty, scalar_like(low, 1), high - low), float64) * (steps / (steps - 1))
    scale = span / steps
    single = convert(scale, float32)
    start = convert(round_away(low / single) * single, float64)
    found = start + (convert(level, float64) - ends_of(dtype)[0]) * scale
    return select(empty, low, convert(found, float32))


def check_scalars(what: str, **ends: Value) -> None:
    """Refuse ends of a range that are no scalars."""
    for name, end in ends.items():
        if end.rank != 0:
            raise refuse(what, f"{name} of shape {list(end.shape)}", f"{name} must be a scalar")


def _check_ends(what: str, x: Value, axis: int, ends: dict[str, Value]) -> None:
    if axis < -1:
        raise refuse(what, f"axis={axis}", f"Axis must be at least -1. Found {axis}")
    if axis >= x.rank:
        raise refuse(what, f"axis={axis}", f"Axis is on a zero-based index, so it must be less than the rank {x.rank}")
    for name, end in ends.items():
        if axis == -1:
            if end.rank > 1 or (end.rank == 1 and is_known(end.shape[0]) and end.shape[0] != 1):
                raise refuse(what, f"{name} of shape {list(end.shape)}", f"{name} must be a scalar")
        elif end.rank != 1 or (is_known(end.shape[0]) and is_known(x.shape[axis]) and end.shape[0] != x.shape[axis]):
            raise refuse(
                what, f"{name} of shape {list(end.shape)}", f"give one number for each of {x.shape[axis]} places"
            )


@op("QuantizeV2", outputs=("output", "output_min", "output_max"))
def quantize_v2(
    input: Tensor[float32],
    min_range: Tensor[float32],
    max_range: Tensor[float32],
    *,
    T: T,
    mode: Mode = "MIN_COMBINED",
    round_mode: Literal["HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN"] = "HALF_AWAY_FROM_ZERO",
    narrow_range: bool = False,
    axis: int = -1,
    ensure_minimum_range: float = 0.009999999776482582,
) -> tuple[Tensor["T"], Tensor[float32], Tensor[float32]]:
    """Return the levels nearest to the input in a range that holds 0, and the range that was taken."""
    if round_mode == "HALF_TO_EVEN" and mode != "SCALED":
        raise refuse("QuantizeV2", f"mode={mode}", "Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED'")
    _check_ends("QuantizeV2", input, axis, {"min_range": min_range, "max_range": max_range})
    if axis != -1 and mode == "MIN_FIRST":
        raise errors.UnimplementedError(
            None, None, "MIN_FIRST mode is not implemented for Quantize with axis != -1; choose MIN_COMBINED or SCALED."
        )
    ordered = e.logical_not(compare(max_range, min_range, "LT"))
    check(
        r.reduce(ordered, "and", range(ordered.rank)),
        "input_max_range must be larger than input_min_range.",
        data=[min_range, max_range],
    )
    zero, one = scalar_like(min_range, 0), scalar_like(min_range, 1)
    low = e.minimum(zero, min_range)
    size = e.maximum(one, e.maximum(e.absolute(min_range), e.absolute(max_range)))
    high = e.maximum(zero, e.maximum(max_range, low + size * ensure_minimum_range))
    lowest, highest = ends_of(T)
    if mode == "MIN_FIRST":
        return quantised(input, low, high, T), low, high
    if mode == "SCALED":
        lowest += int(narrow_range)
        never = scalar_like(low, float(np.finfo(np.float32).max))
        by_low = select(
            compare(low * lowest, zero, "GT"),
            scalar_like(low, lowest) / select(compare(low, zero, "EQ"), one, low),
            never,
        )
        by_high = select(
            compare(high * highest, zero, "GT"),
            scalar_like(high, highest) / select(compare(high, zero, "EQ"), one, high),
            never,
        )
        scale = e.minimum(by_low, by_high)
        low, high = scalar_like(low, lowest) / scale, scalar_like(low, highest) / scale
        scaled = e.maximum(e.minimum(input, wide_as(input, high, axis)), wide_as(input, low, axis)) * wide_as(
            input, scale, axis
        )
        whole = e.round_even(scaled) if round_mode == "HALF_TO_EVEN" else round_away(scaled)
        return to_quantised(whole, T), low, high
    scale = convert(scalar_like(convert(low, float64), highest - lowest) / convert(high - low, float64), float32)
    inside = e.maximum(e.minimum(input, wide_as(input, high, axis)), wide_as(input, low, axis)) - wide_as(
        input, low, axis
    )
    scaled = inside * wide_as(input, scale, axis)
    whole = round_away(scaled - (highest - lowest + 1) / 2) if lowest else scaled + 0.5
    return to_quantised(whole, T), low, high


quantize_v2.no_gradient()


@op("Dequantize", outputs="output")
def dequantize(
    input: Tensor[T],
    min_range: Tensor[float32],
    max_range: Tensor[float32],
    *,
    mode: Mode = "MIN_COMBINED",
    narrow_range: bool = False,
    axis: int = -1,
    dtype: Types("dtype", bfloat16, float32, default=float32) = float32,
) -> Tensor["dtype"]:
    """Return the numbers that quantised ones of a range stand for."""
    if dtype != float32 and mode != "MIN_COMBINED":
        raise refuse(
            "Dequantize", f"mode={mode}", f"When output type is {dtype.name}, Mode string must be 'MIN_COMBINED'"
        )
    _check_ends("Dequantize", input, axis, {"min_range": min_range, "max_range": max_range})
    if axis != -1 and mode == "MIN_FIRST":
        raise errors.UnimplementedError(
            None,
            None,
            "MIN_FIRST mode is not implemented for Dequantize with axis != -1; choose MIN_COMBINED or SCALED.",
        )
    if mode == "MIN_FIRST":
        return dequantised(input, min_range, max_range)
    lowest, highest = ends_of(input.dtype)
    number = convert(plain(input), float32)
    if mode == "SCALED":
        by_high = max_range / float(highest)
        low = lowest + int(narrow_range)
        scale = e.maximum(min_range / float(low), by_high) if lowest else by_high
        return number * wide_as(input, scale, axis)
    scale = (max_range - min_range) / float(highest - lowest)
    half = (highest - lowest + 1) / 2 if lowest else 0.0
    return convert((number + half) * wide_as(input, scale, axis) + wide_as(input, min_range, axis), dtype)


dequantize.no_gradient()


def _fixed_point(x: Value, low: Value, high: Value, new_low: Value, new_high: Value) -> Value:
    """Return qint32 numbers of a range as quint8 numbers of another one, in whole numbers only."""
    shift = 16
    empty = compare(new_low, new_high, "EQ")
    span = select(empty, scalar_like(low, 1), new_high - new_low)
    by_span = convert(scalar_like(convert(span, float64), 255.0) / convert(span, float64), float32)
    middle = convert(convert(low + high, float64) / 2.0, float32)
    offset = convert(convert(middle * by_span * float(1 << shift), float64), int64)
    factor = convert(convert(high - low, float64) * (255.0 * (1 << shift)) / convert(span, float64), int64)
    start = convert(round_away(convert(new_low, float64) * (255.0 * (1 << shift)) / convert(span, float64)), int64)
    none = scalar_like(offset, 0)
    offset, factor, start = (select(empty, none, v) for v in (offset, factor, start))
    level = e.shift_right(convert(plain(x), int64) * wide_as(x, factor), scalar_like(convert(plain(x), int64), 32))
    level = level + wide_as(x, offset - start + (1 << (shift - 1)))
    level = e.shift_right(level, scalar_like(level, shift))
    inside = e.minimum(e.maximum(level, scalar_like(level, 0)), scalar_like(level, 255))
    return bitcast(convert(inside, dtypes.uint8), quint8)


def _in_new_range(x: Value, low: Value, high: Value, new_low: Value, new_high: Value, dtype: DType) -> Value:
    if (x.dtype, dtype) == (qint32, quint8):
        return _fixed_point(x, low, high, new_low, new_high)
    return quantised(dequantised(x, low, high), new_low, new_high, dtype)


def _used_range(x: Value, low: Value, high: Value) -> tuple[Value, Value]:
    """Return the numbers that the lowest and the highest level in use stand for, the first of them 0 at most."""
    level, axes = plain(x), range(x.rank)
    low_used, high_used = (number_of(r.reduce(level, kind, axes), low, high, x.dtype) for kind in ("min", "max"))
    return e.minimum(low_used, scalar_like(low, 0)), high_used


@op("Requantize", outputs=("output", "output_min", "output_max"))
def requantize(
    input: Tensor[Input],
    input_min: Tensor[float32],
    input_max: Tensor[float32],
    requested_output_min: Tensor[float32],
    requested_output_max: Tensor[float32],
    *,
    out_type: Out,
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Return quantised numbers of a range as those of another range, which holds 0."""
    low, high = requested_output_min, requested_output_max
    check_scalars(
        "Requantize", input_min=input_min, input_max=input_max, requested_output_min=low, requested_output_max=high
    )
    check(compare(low, scalar_like(low, 0), "LE"), "requested_output_min must be <= 0, but got", data=[low])
    check(compare(high, low, "GE"), "requested_output_max must be >= requested_output_min, but got", data=[high, low])
    return _in_new_range(input, input_min, input_max, low, high, out_type), low, high


@op("RequantizationRange", outputs=("output_min", "output_max"))
def requantization_range(
    input: Tensor[Input], input_min: Tensor[float32], input_max: Tensor[float32]
) -> tuple[Tensor[float32], Tensor[float32]]:
    """Return the range that the input uses, begun at 0 or below."""
    check_scalars("RequantizationRange", input_min=input_min, input_max=input_max)
    return _used_range(input, input_min, input_max)


@op("QuantizeDownAndShrinkRange", outputs=("output", "output_min", "output_max"))
def quantize_down_and_shrink_range(
    input: Tensor[Input], input_min: Tensor[float32], input_max: Tensor[float32], *, out_type: Out
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Return quantised numbers with fewer levels, which cover the range that the input uses."""
    check_scalars("QuantizeDownAndShrinkRange", input_min=input_min, input_max=input_max)
    low, high = _used_range(input, input_min, input_max)
    return _in_new_range(input, input_min, input_max, low, high, out_type), low, high


Any = Types("T")


@op("QuantizedConcat", outputs=("output", "output_min", "output_max"))
def quantized_concat(
    concat_dim: Known[Tensor[int32]],
    values: Tensors[Any, "N"],
    input_mins: Tensors[float32, "N"],
    input_maxes: Tensors[float32, "N"],
) -> tuple[Tensor[Any], Tensor[float32], Tensor[float32]]:
    """Return quantised tensors one after another along an axis, brought to one range."""
    if len(values) < 2:
        raise refuse("QuantizedConcat", f"Value for attr 'N' of {len(values)}", "must be at least minimum 2")
    dtype = values[0].dtype
    if not dtype.is_quantized:
        raise refuse("QuantizedConcat", f"values of {dtype.name}", "give quantised tensors")
    low, high = constant(0, float32), reshape(input_maxes[0], ())
    for end in input_mins:
        low = e.minimum(low, reshape(end, ()))
    for end in input_maxes[1:]:
        high = e.maximum(high, reshape(end, ()))
    if ends_of(dtype)[0]:
        high = e.maximum(e.absolute(low), e.absolute(high))
        low = -high
    parts = []
    for value, least, most in zip(values, input_mins, input_maxes, strict=True):
        least, most = reshape(least, ()), reshape(most, ())
        same = e.bit_and(compare(least, low, "EQ"), compare(most, high, "EQ"))
        moved = quantised(dequantised(value, least, most), low, high, dtype)
        kept = select(wide_as(value, same), plain(value), plain(moved))
        parts.append(bitcast(kept, dtype))
    return concat_v1(concat_dim, parts), low, high


for _op in (requantize, requantization_range, quantize_down_and_shrink_range, quantized_concat):
    _op.no_gradient()

for _T in QUANTIZED:
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        if qint32 != _T or _mode != "MIN_FIRST":
            quantize_v2.cases(
                [((5,), (), ()), (("batch", 4), (), ())], inputs=(None, -1, 2), attributes={"T": _T, "mode": _mode}
            )
        dequantize.cases(
            [((5,), (), ()), (("batch", 4), (), ())], inputs=(None, -1, 2), attributes={"T": _T, "mode": _mode}
        )
quantize_v2.cases([((2, 3), (3,), (3,))], inputs=(None, [-1, 0, -2], [1, 2, 3]), attributes={"T": quint8, "axis": 1})
dequantize.cases([((2, 3), (3,), (3,))], inputs=(None, [-1, 0, -2], [1, 2, 3]), attributes={"T": quint8, "axis": 1})
dequantize.cases([((2, 3), (), ())], inputs=(None, -1, 2), attributes={"T": quint8, "dtype": bfloat16})
for _T in (quint8, qint32):
    requantize.cases(
        [((5,), (), (), (), ()), (("batch", 4), (), (), (), ())],
        inputs=(None, -9, 9, -1, 2),
        attributes={"Tinput": _T, "out_type": quint8},
    )
    requantization_range.cases(
        [((5,), (), ()), (("batch", 4), (), ())], inputs=(None, -9, 9), attributes={"Tinput": _T}
    )
    quantize_down_and_shrink_range.cases(
        [((5,), (), ()), (("batch", 4), (), ())], inputs=(None, -9, 9), attributes={"Tinput": _T, "out_type": quint8}
    )
    quantized_concat.cases(
        [((), (2, 3), ("batch", 3), (), (), (), ())], inputs=(0, None, None, -1, -2, 1, 1), attributes={"T": _T}
    )
