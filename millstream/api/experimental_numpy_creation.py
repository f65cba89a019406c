"""Functions of tf.experimental.numpy that make arrays: of one number, of steps, of diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api.experimental_numpy import (
    FLOAT64,
    array_of,
    asarray,
    axis_of,
    common_type,
    convert,
    known_rank,
    numpy_dtype,
    sizes_of,
)
from millstream.api.experimental_numpy_shapes import moveaxis
from millstream.api.linalg_factorisation import diag as matrix_diag
from millstream.api.linalg_factorisation import diag_part
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.tensor import TensorType
from millstream.ops.registry import find


def _wanted(dtype: Any) -> DType:
    return as_dtype(numpy_dtype(dtype))


@public("experimental.numpy.zeros")
def zeros(shape: Any, dtype: Any = float) -> Any:
    """Return zeros of a shape.

    >>> tf.experimental.numpy.zeros((2,)).numpy().tolist()
    [0.0, 0.0]
    """
    return arrays.zeros(sizes_of(shape), _wanted(dtype or float))


@public("experimental.numpy.ones")
def ones(shape: Any, dtype: Any = float) -> Any:
    """Return ones of a shape."""
    return arrays.ones(sizes_of(shape), _wanted(dtype or float))


@public("experimental.numpy.empty")
def empty(shape: Any, dtype: Any = float) -> Any:
    """Return zeros of a shape: nothing is left unset."""
    return zeros(shape, dtype)


@public("experimental.numpy.zeros_like")
def zeros_like(a: Any, dtype: Any = None) -> Any:
    """Return zeros of the shape of `a`, and of its element type unless another one is asked for."""
    given = array_of(a)
    return arrays.zeros_like(given, given.dtype if dtype is None else _wanted(dtype))


@public("experimental.numpy.ones_like")
def ones_like(a: Any, dtype: Any = None) -> Any:
    """Return ones of the shape of `a`, and of its element type unless another one is asked for."""
    given = array_of(a)
    return arrays.ones_like(given, given.dtype if dtype is None else _wanted(dtype))


@public("experimental.numpy.empty_like")
def empty_like(a: Any, dtype: Any = None) -> Any:
    """Return zeros of the shape of `a`: nothing is left unset."""
    return zeros_like(a, dtype)


@public("experimental.numpy.full")
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return `fill_value`, broadcast to a shape."""
    return arrays.broadcast_to(array_of(fill_value, dtype), sizes_of(shape))


@public("experimental.numpy.full_like")
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """Return `fill_value` in the shape and element type of `a`.

    Raises:
      ValueError: for an order other than K, subok=False, or a shape: those are not supported.
    """
    if order != "K":
        raise ValueError(explain("Non-standard orders are not supported: leave order='K'."))
    if not subok:
        raise ValueError(explain("subok being False is not supported: leave subok=True."))
    if shape:
        raise ValueError(explain("Overriding the shape is not supported: use full."))
    given = array_of(a)
    filled = convert(fill_value, given.dtype if dtype is None else _wanted(dtype))
    return arrays.broadcast_to(filled, arrays.shape(given))


@public("experimental.numpy.identity")
def identity(n: int, dtype: Any = float) -> Any:
    """Return the n by n matrix with ones on the diagonal."""
    return eye(n, n, dtype=dtype)


@public("experimental.numpy.eye")
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
    """Return an N by M matrix with ones on the k-th diagonal.

    >>> tf.experimental.numpy.eye(2, 3, k=1).numpy().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    wanted = _wanted(dtype or float)
    columns = N if M is None else M
    rows = arrays.expand_dims(arrays.range_(N), 1)
    places = arrays.expand_dims(arrays.range_(columns), 0)
    return cast(apply(find("Equal"), places - rows, k), wanted)


@public("experimental.numpy.arange")
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Return the numbers from `start` on, `step` apart, that lie before `stop`; from 0 before `start` with one argument.

    >>> tf.experimental.numpy.arange(1, 4).numpy().tolist()
    [1, 2, 3]
    """
    if not isinstance(step, TensorType) and step == 0:
        raise ValueError(explain("step must be non-zero"))
    given = (start, step) if stop is None else (start, stop, step)
    wanted = common_type(*given) if dtype is None else _wanted(dtype)
    first, limit = (0, start) if stop is None else (start, stop)
    inner = wanted if wanted.is_floating or wanted in (as_dtype(np.int32), as_dtype(np.int64)) else as_dtype(np.int64)
    found = apply(find("Range"), *(convert(v, inner) for v in (first, limit, step)))
    return cast(found, wanted)


