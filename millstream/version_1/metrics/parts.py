"""What metrics are made of: local variables, their updates, labels beside predictions. Refuses to work outside of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.execution.variable import VariableAggregation, VariableSynchronization
from millstream.version_1.variables.keys import GraphKeys, add_to_collections
from millstream.version_1.weights import fitted, spread_weights, squeezed

tf: Any = root()


def refuse_at_once(name: str) -> None:
    """Raise RuntimeError where ops run at once."""
    if executing_eagerly():
        raise RuntimeError(explain(f"tf.metrics.{name} is not supported when eager execution is enabled."))


def metric_variable(shape: Any, dtype: Any, name: str) -> Any:
    """Return a new local variable of zeros."""
    return tf.compat.v1.Variable(
        lambda: tf.zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        synchronization=VariableSynchronization.ON_READ,
        aggregation=VariableAggregation.SUM,
        name=name,
    )


def added(variable: Any, value: Any, name: str | None = None) -> Any:
    """Add to a variable and return what it holds then."""
    return tf.compat.v1.assign_add(variable, value, name=name)


def quotient(numerator: Any, denominator: Any, name: str | None = None) -> Any:
    """Divide; 0 where the denominator is not positive."""
    return tf.math.divide_no_nan(numerator, tf.maximum(denominator, 0), name=name)


def collected(value: Any, update: Any, metrics_collections: Any, updates_collections: Any) -> tuple[Any, Any]:
    """Put the value and the update into collections, and return them."""
    if metrics_collections:
        add_to_collections(metrics_collections, value)
    if updates_collections:
        add_to_collections(updates_collections, update)
    return value, update


def beside(
    predictions: Any, labels: Any, weights: Any, cast: Callable[[Any], Any] = tf.convert_to_tensor
) -> tuple[Any, Any, Any]:
    """Return predictions, labels and weights of fitting ranks; the weights may be None."""
    labels, predictions = squeezed(cast(labels), cast(predictions))
    predictions.shape.assert_is_compatible_with(labels.shape)
    return predictions, labels, None if weights is None else fitted(weights, predictions)


def as_floats(value: Any) -> Any:
    """Return `value` as float32 numbers."""
    return tf.cast(value, dtypes.float32)


def as_bools(value: Any) -> Any:
    """Return whether each of `value` is not 0."""
    return tf.cast(value, dtypes.bool)


def spread(weights: Any, values: Any, dtype: Any = dtypes.float32) -> Any:
    """Return the weights in the shape of the values."""
    return spread_weights(tf.cast(weights, dtype), values)
