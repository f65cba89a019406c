"""tf.math: elementwise functions, casts and clipping. Reductions are in `reduction`, products of matrices in `linalg`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from millstream.api.calls import binary, call_of, unary
from millstream.api.public import public, publish
from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, execute, handle_of
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operators import absolute, exclusive_or, true_divide
from millstream.execution.static_value import static_value
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant
from millstream.ops.registry import find

_FUNCTIONS = {
    "negative math.negative": ("Neg", "Return -x elementwise."),
    "square math.square": ("Square", "Return x * x elementwise."),
    "math.reciprocal": ("Reciprocal", "Return 1 / x elementwise."),
    "exp math.exp": ("Exp", "Return e to the power of x elementwise."),
    "math.expm1": ("Expm1", "Return exp(x) - 1 elementwise, precise near 0."),
    "math.log": ("Log", "Return the natural logarithm elementwise."),
    "math.log1p": ("Log1p", "Return log(1 + x) elementwise, precise near 0."),
    "sqrt math.sqrt": ("Sqrt", "Return the square root elementwise."),
    "math.rsqrt": ("Rsqrt", "Return 1 / sqrt(x) elementwise."),
    "sin math.sin": ("Sin", "Return the sine elementwise."),
    "cos math.cos": ("Cos", "Return the cosine elementwise."),
    "tan math.tan": ("Tan", "Return the tangent elementwise."),
    "asin math.asin": ("Asin", "Return the inverse sine elementwise."),
    "acos math.acos": ("Acos", "Return the inverse cosine elementwise."),
    "atan math.atan": ("Atan", "Return the inverse tangent elementwise."),
    "sinh math.sinh": ("Sinh", "Return the hyperbolic sine elementwise."),
    "cosh math.cosh": ("Cosh", "Return the hyperbolic cosine elementwise."),
    "tanh math.tanh nn.tanh": ("Tanh", "Return the hyperbolic tangent elementwise."),
    "asinh math.asinh": ("Asinh", "Return the inverse hyperbolic sine elementwise."),
    "acosh math.acosh": ("Acosh", "Return the inverse hyperbolic cosine elementwise."),
    "atanh math.atanh": ("Atanh", "Return the inverse hyperbolic tangent elementwise."),
    "sigmoid math.sigmoid nn.sigmoid": ("Sigmoid", "Return 1 / (1 + exp(-x)) elementwise."),
    "math.erf": ("Erf", "Return the error function elementwise."),
    "math.erfc": ("Erfc", "Return 1 - erf(x) elementwise, precise for large x."),
    "math.erfinv": ("Erfinv", "Return the inverse of the error function elementwise."),
    "math.lgamma": ("Lgamma", "Return the logarithm of the gamma function's absolute value elementwise."),
    "math.digamma": ("Digamma", "Return the derivative of lgamma elementwise."),
    "math.bessel_i0e math.special.bessel_i0e": (
        "BesselI0e",
        "Return exp(-abs(x)) times the Bessel function I0 elementwise.",
    ),
    "math.bessel_i1e math.special.bessel_i1e": (
        "BesselI1e",
        "Return exp(-abs(x)) times the Bessel function I1 elementwise.",
    ),
    "floor math.floor": ("Floor", "Return the largest whole number that is not above x, elementwise."),
    "math.ceil": ("Ceil", "Return the smallest whole number that is not below x, elementwise."),
    "math.rint": ("Rint", "Return the nearest whole number elementwise; halves go to the even one."),
    "logical_not math.logical_not": ("LogicalNot", "Return not x elementwise."),
    "math.is_nan": ("IsNan", "Return which elements are NaN."),
    "math.is_inf": ("IsInf", "Return which elements are infinite."),
    "math.is_finite": ("IsFinite", "Return which elements are finite."),
    "math.invert_permutation": ("InvertPermutation", "Return y with y[x[i]] = i."),
}
for _names, (_op, _doc) in _FUNCTIONS.items():
    unary(_names, _op, _doc)

_PAIRS = {
    "math.floormod math.mod": ("FloorMod", "Return the remainder of x / y elementwise, with y's sign."),
    "maximum math.maximum": ("Maximum", "Return the larger of x and y elementwise; NaN where either is NaN."),
    "minimum math.minimum": ("Minimum", "Return the smaller of x and y elementwise; NaN where either is NaN."),
    "math.squared_difference": ("SquaredDifference", "Return (x - y) squared elementwise."),
    "math.xdivy": ("Xdivy", "Return x / y elementwise, 0 where x is 0."),
    "math.xlogy": ("Xlogy", "Return x * log(y) elementwise, 0 where x is 0."),
    "math.xlog1py": ("Xlog1py", "Return x * log1p(y) elementwise, 0 where x is 0."),
    "less math.less": ("Less", "Return where x < y."),
    "less_equal math.less_equal": ("LessEqual", "Return where x <= y."),
    "greater math.greater": ("Greater", "Return where x > y."),
    "greater_equal math.greater_equal": ("GreaterEqual", "Return where x >= y."),
    "logical_and math.logical_and": ("LogicalAnd", "Return x and y elementwise."),
    "logical_or math.logical_or": ("LogicalOr", "Return x or y elementwise."),
    "bitwise.bitwise_and": ("BitwiseAnd", "Return the bits set in both x and y."),
    "bitwise.bitwise_or": ("BitwiseOr", "Return the bits set in x or y."),
    "bitwise.bitwise_xor": ("BitwiseXor", "Return the bits set in one of x and y only."),
    "bitwise.left_shift": ("LeftShift", "Return x with its bits moved up by y."),
    "bitwise.right_shift": ("RightShift", "Return x with its bits moved down by y."),
}
for _names, (_op, _doc) in _PAIRS.items():
    binary(_names, _op, _doc)
unary("bitwise.invert", "Invert", "Return x with all bits turned over.")

equal = binary("equal math.equal", "Equal", "Return where x and y are equal.")
not_equal = binary("not_equal math.not_equal", "NotEqual", "Return where x and y differ.")
multiply = binary("multiply math.multiply", "Mul", "Return x * y elementwise, with broadcasting.")
pow_ = binary("pow math.pow", "Pow", "Return x to the power of y elementwise.")
subtract = binary("subtract math.subtract", "Sub", "Return x - y elementwise, with broadcasting.")
_STRING = dtypes.string.as_datatype_enum
_ADD_HANDLE = handle_of(find("AddV2"))
_add, _add_strings, _multiply = call_of("AddV2"), call_of("Add"), call_of("Mul")


@public("add", "math.add")
def add(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x + y elementwise, with broadcasting; strings are joined."""
    if x.__class__ is EagerTensor and x._dtype != _STRING:
        result = execute(_ADD_HANDLE, None, x, y)
        if result is not NotImplemented:
            return result
    # The first decides: a number alone has its own element type, whatever the second is.
    x = to_tensor(x)
    y = to_tensor(y, None, x.dtype)
    return (_add_strings if x.dtype is dtypes.string else _add)(x, y)


