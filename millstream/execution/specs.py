"""Specs of tensors at hand, eager ones and symbolic ones."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.sizes import Symbol, fresh_symbol
from millstream.base.spec import Spec

DTYPE_OF_NUMBER = {d.as_datatype_enum: d for d in vars(dtypes).values() if isinstance(d, dtypes.DType)}

_open: list[Symbol] = []


def open_size(axis: int) -> Symbol:
    """Return the symbol that stands for the open size of an axis of a variable; readings give it a fresh name."""
    while len(_open) <= axis:
        _open.append(fresh_symbol("open"))
    return _open[axis]


def spec_of(tensor: Any) -> Spec:
    """Return the spec of a tensor; that of a variable's handle says what the variable holds."""
    value = getattr(tensor, "value_", None)
    if value is not None:
        return value.spec  # type: ignore[no-any-return]
    dtype = DTYPE_OF_NUMBER[tensor._dtype]
    if dtype is dtypes.resource:
        return Spec(dtype, (), None, handle_spec(tensor))
    if dtype is dtypes.variant:
        return Spec(dtype, (), None, getattr(tensor, "element_spec", None))
    return Spec(dtype, tensor._shape)


def handle_spec(handle: Any) -> Spec | None:
    """Return the spec of what a variable may hold, or of the values of a table; None for other resources.

    Where a variable leaves even its rank open, the rank of what it holds now is taken: plans need one.
    """
    info = state_info(handle)
    if info is None:
        return table_spec(handle)
    shape = info["shape"]
    if shape is None and info["value_shape"] is not None:
        shape = (None,) * len(info["value_shape"])
    if shape is not None:
        shape = tuple(open_size(i) if n is None else n for i, n in enumerate(shape))
    return Spec(DTYPE_OF_NUMBER[info["dtype"]], shape)


def table_spec(handle: Any) -> Spec | None:
    """Return the spec of the values of a hash table; None for handles of other things."""
    try:
        _, value, shape = runtime.table_info(handle)
    except TypeError:
        return None
    return Spec(DTYPE_OF_NUMBER[value], shape)


def state_info(handle: Any) -> Any:
    """Return what the runtime knows of a variable by its handle; None for handles of other things."""
    try:
        return runtime.state_info(handle)
    except TypeError:
        return None
