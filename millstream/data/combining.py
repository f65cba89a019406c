"""Datasets made of elements, and their elements in one: flat_map and interleave, with threads that read ahead."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import NestedReader
from millstream.data.nesting import DatasetSpec
from millstream.data.stage import AUTOTUNE, Element, Limit, Reader, Run, Stage, is_ordered, refused
from millstream.data.traced import Traced


class FlatMap(Stage):
    """The elements of the datasets that a function makes of elements."""

    name = "FlatMap"

    def __init__(self, before: Stage, function: Traced) -> None:
        super().__init__(function.spec.element_spec, [before], functions=[function])

    def reader(self, run: Run) -> Reader:
        return _nested(self, run, 1, lambda before, opened: runtime.read_nested(before, opened, 1, 1))


class Interleave(Stage):
    """The elements of several datasets at a time, in blocks that take turns."""

    limits = {
        "cycle": Limit(1, "`cycle_length` must be > 0 but is {}", AUTOTUNE),
        "block": Limit(1, "`block_length` must be > 0 but is {}"),
        "calls": Limit(1, "`num_parallel_calls` must be > 0 but is {}", AUTOTUNE),
    }

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
        calls, cycle = self.number("calls") if "calls" in self.values else 1, self.number("cycle")
        _refuse_more_calls(calls, cycle)
        cycle = max(calls, os.cpu_count() or 1) if cycle == AUTOTUNE else cycle
        block = self.number("block")
        if calls == 1 or cycle == 1:
            return _nested(self, run, cycle, lambda before, opened: runtime.read_nested(before, opened, cycle, block))
        threads, ordered = max(calls, 0), is_ordered(self.deterministic, run)
        return _nested(
            self,
            run,
            cycle,
            lambda before, opened: runtime.read_nested_by_threads(before, opened, cycle, block, threads, ordered),
        )


def _refuse_more_calls(calls: int, cycle: int) -> None:
    if 0 < cycle < calls:
        raise refused(
            "If `cycle_length` is set to a fixed value, `num_parallel_calls` must be either `tf.data.AUTOTUNE` or a value less "
            f"than or equal to `cycle_length`; they are {calls} and {cycle}."
        )


def _nested(stage: Stage, run: Run, cycle: int, make: Callable[..., Any]) -> Reader:
    function = stage.begun()[0]

    def opened(element: Element, index: int) -> Reader:
        try:
            return function(element)[0]._stage.reader(run)  # type: ignore[no-any-return]
        except errors.OpError as error:
            raise stage.failed(error, index, function=True) from error

    return NestedReader(make, stage, stage.input.reader(run), stage.input.spec, opened, cycle)


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
          num_parallel_calls: how many threads read ahead, two blocks of each dataset (more elements where those are small);
            tf.data.AUTOTUNE begins with two and adds some while elements are waited for. None: none.
          deterministic: whether the order is kept when threads read; None asks the dataset's options.

        Raises:
          TypeError: the function gives no dataset.
          tf.errors.InvalidArgumentError: a length is not above zero.

        >>> mixed = tf.data.Dataset.range(1, 4).interleave(lambda n: tf.data.Dataset.from_tensors(n).repeat(3), 2, 2)
        >>> list(mixed.as_numpy_iterator())
        [1, 1, 2, 2, 1, 2, 3, 3, 3]
        """
        limits = Interleave.limits
        cycle = AUTOTUNE if cycle_length is None else whole(cycle_length, limits["cycle"])
        block = 1 if block_length is None else whole(block_length, limits["block"])
        calls = None if num_parallel_calls is None else whole(num_parallel_calls, limits["calls"])
        if isinstance(cycle, int) and isinstance(calls, int):
            _refuse_more_calls(calls, cycle)
        traced = _gives_dataset(map_func, self._stage, "interleave")
        return self._then(Interleave(self._stage, traced, cycle, block, calls, deterministic))
