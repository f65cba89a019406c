"""tf.profiler.experimental: record the instructions that plans run, and what is traced by hand, and write them as an XSpace.

Refuses profiling over the network (server, client): there is one process.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any, NamedTuple

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.base import errors
from millstream.base.files import of_system
from millstream.base.messages import message

_PICOSECONDS = 1000


@public("profiler.experimental.ProfilerOptions")
class ProfilerOptions(NamedTuple):
    """How much is recorded.

    Args:
      host_tracer_level: 0 for nothing; else all instructions of plans, and all `Trace`s.
      python_tracer_level: taken; calls of Python functions are not recorded.
      device_tracer_level: taken; the cpu is the only device.
      delay_ms: only None: recording begins at once.
    """

    host_tracer_level: int = 2
    python_tracer_level: int = 0
    device_tracer_level: int = 1
    delay_ms: int | None = None


class _Session:
    """One recording. Times are nanoseconds of the clock that never goes back, as the runtime's are."""

    def __init__(self, directory: str, options: ProfilerOptions) -> None:
        self.directory, self.options = directory, options
        self.offset = time.time_ns() - time.monotonic_ns()
        self.traces: list[tuple[str, int, int, int, dict[str, Any]]] = []


_lock = threading.Lock()
_session: _Session | None = None


@public("profiler.experimental.start")
def start(logdir: Any, options: ProfilerOptions | None = None) -> None:
    """Begin to record.

    Args:
      logdir: where `stop` writes: `plugins/profile/<time>/<host>.xplane.pb` in this directory.
      options: how much is recorded.

    Raises:
      tf.errors.AlreadyExistsError: another recording goes on.
    """
    global _session
    chosen = options or ProfilerOptions()
    if chosen.delay_ms is not None:
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain("ProfilerOptions.delay_ms is not supported: call start() when recording should begin."),
        )
    with _lock:
        if _session is not None:
            raise errors.AlreadyExistsError(None, None, errors.explain("Another profiler is running."))
        _session = _Session(os.fsdecode(logdir), chosen)
        if chosen.host_tracer_level:
            runtime.trace_start()


@public("profiler.experimental.stop")
def stop(save: bool = True) -> None:
    """End recording.

    Args:
      save: whether what was recorded is written.

    Raises:
      tf.errors.UnavailableError: nothing is being recorded.

    >>> folder = tempfile.mkdtemp()
    >>> tf.profiler.experimental.start(folder)
    >>> x = tf.constant([1.0]) + 1.0
    >>> tf.profiler.experimental.stop()
    >>> os.listdir(folder)
    ['plugins']
    """
    global _session
    with _lock:
        session, _session = _session, None
    if session is None:
        raise errors.UnavailableError(
            None, None, errors.explain("Cannot export profiling results. No profiler is running.")
        )
    recorded = runtime.trace_stop() if session.options.host_tracer_level else []
    if save:
        _write(session, [(name, begin, end, thread, {}) for name, begin, end, thread in recorded] + session.traces)


def _write(session: _Session, events: list[tuple[str, int, int, int, dict[str, Any]]]) -> None:
    host = socket.gethostname()
    folder = os.path.join(session.directory, "plugins", "profile", time.strftime("%Y_%m_%d_%H_%M_%S"))
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{host}.xplane.pb"), "wb") as file:
            file.write(space_of(events, session.offset, host).SerializeToString())
    except OSError as error:
        raise of_system(error, folder) from None


def space_of(events: list[tuple[str, int, int, int, dict[str, Any]]], offset: int, host: str) -> Any:
    """Return an XSpace message of (name, begin, end, thread, statistics), with a line for each thread.

    Args:
      events: times in nanoseconds.
      offset: what is added to them for the time since 1970.
      host: the machine's name.
    """
    space = message("XSpace")(hostnames=[host])
    plane = space.planes.add(id=0, name="/host:CPU")
    names: dict[str, int] = {}
    kinds: dict[str, int] = {}
    threads: dict[int, Any] = {}
    for name, begin, end, thread, statistics in sorted(events, key=lambda e: e[1]):
        line = threads.get(thread)
        if line is None:
            number = len(threads) + 1
            line = threads[thread] = plane.lines.add(id=number, name=f"thread {number}", timestamp_ns=begin + offset)
        event = line.events.add(
            metadata_id=names.setdefault(name, len(names) + 1),
            offset_ps=(begin + offset - line.timestamp_ns) * _PICOSECONDS,
            duration_ps=(end - begin) * _PICOSECONDS,
        )
        for key, value in statistics.items():
            stat = event.stats.add(metadata_id=kinds.setdefault(key, len(kinds) + 1))
            if isinstance(value, int):
                stat.int64_value = value
            elif isinstance(value, float):
                stat.double_value = value
            else:
                stat.str_value = str(value)
    for name, number in names.items():
        plane.event_metadata[number].id, plane.event_metadata[number].name = number, name
    for name, number in kinds.items():
        plane.stat_metadata[number].id, plane.stat_metadata[number].name = number, name
    return space


@public("profiler.experimental.Profile")
class Profile:
    """A context that is recorded; see `start` for the arguments and errors."""

    def __init__(self, logdir: Any, options: ProfilerOptions | None = None) -> None:
        self._logdir, self._options = logdir, options

    def __enter__(self) -> None:
        start(self._logdir, self._options)

    def __exit__(self, *_: object) -> None:
        stop()


@public("profiler.experimental.Trace")
class Trace:
    """A context that stands in the recording under a name; does nothing where none goes on.

    Args:
      name: the name.
      **kwargs: numbers and texts that stand beside it, such as `step_num`.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._name, self._statistics = name, kwargs
        self._begin: int | None = None

    def set_metadata(self, **kwargs: Any) -> None:
        """Add numbers and texts that stand beside the name."""
        self._statistics.update(kwargs)

    def __enter__(self) -> Trace:
        self._begin = time.monotonic_ns() if _session is not None else None
        return self

    def __exit__(self, *_: object) -> None:
        session = _session
        if session is not None and self._begin is not None and session.options.host_tracer_level:
            # Apart from the runtime's own threads: what it is traced in may hold many of their instructions.
            thread = -threading.get_ident()
            session.traces.append((self._name, self._begin, time.monotonic_ns(), thread, dict(self._statistics)))


def _no_network(what: str) -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None,
        None,
        errors.explain(f"{what} is not supported: call tf.profiler.experimental.start and stop in the process."),
    )


@public("profiler.experimental.server.start")
def start_server(port: int) -> None:
    """Raise: processes are not profiled over the network."""
    raise _no_network("profiler.experimental.server.start")


@public("profiler.experimental.client.trace")
def trace_service(
    service_addr: str,
    logdir: str,
    duration_ms: int,
    worker_list: str = "",
    num_tracing_attempts: int = 3,
    options: ProfilerOptions | None = None,
) -> None:
    """Raise: processes are not profiled over the network."""
    raise _no_network("profiler.experimental.client.trace")


@public("profiler.experimental.client.monitor")
def monitor_service(service_addr: str, duration_ms: int, level: int = 1) -> str:
    """Raise: processes are not profiled over the network."""
    raise _no_network("profiler.experimental.client.monitor")