def _dtype_of(value: Any) -> Any:
    """Return the element type of a tensor or variable; None of anything else."""
    dtype = getattr(value, "dtype", None)
    return dtype.base_dtype if isinstance(dtype, dtypes.DType) else None


@public("scalar_mul", "math.scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """Return x times a scalar."""
    base = _dtype_of(x) or to_tensor(x).dtype
    scalar = to_tensor(scalar, base)
    if scalar.shape.rank not in (0, None):
        raise ValueError(explain(f"The input scalar must be a 0-D value. Received shape {scalar.shape}."))
    if isinstance(x, IndexedSlices):
        return IndexedSlices(_multiply(scalar, x.values), x.indices, x.dense_shape)
    return _multiply(scalar, x)


@public("divide", "math.divide")
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y as Python 3 has it: integers become floats first."""
    if isinstance(x, (np.ndarray, np.generic)) or not hasattr(x, "dtype"):
        x = to_tensor(x, _dtype_of(y))
    return x / y


@public("truediv", "math.truediv")
def truediv(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y as Python 3 has it: integers become floats first."""
    x = to_tensor(x)
    return true_divide(x, to_tensor(y, None, x.dtype))


_multiply_no_nan = call_of("MulNoNan")


@public("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x * y elementwise, 0 where y is 0 even if x is not finite."""
    x = to_tensor(x)
    return _multiply_no_nan(x, to_tensor(y, x.dtype))


_divide_no_nan, _floor_divide = call_of("DivNoNan"), call_of("FloorDiv")


@public("math.divide_no_nan")
def divide_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y elementwise, 0 where y is 0; integers become floats first."""
    if not isinstance(x, Tensor):
        x = to_tensor(x, _dtype_of(y))
    if not isinstance(y, Tensor):
        y = to_tensor(y, x.dtype)
    if x.dtype.is_integer and x.dtype is y.dtype:
        wide = dtypes.float64 if x.dtype.size >= 4 else dtypes.float32
        x, y = cast(x, wide), cast(y, wide)
    return _divide_no_nan(x, y)


@public("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Any:
    """Return 1 / x elementwise, 0 where x is 0."""
    x = to_tensor(x)
    return _divide_no_nan(eager_constant(1, x.dtype), x)


@public("math.floordiv")
def floordiv(x: Any, y: Any, name: str | None = None) -> Any:
    """Return x / y elementwise, rounded down."""
    return _floor_divide(x, y)


@public("atan2", "math.atan2")
def atan2(y: Any, x: Any, name: str | None = None) -> Any:
    """Return the angle of the point (x, y) elementwise."""
    return apply(find("Atan2"), y, x)


@public("math.nextafter")
def nextafter(x1: Any, x2: Any, name: str | None = None) -> Any:
    """Return the next number after x1 in the direction of x2, elementwise."""
    alone = isinstance(x2, (int, float)) and current_graph() is None
    if isinstance(x1, np.ndarray) and not isinstance(x2, Tensor) and not alone:
        # An array has its own element type; a number, eagerly, that of numbers.
        x1 = to_tensor(x1)
    return apply(find("NextAfter"), x1, x2)


@public("math.logical_xor")
def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Any:
    """Return where one of x and y holds, but not both."""
    return exclusive_or(to_tensor(x, dtypes.bool), to_tensor(y, dtypes.bool))


@public("add_n", "math.add_n")
def add_n(inputs: Any, name: str | None = None) -> Any:
    """Return the sum of tensors of one shape."""
    wanted = "Inputs must be an iterable of at least one Tensor/IndexedSlices with the same dtype and shape."
    if not isinstance(inputs, Iterable):
        raise TypeError(explain(f"{type(inputs).__name__!r} object is not iterable. {wanted}"))
    if isinstance(inputs, Tensor) or not isinstance(inputs, Sequence) or not inputs:
        raise ValueError(explain(wanted))
    tensors = [to_tensor(x) for x in inputs]
    return tensors[0] if len(tensors) == 1 else apply(find("AddN"), tensors)


@public("math.accumulate_n")
def accumulate_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Any:
    """Return the sum of tensors of one shape."""
    if isinstance(inputs, Sequence) and inputs:
        first = to_tensor(inputs[0])
        for other in inputs[1:]:
            if not first.shape.is_compatible_with(to_tensor(other, first.dtype).shape):
                raise ValueError(explain(f"Shapes {first.shape} and {to_tensor(other).shape} are not compatible"))
    return add_n(inputs)


@public("abs", "math.abs")
def abs_(x: Any, name: str | None = None) -> Any:
    """Return the absolute value elementwise; of complex numbers, their length."""
    if isinstance(x, CompositeTensor) and hasattr(x, "dtype"):
        return absolute(x)
    x = to_tensor(x)
    return x if x.dtype.is_unsigned else absolute(x)


_sign, _round = call_of("Sign"), call_of("Round")


@public("sign", "math.sign")
def sign(x: Any, name: str | None = None) -> Any:
    """Return -1, 0 or 1 elementwise; of complex numbers x / abs(x)."""
    if isinstance(x, CompositeTensor):
        return _sign(x)
    x = to_tensor(x)
    if x.dtype.is_unsigned:
        return cast(not_equal(x, eager_constant(0, x.dtype)), x.dtype)
    return _sign(x)


@public("round", "math.round")
def round_(x: Any, name: str | None = None) -> Any:
    """Return the nearest whole number elementwise; halves go to the even one."""
    if isinstance(x, CompositeTensor):
        return _round(x)
    x = to_tensor(x)
    return x if x.dtype.is_integer else _round(x)


def _part(x: Any) -> Any:
    return dtypes.float32 if x.dtype is dtypes.complex64 else dtypes.float64


@public("math.real")
def real(input: Any, name: str | None = None) -> Any:
    """Return the real part elementwise."""
    x = to_tensor(input)
    if not x.dtype.is_numeric:
        raise TypeError(explain(f"input must be a numeric tensor, but got tensor with dtype {x.dtype}."))
    return apply(find("Real"), x, Tout=_part(x)) if x.dtype.is_complex else x


@public("math.imag")
def imag(input: Any, name: str | None = None) -> Any:
    """Return the imaginary part elementwise; 0 for real numbers."""
    x = to_tensor(input)
    return apply(find("Imag"), x, Tout=_part(x)) if x.dtype.is_complex else apply(find("ZerosLike"), x)


@public("math.angle")
def angle(input: Any, name: str | None = None) -> Any:
    """Return the angle elementwise, in radians; of real numbers 0, or pi below 0."""
    x = to_tensor(input)
    if x.dtype.is_complex:
        return apply(find("Angle"), x, Tout=_part(x))
    pi = _multiply(apply(find("OnesLike"), x), eager_constant(np.pi, x.dtype))
    return apply(find("SelectV2"), apply(find("Less"), x, eager_constant(0, x.dtype)), pi, apply(find("ZerosLike"), x))


@public("math.conj")
def conj(x: Any, name: str | None = None) -> Any:
    """Return the complex conjugate elementwise; real numbers as they are."""
    if _dtype_of(x) is None:
        x = to_tensor(x)
    if x.dtype.is_complex or x.dtype is dtypes.variant:
        return apply(find("Conj"), x)
    if x.dtype.is_floating or x.dtype.is_integer:
        return x
    raise TypeError(explain(f"Expected numeric or variant tensor, got dtype {x.dtype!r}."))


@public("complex", "dtypes.complex")
def complex_(real: Any, imag: Any, name: str | None = None) -> Any:
    """Return complex numbers out of real and imaginary parts."""
    real = to_tensor(real)
    imag = to_tensor(imag, None, real.dtype)
    if real.dtype not in (dtypes.float32, dtypes.float64) or imag.dtype is not real.dtype:
        raise TypeError(
            explain(
                "The `real` and `imag` components have incompatible types: expected both tf.float32 or both tf.float64. "
                f"Received: {real.dtype.name} {imag.dtype.name}. Convert with tf.cast."
            )
        )
    out = dtypes.complex64 if real.dtype is dtypes.float32 else dtypes.complex128
    return apply(find("Complex"), real, imag, Tout=out)


_casts: dict[Any, Any] = {}


@public("cast", "dtypes.cast")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """Return x in another element type; floats are truncated towards 0 to integers."""
    wanted = as_dtype(dtype).base_dtype
    if not isinstance(x, Tensor):
        if isinstance(x, IndexedSlices):
            return IndexedSlices(cast(x.values, wanted), x.indices, x.dense_shape)
        with_values = getattr(x, "_with_values", None) or getattr(x, "with_values", None)
        if with_values is not None and hasattr(x, "values"):
            return with_values(cast(x.values, wanted))
        x = to_tensor(x)
    if x.dtype is wanted:
        return x
    call = _casts.get(wanted)
    if call is None:
        call = _casts[wanted] = call_of("Cast", DstT=wanted)
    return call(x)


def _limits(dtype: Any) -> tuple[Any, Any]:
    """Return the lowest and highest number as Python numbers, which compare exactly."""
    kind = int if dtype.is_integer else float
    return kind(dtype.min), kind(dtype.max)


@public("saturate_cast", "dtypes.saturate_cast")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Any:
    """Return the value in another element type; what does not fit becomes its lowest or highest number."""
    value, wanted = to_tensor(value), as_dtype(dtype)
    if value.dtype is wanted:
        return value
    if wanted.is_complex:
        if value.dtype is not dtypes.complex128:
            return cast(value, wanted)
        part = wanted.real_dtype
        return complex_(saturate_cast(real(value), part), saturate_cast(imag(value), part))
    if value.dtype.is_complex:
        value = real(value)
    if value.dtype is dtypes.bool:
        return cast(value, wanted)
    (low, high), (own_low, own_high) = _limits(wanted), _limits(value.dtype)
    kind = value.dtype.as_numpy_dtype
    if own_low < low:
        bound = kind(low)
        value = apply(
            find("Maximum"),
            value,
            eager_constant(np.nextafter(bound, kind(0)) if float(bound) < low else bound, value.dtype),
        )
    if own_high > high:
        bound = kind(high)
        value = apply(
            find("Minimum"),
            value,
            eager_constant(np.nextafter(bound, kind(0)) if float(bound) > high else bound, value.dtype),
        )
    return cast(value, wanted)


def _publish_cast(short: str, dtype: dtypes.DType) -> None:
    """Publish a cast of version 1, to one element type."""

    def to(x: Any, name: str = f"To{short}") -> Any:
        return cast(x, dtype, name=name)

    to.__name__ = to.__qualname__ = f"to_{short.lower()}"
    to.__doc__ = f"Return x as {dtype.name}."
    publish(f"compat.v1.{to.__name__}", to)


for _short, _name in {"Float": "float32", "Double": "float64"}.items():
    _publish_cast(_short, as_dtype(_name))
for _short in ("Int32", "Int64", "BFloat16", "Complex64", "Complex128"):
    _publish_cast(_short, as_dtype(_short.lower()))


@public("clip_by_value")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """Return t moved into [clip_value_min, clip_value_max]."""
    if isinstance(t, IndexedSlices):
        return IndexedSlices(clip_by_value(t.values, clip_value_min, clip_value_max), t.indices, t.dense_shape)
    t = to_tensor(t)
    lower = apply(find("Minimum"), t, clip_value_max)
    if not t.shape.is_compatible_with(lower.shape):
        raise ValueError(explain(f"Shapes {t.shape} and {lower.shape} are incompatible"))
    result = apply(find("Maximum"), lower, clip_value_min)
    if not t.shape.is_compatible_with(result.shape):
        raise ValueError(explain(f"Shapes {t.shape} and {result.shape} are incompatible"))
    return result


@public("math.polyval")
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Any:
    """Return the polynomial with these coefficients, the highest first, at x."""
    if not isinstance(coeffs, list):
        raise ValueError(explain(f"Argument coeffs must be list type. Received type {type(coeffs)}."))
    x = to_tensor(x)
    if not coeffs:
        return apply(find("ZerosLike"), x)
    result, *rest = map(to_tensor, coeffs)
    for c in rest:
        result = add(c, multiply(result, x))
    return result


@public("linspace")
def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Any:
    """Return `num` numbers from start to stop, both included, at even distances, along a new axis."""
    start = to_tensor(start)
    stop = to_tensor(stop, start.dtype)
    if start.dtype.is_integer:
        start, stop = cast(start, dtypes.float64), cast(stop, dtypes.float64)
    num = to_tensor(num, None, dtypes.int32)
    if not num.dtype.is_integer:
        raise TypeError(explain(f"Argument `tensor` (name: num) must be of type integer. Received: {num.dtype!r}."))
    if start.shape.rank == 0 and stop.shape.rank == 0 and start.dtype.is_floating:
        if static_value(num) == 0:
            return to_tensor([], start.dtype)
        return apply(find("LinSpace"), start, stop, num)
    from millstream.api import array

    shape = array.broadcast_dynamic_shape(array.shape(start), array.shape(stop))
    start, stop = array.broadcast_to(start, shape), array.broadcast_to(stop, shape)
    none, one = eager_constant(0, start.dtype), eager_constant(1, start.dtype)
    unit = to_tensor([], start.dtype) if static_value(num) == 0 else apply(find("LinSpace"), none, one, num)
    rank = start.shape.rank
    at = axis if axis >= 0 else rank + 1 + axis
    steps = array.reshape(unit, [1] * at + [-1] + [1] * (rank - at))
    low, high = array.expand_dims(start, at), array.expand_dims(stop, at)
    inner = low + (high - low) * steps
    return apply(find("SelectV2"), equal(steps, one), high, inner)


@public("math.erfcinv")
def erfcinv(x: Any, name: str | None = None) -> Any:
    """Return the inverse of erfc elementwise."""
    x = to_tensor(x)
    if not x.dtype.is_floating:
        raise TypeError(explain(f"Expected a floating tensor, got dtype {x.dtype!r}."))
    # By the tails of the normal distribution: 1 - x would lose the digits of a small x.
    quantile = apply(find("Ndtri"), _multiply(eager_constant(0.5, x.dtype), x))
    return _multiply(eager_constant(-math.sqrt(0.5), x.dtype), quantile)


@public("math.log_sigmoid")
def log_sigmoid(x: Any, name: str | None = None) -> Any:
    """Return log(sigmoid(x)) elementwise, precise where sigmoid(x) is near 0."""
    x = to_tensor(x)
    return apply(find("Neg"), apply(find("Softplus"), apply(find("Neg"), x)))
