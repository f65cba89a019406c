"""tf.experimental.DynamicRaggedShape, and the functions that take or give one: shape, reshape, fill, broadcast_to …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import PUBLIC, composite_rule, publish
from millstream.api.ragged import is_ragged, ragged_or_tensor
from millstream.api.ragged_broadcast import broadcast
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.dispatch import apply
from millstream.execution.dynamic_ragged_shape import DynamicRaggedShape
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import integer
from millstream.execution.static_value import static_value
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

publish("experimental.DynamicRaggedShape", DynamicRaggedShape)


@composite_rule("shape")
def _shape(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    if not is_ragged(input):
        return NotImplemented
    return DynamicRaggedShape.from_tensor(input, dtypes.int32 if out_type is None else as_dtype(out_type))


def in_shape(flat: Any, shape: DynamicRaggedShape) -> Any:
    """Return flat values in the partitions of a shape."""
    return RaggedTensor._from_nested_row_partitions(flat, shape.row_partitions, validate=False)


@composite_rule("reshape")
def _reshape(tensor: Any, shape: Any, name: str | None = None) -> Any:
    if not is_ragged(tensor) and not isinstance(shape, DynamicRaggedShape):
        return NotImplemented
    flat = tensor.flat_values if is_ragged(tensor) else tensor
    if not isinstance(shape, DynamicRaggedShape):
        return PUBLIC["reshape"](flat, shape)
    return in_shape(PUBLIC["reshape"](flat, shape.inner_shape), shape)


def _filled(name: str) -> Callable[..., Any]:
    @composite_rule(name)
    def rule(shape: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(shape, DynamicRaggedShape):
            return NotImplemented
        return in_shape(PUBLIC[name](shape.inner_shape, *args, **kwargs), shape)

    return rule


for _name in ("ones", "zeros", "fill"):
    _filled(_name)


def _frame(shape: Any) -> Any:
    """Return something of a shape: only its rows and sizes are asked for."""
    return PUBLIC["zeros"](shape, dtypes.bool)


@composite_rule("broadcast_to")
def _broadcast_to(input: Any, shape: Any, name: str | None = None) -> Any:
    if not isinstance(shape, DynamicRaggedShape):
        return NotImplemented
    value = ragged_or_tensor(input)
    frame = _frame(shape)
    if not is_ragged(value) and not is_ragged(frame):
        return PUBLIC["broadcast_to"](value, shape.inner_shape)
    if not is_ragged(frame):
        raise ValueError(explain("A ragged tensor cannot be broadcast to a shape without ragged axes."))
    partitions, flat = broadcast([value, frame])
    for made, wanted in zip(partitions, shape.row_partitions, strict=False):
        _require_equal(made.row_splits(), wanted.row_splits())
    moved = PUBLIC["broadcast_to"](flat[0], PUBLIC["shape"](flat[1]))
    return RaggedTensor._from_nested_row_partitions(moved, partitions, validate=False)


def _require_equal(made: Any, wanted: Any) -> None:
    found, asked = static_value(made), static_value(wanted)
    if found is not None and asked is not None:
        if found.shape != asked.shape or (found != asked).any():
            raise InvalidArgumentError(None, None, explain("Cannot broadcast"))
        return
    apply(ops.CHECK_EQUAL, integer(made, dtypes.int64), integer(wanted, dtypes.int64), message="Cannot broadcast")


@composite_rule("broadcast_dynamic_shape")
def _broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    given = [s for s in (shape_x, shape_y) if isinstance(s, DynamicRaggedShape)]
    if not given:
        return NotImplemented
    kinds = {s.dtype for s in given}
    dtype = kinds.pop() if len(kinds) == 1 else dtypes.int64
    frames = [_frame(s) for s in (shape_x, shape_y)]
    if not any(is_ragged(f) for f in frames):
        sizes = [PUBLIC["shape"](f, dtype) for f in frames]
        return DynamicRaggedShape((), apply(find("BroadcastArgs"), *sizes), dtype)
    partitions, flat = broadcast(frames)
    sizes = [PUBLIC["shape"](f, dtype) for f in flat]
    return DynamicRaggedShape(partitions, apply(find("BroadcastArgs"), *sizes), dtype)
