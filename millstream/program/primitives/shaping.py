"""State the primitives that make, move and cut arrays without arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, evaluate, floor_divide, is_known, product
from millstream.base.sizes import maximum as larger_size
from millstream.base.spec import Spec
from millstream.program.primitives.core import LARGEST_SIZE_TENSOR, PRIMITIVES, known_shape, primitive, refuse
from millstream.program.value import Value, emit

Sizes = Sequence[Size]


def _constant_infer(value: np.ndarray, dtype: DType) -> Spec:
    known = None
    if dtype.is_integer and value.ndim <= 1 and value.size <= LARGEST_SIZE_TENSOR:
        known = tuple(int(x) for x in value) if value.ndim else int(value)
    return Spec(dtype, value.shape, known)


CONSTANT = primitive("constant", _constant_infer, lambda value, dtype: value, lambda dy, y, value, dtype: ())


def constant(value: Any, dtype: DType) -> Value:
    """Return `value` (number, nested list or array) as a value of element type `dtype`."""
    array = np.asarray(value, object if dtype == dtypes.string else dtype.stored)
    return emit(CONSTANT, value=array, dtype=dtype)[0]


def _sizes_infer(values: tuple[Size, ...], dtype: DType, scalar: bool) -> Spec:
    return Spec(dtype, (), values[0]) if scalar else Spec(dtype, (len(values),), tuple(values))


SIZES = primitive(
    "sizes",
    _sizes_infer,
    lambda values, dtype, scalar: np.asarray(values[0] if scalar else values, dtype.as_numpy_dtype),
    lambda dy, y, **_: (),
)


def sizes(values: Sizes, dtype: DType = dtypes.int64) -> Value:
    """Return sizes as a 1-D integer value."""
    return emit(SIZES, values=tuple(values), dtype=dtype, scalar=False)[0]


def size(value: Size, dtype: DType = dtypes.int64) -> Value:
    """Return one size as an integer scalar."""
    return emit(SIZES, values=(value,), dtype=dtype, scalar=True)[0]


def scalar_size(value: Size, dtype: DType) -> Value:
    """Return one size as a scalar of any number type."""
    if is_known(value):
        return constant(value, dtype)
    return emit(PRIMITIVES["convert"], size(value, dtypes.int64), dtype=dtype)[0]


def _bind_infer(x: Spec, symbols: tuple[Size, ...]) -> tuple[Spec, ...]:
    return ()


BIND_SIZES = primitive("bind_sizes", _bind_infer, None, None, effects=True)
"""Bind symbols to the elements of an integer value when the program runs."""


def contents(x: Value) -> tuple[Size, ...]:
    """Return the elements of an integer value of rank 0 or 1 as sizes; fresh symbols bound at run time where unknown."""
    from millstream.base.sizes import fresh_symbol

    if x.spec.value is not None:
        return x.spec.value if isinstance(x.spec.value, tuple) else (x.spec.value,)
    if x.rank > 1:
        raise refuse("contents", f"{x.spec} where sizes or axes are named", "give a vector, that is a tensor of rank 1")
    array = literal(x)
    if array is not None:
        return tuple(int(n) for n in array.ravel())
    count = x.shape[0] if x.rank else 1
    if not isinstance(count, int):
        from millstream.program.value import UnknownRank

        raise UnknownRank(f"The length of {x!r}, which says a shape, is unknown here.")
    symbols = tuple(fresh_symbol("n") for _ in range(count))
    if symbols:
        emit(BIND_SIZES, x, symbols=symbols)
    return symbols


def _iota_infer(shape: tuple[Size, ...], axis: int, dtype: DType) -> Spec:
    value = None
    n = shape[0] if len(shape) == 1 else None
    if dtype.is_integer and isinstance(n, int) and n <= LARGEST_SIZE_TENSOR:
        value = tuple(range(n))
    return Spec(dtype, tuple(shape), value)


def _iota_meaning(shape: tuple[int, ...], axis: int, dtype: DType) -> np.ndarray:
    along = np.arange(shape[axis]).astype(dtype.as_numpy_dtype)
    return np.broadcast_to(along.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape).copy()


IOTA = primitive("iota", _iota_infer, _iota_meaning, lambda dy, y, **_: ())


def iota(shape: Sizes, axis: int, dtype: DType) -> Value:
    """Return the index along `axis` of each element."""
    return emit(IOTA, shape=tuple(shape), axis=axis, dtype=dtype)[0]


def _reshape_infer(x: Spec, shape: tuple[Size, ...]) -> Spec:
    before, after = product(known_shape(x)), product(shape)
    if is_known(before) and is_known(after) and before != after:
        negative = next((i for i, n in enumerate(shape) if is_known(n) and evaluate(n) < 0), None)
        if negative is not None:
            why = f"Size {negative} must be non-negative, not {shape[negative]}"
        else:
            why = f"Input to reshape is a tensor with {before} values, but the requested shape has {after}"
        raise refuse("reshape", f"{x} to shape {list(shape)}: {why}", f"give a shape of {before} elements")
    return Spec(x.dtype, tuple(shape))


RESHAPE = primitive(
    "reshape",
    _reshape_infer,
    lambda x, shape: x.reshape(shape),
    lambda dy, y, x, shape: (reshape(dy, x.shape),),
    sizes=True,
)


def reshape(x: Value, shape: Sizes) -> Value:
    """Return the elements of `x`, in row-major order, in `shape`."""
    shape = tuple(shape)
    return x if x.shape == shape else emit(RESHAPE, x, shape=shape)[0]


def _broadcast_infer(x: Spec, shape: tuple[Size, ...], axes: tuple[int, ...]) -> Spec:
    given = known_shape(x)
    if len(given) != len(axes):
        raise refuse("broadcast", f"{x} along axes {axes}", "name one axis of the result for each axis of the value")
    for n, axis in zip(given, axes, strict=True):
        if is_known(n) and n != 1 and is_known(shape[axis]) and n != shape[axis]:
            raise refuse("broadcast", f"{x} to shape {list(shape)}", "sizes must be equal or 1")
    return Spec(x.dtype, tuple(shape))


def _broadcast_meaning(x: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    spread = [1] * len(shape)
    for n, axis in zip(x.shape, axes, strict=True):
        spread[axis] = n
    return np.broadcast_to(x.reshape(spread), shape).copy()


def _sum(x: Value, axes: Sequence[int]) -> Value:
    """Sum over axes; by name, since reductions stand on this family."""
    return emit(PRIMITIVES["reduce"], x, kind="sum", axes=tuple(axes))[0] if axes else x


def _broadcast_reverse(dy: Value, y: Value, x: Value, shape: tuple[Size, ...], axes: tuple[int, ...]) -> tuple[Value]:
    return (sum_back(dy, x.shape, axes),)


def sum_back(dy: Value, shape: Sizes, axes: Sequence[int]) -> Value:
    """Sum `dy` to `shape`, that of a value whose axis i was broadcast to axis axes[i] of `dy`.

    Where only running tells whether a size n was 1 or the size m of `dy` already, the axis is cut into m // n parts of n: that is
    one part, or as many as are to be added.
    """
    given = dict(zip(axes, shape, strict=True))
    parts: list[Size] = []
    summed: list[int] = []
    for axis, m in enumerate(dy.shape):
        n = given.get(axis, 1)
        if axis not in given or (is_known(n) and n == 1 and m != 1):
            summed.append(len(parts))
        elif not is_known(n) and n != m:
            summed.append(len(parts))
            parts.append(floor_divide(m, n))
            m = n
        parts.append(m)
    return reshape(_sum(reshape(dy, parts), summed), shape)


def _assume_infer(x: Spec, shape: tuple[Size, ...]) -> Spec:
    return Spec(x.dtype, tuple(shape))


ASSUME_SHAPE = primitive(
    "assume_shape",
    _assume_infer,
    lambda x, shape: x.reshape(shape),
    lambda dy, y, x, shape: (assume_shape(dy, x.shape),),
)


def assume_shape(x: Value, shape: Sizes) -> Value:
    """Return `x`, whose sizes are `shape`; where they are not, running stops."""
    shape = tuple(shape)
    return x if x.shape == shape else emit(ASSUME_SHAPE, x, shape=shape)[0]


BROADCAST = primitive("broadcast", _broadcast_infer, _broadcast_meaning, _broadcast_reverse)


def broadcast(x: Value, shape: Sizes, axes: Sequence[int]) -> Value:
    """Repeat `x` to `shape`; `axes[i]` is the axis of the result that axis i of `x` becomes."""
    shape, axes = tuple(shape), tuple(axes)
    return x if x.shape == shape and axes == tuple(range(len(shape))) else emit(BROADCAST, x, shape=shape, axes=axes)[0]


def full(shape: Sizes, value: Any, dtype: DType) -> Value:
    """Return an array of one repeated number."""
    return broadcast(constant(value, dtype), shape, ())


def broadcast_sizes(a: Size, b: Size, what: str = "broadcast") -> Size:
    """Return the size that `a` and `b` broadcast to, as NumPy does."""
    if a == b:
        return a
    if is_known(a) and is_known(b):
        if a == 1:
            return b
        if b == 1:
            return a
        raise refuse(what, f"sizes {a} and {b}", "sizes must be equal or 1")
    if is_known(a):
        return b if a == 1 else a
    if is_known(b):
        return a if b == 1 else b
    return larger_size(a, b)


def broadcast_shapes(*shapes: Sizes, what: str = "broadcast") -> tuple[Size, ...]:
    """Return the shape that all `shapes` broadcast to, as NumPy does."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in shapes:
        for i, n in enumerate(shape, rank - len(shape)):
            try:
                result[i] = broadcast_sizes(result[i], n, what)
            except errors.InvalidArgumentError:
                given = " and ".join(str(list(s)) for s in shapes)
                raise refuse(what, f"Incompatible shapes {given}", "trailing sizes must be equal or 1") from None
    return tuple(result)


