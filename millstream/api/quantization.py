"""tf.quantization: numbers rounded to a few levels. The tensors of quantised element types are in quantization_types.py."""

from __future__ import annotations

from typing import Any

from millstream.api.calls import named
from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import quantization as ops


@public("quantization.fake_quant_with_min_max_args")
def fake_quant_with_min_max_args(
    inputs: Any, min: float = -6, max: float = 6, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Any:
    """Return numbers rounded to 2 ** num_bits levels between `min` and `max`, of which 0 is one: what integers could hold.

    Its gradient is 1 between the ends, 0 beyond.

    Args:
      inputs: float32 of any shape.
      min: the lower end; it is moved so that 0 is a level.
      max: the upper end.
      num_bits: 2 to 16.
      narrow_range: whether the lowest level is left out.
      name: accepted and not used.

    Raises:
      tf.errors.InvalidArgumentError: where `min` is not below `max`, or `num_bits` out of range.

    >>> tf.quantization.fake_quant_with_min_max_args([-10.0, 0.1, 2.0], 0.0, 3.0, num_bits=2).numpy().tolist()
    [0.0, 0.0, 2.0]
    """
    attributes = {"min": float(min), "max": float(max), "num_bits": num_bits, "narrow_range": narrow_range}
    return apply(ops.fake_quant_args, inputs, **attributes)


@public("quantization.fake_quant_with_min_max_args_gradient")
def fake_quant_with_min_max_args_gradient(
    gradients: Any,
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Return the gradients where `inputs` are between the ends, 0 elsewhere. See `fake_quant_with_min_max_args`.

    Args:
      gradients: what flows back to the result, of the shape of `inputs`.
      inputs: what was rounded.
      min, max, num_bits, narrow_range: as there.
      name: accepted and not used.
    """
    attributes = {"min": float(min), "max": float(max), "num_bits": num_bits, "narrow_range": narrow_range}
    return apply(ops.fake_quant_args_gradient, gradients, inputs, **attributes)


@public("quantization.fake_quant_with_min_max_vars")
def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Any:
    """Return numbers rounded to levels between two scalars, which get gradients, too.

    Args:
      inputs: float32 of any shape.
      min, max: float32 scalars.
      num_bits: 2 to 16.
      narrow_range: whether the lowest level is left out.
      name: accepted and not used.

    >>> tf.quantization.fake_quant_with_min_max_vars([-1.0, 0.4, 5.0], 0.0, 3.0, num_bits=2).numpy().tolist()
    [0.0, 0.0, 3.0]
    """
    return apply(ops.fake_quant_vars, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range)


@public("quantization.fake_quant_with_min_max_vars_gradient")
def fake_quant_with_min_max_vars_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Return the gradients for `inputs`, `min` and `max` of `fake_quant_with_min_max_vars`.

    Args:
      gradients: what flows back to the result, of the shape of `inputs`.
      inputs, min, max, num_bits, narrow_range: as there.
      name: accepted and not used.
    """
    return named(
        ops.fake_quant_vars_gradient, gradients, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range
    )


@public("quantization.fake_quant_with_min_max_vars_per_channel")
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Any:
    """Return numbers rounded to levels between two numbers for each place of the last axis.

    Args:
      inputs: float32 [..., d].
      min, max: float32 [d].
      num_bits: 2 to 16.
      narrow_range: whether the lowest level is left out.
      name: accepted and not used.

    >>> tf.quantization.fake_quant_with_min_max_vars_per_channel([[9.0, 9.0]], [0.0, 0.0], [3.0, 6.0]).numpy().tolist()
    [[3.0, 6.0]]
    """
    return apply(ops.fake_quant_channels, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range)


@public("quantization.fake_quant_with_min_max_vars_per_channel_gradient")
def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Return the gradients for `inputs`, `min` and `max` of `fake_quant_with_min_max_vars_per_channel`.

    Args:
      gradients: what flows back to the result, of the shape of `inputs`.
      inputs, min, max, num_bits, narrow_range: as there.
      name: accepted and not used.
    """
    return named(
        ops.fake_quant_channels_gradient, gradients, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range
    )


def _there_and_back(op: Any, input: Any, low: Any, high: Any, axis: int | None, **attributes: Any) -> Any:
    tensor = to_tensor(input)
    place = -1 if axis is None else axis
    if axis is not None and axis < 0:
        if tensor.shape.rank is None:
            raise ValueError(explain("input should have known rank to use negative axis."))
        place = axis % tensor.shape.rank
    ends = (to_tensor(v, tensor.dtype) for v in (low, high))
    return apply(op, tensor, *ends, axis=place, **attributes)


@public("quantization.quantize_and_dequantize")
def quantize_and_dequantize(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """Return numbers rounded to 2 ** num_bits levels around 0; gradients go straight through.

    Args:
      input: a floating tensor.
      input_min, input_max: the range; used where `range_given`, else that of the input is taken.
      signed_input: whether there are levels below 0.
      num_bits: how many bits a level takes.
      range_given: whether the range is given; the input is cut to it then.
      round_mode: "HALF_TO_EVEN" or "HALF_UP".
      name: accepted and not used.
      narrow_range: whether the lowest level is left out.
      axis: the axis whose places have ranges of their own, None for one range.

    >>> tf.quantization.quantize_and_dequantize([-1.0, 0.3, 1.0], 0.0, 0.0, num_bits=2).numpy().tolist()
    [-1.0, 0.0, 1.0]
    """
    return _there_and_back(
        ops.quantize_and_dequantize_v2, input, input_min, input_max, axis, signed_input=signed_input, num_bits=num_bits,
        range_given=range_given, round_mode=round_mode, narrow_range=narrow_range,
    )  # fmt: skip


@public("quantization.quantize_and_dequantize_v2")
def quantize_and_dequantize_v2(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Any:
    """Return what `quantize_and_dequantize` returns; its gradient is 0 where the input is outside of the range given.

    Args:
      input, input_min, input_max, signed_input, num_bits, range_given, round_mode, name, narrow_range, axis: as there.

    >>> tf.quantization.quantize_and_dequantize_v2([-3.0, 0.3], -1.0, 1.0, range_given=True).numpy().astype(float).round(2).tolist()
    [-1.01, 0.3]
    """
    return _there_and_back(
        ops.quantize_and_dequantize_v4, input, input_min, input_max, axis, signed_input=signed_input, num_bits=num_bits,
        range_given=range_given, round_mode=round_mode, narrow_range=narrow_range,
    )  # fmt: skip
