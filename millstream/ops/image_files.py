"""Declare the ops that read and write pictures as files hold them, in Python. Refuses animations where the rank must be known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from millstream.base import dtypes, errors
from millstream.base import image_codecs as codecs
from millstream.base.dtypes import DType, float32, string, uint8, uint16
from millstream.base.errors import explain
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.ops.declaration import Tensor, Types, op
from millstream.program.primitives.control import host_function
from millstream.program.primitives.core import known_shape, refuse
from millstream.program.value import Value

Wide = Types("dtype", uint8, uint16, default=uint8)
Any3 = Types("dtype", uint8, uint16, float32, default=uint8)
Pixels = Types("T", uint8, uint16, default=uint8)


def _picture(
    what: str, contents: Value, dtype: DType, channels: int, decode: Callable[[bytes], np.ndarray], frames: bool = False
) -> Value:
    """Return what `decode` makes of a file's bytes."""
    if known_shape(contents.spec):
        raise refuse(what, f"contents of shape {list(contents.shape)}", "give the bytes of one file")
    sizes = [fresh_symbol(n) for n in ("frames", "rows", "columns")][0 if frames else 1 :]
    spec = Spec(dtype, (*sizes, channels or fresh_symbol("channels")))
    return host_function(lambda content: [np.ascontiguousarray(decode(content.item()))], [contents], [spec])[0]


@op("DecodePng", outputs="image")
def decode_png(contents: Tensor[string], *, channels: int = 0, dtype: Wide = uint8) -> Tensor["dtype"]:
    """Read a PNG, or another kind of picture."""
    return _picture("DecodePng", contents, dtype, channels, lambda c: codecs.image_of(c, channels, dtype.name, False))


@op("DecodeJpeg", outputs="image")
def decode_jpeg(
    contents: Tensor[string],
    *,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1.0,
    dct_method: str = "",
) -> Tensor[uint8]:
    """Read a JPEG, or another kind of picture."""
    codecs.check_jpeg(channels, ratio, fancy_upscaling, try_recover_truncated, dct_method)
    return _picture(
        "DecodeJpeg", contents, uint8, channels, lambda c: codecs.image_of(c, channels, "uint8", False, ratio)
    )


@op("DecodeBmp", outputs="image")
def decode_bmp(contents: Tensor[string], *, channels: int = 0) -> Tensor[uint8]:
    """Read a BMP, or another kind of picture."""
    return _picture("DecodeBmp", contents, uint8, channels, lambda c: codecs.image_of(c, channels, "uint8", False))


@op("DecodeGif", outputs="image")
def decode_gif(contents: Tensor[string]) -> Tensor[uint8]:
    """Read the frames of a GIF; another kind of picture is one frame."""
    return _picture("DecodeGif", contents, uint8, 3, lambda c: codecs.animated(c, 3), frames=True)


@op("DecodeImage", outputs="image")
def decode_image(
    contents: Tensor[string], *, channels: int = 0, dtype: Any3 = uint8, expand_animations: bool = True
) -> Tensor["dtype"]:
    """Read a picture of any kind."""

    def decode(content: bytes) -> np.ndarray:
        pixels = codecs.image_of(content, channels, dtype.name, expand_animations)
        if pixels.ndim == 4:
            raise errors.UnimplementedError(
                None,
                None,
                explain(
                    "In a graph the number of axes must be known, and this file is an animation;",
                    "use expand_animations=False, or tf.io.decode_gif",
                ),
            )
        return pixels

    return _picture("DecodeImage", contents, dtype, channels, decode)


@op("EncodePng", outputs="contents")
def encode_png(image: Tensor[Pixels], *, compression: int = -1) -> Tensor[string]:
    """Write pictures as PNGs."""
    lead = image.shape[:-3]

    def encode(pixels: np.ndarray) -> list[np.ndarray]:
        made = np.empty(pixels.shape[:-3], object)
        made.ravel()[:] = [codecs.to_png(p, compression) for p in pixels.reshape(-1, *pixels.shape[-3:])]
        return [made]

    if image.rank < 3:
        raise refuse("EncodePng", f"image of shape {list(image.shape)}", "image must be at least rank 3")
    return host_function(encode, [image], [Spec(dtypes.string, lead)])[0]


@op("EncodeJpeg", outputs="contents")
def encode_jpeg(
    image: Tensor[uint8],
    *,
    format: Literal["", "grayscale", "rgb"] = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: Literal["in", "cm"] = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: str = "",
) -> Tensor[string]:
    """Write a picture as a JPEG."""
    if xmp_metadata:
        raise errors.UnimplementedError(
            None, None, explain("JPEG is written without metadata;", "leave xmp_metadata out")
        )
    scale = 1.0 if density_unit == "in" else 2.54
    density = (round(x_density * scale), round(y_density * scale))

    def encode(pixels: np.ndarray) -> list[np.ndarray]:
        made = codecs.to_jpeg(
            pixels, quality, progressive, optimize_size, chroma_downsampling, density, codecs.JPEG_CHANNELS[format]
        )
        return [np.asarray(made, object)]

    return host_function(encode, [image], [Spec(dtypes.string, ())])[0]


for _op in (decode_png, decode_jpeg, decode_bmp, decode_gif, decode_image, encode_png, encode_jpeg):
    _op.no_gradient()

_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000020000000108020000007b40e8dd0000000f4944415478da636068f8cfcece"
    "0e0006ad0195305c67b00000000049454e44ae426082"
)
"""Two pixels of three colours."""

for _op in (decode_png, decode_jpeg, decode_bmp, decode_gif, decode_image):
    _op.cases([()], inputs=(_PNG,))
decode_png.cases([()], inputs=(_PNG,), attributes={"channels": 1})
decode_image.cases([()], inputs=(_PNG,), attributes={"channels": 4, "expand_animations": False})
encode_png.cases([(2, 3, 1), (0, 2, 2, 1)]).cases([(3, 2, 1)], attributes={"compression": 9})
encode_jpeg.cases([(8, 9, 3), (2, 2, 1)]).cases([(4, 4, 3)], attributes={"quality": 50, "format": "rgb"})
