"""State the reductions along axes: reduce, arg_reduce, cumulative. Windows are in `windows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive
from millstream.program.primitives.elementwise import NARROW, compare, conjugate, select
from millstream.program.primitives.shaping import full, spread
from millstream.program.value import Value, emit


def lowest(dtype: DType) -> object:
    """Return what no element is below: -inf of floats, the smallest integer, False."""
    if dtype == dtypes.bool:
        return False
    return float("-inf") if dtype.is_floating else dtype.min


def highest(dtype: DType) -> object:
    """Return what no element is above: inf of floats, the largest integer, True."""
    if dtype == dtypes.bool:
        return True
    return float("inf") if dtype.is_floating else dtype.max


def _reduce_infer(x: Spec, kind: str, axes: tuple[int, ...]) -> Spec:
    return Spec(x.dtype, tuple(n for i, n in enumerate(known_shape(x)) if i not in axes))


def _reduce_meaning(x: np.ndarray, kind: str, axes: tuple[int, ...]) -> np.ndarray:
    if x.dtype == object:
        return np.multiply.reduce(x) if kind == "product" else np.add.reduce(x) if kind == "sum" else _unknown(kind)
    narrow = x.dtype.itemsize <= 2 and x.dtype.kind in "fV"
    wide = x.astype(np.float32) if narrow else x
    with np.errstate(all="ignore"):
        if kind == "sum":
            answer = np.sum(wide, axes, dtype=wide.dtype)
        elif kind == "product":
            answer = np.prod(wide, axes, dtype=wide.dtype)
        elif kind == "and":
            answer = np.all(wide, axes)
        elif kind == "or":
            answer = np.any(wide, axes)
        else:
            start: Any = (lowest if kind == "max" else highest)(dtypes.as_dtype(x.dtype))
            answer = (np.max if kind == "max" else np.min)(wide, axes, initial=start)
    return np.asarray(answer).astype(x.dtype)


def _unknown(kind: str) -> np.ndarray:
    raise TypeError(f"The {kind} of sizes is not known.")


def _reduce_reverse(dy: Value, y: Value, x: Value, kind: str, axes: tuple[int, ...]) -> tuple[Value | None]:
    back = spread(dy, like=x, axes=axes)
    if kind == "sum":
        return (back,)
    if kind in ("max", "min"):
        chosen = compare(x, spread(y, like=x, axes=axes), "EQ")
        from millstream.program.primitives.elementwise import convert

        weight = convert(chosen, x.dtype)
        return (weight / spread(reduce(weight, "sum", axes), like=x, axes=axes) * back,)
    if kind == "product":
        return (_product_reverse(back, x, axes),)
    return (None,)


def _product_reverse(back: Value, x: Value, axes: tuple[int, ...]) -> Value:
    """Multiply each element's neighbours on both sides, so that zeros need no division."""
    others = _products_of_others(x, axes[0])
    rest = axes[1:]
    whole = spread(reduce(x, "product", axes[:1]), like=x, axes=axes[:1])
    for axis in rest:
        others = others * _products_of_others(whole, axis)
        whole = spread(reduce(whole, "product", (axis,)), like=x, axes=(axis,))
    return back * conjugate(others)


def _products_of_others(x: Value, axis: int) -> Value:
    before = cumulative(x, "product", axis, exclusive=True)
    after = cumulative(x, "product", axis, exclusive=True, backwards=True)
    return before * after


REDUCE = primitive("reduce", _reduce_infer, _reduce_meaning, _reduce_reverse, sizes=True)


def reduce(x: Value, kind: str, axes: Sequence[int]) -> Value:
    """Reduce `x` over `axes`, which go. `kind`: sum product max min, and or (bool)."""
    axes = tuple(sorted(axes))
    return x if not axes else emit(REDUCE, x, kind=kind, axes=axes)[0]


def reduce_all(x: Value, kind: str) -> Value:
    """Reduce `x` over all of its axes."""
    return reduce(x, kind, range(x.rank))


def _arg_infer(x: Spec, kind: str, axis: int, dtype: DType) -> Spec:
    return Spec(dtype, tuple(n for i, n in enumerate(known_shape(x)) if i != axis))


