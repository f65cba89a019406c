"""Declare rare elementwise functions: Bessel functions, integrals without a closed form, the incomplete beta function."""

from __future__ import annotations

from collections.abc import Callable

from millstream.base.dtypes import bfloat16, float16, float32, float64
from millstream.ops.declaration import Op, Tensor, Types, op
from millstream.program.primitives import rare
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import broadcast
from millstream.program.value import Value

Float = Types("T", bfloat16, float16, float32, float64)
Wide = Types("T", float32, float64)
TWO = [float32, float64]


def _unary(name: str, function: Callable[[Value], Value], doc: str) -> Op:
    def body(x: Tensor[Float]) -> Tensor[Float]:
        return function(x)

    body.__doc__ = doc
    return op(name, outputs="y")(body)


_BESSEL = {
    "J0": "Bessel function of the first kind and order 0",
    "J1": "Bessel function of the first kind and order 1",
    "Y0": "Bessel function of the second kind and order 0",
    "Y1": "Bessel function of the second kind and order 1",
    "K0": "modified Bessel function of the second kind and order 0",
    "K0e": "modified Bessel function of the second kind and order 0, times exp(x)",
    "K1": "modified Bessel function of the second kind and order 1",
    "K1e": "modified Bessel function of the second kind and order 1, times exp(x)",
}
_OPS = [_unary(f"Bessel{k}", getattr(rare, f"bessel_{k.lower()}"), f"Return the {v}.") for k, v in _BESSEL.items()]
dawsn = _unary("Dawsn", rare.dawsn, "Return Dawson's integral: exp(-x^2) times the integral of exp(t^2) from 0 to x.")
expint = _unary("Expint", rare.expint, "Return the exponential integral Ei(x); NaN where x < 0.")
fresnel_cos = _unary("FresnelCos", rare.fresnel_cos, "Return the integral of cos(pi t^2 / 2) from 0 to x.")
fresnel_sin = _unary("FresnelSin", rare.fresnel_sin, "Return the integral of sin(pi t^2 / 2) from 0 to x.")
spence = _unary("Spence", rare.spence, "Return Spence's integral: of log(t) / (1 - t) from 1 to x; NaN where x < 0.")
for _op in (*_OPS, expint, spence):
    _op.cases([(5,), ("batch", 2)], low=0.3, high=9.0, dtypes=TWO)
    _op.cases([(7,)], inputs=([0.0, 1.5, 2.0, 2.5, 30.0, float("nan"), -1.0],), dtypes=TWO, gradient=False)
for _op in (dawsn, fresnel_cos, fresnel_sin):
    _op.cases([(5,), ("batch", 2)], low=-3.0, high=3.0, dtypes=TWO)
    _op.cases([(7,)], inputs=([0.0, 1.5, 2.0, 1e6, -30.0, float("nan"), float("inf")],), dtypes=TWO, gradient=False)


@op("Betainc", outputs="z")
def betainc(a: Tensor[Wide], b: Tensor[Wide], x: Tensor[Wide]) -> Tensor[Wide]:
    """Return the regularised incomplete beta function of a and b at x: all of one shape, or scalars."""
    shapes = [list(v.shape) for v in (a, b, x) if v.rank]
    for other in shapes[1:]:
        if len(other) != len(shapes[0]):
            raise refuse(
                "Betainc", f"inconsistent shapes {shapes[0]} and {other}", "give a, b and x of one shape, or scalars"
            )
    like = next((v for v in (a, b, x) if v.rank), x)
    given = [broadcast(v, like.shape, ()) if v.rank < like.rank else v for v in (a, b, x)]
    return rare.betainc(*given)


betainc.cases([((4,), (4,), (4,)), ((), (2, 3), ())], low=0.1, high=0.9, dtypes=TWO, gradient=False)

betainc.cases(
    [((6,), (6,), (6,))],
    inputs=([1, 0, 2, 30, 5000, 0.001], [1, 1, 3, -1, 4000, 3], [0.5, 0.5, 1, 0.2, 0.55, 0.3]),
    dtypes=TWO,
    gradient=False,
)
