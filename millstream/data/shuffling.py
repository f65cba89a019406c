"""Random order and repetition: shuffle in TensorFlow's order for the same seeds, and repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.data.methods import DatasetMethods, whole
from millstream.data.randomness import SeedSource, Words
from millstream.data.sources import IndexedPart, IndexedReader
from millstream.data.stage import INFINITE, UNKNOWN, Element, Reader, Run, Stage, refused


class Shuffle(Stage):
    """Elements in random order, each drawn from a buffer."""

    name = "Shuffle"

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
        seeds = self.source.draw()
        size = self.number("buffer")
        before = self.input.reader(run)
        if isinstance(before, IndexedReader):
            return _IndexedShuffle(before, size, seeds, self.source)
        return _ShuffleReader(before, size, seeds, self.source)


class _Picker:
    """A ring of `size` places of which a random one is taken: TensorFlow's order for these seeds."""

    def __init__(self, size: int, seeds: tuple[int, int]) -> None:
        self.size, self.words = size, Words(*seeds)
        self.buffer: list[Any] = []
        self.start = self.end = 0

    def full(self) -> bool:
        return self.end - self.start >= self.size

    def put(self, item: Any) -> None:
        at = self.end % self.size
        if at == len(self.buffer):
            self.buffer.append(item)
        else:
            self.buffer[at] = item
        self.end += 1

    def take(self) -> Any:
        start, size, buffer = self.start, self.size, self.buffer
        chosen = (start + self.words.next() % (self.end - start)) % size
        first = start % size
        item = buffer[chosen]
        buffer[chosen], buffer[first] = buffer[first], None
        self.start = start + 1
        return item

    def state(self) -> Any:
        held = [list(b) if isinstance(b, tuple) else b for b in self.buffer]
        return [*self.words.seeds, self.words.used, held, self.start, self.end]

    def restore(self, state: Any) -> None:
        self.words = Words(state[0], state[1])
        self.words.used = state[2]
        self.buffer = [tuple(b) if isinstance(b, list) else b for b in state[3]]
        self.start, self.end = state[4], state[5]


class _ShuffleReader(Reader):
    def __init__(self, before: Reader, size: int, seeds: tuple[int, int], source: SeedSource) -> None:
        self.source = source
        self.before, self.picker, self.ended = before, _Picker(size if size > 0 else 1 << 62, seeds), False

    def __next__(self) -> Element:
        picker = self.picker
        while not self.ended and not picker.full():
            found = next(self.before, None)
            if found is None:
                self.ended = True
            else:
                picker.put(found)
        if picker.start == picker.end:
            raise StopIteration
        return picker.take()  # type: ignore[no-any-return]

    def state(self) -> Any:
        return [self.before.state(), self.picker.state(), self.ended, self.source.words.used]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.picker.restore(state[1])
        self.ended = state[2]
        self.source.words.used = state[3]


class _IndexedShuffle(IndexedPart):
    """Shuffles the numbers of rows that lie ready, in the same order as their elements would come."""

    def __init__(self, before: IndexedReader, size: int, seeds: tuple[int, int], source: SeedSource) -> None:
        super().__init__(before)
        self.source = source
        self.picker = _Picker(size if size > 0 else 1 << 62, seeds)
        self.read_rows: list[int] = []

    def indices(self, count: int) -> Any:
        picker, found = self.picker, []
        for _ in range(count):
            while not picker.full():
                if not self.read_rows:
                    self.read_rows = self.before.indices(4096).tolist()[::-1]
                if not self.read_rows:
                    break
                picker.put(self.read_rows.pop())
            if picker.start == picker.end:
                break
            found.append(picker.take())
        return np.array(found, np.int64)

    def state(self) -> Any:
        return [self.before.state(), self.picker.state(), list(self.read_rows), self.source.words.used]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.picker.restore(state[1])
        self.read_rows = state[2]
        self.source.words.used = state[3]


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
        reader = _RepeatReader(self.input, self.number("times"), run)
        before = reader.before
        return _IndexedRepeat(before, reader) if isinstance(before, IndexedReader) else reader


class _RepeatReader(Reader):
    def __init__(self, before: Stage, times: int, run: Run) -> None:
        self.stage, self.times, self.run = before, times, run
        self.turn, self.empty = 0, True
        self.before = before.reader(run) if times else None

    def __next__(self) -> Element:
        while self.before is not None:
            try:
                element = self.before.__next__()
                self.empty = False
                return element
            except StopIteration:
                self.turn_over()
        raise StopIteration

    def turn_over(self) -> None:
        """Begin the next iteration, if there is one."""
        self.turn += 1
        over = self.turn >= self.times if self.times >= 0 else self.empty
        # TensorFlow begins one iteration more than it needs, unless a shuffle is just before: shuffles later have other seeds.
        more = not over or (self.times >= 0 and not isinstance(_before_noops(self.stage), Shuffle))
        self.before = self.stage.reader(self.run) if more else None
        if over:
            self.before = None
        self.empty = True

    def state(self) -> Any:
        return [self.turn, self.empty, None if self.before is None else self.before.state()]

    def restore(self, state: Any) -> None:
        self.turn, self.empty = state[0], state[1]
        if state[2] is None:
            self.before = None
        else:
            self.before = self.stage.reader(self.run)
            self.before.restore(state[2])


class _IndexedRepeat(IndexedPart):
    """Repeats the numbers of rows that lie ready."""

    def __init__(self, before: IndexedReader, turns: _RepeatReader) -> None:
        super().__init__(before)
        self.turns = turns

    def indices(self, count: int) -> Any:
        parts: list[Any] = []
        missing = count
        while missing and isinstance(self.turns.before, IndexedReader):
            found = self.turns.before.indices(missing)
            if len(found):
                self.turns.empty = False
                parts.append(found)
                missing -= len(found)
            else:
                self.turns.turn_over()
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def state(self) -> Any:
        return self.turns.state()

    def restore(self, state: Any) -> None:
        self.turns.restore(state)


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
        size = whole(buffer_size)
        if isinstance(size, int) and size <= 0 and size != UNKNOWN:
            raise refused("buffer_size must be greater than zero or UNKNOWN_CARDINALITY")
        again = reshuffle_each_iteration is None or bool(reshuffle_each_iteration)
        return self._then(Shuffle(self._stage, size, SeedSource.of(seed, again)))

    def repeat(self, count: Any = None, name: str | None = None) -> Any:
        """Go through the dataset `count` times; without end for None and -1.

        >>> list(tf.data.Dataset.range(2).repeat(2).as_numpy_iterator())
        [0, 1, 0, 1]
        """
        return self._then(Repeat(self._stage, -1 if count is None else whole(count)))
