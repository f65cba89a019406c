"""tf.nn: activations, normalisation and embeddings. Convolution and pooling are in `nn_convolution`, losses in `nn_losses`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.calls import call_of, unary
from millstream.api.math import add, cast, divide, multiply, real, subtract
from millstream.api.public import public
from millstream.api.reduction import clip_by_norm, reduce_mean, reduce_sum
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find

relu = unary("nn.relu", "Relu", "Return max(x, 0) elementwise.", "features")
unary("nn.relu6", "Relu6", "Return min(max(x, 0), 6) elementwise.", "features")
unary("nn.elu", "Elu", "Return x above 0 and exp(x) - 1 below, elementwise.", "features")
unary("nn.selu", "Selu", "Return the scaled exponential linear unit elementwise.", "features")
unary("nn.softplus math.softplus", "Softplus", "Return log(exp(x) + 1) elementwise.", "features")
unary("nn.softsign math.softsign", "Softsign", "Return x / (abs(x) + 1) elementwise.", "features")
unary("nn.l2_loss", "L2Loss", "Return half the sum of squares.", "t")
_sigmoid, _tanh, _erf, _rsqrt = call_of("Sigmoid"), call_of("Tanh"), call_of("Erf"), call_of("Rsqrt")
_square, _softmax, _log_softmax = call_of("Square"), call_of("Softmax"), call_of("LogSoftmax")
_maximum, _distance = call_of("Maximum"), call_of("SquaredDifference")


@public("nn.leaky_relu")
def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Any:
    """Return x above 0 and alpha * x below, elementwise."""
    x = to_tensor(features)
    if x.dtype.is_integer:
        x = cast(x, dtypes.float32)
    if isinstance(alpha, Tensor) or np.ndim(alpha):
        return _maximum(multiply(alpha, x), x)
    return apply(find("LeakyRelu"), x, alpha=float(alpha))


@public("nn.crelu")
def crelu(features: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return relu of the features and of their negatives, joined along `axis`."""
    x = to_tensor(features)
    return relu(array.concat([x, apply(find("Neg"), x)], axis))


@public("nn.silu", "nn.swish")
def silu(features: Any, beta: Any = 1.0) -> Any:
    """Return x * sigmoid(beta * x) elementwise."""
    x = to_tensor(features)
    plain = isinstance(beta, (int, float)) and beta == 1
    return multiply(x, _sigmoid(x if plain else multiply(to_tensor(beta, x.dtype), x)))


@public("nn.gelu")
def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
    """Return x times the normal distribution function of x, or its approximation by tanh."""
    x = to_tensor(features)
    if not x.dtype.is_floating:
        raise ValueError(
            explain(f"`features.dtype` must be a floating point tensor. Received: features.dtype={x.dtype}")
        )
    half, one = eager_constant(0.5, x.dtype), eager_constant(1.0, x.dtype)
    if approximate:
        cubic = multiply(eager_constant(0.044715, x.dtype), multiply(x, multiply(x, x)))
        inner = _tanh(multiply(eager_constant(0.7978845608028654, x.dtype), add(x, cubic)))
    else:
        inner = _erf(divide(x, eager_constant(1.4142135623730951, x.dtype)))
    return multiply(multiply(half, x), add(one, inner))


def _on_last_axis(call: Any, logits: Any, axis: Any, what: str) -> Any:
    """Apply what works on the last axis on another one."""
    x = to_tensor(logits)
    rank = x.shape.rank
    if axis is None or axis == -1 or rank is None:
        if rank is None and axis not in (None, -1):
            raise ValueError(explain(f"{what} along axis {axis} needs a known rank; give it with tf.ensure_shape."))
        return call(x)
    if not -rank <= axis < rank:
        raise _refused(f"`axis`/`dim` = {axis} must be in [{-rank}, {rank}) for logits of shape {x.shape}.")
    axis %= rank
    if axis == rank - 1:
        return call(x)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return array.transpose(call(array.transpose(x, order)), order)


