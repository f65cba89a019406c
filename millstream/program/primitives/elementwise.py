"""State the elementwise primitives. All inputs of one have one shape and, unless said, one element type; nothing broadcasts here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, is_known
from millstream.base.spec import Spec
from millstream.program.primitives import special
from millstream.program.primitives.core import PRIMITIVES, Primitive, known_shape, primitive, refuse
from millstream.program.value import Value, current_program, emit

NARROW = frozenset({dtypes.float16, dtypes.bfloat16, dtypes.float8_e5m2, dtypes.float8_e4m3fn})
"""Computed in float32 and rounded after each primitive, so that fused chains equal unfused ones bit for bit."""


def merged_shape(name: str, specs: tuple[Spec, ...]) -> tuple[Size, ...]:
    """Return the one shape that all specs have; literal sizes win over symbols."""
    shape = known_shape(specs[0])
    for spec in specs[1:]:
        other = known_shape(spec)
        if other is shape or other == shape:
            continue
        if len(other) != len(shape):
            raise refuse(name, f"shapes {shape} and {other}", "give values of one shape")
        merged: list[Size] = []
        for a, b in zip(shape, other, strict=True):
            if a != b and is_known(a) and is_known(b):
                raise refuse(name, f"shapes {shape} and {other}", "give values of one shape")
            merged.append(a if is_known(a) else b)
        shape = tuple(merged)
    return shape


def _same(name: str) -> Callable[..., Spec]:
    def infer(*specs: Spec) -> Spec:
        first = specs[0]
        for spec in specs[1:]:
            if spec.dtype != first.dtype:
                raise refuse(name, f"element types {first.dtype.name} and {spec.dtype.name}", "give one element type")
        if len(specs) == 1:
            known_shape(first)
            return Spec(first.dtype, first.shape)
        return Spec(first.dtype, merged_shape(name, specs))

    return infer


def _to_dtype(name: str, dtype: Callable[[DType], DType]) -> Callable[..., Spec]:
    def infer(*specs: Spec, **_: Any) -> Spec:
        if any(spec.dtype != specs[0].dtype for spec in specs):
            raise refuse(name, f"element types {', '.join(s.dtype.name for s in specs)}", "give one element type")
        return Spec(dtype(specs[0].dtype), merged_shape(name, specs))

    return infer


def rounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a NumPy function so that narrow floats are computed in float32, and warnings about NaN and overflow stay silent."""

    def meaning(*arrays: Any, **attributes: Any) -> Any:
        dtype = arrays[0].dtype
        with np.errstate(all="ignore"):
            if dtype.itemsize <= 2 and dtype.kind in "fV":
                narrow = [a.astype(np.float32) if a.dtype == dtype else a for a in arrays]
                answer = function(*narrow, **attributes)
                return answer.astype(dtype) if answer.dtype == np.float32 else answer
            answer = function(*arrays, **attributes)
            if isinstance(answer, np.ndarray | np.generic) and answer.dtype != dtype and answer.dtype.kind in "fcui":
                return np.asarray(answer).astype(dtype)
            return np.asarray(answer)

    return meaning


def conjugate(x: Value) -> Value:
    """Return the complex conjugate; real values as they are."""
    return emit(CONJ, x)[0] if x.dtype.is_complex else x


def _unary(
    name: str, function: Callable[..., Any], slope: Callable[[Value, Value], Value] | None, **flags: Any
) -> Primitive:
    """State a one-input primitive; `slope(y, x)` is its derivative, None where it is zero or undefined."""

    def reverse(dy: Value, y: Value, x: Value) -> tuple[Value | None]:
        return (None if slope is None else dy * conjugate(slope(y, x)),)

    return primitive(name, _same(name), rounded(function), reverse, elementwise=True, **flags)


