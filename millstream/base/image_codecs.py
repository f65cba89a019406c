"""JPEG, PNG, GIF, BMP and WebP to arrays and back, through Pillow, which is imported when first used. No JPEG XL."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.base.errors import explain

_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
}


def refused(given: str, fix: str = "") -> errors.InvalidArgumentError:
    """Return the error for content that cannot be read."""
    return errors.InvalidArgumentError(None, None, explain(given, fix))


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise errors.UnimplementedError(
            None, None, explain("Reading and writing image files needs Pillow;", "install it with: pip install pillow")
        ) from None
    return Image


JPEG_CHANNELS = {"": None, "grayscale": True, "rgb": False}
"""Formats that encode_jpeg writes, and whether these are grey."""


def check_channels(channels: int, allowed: tuple[int, ...], what: str = "") -> int:
    """Return how many channels are asked for; InvalidArgumentError where that is none of those that may be."""
    if channels not in allowed:
        listed = ", ".join(str(n) for n in allowed[:-1])
        raise errors.InvalidArgumentError(
            None, None, explain(f"`channels` must be {listed} or {allowed[-1]}{what} but got {channels}")
        )
    return channels


def check_jpeg(channels: int, ratio: int, fancy: bool, recover: bool, dct_method: str) -> None:
    """Refuse arguments of decode_jpeg that mean nothing, or that are not supported."""
    check_channels(channels, (0, 1, 3, 4))
    if ratio not in (1, 2, 4, 8):
        raise errors.InvalidArgumentError(None, None, explain(f"ratio must be 1, 2, 4, or 8, got {ratio}"))
    if dct_method not in ("", "INTEGER_FAST", "INTEGER_ACCURATE"):
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(f"dct_method must be one of {{'', 'INTEGER_FAST', 'INTEGER_ACCURATE'}}, got {dct_method}"),
        )
    if not fancy or recover:
        raise errors.UnimplementedError(
            None,
            None,
            explain("JPEG is read with smoothed colours, and whole files only;", "leave the two options out"),
        )


def format_of(content: bytes) -> str:
    """Return jpeg, png, gif, bmp or webp; InvalidArgumentError for anything else."""
    if not content:
        raise refused("Input is empty.")
    for magic, name in _MAGIC.items():
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    raise refused("Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required.")


def _opened(content: bytes, what: str) -> Any:
    try:
        return _pillow().open(io.BytesIO(content))
    except (OSError, ValueError, SyntaxError, _pillow().DecompressionBombError) as error:
        raise refused(f"Invalid {what} data: {error}.") from None


def _pixels(image: Any, what: str, mode: str | None = None) -> np.ndarray:
    try:
        found = image if mode is None or image.mode == mode else image.convert(mode)
        found.load()
        array = _shared(found) if found.mode in _SHARED else np.asarray(found)
    except (OSError, ValueError, SyntaxError) as error:
        raise refused(f"Invalid {what} data: {error}.") from None
    return array[..., None] if array.ndim == 2 else array


_SHARED = {"L": 1, "RGB": 3, "RGBA": 4}
_SHARED_BYTES = 1 << 23
"""Pillow keeps larger images in several blocks, which it does not show."""


def _shared(image: Any) -> np.ndarray:
    """Return the pixels of an image, copied once, without Python's lock."""
    width, height = image.size
    if 4 * width * height > _SHARED_BYTES:
        return np.asarray(image)
    array = image.__arrow_c_array__()[1]
    return runtime.from_arrow(array, height, width, _SHARED[image.mode])._numpy()  # type: ignore[no-any-return]


_JPEG_MODES = {1: ("L", "L"), 3: ("RGB", "RGB"), 4: ("CMYK", "CMYK;I")}
"""What Pillow calls pixels with so many layers, and how files hold them."""

_JPEG_BYTES = 1 << 29
"""Larger images are refused, as by TensorFlow."""

