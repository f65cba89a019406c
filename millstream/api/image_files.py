"""tf.io.decode_jpeg and the other functions that read and write images in files' formats. Eagerly at once, in graphs when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.image_color import convert_image_dtype
from millstream.api.image_random import Draw, stateful_draw, stateless_draw
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base import image_codecs as codecs
from millstream.base.dtypes import as_dtype
from millstream.base.errors import InvalidArgumentError, UnimplementedError, explain
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.host import call_on_host
from millstream.execution.tensor import EagerTensor, eager_constant, eager_from_array
from millstream.ops.registry import find

_STRING = Spec(dtypes.string, ())


def _scalar(contents: Any) -> Any:
    tensor = to_tensor(contents, dtypes.string)
    if tensor.shape.rank not in (0, None):
        raise InvalidArgumentError(None, None, explain(f"`contents` must be scalar but got shape{tensor.shape}"))
    return tensor


def _tensor_of(pixels: np.ndarray, dtype: Any) -> Any:
    """Return pixels as a tensor: the one that holds them, where they are the whole of one."""
    held = pixels.base
    if isinstance(held, EagerTensor) and held._shape == pixels.shape and held.dtype is dtype:
        return held
    return eager_from_array(np.ascontiguousarray(pixels), dtype)


def _read(
    name: str,
    contents: Any,
    decode: Callable[..., np.ndarray],
    dtype: Any,
    channels: int,
    *more: Any,
    rank: int = 3,
    said: dict[str, Any] | None = None,
) -> Any:
    """Return what `decode` makes of a file's bytes (and of further tensors, as arrays).

    In graphs that is the op `name`, with the attributes `said`, where there is one.
    """
    if said is not None and current_graph() is not None:
        return apply(find(name), _scalar(contents), **said)
    shape = tuple(fresh_symbol("n") for _ in range(rank - 1)) + (channels or fresh_symbol("channels"),)

    def run(found: Any, *others: Any) -> list[Any]:
        return [_tensor_of(decode(found.numpy(), *(o.numpy() for o in others)), dtype)]

    return call_on_host(name, run, [_scalar(contents), *more], [Spec(dtype, shape)])[0]


@public("io.decode_jpeg", "image.decode_jpeg", "compat.v1.image.decode_jpeg")
def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Any:
    """Read a JPEG (or another format that `decode_image` reads).

    Numbers equal TensorFlow's with dct_method='INTEGER_ACCURATE'; its default rounds more roughly.

    Args:
      contents: a scalar string, the bytes of a file.
      channels: 0 as in the file, 1 grey, 3 colours, 4 colours and alpha.
      ratio: makes the image smaller: 1, 2, 4 or 8.
      fancy_upscaling: must hold: colours of a lower resolution are smoothed.
      try_recover_truncated: must not hold: a file that is cut off is refused.
      acceptable_fraction: no effect without try_recover_truncated.
      dct_method: '', 'INTEGER_FAST' or 'INTEGER_ACCURATE', a hint; the accurate one is used.
      name: not used.

    Returns:
      uint8 [rows, columns, channels].

    Raises:
      InvalidArgumentError: for content that cannot be read.
      UnimplementedError: for fancy_upscaling=False and try_recover_truncated=True.

    >>> tf.io.decode_jpeg(tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))).shape
    TensorShape([4, 6, 3])
    """
    codecs.check_jpeg(channels, ratio, fancy_upscaling, try_recover_truncated, dct_method)

    def decode(content: bytes) -> np.ndarray:
        return codecs.image_of(content, channels, "uint8", False, ratio)

    said = {"channels": channels, "ratio": ratio, "dct_method": dct_method}
    return _read("DecodeJpeg", contents, decode, dtypes.uint8, channels, said=said)


@public("io.decode_and_crop_jpeg", "image.decode_and_crop_jpeg", "compat.v1.image.decode_and_crop_jpeg")
def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Any:
    """Read a part of a JPEG.

    Args:
      contents: a scalar string, the bytes of a file.
      crop_window: int32 [4]: first row, first column, rows, columns.
      channels: as in `decode_jpeg`, like all further arguments.
      ratio: makes the image smaller before it is cut.
      fancy_upscaling: must hold.
      try_recover_truncated: must not hold.
      acceptable_fraction: no effect.
      dct_method: a hint.
      name: not used.

    Returns:
      uint8 [rows, columns, channels].

    Raises:
      InvalidArgumentError: for content that cannot be read, and windows that are not within the image.

    >>> content = tf.io.encode_jpeg(tf.zeros([9, 9, 3], tf.uint8))
    >>> tf.io.decode_and_crop_jpeg(content, [1, 2, 3, 4]).shape
    TensorShape([3, 4, 3])
    """
    codecs.check_jpeg(channels, ratio, fancy_upscaling, try_recover_truncated, dct_method)

    def decode(content: bytes, window: np.ndarray) -> np.ndarray:
        pixels = codecs.jpeg(content, channels, ratio)
        top, left, rows, columns = (int(n) for n in window)
        inside = top >= 0 and left >= 0 and top + rows <= pixels.shape[0] and left + columns <= pixels.shape[1]
        if not inside or rows <= 0 or columns <= 0:
            raise codecs.refused("Invalid JPEG data or crop window.")
        return pixels[top : top + rows, left : left + columns]

    window = to_tensor(crop_window, dtypes.int32)
    return _read("DecodeAndCropJpeg", contents, decode, dtypes.uint8, channels, window)


@public("io.decode_png", "image.decode_png", "compat.v1.image.decode_png")
def decode_png(contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None) -> Any:
    """Read a PNG (or another format that `decode_image` reads).

    Args:
      contents: a scalar string, the bytes of a file.
      channels: 0 as in the file, 1 grey, 3 colours, 4 colours and alpha.
      dtype: uint8 or uint16.
      name: not used.

    Returns:
      [rows, columns, channels] of `dtype`.

    Raises:
      InvalidArgumentError: for content that cannot be read.
      UnimplementedError: for files with 16 bits of colour as uint16.

    >>> tf.io.decode_png(tf.io.encode_png(tf.zeros([4, 6, 1], tf.uint8))).shape
    TensorShape([4, 6, 1])
    """
    kind = as_dtype(dtype)
    codecs.check_channels(channels, (0, 1, 3, 4))

    def decode(content: bytes) -> np.ndarray:
        return codecs.image_of(content, channels, kind.name, False)

    return _read("DecodePng", contents, decode, kind, channels, said={"channels": channels, "dtype": kind})


@public("io.decode_bmp", "image.decode_bmp", "compat.v1.image.decode_bmp")
def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Any:
    """Read a BMP without compression (or another format that `decode_image` reads); palettes are not looked up.

    Args:
      contents: a scalar string, the bytes of a file.
      channels: 0 as in the file, 3 colours, 4 colours and alpha.
      name: not used.

    Returns:
      uint8 [rows, columns, channels].

    Raises:
      InvalidArgumentError: for content that cannot be read.
    """
    codecs.check_channels(channels, (0, 3, 4), " for BMP,")

    def decode(content: bytes) -> np.ndarray:
        return codecs.image_of(content, channels, "uint8", False)

    return _read("DecodeBmp", contents, decode, dtypes.uint8, channels, said={"channels": channels})


@public("io.decode_gif", "image.decode_gif", "compat.v1.image.decode_gif")
def decode_gif(contents: Any, name: str | None = None) -> Any:
    """Read the frames of a GIF; an image of another format counts as one frame.

    Args:
      contents: a scalar string, the bytes of a file.
      name: not used.

    Returns:
      uint8 [frames, rows, columns, 3].

    Raises:
      InvalidArgumentError: for content that cannot be read.
    """
    return _read("DecodeGif", contents, lambda content: codecs.animated(content, 3), dtypes.uint8, 3, rank=4, said={})


@public("io.decode_webp", "image.decode_webp")
def decode_webp(contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None) -> Any:
    """Read the frames of a WebP.

    Args:
      contents: a scalar string, the bytes of a file.
      channels: 0, or the channels of the file: 3 or 4.
      dtype: uint8.
      name: not used.

    Returns:
      uint8 [frames, rows, columns, channels].

    Raises:
      InvalidArgumentError: for content that cannot be read.
    """
    if as_dtype(dtype) != dtypes.uint8:
        raise InvalidArgumentError(None, None, explain("WebP only supports uint8 for its element type."))

    def decode(content: bytes) -> np.ndarray:
        return codecs.animated(content, channels)

    return _read("DecodeWebP", contents, decode, dtypes.uint8, channels, rank=4)


@public("io.decode_jxl", "image.decode_jxl", "compat.v1.image.decode_jxl")
def decode_jxl(contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None) -> Any:
    """Refuse: JPEG XL cannot be read.

    Raises:
      UnimplementedError: always.
    """
    raise UnimplementedError(
        None, None, explain("JPEG XL cannot be read;", "convert the file to one of JPEG, PNG, GIF, BMP and WebP first")
    )


@public("io.decode_image", "image.decode_image", "compat.v1.image.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = dtypes.uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Any:
    """Read a JPEG, PNG, GIF, BMP or WebP.

    Args:
      contents: a scalar string, the bytes of a file.
      channels: 0 or None as in the file, 1 grey, 3 colours, 4 colours and alpha.
      dtype: uint8, uint16 or float32 in [0, 1]; other types are converted by `convert_image_dtype`.
      name: not used.
      expand_animations: GIF and WebP give [frames, rows, columns, channels]; else their first frame is taken.

    Returns:
      [rows, columns, channels] of `dtype`.

    Raises:
      InvalidArgumentError: for content that cannot be read.
      UnimplementedError: in a graph, for animations with expand_animations.

    >>> tf.io.decode_image(tf.io.encode_png(tf.zeros([4, 6, 3], tf.uint8)), dtype=tf.float32).shape
    TensorShape([4, 6, 3])
    """
    depth, wanted = codecs.check_channels(channels or 0, (0, 1, 3, 4)), as_dtype(dtype)
    kind = wanted if wanted in (dtypes.uint8, dtypes.uint16, dtypes.float32) else dtypes.uint16

    def decode(content: bytes) -> np.ndarray:
        return codecs.image_of(content, depth, kind.name, expand_animations)

    said = {"channels": depth, "dtype": kind, "expand_animations": expand_animations}
    found = _read("DecodeImage", contents, decode, kind, depth, said=said)
    return found if kind == wanted else convert_image_dtype(found, wanted)


@public("io.is_jpeg", "image.is_jpeg", "compat.v1.io.is_jpeg", "compat.v1.image.is_jpeg")
def is_jpeg(contents: Any, name: str | None = None) -> Any:
    """Return whether content begins as a JPEG does.

    >>> bool(tf.io.is_jpeg(tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))))
    True
    """

    def run(found: Any) -> list[Any]:
        return [eager_constant(np.asarray(found.numpy().startswith(b"\xff\xd8\xff")), dtypes.bool)]

    return call_on_host("IsJpeg", run, [_scalar(contents)], [Spec(dtypes.bool, ())])[0]


@public("io.extract_jpeg_shape", "image.extract_jpeg_shape", "compat.v1.image.extract_jpeg_shape")
def extract_jpeg_shape(contents: Any, output_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return rows, columns and channels of a JPEG without reading its pixels.

    Args:
      contents: a scalar string, the bytes of a file.
      output_type: int32 or int64.
      name: not used.

    Returns:
      A vector of three.

    >>> tf.io.extract_jpeg_shape(tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))).numpy().tolist()
    [4, 6, 3]
    """
    kind = as_dtype(output_type)

    def run(found: Any) -> list[Any]:
        return [eager_constant(np.asarray(codecs.jpeg_shape(found.numpy())), kind)]

    return call_on_host("ExtractJpegShape", run, [_scalar(contents)], [Spec(kind, (3,))])[0]


