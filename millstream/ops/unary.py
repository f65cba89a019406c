"""Declare the elementwise ops of one operand."""

from __future__ import annotations

from millstream.base import dtypes, errors
from millstream.base.dtypes import complex64, complex128, float32, float64
from millstream.ops.declaration import Op, Tensor, Types, op, runtime_name
from millstream.ops.math import EDGES
from millstream.ops.types import COMPLEX, FLOATS, INTEGERS, NUMBERS, SIGNED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.elementwise import compare, scalar_like
from millstream.program.primitives.shaping import bitcast, plain

Float = Types("T", *FLOATS)
F = Types("T", *FLOATS, *COMPLEX)
Signed = Types("T", *FLOATS, *SIGNED, *COMPLEX)
Real = Types("T", *FLOATS, *SIGNED)
Number = Types("T", *NUMBERS)
Complex = Types("T", complex64, complex128, default=complex64)
Part = Types("Tout", float32, float64, default=float32)


@op("Neg", outputs="y")
def negate(x: Tensor[Signed]) -> Tensor[Signed]:
    """Return -x, elementwise."""
    return -x


@op("Sign", outputs="y")
def sign(x: Tensor[Signed]) -> Tensor[Signed]:
    """Return the sign of x: -1, 0 or 1; x / abs(x) of complex numbers, elementwise."""
    return e.sign(x)


@sign.gradient
def _(dy: Value, y: Value, x: Value) -> tuple[Value]:
    return (scalar_like(x, 0),)


@op("Square", outputs="y")
def square(x: Tensor[Number]) -> Tensor[Number]:
    """Return x * x, elementwise."""
    return x * x


@op("Reciprocal", outputs="y")
def reciprocal(x: Tensor[Signed]) -> Tensor[Signed]:
    """Return 1 / x, elementwise."""
    return 1 / x


@op("Inv", outputs="y")
def inverse(x: Tensor[Signed]) -> Tensor[Signed]:
    """Return 1 / x; the older name of Reciprocal, elementwise."""
    return 1 / x


@op("Exp", outputs="y")
def exp(x: Tensor[F]) -> Tensor[F]:
    """Return e to the power of x, elementwise."""
    return e.exp(x)


@op("Expm1", outputs="y")
def expm1(x: Tensor[F]) -> Tensor[F]:
    """Return exp(x) - 1, precise near 0, elementwise."""
    return e.expm1(x)


@op("Log", outputs="y")
def log(x: Tensor[F]) -> Tensor[F]:
    """Return the natural logarithm of x, elementwise."""
    return e.log(x)


@op("Log1p", outputs="y")
def log1p(x: Tensor[F]) -> Tensor[F]:
    """Return log(1 + x), precise near 0, elementwise."""
    return e.log1p(x)


@op("Sqrt", outputs="y")
def sqrt(x: Tensor[F]) -> Tensor[F]:
    """Return the square root of x, elementwise."""
    return e.sqrt(x)


@op("Rsqrt", outputs="y")
def rsqrt(x: Tensor[F]) -> Tensor[F]:
    """Return 1 / sqrt(x), elementwise."""
    return e.rsqrt(x)


@op("Sin", outputs="y")
def sin(x: Tensor[F]) -> Tensor[F]:
    """Return the sine of x in radians, elementwise."""
    return e.sin(x)


@op("Cos", outputs="y")
def cos(x: Tensor[F]) -> Tensor[F]:
    """Return the cosine of x in radians, elementwise."""
    return e.cos(x)


@op("Tan", outputs="y")
def tan(x: Tensor[F]) -> Tensor[F]:
    """Return the tangent of x in radians, elementwise."""
    return e.tan(x)


@op("Asin", outputs="y")
def asin(x: Tensor[F]) -> Tensor[F]:
    """Return the angle in radians whose sine is x, elementwise."""
    return e.asin(x)


@op("Acos", outputs="y")
def acos(x: Tensor[F]) -> Tensor[F]:
    """Return the angle in radians whose cosine is x, elementwise."""
    return e.acos(x)


@op("Atan", outputs="y")
def atan(x: Tensor[F]) -> Tensor[F]:
    """Return the angle in radians whose tangent is x, elementwise."""
    return e.atan(x)


@op("Sinh", outputs="y")
def sinh(x: Tensor[F]) -> Tensor[F]:
    """Return the hyperbolic sine of x, elementwise."""
    return e.sinh(x)


@op("Cosh", outputs="y")
def cosh(x: Tensor[F]) -> Tensor[F]:
    """Return the hyperbolic cosine of x, elementwise."""
    return e.cosh(x)


@op("Tanh", outputs="y")
def tanh(x: Tensor[F]) -> Tensor[F]:
    """Return the hyperbolic tangent of x, elementwise."""
    return e.tanh(x)


