"""NumPy meanings of the elementwise primitives that NumPy itself lacks. The rarer ones ask SciPy, imported when first used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(x.dtype)


def _from_math(function: Any) -> Any:
    vectorised = np.frompyfunc(function, 1, 1)

    def meaning(x: Array) -> Array:
        return np.asarray(vectorised(x.astype(np.float64))).astype(x.dtype)

    return meaning


def _lgamma(x: float) -> float:
    if x == -math.inf:
        return math.inf
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


erf = _from_math(math.erf)
erfc = _from_math(math.erfc)
lgamma = _from_math(_lgamma)


def _from_scipy(name: str) -> Any:
    def meaning(*arrays: Array) -> Array:
        from scipy import special

        wide = [a.astype(np.float64) for a in arrays]
        return np.asarray(getattr(special, name)(*wide)).astype(arrays[0].dtype)

    return meaning


erf_inv = _from_scipy("erfinv")


def digamma(x: Array) -> Array:
    """The derivative of lgamma; NaN at 0, as TensorFlow has it."""
    return np.where(x == 0, np.nan, _from_scipy("digamma")(x)).astype(x.dtype)


bessel_i0e = _from_scipy("i0e")
bessel_i1e = _from_scipy("i1e")
igamma = _from_scipy("gammainc")
igammac = _from_scipy("gammaincc")
zeta = _from_scipy("zeta")


def polygamma(n: Array, x: Array) -> Array:
    """The derivative of order n of digamma at x."""
    from scipy import special

    return np.asarray(special.polygamma(n.astype(np.int64), x.astype(np.float64))).astype(x.dtype)


def igamma_gradient(a: Array, x: Array) -> Array:
    """The derivative of igamma(a, x) by a: central differences in float64, good to about 1e-9."""
    from scipy import special

    wide_a, wide_x = a.astype(np.float64), x.astype(np.float64)
    step = np.maximum(np.abs(wide_a), 1e-3) * 1e-5

    def difference(h: Array) -> Array:
        return (special.gammainc(wide_a + h, wide_x) - special.gammainc(wide_a - h, wide_x)) / (2 * h)

    return np.asarray((4 * difference(step / 2) - difference(step)) / 3).astype(x.dtype)


def random_gamma_gradient(a: Array, x: Array) -> Array:
    """How a gamma sample x moves with its parameter a: minus igamma's derivative by a over the density at x."""
    from scipy import special

    wide_a, wide_x = a.astype(np.float64), x.astype(np.float64)
    density = np.exp((wide_a - 1) * np.log(wide_x) - wide_x - special.gammaln(wide_a))
    return np.asarray(-igamma_gradient(wide_a, wide_x) / density).astype(x.dtype)


def shift_left(x: Array, y: Array) -> Array:
    """x << y with y clamped to the width, as on common processors for sane y."""
    width = x.dtype.itemsize * 8
    return np.left_shift(x, np.clip(y, 0, width - 1).astype(x.dtype))


def shift_right(x: Array, y: Array) -> Array:
    """x >> y, arithmetic on signed types, with y clamped to the width."""
    width = x.dtype.itemsize * 8
    return np.right_shift(x, np.clip(y, 0, width - 1).astype(x.dtype))


def float_to_integer(x: Array, dtype: Any) -> Array:
    """Truncate floats to integers; what does not fit becomes the type's lowest value, as x86-64 does."""
    wide = np.trunc(x.astype(np.float64))
    target = np.dtype(dtype)
    if target.kind == "V":
        return wide.astype(dtype)
    through = (
        wide.astype(np.int64)
        if target != np.uint64
        else np.where(wide < 0, wide, 0).astype(np.int64).astype(np.uint64)
        | np.where(wide >= 0, wide, 0).astype(np.uint64)
    )
    return through.astype(target)
