"""tf.space_to_batch, tf.nn.depth_to_space, patches, and rows turned round, joined and parted by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.calls import named
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.ops.registry import find


@public("space_to_batch", "nn.space_to_batch", "space_to_batch_nd")
def space_to_batch(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Any:
    """Move blocks of the axes after the first into the first one, after padding with zeros."""
    return apply(
        find("SpaceToBatchND"), input, array.shape_tensor(block_shape), to_tensor(paddings, None, dtypes.int32)
    )


@public("batch_to_space")
def batch_to_space(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Any:
    """Move parts of the first axis back into blocks of the axes after it, then cut."""
    return apply(find("BatchToSpaceND"), input, array.shape_tensor(block_shape), to_tensor(crops, None, dtypes.int32))


@public("required_space_to_batch_paddings")
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> Any:
    """Return paddings that make sizes multiples of the blocks, and the crops that undo them."""
    sizes, block = to_tensor(input_shape, None, dtypes.int32), to_tensor(block_shape, None, dtypes.int32)
    known = (
        static_value(sizes),
        static_value(block),
        0 if base_paddings is None else static_value(to_tensor(base_paddings)),
    )
    if any(v is None for v in known):
        base = (
            array.zeros([block.shape[0], 2], dtypes.int32)
            if base_paddings is None
            else to_tensor(base_paddings, dtypes.int32)
        )
        low, high = base[:, 0], base[:, 1]
        extra = apply(find("FloorMod"), block - apply(find("FloorMod"), sizes + low + high, block), block)
        return array.stack([low, high + extra], 1), array.stack([array.zeros_like(extra), extra], 1)
    pairs = np.zeros((len(known[1]), 2), np.int32) if base_paddings is None else np.asarray(known[2])
    whole = known[0] + pairs.sum(1)
    more = -whole % known[1]
    paddings = np.stack([pairs[:, 0], pairs[:, 1] + more], 1).astype(np.int32)
    return to_tensor(paddings), to_tensor(np.stack([0 * more, more], 1).astype(np.int32))


@public("nn.space_to_depth")
def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """Move square blocks of space into channels."""
    return apply(find("SpaceToDepth"), input, block_size=int(block_size), data_format=data_format)


@public("nn.depth_to_space")
def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """Move channels into square blocks of space."""
    return apply(find("DepthToSpace"), input, block_size=int(block_size), data_format=data_format)


def _numbers(values: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in values)


@public("image.extract_patches")
def extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str, name: str | None = None) -> Any:
    """Return the windows of images, each as one row of channels."""
    more = {"ksizes": _numbers(sizes), "strides": _numbers(strides), "rates": _numbers(rates)}
    return apply(find("ExtractImagePatches"), images, padding=padding.upper(), **more)


@public("nn.max_pool_with_argmax")
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    output_dtype: Any = dtypes.int64,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> Any:
    """Return the largest element of each window and where it is in the flattened image."""
    from millstream.api.nn_convolution import spread_values

    if data_format != "NHWC":
        raise ValueError(
            explain(f"`data_format` values other than 'NHWC' are not supported. Received: data_format={data_format}")
        )
    return named(
        find("MaxPoolWithArgmax"),
        input,
        ksize=spread_values(ksize, 2, False, "ksize"),
        strides=spread_values(strides, 2, False, "strides"),
        padding=padding.upper(),
        Targmax=as_dtype(output_dtype),
        include_batch_in_index=bool(include_batch_in_index),
    )


@public("reverse_sequence")
def reverse_sequence(
    input: Any, seq_lengths: Any, seq_axis: int | None = None, batch_axis: int | None = None, name: str | None = None
) -> Any:
    """Turn round the first seq_lengths[i] elements of sequence i."""
    if seq_axis is None:
        raise ValueError(explain("Argument `seq_axis` must be given."))
    return apply(
        find("ReverseSequence"),
        input,
        to_tensor(seq_lengths, None, dtypes.int64),
        seq_dim=int(seq_axis),
        batch_dim=int(batch_axis or 0),
    )


@public("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Any:
    """Return rows of all inputs put at the places that `indices` names; of several the last."""
    return apply(find("DynamicStitch"), [to_tensor(i, dtypes.int32) for i in indices], array.together(data))


@public("dynamic_partition")
def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> Any:
    """Return for each partition the rows of `data` whose number it is."""
    return apply(
        find("DynamicPartition"),
        to_tensor(data),
        to_tensor(partitions, dtypes.int32),
        num_partitions=int(num_partitions),
    )


@public("compat.v1.setdiff1d")
def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return the elements of x that are not in y, and where they are."""
    return named(find("ListDiff"), x, y, out_idx=as_dtype(index_dtype))
