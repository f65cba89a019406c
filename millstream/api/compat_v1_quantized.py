"""tf.compat.v1: windows and rectifiers of quantised tensors under their older names. Holds no numerics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.calls import named
from millstream.api.public import public
from millstream.api.quantization_types import quantize
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.ops import quantized_nn as ops


@public("compat.v1.quantize_v2")
def quantize_v2(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    narrow_range: bool = False,
    axis: int | None = None,
    ensure_minimum_range: float = 0.01,
) -> Any:
    """Quantise numbers; see `tf.quantization.quantize`.

    Args:
      input, min_range, max_range, T, mode, name, round_mode, narrow_range, axis, ensure_minimum_range: as there.
    """
    return quantize(input, min_range, max_range, T, mode, round_mode, name, narrow_range, axis, ensure_minimum_range)


def _pool(kind: str, says: str, op: Any) -> None:
    def pool(
        input: Any,
        min_input: Any,
        max_input: Any,
        ksize: Sequence[int],
        strides: Sequence[int],
        padding: str,
        name: str | None = None,
    ) -> Any:
        windows = {"ksize": tuple(ksize), "strides": tuple(strides), "padding": padding}
        return named(op, input, min_input, max_input, **windows)

    pool.__name__ = pool.__qualname__ = kind
    pool.__doc__ = f"""Return {says} of each window of quantised images, and their range.

    Args:
      input: quantised numbers of shape [batch, height, width, channels].
      min_input, max_input: their range.
      ksize, strides: sizes and steps of the windows, one for each axis.
      padding: "SAME" or "VALID".
      name: accepted and not used.
    """
    public(f"compat.v1.nn.{kind}")(pool)


_pool("quantized_avg_pool", "the mean", ops.quantized_avg_pool)
_pool("quantized_max_pool", "the largest", ops.quantized_max_pool)


@public("compat.v1.nn.quantized_conv2d")
def quantized_conv2d(
    input: Any,
    filter: Any,
    min_input: Any,
    max_input: Any,
    min_filter: Any,
    max_filter: Any,
    strides: Sequence[int],
    padding: str,
    out_type: Any = dtypes.qint32,
    dilations: Sequence[int] = [1, 1, 1, 1],
    name: str | None = None,
) -> Any:
    """Convolve quantised images with quantised filters: whole numbers throughout, of type qint32.

    Args:
      input: quantised numbers of shape [batch, height, width, channels].
      filter: quantised numbers of shape [height, width, channels, outputs].
      min_input, max_input, min_filter, max_filter: their ranges.
      strides: one for each axis.
      padding: "SAME" or "VALID".
      out_type: tf.qint32.
      dilations: ones.
      name: accepted and not used.

    Returns:
      A named tuple of `output`, `min_output` and `max_output`.
    """
    return named(
        ops.quantized_conv2d, input, filter, min_input, max_input, min_filter, max_filter, strides=tuple(strides),
        padding=padding, out_type=as_dtype(out_type), dilations=tuple(dilations),
    )  # fmt: skip


@public("compat.v1.nn.quantized_relu_x")
def quantized_relu_x(
    features: Any,
    max_value: Any,
    min_features: Any,
    max_features: Any,
    out_type: Any = dtypes.quint8,
    name: str | None = None,
) -> Any:
    """Return min(max(features, 0), max_value) of quantised numbers, and their range.

    Args:
      features: quantised numbers.
      max_value: the most that they may stand for.
      min_features, max_features: their range.
      out_type: their element type.
      name: accepted and not used.
    """
    return named(ops.quantized_relu_x, features, max_value, min_features, max_features, out_type=as_dtype(out_type))
