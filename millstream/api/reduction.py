"""tf.reduce_sum and the other functions that reduce or accumulate along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api.array import index_tensor
from millstream.api.calls import call_of
from millstream.api.math import add, cast, multiply, not_equal, real, subtract
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find

_axes: dict[Any, Any] = {}


def axes_tensor(x: Any, axis: Any) -> Any:
    """Return the axes to reduce as a tensor: all axes of x for None."""
    if axis is None:
        rank = x.shape.rank
        if rank is None:
            zero, one = eager_constant(0, dtypes.int32), eager_constant(1, dtypes.int32)
            return apply(find("Range"), zero, apply(find("Rank"), x), one)
        key: Any = rank, "all"
    elif isinstance(axis, int):
        key = axis
    else:
        key = tuple(axis) if isinstance(axis, (list, tuple)) and all(isinstance(a, int) for a in axis) else None
        if key is None:
            return index_tensor(axis)
    found = _axes.get(key)
    if found is None:
        content = np.arange(key[0]) if axis is None else np.asarray(key)
        found = _axes[key] = eager_constant(content.astype(np.int32), dtypes.int32)
    return found


_Reduction = Callable[..., Any]


def _reduction(names: str, op_name: str, doc: str, wanted: Any = None) -> _Reduction:
    """Publish function(input_tensor, axis=None, keepdims=False, name=None)."""
    calls = call_of(op_name, keep_dims=False), call_of(op_name, keep_dims=True)

    def function(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
        keepdims = bool(keepdims)
        x = input_tensor if isinstance(input_tensor, Tensor) else to_tensor(input_tensor, wanted)
        result = calls[keepdims](x, axes_tensor(x, axis))
        if axis is None and not keepdims and isinstance(result, SymbolicTensor) and result.shape.rank is None:
            result.set_shape(())
        return result

    function.__name__ = function.__qualname__ = names.split()[0].rpartition(".")[2]
    function.__doc__ = doc
    public(*names.split())(function)
    return function


reduce_sum = _reduction("reduce_sum math.reduce_sum", "Sum", "Return the sum over the axes (all without `axis`).")
reduce_prod = _reduction("reduce_prod math.reduce_prod", "Prod", "Return the product over the axes.")
reduce_mean = _reduction("reduce_mean math.reduce_mean", "Mean", "Return the mean over the axes.")
reduce_max = _reduction("reduce_max math.reduce_max", "Max", "Return the largest element over the axes.")
reduce_min = _reduction("reduce_min math.reduce_min", "Min", "Return the smallest element over the axes.")
reduce_all = _reduction(
    "reduce_all math.reduce_all", "All", "Return whether all elements over the axes hold.", dtypes.bool
)
reduce_any = _reduction(
    "reduce_any math.reduce_any", "Any", "Return whether any element over the axes holds.", dtypes.bool
)
reduce_euclidean_norm = _reduction(
    "math.reduce_euclidean_norm", "EuclideanNorm", "Return the square root of the sum of squares over the axes."
)
_sqrt, _square, _exp, _log = call_of("Sqrt"), call_of("Square"), call_of("Exp"), call_of("Log")


@public("math.reduce_variance")
def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Return the mean squared distance from the mean over the axes."""
    x = to_tensor(input_tensor)
    means = reduce_mean(x, axis, True)
    if means.dtype.is_integer:
        raise TypeError(
            explain(f"Input must be either real or complex. Received integer type {means.dtype}. Convert with tf.cast.")
        )
    distance = subtract(x, means)
    squared = (
        real(multiply(apply(find("Conj"), distance), distance)) if distance.dtype.is_complex else _square(distance)
    )
    return reduce_mean(squared, axis, keepdims)


@public("math.reduce_std")
def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Return the square root of the variance over the axes."""
    return _sqrt(reduce_variance(input_tensor, axis, keepdims))


@public("reduce_logsumexp", "math.reduce_logsumexp")
def reduce_logsumexp(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Return log(sum(exp(x))) over the axes, without overflow."""
    x = to_tensor(input_tensor)
    largest = reduce_max(x, axis, True)
    zeros = apply(find("ZerosLike"), largest)
    shift = apply(find("StopGradient"), apply(find("SelectV2"), apply(find("IsFinite"), largest), largest, zeros))
    total = _log(reduce_sum(_exp(subtract(x, shift)), axis, keepdims))
    if not keepdims:
        shift = apply(find("Reshape"), shift, apply(find("Shape"), total, out_type=dtypes.int32))
    return add(total, shift)


@public("math.count_nonzero")
def count_nonzero(
    input: Any, axis: Any = None, keepdims: Any = None, dtype: Any = dtypes.int64, name: str | None = None
) -> Any:
    """Return the number of elements that are not 0 (not empty, of strings) over the axes."""
    x, wanted = to_tensor(input), as_dtype(dtype)
    if x.dtype is dtypes.bool:
        return reduce_sum(cast(x, wanted), axis, bool(keepdims))
    zero = eager_constant(b"" if x.dtype is dtypes.string else 0, x.dtype)
    return cast(reduce_sum(cast(not_equal(x, zero), dtypes.int64), axis, bool(keepdims)), wanted)


