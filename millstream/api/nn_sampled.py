"""tf.nn's losses of sampled classes."""

from __future__ import annotations

from typing import Any

from millstream.api import array, picking
from millstream.api.calls import named
from millstream.api.linalg import matmul
from millstream.api.math import cast
from millstream.api.nn_embedding import embedding_lookup_v1
from millstream.api.nn_losses import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits
from millstream.api.public import public
from millstream.api.random_candidates import log_uniform_candidate_sampler
from millstream.api.reduction import reduce_sum
from millstream.base import dtypes
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find


@public("nn.compute_accidental_hits")
def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: Any = None, name: str | None = None
) -> Any:
    """Return which sampled classes are among the true ones, to take them out of a loss.

    Arguments:
      true_classes: int64 [batch_size, num_true].
      sampled_candidates: int64 [num_sampled], as a candidate sampler gives them.
      num_true: how many true classes an element has.
      seed, name: not used.

    Returns:
      indices int32 (rows of true_classes), ids int64 (places among the samples), weights float32 (all the lowest number).

    >>> rows, places, _ = tf.nn.compute_accidental_hits([[0, 3], [5, 1]], [3, 1], 2)
    >>> rows.numpy().tolist(), places.numpy().tolist()
    ([0, 1], [0, 1])
    """
    classes, samples = to_tensor(true_classes, dtypes.int64), to_tensor(sampled_candidates, dtypes.int64)
    return named(find("ComputeAccidentalHits"), classes, samples, num_true=num_true)


def _logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_hits: bool,
    strategy: str,
    seed: Any = None,
) -> tuple[Any, Any]:
    """Return logits of the true and the sampled classes, [batch, num_true + num_sampled], and their labels."""
    labels, inputs = to_tensor(labels), to_tensor(inputs)
    labels = cast(labels, dtypes.int64)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes, seed=seed)
    stop = find("StopGradient")
    sampled, true_expected, sampled_expected = (apply(stop, to_tensor(v)) for v in sampled_values)
    sampled = cast(sampled, dtypes.int64)
    flat = array.reshape(labels, [-1])
    ids = array.concat([flat, sampled], 0)
    tables = list(weights) if isinstance(weights, (list, tuple)) else [weights]
    rows = cast(embedding_lookup_v1(tables, ids, partition_strategy=strategy), inputs.dtype)
    shifts = cast(embedding_lookup_v1(biases, ids, partition_strategy=strategy), inputs.dtype)
    count = array.size(flat)
    own = array.reshape(rows[:count], array.concat([array.index_tensor([-1, num_true]), array.shape(rows)[1:]], 0))
    true_logits = reduce_sum(array.expand_dims(inputs, 1) * own, -1) + array.reshape(shifts[:count], [-1, num_true])
    sampled_logits = matmul(inputs, rows[count:], transpose_b=True) + shifts[count:]
    if remove_hits:
        hit_rows, places, lowest = compute_accidental_hits(labels, sampled, num_true)
        indices = array.stack([cast(hit_rows, dtypes.int64), places], 1)
        shape = cast(array.shape(sampled_logits), dtypes.int64)
        sampled_logits = sampled_logits + picking.scatter_nd(indices, cast(lowest, sampled_logits.dtype), shape)
    log = find("Log")
    true_logits = true_logits - cast(apply(log, true_expected), true_logits.dtype)
    sampled_logits = sampled_logits - cast(apply(log, sampled_expected), sampled_logits.dtype)
    right = array.ones_like(true_logits) / eager_constant(num_true, true_logits.dtype)
    return array.concat([true_logits, sampled_logits], 1), array.concat([right, array.zeros_like(sampled_logits)], 1)


_ARGUMENTS = """

    Arguments:
      weights: [num_classes, dim], or a list of its parts.
      biases: [num_classes].
      labels: int64 [batch_size, num_true]: the true classes.
      inputs: [batch_size, dim].
      num_sampled: how many classes to sample for the batch.
      num_classes: how many there are.
      num_true: how many true classes an element has.
      sampled_values: what a candidate sampler gave; None: log_uniform_candidate_sampler is asked.
      remove_accidental_hits: whether samples that are true classes do not count.

    Returns:
      [batch_size]: the loss of each element.
    """


@public("nn.nce_loss")
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    name: str = "nce_loss",
) -> Any:
    """Return the noise-contrastive loss: the sigmoid cross entropy of true against sampled classes, summed."""
    return nce_loss_v1(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits, "div"
    )  # fmt: skip


@public("compat.v1.nn.nce_loss")
def nce_loss_v1(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Any:
    """Return the noise-contrastive loss; `partition_strategy` says how a list of weights is cut."""
    logits, wanted = _logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits,
        partition_strategy,
    )  # fmt: skip
    return reduce_sum(sigmoid_cross_entropy_with_logits(wanted, logits), -1)


@public("nn.sampled_softmax_loss")
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    seed: Any = None,
    name: str = "sampled_softmax_loss",
) -> Any:
    """Return the softmax cross entropy of true against sampled classes."""
    return sampled_softmax_loss_v1(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits, "div",
        seed=seed,
    )  # fmt: skip


@public("compat.v1.nn.sampled_softmax_loss")
def sampled_softmax_loss_v1(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: Any = None,
) -> Any:
    """Return the softmax cross entropy of true against sampled classes; `partition_strategy` cuts a list of weights."""
    logits, wanted = _logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits,
        partition_strategy, seed,
    )  # fmt: skip
    return softmax_cross_entropy_with_logits(apply(find("StopGradient"), wanted), logits)


for _function in (nce_loss, nce_loss_v1, sampled_softmax_loss, sampled_softmax_loss_v1):
    _function.__doc__ = (_function.__doc__ or "") + _ARGUMENTS
