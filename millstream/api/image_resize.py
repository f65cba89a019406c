"""tf.image.resize and the functions that fit images into given sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.image_crop import pad_to_bounding_box
from millstream.api.image_shapes import batched, is_number, number, sizes_of, to_image, unbatched, vector
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor
from millstream.ops import image_resize as ops
from millstream.ops.registry import find


@public("image.ResizeMethod")
class ResizeMethod:
    """The ways to resize that `tf.image.resize` knows."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


_PLAIN = {"bilinear": ops.resize_bilinear, "nearest": ops.resize_nearest, "bicubic": ops.resize_bicubic}
_SAMPLED = {"lanczos3": "lanczos3", "lanczos5": "lanczos5", "gaussian": "gaussian", "mitchellcubic": "mitchellcubic"}
_ANTIALIASED = {"bilinear": "triangle", "bicubic": "keyscubic"}


def _size_tensor(size: Any) -> Any:
    try:
        tensor = vector([number(n) for n in size]) if isinstance(size, (list, tuple)) else to_tensor(size, dtypes.int32)
    except (TypeError, ValueError):
        raise ValueError(explain("'size' must be a 1-D int32 Tensor")) from None
    if tensor.dtype != dtypes.int32 or (isinstance(size, (list, tuple)) and any(isinstance(n, float) for n in size)):
        raise ValueError(explain("'size' must be a 1-D int32 Tensor"))
    if not tensor.shape.is_compatible_with([2]):
        raise ValueError(explain("'size' must be a 1-D Tensor of 2 elements: new_height, new_width"))
    return tensor


def _fitted(images: Any, size: Any) -> Any:
    """Return the largest size within `size` that has the images' aspect ratio."""
    now, wanted = sizes_of(images)[1:3], [number(size[0]), number(size[1])]
    if is_number(*now, *wanted):
        before = np.asarray(now, np.float32)
        scale = np.min(np.asarray(wanted, np.float32) / before)
        return to_tensor(np.rint(scale * before).astype(np.int32))
    floats = cast(vector(now), dtypes.float32)
    scales = cast(size, dtypes.float32) / floats
    return cast(apply(find("Round"), floats * apply(find("Minimum"), scales[0], scales[1])), dtypes.int32)


def _scaled(images: Any, size: Any, kernel_type: str, antialias: bool) -> Any:
    static = images.shape.as_list()[1:3]
    before = to_tensor(static, dtypes.float32) if None not in static else cast(array.shape(images)[1:3], dtypes.float32)
    scale = cast(size, dtypes.float32) / before
    return apply(
        ops.scale_and_translate, images, size, scale, array.zeros([2]), kernel_type=kernel_type, antialias=antialias
    )


def _resized(images: Any, size: Any, method: str, antialias: bool) -> Any:
    if method in _SAMPLED or (antialias and method in _ANTIALIASED):
        return _scaled(images, size, _SAMPLED.get(method) or _ANTIALIASED[method], antialias)
    if method in _PLAIN:
        return apply(_PLAIN[method], images, size, half_pixel_centers=True)
    if method == "area":
        return apply(ops.resize_area, images, size)
    raise ValueError(explain(f"Resize method is not implemented: {method}"))


@public("image.resize")
def resize(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Any:
    """Resize images to `size` with a method of `tf.image.ResizeMethod`.

    Each output pixel is a weighted mean of input pixels; rows and columns are treated alike and apart.

    Args:
      images: [count, rows, columns, depth] or [rows, columns, depth], of real numbers.
      size: two ints, rows and columns.
      method: 'bilinear', 'nearest', 'bicubic', 'area', 'lanczos3', 'lanczos5', 'gaussian' or 'mitchellcubic'.
      preserve_aspect_ratio: makes the largest images within `size` that are not distorted.
      antialias: widens the kernel where images shrink; no effect with 'nearest' and 'area'.
      name: not used.

    Returns:
      The images as float32; with 'nearest' in their own element type.

    Raises:
      ValueError: for images of other ranks, a size that is not two ints, and unknown methods.

    >>> tf.image.resize(tf.ones([4, 4, 3]), [2, 8]).shape
    TensorShape([2, 8, 3])
    """
    return resized(images, size, lambda x, wanted: _resized(x, wanted, method, antialias), preserve_aspect_ratio)


def resized(
    images: Any, size: Any, run: Callable[[Any, Any], Any], preserve_aspect_ratio: bool, keep_same: bool = False
) -> Any:
    """Return what `run` makes of a batch of images and a size tensor; the images if `keep_same` and they have that size."""
    tensor = to_tensor(images)
    if tensor.shape.rank is None:
        raise ValueError(explain("'images' contains no shape."))
    if tensor.shape.rank not in (3, 4):
        raise ValueError(explain("'images' must have either 3 or 4 dimensions."))
    whole, was_batch = batched(tensor)
    wanted = _size_tensor(size)
    if preserve_aspect_ratio:
        wanted = _fitted(whole, wanted)
    known = static_value(wanted)
    if keep_same and known is not None and known.tolist() == whole.shape.as_list()[1:3]:
        return tensor
    return unbatched(run(whole, wanted), was_batch)


@public("image.resize_with_pad")
def resize_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = ResizeMethod.BILINEAR,
    antialias: bool = False,
) -> Any:
    """Resize images without distortion to fit into a size, and pad with zeros evenly on both sides.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      target_height: rows of the result.
      target_width: columns of the result.
      method: as in `tf.image.resize`.
      antialias: as in `tf.image.resize`.

    Returns:
      Images of the target size.

    Raises:
      ValueError: for images of other ranks, and targets below 1.

    >>> tf.image.resize_with_pad(tf.ones([4, 8, 3]), 6, 6).shape
    TensorShape([6, 6, 3])
    """
    return fitted_with_pad(image, target_height, target_width, lambda x, size: _resized(x, size, method, antialias))


def fitted_with_pad(image: Any, target_height: Any, target_width: Any, run: Callable[[Any, Any], Any]) -> Any:
    """Resize images with `run` to fit into a size, and pad them."""
    images, was_batch = batched(to_image(image, most=4))
    height, width = number(target_height), number(target_width)
    for name, n in (("target_width", width), ("target_height", height)):
        if not isinstance(n, Tensor) and n <= 0:
            raise ValueError(explain(f"{name} must be > 0."))
    now = sizes_of(images)[1:3]
    if is_number(height, width, *now):
        before, target = np.asarray(now, np.float32), np.asarray([height, width], np.float32)
        fitted = before / np.max(before / target)
        size = to_tensor(np.floor(fitted).astype(np.int32))
        edges: Any = [int(n) for n in np.maximum(0, np.floor((target - fitted) / 2))]
    else:
        floats, wanted = cast(vector(now), dtypes.float32), cast(vector([height, width]), dtypes.float32)
        ratios = floats / wanted
        inner = floats / apply(find("Maximum"), ratios[0], ratios[1])
        size = cast(apply(find("Floor"), inner), dtypes.int32)
        half = apply(find("Floor"), (wanted - inner) / 2)
        edges = apply(find("Maximum"), cast(half, dtypes.int32), to_tensor([0, 0]))
        edges = [edges[0], edges[1]]
    padded = pad_to_bounding_box(run(images, size), edges[0], edges[1], height, width)
    return unbatched(padded, was_batch)
