"""Elements of datasets that are chosen by number or at random: choose_from_datasets, sample_from_datasets, rejection_resample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC
from millstream.base import dtypes
from millstream.base.specs import TensorSpec
from millstream.data.leaves import relaxed
from millstream.data.methods import DatasetMethods
from millstream.data.ordering import OrderingMethods
from millstream.data.sources import SourceMethods
from millstream.data.stage import INFINITE, UNKNOWN, Element, Reader, Run, Stage, refused
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find

ESTIMATE_BATCH = 32
"""How many classes are seen between two estimates of their frequencies."""

SMOOTHING = 10
"""How many elements of each class an estimate begins with."""


class Directed(Stage):
    """Elements of the datasets whose numbers the first input gives."""

    name = "DirectedInterleave"

    def __init__(self, selector: Stage, stages: list[Stage], stop: bool) -> None:
        spec = stages[0].spec
        for i, stage in enumerate(stages[1:]):
            found = relaxed(spec, stage.spec)
            if found is None:
                raise TypeError(
                    "Invalid `datasets`. `datasets` must have compatible element specs.\n Dataset 0 "
                    f"element_spec={stages[0].spec}.\nDataset {i + 1} element_spec={stage.spec}."
                )
            spec = found
        super().__init__(spec, [selector, *stages])
        self.stop = stop

    def size(self, counts: list[int]) -> int:
        return INFINITE if INFINITE in counts[1:] else UNKNOWN

    def reader(self, run: Run) -> Reader:
        return _DirectedReader(self, [s.reader(run) for s in self.inputs])


class _DirectedReader(Reader):
    def __init__(self, stage: Directed, readers: list[Reader]) -> None:
        self.stage, self.selector, self.done = stage, readers[0], False
        self.readers: list[Reader | None] = list(readers[1:])

    def __next__(self) -> Element:
        while not self.done:
            try:
                chosen = int(self.selector.__next__()[0].numpy())
            except StopIteration:
                break
            if not 0 <= chosen < len(self.readers):
                raise refused(f"Selector index out of range: {chosen} >= {len(self.readers)}")
            reader = self.readers[chosen]
            if reader is None:
                continue
            try:
                return reader.__next__()
            except StopIteration:
                self.readers[chosen] = None
                if self.stage.stop or all(r is None for r in self.readers):
                    break
        self.done = True
        raise StopIteration

    def state(self) -> Any:
        return [self.selector.state(), [None if r is None else r.state() for r in self.readers], self.done]

    def restore(self, state: Any) -> None:
        self.selector.restore(state[0])
        for i, part in enumerate(state[1]):
            reader = self.readers[i]
            if part is None or reader is None:
                self.readers[i] = None
            else:
                reader.restore(part)
        self.done = state[2]


def sampled(datasets: list[Any], weights: Any, seed: Any, stop: bool, again: bool | None) -> Any:
    """See Dataset.sample_from_datasets."""
    if not datasets:
        raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
    if hasattr(weights, "_stage"):
        logits_of = weights.map(lambda *p: PUBLIC["math.log"](p))
        words = SourceMethods.random(seed, again).batch(2)
        selector = OrderingMethods.zip((logits_of, words)).map(_choose)
        return datasets[0]._then(Directed(selector._stage, [d._stage for d in datasets], stop))
    if weights is None:
        logits = to_tensor([[1.0] * len(datasets)])
    else:
        datasets, weights = _checked_weights(datasets, weights)
        logits = PUBLIC["expand_dims"](PUBLIC["math.log"](weights), 0)
    if len(datasets) == 1:
        return datasets[0]
    selector = SourceMethods.random(seed, again).batch(2).map(lambda words: _choose(logits, words))
    return datasets[0]._then(Directed(selector._stage, [d._stage for d in datasets], stop))


def _choose(logits: Any, seed: Any) -> Any:
    chosen = apply(find("StatelessMultinomial"), logits, 1, seed, output_dtype=dtypes.int64)
    return PUBLIC["squeeze"](chosen, axis=[0, 1])


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
    target = PUBLIC["cast"](to_tensor(target_dist), dtypes.float32)
    static: Any = None
    if initial_dist is not None:
        initial = PUBLIC["cast"](to_tensor(initial_dist), dtypes.float32)
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
        return found, PUBLIC["gather"](probabilities, found), data

    checked = OrderingMethods.zip((acceptances, initials)).map(lambda a, _: a)
    marked = OrderingMethods.zip((checked, dataset)).map(classify)
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
    largest, least = PUBLIC["reduce_max"](ratio), PUBLIC["reduce_min"](ratio)
    return (ratio - least) / (largest - least), least


def _estimates(target: Any, classes: Any) -> Any:
    count = target.shape[0] or PUBLIC["shape"](target)[0]
    seen = PUBLIC["fill"]([count], np.int64(SMOOTHING))

    def update(held: Any, found: Any) -> Any:
        held = held + PUBLIC["reduce_sum"](PUBLIC["one_hot"](found, count, dtype=dtypes.int64), 0)
        share = PUBLIC["cast"](held / PUBLIC["reduce_sum"](held), dtypes.float32)
        return held, PUBLIC["tile"](PUBLIC["expand_dims"](share, 0), [ESTIMATE_BATCH, 1])

    return classes.batch(ESTIMATE_BATCH).scan(seen, update).unbatch()


class SamplingMethods(DatasetMethods):
    """The methods of `tf.data.Dataset` that choose among datasets and elements."""

    @staticmethod
    def choose_from_datasets(datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = True) -> Any:
        """Return a dataset that takes its elements from the datasets whose numbers `choice_dataset` gives.

        Args:
          datasets: at least one dataset, of one type.
          choice_dataset: a dataset of int64 scalars.
          stop_on_empty_dataset: whether the end of one dataset is the end; otherwise it is passed over from then on.

        Raises:
          TypeError: the datasets differ in type, or the choices are no int64 scalars.
          ValueError: there is no dataset.

        >>> choices = tf.data.Dataset.range(2).repeat(2)
        >>> mixed = tf.data.Dataset.choose_from_datasets([tf.data.Dataset.range(5), tf.data.Dataset.range(5, 9)], choices)
        >>> list(mixed.as_numpy_iterator())
        [0, 5, 1, 6]
        """
        if not datasets:
            raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
        if not isinstance(choice_dataset, DatasetMethods):
            raise TypeError(
                f"Invalid `choice_dataset`. `choice_dataset` should be a `tf.data.Dataset` but is {type(choice_dataset)}."
            )
        spec = choice_dataset.element_spec
        if not isinstance(spec, TensorSpec) or not TensorSpec([], dtypes.int64).is_compatible_with(spec):
            raise TypeError(
                "Invalid `choice_dataset`. Elements of `choice_dataset` must be scalar `tf.int64` tensors but are "
                f"{spec}."
            )
        flat = list(datasets)
        return flat[0]._then(Directed(choice_dataset._stage, [d._stage for d in flat], stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Any:
        """Return a dataset that takes its elements from datasets chosen at random; for seeds, TensorFlow's choices.

        Args:
          datasets: at least one dataset, of one type.
          weights: the probability of each: a list, a tensor, or a dataset of such. None: all alike.
          seed: a whole number; with the global seed it decides the choices.
          stop_on_empty_dataset: whether the end of one dataset is the end; otherwise it is passed over from then on.
          rerandomize_each_iteration: whether each iteration chooses otherwise.

        Raises:
          TypeError: the datasets differ in type, or the weights are no floats.
          ValueError: there is no dataset, or there are more or fewer weights than datasets.

        >>> both = [tf.data.Dataset.range(3), tf.data.Dataset.range(10, 13)]
        >>> sorted(tf.data.Dataset.sample_from_datasets(both, seed=1).as_numpy_iterator())
        [0, 1, 2, 10, 11, 12]
        """
        return sampled(list(datasets), weights, seed, stop_on_empty_dataset, rerandomize_each_iteration)

    def rejection_resample(
        self,
        class_func: Callable[..., Any],
        target_dist: Any,
        initial_dist: Any = None,
        seed: Any = None,
        name: str | None = None,
    ) -> Any:
        """Leave elements out at random, so that their classes come as often as `target_dist` says.

        Args:
          class_func: gives the class of an element, an int32 scalar.
          target_dist: the probabilities wanted, a vector of floats.
          initial_dist: the probabilities as they are; they are estimated from what has come where None.
          seed: a whole number that decides what is left out.

        Returns:
          A dataset of pairs: the class, and the element.

        >>> ones = tf.data.Dataset.range(40).map(lambda x: tf.cast(x % 4 == 0, tf.int32))
        >>> even = ones.rejection_resample(lambda c: c, [0.5, 0.5], [0.75, 0.25], seed=3)
        >>> even.element_spec[0].dtype
        tf.int32
        """
        return resampled(self, class_func, target_dist, initial_dist, seed)