def spread_to(x: Value, shape: Sizes) -> Value:
    """Broadcast `x` to `shape` as NumPy does: aligned at the last axis."""
    return broadcast(x, shape, range(len(shape) - x.rank, len(shape)))


def spread(x: Value, *, like: Value, axes: Sequence[int]) -> Value:
    """Give back to `x`, a reduction of `like` over `axes` (removed), the shape of `like`."""
    kept = [i for i in range(like.rank) if i not in axes]
    return broadcast(x, like.shape, kept)


def broadcast_together(*values: Value, what: str = "broadcast") -> tuple[Value, ...]:
    """Broadcast all `values` to their common shape."""
    first = values[0].shape
    if all(v.shape == first for v in values):
        return values
    shape = broadcast_shapes(*(v.shape for v in values), what=what)
    return tuple(spread_to(v, shape) for v in values)


def _transpose_infer(x: Spec, permutation: tuple[int, ...]) -> Spec:
    shape = known_shape(x)
    if sorted(permutation) != list(range(len(shape))):
        raise refuse("transpose", f"{x} by {list(permutation)}", f"give a permutation of {list(range(len(shape)))}")
    return Spec(x.dtype, tuple(shape[i] for i in permutation))


TRANSPOSE = primitive(
    "transpose",
    _transpose_infer,
    lambda x, permutation: np.ascontiguousarray(np.transpose(x, permutation)),
    lambda dy, y, x, permutation: (transpose(dy, [permutation.index(i) for i in range(len(permutation))]),),
)


