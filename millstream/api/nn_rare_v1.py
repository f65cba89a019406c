"""tf.compat.v1.nn: the older argument orders and names of functions of tf.nn; no numerics of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api import nn, nn_convolution, nn_losses
from millstream.api.linalg import matmul
from millstream.api.older_names import either
from millstream.api.public import public
from millstream.api.spaces import space_to_batch
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


@public("compat.v1.nn.conv1d")
def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: Any = None,
    data_format: Any = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolve sequences; see `tf.nn.conv1d`."""
    x = either(value, input, "value", "input")
    return nn_convolution.conv1d(x, filters, stride, padding, data_format or "NWC", dilations)


@public("compat.v1.nn.conv2d")
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Sequence[int] = [1, 1, 1, 1],
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """Convolve images; see `tf.nn.conv2d`."""
    weights = either(filters, filter, "filters", "filter")
    return nn_convolution.conv2d(input, weights, 1 if strides is None else strides, padding, data_format, dilations)


@public("compat.v1.nn.conv3d")
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Sequence[int] = [1, 1, 1, 1, 1],
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """Convolve volumes; see `tf.nn.conv3d`."""
    weights = either(filters, filter, "filters", "filter")
    return nn_convolution.conv3d(input, weights, strides, padding, data_format, dilations)


@public("compat.v1.nn.depthwise_conv2d")
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolve each channel of images by itself; see `tf.nn.depthwise_conv2d`."""
    return nn_convolution.depthwise_conv2d(
        input, filter, strides, padding, data_format, either(dilations, rate, "dilations", "rate")
    )


@public("compat.v1.nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolve each channel of images by itself, then mix them; see `tf.nn.separable_conv2d`."""
    rates = either(dilations, rate, "dilations", "rate")
    return nn_convolution.separable_conv2d(
        input, depthwise_filter, pointwise_filter, strides, padding, data_format, rates
    )


@public("compat.v1.nn.moments")
def moments(
    x: Any, axes: Any, shift: Any = None, name: str | None = None, keep_dims: Any = None, keepdims: Any = None
) -> Any:
    """Return mean and variance; see `tf.nn.moments`."""
    return nn.moments(x, axes, keepdims=bool(either(keepdims, keep_dims, "keepdims", "keep_dims")))


@public("compat.v1.nn.weighted_moments")
def weighted_moments(
    x: Any, axes: Any, frequency_weights: Any, name: str | None = None, keep_dims: Any = None, keepdims: Any = None
) -> Any:
    """Return weighted mean and variance; see `tf.nn.weighted_moments`."""
    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    return nn.weighted_moments(x, axes, frequency_weights, keepdims=keep)


@public("compat.v1.nn.sufficient_statistics")
def sufficient_statistics(
    x: Any, axes: Any, shift: Any = None, keep_dims: Any = None, name: str | None = None, keepdims: Any = None
) -> Any:
    """Return count, sum and sum of squares; see `tf.nn.sufficient_statistics`."""
    keep = bool(either(keepdims, keep_dims, "keepdims", "keep_dims"))
    return nn.sufficient_statistics(x, axes, shift, keepdims=keep)


@public("compat.v1.nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, dim: int = -1, name: str | None = None, axis: Any = None
) -> Any:
    """Return the cross entropy of softmax(logits) and labels; nothing flows back to the labels."""
    fixed = apply(find("StopGradient"), to_tensor(labels))
    return nn_losses.softmax_cross_entropy_with_logits(fixed, logits, dim if axis is None else axis)


@public("compat.v1.nn.softmax_cross_entropy_with_logits_v2")
def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Any:
    """Return the cross entropy of softmax(logits) and labels; see `tf.nn.softmax_cross_entropy_with_logits`."""
    chosen = either(axis, dim, "axis", "dim")
    return nn_losses.softmax_cross_entropy_with_logits(labels, logits, -1 if chosen is None else chosen)


@public("compat.v1.nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Return the cross entropy of softmax(logits) and class numbers; see the function of that name in tf.nn."""
    return nn_losses.sparse_softmax_cross_entropy_with_logits(labels, logits)


@public("compat.v1.nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Return the cross entropy of sigmoid(logits) and labels; see the function of that name in tf.nn."""
    return nn_losses.sigmoid_cross_entropy_with_logits(labels, logits)


@public("compat.v1.nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None, targets: Any = None
) -> Any:
    """Return the cross entropy of sigmoid(logits) and labels, the positive ones weighted; see tf.nn."""
    return nn_losses.weighted_cross_entropy_with_logits(
        either(labels, targets, "labels", "targets"), logits, pos_weight
    )


@public("compat.v1.nn.crelu")
def crelu(features: Any, name: str | None = None, axis: int = -1) -> Any:
    """Return relu of features and of -features, side by side; see `tf.nn.crelu`."""
    return nn.crelu(features, axis)


@public("compat.v1.nn.xw_plus_b")
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """Return matmul(x, weights) + biases."""
    return apply(find("BiasAdd"), matmul(x, weights), biases)


@public("compat.v1.nn.relu_layer")
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """Return relu(matmul(x, weights) + biases)."""
    return apply(find("Relu"), xw_plus_b(x, weights, biases))


@public("compat.v1.nn.space_to_batch")
def space_to_batch_v1(
    input: Any, paddings: Any, block_size: Any = None, name: str | None = None, block_shape: Any = None
) -> Any:
    """Move blocks of pixels to the batch; see `tf.space_to_batch`."""
    block = either(block_size, block_shape, "block_size", "block_shape")
    shape = to_tensor(block)
    return space_to_batch(input, [block, block] if shape.shape.rank == 0 else block, paddings)
