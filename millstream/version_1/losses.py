"""tf.compat.v1.losses: losses with weights and reductions, which a graph collects."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.version_1.variables.keys import GraphKeys, add_to_collection, get_collection
from millstream.version_1.variables.name_scope import name_scope
from millstream.version_1.weights import check_weights, fitted, spread_weights, squeezed

tf: Any = root()


@public("compat.v1.losses.Reduction")
class Reduction:
    """How losses become one number."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Return all of them."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        """Raise ValueError where `key` is none of them."""
        if key not in cls.all():
            raise ValueError(explain(f"Invalid Reduction Key {key}. It should be one of {cls.all()}."))


@public("compat.v1.losses.add_loss")
def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Add a loss to a collection of the graph; do nothing where ops run at once."""
    if loss_collection and not executing_eagerly():
        add_to_collection(loss_collection, loss)


@public("compat.v1.losses.get_losses")
def get_losses(scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """Return the losses of a collection, those whose names begin with `scope` where it is given."""
    return get_collection(loss_collection, scope)


@public("compat.v1.losses.get_regularization_losses")
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """Return what the regularizers of variables gave."""
    return get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@public("compat.v1.losses.get_regularization_loss")
def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Any:
    """Return the sum of what the regularizers of variables gave; 0 where there are none."""
    losses = get_regularization_losses(scope)
    return tf.add_n(losses, name=name) if losses else tf.constant(0.0)


@public("compat.v1.losses.get_total_loss")
def get_total_loss(add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None) -> Any:
    """Return the sum of all losses of the graph, with those of regularizers where asked for.

    Raises:
      ValueError: there are none.
    """
    losses = get_losses(scope)
    if add_regularization_losses:
        losses += get_regularization_losses(scope)
    return tf.add_n(losses, name=name)


def _present(losses: Any, weights: Any, per_batch: bool = False) -> Any:
    """Return how many losses have a weight that is not 0: of all, or of each row."""
    if isinstance(weights, float) and weights != 0.0:
        return _count(losses)
    weights = tf.cast(weights, dtypes.float32)
    if executing_eagerly() and weights.shape.rank == 0 and weights != 0:
        # TensorFlow counts all elements here even where rows are asked for.
        return _count(losses)
    ones = tf.where(tf.equal(weights, 0.0), tf.zeros_like(weights), tf.ones_like(weights))
    spread = spread_weights(ones, losses)
    if per_batch:
        return tf.reduce_sum(spread, axis=tf.range(1, tf.rank(spread)), keepdims=True)
    return tf.reduce_sum(spread)


def _count(losses: Any) -> Any:
    return tf.cast(tf.size(losses), losses.dtype)


@public("compat.v1.losses.compute_weighted_loss")
def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """Return the losses times weights, made one number, and collect it.

    Args:
      losses: a tensor.
      weights: a scalar, or a tensor of the same rank with sizes 1 or equal.
      scope: put before names.
      loss_collection: where the result goes in a graph; None: nowhere.
      reduction: one of `tf.compat.v1.losses.Reduction`: none, the sum, the sum by the number of losses, by the sum of the
        weights, or by the number of weights that are not 0.

    Raises:
      ValueError: the weights do not fit, or there is no such reduction.

    >>> tf.compat.v1.losses.compute_weighted_loss([1.0, 2.0, 6.0], [1.0, 1.0, 0.0]).numpy().item()
    1.5
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss", (losses, weights)):
        given = tf.convert_to_tensor(losses)
        values = tf.cast(given, dtypes.float32)
        factors = tf.cast(weights, dtypes.float32)
        check_weights(factors, values)
        weighted = values * factors
        loss = weighted
        if reduction != Reduction.NONE:
            loss = tf.reduce_sum(weighted)
        if reduction == Reduction.MEAN:
            loss = tf.math.divide_no_nan(loss, tf.reduce_sum(tf.ones_like(weighted) * factors), name="value")
        elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
            loss = tf.math.divide_no_nan(loss, _present(weighted, weights), name="value")
        elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
            loss = tf.math.divide_no_nan(loss, _count(weighted), name="value")
        loss = tf.cast(loss, given.dtype)
        add_loss(loss, loss_collection)
        return loss