def transpose(x: Value, permutation: Sequence[int]) -> Value:
    """Return `x` with axis i of the result being axis permutation[i] of `x`."""
    permutation = tuple(permutation)
    return x if permutation == tuple(range(x.rank)) else emit(TRANSPOSE, x, permutation=permutation)[0]


def _slice_infer(x: Spec, start: tuple[Size, ...], limit: tuple[Size, ...], stride: tuple[int, ...]) -> Spec:
    shape = known_shape(x)
    result: list[Size] = []
    for n, a, b, s in zip(shape, start, limit, stride, strict=True):
        if (is_known(a) and is_known(b) and (a < 0 or b < a or (is_known(n) and b > n))) or s < 1:
            raise refuse(
                "slice", f"{a}:{b}:{s} of an axis of size {n}", "give 0 <= start <= limit <= size and stride >= 1"
            )
        result.append((b - a + s - 1) // s)
    return Spec(x.dtype, tuple(result))


def _slice_reverse(dy: Value, y: Value, x: Value, start: Any, limit: Any, stride: Any) -> tuple[Value]:
    high = [n - a - _stretched(m, s) for n, a, m, s in zip(x.shape, start, y.shape, stride, strict=True)]
    return (pad(dy, start, high, [s - 1 for s in stride]),)


def _stretched(count: Size, stride: int) -> Size:
    """Return the extent of `count` elements with stride-1 zeros between each two."""
    return count if stride == 1 else larger_size((count - 1) * stride + 1, 0)


SLICE = primitive(
    "slice",
    _slice_infer,
    lambda x, start, limit, stride: x[tuple(map(slice, start, limit, stride))].copy(),
    _slice_reverse,
    sizes=True,
)


def slice_(x: Value, start: Sizes, limit: Sizes, stride: Sequence[int] | None = None) -> Value:
    """Cut start:limit:stride out of each axis."""
    start, limit = tuple(start), tuple(limit)
    stride = tuple(stride) if stride is not None else (1,) * len(start)
    if limit == x.shape and all(a == 0 for a in start) and all(s == 1 for s in stride):
        return x
    return emit(SLICE, x, start=start, limit=limit, stride=stride)[0]


def slice_axis(x: Value, axis: int, start: Size, limit: Size, stride: int = 1) -> Value:
    """Cut start:limit:stride out of one axis."""
    starts: list[Size] = [0] * x.rank
    limits, strides = list(x.shape), [1] * x.rank
    starts[axis], limits[axis], strides[axis] = start, limit, stride
    return slice_(x, starts, limits, strides)


def _dynamic_slice_infer(x: Spec, start: Spec, sizes: tuple[Size, ...], within: bool = False) -> Spec:
    if len(known_shape(x)) != len(sizes):
        raise refuse("dynamic_slice", f"{len(sizes)} sizes for {x}", "give one size for each axis")
    return Spec(x.dtype, tuple(sizes))


def _clamped(start: np.ndarray, shape: tuple[int, ...], sizes: tuple[int, ...]) -> list[int]:
    return [int(min(max(a, 0), n - s)) for a, n, s in zip(start, shape, sizes, strict=True)]


def _dynamic_slice_meaning(
    x: np.ndarray, start: np.ndarray, sizes: tuple[int, ...], within: bool = False
) -> np.ndarray:
    begin = _clamped(start, x.shape, sizes)
    if within and begin != start.tolist():
        raise refuse("dynamic_slice", f"{sizes} from {start.tolist()} of shape {x.shape}", "out of bounds")
    return x[tuple(slice(a, a + s) for a, s in zip(begin, sizes, strict=True))].copy()


@dataclass(frozen=True)
class Window:
    """An adjoint: a block to be added at `start` of zeros like `of`. `program.slices` adds such."""

    start: Value
    value: Value
    of: Value


def _dynamic_slice_reverse(
    dy: Value, y: Value, x: Value, start: Value, sizes: tuple[Size, ...], within: bool = False
) -> tuple[Any, None]:
    return Window(start, dy, x), None


DYNAMIC_SLICE = primitive(
    "dynamic_slice",
    _dynamic_slice_infer,
    _dynamic_slice_meaning,
    _dynamic_slice_reverse,
)


def dynamic_slice(x: Value, start: Value, sizes: Sizes, within: bool = False) -> Value:
    """Cut `sizes` out of `x` from the int64 vector `start`, clamped so that the cut fits; `within` refuses what does not."""
    return emit(DYNAMIC_SLICE, x, start, sizes=tuple(sizes), within=within)[0]


def _dynamic_update_meaning(x: np.ndarray, update: np.ndarray, start: np.ndarray) -> np.ndarray:
    result, begin = x.copy(), _clamped(start, x.shape, update.shape)
    result[tuple(slice(a, a + s) for a, s in zip(begin, update.shape, strict=True))] = update
    return result


DYNAMIC_UPDATE_SLICE = primitive(
    "dynamic_update_slice",
    lambda x, update, start: Spec(x.dtype, known_shape(x)),
    _dynamic_update_meaning,
    lambda dy, y, x, update, start: (
        dynamic_update_slice(dy, full(update.shape, 0, dy.dtype), start),
        dynamic_slice(dy, start, update.shape),
        None,
    ),
)


def dynamic_update_slice(x: Value, update: Value, start: Value) -> Value:
    """Return `x` with `update` written at the int64 vector `start`, clamped so that it fits."""
    return emit(DYNAMIC_UPDATE_SLICE, x, update, start)[0]


def _pad_infer(x: Spec, value: Spec, low: Any, high: Any, interior: Any) -> Spec:
    shape = known_shape(x)
    result = [_stretched(n, i + 1) + a + b for n, a, b, i in zip(shape, low, high, interior, strict=True)]
    for n in result:
        if is_known(n) and n < 0:
            raise refuse("pad", f"{x} by low={list(low)}, high={list(high)}", "no size of the result may be negative")
    return Spec(x.dtype, tuple(result))


def _pad_meaning(x: np.ndarray, value: np.ndarray, low: Any, high: Any, interior: Any) -> np.ndarray:
    shape = [
        max(0, (n - 1) * (i + 1) + 1) + max(a, 0) + max(b, 0)
        for n, a, b, i in zip(x.shape, low, high, interior, strict=True)
    ]
    wide = np.full(shape, value, x.dtype)
    wide[
        tuple(
            slice(max(a, 0), max(a, 0) + max(0, (n - 1) * (i + 1) + 1), i + 1)
            for n, a, i in zip(x.shape, low, interior, strict=True)
        )
    ] = x
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, a, b in zip(shape, low, high, strict=True))
    return wide[cut].copy()


