"""Datasets chosen at random, and elements left out at random: how sample_from_datasets and rejection_resample are composed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC
from millstream.base import dtypes
from millstream.data.combining import Directed
from millstream.data.methods import DatasetMethods, tf
from millstream.data.sources import SourceMethods
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find

ESTIMATE_BATCH = 32
"""How many classes are seen between two estimates of their frequencies."""

SMOOTHING = 10
"""How many elements of each class an estimate begins with."""


def sampled(datasets: list[Any], weights: Any, seed: Any, stop: bool, again: bool | None) -> Any:
    """See Dataset.sample_from_datasets."""
    if not datasets:
        raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
    if isinstance(weights, DatasetMethods):
        logits_of = weights.map(lambda *p: PUBLIC["math.log"](p))  # type: ignore[attr-defined]
        words = SourceMethods.random(seed, again).batch(2)
        selector = SourceMethods.zip((logits_of, words)).map(_choose)  # type: ignore[attr-defined]
        return datasets[0]._then(Directed(selector._stage, [d._stage for d in datasets], stop))
    if weights is None:
        logits = to_tensor([[1.0] * len(datasets)])
    else:
        datasets, weights = _checked_weights(datasets, weights)
        logits = tf.expand_dims(PUBLIC["math.log"](weights), 0)
    if len(datasets) == 1:
        return datasets[0]
    selector = SourceMethods.random(seed, again).batch(2).map(lambda words: _choose(logits, words))
    return datasets[0]._then(Directed(selector._stage, [d._stage for d in datasets], stop))


def _choose(logits: Any, seed: Any) -> Any:
    chosen = apply(find("StatelessMultinomial"), logits, 1, seed, output_dtype=dtypes.int64)
    return tf.squeeze(chosen, axis=[0, 1])


def _checked_weights(datasets: list[Any], weights: Any) -> tuple[list[Any], Any]:
    if isinstance(weights, Tensor):
        if not weights.shape.is_compatible_with([len(datasets)]):
            raise ValueError(
                "Invalid `weights`. The shape of `weights` should be compatible with `[len(datasets)]` but is "
                f"{weights.shape}."
            )
    else:
        if len(datasets) != len(weights):
            raise ValueError(
                "Invalid `weights`. `weights` should have the same length as `datasets` but got "
                f"`len(weights)={len(weights)}` vs. `len(datasets)={len(datasets)}`."
            )
        pairs = [(d, w) for d, w in zip(datasets, weights, strict=True) if w > 0]
        datasets, weights = ([d for d, _ in pairs], [w for _, w in pairs]) if pairs else ([datasets[0].take(0)], [1.0])
    weights = to_tensor(weights)
    if weights.dtype not in (dtypes.float32, dtypes.float64):
        raise TypeError(
            f"Invalid `weights`. `weights` type must be either `tf.float32` or `tf.float64` but is {weights.dtype}."
        )
    return datasets, weights


def resampled(dataset: Any, class_func: Callable[..., Any], target_dist: Any, initial_dist: Any, seed: Any) -> Any:
    """See Dataset.rejection_resample."""
    target = tf.cast(to_tensor(target_dist), dtypes.float32)
    static: Any = None
    if initial_dist is not None:
        initial = tf.cast(to_tensor(initial_dist), dtypes.float32)
        acceptance, original = _acceptance(initial, target)
        initials = SourceMethods.from_tensors(initial).repeat()
        acceptances = SourceMethods.from_tensors(acceptance).repeat()
        originals = SourceMethods.from_tensors(original).repeat()
        if not hasattr(initial, "graph") and not hasattr(target, "graph"):
            static = np.min(target.numpy() / initial.numpy())
    else:
        initials = _estimates(target, dataset.map(class_func))
        both = initials.map(lambda given: _acceptance(given, target))
        acceptances, originals = both.map(lambda a, _: a), both.map(lambda _, m: m)

    def classify(probabilities: Any, data: Any) -> Any:
        found = class_func(*data) if type(data) is tuple else class_func(data)
        return found, tf.gather(probabilities, found), data

    checked = SourceMethods.zip((acceptances, initials)).map(lambda a, _: a)  # type: ignore[attr-defined]
    marked = SourceMethods.zip((checked, dataset)).map(classify)  # type: ignore[attr-defined]
    kept = marked.filter(lambda _, p, data: PUBLIC["random.uniform"]([], seed=seed, dtype=p.dtype) < p)
    filtered = kept.map(lambda found, _, data: (found, data)).prefetch(3)

    def with_class(*x: Any) -> Any:
        return (class_func(*x), x[0]) if len(x) == 1 else (class_func(*x), x)

    if static == 1:
        return dataset.map(with_class)
    if static == 0:
        return filtered
    weights = originals.map(lambda p: [(p, 1.0 - p)])
    return sampled([dataset.map(with_class), filtered], weights, seed, True, None)


def _acceptance(initial: Any, target: Any) -> tuple[Any, Any]:
    """Return how often elements of each class are accepted, and how often an element is taken unasked."""
    ratio = target / (initial + np.finfo(np.float32).tiny)
    largest, least = tf.reduce_max(ratio), tf.reduce_min(ratio)
    return (ratio - least) / (largest - least), least


def _estimates(target: Any, classes: Any) -> Any:
    count = target.shape[0] or tf.shape(target)[0]
    seen = tf.fill([count], np.int64(SMOOTHING))

    def update(held: Any, found: Any) -> Any:
        held = held + tf.reduce_sum(tf.one_hot(found, count, dtype=dtypes.int64), 0)
        share = tf.cast(held / tf.reduce_sum(held), dtypes.float32)
        return held, tf.tile(tf.expand_dims(share, 0), [ESTIMATE_BATCH, 1])

    return classes.batch(ESTIMATE_BATCH).scan(seen, update).unbatch()
