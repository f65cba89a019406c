"""State rare elementwise primitives: Bessel functions, integrals without a closed form, the incomplete beta function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.base.spec import Spec
from millstream.program.primitives.core import primitive
from millstream.program.primitives.elementwise import (
    compare,
    cos,
    exp,
    lgamma,
    log,
    log1p,
    merged_shape,
    rounded,
    scalar_like,
    select,
    sin,
    unary,
)
from millstream.program.value import Value, emit

Function = Callable[[Value], Value]


def _special(name: str, *arrays: Any) -> Any:
    from scipy import special

    return getattr(special, name)(*(a.astype(np.float64) for a in arrays))


def _plain(name: str) -> Callable[[Any], Any]:
    return lambda x: _special(name, x)


def _from_zero(name: str, below: float, infinite: float) -> Callable[[Any], Any]:
    """Return SciPy's function of numbers above 0; `below` where x <= 0, `infinite` at infinity, as TensorFlow has it."""
    return lambda x: np.where(x <= 0, below, np.where(x == np.inf, infinite, _special(name, np.where(x <= 0, 1, x))))


def _finite(name: str) -> Callable[[Any], Any]:
    return lambda x: np.where(np.isinf(x), np.nan, _special(name, x))


def _expint(x: Any) -> Any:
    return np.where(x < 0, np.nan, np.where(x == np.inf, np.nan, _special("expi", x)))


def _spence(x: Any) -> Any:
    return np.where(x == np.inf, np.nan, _special("spence", x))


def _unary(name: str, function: Callable[[Any], Any], slope: Callable[[Value, Value], Value]) -> Function:
    def meaning(x: Any) -> Any:
        return np.asarray(function(x)).astype(x.dtype)

    def reverse(dy: Value, y: Value, x: Value) -> tuple[Value]:
        return (dy * slope(y, x),)

    def infer(x: Spec) -> Spec:
        return Spec(x.dtype, merged_shape(name, (x,)))

    return unary(primitive(name, infer, rounded(meaning), reverse, elementwise=True))


def _where(x: Value, number: float, chosen: float, other: Callable[[Value], Value]) -> Value:
    """Return `chosen` where x is `number`, elsewhere what `other` makes of x."""
    there = compare(x, scalar_like(x, number), "EQ")
    return select(there, scalar_like(x, chosen), other(select(there, scalar_like(x, number + 1), x)))


bessel_j1: Function
bessel_y1: Function
bessel_k1: Function
bessel_k1e: Function
bessel_j0 = _unary("bessel_j0", _finite("j0"), lambda y, x: -bessel_j1(x))
bessel_j1 = _unary(
    "bessel_j1", _finite("j1"), lambda y, x: _where(x, 0, 0.5, lambda safe: bessel_j0(safe) - bessel_j1(safe) / safe)
)
bessel_y0 = _unary("bessel_y0", _from_zero("y0", -math.inf, math.nan), lambda y, x: -bessel_y1(x))
bessel_y1 = _unary("bessel_y1", _from_zero("y1", -math.inf, math.nan), lambda y, x: bessel_y0(x) - y / x)
bessel_k0 = _unary("bessel_k0", _from_zero("k0", math.inf, 0), lambda y, x: -bessel_k1(x))
bessel_k0e = _unary("bessel_k0e", _from_zero("k0e", math.inf, 0), lambda y, x: y - bessel_k1e(x))
bessel_k1 = _unary("bessel_k1", _from_zero("k1", math.inf, 0), lambda y, x: -bessel_k0(x) - y / x)
bessel_k1e = _unary("bessel_k1e", _from_zero("k1e", math.inf, 0), lambda y, x: y * (1 - 1 / x) - bessel_k0e(x))
dawsn = _unary("dawsn", _plain("dawsn"), lambda y, x: 1 - x * y * 2)
expint = _unary("expint", _expint, lambda y, x: exp(x) / x)
fresnel_cos = _unary("fresnel_cos", lambda x: _special("fresnel", x)[1], lambda y, x: cos(x * x * (math.pi / 2)))
fresnel_sin = _unary("fresnel_sin", lambda x: _special("fresnel", x)[0], lambda y, x: sin(x * x * (math.pi / 2)))
spence = _unary("spence", _spence, lambda y, x: _where(x, 1, -1, lambda safe: log(safe) / (1 - safe)))


def _betainc_infer(a: Spec, b: Spec, x: Spec) -> Spec:
    return Spec(a.dtype, merged_shape("betainc", (a, b, x)))


def _betainc_meaning(a: Any, b: Any, x: Any) -> Any:
    inside = (a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b) & (x >= 0) & (x <= 1)
    one = np.ones_like(x)
    found = _special("betainc", np.where(inside, a, one), np.where(inside, b, one), np.where(inside, x, one))
    return np.where(inside, found, np.nan).astype(x.dtype)


def _power_of(base: Value, exponent: Value, logarithm: Callable[[Value], Value]) -> Value:
    """Return exponent * logarithm(base), 0 where the exponent is."""
    zero = compare(exponent, scalar_like(exponent, 0), "EQ")
    return select(zero, scalar_like(base, 0), exponent * logarithm(select(zero, scalar_like(base, 0.5), base)))


def _betainc_reverse(dz: Value, z: Value, a: Value, b: Value, x: Value) -> tuple[None, None, Value]:
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    return None, None, dz * exp(_power_of(-x, b - 1, log1p) + _power_of(x, a - 1, log) - log_beta)


BETAINC = primitive("betainc", _betainc_infer, rounded(_betainc_meaning), _betainc_reverse, elementwise=True)


def betainc(a: Value, b: Value, x: Value) -> Value:
    """Return the regularised incomplete beta function of a and b at x."""
    return emit(BETAINC, a, b, x)[0]
