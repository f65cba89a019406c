"""Metrics that are means: of values, of errors, of what is right, per class and over classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.version_1.metrics.parts import (
    added,
    as_floats,
    beside,
    collected,
    metric_variable,
    quotient,
    refuse_at_once,
    spread,
)
from millstream.version_1.variables.scope import variable_scope
from millstream.version_1.weights import fitted, squeezed

tf: Any = root()

Metric = tuple[Any, Any]
"""The value, and the operation that updates it and gives the new one."""


def _running(values: Any, weights: Any, where: Any, name: str | None) -> Metric:
    """Return the mean of all values so far, each with its weight."""
    with variable_scope(name, "mean", (values, weights)):
        values = as_floats(values)
        total, count = metric_variable([], dtypes.float32, "total"), metric_variable([], dtypes.float32, "count")
        if weights is None:
            number = as_floats(tf.size(values))
        else:
            weights = spread(fitted(weights, values), values)
            values, number = values * weights, tf.reduce_sum(weights)
        update_total = added(total, tf.reduce_sum(values))
        with tf.control_dependencies([values]):
            update_count = added(count, number)
        value = quotient(total, count, "value")
        return collected(value, quotient(update_total, update_count, "update_op"), *where)


@public("compat.v1.metrics.mean")
def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean of all values so far.

    Args:
      values: numbers of any shape.
      weights: a scalar or a tensor of the same rank, with sizes 1 or equal.
      metrics_collections: collections that the value is added to.
      updates_collections: collections that the update is added to.
      name: the scope of the variables.

    Returns:
      The value so far, and the operation that takes in the values and gives the new one.

    Raises:
      RuntimeError: outside of graphs.
      ValueError: the weights do not fit.

    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     value, update = tf.compat.v1.metrics.mean([1.0, 3.0])
    ...     session.run(tf.compat.v1.local_variables_initializer())
    ...     _ = session.run(update)
    ...     print(session.run(value))
    2.0
    """
    refuse_at_once("mean")
    return _running(values, weights, (metrics_collections, updates_collections), name)


@public("compat.v1.metrics.mean_tensor")
def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean of all values so far, element by element; see `mean`."""
    refuse_at_once("mean_tensor")
    with variable_scope(name, "mean", (values, weights)):
        values = as_floats(values)
        total = metric_variable(values.shape, dtypes.float32, "total_tensor")
        count = metric_variable(values.shape, dtypes.float32, "count_tensor")
        number = tf.ones_like(values)
        if weights is not None:
            weights = spread(fitted(weights, values), values)
            values, number = values * weights, number * weights
        update_total = added(total, values)
        with tf.control_dependencies([values]):
            update_count = added(count, number)
        value = quotient(total, count, "value")
        update = quotient(update_total, update_count, "update_op")
        return collected(value, update, metrics_collections, updates_collections)


@public("compat.v1.metrics.percentage_below")
def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return which part of all values so far is below `threshold`; see `mean`."""
    refuse_at_once("percentage_below")
    below = as_floats(tf.less(values, threshold))
    return _running(below, weights, (metrics_collections, updates_collections), name or "percentage_below_threshold")


