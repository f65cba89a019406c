"""tf.experimental.numpy.random: random numbers by NumPy's names, drawn as tf.random draws them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api import random
from millstream.api.experimental_numpy import FLOAT64, array_of, convert, numpy_dtype, sizes_of
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


def _sizes(size: Any) -> Any:
    return sizes_of(() if size is None else size)


@public("experimental.numpy.random.seed")
def seed(s: Any) -> None:
    """Begin the random numbers again at a seed."""
    random.set_seed(int(s))


@public("experimental.numpy.random.rand")
def rand(*size: Any) -> Any:
    """Return uniform numbers in [0, 1) of the shape that the arguments say."""
    return uniform(0.0, 1.0, size)


@public("experimental.numpy.random.random")
def random_(size: Any = None) -> Any:
    """Return uniform numbers in [0, 1)."""
    return uniform(0.0, 1.0, size)


@public("experimental.numpy.random.randn")
def randn(*args: Any) -> Any:
    """Return normal numbers of the shape that the arguments say."""
    return standard_normal(args)


@public("experimental.numpy.random.standard_normal")
def standard_normal(size: Any = None) -> Any:
    """Return normal numbers."""
    return random.normal(_sizes(size), dtype=FLOAT64)


@public("experimental.numpy.random.uniform")
def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
    """Return uniform numbers in [low, high); without a size, of the shape of both together."""
    first, last = convert(low, FLOAT64), convert(high, FLOAT64)
    if size is None:
        sizes = apply(find("BroadcastArgs"), arrays.shape(first), arrays.shape(last))
    else:
        sizes = _sizes(size)
    return random.uniform(sizes, dtype=FLOAT64) * (last - first) + first


@public("experimental.numpy.random.poisson")
def poisson(lam: Any = 1.0, size: Any = None) -> Any:
    """Return how many events come where `lam` are expected, int64."""
    expected = array_of(lam)
    if not expected.dtype.is_floating:
        expected = convert(expected, FLOAT64)
    if size is None:
        return random.poisson((), expected, as_dtype(np.int64))
    if expected.shape.rank == 0:
        return random.poisson(_sizes(size), expected, as_dtype(np.int64))
    return random.poisson((), arrays.broadcast_to(expected, _sizes(size)), as_dtype(np.int64))


@public("experimental.numpy.random.randint")
def randint(low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64) -> Any:
    """Return whole numbers from `low` to below `high`; from 0 to below `low` without `high`.

    Raises:
      ValueError: for element types other than int32 and int64 of the range's numbers.
    """
    first, limit = (0, low) if high is None else (low, high)
    wanted = as_dtype(numpy_dtype(dtype))
    if wanted not in (as_dtype(np.int32), as_dtype(np.int64)):
        raise ValueError(explain(f"Argument `dtype` got an invalid value {dtype}; give int32 or int64."))
    if size is None:
        sizes = apply(find("BroadcastArgs"), *(arrays.shape(array_of(v)) for v in (first, limit)))
    else:
        sizes = _sizes(size)
    return random.uniform(sizes, minval=first, maxval=limit, dtype=wanted)
