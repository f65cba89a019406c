"""tf.experimental.numpy, as far as Keras asks for it: finfo and select. The other names are not supported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.array import where
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import TensorType


@public("experimental.numpy.finfo")
def finfo(dtype: Any) -> Any:
    """Return the limits of a floating element type."""
    return np.finfo(as_dtype(dtype).as_numpy_dtype)


def _tensor(value: Any) -> Any:
    """Return a tensor; Python numbers get NumPy's element types, 64 bits wide."""
    return to_tensor(value if isinstance(value, TensorType) else np.asarray(value))


@public("experimental.numpy.select")
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Return elements of the first choice whose condition holds, `default` where none does."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            explain(
                f"condlist must have the same length as choicelist. Received {len(condlist)} and {len(choicelist)}."
            )
        )
    choices = [_tensor(c) for c in choicelist]
    # A Python number beside tensors keeps their element type where it fits.
    plain = isinstance(default, (bool, int, float, complex))
    last = default if plain else _tensor(default).dtype.as_numpy_dtype
    wanted = as_dtype(np.result_type(*(c.dtype.as_numpy_dtype for c in choices), last))
    result = to_tensor(default, wanted) if plain else cast(_tensor(default), wanted)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = where(condition, cast(choice, wanted), result)
    return result
