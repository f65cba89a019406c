"""A stage of a pipeline: name, inputs, values, functions, and the reader that makes its elements. Holds no element.

Stages are declarations: whatever runs them (the readers here, or another engine) finds all that they mean in their fields.
A stage made while tracing holds symbolic values; `bound` gives it with the values of one call.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from millstream import _runtime as runtime
from millstream.base import errors, nest
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.symbolic import SymbolicTensor

AUTOTUNE = -1
INFINITE, UNKNOWN = -1, -2

Element = tuple[Any, ...]
"""The leaves of an element, in order: tensors, composite tensors, datasets, None."""

_scopes = itertools.count(1)


class Scope:
    """Random streams that nobody else draws from."""

    def __init__(self) -> None:
        self.number = next(_scopes)

    def __del__(self) -> None:
        runtime.forget_random_scope(self.number)


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


class Run:
    """What the readers of one iterator share."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.budget = runtime.make_budget(getattr(options.autotune, "ram_budget", 0) or _half_of_memory())

    def draw(self, reader: Reader) -> Element:
        """Return the next element, made outside of graphs and tapes."""
        if tapes.recording() or current_graph() is not None:
            with tracing(None), tapes.fresh():
                return reader.__next__()
        return reader.__next__()


def is_ordered(deterministic: bool | None, run: Run) -> bool:
    """Whether elements that threads make keep their order: as a stage says, or else the options."""
    found = run.options.deterministic if deterministic is None else deterministic
    return found is None or bool(found)


class Reader(Iterator[Element]):
    """Makes the elements of a stage one by one. An error ends one element, not the reader."""

    def __next__(self) -> Element:
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.__next__"))

    def read(self, count: int) -> list[Element]:
        """Return the next `count` elements; fewer at the end."""
        return list(itertools.islice(self, count))

    def state(self) -> Any:
        """Return what `restore` needs to go on from here: numbers, bytes, tensors and nests of them."""
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain(
                f"The state of {type(self).__name__} cannot be saved; save the number of elements read, and skip as many."
            ),
        )

    def restore(self, state: Any) -> None:
        """Go on from a saved state."""
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.restore"))


class Counting:
    """The state of a reader that is the state of the reader `before` it and one number of its own."""

    before: Any
    progress: str
    """The attribute that holds the number."""

    def state(self) -> Any:
        """Return both."""
        return [self.before.state(), getattr(self, self.progress)]

    def restore(self, state: Any) -> None:
        """Go on from a saved state."""
        self.before.restore(state[0])
        setattr(self, self.progress, state[1])


class Limit(NamedTuple):
    """What a whole number may be that decides elements."""

    least: int
    message: str
    """The error otherwise; `{}` in it is what was given."""
    besides: int | None = None
    """A number below the least that has a meaning of its own."""

    def checked(self, number: int) -> int:
        """Return a number; InvalidArgumentError where it is not allowed."""
        if number < self.least and number != self.besides:
            raise refused(self.message.format(number))
        return number


CALLS = Limit(1, "num_parallel_calls must be greater than zero.", AUTOTUNE)


class Stage:
    """One transformation or source, with all that decides its elements."""

    name = "Dataset"
    limits: ClassVar[dict[str, Limit]] = {}
    """What the whole numbers among the values may be."""

    def __init__(
        self,
        spec: Any,
        inputs: Sequence[Stage] = (),
        values: dict[str, Any] | None = None,
        functions: Sequence[Any] = (),
    ) -> None:
        self.spec = spec
        self.inputs = tuple(inputs)
        self.values = dict(values or {})
        self.functions = tuple(functions)

    @property
    def input(self) -> Stage:
        """The only input, or the first."""
        return self.inputs[0]

    _scope: Scope | None = None

    @property
    def scope(self) -> Scope:
        """The random streams of the functions; they go on when the stage is read again."""
        if self._scope is None:
            self._scope = Scope()
        return self._scope

    def begun(self) -> tuple[Any, ...]:
        """Return the functions for a reader."""
        return tuple(f.drawing(self.scope) for f in self.functions)

    def unshared(self) -> Stage:
        """Return this stage and those before it for one iterator.

        As in TensorFlow, a function has one random stream for each place where it stands in the pipeline, though it be read
        several times; this gives each place its own.
        """
        result = copy.copy(self)
        result.inputs = tuple(s.unshared() for s in self.inputs)
        result.functions = tuple(f.unshared() for f in self.functions)
        result._scope = Scope() if self.functions else None
        return result

    def number(self, name: str) -> int:
        """Return a value that is a whole number; those of a trace are checked here, when they are known."""
        return self._number(name, self.values[name])

    def _number(self, name: str, value: Any) -> int:
        number = value if isinstance(value, int) else int(value.numpy())
        return self.limits[name].checked(number) if name in self.limits else number

    def count(self) -> int:
        """Return the number of elements, INFINITE or UNKNOWN."""
        if any(isinstance(v, SymbolicTensor) for v in nest.flatten(list(self.values.values()))):
            return UNKNOWN
        return self.size([s.count() for s in self.inputs])

    def size(self, counts: list[int]) -> int:
        """Return the number of elements from those of the inputs."""
        return UNKNOWN

    def changes_nothing(self) -> bool:
        """Whether the elements are those of the input, with no more done."""
        return False

    def reader(self, run: Run) -> Reader:
        """Return a reader from the beginning. Random seeds are drawn here, in the caller's thread."""
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.reader"))

    def symbolic(self) -> list[SymbolicTensor]:
        """Return the tensors of graphs that this stage and those before it use."""
        found: dict[int, SymbolicTensor] = {}
        for value in nest.flatten(list(self.values.values())):
            if isinstance(value, SymbolicTensor):
                found[id(value)] = value
        for part in (*self.inputs, *self.functions):
            found.update((id(t), t) for t in part.symbolic())
        return list(found.values())

    def bound(self, known: dict[int, Any]) -> Stage:
        """Return this stage with `known[id(tensor)]` in the place of tensors of graphs."""
        inputs = tuple(s.bound(known) for s in self.inputs)
        functions = tuple(f.bound(known) for f in self.functions)
        values = {
            k: nest.map_structure(lambda v: known.get(id(v), v), v)
            if isinstance(v, (list, tuple))
            else known.get(id(v), v)
            for k, v in self.values.items()
        }
        result = copy.copy(self)
        result.inputs, result.functions, result.values = inputs, functions, values
        return result

    def failed(self, error: errors.OpError, index: int, *, function: bool = False) -> errors.OpError:
        """Return `error` with the name of the stage and the number of the element."""
        return failed_in(error, self.name, index, function)  # type: ignore[return-value]


def failed_in(error: Exception, stage: str, index: int, function: bool) -> Exception:
    """Return an error with the name of a stage and the number of an element; what is no error of TensorFlow's as it is."""
    if not isinstance(error, errors.OpError):
        return error
    where = f"{stage}Dataset, element {index}"
    if function:
        text = f"Error in user-defined function passed to {where}: {error.message}"
    else:
        # The user's line stays at the end.
        words, at, line = error.message.partition("\n  at ")
        text = f"{words} ({where}){at}{line}"
    kind: Callable[..., Any] = type(error)
    made: errors.OpError = kind(error.node_def, error.op, text)
    made.__cause__ = error
    return made


def refused(message: str) -> errors.InvalidArgumentError:
    """Return the error of an argument that no dataset takes."""
    return errors.InvalidArgumentError(None, None, errors.explain(message))
