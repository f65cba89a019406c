"""Print tensors as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes


def numpy_text(tensor: Any, is_repr: bool = False) -> str:
    """Return the elements of an eager tensor as text: NumPy's `repr` or `str` of them."""
    if not tensor.dtype.is_numpy_compatible or tensor.dtype == dtypes.variant:
        return "<unprintable>"
    value = tensor._numpy_for_printing()
    text = repr(value) if is_repr else str(value)
    return "\n" + text if "\n" in text else text


def plain_number(value: Any) -> Any:
    """Return a NumPy scalar as the Python number that TensorFlow prints."""
    return value.item() if isinstance(value, np.generic) else value
