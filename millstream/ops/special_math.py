"""Declare special functions and CheckNumerics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from millstream.base.dtypes import bfloat16, float16, float32, float64
from millstream.ops.declaration import Op, Tensor, Types, op
from millstream.ops.types import FLOATS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.elementwise import scalar_like, select
from millstream.program.primitives.reduction import reduce_all
from millstream.program.primitives.shaping import broadcast_together
from millstream.program.value import Value

Float = Types("T", *FLOATS)
Wide = Types("T", float32, float64)


def _pair(name: str, types: Types, names: tuple[str, str], function: Callable[[Value, Value], Value], doc: str) -> Op:
    def body(a: Tensor[types], x: Tensor[types]) -> Tensor[types]:  # type: ignore[valid-type]
        narrow = a.dtype in (float16, bfloat16)
        p, q = broadcast_together(a, x, what=name)
        if not narrow:
            return function(p, q)
        return e.convert(function(e.convert(p, float32), e.convert(q, float32)), a.dtype)

    body.__annotations__ = {"a": Tensor[types], "x": Tensor[types], "return": Tensor[types]}
    body.__doc__ = doc
    declared: Op = op(name, outputs="z")(body)
    for i, wanted in enumerate(names):
        declared.inputs[i] = type(declared.inputs[i])(wanted, declared.inputs[i].element)
    return declared


igamma = _pair(
    "Igamma", Float, ("a", "x"), e.igamma, "Return the lower regularised incomplete gamma function of a at x."
)
igammac = _pair(
    "Igammac", Float, ("a", "x"), e.igammac, "Return the upper regularised incomplete gamma function of a at x."
)
igamma_gradient = _pair(
    "IgammaGradA", Wide, ("a", "x"), e.igamma_gradient, "Return the derivative of Igamma by a."
).no_gradient()
zeta = _pair(
    "Zeta", Wide, ("x", "q"), e.zeta, "Return the Hurwitz zeta function: the sum of (q + n) to the power of -x."
)
polygamma = _pair("Polygamma", Wide, ("a", "x"), e.polygamma, "Return the derivative of order a of digamma at x.")


def _fraction(x: Value, top: Sequence[float], bottom: Sequence[float]) -> Value:
    """Return a quotient of polynomials, the highest powers first."""

    def polynomial(coefficients: Sequence[float]) -> Value:
        total = scalar_like(x, coefficients[0])
        for c in coefficients[1:]:
            total = total * x + scalar_like(x, c)
        return total

    return polynomial(top) / polynomial(bottom)


# The rational approximations of the inverse normal distribution of the Cephes library: middle, tails, far tails.
_MIDDLE = (
    (-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1, 1.39312609387279679503e1, -1.23916583867381258016),
    (1.0, 1.95448858338141759834, 4.67627912898881538453, 8.63602421390890590575e1, -2.25462687854119370527e2,
     2.00260212380060660359e2, -8.20372256168333339912e1, 1.59056225126211695515e1, -1.18331621121330003142),
)  # fmt: skip
_TAIL = (
    (4.05544892305962419923, 3.15251094599893866154e1, 5.71628192246421288162e1, 4.40805073893200834700e1, 1.46849561928858024014e1,
     2.18663306850790267539, -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4),
    (1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1, 1.50425385692907503408e1,
     2.50464946208309415979, -1.42182922854787788574e-1, -3.80806407691578277194e-2, -9.33259480895457427372e-4),
)  # fmt: skip
_FAR = (
    (3.23774891776946035970, 6.91522889068984211695, 3.93881025292474443415, 1.33303460815807542389, 2.01485389549179081538e-1,
     1.23716634817820021358e-2, 3.01581553508235416007e-4, 2.65806974686737550832e-6, 6.23974539184983293730e-9),
    (1.0, 6.02427039364742014255, 3.67983563856160859403, 1.37702099489081330271, 2.16236993594496635890e-1,
     1.34204006088543189037e-2, 3.28014464682127739104e-4, 2.89247864745380683936e-6, 6.79019408009981274425e-9),
)  # fmt: skip


def _normal_quantile(p: Value) -> Value:
    """Return x below which a normal number is with probability p."""
    tail = float(np.exp(-2.0))
    high = e.compare(p, scalar_like(p, 1 - tail), "GT")
    low = select(high, 1 - p, p)
    inner = e.compare(low, scalar_like(p, tail), "GT")
    y = low - 0.5
    square = y * y
    middle = (y + y * (square * _fraction(square, *_MIDDLE))) * 2.50662827463100050242
    safe = select(inner, scalar_like(p, tail), low)
    x = e.sqrt(e.log(safe) * -2.0)
    z = 1 / x
    near = x - e.log(x) * z
    outer = near - z * select(e.compare(x, scalar_like(p, 8.0), "LT"), _fraction(z, *_TAIL), _fraction(z, *_FAR))
    result = select(inner, middle, select(high, outer, -outer))
    infinite = scalar_like(p, float("inf"))
    result = select(e.compare(p, scalar_like(p, 0), "EQ"), -infinite, result)
    result = select(e.compare(p, scalar_like(p, 1), "EQ"), infinite, result)
    outside = e.bit_or(e.compare(p, scalar_like(p, 0), "LT"), e.compare(p, scalar_like(p, 1), "GT"))
    return select(outside, scalar_like(p, float("nan")), result)


@op("Ndtri", outputs="y")
def ndtri(x: Tensor[Float]) -> Tensor[Float]:
    """Return the number below which a normal number is with probability x, elementwise."""
    if x.dtype in (float16, bfloat16):
        return e.convert(_normal_quantile(e.convert(x, float32)), x.dtype)
    return _normal_quantile(x)


@ndtri.gradient
def _(dy: Value, y: Value, x: Value) -> tuple[Value]:
    return (dy * e.exp(y * y * 0.5) * float(np.sqrt(2 * np.pi)),)


def _unscaled(x: Value, scaled: Callable[[Value], Value]) -> Value:
    # In half, exp(x) would leave the numbers before the product does.
    wide = e.convert(x, float32) if x.dtype in (float16, bfloat16) else x
    return e.convert(e.exp(e.absolute(wide)) * scaled(wide), x.dtype)


@op("BesselI0", outputs="y")
def bessel_i0(x: Tensor[Float]) -> Tensor[Float]:
    """Return the modified Bessel function of order 0, elementwise."""
    return _unscaled(x, e.bessel_i0e)


@op("BesselI1", outputs="y")
def bessel_i1(x: Tensor[Float]) -> Tensor[Float]:
    """Return the modified Bessel function of order 1, elementwise."""
    return _unscaled(x, e.bessel_i1e)


@bessel_i0.gradient
def _(dy: Value, y: Value, x: Value) -> tuple[Value]:
    return (dy * bessel_i1(x),)


@bessel_i1.gradient
def _(dy: Value, y: Value, x: Value) -> tuple[Value]:
    zero = e.compare(x, scalar_like(x, 0), "EQ")
    safe = select(zero, scalar_like(x, 1), x)
    return (dy * select(zero, scalar_like(x, 0.5), bessel_i0(x) - y / safe),)


@op("CheckNumerics", outputs="output", stateful=True)
def check_numerics(tensor: Tensor[Float], *, message: str) -> Tensor[Float]:
    """Return the tensor; stop with `message` where an element is NaN or infinite."""
    nan, infinite = reduce_all(e.is_nan(tensor), "or"), reduce_all(e.is_inf(tensor), "or")
    both = e.bit_and(nan, infinite)
    check(e.logical_not(both), f"{message} : Tensor had Inf and NaN values")
    check(e.logical_not(nan), f"{message} : Tensor had NaN values")
    check(e.logical_not(infinite), f"{message} : Tensor had Inf values")
    return tensor


@check_numerics.gradient
def _(dy: Value, y: Value, tensor: Value, message: str) -> tuple[Value]:
    return (check_numerics(dy, message="Not a number (NaN) or infinity (Inf) values detected in gradient. " + message),)


TWO = [float32, float64]
igamma_gradient.cases([((3,), (3,)), (("batch", 2), (2,))], low=0.5, high=4, dtypes=[float32])
for _op in (igamma, igammac):
    _op.cases([((3,), (3,)), (("batch", 2), (2,))], low=0.5, high=4, dtypes=TWO, gradient=False)
zeta.cases([((3,), (3,))], low=1.5, high=4, dtypes=TWO, gradient=False)
polygamma.cases([((3,), (3,))], inputs=([1.0, 2.0, 3.0], None), low=0.5, high=4, dtypes=TWO, gradient=False)
ndtri.cases([(4,), ("batch", 2)], low=0.01, high=0.99, dtypes=TWO)
ndtri.cases([(7,)], inputs=([0.0, 1.0, 1e-30, 1e-5, 0.999, -1.0, 0.5],), dtypes=TWO, gradient=False)
for _op in (bessel_i0, bessel_i1):
    _op.cases([(4,), ("batch", 2)], dtypes=TWO)
check_numerics.cases([(3,)], attributes={"message": "here"}, dtypes=TWO)
