"""tf.compat.v1.summary.FileWriter: puts Summary messages and other events into event files."""

from __future__ import annotations

import threading
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.context import current_graph
from millstream.summary.events import EventFile, event

tf: Any = root()


@public("compat.v1.summary.FileWriter")
class FileWriter:
    """Writes summaries and other events to a file in a directory.

    Args:
      logdir: the directory, which is made where it is missing.
      graph: a graph that is written first.
      max_queue: how many events wait at most.
      flush_secs: how long they wait at most.
      graph_def: a GraphDef that is written first, an older form of `graph`.
      filename_suffix: the end of the file's name.
      session: refused: the file is written by this object, not by operations.
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        if session is not None:
            raise tf.errors.UnimplementedError(
                None,
                None,
                explain("FileWriter(session=…) is not supported: leave it out, this object writes the file itself."),
            )
        self._logdir = str(logdir)
        self._options = (max_queue, int(flush_secs * 1000), filename_suffix or "")
        self._file: EventFile | None = EventFile(self._logdir, *self._options)
        self._lock = threading.Lock()
        self._seen_plugins: set[str] = set()
        if graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)
            definition = graph.as_graph_def(add_shapes=True) if graph is not None else graph_def
            meta_graph = message("MetaGraphDef")()
            meta_graph.meta_info_def.tensorflow_version = tf.__version__
            meta_graph.graph_def.MergeFromString(definition.SerializeToString())
            self.add_meta_graph(meta_graph)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_logdir(self) -> str:
        """Return the directory."""
        return self._logdir

    def _write(self, serialized: bytes) -> None:
        with self._lock:
            if self._file is not None:
                self._file.add(serialized)

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Write a Summary: a message, or the bytes of one that a session gave."""
        data = summary if isinstance(summary, bytes) else summary.SerializeToString()
        made = message("Summary").FromString(data)
        for value in made.value:
            # Readers keep what a tag's first summary says of itself: others need not say it again.
            if value.HasField("metadata") and value.tag in self._seen_plugins:
                value.ClearField("metadata")
            elif value.HasField("metadata"):
                self._seen_plugins.add(value.tag)
        self._write(event(_step(global_step), summary=made))

    def add_event(self, event: Any) -> None:
        """Write an Event message."""
        self._write(event.SerializeToString())

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Write a SessionLog message."""
        log = message("SessionLog").FromString(session_log.SerializeToString())
        self._write(event(_step(global_step), session_log=log))

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Write a graph.

        Raises:
          TypeError: it is no graph.
          ValueError: neither `graph` nor `graph_def` is given.
        """
        if graph is not None and graph_def is not None:
            raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
        given = graph if graph is not None else graph_def
        if hasattr(given, "as_graph_def"):
            given = given.as_graph_def(add_shapes=True)
        elif given is None or not hasattr(given, "node"):
            raise TypeError(
                explain(f"The passed graph must be an instance of `Graph` or a GraphDef, not {type(given)}.")
            )
        self._write(event(_step(global_step), graph_def=given.SerializeToString()))

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Write a MetaGraphDef message; TypeError for anything else."""
        if not hasattr(meta_graph_def, "meta_info_def"):
            raise TypeError(f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def)}")
        self._write(event(_step(global_step), meta_graph_def=meta_graph_def.SerializeToString()))

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Write what a session told of a run; ValueError where `tag` was used before."""
        with self._lock:
            tags: set[str] = self.__dict__.setdefault("_tags", set())
            if tag in tags:
                raise ValueError("The provided tag was already used for this event type")
            tags.add(tag)
        made = message("TaggedRunMetadata")(tag=tag, run_metadata=run_metadata.SerializeToString())
        self._write(event(_step(global_step), tagged_run_metadata=made))

    def flush(self) -> None:
        """Write what waits to the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Write what waits and close the file; what is added later is dropped until `reopen`."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def reopen(self) -> None:
        """Begin another file where this one is closed."""
        with self._lock:
            if self._file is None:
                self._file = EventFile(self._logdir, *self._options)


def _step(step: Any) -> int:
    return 0 if step is None else int(step)


@public("compat.v1.summary.FileWriterCache")
class FileWriterCache:
    """One writer for each directory."""

    _writers: dict[str, FileWriter] = {}
    _lock = threading.RLock()

    @staticmethod
    def clear() -> None:
        """Close all writers and forget them."""
        with FileWriterCache._lock:
            for writer in FileWriterCache._writers.values():
                writer.close()
            FileWriterCache._writers.clear()

    @staticmethod
    def get(logdir: Any) -> FileWriter:
        """Return the writer of a directory, with the default graph in its file."""
        with FileWriterCache._lock:
            if logdir not in FileWriterCache._writers:
                graph = current_graph()
                FileWriterCache._writers[logdir] = FileWriter(logdir, graph=graph)
            return FileWriterCache._writers[logdir]
