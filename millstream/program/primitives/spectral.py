"""State fft: discrete Fourier transforms of the last 1 to 3 axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, is_known, product
from millstream.base.spec import Spec
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.shaping import broadcast, full, iota, pad, scalar_size, slice_axis
from millstream.program.value import Value, emit

_COMPLEX = {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}
_REAL = {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}
_NUMPY: dict[str, Any] = {"fft": np.fft.fftn, "ifft": np.fft.ifftn, "rfft": np.fft.rfftn, "irfft": np.fft.irfftn}
Sizes = tuple[Size, ...]


def _infer(x: Spec, kind: str, lengths: Sizes) -> Spec:
    shape, n = known_shape(x), len(lengths)
    kinds: dict[DType, Any] = _COMPLEX if kind == "rfft" else _REAL
    if x.dtype not in kinds or len(shape) < n:
        raise refuse(
            "fft", f"{kind} of {x}", f"give {'real' if kind == 'rfft' else 'complex'} numbers of rank {n} or more"
        )
    if kind in ("fft", "ifft"):
        return x if x.shape == shape else Spec(x.dtype, shape)
    last = _half(lengths[-1]) if kind == "rfft" else lengths[-1]
    return Spec(kinds[x.dtype], (*shape[: len(shape) - n], *lengths[:-1], last))


def _meaning(x: np.ndarray, kind: str, lengths: tuple[int, ...]) -> np.ndarray:
    axes = range(x.ndim - len(lengths), x.ndim)
    found = _NUMPY[kind](x, s=lengths, axes=tuple(axes)) if x.size else None
    spec = _infer(Spec(dtypes.as_dtype(x.dtype), x.shape), kind, lengths)
    if found is None:
        shape: Any = spec.shape
        return np.zeros(shape, spec.dtype.as_numpy_dtype)
    return np.asarray(found).astype(spec.dtype.as_numpy_dtype)


def _times_points(x: Value, lengths: Sizes, *, divide: bool = False) -> Value:
    n = broadcast(scalar_size(product(lengths), x.dtype), x.shape, ())
    return x / n if divide else x * n


def _reverse(dy: Value, y: Value, x: Value, kind: str, lengths: Sizes) -> tuple[Value]:
    if kind == "fft":
        return (_times_points(fft(dy, "ifft", lengths), lengths),)
    if kind == "ifft":
        return (_times_points(fft(dy, "fft", lengths), lengths, divide=True),)
    last = dy.rank - 1
    if kind == "rfft":
        whole = pad(dy, [0] * dy.rank, [0] * last + [lengths[-1] - dy.shape[-1]])
        return (_times_points(e.real(fft(whole, "ifft", lengths)), lengths),)
    back = _times_points(fft(dy, "rfft", lengths), lengths, divide=True)
    # All but the first element, and the last of an even length, stand for two.
    place = iota(back.shape, last, dtypes.int64)
    total = broadcast(scalar_size(lengths[-1], dtypes.int64), back.shape, ())
    single = e.bit_or(e.compare(place, full(back.shape, 0, dtypes.int64), "EQ"), e.compare(place + place, total, "EQ"))
    return (e.select(single, back, back + back),)


FFT = primitive("fft", _infer, _meaning, _reverse)


def _half(length: Size) -> Size:
    """Return how many elements of a real sequence's transform are kept."""
    return 0 if is_known(length) and length == 0 else length // 2 + 1


def fft(x: Value, kind: str, lengths: Sizes) -> Value:
    """Transform (fft ifft rfft irfft) the last axes, whose lengths these are; of irfft, those of the result."""
    if any(is_known(n) and n == 0 for n in lengths):
        found = _infer(x.spec, kind, tuple(lengths))
        return full(known_shape(found), 0, found.dtype)
    return emit(FFT, x, kind=kind, lengths=tuple(lengths))[0]


def fitted(x: Value, sizes: Sizes) -> Value:
    """Cut or lengthen with zeros the last axes of x to `sizes`."""
    lead = x.rank - len(sizes)
    for i, n in enumerate(sizes):
        axis = lead + i
        if x.shape[axis] == n:
            continue
        known = isinstance(n, int) and isinstance(x.shape[axis], int)
        if known and n < x.shape[axis]:
            x = slice_axis(x, axis, 0, n)
        else:
            high: list[Size] = [0] * x.rank
            high[axis] = n - x.shape[axis]
            x = pad(x, [0] * x.rank, high)
    return x
