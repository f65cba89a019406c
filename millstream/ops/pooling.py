"""Declare pooling over windows and its gradients."""

from __future__ import annotations

from typing import Any, Literal

from millstream.base.dtypes import bfloat16, float16, float32, float64, int8, int16, int32, int64, qint8, uint8, uint16
from millstream.base.sizes import Size
from millstream.ops.convolution import channels_last, from_last, to_last
from millstream.ops.convolution import pads as inner_pads
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import windows as w
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import contents
from millstream.program.value import Value, emit

T = Types("T", *FLOATS)
Maximum = Types("T", *FLOATS, int32, int64, uint8, int16, int8, uint16, qint8, default=float32)
Layout2 = Literal["NHWC", "NCHW"]
Layout3 = Literal["NDHWC", "NCDHW"]
Padding = Literal["SAME", "VALID", "EXPLICIT"]
Padding3 = Literal["SAME", "VALID"]


def windows(
    what: str, shape: Any, ksize: Any, strides: Any, padding: str, explicit: Any, data_format: str
) -> dict[str, tuple[Size, ...]]:
    """Return the window attributes of a tensor whose channels are last; `shape` is in `data_format`."""
    rank = len(shape)
    if len(ksize) != rank or len(strides) != rank:
        raise refuse(
            what, f"ksize={list(ksize)}, strides={list(strides)}", f"give {rank} entries each, one for each axis"
        )
    if any(s < 1 for s in (*ksize, *strides)):
        raise refuse(what, f"ksize={list(ksize)}, strides={list(strides)}", "all entries must be positive")
    order = channels_last(data_format, rank) or list(range(rank))
    sizes, kernel, steps = ([values[i] for i in order] for values in (shape, ksize, strides))
    if kernel[0] != 1 or steps[0] != 1:
        raise refuse(what, f"ksize={list(ksize)}, strides={list(strides)}", "windows do not reach over the batch")
    low, high = inner_pads(padding, sizes[1:-1], kernel[1:-1], steps[1:-1], [1] * (rank - 2), explicit, data_format)
    return {"window": tuple(kernel), "strides": tuple(steps), "low": (0, *low, 0), "high": (0, *high, 0)}


def _pool(
    what: str, x: Value, kind: str, ksize: Any, strides: Any, padding: str, explicit: Any, data_format: str
) -> Value:
    a = windows(what, x.shape, ksize, strides, padding, explicit, data_format)
    return from_last(w.reduce_window(to_last(x, data_format), kind, **a), data_format)


@op("MaxPool", outputs="output")
def max_pool(
    input: Tensor[Maximum],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Literal["NHWC", "NCHW", "NCHW_VECT_C"] = "NHWC",
) -> Tensor[Maximum]:
    """Return the largest element of each window."""
    return _pool("MaxPool", input, "max", ksize, strides, padding, explicit_paddings, data_format)


@op("MaxPoolV2", outputs="output")
def max_pool_v2(
    input: Tensor[Maximum],
    ksize: Known[Tensor[int32]],
    strides: Known[Tensor[int32]],
    *,
    padding: Padding3,
    data_format: Literal["NHWC", "NCHW", "NCHW_VECT_C"] = "NHWC",
) -> Tensor[Maximum]:
    """Return the largest element of each window, whose size is given as a tensor."""
    return _pool("MaxPoolV2", input, "max", contents(ksize), contents(strides), padding, (), data_format)


Real = Types("T", *FLOATS, *INTEGERS, default=float32)


@op("MaxPoolGrad", outputs="output")
def max_pool_gradient(
    orig_input: Tensor[Real],
    orig_output: Tensor[Real],
    grad: Tensor[Real],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
) -> Tensor[Real]:
    """Return what flows back through MaxPool: to the first largest element of each window."""
    a = windows("MaxPoolGrad", orig_input.shape, ksize, strides, padding, explicit_paddings, data_format)
    last = [to_last(v, data_format) for v in (orig_input, orig_output, grad)]
    return from_last(emit(w.POOL_MAX_GRADIENT, *last, **a)[0], data_format)


