"""tf.CriticalSection: functions that never run at the same time, in all threads and in graphs."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.base import nest
from millstream.base.errors import explain
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_host
from millstream.execution.stopping import wait

_numbers = itertools.count()


class _Lock:
    """What sections of one shared name have in common."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._inside: set[int] = set()

    def enter(self) -> None:
        """Wait until no other thread is inside. What this thread left open by a failed run is taken over."""
        me = threading.get_ident()
        with self._changed:
            while self._owner not in (None, me):
                wait(self._changed, "Lock")
            self._owner = me

    def leave(self) -> None:
        """Let others in."""
        with self._changed:
            self._owner = None
            self._changed.notify()

    @contextmanager
    def once(self, name: str) -> Iterator[None]:
        """Refuse to go on where this thread is inside already: waiting for oneself has no end."""
        me = threading.get_ident()
        if me in self._inside:
            raise ValueError(
                explain(
                    f"Attempting to lock a CriticalSection ({name}) in which we are already running; this is illegal and may "
                    "cause deadlocks."
                )
            )
        self._inside.add(me)
        try:
            yield
        finally:
            self._inside.discard(me)


_shared: weakref.WeakValueDictionary[str, _Lock] = weakref.WeakValueDictionary()


class CriticalSection:
    """A section of code that one thread at a time runs, eagerly and in graphs.

    Args:
      name: how errors name it.
      shared_name: sections of the same one exclude each other.
      critical_section_def: refused: there are no such files.
      import_scope: refused likewise.

    >>> section = tf.CriticalSection()
    >>> count = tf.Variable(0)
    >>> int(section.execute(lambda: count.assign_add(1)))
    1
    """

    def __init__(
        self,
        name: str | None = None,
        shared_name: str | None = None,
        critical_section_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if critical_section_def is not None or import_scope is not None:
            raise ValueError(
                explain("critical_section_def and import_scope are not supported; make the section by its name.")
            )
        self._name = name or f"critical_section_{next(_numbers)}"
        self._lock = _Lock() if shared_name is None else _shared.setdefault(shared_name, _Lock())

    @property
    def name(self) -> str:
        """The section's name."""
        return self._name

    def execute(self, fn: Callable[[], Any], exclusive_resource_access: bool = True, name: str | None = None) -> Any:
        """Call `fn` when no other function runs in this section.

        Args:
          fn: a function without arguments that gives tensors, or nothing.
          exclusive_resource_access: accepted and not used: resources are never shared by sections unnoticed.
          name: accepted and not used.

        Returns:
          What `fn` gives, as tensors.

        Raises:
          ValueError: where it is called from inside of itself.
        """
        if current_graph() is None:
            with self._lock.once(self._name):
                self._lock.enter()
                try:
                    found = fn()
                finally:
                    self._lock.leave()
        else:
            with self._lock.once(self._name):
                call_host("CriticalSectionEnter", self._lock.enter, (), ())
                found = fn()
                call_host("CriticalSectionLeave", self._lock.leave, (), ())
        return nest.map_structure(lambda v: v if v is None else to_tensor(v), found)
