"""tf.signal: windows, frames and short-time Fourier transforms. The transforms themselves are in `signal_transforms`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.math import cast
from millstream.api.public import public
from millstream.api.signal_transforms import irfft, rfft
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find


def _scalar(value: Any, what: str) -> Any:
    """Return a whole number as a tensor.

    Raises:
      ValueError: where it is no scalar.
    """
    found = to_tensor(value, None, dtypes.int32)
    if found.shape.rank not in (0, None):
        raise ValueError(explain(f"{what} has shape {found.shape}, which must have rank 0: give a scalar."))
    return found


def _floating(dtype: Any) -> Any:
    wanted = as_dtype(dtype)
    if not wanted.is_floating:
        raise ValueError(explain(f"dtype must be a floating point type. Found {wanted}"))
    return wanted


def _raised_cosine(length: Any, periodic: Any, dtype: Any, a: float, b: float) -> Any:
    wanted = _floating(dtype)
    known = static_value(_scalar(length, "window_length"))
    even = bool(periodic) if isinstance(periodic, (bool, np.bool_)) else bool(static_value(periodic))
    if known is not None:
        n = int(known)
        if n == 1:
            return eager_constant([1], wanted)
        span = n + (1 - n % 2) * even - 1 if even else n - 1
        angle = 2 * np.pi * np.arange(n) / span
        return eager_constant((a - b * np.cos(angle)).astype(wanted.as_numpy_dtype), wanted)
    count = to_tensor(length, None, dtypes.int32)
    span = count + (1 - count % 2) - 1 if even else count - 1
    turn = cast(array.range_(count), wanted) * eager_constant(2 * np.pi, wanted) / cast(span, wanted)
    window = eager_constant(a, wanted) - eager_constant(b, wanted) * apply(find("Cos"), turn)
    return apply(
        find("SelectV2"), apply(find("Equal"), count, eager_constant(1, dtypes.int32)), array.ones_like(window), window
    )


@public("signal.hann_window")
def hann_window(window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None) -> Any:
    """Return a Hann window."""
    return _raised_cosine(window_length, periodic, dtype, 0.5, 0.5)


@public("signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Any:
    """Return a Hamming window."""
    return _raised_cosine(window_length, periodic, dtype, 0.54, 0.46)


@public("signal.kaiser_window")
def kaiser_window(window_length: Any, beta: Any = 12.0, dtype: Any = dtypes.float32, name: str | None = None) -> Any:
    """Return a Kaiser window."""
    wanted, count = _floating(dtype), _scalar(window_length, "window_length")
    beta = cast(to_tensor(beta), wanted)
    place = cast(array.range_(count), wanted)
    half = (cast(count, wanted) - 1) / 2
    ratio = (place - half) / half
    inner = beta * apply(find("Sqrt"), apply(find("Maximum"), 1 - ratio * ratio, eager_constant(0, wanted)))
    window = apply(find("Exp"), inner - beta) * apply(find("BesselI0e"), inner) / apply(find("BesselI0e"), beta)
    known = static_value(count)
    return array.ones([1], wanted) if known is not None and int(known) == 1 else window


@public("signal.kaiser_bessel_derived_window")
def kaiser_bessel_derived_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = dtypes.float32, name: str | None = None
) -> Any:
    """Return a Kaiser-Bessel derived window: the square roots of a Kaiser window's running sums, and their mirror image.

    Arguments:
      window_length: the count of elements, an even whole number.
      beta: the parameter of the Kaiser window.
      dtype: a floating point type.
      name: not used.
    """
    count = _scalar(window_length, "window_length")
    sums = apply(find("Cumsum"), kaiser_window(count // 2 + 1, beta, dtype), 0)
    half = apply(find("Sqrt"), sums[:-1] / sums[-1])
    return array.concat([half, half[::-1]], 0)


@public("signal.vorbis_window")
def vorbis_window(window_length: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Any:
    """Return a Vorbis power complementary window."""
    wanted, count = _floating(dtype), _scalar(window_length, "window_length")
    arg = cast(array.range_(count), wanted)
    inner = apply(find("Sin"), eager_constant(np.pi, wanted) / cast(count, wanted) * (arg + 0.5))
    return apply(find("Sin"), eager_constant(np.pi / 2, wanted) * inner * inner)


def _size(x: Any, axis: int) -> Any:
    known = x.shape.as_list()[axis]
    return known if known is not None else array.shape(x)[axis]


@public("signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: int = -1,
    name: str | None = None,
) -> Any:
    """Return overlapping parts of `frame_length` along an axis, one every `frame_step` elements."""
    x = to_tensor(signal)
    rank = x.shape.rank
    if rank is None:
        raise ValueError(explain("tf.signal.frame needs a tensor of known rank; give it with tf.ensure_shape."))
    if rank == 0:
        raise ValueError(explain("Shape () must have rank at least 1: give tf.signal.frame a vector, or more axes."))
    if not -rank <= axis < rank:
        raise IndexError(
            explain(f"axis is {axis}, which rank {rank} does not have: choose one from {-rank} to {rank - 1}.")
        )
    axis %= rank
    known = [static_value(_scalar(v, "frame_length and frame_step")) for v in (frame_length, frame_step)]
    length, step = (int(k) if k is not None else v for k, v in zip(known, (frame_length, frame_step), strict=True))
    if step == 0:
        raise errors.InvalidArgumentError(
            None, None, explain("Integer division by zero: frame_step of tf.signal.frame must be 1 or more.")
        )
    total = _size(x, axis)
    if pad_end:
        count = -(-total // step)
        missing = (count - 1) * step + length - total
        more = (
            max(0, missing)
            if isinstance(missing, int)
            else apply(find("Maximum"), missing, eager_constant(0, missing.dtype))
        )
        zero = eager_constant(0, dtypes.int32) if not isinstance(more, int) else 0
        pads = [[zero, more] if i == axis else [zero, zero] for i in range(rank)]
        x = array.pad(x, pads, constant_values=pad_value)
    else:
        spare = total - length
        count = (
            max(0, 1 + spare // step)
            if isinstance(spare, int)
            else apply(find("Maximum"), 1 + spare // step, eager_constant(0, spare.dtype))
        )
    starts = array.reshape(array.range_(count) * step, [-1, 1])
    return picking.gather(x, starts + array.reshape(array.range_(length), [1, -1]), axis=axis)


@public("signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Any:
    """Return the sum of overlapping frames [..., frames, frame_length], one every `frame_step` elements."""
    x = to_tensor(signal)
    step = _scalar(frame_step, "frame_step")
    if not step.dtype.is_integer:
        raise ValueError(explain(f"frame_step must be an integer. Got {step.dtype}"))
    rank = x.shape.rank
    if rank is None or rank < 2:
        raise ValueError(explain("tf.signal.overlap_and_add needs a tensor of known rank, 2 or more."))
    sizes = array.shape(x)
    frames, length = _size(x, -2), _size(x, -1)
    places = array.reshape(array.range_(frames) * step, [-1, 1]) + array.reshape(array.range_(length), [1, -1])
    total = (frames - 1) * step + length
    # Elements first, then the batch: one sum by place.
    moved = array.transpose(x, [rank - 2, rank - 1, *range(rank - 2)])
    summed = apply(find("UnsortedSegmentSum"), moved, places, total)
    back = array.transpose(summed, [*range(1, rank - 1), 0])
    return array.reshape(back, array.concat([sizes[:-2], array.reshape(total, [1])], 0))


def _enclosing(n: Any) -> int:
    known = static_value(to_tensor(n, None, dtypes.int32))
    if known is None:
        raise ValueError(explain("frame_length must be known while tracing where fft_length is not given."))
    return int(2 ** np.ceil(np.log2(int(known))))


@public("signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Any] | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Any:
    """Return the Fourier transforms of windowed frames, [..., frames, fft_length / 2 + 1]."""
    x = to_tensor(signals)
    points = _enclosing(frame_length) if fft_length is None else fft_length
    framed = frame(x, frame_length, frame_step, pad_end)
    if window_fn is not None:
        framed = framed * window_fn(frame_length, dtype=framed.dtype)
    return rfft(framed, [points])


@public("signal.inverse_stft_window_fn")
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Callable[..., Any] = hann_window, name: str | None = None
) -> Callable[..., Any]:
    """Return the window with which inverse_stft undoes stft with `forward_window_fn`."""

    def window_fn(frame_length: Any, dtype: Any) -> Any:
        step, length = to_tensor(frame_step, None, dtypes.int32), to_tensor(frame_length, None, dtypes.int32)
        forward = forward_window_fn(length, dtype=dtype)
        squares = forward * forward
        overlaps = -(-length // step)
        padded = array.pad(squares, [[0, overlaps * step - length]])
        table = apply(
            find("Sum"), array.reshape(padded, array.stack([overlaps, step])), array.index_tensor([0]), keep_dims=True
        )
        spread = array.reshape(array.tile(table, array.stack([overlaps, 1])), [-1])
        return apply(find("DivNoNan"), forward, spread[:length])

    return window_fn


@public("signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Any] | None = hann_window,
    name: str | None = None,
) -> Any:
    """Return the signals whose windowed frames have these Fourier transforms."""
    x = to_tensor(stfts)
    points = _enclosing(frame_length) if fft_length is None else fft_length
    real = irfft(x, [points])
    known = (
        static_value(to_tensor(frame_length, None, dtypes.int32)),
        static_value(to_tensor(points, None, dtypes.int32)),
    )
    if None not in known and int(known[0]) > int(known[1]):
        pads = [[0, 0]] * (real.shape.rank - 1) + [[0, int(known[0]) - int(known[1])]]
        real = array.pad(real, pads)
    else:
        real = real[..., :frame_length]
    if window_fn is not None:
        real = real * window_fn(frame_length, dtype=real.dtype)
    return overlap_and_add(real, frame_step)