def _mean_beside(kind: str, says: str, measure: Callable[[Any, Any], Any]) -> Any:
    """Publish the mean of what `measure` gives for predictions and labels."""

    def metric(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(kind)
        predictions, labels, weights = beside(predictions, labels, weights)
        where = (metrics_collections, updates_collections)
        return _running(measure(predictions, labels), weights, where, name or kind)

    metric.__name__ = metric.__qualname__ = kind
    metric.__doc__ = f"Return {says} so far; see `mean`."
    return public(f"compat.v1.metrics.{kind}")(metric)


_mean_beside(
    "accuracy",
    "which part of all predictions equals the labels",
    lambda predictions, labels: as_floats(tf.equal(tf.cast(predictions, labels.dtype), labels)),
)
_mean_beside(
    "mean_absolute_error",
    "the mean of |predictions - labels|",
    lambda predictions, labels: tf.abs(predictions - labels),
)
mean_squared_error = _mean_beside(
    "mean_squared_error",
    "the mean of (predictions - labels)²",
    lambda predictions, labels: tf.math.squared_difference(labels, predictions),
)


@public("compat.v1.metrics.root_mean_squared_error")
def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the root of the mean of (predictions - labels)² so far; see `mean`."""
    refuse_at_once("root_mean_squared_error")
    squares = mean_squared_error(labels, predictions, weights, None, None, name or "root_mean_squared_error")
    return collected(tf.sqrt(squares[0]), tf.sqrt(squares[1]), metrics_collections, updates_collections)


@public("compat.v1.metrics.mean_relative_error")
def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean of |predictions - labels| / normalizer so far, 0 where that is 0; see `mean`."""
    refuse_at_once("mean_relative_error")
    predictions, labels, weights = beside(predictions, labels, weights)
    normalizer, predictions = squeezed(normalizer, predictions)
    predictions.shape.assert_is_compatible_with(normalizer.shape)
    errors = tf.where(
        tf.equal(normalizer, 0), tf.zeros_like(labels), tf.divide(tf.abs(labels - predictions), normalizer)
    )
    return _running(errors, weights, (metrics_collections, updates_collections), name or "mean_relative_error")


@public("compat.v1.metrics.mean_cosine_distance")
def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return 1 - the mean of the products of labels and predictions along the axis `dim` so far; see `mean`."""
    refuse_at_once("mean_cosine_distance")
    predictions, labels, weights = beside(predictions, labels, weights)
    products = tf.reduce_sum(predictions * labels, axis=[dim], keepdims=True)
    value, update = _running(products, weights, (None, None), name or "mean_cosine_distance")
    return collected(tf.subtract(1.0, value), tf.subtract(1.0, update), metrics_collections, updates_collections)


def _flat(value: Any) -> Any:
    return tf.reshape(value, [-1]) if value.shape.rank is None or value.shape.rank > 1 else value


@public("compat.v1.metrics.mean_per_class_accuracy")
def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean over classes of the part of each class that was predicted rightly so far.

    The update gives these parts themselves; see `mean`.
    """
    refuse_at_once("mean_per_class_accuracy")
    with variable_scope(name, "mean_accuracy", (predictions, labels, weights)):
        labels, predictions = _flat(tf.cast(labels, dtypes.int64)), _flat(tf.convert_to_tensor(predictions))
        predictions, labels, weights = beside(predictions, labels, weights)
        total = metric_variable([num_classes], dtypes.float32, "total")
        count = metric_variable([num_classes], dtypes.float32, "count")
        ones = tf.ones([tf.size(labels)], dtypes.float32)
        right = as_floats(tf.equal(tf.cast(predictions, labels.dtype), labels))
        if weights is not None:
            factors = as_floats(_flat(weights))
            right, ones = right * factors, ones * factors
        update_total = tf.compat.v1.scatter_add(total, labels, ones)
        update_count = tf.compat.v1.scatter_add(count, labels, right)
        value = tf.reduce_mean(quotient(count, total), name="mean_accuracy")
        update = quotient(update_count, update_total, "update_op")
        return collected(value, update, metrics_collections, updates_collections)


@public("compat.v1.metrics.mean_iou")
def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean over classes of right / (predicted + labelled - right) so far.

    The update gives the confusion matrix; see `mean`.
    """
    refuse_at_once("mean_iou")
    with variable_scope(name, "mean_iou", (predictions, labels, weights)):
        labels, predictions = tf.convert_to_tensor(labels), tf.convert_to_tensor(predictions)
        predictions.shape.assert_is_compatible_with(labels.shape)
        matrix = metric_variable([num_classes, num_classes], dtypes.float64, "total_confusion_matrix")
        labels, predictions = _flat(tf.cast(labels, dtypes.int64)), _flat(tf.cast(predictions, dtypes.int64))
        if weights is not None:
            weights = _flat(tf.convert_to_tensor(weights))
        now = tf.compat.v1.confusion_matrix(labels, predictions, num_classes, weights=weights, dtype=dtypes.float64)
        update = added(matrix, now)
        held = tf.convert_to_tensor(matrix)
        right = as_floats(tf.linalg.diag_part(held))
        either = as_floats(tf.reduce_sum(held, 0)) + as_floats(tf.reduce_sum(held, 1)) - right
        valid = tf.reduce_sum(as_floats(tf.not_equal(either, 0)))
        ratios = right / tf.where(tf.greater(either, 0), either, tf.ones_like(either))
        value = tf.where(tf.greater(valid, 0), tf.reduce_sum(ratios, name="mean_iou") / valid, 0.0)
        return collected(value, update, metrics_collections, updates_collections)
