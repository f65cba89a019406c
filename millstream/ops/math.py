"""Declare the arithmetic ops of two operands, with broadcasting, and AddN."""

from __future__ import annotations

from collections.abc import Callable

from millstream.base import dtypes
from millstream.base.dtypes import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int32,
    int64,
    string,
    variant,
)
from millstream.ops.declaration import Op, Tensor, Tensors, Types, op
from millstream.ops.types import COMPLEX, FLOATS, INTEGERS, NUMBERS, QUANTIZED, SIGNED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.elementwise import compare, scalar_like, select
from millstream.program.primitives.shaping import broadcast_together, constant, sum_back
from millstream.program.primitives.text import join
from millstream.program.value import Value, emit

T = Types("T", *NUMBERS)
F = Types("T", *FLOATS, *COMPLEX)
Real = Types("T", *FLOATS, *INTEGERS)
Float = Types("T", *FLOATS)
Sum = Types("T", *NUMBERS, *QUANTIZED, variant)

EDGES = [0.0, -0.0, 1e4, -1e4, float("inf"), float("-inf"), float("nan"), 0.5]
PAIRS = [((3,), (3,)), (("batch", 4), (4,)), ((), (2, 3)), ((0, 3), (1, 3)), ((2, 1, 3), (4, 1))]


def unbroadcast(dy: Value, x: Value) -> Value:
    """Sum `dy` over the axes along which `x` was broadcast to it."""
    lead = dy.rank - x.rank
    return sum_back(dy, x.shape, range(lead, dy.rank))


