"""tf.compat.v1.summary: operations that give Summary messages as bytes. The writer that keeps them: `file_writer.py`."""

from __future__ import annotations

import functools
import re
import sys
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
from millstream.execution.context import current_graph, default_session, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.name_scope import NameScope
from millstream.execution.tensor import eager_constant
from millstream.ops.types import REALS
from millstream.summary.graphs import graph as write_graph
from millstream.summary.writers import WRITTEN, default_writer

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


def _shown(tensor: Any, parameter: str, allowed: Sequence[Any]) -> Any:
    """Return what is shown as a tensor; TypeError where it is of no element type that `parameter` takes."""
    made = to_tensor(tensor)
    if made.dtype not in allowed:
        names = ", ".join(t.name for t in allowed)
        raise TypeError(
            explain(
                f"Value passed to parameter '{parameter}' has DataType {made.dtype.name} not in list of allowed values: {names}"
            )
        )
    return made


def _at_least_one(count: int, attribute: str, op: str) -> int:
    if count < 1:
        raise ValueError(explain(f"Attr '{attribute}' of '{op}' Op passed {count} less than minimum 1."))
    return int(count)


def _summary(**value: Any) -> bytes:
    made = message("Summary")()
    made.value.add(**value)
    return made.SerializeToString()  # type: ignore[no-any-return]


def scalar_of(tag: str, x: Any) -> bytes:
    """Return the Summary of one number."""
    if x.shape.rank != 0:
        given = f"{x.shape.as_list()} (tag '{tag}')"
        raise tf.errors.InvalidArgumentError(
            None, None, explain(f"tags and values are not the same shape: [] != {given}")
        )
    return _summary(tag=tag, simple_value=float(x.numpy()))


@public("compat.v1.summary.scalar")
def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of one number.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: a real number.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.

    Raises:
      TypeError: it is no real number.
      tf.errors.InvalidArgumentError: when it is run, where there are several numbers.
    """
    tensor = _shown(tensor, "values", REALS)
    with _scope(name, family) as (tag, scope):
        return _add(
            "ScalarSummary",
            scope,
            {"tags": tag},
            functools.partial(scalar_of, tag),
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


def numbers_of(tag: str, x: Any) -> bytes:
    """Return the Summary of how numbers are distributed."""
    return _summary(tag=tag, histo=histogram_of(x.numpy()))


@public("compat.v1.summary.histogram")
def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of how numbers are distributed.

    Args:
      name: of the operation, and with its scope the tag.
      values: real numbers or truth values of any shape. NaN and infinity are tf.errors.InvalidArgumentError when it is run.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.
    """
    tensor = _shown(values, "values", (*REALS, dtypes.bool))
    with _scope(name, family, "HistogramSummary") as (tag, scope):
        return _add(
            "HistogramSummary",
            scope,
            {"tag": tag},
            functools.partial(numbers_of, tag),
            [tensor],
            collections,
            {"T": ("type", tensor.dtype)},
        )


def _as_bytes(picture: Any) -> Any:
    """Return a picture of real numbers in 0 … 255, as TensorFlow scales it: by its largest value, not finite pixels red."""
    if picture.dtype == np.uint8:
        return picture
    finite = np.isfinite(picture).all(axis=-1)
    low = np.float32(picture[finite].min(initial=0.0))
    high = np.float32(picture[finite].max(initial=0.0))
    largest, top, offset = (max(-low, high), 127, 128) if low < 0 else (high, 255, 0)
    scale = 0 if largest < 1e-6 else np.float32(top) / largest
    kind = picture.dtype.type
    shown = np.empty(picture.shape, np.uint8)
    shown[finite] = (picture[finite] * kind(scale) + kind(offset)).astype(np.uint8)
    shown[~finite] = (255, 0, 0, 255)[: picture.shape[-1]]
    return shown


def pictures_of(tag: str, max_outputs: int, pictures: Any) -> bytes:
    """Return the Summary of some of a batch of pictures."""
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


