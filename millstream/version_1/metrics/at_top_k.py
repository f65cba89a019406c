"""Metrics of the k best classes of each row: labels are dense or sparse rows of class numbers."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.execution.sparse_tensor import SparseTensor
from millstream.version_1.metrics.means import Metric
from millstream.version_1.metrics.parts import added, collected, metric_variable, refuse_at_once
from millstream.version_1.variables.name_scope import name_scope
from millstream.version_1.weights import spread_weights

tf: Any = root()


def _name(kind: str, k: int | None, class_id: int | None) -> str:
    name = f"{kind}_at_{k}" if k is not None else f"{kind}_at_k"
    return f"{name}_class{class_id}" if class_id is not None else name


def _with_last_axis(labels: Any, predictions: Any) -> Any:
    """Return the labels with an axis of their number, which is added where there is one label for each row."""
    if isinstance(labels, SparseTensor):
        if labels.shape.rank == predictions.shape.rank - 1:
            return tf.sparse.reshape(labels, tf.concat([labels.dense_shape, [1]], 0))
        return labels
    labels = tf.cast(labels, dtypes.int64)
    return tf.expand_dims(labels, -1) if labels.shape.rank == predictions.shape.rank - 1 else labels


def _only(ids: Any, class_id: int | None) -> Any:
    """Return the ids that are `class_id`, once for each row, as a sparse tensor."""
    if class_id is None:
        return ids
    if isinstance(ids, SparseTensor):
        return tf.sparse.retain(ids, tf.equal(ids.values, class_id))
    shape = tf.shape(ids, out_type=dtypes.int64)
    single = tf.concat([shape[:-1], [1]], 0)
    found = tf.sets.intersection(tf.fill(single, tf.constant(class_id, dtypes.int64)), ids)
    return tf.SparseTensor(found.indices, found.values, shape)


def _matches(kind: str, labels: Any, ids: Any, class_id: int | None, weights: Any) -> Any:
    labels, ids = _only(labels, class_id), _only(ids, class_id)
    if kind == "true_positive":
        found = tf.sets.intersection(ids, labels)
    else:
        found = tf.sets.difference(ids, labels, aminusb=kind == "false_positive")
    count = tf.cast(tf.sets.size(found), dtypes.float64)
    return count if weights is None else count * spread_weights(tf.cast(weights, dtypes.float64), count)


def _running(kind: str, labels: Any, ids: Any, k: int | None, class_id: int | None, weights: Any) -> Metric:
    with name_scope(None, _name(kind, k, class_id), (ids, labels, weights)) as scope:
        total = tf.reduce_sum(_matches(kind, labels, ids, class_id, weights))
        variable = metric_variable([], dtypes.float64, scope)
        return tf.convert_to_tensor(variable), added(variable, total, "update")


def _at_top_k(kind: str, wrong: str, says: str) -> Any:
    """Publish right / (right + wrong) of the predicted classes of each row."""
    full = f"{kind}_at_top_k"

    def ratio(
        labels: Any,
        predictions_idx: Any,
        k: int | None = None,
        class_id: int | None = None,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(full)
        with name_scope(name, _name(kind, k, class_id), (predictions_idx, labels, weights)) as scope:
            ids = tf.cast(predictions_idx, dtypes.int64)
            labels = _with_last_axis(labels, ids)
            right = _running("true_positive", labels, ids, k, class_id, weights)
            false = _running(wrong, labels, ids, k, class_id, weights)
            value = tf.divide(right[0], tf.add(right[0], false[0]), name=scope)
            update = tf.divide(right[1], tf.add(right[1], false[1]), name="update")
            return collected(value, update, metrics_collections, updates_collections)

    ratio.__name__ = ratio.__qualname__ = full
    ratio.__doc__ = f"""Return which part of {says}.

    Args:
      labels: class numbers, dense or sparse; their last axis is the labels of one row.
      predictions_idx: the classes that are predicted, the best first.
      k: how many there are, for the name.
      class_id: only this class counts; all of them without it.
      weights: one for each row, or a scalar.
      metrics_collections: collections that the value is added to.
      updates_collections: collections that the update is added to.
      name: the scope of the variables.

    Returns:
      The value so far, and the operation that updates it.

    Raises:
      RuntimeError: outside of graphs.
    """
    return public(f"compat.v1.metrics.{full}")(ratio)


_BY_CLASSES = {
    "recall": _at_top_k("recall", "false_negative", "the labels so far is among the predicted classes"),
    "precision": _at_top_k("precision", "false_positive", "the predicted classes so far is among the labels"),
}


def _best(predictions: Any, k: int) -> Any:
    return tf.math.top_k(predictions, k)[1]


def _at_k(kind: str, says: str, *names: str) -> None:
    """Publish a metric of the k best classes by their predictions, under some names."""

    def ratio(
        labels: Any,
        predictions: Any,
        k: int,
        class_id: int | None = None,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> Metric:
        refuse_at_once(names[-1])
        with name_scope(name, _name(kind, k, class_id), (predictions, labels, weights)) as scope:
            where = (metrics_collections, updates_collections)
            return _BY_CLASSES[kind](labels, _best(predictions, k), k, class_id, weights, *where, scope)  # type: ignore[no-any-return]

    ratio.__name__ = ratio.__qualname__ = names[0]
    ratio.__doc__ = f"Return which part of {says}; see `{kind}_at_top_k`."
    public(*(f"compat.v1.metrics.{name}" for name in names))(ratio)


_at_k("recall", "the labels so far is among the k classes of the largest predictions", "recall_at_k")
_at_k(
    "precision",
    "the k classes of the largest predictions so far is among the labels",
    "precision_at_k",
    "sparse_precision_at_k",
)


def _tiled(labels: Any, k: int) -> Any:
    """Return the labels k times, along a new axis before the last one."""
    if isinstance(labels, SparseTensor):
        spread_out = tf.sparse.expand_dims(labels, -2)
        return tf.sparse.concat(-2, [spread_out] * k)
    return tf.repeat(tf.expand_dims(labels, -2), k, axis=-2)


def _label_count(labels: Any, k: int) -> Any:
    """Return how many labels each row has, at most k."""
    if isinstance(labels, SparseTensor):
        return tf.minimum(tf.sets.size(labels), k)
    shape = tf.shape(labels)
    return tf.fill(shape[:-1], tf.minimum(shape[-1], k))


@public("compat.v1.metrics.average_precision_at_k", "compat.v1.metrics.sparse_average_precision_at_k")
def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Return the mean so far of each row's average of the precisions at those of its k best classes that are labels.

    See `recall_at_top_k` for the arguments.
    """
    refuse_at_once("sparse_average_precision_at_k")
    with name_scope(name, _name("average_precision", k, None), (predictions, labels, weights)) as scope:
        ids = tf.cast(_best(predictions, k), dtypes.int64)
        labels = _with_last_axis(labels, ids)
        relevant = _matches("true_positive", _tiled(labels, k), tf.expand_dims(ids, -1), None, None)
        precisions = tf.cumsum(relevant, axis=-1) / tf.cumsum(tf.ones_like(relevant), axis=-1)
        summed = tf.reduce_sum(precisions * relevant, axis=-1)
        average = tf.divide(summed, tf.cast(_label_count(labels, k), dtypes.float64))
        if weights is not None:
            factors = spread_weights(tf.cast(weights, dtypes.float64), average)
            average = average * factors
        most = metric_variable([], dtypes.float64, "max")
        number = tf.cast(tf.size(average), dtypes.float64) if weights is None else tf.reduce_sum(factors)
        update_most = added(most, number, "update")
        total = metric_variable([], dtypes.float64, "total")
        update_total = added(total, tf.reduce_sum(average), "update")
        value = tf.math.divide_no_nan(total, tf.maximum(most, 0), name="mean")
        update = tf.math.divide_no_nan(update_total, tf.maximum(update_most, 0), name=scope)
        return collected(value, update, metrics_collections, updates_collections)
