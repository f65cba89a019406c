"""Slots: variables of an optimizer that stand beside a variable, of its name and, as a rule, its shape."""

from __future__ import annotations

from typing import Any

from millstream.api.public import root
from millstream.base.shapes import TensorShape
from millstream.execution.context import executing_eagerly
from millstream.execution.variable_parts import SaveSliceInfo
from millstream.version_1.variables.scope import get_variable, get_variable_scope, variable_scope

tf: Any = root()


def full_name(variable: Any) -> str:
    """Return a variable's name without `:0`."""
    return str(variable.op.name if not executing_eagerly() else variable.name.rpartition(":")[0])


def slot_with_initializer(primary: Any, initializer: Any, shape: Any, dtype: Any, name: str) -> Any:
    """Make a variable beside `primary`, by `initializer`."""
    with variable_scope(None, f"{full_name(primary)}/{name}"):
        return _made(primary, initializer, "", shape, dtype)


def slot(primary: Any, value: Any, name: str) -> Any:
    """Make a variable beside `primary` that begins as `value`."""
    with variable_scope(None, f"{full_name(primary)}/{name}"):
        return _made(primary, value, "", None, None)


def zeros_slot(primary: Any, name: str, dtype: Any = None) -> Any:
    """Make a variable of zeros beside `primary`, of its shape, also where that is not known yet."""
    dtype = primary.dtype.base_dtype if dtype is None else dtype
    if primary.shape.is_fully_defined():
        return slot_with_initializer(primary, tf.compat.v1.zeros_initializer(), primary.shape, dtype, name)
    held = primary.initialized_value() if hasattr(primary, "initialized_value") else primary
    return slot(primary, tf.zeros(tf.shape(held), dtype=dtype), name)


def _made(primary: Any, value: Any, name: str, shape: Any, dtype: Any) -> Any:
    """Make a variable in the current scope, which stands for its whole name, beside `primary`."""
    scope = get_variable_scope()
    options: dict[str, Any] = {} if shape is None else {"shape": shape}
    if not getattr(primary, "is_reference_variable", False):
        # One op takes a step of both: they are of one kind, whatever variables are as a rule.
        options["use_resource"] = True
    if shape is None:
        options["validate_shape"] = (
            tf.convert_to_tensor(value).shape.is_fully_defined() if not callable(value) else True
        )
    before = scope.partitioner
    scope.set_partitioner(None)
    try:
        made = get_variable(name, initializer=value, trainable=False, dtype=dtype, **options)
    finally:
        scope.set_partitioner(before)
    part = primary.__dict__.get("_save_slice_info")
    if part is not None and TensorShape(made.shape).as_list() == list(part.var_shape):
        whole = f"{part.full_name}/{full_name(made)[len(full_name(primary)) + 1 :]}"
        made._save_slice_info = SaveSliceInfo(whole, part.full_shape, part.var_offset, part.var_shape)
    return made
