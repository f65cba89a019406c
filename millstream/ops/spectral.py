"""Declare Fourier transforms."""

from __future__ import annotations

from millstream.base.dtypes import complex64, complex128, float32, float64, int32
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import contents
from millstream.program.primitives.spectral import fft, fitted
from millstream.program.value import Value

C = Types("Tcomplex", complex64, complex128, default=complex64)
R = Types("Treal", float32, float64, default=float32)


def _complex(name: str, kind: str, axes: int) -> Op:
    def body(input: Tensor[C]) -> Tensor[C]:
        if input.rank < axes:
            raise refuse(name, f"rank {input.rank}", f"Input must have rank of at least {axes}")
        return fft(input, kind, input.shape[input.rank - axes :])

    body.__doc__ = f"Return the {'inverse ' if kind == 'ifft' else ''}Fourier transform of the last {axes} axes."
    return op(name, outputs="output")(body)


def _lengths(name: str, value: Value, axes: int) -> tuple[object, ...]:
    lengths = contents(value)
    if len(lengths) != axes:
        raise refuse(name, f"fft_length of {len(lengths)} elements", f"fft_length must have {axes} elements")
    return lengths


def _real(name: str, axes: int) -> Op:
    def body(input: Tensor[R], fft_length: Known[Tensor[int32]], *, Tcomplex: C = complex64) -> Tensor["Tcomplex"]:
        lengths = _lengths(name, fft_length, axes)
        return fft(fitted(input, lengths), "rfft", lengths)

    body.__doc__ = f"Return the Fourier transform of real numbers along the last {axes} axes, its second half left out."
    return op(name, outputs="output")(body)


def _real_inverse(name: str, axes: int) -> Op:
    def body(input: Tensor[C], fft_length: Known[Tensor[int32]], *, Treal: R = float32) -> Tensor["Treal"]:
        lengths = _lengths(name, fft_length, axes)
        return fft(fitted(input, (*lengths[:-1], lengths[-1] // 2 + 1)), "irfft", lengths)

    body.__doc__ = f"Return the real numbers whose Fourier transform along the last {axes} axes this is."
    return op(name, outputs="output")(body)


for _axes, _suffix in ((1, ""), (2, "2D"), (3, "3D")):
    _shape = (2, 4, 3, 5)
    for _kind in ("fft", "ifft"):
        _complex(f"{_kind.upper()}{_suffix}", _kind, _axes).cases([_shape], dtypes=[complex64, complex128])
    for _make, _kind in ((_real, "RFFT"), (_real_inverse, "IRFFT")):
        _op = _make(f"{_kind}{_suffix}", _axes)
        _pairs = ((float32, complex64), (float64, complex128))
        for _r, _c in _pairs:
            _more = {"Tcomplex": _c} if _kind == "RFFT" else {"Treal": _r}
            for _n in ([4, 3, 5], [4, 2, 8]):
                _op.cases(
                    [(_shape, (_axes,))],
                    inputs=(None, _n[3 - _axes :]),
                    attributes=_more,
                    dtypes=[_r if _kind == "RFFT" else _c],
                )
