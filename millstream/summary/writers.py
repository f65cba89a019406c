"""Summary writers, the default writer, step and condition of each thread, and the functions that write what is given."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.control_flow import cond
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.messages import message, read
from millstream.base.tensor_proto import to_proto
from millstream.execution.checking import nothing
from millstream.execution.context import current_graph, init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import new_operation
from millstream.execution.host import call_on_host
from millstream.execution.name_scope import NameScope, current_scope
from millstream.execution.static_value import static_value
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.summary.events import EventFile, event

WRITTEN = "_SUMMARY_V2"
"""The collection of what is written when the graph of a session runs."""

_NOT_IN_SCOPES = re.compile(r"[^-_/.A-Za-z0-9]")


class _State(threading.local):
    def __init__(self) -> None:
        self.writer: Any = None
        self.step: Any = None
        self.condition: Any = None


_state = _State()


@public("summary.SummaryWriter")
class SummaryWriter:
    """What summaries go to. `create_file_writer` makes one that writes a file, `create_noop_writer` one that does nothing."""

    def set_as_default(self, step: Any = None) -> None:
        """Make this the thread's default writer from now on.

        Args:
          step: where not None, also the default step from now on.
        """
        self.as_default(step).__enter__()

    def as_default(self, step: Any = None) -> Any:
        """Return a context in which this is the thread's default writer; it is flushed at the end.

        Args:
          step: where not None, the default step in the context.
        """
        return _AsDefault(self, step)

    def init(self) -> Any:
        """Do nothing: writers are ready when they are made. In the graph of a session, this and the others give operations."""
        raise NotImplementedError(f"{type(self).__name__}.init")

    def flush(self) -> Any:
        """Send what waits to the file."""
        raise NotImplementedError(f"{type(self).__name__}.flush")

    def close(self) -> Any:
        """Flush, and take no more summaries."""
        raise NotImplementedError(f"{type(self).__name__}.close")


class _AsDefault:
    def __init__(self, writer: SummaryWriter, step: Any) -> None:
        self._writer, self._step = writer, step

    def __enter__(self) -> SummaryWriter:
        self._before = _state.writer, _state.step
        _state.writer = self._writer
        if self._step is not None:
            _state.step = self._step
        return self._writer

    def __exit__(self, *_: object) -> None:
        _state.writer.flush()
        _state.writer = self._before[0]
        if self._step is not None:
            _state.step = self._before[1]


class FileWriter(SummaryWriter):
    """Writes summaries to an event file."""

    def __init__(self, file: EventFile) -> None:
        self._file = file
        self._closed = False

    def as_default(self, step: Any = None) -> Any:
        """Return a context in which this is the default writer.

        Raises:
          RuntimeError: the writer is closed.
        """
        self._require_open()
        return super().as_default(step)

    def init(self) -> Any:
        """Do nothing: the file is there since the writer was made."""
        self._require_open()
        return nothing()

    def flush(self) -> Any:
        """Send what waits to the file, now or when the graph runs."""
        return self._on_file("FlushSummaryWriter", self._file.flush)

    def close(self) -> Any:
        """Flush and close the file, now or when the graph runs."""
        operation = self._on_file("CloseSummaryWriter", self._file.close)
        if current_graph() is None:
            self._closed = True
        return operation

    def _on_file(self, name: str, act: Callable[[], None]) -> Any:
        def call() -> list[Any]:
            act()
            return []

        call_on_host(name, call, [])
        return new_operation()

    def _require_open(self) -> None:
        if self._closed and current_graph() is None:
            raise RuntimeError(f"SummaryWriter {self!r} is already closed")

    def write(self, name: str, make: Callable[..., bytes], inputs: list[Any]) -> None:
        """Add the event that `make` gives for eager tensors, now or when the graph runs."""

        def call(*tensors: Any) -> list[Any]:
            self._file.add(make(*tensors))
            return []

        call_on_host(name, call, inputs)


class _NoopWriter(SummaryWriter):
    def set_as_default(self, step: Any = None) -> None:
        """Change nothing."""

    @contextmanager
    def as_default(self, step: Any = None) -> Iterator[None]:
        """Return a context that changes nothing."""
        yield

    def init(self) -> Any:
        """Do nothing."""
        return nothing()

    def flush(self) -> Any:
        """Do nothing."""
        return nothing()

    def close(self) -> Any:
        """Do nothing."""
        return nothing()


@public("summary.create_file_writer")
def create_file_writer(
    logdir: Any,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: str | None = None,
    experimental_trackable: bool = False,
    experimental_mesh: Any = None,
) -> SummaryWriter:
    """Make an event file in a directory, and return a writer for it. In a `tf.function` it is made while tracing.

    Args:
      logdir: the directory; made where it is missing.
      max_queue: how many events may wait before all are written: 10 for None.
      flush_millis: how long events may wait before the next one sends them all: two minutes for None.
      filename_suffix: what the file's name ends with: ".v2" for None.
      experimental_trackable: taken; any writer may be an attribute of a `tf.Module`.
      experimental_mesh: only None.

    Raises:
      ValueError: `logdir` is None, or an argument is a tensor of a graph.
      tf.errors.NotFoundError, tf.errors.PermissionDeniedError: the directory cannot be made.

    >>> writer = tf.summary.create_file_writer(tempfile.mkdtemp())
    >>> with writer.as_default():
    ...     print(tf.summary.scalar("loss", 0.5, step=1).numpy())
    True
    """
    if logdir is None:
        raise ValueError("Argument `logdir` cannot be None")
    if experimental_mesh is not None:
        raise errors.UnimplementedError(None, None, "experimental_mesh is not supported; leave it out.")
    for key, given in (
        ("logdir", logdir),
        ("max_queue", max_queue),
        ("flush_millis", flush_millis),
        ("filename_suffix", filename_suffix),
    ):
        if isinstance(given, SymbolicTensor):
            raise ValueError(
                errors.explain(
                    f"Invalid graph Tensor argument '{key}={given}' to create_file_writer() inside an @tf.function. "
                    "The writer is made once, while tracing.",
                    fix="give a value that is known in Python",
                )
            )
    with init_scope():
        directory = _scalar(logdir, dtypes.string, "logdir").decode()
        queue = 10 if max_queue is None else _scalar(max_queue, dtypes.int32, "max_queue")
        millis = 120_000 if flush_millis is None else _scalar(flush_millis, dtypes.int32, "flush_millis")
        suffix = b".v2" if filename_suffix is None else _scalar(filename_suffix, dtypes.string, "filename_suffix")
    return FileWriter(EventFile(directory, int(queue), int(millis), suffix.decode()))


def _scalar(value: Any, dtype: dtypes.DType, name: str) -> Any:
    tensor = to_tensor(str(value) if hasattr(value, "__fspath__") else value, dtype)
    if tensor.shape.rank != 0:
        raise errors.InvalidArgumentError(
            None, None, errors.explain(f"{name} must be a scalar, not of {tensor.shape}.")
        )
    return tensor.numpy()


@public("summary.create_noop_writer")
def create_noop_writer() -> SummaryWriter:
    """Return a writer that does nothing, for code that needs some writer."""
    return _NoopWriter()


@public("summary.experimental.get_step")
def get_step() -> Any:
    """Return the thread's default step; None where none is set."""
    return _state.step


