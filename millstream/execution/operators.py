"""Python's operators on tensors and variables: which op each is. On eager tensors each is one look-up of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply, attributes_key, handle_of
from millstream.execution.slicing import get_item, get_variable_item
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.variable import Variable
from millstream.ops.declaration import Op
from millstream.ops.registry import find

execute = runtime.execute
_LONG_INTEGERS = (dtypes.int32, dtypes.int64, dtypes.uint32, dtypes.uint64)
_FLOAT_NUMBERS = frozenset((1, 2, 14, 19))
_SHORT_INTEGERS = (dtypes.int8, dtypes.int16, dtypes.uint8, dtypes.uint16)


def ones_like(tensor: Any) -> Any:
    """Return ones of the shape and element type of an eager tensor."""
    return constant_of(np.ones(tensor._shape, tensor.dtype.stored), tensor.dtype)


def zeros_like(tensor: Any) -> Any:
    """Return zeros of the shape and element type of an eager tensor."""
    return constant_of(np.zeros(tensor._shape, tensor.dtype.stored), tensor.dtype)


_scalars: dict[Any, Any] = {}


def _scalar_like(x: Any, number: Any, kind: type) -> Any:
    """Return a Python number in the element type of an eager tensor, the ones used last from a table; None where it may not fit."""
    if not isinstance(x, EagerTensor):
        return None
    if not number and kind is float:
        # 0.0 and -0.0 are equal, but not the same.
        return constant_of(number, x.dtype) if x._dtype in _FLOAT_NUMBERS else None
    key = (x._dtype, number, kind)
    found = _scalars.get(key)
    if found is None and ((x._dtype in _FLOAT_NUMBERS) or (kind is int and x._dtype in (3, 9))):
        if kind is int and not -(2**31) <= number < 2**31:
            return None
        if len(_scalars) > 1024:
            _scalars.clear()
        found = _scalars[key] = constant_of(number, x.dtype)
    return found


def _operand(x: Any) -> Any:
    return x if isinstance(x, Tensor) else x.value() if isinstance(x, Variable) else to_tensor(x)


def convert_other(other: Any, dtype: DType, reflected: str, strict: bool = True) -> Any:
    """Return the other operand as a tensor of `dtype`; NotImplemented where its class has the reflected operator.

    Without `strict`, what does not fit keeps its own element type, and the op decides.
    """
    if isinstance(other, Tensor):
        return other
    if isinstance(other, Variable):
        return other.value()
    try:
        return to_tensor(other, dtype) if strict else to_tensor(other, None, dtype)
    except (TypeError, ValueError):
        plain = isinstance(other, (int, float, complex, str, bytes, list, tuple, np.generic, np.ndarray))
        own = getattr(type(other), reflected, None)
        if not plain and own is not None and own is not getattr(object, reflected, None):
            return NotImplemented
        raise


def _binary(op: Op, reflected: str, x: Any, y: Any) -> Any:
    kind = y.__class__
    if kind is float or kind is int:
        scalar = _scalar_like(x, y, kind)
        if scalar is not None:
            result = execute(handle_of(op), None, x, scalar)
            if result is not NotImplemented:
                return result
    elif isinstance(y, Variable):
        y = y.value()
        if isinstance(x, EagerTensor) and x._dtype in _FLOAT_NUMBERS:
            result = execute(handle_of(op), None, x, y)
            if result is not NotImplemented:
                return result
    x = _operand(x)
    y = convert_other(y, x.dtype, reflected, op is not _ADD)
    return y if y is NotImplemented else _apply_arithmetic(op, x, y)


_ADD, _CONCATENATE, _MULTIPLY, _AND = find("AddV2"), find("Add"), find("Mul"), find("LogicalAnd")


def _apply_arithmetic(op: Op, x: Any, y: Any) -> Any:
    """Apply to two tensors; strings are added by another op than numbers, and bools multiplied by logic."""
    if op is _ADD and x.dtype is dtypes.string:
        op = _CONCATENATE
    elif op is _MULTIPLY and x.dtype is dtypes.bool:
        op = _AND
    return apply(op, x, y)


def _reflected_binary(op: Op, x: Any, y: Any) -> Any:
    """Apply to (x, y), called on y: the element type of y decides."""
    kind = x.__class__
    if kind is float or kind is int:
        scalar = _scalar_like(y, x, kind)
        if scalar is not None:
            result = execute(handle_of(op), None, scalar, y)
            if result is not NotImplemented:
                return result
    y = _operand(y)
    return _apply_arithmetic(op, to_tensor(x, y.dtype), y)


def _arithmetic(name: str, op: Op) -> None:
    """Give tensors and variables the operator `name` and its reflected form."""
    handle = handle_of(op)
    reflected = f"__r{name}__"

    def plain(self: Any, other: Any) -> Any:
        result = execute(handle, None, self, other)
        return _binary(op, reflected, self, other) if result is NotImplemented else result

    def with_exceptions(self: Any, other: Any) -> Any:
        try:
            result = execute(handle, None, self, other)
        except InvalidArgumentError:
            if self.dtype not in (dtypes.string, dtypes.bool):
                raise
            result = NotImplemented
        return _binary(op, reflected, self, other) if result is NotImplemented else result

    eager = with_exceptions if op is _ADD or op is _MULTIPLY else plain

    def swapped(self: Any, other: Any) -> Any:
        return _reflected_binary(op, other, self)

    def on_variable(self: Any, other: Any) -> Any:
        return eager(self.value(), other)

    _place(f"__{name}__", eager, on_variable)
    _place(reflected, swapped, swapped)


def _place(name: str, method: Callable[..., Any], on_variable: Callable[..., Any]) -> None:
    for owner, function in ((Tensor, method), (EagerTensor, method), (SymbolicTensor, method), (Variable, on_variable)):
        setattr(owner, name, function)


_arithmetic("add", find("AddV2"))
_arithmetic("sub", find("Sub"))
_arithmetic("mul", find("Mul"))
_arithmetic("floordiv", find("FloorDiv"))
_arithmetic("mod", find("FloorMod"))
_arithmetic("pow", find("Pow"))


def divide(x: Any, y: Any) -> Any:
    """Return x / y as Python 3 has it: integers become floats first."""
    x = _operand(x)
    y = convert_other(y, x.dtype, "__rtruediv__", False)
    return y if y is NotImplemented else true_divide(x, y)


def _divide_eager(self: Any, other: Any) -> Any:
    if self._dtype in _FLOAT_NUMBERS:
        try:
            result = execute(_DIVIDE, None, self, other)
        except InvalidArgumentError:
            if self._dtype == other._dtype:
                raise
            return divide(self, other)
        if result is not NotImplemented:
            return result
        kind = other.__class__
        if kind is float or kind is int:
            scalar = _scalar_like(self, other, kind)
            result = NotImplemented if scalar is None else execute(_DIVIDE, None, self, scalar)
            if result is not NotImplemented:
                return result
    return divide(self, other)


def true_divide(x: Any, y: Any) -> Any:
    """Return x / y of two tensors: integers become floats first."""
    if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_complex):
        raise TypeError(
            explain(
                f"Invalid dtype {x.dtype!r} in __truediv__. Expected one of {{tf.uint8, tf.int8, tf.uint16, tf.int16, tf.uint32, "
                "tf.int32, tf.uint64, tf.int64, tf.bfloat16, tf.float16, tf.float32, tf.float64, tf.complex64, tf.complex128}."
            )
        )
    if x.dtype is not y.dtype:
        raise TypeError(explain(f"`x` and `y` must have the same dtype, got {x.dtype!r} != {y.dtype!r}."))
    wanted = dtypes.float64 if x.dtype in _LONG_INTEGERS else dtypes.float32 if x.dtype in _SHORT_INTEGERS else None
    if wanted is not None:
        x, y = apply(_CAST, x, DstT=wanted), apply(_CAST, y, DstT=wanted)
    return apply(_REAL_DIVIDE, x, y)


_CAST, _REAL_DIVIDE = find("Cast"), find("RealDiv")
_DIVIDE = handle_of(_REAL_DIVIDE)


def _divide_swapped(self: Any, other: Any) -> Any:
    own = _operand(self)
    return true_divide(to_tensor(other, own.dtype), own)


_place("__truediv__", divide, lambda self, other: divide(self.value(), other))
setattr(EagerTensor, "__truediv__", _divide_eager)
_place("__rtruediv__", _divide_swapped, _divide_swapped)
_place("__div__", divide, lambda self, other: divide(self.value(), other))
_place("__rdiv__", _divide_swapped, _divide_swapped)


def _matmul(x: Any, y: Any) -> Any:
    if x.shape.rank is None or x.shape.rank > 2 or y.shape.rank is None or y.shape.rank > 2:
        return apply(find("BatchMatMulV2"), x, y, adj_x=False, adj_y=False)
    return apply(find("MatMul"), x, y, transpose_a=False, transpose_b=False)


def _matmul_method(self: Any, other: Any) -> Any:
    x = _operand(self)
    y = convert_other(other, x.dtype, "__rmatmul__", False)
    return y if y is NotImplemented else _matmul(x, y)


def _matmul_swapped(self: Any, other: Any) -> Any:
    own = _operand(self)
    return _matmul(to_tensor(other, own.dtype), own)


_place("__matmul__", _matmul_method, _matmul_method)
_place("__rmatmul__", _matmul_swapped, _matmul_swapped)


def _logic(name: str, on_bools: Op, on_integers: Op) -> None:
    """Give tensors `name`: logic on bools, bits on integers."""

    def choose(x: Any, y: Any) -> Any:
        return apply(on_bools if x.dtype is dtypes.bool else on_integers, x, y)

    def method(self: Any, other: Any) -> Any:
        x = _operand(self)
        y = convert_other(other, x.dtype, f"__r{name}__")
        return y if y is NotImplemented else choose(x, y)

    def swapped(self: Any, other: Any) -> Any:
        own = _operand(self)
        return choose(to_tensor(other, own.dtype), own)

    _place(f"__{name}__", method, method)
    _place(f"__r{name}__", swapped, swapped)


_logic("and", find("LogicalAnd"), find("BitwiseAnd"))
_logic("or", find("LogicalOr"), find("BitwiseOr"))


def exclusive_or(x: Any, y: Any) -> Any:
    """Return x ^ y of two tensors: of bools, whether they differ."""
    if x.dtype is not dtypes.bool:
        return apply(find("BitwiseXor"), x, y)
    either, both = apply(find("LogicalOr"), x, y), apply(find("LogicalAnd"), x, y)
    return apply(find("LogicalAnd"), either, apply(find("LogicalNot"), both))


def _xor(self: Any, other: Any) -> Any:
    x = _operand(self)
    y = convert_other(other, x.dtype, "__rxor__")
    return y if y is NotImplemented else exclusive_or(x, y)


def _xor_swapped(self: Any, other: Any) -> Any:
    own = _operand(self)
    return exclusive_or(to_tensor(other, own.dtype), own)


_place("__xor__", _xor, _xor)
_place("__rxor__", _xor_swapped, _xor_swapped)


def _comparison(name: str, op: Op) -> None:
    handle = handle_of(op)
    swapped = {"lt": "__gt__", "le": "__ge__", "gt": "__lt__", "ge": "__le__"}[name]

    def method(self: Any, other: Any) -> Any:
        result = execute(handle, None, self, other)
        return _binary(op, swapped, self, other) if result is NotImplemented else result

    _place(f"__{name}__", method, lambda self, other: method(self.value(), other))


_comparison("lt", find("Less"))
_comparison("le", find("LessEqual"))
_comparison("gt", find("Greater"))
_comparison("ge", find("GreaterEqual"))


def _equality(name: str, op: Op, for_none: bool) -> None:
    handle = handle_of(op)
    lenient = attributes_key(op, {"incompatible_shape_error": False})

    def method(self: Any, other: Any) -> Any:
        result = execute(handle, lenient, self, other)
        if result is not NotImplemented:
            return result
        if other is None:
            return for_none
        x = _operand(self)
        y = convert_other(other, x.dtype, name)
        return y if y is NotImplemented else apply(op, x, y, incompatible_shape_error=False)

    _place(name, method, lambda self, other: for_none if other is None else method(self.value(), other))


_equality("__eq__", find("Equal"), False)
_equality("__ne__", find("NotEqual"), True)


def _variable_hash(self: Any) -> int:
    raise TypeError(explain(f"Variable is unhashable. Instead, use variable.ref() as the key. (Variable: {self!r})"))


setattr(Variable, "__hash__", _variable_hash)
for _owner in (Tensor, EagerTensor, SymbolicTensor):
    _owner.__hash__ = Tensor.__hash__  # type: ignore[method-assign]


_by_element = {
    owner: {name: owner.__dict__[name] for name in ("__eq__", "__ne__", "__hash__") if name in owner.__dict__}
    for owner in (Tensor, EagerTensor, SymbolicTensor, Variable)
}


def compare_elements(yes: bool) -> None:
    """Make == of tensors and variables compare elements, or say whether both are one object; then they are keys of dictionaries."""
    for owner, methods in _by_element.items():
        for name, method in methods.items():
            setattr(owner, name, method if yes else getattr(object, name))


def compares_elements() -> bool:
    """Return whether == of tensors compares elements."""
    return Tensor.__hash__ is not object.__hash__


def _unary(name: str, method: Callable[[Any], Any]) -> None:
    _place(name, method, lambda self: method(self.value()))


def negative(x: Any) -> Any:
    """Return -x."""
    return apply(find("Neg"), x)


def absolute(x: Any) -> Any:
    """Return the absolute values; of complex numbers, their lengths."""
    if x.dtype.is_complex:
        return apply(find("ComplexAbs"), x, Tout=dtypes.float32 if x.dtype is dtypes.complex64 else dtypes.float64)
    return apply(find("Abs"), x)


def invert(x: Any) -> Any:
    """Return ~x: not on bools, the bits turned over on integers."""
    return apply(find("LogicalNot") if x.dtype is dtypes.bool else find("Invert"), x)


_unary("__neg__", negative)
_unary("__abs__", absolute)
_unary("__invert__", invert)


def _iterate(self: Any) -> Any:
    if runtime.tracing() or not isinstance(self, EagerTensor):
        raise _not_in_a_graph("Iterating over a symbolic `tf.Tensor`")
    if not self._rank:
        raise TypeError(explain("Cannot iterate over a scalar tensor."))
    return (get_item(self, i) for i in range(self._shape[0]))


def _not_in_a_graph(what: str) -> Exception:
    from millstream.execution.symbolic import not_allowed

    return not_allowed(what)


_place("__iter__", _iterate, lambda self: _iterate(self.value()))
_place("__getitem__", get_item, get_variable_item)
for _name in ("__bool__", "__int__", "__float__", "__complex__", "__index__"):
    if _name != "__index__":
        setattr(Variable, _name, lambda self, _name=_name: getattr(self.value(), _name)())

Tensor.OVERLOADABLE_OPERATORS = frozenset(  # type: ignore[attr-defined]
    f"__{name}__"
    for name in (
        *[
            "add",
            "radd",
            "sub",
            "rsub",
            "mul",
            "rmul",
            "div",
            "rdiv",
            "truediv",
            "rtruediv",
            "floordiv",
            "rfloordiv",
            "mod",
            "rmod",
            "lt",
            "le",
            "gt",
            "ge",
            "ne",
            "eq",
        ],
        *[
            "and",
            "rand",
            "or",
            "ror",
            "xor",
            "rxor",
            "getitem",
            "pow",
            "rpow",
            "invert",
            "neg",
            "abs",
            "matmul",
            "rmatmul",
        ],
    )
)
Tensor._USE_EQUALITY = True  # type: ignore[attr-defined]