def _needed(**named: Any) -> None:
    for name, value in named.items():
        if value is None:
            raise ValueError(explain(f"Argument `{name}` must not be None."))


def _floats(**named: Any) -> list[Any]:
    _needed(**named)
    return [tf.cast(value, dtypes.float32) for value in named.values()]


def _same_shape(first: Any, second: Any) -> None:
    first.shape.assert_is_compatible_with(second.shape)


def _parameter(name: str, default: Any, annotation: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


_WEIGHTS = _parameter("weights", 1.0, "Any")
_REST = (
    _parameter("scope", None, "str | None"),
    _parameter("loss_collection", GraphKeys.LOSSES, "Any"),
    _parameter("reduction", Reduction.SUM_BY_NONZERO_WEIGHTS, "str"),
)


def _weighted(title: str, floats: bool = True) -> Callable[[Any], Any]:
    """Publish a formula of labels, predictions and options: with weights, a scope, a collection and a reduction besides.

    It is given both as float32, or, without `floats`, predictions as they are and labels in their element type.
    """

    def declare(formula: Any) -> Any:
        first, second, *options = inspect.signature(formula).parameters.values()
        signature = inspect.Signature([first, second, _WEIGHTS, *options, *_REST], return_annotation="Any")

        @functools.wraps(formula)
        def loss(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = bound.arguments
            labels, predictions, weights = values[first.name], values[second.name], values["weights"]
            if floats:
                labels, predictions = _floats(**{first.name: labels, second.name: predictions})
            else:
                _needed(**{first.name: labels, second.name: predictions})
            with name_scope(values["scope"], title, (predictions, labels, weights)) as inner:
                given = tf.convert_to_tensor(predictions)
                wanted = tf.cast(labels, given.dtype)
                _same_shape(given, wanted)
                losses = formula(wanted, given, *(values[option.name] for option in options))
                return compute_weighted_loss(losses, weights, inner, values["loss_collection"], values["reduction"])

        loss.__signature__ = signature  # type: ignore[attr-defined]
        return public(f"compat.v1.losses.{formula.__name__}")(loss)

    return declare


@_weighted("absolute_difference")
def absolute_difference(labels: Any, predictions: Any) -> Any:
    """Return |predictions - labels|, weighted and reduced as `compute_weighted_loss` says."""
    return tf.abs(predictions - labels)


@public("compat.v1.losses.cosine_distance")
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: Any = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: Any = None,
) -> Any:
    """Return 1 - sum(labels * predictions) along an axis, of vectors of length 1; see `compute_weighted_loss`.

    Raises:
      ValueError: there is no `axis`; `dim` is an older name of it.
    """
    if axis is not None and dim is not None:
        raise ValueError(explain("Cannot specify both 'dim' and 'axis'."))
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError(explain("You must specify argument `axis`."))
    wanted, given = _floats(labels=labels, predictions=predictions)
    with name_scope(scope, "cosine_distance_loss", (given, wanted, weights)) as inner:
        _same_shape(given, wanted)
        losses = 1 - tf.reduce_sum(given * wanted, axis=(axis,), keepdims=True)
        return compute_weighted_loss(losses, weights, inner, loss_collection, reduction)


@_weighted("hinge_loss")
def hinge_loss(labels: Any, logits: Any) -> Any:
    """Return max(0, 1 - (2 labels - 1) logits), of labels 0 and 1; see `compute_weighted_loss`."""
    ones = tf.ones_like(labels)
    return tf.nn.relu(ones - (2 * labels - ones) * logits)


@_weighted("huber_loss")
def huber_loss(labels: Any, predictions: Any, delta: float = 1.0) -> Any:
    """Return half the squared error up to `delta`, and a line beyond it; see `compute_weighted_loss`."""
    error = tf.abs(predictions - labels)
    near = tf.minimum(error, delta)
    return tf.convert_to_tensor(0.5, near.dtype) * near * near + delta * (error - near)


@_weighted("log_loss")
def log_loss(labels: Any, predictions: Any, epsilon: float = 1e-7) -> Any:
    """Return -labels log(predictions) - (1 - labels) log(1 - predictions), away from log 0 by `epsilon`; see
    `compute_weighted_loss`."""
    return -labels * tf.math.log(predictions + epsilon) - (1 - labels) * tf.math.log(1 - predictions + epsilon)


@public("compat.v1.losses.mean_pairwise_squared_error")
def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
) -> Any:
    """Return the mean of squared differences between the errors of all pairs of elements of a row, summed over rows.

    Args:
      labels: what is wanted, of the shape of `predictions`.
      predictions: of at least two axes, rows first.
      weights: a scalar, or one for each row.
      scope: put before names.
      loss_collection: where the result goes in a graph; None: nowhere.
    """
    wanted, given = _floats(labels=labels, predictions=predictions)
    with name_scope(scope, "mean_pairwise_squared_error", (given, wanted, weights)):
        factors = tf.cast(weights, dtypes.float32)
        _same_shape(given, wanted)
        errors = given - wanted
        check_weights(factors, errors)
        axes = tf.range(1, tf.rank(errors))
        present = _present(errors, factors, per_batch=True)
        squares = tf.reduce_sum(tf.square(errors), axes, keepdims=True)
        first = 2.0 * tf.math.divide_no_nan(squares, tf.maximum(present - 1, 0), name="value")
        sums = tf.reduce_sum(errors, axes, keepdims=True)
        pairs = tf.maximum(present * (present - 1), 0)
        second = 2.0 * tf.math.divide_no_nan(tf.square(sums), pairs, name="value")
        loss = tf.reduce_sum((first - second) * factors)
        mean = tf.where(tf.reduce_sum(present) > 0, loss, tf.zeros_like(loss), name="value")
        add_loss(mean, loss_collection)
        return mean


