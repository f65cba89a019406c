"""Checkpoints of objects in graphs of sessions: written with what a session holds, given back when a status is run there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from millstream.base.errors import explain
from millstream.execution.context import current_graph, default_session, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.graph_variable import GraphVariable
from millstream.execution.symbolic import SymbolicTensor


def in_session_graph() -> bool:
    """Return whether ops go into a graph that a session is to run."""
    graph = current_graph()
    return graph is not None and not graph.building_function


def session_for(session: Any, doing: str) -> Any:
    """Return the session that is given, or the default one.

    Raises:
      RuntimeError: there is neither.
    """
    session = session or default_session()
    if session is None:
        raise RuntimeError(
            explain(f"Unable to {doing} in graph mode without a default session. Use `with tf.compat.v1.Session():`.")
        )
    return session


def number_of(given: Any) -> int:
    """Return a number that is given as such, or as a tensor or variable: in graphs, what the default session says it is."""
    if in_session_graph() and isinstance(given, (SymbolicTensor, GraphVariable)):
        return int(session_for(None, "number checkpoints").run(given))
    return int(given.numpy() if hasattr(given, "numpy") else given)


def values_in(session: Any, values: Sequence[Any]) -> list[Any]:
    """Return the values of a checkpoint with what their tensors are in a session."""
    symbolic = [v.tensor for v in values if isinstance(v.tensor, SymbolicTensor)]
    arrays = iter(session.run(symbolic) if symbolic else ())
    with tracing(None):
        return [
            replace(v, tensor=to_tensor(next(arrays), v.tensor.dtype)) if isinstance(v.tensor, SymbolicTensor) else v
            for v in values
        ]


class Pending:
    """Values for variables of graphs, until a session is there that is to hold them."""

    def __init__(self) -> None:
        self._values: dict[GraphVariable, Any] = {}

    def take(self, variable: GraphVariable, value: Any) -> None:
        """Remember the value of a variable; the last one counts."""
        with tracing(None):
            self._values[variable] = value.numpy()

    def give(self, session: Any) -> None:
        """Make the session hold the values."""
        if self._values:
            session = session_for(session, "restore")
            feeds = {variable.initializer.inputs[1]: value for variable, value in self._values.items()}
            session.run([variable.initializer for variable in self._values], feeds)

    def initialize_others(self, session: Any, objects: Iterable[Any]) -> None:
        """Initialise those variables among objects that have no value here."""
        others = [o for o in objects if isinstance(o, GraphVariable) and o not in self._values]
        if others:
            session_for(session, "initialize").run([variable.initializer for variable in others])
