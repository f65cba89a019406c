"""Declare activations, biases, softmax, cross entropy and batch normalisation."""

from __future__ import annotations

from typing import Literal

from millstream.base.dtypes import bfloat16, float16, float32, float64, int32, int64, qint8
from millstream.base.sizes import product
from millstream.ops.convolution import from_last, to_last
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.math import EDGES
from millstream.ops.types import FLOATS, INTEGERS, NUMBERS, QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert, scalar_like, select
from millstream.program.primitives.indexing import one_hot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.rows import log_softmax_gradient, softmax_gradient
from millstream.program.primitives.shaping import (
    BROADCAST,
    broadcast,
    broadcast_together,
    constant,
    full,
    literal,
    scalar_size,
    spread,
    stop_gradient,
)
from millstream.program.value import Value

Float = Types("T", *FLOATS)
Real = Types("T", *FLOATS, *INTEGERS)
Layout = Literal["NHWC", "NCHW"]


def positive(x: Value) -> Value:
    """Return whether x > 0."""
    return compare(x, scalar_like(x, 0), "GT")


@op("Relu", outputs="activations")
def relu(features: Tensor[Types("T", *FLOATS, *INTEGERS, qint8)]) -> Tensor[Types("T", *FLOATS, *INTEGERS, qint8)]:
    """Return max(features, 0)."""
    return e.maximum(features, scalar_like(features, 0))


@relu.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    return (select(positive(y), dy, scalar_like(dy, 0)),)


@op("ReluGrad", outputs="backprops")
def relu_gradient(gradients: Tensor[Real], features: Tensor[Real]) -> Tensor[Real]:
    """Return gradients where features > 0, else 0."""
    return select(positive(features), gradients, scalar_like(gradients, 0))


def _within_six(x: Value) -> Value:
    return e.bit_and(positive(x), compare(x, scalar_like(x, 6), "LT"))


@op("Relu6", outputs="activations")
def relu6(features: Tensor[Real]) -> Tensor[Real]:
    """Return min(max(features, 0), 6)."""
    return e.minimum(e.maximum(features, scalar_like(features, 0)), scalar_like(features, 6))


@relu6.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    return (select(_within_six(y), dy, scalar_like(dy, 0)),)


@op("Relu6Grad", outputs="backprops")
def relu6_gradient(gradients: Tensor[Real], features: Tensor[Real]) -> Tensor[Real]:
    """Return gradients where 0 < features < 6, else 0."""
    return select(_within_six(features), gradients, scalar_like(gradients, 0))


@op("LeakyRelu", outputs="activations")
def leaky_relu(
    features: Tensor[Types("T", *FLOATS, default=float32)], *, alpha: float = 0.2
) -> Tensor[Types("T", *FLOATS)]:
    """Return features where positive, alpha * features elsewhere."""
    return select(positive(features), features, features * alpha)


@op("LeakyReluGrad", outputs="backprops")
def leaky_relu_gradient(
    gradients: Tensor[Types("T", *FLOATS, default=float32)],
    features: Tensor[Types("T", *FLOATS, default=float32)],
    *,
    alpha: float = 0.2,
) -> Tensor[Types("T", *FLOATS)]:
    """Return gradients where features are positive, alpha * gradients elsewhere."""
    return select(positive(features), gradients, gradients * alpha)


@op("Elu", outputs="activations")
def elu(features: Tensor[Float]) -> Tensor[Float]:
    """Return features where positive, exp(features) - 1 elsewhere."""
    return select(positive(features), features, e.expm1(features))


@elu.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    return (select(positive(y), dy, dy * (y + 1)),)