@op("Asinh", outputs="y")
def asinh(x: Tensor[F]) -> Tensor[F]:
    """Return the number whose hyperbolic sine is x, elementwise."""
    return e.asinh(x)


@op("Acosh", outputs="y")
def acosh(x: Tensor[F]) -> Tensor[F]:
    """Return the number whose hyperbolic cosine is x, elementwise."""
    return e.acosh(x)


@op("Atanh", outputs="y")
def atanh(x: Tensor[F]) -> Tensor[F]:
    """Return the number whose hyperbolic tangent is x, elementwise."""
    return e.atanh(x)


@op("Sigmoid", outputs="y")
def sigmoid(x: Tensor[F]) -> Tensor[F]:
    """Return 1 / (1 + exp(-x)), elementwise."""
    return e.logistic(x)


@op("Erf", outputs="y")
def erf(x: Tensor[Float]) -> Tensor[Float]:
    """Return the error function of x, elementwise."""
    return e.erf(x)


@op("Erfc", outputs="y")
def erfc(x: Tensor[Float]) -> Tensor[Float]:
    """Return 1 - erf(x), elementwise."""
    return e.erfc(x)


@op("Erfinv", outputs="y")
def erf_inverse(x: Tensor[Float]) -> Tensor[Float]:
    """Return the number whose error function is x, elementwise."""
    return e.erf_inv(x)


@op("Lgamma", outputs="y")
def lgamma(x: Tensor[Float]) -> Tensor[Float]:
    """Return log(abs(gamma(x))), elementwise."""
    return e.lgamma(x)


@op("Digamma", outputs="y")
def digamma(x: Tensor[Float]) -> Tensor[Float]:
    """Return the derivative of lgamma at x, elementwise."""
    return e.digamma(x)


@op("BesselI0e", outputs="y")
def bessel_i0e(x: Tensor[Float]) -> Tensor[Float]:
    """Return exp(-abs(x)) times the modified Bessel function of order 0, elementwise."""
    return e.bessel_i0e(x)


@op("BesselI1e", outputs="y")
def bessel_i1e(x: Tensor[Float]) -> Tensor[Float]:
    """Return exp(-abs(x)) times the modified Bessel function of order 1, elementwise."""
    return e.bessel_i1e(x)


@op("Floor", outputs="y")
def floor(x: Tensor[Float]) -> Tensor[Float]:
    """Return the largest whole number not above x, elementwise."""
    return e.floor(x)


@op("Ceil", outputs="y")
def ceil(x: Tensor[Float]) -> Tensor[Float]:
    """Return the smallest whole number not below x, elementwise."""
    return e.ceil(x)


@op("Rint", outputs="y")
def rint(x: Tensor[Float]) -> Tensor[Float]:
    """Return the whole number nearest to x, the even one of two, elementwise."""
    return e.round_even(x)


@op("Round", outputs="y")
def round_(x: Tensor[Signed]) -> Tensor[Signed]:
    """Return the whole number nearest to x, the even one of two; integers as they are."""
    return x if x.dtype.is_integer else e.round_even(x)


@op("Abs", outputs="y")
def absolute(x: Tensor[Real]) -> Tensor[Real]:
    """Return the absolute value of x."""
    return e.absolute(x)


@op("ComplexAbs", outputs="y")
def complex_abs(x: Tensor[Complex], *, Tout: Part = float32) -> Tensor[Part]:
    """Return the magnitude of complex x."""
    return e.absolute(x)


@op("Real", outputs="output")
def real(input: Tensor[Complex], *, Tout: Part = float32) -> Tensor[Part]:
    """Return the real part."""
    return e.real(input)


@op("Imag", outputs="output")
def imag(input: Tensor[Complex], *, Tout: Part = float32) -> Tensor[Part]:
    """Return the imaginary part."""
    return e.imag(input)


@op("Angle", outputs="output")
def angle(input: Tensor[Complex], *, Tout: Part = float32) -> Tensor[Part]:
    """Return the argument of complex numbers, in radians."""
    return e.atan2(e.imag(input), e.real(input))


@op("Conj", outputs="output")
def conj(input: Tensor[Types("T", complex64, complex128, dtypes.variant, default=complex64)]) -> Tensor[Complex]:
    """Return the complex conjugate."""
    return e.conjugate(input)


@op("LogicalNot", outputs="y")
def logical_not(x: Tensor[dtypes.bool]) -> Tensor[dtypes.bool]:
    """Return whether x does not hold."""
    return e.logical_not(x)


@op("Invert", outputs="y")
def invert(x: Tensor[Types("T", *INTEGERS)]) -> Tensor[Types("T", *INTEGERS)]:
    """Return x with every bit turned."""
    return e.logical_not(x)