@public("summary.experimental.set_step")
def set_step(step: Any) -> None:
    """Set the thread's default step.

    Args:
      step: a number, a tensor or a `tf.Variable` of int64; None for no default. A `tf.function` keeps the number that it was
        traced with, but reads a variable each time.
    """
    _state.step = step


@public("summary.record_if")
@contextmanager
def record_if(condition: Any) -> Iterator[None]:
    """Record summaries in this context only where a condition holds.

    Args:
      condition: a bool, a scalar tensor of bool, or a callable that gives one each time it is asked.
    """
    before = _state.condition
    _state.condition = condition
    try:
        yield
    finally:
        _state.condition = before


@public("summary.should_record_summaries")
def should_record_summaries() -> Any:
    """Return a scalar tensor of bool: whether there is a default writer, and the condition of `record_if` holds."""
    if _state.writer is None:
        return eager_constant(False, dtypes.bool)
    condition = _state.condition
    found = condition() if callable(condition) else condition
    return eager_constant(True, dtypes.bool) if found is None else to_tensor(found, dtypes.bool)


@public("summary.experimental.summary_scope")
@contextmanager
def summary_scope(name: str, default_name: str = "summary", values: Any = None) -> Iterator[tuple[str, str]]:
    """Enter a name scope, and give the tag of a summary of this name.

    Args:
      name: the name; may have characters that no scope has.
      default_name: the name where `name` is empty, or has no character that a scope may have.
      values: taken; not used.

    Yields:
      The tag, with the scopes around it, and the name of the scope.
    """
    tag = current_scope() + (name or default_name)
    with NameScope(_NOT_IN_SCOPES.sub("", name or default_name) or default_name) as scope:
        yield tag, scope


