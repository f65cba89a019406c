"""The kinds of summaries: scalar, histogram, image, audio, text, each in the form that its TensorBoard plugin reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api.image_color import convert_image_dtype
from millstream.api.public import public
from millstream.base import dtypes, errors, wav
from millstream.base.image_codecs import to_png
from millstream.base.messages import message
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import eager_constant
from millstream.summary.writers import summary_scope, write_made

_SCALAR, _TENSOR, _BLOBS = 1, 2, 3
BUCKETS = 30
# AudioPluginData with encoding (field 2) WAV, which is 11.
_WAV = b"\x10\x0b"


def _write(
    name: str,
    kind: str,
    plugin: str,
    data_class: int,
    data: Any,
    make: Callable[[Any], Any],
    step: Any,
    description: Any,
    content: bytes = b"",
) -> Any:
    metadata = message("SummaryMetadata")(
        plugin_data={"plugin_name": plugin, "content": content},
        summary_description=description or "",
        data_class=data_class,
    )
    with summary_scope(name, kind) as (tag, _):
        return write_made(tag, data, make, step, metadata)


@public("summary.scalar")
def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Write one number.

    Args:
      name: the summary's name; scopes around stand before it in the tag.
      data: a real scalar; written as float32.
      step: a scalar that int64 can hold; None for the default step.
      description: a text about the summary, in Markdown.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: `data` is no scalar, or there is a writer but no step.

    >>> with tf.summary.create_file_writer(tempfile.mkdtemp()).as_default(step=3):
    ...     print(tf.summary.scalar("loss", 0.5).numpy())
    True
    """
    value = to_tensor(data)
    if value.shape.rank not in (0, None):
        raise ValueError(errors.explain(f"Expected scalar shape for {name}, saw shape: {value.shape}."))

    def make(found: Any) -> Any:
        return eager_constant(np.asarray(found.numpy()).astype(np.float32), dtypes.float32)

    return _write(name, "scalar_summary", "scalars", _SCALAR, value, make, step, description)


@public("summary.histogram")
def histogram(name: str, data: Any, step: Any = None, buckets: Any = None, description: str | None = None) -> Any:
    """Write how the elements of a tensor are spread.

    Args:
      name: the summary's name; scopes around stand before it in the tag.
      data: real numbers, of any shape.
      step: a scalar that int64 can hold; None for the default step.
      buckets: how many intervals of one width: 30 for None.
      description: a text about the summary, in Markdown.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: there is a writer, but no step.
    """
    count = BUCKETS if buckets is None else max(0, int(buckets))

    def make(found: Any) -> Any:
        return eager_constant(buckets_of(found.numpy(), count), dtypes.float64)

    return _write(name, "histogram_summary", "histograms", _TENSOR, data, make, step, description)


def buckets_of(data: Any, count: int) -> Any:
    """Return float64 [count, 3]: each interval's left and right edge, and how many numbers lie in it.

    All intervals are the same point where all numbers are equal (the last one counts them); all are 0 where there are none.
    """
    numbers = np.asarray(data).astype(np.float64).ravel()
    if count == 0 or not numbers.size:
        return np.zeros((count, 3))
    low, high = numbers.min(), numbers.max()
    if high == low:
        counts = np.zeros(count)
        counts[-1] = numbers.size
        return np.stack([np.full(count, high), np.full(count, high), counts], axis=1)
    # Where numbers are not finite neither are the edges; what has no place then is not counted.
    with np.errstate(all="ignore"):
        places = np.floor((numbers - low) / ((high - low) / count))
        edges = np.linspace(low, high, count + 1)
    edges[-1] = high
    placed = np.minimum(places[places >= 0], count - 1).astype(np.int64)
    return np.stack([edges[:-1], edges[1:], np.bincount(placed, minlength=count).astype(np.float64)], axis=1)


@public("summary.image")
def image(name: str, data: Any, step: Any = None, max_outputs: Any = 3, description: str | None = None) -> Any:
    """Write pictures, as PNG. Needs the package `pillow`.

    Args:
      name: the summary's name; scopes around stand before it in the tag.
      data: pixels [count, height, width, channels]; 1 channel is gray, 2 gray and alpha, 3 red, green, blue, 4 these and alpha.
        Floats are from 0 to 1, integers from 0 to their largest number; what lies outside is clipped.
      step: a scalar that int64 can hold; None for the default step.
      max_outputs: how many of the pictures are written at most.
      description: a text about the summary, in Markdown.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: `data` does not have four axes, or there is a writer but no step.
    """
    pixels = _with_rank(name, data, 4)
    most = _not_negative(max_outputs)

    def in_bytes() -> Any:
        return convert_image_dtype(pixels, dtypes.uint8, saturate=True)

    def make(found: Any) -> Any:
        pictures = found.numpy()
        size = [str(pictures.shape[2]).encode(), str(pictures.shape[1]).encode()]
        return eager_constant([*size, *(to_png(p, -1) for p in pictures[:most])], dtypes.string)

    return _write(name, "image_summary", "images", _BLOBS, in_bytes, make, step, description)


@public("summary.audio")
def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: Any = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Any:
    """Write sounds, as WAV with 16 bits.

    Args:
      name: the summary's name; scopes around stand before it in the tag.
      data: float32 [count, frames, channels] from -1 to 1; what lies outside is clipped.
      sample_rate: frames in a second.
      step: a scalar that int64 can hold; None for the default step.
      max_outputs: how many of the sounds are written at most.
      encoding: "wav", or None for it.
      description: a text about the summary, in Markdown.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: `encoding` is another one, `data` does not have three axes, or there is a writer but no step.
    """
    if encoding not in (None, "wav"):
        raise ValueError(f"Unknown encoding: {encoding!r}; give 'wav'.")
    sounds = _with_rank(name, data, 3)
    most, rate = _not_negative(max_outputs), int(sample_rate)

    def make(found: Any) -> Any:
        coded = [wav.encoded(s, rate) for s in found.numpy()[:most]]
        return eager_constant(np.array([[c, b""] for c in coded], object).reshape(len(coded), 2), dtypes.string)

    return _write(name, "audio_summary", "audio", _BLOBS, sounds, make, step, description, _WAV)


@public("summary.text")
def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Write texts; TensorBoard shows them as Markdown, tensors with axes as tables.

    Args:
      name: the summary's name; scopes around stand before it in the tag.
      data: strings of any shape, in UTF-8.
      step: a scalar that int64 can hold; None for the default step.
      description: a text about the summary, in Markdown.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: there is a writer, but no step.
    """
    strings = to_tensor(data, dtypes.string)
    return _write(name, "text_summary", "text", _TENSOR, strings, lambda found: found, step, description)


def _with_rank(name: str, data: Any, rank: int) -> Any:
    tensor = to_tensor(data)
    if tensor.shape.rank not in (rank, None):
        raise ValueError(errors.explain(f"{name}: data must have rank {rank}, not shape {tensor.shape}."))
    return tensor


def _not_negative(count: Any) -> int:
    found = int(count)
    if found < 0:
        raise errors.InvalidArgumentError(None, None, errors.explain(f"max_outputs must not be negative: {found}."))
    return found
