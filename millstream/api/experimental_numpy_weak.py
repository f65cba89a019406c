"""Public functions in the conversion modes "safe" and "all": operands converted by the table, results that give way again.

Holds which functions they are; in other modes each is what it was.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import experimental_numpy as base
from millstream.api.experimental_numpy_promotion import kind_of, marked, result_kind
from millstream.api.public import replace, when_published
from millstream.base.dtypes import as_dtype
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor, TensorType
from millstream.ops.registry import find


class Mode:
    """What `experimental_enable_numpy_behavior` asked for last."""

    converts = False
    safe = False


_UNARY = """
abs math.abs math.softplus nn.softplus math.sign sign math.real math.imag math.angle math.round round math.sigmoid nn.sigmoid sigmoid
math.log_sigmoid math.conj math.reciprocal_no_nan math.erfinv math.ndtri math.erfcinv math.ceil math.sqrt sqrt exp math.exp
math.rsqrt acos math.acos floor math.floor acosh math.acosh asin math.asin asinh math.asinh atan math.atan atanh math.atanh
cos math.cos cosh math.cosh math.digamma math.erf math.erfc math.expm1 math.lgamma math.log math.log1p math.negative negative
math.reciprocal math.rint math.sin sin math.sinh sinh math.square square math.tan tan math.tanh nn.tanh tanh zeros_like ones_like
debugging.check_numerics nn.relu6 nn.leaky_relu nn.gelu math.log_softmax nn.log_softmax nn.silu
nn.swish clip_by_value math.special.dawsn math.special.expint math.special.fresnel_cos math.special.fresnel_sin math.special.spence
math.bessel_i0 math.special.bessel_i0 math.bessel_i0e math.special.bessel_i0e math.bessel_i1 math.special.bessel_i1 math.bessel_i1e
math.special.bessel_i1e math.special.bessel_k0 math.special.bessel_k0e math.special.bessel_k1 math.special.bessel_k1e
math.special.bessel_j0 math.special.bessel_j1 math.special.bessel_y0 math.special.bessel_y1 math.reduce_euclidean_norm
math.reduce_logsumexp reduce_logsumexp math.reduce_max reduce_max math.reduce_mean reduce_mean math.reduce_min reduce_min
math.reduce_prod reduce_prod math.reduce_std math.reduce_sum reduce_sum math.reduce_variance linalg.trace reshape nn.depth_to_space
expand_dims image.extract_patches identity linalg.diag linalg.diag_part linalg.matrix_transpose nn.space_to_depth squeeze
stop_gradient linalg.tensor_diag_part transpose
"""
_NUMPY_UNARY = """
abs absolute angle arccos arcsin arcsinh arctan arctanh bitwise_not cbrt ceil conj conjugate cos cosh deg2rad exp exp2 expm1 fabs
fix floor log negative rad2deg reciprocal sin sinh sqrt tan tanh nanmean log2 log10 log1p positive sinc square diff sort average
trace amax amin around array asanyarray asarray ascontiguousarray copy cumprod cumsum diag diagflat diagonal empty_like expand_dims
flatten flip fliplr flipud full_like imag max mean min moveaxis ones_like prod ravel real reshape repeat rot90 round squeeze std sum
swapaxes transpose triu vander var zeros_like
"""
_BINARY = """
add math.add math.subtract subtract math.multiply multiply math.multiply_no_nan linalg.matmul matmul divide math.divide truediv
math.truediv math.divide_no_nan realdiv truncatediv truncatemod math.floordiv math.floormod math.mod math.pow pow
"""
_PICKING = "math.maximum maximum math.minimum minimum math.equal equal linalg.tensordot tensordot"
"""Functions of two operands, whose results never give way."""

_GIVING_WAY = frozenset(map(as_dtype, ("int32", "int64", "float32", "float64", "complex128")))
_NUMBERS = (bool, int, float, complex, list, tuple, np.ndarray, np.generic, TensorType)


def _weak_result(result: Any, weak: bool) -> Any:
    return marked(result, weak) if weak and isinstance(result, Tensor) and result.dtype in _GIVING_WAY else result


def _strong(x: Any) -> bool:
    return isinstance(x, Tensor) and not getattr(x, "weak", False)


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that converts its first argument, and whose result gives way where that does."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @functools.wraps(function)
    def keeping(*args: Any, **words: Any) -> Any:
        if not Mode.converts:
            return function(*args, **words)
        bound = signature.bind(*args, **words)
        x = bound.arguments[first]
        if _strong(x) or bound.arguments.get("dtype") is not None or not isinstance(x, _NUMBERS):
            return function(*args, **words)
        dtype, weak = kind_of(x)
        bound.arguments[first] = x if isinstance(x, Tensor) else base.convert(x, dtype)
        return _weak_result(function(*bound.args, **bound.kwargs), weak)

    return keeping


def _binary(function: Callable[..., Any], picks: bool) -> Callable[..., Any]:
    """Return a function that converts its first two arguments by the table."""
    signature = inspect.signature(function)
    first, second = list(signature.parameters)[:2]

    @functools.wraps(function)
    def converting(*args: Any, **words: Any) -> Any:
        if not Mode.converts:
            return function(*args, **words)
        bound = signature.bind(*args, **words)
        x, y = bound.arguments[first], bound.arguments[second]
        if not isinstance(x, _NUMBERS) or not isinstance(y, _NUMBERS):
            return function(*args, **words)
        dtype, weak = result_kind(x, y, Mode.safe)
        bound.arguments[first], bound.arguments[second] = base.convert(x, dtype), base.convert(y, dtype)
        return _weak_result(function(*bound.args, **bound.kwargs), weak and not picks)

    return converting


def _settling(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose result does not give way: what was asked for was an element type."""

    @functools.wraps(function)
    def settled(*args: Any, **words: Any) -> Any:
        found = function(*args, **words)
        return apply(find("Identity"), found) if Mode.converts and getattr(found, "weak", False) else found

    return settled


@functools.cache
def let_functions_convert() -> None:
    """Put functions that look at the mode in the places of those listed, now or when they are published."""
    made: dict[int, Any] = {}

    def place(name: str, wrap: Callable[[Any], Any]) -> None:
        def put(function: Any) -> None:
            replace(name, made.setdefault(id(function), wrap(function)))

        when_published(name, put)

    place("cast", _settling)
    for name in _UNARY.split():
        place(name, _unary)
    for name in _NUMPY_UNARY.split():
        place(f"experimental.numpy.{name}", _unary)
    for names, picks in ((_BINARY, False), (_PICKING, True)):
        for name in names.split():
            place(name, functools.partial(_binary, picks=picks))
