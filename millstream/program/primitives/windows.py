"""State convolutions and reductions over windows. Channels are last always; sizes may be symbolic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size, is_known, maximum
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.reduction import highest, lowest
from millstream.program.value import Value, emit

Sizes = Sequence[Size]


def output_size(
    n: Size, kernel: Size, stride: int, low: Size, high: Size, input_dilation: int = 1, kernel_dilation: int = 1
) -> Size:
    """Return how many places a window has along one axis."""
    wide = (n - 1) * input_dilation + 1 + low + high
    return maximum((wide - ((kernel - 1) * kernel_dilation + 1)) // stride + 1, 0)


def _check_channels(x: Spec, w: Spec, groups: int) -> None:
    c, per_group = known_shape(x)[-1], known_shape(w)[-2]
    if is_known(c) and is_known(per_group) and c != per_group * groups:
        raise refuse(
            "convolution",
            f"{c} input channels, {per_group} in the weights and {groups} groups",
            "input channels must be weights' channels times groups",
        )


def _convolution_infer(
    x: Spec, w: Spec, strides: Any, low: Any, high: Any, input_dilation: Any, kernel_dilation: Any, groups: int
) -> Spec:
    a, b = known_shape(x), known_shape(w)
    if len(a) != len(b) or len(a) != len(strides) + 2:
        raise refuse(
            "convolution", f"{x} and {w} with {len(strides)} strides", "ranks must be the strides' count plus 2"
        )
    _check_channels(x, w, groups)
    places = [
        output_size(*args)
        for args in zip(a[1:-1], b[:-2], strides, low, high, input_dilation, kernel_dilation, strict=True)
    ]
    return Spec(x.dtype, (a[0], *places, b[-1]))


def _padded(x: np.ndarray, low: Any, high: Any, dilation: Any, fill: Any = 0) -> np.ndarray:
    shape = [x.shape[0], *(max(0, (n - 1) * d + 1) for n, d in zip(x.shape[1:-1], dilation, strict=True)), x.shape[-1]]
    wide = np.full(shape, fill, x.dtype)
    if wide.size:
        wide[(slice(None), *(slice(None, None, d) for d in dilation))] = x
    wide = np.pad(
        wide, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)), (0, 0)], constant_values=fill
    )
    cut = [slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, wide.shape[1:-1], strict=True)]
    return wide[(slice(None), *cut)]


def _windows(offsets: Any, places: Any, strides: Any, dilation: Any) -> tuple[slice, ...]:
    return tuple(
        slice(k * d, k * d + (n - 1) * s + 1 if n else k * d, s)
        for k, n, s, d in zip(offsets, places, strides, dilation, strict=True)
    )


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype.itemsize <= 2 and x.dtype.kind in "fV" else x


def _convolution_meaning(
    x: np.ndarray,
    w: np.ndarray,
    strides: Any,
    low: Any,
    high: Any,
    input_dilation: Any,
    kernel_dilation: Any,
    groups: int,
) -> np.ndarray:
    spec = _convolution_infer(
        Spec(dtypes.as_dtype(x.dtype), x.shape),
        Spec(dtypes.as_dtype(w.dtype), w.shape),
        strides,
        low,
        high,
        input_dilation,
        kernel_dilation,
        groups,
    )
    shape: Any = spec.shape
    wide, weights = _padded(_wide(x), low, high, input_dilation), _wide(w)
    c, o = w.shape[-2], w.shape[-1] // groups if groups else 0
    result = np.zeros(shape, wide.dtype)
    for offsets in itertools.product(*map(range, w.shape[:-2])):
        part = wide[(slice(None), *_windows(offsets, shape[1:-1], strides, kernel_dilation))]
        for g in range(groups):
            result[..., g * o : (g + 1) * o] += (
                part[..., g * c : (g + 1) * c] @ weights[offsets][:, g * o : (g + 1) * o]
            )
    return result.astype(x.dtype)


def _attributes(
    strides: Any, low: Any, high: Any, input_dilation: Any, kernel_dilation: Any, groups: int
) -> dict[str, Any]:
    return {
        "strides": strides,
        "low": low,
        "high": high,
        "input_dilation": input_dilation,
        "kernel_dilation": kernel_dilation,
        "groups": groups,
    }


CONVOLUTION = primitive(
    "convolution",
    _convolution_infer,
    _convolution_meaning,
    lambda dz, z, x, w, **a: (input_gradient(w, dz, x.shape, **a), weight_gradient(x, dz, w.shape, **a)),
)


def convolution(x: Value, w: Value, **attributes: Any) -> Value:
    """Convolve x [n, spatial…, C] with w [spatial…, C / groups, O].

    Attributes: strides, low, high (padding), input_dilation, kernel_dilation (each per spatial axis), groups.
    """
    return emit(CONVOLUTION, x, w, **attributes)[0]


def _input_meaning(
    w: np.ndarray,
    dz: np.ndarray,
    shape: Any,
    strides: Any,
    low: Any,
    high: Any,
    input_dilation: Any,
    kernel_dilation: Any,
    groups: int,
) -> np.ndarray:
    weights, flow = _wide(w), _wide(dz)
    extents = [(n - 1) * d + 1 for n, d in zip(shape[1:-1], input_dilation, strict=True)]
    padded = [max(0, n + a + b) for n, a, b in zip(extents, low, high, strict=True)]
    wide = np.zeros([shape[0], *padded, shape[-1]], flow.dtype)
    c, o = w.shape[-2], w.shape[-1] // groups
    for offsets in itertools.product(*map(range, w.shape[:-2])):
        where = _windows(offsets, dz.shape[1:-1], strides, kernel_dilation)
        for g in range(groups):
            wide[(slice(None), *where, slice(g * c, (g + 1) * c))] += (
                flow[..., g * o : (g + 1) * o] @ weights[offsets][:, g * o : (g + 1) * o].T
            )
    back = _padded(wide, [-a for a in low], [-b for b in high], [1] * len(extents))
    return np.ascontiguousarray(back[(slice(None), *(slice(None, None, d) for d in input_dilation))]).astype(dz.dtype)


def _input_reverse(g: Value, y: Value, w: Value, dz: Value, shape: Any, **a: Any) -> tuple[Value, Value]:
    return weight_gradient(g, dz, w.shape, **a), convolution(g, w, **a)


CONVOLUTION_INPUT_GRADIENT = primitive(
    "convolution_input_gradient", lambda w, dz, shape, **a: Spec(dz.dtype, tuple(shape)), _input_meaning, _input_reverse
)


def input_gradient(w: Value, dz: Value, shape: Sizes, **attributes: Any) -> Value:
    """Return what flows back through `convolution` to its input of `shape`."""
    return emit(CONVOLUTION_INPUT_GRADIENT, w, dz, shape=tuple(shape), **attributes)[0]


def _weight_meaning(
    x: np.ndarray,
    dz: np.ndarray,
    shape: Any,
    strides: Any,
    low: Any,
    high: Any,
    input_dilation: Any,
    kernel_dilation: Any,
    groups: int,
) -> np.ndarray:
    wide, flow = _padded(_wide(x), low, high, input_dilation), _wide(dz)
    dw = np.zeros(shape, wide.dtype)
    c, o = shape[-2], shape[-1] // groups
    axes = tuple(range(dz.ndim - 1))
    for offsets in itertools.product(*map(range, shape[:-2])):
        part = wide[(slice(None), *_windows(offsets, dz.shape[1:-1], strides, kernel_dilation))]
        for g in range(groups):
            dw[offsets][:, g * o : (g + 1) * o] = np.tensordot(
                part[..., g * c : (g + 1) * c], flow[..., g * o : (g + 1) * o], (axes, axes)
            )
    return dw.astype(dz.dtype)


def _weight_reverse(g: Value, y: Value, x: Value, dz: Value, shape: Any, **a: Any) -> tuple[Value, Value]:
    return input_gradient(g, dz, x.shape, **a), convolution(x, g, **a)


CONVOLUTION_WEIGHT_GRADIENT = primitive(
    "convolution_weight_gradient",
    lambda x, dz, shape, **a: Spec(dz.dtype, tuple(shape)),
    _weight_meaning,
    _weight_reverse,
)


def weight_gradient(x: Value, dz: Value, shape: Sizes, **attributes: Any) -> Value:
    """Return what flows back through `convolution` to its weights of `shape`."""
    return emit(CONVOLUTION_WEIGHT_GRADIENT, x, dz, shape=tuple(shape), **attributes)[0]


def _window_infer(x: Spec, kind: str, window: Any, strides: Any, low: Any, high: Any) -> Spec:
    return Spec(
        x.dtype,
        tuple(
            output_size(n, k, s, a, b) for n, k, s, a, b in zip(known_shape(x), window, strides, low, high, strict=True)
        ),
    )


def _pad_all(x: np.ndarray, low: Any, high: Any, fill: Any) -> np.ndarray:
    return np.pad(x, [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)], constant_values=fill)


def _window_meaning(x: np.ndarray, kind: str, window: Any, strides: Any, low: Any, high: Any) -> np.ndarray:
    dtype = dtypes.as_dtype(x.dtype)
    start: Any = lowest(dtype) if kind == "max" else highest(dtype) if kind == "min" else 0
    shape: Any = _window_infer(Spec(dtype, x.shape), kind, window, strides, low, high).shape
    function = {"sum": np.add, "average": np.add, "max": np.maximum, "min": np.minimum}[kind]

    def over(values: np.ndarray) -> np.ndarray:
        wide = _pad_all(values, low, high, start)
        result = np.full(shape, start, wide.dtype)
        for offsets in itertools.product(*map(range, window)):
            result = function(result, wide[_windows(offsets, shape, strides, [1] * len(shape))])
        return result

    result = over(_wide(x))
    return (result / over(np.ones(x.shape, result.dtype)) if kind == "average" else result).astype(x.dtype)


def _window_reverse(
    dy: Value, y: Value, x: Value, kind: str, window: Any, strides: Any, low: Any, high: Any
) -> tuple[Value | None]:
    a = {"window": window, "strides": strides, "low": low, "high": high}
    if kind in ("sum", "average"):
        return (emit(POOL_SUM_GRADIENT, dy, kind=kind, shape=x.shape, **a)[0],)
    if kind == "max":
        return (emit(POOL_MAX_GRADIENT, x, y, dy, **a)[0],)
    return (emit(POOL_MAX_GRADIENT, -x, -y, dy, **a)[0],)


def _sum_gradient_meaning(
    dy: np.ndarray, kind: str, shape: Any, window: Any, strides: Any, low: Any, high: Any
) -> np.ndarray:
    flow = _wide(dy)
    if kind == "average":
        flow = flow / _window_meaning(np.ones(shape, flow.dtype), "sum", window, strides, low, high)
    wide = np.zeros([n + a + b for n, a, b in zip(shape, low, high, strict=True)], flow.dtype)
    for offsets in itertools.product(*map(range, window)):
        wide[_windows(offsets, dy.shape, strides, [1] * dy.ndim)] += flow
    return wide[tuple(slice(a, a + n) for a, n in zip(low, shape, strict=True))].astype(dy.dtype)


def _sum_gradient_reverse(g: Value, out: Value, dy: Value, kind: str, shape: Any, **a: Any) -> tuple[Value]:
    return (reduce_window(g, kind, **a),)


POOL_SUM_GRADIENT = primitive(
    "pool_sum_gradient",
    lambda dy, kind, shape, **a: Spec(dy.dtype, tuple(shape)),
    _sum_gradient_meaning,
    _sum_gradient_reverse,
)
REDUCE_WINDOW = primitive("reduce_window", _window_infer, _window_meaning, _window_reverse)


def reduce_window(x: Value, kind: str, window: Sizes, strides: Sequence[int], low: Sizes, high: Sizes) -> Value:
    """Reduce (sum, average, max, min) each window of x; every attribute has one entry per axis, padding holds the identity.

    `average` divides by the elements of x in the window, padding left out.
    """
    return emit(
        REDUCE_WINDOW, x, kind=kind, window=tuple(window), strides=tuple(strides), low=tuple(low), high=tuple(high)
    )[0]


def _pool_gradient_meaning(
    x: np.ndarray, y: np.ndarray, dy: np.ndarray, window: Any, strides: Any, low: Any, high: Any
) -> np.ndarray:
    wide = _pad_all(_wide(x), low, high, lowest(dtypes.as_dtype(x.dtype)))
    peak, flow, back = _wide(y), _wide(dy), np.zeros(wide.shape, _wide(dy).dtype)
    done = np.zeros(y.shape, bool)
    for offsets in itertools.product(*map(range, window)):
        where = _windows(offsets, y.shape, strides, [1] * y.ndim)
        hit = ~done & ((wide[where] == peak) | (np.isnan(wide[where]) & np.isnan(peak)))
        back[where] += np.where(hit, flow, 0)
        done |= hit
    cut = tuple(slice(a, a + n) for a, n in zip(low, x.shape, strict=True))
    return back[cut].astype(dy.dtype)


def _pool_gradient_reverse(
    g: Value, out: Value, x: Value, y: Value, dy: Value, window: Any, strides: Any, low: Any, high: Any
) -> tuple[None, None, Value]:
    """Take g where each window's first maximum was."""
    from millstream.program.primitives import shaping as s
    from millstream.program.primitives.elementwise import bit_and, bit_or, compare, logical_not, select

    def padded(v: Value, fill: Any) -> Value:
        return s.pad(v, [max(a, 0) for a in low], [max(b, 0) for b in high], None, s.constant(fill, v.dtype))

    wide, flow = padded(x, lowest(x.dtype)), padded(g, 0)
    result, done = s.full(y.shape, 0, g.dtype), s.full(y.shape, False, dtypes.bool)
    for offsets in itertools.product(*map(range, window)):
        limit = [k + (n - 1) * m + 1 for k, n, m in zip(offsets, y.shape, strides, strict=True)]
        hit = bit_and(compare(s.slice_(wide, offsets, limit, strides), y, "EQ"), logical_not(done))
        result = select(hit, s.slice_(flow, offsets, limit, strides), result)
        done = bit_or(done, hit)
    return None, None, result


POOL_MAX_GRADIENT = primitive(
    "pool_max_gradient",
    lambda x, y, dy, **a: Spec(dy.dtype, known_shape(x)),
    _pool_gradient_meaning,
    _pool_gradient_reverse,
)