def _pad_reverse(
    dy: Value, y: Value, x: Value, value: Value, low: Any, high: Any, interior: Any
) -> tuple[Value, Value]:
    whole = pad(dy, [-a for a in low], [-b for b in high], [0] * len(low))
    dx = slice_(whole, [0] * x.rank, whole.shape, [i + 1 for i in interior]) if x.rank else whole
    return dx, _sum(dy, range(dy.rank)) - _sum(dx, range(dx.rank))


PAD = primitive("pad", _pad_infer, _pad_meaning, _pad_reverse)


def pad(x: Value, low: Sizes, high: Sizes, interior: Sequence[int] | None = None, value: Value | None = None) -> Value:
    """Add `low` elements before, `high` after (negative: cut) and `interior` between the elements of each axis."""
    low, high = tuple(low), tuple(high)
    interior = tuple(interior) if interior is not None else (0,) * len(low)
    if not any(n != 0 for n in (*low, *high, *interior)):
        return x
    value = constant(0 if x.dtype != dtypes.bool else False, x.dtype) if value is None else value
    return emit(PAD, x, value, low=low, high=high, interior=interior)[0]


def _concatenate_infer(*xs: Spec, axis: int) -> Spec:
    shapes = [known_shape(x) for x in xs]
    result = list(shapes[0])
    for shape, spec in zip(shapes[1:], xs[1:], strict=True):
        if len(shape) != len(result) or spec.dtype != xs[0].dtype:
            raise refuse("concatenate", f"{xs[0]} and {spec}", "give values of one rank and element type")
        for i, n in enumerate(shape):
            if i == axis:
                result[i] = result[i] + n
            elif n != result[i]:
                if is_known(n) and is_known(result[i]):
                    raise refuse(
                        "concatenate", f"{xs[0]} and {spec} along axis {axis}", "all other sizes must be equal"
                    )
                result[i] = n if is_known(n) else result[i]
    return Spec(xs[0].dtype, tuple(result))


