"""tf.nn's losses: cross entropies of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.calls import call_of
from millstream.api.math import abs_, add, cast, multiply, subtract
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

_dense, _sparse = call_of("SoftmaxCrossEntropyWithLogits"), call_of("SparseSoftmaxCrossEntropyWithLogits")
_log1p, _exp, _select, _negate = call_of("Log1p"), call_of("Exp"), call_of("SelectV2"), call_of("Neg")
_NARROW = (dtypes.float16, dtypes.bfloat16)


@public("nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return the cross entropy of softmax(logits) and label distributions along `axis`."""
    if labels is None or logits is None:
        raise ValueError(explain("Both `labels` and `logits` must be provided."))
    logits = to_tensor(logits)
    wide = cast(logits, dtypes.float32) if logits.dtype in _NARROW else logits
    labels = cast(to_tensor(labels, None, wide.dtype), wide.dtype)
    rank = logits.shape.rank
    if rank is None:
        raise ValueError(
            explain("softmax_cross_entropy_with_logits needs logits of known rank; give it with tf.ensure_shape.")
        )
    axis %= rank
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        wide, labels = array.transpose(wide, order), array.transpose(labels, order)
    if rank == 2:
        loss = _dense(wide, labels)[0]
    else:
        lead = array.shape(wide)[:-1]
        classes = _last(wide)
        loss = _dense(array.reshape(wide, [-1, classes]), array.reshape(labels, [-1, _last(labels)]))[0]
        loss = array.reshape(loss, lead)
    return cast(loss, logits.dtype)


def _last(x: Any) -> Any:
    return x.shape[-1] if x.shape[-1] is not None else array.shape(x)[-1]


@public("nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return the cross entropy of softmax(logits) and the class that each label names."""
    if labels is None or logits is None:
        raise ValueError(explain("Both `labels` and `logits` must be provided."))
    labels, logits = to_tensor(labels, None, dtypes.int32), to_tensor(logits)
    wide = cast(logits, dtypes.float32) if logits.dtype in _NARROW else logits
    if logits.shape.rank == 0:
        raise ValueError(explain(f"`logits` cannot be a scalar. Received logits={logits}"))
    known = logits.shape.rank is not None and labels.shape.rank is not None
    if known and labels.shape.rank != logits.shape.rank - 1:
        raise ValueError(
            explain(
                f"`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: labels.shape={labels.shape} of rank "
                f"{labels.shape.rank} and logits.shape={logits.shape} of rank {logits.shape.rank}"
            )
        )
    if known and not labels.shape.is_compatible_with(logits.shape[:-1]):
        raise ValueError(
            explain(
                "`labels.shape` must equal `logits.shape` except for the last dimension. Received: "
                f"labels.shape={labels.shape} and logits.shape={logits.shape}"
            )
        )
    if logits.shape.rank == 2:
        loss = _sparse(wide, labels)[0]
    else:
        loss = _sparse(array.reshape(wide, [-1, _last(wide)]), array.reshape(labels, [-1]))[0]
        loss = array.reshape(loss, array.shape(labels))
    return cast(loss, logits.dtype)


def _check_shapes(what: str, labels: Any, logits: Any) -> None:
    if not labels.shape.is_compatible_with(logits.shape):
        raise ValueError(
            explain(
                f"`logits` and `labels` must have the same shape, received ({logits.shape} vs {labels.shape}) by {what}."
            )
        )


@public("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Return the cross entropy of sigmoid(logits) and labels, elementwise."""
    if labels is None or logits is None:
        raise ValueError(explain("Both `labels` and `logits` must be provided."))
    logits = to_tensor(logits)
    labels = to_tensor(labels, None, logits.dtype)
    _check_shapes("sigmoid_cross_entropy_with_logits", labels, logits)
    zeros = apply(find("ZerosLike"), logits)
    positive = apply(find("GreaterEqual"), logits, zeros)
    upper = _select(positive, logits, zeros)
    lower = _select(positive, _negate(logits), logits)
    return add(subtract(upper, multiply(logits, labels)), _log1p(_exp(lower)))


@public("nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return the cross entropy of sigmoid(logits) and labels, positive labels weighing `pos_weight`."""
    logits = to_tensor(logits)
    labels = to_tensor(labels, None, logits.dtype)
    _check_shapes("weighted_cross_entropy_with_logits", labels, logits)
    one = eager_constant(1, logits.dtype)
    weight = add(one, multiply(subtract(pos_weight, one), labels))
    inner = add(_log1p(_exp(_negate(abs_(logits)))), apply(find("Relu"), _negate(logits)))
    return add(multiply(subtract(one, labels), logits), multiply(weight, inner))


@public("nn.log_poisson_loss")
def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Any:
    """Return exp(log_input) - log_input * targets, with Stirling's term where asked."""
    log_input = to_tensor(log_input)
    targets = to_tensor(targets, None, log_input.dtype)
    _check_shapes("log_poisson_loss", targets, log_input)
    result = subtract(_exp(log_input), multiply(log_input, targets))
    if not compute_full_loss:
        return result
    half, turn = eager_constant(0.5, targets.dtype), eager_constant(2 * np.pi, targets.dtype)
    log = apply(find("Log"), targets)
    stirling = add(
        subtract(multiply(targets, log), targets), multiply(half, apply(find("Log"), multiply(turn, targets)))
    )
    small = apply(find("LessEqual"), targets, eager_constant(1, targets.dtype))
    return add(result, _select(small, apply(find("ZerosLike"), targets), stirling))


@public("nn.compute_average_loss")
def compute_average_loss(per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None) -> Any:
    """Return the weighted sum of the losses divided by the size of the batch."""
    loss = to_tensor(per_example_loss)
    if sample_weight is not None:
        loss = multiply(loss, cast(sample_weight, loss.dtype))
    if global_batch_size is None:
        global_batch_size = array.shape(loss)[0] if loss.shape.rank else 1
    total = apply(find("Sum"), loss, array.index_tensor(list(range(loss.shape.rank or 0))), keep_dims=False)
    return apply(find("DivNoNan"), total, cast(global_batch_size, loss.dtype))