def unary(definition: Primitive) -> Callable[[Value], Value]:
    """Make the function that applies a one-input primitive."""

    def apply(x: Value) -> Value:
        return emit(definition, x)[0]

    apply.__name__ = definition.name
    apply.__doc__ = f"Apply `{definition.name}` to each element of `x`."
    return apply


def scalar_like(x: Value, number: complex) -> Value:
    """Return `number` in the element type and shape of `x`."""
    value = np.asarray(number, x.dtype.stored)
    one = emit(PRIMITIVES["constant"], value=value, dtype=x.dtype)[0]
    return one if x.shape == () else emit(PRIMITIVES["broadcast"], one, shape=x.shape, axes=())[0]


cos: Callable[[Value], Value]
cosh: Callable[[Value], Value]
digamma: Callable[[Value], Value]
bessel_i1e: Callable[[Value], Value]
complex_: Callable[[Value, Value], Value]
polygamma: Callable[[Value, Value], Value]
ZETA: Primitive

CONJ = primitive("conj", _same("conj"), rounded(np.conj), lambda dy, y, x: (conjugate(dy),), elementwise=True)
NEGATE = primitive(
    "negate",
    _same("negate"),
    lambda x: -x if x.dtype == object else np.negative(x),
    lambda dy, y, x: (-dy,),
    elementwise=True,
    sizes=True,
)
negate = unary(NEGATE)


def _real_dtype(dtype: DType) -> DType:
    return dtype.real_dtype


def _abs_reverse(dy: Value, y: Value, x: Value) -> tuple[Value]:
    if x.dtype.is_complex:
        # In terms of x itself, so that it can be differentiated again; 0 at 0.
        share = dy / select(compare(y, scalar_like(y, 0), "EQ"), scalar_like(y, 1), y)
        return (complex_(share, share * 0) * x,)
    return (dy * sign(x),)


ABS = primitive("abs", _to_dtype("abs", _real_dtype), lambda x: np.abs(x), _abs_reverse, elementwise=True)
absolute = unary(ABS)


def _sign(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size))
    return np.sign(x)