def _refused(message: str) -> Exception:
    """Return InvalidArgumentError."""
    from millstream.base import errors

    return errors.InvalidArgumentError(None, None, explain(message))


@public("nn.softmax", "math.softmax")
def softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Any:
    """Return exp(x) divided by its sum along `axis` (the last)."""
    return _on_last_axis(_softmax, logits, axis, "softmax")


@public("nn.log_softmax", "math.log_softmax")
def log_softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Any:
    """Return log(softmax(x)) along `axis` (the last)."""
    return _on_last_axis(_log_softmax, logits, axis, "log_softmax")


@public("nn.bias_add")
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Any:
    """Return value plus one bias for each channel."""
    if (
        data_format is not None
        and not data_format.startswith("NC")
        and not (data_format.startswith("N") and data_format.endswith("C"))
    ):
        raise ValueError(explain(f"`data_format` must be of the form `N...C` or `NC...`. Received: {data_format}"))
    layout = "NCHW" if data_format is not None and data_format.startswith("NC") else "NHWC"
    return _BIAS[layout](value, bias)


_BIAS = {layout: call_of("BiasAdd", data_format=layout) for layout in ("NHWC", "NCHW")}


@public("nn.moments")
def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Return mean and variance over the axes."""
    x = to_tensor(x)
    wide = cast(x, dtypes.float32) if x.dtype in (dtypes.float16, dtypes.bfloat16) else x
    mean = reduce_mean(wide, axes, True)
    variance = reduce_mean(_distance(wide, apply(find("StopGradient"), mean)), axes, True)
    if not keepdims:
        around = [axes] if isinstance(axes, (int, np.integer)) else list(range(x.shape.rank)) if axes is None else axes
        mean, variance = array.squeeze(mean, around), array.squeeze(variance, around)
    return (mean, variance) if wide is x else (cast(mean, x.dtype), cast(variance, x.dtype))


@public("nn.sufficient_statistics")
def sufficient_statistics(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Return the count of elements, their sum and sum of squares (both less `shift`), and the shift."""
    x = to_tensor(x)
    axes = sorted({a % x.shape.rank for a in ([axes] if isinstance(axes, int) else axes)})
    sizes = array.shape(x)
    count = cast(apply(find("Prod"), picking.gather(sizes, axes), array.index_tensor([0]), keep_dims=False), x.dtype)
    if shift is None:
        return count, reduce_sum(x, axes, keepdims), reduce_sum(_square(x), axes, keepdims), None
    shift = to_tensor(shift, x.dtype)
    return count, reduce_sum(subtract(x, shift), axes, keepdims), reduce_sum(_distance(x, shift), axes, keepdims), shift


@public("nn.normalize_moments")
def normalize_moments(counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None) -> Any:
    """Return mean and variance out of sufficient statistics."""
    one_over = apply(find("Reciprocal"), to_tensor(counts))
    shifted = multiply(mean_ss, one_over)
    mean = shifted if shift is None else add(shifted, shift)
    return mean, subtract(multiply(variance_ss, one_over), _square(shifted))


@public("nn.weighted_moments")
def weighted_moments(x: Any, axes: Any, frequency_weights: Any, keepdims: bool = False, name: str | None = None) -> Any:
    """Return mean and variance over the axes, each element counted as often as its weight says."""
    x = to_tensor(x)
    weights = to_tensor(frequency_weights, None, x.dtype)
    narrow = x.dtype if x.dtype in (dtypes.float16, dtypes.bfloat16) else None
    if narrow is not None:
        x = cast(x, dtypes.float32)
    weights = cast(weights, x.dtype)
    weighted = multiply(weights, x)
    sum_of_weights = add(weights, apply(find("ZerosLike"), x))
    total = reduce_sum(sum_of_weights, axes, True)
    mean = divide(reduce_sum(weighted, axes, True), total)
    variance = divide(reduce_sum(multiply(weights, _distance(x, mean)), axes, True), total)
    if not keepdims:
        around = [axes] if isinstance(axes, int) else list(axes)
        mean, variance = array.squeeze(mean, around), array.squeeze(variance, around)
    return (mean, variance) if narrow is None else (cast(mean, narrow), cast(variance, narrow))