@public("io.encode_jpeg", "image.encode_jpeg", "compat.v1.image.encode_jpeg")
def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: str = "",
    name: str | None = None,
) -> Any:
    """Write a JPEG.

    Args:
      image: uint8 [rows, columns, 1 or 3].
      format: '', 'grayscale' or 'rgb': what the image must be.
      quality: 0 to 100.
      progressive: makes a file that shows step by step.
      optimize_size: spends time to make the file smaller.
      chroma_downsampling: halves the resolution of colours.
      density_unit: 'in' or 'cm'.
      x_density: pixels for each unit.
      y_density: pixels for each unit.
      xmp_metadata: must be empty.
      name: not used.

    Returns:
      A scalar string, the bytes of the file.

    Raises:
      InvalidArgumentError: for images of other shapes, and other formats.
      UnimplementedError: for metadata.

    >>> tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8)).dtype
    tf.string
    """
    if format not in codecs.JPEG_CHANNELS:
        raise InvalidArgumentError(None, None, explain(f"format must be '', grayscale or rgb, got {format}"))
    if density_unit not in ("in", "cm"):
        raise InvalidArgumentError(None, None, explain(f"Invalid density_unit {density_unit}", "choose 'in' or 'cm'"))
    if xmp_metadata:
        raise UnimplementedError(None, None, explain("JPEG is written without metadata;", "leave xmp_metadata out"))
    scale = 1.0 if density_unit == "in" else 2.54
    density = (round(x_density * scale), round(y_density * scale))

    def run(found: Any) -> list[Any]:
        made = codecs.to_jpeg(
            found.numpy(),
            quality,
            progressive,
            optimize_size,
            chroma_downsampling,
            density,
            codecs.JPEG_CHANNELS[format],
        )
        return [runtime.from_strings([made], ())]

    tensor = to_tensor(image, dtypes.uint8)
    if current_graph() is None:
        return run(tensor)[0]
    return apply(
        find("EncodeJpeg"),
        tensor,
        format=format,
        quality=quality,
        progressive=progressive,
        optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling,
        density_unit=density_unit,
        x_density=x_density,
        y_density=y_density,
    )


