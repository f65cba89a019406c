"""Summaries of graphs that were read from files: nodes of TensorFlow's become operations that give the same messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.messages import message
from millstream.base.spec import Spec
from millstream.execution.host import call_on_host, importers
from millstream.execution.tensor import eager_constant
from millstream.summary import version_1 as kinds


def _text(tag: Any) -> str:
    return tag.numpy().decode()  # type: ignore[no-any-return]


def _tensor(tag: Any, x: Any, metadata: Any) -> bytes:
    return kinds.tensor_of(_text(tag), message("SummaryMetadata").FromString(metadata.numpy()), x)


def _images(node: Any) -> Callable[..., bytes]:
    most = node.attr["max_images"].i if "max_images" in node.attr else 3
    return lambda tag, pictures: kinds.pictures_of(_text(tag), most, pictures)


def _sounds(node: Any) -> Callable[..., bytes]:
    most = node.attr["max_outputs"].i if "max_outputs" in node.attr else 3
    return lambda tag, sounds, rate: kinds.sounds_of(_text(tag), most, sounds, rate)


_KINDS: dict[str, Callable[[Any], Callable[..., bytes]]] = {
    "ScalarSummary": lambda _: lambda tag, x: kinds.scalar_of(_text(tag), x),
    "HistogramSummary": lambda _: lambda tag, x: kinds.numbers_of(_text(tag), x),
    "ImageSummary": _images,
    "AudioSummaryV2": _sounds,
    "TensorSummaryV2": lambda _: _tensor,
    "MergeSummary": lambda _: kinds.merged,
}
"""What makes the message of a node, by its type: from the node to a function of its tensors."""


def import_summary(graph: Any, node: Any, inputs: Sequence[Any], label: str) -> Sequence[Any]:
    """Add a summary of a file to a graph; return its tensor."""
    make = _KINDS[node.op](node)
    written: dict[str, tuple[str, Any]] = {
        name: ("type", as_dtype(value.type)) if value.WhichOneof("value") == "type" else ("int", value.i)
        for name, value in node.attr.items()
        if value.WhichOneof("value") in ("type", "i")
    }

    def call(*tensors: Any) -> list[Any]:
        return [eager_constant(make(*tensors), dtypes.string)]

    return call_on_host(node.op, call, inputs, [Spec(dtypes.string, ())], written)


importers.update(dict.fromkeys(_KINDS, import_summary))
