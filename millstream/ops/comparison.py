"""Declare comparisons, logic, bits and selection."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float32
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.math import EDGES, PAIRS
from millstream.ops.types import FLOATS, INTEGERS, NUMBERS, QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.shaping import broadcast, broadcast_together, constant, full, plain
from millstream.program.primitives.strings import compare as text_compare
from millstream.program.value import Value

Any = Types("T")
Real = Types("T", *FLOATS, *INTEGERS)
Bits = Types("T", *INTEGERS)
Quantised = Types("T", *NUMBERS, *QUANTIZED)


def _compare(name: str, x: Value, y: Value, direction: str) -> Value:
    x, y = broadcast_together(plain(x), plain(y), what=name)
    return text_compare(x, y, differs=direction == "NE") if x.dtype == dtypes.string else e.compare(x, y, direction)


@op("Less", outputs="z")
def less(x: Tensor[Real], y: Tensor[Real]) -> Tensor[dtypes.bool]:
    """Return whether x < y, with broadcasting."""
    return _compare("Less", x, y, "LT")


@op("LessEqual", outputs="z")
def less_equal(x: Tensor[Real], y: Tensor[Real]) -> Tensor[dtypes.bool]:
    """Return whether x <= y, with broadcasting."""
    return _compare("LessEqual", x, y, "LE")


@op("Greater", outputs="z")
def greater(x: Tensor[Real], y: Tensor[Real]) -> Tensor[dtypes.bool]:
    """Return whether x > y, with broadcasting."""
    return _compare("Greater", x, y, "GT")


@op("GreaterEqual", outputs="z")
def greater_equal(x: Tensor[Real], y: Tensor[Real]) -> Tensor[dtypes.bool]:
    """Return whether x >= y, with broadcasting."""
    return _compare("GreaterEqual", x, y, "GE")


@op("Equal", outputs="z")
def equal(x: Tensor[Any], y: Tensor[Any], *, incompatible_shape_error: bool = True) -> Tensor[dtypes.bool]:
    """Return whether x and y are equal, with broadcasting; one bool for shapes that do not fit unless that is an error."""
    if not incompatible_shape_error and not _broadcastable(x, y):
        return constant(False, dtypes.bool)
    return _compare("Equal", x, y, "EQ")


@op("NotEqual", outputs="z")
def not_equal(x: Tensor[Any], y: Tensor[Any], *, incompatible_shape_error: bool = True) -> Tensor[dtypes.bool]:
    """Return whether x and y are different, with broadcasting; one bool for shapes that do not fit unless that is an error."""
    if not incompatible_shape_error and not _broadcastable(x, y):
        return constant(True, dtypes.bool)
    return _compare("NotEqual", x, y, "NE")


def _broadcastable(x: Value, y: Value) -> bool:
    pairs = zip(reversed(x.shape), reversed(y.shape), strict=False)
    return all(m == n or m == 1 or n == 1 for m, n in pairs)


@op("LogicalAnd", outputs="z")
def logical_and(x: Tensor[dtypes.bool], y: Tensor[dtypes.bool]) -> Tensor[dtypes.bool]:
    """Return whether x and y both hold, with broadcasting."""
    x, y = broadcast_together(x, y, what="LogicalAnd")
    return e.bit_and(x, y)


@op("LogicalOr", outputs="z")
def logical_or(x: Tensor[dtypes.bool], y: Tensor[dtypes.bool]) -> Tensor[dtypes.bool]:
    """Return whether x or y holds, with broadcasting."""
    x, y = broadcast_together(x, y, what="LogicalOr")
    return e.bit_or(x, y)


@op("BitwiseAnd", outputs="z")
def bitwise_and(x: Tensor[Bits], y: Tensor[Bits]) -> Tensor[Bits]:
    """Return the bits that x and y both have, with broadcasting."""
    x, y = broadcast_together(x, y, what="BitwiseAnd")
    return e.bit_and(x, y)


@op("BitwiseOr", outputs="z")
def bitwise_or(x: Tensor[Bits], y: Tensor[Bits]) -> Tensor[Bits]:
    """Return the bits that x or y has, with broadcasting."""
    x, y = broadcast_together(x, y, what="BitwiseOr")
    return e.bit_or(x, y)


@op("BitwiseXor", outputs="z")
def bitwise_xor(x: Tensor[Bits], y: Tensor[Bits]) -> Tensor[Bits]:
    """Return the bits that one of x and y has, with broadcasting."""
    x, y = broadcast_together(x, y, what="BitwiseXor")
    return e.bit_xor(x, y)


@op("LeftShift", outputs="z")
def left_shift(x: Tensor[Bits], y: Tensor[Bits]) -> Tensor[Bits]:
    """Return x with its bits moved up by y, with broadcasting."""
    x, y = broadcast_together(x, y, what="LeftShift")
    return e.shift_left(x, y)


@op("RightShift", outputs="z")
def right_shift(x: Tensor[Bits], y: Tensor[Bits]) -> Tensor[Bits]:
    """Return x with its bits moved down by y; signed numbers keep their sign, with broadcasting."""
    x, y = broadcast_together(x, y, what="RightShift")
    return e.shift_right(x, y)


@op("SelectV2", outputs="output")
def select_v2(condition: Tensor[dtypes.bool], t: Tensor[Any], e_: Tensor[Any]) -> Tensor[Any]:
    """Return t where `condition` holds and e elsewhere, with broadcasting."""
    return e.select(*broadcast_together(condition, t, e_, what="SelectV2"))


@op("Select", outputs="output")
def select(condition: Tensor[dtypes.bool], t: Tensor[Any], e_: Tensor[Any]) -> Tensor[Any]:
    """Return t where `condition` holds and e elsewhere; a vector condition picks rows, a scalar picks all."""
    if condition.rank == 0:
        condition = broadcast(condition, t.shape, ())
    elif condition.rank != t.rank:
        condition = broadcast(condition, t.shape, (0,))
    return e.select(condition, t, e_)


for _op in (select_v2, select):
    _op.inputs[2] = type(_op.inputs[2])("e", _op.inputs[2].element)


@op("ApproximateEqual", outputs="z")
def approximate_equal(x: Tensor[Quantised], y: Tensor[Quantised], *, tolerance: float = 1e-5) -> Tensor[dtypes.bool]:
    """Return whether abs(x - y) < tolerance."""
    distance = e.absolute(x - y)
    return e.compare(distance, full(distance.shape, tolerance, distance.dtype), "LT")


@op("ClipByValue", outputs="output")
def clip_by_value(
    t: Tensor[Quantised], clip_value_min: Tensor[Quantised], clip_value_max: Tensor[Quantised]
) -> Tensor[Quantised]:
    """Return t moved into [clip_value_min, clip_value_max]; both are scalars or broadcast to t."""
    t, low, high = broadcast_together(t, clip_value_min, clip_value_max, what="ClipByValue")
    return e.minimum(e.maximum(t, low), high)


for _op in (less, less_equal, greater, greater_equal, equal, not_equal):
    _op.cases(PAIRS, dtypes=(*FLOATS, *INTEGERS))
    _op.cases([((8,), (8,))], extreme=EDGES, dtypes=FLOATS)
for _op in (logical_and, logical_or, bitwise_and, bitwise_or, bitwise_xor):
    _op.cases(PAIRS)
for _op in (left_shift, right_shift):
    _op.cases(PAIRS, low=0, high=6)
select_v2.cases([((3,), (3,), (3,)), ((), ("batch", 2), (2,)), ((2, 1), (1, 3), ())], dtypes=(*NUMBERS, dtypes.bool))
select.cases([((3,), (3,), (3,)), ((2,), (2, 3), (2, 3)), ((), (2,), (2,))], dtypes=[float32, dtypes.int32])
approximate_equal.cases([((3,), (3,))], dtypes=[float32, dtypes.float64])
clip_by_value.cases([((5,), (), ()), (("batch", 3), (), ())], dtypes=FLOATS, inputs=(None, -0.5, 0.7), gradient=False)
