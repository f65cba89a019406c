"""WAV files of 16 bits to samples from -1 to 1, and back. Refuses other forms of WAV by name."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from millstream.base.errors import InvalidArgumentError

_SCALE = 32768
_FORMAT = struct.Struct("<HHIIHH")


def _refused(reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(None, None, reason)


def encoded(samples: Any, rate: int) -> bytes:
    """Return samples [frames, channels] as a file; what lies outside of -1 to 1 is clipped."""
    channels = samples.shape[1]
    if not 0 < rate < 1 << 32:
        raise _refused(f"sample_rate must be in (0, 2^32), got: {rate}")
    if not 0 < channels < 1 << 16:
        raise _refused(f"num_channels must be in (0, 2^16), got: {channels}")
    scaled = np.nan_to_num(np.asarray(samples, np.float32) * np.float32(_SCALE), posinf=_SCALE, neginf=-_SCALE)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    data = np.clip(rounded, -_SCALE, _SCALE - 1).astype("<i2").tobytes()
    head = _FORMAT.pack(1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2, 16)
    chunks = struct.pack("<4sI", b"fmt ", len(head)) + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", 4 + len(chunks)) + b"WAVE" + chunks


class _Bytes:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int, what: str) -> bytes:
        if self.at + count > len(self.content):
            raise _refused(f"Data too short when trying to read {what}")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "little")

    def expect(self, wanted: bytes) -> None:
        found = self.take(len(wanted), wanted.decode())
        if found != wanted:
            raise _refused(f"Header mismatch: Expected {wanted.decode()} but found {found!r}")


def decoded(content: bytes) -> tuple[Any, int]:
    """Return the samples [frames, channels] of a file, float32, and how many frames are in a second."""
    read = _Bytes(content)
    read.expect(b"RIFF")
    read.number("the size")
    read.expect(b"WAVE")
    read.expect(b"fmt ")
    size = read.number("the size of the format")
    if size not in (16, 18):
        raise _refused(f"Bad format chunk size for WAV: Expected 16 or 18, but got {size}")
    kind, channels, rate, per_second, per_frame, bits = _FORMAT.unpack(read.take(16, "the format"))
    if kind != 1:
        raise _refused(f"Bad audio format for WAV: Expected 1 (PCM), but got {kind}")
    if bits != 16:
        raise _refused(f"Can only read 16-bit WAV files, but received {bits}")
    if per_frame != channels * 2 or per_second != rate * per_frame or not channels:
        raise _refused(
            f"The format of the WAV file contradicts itself: {channels} channels, {per_frame} bytes a frame."
        )
    read.take(size - 16, "the format")
    found = None
    while read.at < len(content):
        name, length = read.take(4, "the name of a chunk"), read.number("the size of a chunk")
        data = read.take(length, "a chunk")
        if name == b"data" and found is None:
            found = np.frombuffer(data[: length // per_frame * per_frame], "<i2")
    if found is None:
        raise _refused("No data chunk found in WAV")
    return found.reshape(-1, channels).astype(np.float32) / np.float32(_SCALE), rate


def fitted(samples: Any, frames: int, channels: int) -> Any:
    """Return samples cut, or filled up with silence and copies of the last channel, to a size; -1 leaves it as it is."""
    if channels >= 0:
        more = np.repeat(samples[:, -1:], max(0, channels - samples.shape[1]), axis=1)
        samples = np.concatenate([samples, more], axis=1)[:, :channels]
    if frames >= 0:
        silence = np.zeros((max(0, frames - len(samples)), samples.shape[1]), np.float32)
        samples = np.concatenate([samples, silence])[:frames]
    return samples
