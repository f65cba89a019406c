"""tf.audio: WAV files of 16 bits as tensors. Eagerly at once, in graphs when they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.base import dtypes, errors, wav
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.tensor import eager_constant


def _refused(reason: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(None, None, errors.explain(reason))


@public("audio.decode_wav")
def decode_wav(contents: Any, desired_channels: int = -1, desired_samples: int = -1, name: str | None = None) -> Any:
    """Return the sound of a WAV file.

    Args:
      contents: a scalar string: the file's bytes.
      desired_channels: how many channels there should be: left out, or copies of the last one; -1 for those of the file.
      desired_samples: how many frames there should be: cut off, or silence; -1 for those of the file.

    Returns:
      The samples, float32 [frames, channels] from -1 to 1, and how many frames are in a second, a scalar int32.

    Raises:
      tf.errors.InvalidArgumentError: the bytes are no WAV file of 16 bits.

    >>> sound, rate = tf.audio.decode_wav(tf.audio.encode_wav([[0.0], [0.5]], 8000))
    >>> sound.numpy().tolist(), int(rate)
    ([[0.0], [0.5]], 8000)
    """
    text = to_tensor(contents, dtypes.string)
    if text.shape.rank not in (0, None):
        raise _refused(f"contents must be scalar, got shape {text.shape}")
    for what, given in (("desired_channels", desired_channels), ("desired_samples", desired_samples)):
        if given < -1:
            raise _refused(f"{what} must be >= -1, got {given}")

    def call(found: Any) -> list[Any]:
        samples, rate = wav.decoded(found.numpy())
        fitted = wav.fitted(samples, desired_samples, desired_channels)
        return [
            eager_constant(np.ascontiguousarray(fitted), dtypes.float32),
            eager_constant(np.asarray(rate).astype(np.int32), dtypes.int32),
        ]

    frames = fresh_symbol("frames") if desired_samples < 0 else desired_samples
    channels = fresh_symbol("channels") if desired_channels < 0 else desired_channels
    specs = [Spec(dtypes.float32, (frames, channels)), Spec(dtypes.int32, ())]
    return tuple(call_on_host("DecodeWav", call, [text], specs))


@public("audio.encode_wav")
def encode_wav(audio: Any, sample_rate: Any, name: str | None = None) -> Any:
    """Return a sound as a WAV file of 16 bits.

    Args:
      audio: the samples, float32 [frames, channels] from -1 to 1; what lies outside is clipped.
      sample_rate: how many frames are in a second, a scalar int32.

    Returns:
      A scalar string: the file's bytes.

    Raises:
      tf.errors.InvalidArgumentError: `audio` does not have two axes, or has no channels, or `sample_rate` is not positive.
    """
    samples, rate = to_tensor(audio, dtypes.float32), to_tensor(sample_rate, dtypes.int32)
    if samples.shape.rank not in (2, None):
        raise _refused(f"audio must be 2-dimensional, not of shape {samples.shape}")
    if rate.shape.rank not in (0, None):
        raise _refused(f"Input sample_rate should be a scalar tensor, got {rate.shape} instead.")

    def call(samples: Any, rate: Any) -> list[Any]:
        return [runtime.from_strings([wav.encoded(samples.numpy(), int(rate))], ())]

    return call_on_host("EncodeWav", call, [samples, rate], [Spec(dtypes.string, ())])[0]