@public("math.zero_fraction", "nn.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Any:
    """Return which part of the elements is 0, as float32."""
    x = to_tensor(value)
    zeros = apply(find("Equal"), x, eager_constant(0, x.dtype))
    return reduce_mean(cast(zeros, dtypes.float32))


def _arg(op_name: str, input: Any, axis: Any, output_type: Any) -> Any:
    axis = 0 if axis is None else axis
    x = input if isinstance(input, Tensor) else to_tensor(input)
    return apply(
        find(op_name),
        x,
        axes_tensor(x, axis) if isinstance(axis, Tensor) else _axis(axis),
        output_type=as_dtype(output_type),
    )


def _axis(axis: Any) -> Any:
    key = "scalar", axis
    found = _axes.get(key)
    if found is None:
        found = _axes[key] = eager_constant(int(axis), dtypes.int32)
    return found


@public("argmax", "math.argmax")
def argmax(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """Return the place of the first largest element along `axis` (0)."""
    return _arg("ArgMax", input, axis, output_type)


@public("argmin", "math.argmin")
def argmin(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """Return the place of the first smallest element along `axis` (0)."""
    return _arg("ArgMin", input, axis, output_type)


def _cumulative(op_name: str, x: Any, axis: Any, exclusive: bool, reverse: bool) -> Any:
    return apply(
        find(op_name),
        to_tensor(x),
        _axis(axis) if isinstance(axis, (int, np.integer)) else to_tensor(axis),
        exclusive=bool(exclusive),
        reverse=bool(reverse),
    )


@public("cumsum", "math.cumsum")
def cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Any:
    """Return running sums along `axis`."""
    return _cumulative("Cumsum", x, axis, exclusive, reverse)


@public("math.cumprod")
def cumprod(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Any:
    """Return running products along `axis`."""
    return _cumulative("Cumprod", x, axis, exclusive, reverse)


@public("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Return running log(sum(exp(x))) along `axis`."""
    return _cumulative("CumulativeLogsumexp", x, axis, exclusive, reverse)


@public("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """Return t made shorter where its length over the axes is above `clip_norm`."""
    from millstream.execution.indexed_slices import IndexedSlices

    values = to_tensor(t.values if isinstance(t, IndexedSlices) else t)
    squares = reduce_sum(multiply(values, values), axes, True)
    positive = apply(find("Greater"), squares, eager_constant(0, squares.dtype))
    safe = apply(find("SelectV2"), positive, squares, apply(find("OnesLike"), squares))
    length = apply(find("SelectV2"), positive, _sqrt(safe), squares)
    result = apply(find("RealDiv"), multiply(values, clip_norm), apply(find("Maximum"), length, clip_norm))
    if not values.shape.is_compatible_with(result.shape):
        raise ValueError(explain(f"Shapes {values.shape} and {result.shape} are incompatible"))
    return IndexedSlices(result, t.indices, t.dense_shape) if isinstance(t, IndexedSlices) else result


@public("linalg.global_norm")
def global_norm(t_list: Any, name: str | None = None) -> Any:
    """Return the length of all tensors together; None counts nothing."""
    from millstream.api.math import add_n
    from millstream.execution.indexed_slices import IndexedSlices

    if isinstance(t_list, Tensor) or not isinstance(t_list, (list, tuple)):
        raise TypeError(explain(f"`t_list` should be a sequence of tensors. Received {type(t_list)}."))
    halves = [
        apply(find("L2Loss"), to_tensor(t.values if isinstance(t, IndexedSlices) else t))
        for t in t_list
        if t is not None
    ]
    total = add_n(halves)
    return _sqrt(multiply(total, eager_constant(2, total.dtype)))


@public("clip_by_global_norm")
def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None) -> Any:
    """Return tensors made shorter together so that their length is at most `clip_norm`, and their length before."""
    from millstream.execution.indexed_slices import IndexedSlices

    if isinstance(t_list, Tensor) or not isinstance(t_list, (list, tuple)):
        raise TypeError(explain(f"`t_list` should be a sequence of tensors. Received {type(t_list)}."))
    norm = global_norm(t_list) if use_norm is None else to_tensor(use_norm)
    one = eager_constant(1, norm.dtype)
    scale = multiply(
        clip_norm, apply(find("Minimum"), apply(find("RealDiv"), one, norm), apply(find("RealDiv"), one, clip_norm))
    )
    # NaN where the length is not finite.
    scale = add(scale, subtract(norm, norm))
    clipped: list[Any] = []
    for t in t_list:
        if isinstance(t, IndexedSlices):
            clipped.append(IndexedSlices(multiply(t.values, cast(scale, t.values.dtype)), t.indices, t.dense_shape))
        else:
            clipped.append(None if t is None else multiply(t, cast(scale, to_tensor(t).dtype)))
    return clipped, norm
