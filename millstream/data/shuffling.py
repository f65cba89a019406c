"""Random order and repetition: shuffle in TensorFlow's order for the same seeds, and repeat."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import NativeReader, Turns, TurnsReader, handle_of
from millstream.data.randomness import SeedSource
from millstream.data.stage import INFINITE, UNKNOWN, Limit, Reader, Run, Stage


class Shuffle(Stage):
    """Elements in random order, each drawn from a buffer."""

    name = "Shuffle"
    limits = {"buffer": Limit(1, "buffer_size must be greater than zero or UNKNOWN_CARDINALITY", UNKNOWN)}

    def __init__(self, before: Stage, buffer: Any, source: SeedSource) -> None:
        super().__init__(before.spec, [before], {"buffer": buffer})
        self.source = source

    def bound(self, known: dict[int, Any]) -> Stage:
        result = super().bound(known)
        assert isinstance(result, Shuffle)
        result.source = self.source.bound()
        return result

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        seeds = [s % 2**64 for s in self.source.draw()]
        before = self.input.reader(run)
        handle = runtime.read_shuffled(handle_of(before, self.input.spec), max(self.number("buffer"), 0), *seeds)
        return _ShuffleReader(handle, self, before)


class _ShuffleReader(NativeReader):
    """Also holds how many seeds the dataset has given: iterations after this one go on from there."""

    def __init__(self, handle: Any, stage: Shuffle, before: Reader) -> None:
        super().__init__(handle, stage.spec, [before])
        self.source = stage.source

    def state(self) -> Any:
        return [*super().state(), self.source.words.used]

    def restore(self, state: Any) -> None:
        super().restore(state)
        self.source.words.used = state[2]


class Repeat(Stage):
    """The elements several times."""

    name = "Repeat"

    def __init__(self, before: Stage, times: Any) -> None:
        super().__init__(before.spec, [before], {"times": times})

    def size(self, counts: list[int]) -> int:
        times, count = self.number("times"), counts[0]
        if times < 0:
            return 0 if count == 0 else INFINITE
        return 0 if times == 0 else count * times if count >= 0 else count

    def changes_nothing(self) -> bool:
        return self.number("times") == 1

    def reader(self, run: Run) -> Reader:
        return TurnsReader(_Rounds(self.input, self.number("times"), run), self.spec)


class _Rounds(Turns):
    def __init__(self, stage: Stage, times: int, run: Run) -> None:
        super().__init__(stage.reader(run) if times else None, stage.spec)
        self.stage, self.times, self.run, self.round = stage, times, run, 0

    def following(self, empty: bool) -> Reader | None:
        self.round += 1
        over = self.round >= self.times if self.times >= 0 else empty
        # TensorFlow begins one iteration more than it needs, unless a shuffle is just before: shuffles later have other seeds.
        more = not over or (self.times >= 0 and not isinstance(_before_noops(self.stage), Shuffle))
        reader = self.stage.reader(self.run) if more else None
        return None if over else reader

    def position(self) -> Any:
        return self.round

    def move(self, position: Any, more: bool) -> None:
        self.round = position
        self.now = self.stage.reader(self.run) if more else None


def _before_noops(stage: Stage) -> Stage:
    """Return the stage before those that change nothing, which TensorFlow takes out."""
    while stage.inputs and stage.changes_nothing():
        stage = stage.input
    return stage


class ShufflingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that shuffle and repeat."""

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = True, name: str | None = None
    ) -> Any:
        """Give elements in random order, each drawn from a buffer that is kept full.

        The order is TensorFlow's for the same `seed` and `tf.random.set_seed`.

        Args:
          buffer_size: how many elements are held; `dataset.cardinality()` shuffles all. -2: all, however many there are.
          seed: a whole number; with the global seed it decides the order.
          reshuffle_each_iteration: whether each iteration has another order; None is True.

        Raises:
          tf.errors.InvalidArgumentError: `buffer_size` is not above zero.

        >>> tf.random.set_seed(None)
        >>> list(tf.data.Dataset.range(5).shuffle(5, seed=1, reshuffle_each_iteration=False).as_numpy_iterator())
        [2, 4, 0, 3, 1]
        """
        size = whole(buffer_size, Shuffle.limits["buffer"])
        again = reshuffle_each_iteration is None or bool(reshuffle_each_iteration)
        return self._then(Shuffle(self._stage, size, SeedSource.of(seed, again)))

    def repeat(self, count: Any = None, name: str | None = None) -> Any:
        """Go through the dataset `count` times; without end for None and -1.

        >>> list(tf.data.Dataset.range(2).repeat(2).as_numpy_iterator())
        [0, 1, 0, 1]
        """
        return self._then(Repeat(self._stage, -1 if count is None else whole(count)))