_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers with nothing behind them."""


def _jpeg_frame(content: bytes) -> tuple[int, int, int]:
    """Return rows, columns and layers of a JPEG, as its only frame header before the first scan has them."""
    found: tuple[int, int, int] | None = None
    at = 2
    try:
        while (marker := content[(at := _marker_at(content, at))]) != 0xDA:
            at += 1
            if marker in _JPEG_ALONE:
                continue
            if marker in _JPEG_FRAMES:
                bits, rows, columns, layers = struct.unpack_from(">BHHB", content, at + 2)
                if found or bits != 8 or layers not in _JPEG_MODES or rows == 0 or columns == 0:
                    what = "a second frame" if found else f"{columns} x {rows} pixels of {layers} layers of {bits} bits"
                    raise refused(f"Invalid JPEG data: {what}.")
                found = rows, columns, layers
            at += max(int.from_bytes(content[at : at + 2]), 2)
    except (IndexError, ValueError, struct.error):
        raise refused("Invalid JPEG data: it is cut off in its head.") from None
    if found is None:
        raise refused("Invalid JPEG data: a scan comes before its frame.")
    return found


def _marker_at(content: bytes, at: int) -> int:
    """Return where the next marker is; ValueError or IndexError where there is none."""
    while True:
        at = content.index(b"\xff", at)
        while content[at] == 0xFF:
            at += 1
        if content[at]:
            return at


def jpeg(content: bytes, channels: int, ratio: int = 1) -> np.ndarray:
    """Return [rows, columns, channels], made smaller by `ratio` (1, 2, 4, 8)."""
    rows, columns, layers = _jpeg_frame(content)
    if channels == 1 and layers == 4:
        raise refused("Invalid JPEG data: a CMYK image has no grey channel;", "ask for 3 channels")
    size = (-(-columns // ratio), -(-rows // ratio))
    if size[0] * size[1] * (channels or layers) >= _JPEG_BYTES:
        raise refused(f"Invalid JPEG data: {columns} x {rows} pixels are more than {_JPEG_BYTES} bytes.")
    # Pillow's reader of files goes through all markers in Python; its decoder alone is asked, which has Python's lock free.
    mode, held = _JPEG_MODES[1 if channels == 1 else layers]
    try:
        image = _pillow().frombytes(mode, size, content, "jpeg", held, "", ratio, 0)
    except (OSError, ValueError) as error:
        raise refused(f"Invalid JPEG data: {error}.") from None
    pixels = _pixels(image, "JPEG", "L" if channels == 1 or (channels == 0 and layers == 1) else "RGB")
    return _with_alpha(pixels) if channels == 4 else pixels


def jpeg_shape(content: bytes) -> tuple[int, int, int]:
    """Return rows, columns and channels of a JPEG without reading its pixels."""
    if format_of(content) != "jpeg":
        raise refused("Invalid JPEG data.")
    return _jpeg_frame(content)


def _with_alpha(pixels: np.ndarray) -> np.ndarray:
    full = np.iinfo(pixels.dtype).max
    return np.concatenate([pixels, np.full((*pixels.shape[:-1], 1), full, pixels.dtype)], -1)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return 0.299 red + 0.587 green + 0.114 blue in 15 bits, cut off: what libpng does."""
    red, green, blue = (pixels[..., i : i + 1].astype(np.int64) for i in range(3))
    return ((red * 9797 + green * 19234 + blue * 3737) >> 15).astype(pixels.dtype)


