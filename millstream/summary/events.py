"""Event files: each record is an Event message. Written by any number of threads, each event whole."""

from __future__ import annotations

import atexit
import itertools
import os
import socket
import threading
import time
import weakref
from typing import Any

from millstream.base import errors
from millstream.base.files import of_system
from millstream.base.messages import message
from millstream.base.records import framed_record

FILE_VERSION = "brain.Event:2"
_numbers = itertools.count()
_open_files: weakref.WeakSet[EventFile] = weakref.WeakSet()


class EventFile:
    """An event file in a directory, which is made where it is missing.

    Events wait in a queue: more than `max_queue` of them, or one that comes `flush_millis` after the last flush, send all of
    them to the file.
    """

    def __init__(self, directory: str, max_queue: int, flush_millis: int, suffix: str) -> None:
        self._lock = threading.Lock()
        self._queue: list[bytes] = []
        self._max_queue, self._flush_seconds = max_queue, flush_millis / 1000
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}{suffix}"
        self.path = os.path.join(directory, name)
        try:
            os.makedirs(directory, exist_ok=True)
            self._file: Any = open(self.path, "ab")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise of_system(error, directory) from None
        self._flushed_at = time.monotonic()
        self._queue.append(event(file_version=FILE_VERSION, source_metadata=_source()))
        self.flush()
        _open_files.add(self)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file is None

    def add(self, serialized: bytes) -> None:
        """Put an event at the end of the queue.

        Raises:
          tf.errors.NotFoundError: the file was closed.
        """
        with self._lock:
            if self._file is None:
                raise errors.NotFoundError(
                    None, None, f"The summary writer of {self.path} is closed; make a new one with create_file_writer."
                )
            self._queue.append(serialized)
            if len(self._queue) > self._max_queue or time.monotonic() - self._flushed_at > self._flush_seconds:
                self._write()

    def flush(self) -> None:
        """Write what waits to the file; nothing after `close`."""
        with self._lock:
            if self._file is not None:
                self._write()

    def _write(self) -> None:
        self._file.write(b"".join(framed_record(e) for e in self._queue))
        self._file.flush()
        self._queue.clear()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Write what waits and close the file."""
        with self._lock:
            if self._file is not None:
                self._write()
                self._file.close()
                self._file = None

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


@atexit.register
def _close_all() -> None:
    for file in list(_open_files):
        file.close()


def event(step: int = 0, **content: Any) -> bytes:
    """Return an Event message of this moment as bytes."""
    return message("Event")(wall_time=time.time(), step=step, **content).SerializeToString()  # type: ignore[no-any-return]


def _source() -> Any:
    return message("SourceMetadata")(writer="millstream.summary")
