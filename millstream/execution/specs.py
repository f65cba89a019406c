"""Specs of tensors at hand, eager ones and symbolic ones."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec

DTYPE_OF_NUMBER = {d.as_datatype_enum: d for d in vars(dtypes).values() if isinstance(d, dtypes.DType)}


def spec_of(tensor: Any) -> Spec:
    """Return the spec of a tensor; that of a variable's handle says what the variable holds."""
    value = getattr(tensor, "value_", None)
    if value is not None:
        return value.spec  # type: ignore[no-any-return]
    dtype = DTYPE_OF_NUMBER[tensor._dtype]
    if dtype is dtypes.resource:
        return Spec(dtype, (), None, handle_spec(tensor))
    return Spec(dtype, tensor._shape)


def handle_spec(handle: Any) -> Spec | None:
    """Return the spec of what a variable holds; None for other resources."""
    info = runtime.state_info(handle)
    if info is None:
        return None
    dtype, shape = info[0], info[1]
    if shape is not None:
        shape = tuple(fresh_symbol("n") if n is None or n < 0 else n for n in shape)
    return Spec(DTYPE_OF_NUMBER[dtype], shape)