SIGN = _unary("sign", _sign, None)
sign = unary(SIGN)
EXP = _unary("exp", np.exp, lambda y, x: y)
exp = unary(EXP)
EXPM1 = _unary("expm1", np.expm1, lambda y, x: y + 1)
expm1 = unary(EXPM1)
LOG = _unary("log", np.log, lambda y, x: 1 / x)
log = unary(LOG)
LOG1P = _unary("log1p", np.log1p, lambda y, x: 1 / (x + 1))
log1p = unary(LOG1P)
SQRT = _unary("sqrt", np.sqrt, lambda y, x: 0.5 / y)
sqrt = unary(SQRT)
RSQRT = _unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda y, x: y * y * y * -0.5)
rsqrt = unary(RSQRT)
CBRT = _unary("cbrt", np.cbrt, lambda y, x: y / (x * 3))
cbrt = unary(CBRT)
SIN = _unary("sin", np.sin, lambda y, x: cos(x))
sin = unary(SIN)
COS = _unary("cos", np.cos, lambda y, x: -sin(x))
cos = unary(COS)
TAN = _unary("tan", np.tan, lambda y, x: y * y + 1)
tan = unary(TAN)
ASIN = _unary("asin", np.arcsin, lambda y, x: rsqrt(1 - x * x))
asin = unary(ASIN)
ACOS = _unary("acos", np.arccos, lambda y, x: -rsqrt(1 - x * x))
acos = unary(ACOS)
ATAN = _unary("atan", np.arctan, lambda y, x: 1 / (x * x + 1))
atan = unary(ATAN)
SINH = _unary("sinh", np.sinh, lambda y, x: cosh(x))
sinh = unary(SINH)
COSH = _unary("cosh", np.cosh, lambda y, x: sinh(x))
cosh = unary(COSH)
TANH = _unary("tanh", np.tanh, lambda y, x: 1 - y * y)
tanh = unary(TANH)
ASINH = _unary("asinh", np.arcsinh, lambda y, x: 1 / cosh(y))
asinh = unary(ASINH)
ACOSH = _unary("acosh", np.arccosh, lambda y, x: 1 / sinh(y))
acosh = unary(ACOSH)
ATANH = _unary("atanh", np.arctanh, lambda y, x: 1 / (1 - x * x))
atanh = unary(ATANH)
LOGISTIC = _unary("logistic", special.logistic, lambda y, x: y * (1 - y))
logistic = unary(LOGISTIC)
ERF = _unary("erf", special.erf, lambda y, x: exp(-(x * x)) * (2 / math.sqrt(math.pi)))
erf = unary(ERF)
ERFC = _unary("erfc", special.erfc, lambda y, x: exp(-(x * x)) * (-2 / math.sqrt(math.pi)))
erfc = unary(ERFC)
ERF_INV = _unary("erf_inv", special.erf_inv, lambda y, x: exp(y * y) * (math.sqrt(math.pi) / 2))
erf_inv = unary(ERF_INV)
LGAMMA = _unary("lgamma", special.lgamma, lambda y, x: digamma(x))
lgamma = unary(LGAMMA)
DIGAMMA = _unary("digamma", special.digamma, lambda y, x: polygamma(scalar_like(x, 1), x))
digamma = unary(DIGAMMA)
BESSEL_I0E = _unary("bessel_i0e", special.bessel_i0e, lambda y, x: bessel_i1e(x) - sign(x) * y)
bessel_i0e = unary(BESSEL_I0E)
BESSEL_I1E = _unary(
    "bessel_i1e",
    special.bessel_i1e,
    lambda y, x: select(
        compare(x, scalar_like(x, 0), "EQ"),
        scalar_like(x, 0.5),
        bessel_i0e(x) - y * (sign(x) + 1 / select(compare(x, scalar_like(x, 0), "EQ"), scalar_like(x, 1), x)),
    ),
)
bessel_i1e = unary(BESSEL_I1E)
FLOOR = _unary("floor", np.floor, None)
floor = unary(FLOOR)
CEIL = _unary("ceil", np.ceil, None)
ceil = unary(CEIL)
ROUND_EVEN = _unary("round_even", np.rint, None)
round_even = unary(ROUND_EVEN)


def _bool(dtype: DType) -> DType:
    return dtypes.bool


def _predicate(name: str, function: Callable[..., Any]) -> Primitive:
    def meaning(x: np.ndarray) -> np.ndarray:
        return np.asarray(function(x.astype(np.float32) if x.dtype.kind == "V" else x))

    return primitive(name, _to_dtype(name, _bool), meaning, lambda dy, y, x: (None,), elementwise=True)


is_finite = unary(_predicate("is_finite", np.isfinite))
is_nan = unary(_predicate("is_nan", np.isnan))
is_inf = unary(_predicate("is_inf", np.isinf))
LOGICAL_NOT = primitive("logical_not", _same("logical_not"), np.invert, lambda dy, y, x: (None,), elementwise=True)
logical_not = unary(LOGICAL_NOT)
POPCNT = primitive(
    "popcnt",
    _to_dtype("popcnt", lambda d: dtypes.uint8),
    lambda x: np.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(np.uint8),
    lambda dy, y, x: (None,),
    elementwise=True,
)
popcnt = unary(POPCNT)
REAL = primitive(
    "real", _to_dtype("real", _real_dtype), np.real, lambda dy, y, x: (complex_(dy, dy * 0),), elementwise=True
)
IMAG = primitive(
    "imag", _to_dtype("imag", _real_dtype), np.imag, lambda dy, y, x: (complex_(dy * 0, dy),), elementwise=True
)


def real(x: Value) -> Value:
    """Return the real part; real values as they are."""
    return emit(REAL, x)[0] if x.dtype.is_complex else x


