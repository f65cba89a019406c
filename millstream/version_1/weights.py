"""Weights of losses and metrics in tf.compat.v1: how they are spread over values, and axes of size 1 that one of two has more.
Refuses weights that have neither one element nor the rank of the values."""

from __future__ import annotations

from typing import Any

from millstream.api.public import root
from millstream.base.errors import explain

tf: Any = root()


_REFUSAL = "weights can not be broadcast to values."


def spread_weights(weights: Any, values: Any) -> Any:
    """Return the weights in the shape of the values: they have one element, or the same rank with sizes 1 or equal."""
    weights, values = tf.convert_to_tensor(weights), tf.convert_to_tensor(values)
    check_weights(weights, values)
    if weights.shape.is_fully_defined() and weights.shape == values.shape:
        return weights
    return weights * tf.ones_like(values, dtype=weights.dtype)


def check_weights(weights: Any, values: Any) -> None:
    """Refuse weights that cannot be spread over the values.

    Raises:
      ValueError: their shapes are known and do not fit; else an error comes when the graph runs.
    """
    if weights.shape.rank == 0:
        return
    shapes = f"values.rank={values.shape.rank}. weights.rank={weights.shape.rank}. values.shape={values.shape}. "
    if weights.shape.rank is not None and values.shape.rank is not None:
        if weights.shape.rank != values.shape.rank:
            raise ValueError(explain(f"{_REFUSAL} {shapes}weights.shape={weights.shape}."))
        known = zip(weights.shape.as_list(), values.shape.as_list(), strict=True)
        if any(w is not None and v is not None and w not in (1, v) for w, v in known):
            raise ValueError(explain(f"{_REFUSAL} Mismatch. {shapes}weights.shape={weights.shape}."))


def squeezed(labels: Any, predictions: Any, more: int = 0) -> tuple[Any, Any]:
    """Return labels and predictions without the last axis, of size 1, that one of them has beyond the expected `more`."""
    labels, predictions = tf.convert_to_tensor(labels), tf.convert_to_tensor(predictions)
    if labels.shape.rank is None or predictions.shape.rank is None:
        return labels, predictions
    difference = predictions.shape.rank - labels.shape.rank
    if difference == more + 1 and predictions.shape[-1] in (1, None):
        predictions = tf.squeeze(predictions, [-1])
    elif difference == more - 1 and labels.shape[-1] in (1, None):
        labels = tf.squeeze(labels, [-1])
    return labels, predictions


def fitted(weights: Any, predictions: Any) -> Any:
    """Return the weights with as many axes as the predictions, where they have one more or less; scalars as they are."""
    weights = tf.convert_to_tensor(weights)
    if weights.shape.rank is None or predictions.shape.rank is None or weights.shape.rank == 0:
        return weights
    if weights.shape.rank - predictions.shape.rank == 1:
        return tf.squeeze(weights, [-1])
    if predictions.shape.rank - weights.shape.rank == 1:
        return tf.expand_dims(weights, [-1])
    return weights
