"""Declare Fourier transforms."""

from __future__ import annotations

from millstream.base.dtypes import complex64, complex128, float32, float64, int32
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import contents, transpose
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


def _chosen(name: str, input: Value, fft_length: Value, axes: Value) -> tuple[list[object], list[int]]:
    """Return the lengths and the places of the axes to transform."""
    lengths, places = list(contents(fft_length)), [int(a) for a in contents(axes)]
    if len(lengths) != len(places):
        raise refuse(
            name, f"{len(lengths)} lengths for {len(places)} axes", "fft_length must have one element per axis"
        )
    if any(not -input.rank <= a < input.rank for a in places) or len({a % input.rank for a in places}) != len(places):
        raise refuse(name, f"axes {places} of rank {input.rank}", "give different axes of the input")
    return lengths, [a % input.rank for a in places]


def _along(x: Value, kind: str, lengths: list[object], axes: list[int]) -> Value:
    """Fit the axes to their lengths and transform them one after another, the last one first or, of irfft, at the end."""
    order = list(zip(axes, lengths, strict=True))
    for i, (axis, length) in enumerate(order if kind in ("ifft", "irfft") else reversed(order)):
        real = kind in ("rfft", "irfft") and i == (len(order) - 1 if kind == "irfft" else 0)
        now = kind if real else kind.removeprefix("r") if kind != "irfft" else "ifft"
        turned = [*(k for k in range(x.rank) if k != axis), axis]
        moved = transpose(x, turned)
        moved = fft(fitted(moved, (length // 2 + 1 if now == "irfft" else length,)), now, (length,))
        x = transpose(moved, [turned.index(k) for k in range(x.rank)])
    return x


@op("FFTND", outputs="output")
def fft_nd(input: Tensor[C], fft_length: Known[Tensor[int32]], axes: Known[Tensor[int32]]) -> Tensor[C]:
    """Return the Fourier transform of the given axes, each cut or padded with zeros to its length."""
    return _along(input, "fft", *_chosen("FFTND", input, fft_length, axes))


@op("IFFTND", outputs="output")
def ifft_nd(input: Tensor[C], fft_length: Known[Tensor[int32]], axes: Known[Tensor[int32]]) -> Tensor[C]:
    """Return the inverse Fourier transform of the given axes, each cut or padded with zeros to its length."""
    return _along(input, "ifft", *_chosen("IFFTND", input, fft_length, axes))


@op("RFFTND", outputs="output")
def rfft_nd(
    input: Tensor[R], fft_length: Known[Tensor[int32]], axes: Known[Tensor[int32]], *, Tcomplex: C = complex64
) -> Tensor["Tcomplex"]:
    """Return the Fourier transform of real numbers along the given axes; the last of these keeps its first half."""
    return _along(input, "rfft", *_chosen("RFFTND", input, fft_length, axes))


@op("IRFFTND", outputs="output")
def irfft_nd(
    input: Tensor[C], fft_length: Known[Tensor[int32]], axes: Known[Tensor[int32]], *, Treal: R = float32
) -> Tensor["Treal"]:
    """Return the real numbers whose Fourier transform along the given axes this is; lengths are those of the result."""
    return _along(input, "irfft", *_chosen("IRFFTND", input, fft_length, axes))


for _op in (fft_nd, ifft_nd):
    _op.cases([((2, 3, 4, 5), (2,), (2,))], inputs=(None, [4, 3], [2, 0]), dtypes=[complex64, complex128])
for _op, _r, _c in ((rfft_nd, float32, complex64), (rfft_nd, float64, complex128), (irfft_nd, float32, complex64)):
    _attributes = {"Tcomplex": _c} if _op is rfft_nd else {"Treal": _r}
    _type = [_r if _op is rfft_nd else _c]
    _op.cases([((2, 3, 4, 5), (2,), (2,))], inputs=(None, [3, 6], [0, 2]), attributes=_attributes, dtypes=_type)

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
