"""tf.signal's cosine transforms, plain and modified, and the mel scale that spectrograms are warped to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millstream.api import array
from millstream.api.math import cast
from millstream.api.public import public
from millstream.api.signal import frame, overlap_and_add, vorbis_window
from millstream.api.signal_transforms import irfft, rfft
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find


def _check(x: Any, kind: Any, n: Any, axis: int, norm: Any) -> None:
    if axis != -1:
        raise NotImplementedError(explain(f"axis must be -1. Got: {axis}"))
    if n is not None and not isinstance(n, Tensor) and n < 1:
        raise ValueError(explain("n should be a positive integer or None"))
    if kind not in (1, 2, 3, 4):
        raise ValueError(explain(f"type is {kind}: types 1, 2, 3 and 4 of the cosine transform are supported."))
    if kind == 1:
        if norm == "ortho":
            raise ValueError(explain("Normalization is not supported for the Type-I DCT."))
        last = x.shape.as_list()[-1]
        if last is not None and last < 2:
            raise ValueError(explain("Type-I DCT requires the dimension to be greater than one."))
    if norm not in (None, "ortho"):
        raise ValueError(explain(f"Unknown normalization. Expected None or 'ortho', got: {norm}"))


def _last(x: Any) -> Any:
    known = x.shape.as_list()[-1]
    return array.shape(x)[-1] if known is None else known


def _fit(x: Any, n: Any) -> Any:
    """Cut the last axis, or pad it with zeros, to n elements."""
    size = _last(x)
    if isinstance(n, int) and isinstance(size, int) and n <= size:
        return x[..., :n]
    cut = x[..., :n]
    more = n - _last(cut)
    none = eager_constant(0, dtypes.int32) if isinstance(more, Tensor) else 0
    return array.pad(cut, [*([[none, none]] * (x.shape.rank - 1)), [none, more]])


def _turns(count: Any, dtype: Any, sign: float) -> Any:
    """Return 2 exp(sign i pi k / (2 count)) for k < count."""
    angle = cast(array.range_(count), dtype) * eager_constant(sign * math.pi * 0.5, dtype) / cast(count, dtype)
    two = eager_constant(2, dtype)
    return _complex(two * apply(find("Cos"), angle), two * apply(find("Sin"), angle))


def _complex(real: Any, imaginary: Any) -> Any:
    out = dtypes.complex64 if real.dtype is dtypes.float32 else dtypes.complex128
    return apply(find("Complex"), real, imaginary, Tout=out)


def _real(x: Any) -> Any:
    return apply(find("Real"), x, Tout=x.dtype.real_dtype)


def _weights(count: Any, first: Any, rest: Any) -> Any:
    """Return a vector of `first` and, `count - 1` times, `rest`."""
    others = apply(find("Fill"), array.reshape(array.shape_tensor(count) - 1, [1]), rest)
    return array.concat([array.reshape(first, [1]), others], 0)


def _transform(x: Any, kind: int, n: Any, norm: str | None) -> Any:
    if n is not None:
        x = _fit(x, n)
    count = _last(x)
    size = cast(to_tensor(count), x.dtype)
    if kind == 1:
        return _real(rfft(array.concat([x, x[..., -2:0:-1]], -1)))
    if kind == 2:
        found = _real(rfft(x, [2 * count])[..., :count] * _turns(count, x.dtype, -1))
        if norm == "ortho":
            first = apply(find("Rsqrt"), size) * eager_constant(0.5, x.dtype)
            found = found * _weights(count, first, first * eager_constant(math.sqrt(2), x.dtype))
        return found
    if kind == 3:
        root = apply(find("Sqrt"), size)
        x = x * (_weights(count, root, root * eager_constant(math.sqrt(0.5), x.dtype)) if norm == "ortho" else size)
        turned = _turns(count, x.dtype, 1) * _complex(x, array.zeros_like(x))
        return irfft(turned, [2 * count])[..., :count]
    found = _transform(x, 2, 2 * count, None)[..., 1::2]
    if norm == "ortho":
        found = found * (apply(find("Rsqrt"), size) * eager_constant(math.sqrt(0.5), x.dtype))
    return found


@public("signal.dct")
def dct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Any:
    """Return the discrete cosine transform of the last axis, as scipy.fft.dct.

    Type 2: y[k] = 2 * sum over i of x[i] cos(pi k (2 i + 1) / (2 n)).

    Arguments:
      input: float32 or float64, [..., samples].
      type: 1, 2, 3 or 4.
      n: the length to which the last axis is cut or padded with zeros first; its size where None is given.
      axis: must be -1.
      norm: None, or "ortho": scaled so that the transform is orthonormal (not of type 1).
      name: not used.

    Raises:
      NotImplementedError: on another axis.
      ValueError: on another type or norm, n < 1, or type 1 of fewer than 2 samples.

    >>> tf.signal.dct(tf.constant([1.0, 2.0, 3.0]), norm="ortho").numpy().round(3)
    array([ 3.464, -1.414, -0.   ], dtype=float32)
    """
    x = to_tensor(input)
    _check(x, type, n, axis, norm)
    return _transform(x, type, n, norm)


@public("signal.idct")
def idct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Any:
    """Return the inverse discrete cosine transform of the last axis, without norm="ortho" 2 n times as large.

    Arguments: those of `tf.signal.dct`; `type` is that of the transform to undo.
    """
    x = to_tensor(input)
    _check(x, type, n, axis, norm)
    return _transform(x, {1: 1, 2: 3, 3: 2, 4: 4}[type], n, norm)


@public("signal.mdct")
def mdct(
    signals: Any,
    frame_length: Any,
    window_fn: Callable[..., Any] | None = vorbis_window,
    pad_end: bool = False,
    norm: str | None = None,
    name: str | None = None,
) -> Any:
    """Return the modified discrete cosine transforms of half overlapping frames, [..., frames, frame_length / 2].

    Arguments:
      signals: float32 or float64, [..., samples].
      frame_length: a multiple of 4.
      window_fn: a function of a length and a `dtype`; None: every element counts 1 / sqrt(2).
      pad_end: whether zeros complete a last frame.
      norm: None, or "ortho".
      name: not used.

    Raises:
      ValueError: where the frame length is not a multiple of 4.
    """
    x, length = to_tensor(signals), to_tensor(frame_length, None, dtypes.int32)
    known = static_value(length)
    if known is not None and int(known) % 4:
        raise ValueError(explain(f"The frame length must be a multiple of 4. Given {int(known)}."))
    framed = frame(x, frame_length, frame_length // 2, pad_end)
    if window_fn is not None:
        framed = framed * window_fn(length, dtype=framed.dtype)
    else:
        framed = framed * eager_constant(1 / math.sqrt(2), framed.dtype)
    a, b, c, d = apply(find("Split"), eager_constant(framed.shape.rank - 1, dtypes.int32), framed, num_split=4)
    folded = array.concat([-c[..., ::-1] - d, a - b[..., ::-1]], -1)
    return dct(folded, type=4, norm=norm)


@public("signal.inverse_mdct")
def inverse_mdct(
    mdcts: Any, window_fn: Callable[..., Any] | None = vorbis_window, norm: str | None = None, name: str | None = None
) -> Any:
    """Return the signals whose modified discrete cosine transforms these are; `window_fn` and `norm` are those of mdct."""
    x = to_tensor(mdcts)
    half = _last(x)
    found = dct(x, type=4, norm=norm)
    if norm is None:
        found = found * (eager_constant(0.5, x.dtype) / cast(to_tensor(half), x.dtype))
    first, second = apply(find("Split"), eager_constant(x.shape.rank - 1, dtypes.int32), found, num_split=2)
    frames = array.concat([second, -second[..., ::-1], -first[..., ::-1], -first], -1)
    if window_fn is not None:
        frames = frames * window_fn(2 * half, dtype=x.dtype)
    else:
        frames = frames * eager_constant(1 / math.sqrt(2), x.dtype)
    return overlap_and_add(frames, half)


def _mel(hertz: Any) -> Any:
    scaled = hertz / eager_constant(700, hertz.dtype)
    return apply(find("Log"), scaled + eager_constant(1, hertz.dtype)) * eager_constant(1127, hertz.dtype)


def _check_mel(bins: Any, rate: Any, low: float, high: float, dtype: Any) -> None:
    if bins <= 0:
        raise ValueError(explain(f"num_mel_bins must be positive. Got: {bins}"))
    if low < 0.0:
        raise ValueError(explain(f"lower_edge_hertz must be non-negative. Got: {low}"))
    if low >= high:
        raise ValueError(explain(f"lower_edge_hertz {low:.1f} >= upper_edge_hertz {high:.1f}"))
    if not isinstance(rate, Tensor):
        if rate <= 0.0:
            raise ValueError(explain(f"sample_rate must be positive. Got: {rate}"))
        if high > rate / 2:
            raise ValueError(
                explain(
                    "upper_edge_hertz must not be larger than the Nyquist frequency (sample_rate / 2). "
                    f"Got {high} for sample_rate: {rate}"
                )
            )
    if not dtype.is_floating:
        raise ValueError(explain(f"dtype must be a floating point type. Got: {dtype}"))


@public("signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: Any = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: Any = 125.0,
    upper_edge_hertz: Any = 3800.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Return the matrix [num_spectrogram_bins, num_mel_bins] that warps a spectrogram to the mel scale.

    mel(f) = 1127 log(1 + f / 700). Each column is a triangle between three edges that are equally far on that scale.

    Arguments:
      num_mel_bins: columns, a whole number above 0.
      num_spectrogram_bins: rows: the frequencies from 0 to sample_rate / 2.
      sample_rate: samples a second of the signal.
      lower_edge_hertz, upper_edge_hertz: the edges of the lowest and of the highest triangle.
      dtype: a floating point type.
      name: not used.

    Raises:
      ValueError: on counts or rates that are not positive, edges out of order or above half the sample rate, or other types.
    """
    wanted = as_dtype(dtype)
    known = static_value(sample_rate) if isinstance(sample_rate, Tensor) else None
    rate = sample_rate if known is None else known
    _check_mel(num_mel_bins, rate, lower_edge_hertz, upper_edge_hertz, wanted)
    zero = eager_constant(0, wanted)
    nyquist = cast(to_tensor(rate), wanted) / eager_constant(2, wanted)
    bins = array.expand_dims(_mel(_linspace(zero, nyquist, num_spectrogram_bins)[1:]), 1)
    lowest, highest = (_mel(cast(to_tensor(v), wanted)) for v in (lower_edge_hertz, upper_edge_hertz))
    edges = _linspace(lowest, highest, num_mel_bins + 2)
    low, middle, high = (array.expand_dims(v, 0) for v in (edges[:-2], edges[1:-1], edges[2:]))
    slopes = apply(find("Minimum"), (bins - low) / (middle - low), (high - bins) / (high - middle))
    return array.pad(apply(find("Maximum"), zero, slopes), [[1, 0], [0, 0]])


def _linspace(start: Any, stop: Any, count: Any) -> Any:
    return apply(find("LinSpace"), start, stop, to_tensor(count, None, dtypes.int32))


@public("signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Any:
    """Return mel frequency cepstral coefficients: the cosine transform of the last axis by HTK's scale.

    Arguments:
      log_mel_spectrograms: float32 or float64, [..., num_mel_bins]: logarithms of mel spectrograms.
      name: not used.

    Raises:
      ValueError: where there are no mel bins.
    """
    x = to_tensor(log_mel_spectrograms)
    count = _last(x)
    if isinstance(count, int) and count == 0:
        raise ValueError(explain(f"num_mel_bins must be positive. Got: {x}"))
    scale = apply(find("Rsqrt"), cast(to_tensor(count), x.dtype) * eager_constant(2, x.dtype))
    return dct(x) * scale