@op("MaxPool3D", outputs="output")
def max_pool_3d(
    input: Tensor[Types("T", float16, bfloat16, float32)],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding3,
    data_format: Layout3 = "NDHWC",
) -> Tensor[Types("T", float16, bfloat16, float32)]:
    """Return the largest element of each window of a volume."""
    return _pool("MaxPool3D", input, "max", ksize, strides, padding, (), data_format)


@op("AvgPool", outputs="output")
def average_pool(
    value: Tensor[T], *, ksize: list[int], strides: list[int], padding: Padding3, data_format: Layout2 = "NHWC"
) -> Tensor[T]:
    """Return the mean of each window; padding does not count."""
    return _pool("AvgPool", value, "average", ksize, strides, padding, (), data_format)


@op("AvgPool3D", outputs="output")
def average_pool_3d(
    input: Tensor[T], *, ksize: list[int], strides: list[int], padding: Padding3, data_format: Layout3 = "NDHWC"
) -> Tensor[T]:
    """Return the mean of each window of a volume; padding does not count."""
    return _pool("AvgPool3D", input, "average", ksize, strides, padding, (), data_format)


@op("AvgPoolGrad", outputs="output")
def average_pool_gradient(
    orig_input_shape: Known[Tensor[int32]],
    grad: Tensor[T],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding3,
    data_format: Layout2 = "NHWC",
) -> Tensor[T]:
    """Return what flows back through AvgPool."""
    sizes = contents(orig_input_shape)
    a = windows("AvgPoolGrad", sizes, ksize, strides, padding, (), data_format)
    order = channels_last(data_format, len(sizes)) or range(len(sizes))
    dx = emit(
        w.POOL_SUM_GRADIENT, to_last(grad, data_format), kind="average", shape=tuple(sizes[i] for i in order), **a
    )[0]
    return from_last(dx, data_format)


for _more in (
    {"ksize": (1, 2, 2, 1), "strides": (1, 2, 2, 1), "padding": "VALID"},
    {"ksize": (1, 3, 2, 1), "strides": (1, 2, 1, 1), "padding": "SAME"},
):
    max_pool.cases([(2, 5, 6, 3), ("batch", 5, 6, 3)], attributes=_more, dtypes=[float32, float64, bfloat16, int32])
    average_pool.cases([(2, 5, 6, 3), ("batch", 5, 6, 3)], attributes=_more, dtypes=[float32, float64, bfloat16])
max_pool.cases(
    [(2, 3, 5, 6)],
    attributes={"ksize": (1, 1, 2, 2), "strides": (1, 1, 2, 2), "padding": "SAME", "data_format": "NCHW"},
    dtypes=[float32, float64],
)
max_pool_v2.cases(
    [((2, 4, 4, 3), (4,), (4,))],
    inputs=(None, [1, 2, 2, 1], [1, 2, 2, 1]),
    attributes={"padding": "VALID"},
    dtypes=[float32, float64],
)
max_pool_gradient.cases(
    [((2, 4, 4, 1), (2, 2, 2, 1), (2, 2, 2, 1))],
    inputs=(
        lambda r: r.permutation(32).reshape(2, 4, 4, 1),
        [[[[9], [9]], [[9], [9]]], [[[9], [9]], [[9], [9]]]],
        None,
    ),
    attributes={"ksize": (1, 2, 2, 1), "strides": (1, 2, 2, 1), "padding": "VALID"},
    dtypes=[float32],
    gradient=False,
)
max_pool_3d.cases(
    [(2, 4, 5, 4, 2)],
    attributes={"ksize": (1, 2, 2, 2, 1), "strides": (1, 2, 2, 2, 1), "padding": "SAME"},
    dtypes=[float32],
)
average_pool_3d.cases(
    [(2, 4, 5, 4, 2)],
    attributes={"ksize": (1, 2, 2, 2, 1), "strides": (1, 2, 2, 2, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
average_pool_gradient.cases(
    [((4,), (2, 2, 2, 3))],
    inputs=([2, 4, 4, 3], None),
    attributes={"ksize": (1, 2, 2, 1), "strides": (1, 2, 2, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
