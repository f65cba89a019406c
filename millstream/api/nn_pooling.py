"""tf.nn's pooling, in one to three spatial axes and either place of the channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.nn_convolution import (
    LAYOUTS,
    expanded,
    is_first,
    padding_attributes,
    spread_values,
    squeezed,
    two,
    two_pads,
)
from millstream.api.older_names import either
from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

_POOLS = {("MAX", 2): "MaxPool", ("MAX", 3): "MaxPool3D", ("AVG", 2): "AvgPool", ("AVG", 3): "AvgPool3D"}


def _pool(kind: str, n: int, x: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None) -> Any:
    first = is_first(data_format, n)
    window, steps = spread_values(ksize, n, first, "ksize"), spread_values(strides, n, first, "strides")
    if n == 1:
        wide = _pool(
            kind,
            2,
            expanded(x, first),
            two(window, first),
            two(steps, first),
            two_pads(padding, first),
            LAYOUTS[2][first],
        )
        return squeezed(wide, first)
    pads = padding_attributes(padding, n)
    if "explicit_paddings" in pads and (kind, n) != ("MAX", 2):
        raise ValueError(
            explain(
                "Explicit padding is not supported for average pooling and pooling of volumes; pad with tf.pad first."
            )
        )
    return apply(find(_POOLS[kind, n]), x, ksize=window, strides=steps, data_format=LAYOUTS[n][first], **pads)


def _pool_any(kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None) -> Any:
    x = to_tensor(input)
    n = len(data_format) - 2 if data_format is not None else (x.shape.rank or 0) - 2
    if not 1 <= n <= 3:
        raise ValueError(
            explain(f"`input.shape.rank` must be 3, 4 or 5. Received: input.shape={x.shape} of rank {x.shape.rank}")
        )
    return _pool(kind, n, x, ksize, strides, padding, data_format)


@public("nn.max_pool")
def max_pool(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Any:
    """Return the largest element of each window."""
    return _pool_any("MAX", input, ksize, strides, padding, data_format)


@public("nn.avg_pool")
def avg_pool(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Any:
    """Return the mean of each window; padding does not count."""
    return _pool_any("AVG", input, ksize, strides, padding, data_format)


@public("nn.max_pool1d")
def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC", name: str | None = None
) -> Any:
    """Return the largest element of each window of a sequence."""
    return _pool("MAX", 1, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.max_pool2d")
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None
) -> Any:
    """Return the largest element of each window of an image."""
    return _pool("MAX", 2, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.max_pool3d")
def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NDHWC", name: str | None = None
) -> Any:
    """Return the largest element of each window of a volume."""
    return _pool("MAX", 3, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.avg_pool1d")
def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC", name: str | None = None
) -> Any:
    """Return the mean of each window of a sequence."""
    return _pool("AVG", 1, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.avg_pool2d")
def avg_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None
) -> Any:
    """Return the mean of each window of an image."""
    return _pool("AVG", 2, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.avg_pool3d")
def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NDHWC", name: str | None = None
) -> Any:
    """Return the mean of each window of a volume."""
    return _pool("AVG", 3, to_tensor(input), ksize, strides, padding, data_format)


@public("nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Reduce windows (pooling_type MAX or AVG) in 1 to 3 spatial axes."""
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(explain(f"Invalid pooling_type {pooling_type!r}: choose 'MAX' or 'AVG'."))
    n = 1 if isinstance(window_shape, int) else len(window_shape)
    x = to_tensor(input)
    gaps = [int(d) for d in np.broadcast_to(1 if dilations is None else np.ravel(dilations), (n,))]
    if all(d == 1 for d in gaps):
        return _pool(pooling_type, n, x, window_shape, strides, padding, data_format)
    if padding.upper() == "SAME":
        raise ValueError(
            explain(
                f"pooling with 'SAME' padding is not implemented for dilations > 1: pad first. Received: dilations={gaps}"
            )
        )
    if strides is not None and any(s != 1 for s in np.ravel(strides)):
        raise ValueError(explain("strides > 1 not supported in conjunction with dilations > 1."))
    first = is_first(data_format, n)
    if first:
        x = array.transpose(x, [0, *range(2, n + 2), 1])
    window = [int(w) for w in np.broadcast_to(np.ravel(window_shape), (n,))]
    y = with_space_to_batch(
        x, gaps, padding, lambda t, _, __: _pool(pooling_type, n, t, window, 1, "VALID", None), window
    )
    return array.transpose(y, [0, n + 1, *range(1, n + 1)]) if first else y


@public("nn.with_space_to_batch")
def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Callable[..., Any],
    filter_shape: Any = None,
    spatial_dims: Any = None,
    data_format: str | None = None,
) -> Any:
    """Run `op(input, number of spatial axes, padding)` as if its windows had gaps; channels are last."""
    from millstream.api.spaces import batch_to_space, required_space_to_batch_paddings, space_to_batch

    x, rates = to_tensor(input), np.ravel(dilation_rate).astype(int)
    n = len(rates)
    if data_format is not None and data_format.startswith("NC"):
        raise ValueError(explain(f"Give channels last; transpose first. Received: data_format={data_format}"))
    if spatial_dims is not None and list(spatial_dims) != list(range(1, n + 1)):
        raise ValueError(explain(f"The spatial axes must be 1 to {n}. Received: spatial_dims={spatial_dims}"))
    if all(r == 1 for r in rates):
        return op(x, n, padding)
    base = np.zeros((n, 2), np.int32)
    if padding == "SAME":
        if filter_shape is None:
            raise ValueError(explain("`filter_shape` must be given for padding SAME."))
        extra = (np.asarray(filter_shape)[:n] - 1) * rates
        base = np.stack([extra // 2, extra - extra // 2], 1).astype(np.int32)
    elif padding != "VALID":
        raise ValueError(explain(f"Invalid padding method {padding!r}: choose 'SAME' or 'VALID'."))
    paddings, crops = required_space_to_batch_paddings(array.shape(x)[1 : n + 1], rates.astype(np.int32), base)
    return batch_to_space(op(space_to_batch(x, rates, paddings), n, "VALID"), rates, crops)


@public("compat.v1.nn.avg_pool", "compat.v1.nn.avg_pool2d")
def avg_pool_v1(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """Return the mean of each window of an image."""
    return avg_pool2d(either(input, value, "input", "value"), ksize, strides, padding, data_format)


@public("compat.v1.nn.max_pool")
def max_pool_v1(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """Return the largest element of each window of an image."""
    return max_pool2d(either(input, value, "input", "value"), ksize, strides, padding, data_format)
