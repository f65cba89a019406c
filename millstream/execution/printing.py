"""Print tensors as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.execution.specs import state_info


def numpy_text(tensor: Any, is_repr: bool = False) -> str:
    """Return the elements of an eager tensor as text: NumPy's `repr` or `str` of them."""
    dtype = tensor.dtype
    if dtype is dtypes.resource or dtype is dtypes.variant:
        return _opaque(tensor)
    value = tensor.numpy()
    # A NumPy scalar prints its type in NumPy 2; TensorFlow prints the number alone.
    if isinstance(value, np.generic) and is_repr:
        value = value.item()
    text = repr(value) if is_repr else str(value)
    return "\n" + text if "\n" in text else text


def plain_value(tensor: Any) -> Any:
    """Return what a format specification applies to: the NumPy value, or a text for handles."""
    if tensor.dtype in (dtypes.resource, dtypes.variant):
        return _opaque(tensor)
    return tensor.numpy()


def _opaque(tensor: Any) -> str:
    if tensor.dtype is dtypes.variant:
        return "<TensorList>"
    info = state_info(tensor)
    if info is None:
        return f'<ResourceHandle(name="{tensor._id}", device="{tensor.device}", container="Anonymous", type="host object")>'
    sizes = (
        "<unknown>"
        if info["shape"] is None
        else "[" + ",".join("?" if n is None else str(n) for n in info["shape"]) + "]"
    )
    return (
        f'<ResourceHandle(name="{info["name"]}/{tensor._id}", device="{tensor.device}", container="Anonymous", '
        f'type="tensorflow::Var", dtype and shapes : "[ DType enum: {info["dtype"]}, Shape: {sizes} ]")>'
    )


def tensor_repr(tensor: Any) -> str:
    """Return `repr` of an eager tensor."""
    label = "value" if tensor.dtype in (dtypes.resource, dtypes.variant) else "numpy"
    return f"<tf.Tensor: shape={tensor.shape}, dtype={tensor.dtype.name}, {label}={numpy_text(tensor, is_repr=True)}>"


def tensor_text(tensor: Any) -> str:
    """Return `str` of an eager tensor."""
    return f"tf.Tensor({numpy_text(tensor)}, shape={tensor.shape}, dtype={tensor.dtype.name})"
