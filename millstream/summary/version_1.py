"""tf.compat.v1.summary: operations that give Summary messages as bytes, and the writer that puts them into event files."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from millstream.api.public import public, publish, root
from millstream.base import dtypes, tensor_proto
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.base.spec import Spec
from millstream.execution import host
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.name_scope import NameScope
from millstream.execution.tensor import eager_constant
from millstream.summary.events import EventFile, event

tf: Any = root()

SUMMARIES = "summaries"
_NOT_IN_TAGS = re.compile(r"[^-/\w\.]")

for _name in ("Event", "SessionLog", "Summary", "SummaryDescription", "TaggedRunMetadata"):
    publish(f"compat.v1.summary.{_name}", message(_name))


@contextmanager
def _scope(name: str, family: str | None, default_name: str | None = None) -> Iterator[tuple[str, str]]:
    """Open the scope of a summary; give its tag and the scope."""
    name = _NOT_IN_TAGS.sub("_", name).lstrip("/")
    if family is not None:
        family = _NOT_IN_TAGS.sub("_", family).lstrip("/")
    with NameScope((name if family is None else f"{family}/{name}") or default_name or "") as scope:
        plain = scope.removesuffix("/")
        yield (plain if family is None else f"{family}/{plain}"), scope


def _add(
    kind: str,
    scope: str,
    tags: dict[str, bytes | str],
    make: Callable[..., bytes],
    tensors: Sequence[Any],
    collections: Any,
    written: dict[str, tuple[str, Any]],
) -> Any:
    """Add an operation that gives the bytes of a message, and put it into collections.

    `tags` are constants that it takes before the tensors, or behind them, and `written` its attributes in files.
    """

    def call(*values: Any) -> list[Any]:
        return [eager_constant(make(*values[len(before) : len(values) - len(behind)]), dtypes.string)]

    graph = current_graph()
    before, behind = [], []
    if graph is not None:
        before = [tf.constant(tag, name=name) for name, tag in tags.items() if name != "serialized_summary_metadata"]
        behind = [tf.constant(tag, name=name) for name, tag in tags.items() if name == "serialized_summary_metadata"]
    (made,) = host.call_on_host(kind, call, [*before, *tensors, *behind], [Spec(dtypes.string, ())], written)
    if graph is not None and not graph.building_function:
        if scope:
            made.value.node.label = scope.removesuffix("/")
        for key in dict.fromkeys([SUMMARIES] if collections is None else collections):
            graph.add_to_collection(key, made)
    return made


def _summary(**value: Any) -> bytes:
    made = message("Summary")()
    made.value.add(**value)
    return made.SerializeToString()  # type: ignore[no-any-return]


@public("compat.v1.summary.scalar")
def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of one number.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: a real number.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.
    """
    tensor = to_tensor(tensor)
    with _scope(name, family) as (tag, scope):
        return _add(
            "ScalarSummary",
            scope,
            {"tags": tag},
            lambda x: _summary(tag=tag, simple_value=float(np.asarray(x.numpy(), np.float32).reshape(()))),
            [tensor],
            collections,
            {"T": ("type", tensor.dtype)},
        )


def _limits() -> list[float]:
    """Return the limits of the buckets of histograms: each a tenth larger than the one before."""
    found = []
    limit = 1e-12
    while limit < 1e20:
        found.append(limit)
        limit *= 1.1
    found.append(sys.float_info.max)
    return [*(-x for x in reversed(found)), 0.0, *found]


_LIMITS: list[float] = []


def histogram_of(values: Any) -> Any:
    """Return a HistogramProto of numbers."""
    if not _LIMITS:
        _LIMITS.extend(_limits())
    flat = np.asarray(values, np.float64).ravel()
    if not np.isfinite(flat).all():
        raise tf.errors.InvalidArgumentError(None, None, explain("Nan or infinity in summary histogram."))
    counts = np.bincount(np.searchsorted(_LIMITS, flat, side="right"), minlength=len(_LIMITS))
    made = message("HistogramProto")(
        min=flat.min() if flat.size else sys.float_info.max,
        max=flat.max() if flat.size else -sys.float_info.max,
        num=flat.size,
        sum=flat.sum(),
        sum_squares=(flat * flat).sum(),
    )
    i = 0
    while i < len(counts):
        end, count = _LIMITS[i], counts[i]
        i += 1
        if count <= 0:
            # A run of empty buckets is one.
            while i < len(counts) and counts[i] <= 0:
                end, count = _LIMITS[i], counts[i]
                i += 1
        made.bucket_limit.append(end)
        made.bucket.append(float(count))
    return made


