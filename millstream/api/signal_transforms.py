"""tf.signal's Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.math import cast
from millstream.api.public import public
from millstream.api.reduction import reduce_prod
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


def _complex(kind: str, suffix: str, axes: str) -> Callable[..., Any]:
    op = find(f"{kind.upper()}{suffix.upper()}")

    def function(input: Any, name: str | None = None) -> Any:
        # Arrays and real numbers become complex64, as TensorFlow has it; lists of Python's complex numbers complex128.
        x = to_tensor(input, None, dtypes.complex64 if isinstance(input, np.ndarray) else None)
        if x is not input and not x.dtype.is_complex:
            x = to_tensor(input, None, dtypes.complex64)
        return apply(op, x)

    function.__name__ = function.__qualname__ = f"{kind}{suffix}"
    function.__doc__ = f"Return the {'inverse ' if kind == 'ifft' else ''}Fourier transform of the last {axes}."
    return public(f"signal.{kind}{suffix}")(function)


for _suffix, _axes in (("", "axis"), ("2d", "2 axes"), ("3d", "3 axes")):
    _complex("fft", _suffix, _axes)
    _complex("ifft", _suffix, _axes)


def _lengths(x: Any, axes: int, given: Any, inverse: bool) -> Any:
    """Return the lengths as a tensor: those given, else the sizes of the axes."""
    if given is not None:
        return array.shape_tensor(given)
    known: list[Any] = x.shape.as_list()[-axes:] if x.shape.rank is not None else [None]
    if None in known:
        sizes = array.shape(x)[-axes:]
        if not inverse:
            return sizes
        last = apply(find("Maximum"), (sizes[-1:] - 1) * 2, array.index_tensor([0]))
        return array.concat([sizes[:-1], last], 0)
    if inverse:
        known[-1] = max(0, 2 * (known[-1] - 1))
    return array.shape_tensor(known)


def _real(suffix: str, axes: int) -> Callable[..., Any]:
    op = find(f"RFFT{suffix.upper()}")

    def function(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
        x = to_tensor(input_tensor, None, dtypes.float32)
        if x.dtype not in (dtypes.float32, dtypes.float64):
            raise ValueError(explain(f"RFFT requires tf.float32 or tf.float64 inputs, got: {x}"))
        out = dtypes.complex64 if x.dtype is dtypes.float32 else dtypes.complex128
        return apply(op, x, _lengths(x, axes, fft_length, False), Tcomplex=out)

    function.__name__ = function.__qualname__ = f"rfft{suffix}"
    function.__doc__ = (
        f"Return the Fourier transform of real numbers along the last {axes} axes, its second half left out."
    )
    return public(f"signal.rfft{suffix}")(function)


def _real_inverse(suffix: str, axes: int) -> Callable[..., Any]:
    op = find(f"IRFFT{suffix.upper()}")

    def function(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
        x = to_tensor(input_tensor, None, dtypes.complex64)
        if not x.dtype.is_complex:
            raise ValueError(explain(f"IRFFT requires tf.complex64 or tf.complex128 inputs, got: {x}"))
        return apply(op, x, _lengths(x, axes, fft_length, True), Treal=x.dtype.real_dtype)

    function.__name__ = function.__qualname__ = f"irfft{suffix}"
    function.__doc__ = f"Return the real numbers whose Fourier transform along the last {axes} axes this is."
    return public(f"signal.irfft{suffix}")(function)


rfft, irfft = _real("", 1), _real_inverse("", 1)
for _suffix, _count in (("2d", 2), ("3d", 3)):
    _real(_suffix, _count)
    _real_inverse(_suffix, _count)


def _several(kind: str) -> Callable[..., Any]:
    """Publish kind + "nd": the transform of some or all axes."""
    op, inverse = find(f"{kind.upper()}ND"), kind.startswith("i")
    real = kind == "rfft"

    def function(
        input_tensor: Any, fft_length: Any = None, axes: Any = None, norm: str | None = None, name: str | None = None
    ) -> Any:
        x = to_tensor(input_tensor, None, dtypes.float32 if real else dtypes.complex64)
        if real and x.dtype not in (dtypes.float32, dtypes.float64):
            raise ValueError(explain(f"RFFT requires tf.float32 or tf.float64 inputs, got: {x}"))
        if kind == "irfft" and not x.dtype.is_complex:
            raise ValueError(explain(f"IRFFT requires tf.complex64 or tf.complex128 inputs, got: {x}"))
        if norm not in (None, "backward", "forward", "ortho"):
            raise ValueError(explain(f"norm is {norm!r}; allowed are None, 'backward', 'forward' and 'ortho'."))
        chosen = array.shape_tensor(range(x.shape.rank) if axes is None else axes)
        if fft_length is not None:
            lengths = array.shape_tensor(fft_length)
        else:
            lengths = picking.gather(array.shape_tensor(_lengths(x, x.shape.rank, None, False)), chosen)
            if kind == "irfft":
                lengths = array.concat([lengths[:-1], apply(find("Maximum"), (lengths[-1:] - 1) * 2, 0)], 0)
        if norm in ("forward", "ortho"):
            points = cast(reduce_prod(lengths), x.dtype.real_dtype)
            points = cast(points if norm == "forward" else apply(find("Sqrt"), points), x.dtype)
            x = x * points if inverse else x / points
        more = {}
        if real:
            more["Tcomplex"] = dtypes.complex64 if x.dtype is dtypes.float32 else dtypes.complex128
        elif kind == "irfft":
            more["Treal"] = x.dtype.real_dtype
        return apply(op, x, lengths, chosen, **more)

    function.__name__ = function.__qualname__ = f"{kind}nd"
    function.__doc__ = f"""Return the {"inverse " if inverse else ""}Fourier transform of several axes, as numpy.fft.{kind}n.

    Arguments:
      input_tensor: {"real numbers: float32 or float64" if real else "complex64 or complex128"}, of any rank.
      fft_length: the lengths to which the axes are cut or padded with zeros first; their sizes where None is given.
      axes: which axes to transform; all where None is given.
      norm: where the division by the number of points happens: "backward" (None: in the inverse), "forward" or "ortho".
      name: not used.

    Raises:
      ValueError: on another `norm`, or element types that are not allowed.
      InvalidArgumentError: where lengths and axes differ in number, or axes repeat.
    """
    return public(f"signal.{kind}nd")(function)


for _kind in ("fft", "ifft", "rfft", "irfft"):
    _several(_kind)


def _shifted(x: Any, axes: Any, back: bool) -> Any:
    x = to_tensor(x)
    rank = x.shape.rank
    if rank is None:
        raise ValueError(explain("Shifting needs a tensor of known rank; give it with tf.ensure_shape."))
    chosen = list(range(rank)) if axes is None else [axes] if isinstance(axes, int) else list(axes)
    sizes = array.shape(x)
    shifts = [(sizes[a] // 2) * (-1 if back else 1) for a in chosen]
    return array.roll(x, array.stack(shifts), chosen)


@public("signal.fftshift")
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """Move the element of frequency 0 to the middle of each axis."""
    return _shifted(x, axes, False)


@public("signal.ifftshift")
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """Undo fftshift."""
    return _shifted(x, axes, True)