@_weighted("mean_squared_error")
def mean_squared_error(labels: Any, predictions: Any) -> Any:
    """Return (predictions - labels)², weighted and reduced as `compute_weighted_loss` says."""
    return tf.math.squared_difference(predictions, labels)


@_weighted("sigmoid_cross_entropy_loss", floats=False)
def sigmoid_cross_entropy(multi_class_labels: Any, logits: Any, label_smoothing: float = 0) -> Any:
    """Return the cross entropy of each label by itself, with labels moved by `label_smoothing` towards 1/2; see
    `compute_weighted_loss`."""
    labels = multi_class_labels
    if label_smoothing > 0:
        labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")


@_weighted("softmax_cross_entropy_loss", floats=False)
def softmax_cross_entropy(onehot_labels: Any, logits: Any, label_smoothing: float = 0) -> Any:
    """Return the cross entropy of classes, with labels moved by `label_smoothing` towards even ones; see
    `compute_weighted_loss`."""
    labels = onehot_labels
    if label_smoothing > 0:
        classes = tf.cast(tf.shape(labels)[-1], logits.dtype)
        labels = labels * (1.0 - label_smoothing) + label_smoothing / classes
    labels = tf.stop_gradient(labels, name="labels_stop_gradient")
    return tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")


@public("compat.v1.losses.sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """Return the cross entropy of classes that are given by their numbers; see `compute_weighted_loss`."""
    _needed(labels=labels, logits=logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as inner:
        wanted, given = squeezed(labels, logits, 1)
        factors = weights if isinstance(weights, float) else fitted(weights, wanted)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=given, name="xentropy")
        return compute_weighted_loss(losses, factors, inner, loss_collection, reduction)