@public("compat.v1.summary.histogram")
def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of how numbers are distributed.

    Args:
      name: of the operation, and with its scope the tag.
      values: real numbers of any shape. NaN and infinity are tf.errors.InvalidArgumentError when it is run.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.
    """
    tensor = to_tensor(values)
    with _scope(name, family, "HistogramSummary") as (tag, scope):
        return _add(
            "HistogramSummary",
            scope,
            {"tag": tag},
            lambda x: _summary(tag=tag, histo=histogram_of(x.numpy())),
            [tensor],
            collections,
            {"T": ("type", tensor.dtype)},
        )


def _as_bytes(pictures: Any) -> Any:
    """Return pictures of real numbers in 0 … 255, as TensorFlow scales them: each batch by its largest value."""
    if pictures.dtype == np.uint8:
        return pictures
    numbers = pictures.astype(np.float64)
    finite = np.isfinite(numbers)
    low = numbers[finite].min(initial=0.0)
    high = numbers[finite].max(initial=0.0)
    if low < 0:
        largest = max(abs(low), abs(high))
        scale, offset = (0.0 if largest < 1e-6 else 127.0 / largest), 128.0
    else:
        scale, offset = (0.0 if high < 1e-6 else 255.0 / high), 0.0
    return np.where(finite, numbers * scale + offset, 255.0).astype(np.uint8)


@public("compat.v1.summary.image")
def image(name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of pictures.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: [batch, height, width, channels] with 1, 3 or 4 channels, uint8 or real numbers, which are scaled.
      max_outputs: how many of the batch are shown.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.
    """
    tensor = to_tensor(tensor)

    def make(pictures: Any) -> bytes:
        arrays = pictures.numpy()
        if arrays.ndim != 4 or arrays.shape[-1] not in (1, 3, 4):
            raise tf.errors.InvalidArgumentError(
                None, None, explain(f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(arrays.shape)}")
            )
        found = message("Summary")()
        shown = arrays[:max_outputs]
        for i, picture in enumerate(shown):
            value = found.value.add(tag=f"{tag}/image" if max_outputs == 1 else f"{tag}/image/{i}")
            value.image.height, value.image.width, value.image.colorspace = picture.shape
            value.image.encoded_image_string = tf.io.encode_png(_as_bytes(picture)).numpy()
        return found.SerializeToString()  # type: ignore[no-any-return]

    with _scope(name, family) as (tag, scope):
        written = {"T": ("type", tensor.dtype), "max_images": ("int", int(max_outputs))}
        return _add("ImageSummary", scope, {"tag": tag}, make, [tensor], collections, written)


@public("compat.v1.summary.audio")
def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Any:
    """Return an operation that gives a Summary of sounds.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: [batch, frames, channels] or [batch, frames], float32 in -1 … 1.
      sample_rate: frames in a second.
      max_outputs: how many of the batch are kept.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.
    """
    tensor, rate = to_tensor(tensor), to_tensor(sample_rate, dtypes.float32)

    def make(sounds: Any, rate: Any) -> bytes:
        arrays = sounds.numpy()
        arrays = arrays[..., None] if arrays.ndim == 2 else arrays
        found = message("Summary")()
        for i, sound in enumerate(arrays[:max_outputs]):
            value = found.value.add(tag=f"{tag}/audio" if max_outputs == 1 else f"{tag}/audio/{i}")
            value.audio.sample_rate = float(rate.numpy())
            value.audio.length_frames, value.audio.num_channels = sound.shape
            value.audio.content_type = "audio/wav"
            value.audio.encoded_audio_string = tf.audio.encode_wav(sound, int(rate.numpy())).numpy()
        return found.SerializeToString()  # type: ignore[no-any-return]

    with _scope(name, family) as (tag, scope):
        written = {"max_outputs": ("int", int(max_outputs))}
        return _add("AudioSummaryV2", scope, {"tag": tag}, make, [tensor, rate], collections, written)


