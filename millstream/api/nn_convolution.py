"""tf.nn's convolutions, in one to three spatial axes and either place of the channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.older_names import either
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def spread_values(value: Any, n: int, first: bool, name: str) -> tuple[int, ...]:
    """Return one number for each axis out of one number, one for each spatial axis, or one for each axis."""
    if value is None:
        values: list[int] = [1]
    elif isinstance(value, (int, np.integer)):
        values = [int(value)]
    else:
        values = [int(v) for v in value]
    if len(values) == n + 2:
        return tuple(values)
    if len(values) == 1:
        values = values * n
    elif len(values) != n:
        raise ValueError(
            explain(f"{name} should be of length 1, {n} or {n + 2}. Received: {name}={value} of length {len(values)}")
        )
    return (1, 1, *values) if first else (1, *values, 1)


def is_first(data_format: str | None, n: int) -> bool:
    """Return whether channels come before the spatial axes."""
    if data_format is None:
        return False
    if data_format not in LAYOUTS[n]:
        raise ValueError(
            explain(f"`data_format` must be one of {', '.join(LAYOUTS[n])}. Received: data_format={data_format}")
        )
    return data_format == LAYOUTS[n][1]


def padding_attributes(padding: Any, n: int) -> dict[str, Any]:
    """Return padding as attributes: a name, or one pair for each axis."""
    if isinstance(padding, str):
        return {"padding": padding}
    if not isinstance(padding, (list, tuple, np.ndarray)):
        raise ValueError(explain("If padding is not a string, it must be a list of pairs, one for each axis."))
    pairs = [list(pair) for pair in padding]
    if len(pairs) != n + 2 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            explain(
                f"When padding is a list, each element must be a list of size 2, one for each of {n + 2} axes. Received: padding={padding}"
            )
        )
    return {"padding": "EXPLICIT", "explicit_paddings": tuple(int(p) for pair in pairs for p in pair)}


def _channel_axis(first: bool) -> int:
    return 1 if first else -1


def expanded(x: Any, first: bool) -> Any:
    """Give a sequence a second spatial axis of size 1, before its own."""
    return array.expand_dims(x, 2 if first else 1)


def squeezed(x: Any, first: bool) -> Any:
    return array.squeeze(x, [2 if first else 1])


def two(values: Sequence[int], first: bool) -> tuple[int, ...]:
    """Return the values of one spatial axis as those of two."""
    return (values[0], values[1], 1, values[2]) if first else (values[0], 1, values[1], values[2])


def two_pads(padding: Any, first: bool) -> Any:
    if isinstance(padding, str):
        return padding
    pairs = [list(pair) for pair in padding]
    pairs.insert(2 if first else 1, [0, 0])
    return pairs


def _flat_batch(x: Any, n: int, run: Callable[[Any], Any]) -> Any:
    """Run on x with all leading axes joined to one batch axis."""
    rank = x.shape.rank
    if rank is None or rank == n + 2:
        return run(x)
    if rank < n + 2:
        raise ValueError(
            explain(f"`input` must have rank at least {n + 2}. Received: input.shape={x.shape} of rank {rank}.")
        )
    sizes = array.shape(x)
    flat = run(array.reshape(x, array.concat([[-1], sizes[rank - n - 1 :]], 0)))
    return array.reshape(flat, array.concat([sizes[: rank - n - 1], array.shape(flat)[1:]], 0))


def _convolve(x: Any, filters: Any, n: int, strides: Any, padding: Any, data_format: str | None, dilations: Any) -> Any:
    first = is_first(data_format, n)
    steps, gaps = spread_values(strides, n, first, "strides"), spread_values(dilations, n, first, "dilations")
    if n == 1:
        wide = _convolve(
            expanded(x, first),
            array.expand_dims(filters, 0),
            2,
            two(steps, first),
            two_pads(padding, first),
            LAYOUTS[2][first],
            two(gaps, first),
        )
        return squeezed(wide, first)
    if n == 3:
        pads = padding_attributes(padding, n)
        if "explicit_paddings" in pads:
            pairs = np.reshape(pads["explicit_paddings"], (-1, 2))
            x, pads = array.pad(x, pairs.tolist()), {"padding": "VALID"}
        return apply(find("Conv3D"), x, filters, strides=steps, dilations=gaps, data_format=LAYOUTS[3][first], **pads)
    return apply(
        find("Conv2D"),
        x,
        filters,
        strides=steps,
        dilations=gaps,
        data_format=LAYOUTS[2][first],
        **padding_attributes(padding, n),
    )


def _operands(x: Any, filters: Any) -> tuple[Any, Any]:
    x = to_tensor(x)
    return x, to_tensor(filters, None, x.dtype)


@public("nn.convolution")
def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve with filters of [spatial axes…, channels, filters], in 1 to 3 spatial axes."""
    x, filters = _operands(input, filters)
    rank = filters.shape.rank if filters.shape.rank is not None else x.shape.rank
    if rank is None:
        raise ValueError(explain("rank of input or filter must be known."))
    n = rank - 2
    if not 1 <= n <= 3:
        raise ValueError(
            explain(
                f"`filters.shape.rank` must be between 3 and 5. Received: filters.shape={filters.shape} of rank {rank}"
            )
        )
    steps, gaps = (np.ravel(1 if given is None else given) for given in (strides, dilations))
    if np.any(gaps <= 0):
        raise ValueError(explain(f"all values of `dilation_rate` must be positive. Received: dilation_rate={gaps}"))
    if np.any(steps > 1) and np.any(gaps > 1):
        raise ValueError(
            explain(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={steps} and dilation_rate={gaps}"
            )
        )
    return _flat_batch(x, n, lambda flat: _convolve(flat, filters, n, strides, padding, data_format, dilations))