@public("experimental.numpy.linspace")
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = float,
    axis: int = 0,
) -> Any:
    """Return `num` numbers from `start` to `stop`, evenly spaced, along a new axis.

    Args:
      start: where to begin, of any shape.
      stop: where to end, broadcast with `start`.
      num: how many numbers.
      endpoint: whether `stop` is the last one.
      retstep: whether the distance is returned, too.
      dtype: the element type of the result; left as it is, that of the ends, made floating.
      axis: the place of the new axis.
    """
    wanted = None if dtype is None or dtype is float else _wanted(dtype)
    inner = common_type(start, stop, 1.0)
    first, last = convert(start, inner), convert(stop, inner)
    sizes = apply(find("BroadcastArgs"), arrays.shape(first), arrays.shape(last))
    first, last = arrays.broadcast_to(first, sizes), arrays.broadcast_to(last, sizes)
    rank = known_rank(first, "linspace")
    steps = num - 1 if endpoint else num
    step = (last - first) / max(steps, 1) if steps > 0 else apply(find("ZerosLike"), first) + np.nan
    place = axis_of(axis, rank + 1)
    counts = arrays.reshape(cast(arrays.range_(num), inner), [-1 if i == place else 1 for i in range(rank + 1)])
    found = arrays.expand_dims(first, place)
    if steps > 0:
        found = found + counts * arrays.expand_dims(step, place)
        if endpoint:
            # The last one is exactly the end, not what rounding makes of it.
            at_end = apply(
                find("Equal"), cast(counts, as_dtype(np.float64)) if not inner.is_complex else counts, num - 1
            )
            found = arrays.where(at_end, arrays.expand_dims(last, place), found)
    else:
        found = found + counts * 0
    found = found if wanted is None else cast(found, wanted)
    return (found, step) if retstep else found


@public("experimental.numpy.logspace")
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `num` numbers from base ** start to base ** stop, evenly spaced on a log scale."""
    wanted = common_type(start, stop, 1.0) if dtype is None else _wanted(dtype)
    powers = linspace(start, stop, num=num, endpoint=endpoint, dtype=None, axis=axis)
    return cast(apply(find("Pow"), convert(base, powers.dtype), powers), wanted)


@public("experimental.numpy.geomspace")
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return `num` numbers from `start` to `stop`, each the same multiple of the one before."""
    wanted = common_type(start, stop, 1.0) if dtype is None else _wanted(dtype)
    inner = wanted if wanted.is_floating or wanted.is_complex else FLOAT64
    first, last = convert(start, inner), convert(stop, inner)
    sign = apply(find("Sign"), first)
    logs = linspace(
        apply(find("Log"), first * sign),
        apply(find("Log"), last * sign),
        num=num,
        endpoint=endpoint,
        dtype=None,
        axis=0,
    )
    found = sign * apply(find("Exp"), logs)
    if axis:
        found = moveaxis(found, 0, axis)
    return cast(found, wanted)


@public("experimental.numpy.tri")
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """Return an N by M matrix with ones at and below the k-th diagonal."""
    wanted = _wanted(float if dtype is None else dtype)
    rows = arrays.expand_dims(arrays.range_(N), 1)
    columns = arrays.expand_dims(arrays.range_(N if M is None else M), 0)
    return cast(apply(find("LessEqual"), columns - rows, k), wanted)


def _triangle(m: Any, k: int, upper: bool) -> Any:
    given = asarray(m)
    if given.shape.rank is not None and given.shape.rank < 2:
        raise ValueError(explain(f"Argument to {'triu' if upper else 'tril'} must have rank at least 2"))
    sizes = arrays.shape(given)
    below = tri(sizes[-2], sizes[-1], k - 1 if upper else k, dtype=bool)
    zero = arrays.zeros_like(given)
    return arrays.where(below, zero, given) if upper else arrays.where(below, given, zero)


@public("experimental.numpy.tril")
def tril(m: Any, k: int = 0) -> Any:
    """Return matrices with zeros above the k-th diagonal."""
    return _triangle(m, k, False)


@public("experimental.numpy.triu")
def triu(m: Any, k: int = 0) -> Any:
    """Return matrices with zeros below the k-th diagonal."""
    return _triangle(m, k, True)