def imag(x: Value) -> Value:
    """Return the imaginary part; zeros for real values."""
    return emit(IMAG, x)[0] if x.dtype.is_complex else scalar_like(x, 0)


def _convert_infer(x: Spec, dtype: DType) -> Spec:
    known_shape(x)
    return Spec(dtype, x.shape)


def _convert_meaning(x: np.ndarray, dtype: DType) -> np.ndarray:
    if x.dtype == object:
        return x
    with np.errstate(all="ignore"):
        if x.dtype.kind == "c" and not dtype.is_complex:
            x = x.real
        if dtype.is_integer and x.dtype.kind in "fV":
            return special.float_to_integer(x, dtype.as_numpy_dtype)
        return np.asarray(x).astype(dtype.stored)


def _convert_reverse(dy: Value, y: Value, x: Value, dtype: DType) -> tuple[Value | None]:
    differentiable = (x.dtype.is_floating or x.dtype.is_complex) and (dtype.is_floating or dtype.is_complex)
    return (convert(dy, x.dtype) if differentiable else None,)


CONVERT = primitive("convert", _convert_infer, _convert_meaning, _convert_reverse, elementwise=True, sizes=True)


def convert(x: Value, dtype: DType) -> Value:
    """Return `x` in element type `dtype`; floats become integers by truncation."""
    return x if x.dtype == dtype else emit(CONVERT, x, dtype=dtype)[0]


def _binary(
    name: str,
    function: Callable[..., Any],
    reverse: Callable[..., Any],
    **flags: Any,
) -> Primitive:
    return primitive(name, _same(name), rounded(function), reverse, elementwise=True, **flags)


def _add(x: Any, y: Any) -> Any:
    return x | y if x.dtype == bool else x + y


ADD = _binary("add", _add, lambda dy, z, x, y: (dy, dy), sizes=True)
SUBTRACT = _binary("subtract", lambda x, y: x - y, lambda dy, z, x, y: (dy, -dy), sizes=True)
MULTIPLY = _binary(
    "multiply", lambda x, y: x * y, lambda dy, z, x, y: (dy * conjugate(y), dy * conjugate(x)), sizes=True
)


def _divide(x: Any, y: Any) -> Any:
    if x.dtype == object:
        return x // y
    if x.dtype.kind in "iu":
        if np.any(y == 0):
            raise refuse("divide", "an integer divisor of 0", "give non-zero divisors. Integer division by zero")
        quotient = np.abs(x) // np.abs(y) if x.dtype.kind == "i" else x // y
        return (np.where((x < 0) ^ (y < 0), -quotient, quotient) if x.dtype.kind == "i" else quotient).astype(x.dtype)
    return x / y


def _divide_reverse(dy: Value, z: Value, x: Value, y: Value) -> tuple[Value, Value]:
    return dy / conjugate(y), -dy * conjugate(z / y)


DIVIDE = _binary("divide", _divide, _divide_reverse, sizes=True)


def _remainder(x: Any, y: Any) -> Any:
    if x.dtype == object:
        return x % y
    if x.dtype.kind in "iu" and np.any(y == 0):
        raise refuse("remainder", "an integer divisor of 0", "give non-zero divisors. Integer division by zero")
    return np.fmod(x, y)


def _remainder_reverse(dy: Value, z: Value, x: Value, y: Value) -> tuple[Value, Value]:
    quotient = x / y
    truncated = select(compare(quotient, scalar_like(x, 0), "LT"), ceil(quotient), floor(quotient))
    return dy, -dy * truncated


REMAINDER = _binary("remainder", _remainder, _remainder_reverse, sizes=True)


def _power(x: Any, y: Any) -> Any:
    if x.dtype.kind == "i" and np.any(y < 0):
        raise refuse("power", "a negative exponent of an integer", "give exponents >= 0, or floats")
    return np.power(x, y)


