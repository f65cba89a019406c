"""Where calls go now: the stack of graphs being traced, per thread. Holds no tensor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from millstream import _runtime as runtime

FuncGraph: TypeAlias = Any
"""`func_graph.FuncGraph`, which stands above."""


class _Context(threading.local):
    def __init__(self) -> None:
        self.graphs: list[FuncGraph | None] = []
        self.scope: Hashable = None
        self.default: FuncGraph | None = None
        self.sessions: list[Any] = []


_context = _Context()


class Placement:
    """The devices that ops may be put on, for all threads."""

    soft: bool | None = None
    """Whether the processor stands in for other devices, as it was set."""
    processors = 1
    """How many devices the processor is."""


placement = Placement()


def soft_placement() -> bool:
    """Return whether the processor stands in for other devices: where nothing was set, but in the graphs of sessions."""
    if placement.soft is not None:
        return placement.soft
    graph = current_graph()
    return graph is None or bool(graph.building_function)


_make_default: list[Callable[[], FuncGraph]] = []
"""Makes the graph that ops go to outside of all others, where they do not run at once; empty where they do."""


def current_graph() -> FuncGraph | None:
    """Return the graph that ops go to; None when they run at once."""
    graphs = _context.graphs
    return graphs[-1] if graphs else default_graph() if _make_default else None


def default_graph() -> FuncGraph:
    """Return this thread's graph for ops that are in no other, where ops do not run at once."""
    if _context.default is None:
        _context.default = _make_default[0]()
        runtime.set_tracing(True)
    return _context.default


def has_default_graph() -> bool:
    """Return whether this thread has a graph for ops that are in no other."""
    return _context.default is not None


def forget_default_graph() -> None:
    """Begin a new graph when one is next needed outside of all others."""
    _context.default = None


def run_at_once(eagerly: bool, make: Callable[[], FuncGraph]) -> None:
    """Make ops outside of all graphs run at once, or go to a graph that `make` gives."""
    _make_default[:] = [] if eagerly else [make]
    runtime.set_tracing(current_graph() is not None)


def runs_at_once() -> bool:
    """Return whether ops outside of all graphs run at once."""
    return not _make_default


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


def call_at_once(run: Callable[..., Any], *arguments: Any) -> Any:
    """Call `run` outside of all graphs: as `with tracing(None)`, for calls that are made so often that this would show."""
    graphs, before = _context.graphs, runtime.tracing()
    graphs.append(None)
    runtime.set_tracing(False)
    try:
        return run(*arguments)
    finally:
        graphs.pop()
        runtime.set_tracing(before)


def default_session() -> Any:
    """Return the session that `eval` and `run` use; None where there is none."""
    return _context.sessions[-1] if _context.sessions else None


def session_stack() -> list[Any]:
    """Return the default sessions of this thread, the one in use last."""
    return _context.sessions


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
    """Leave all functions being traced: what is made inside lives on. It is made at once, or is part of the graph around them."""
    with tracing(outside_functions()):
        yield


def outside_functions() -> FuncGraph | None:
    """Return the innermost graph here that is no function's; None where ops outside of functions run at once."""
    for graph in reversed(_context.graphs):
        if graph is None or not graph.building_function:
            return graph
    return default_graph() if _make_default else None
