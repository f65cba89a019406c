"""Transformations that call a function for each element: map, filter, take_while, scan, unique, ignore_errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.specs import TensorSpec
from millstream.data.consuming import reduced
from millstream.data.leaves import leaf_specs, normalized, relaxed, spec_of
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import following, function_of, parts_of
from millstream.data.stage import AUTOTUNE, CALLS, Element, Reader, Run, Stage, is_ordered
from millstream.data.traced import Traced


class Map(Stage):
    """A function of each element."""

    limits = {"calls": CALLS}

    def __init__(
        self, before: Stage, function: Traced, calls: Any, deterministic: bool | None, name: str = "Map"
    ) -> None:
        super().__init__(function.spec, [before], {} if calls is None else {"calls": calls}, [function])
        self.deterministic = deterministic
        self.name = name if calls is None else f"Parallel{name}"

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def changes_nothing(self) -> bool:
        return self.functions[0].is_identity()  # type: ignore[no-any-return]

    def reader(self, run: Run) -> Reader:
        function = function_of(self)
        calls = self.number("calls") if "calls" in self.values else 1
        if calls == 1:
            return following(runtime.read_mapped, self, run, function, self.name)
        tuned, ordered = calls == AUTOTUNE, is_ordered(self.deterministic, run)
        return following(
            runtime.read_mapped_by_threads, self, run, function, self.name, max(calls, 0), tuned, ordered, run.budget
        )


class Filter(Stage):
    """The elements for which a function gives True."""

    name = "Filter"

    def __init__(self, before: Stage, predicate: Traced) -> None:
        super().__init__(before.spec, [before], functions=[predicate])

    stops = False

    def reader(self, run: Run) -> Reader:
        return following(runtime.read_filtered, self, run, function_of(self), self.name, self.stops)


class TakeWhile(Filter):
    """The elements before the first for which a function gives False."""

    name = "TakeWhile"
    stops = True


class Scan(Stage):
    """A function of a state and each element, which gives the next state and what comes out."""

    name = "Scan"

    def __init__(self, before: Stage, state: Any, function: Traced, spec: Any) -> None:
        super().__init__(spec, [before], {"state": nest.flatten(state)}, [function])

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        held = self.functions[0].spec[0]
        parts, state = parts_of(held), tuple(self.values["state"])
        tensors = state if parts is None else parts.flat(state)
        return following(
            runtime.read_scanned, self, run, function_of(self, (held, self.input.spec)), tensors, self.name
        )


class IgnoreErrors(Stage):
    """The elements that can be made."""

    name = "IgnoreErrors"

    def __init__(self, before: Stage, log: bool) -> None:
        super().__init__(before.spec, [before])
        self.log = log

    def reader(self, run: Run) -> Reader:
        return _IgnoreReader(self, self.input.reader(run))


class _IgnoreReader(Reader):
    def __init__(self, stage: IgnoreErrors, before: Reader) -> None:
        self.stage, self.before = stage, before

    def __next__(self) -> Element:
        while True:
            try:
                return self.before.__next__()
            except errors.OpError as error:
                if self.stage.log:
                    import logging

                    logging.getLogger("millstream").warning("Element ignored: %s", error)

    def state(self) -> Any:
        return self.before.state()

    def restore(self, state: Any) -> None:
        self.before.restore(state)


class Unique(Stage):
    """Each scalar once, where it first comes."""

    name = "Unique"

    def __init__(self, before: Stage) -> None:
        super().__init__(before.spec, [before])

    def reader(self, run: Run) -> Reader:
        return _UniqueReader(self.input.reader(run))


class _UniqueReader(Reader):
    def __init__(self, before: Reader) -> None:
        self.before = before
        self.seen: set[Any] = set()

    def __next__(self) -> Element:
        while True:
            element = self.before.__next__()
            value = element[0].numpy()
            key = value if isinstance(value, bytes) else int(value)
            if key not in self.seen:
                self.seen.add(key)
                return element

    def state(self) -> Any:
        return [self.before.state(), list(self.seen)]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.seen = set(state[1])


def predicate_of(function: Callable[..., Any], before: Stage, stage: str) -> Traced:
    """Return a traced function of elements that gives one bool."""
    traced = Traced(function, before.spec, stage)
    fits = isinstance(traced.spec, TensorSpec) and traced.spec.is_compatible_with(TensorSpec([], dtypes.bool))
    if not fits:
        raise ValueError(
            f"Invalid `predicate`. `predicate` must return a `tf.bool` scalar tensor, but its return type is {traced.spec}."
        )
    return traced


def stable_state(
    function: Callable[[Any], Traced], state: Any, spec: Any, part: Callable[[Any], Any], stage: str
) -> tuple[Traced, Any]:
    """Trace a function of a state until the spec of the state that it gives covers what it is given."""
    while True:
        traced = function(spec)
        given = part(traced.spec)
        try:
            nest.assert_same_structure(spec, given)
        except (TypeError, ValueError):
            raise TypeError(
                f"Invalid `{stage}_func`. The structure of the new state {given} must match that of the state {spec}."
            ) from None
        for old, new in zip(leaf_specs(spec), leaf_specs(given), strict=True):
            if getattr(old, "dtype", None) is not getattr(new, "dtype", None):
                raise TypeError(
                    f"Invalid `{stage}_func`. The element types for the new state must match the initial state: "
                    f"{new} instead of {old}."
                )
        common = relaxed(spec, given)
        if common is None:
            raise TypeError(
                f"Invalid `{stage}_func`. The new state {given} has not the type of the initial state {spec}."
            )
        if leaf_specs(common) == leaf_specs(spec):
            return traced, spec
        spec = common


class MappingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that call a function for each element."""

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool | None = False,
        name: str | None = None,
    ) -> Any:
        """Apply a function to each element.

        The function is traced once. Random ops in it begin anew with each iteration where they have seeds.

        Args:
          map_func: takes the parts of an element (a tuple is unpacked) and gives a structure of tensors, or of datasets.
          num_parallel_calls: how many elements are made at once, in threads; tf.data.AUTOTUNE chooses. None: one by one.
          deterministic: whether the order is kept when several are made at once; None asks the dataset's options.
          synchronous: whether calls run in the reader's thread; refused together with `num_parallel_calls`.
          use_unbounded_threadpool: taken, and changes nothing: there are as many threads as calls.

        Raises:
          TypeError: what the function returns is no structure of tensors.
          ValueError: `synchronous` together with `num_parallel_calls`.

        >>> list(tf.data.Dataset.range(3).map(lambda x: x * x).as_numpy_iterator())
        [0, 1, 4]
        """
        if synchronous and num_parallel_calls is not None:
            raise ValueError(
                "`synchronous` is not supported with `num_parallel_calls`, but `num_parallel_calls` was given."
            )
        calls = None if num_parallel_calls is None else whole(num_parallel_calls, CALLS)
        return self._then(Map(self._stage, Traced(map_func, self._stage.spec, "map"), calls, deterministic))

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Any:
        """Keep the elements for which `predicate` gives a scalar True.

        Raises:
          ValueError: the predicate gives something else than one bool.

        >>> list(tf.data.Dataset.range(6).filter(lambda x: x % 2 == 0).as_numpy_iterator())
        [0, 2, 4]
        """
        return self._then(Filter(self._stage, predicate_of(predicate, self._stage, "filter")))

    def take_while(self, predicate: Callable[..., Any], name: str | None = None) -> Any:
        """Stop before the first element for which `predicate` does not hold.

        >>> list(tf.data.Dataset.range(9).take_while(lambda x: x < 3).as_numpy_iterator())
        [0, 1, 2]
        """
        return self._then(TakeWhile(self._stage, predicate_of(predicate, self._stage, "take_while")))

    def scan(self, initial_state: Any, scan_func: Callable[..., Any], name: str | None = None) -> Any:
        """Carry a state along the elements: `scan_func(state, element)` gives (new state, what comes out).

        >>> sums = tf.data.Dataset.range(4).scan(np.int64(0), lambda total, x: (total + x, total + x))
        >>> list(sums.as_numpy_iterator())
        [0, 1, 3, 6]
        """
        state = normalized(initial_state)
        before = self._stage.spec

        def trace(spec: Any) -> Traced:
            def step(held: Any, element: Any) -> Any:
                result = scan_func(held, element)
                if not isinstance(result, (tuple, list)) or len(result) != 2:
                    raise TypeError(
                        f"Invalid `scan_func`. `scan_func` must return a pair consisting of new state and the output value, "
                        f"but it returned {result}."
                    )
                return tuple(result)

            return Traced(step, (spec, before), "scan")

        traced, _ = stable_state(trace, state, spec_of(state), lambda s: s[0], "scan")
        return self._then(Scan(self._stage, state, traced, traced.spec[1]))

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any], name: str | None = None) -> Any:
        """Fold the elements into a state: `reduce_func(state, element)` gives the next one.

        Args:
          initial_state: a structure of tensors, what is given where there are no elements.
          reduce_func: gives a structure like the state's.

        >>> int(tf.data.Dataset.range(5).reduce(np.int64(0), lambda total, x: total + x))
        10
        """
        state = normalized(initial_state)
        traced, spec = stable_state(
            lambda s: Traced(reduce_func, (s, self._stage.spec), "reduce"), state, spec_of(state), lambda s: s, "reduce"
        )
        return reduced(self._stage, self._options, state, spec, traced)

    def unique(self, name: str | None = None) -> Any:
        """Keep each scalar where it first comes: int32, int64 and string.

        >>> list(tf.data.Dataset.from_tensor_slices([1, 37, 2, 37, 1]).unique().as_numpy_iterator())
        [1, 37, 2]
        """
        spec = self._stage.spec
        if not isinstance(spec, TensorSpec) or spec.dtype not in (dtypes.int32, dtypes.int64, dtypes.string):
            types = nest.map_structure(lambda s: getattr(s, "dtype", s), spec)
            raise TypeError(
                "`tf.data.Dataset.unique` only supports inputs with a single `tf.int32`, `tf.int64`, or `tf.string` "
                f"component, but the element types are {types}."
            )
        return self._then(Unique(self._stage))

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Any:
        """Leave out the elements that cannot be made.

        >>> halves = tf.data.Dataset.range(3).map(lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x, tf.float32), "zero"))
        >>> list(halves.ignore_errors().as_numpy_iterator())
        [1.0, 0.5]
        """
        return self._then(IgnoreErrors(self._stage, log_warning))
