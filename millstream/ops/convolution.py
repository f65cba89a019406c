"""Declare convolutions and their gradients."""

from __future__ import annotations

from typing import Any, Literal

from millstream.base.dtypes import bfloat16, float16, float32, float64, int32, int64
from millstream.base.sizes import Size, is_known, maximum
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives import windows as w
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import contents, reshape, transpose
from millstream.program.value import Value

T = Types("T", float16, bfloat16, float32, float64)
WithInt = Types("T", float16, bfloat16, float32, float64, int32)
Layout2 = Literal["NHWC", "NCHW"]
Layout3 = Literal["NDHWC", "NCDHW"]
Padding = Literal["SAME", "VALID", "EXPLICIT"]
Padding3 = Literal["SAME", "VALID"]


def channels_last(data_format: str, rank: int) -> list[int] | None:
    """Return the permutation to channels last; None where they are last already."""
    return None if data_format.endswith("C") else [0, *range(2, rank), 1]


def to_last(x: Value, data_format: str) -> Value:
    """Return x with its channels last."""
    order = channels_last(data_format, x.rank)
    return x if order is None else transpose(x, order)


def from_last(x: Value, data_format: str) -> Value:
    """Return x, whose channels are last, in `data_format`."""
    return x if data_format.endswith("C") else transpose(x, [0, x.rank - 1, *range(1, x.rank - 1)])


def spatial(values: Any, data_format: str) -> tuple[Any, ...]:
    """Return the entries of a per-axis attribute that belong to spatial axes."""
    return tuple(values[1:-1]) if data_format.endswith("C") else tuple(values[2:])


