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
