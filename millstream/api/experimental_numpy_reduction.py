"""Functions of tf.experimental.numpy over axes: sums, extremes, means, running sums, differences, places."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api import reduction
from millstream.api.experimental_numpy import (
    Preference,
    array_of,
    asarray,
    axis_of,
    common_type,
    convert,
    default_float,
    known_rank,
    numpy_dtype,
)
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

BOOL, INT64, UINT64 = as_dtype(np.bool_), as_dtype(np.int64), as_dtype(np.uint64)
INT32, UINT32 = as_dtype(np.int32), as_dtype(np.uint32)


def _axis(axis: Any) -> Any:
    if axis is None or isinstance(axis, (int, np.integer)):
        return axis
    return [int(i) for i in np.asarray(axis).reshape(-1)]


def _whole_widened(given: Any, dtype: Any) -> Any:
    """Return the array as it is summed: of `dtype`, or whole numbers 64 bits wide."""
    if dtype is not None:
        return cast(given, as_dtype(numpy_dtype(dtype)))
    if given.dtype is not BOOL and not given.dtype.is_integer:
        return given
    wide = UINT64 if given.dtype.is_unsigned else INT64
    if not Preference.gives_way:
        return cast(given, wide)
    # The modes "safe" and "all" widen to 32 bits only.
    return given if given.dtype.size >= 4 else cast(given, UINT32 if given.dtype.is_unsigned else INT32)


@public("experimental.numpy.sum")
def sum_(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None) -> Any:
    """Return the sum over axes, or of all elements; whole numbers are added 64 bits wide."""
    return reduction.reduce_sum(_whole_widened(array_of(a), dtype), _axis(axis), bool(keepdims))


@public("experimental.numpy.prod")
def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None) -> Any:
    """Return the product over axes, or of all elements; whole numbers are multiplied 64 bits wide."""
    return reduction.reduce_prod(_whole_widened(array_of(a), dtype), _axis(axis), bool(keepdims))


@public("experimental.numpy.mean")
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = None) -> Any:
    """Return the mean over axes, or of all elements; that of whole numbers is a floating one."""
    if out is not None:
        raise ValueError(explain("The `out` argument is not supported by tf.numpy.mean."))
    given = array_of(a)
    if dtype is not None:
        given = cast(given, as_dtype(numpy_dtype(dtype)))
    elif given.dtype is BOOL or given.dtype.is_integer:
        given = cast(given, default_float())
    return reduction.reduce_mean(given, _axis(axis), bool(keepdims))


@public("experimental.numpy.amax")
def amax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = None) -> Any:
    """Return the largest element over axes, or of all; `out` must be None."""
    if out is not None:
        raise ValueError(explain("The `out` argument is not supported by tf.numpy.amax."))
    return max_(a, axis, keepdims)


@public("experimental.numpy.max")
def max_(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the largest element over axes, or of all."""
    given = array_of(a)
    found = reduction.reduce_any if given.dtype is BOOL else reduction.reduce_max
    return found(given, _axis(axis), bool(keepdims))


@public("experimental.numpy.amin")
def amin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = None) -> Any:
    """Return the smallest element over axes, or of all; `out` must be None."""
    if out is not None:
        raise ValueError(explain("The `out` argument is not supported by tf.numpy.amin."))
    return min_(a, axis, keepdims)


@public("experimental.numpy.min")
def min_(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the smallest element over axes, or of all."""
    given = array_of(a)
    found = reduction.reduce_all if given.dtype is BOOL else reduction.reduce_min
    return found(given, _axis(axis), bool(keepdims))


@public("experimental.numpy.ptp")
def ptp(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the largest less the smallest element over axes, or of all."""
    given = array_of(a)
    return max_(given, axis, keepdims) - min_(given, axis, keepdims)


@public("experimental.numpy.all")
def all_(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return whether all elements over axes are true, or not zero."""
    return reduction.reduce_all(cast(asarray(a), BOOL), _axis(axis), bool(keepdims))


@public("experimental.numpy.any")
def any_(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return whether any element over axes is true, or not zero."""
    return reduction.reduce_any(cast(asarray(a), BOOL), _axis(axis), bool(keepdims))


@public("experimental.numpy.var")
def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: Any = None) -> Any:
    """Return the variance over axes, or of all elements.

    Args:
      a: the elements.
      axis: the axes.
      dtype: the element type to compute in, and of the result.
      out: not supported.
      ddof: what is taken from the count that is divided by.
      keepdims: whether the axes stay, with size 1.
    """
    if out is not None:
        raise ValueError(explain("The `out` argument is not supported by tf.numpy.var."))
    given = array_of(a)
    wide = default_float()
    if dtype is not None:
        wanted = as_dtype(numpy_dtype(dtype))
        given = cast(given, wanted)
    else:
        wanted = given.dtype if given.dtype.is_floating else given.dtype.real_dtype if given.dtype.is_complex else wide
        given = given if given.dtype.is_floating or given.dtype.is_complex else cast(given, wide)
    off = given - reduction.reduce_mean(given, _axis(axis), True)
    squares = apply(find("Square"), abs(off))
    total = reduction.reduce_sum(squares, _axis(axis), bool(keepdims))
    count = apply(find("FloorDiv"), arrays.size(squares, INT64), arrays.size(total, INT64))
    divisor = cast(count - ddof, total.dtype)
    return cast(total / divisor, wanted)


@public("experimental.numpy.std")
def std(a: Any, axis: Any = None, keepdims: Any = None) -> Any:
    """Return the root of the variance over axes, or of all elements."""
    return apply(find("Sqrt"), var(a, axis, keepdims=keepdims))


@public("experimental.numpy.average")
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False) -> Any:
    """Return the mean over an axis, each element as heavy as its weight; with `returned` the sum of weights, too."""
    if axis is not None and not isinstance(axis, (int, np.integer)):
        raise ValueError(explain("The `axis` argument must be an integer or None."))
    given = array_of(a)
    if weights is None:
        wanted = given.dtype if given.dtype.is_floating or given.dtype.is_complex else default_float()
        given = cast(given, wanted)
        found = reduction.reduce_mean(given, axis)
        count = cast(apply(find("FloorDiv"), arrays.size(given), arrays.size(found)), wanted)
        return (found, arrays.broadcast_to(count, arrays.shape(found))) if returned else found
    heavy = array_of(weights)
    wanted = common_type(a, weights)
    if not (wanted.is_floating or wanted.is_complex):
        wanted = default_float()
    given, heavy = convert(given, wanted), convert(heavy, wanted)
    if given.shape.rank != heavy.shape.rank:
        if axis is None:
            raise ValueError(explain("Axis must be specified when shapes of a and weights differ."))
        rank = known_rank(given, "average")
        heavy = arrays.reshape(heavy, [-1 if i == axis_of(int(axis), rank) else 1 for i in range(rank)])
        heavy = arrays.broadcast_to(heavy, arrays.shape(given))
    total = reduction.reduce_sum(heavy, axis)
    found = reduction.reduce_sum(given * heavy, axis) / total
    return (found, total) if returned else found


