"""Functions of tf.experimental.numpy on each element: one, two or three arrays, promoted to one element type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api.experimental_numpy import (
    FLOAT64,
    array_of,
    asarray,
    convert,
    floating,
    promoted,
    promoted_floating,
)
from millstream.api.math import angle as angle_of
from millstream.api.math import cast, clip_by_value, conj, imag, real, round_
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.operators import exclusive_or, true_divide
from millstream.execution.tensor import TensorType
from millstream.ops.registry import find

BOOL, INT8, FLOAT32 = as_dtype(np.bool_), as_dtype(np.int8), as_dtype(np.float32)

_UNARY = {
    "negative": ("Neg", False, "Return -x."),
    "reciprocal": ("Reciprocal", False, "Return 1 / x."),
    "sign": ("Sign", False, "Return -1, 0 or 1: which side of zero x is."),
    "square": ("Square", False, "Return x * x."),
    "bitwise_not": ("Invert", False, "Return x with its bits turned over; not x of bools."),
    "exp": ("Exp", True, "Return e to the power of x."),
    "expm1": ("Expm1", True, "Return e to the power of x, less 1."),
    "log": ("Log", True, "Return the natural logarithm of x."),
    "log1p": ("Log1p", True, "Return the natural logarithm of 1 + x."),
    "sqrt": ("Sqrt", True, "Return the square root of x."),
    "sin": ("Sin", True, "Return the sine of x."),
    "cos": ("Cos", True, "Return the cosine of x."),
    "tan": ("Tan", True, "Return the tangent of x."),
    "sinh": ("Sinh", True, "Return the hyperbolic sine of x."),
    "cosh": ("Cosh", True, "Return the hyperbolic cosine of x."),
    "tanh": ("Tanh", True, "Return the hyperbolic tangent of x."),
    "arcsin": ("Asin", True, "Return the angle whose sine is x."),
    "arccos": ("Acos", True, "Return the angle whose cosine is x."),
    "arctan": ("Atan", True, "Return the angle whose tangent is x."),
    "arcsinh": ("Asinh", True, "Return what x is the hyperbolic sine of."),
    "arccosh": ("Acosh", True, "Return what x is the hyperbolic cosine of."),
    "arctanh": ("Atanh", True, "Return what x is the hyperbolic tangent of."),
    "floor": ("Floor", True, "Return the largest whole number that is not above x."),
    "ceil": ("Ceil", True, "Return the smallest whole number that is not below x."),
    "isnan": ("IsNan", True, "Return whether x is no number."),
    "isinf": ("IsInf", True, "Return whether x is infinite."),
    "isfinite": ("IsFinite", True, "Return whether x is a finite number."),
}
"""Name of the op, whether whole numbers become floating ones first, what it says."""


def _publish(name: str, function: Callable[..., Any], text: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    public(f"experimental.numpy.{name}")(function)


def _unary(name: str, op_name: str, floats: bool, text: str) -> None:
    def function(x: Any) -> Any:
        given = floating(x) if floats else array_of(x)
        if op_name == "Invert" and given.dtype is BOOL:
            return apply(find("LogicalNot"), given)
        if given.dtype.is_complex and op_name in ("IsNan", "IsInf", "IsFinite"):
            parts = [apply(find(op_name), p) for p in (real(given), imag(given))]
            return apply(find("LogicalAnd" if op_name == "IsFinite" else "LogicalOr"), *parts)
        return apply(find(op_name), given)

    _publish(name, function, text)


for _name, (_op, _floats, _text) in _UNARY.items():
    if _name != "sign":
        _unary(_name, _op, _floats, _text)


@public("experimental.numpy.sign")
def sign(x: Any, out: Any = None, where: Any = None, **kwargs: Any) -> Any:
    """Return -1, 0 or 1: which side of zero x is; of complex numbers, x / |x|.

    Raises:
      ValueError: for out, where, or other arguments.
    """
    if out is not None or where is not None or kwargs:
        raise ValueError(explain("tf.numpy.sign does not support the out, where or other arguments."))
    return apply(find("Sign"), array_of(x))


@public("experimental.numpy.abs", "experimental.numpy.absolute")
def absolute(x: Any) -> Any:
    """Return how far x is from zero."""
    return abs(array_of(x))


@public("experimental.numpy.fabs")
def fabs(x: Any) -> Any:
    """Return how far x is from zero."""
    return abs(array_of(x))


@public("experimental.numpy.positive")
def positive(x: Any) -> Any:
    """Return x."""
    return apply(find("Identity"), array_of(x))


@public("experimental.numpy.logical_not")
def logical_not(x: Any) -> Any:
    """Return whether x is false, or zero."""
    return apply(find("LogicalNot"), cast(array_of(x), BOOL))


@public("experimental.numpy.real")
def real_(val: Any) -> Any:
    """Return the real part."""
    return real(asarray(val))


@public("experimental.numpy.imag")
def imag_(val: Any) -> Any:
    """Return the imaginary part; of real numbers, zeros."""
    given = asarray(val)
    return imag(given) if given.dtype.is_complex else arrays.zeros_like(given)


@public("experimental.numpy.conj", "experimental.numpy.conjugate")
def conjugate(x: Any) -> Any:
    """Return x with its imaginary part negated."""
    return conj(array_of(x))


@public("experimental.numpy.angle")
def angle(z: Any, deg: bool = False) -> Any:
    """Return the angle of complex numbers, in radians or degrees."""
    given = array_of(z)
    if not (given.dtype.is_complex or (given.dtype.name == "float64" and isinstance(z, TensorType))):
        given = cast(given, FLOAT32)
    found = angle_of(given)
    return found * (180.0 / np.pi) if deg else found


@public("experimental.numpy.isreal")
def isreal(x: Any) -> Any:
    """Return whether x has no imaginary part."""
    given = array_of(x)
    return apply(find("Equal"), imag_(given), convert(0, imag_(given).dtype))


@public("experimental.numpy.iscomplex")
def iscomplex(x: Any) -> Any:
    """Return whether x has an imaginary part."""
    return apply(find("LogicalNot"), isreal(x))


@public("experimental.numpy.iscomplexobj")
def iscomplexobj(x: Any) -> bool:
    """Return whether the elements are complex."""
    return bool(array_of(x).dtype.is_complex)


@public("experimental.numpy.isrealobj")
def isrealobj(x: Any) -> bool:
    """Return whether the elements are real."""
    return not iscomplexobj(x)


@public("experimental.numpy.isscalar")
def isscalar(num: Any) -> bool:
    """Return whether `num` is one number or text, or a tensor without axes."""
    return num.shape.rank == 0 if isinstance(num, TensorType) else bool(np.isscalar(num))


def _infinite(x: Any, limit: float) -> Any:
    given = floating(x)
    return apply(find("Equal"), given, convert(limit, given.dtype))


@public("experimental.numpy.isposinf")
def isposinf(x: Any) -> Any:
    """Return whether x is positive infinity."""
    return _infinite(x, np.inf)


@public("experimental.numpy.isneginf")
def isneginf(x: Any) -> Any:
    """Return whether x is negative infinity."""
    return _infinite(x, -np.inf)


@public("experimental.numpy.signbit")
def signbit(x: Any) -> Any:
    """Return whether x is below zero."""
    given = array_of(x)
    if given.dtype is BOOL:
        return arrays.zeros_like(given)
    return apply(find("Less"), given, convert(0, given.dtype))


@public("experimental.numpy.around", "experimental.numpy.round")
def around(a: Any, decimals: int = 0) -> Any:
    """Return `a` rounded to so many decimals, halves to the even neighbour."""
    given = asarray(a)
    kept = given.dtype
    if kept is BOOL:
        return given
    if decimals == 0 or (kept.is_integer and decimals > 0):
        return given if kept.is_integer else round_(given)
    factor = 10.0**decimals
    wide = given if kept.is_floating or kept.is_complex else cast(given, FLOAT64)
    scale = convert(factor, wide.dtype)
    return cast(round_(wide * scale) / scale, kept)


@public("experimental.numpy.fix")
def fix(x: Any) -> Any:
    """Return x without its decimals."""
    given = floating(x)
    return arrays.where(
        apply(find("GreaterEqual"), given, 0.0), apply(find("Floor"), given), apply(find("Ceil"), given)
    )


@public("experimental.numpy.cbrt")
def cbrt(x: Any) -> Any:
    """Return the cube root of x."""
    given = floating(x)
    size = apply(find("Pow"), abs(given), convert(1.0 / 3.0, given.dtype))
    return arrays.where(apply(find("Less"), given, 0.0), -size, size)


def _scaled(name: str, factor: float, text: str) -> None:
    def function(x: Any) -> Any:
        given = floating(x)
        return given * convert(factor, given.dtype)

    _publish(name, function, text)


_scaled("deg2rad", np.pi / 180.0, "Return degrees as radians.")
_scaled("rad2deg", 180.0 / np.pi, "Return radians as degrees.")


def _logarithm(name: str, base: float, text: str) -> None:
    def function(x: Any) -> Any:
        given = floating(x)
        return apply(find("Log"), given) / convert(np.log(base), given.dtype)

    _publish(name, function, text)


_logarithm("log2", 2.0, "Return the logarithm of x to base 2.")
_logarithm("log10", 10.0, "Return the logarithm of x to base 10.")


@public("experimental.numpy.exp2")
def exp2(x: Any) -> Any:
    """Return 2 to the power of x."""
    given = floating(x)
    return apply(find("Exp"), given * convert(np.log(2.0), given.dtype))


@public("experimental.numpy.sinc")
def sinc(x: Any) -> Any:
    """Return sin(pi x) / (pi x), 1 at 0."""
    given = floating(x)
    turned = given * convert(np.pi, given.dtype)
    at_zero = apply(find("Equal"), given, convert(0, given.dtype))
    safe = arrays.where(at_zero, arrays.ones_like(turned), turned)
    return arrays.where(at_zero, arrays.ones_like(turned), apply(find("Sin"), safe) / safe)


_BINARY = {
    "subtract": ("Sub", "Sub", "Return x1 - x2."),
    "add": ("AddV2", "LogicalOr", "Return x1 + x2; of bools, whether either holds."),
    "multiply": ("Mul", "LogicalAnd", "Return x1 * x2; of bools, whether both hold."),
    "maximum": ("Maximum", "LogicalOr", "Return the larger of x1 and x2."),
    "minimum": ("Minimum", "LogicalAnd", "Return the smaller of x1 and x2."),
    "power": ("Pow", "Pow", "Return x1 to the power of x2."),
    "float_power": ("Pow", "Pow", "Return x1 to the power of x2."),
    "bitwise_and": ("BitwiseAnd", "LogicalAnd", "Return the bits that both have."),
    "bitwise_or": ("BitwiseOr", "LogicalOr", "Return the bits that either has."),
}
"""Name of the op on numbers, of that on bools, what it says."""


def binary(op_name: str, on_bools: str, x1: Any, x2: Any) -> Any:
    """Apply an op to two arrays, promoted; another one to bools."""
    first, second = promoted(x1, x2)
    return apply(find(on_bools if first.dtype is BOOL else op_name), first, second)


def _binary(name: str, op_name: str, on_bools: str, text: str) -> None:
    def function(x1: Any, x2: Any) -> Any:
        return binary(op_name, on_bools, x1, x2)

    _publish(name, function, text)


for _name, (_op, _other, _text) in _BINARY.items():
    _binary(_name, _op, _other, _text)


@public("experimental.numpy.bitwise_xor")
def bitwise_xor(x1: Any, x2: Any) -> Any:
    """Return the bits that one of both has."""
    return exclusive_or(*promoted(x1, x2))


def _division(name: str, op_name: str, text: str) -> None:
    def function(x1: Any, x2: Any) -> Any:
        first, second = promoted(x1, x2)
        if first.dtype is BOOL:
            first, second = cast(first, INT8), cast(second, INT8)
        return apply(find(op_name), first, second)

    _publish(name, function, text)


_division("floor_divide", "FloorDiv", "Return the largest whole number that is not above x1 / x2.")
_division("mod", "FloorMod", "Return what is left of x1 divided by x2, with the sign of x2.")
_division("remainder", "FloorMod", "Return what is left of x1 divided by x2, with the sign of x2.")


@public("experimental.numpy.divmod")
def divmod_(x1: Any, x2: Any) -> Any:
    """Return floor_divide(x1, x2) and mod(x1, x2)."""
    first, second = promoted(x1, x2)
    if first.dtype is BOOL:
        first, second = cast(first, INT8), cast(second, INT8)
    return apply(find("FloorDiv"), first, second), apply(find("FloorMod"), first, second)


@public("experimental.numpy.true_divide", "experimental.numpy.divide")
def divide(x1: Any, x2: Any) -> Any:
    """Return x1 / x2; whole numbers become floating ones."""
    first, second = promoted(x1, x2)
    if first.dtype is BOOL:
        wanted = FLOAT64
        first, second = cast(first, wanted), cast(second, wanted)
    elif np.float32 == FLOAT64 and first.dtype.is_integer:
        first, second = cast(first, FLOAT32), cast(second, FLOAT32)
    return true_divide(first, second)


def _floating_pair(name: str, op_name: str, text: str) -> None:
    def function(x1: Any, x2: Any) -> Any:
        return apply(find(op_name), *promoted_floating(x1, x2))

    _publish(name, function, text)


_floating_pair("arctan2", "Atan2", "Return the angle of the point (x2, x1).")
_floating_pair("nextafter", "NextAfter", "Return the number next to x1 in the direction of x2.")


@public("experimental.numpy.hypot")
def hypot(x1: Any, x2: Any) -> Any:
    """Return the length of the vector (x1, x2)."""
    first, second = promoted_floating(x1, x2)
    return apply(find("Sqrt"), apply(find("Square"), first) + apply(find("Square"), second))


@public("experimental.numpy.heaviside")
def heaviside(x1: Any, x2: Any) -> Any:
    """Return 0 where x1 is below zero, 1 where above, x2 where zero."""
    first, second = promoted_floating(x1, x2)
    one, zero = arrays.ones_like(first), arrays.zeros_like(first)
    side = arrays.where(
        apply(find("Less"), first, 0.0), zero, arrays.where(apply(find("Greater"), first, 0.0), one, second)
    )
    return arrays.where(apply(find("IsNan"), first), first, side)


@public("experimental.numpy.logaddexp")
def logaddexp(x1: Any, x2: Any) -> Any:
    """Return log(exp(x1) + exp(x2))."""
    first, second = promoted_floating(x1, x2)
    return _log_of_sum(first, second, 1.0)


@public("experimental.numpy.logaddexp2")
def logaddexp2(x1: Any, x2: Any) -> Any:
    """Return log2(2 ** x1 + 2 ** x2)."""
    first, second = promoted_floating(x1, x2)
    return _log_of_sum(first, second, float(np.log(2.0)))


def _log_of_sum(first: Any, second: Any, scale: float) -> Any:
    high = apply(find("Maximum"), first, second)
    far = -abs(first - second) * convert(scale, first.dtype)
    found = high + apply(find("Log1p"), apply(find("Exp"), far)) / convert(scale, first.dtype)
    # Of two equal infinities the difference is no number.
    return arrays.where(apply(find("IsNan"), far), first + second, found)


@public("experimental.numpy.gcd")
def gcd(x1: Any, x2: Any) -> Any:
    """Return the greatest common divisor of whole numbers."""
    from millstream.api.control_flow import while_loop

    first, second = _whole("gcd", x1, x2)
    sizes = apply(find("BroadcastArgs"), arrays.shape(first), arrays.shape(second))
    one, other = arrays.broadcast_to(abs(first), sizes), arrays.broadcast_to(abs(second), sizes)

    def step(a: Any, b: Any) -> Any:
        done = apply(find("Equal"), b, 0)
        safe = arrays.where(done, arrays.ones_like(b), b)
        return arrays.where(done, a, b), arrays.where(done, b, apply(find("FloorMod"), a, safe))

    def left(a: Any, b: Any) -> Any:
        flat = arrays.reshape(apply(find("NotEqual"), b, 0), [-1])
        return apply(find("Any"), flat, np.array([0], np.int32))

    return while_loop(left, step, (one, other))[0]


@public("experimental.numpy.lcm")
def lcm(x1: Any, x2: Any) -> Any:
    """Return the least common multiple of whole numbers."""
    first, second = _whole("lcm", x1, x2)
    divisor = gcd(first, second)
    safe = arrays.where(apply(find("Equal"), divisor, 0), arrays.ones_like(divisor), divisor)
    return abs(apply(find("FloorDiv"), first, safe) * second)


def _whole(name: str, x1: Any, x2: Any) -> tuple[Any, Any]:
    first, second = promoted(x1, x2)
    if not first.dtype.is_integer:
        raise ValueError(explain(f"Arguments to {name} must be integers, given {first.dtype.name}."))
    return first, second


_COMPARISONS = {
    "equal": ("Equal", "Return whether x1 equals x2."),
    "not_equal": ("NotEqual", "Return whether x1 differs from x2."),
    "greater": ("Greater", "Return whether x1 is above x2."),
    "greater_equal": ("GreaterEqual", "Return whether x1 is not below x2."),
    "less": ("Less", "Return whether x1 is below x2."),
    "less_equal": ("LessEqual", "Return whether x1 is not above x2."),
}


def _comparison(name: str, op_name: str, text: str) -> None:
    def function(x1: Any, x2: Any) -> Any:
        first, second = promoted(x1, x2)
        if first.dtype is BOOL and op_name not in ("Equal", "NotEqual"):
            first, second = cast(first, INT8), cast(second, INT8)
        return apply(find(op_name), first, second)

    _publish(name, function, text)


for _name, (_op, _text) in _COMPARISONS.items():
    _comparison(_name, _op, _text)


def _logical(name: str, text: str) -> None:
    def function(x1: Any, x2: Any) -> Any:
        first, second = (cast(array_of(x), BOOL) for x in (x1, x2))
        if name == "logical_xor":
            return exclusive_or(first, second)
        return apply(find("LogicalAnd" if name == "logical_and" else "LogicalOr"), first, second)

    _publish(name, function, text)


_logical("logical_and", "Return whether both are true, or not zero.")
_logical("logical_or", "Return whether either is true, or not zero.")
_logical("logical_xor", "Return whether exactly one is true, or not zero.")


@public("experimental.numpy.clip")
def clip(a: Any, a_min: Any, a_max: Any) -> Any:
    """Return `a` with what is below a_min or above a_max replaced by those; None sets no limit."""
    if a_min is None and a_max is None:
        raise ValueError(explain("Not more than one of `a_min` and `a_max` may be `None`."))
    if a_min is None:
        return binary("Minimum", "LogicalAnd", a, a_max)
    if a_max is None:
        return binary("Maximum", "LogicalOr", a, a_min)
    given, low, high = promoted(a, a_min, a_max)
    sizes = arrays.shape(given)
    for other in (low, high):
        sizes = apply(find("BroadcastArgs"), sizes, arrays.shape(other))
    return clip_by_value(arrays.broadcast_to(given, sizes), low, high)


@public("experimental.numpy.isclose")
def isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Return whether |a - b| <= atol + rtol * |b|."""
    first, second = promoted(a, b)
    if not (first.dtype.is_floating or first.dtype.is_complex):
        return apply(find("Equal"), first, second)
    size = abs(second)
    limit = convert(atol, size.dtype) + convert(rtol, size.dtype) * size
    finite = apply(find("LessEqual"), abs(first - second), limit)
    near = apply(find("LogicalOr"), apply(find("Equal"), first, second), _both(finite, _is_finite(second)))
    if equal_nan:
        both = _both(apply(find("NotEqual"), first, first), apply(find("NotEqual"), second, second))
        near = apply(find("LogicalOr"), near, both)
    return near


