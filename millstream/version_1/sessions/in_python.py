"""State that operations of a graph keep in Python, apart for each session, such as what a reader reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.dispatch import new_operation
from millstream.execution.host import call_host
from millstream.execution.stopping import running_session

_numbers = itertools.count()


class Kept:
    """One thing that is made anew for each session; where ops run at once there is one.

    Args:
      kind: what it is, for names of operations.
      make: makes it.
      shared_name: things of one kind and name are the same one in a session.
    """

    def __init__(self, kind: str, make: Callable[[], Any], shared_name: str | None = None) -> None:
        self._key = (kind, shared_name or next(_numbers))
        self._make = make
        self._at_once: Any = None

    def here(self) -> Any:
        """Return the one of the session that runs."""
        session = running_session()
        if session is not None:
            return session.object_of(self._key, self._make)
        if self._at_once is None:
            self._at_once = self._make()
        return self._at_once

    def call(self, op: str, function: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Spec]) -> list[Any]:
        """Call `function(thing, *tensors)`, which gives a list of tensors, now or when the graph runs."""
        return call_host(op, lambda *tensors: function(self.here(), *tensors), inputs, outputs)

    def run(self, op: str, function: Callable[..., None], *inputs: Any) -> Any:
        """Call `function(thing, *tensors)`, which gives nothing; return the operation, None where ops run at once."""

        def call(thing: Any, *tensors: Any) -> list[Any]:
            function(thing, *tensors)
            return []

        self.call(op, call, inputs, ())
        return None if current_graph() is None else new_operation()
