"""Ending what runs: by a time limit, or because a session is closed. Loops of plans and waiting threads end; kernels do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from millstream import _runtime as runtime
from millstream.base import errors

_Result = TypeVar("_Result")


class _Running(threading.local):
    def __init__(self) -> None:
        self.stops: list[Stop] = []


running = _Running()
"""What ends the runs of sessions on this thread, the innermost last."""


def running_session() -> Any:
    """Return the session that is running on this thread: for functions in Python that a graph calls. None outside of runs."""
    return running.stops[-1].session if running.stops else None


def wait(changed: threading.Condition, what: str) -> None:
    """Wait for a change, whose lock is held; tf.errors.CancelledError, which names `what` waited, where the run is to end."""
    if running.stops:
        running.stops[-1].wait(changed, what)
    else:
        changed.wait()


class Stop:
    """Ends what runs under it, once it is set: for good."""

    def __init__(self, session: Any = None) -> None:
        self.session = session
        """Whose runs it ends."""
        self.flag = runtime.StopFlag()
        """What loops of plans look at."""
        self._lock = threading.Lock()
        self._to_tell: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """Return whether what runs is to end."""
        return bool(self.flag.is_set())

    def set(self) -> None:
        """End what runs."""
        with self._lock:
            self.flag.set()
            telling = list(self._to_tell)
        for tell in telling:
            tell()

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell` when this is set, as long as the block lasts. It is not called where that was before."""
        with self._lock:
            self._to_tell.append(tell)
        try:
            yield
        finally:
            with self._lock:
                self._to_tell.remove(tell)

    def wait(self, changed: threading.Condition, what: str) -> None:
        """Wait for a change, whose lock is held; tf.errors.CancelledError, which names `what` waited, when this is set."""

        def tell() -> None:
            with changed:
                changed.notify_all()

        with self.telling(tell):
            if not self.is_set():
                changed.wait()
        if self.is_set():
            raise errors.CancelledError(None, None, errors.explain(f"{what} operation was cancelled"))


def run_within(milliseconds: int, around: Stop, run: Callable[[], _Result]) -> _Result:
    """Return run(), which is ended after so many milliseconds, or when `around` is set.

    Raises:
      tf.errors.DeadlineExceededError: the time was over first.
    """
    stop = Stop(around.session)
    over = threading.Event()

    def end() -> None:
        over.set()
        stop.set()

    timer = threading.Timer(milliseconds / 1000, end)
    timer.daemon = True
    late: Exception | None = None
    with around.telling(stop.set):
        timer.start()
        running.stops.append(stop)
        try:
            result = runtime.under_stop(stop.flag, run)
        except Exception as error:
            if not over.is_set():
                raise
            late = error
        finally:
            running.stops.pop()
            timer.cancel()
    if over.is_set():
        raise errors.DeadlineExceededError(None, None, "Timed out waiting for notification") from late
    return result
