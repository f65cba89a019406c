"""Which elements come, and in which order: shuffle, repeat, take, skip, shard, concatenate, zip, enumerate."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from millstream.base import dtypes, nest
from millstream.base.specs import TensorSpec
from millstream.data.leaves import relaxed
from millstream.data.methods import DatasetMethods, dataset, whole
from millstream.data.randomness import SeedSource, Words, dataset_seeds
from millstream.data.sources import IndexedReader
from millstream.data.stage import INFINITE, UNKNOWN, Element, Reader, Run, Stage, refused
from millstream.execution.tensor import eager_from_array


class Shuffle(Stage):
    """Elements in random order, each drawn from a buffer."""

    name = "Shuffle"

    def __init__(self, before: Stage, buffer: Any, source: SeedSource) -> None:
        super().__init__(before.spec, [before], {"buffer": buffer})
        self.source = source

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        seeds = self.source.draw()
        size = self.number("buffer")
        before = self.input.reader(run)
        if isinstance(before, IndexedReader):
            return _IndexedShuffle(before, size, seeds)
        return _ShuffleReader(before, size, seeds)


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
    def __init__(self, before: Reader, size: int, seeds: tuple[int, int]) -> None:
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
        return [self.before.state(), self.picker.state(), self.ended]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.picker.restore(state[1])
        self.ended = state[2]


class _IndexedShuffle(IndexedReader):
    """Shuffles the numbers of rows that lie ready, in the same order as their elements would come."""

    def __init__(self, before: IndexedReader, size: int, seeds: tuple[int, int]) -> None:
        super().__init__(before.count_of_rows)
        self.before, self.size, self.seeds = before, size if size > 0 else 1 << 62, seeds
        self.plain = before.plain
        self.picker = _Picker(self.size, seeds)
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

    def __next__(self) -> Element:
        found = self.indices(1)
        if not len(found):
            raise StopIteration
        return self.before.row(found[0])

    def row(self, index: int) -> Element:
        return self.before.row(index)

    def gather(self, indices: Any) -> Element:
        return self.before.gather(indices)

    def state(self) -> Any:
        return [self.before.state(), self.picker.state(), list(self.read_rows)]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.picker.restore(state[1])
        self.read_rows = state[2]


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
        return _RepeatReader(self.input, self.number("times"), run)


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
                self._turn()
        raise StopIteration

    def _turn(self) -> None:
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


def _before_noops(stage: Stage) -> Stage:
    """Return the stage before those that change nothing, which TensorFlow takes out."""
    while stage.inputs and stage.changes_nothing():
        stage = stage.input
    return stage


class Take(Stage):
    """The first elements."""

    name = "Take"

    def __init__(self, before: Stage, number: Any) -> None:
        super().__init__(before.spec, [before], {"number": number})

    def size(self, counts: list[int]) -> int:
        number, count = self.number("number"), counts[0]
        if number < 0:
            return count
        return number if count == INFINITE else min(number, count) if count >= 0 else 0 if number == 0 else UNKNOWN

    def changes_nothing(self) -> bool:
        return self.number("number") < 0

    def reader(self, run: Run) -> Reader:
        return _TakeReader(self.input.reader(run), self.number("number"))


class _TakeReader(Reader):
    def __init__(self, before: Reader, number: int) -> None:
        self.before, self.left = before, number

    def __next__(self) -> Element:
        if not self.left:
            raise StopIteration
        element = self.before.__next__()
        self.left -= 1
        return element

    def read(self, count: int) -> list[Element]:
        found = self.before.read(count if self.left < 0 else min(count, self.left))
        self.left -= len(found) if self.left > 0 else 0
        return found

    def state(self) -> Any:
        return [self.before.state(), self.left]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.left = state[1]


class Skip(Stage):
    """The elements after the first."""

    name = "Skip"

    def __init__(self, before: Stage, number: Any) -> None:
        super().__init__(before.spec, [before], {"number": number})

    def size(self, counts: list[int]) -> int:
        number, count = self.number("number"), counts[0]
        return 0 if number < 0 else max(0, count - number) if count >= 0 else count

    def changes_nothing(self) -> bool:
        return self.number("number") == 0

    def reader(self, run: Run) -> Reader:
        return _SkipReader(self.input.reader(run), self.number("number"))


class _SkipReader(Reader):
    def __init__(self, before: Reader, number: int) -> None:
        self.before, self.left, self.none = before, number, number < 0

    def __next__(self) -> Element:
        if self.none:
            raise StopIteration
        while self.left:
            if isinstance(self.before, IndexedReader):
                self.before.indices(self.left)
                self.left = 0
                break
            self.before.__next__()
            self.left -= 1
        return self.before.__next__()

    def state(self) -> Any:
        return [self.before.state(), self.left]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.left = state[1]


class Shard(Stage):
    """Every n-th element."""

    name = "Shard"

    def __init__(self, before: Stage, shards: Any, index: Any) -> None:
        super().__init__(before.spec, [before], {"shards": shards, "index": index})

    def size(self, counts: list[int]) -> int:
        count = counts[0]
        return len(range(self.number("index"), count, self.number("shards"))) if count >= 0 else count

    def changes_nothing(self) -> bool:
        return self.number("shards") == 1

    def reader(self, run: Run) -> Reader:
        return _ShardReader(self.input.reader(run), self.number("shards"), self.number("index"))


class _ShardReader(_TakeReader):
    """`left` is how many elements are passed over before the next."""

    def __init__(self, before: Reader, shards: int, index: int) -> None:
        super().__init__(before, index)
        self.shards = shards

    def __next__(self) -> Element:
        while self.left:
            self.before.__next__()
            self.left -= 1
        element = self.before.__next__()
        self.left = self.shards - 1
        return element

    def read(self, count: int) -> list[Element]:
        return list(itertools.islice(self, count))


class Concatenate(Stage):
    """The elements of one dataset, then those of another."""

    name = "Concatenate"

    def __init__(self, first: Stage, second: Stage) -> None:
        spec = relaxed(first.spec, second.spec)
        if spec is None:
            raise TypeError(f"Incompatible dataset elements:\n  {first.spec} vs.   {second.spec}")
        super().__init__(spec, [first, second])

    def size(self, counts: list[int]) -> int:
        return INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)

    def reader(self, run: Run) -> Reader:
        return _ConcatenateReader(self.inputs, run)


class _ConcatenateReader(Reader):
    def __init__(self, stages: tuple[Stage, ...], run: Run) -> None:
        self.stages, self.run, self.at = stages, run, 0
        self.before: Reader | None = stages[0].reader(run)

    def __next__(self) -> Element:
        while self.before is not None:
            try:
                return self.before.__next__()
            except StopIteration:
                self.at += 1
                self.before = self.stages[self.at].reader(self.run) if self.at < len(self.stages) else None
        raise StopIteration

    def state(self) -> Any:
        return [self.at, None if self.before is None else self.before.state()]

    def restore(self, state: Any) -> None:
        self.at = state[0]
        self.before = None if state[1] is None else self.stages[self.at].reader(self.run)
        if self.before is not None:
            self.before.restore(state[1])


class Zip(Stage):
    """The elements of several datasets side by side."""

    name = "Zip"

    def size(self, counts: list[int]) -> int:
        finite = [c for c in counts if c != INFINITE]
        return INFINITE if not finite else UNKNOWN if UNKNOWN in finite else min(finite)

    def reader(self, run: Run) -> Reader:
        return _ZipReader([s.reader(run) for s in self.inputs])


class _ZipReader(Reader):
    def __init__(self, readers: list[Reader]) -> None:
        self.readers, self.ended = readers, False

    def __next__(self) -> Element:
        if self.ended:
            raise StopIteration
        parts, ended, failure = [], False, None
        # All are asked, also after one has ended, as TensorFlow does.
        for reader in self.readers:
            try:
                parts.append(reader.__next__())
            except StopIteration:
                ended = True
            except Exception as error:
                failure = failure or error
        if ended:
            self.ended = True
            raise StopIteration
        if failure is not None:
            raise failure
        return tuple([leaf for part in parts for leaf in part])

    def state(self) -> Any:
        return [[r.state() for r in self.readers], self.ended]

    def restore(self, state: Any) -> None:
        for reader, part in zip(self.readers, state[0], strict=True):
            reader.restore(part)
        self.ended = state[1]


class Enumerate(Stage):
    """Each element with its number."""

    name = "Enumerate"

    def __init__(self, before: Stage, start: Any) -> None:
        super().__init__((TensorSpec([], dtypes.int64), before.spec), [before], {"start": start})

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        return _EnumerateReader(self.input.reader(run), self.number("start"))


class _EnumerateReader(Reader):
    def __init__(self, before: Reader, start: int) -> None:
        self.before, self.at = before, start

    def __next__(self) -> Element:
        element = self.before.__next__()
        number = eager_from_array(np.asarray(self.at, np.int64), dtypes.int64)
        self.at += 1
        return (number, *element)

    def state(self) -> Any:
        return [self.before.state(), self.at]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.at = state[1]


class AssertCardinality(Stage):
    """The elements, with a number of them that is checked at the end."""

    name = "AssertCardinality"

    def __init__(self, before: Stage, expected: Any) -> None:
        super().__init__(before.spec, [before], {"expected": expected})

    def size(self, counts: list[int]) -> int:
        return self.number("expected")

    def reader(self, run: Run) -> Reader:
        return _CountedReader(self.input.reader(run), self.number("expected"))


class _CountedReader(_TakeReader):
    """`left` counts what has come."""

    def __init__(self, before: Reader, expected: int) -> None:
        super().__init__(before, 0)
        self.expected = expected

    def __next__(self) -> Element:
        from millstream.base import errors

        expected, seen = self.expected, self.left
        try:
            element = self.before.__next__()
        except StopIteration:
            if expected == INFINITE or 0 <= seen < expected:
                wanted = "an infinite number of" if expected == INFINITE else str(expected)
                raise errors.FailedPreconditionError(
                    None,
                    None,
                    f"Input dataset was expected to contain {wanted} elements but contained only {seen} elements.",
                ) from None
            raise
        self.left = seen + 1
        if 0 <= expected < self.left:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"Input dataset was expected to contain {expected} elements but contained at least {self.left} elements.",
            )
        return element

    def read(self, count: int) -> list[Element]:
        return list(itertools.islice(self, count))


class OrderingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that choose and order elements."""

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

        >>> list(tf.data.Dataset.range(5).shuffle(5, seed=1, reshuffle_each_iteration=False).as_numpy_iterator())
        [0, 4, 2, 1, 3]
        """
        size = whole(buffer_size)
        if isinstance(size, int) and size <= 0 and size != UNKNOWN:
            raise refused("buffer_size must be greater than zero or UNKNOWN_CARDINALITY")
        again = reshuffle_each_iteration is None or bool(reshuffle_each_iteration)
        return self._then(Shuffle(self._stage, size, SeedSource(*dataset_seeds(seed), again)))

    def repeat(self, count: Any = None, name: str | None = None) -> Any:
        """Go through the dataset `count` times; without end for None and -1.

        >>> list(tf.data.Dataset.range(2).repeat(2).as_numpy_iterator())
        [0, 1, 0, 1]
        """
        return self._then(Repeat(self._stage, -1 if count is None else whole(count)))

    def take(self, count: Any, name: str | None = None) -> Any:
        """Keep at most the first `count` elements; all for -1.

        >>> list(tf.data.Dataset.range(9).take(2).as_numpy_iterator())
        [0, 1]
        """
        return self._then(Take(self._stage, whole(count)))

    def skip(self, count: Any, name: str | None = None) -> Any:
        """Leave the first `count` elements out; all for -1.

        >>> list(tf.data.Dataset.range(5).skip(3).as_numpy_iterator())
        [3, 4]
        """
        return self._then(Skip(self._stage, whole(count)))

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Any:
        """Keep every `num_shards`-th element from `index` on.

        Raises:
          tf.errors.InvalidArgumentError: `num_shards` is below one, or `index` is not below it.

        >>> list(tf.data.Dataset.range(7).shard(3, 1).as_numpy_iterator())
        [1, 4]
        """
        shards, at = whole(num_shards), whole(index)
        if isinstance(shards, int) and shards < 1:
            raise refused(f"Number of shards must be greater than zero (currently num_shards = {shards}).")
        if isinstance(shards, int) and isinstance(at, int) and not 0 <= at < shards:
            raise refused(f"Index must be between 0 and {shards - 1} (currently index = {at}).")
        return self._then(Shard(self._stage, shards, at))

    def concatenate(self, dataset: Any, name: str | None = None) -> Any:
        """Go through another dataset after this one.

        Raises:
          TypeError: the elements have other structures or element types.

        >>> list(tf.data.Dataset.range(2).concatenate(tf.data.Dataset.range(5, 7)).as_numpy_iterator())
        [0, 1, 5, 6]
        """
        return self._then(Concatenate(self._stage, dataset._stage))

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Any:
        """Return a dataset of the elements of several datasets side by side; it ends with the shortest.

        Args:
          *args: datasets, or one structure of datasets.
          datasets: the structure, by its name.

        Raises:
          TypeError: something given is no dataset.

        >>> pairs = tf.data.Dataset.zip(tf.data.Dataset.range(2), tf.data.Dataset.range(5, 9))
        >>> list(pairs.as_numpy_iterator())
        [(0, 5), (1, 6)]
        """
        if not args and datasets is None:
            raise TypeError("Must pass at least one dataset to `zip`.")
        if args and datasets is not None:
            raise TypeError("Both `*args` and `datasets` cannot be set.")
        structure = datasets if datasets is not None else args[0] if len(args) == 1 else args
        flat = nest.flatten(structure)
        for item in flat:
            if not hasattr(item, "_stage"):
                if isinstance(structure, list):
                    raise TypeError("Invalid input to `zip`. Got a list of `tf.data.Dataset` objects; give a tuple.")
                raise TypeError(
                    "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` objects but "
                    f"encountered object of type {type(item)}."
                )
        spec = nest.pack_sequence_as(structure, [d.element_spec for d in flat])
        made = dataset(Zip(spec, [d._stage for d in flat]))
        for d in flat:
            made._options = made._options.merge(d._options)
        return made

    def enumerate(self, start: Any = 0, name: str | None = None) -> Any:
        """Pair each element with its number.

        >>> list(tf.data.Dataset.from_tensor_slices(["a", "b"]).enumerate(5).as_numpy_iterator())
        [(5, b'a'), (6, b'b')]
        """
        return self._then(Enumerate(self._stage, whole(start)))
