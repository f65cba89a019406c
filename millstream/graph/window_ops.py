"""What the primitives of windows and matrices are in ops: convolution, pooling, factorisation, Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.graph.primitive_ops import RULES, Lowering, Sizes, lowers, padded_by, sliced, spaced
from millstream.ops.registry import find
from millstream.program.primitives.reduction import lowest
from millstream.program.primitives.shaping import constant
from millstream.program.value import Value


@lowers("convolution")
def _convolution(
    lowering: Lowering,
    x: Value,
    w: Value,
    *,
    strides: Any,
    low: Any,
    high: Any,
    input_dilation: Any,
    kernel_dilation: Any,
    groups: int,
) -> Value:
    if any(n != 1 for n in input_dilation):
        gaps = [0, *(n - 1 for n in input_dilation), 0]
        x = spaced(lowering, x, constant(0, x.dtype), gaps)
    return find("Conv2D" if x.rank == 4 else "Conv3D")(  # type: ignore[no-any-return]
        _padded(lowering, x, low, high),
        w,
        strides=(1, *strides, 1),
        padding="VALID",
        dilations=(1, *kernel_dilation, 1),
    )


def _padded(lowering: Lowering, x: Value, low: Sizes, high: Sizes) -> Value:
    """Return what to convolve without padding."""
    zero = constant(0, x.dtype)
    return padded_by(lowering, x, zero, low=[0, *low, 0], high=[0, *high, 0], interior=[0] * x.rank)


@lowers("convolution_input_gradient")
def _input_gradient(lowering: Lowering, w: Value, dz: Value, *, shape: Sizes, **given: Any) -> Value:
    low, high, strides = given["low"], given["high"], given["strides"]
    padded = [shape[0], *(n + a + b for n, a, b in zip(shape[1:-1], low, high, strict=True)), shape[-1]]
    name = "Conv2DBackpropInput" if len(shape) == 4 else "Conv3DBackpropInputV2"
    dilations = (1, *given["kernel_dilation"], 1)
    whole = find(name)(lowering.shape(padded), w, dz, strides=(1, *strides, 1), padding="VALID", dilations=dilations)
    limit = [shape[0], *(a + n for a, n in zip(low, shape[1:-1], strict=True)), shape[-1]]
    return sliced(lowering, whole, start=[0, *low, 0], limit=limit, stride=[1] * len(shape))


@lowers("convolution_weight_gradient")
def _weight_gradient(lowering: Lowering, x: Value, dz: Value, *, shape: Sizes, **given: Any) -> Value:
    x = _padded(lowering, x, given["low"], given["high"])
    name = "Conv2DBackpropFilter" if len(shape) == 4 else "Conv3DBackpropFilterV2"
    return find(name)(  # type: ignore[no-any-return]
        x, lowering.shape(shape), dz, strides=(1, *given["strides"], 1), padding="VALID",
        dilations=(1, *given["kernel_dilation"], 1),
    )  # fmt: skip


ALL_RULES = RULES
"""The rules of all primitives, those of this file among them."""


def _pools(rank: int, kind: str) -> str:
    return f"{'Max' if kind == 'max' else 'Avg'}Pool{'3D' if rank == 5 else ''}"


def _check_window(lowering: Lowering, x: Value, window: Sizes) -> None:
    if x.rank not in (4, 5) or window[0] != 1 or window[-1] != 1:
        lowering.refuse_pooling(x.rank)


def _filled(lowering: Lowering, x: Value, low: Sizes, high: Sizes, value: Any) -> Value:
    fill = constant(value, x.dtype)
    return padded_by(lowering, x, fill, low=low, high=high, interior=[0] * x.rank)


def _elements(window: Sequence[int]) -> int:
    return math.prod(window)


def _counts(lowering: Lowering, shape: Sizes, dtype: DType, given: dict[str, Any]) -> Value:
    """Return how many elements of an array of a shape are in each window, padding left out."""
    ones = find("BroadcastTo")(constant(1, dtype), lowering.shape([1, *shape[1:-1], 1]))
    wide = _filled(lowering, ones, given["low"], given["high"], 0)
    name = _pools(len(shape), "average")
    part = find(name)(wide, ksize=given["window"], strides=given["strides"], padding="VALID")
    return find("Mul")(part, constant(_elements(given["window"]), dtype))  # type: ignore[no-any-return]


@lowers("reduce_window")
def _reduce_window(lowering: Lowering, x: Value, *, kind: str, **given: Any) -> Value:
    window = given["window"]
    _check_window(lowering, x, window)
    if kind == "min":
        return find("Neg")(_reduce_window(lowering, find("Neg")(x), kind="max", **given))  # type: ignore[no-any-return]
    wide = _filled(lowering, x, given["low"], given["high"], lowest(x.dtype) if kind == "max" else 0)
    found = find(_pools(x.rank, kind))(wide, ksize=window, strides=given["strides"], padding="VALID")
    if kind == "max" or (kind == "average" and all(n == 0 for n in (*given["low"], *given["high"]))):
        return found  # type: ignore[no-any-return]
    total = find("Mul")(found, constant(_elements(window), x.dtype))
    if kind == "sum":
        return total  # type: ignore[no-any-return]
    return find("RealDiv")(total, _counts(lowering, x.shape, x.dtype, given))  # type: ignore[no-any-return]


def _cut(lowering: Lowering, x: Value, shape: Sizes, low: Sizes) -> Value:
    limit = [a + n for a, n in zip(low, shape, strict=True)]
    return sliced(lowering, x, start=list(low), limit=limit, stride=[1] * len(shape))


@lowers("pool_max_gradient")
def _pool_max_gradient(lowering: Lowering, x: Value, y: Value, dy: Value, **given: Any) -> Value:
    _check_window(lowering, x, given["window"])
    wide = _filled(lowering, x, given["low"], given["high"], lowest(x.dtype))
    name = "MaxPoolGrad" if x.rank == 4 else "MaxPool3DGrad"
    dx = find(name)(wide, y, dy, ksize=given["window"], strides=given["strides"], padding="VALID")
    return _cut(lowering, dx, x.shape, given["low"])


@lowers("pool_sum_gradient")
def _pool_sum_gradient(lowering: Lowering, dy: Value, *, kind: str, shape: Sizes, **given: Any) -> Value:
    _check_window(lowering, dy, given["window"])
    share = find("Mul")(dy, constant(_elements(given["window"]), dy.dtype))
    if kind == "average":
        share = find("RealDiv")(share, _counts(lowering, shape, dy.dtype, given))
    whole = lowering.shape([n + a + b for n, a, b in zip(shape, given["low"], given["high"], strict=True)])
    name = "AvgPoolGrad" if dy.rank == 4 else "AvgPool3DGrad"
    dx = find(name)(whole, share, ksize=given["window"], strides=given["strides"], padding="VALID")
    return _cut(lowering, dx, shape, given["low"])


@lowers("inverse")
def _inverse(lowering: Lowering, x: Value, *, adjoint: bool) -> Value:
    return find("MatrixInverse")(x, adjoint=adjoint)  # type: ignore[no-any-return]


@lowers("solve")
def _solve(lowering: Lowering, a: Value, b: Value, *, adjoint: bool) -> Value:
    return find("MatrixSolve")(a, b, adjoint=adjoint)  # type: ignore[no-any-return]


@lowers("triangular_solve")
def _triangular_solve(lowering: Lowering, a: Value, b: Value, *, lower: bool, adjoint: bool) -> Value:
    return find("MatrixTriangularSolve")(a, b, lower=lower, adjoint=adjoint)  # type: ignore[no-any-return]


@lowers("qr")
def _qr(lowering: Lowering, x: Value, *, whole: bool) -> Any:
    return find("Qr")(x, full_matrices=whole)


@lowers("svd")
def _svd(lowering: Lowering, x: Value, *, whole: bool) -> Any:
    return find("Svd")(x, full_matrices=whole)


@lowers("singular_values")
def _singular_values(lowering: Lowering, x: Value) -> Value:
    return find("Svd")(x, compute_uv=False)[0]  # type: ignore[no-any-return]


@lowers("eigh")
def _eigh(lowering: Lowering, x: Value) -> Any:
    return find("SelfAdjointEigV2")(x)


@lowers("eigenvalues")
def _eigenvalues(lowering: Lowering, x: Value) -> Value:
    return find("SelfAdjointEigV2")(x, compute_v=False)[0]  # type: ignore[no-any-return]


@lowers("lu")
def _lu(lowering: Lowering, x: Value, *, index_dtype: DType) -> Any:
    return find("Lu")(x, output_idx_type=index_dtype)


_TRANSFORMS = {"fft": "FFT", "ifft": "IFFT", "rfft": "RFFT", "irfft": "IRFFT"}


@lowers("fft")
def _fft(lowering: Lowering, x: Value, *, kind: str, lengths: Sizes) -> Value:
    name = _TRANSFORMS[kind] + ("" if len(lengths) == 1 else f"{len(lengths)}D")
    if kind in ("fft", "ifft"):
        return find(name)(x)  # type: ignore[no-any-return]
    return find(name)(x, lowering.shape(lengths, dtypes.int32))  # type: ignore[no-any-return]