@public("experimental.numpy.diag")
def diag(v: Any, k: int = 0) -> Any:
    """Return the matrix with the vector `v` on its k-th diagonal, or the k-th diagonal of the matrix `v`."""
    given = asarray(v)
    rank = known_rank(given, "diag")
    if rank == 1:
        return matrix_diag(given, k=k)
    if rank != 2:
        raise ValueError(explain("Input must be 1- or 2-d."))
    return diagonal(given, k)


@public("experimental.numpy.diagflat")
def diagflat(v: Any, k: int = 0) -> Any:
    """Return the matrix with the elements of `v` on its k-th diagonal."""
    return diag(arrays.reshape(asarray(v), [-1]), k)


@public("experimental.numpy.diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices along two axes; they lie along the last axis of the result."""
    given = asarray(a)
    if known_rank(given, "diagonal") < 2:
        raise ValueError(explain("diag requires an array of at least two dimensions"))
    given = moveaxis(given, (axis1, axis2), (-2, -1))
    rows, columns = given.shape[-2], given.shape[-1]
    if rows is not None and columns is not None and (offset >= columns or -offset >= rows):
        return arrays.slice_(given, [0] * given.shape.rank, [*[-1] * (given.shape.rank - 2), 1, -1])[..., 0, :0]
    return diag_part(given, k=offset)


@public("experimental.numpy.diag_indices")
def diag_indices(n: Any, ndim: int = 2) -> Any:
    """Return what indexes the diagonal of an array of `ndim` axes of n elements: 0 … n-1, `ndim` times."""
    if n < 0:
        raise ValueError(explain(f"n must be >= 0, got {n}"))
    if ndim < 0:
        raise ValueError(explain(f"ndim must be >= 0, got {ndim}"))
    return (arrays.range_(n),) * ndim


@public("experimental.numpy.vander")
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """Return the matrix of powers of a vector: column j holds x ** j, or x ** (N - 1 - j) unless `increasing`."""
    given = asarray(x)
    if given.shape.rank not in (None, 1):
        raise ValueError(explain("The input must be a one-dimensional array or sequence."))
    count = arrays.shape(given)[0] if N is None else N
    if not isinstance(count, TensorType) and count < 0:
        raise ValueError(explain("N must be nonnegative"))
    powers = arrays.range_(count)
    if not increasing:
        powers = count - 1 - powers
    base = arrays.expand_dims(given, 1)
    inner = given.dtype if given.dtype not in (as_dtype(np.bool_),) else as_dtype(np.int64)
    return apply(find("Pow"), cast(base, inner), cast(powers, inner))


@public("experimental.numpy.meshgrid")
def meshgrid(*xi: Any, **kwargs: Any) -> Any:
    """Return the coordinates of a grid: one array of its shape for each vector. indexing='xy' (default) swaps the first two axes.

    Raises:
      ValueError: for sparse=True or copy=False.
    """
    sparse = kwargs.get("sparse", False)
    copied = kwargs.get("copy", True)
    if sparse:
        raise ValueError(
            explain(f"Function `meshgrid` does not support returning sparse arrays yet. Received: sparse={sparse}")
        )
    if not copied:
        raise ValueError(explain(f"Function `meshgrid` only supports copy=True. Received: copy={copied}"))
    return arrays.meshgrid(*(asarray(x) for x in xi), indexing=kwargs.get("indexing", "xy"))


@public("experimental.numpy.ix_")
def ix_(*args: Any) -> Any:
    """Return what indexes the block of the given rows, columns …: each vector along an axis of its own; bools are their places."""
    found = []
    for i, vector in enumerate(args):
        given = asarray(vector)
        if given.shape.rank not in (None, 1):
            raise ValueError(explain(f"Arguments must be 1-d, got arg {i} of rank {given.shape.rank}"))
        if given.dtype == as_dtype(np.bool_):
            given = arrays.reshape(arrays.where(given), [-1])
        found.append(arrays.reshape(given, [-1 if j == i else 1 for j in range(len(args))]))
    return found


@public("experimental.numpy.broadcast_arrays")
def broadcast_arrays(*args: Any, **kwargs: Any) -> Any:
    """Return the arguments, each of the shape of all together."""
    if kwargs.get("subok"):
        raise ValueError(explain("subok=True is not supported."))
    if len(kwargs) > ("subok" in kwargs):
        raise ValueError(explain(f"Received unsupported arguments {sorted(kwargs)}"))
    given = [asarray(a) for a in args]
    sizes = arrays.shape(given[0])
    for other in given[1:]:
        sizes = apply(find("BroadcastArgs"), sizes, arrays.shape(other))
    return [arrays.broadcast_to(a, sizes) for a in given]