@public("experimental.numpy.count_nonzero")
def count_nonzero(a: Any, axis: Any = None) -> Any:
    """Return how many elements are not zero, int64."""
    return reduction.reduce_sum(cast(cast(asarray(a), BOOL), INT64), _axis(axis))


def _running(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    given = array_of(a)
    given = _whole_widened(given, INT64 if dtype is None and given.dtype.is_integer else dtype)
    if axis is None:
        return arrays.reshape(given, [-1]), 0
    return given, axis_of(axis, known_rank(given, "cumsum"))


@public("experimental.numpy.cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Return the sums of the elements so far along an axis; of the flat array without one."""
    return reduction.cumsum(*_running(a, axis, dtype))


@public("experimental.numpy.cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Return the products of the elements so far along an axis; of the flat array without one."""
    return reduction.cumprod(*_running(a, axis, dtype))


def _place(function: Any, a: Any, axis: Any) -> Any:
    given = array_of(a)
    if axis is None or not known_rank(given, "argmax"):
        return function(arrays.reshape(given, [-1]), 0, output_type=INT64)
    return function(given, axis, output_type=INT64)


@public("experimental.numpy.argmax")
def argmax(a: Any, axis: Any = None) -> Any:
    """Return the place of the largest element along an axis; in the flat array without one."""
    return _place(reduction.argmax, a, axis)


@public("experimental.numpy.argmin")
def argmin(a: Any, axis: Any = None) -> Any:
    """Return the place of the smallest element along an axis; in the flat array without one."""
    return _place(reduction.argmin, a, axis)


def _without_nan(a: Any, instead: int) -> Any:
    given = array_of(a)
    if not (given.dtype.is_floating or given.dtype.is_complex):
        return given
    return arrays.where(apply(find("NotEqual"), given, given), convert(instead, given.dtype), given)


@public("experimental.numpy.nansum")
def nansum(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    """Return the sum over axes, of what is a number."""
    return sum_(_without_nan(a, 0), axis, dtype, keepdims)


@public("experimental.numpy.nanprod")
def nanprod(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = False) -> Any:
    """Return the product over axes, of what is a number."""
    return prod(_without_nan(a, 1), axis, dtype, keepdims)


@public("experimental.numpy.nanmean")
def nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: Any = None) -> Any:
    """Return the mean over axes, of what is a number."""
    given = array_of(a)
    if not (given.dtype.is_floating or given.dtype.is_complex):
        return mean(given, axis, dtype, keepdims=keepdims)
    total = nansum(given, axis, dtype, keepdims)
    held = apply(find("Equal"), given, given)
    count = reduction.reduce_sum(cast(held, INT64), _axis(axis), bool(keepdims))
    return total / cast(count, total.dtype)


@public("experimental.numpy.diff")
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Return how much each element along an axis differs from the one before, n times over; of bools, whether."""
    given = asarray(a)
    rank = known_rank(given, "diff")
    if not rank:
        raise ValueError(explain("diff requires input that is at least one dimensional"))
    if n < 0:
        raise ValueError(explain(f"Argument `order` must be a non-negative integer. Received: axis={n}"))
    at = axis_of(axis, rank)
    later = tuple(slice(1, None) if i == at else slice(None) for i in range(rank))
    before = tuple(slice(None, -1) if i == at else slice(None) for i in range(rank))
    for _ in range(n):
        given = (
            apply(find("NotEqual"), given[later], given[before])
            if given.dtype is BOOL
            else given[later] - given[before]
        )
    return given


@public("experimental.numpy.trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Return the sums of the diagonals of the matrices along two axes."""
    from millstream.api.experimental_numpy_creation import diagonal

    found = diagonal(a if dtype is None else cast(asarray(a), as_dtype(numpy_dtype(dtype))), offset, axis1, axis2)
    return reduction.reduce_sum(found, -1)
