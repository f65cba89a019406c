"""Where calls go now: the stack of graphs being traced, per thread. Holds no tensor."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from millstream import _runtime as runtime

FuncGraph: TypeAlias = Any
"""`func_graph.FuncGraph`, which stands above."""


class _Context(threading.local):
    def __init__(self) -> None:
        self.graphs: list[FuncGraph | None] = []
        self.scope: Hashable = None


_context = _Context()


def current_graph() -> FuncGraph | None:
    """Return the graph being traced; None when ops run at once."""
    graphs = _context.graphs
    return graphs[-1] if graphs else None


def executing_eagerly() -> bool:
    """Return whether ops run at once."""
    return current_graph() is None


@contextmanager
def tracing(graph: FuncGraph | None) -> Iterator[None]:
    """Send ops to `graph`; None makes them run at once."""
    _context.graphs.append(graph)
    runtime.set_tracing(graph is not None)
    try:
        yield
    finally:
        _context.graphs.pop()
        runtime.set_tracing(current_graph() is not None)


scopes = [0]
"""How many threads are in a scope of `in_scope`; none of them, as a rule."""


@contextmanager
def in_scope(scope: Hashable) -> Iterator[None]:
    """Let functions be traced anew on this thread: variables are others in each scope, as in each replica."""
    before, _context.scope = _context.scope, scope
    scopes[0] += 1
    try:
        yield
    finally:
        scopes[0] -= 1
        _context.scope = before


def trace_scope() -> Hashable:
    """Return the scope that traces belong to; None outside of all."""
    return _context.scope


def graph_stack() -> tuple[FuncGraph | None, ...]:
    """Return the graphs being traced, outermost first."""
    return tuple(_context.graphs)


@contextmanager
def init_scope() -> Iterator[None]:
    """Leave all graphs: what is made inside is made at once, and lives on."""
    with tracing(None):
        yield
