"""tf.train.Coordinator: threads that stop together, and report what one of them raised."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public
from millstream.base import errors
from millstream.base.errors import explain

log = logging.getLogger("millstream")


@public("train.Coordinator", "compat.v1.train.Coordinator")
class Coordinator:
    """Tells threads to stop, and raises in `join` what one of them reported.

    Args:
      clean_stop_exception_types: exceptions that only stop the threads and are not raised: OutOfRangeError without it.

    >>> coordinator = tf.train.Coordinator()
    >>> def work():
    ...     with coordinator.stop_on_exception():
    ...         raise ValueError("no more")
    >>> thread = threading.Thread(target=work); thread.start()
    >>> coordinator.join([thread])
    Traceback (most recent call last):
    ...
    ValueError: no more
    """

    def __init__(self, clean_stop_exception_types: Iterable[type[BaseException]] | None = None) -> None:
        clean = (errors.OutOfRangeError,) if clean_stop_exception_types is None else clean_stop_exception_types
        self._clean_stop_exception_types = tuple(clean)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._joined = False
        self._threads: set[threading.Thread] = set()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop.

        Args:
          ex: an exception to raise in `join`, or what `sys.exc_info()` gives for one. Only the first one counts.

        Raises:
          the exception, where `join` is over.
        """
        error = ex[1] if isinstance(ex, tuple) else ex
        if isinstance(error, self._clean_stop_exception_types):
            ex = error = None
        with self._lock:
            if self._joined and error is not None:
                raise error
            if self._stop.is_set():
                return
            if ex is not None:
                if not isinstance(error, BaseException):
                    error = ValueError(
                        explain(f"ex must be a tuple or sys.exc_info must return the current exception: {ex!r}")
                    )
                log.info("Error reported to Coordinator: %s", error)
                self._error = error
            self._stop.set()

    def clear_stop(self) -> None:
        """Forget that threads were asked to stop, and what was reported."""
        with self._lock:
            self._joined, self._error = False, None
            self._stop.clear()

    def should_stop(self) -> bool:
        """Return whether threads are asked to stop."""
        return self._stop.is_set()

    @contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Ask all threads to stop when what is inside raises, and report that instead of raising it."""
        try:
            yield
        except BaseException:  # whatever it is, `join` raises it
            self.request_stop(sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until threads are asked to stop, at most `timeout` seconds; return whether they are."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Let `join` wait for a thread."""
        with self._lock:
            self._threads.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait until threads are done, or until they are asked to stop and then for a while longer.

        Args:
          threads: to wait for besides those that were registered.
          stop_grace_period_secs: how long threads may take once they are asked to stop.
          ignore_live_threads: whether it is right that some take longer.

        Raises:
          what was given to `request_stop`; RuntimeError where threads took too long.
        """
        with self._lock:
            waiting = list(self._threads.union(threads or ()))
        while any(t.is_alive() for t in waiting) and not self._stop.is_set():
            next(t for t in waiting if t.is_alive()).join(0.1)
        end = time.monotonic() + stop_grace_period_secs
        for thread in waiting:
            thread.join(max(0.0, end - time.monotonic()))
        late = " ".join(t.name for t in waiting if t.is_alive())
        with self._lock:
            self._joined, self._threads = True, set()
            if self._error is not None:
                raise self._error
        if late and not ignore_live_threads:
            raise RuntimeError(explain(f"Coordinator stopped with threads still running: {late}"))

    @property
    def joined(self) -> bool:
        """Whether `join` is over."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raise what was given to `request_stop`, if anything was."""
        with self._lock:
            if self._error is not None:
                raise self._error


@public("compat.v1.train.LooperThread")
class LooperThread(threading.Thread):
    """A thread that does something again and again until a coordinator asks it to stop.

    Args:
      coord: the coordinator; what is raised is reported to it.
      timer_interval_secs: how much time lies between two beginnings; None for none.
      target: what to call; without it, the method `run_loop`.
      args: what to call it with.
      kwargs: the same, by name.

    Raises:
      ValueError: `coord` is no Coordinator, or there are arguments but no target.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(explain(f"'coord' argument must be a Coordinator: {coord}"))
        if target is None and (args or kwargs):
            raise ValueError(explain("'args' and 'kwargs' argument require that you also pass 'target'"))
        super().__init__(daemon=True)
        self._coord, self._interval_seconds = coord, timer_interval_secs
        self._work, self._work_args, self._work_named = target, args or (), kwargs or {}
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> LooperThread:
        """Start a thread that calls `target` again and again, and return it."""
        made = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        made.start()
        return made

    def run(self) -> None:
        """Do the work of the thread."""
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._interval_seconds is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                at = time.time()
                while not self._coord.wait_for_stop(at - time.time()):
                    at += self._interval_seconds
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called when the thread starts."""

    def stop_loop(self) -> None:
        """Called when the thread stops."""

    def run_loop(self) -> None:
        """Called again and again."""
        if self._work is not None:
            self._work(*self._work_args, **self._work_named)
