"""Metrics of predictions between 0 and 1 that count as true above each of some thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
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

tf: Any = root()

_KINDS = {
    "tp": ("true_positives", True, True),
    "fn": ("false_negatives", True, False),
    "tn": ("true_negatives", False, False),
    "fp": ("false_positives", False, True),
}
_SMALL = 1e-7


def _counts(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any, kinds: Sequence[str] = tuple(_KINDS)
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return for each kind how often it was so at each threshold, and the updates."""
    predictions = tf.convert_to_tensor(predictions)
    checks = [
        tf.compat.v1.assert_greater_equal(
            predictions, tf.cast(0.0, predictions.dtype), message="predictions must be in [0, 1]"
        ),
        tf.compat.v1.assert_less_equal(
            predictions, tf.cast(1.0, predictions.dtype), message="predictions must be in [0, 1]"
        ),
    ]
    with tf.control_dependencies([check for check in checks if check is not None]):
        given = as_floats(predictions)
    given, truth, weights = beside(given, labels, weights, lambda x: x if x is given else as_bools(x))
    number = len(thresholds)
    row = tf.reshape(given, [1, -1])
    is_true = tf.reshape(truth, [1, -1])
    limits = tf.expand_dims(tf.constant(list(thresholds), dtypes.float32), 1)
    is_above = tf.greater(row, limits)
    factors = None if weights is None else tf.reshape(spread(weights, given), [1, -1])
    values, updates = {}, {}
    for kind in kinds:
        name, label, prediction = _KINDS[kind]
        variable = metric_variable([number], dtypes.float32, name)
        hits = as_floats(
            tf.logical_and(
                is_true if label else tf.logical_not(is_true), is_above if prediction else tf.logical_not(is_above)
            )
        )
        if factors is not None:
            hits = hits * factors
        values[kind] = tf.convert_to_tensor(variable)
        updates[kind] = added(variable, tf.reduce_sum(hits, 1))
    return values, updates


def _even(number: int) -> list[float]:
    """Return thresholds from a little below 0 to a little above 1."""
    return [0.0 - _SMALL, *((i + 1) * 1.0 / (number - 1) for i in range(number - 2)), 1.0 + _SMALL]


@public("compat.v1.metrics.auc")
def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Any = None,
) -> Metric:
    """Return the area under a curve of all predictions so far.

    Args:
      labels: true or false.
      predictions: between 0 and 1, of the same shape.
      weights: see `tf.compat.v1.metrics.mean`.
      num_thresholds: how many points the curve has.
      metrics_collections: collections that the value is added to.
      updates_collections: collections that the update is added to.
      curve: "ROC": true positives over false ones; "PR": precision over recall.
      name: the scope of the variables.
      summation_method: "trapezoidal", "careful_interpolation" (for PR), "minoring" or "majoring".
      thresholds: increasing ones between 0 and 1, in the place of `num_thresholds` even ones.

    Returns:
      The value so far, and the operation that updates it.

    Raises:
      RuntimeError: outside of graphs.
      ValueError: there is no such curve or method.
    """
    refuse_at_once("auc")
    if curve not in ("ROC", "PR"):
        raise ValueError(explain(f"Curve must be either ROC or PR. Curve {curve} is unknown."))
    with variable_scope(name, "auc", (labels, predictions, weights)):
        limits = _even(num_thresholds)
        if thresholds is not None:
            if list(thresholds) != sorted(thresholds) or any(not 0 <= t <= 1 for t in thresholds):
                raise ValueError(explain("thresholds must increase and lie between 0 and 1."))
            limits = [0.0 - _SMALL, *thresholds, 1.0 + _SMALL]
        values, updates = _counts(labels, predictions, limits, weights)
        value, update = (
            _area(counts, curve, summation_method, n) for counts, n in ((values, "value"), (updates, "update_op"))
        )
        return collected(value, update, metrics_collections, updates_collections)


def _area(counts: dict[str, Any], curve: str, method: str, name: str) -> Any:
    tp, fn, tn, fp = counts["tp"], counts["fn"], counts["tn"], counts["fp"]
    epsilon = 1.0e-6
    if curve == "PR" and method == "careful_interpolation":
        return _interpolated(tp, fp, fn)
    recall = tf.divide(tp + epsilon, tp + fn + epsilon)
    if curve == "ROC":
        x, y = tf.divide(fp, fp + tn + epsilon), recall
    else:
        x, y = recall, tf.divide(tp + epsilon, tp + fp + epsilon)
    widths = x[:-1] - x[1:]
    if method in ("trapezoidal", "careful_interpolation"):
        heights = (y[:-1] + y[1:]) / 2.0
    elif method == "minoring":
        heights = tf.minimum(y[:-1], y[1:])
    elif method == "majoring":
        heights = tf.maximum(y[:-1], y[1:])
    else:
        raise ValueError(explain(f"Invalid summation_method: {method}."))
    return tf.reduce_sum(widths * heights, name=name)