def _concatenate_reverse(dy: Value, y: Value, *xs: Value, axis: int) -> tuple[Value, ...]:
    parts: list[Value] = []
    start: Size = 0
    for x in xs:
        end = start + x.shape[axis]
        parts.append(slice_axis(dy, axis, start, end))
        start = end
    return tuple(parts)


CONCATENATE = primitive(
    "concatenate",
    _concatenate_infer,
    lambda *xs, axis: np.concatenate(xs, axis),
    _concatenate_reverse,
    sizes=True,
)


def concatenate(values: Sequence[Value], axis: int) -> Value:
    """Join values along `axis`."""
    return values[0] if len(values) == 1 else emit(CONCATENATE, *values, axis=axis)[0]


REVERSE = primitive(
    "reverse",
    lambda x, axes: Spec(x.dtype, known_shape(x)),
    lambda x, axes: np.flip(x, axes).copy(),
    lambda dy, y, x, axes: (reverse(dy, axes),),
)


def reverse(x: Value, axes: Sequence[int]) -> Value:
    """Turn the order along `axes` round."""
    return emit(REVERSE, x, axes=tuple(axes))[0] if axes else x


def _bitcast_infer(x: Spec, dtype: DType) -> Spec:
    shape, old, new = known_shape(x), x.dtype.size, dtype.size
    if old == new:
        return Spec(dtype, shape)
    if old > new:
        return Spec(dtype, (*shape, old // new))
    if not shape or (is_known(shape[-1]) and shape[-1] != new // old):
        raise refuse("bitcast", f"{x} to {dtype.name}", f"the last size must be {new // old}")
    return Spec(dtype, shape[:-1])


def _bitcast_meaning(x: np.ndarray, dtype: DType) -> np.ndarray:
    target = dtype.stored
    raw = np.ascontiguousarray(x)
    if target.itemsize == raw.itemsize:
        return raw.view(target).reshape(x.shape)
    if target.itemsize < raw.itemsize:
        return raw.reshape(*x.shape, 1).view(target)
    return raw.view(target).reshape(x.shape[:-1])


BITCAST = primitive("bitcast", _bitcast_infer, _bitcast_meaning, lambda dy, y, x, dtype: (None,))


def bitcast(x: Value, dtype: DType) -> Value:
    """Return the bytes of `x` read as element type `dtype`."""
    return x if x.dtype == dtype else emit(BITCAST, x, dtype=dtype)[0]


def plain(x: Value) -> Value:
    """Return quantised numbers as the plain integers that they are kept in; others as they are."""
    return bitcast(x, dtypes.as_dtype(x.dtype.stored)) if x.dtype.is_quantized else x


STOP_GRADIENT = primitive("stop_gradient", lambda x: x, lambda x: x, lambda dy, y, x: (None,))


def stop_gradient(x: Value) -> Value:
    """Return `x`; nothing flows back through it."""
    return emit(STOP_GRADIENT, x)[0]


def literal(x: Value) -> np.ndarray | None:
    """Return the elements of a constant; None where they are known only when the program runs."""
    node = x.node
    while node is not None and node.definition in (STOP_GRADIENT, RESHAPE):
        node = node.inputs[0].node
    return node.attributes["value"] if node is not None and node.definition is CONSTANT else None
