"""What autograph asks of the engine when a condition or an iterated value is a tensor being traced. Holds no engine.

The traced-function room builds an object of this form and hands it to `install`; until then nothing is symbolic and
converted code is plain Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Described(Protocol):
    """A tensor's element type and shape, as far as they are known while tracing."""

    @property
    def dtype(self) -> Any:
        """The element type; its `name` is what errors show."""
        ...

    @property
    def shape(self) -> Sequence[Any] | None:
        """The sizes; a size that is not an int is unknown. None where even the rank is."""
        ...


class Staging(Protocol):
    """Graph control flow over values, where a value is any nested structure of tensors and Python numbers."""

    def is_symbolic(self, value: Any) -> bool:
        """Whether `value` is a tensor of a graph being traced, so that Python cannot look at it. Must be fast."""
        ...

    def is_dataset(self, value: Any) -> bool:
        """Whether a `for` over `value` must be staged by `for_dataset`: a dataset or its iterator, while tracing."""
        ...

    def describe(self, value: Any) -> Described | None:
        """Describe one leaf as the tensor it is or, a number, text or array, would become. None: it cannot be one."""
        ...

    def flatten(self, value: Any) -> list[Any]:
        """Return the leaves of a nested structure, composite tensors whole."""
        ...

    def assert_same_structure(self, first: Any, second: Any) -> None:
        """Raise TypeError or ValueError, saying how, where two structures differ."""
        ...

    def cond(self, pred: Any, true_fn: Callable[[], list[Any]], false_fn: Callable[[], list[Any]]) -> list[Any]:
        """Stage a branch. `true_fn` is traced first; both return as many values, of the same structures.

        A value that is an instance of `undefined.Missing` in one branch takes zeros like the other branch's; where it
        is in both, the result is that object. A value that is None in both is None.
        """
        ...

    def while_loop(
        self,
        cond: Callable[..., Any],
        body: Callable[..., list[Any]],
        loop_vars: list[Any],
        shape_invariants: list[Any] | None,
        parallel_iterations: int | None,
        swap_memory: bool | None,
        maximum_iterations: Any,
    ) -> list[Any]:
        """Stage a loop over a list of values; `cond` gives a boolean scalar, `body` the next values.

        `shape_invariants`, where given, has one entry a value: None, or the shape that holds through all iterations.
        """
        ...

    def probe(self, function: Callable[..., list[Any]], values: list[Any]) -> list[Any]:
        """Trace `function` in a graph that is thrown away, with `values` made into tensors of unknown value.

        What it returns serves `zeros_like` only.
        """
        ...

    def zeros_like(self, value: Any) -> Any:
        """Return zeros with the structure, element types and shapes of `value`, whose unknown sizes count as one."""
        ...

    def iterate(self, value: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Return how many elements a `for` over a symbolic tensor visits, an int32 scalar, and how to read the i-th."""
        ...

    def shapes_may_vary(self, iterated: Any) -> bool:
        """Whether the variables of a loop by `for_dataset` may change their shapes unasked."""
        ...

    def for_dataset(
        self,
        iterated: Any,
        test: Callable[..., Any] | None,
        body: Callable[..., list[Any]],
        loop_vars: list[Any],
    ) -> list[Any]:
        """Stage a loop over a dataset: `body(element, *values)` gives the next values, `test(*values)` says go on."""
        ...

    def dataset_element(self, iterated: Any) -> Any:
        """Return something of the kind that `iterated` gives, inside of `probe` only."""
        ...

    def range(self, start: Any, limit: Any, delta: Any) -> Any:
        """Return what a staged `for` over range() iterates, where one of the three is symbolic."""
        ...

    def logical_not(self, value: Any) -> Any:
        """Return the negation of a symbolic boolean."""
        ...

    def logical_and(self, first: Any, second: Any) -> Any:
        """Return whether both of two symbolic booleans hold."""
        ...

    def equal(self, first: Any, second: Any) -> Any:
        """Return whether two values, one of them symbolic, are equal, element by element."""
        ...

    def assert_(self, condition: Any, message: Callable[[], Any] | None) -> None:
        """Stage a check that stops the run with AssertionError's counterpart where it fails."""
        ...

    def print_(self, *values: Any, **words: Any) -> None:
        """Stage a print of values, one of them symbolic (only with Feature.BUILTIN_FUNCTIONS)."""
        ...

    def builtin(self, name: str, *arguments: Any, **words: Any) -> Any:
        """Do a Python builtin's work on arguments of which one is symbolic or a dataset.

        Names: abs, all, any, float, int, len, max, min, next, sorted, sum; for datasets also enumerate, filter, map and
        zip. NotImplemented asks for Python's own.
        """
        ...


_installed: Staging | None = None


def install(staging: Staging | None) -> None:
    """Make `staging` the engine behind converted code; None takes it away again."""
    global _installed
    _installed = staging


def installed() -> Staging | None:
    """Return the engine behind converted code, if there is one."""
    return _installed


def is_symbolic(value: Any) -> bool:
    """Whether `value` is a tensor of a graph being traced."""
    return _installed is not None and _installed.is_symbolic(value)


def engine() -> Staging:
    """Return the engine; asked for only where a symbolic value has been seen."""
    if _installed is None:
        raise RuntimeError("autograph met a symbolic tensor, but no engine is installed; call autograph.install first")
    return _installed