def _interpolated(tp: Any, fp: Any, fn: Any) -> Any:
    steps, positives = tp[:-1] - tp[1:], tp + fp
    slope = tf.math.divide_no_nan(steps, tf.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - slope * positives[1:]
    safe = tf.where(
        tf.logical_and(positives[:-1] > 0, positives[1:] > 0),
        tf.math.divide_no_nan(positives[:-1], tf.maximum(positives[1:], 0)),
        tf.ones_like(positives[1:]),
    )
    pieces = slope * (steps + intercept * tf.math.log(safe))
    return tf.reduce_sum(tf.math.divide_no_nan(pieces, tf.maximum(tp[1:] + fn[1:], 0)), name="interpolate_pr_auc")


def _at_thresholds(
    full: str, scope: str, kinds: Sequence[str], says: str, pick: Callable[[dict[str, Any], str], Any]
) -> None:
    """Publish what `pick` gives of the counts of some kinds at each threshold, and the name of the result."""

    def metric(
        labels: Any,
        predictions: Any,
        thresholds: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(full)
        with variable_scope(name, scope, (predictions, labels, weights)):
            values, updates = _counts(labels, predictions, thresholds, weights, kinds)
            value, update = pick(values, "value"), pick(updates, "update_op")
            return collected(value, update, metrics_collections, updates_collections)

    metric.__name__ = metric.__qualname__ = full
    metric.__doc__ = f"Return for each threshold {says} so far; see `tf.compat.v1.metrics.mean`."
    public(f"compat.v1.metrics.{full}")(metric)


def _count_at_thresholds(kind: str) -> None:
    name, label, prediction = _KINDS[kind]
    says = f"how often the label was {label} and the prediction {'above' if prediction else 'not above'} it"
    _at_thresholds(f"{name}_at_thresholds", name, (kind,), says, lambda counts, _: counts[kind])


def _ratio_at_thresholds(kind: str, other: str, says: str) -> None:
    def ratio(counts: dict[str, Any], name: str) -> Any:
        return tf.divide(counts["tp"], _SMALL + counts["tp"] + counts[other], name=f"{kind}_{name}")

    full = f"{kind}_at_thresholds"
    _at_thresholds(full, full, ("tp", other), f"which part of {says}", ratio)


for _kind in _KINDS:
    _count_at_thresholds(_kind)
_ratio_at_thresholds("precision", "fp", "what was above it was true")
_ratio_at_thresholds("recall", "fn", "what was true was above it")


def _at_best(
    given: float, name: str, what: str, choose: Callable[[dict[str, Any], str], Any], arguments: Any, where: Any
) -> Metric:
    refuse_at_once(name)
    if not 0 <= given <= 1:
        raise ValueError(explain(f"`{what}` must be in the range [0, 1]. Currently, `{what}` got {given}."))
    labels, predictions, weights, number, scope = arguments
    with variable_scope(scope, name, (predictions, labels, weights)):
        values, updates = _counts(labels, predictions, _even(number), weights)
        return collected(choose(values, "value"), choose(updates, "update_op"), *where)


@public("compat.v1.metrics.sensitivity_at_specificity")
def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return which part of what was true was above that threshold, below which the part `specificity` of what was false lies.

    See `auc` for the arguments.
    """

    def choose(counts: dict[str, Any], name: str) -> Any:
        found = tf.divide(counts["tn"], counts["tn"] + counts["fp"] + _SMALL)
        place = tf.cast(tf.argmin(tf.abs(found - specificity), 0), dtypes.int32)
        return tf.divide(counts["tp"][place], counts["tp"][place] + counts["fn"][place] + _SMALL, name=name)

    arguments = (labels, predictions, weights, num_thresholds, name)
    where = (metrics_collections, updates_collections)
    return _at_best(specificity, "sensitivity_at_specificity", "specificity", choose, arguments, where)


@public("compat.v1.metrics.specificity_at_sensitivity")
def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return which part of what was false was not above that threshold, above which the part `sensitivity` of what was true
    lies.

    See `auc` for the arguments.
    """

    def choose(counts: dict[str, Any], name: str) -> Any:
        found = tf.divide(counts["tp"], counts["tp"] + counts["fn"] + _SMALL)
        distance = tf.abs(found - sensitivity)
        nearest = tf.cast(tf.equal(distance, tf.reduce_min(distance)), dtypes.int32)
        place = tf.cast(tf.argmax(tf.cumsum(nearest), 0), dtypes.int32)
        return tf.divide(counts["tn"][place], counts["tn"][place] + counts["fp"][place] + _SMALL, name=name)

    arguments = (labels, predictions, weights, num_thresholds, name)
    where = (metrics_collections, updates_collections)
    return _at_best(sensitivity, "specificity_at_sensitivity", "sensitivity", choose, arguments, where)