@public("compat.v1.summary.image")
def image(name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None) -> Any:
    """Return an operation that gives a Summary of pictures.

    Args:
      name: of the operation, and with its scope the tag.
      tensor: [batch, height, width, channels] with 1, 3 or 4 channels, uint8 or real numbers, which are scaled.
      max_outputs: how many of the batch are shown.
      collections: the collections that it goes into, SUMMARIES where it is None.
      family: what stands before the tag.

    Raises:
      TypeError: `tensor` is of another element type.
      ValueError: `max_outputs` is below 1.
    """
    tensor = _shown(tensor, "tensor", (dtypes.uint8, dtypes.float32, dtypes.float16, dtypes.float64))
    max_outputs = _at_least_one(max_outputs, "max_images", "ImageSummary")

    with _scope(name, family) as (tag, scope):
        written = {"T": ("type", tensor.dtype), "max_images": ("int", max_outputs)}
        return _add(
            "ImageSummary",
            scope,
            {"tag": tag},
            functools.partial(pictures_of, tag, max_outputs),
            [tensor],
            collections,
            written,
        )


def sounds_of(tag: str, max_outputs: int, sounds: Any, rate: Any) -> bytes:
    """Return the Summary of some of a batch of sounds."""
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

    Raises:
      TypeError: `tensor` is not float32.
      ValueError: `max_outputs` is below 1.
    """
    tensor, rate = _shown(tensor, "tensor", (dtypes.float32,)), to_tensor(sample_rate, dtypes.float32)
    max_outputs = _at_least_one(max_outputs, "max_outputs", "AudioSummaryV2")

    with _scope(name, family) as (tag, scope):
        written = {"max_outputs": ("int", max_outputs)}
        return _add(
            "AudioSummaryV2",
            scope,
            {"tag": tag},
            functools.partial(sounds_of, tag, max_outputs),
            [tensor, rate],
            collections,
            written,
        )


def tensor_of(tag: str, metadata: Any, x: Any) -> bytes:
    """Return the Summary of a tensor as it is."""
    array = np.asarray(x.numpy(), object if x.dtype == dtypes.string else None)
    given = array.ravel().tolist() if x.dtype == dtypes.string else array
    value = {"metadata": metadata} if metadata.ByteSize() else {}
    return _summary(tag=tag, tensor=tensor_proto.to_proto(given, x.dtype, array.shape), **value)


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

    with _scope(name, family) as (tag, scope):
        tags = {"tag": tag, "serialized_summary_metadata": metadata.SerializeToString()}
        return _add(
            "TensorSummaryV2",
            scope,
            tags,
            functools.partial(tensor_of, tag, metadata),
            [tensor],
            collections,
            {"T": ("type", tensor.dtype)},
        )


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


def merged(*given: Any) -> bytes:
    """Return several Summary messages in one."""
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


@public("compat.v1.summary.merge")
def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Any:
    """Return an operation that gives the Summary of several in one.

    Args:
      inputs: tensors of Summary messages.
      collections: the collections that it goes into; none where it is None.
      name: of the operation.

    Raises:
      RuntimeError: ops run at once.
      ValueError: there are none.
      tf.errors.InvalidArgumentError: when it is run, where two have one tag.
    """
    if current_graph() is None:
        raise RuntimeError(
            "Merging tf.summary.* ops is not compatible with eager execution. Use tf.contrib.summary instead."
        )

    if not inputs:
        raise ValueError(
            explain("List argument 'inputs' to 'MergeSummary' Op with length 0 shorter than minimum length 1.")
        )
    with NameScope(name or "Merge"):
        tensors = [to_tensor(x) for x in inputs]
        return _add("MergeSummary", "", {}, merged, tensors, collections or (), {"N": ("int", len(tensors))})


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
    return None if graph is None else graph.get_collection(WRITTEN)


@public("compat.v1.summary.initialize")
def initialize(graph: Any = None, session: Any = None) -> None:
    """Run the initializer of the default writer, and write a graph to it; nothing where ops run at once.

    Args:
      graph: the graph that is written, none where it is None.
      session: where the initializer runs; the default session without.

    Raises:
      RuntimeError: there is no default writer.
      ValueError: there is no session.
    """
    if current_graph() is None:
        return
    writer = default_writer()
    if writer is None:
        raise RuntimeError(explain("No default tf.contrib.summary.SummaryWriter found"))
    session = default_session() if session is None else session
    if session is None:
        raise ValueError(explain("Argument `session must be passed if no default session exists"))
    session.run(writer.init())
    if graph is not None:
        with tracing(None):
            write_graph(graph)
