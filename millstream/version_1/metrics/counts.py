"""Metrics that count what was predicted rightly and wrongly, and the two ratios of these counts."""

from __future__ import annotations

from collections.abc import Callable
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


def _of_truth(kind: str, says: str, measure: Callable[[Any, Any, Any], Metric]) -> Any:
    """Publish what `measure` gives for labels and predictions, true or false, and their weights."""

    def metric(
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
            return collected(*measure(labels, predictions, weights), metrics_collections, updates_collections)

    metric.__name__ = metric.__qualname__ = kind
    metric.__doc__ = f"Return {says} so far; see `tf.compat.v1.metrics.mean`."
    return public(f"compat.v1.metrics.{kind}")(metric)


def _count(kind: str, label: bool, prediction: bool) -> Any:
    def measure(labels: Any, predictions: Any, weights: Any) -> Metric:
        hits = as_floats(tf.logical_and(tf.equal(labels, label), tf.equal(predictions, prediction)))
        count = metric_variable([], dtypes.float32, "count")
        if weights is not None:
            hits = hits * spread(fitted(weights, hits), hits)
        value = tf.identity(count)
        return value, added(count, tf.reduce_sum(hits))

    says = f"how often the label was {label} and the prediction {prediction}, each with its weight,"
    return _of_truth(kind, says, measure)


true_positives = _count("true_positives", True, True)
true_negatives = _count("true_negatives", False, False)
false_positives = _count("false_positives", False, True)
false_negatives = _count("false_negatives", True, False)


def _ratio(kind: str, other: Callable[..., Metric], says: str) -> None:
    def measure(labels: Any, predictions: Any, weights: Any) -> Metric:
        right, wrong = true_positives(labels, predictions, weights), other(labels, predictions, weights)
        value, update = (
            tf.where(tf.greater(r + w, 0), tf.divide(r, r + w), 0.0, name=n)
            for r, w, n in zip(right, wrong, ("value", "update_op"), strict=True)
        )
        return value, update

    _of_truth(kind, f"which part of {says}", measure)


_ratio("precision", false_positives, "what was predicted to be true was true")
_ratio("recall", false_negatives, "what was true was predicted to be true")