def _arg_meaning(x: np.ndarray, kind: str, axis: int, dtype: DType) -> np.ndarray:
    wide = x.astype(np.float32) if x.dtype.kind == "V" or x.dtype == np.float16 else x
    if wide.dtype.kind == "f":
        # NaN and what is beyond the last number count as that.
        bounds = np.finfo(wide.dtype)
        worst = bounds.min if kind == "max" else bounds.max
        wide = (np.fmax if kind == "max" else np.fmin)(wide, worst)
    return np.asarray((np.argmax if kind == "max" else np.argmin)(wide, axis)).astype(dtype.as_numpy_dtype)


ARG_REDUCE = primitive("arg_reduce", _arg_infer, _arg_meaning, lambda dy, y, x, kind, axis, dtype: (None,))


def arg_reduce(x: Value, kind: str, axis: int, dtype: DType) -> Value:
    """Return the index along `axis` of the first largest (`max`) or smallest (`min`) element."""
    return emit(ARG_REDUCE, x, kind=kind, axis=axis, dtype=dtype)[0]


def _cumulative_meaning(x: np.ndarray, kind: str, axis: int, exclusive: bool, reverse: bool) -> np.ndarray:
    function = {"sum": np.add, "product": np.multiply, "max": np.maximum, "min": np.minimum, "logsumexp": np.logaddexp}[
        kind
    ]
    dtype = dtypes.as_dtype(x.dtype)
    start: Any = {"sum": 0, "product": 1, "max": None, "min": None, "logsumexp": None}[kind]
    if start is None:
        start = highest(dtype) if kind == "min" else (-np.inf if kind == "logsumexp" else lowest(dtype))
    wide = x.astype(np.float32) if dtype in NARROW else x
    turned = np.flip(wide, axis) if reverse else wide
    if not x.shape[axis]:
        return x.copy()
    if exclusive:
        head = np.full_like(np.take(turned, [0], axis), start)
        turned = np.concatenate([head, np.delete(turned, -1, axis)], axis)
    with np.errstate(all="ignore"):
        answer = function.accumulate(turned, axis, dtype=wide.dtype)
    return np.ascontiguousarray(np.flip(answer, axis) if reverse else answer).astype(x.dtype)


def _cumulative_reverse(
    dy: Value, y: Value, x: Value, kind: str, axis: int, exclusive: bool, reverse: bool
) -> tuple[Value | None]:
    def back(v: Value) -> Value:
        return cumulative(v, "sum", axis, exclusive=exclusive, backwards=not reverse)

    if kind == "sum":
        return (back(dy),)
    if kind == "product":
        return (back(dy * y) / x,)
    if kind == "logsumexp":
        return (_cumulative_logsumexp_reverse(dy, y, x, axis, exclusive, reverse),)
    return (None,)


def _cumulative_logsumexp_reverse(dy: Value, y: Value, x: Value, axis: int, exclusive: bool, backwards: bool) -> Value:
    from millstream.program.primitives.elementwise import exp, log, maximum

    zero, floor = full(dy.shape, 0, dy.dtype), full(dy.shape, lowest(dy.dtype), dy.dtype)

    def part(sign: Value) -> Value:
        logs = select(compare(sign, zero, "GT"), log(maximum(sign, zero)), floor) - y
        return exp(cumulative(logs, "logsumexp", axis, exclusive=exclusive, backwards=not backwards) + x)

    return part(dy) - part(-dy)


CUMULATIVE = primitive(
    "cumulative",
    lambda x, kind, axis, exclusive, reverse: Spec(x.dtype, known_shape(x)),
    _cumulative_meaning,
    _cumulative_reverse,
)


def cumulative(x: Value, kind: str, axis: int, *, exclusive: bool = False, backwards: bool = False) -> Value:
    """Accumulate `x` along `axis`. `kind`: sum product max min logsumexp; `exclusive` leaves each element itself out."""
    return emit(CUMULATIVE, x, kind=kind, axis=axis, exclusive=exclusive, reverse=backwards)[0]