def _power_reverse(dy: Value, z: Value, x: Value, y: Value) -> tuple[Value, Value]:
    zero, one = scalar_like(x, 0), scalar_like(x, 1)
    usable = compare(x, zero, "NE") if x.dtype.is_complex else compare(x, zero, "GT")
    log_x = select(usable, log(select(usable, x, one)), zero)
    return dy * conjugate(y * power(x, y - 1)), dy * conjugate(z * log_x)


POWER = _binary("power", _power, _power_reverse)


def power(x: Value, y: Value) -> Value:
    """Return x to the power of y, elementwise."""
    return emit(POWER, x, y)[0]


def _pick(direction: str) -> Callable[..., Any]:
    """TensorFlow sends the whole gradient of a tie to the first operand."""

    def reverse(dy: Value, z: Value, x: Value, y: Value) -> tuple[Value, Value]:
        first, zero = compare(x, y, direction), scalar_like(dy, 0)
        return select(first, dy, zero), select(first, zero, dy)

    return reverse


def _largest(x: Any, y: Any) -> Any:
    return x.maximum(y) if x.dtype == object and hasattr(x, "maximum") else np.maximum(x, y)


def _size_extreme(which: str) -> Callable[..., Any]:
    from millstream.base import sizes

    function = getattr(sizes, which)
    return np.frompyfunc(function, 2, 1)


MAXIMUM = _binary(
    "maximum",
    lambda x, y: _size_extreme("maximum")(x, y) if x.dtype == object else np.maximum(x, y),
    _pick("GE"),
    sizes=True,
)
MINIMUM = _binary(
    "minimum",
    lambda x, y: _size_extreme("minimum")(x, y) if x.dtype == object else np.minimum(x, y),
    _pick("LE"),
    sizes=True,
)


def maximum(x: Value, y: Value) -> Value:
    """Return the larger of x and y; NaN where either is NaN."""
    return emit(MAXIMUM, x, y)[0]


def minimum(x: Value, y: Value) -> Value:
    """Return the smaller of x and y; NaN where either is NaN."""
    return emit(MINIMUM, x, y)[0]


def _atan2_reverse(dy: Value, z: Value, y: Value, x: Value) -> tuple[Value, Value]:
    scale = dy / (x * x + y * y)
    return x * scale, -y * scale


ATAN2 = _binary("atan2", np.arctan2, _atan2_reverse)


def _none(count: int) -> Callable[..., Any]:
    return lambda *_, **__: (None,) * count


NEXT_AFTER = _binary("next_after", np.nextafter, _none(2))
BIT_AND = _binary("bit_and", lambda x, y: x & y, _none(2))
BIT_OR = _binary("bit_or", lambda x, y: x | y, _none(2))
BIT_XOR = _binary("bit_xor", lambda x, y: x ^ y, _none(2))
SHIFT_LEFT = _binary("shift_left", special.shift_left, _none(2))
SHIFT_RIGHT = _binary("shift_right", special.shift_right, _none(2))


def _igamma_reverse(sign_of_slope: int) -> Callable[..., Any]:
    def reverse(dy: Value, z: Value, a: Value, x: Value) -> tuple[Value, Value]:
        slope = exp(-x + (a - 1) * log(x) - lgamma(a)) * sign_of_slope
        return dy * emit(IGAMMA_GRADIENT, a, x)[0] * sign_of_slope, dy * slope

    return reverse


IGAMMA = _binary("igamma", special.igamma, _igamma_reverse(1))
IGAMMAC = _binary("igammac", special.igammac, _igamma_reverse(-1))
IGAMMA_GRADIENT = _binary("igamma_gradient", special.igamma_gradient, _none(2))
RANDOM_GAMMA_GRADIENT = _binary("random_gamma_gradient", special.random_gamma_gradient, _none(2))
ZETA = _binary("zeta", special.zeta, lambda dy, z, x, q: (None, dy * (-x) * emit(ZETA, x + 1, q)[0]))
POLYGAMMA = _binary("polygamma", special.polygamma, lambda dy, z, n, x: (None, dy * polygamma(n + 1, x)))