@op("EluGrad", outputs="backprops")
def elu_gradient(gradients: Tensor[Float], outputs: Tensor[Float]) -> Tensor[Float]:
    """Return gradients where outputs are positive, gradients * (outputs + 1) elsewhere."""
    return select(positive(outputs), gradients, gradients * (outputs + 1))


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@op("Selu", outputs="activations")
def selu(features: Tensor[Float]) -> Tensor[Float]:
    """Return scale * features where positive, scale * alpha * (exp(features) - 1) elsewhere (Klambauer et al. 2017)."""
    return select(positive(features), features * SELU_SCALE, e.expm1(features) * (SELU_SCALE * SELU_ALPHA))


@selu.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    return (select(positive(y), dy * SELU_SCALE, dy * (y + SELU_SCALE * SELU_ALPHA)),)


@op("SeluGrad", outputs="backprops")
def selu_gradient(gradients: Tensor[Float], outputs: Tensor[Float]) -> Tensor[Float]:
    """Return what flows back through Selu, from its outputs."""
    return select(positive(outputs), gradients * SELU_SCALE, gradients * (outputs + SELU_SCALE * SELU_ALPHA))


@op("Softplus", outputs="activations")
def softplus(features: Tensor[Float]) -> Tensor[Float]:
    """Return log(1 + exp(features)), without overflow."""
    small = e.log1p(e.exp(-e.absolute(features)))
    return e.maximum(features, scalar_like(features, 0)) + small


@softplus.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    return (dy * e.logistic(features),)


@op("SoftplusGrad", outputs="backprops")
def softplus_gradient(gradients: Tensor[Float], features: Tensor[Float]) -> Tensor[Float]:
    """Return gradients / (1 + exp(-features))."""
    return gradients * e.logistic(features)


@op("Softsign", outputs="activations")
def softsign(features: Tensor[Float]) -> Tensor[Float]:
    """Return features / (1 + abs(features))."""
    return features / (e.absolute(features) + 1)


@softsign.gradient
def _(dy: Value, y: Value, features: Value) -> tuple[Value]:
    wide = e.absolute(features) + 1
    return (dy / (wide * wide),)


@op("SoftsignGrad", outputs="backprops")
def softsign_gradient(gradients: Tensor[Float], features: Tensor[Float]) -> Tensor[Float]:
    """Return gradients / (1 + abs(features)) ** 2."""
    wide = e.absolute(features) + 1
    return gradients / (wide * wide)


Biased = Types("T", *NUMBERS, *QUANTIZED)


def _channel(data_format: str, rank: int) -> int:
    return 1 if data_format == "NCHW" and rank > 1 else rank - 1


@op("BiasAdd", outputs="output")
def bias_add(value: Tensor[Biased], bias: Tensor[Biased], *, data_format: Layout = "NHWC") -> Tensor[Biased]:
    """Add a vector along the channels."""
    if bias.rank != 1 or value.rank < 2:
        raise refuse("BiasAdd", f"{value.spec} and bias {bias.spec}", "give a vector, and a tensor of rank 2 or more")
    return value + broadcast(bias, value.shape, (_channel(data_format, value.rank),))


@op("BiasAddGrad", outputs="output")
def bias_add_gradient(out_backprop: Tensor[Biased], *, data_format: Layout = "NHWC") -> Tensor[Biased]:
    """Sum over all axes but the channels."""
    channel = _channel(data_format, out_backprop.rank)
    return reduce(out_backprop, "sum", [i for i in range(out_backprop.rank) if i != channel])


@op("L2Loss", outputs="output")
def l2_loss(t: Tensor[Float]) -> Tensor[Float]:
    """Return half of the sum of squares."""
    return reduce(t * t, "sum", range(t.rank)) * 0.5