@op("AddV2", outputs="z")
def add(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x + y with broadcasting."""
    x, y = broadcast_together(x, y, what="AddV2")
    return x + y


Older = Types("T", *FLOATS, dtypes.uint8, *SIGNED, *COMPLEX, string)


@op("Add", outputs="z")
def add_v1(x: Tensor[Older], y: Tensor[Older]) -> Tensor[Older]:
    """Return x + y with broadcasting; the older form of AddV2. Strings are joined."""
    x, y = broadcast_together(x, y, what="Add")
    return join((x, y), constant(b"", string)) if x.dtype == string else x + y


@op("Sub", outputs="z")
def subtract(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x - y with broadcasting."""
    x, y = broadcast_together(x, y, what="Sub")
    return x - y


@op("Mul", outputs="z")
def multiply(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x * y with broadcasting."""
    x, y = broadcast_together(x, y, what="Mul")
    return x * y


@op("RealDiv", outputs="z")
def real_divide(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x / y with broadcasting; integers are divided as floats are, then truncated."""
    x, y = broadcast_together(x, y, what="RealDiv")
    return x / y


@op("Div", outputs="z")
def divide(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x / y with broadcasting; integers are truncated towards zero."""
    x, y = broadcast_together(x, y, what="Div")
    return x / y


def _truncated(x: Value, y: Value) -> Value:
    """Return the quotient of integers, rounded towards zero.

    Quotients that are followed as sizes are rounded down, so both operands are made negative, which no integer overflows at.
    """
    if not x.dtype.is_integer or x.dtype.is_unsigned:
        return x / y
    zero = scalar_like(x, 0)
    negative = [compare(v, zero, "LT") for v in (x, y)]
    p, q = (e.select(n, v, -v) for n, v in zip(negative, (x, y), strict=True))
    quotient = p / q
    return e.select(e.bit_xor(*negative), -quotient, quotient)


@op("TruncateDiv", outputs="z")
def truncate_divide(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return x / y with broadcasting, rounded towards zero."""
    x, y = broadcast_together(x, y, what="TruncateDiv")
    quotient = _truncated(x, y)
    if not x.dtype.is_floating:
        return quotient
    return e.select(compare(quotient, scalar_like(x, 0), "LT"), e.ceil(quotient), e.floor(quotient))


truncate_divide.no_gradient()


def floored(quotient: Value, x: Value, y: Value) -> Value:
    """Lower a truncated integer quotient by one where it was rounded up."""
    zero = scalar_like(x, 0)
    uneven = compare(quotient * y, x, "NE")
    opposite = e.bit_xor(compare(x, zero, "LT"), compare(y, zero, "LT"))
    return quotient - e.convert(e.bit_and(uneven, opposite), x.dtype)


@op("FloorDiv", outputs="z")
def floor_divide(x: Tensor[T], y: Tensor[T]) -> Tensor[T]:
    """Return the largest whole number not above x / y, with broadcasting."""
    x, y = broadcast_together(x, y, what="FloorDiv")
    if x.spec.value is not None and y.spec.value is not None:
        return x / y
    if x.dtype.is_integer:
        return x / y if x.dtype.is_unsigned else floored(x / y, x, y)
    return e.floor(x / y)


@floor_divide.gradient
def _(dz: Value, z: Value, x: Value, y: Value) -> tuple[None, None]:
    return None, None


@op("FloorMod", outputs="z")
def floor_mod(x: Tensor[Real], y: Tensor[Real]) -> Tensor[Real]:
    """Return x - y * floor(x / y) with broadcasting: the remainder with the sign of y."""
    x, y = broadcast_together(x, y, what="FloorMod")
    rest = emit(e.REMAINDER, x, y)[0]
    if x.dtype.is_unsigned:
        return rest
    zero = scalar_like(x, 0)
    apart = e.bit_xor(compare(rest, zero, "LT"), compare(y, zero, "LT"))
    return select(e.bit_and(compare(rest, zero, "NE"), apart), rest + y, rest)


@op("TruncateMod", outputs="z")
def truncate_mod(
    x: Tensor[Types("T", int32, int64, *FLOATS)], y: Tensor[Types("T", int32, int64, *FLOATS)]
) -> Tensor[Types("T", int32, int64, *FLOATS)]:
    """Return the remainder of x / y with the sign of x, with broadcasting."""
    x, y = broadcast_together(x, y, what="TruncateMod")
    return x - _truncated(x, y) * y if x.dtype.is_integer else emit(e.REMAINDER, x, y)[0]


Mod = Types("T", int32, int64, float16, bfloat16, float32, float64)


@op("Mod", outputs="z")
def mod(x: Tensor[Mod], y: Tensor[Mod]) -> Tensor[Mod]:
    """Return the remainder of x / y with the sign of x, with broadcasting; the older name of TruncateMod."""
    x, y = broadcast_together(x, y, what="Mod")
    return emit(e.REMAINDER, x, y)[0]


Power = Types("T", *FLOATS, *SIGNED, *COMPLEX)


@op("Pow", outputs="z")
def power(x: Tensor[Power], y: Tensor[Power]) -> Tensor[Power]:
    """Return x to the power of y with broadcasting. Integers refuse negative exponents."""
    x, y = broadcast_together(x, y, what="Pow")
    return e.power(x, y)


@op("Maximum", outputs="z")
def maximum(x: Tensor[Real], y: Tensor[Real]) -> Tensor[Real]:
    """Return the larger of x and y, with broadcasting."""
    x, y = broadcast_together(x, y, what="Maximum")
    return e.maximum(x, y)


@op("Minimum", outputs="z")
def minimum(x: Tensor[Real], y: Tensor[Real]) -> Tensor[Real]:
    """Return the smaller of x and y, with broadcasting."""
    x, y = broadcast_together(x, y, what="Minimum")
    return e.minimum(x, y)


Difference = Types("T", *FLOATS, int32, int64, *COMPLEX)


@op("SquaredDifference", outputs="z")
def squared_difference(x: Tensor[Difference], y: Tensor[Difference]) -> Tensor[Difference]:
    """Return conj(x - y) * (x - y) with broadcasting."""
    x, y = broadcast_together(x, y, what="SquaredDifference")
    d = x - y
    return e.conjugate(d) * d


def guarded(x: Value, y: Value, result: Callable[[Value, Value], Value]) -> Value:
    """Return result(x, y), and 0 where y is 0; y is 1 there, so that nothing infinite flows back."""
    zero, one = scalar_like(y, 0), scalar_like(y, 1)
    empty = compare(y, zero, "EQ")
    return select(empty, zero, result(x, select(empty, one, y)))


@op("DivNoNan", outputs="z")
def divide_no_nan(x: Tensor[F], y: Tensor[F]) -> Tensor[F]:
    """Return x / y with broadcasting, and 0 where y is 0."""
    x, y = broadcast_together(x, y, what="DivNoNan")
    return guarded(x, y, lambda a, b: a / b)


@op("MulNoNan", outputs="z")
def multiply_no_nan(x: Tensor[F], y: Tensor[F]) -> Tensor[F]:
    """Return x * y with broadcasting, and 0 where y is 0, even for infinite x."""
    x, y = broadcast_together(x, y, what="MulNoNan")
    zero = scalar_like(y, 0)
    return select(compare(y, zero, "EQ"), zero, x * y)


@multiply_no_nan.gradient
def _(dz: Value, z: Value, x: Value, y: Value) -> tuple[Value, Value]:
    return unbroadcast(multiply_no_nan(dz, y), x), unbroadcast(multiply_no_nan(x, dz), y)


@op("Xdivy", outputs="z")
def xdivy(x: Tensor[F], y: Tensor[F]) -> Tensor[F]:
    """Return x / y with broadcasting, and 0 where x is 0."""
    x, y = broadcast_together(x, y, what="Xdivy")
    zero, one = scalar_like(x, 0), scalar_like(x, 1)
    empty = compare(x, zero, "EQ")
    return select(empty, zero, x / select(empty, one, y))


@op("Xlogy", outputs="z")
def xlogy(x: Tensor[F], y: Tensor[F]) -> Tensor[F]:
    """Return x * log(y) with broadcasting, and 0 where x is 0."""
    x, y = broadcast_together(x, y, what="Xlogy")
    zero, one = scalar_like(x, 0), scalar_like(x, 1)
    empty = compare(x, zero, "EQ")
    return select(empty, zero, x * e.log(select(empty, one, y)))


@op("Xlog1py", outputs="z")
def xlog1py(x: Tensor[F], y: Tensor[F]) -> Tensor[F]:
    """Return x * log1p(y) with broadcasting, and 0 where x is 0."""
    x, y = broadcast_together(x, y, what="Xlog1py")
    zero = scalar_like(x, 0)
    empty = compare(x, zero, "EQ")
    return select(empty, zero, x * e.log1p(select(empty, zero, y)))


@op("Atan2", outputs="z")
def atan2(y: Tensor[Float], x: Tensor[Float]) -> Tensor[Float]:
    """Return the angle of the point (x, y) with broadcasting, in radians."""
    y, x = broadcast_together(y, x, what="Atan2")
    return e.atan2(y, x)


Next = Types("T", float64, float32, default=float32)


@op("NextAfter", outputs="output")
def next_after(x1: Tensor[Next], x2: Tensor[Next]) -> Tensor[Next]:
    """Return the next number that x1's type holds in the direction of x2, with broadcasting."""
    x1, x2 = broadcast_together(x1, x2, what="NextAfter")
    return e.next_after(x1, x2)


@next_after.gradient
def _(dy: Value, y: Value, x1: Value, x2: Value) -> tuple[Value, Value]:
    # As TensorFlow has it, a step to the next number is as wide as the one before.
    return unbroadcast(dy, x1), scalar_like(x2, 0)


Component = Types("T", float32, float64, default=float32)


@op("Complex", outputs="out")
def complex_(
    real: Tensor[Component],
    imag: Tensor[Component],
    *,
    Tout: Types("Tout", *COMPLEX, default=dtypes.complex64) = dtypes.complex64,
) -> Tensor["Tout"]:
    """Return complex numbers out of real and imaginary parts, with broadcasting."""
    real, imag = broadcast_together(real, imag, what="Complex")
    return e.convert(e.complex_(real, imag), Tout)


@op("AddN", outputs="sum")
def add_n(inputs: Tensors[Sum, "N"]) -> Tensor[Sum]:
    """Return the sum of all inputs, which have one shape."""
    total = inputs[0]
    for value in inputs[1:]:
        total = total + value
    return total


def _cases(ops: list[Op], **options: object) -> None:
    for each in ops:
        each.cases(PAIRS, **options)


_cases([add, subtract, multiply, maximum, minimum, squared_difference, multiply_no_nan, atan2, next_after])
_cases([floor_divide], low=1, high=4, dtypes=(*FLOATS, *INTEGERS))
_cases([real_divide, divide, truncate_divide, floor_mod, truncate_mod, mod, xdivy, divide_no_nan], low=1, high=4)
_cases([power, xlogy, xlog1py], low=0.5, high=3)
for _op in (add, multiply, real_divide, divide_no_nan, maximum, minimum, power, floor_mod, xlogy):
    _op.cases([((8,), (8,))], extreme=EDGES, dtypes=FLOATS)
for _op in (floor_divide, floor_mod, truncate_divide, divide):
    _op.cases([((6,), (6,))], inputs=([-7, 7, -7, 7, 0, -1], [2, -2, -2, 2, 5, 3]), dtypes=SIGNED)
add_v1.cases([((3,), (3,))], dtypes=[float32, int32, complex64])
add_n.cases([((3,), (3,), (3,)), (("batch", 2),)], dtypes=[float32, float64, int32, bfloat16, complex128])
complex_.cases([((3,), (3,)), (("batch", 2), (2,))], attributes={"Tout": complex64}, dtypes=[float32])
complex_.cases([((3,), (3,))], attributes={"Tout": complex128}, dtypes=[float64])