@public("io.encode_png", "image.encode_png", "compat.v1.image.encode_png")
def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Any:
    """Write PNGs.

    Args:
      image: uint8 (or uint16 with one channel) [..., rows, columns, 1 to 4 channels].
      compression: 0 (fast) to 9 (small); -1 chooses.
      name: not used.

    Returns:
      Strings [...], the bytes of the files.

    Raises:
      InvalidArgumentError: for images of other shapes.

    >>> tf.io.encode_png(tf.zeros([2, 4, 6, 3], tf.uint8)).shape
    TensorShape([2])
    """
    tensor = to_tensor(image)
    if tensor.dtype not in (dtypes.uint8, dtypes.uint16):
        raise InvalidArgumentError(None, None, explain(f"image must be uint8 or uint16, got {tensor.dtype.name}"))
    if tensor.shape.rank is None or tensor.shape.rank < 3:
        raise InvalidArgumentError(None, None, explain(f"image must be at least rank 3, got {tensor.shape}"))
    lead = tensor.shape.rank - 3

    def run(found: Any) -> list[Any]:
        pixels = found.numpy()
        flat = pixels.reshape(-1, *pixels.shape[lead:])
        return [runtime.from_strings([codecs.to_png(p, compression) for p in flat], pixels.shape[:lead])]

    return run(tensor)[0] if current_graph() is None else apply(find("EncodePng"), tensor, compression=compression)


