"""tf.math's special functions."""

from __future__ import annotations

from typing import Any

from millstream.api.calls import unary
from millstream.api.public import public
from millstream.api.reduction import reduce_sum
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

unary("math.ndtri", "Ndtri", "Return the number below which a normal number is with probability x, elementwise.")
unary(
    "math.bessel_i0 math.special.bessel_i0", "BesselI0", "Return the modified Bessel function of order 0, elementwise."
)
unary(
    "math.bessel_i1 math.special.bessel_i1", "BesselI1", "Return the modified Bessel function of order 1, elementwise."
)
for _leaf, _op, _doc in (
    ("bessel_j0", "BesselJ0", "Return the Bessel function of the first kind and order 0, elementwise."),
    ("bessel_j1", "BesselJ1", "Return the Bessel function of the first kind and order 1, elementwise."),
    ("bessel_y0", "BesselY0", "Return the Bessel function of the second kind and order 0, elementwise."),
    ("bessel_y1", "BesselY1", "Return the Bessel function of the second kind and order 1, elementwise."),
    ("bessel_k0", "BesselK0", "Return the modified Bessel function of the second kind and order 0, elementwise."),
    ("bessel_k0e", "BesselK0e", "Return exp(x) times the modified Bessel function K0 of x, elementwise."),
    ("bessel_k1", "BesselK1", "Return the modified Bessel function of the second kind and order 1, elementwise."),
    ("bessel_k1e", "BesselK1e", "Return exp(x) times the modified Bessel function K1 of x, elementwise."),
    ("dawsn", "Dawsn", "Return Dawson's integral, exp(-x^2) times the integral of exp(t^2) from 0 to x, elementwise."),
    ("expint", "Expint", "Return the exponential integral Ei(x) elementwise; NaN where x < 0."),
    ("fresnel_cos", "FresnelCos", "Return the integral of cos(pi t^2 / 2) from 0 to x, elementwise."),
    ("fresnel_sin", "FresnelSin", "Return the integral of sin(pi t^2 / 2) from 0 to x, elementwise."),
    ("spence", "Spence", "Return the integral of log(t) / (1 - t) from 1 to x, elementwise; NaN where x < 0."),
):
    unary(f"math.special.{_leaf}", _op, _doc)


@public("math.betainc")
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Any:
    """Return the regularised incomplete beta function: the integral of t^(a-1) (1-t)^(b-1) from 0 to x, over that to 1.

    Arguments:
      a, b: parameters above 0; float32 or float64.
      x: numbers in [0, 1] of the same type. All have one shape, or are scalars.
      name: not used.

    Raises:
      InvalidArgumentError: where two shapes that are not those of scalars differ.

    >>> tf.math.betainc(2.0, 2.0, 0.5).numpy()
    0.5
    """
    return apply(find("Betainc"), a, b, x)


@public("math.igamma")
def igamma(a: Any, x: Any, name: str | None = None) -> Any:
    """Return the lower regularised incomplete gamma function of a at x."""
    return apply(find("Igamma"), a, x)


@public("math.igammac")
def igammac(a: Any, x: Any, name: str | None = None) -> Any:
    """Return the upper regularised incomplete gamma function of a at x."""
    return apply(find("Igammac"), a, x)


@public("math.zeta")
def zeta(x: Any, q: Any, name: str | None = None) -> Any:
    """Return the Hurwitz zeta function: the sum of (q + n) to the power of -x."""
    return apply(find("Zeta"), x, q)


@public("math.polygamma")
def polygamma(a: Any, x: Any, name: str | None = None) -> Any:
    """Return the derivative of order a of digamma at x."""
    return apply(find("Polygamma"), a, x)


@public("math.lbeta")
def lbeta(x: Any, name: str | None = None) -> Any:
    """Return log(abs(Beta(x))) along the last axis."""
    x = to_tensor(x)
    return reduce_sum(apply(find("Lgamma"), x), -1) - apply(find("Lgamma"), reduce_sum(x, -1))