@op("Softmax", outputs="softmax")
def softmax(logits: Tensor[Float]) -> Tensor[Float]:
    """Scale `logits` so that each row along the last axis is positive and sums to one.

    softmax[..., j] = exp(logits[..., j]) / sum_k exp(logits[..., k]), after subtracting the row's maximum.
    """
    if logits.rank < 1:
        raise refuse("Softmax", "a scalar", "give a tensor of rank 1 or more")
    last = (logits.rank - 1,)
    most = spread(stop_gradient(reduce(logits, "max", last)), like=logits, axes=last)
    weight = e.exp(logits - most)
    total = spread(reduce(weight, "sum", last), like=logits, axes=last)
    found = weight / total
    if logits.dtype not in (float32, bfloat16):
        return found
    # TensorFlow's rows with NaN or +inf are NaN there and 0 elsewhere, but for these two types only.
    number = compare(logits, scalar_like(logits, float("inf")), "LT")
    empty = compare(most, scalar_like(logits, float("-inf")), "EQ")
    zero = e.bit_and(e.bit_and(e.is_nan(total), number), e.logical_not(empty))
    return select(zero, scalar_like(logits, 0), found)


@softmax.gradient
def _(dy: Value, y: Value, logits: Value) -> tuple[Value]:
    return (softmax_gradient(dy, y),)


@op("LogSoftmax", outputs="logsoftmax")
def log_softmax(logits: Tensor[Float]) -> Tensor[Float]:
    """Return log(softmax(logits)) along the last axis, without underflow."""
    if logits.rank < 1:
        raise refuse("LogSoftmax", "a scalar", "give a tensor of rank 1 or more")
    last = (logits.rank - 1,)
    low = logits - spread(stop_gradient(reduce(logits, "max", last)), like=logits, axes=last)
    return low - spread(e.log(reduce(e.exp(low), "sum", last)), like=logits, axes=last)


@log_softmax.gradient
def _(dy: Value, y: Value, logits: Value) -> tuple[Value]:
    return (log_softmax_gradient(dy, y),)


def is_zero(value: Value) -> bool:
    """Return whether a value is zeros made to stand for an output that nothing flows back from."""
    node = value.node
    found = literal(node.inputs[0]) if node is not None and node.definition is BROADCAST else literal(value)
    return found is not None and found.size == 1 and not found.any()


@op("SoftmaxCrossEntropyWithLogits", outputs=("loss", "backprop"))
def softmax_cross_entropy(features: Tensor[Float], labels: Tensor[Float]) -> tuple[Tensor[Float], Tensor[Float]]:
    """Return -sum(labels * log_softmax(features)) of each row, and its gradient by the features."""
    features, labels = broadcast_together(features, labels, what="SoftmaxCrossEntropyWithLogits")
    if features.rank != 2:
        raise refuse(
            "SoftmaxCrossEntropyWithLogits", f"logits of shape {list(features.shape)}", "give [batch, classes]"
        )
    logs = log_softmax(features)
    return reduce(labels * -logs, "sum", (1,)), e.exp(logs) - labels


@softmax_cross_entropy.gradient
def _(dys: tuple[Value, Value], ys: tuple[Value, Value], features: Value, labels: Value) -> tuple[Value, Value]:
    dloss, dback = dys
    rows = broadcast(dloss, ys[1].shape, (0,))
    if is_zero(dback):
        return rows * ys[1], -rows * log_softmax(features)
    # The second output depends on the features, too; on the labels also, which TensorFlow leaves out.
    return rows * ys[1] + softmax_gradient(dback, softmax(features)), -rows * log_softmax(features)


Labels = Types("Tlabels", int32, int64, default=int64)


@op("SparseSoftmaxCrossEntropyWithLogits", outputs=("loss", "backprop"))
def sparse_softmax_cross_entropy(
    features: Tensor[Float], labels: Tensor[Labels]
) -> tuple[Tensor[Float], Tensor[Float]]:
    """Return -log_softmax(features)[label] of each row, and its gradient by the features. Labels outside are refused."""
    if features.rank != 2 or labels.rank != 1:
        raise refuse(
            "SparseSoftmaxCrossEntropyWithLogits",
            f"{features.spec} and {labels.spec}",
            "give [batch, classes] and [batch]",
        )
    classes = features.shape[1]
    count = broadcast(scalar_size(classes, labels.dtype), labels.shape, ())
    inside = e.bit_and(compare(labels, scalar_like(labels, 0), "GE"), compare(labels, count, "LT"))
    check(
        reduce(inside, "and", (0,)),
        f"Received a label value which is outside the valid range of [0, {classes})",
        data=[labels],
    )
    hot = one_hot(labels, classes, -1, features.dtype)  # type: ignore[arg-type]
    logs = log_softmax(features)
    # The logarithms of other classes weigh nothing, also where they are -inf.
    other = compare(hot, scalar_like(hot, 0), "EQ")
    return reduce(select(other, scalar_like(logs, 0), -logs), "sum", (1,)), e.exp(logs) - hot