@public("image.adjust_jpeg_quality")
def adjust_jpeg_quality(image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None) -> Any:
    """Return the image as it looks after it was written as a JPEG of a quality, and read.

    Args:
      image: [rows, columns, 1 or 3]; other types than uint8 are converted before and back after.
      jpeg_quality: an int (or a scalar tensor) in [0, 100].
      dct_method: a hint.
      name: not used.

    Returns:
      An image of the same shape and type.

    Raises:
      InvalidArgumentError: for images of other shapes and qualities out of range.

    >>> tf.image.adjust_jpeg_quality(tf.zeros([4, 6, 3]), 75).shape
    TensorShape([4, 6, 3])
    """
    tensor = to_tensor(image)
    codecs.check_jpeg(0, 1, True, False, dct_method)
    narrow = convert_image_dtype(tensor, dtypes.uint8, saturate=True)

    def run(found: Any, quality: Any) -> list[Any]:
        made = codecs.to_jpeg(found.numpy(), int(quality.numpy()))
        return [eager_constant(codecs.jpeg(made, found.numpy().shape[-1]), dtypes.uint8)]

    shape = tuple(fresh_symbol("n") if n is None else n for n in tensor.shape.as_list())
    inputs = [narrow, to_tensor(jpeg_quality, dtypes.int32)]
    changed = call_on_host("AdjustJpegQuality", run, inputs, [Spec(dtypes.uint8, shape)])[0]
    return convert_image_dtype(changed, tensor.dtype, saturate=True)


def _of_random_quality(image: Any, least: Any, most: Any, draw: Draw) -> Any:
    if least < 0 or most < 0 or least > 100 or most > 100:
        raise ValueError(explain("jpeg encoding range must be between 0 and 100."))
    if least >= most:
        raise ValueError(explain("`min_jpeg_quality` must be less than `max_jpeg_quality`."))
    return adjust_jpeg_quality(image, draw([], least, most, dtypes.int32))


@public("image.random_jpeg_quality")
def random_jpeg_quality(image: Any, min_jpeg_quality: Any, max_jpeg_quality: Any, seed: Any = None) -> Any:
    """Return the image as a JPEG of a random quality in [min_jpeg_quality, max_jpeg_quality) shows it.

    Raises:
      ValueError: for qualities out of range or that do not ascend.

    >>> tf.image.random_jpeg_quality(tf.zeros([4, 6, 3]), 75, 95, 1).shape
    TensorShape([4, 6, 3])
    """
    return _of_random_quality(image, min_jpeg_quality, max_jpeg_quality, stateful_draw(seed))


@public("image.stateless_random_jpeg_quality")
def stateless_random_jpeg_quality(image: Any, min_jpeg_quality: Any, max_jpeg_quality: Any, seed: Any) -> Any:
    """Return the image as a JPEG of a quality in [min_jpeg_quality, max_jpeg_quality), decided by the seed, shows it.

    Raises:
      ValueError: for qualities out of range or that do not ascend.

    >>> tf.image.stateless_random_jpeg_quality(tf.zeros([4, 6, 3]), 75, 95, (1, 2)).shape
    TensorShape([4, 6, 3])
    """
    return _of_random_quality(image, min_jpeg_quality, max_jpeg_quality, stateless_draw(seed))
