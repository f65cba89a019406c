"""The rest of tf.compat: kinds of Python numbers, sizes in either mode of shapes, paths, and dates of compatibility."""

from __future__ import annotations

import contextlib
import datetime
import numbers
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from millstream.api.public import public, publish
from millstream.base import shapes

KINDS = {
    "bytes_or_text_types": (bytes, str),
    "complex_types": (numbers.Complex, np.number),
    "integral_types": (numbers.Integral, np.integer),
    "real_types": (numbers.Real, np.integer, np.floating),
}
for _name, _kinds in KINDS.items():
    publish(f"compat.{_name}", _kinds)
    publish(f"compat.v1.compat.{_name}", _kinds)

_RELEASED = datetime.date(2026, 1, 16)
"""The day on which version 2.21 was cut: ops of later days are not in it."""
_horizons = [_RELEASED + datetime.timedelta(days=int(os.environ.get("TF_FORWARD_COMPATIBILITY_DELTA_DAYS", "0")))]


@public("compat.dimension_value", "compat.v1.dimension_value", "compat.v1.compat.dimension_value")
def dimension_value(dimension: Any) -> int | None:
    """Return the size of an axis as an int, or None, in either mode of shapes."""
    return dimension.value if isinstance(dimension, shapes.Dimension) else dimension


@public("compat.dimension_at_index", "compat.v1.dimension_at_index", "compat.v1.compat.dimension_at_index")
def dimension_at_index(shape: Any, index: int) -> shapes.Dimension:
    """Return an element of a shape as a `Dimension`, in either mode of shapes."""
    return shapes.dimension_at_index(shape, index)


@public("compat.path_to_str", "compat.v1.compat.path_to_str")
def path_to_str(path: Any) -> Any:
    """Return a path object as str; what is none, unchanged."""
    return os.fspath(path) if hasattr(path, "__fspath__") else path


@public("compat.forward_compatible", "compat.v1.compat.forward_compatible")
def forward_compatible(year: int, month: int, day: int) -> bool:
    """Return whether programs may use what was added on this day: whether the horizon is later."""
    return _horizons[-1] > datetime.date(year, month, day)


@public("compat.forward_compatibility_horizon", "compat.v1.compat.forward_compatibility_horizon")
@contextlib.contextmanager
def forward_compatibility_horizon(year: int, month: int, day: int) -> Iterator[None]:
    """Move the horizon of `tf.compat.forward_compatible` to a later day inside; a day before the release is ignored."""
    wanted = datetime.date(year, month, day)
    if wanted < _RELEASED:
        warnings.warn(f"The horizon stays at {_RELEASED}: {wanted} is before it.", stacklevel=3)
    _horizons.append(max(wanted, _RELEASED))
    try:
        yield
    finally:
        _horizons.pop()