@public("summary.flush")
def flush(writer: Any = None, name: str | None = None) -> Any:
    """Send what waits in a writer to its file, now or when the graph runs; in the graph of a session, return the operation.

    Args:
      writer: a `tf.summary.SummaryWriter`; None for the default one, where there is one.
      name: of the operation.

    Raises:
      ValueError: `writer` is something else.
    """
    chosen = _state.writer if writer is None else writer
    if chosen is None:
        return nothing()
    if not isinstance(chosen, SummaryWriter):
        raise ValueError(f"Invalid argument to flush(): {chosen!r}")
    return chosen.flush()


@public("summary.write")
def write(tag: Any, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Any:
    """Write a tensor as a summary to the default writer; for those who define kinds of summaries.

    Args:
      tag: the summary's tag, as `summary_scope` gives it.
      tensor: the data, or a callable that makes it, called only where the summary is recorded.
      step: a scalar that int64 can hold; None for the default step.
      metadata: a `tf.compat.v1.SummaryMetadata`, or its bytes.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: there is a writer, but no step; or `step` is no scalar.
    """
    return write_made(tag, tensor, lambda data: data, step, metadata)


def write_made(tag: Any, tensor: Any, make: Callable[[Any], Any], step: Any, metadata: Any) -> Any:
    """Write what `make` makes of eager tensors as a summary; see `write`."""
    packed = metadata.SerializeToString() if hasattr(metadata, "SerializeToString") else metadata

    def record(writer: FileWriter, step: Any) -> None:
        data = to_tensor(tensor() if callable(tensor) else tensor)
        tagged = to_tensor(tag, dtypes.string)

        def serialized(step: Any, tagged: Any, data: Any) -> bytes:
            made = make(data)
            described = None if packed is None else message("SummaryMetadata").FromString(packed)
            content = made._strings() if made.dtype is dtypes.string else made._array()
            value = message("Summary.Value")(
                tag=tagged.numpy().decode(), metadata=described, tensor=to_proto(content, made.dtype, made._shape)
            )
            return event(int(step), summary=message("Summary")(value=[value]))

        writer.write("WriteSummary", serialized, [step, tagged, data])

    return _recorded(record, step)


@public("summary.experimental.write_raw_pb")
def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> Any:
    """Write summaries that are there as bytes already to the default writer.

    Args:
      tensor: strings: `tf.compat.v1.Summary` messages.
      step: a scalar that int64 can hold; None for the default step.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: there is a writer, but no step.
      tf.errors.DataLossError: a string is no such message.
    """

    def record(writer: FileWriter, step: Any) -> None:
        def serialized(step: Any, data: Any) -> bytes:
            summary = message("Summary")()
            for i, text in enumerate(data._strings()):
                found = read("Summary", text)
                if found is None:
                    raise errors.DataLossError(
                        None, None, f"Bad tf.compat.v1.Summary binary proto tensor string at index {i}"
                    )
                summary.MergeFrom(found)
            return event(int(step), summary=summary)

        writer.write("WriteRawProtoSummary", serialized, [step, to_tensor(tensor, dtypes.string)])

    return _recorded(record, step)


def _recorded(record: Callable[[FileWriter, Any], None], step: Any) -> Any:
    """Call `record` with the writer and the step where summaries are recorded; whether that was so, as a tensor."""
    if step is not None:
        step = step_tensor(step)
    writer = _state.writer
    if writer is None:
        return eager_constant(False, dtypes.bool)
    if step is None:
        step = get_step()
    holds = should_record_summaries()

    def recorded() -> Any:
        if step is None:
            raise ValueError(
                "No step set. Please specify one either through the `step` argument or through "
                "tf.summary.experimental.set_step()"
            )
        record(writer, step_tensor(step))
        graph = current_graph()
        if graph is None or graph.building_function:
            return eager_constant(True, dtypes.bool)
        with graph.control_dependencies([new_operation()]):
            return graph.add_constant(eager_constant(True, dtypes.bool))

    known = static_value(holds)
    if known is None:
        found = cond(holds, recorded, lambda: eager_constant(False, dtypes.bool))
    else:
        found = recorded() if bool(known) else eager_constant(False, dtypes.bool)
    graph = current_graph()
    if graph is not None and not graph.building_function:
        graph.add_to_collection(WRITTEN, found)
    return found


def step_tensor(step: Any) -> Tensor:
    """Return a step as a tensor of int64; ValueError where it is no scalar."""
    tensor = to_tensor(step, dtypes.int64)
    if tensor.shape.num_elements() != 1:
        raise ValueError(errors.explain(f"Argument `step` must be a scalar. Received step with shape {tensor.shape}."))
    return tensor  # type: ignore[no-any-return]


def default_writer() -> Any:
    """Return the thread's default writer, or None."""
    return _state.writer