def _of_rank(
    n: int, input: Any, filters: Any, strides: Any, padding: Any, data_format: str | None, dilations: Any
) -> Any:
    x, filters = _operands(input, filters)
    return _flat_batch(x, n, lambda flat: _convolve(flat, filters, n, strides, padding, data_format, dilations))


@public("nn.conv1d")
def conv1d(
    input: Any,
    filters: Any,
    stride: Any,
    padding: Any,
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve sequences."""
    layout = {"NHWC": "NWC", "NCHW": "NCW"}.get(data_format, data_format)
    return _of_rank(1, input, filters, stride, padding, layout, dilations)


@public("nn.conv2d")
def conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve images."""
    return _of_rank(2, input, filters, strides, padding, data_format, dilations)


@public("nn.conv3d")
def conv3d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve volumes."""
    return _of_rank(3, input, filters, strides, padding, data_format, dilations)


@public("nn.atrous_conv2d")
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: Any, name: str | None = None) -> Any:
    """Convolve images with filters that have gaps."""
    return convolution(value, filters, 1, padding, "NHWC", rate)


def _transposed(
    n: int,
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: str | None,
    dilations: Any,
) -> Any:
    x, filters = _operands(input, filters)
    first = is_first(data_format, n)
    steps, gaps = spread_values(strides, n, first, "strides"), spread_values(dilations, n, first, "dilations")
    sizes = array.shape_tensor(output_shape)
    if n == 1:
        at = 2 if first else 1
        wide = array.concat(
            [
                sizes[:at],
                array.index_tensor([1]) if sizes.dtype is dtypes.int32 else array.shape_tensor([1], sizes.dtype),
                sizes[at:],
            ],
            0,
        )
        y = _transposed(
            2,
            expanded(x, first),
            array.expand_dims(filters, 0),
            wide,
            two(steps, first),
            two_pads(padding, first),
            LAYOUTS[2][first],
            two(gaps, first),
        )
        return squeezed(y, first)
    if sizes.dtype is not dtypes.int32:
        sizes = apply(find("Cast"), sizes, DstT=dtypes.int32)
    name = "Conv2DBackpropInput" if n == 2 else "Conv3DBackpropInputV2"
    return apply(
        find(name),
        sizes,
        filters,
        x,
        strides=steps,
        dilations=gaps,
        data_format=LAYOUTS[n][first],
        **padding_attributes(padding, n),
    )


@public("nn.conv_transpose")
def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Return what a convolution's gradient gives for its input; filters are [spatial axes…, filters, channels]."""
    filters = to_tensor(filters)
    n = filters.shape.rank - 2
    if not 1 <= n <= 3:
        raise ValueError(
            explain(f"`filters.shape.rank` must be between 3 and 5. Received: filters.shape={filters.shape}")
        )
    return _transposed(n, input, filters, output_shape, strides, padding, data_format, dilations)


@public("nn.conv1d_transpose")
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Return what conv1d's gradient gives for its input."""
    return _transposed(1, input, filters, output_shape, strides, padding, data_format, dilations)


@public("nn.conv2d_transpose")
def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Return what conv2d's gradient gives for its input."""
    return _transposed(2, input, filters, output_shape, strides, padding, data_format, dilations)


@public("nn.conv3d_transpose")
def conv3d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Return what conv3d's gradient gives for its input."""
    return _transposed(3, input, filters, output_shape, strides, padding, data_format, dilations)


@public("nn.atrous_conv2d_transpose")
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: Any, name: str | None = None
) -> Any:
    """Return what atrous_conv2d's gradient gives for its input."""
    return _transposed(2, value, filters, output_shape, 1, padding, "NHWC", rate)


