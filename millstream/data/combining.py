"""Datasets made of elements, and their elements in one: flat_map and interleave, with threads that read ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from millstream.base import errors
from millstream.data.methods import DatasetMethods, whole
from millstream.data.nesting import DatasetSpec
from millstream.data.stage import AUTOTUNE, Element, Reader, Run, Stage, refused
from millstream.data.traced import Traced


class FlatMap(Stage):
    """The elements of the datasets that a function makes of elements."""

    name = "FlatMap"

    def __init__(self, before: Stage, function: Traced) -> None:
        super().__init__(function.spec.element_spec, [before], functions=[function])

    def reader(self, run: Run) -> Reader:
        return _FlatReader(self, self.input.reader(run), run)


class _Opener:
    """Makes the reader of the dataset that a function makes of an element."""

    def __init__(self, stage: Stage, run: Run) -> None:
        self.stage, self.run, self.function = stage, run, stage.begun()[0]

    def __call__(self, element: Element, index: int) -> Reader:
        try:
            return self.function(element)[0]._stage.reader(self.run)  # type: ignore[no-any-return]
        except errors.OpError as error:
            raise self.stage.failed(error, index, function=True) from error


class _FlatReader(Reader):
    def __init__(self, stage: Stage, before: Reader, run: Run) -> None:
        self.before, self.open, self.index = before, _Opener(stage, run), -1
        self.element: Element | None = None
        self.inner: Reader | None = None

    def __next__(self) -> Element:
        while True:
            if self.inner is not None:
                try:
                    return self.inner.__next__()
                except StopIteration:
                    self.inner = None
            self.element = self.before.__next__()
            self.index += 1
            self.inner = self.open(self.element, self.index)

    def state(self) -> Any:
        inner = None if self.inner is None else [list(self.element or ()), self.inner.state()]
        return [self.before.state(), self.index, inner]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.index, self.inner = state[1], None
        if state[2] is not None:
            self.element = tuple(state[2][0])
            self.inner = self.open(self.element, self.index)
            self.inner.restore(state[2][1])


class Interleave(Stage):
    """The elements of several datasets at a time, in blocks that take turns."""

    def __init__(
        self, before: Stage, function: Traced, cycle: Any, block: Any, calls: Any, deterministic: bool | None
    ) -> None:
        values = {"cycle": cycle, "block": block}
        if calls is not None:
            values["calls"] = calls
        super().__init__(function.spec.element_spec, [before], values, [function])
        self.name = "Interleave" if calls is None else "ParallelInterleave"
        self.deterministic = deterministic

    def reader(self, run: Run) -> Reader:
        return _InterleaveReader(self, self.input.reader(run), run)


class _Place:
    """One of the datasets under way: its reader, or the blocks of it that threads are making."""

    def __init__(self, element: Element, index: int, reader: Reader) -> None:
        self.element, self.index, self.reader = element, index, reader
        self.ahead: Future[tuple[list[Element], BaseException | None]] | None = None
        self.ready: deque[Element] = deque()
        self.ended: BaseException | None = None


class _InterleaveReader(Reader):
    """With `calls`, the next block of each dataset is made by a thread while others are read: at most `cycle` blocks wait."""

    def __init__(self, stage: Interleave, before: Reader, run: Run) -> None:
        self.before, self.open, self.index = before, _Opener(stage, run), -1
        cycle = stage.number("cycle")
        threads = stage.number("calls") if "calls" in stage.values else 0
        threads = (os.cpu_count() or 1) if threads == AUTOTUNE else threads
        self.cycle = cycle if cycle != AUTOTUNE else max(threads, os.cpu_count() or 1)
        self.block = stage.number("block")
        self.places: list[_Place | None] = [None] * self.cycle
        self.at, self.taken, self.ended = 0, 0, False
        self.pool: ThreadPoolExecutor | None = None
        if threads > 1:
            self.pool = ThreadPoolExecutor(min(threads, self.cycle), "millstream-interleave")

    def _turn(self) -> None:
        self.at, self.taken = (self.at + 1) % self.cycle, 0

    def __next__(self) -> Element:
        if self.pool is not None and self.index < 0 and not self.ended:
            # Threads begin with all datasets of the cycle at once.
            for i in range(self.cycle):
                self._open(i)
        idle = 0
        while True:
            place = self.places[self.at] or self._open(self.at)
            if place is None:
                idle += 1
                if idle > self.cycle:
                    raise StopIteration
                self._turn()
                continue
            idle = 0
            try:
                element = self._from(place)
            except StopIteration:
                self.places[self.at] = None
                self._turn()
                continue
            self.taken += 1
            if self.taken == self.block:
                self._turn()
            return element

    def _open(self, at: int) -> _Place | None:
        """Open the next dataset in a place; None where there is no more."""
        found = None if self.ended else next(self.before, None)
        if found is None:
            self.ended = True
            return None
        self.index += 1
        place = _Place(found, self.index, self.open(found, self.index))
        self.places[at] = place
        self._ask(place)
        return place

    def _ask(self, place: _Place) -> None:
        if self.pool is not None and place.ahead is None and place.ended is None:
            place.ahead = self.pool.submit(_read_block, place.reader, self.block)

    def _from(self, place: _Place) -> Element:
        if self.pool is None:
            return place.reader.__next__()
        while not place.ready:
            if place.ended is not None:
                raise place.ended
            self._ask(place)
            assert place.ahead is not None
            elements, place.ended = place.ahead.result()
            place.ahead = None
            place.ready.extend(elements)
        element = place.ready.popleft()
        if not place.ready:
            self._ask(place)
        return element

    def state(self) -> Any:
        places: list[Any] = []
        for place in self.places:
            if place is None:
                places.append(None)
                continue
            if place.ahead is not None:
                elements, place.ended = place.ahead.result()
                place.ahead = None
                place.ready.extend(elements)
            held = [list(e) for e in place.ready]
            places.append([list(place.element), place.index, place.reader.state(), held, place.ended is not None])
        return [self.before.state(), self.index, self.at, self.taken, self.ended, places]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.index, self.at, self.taken, self.ended = state[1:5]
        self.places = [None] * self.cycle
        for i, saved in enumerate(state[5]):
            if saved is None:
                continue
            element = tuple(saved[0])
            place = _Place(element, saved[1], self.open(element, saved[1]))
            place.reader.restore(saved[2])
            place.ready = deque(tuple(e) for e in saved[3])
            place.ended = StopIteration() if saved[4] else None
            self.places[i] = place

    def __del__(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)


def _read_block(reader: Reader, count: int) -> tuple[list[Element], BaseException | None]:
    found: list[Element] = []
    try:
        for _ in range(count):
            found.append(reader.__next__())
    except BaseException as error:  # raised where the reader gets there
        return found, error
    return found, None


def _gives_dataset(function: Callable[..., Any], before: Stage, stage: str) -> Traced:
    traced = Traced(function, before.spec, stage)
    if not isinstance(traced.spec, DatasetSpec):
        raise TypeError(
            f"Invalid `map_func`. `map_func` must return a `tf.data.Dataset` object. Got {traced.spec} from the function "
            f"passed to {stage}()."
        )
    return traced


class CombiningMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that make one dataset of several."""

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> Any:
        """Make a dataset of each element, and join them in order.

        Raises:
          TypeError: the function gives no dataset.

        >>> twice = tf.data.Dataset.range(3).flat_map(lambda n: tf.data.Dataset.from_tensors(n).repeat(2))
        >>> list(twice.as_numpy_iterator())
        [0, 0, 1, 1, 2, 2]
        """
        return self._then(FlatMap(self._stage, _gives_dataset(map_func, self._stage, "flat_map")))

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = None,
        block_length: Any = None,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Any:
        """Make a dataset of each element, and take blocks of several datasets in turn.

        Args:
          map_func: gives a dataset.
          cycle_length: how many datasets are under way at a time; None and -1: one for each processor.
          block_length: how many elements are taken of one dataset before the next has its turn; 1 where it is None.
          num_parallel_calls: how many threads read ahead, a block for each dataset; None: none.
          deterministic: taken; the order is always kept.

        Raises:
          TypeError: the function gives no dataset.
          tf.errors.InvalidArgumentError: a length is not above zero.

        >>> mixed = tf.data.Dataset.range(1, 4).interleave(lambda n: tf.data.Dataset.from_tensors(n).repeat(3), 2, 2)
        >>> list(mixed.as_numpy_iterator())
        [1, 1, 2, 2, 1, 2, 3, 3, 3]
        """
        cycle = AUTOTUNE if cycle_length is None else whole(cycle_length)
        block = 1 if block_length is None else whole(block_length)
        calls = None if num_parallel_calls is None else whole(num_parallel_calls)
        if isinstance(cycle, int) and cycle <= 0 and cycle != AUTOTUNE:
            raise refused(f"`cycle_length` must be > 0 but is {cycle}")
        if isinstance(block, int) and block <= 0:
            raise refused(f"`block_length` must be > 0 but is {block}")
        if isinstance(calls, int) and calls <= 0 and calls != AUTOTUNE:
            raise refused(f"`num_parallel_calls` must be > 0 but is {calls}")
        if isinstance(cycle, int) and isinstance(calls, int) and 0 < cycle < calls:
            raise refused(
                "If `cycle_length` is set to a fixed value, `num_parallel_calls` must be either `tf.data.AUTOTUNE` or a value "
                f"less than or equal to `cycle_length`; they are {calls} and {cycle}."
            )
        traced = _gives_dataset(map_func, self._stage, "interleave")
        return self._then(Interleave(self._stage, traced, cycle, block, calls, deterministic))