@sparse_softmax_cross_entropy.gradient
def _(dys: tuple[Value, Value], ys: tuple[Value, Value], features: Value, labels: Value) -> tuple[Value, None]:
    dloss, dback = dys
    grad = broadcast(dloss, ys[1].shape, (0,)) * ys[1]
    return (grad if is_zero(dback) else grad + softmax_gradient(dback, softmax(features))), None


BatchX = Types("T", float16, bfloat16, float32)
BatchU = Types("U", bfloat16, float32)


@op(
    "FusedBatchNormV3",
    outputs=("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
)
def fused_batch_norm(
    x: Tensor[BatchX],
    scale: Tensor[BatchU],
    offset: Tensor[BatchU],
    mean: Tensor[BatchU],
    variance: Tensor[BatchU],
    *,
    epsilon: float = 0.0001,
    exponential_avg_factor: float = 1.0,
    data_format: Literal["NHWC", "NCHW", "NDHWC", "NCDHW"] = "NHWC",
    is_training: bool = True,
) -> tuple[Tensor[BatchX], Tensor[BatchU], Tensor[BatchU], Tensor[BatchU], Tensor[BatchU], Tensor[BatchU]]:
    """Normalise each channel by its mean and variance (of the batch in training), then scale and shift it."""
    last = convert(to_last(x, data_format), scale.dtype)
    axes = tuple(range(last.rank - 1))
    if is_training:
        n = scalar_size(product(last.shape[:-1]), scale.dtype)
        center = reduce(last, "sum", axes) / broadcast(n, scale.shape, ())
        shifted = last - spread(center, like=last, axes=axes)
        spread_out = reduce(shifted * shifted, "sum", axes) / broadcast(n, scale.shape, ())
        one = constant(1, scale.dtype)
        bessel = n / e.maximum(n - one, one)
        sample = spread_out * broadcast(bessel, scale.shape, ())
        f = exponential_avg_factor
        new_mean = center if f == 1 else mean * (1 - f) + center * f
        new_variance = sample if f == 1 else variance * (1 - f) + sample * f
    else:
        center, spread_out, new_mean, new_variance = mean, variance, mean, variance
        shifted = last - spread(center, like=last, axes=axes)
    rate = e.rsqrt(spread_out + epsilon)
    y = shifted * spread(rate * scale, like=last, axes=axes) + spread(offset, like=last, axes=axes)
    third = full((0,), 0, scale.dtype)
    return from_last(convert(y, x.dtype), data_format), new_mean, new_variance, center, spread_out, third


OldBatchX = Types("T", float16, bfloat16, float32)
OldBatchU = Types("U", float32)


@op(
    "FusedBatchNormV2",
    outputs=("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
)
def fused_batch_norm_of_version_2(
    x: Tensor[OldBatchX],
    scale: Tensor[OldBatchU],
    offset: Tensor[OldBatchU],
    mean: Tensor[OldBatchU],
    variance: Tensor[OldBatchU],
    *,
    epsilon: float = 0.0001,
    exponential_avg_factor: float = 1.0,
    data_format: Literal["NHWC", "NCHW"] = "NHWC",
    is_training: bool = True,
) -> tuple[Tensor[OldBatchX], Tensor[OldBatchU], Tensor[OldBatchU], Tensor[OldBatchU], Tensor[OldBatchU]]:
    """Return what version 3 does, without its last output."""
    return fused_batch_norm(
        x,
        scale,
        offset,
        mean,
        variance,
        epsilon=epsilon,
        exponential_avg_factor=exponential_avg_factor,
        data_format=data_format,
        is_training=is_training,
    )[:5]


OldestBatch = Types("T", float32)


@op("FusedBatchNorm", outputs=("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"))
def fused_batch_norm_of_version_1(
    x: Tensor[OldestBatch],
    scale: Tensor[OldestBatch],
    offset: Tensor[OldestBatch],
    mean: Tensor[OldestBatch],
    variance: Tensor[OldestBatch],
    *,
    epsilon: float = 0.0001,
    exponential_avg_factor: float = 1.0,
    data_format: Literal["NHWC", "NCHW"] = "NHWC",
    is_training: bool = True,
) -> tuple[Tensor[OldestBatch], Tensor[OldestBatch], Tensor[OldestBatch], Tensor[OldestBatch], Tensor[OldestBatch]]:
    """Return what version 2 does, of one element type."""
    return fused_batch_norm_of_version_2(
        x,
        scale,
        offset,
        mean,
        variance,
        epsilon=epsilon,
        exponential_avg_factor=exponential_avg_factor,
        data_format=data_format,
        is_training=is_training,
    )


for _op in (relu, relu6, elu, selu, softplus, softsign, leaky_relu):
    _op.cases([(3,), ("batch", 4), (0, 3)])
    _op.cases([(8,)], extreme=EDGES, dtypes=FLOATS)
for _op in (
    relu_gradient,
    relu6_gradient,
    leaky_relu_gradient,
    elu_gradient,
    selu_gradient,
    softplus_gradient,
    softsign_gradient,
):
    _op.cases([((3, 2), (3, 2)), (("batch", 4), ("batch", 4))], low=0.2, high=2)
bias_add.cases([((2, 3), (3,)), (("batch", 4, 3), (3,))], dtypes=NUMBERS)
bias_add.cases([((2, 3, 4), (3,))], attributes={"data_format": "NCHW"}, dtypes=[float32, float64])
bias_add_gradient.cases([(2, 3), ("batch", 4, 3)], dtypes=[float32, float64, int32])
l2_loss.cases([(3,), ("batch", 4)])
for _op in (softmax, log_softmax):
    _op.cases([(3,), (4, 5), ("batch", 10), (2, 3, 4)])
    _op.cases([(2, 4)], extreme=[1e4, -1e4, 3.0, float("-inf")], dtypes=FLOATS)
softmax_cross_entropy.cases([((4, 5), (4, 5)), (("batch", 3), ("batch", 3))], low=0.1, high=0.9, gradient=False)
softmax_cross_entropy.cases([((4, 5), (4, 5))], inputs=(None, lambda r: r.dirichlet([1.0] * 5, 4)), gradient=False)
sparse_softmax_cross_entropy.cases([((4, 5), (4,))], inputs=(None, [0, 4, 2, 2]))
for _training in (True, False):
    fused_batch_norm.cases(
        [((4, 3, 2, 5), (5,), (5,), (5,), (5,)), (("batch", 3, 2, 5), (5,), (5,), (5,), (5,))],
        attributes={"is_training": _training, "epsilon": 1e-3, "exponential_avg_factor": 0.25, "U": float32},
        dtypes=[float32, bfloat16],
        low=0.5,
        high=2,
    )
    for _op, _types in ((fused_batch_norm_of_version_2, {"U": float32}), (fused_batch_norm_of_version_1, {})):
        _op.cases(
            [((4, 3, 2, 5), (5,), (5,), (5,), (5,))],
            attributes={"is_training": _training, "epsilon": 1e-3, "exponential_avg_factor": 0.25, **_types},
            dtypes=[float32],
            low=0.5,
            high=2,
        )
