"""Which elements come, and in which order: take, skip, shard, concatenate, zip, enumerate."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.specs import TensorSpec
from millstream.data.leaves import relaxed
from millstream.data.methods import DatasetMethods, dataset, whole
from millstream.data.native import NativeReader, Turns, TurnsReader, following, handle_of
from millstream.data.stage import INFINITE, UNKNOWN, Counting, Element, Limit, Reader, Run, Stage, refused


class Take(Stage):
    """The first elements."""

    name = "Take"

    def __init__(self, before: Stage, number: Any) -> None:
        super().__init__(before.spec, [before], {"number": number})

    def size(self, counts: list[int]) -> int:
        number, count = self.number("number"), counts[0]
        if number < 0:
            return count
        return number if count == INFINITE else min(number, count) if count >= 0 else UNKNOWN

    def changes_nothing(self) -> bool:
        return self.number("number") < 0

    def reader(self, run: Run) -> Reader:
        return following(runtime.read_taken, self, run, self.number("number"))


class Skip(Stage):
    """The elements after the first."""

    name = "Skip"

    def __init__(self, before: Stage, number: Any) -> None:
        super().__init__(before.spec, [before], {"number": number})

    def size(self, counts: list[int]) -> int:
        number, count = self.number("number"), counts[0]
        return count if count < 0 else 0 if number < 0 else max(0, count - number)

    def changes_nothing(self) -> bool:
        return self.number("number") == 0

    def reader(self, run: Run) -> Reader:
        number = self.number("number")
        return following(runtime.read_skipped if number >= 0 else _nothing, self, run, number, 0)


def _nothing(before: Any, *_: int) -> Any:
    return runtime.read_taken(before, 0)


class Shard(Stage):
    """Every n-th element."""

    name = "Shard"
    limits = {"shards": Limit(1, "Number of shards must be greater than zero (currently num_shards = {}).")}

    def __init__(self, before: Stage, shards: Any, index: Any) -> None:
        super().__init__(before.spec, [before], {"shards": shards, "index": index})

    def size(self, counts: list[int]) -> int:
        count = counts[0]
        return len(range(self.number("index"), count, self.number("shards"))) if count >= 0 else count

    def changes_nothing(self) -> bool:
        return self.number("shards") == 1

    def reader(self, run: Run) -> Reader:
        shards, index = self.number("shards"), self.number("index")
        _refuse_outside(index, shards)
        return following(runtime.read_skipped, self, run, index, shards - 1)


def _refuse_outside(index: int, shards: int) -> None:
    if not 0 <= index < shards:
        raise refused(f"Index must be between 0 and {shards - 1} (currently index = {index}).")


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
        return TurnsReader(_Parts(self.inputs, run, self.spec), self.spec)


class _Parts(Turns):
    def __init__(self, stages: tuple[Stage, ...], run: Run, spec: Any) -> None:
        super().__init__(stages[0].reader(run), spec)
        self.stages, self.run, self.at = stages, run, 0

    def following(self, empty: bool) -> Reader | None:
        self.at += 1
        return self.stages[self.at].reader(self.run) if self.at < len(self.stages) else None

    def position(self) -> Any:
        return self.at

    def move(self, position: Any, more: bool) -> None:
        self.at = position
        self.now = self.stages[self.at].reader(self.run) if more else None


class Zip(Stage):
    """The elements of several datasets side by side."""

    name = "Zip"

    def size(self, counts: list[int]) -> int:
        finite = [c for c in counts if c != INFINITE]
        return INFINITE if not finite else UNKNOWN if UNKNOWN in finite else min(finite)

    def reader(self, run: Run) -> Reader:
        readers = [s.reader(run) for s in self.inputs]
        handles = [handle_of(r, s.spec) for r, s in zip(readers, self.inputs, strict=True)]
        return NativeReader(runtime.read_zipped(handles), self.spec, readers)


class Enumerate(Stage):
    """Each element with its number."""

    name = "Enumerate"

    def __init__(self, before: Stage, start: Any) -> None:
        super().__init__((TensorSpec([], dtypes.int64), before.spec), [before], {"start": start})

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        return following(runtime.read_numbered, self, run, self.number("start"))


class AssertCardinality(Stage):
    """The elements, with a number of them that is checked at the end."""

    name = "AssertCardinality"

    def __init__(self, before: Stage, expected: Any) -> None:
        super().__init__(before.spec, [before], {"expected": expected})

    def size(self, counts: list[int]) -> int:
        return self.number("expected")

    def reader(self, run: Run) -> Reader:
        return _CountedReader(self.input.reader(run), self.number("expected"))


class _CountedReader(Counting, Reader):
    """`seen` counts what has come."""

    progress = "seen"

    def __init__(self, before: Reader, expected: int) -> None:
        self.before, self.seen, self.expected = before, 0, expected

    def __next__(self) -> Element:
        expected, seen = self.expected, self.seen
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
        self.seen = seen + 1
        if 0 <= expected < self.seen:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"Input dataset was expected to contain {expected} elements but contained at least {self.seen} elements.",
            )
        return element


class OrderingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that choose and order elements."""

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
        shards, at = whole(num_shards, Shard.limits["shards"]), whole(index)
        if isinstance(shards, int) and isinstance(at, int):
            _refuse_outside(at, shards)
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
        if isinstance(structure, list):
            raise TypeError(
                "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` objects. Python "
                "`list` is not supported and you should use `tuple` instead."
            )
        for item in flat:
            if not hasattr(item, "_stage"):
                raise TypeError(
                    "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` objects but "
                    f"encountered object of type {type(item)}."
                )
        spec = nest.pack_sequence_as(structure, [d.element_spec for d in flat])
        made = dataset(Zip(spec, [d._stage for d in flat]))
        for d in flat:
            made._options = made._options.merge(d._options).fixed()
        return made

    def enumerate(self, start: Any = 0, name: str | None = None) -> Any:
        """Pair each element with its number.

        >>> list(tf.data.Dataset.from_tensor_slices(["a", "b"]).enumerate(5).as_numpy_iterator())
        [(5, b'a'), (6, b'b')]
        """
        return self._then(Enumerate(self._stage, whole(start)))
