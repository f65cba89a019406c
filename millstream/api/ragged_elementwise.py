"""What functions that take each element by itself do with ragged tensors, and the operators of ragged tensors.

A function of one tensor is applied to the flat values; operands of a function of two are broadcast first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import PUBLIC, composite_rule
from millstream.api.ragged import is_ragged, ragged_or_tensor
from millstream.api.ragged_broadcast import broadcast
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.tensor import Tensor

_ONE = {
    "": "bitcast cast clip_by_value identity ones_like stop_gradient zeros_like",
    "bitwise": "invert",
    "debugging": "check_numerics",
    "dtypes": "saturate_cast",
    "image": "adjust_brightness adjust_gamma convert_image_dtype random_brightness stateless_random_brightness",
    "io": "decode_base64 decode_compressed encode_base64",
    "math": (
        "abs acos acosh angle asin asinh atan atanh bessel_i0 bessel_i0e bessel_i1 bessel_i1e ceil conj cos "
        "cosh digamma erf erfc erfcinv erfinv exp expm1 floor imag is_finite is_inf is_nan lgamma log log1p "
        "log_sigmoid logical_not ndtri negative real reciprocal reciprocal_no_nan rint round rsqrt sigmoid "
        "sign sin sinh softplus sqrt square tan tanh"
    ),
    "math.special": (
        "bessel_j0 bessel_j1 bessel_k0 bessel_k0e bessel_k1 bessel_k1e bessel_y0 bessel_y1 dawsn expint "
        "fresnel_cos fresnel_sin spence"
    ),
    "nn": "dropout elu gelu leaky_relu relu relu6 selu silu softsign",
    "nn.experimental": "stateless_dropout",
    "strings": (
        "as_string length lower regex_full_match regex_replace strip substr to_hash_bucket "
        "to_hash_bucket_fast to_hash_bucket_strong to_number unicode_script unicode_transcode upper"
    ),
}

_TWO = {
    "bitwise": "bitwise_and bitwise_or bitwise_xor left_shift right_shift",
    "debugging": (
        "assert_equal assert_greater assert_greater_equal assert_less assert_less_equal assert_near assert_none_equal"
    ),
    "dtypes": "complex",
    "math": (
        "add atan2 divide divide_no_nan equal floordiv floormod greater greater_equal less less_equal "
        "logical_and logical_or logical_xor maximum minimum multiply multiply_no_nan nextafter not_equal pow "
        "squared_difference subtract truediv xdivy xlog1py xlogy zeta"
    ),
    "nn": "sigmoid_cross_entropy_with_logits",
    "": "realdiv truncatediv truncatemod",
}


def _rule_of_one(name: str) -> None:
    @composite_rule(name)
    def rule(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_ragged(x):
            return NotImplemented
        return x.with_flat_values(PUBLIC[name](x.flat_values, *args, **kwargs))


def mapped(function: Callable[..., Any], *values: Any) -> Any:
    """Return a function of the elements of ragged and dense tensors, after broadcasting."""
    partitions, flat = broadcast(values)
    result = function(*flat)
    return (
        RaggedTensor._from_nested_row_partitions(result, partitions, validate=False)
        if isinstance(result, Tensor)
        else result
    )


def _rule_of_two(name: str) -> None:
    @composite_rule(name)
    def rule(x: Any, y: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_ragged(x) and not is_ragged(y):
            return NotImplemented
        x = ragged_or_tensor(x, y.dtype if is_ragged(y) else None)
        y = ragged_or_tensor(y, x.dtype)
        return mapped(lambda a, b: PUBLIC[name](a, b, *args, **kwargs), x, y)


def _names(table: dict[str, str]) -> list[str]:
    """Return the full names of functions listed by namespace."""
    return [f"{space}.{leaf}".lstrip(".") for space, leaves in table.items() for leaf in leaves.split()]


for _name in _names(_ONE):
    _rule_of_one(_name)
for _name in _names(_TWO):
    _rule_of_two(_name)


@composite_rule("math.scalar_mul")
def _scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    return x.with_flat_values(PUBLIC["math.scalar_mul"](scalar, x.flat_values)) if is_ragged(x) else NotImplemented


@composite_rule("math.add_n")
def _add_n(inputs: Any, name: str | None = None) -> Any:
    if not any(is_ragged(x) for x in inputs):
        return NotImplemented
    return mapped(lambda *flat: PUBLIC["math.add_n"](list(flat)), *(ragged_or_tensor(x) for x in inputs))


@composite_rule("strings.join")
def _join(inputs: Any, separator: str = "", name: str | None = None) -> Any:
    if not any(is_ragged(x) for x in inputs):
        return NotImplemented
    values = [ragged_or_tensor(x, dtypes.string) for x in inputs]
    return mapped(lambda *flat: PUBLIC["strings.join"](list(flat), separator), *values)


def _operator(name: str, function: str) -> None:
    """Give ragged tensors an operator and its reflected form."""

    def plain(self: Any, other: Any) -> Any:
        return PUBLIC[function](self, other)

    def reflected(self: Any, other: Any) -> Any:
        return PUBLIC[function](other, self)

    setattr(RaggedTensor, f"__{name}__", plain)
    setattr(RaggedTensor, f"__r{name}__", reflected)


for _name, _function in {
    "add": "math.add",
    "sub": "math.subtract",
    "mul": "math.multiply",
    "truediv": "math.truediv",
    "div": "math.truediv",
    "floordiv": "math.floordiv",
    "mod": "math.floormod",
    "pow": "math.pow",
    "and": "math.logical_and",
    "or": "math.logical_or",
    "xor": "math.logical_xor",
}.items():
    _operator(_name, _function)


def _comparison(name: str, function: str) -> None:
    setattr(RaggedTensor, name, lambda self, other: PUBLIC[function](self, other))


for _name, _function in {
    "__lt__": "math.less",
    "__le__": "math.less_equal",
    "__gt__": "math.greater",
    "__ge__": "math.greater_equal",
}.items():
    _comparison(_name, _function)


def _is_key(tensor: Any) -> bool:
    """Whether a ragged tensor is of a graph that sessions run, where it is a key of feeds."""
    graph = getattr(tensor.row_splits, "graph", None)
    return graph is not None and not graph.building_function


def _equality(name: str, function: str, for_none: bool) -> None:
    def method(self: Any, other: Any) -> Any:
        if other is None:
            return for_none
        return (self is other) is not for_none if _is_key(self) else PUBLIC[function](self, other)

    setattr(RaggedTensor, name, method)


_equality("__eq__", "math.equal", False)
_equality("__ne__", "math.not_equal", True)
for _name, _function in {"__neg__": "math.negative", "__abs__": "math.abs", "__invert__": "math.logical_not"}.items():
    setattr(RaggedTensor, _name, lambda self, _function=_function: PUBLIC[_function](self))


def _hash(self: Any) -> int:
    if _is_key(self):
        return id(self)
    raise TypeError(explain("RaggedTensor is unhashable."))


def _no_truth(self: Any) -> bool:
    raise TypeError(explain("RaggedTensor may not be used as a boolean."))


setattr(RaggedTensor, "__hash__", _hash)
setattr(RaggedTensor, "__bool__", _no_truth)