@public("nn.depthwise_conv2d")
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve each channel with filters of its own, [height, width, channels, filters each]."""
    x, filters = _operands(input, filter)
    first = is_first(data_format, 2)
    steps, gaps = spread_values(strides, 2, first, "strides"), spread_values(dilations, 2, first, "dilations")
    return apply(
        find("DepthwiseConv2dNative"),
        x,
        filters,
        strides=steps,
        dilations=gaps,
        data_format=LAYOUTS[2][first],
        **padding_attributes(padding, 2),
    )


@public("nn.depthwise_conv2d_backprop_input")
def depthwise_conv2d_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """Return depthwise_conv2d's gradient by its input."""
    kind, sizes = find("DepthwiseConv2dNativeBackpropInput"), array.shape_tensor(input_sizes)
    return apply(
        kind,
        sizes,
        filter,
        out_backprop,
        strides=tuple(strides),
        dilations=tuple(dilations),
        data_format=data_format,
        **padding_attributes(padding, 2),
    )


@public("nn.depthwise_conv2d_backprop_filter")
def depthwise_conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """Return depthwise_conv2d's gradient by its filters."""
    kind, sizes = find("DepthwiseConv2dNativeBackpropFilter"), array.shape_tensor(filter_sizes)
    return apply(
        kind,
        input,
        sizes,
        out_backprop,
        strides=tuple(strides),
        dilations=tuple(dilations),
        data_format=data_format,
        **padding_attributes(padding, 2),
    )


@public("nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolve each channel with filters of its own, then mix the channels of each place."""
    middle = depthwise_conv2d(input, depthwise_filter, strides, padding, data_format, dilations)
    return _of_rank(2, middle, pointwise_filter, 1, "VALID", data_format or "NHWC", None)


@public("compat.v1.nn.convolution")
def convolution_v1(
    input: Any,
    filter: Any,
    padding: Any,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolve with filters of [spatial axes…, channels, filters], in 1 to 3 spatial axes."""
    gaps = either(dilations, dilation_rate, "dilations", "dilation_rate")
    return convolution(input, either(filters, filter, "filters", "filter"), strides, padding, data_format, gaps)


@public("compat.v1.nn.conv2d_transpose")
def conv2d_transpose_v1(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """Return what conv2d's gradient gives for its input."""
    x, weights = either(input, value, "input", "value"), either(filters, filter, "filters", "filter")
    return conv2d_transpose(x, weights, output_shape, strides, padding, data_format, dilations)