def _is_finite(x: Any) -> Any:
    return apply(find("IsFinite"), real(x)) if x.dtype.is_complex else apply(find("IsFinite"), x)


def _both(first: Any, second: Any) -> Any:
    return apply(find("LogicalAnd"), first, second)


@public("experimental.numpy.allclose")
def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Return whether all elements are close; see isclose."""
    near = arrays.reshape(isclose(a, b, rtol, atol, equal_nan), [-1])
    return apply(find("All"), near, np.array([0], np.int32))


@public("experimental.numpy.array_equal")
def array_equal(a1: Any, a2: Any) -> Any:
    """Return whether shapes and elements are equal."""
    first, second = promoted(a1, a2)
    if first.shape.rank != second.shape.rank or not first.shape.is_compatible_with(second.shape):
        return array_of(False)
    if not (first.shape.is_fully_defined() and second.shape.is_fully_defined()):
        from millstream.api.control_flow import cond

        same = apply(
            find("All"), apply(find("Equal"), arrays.shape(first), arrays.shape(second)), np.array([0], np.int32)
        )
        return cond(same, lambda: _all_equal(first, second), lambda: array_of(False))
    return _all_equal(first, second)


def _all_equal(first: Any, second: Any) -> Any:
    equal = arrays.reshape(apply(find("Equal"), first, second, incompatible_shape_error=True), [-1])
    return apply(find("All"), equal, np.array([0], np.int32))
