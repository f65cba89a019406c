"""tf.quantization: tensors of quantised element types, whose integers stand for levels of a range. Holds no numerics."""

from __future__ import annotations

from typing import Any

from millstream.api.calls import named
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import quantized as ops


def _axis(axis: int | None, rank: int | None) -> int:
    if axis is None:
        return -1
    if axis >= 0:
        return axis
    if rank is None:
        raise ValueError(explain("input should have known rank to use negative axis."))
    return axis + rank


@public("quantization.quantize")
def quantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
    ensure_minimum_range: float = 0.01,
) -> Any:
    """Quantise numbers: return the nearest levels of a range, and the range.

    MIN_COMBINED: (clip(input) - min) * levels / (max - min), moved to the lowest number of T. MIN_FIRST: the lowest level
    is rounded first, so that 0 is a level. SCALED: input * s, where s takes the larger end of the range to an end of T.

    Args:
      input: a tensor of float32.
      min_range, max_range: the range, scalars; vectors of one number for each place of `axis` where that is given.
      T: the element type to give: tf.qint8, tf.quint8, tf.qint16, tf.quint16 or tf.qint32.
      mode: "MIN_COMBINED", "MIN_FIRST" or "SCALED".
      round_mode: "HALF_AWAY_FROM_ZERO", or "HALF_TO_EVEN" of mode SCALED.
      name: accepted and not used.
      narrow_range: whether SCALED leaves the lowest number of T out.
      axis: the axis whose places have ranges of their own, None for one range.
      ensure_minimum_range: the least size of the range, as a share of its larger end or of 1.

    Returns:
      A named tuple of `output`, `output_min` and `output_max`; the last two say what range was taken, which holds 0.

    Raises:
      tf.errors.InvalidArgumentError: where max_range < min_range, or an end of the range has the wrong shape.

    >>> tf.quantization.quantize([-1.0, 0.0, 0.5], -1.0, 1.0, tf.qint8).output.numpy().tolist()
    [-128, 0, 64]
    """
    x = to_tensor(input, dtypes.float32)
    return named(
        ops.quantize_v2, x, min_range, max_range, T=as_dtype(T), mode=mode, round_mode=round_mode,
        narrow_range=bool(narrow_range), axis=_axis(axis, x.shape.rank), ensure_minimum_range=float(ensure_minimum_range),
    )  # fmt: skip


@public("quantization.dequantize")
def dequantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    axis: int | None = None,
    narrow_range: bool = False,
    dtype: Any = dtypes.float32,
) -> Any:
    """Return the numbers that quantised ones of a range stand for: what `quantize` was given, to one level.

    Args:
      input: a tensor of a quantised element type.
      min_range, max_range: the range that `quantize` returned.
      mode, axis, narrow_range: what `quantize` was given.
      name: accepted and not used.
      dtype: tf.float32, or tf.bfloat16 in mode MIN_COMBINED.

    Raises:
      tf.errors.InvalidArgumentError: where the ends of the range have the wrong shape.

    >>> q = tf.quantization.quantize([-1.0, 0.0, 1.0], -1.0, 1.0, tf.qint16)
    >>> tf.quantization.dequantize(*q).numpy().round(3).tolist()
    [-1.0, 0.0, 1.0]
    """
    x = to_tensor(input)
    return apply(
        ops.dequantize, x, min_range, max_range, mode=mode, narrow_range=bool(narrow_range),
        axis=_axis(axis, x.shape.rank), dtype=as_dtype(dtype),
    )  # fmt: skip


@public("quantization.quantized_concat")
def quantized_concat(concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any, name: str | None = None) -> Any:
    """Join quantised tensors along an axis, brought to the range that holds all of theirs.

    Args:
      concat_dim: the axis.
      values: two or more quantised tensors of one element type.
      input_mins, input_maxes: the range of each.
      name: accepted and not used.

    Returns:
      A named tuple of `output`, `output_min` and `output_max`.

    Raises:
      tf.errors.InvalidArgumentError: where there are less than two, or their shapes do not fit.

    >>> parts = [tf.quantization.quantize([1.0], 0.0, 1.0, tf.quint8).output] * 2
    >>> tf.quantization.quantized_concat(0, parts, [0.0, 0.0], [1.0, 2.0]).output.numpy().tolist()
    [128, 255]
    """
    return named(ops.quantized_concat, concat_dim, list(values), list(input_mins), list(input_maxes))