@op("PopulationCount", outputs="y")
def population_count(x: Tensor[Types("T", *INTEGERS)]) -> Tensor[dtypes.uint8]:
    """Return the number of bits of x that are 1."""
    return e.popcnt(x)


@op("IsNan", outputs="y")
def is_nan(x: Tensor[Float]) -> Tensor[dtypes.bool]:
    """Return whether x is NaN."""
    return e.is_nan(x)


@op("IsInf", outputs="y")
def is_inf(x: Tensor[Float]) -> Tensor[dtypes.bool]:
    """Return whether x is infinite."""
    return e.is_inf(x)


@op("IsFinite", outputs="y")
def is_finite(x: Tensor[Float]) -> Tensor[dtypes.bool]:
    """Return whether x is neither infinite nor NaN."""
    return e.is_finite(x)


Any = Types("SrcT")


@op("Cast", outputs="y")
def cast(x: Tensor[Any], *, DstT: Types("DstT"), Truncate: bool = False) -> Tensor["DstT"]:
    """Return x in element type DstT: floats become integers by truncation, bool is x != 0."""
    if dtypes.string in (x.dtype, DstT) and x.dtype != DstT:
        raise errors.UnimplementedError(
            None,
            None,
            f"Cast {runtime_name(x.dtype)} to {runtime_name(DstT)} is not supported; use tf.strings.to_number or "
            "tf.strings.as_string.",
        )
    if x.dtype.is_quantized or DstT.is_quantized:
        return bitcast(cast(plain(x), DstT=dtypes.as_dtype(DstT.stored)), DstT)
    if DstT == dtypes.bool and x.dtype != dtypes.bool:
        return compare(x, scalar_like(x, 0), "NE")
    return e.convert(x, DstT)


_sqrt_like = ("Sqrt", "Rsqrt", "Log", "Log1p", "Lgamma", "Digamma", "Reciprocal", "Inv", "Sign", "Abs")


def _add_cases() -> None:
    for name, declared in list(Op.registry.items()):
        if declared.module != __name__ or name in ("Cast", "Conj", "Reciprocal", "Inv"):
            continue
        low, high = (0.2, 2.0) if name in _sqrt_like else (1.2, 3.0) if name == "Acosh" else (-0.9, 0.9)
        if name in ("Floor", "Ceil", "Rint", "Round"):
            low, high = 0.1, 0.4
        only = FLOATS if name == "Round" else ()
        declared.cases([(3,), ("batch", 4), (), (0, 2)], low=low, high=high, dtypes=only)
        declared.cases([(8,)], extreme=EDGES, dtypes=FLOATS)


_add_cases()
reciprocal.cases([(3,), ("batch", 4)], low=0.5, high=2, dtypes=(*FLOATS, *COMPLEX))
inverse.cases([(3,)], low=0.5, high=2, dtypes=(*FLOATS, *COMPLEX))
conj.cases([(3,), ("batch", 4)], dtypes=COMPLEX)
cast.cases([(3,), ("batch", 4), (0,)], attributes={"DstT": dtypes.float64}, dtypes=(*NUMBERS, dtypes.bool))
cast.cases([(3,)], attributes={"DstT": dtypes.int32}, dtypes=(*FLOATS, *INTEGERS, dtypes.bool), low=-9, high=9)
cast.cases([(3,)], attributes={"DstT": dtypes.bool}, dtypes=(*FLOATS, *INTEGERS))
cast.cases([(3,)], attributes={"DstT": dtypes.bfloat16}, dtypes=(*FLOATS, *SIGNED))


@op("SigmoidGrad", outputs="z")
def sigmoid_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return dy * conj(y * (1 - y))."""
    return dy * e.conjugate(y * (1 - y))


@op("TanhGrad", outputs="z")
def tanh_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return dy * conj(1 - y * y)."""
    return dy * e.conjugate(1 - y * y)


@op("SqrtGrad", outputs="z")
def sqrt_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return dy * 0.5 / conj(y)."""
    return dy * 0.5 / e.conjugate(y)


@op("RsqrtGrad", outputs="z")
def rsqrt_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return dy * -0.5 * conj(y) ** 3."""
    c = e.conjugate(y)
    return dy * -0.5 * (c * c * c)


@op("ReciprocalGrad", outputs="z")
def reciprocal_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return -dy * conj(y) ** 2."""
    c = e.conjugate(y)
    return -dy * (c * c)


@op("InvGrad", outputs="z")
def inverse_gradient(y: Tensor[F], dy: Tensor[F]) -> Tensor[F]:
    """Return -dy * conj(y) ** 2."""
    c = e.conjugate(y)
    return -dy * (c * c)


for _op in (sigmoid_gradient, tanh_gradient, sqrt_gradient, rsqrt_gradient, reciprocal_gradient, inverse_gradient):
    _op.cases([((3,), (3,)), (("batch", 2), ("batch", 2))], low=0.2, high=0.9)
