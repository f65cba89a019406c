"""Python builtins that also take symbolic tensors and datasets. Leaves every other argument to Python's own."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from millstream.execution.autograph.loops import StagedIterable, parts_of
from millstream.execution.autograph.staging import engine, installed, is_symbolic

Caller = Callable[[Any, tuple[Any, ...]], Any]


def _is_staged(value: Any) -> bool:
    staging = installed()
    return staging is not None and (staging.is_symbolic(value) or staging.is_dataset(value))


def _through_engine(name: str) -> Callable[..., Any]:
    python: Callable[..., Any] = getattr(builtins, name)

    def overload(*arguments: Any, **words: Any) -> Any:
        if installed() is not None and any(_is_staged(argument) for argument in arguments):
            result = engine().builtin(name, *arguments, **words)
            if result is not NotImplemented:
                return result
        return python(*arguments, **words)

    overload.__name__ = name
    return overload


def range_(start_or_stop: Any, *rest: Any) -> Any:
    """range()."""
    if is_symbolic(start_or_stop) or any(is_symbolic(part) for part in rest):
        if not rest:
            return engine().range(0, start_or_stop, 1)
        return engine().range(start_or_stop, rest[0], rest[1] if len(rest) > 1 else 1)
    return range(start_or_stop, *rest)


def enumerate_(iterable: Any, start: Any = 0) -> Any:
    """enumerate(). Over a symbolic tensor it can be iterated by a converted `for`."""
    if is_symbolic(iterable) or isinstance(iterable, StagedIterable):

        def parts() -> tuple[Any, Callable[[Any], Any]]:
            count, read = parts_of(iterable)
            return count, lambda index: (index + start, read(index))

        return StagedIterable(parts)
    if _is_staged(iterable):
        result = engine().builtin("enumerate", iterable, start)
        if result is not NotImplemented:
            return result
    return enumerate(iterable, start)


def zip_(*iterables: Any, **words: Any) -> Any:
    """zip(). Over symbolic tensors it can be iterated by a converted `for`."""
    if iterables and all(is_symbolic(part) or isinstance(part, StagedIterable) for part in iterables):

        def parts() -> tuple[Any, Callable[[Any], Any]]:
            each = [parts_of(part) for part in iterables]
            count = each[0][0]
            for other, _ in each[1:]:
                if is_symbolic(count) or is_symbolic(other):
                    count = engine().builtin("min", count, other)
                else:
                    count = min(count, other)
            return count, lambda index: tuple(read(index) for _, read in each)

        return StagedIterable(parts)
    if iterables and all(_is_staged(part) for part in iterables):
        result = engine().builtin("zip", *iterables)
        if result is not NotImplemented:
            return result
    return zip(*iterables, **words)


def print_(*values: Any, **words: Any) -> None:
    """print(), in the graph where a value is symbolic (Feature.BUILTIN_FUNCTIONS)."""
    if any(is_symbolic(value) for value in values):
        engine().print_(*values, **words)
    else:
        print(*values, **words)


OVERLOADS: dict[Any, Callable[..., Any]] = {
    getattr(builtins, name): _through_engine(name)
    for name in ("abs", "all", "any", "float", "int", "len", "max", "min", "next", "sorted", "sum")
}
OVERLOADS[range] = range_
OVERLOADS[enumerate] = enumerate_
OVERLOADS[zip] = zip_


def map_over(name: str, call: Caller, function: Any, *iterables: Any) -> Any:
    """map() and filter(): the function given is converted, too."""
    if iterables and all(_is_staged(part) for part in iterables) and not any(is_symbolic(part) for part in iterables):
        result = engine().builtin(name, function, *iterables)
        if result is not NotImplemented:
            return result
    python: Callable[..., Any] = map if name == "map" else filter
    if function is None:
        return python(None, *iterables)
    return python(lambda *arguments: call(function, arguments), *iterables)
