"""Pictures between arrays and files of bytes. Everything about formats is Pillow's, which is imported when it is needed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from millstream.base import errors

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def pillow() -> Any:
    """Return the module PIL.Image; ImportError with the remedy where it is missing."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("Reading and writing pictures needs the package pillow: pip install pillow") from None
    return Image


def png_of(pixels: Any, compression: int = -1) -> bytes:
    """Return pixels [height, width, channels] of uint8 or uint16 as a PNG file.

    Raises:
      tf.errors.InvalidArgumentError: there are no pixels, the channels are not 1 to 4, or uint16 has more than one.
    """
    height, width, channels = pixels.shape
    if channels not in MODES:
        raise errors.InvalidArgumentError(None, None, f"image must have 1, 2, 3, or 4 channels, got {channels}")
    if not height or not width:
        raise errors.InvalidArgumentError(None, None, f"image has no pixels: {height} x {width}")
    image = pillow()
    plain = np.ascontiguousarray(pixels)
    if plain.dtype == np.uint16:
        if channels != 1:
            raise errors.UnimplementedError(
                None, None, f"PNG of uint16 with {channels} channels is not supported: give one channel, or uint8."
            )
        made = image.fromarray(plain[:, :, 0])
    else:
        made = image.frombuffer(MODES[channels], (width, height), plain.tobytes(), "raw", MODES[channels], 0, 1)
    file = io.BytesIO()
    made.save(file, "PNG", **({} if compression < 0 else {"compress_level": compression}))
    return file.getvalue()
