"""Name scopes: the prefix that names of variables and ops get, per thread. Names change nothing but names."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from millstream.base.errors import explain
from millstream.execution.context import current_graph


class _Names(threading.local):
    def __init__(self) -> None:
        self.prefix = ""
        self.openers: list[FrameType] = []


_names = _Names()


def current_scope() -> str:
    """Return the prefix of names now: "" or "outer/inner/"."""
    return _names.prefix


@contextmanager
def named(name: str | None) -> Iterator[str]:
    """Put `name` before the names made inside; None or "" starts afresh, a trailing slash replaces what was there."""
    before = _names.prefix
    if not name:
        _names.prefix = ""
    elif name.endswith("/"):
        _names.prefix = name
    else:
        _names.prefix = f"{before}{name}/"
    try:
        yield _names.prefix
    finally:
        _names.prefix = before


def scoped(name: str) -> str:
    """Return `name` with the prefix before it."""
    return _names.prefix + name


def _opener(frame: FrameType) -> FrameType:
    """Return the call whose `with` opens a scope, from within what the `with` calls."""
    while frame.f_back is not None and (
        frame.f_code.co_name in _OPENING or frame.f_code.co_flags & inspect.CO_GENERATOR
    ):
        frame = frame.f_back
    return frame


_OPENING = frozenset(("__enter__", "enter_context"))


@contextmanager
def absolute(prefix: str) -> Iterator[None]:
    """Let names made inside begin with `prefix`, "" or "outer/inner/", and be those that are asked for inside."""
    before = _names.prefix
    _names.prefix = prefix
    _names.openers.append(_opener(sys._getframe(2)))
    try:
        yield
    finally:
        _names.openers.pop()
        _names.prefix = before


def scope_openers() -> list[FrameType]:
    """Return the calls on this thread that opened the scopes which are open."""
    return _names.openers


class NameScope:
    """tf.name_scope: names made inside begin with `name/`. May be entered again and again."""

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise ValueError(explain("name for name_scope must be a string."))
        self._name = name
        self._exits: list[str] = []

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    def __enter__(self) -> str:
        before = _names.prefix
        self._exits.append(before)
        _names.openers.append(_opener(sys._getframe(1)))
        if not self._name:
            _names.prefix = ""
        elif self._name.endswith("/"):
            _names.prefix = self._name
        else:
            graph = current_graph()
            full = before + self._name
            # In a graph, a scope that is opened again gets a number.
            _names.prefix = f"{full if graph is None else graph.own_name(full)}/"
        return _names.prefix

    def __exit__(self, *_: object) -> None:
        _names.openers.pop()
        _names.prefix = self._exits.pop()