def binary(definition: Primitive) -> Callable[[Value, Value], Value]:
    """Make the function that applies a two-input primitive."""

    def apply(x: Value, y: Value) -> Value:
        return emit(definition, x, y)[0]

    apply.__name__ = definition.name
    apply.__doc__ = f"Apply `{definition.name}` elementwise to two values of one shape and element type."
    return apply


atan2, next_after = binary(ATAN2), binary(NEXT_AFTER)
bit_and, bit_or, bit_xor = binary(BIT_AND), binary(BIT_OR), binary(BIT_XOR)
shift_left, shift_right = binary(SHIFT_LEFT), binary(SHIFT_RIGHT)
igamma_gradient = binary(IGAMMA_GRADIENT)
igamma, igammac, zeta, polygamma = binary(IGAMMA), binary(IGAMMAC), binary(ZETA), binary(POLYGAMMA)

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "EQ": lambda x, y: x == y,
    "NE": lambda x, y: x != y,
    "LT": lambda x, y: x < y,
    "LE": lambda x, y: x <= y,
    "GT": lambda x, y: x > y,
    "GE": lambda x, y: x >= y,
}


def _compare_meaning(x: Any, y: Any, direction: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(_COMPARISONS[direction](x, y))


COMPARE = primitive(
    "compare",
    _to_dtype("compare", _bool),
    _compare_meaning,
    lambda dy, z, x, y, direction: (None, None),
    elementwise=True,
)


def compare(x: Value, y: Value, direction: str) -> Value:
    """Return, as bool, whether x stands in the relation `direction` (EQ NE LT LE GT GE) to y."""
    return emit(COMPARE, x, y, direction=direction)[0]


def _complex_infer(re: Spec, im: Spec) -> Spec:
    dtype = dtypes.complex128 if re.dtype == dtypes.float64 else dtypes.complex64
    return Spec(dtype, merged_shape("complex", (re, im)))


COMPLEX = primitive(
    "complex",
    _complex_infer,
    lambda re, im: (re + 1j * im).astype(np.complex128 if re.dtype == np.float64 else np.complex64),
    lambda dy, z, re, im: (real(dy), imag(dy)),
    elementwise=True,
)
complex_ = binary(COMPLEX)


def _select_infer(condition: Spec, x: Spec, y: Spec) -> Spec:
    if condition.dtype != dtypes.bool or x.dtype != y.dtype:
        raise refuse("select", f"{condition}, {x} and {y}", "give bool, and two values of one element type")
    return Spec(x.dtype, merged_shape("select", (condition, x, y)))


def _select_reverse(dy: Value, z: Value, condition: Value, x: Value, y: Value) -> tuple[Value | None, ...]:
    zero = scalar_like(dy, 0)
    return None, select(condition, dy, zero), select(condition, zero, dy)


SELECT = primitive("select", _select_infer, lambda c, x, y: np.where(c, x, y), _select_reverse, elementwise=True)


def select(condition: Value, x: Value, y: Value) -> Value:
    """Return x where `condition` holds, y elsewhere; all of one shape."""
    return emit(SELECT, condition, x, y)[0]


def operand(other: Any, like: Value) -> Value:
    """Return a Python number as a value like `like`; a value as it is."""
    return other if isinstance(other, Value) else scalar_like(like, other)


def _operator(definition: Primitive) -> Callable[[Any, Any], Value]:
    def apply(x: Any, y: Any) -> Value:
        like = x if isinstance(x, Value) else y
        return current_program().emit(definition, (operand(x, like), operand(y, like)), {})[0]

    return apply


Value.operators.update(
    add=_operator(ADD),
    subtract=_operator(SUBTRACT),
    multiply=_operator(MULTIPLY),
    divide=_operator(DIVIDE),
    negate=negate,
)
