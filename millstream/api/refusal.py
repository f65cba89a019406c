"""Functions and classes that only refuse: they raise UnimplementedError with the reason, and with what to do instead."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from millstream.base import errors

_KINDS = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


def _signature(parameters: str) -> inspect.Signature:
    """Read `a, b=3, *rest`; no default has a comma in it."""
    found = []
    for word in filter(None, (part.strip() for part in parameters.split(","))):
        name, equals, default = word.partition("=")
        value = ast.literal_eval(default) if equals else inspect.Parameter.empty
        plain = name.lstrip("*")
        found.append(inspect.Parameter(plain, _KINDS[len(name) - len(plain)], default=value))
    return inspect.Signature(found)


def _error(name: str, reason: str, instead: str | None) -> errors.UnimplementedError:
    text = f"tf.{name} is not supported: {reason}{'.' if instead is None else ';'}"
    return errors.UnimplementedError(None, None, errors.explain(text, instead or ""))


def _document(reason: str, instead: str | None) -> str:
    return f"Raise tf.errors.UnimplementedError: {reason}{'' if instead is None else f'; {instead}'}."


def refusing_function(name: str, parameters: str, reason: str, instead: str | None = None) -> Callable[..., Any]:
    """Return a function with these parameters that refuses, whatever it is given."""

    def function(*_: Any, **__: Any) -> Any:
        raise _error(name, reason, instead)

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__doc__ = _document(reason, instead)
    function.__signature__ = _signature(parameters)  # type: ignore[attr-defined]
    return function


def refusing_class(name: str, reason: str, instead: str | None = None) -> type:
    """Return a class that refuses to be made, and that others can be tested against."""

    def refuse(cls: type, *_: Any, **__: Any) -> Any:
        raise _error(name, reason, instead)

    return type(name.rpartition(".")[2], (), {"__new__": refuse, "__doc__": _document(reason, instead)})