@public("nn.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any, name: str | None = None
) -> Any:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + offset."""
    x = to_tensor(x)
    factor = _rsqrt(add(variance, variance_epsilon))
    if scale is not None:
        factor = multiply(factor, scale)
    moved = multiply(mean, factor)
    shift = apply(find("Neg"), moved) if offset is None else subtract(offset, moved)
    return add(multiply(x, cast(factor, x.dtype)), cast(shift, x.dtype))


@public("nn.batch_norm_with_global_normalization")
def batch_norm_with_global_normalization(
    input: Any,
    mean: Any,
    variance: Any,
    beta: Any,
    gamma: Any,
    variance_epsilon: Any,
    scale_after_normalization: Any,
    name: str | None = None,
) -> Any:
    """Return batch_normalization, with the scale only where `scale_after_normalization`."""
    return batch_normalization(
        input, mean, variance, beta, gamma if scale_after_normalization else None, variance_epsilon
    )


@public("compat.v1.nn.fused_batch_norm")
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
    exponential_avg_factor: float = 1.0,
) -> Any:
    """Return x normalised channel by channel, and the mean and variance used or updated."""
    x = to_tensor(x)
    if is_training and exponential_avg_factor == 1.0 and (mean is not None or variance is not None):
        raise ValueError(
            explain(
                "Both `mean` and `variance` must be `None` when `is_training` is True and `exponential_avg_factor` == 1.0."
            )
        )
    wide = dtypes.float32
    empty = eager_constant(np.zeros(0, np.float32), wide)
    mean = empty if mean is None else to_tensor(mean, None, wide)
    variance = empty if variance is None else to_tensor(variance, None, wide)
    found = apply(
        find("FusedBatchNormV3"), x, scale, offset, mean, variance,
        epsilon=max(float(epsilon), 1.001e-5), exponential_avg_factor=float(exponential_avg_factor),
        data_format=data_format, is_training=bool(is_training),
    )  # fmt: skip
    return found[0], found[1], found[2]


@public("nn.l2_normalize", "math.l2_normalize", "linalg.l2_normalize")
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Any:
    """Return x divided by its length along the axes."""
    axis = dim if axis is None else axis
    x = to_tensor(x)
    squares = real(multiply(apply(find("Conj"), x), x)) if x.dtype.is_complex else _square(x)
    rate = _rsqrt(_maximum(reduce_sum(squares, axis, True), eager_constant(epsilon, squares.dtype)))
    return multiply(x, cast(rate, x.dtype))


@public("nn.embedding_lookup")
def embedding_lookup(params: Any, ids: Any, max_norm: Any = None, name: str | None = None) -> Any:
    """Return the rows of `params` that `ids` names; several parts follow each other."""
    if isinstance(params, (list, tuple)):
        if not params:
            raise ValueError(explain("Argument `params` should not be empty."))
        params = params[0] if len(params) == 1 else array.concat([to_tensor(p) for p in params], 0)
    ids = to_tensor(ids, None, dtypes.int32)
    rows = picking.gather(params, ids)
    if max_norm is None:
        return rows
    inner = list(range(ids.shape.rank, rows.shape.rank))
    return clip_by_norm(rows, max_norm, inner)


@public("nn.lrn", "nn.local_response_normalization")
def local_response_normalization(
    input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5, name: str | None = None
) -> Any:
    """Return the input divided by a power of the sum of squares of near channels."""
    return apply(find("LRN"), input, depth_radius=depth_radius, bias=float(bias), alpha=float(alpha), beta=float(beta))
