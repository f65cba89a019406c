"""Records anew small image files and what real TensorFlow reads out of them.

Run it with an interpreter that has TensorFlow and Pillow:

    python millstream/api/testdata/record_image_files.py
"""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def files() -> dict[str, bytes]:
    """Return small files of every format and kind of pixel."""
    from PIL import Image

    rows, columns = np.mgrid[0:13, 0:18]
    colours = np.stack([128 + 100 * np.sin(columns / 3), 128 + 100 * np.cos(rows / 2), (rows * columns) % 256], -1)
    image = Image.fromarray(colours.clip(0, 255).astype(np.uint8))
    grey = image.convert("L")

    def written(what: Any, kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        what.save(out, kind, **options)
        return out.getvalue()

    alpha = image.copy()
    alpha.putalpha(grey)
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 250)
    frames = {"save_all": True, "append_images": [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("P")]}
    return {
        "jpeg": written(image, "JPEG", quality=85),
        "jpeg fine": written(image, "JPEG", quality=95, subsampling=0),
        "jpeg grey": written(grey, "JPEG"),
        "jpeg progressive": written(image, "JPEG", progressive=True),
        "jpeg cmyk": written(image.convert("CMYK"), "JPEG"),
        "png": written(image, "PNG"),
        "png grey": written(grey, "PNG"),
        "png alpha": written(alpha, "PNG"),
        "png grey alpha": written(Image.merge("LA", (grey, grey)), "PNG"),
        "png palette": written(image.convert("P"), "PNG"),
        "png bits": written(image.convert("1"), "PNG"),
        "png wide": written(wide, "PNG"),
        "bmp": written(image, "BMP"),
        "bmp grey": written(grey, "BMP"),
        "bmp alpha": written(alpha, "BMP"),
        "gif": written(image.convert("P"), "GIF"),
        "gif animated": written(image.convert("P"), "GIF", **frames),
        "webp": written(image, "WEBP", lossless=True),
        "cut off": written(image, "PNG")[:60],
        "other": b"no image",
        "empty": b"",
    }


def readings(tf: Any) -> dict[str, Any]:
    """Return the ways to read a file, by name."""
    ways: dict[str, Any] = {
        f"jpeg {n}": lambda c, n=n: tf.io.decode_jpeg(c, n, dct_method="INTEGER_ACCURATE") for n in (0, 1, 3)
    }
    ways["jpeg smaller"] = lambda c: tf.io.decode_jpeg(c, 3, ratio=2, dct_method="INTEGER_ACCURATE")
    ways["jpeg part"] = lambda c: tf.io.decode_and_crop_jpeg(c, [2, 3, 5, 7], dct_method="INTEGER_ACCURATE")
    ways["jpeg shape"] = tf.io.extract_jpeg_shape
    ways["is jpeg"] = tf.io.is_jpeg
    ways.update({f"png {n}": lambda c, n=n: tf.io.decode_png(c, n) for n in (0, 1, 3, 4)})
    ways["png wide"] = lambda c: tf.io.decode_png(c, dtype=tf.uint16)
    ways.update({f"bmp {n}": lambda c, n=n: tf.io.decode_bmp(c, n) for n in (0, 3, 4)})
    ways["gif"] = tf.io.decode_gif
    for name in ("uint8", "uint16", "float32", "float16"):
        ways[f"image {name}"] = lambda c, name=name: tf.io.decode_image(c, dtype=name, expand_animations=False)
    ways["image expanded"] = tf.io.decode_image
    return ways


FITTING = {
    "jpeg": ("jpeg", "image", "is jpeg"),
    "png": ("png", "image uint8", "is jpeg"),
    "bmp": ("bmp", "image"),
    "gif": ("gif", "image"),
    "webp": ("image uint8", "image expanded"),
    "cut": ("png 0", "image uint8"),
    "other": ("jpeg 0", "image uint8", "is jpeg"),
    "empty": ("image uint8",),
}
"""By the first word of a file's name, how the names of the readings begin that are tried on it."""


def pairs(tf: Any) -> list[tuple[str, str]]:
    """Return files and readings that are tried together."""
    names = readings(tf)
    return [(f, r) for f in files() for r in names if r.startswith(FITTING[f.split()[0]])]


def is_rounded(file: str, reading: str) -> bool:
    """Return whether TensorFlow reads a JPEG with its rougher default, or smooths the colours of a part of it otherwise."""
    return file.startswith("jpeg") and (reading.startswith("image") or reading == "jpeg part")


def record() -> None:
    """Write image_files.npz: the files, the answers, and which readings fail."""
    import tensorflow as tf

    ways, given = readings(tf), files()
    arrays: dict[str, Any] = {f"file {name}": np.frombuffer(content, np.uint8) for name, content in given.items()}
    failed: dict[str, str] = {}
    for file, reading in pairs(tf):
        try:
            arrays[f"{file}|{reading}"] = ways[reading](given[file]).numpy()
        except Exception as error:
            failed[f"{file}|{reading}"] = type(error).__name__
    np.savez_compressed(FOLDER / "image_files.npz", errors=np.array(json.dumps(failed)), **arrays)


if __name__ == "__main__":
    record()