@public("compat.v1.summary.tensor_summary")
def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: Any = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Any:
    """Return an operation that gives a Summary of a tensor as it is.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: of any element type and shape.
      summary_description: a SummaryDescription message, put into the metadata.
      collections: the collections that it goes into, SUMMARIES where it is None.
      summary_metadata: a SummaryMetadata message: what shows it.
      family: what stands before the tag.
      display_name: another name for it.
    """
    tensor = to_tensor(tensor)
    metadata = message("SummaryMetadata")()
    if summary_metadata is not None:
        metadata.MergeFromString(summary_metadata.SerializeToString())
    if display_name is not None:
        metadata.display_name = display_name
    if summary_description is not None:
        metadata.summary_description = getattr(summary_description, "type_hint", str(summary_description))

    def make(x: Any) -> bytes:
        array = np.asarray(x.numpy(), object if x.dtype == dtypes.string else None)
        given = array.ravel().tolist() if x.dtype == dtypes.string else array
        value = {"metadata": metadata} if metadata.ByteSize() else {}
        return _summary(tag=tag, tensor=tensor_proto.to_proto(given, x.dtype, array.shape), **value)

    with _scope(name, family) as (tag, scope):
        tags = {"tag": tag, "serialized_summary_metadata": metadata.SerializeToString()}
        return _add("TensorSummaryV2", scope, tags, make, [tensor], collections, {"T": ("type", tensor.dtype)})


@public("compat.v1.summary.text")
def text(name: str, tensor: Any, collections: Any = None) -> Any:
    """Return an operation that gives a Summary of texts.

    Raises:
      ValueError: `tensor` is not of strings.
    """
    tensor = to_tensor(tensor)
    if tensor.dtype != dtypes.string:
        raise ValueError(
            explain(f"Expected tensor {getattr(tensor, 'name', '')} to have dtype string, got {tensor.dtype}")
        )
    metadata = message("SummaryMetadata")()
    metadata.plugin_data.plugin_name = "text"
    return tensor_summary(name, tensor, collections=collections, summary_metadata=metadata)


@public("compat.v1.summary.merge")
def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Any:
    """Return an operation that gives the Summary of several in one.

    Args:
      inputs: tensors of Summary messages.
      collections: the collections that it goes into; none where it is None.
      name: of the operation.

    Raises:
      RuntimeError: ops run at once.
      tf.errors.InvalidArgumentError: when it is run, where two have one tag.
    """
    if current_graph() is None:
        raise RuntimeError(
            "Merging tf.summary.* ops is not compatible with eager execution. Use tf.contrib.summary instead."
        )

    def make(*given: Any) -> bytes:
        found = message("Summary")()
        tags: set[str] = set()
        for part in given:
            for data in np.ravel(np.asarray(part.numpy(), object)).tolist():
                more = message("Summary").FromString(data)
                for value in more.value:
                    if value.tag in tags:
                        raise tf.errors.InvalidArgumentError(
                            None, None, explain(f"Duplicate tag {value.tag} found in summary inputs")
                        )
                    tags.add(value.tag)
                found.MergeFrom(more)
        return found.SerializeToString()  # type: ignore[no-any-return]

    with NameScope(name or "Merge"):
        tensors = [to_tensor(x) for x in inputs]
        return _add("MergeSummary", "", {}, make, tensors, collections or (), {"N": ("int", len(tensors))})


@public("compat.v1.summary.merge_all")
def merge_all(key: str = SUMMARIES, scope: str | None = None, name: str | None = None) -> Any:
    """Return an operation that gives all summaries of a collection in one; None where there are none.

    Args:
      key: the collection.
      scope: a pattern: only those whose names it matches from the start.
      name: of the operation.

    Raises:
      RuntimeError: ops run at once.
    """
    graph = current_graph()
    if graph is None:
        raise RuntimeError(
            "Merging tf.summary.* ops is not compatible with eager execution. Use tf.contrib.summary instead."
        )
    found = graph.get_collection(key, scope)
    return merge(found, name=name) if found else None


@public("compat.v1.summary.get_summary_description")
def get_summary_description(node_def: Any) -> Any:
    """Return the SummaryDescription of a TensorSummary node; ValueError for other nodes."""
    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    from google.protobuf import json_format

    made = message("SummaryDescription")()
    json_format.Parse(node_def.attr["description"].s.decode(), made)
    return made


@public("compat.v1.summary.all_v2_summary_ops")
def all_v2_summary_ops() -> Any:
    """Return the operations of version-2 summaries in the graph; None where ops run at once."""
    graph = current_graph()
    return None if graph is None else graph.get_collection("_SUMMARY_V2")


@public("compat.v1.summary.initialize")
def initialize(graph: Any = None, session: Any = None) -> None:
    """Do nothing: writers of version-2 summaries are there when they are made."""


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