def pads(
    padding: str, sizes: Any, kernel: Any, strides: Any, dilations: Any, explicit: Any, data_format: str
) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """Return low and high padding of each spatial axis: what TensorFlow's SAME, VALID and EXPLICIT mean."""
    if padding == "EXPLICIT":
        pairs = [(explicit[2 * i], explicit[2 * i + 1]) for i in range(len(explicit) // 2)]
        inner = spatial(pairs, data_format)
        return tuple(p[0] for p in inner), tuple(p[1] for p in inner)
    if padding == "VALID":
        return (0,) * len(sizes), (0,) * len(sizes)
    low, high = [], []
    for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = maximum(((n + s - 1) // s - 1) * s + (k - 1) * d + 1 - n, 0)
        low.append(total // 2)
        high.append(total - total // 2)
    return tuple(low), tuple(high)


def check_strides(what: str, strides: Any, rank: int, data_format: str) -> None:
    """Refuse strides of the wrong number, and strides along batch or channels."""
    if len(strides) != rank:
        raise refuse(what, f"{len(strides)} strides", f"give {rank}, one for each axis")
    inner = spatial(strides, data_format)
    outer = [s for i, s in enumerate(strides) if i == 0 or i == (len(strides) - 1 if data_format.endswith("C") else 1)]
    if any(s != 1 for s in outer) or any(s < 1 for s in inner):
        raise refuse(what, f"strides={list(strides)}", "strides along batch and channels are 1, the others at least 1")


class Geometry:
    """What a convolution's attributes mean for given sizes."""

    def __init__(
        self,
        what: str,
        sizes: Any,
        kernel: Any,
        strides: Any,
        padding: str,
        explicit: Any,
        data_format: str,
        dilations: Any,
    ) -> None:
        check_strides(what, strides, len(sizes), data_format)
        inner, self.strides = spatial(sizes, data_format), spatial(strides, data_format)
        self.dilations = spatial(dilations, data_format)
        self.low, self.high = pads(padding, inner, kernel, self.strides, self.dilations, explicit, data_format)

    def attributes(self, groups: int) -> dict[str, Any]:
        """Return the primitive's attributes."""
        return {
            "strides": self.strides,
            "low": self.low,
            "high": self.high,
            "input_dilation": (1,) * len(self.strides),
            "kernel_dilation": self.dilations,
            "groups": groups,
        }


def _groups(what: str, channels: Size, per_group: Size) -> int:
    if not is_known(channels) or not is_known(per_group):
        return 1
    if per_group == 0 or channels % per_group:
        raise refuse(
            what,
            f"{channels} input channels and weights for {per_group}",
            "input channels must be a multiple of the weights' channels",
        )
    return channels // per_group


def forward_convolution(
    what: str, x: Value, f: Value, strides: Any, padding: str, explicit: Any, data_format: str, dilations: Any
) -> Value:
    if x.rank != f.rank:
        raise refuse(what, f"input of rank {x.rank}, filter of rank {f.rank}", f"give rank {f.rank} for both")
    geometry = Geometry(what, x.shape, f.shape[:-2], strides, padding, explicit, data_format, dilations)
    last = to_last(x, data_format)
    return from_last(
        w.convolution(last, f, **geometry.attributes(_groups(what, last.shape[-1], f.shape[-2]))), data_format
    )


def _to_input(
    what: str,
    sizes: Any,
    f: Value,
    dz: Value,
    strides: Any,
    padding: str,
    explicit: Any,
    data_format: str,
    dilations: Any,
) -> Value:
    geometry = Geometry(what, sizes, f.shape[:-2], strides, padding, explicit, data_format, dilations)
    order = channels_last(data_format, len(sizes))
    shape = tuple(sizes) if order is None else tuple(sizes[i] for i in order)
    dx = w.input_gradient(
        f, to_last(dz, data_format), shape, **geometry.attributes(_groups(what, shape[-1], f.shape[-2]))
    )
    return from_last(dx, data_format)


def _to_filter(
    what: str,
    x: Value,
    sizes: Any,
    dz: Value,
    strides: Any,
    padding: str,
    explicit: Any,
    data_format: str,
    dilations: Any,
) -> Value:
    geometry = Geometry(what, x.shape, sizes[:-2], strides, padding, explicit, data_format, dilations)
    last = to_last(x, data_format)
    groups = _groups(what, last.shape[-1], sizes[-2])
    return w.weight_gradient(last, to_last(dz, data_format), tuple(sizes), **geometry.attributes(groups))


@op("Conv2D", outputs="output")
def conv2d(
    input: Tensor[WithInt],
    filter: Tensor[WithInt],
    *,
    strides: list[int],
    use_cudnn_on_gpu: bool = True,
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[WithInt]:
    """Convolve images with filters [height, width, channels / groups, outputs]."""
    return forward_convolution("Conv2D", input, filter, strides, padding, explicit_paddings, data_format, dilations)


@op("Conv2DBackpropInput", outputs="output")
def conv2d_backprop_input(
    input_sizes: Known[Tensor[int32]],
    filter: Tensor[WithInt],
    out_backprop: Tensor[WithInt],
    *,
    strides: list[int],
    use_cudnn_on_gpu: bool = True,
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[WithInt]:
    """Return what flows back through Conv2D to its input."""
    sizes = list(contents(input_sizes))
    if len(sizes) == 2:
        batch = out_backprop.shape[0]
        sizes = [batch, *sizes, filter.shape[-2]] if data_format == "NHWC" else [batch, filter.shape[-2], *sizes]
    return _to_input(
        "Conv2DBackpropInput", sizes, filter, out_backprop, strides, padding, explicit_paddings, data_format, dilations
    )


@op("Conv2DBackpropFilter", outputs="output")
def conv2d_backprop_filter(
    input: Tensor[T],
    filter_sizes: Known[Tensor[int32]],
    out_backprop: Tensor[T],
    *,
    strides: list[int],
    use_cudnn_on_gpu: bool = True,
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[T]:
    """Return what flows back through Conv2D to its filter."""
    sizes = contents(filter_sizes)
    return _to_filter(
        "Conv2DBackpropFilter", input, sizes, out_backprop, strides, padding, explicit_paddings, data_format, dilations
    )


@op("Conv3D", outputs="output")
def conv3d(
    input: Tensor[T],
    filter: Tensor[T],
    *,
    strides: list[int],
    padding: Padding3,
    data_format: Layout3 = "NDHWC",
    dilations: list[int] = (1, 1, 1, 1, 1),
) -> Tensor[T]:
    """Convolve volumes with filters [depth, height, width, channels / groups, outputs]."""
    return forward_convolution("Conv3D", input, filter, strides, padding, (), data_format, dilations)


Tshape = Types("Tshape", int32, int64, default=int32)


@op("Conv3DBackpropInputV2", outputs="output")
def conv3d_backprop_input(
    input_sizes: Known[Tensor[Tshape]],
    filter: Tensor[T],
    out_backprop: Tensor[T],
    *,
    strides: list[int],
    padding: Padding3,
    data_format: Layout3 = "NDHWC",
    dilations: list[int] = (1, 1, 1, 1, 1),
) -> Tensor[T]:
    """Return what flows back through Conv3D to its input."""
    sizes = contents(input_sizes)
    return _to_input("Conv3DBackpropInputV2", sizes, filter, out_backprop, strides, padding, (), data_format, dilations)


@op("Conv3DBackpropFilterV2", outputs="output")
def conv3d_backprop_filter(
    input: Tensor[T],
    filter_sizes: Known[Tensor[int32]],
    out_backprop: Tensor[T],
    *,
    strides: list[int],
    padding: Padding3,
    data_format: Layout3 = "NDHWC",
    dilations: list[int] = (1, 1, 1, 1, 1),
) -> Tensor[T]:
    """Return what flows back through Conv3D to its filter."""
    return _to_filter(
        "Conv3DBackpropFilterV2",
        input,
        contents(filter_sizes),
        out_backprop,
        strides,
        padding,
        (),
        data_format,
        dilations,
    )


def _as_grouped(f: Value) -> Value:
    """View depthwise filters [spatial…, C, M] as those of C groups, [spatial…, 1, C * M]."""
    return reshape(f, (*f.shape[:-2], 1, f.shape[-2] * f.shape[-1]))


@op("DepthwiseConv2dNative", outputs="output")
def depthwise_conv2d(
    input: Tensor[T],
    filter: Tensor[T],
    *,
    strides: list[int],
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[T]:
    """Convolve each channel with its own filters [height, width, channels, multiplier]."""
    last = to_last(input, data_format)
    channels = filter.shape[-2]
    if is_known(last.shape[-1]) and is_known(channels) and last.shape[-1] != channels:
        raise refuse(
            "DepthwiseConv2dNative", f"{last.shape[-1]} input channels and filters for {channels}", "both must be equal"
        )
    g = Geometry(
        "DepthwiseConv2dNative",
        input.shape,
        filter.shape[:-2],
        strides,
        padding,
        explicit_paddings,
        data_format,
        dilations,
    )
    groups = last.shape[-1] if is_known(last.shape[-1]) else channels
    return from_last(w.convolution(last, _as_grouped(filter), **g.attributes(groups)), data_format)  # type: ignore[arg-type]


@op("DepthwiseConv2dNativeBackpropInput", outputs="output")
def depthwise_conv2d_backprop_input(
    input_sizes: Known[Tensor[int32]],
    filter: Tensor[T],
    out_backprop: Tensor[T],
    *,
    strides: list[int],
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[T]:
    """Return what flows back through DepthwiseConv2dNative to its input."""
    name, sizes, f = "DepthwiseConv2dNativeBackpropInput", contents(input_sizes), _as_grouped(filter)
    return _to_input(name, sizes, f, out_backprop, strides, padding, explicit_paddings, data_format, dilations)


@op("DepthwiseConv2dNativeBackpropFilter", outputs="output")
def depthwise_conv2d_backprop_filter(
    input: Tensor[T],
    filter_sizes: Known[Tensor[int32]],
    out_backprop: Tensor[T],
    *,
    strides: list[int],
    padding: Padding,
    explicit_paddings: list[int] = (),
    data_format: Layout2 = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[T]:
    """Return what flows back through DepthwiseConv2dNative to its filter."""
    name, sizes = "DepthwiseConv2dNativeBackpropFilter", contents(filter_sizes)
    grouped = (*sizes[:-2], 1, sizes[-2] * sizes[-1])
    dw = _to_filter(name, input, grouped, out_backprop, strides, padding, explicit_paddings, data_format, dilations)
    return reshape(dw, sizes)


_IMAGE = [((2, 5, 6, 4), (3, 2, 4, 3)), (("batch", 5, 6, 4), (3, 2, 2, 6))]
for _more in (
    {"strides": (1, 1, 1, 1), "padding": "SAME"},
    {"strides": (1, 2, 2, 1), "padding": "VALID"},
    {"strides": (1, 1, 1, 1), "padding": "SAME", "dilations": (1, 2, 2, 1)},
    {"strides": (1, 2, 1, 1), "padding": "EXPLICIT", "explicit_paddings": (0, 0, 1, 2, 0, 1, 0, 0)},
):
    conv2d.cases(_IMAGE, attributes=_more, dtypes=[float32, float64, bfloat16])
conv2d.cases(
    [((2, 4, 5, 6), (3, 2, 4, 3))],
    attributes={"strides": (1, 1, 1, 2), "padding": "SAME", "data_format": "NCHW"},
    dtypes=[float32, float64],
)
conv2d_backprop_input.cases(
    [((4,), (3, 2, 4, 3), (2, 3, 3, 3))],
    inputs=([2, 5, 6, 4], None, None),
    attributes={"strides": (1, 2, 2, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
conv2d_backprop_filter.cases(
    [((2, 5, 6, 4), (4,), (2, 3, 3, 3))],
    inputs=(None, [3, 2, 4, 3], None),
    attributes={"strides": (1, 2, 2, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
conv3d.cases(
    [((2, 4, 5, 3, 2), (2, 3, 2, 2, 3))],
    attributes={"strides": (1, 1, 2, 1, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
conv3d_backprop_input.cases(
    [((5,), (2, 3, 2, 2, 3), (2, 4, 3, 3, 3))],
    inputs=([2, 4, 5, 3, 2], None, None),
    attributes={"strides": (1, 1, 2, 1, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
conv3d_backprop_filter.cases(
    [((2, 4, 5, 3, 2), (5,), (2, 4, 3, 3, 3))],
    inputs=(None, [2, 3, 2, 2, 3], None),
    attributes={"strides": (1, 1, 2, 1, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
for _more in ({"strides": (1, 1, 1, 1), "padding": "SAME"}, {"strides": (1, 2, 2, 1), "padding": "VALID"}):
    depthwise_conv2d.cases(
        [((2, 5, 6, 4), (3, 3, 4, 1)), (("batch", 5, 6, 3), (3, 2, 3, 2))],
        attributes=_more,
        dtypes=[float32, float64, bfloat16],
    )
depthwise_conv2d_backprop_input.cases(
    [((4,), (3, 3, 4, 2), (2, 5, 6, 8))],
    inputs=([2, 5, 6, 4], None, None),
    attributes={"strides": (1, 1, 1, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
depthwise_conv2d_backprop_filter.cases(
    [((2, 5, 6, 4), (4,), (2, 5, 6, 8))],
    inputs=(None, [3, 3, 4, 2], None),
    attributes={"strides": (1, 1, 1, 1), "padding": "SAME"},
    dtypes=[float32, float64],
)
