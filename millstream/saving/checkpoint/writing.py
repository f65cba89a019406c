"""Write what lies below a root: the tensors as they are at this moment, now or in another thread."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.symbolic import SymbolicTensor
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.checkpoint.object_graph import KEY, ObjectGraph
from millstream.saving.checkpoint.sharding import shards_of
from millstream.saving.checkpoint.values import Value, part_of


def write(graph: ObjectGraph, prefix: Any, sharding: Any = None) -> Any:
    """Write a checkpoint of the objects of a graph; return its prefix.

    Inside of a traced function it is written whenever the function runs, and `prefix` may be a tensor.
    """
    values = gathered(graph)
    if current_graph() is None and not isinstance(prefix, SymbolicTensor):
        path = text_of(prefix)
        write_values(path, values, sharding)
        return path
    return _write_later(prefix, values, sharding)


def gathered(graph: ObjectGraph) -> list[Value]:
    """Return all tensors of a checkpoint as they are now: variables that change later leave them alone."""
    proto, values = graph.to_proto()
    return [*values, Value(KEY, "", to_tensor(proto.SerializeToString(), dtypes.string))]


def write_values(prefix: str, values: Sequence[Value], sharding: Any = None) -> None:
    """Write tensors as one checkpoint.

    Raises:
      tf.errors.OpError: they cannot be written; what was there before is kept.
    """
    shards = shards_of(values, sharding)
    with BundleWriter(prefix, len(shards)) as writer:
        for number, shard in enumerate(shards):
            for value in shard:
                writer.add(value.key, value.tensor, part_of(value.part), number)


def _write_later(prefix: Any, values: list[Value], sharding: Any) -> Any:
    if sharding is not None:
        raise NotImplementedError(
            explain(
                "A sharding callback looks at values, which a traced function does not have yet; write outside of it."
            )
        )
    names = [(v.key, v.part) for v in values]

    def run(path: Any, *tensors: Any) -> list[Any]:
        pairs = zip(names, tensors, strict=True)
        write_values(text_of(path), [Value(key, part, tensor) for (key, part), tensor in pairs])
        return [path]

    inputs = [to_tensor(prefix, dtypes.string), *(v.tensor for v in values)]
    return call_on_host("SaveV2", run, inputs, [Spec(dtypes.string, ())])[0]


def text_of(path: Any) -> str:
    """Return a path as text: from a text, bytes, a path object, a tensor or an array."""
    if hasattr(path, "numpy"):
        path = path.numpy()
    if hasattr(path, "item"):
        path = path.item()
    if hasattr(path, "__fspath__"):
        path = path.__fspath__()
    return path.decode(errors="surrogateescape") if isinstance(path, bytes) else str(path)


class Writer:
    """One thread that writes a checkpoint while the program goes on; one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Do `work` in the thread, after what was started before is done."""
        self.wait()

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self._error = error

        # Not a daemon: the interpreter waits for it when it ends.
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until all is written; raise what kept it from that."""
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error