def _channelled(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return grey or coloured pixels, with or without alpha, with the channels asked for (0: as they are)."""
    given = pixels.shape[-1]
    if channels in (0, given):
        return pixels
    alpha = pixels[..., -1:] if given in (2, 4) else None
    colour = pixels[..., : given - (alpha is not None)]
    if channels == 1:
        return colour if colour.shape[-1] == 1 else _grey(colour)
    wide = np.repeat(colour, 3, -1) if colour.shape[-1] == 1 else colour
    if channels == 3:
        return wide
    return _with_alpha(wide) if alpha is None else np.concatenate([wide, alpha], -1)


def png(content: bytes, channels: int, wide: bool) -> np.ndarray:
    """Return [rows, columns, channels] as uint8, or uint16 if `wide`."""
    image = _opened(content, "PNG")
    depth = content[24] if len(content) > 24 else 8
    if depth == 16 and image.mode.startswith("I"):
        pixels = _pixels(image, "PNG").astype(np.uint16)
        return _channelled(pixels if wide else (pixels >> 8).astype(np.uint8), channels)
    if depth == 16 and wide:
        raise errors.UnimplementedError(
            None, None, explain("PNG with 16 bits of colour cannot be read as uint16;", "read it as uint8")
        )
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = _pixels(image, "PNG")
    if channels == 4 and depth < 8 and pixels.shape[-1] == 1 and not wide:
        # TensorFlow fills alpha with the largest number of the file's own depth.
        alpha = np.full_like(pixels, (1 << depth) - 1)
        return np.concatenate([np.repeat(pixels, 3, -1), alpha], -1)
    return _channelled(pixels.astype(np.uint16) * np.uint16(257) if wide else pixels, channels)


def bmp(content: bytes, channels: int) -> np.ndarray:
    """Return [rows, columns, channels] of a BMP of 8, 24 or 32 bits a pixel; palettes are not looked up."""
    if len(content) < 54:
        raise refused("Incomplete bmp content, requires at least 32 bytes to find the header size.")
    start, width, height, bits = (
        struct.unpack_from(f, content, at)[0] for f, at in (("<I", 10), ("<i", 18), ("<i", 22), ("<H", 28))
    )
    depth = bits // 8
    if bits not in (8, 24, 32):
        raise refused(f"Number of channels inherent in the image must be 1, 3 or 4, was {bits / 8:g}.")
    if channels and channels != depth and not (depth == 1 and channels in (3, 4)) and {depth, channels} != {3, 4}:
        raise refused(f"channels attribute {channels} does not match bits per pixel from file {depth}")
    row = (width * bits + 31) // 32 * 4
    if width <= 0 or height == 0 or len(content) < start + row * abs(height):
        raise refused(f"Incomplete bmp content: {len(content)} bytes for {width} x {abs(height)} pixels.")
    lines = np.frombuffer(content, np.uint8, row * abs(height), start).reshape(abs(height), row)
    pixels = lines[:, : width * depth].reshape(abs(height), width, depth)
    if height > 0:
        pixels = pixels[::-1]
    if depth >= 3:
        pixels = pixels[..., [2, 1, 0, 3][:depth]]
    return np.ascontiguousarray(_channelled(pixels, channels))


def frames(content: bytes, what: str, mode: str = "RGB") -> np.ndarray:
    """Return the frames of an animation, [frames, rows, columns, channels]."""
    image = _opened(content, what)
    found = []
    for i in range(getattr(image, "n_frames", 1)):
        try:
            image.seek(i)
        except (EOFError, OSError) as error:
            raise refused(f"Invalid {what} data: {error}.") from None
        found.append(_pixels(image, what, mode))
    return np.stack(found)


def webp(content: bytes, channels: int) -> np.ndarray:
    """Return the frames of a WebP, [frames, rows, columns, channels]."""
    given = len(_opened(content, "WebP").getbands())
    if channels and channels != given:
        raise refused(f"Number of channels requested, {channels}, must be 0 or those of the WebP, {given}.")
    return frames(content, "WebP", "RGBA" if given == 4 else "RGB")


def image_of(content: bytes, channels: int, kind: str, expand: bool, ratio: int = 1) -> np.ndarray:
    """Return the image in a file of any format as uint8, uint16 or float32 (`kind`).

    Animations have four axes if `expand` holds; else their first frame is taken.
    """
    found = format_of(content)
    if found == "png":
        pixels = png(content, channels, kind != "uint8")
        return pixels if kind != "float32" else pixels.astype(np.float32) / np.float32(65535)
    if found == "jpeg":
        pixels = jpeg(content, channels, ratio)
    elif found == "bmp":
        pixels = bmp(content, channels)
    else:
        if found == "gif" and channels not in (0, 3):
            raise refused(f"channels must be 0 or 3 for GIF, but got {channels}")
        if found == "webp" and kind != "uint8":
            raise refused("WebP only supports uint8 for its element type.")
        pixels = frames(content, "GIF") if found == "gif" else webp(content, channels)
        pixels = pixels if expand else pixels[0]
    if kind == "uint16":
        return pixels.astype(np.uint16) * np.uint16(256)
    return pixels if kind == "uint8" else pixels.astype(np.float32) * np.float32(1 / 255)


_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def to_png(pixels: np.ndarray, compression: int) -> bytes:
    """Return a PNG of [rows, columns, 1 to 4 channels], uint8; uint16 with one channel."""
    Image = _pillow()
    channels = pixels.shape[-1]
    if channels not in _MODES:
        raise refused(f"image must have 1, 2, 3, or 4 channels, got {channels}")
    if pixels.dtype == np.uint16:
        if channels != 1:
            raise errors.UnimplementedError(
                None, None, explain("PNG with 16 bits of colour cannot be written;", "convert the image to uint8")
            )
        image = Image.fromarray(pixels[..., 0].astype("<u2"))
    else:
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, _MODES[channels])
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=6 if compression < 0 else compression)
    return out.getvalue()


def to_jpeg(
    pixels: np.ndarray,
    quality: int,
    progressive: bool = False,
    optimize: bool = False,
    downsample: bool = True,
    density: tuple[int, int] = (300, 300),
    grey: bool | None = None,
) -> bytes:
    """Return a JPEG of [rows, columns, 1 or 3 channels], uint8."""
    Image = _pillow()
    channels = pixels.shape[-1] if pixels.ndim == 3 else 0
    if channels not in (1, 3):
        raise refused(f"image must have 1 or 3 channels, got {list(pixels.shape)}")
    if grey is not None and grey != (channels == 1):
        raise refused(f"format '{'grayscale' if grey else 'rgb'}' expects {1 if grey else 3} channels, got {channels}")
    if not 0 <= quality <= 100:
        raise refused(f"quality must be in [0,100], got {quality}")
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    out = io.BytesIO()
    more = {} if channels == 1 else {"subsampling": 2 if downsample else 0}
    image.save(out, "JPEG", quality=max(quality, 1), progressive=progressive, optimize=optimize, dpi=density, **more)
    return out.getvalue()


def animated(content: bytes, channels: int) -> np.ndarray:
    """Return the frames of a file; a still picture is one."""
    pixels = image_of(content, channels, "uint8", True)
    return pixels if pixels.ndim == 4 else pixels[None]
