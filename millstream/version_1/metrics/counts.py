"""Metrics that count what was predicted rightly and wrongly, and the two ratios of these counts."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.version_1.metrics.means import Metric
from millstream.version_1.metrics.parts import (
    added,
    as_bools,
    as_floats,
    beside,
    collected,
    metric_variable,
    refuse_at_once,
    spread,
)
from millstream.version_1.variables.scope import variable_scope
from millstream.version_1.weights import fitted

tf: Any = root()


def _counted(values: Any, weights: Any, where: Any) -> Metric:
    """Return how often `values` was true so far, each with its weight."""
    count = metric_variable([], dtypes.float32, "count")
    numbers = as_floats(values)
    if weights is not None:
        numbers = numbers * spread(fitted(weights, numbers), numbers)
    value = tf.identity(count)
    return collected(value, added(count, tf.reduce_sum(numbers)), *where)


def _count(kind: str, label: bool, prediction: bool) -> Any:
    def count(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(kind)
        with variable_scope(name, kind, (predictions, labels, weights)):
            predictions, labels, weights = beside(predictions, labels, weights, as_bools)
            hits = tf.logical_and(tf.equal(labels, label), tf.equal(predictions, prediction))
            return _counted(hits, weights, (metrics_collections, updates_collections))

    count.__name__ = count.__qualname__ = kind
    count.__doc__ = (
        f"Return how often the label was {label} and the prediction {prediction} so far, each with its weight; see "
        "`tf.compat.v1.metrics.mean`."
    )
    return public(f"compat.v1.metrics.{kind}")(count)


true_positives = _count("true_positives", True, True)
true_negatives = _count("true_negatives", False, False)
false_positives = _count("false_positives", False, True)
false_negatives = _count("false_negatives", True, False)


def _ratio(name: str, other_kind: Any, says: str) -> Any:
    kind = name

    def ratio(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(kind)
        with variable_scope(name, kind, (predictions, labels, weights)):
            predictions, labels, weights = beside(predictions, labels, weights, as_bools)
            right = true_positives(labels, predictions, weights)
            wrong = other_kind(labels, predictions, weights)
            value, update = (
                tf.where(tf.greater(r + w, 0), tf.divide(r, r + w), 0.0, name=n)
                for r, w, n in zip(right, wrong, ("value", "update_op"), strict=True)
            )
            return collected(value, update, metrics_collections, updates_collections)

    ratio.__name__ = ratio.__qualname__ = name
    ratio.__doc__ = f"Return which part of {says} so far; see `tf.compat.v1.metrics.mean`."
    return public(f"compat.v1.metrics.{name}")(ratio)


_ratio("precision", false_positives, "what was predicted to be true was true")
_ratio("recall", false_negatives, "what was true was predicted to be true")
