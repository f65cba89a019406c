"""Declare the ops that round numbers to a few levels and give numbers again: what training with quantisation in mind uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from millstream.base.dtypes import bfloat16, float16, float32, float64, int32
from millstream.base.sizes import is_known
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import reduction as r
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, scalar_like, select
from millstream.program.primitives.shaping import broadcast, constant, contents
from millstream.program.value import Value

T = Types("T", bfloat16, float16, float32, float64)


def _check_bits(what: str, num_bits: int) -> None:
    if not 2 <= num_bits <= 16:
        raise refuse(what, f"num_bits={num_bits}", "num_bits must be between 2 and 16, inclusive")


def _check_ends(what: str, inputs: Value, ends: Sequence[Value], per_channel: bool) -> None:
    rank = 1 if per_channel else 0
    for name, end in zip(("min", "max"), ends, strict=True):
        if end.rank != rank:
            raise refuse(
                what, f"`{name}` is of rank {end.rank}", f"`{name}` must be rank {rank} but is rank {end.rank}"
            )
        if per_channel and is_known(end.shape[0]) and is_known(inputs.shape[-1]) and end.shape[0] != inputs.shape[-1]:
            raise refuse(
                what, f"{name} of size {end.shape[0]}", f"{name} has incorrect size, expected {inputs.shape[-1]}"
            )


def _over(inputs: Value, part: Value) -> Value:
    """Return one number, or one for each channel, in the shape of the inputs."""
    return broadcast(part, inputs.shape, [] if part.rank == 0 else [inputs.rank - 1])


def _nudged(low: Value, high: Value, num_bits: int, narrow_range: bool) -> tuple[Value, Value, Value]:
    """Return the ends of a range moved so that 0 is a level, and the distance of the levels."""
    least, most = (1.0 if narrow_range else 0.0), float(2**num_bits - 1)
    scale = (high - low) / scalar_like(low, most - least)
    zero = scalar_like(low, least) - low / scale
    level = e.floor(zero + scalar_like(low, 0.5))
    level = select(compare(zero, scalar_like(low, most), "GT"), scalar_like(low, most), level)
    level = select(compare(zero, scalar_like(low, least), "LT"), scalar_like(low, least), level)
    return (scalar_like(low, least) - level) * scale, (scalar_like(low, most) - level) * scale, scale


def _rounded(inputs: Value, low: Value, high: Value, num_bits: int, narrow_range: bool) -> Value:
    start, end, scale = _nudged(low, high, num_bits, narrow_range)
    inverse = scalar_like(scale, 1) / scale
    zero = e.floor(-start * inverse + scalar_like(scale, 0.5))
    wide = [_over(inputs, v) for v in (start, end, scale, inverse, zero)]
    clamped = e.maximum(e.minimum(inputs, wide[1]), wide[0]) - wide[0]
    return e.floor(clamped * wide[3] - wide[4] + scalar_like(inputs, 0.5)) * wide[2]


def _none(low: Value, high: Value) -> Value:
    """Return where a range is nothing but 0."""
    zero = scalar_like(low, 0)
    return e.bit_and(compare(low, zero, "EQ"), compare(high, zero, "EQ"))


def _fake_quantized(inputs: Value, low: Value, high: Value, num_bits: int, narrow_range: bool) -> Value:
    empty = _none(low, high)
    safe = select(empty, scalar_like(high, 1), high)
    found = _rounded(inputs, low, safe, num_bits, narrow_range)
    return select(_over(inputs, empty), scalar_like(inputs, 0), found)


def _fake_gradients(
    gradients: Value, inputs: Value, low: Value, high: Value, num_bits: int, narrow_range: bool
) -> tuple[Value, Value, Value]:
    empty = _none(low, high)
    start, end, _ = _nudged(low, select(empty, scalar_like(high, 1), high), num_bits, narrow_range)
    zero = scalar_like(gradients, 0)
    below = compare(inputs, _over(inputs, start), "LT")
    above = compare(inputs, _over(inputs, end), "GT")
    whole = _over(inputs, empty)
    # NaN is neither below nor above, and within nothing.
    within = e.bit_and(compare(inputs, _over(inputs, start), "GE"), compare(inputs, _over(inputs, end), "LE"))
    axes = list(range(inputs.rank - low.rank))
    inside = e.logical_not(whole)
    return (
        select(e.bit_or(within, whole), gradients, zero),
        r.reduce(select(e.bit_and(below, inside), gradients, zero), "sum", axes),
        r.reduce(select(e.bit_and(above, inside), gradients, zero), "sum", axes),
    )


def _constants(what: str, min: float, max: float, num_bits: int) -> tuple[Value, Value]:
    _check_bits(what, num_bits)
    if not min < max:
        raise refuse(what, f"min={min}, max={max}", f"min has to be smaller than max, was: {min:g} >= {max:g}")
    return constant(min, float32), constant(max, float32)


@op("FakeQuantWithMinMaxArgs", outputs="outputs")
def fake_quant_args(
    inputs: Tensor[float32], *, min: float = -6.0, max: float = 6.0, num_bits: int = 8, narrow_range: bool = False
) -> Tensor[float32]:
    """Return the inputs rounded to 2 ** num_bits levels between two numbers, of which 0 is one."""
    low, high = _constants("FakeQuantWithMinMaxArgs", min, max, num_bits)
    return _rounded(inputs, low, high, num_bits, narrow_range)


@op("FakeQuantWithMinMaxArgsGradient", outputs="backprops")
def fake_quant_args_gradient(
    gradients: Tensor[float32],
    inputs: Tensor[float32],
    *,
    min: float = -6.0,
    max: float = 6.0,
    num_bits: int = 8,
    narrow_range: bool = False,
) -> Tensor[float32]:
    """Return the gradients where the inputs are between the two numbers, 0 elsewhere."""
    low, high = _constants("FakeQuantWithMinMaxArgsGradient", min, max, num_bits)
    start, end, _ = _nudged(low, high, num_bits, narrow_range)
    within = e.bit_and(compare(inputs, _over(inputs, start), "GE"), compare(inputs, _over(inputs, end), "LE"))
    return select(within, gradients, scalar_like(gradients, 0))


@fake_quant_args.gradient
def _(dy: Value, y: Value, inputs: Value, min: float, max: float, num_bits: int, narrow_range: bool) -> tuple[Value]:
    return (fake_quant_args_gradient(dy, inputs, min=min, max=max, num_bits=num_bits, narrow_range=narrow_range),)


@op("FakeQuantWithMinMaxVars", outputs="outputs")
def fake_quant_vars(
    inputs: Tensor[float32],
    min: Tensor[float32],
    max: Tensor[float32],
    *,
    num_bits: int = 8,
    narrow_range: bool = False,
) -> Tensor[float32]:
    """Return the inputs rounded to 2 ** num_bits levels between two scalars, of which 0 is one."""
    _check_bits("FakeQuantWithMinMaxVars", num_bits)
    _check_ends("FakeQuantWithMinMaxVars", inputs, (min, max), False)
    return _fake_quantized(inputs, min, max, num_bits, narrow_range)


@op("FakeQuantWithMinMaxVarsGradient", outputs=("backprops_wrt_input", "backprop_wrt_min", "backprop_wrt_max"))
def fake_quant_vars_gradient(
    gradients: Tensor[float32],
    inputs: Tensor[float32],
    min: Tensor[float32],
    max: Tensor[float32],
    *,
    num_bits: int = 8,
    narrow_range: bool = False,
) -> tuple[Tensor[float32], Tensor[float32], Tensor[float32]]:
    """Return the gradients between the ends for the inputs, and the sums of those beyond for each end."""
    _check_bits("FakeQuantWithMinMaxVarsGradient", num_bits)
    _check_ends("FakeQuantWithMinMaxVarsGradient", inputs, (min, max), False)
    return _fake_gradients(gradients, inputs, min, max, num_bits, narrow_range)


@fake_quant_vars.gradient
def _(
    dy: Value, y: Value, inputs: Value, min: Value, max: Value, num_bits: int, narrow_range: bool
) -> tuple[Value, Value, Value]:
    return fake_quant_vars_gradient(dy, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range)  # type: ignore[no-any-return]


@op("FakeQuantWithMinMaxVarsPerChannel", outputs="outputs")
def fake_quant_channels(
    inputs: Tensor[float32],
    min: Tensor[float32],
    max: Tensor[float32],
    *,
    num_bits: int = 8,
    narrow_range: bool = False,
) -> Tensor[float32]:
    """Return the inputs rounded to levels between two numbers for each place of the last axis."""
    _check_bits("FakeQuantWithMinMaxVarsPerChannel", num_bits)
    _check_ends("FakeQuantWithMinMaxVarsPerChannel", inputs, (min, max), True)
    return _fake_quantized(inputs, min, max, num_bits, narrow_range)


@op(
    "FakeQuantWithMinMaxVarsPerChannelGradient", outputs=("backprops_wrt_input", "backprop_wrt_min", "backprop_wrt_max")
)
def fake_quant_channels_gradient(
    gradients: Tensor[float32],
    inputs: Tensor[float32],
    min: Tensor[float32],
    max: Tensor[float32],
    *,
    num_bits: int = 8,
    narrow_range: bool = False,
) -> tuple[Tensor[float32], Tensor[float32], Tensor[float32]]:
    """Return the gradients between the ends for the inputs, and the sums of those beyond for the ends of each channel."""
    _check_bits("FakeQuantWithMinMaxVarsPerChannelGradient", num_bits)
    _check_ends("FakeQuantWithMinMaxVarsPerChannelGradient", inputs, (min, max), True)
    return _fake_gradients(gradients, inputs, min, max, num_bits, narrow_range)


@fake_quant_channels.gradient
def _(
    dy: Value, y: Value, inputs: Value, min: Value, max: Value, num_bits: int, narrow_range: bool
) -> tuple[Value, Value, Value]:
    return fake_quant_channels_gradient(dy, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range)  # type: ignore[no-any-return]


def _levels(signed: bool, num_bits: int, narrow_range: bool) -> tuple[int, int]:
    if not signed:
        return 0, 2**num_bits - 1
    return -(2 ** (num_bits - 1)) + int(narrow_range), 2 ** (num_bits - 1) - 1


def _there_and_back(
    what: str,
    input: Value,
    low: Value,
    high: Value,
    signed_input: bool,
    num_bits: int,
    range_given: bool,
    round_mode: str,
    narrow_range: bool,
    axis: int,
) -> Value:
    if not 0 < num_bits < (62 if signed_input else 63):
        raise refuse(
            what, f"num_bits={num_bits}", f"num_bits is out of range: {num_bits} with signed_input {int(signed_input)}"
        )
    if axis >= input.rank or axis < -1:
        raise refuse(what, f"axis {axis}", f"Shape must be at least rank {axis + 1} but is rank {input.rank}")
    if range_given:
        for name, end in (("input_min", low), ("input_max", high)):
            if end.rank != (0 if axis == -1 else 1):
                raise refuse(
                    what, f"{name} of rank {end.rank}", f"{name} must be a {'scalar' if axis == -1 else 'vector'}"
                )
        reversed_ = compare(low, high, "GT")
        check(
            e.logical_not(r.reduce(reversed_, "or", range(low.rank))),
            "Invalid range: input_min > input_max: give the lower end first.",
            data=[low, high],
        )
    else:
        axes = [i for i in range(input.rank) if i != axis]
        low, high = r.reduce(input, "min", axes), r.reduce(input, "max", axes)
    least, most = _levels(signed_input, num_bits, narrow_range)
    smallest, largest = scalar_like(low, least), scalar_like(low, most)
    zero, never = scalar_like(low, 0), scalar_like(low, _LARGEST[low.dtype.name])

    def scale_of(level: Value, end: Value) -> Value:
        usable = compare(level * end, zero, "GT")
        return select(usable, level / select(usable, end, scalar_like(end, 1)), never)

    from_low, from_high = scale_of(smallest, low), scale_of(largest, high)
    by_low = compare(from_low, from_high, "LT")
    scale = select(by_low, from_low, from_high)
    by_levels = low / (smallest if least else scalar_like(low, 1))
    inverse = select(by_low, by_levels, high / largest)
    start = select(by_low, low, smallest * inverse)
    end = select(by_low, largest * inverse, high)
    axes = [] if axis == -1 else [axis]
    wide = [broadcast(v, input.shape, axes) for v in (scale, inverse, start, end)]
    inner = e.maximum(e.minimum(input, wide[3]), wide[2]) if range_given else input
    scaled = inner * wide[0]
    half = scalar_like(scaled, 0.5)
    rounded = e.round_even(scaled) if round_mode == "HALF_TO_EVEN" else e.floor(scaled + half)
    return rounded * wide[1]


_LARGEST = {
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "float16": 65504.0,
    "bfloat16": 3.3895314e38,
}


@op("QuantizeAndDequantizeV2", outputs="output")
def quantize_and_dequantize_v2(
    input: Tensor[T],
    input_min: Tensor[T],
    input_max: Tensor[T],
    *,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: Literal["HALF_TO_EVEN", "HALF_UP"] = "HALF_TO_EVEN",
    narrow_range: bool = False,
    axis: int = -1,
) -> Tensor[T]:
    """Return the input rounded to 2 ** num_bits levels, whose distance its largest number says, or the range given."""
    return _there_and_back(
        "QuantizeAndDequantizeV2", input, input_min, input_max, signed_input, num_bits, range_given, round_mode,
        narrow_range, axis,
    )  # fmt: skip


@quantize_and_dequantize_v2.gradient
def _(dy: Value, y: Value, *inputs: Value, **_attributes: object) -> tuple[Value, None, None]:
    # The gradient goes straight through.
    return dy, None, None


@op("QuantizeAndDequantizeV3", outputs="output")
def quantize_and_dequantize_v3(
    input: Tensor[T],
    input_min: Tensor[T],
    input_max: Tensor[T],
    num_bits: Known[Tensor[int32]],
    *,
    signed_input: bool = True,
    range_given: bool = True,
    narrow_range: bool = False,
    axis: int = -1,
) -> Tensor[T]:
    """Return the input rounded to 2 ** num_bits levels, the number of bits being a tensor."""
    (bits,) = contents(num_bits)
    if not is_known(bits):
        raise refuse("QuantizeAndDequantizeV3", "num_bits known only when it runs", "give a constant")
    return _there_and_back(
        "QuantizeAndDequantizeV3", input, input_min, input_max, signed_input, bits, range_given, "HALF_TO_EVEN",
        narrow_range, axis,
    )  # fmt: skip


@quantize_and_dequantize_v3.gradient
def _(dy: Value, y: Value, *inputs: Value, **_attributes: object) -> tuple[Value, None, None, None]:
    return dy, None, None, None


@op("QuantizeAndDequantizeV4", outputs="output")
def quantize_and_dequantize_v4(
    input: Tensor[T],
    input_min: Tensor[T],
    input_max: Tensor[T],
    *,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: Literal["HALF_TO_EVEN", "HALF_UP"] = "HALF_TO_EVEN",
    narrow_range: bool = False,
    axis: int = -1,
) -> Tensor[T]:
    """Return what QuantizeAndDequantizeV2 returns; its gradient is 0 outside of the range given."""
    return _there_and_back(
        "QuantizeAndDequantizeV4", input, input_min, input_max, signed_input, num_bits, range_given, round_mode,
        narrow_range, axis,
    )  # fmt: skip


@op("QuantizeAndDequantizeV4Grad", outputs=("input_backprop", "input_min_backprop", "input_max_backprop"))
def quantize_and_dequantize_v4_gradient(
    gradients: Tensor[T], input: Tensor[T], input_min: Tensor[T], input_max: Tensor[T], *, axis: int = -1
) -> tuple[Tensor[T], Tensor[T], Tensor[T]]:
    """Return the gradients where the input is in the range, and nothing for its ends."""
    axes = [] if axis == -1 else [axis]
    low, high = (broadcast(v, input.shape, axes) for v in (input_min, input_max))
    within = e.bit_and(compare(input, low, "GE"), compare(input, high, "LE"))
    zero = scalar_like(input_min, 0)
    nothing = [select(compare(v, v, "EQ"), zero, zero) for v in (input_min, input_max)]
    return select(within, gradients, scalar_like(gradients, 0)), nothing[0], nothing[1]


@quantize_and_dequantize_v4.gradient
def _(
    dy: Value, y: Value, input: Value, input_min: Value, input_max: Value, *, axis: int, **_attributes: object
) -> tuple[Value, Value, Value]:
    return quantize_and_dequantize_v4_gradient(dy, input, input_min, input_max, axis=axis)  # type: ignore[no-any-return]


_VARS: list[Op] = [fake_quant_vars, fake_quant_channels]
fake_quant_args.cases([(4, 5), (), ("batch", 3), (0, 2)], low=-8, high=8, gradient=False)
fake_quant_args.cases([(4,)], attributes={"num_bits": 4, "narrow_range": True}, extreme=[1e30, -1e30], gradient=False)
fake_quant_args_gradient.cases([((4, 5), (4, 5)), (("batch",), ("batch",))], low=-8, high=8, gradient=False)
fake_quant_vars.cases([((4, 5), (), ()), (("batch", 2), (), ())], inputs=(None, -1.0, 1.5), gradient=False)
fake_quant_vars.cases([((4,), (), ())], inputs=(None, 0.0, 0.0), gradient=False)
fake_quant_vars_gradient.cases([((4, 5), (4, 5), (), ())], inputs=(None, None, -1.0, 1.5), gradient=False)
fake_quant_channels.cases(
    [((4, 2), (2,), (2,)), (("batch", 2), (2,), (2,))], inputs=(None, [-1.0, 0.0], [1.5, 0.0]), gradient=False
)
fake_quant_channels_gradient.cases(
    [((4, 2), (4, 2), (2,), (2,))], inputs=(None, None, [-1.0, 0.0], [1.5, 0.0]), gradient=False
)
for _op in (quantize_and_dequantize_v2, quantize_and_dequantize_v4):
    _op.cases([((4, 5), (), ()), (("batch", 2), (), ())], inputs=(None, -1.0, 1.0), gradient=False)
    _op.cases(
        [((4, 2), (2,), (2,))],
        inputs=(None, [-1.0, -2.0], [1.0, 0.5]),
        attributes={"range_given": True, "axis": 1, "round_mode": "HALF_UP"},
        gradient=False,
    )
quantize_and_dequantize_v3.cases([((4, 5), (), (), ())], inputs=(None, -1.0, 1.0, 4), gradient=False)
quantize_and_dequantize_v4_gradient.cases([((4, 5), (4, 5), (), ())], inputs=(None, None, -1.0, 1.0), gradient=False)
