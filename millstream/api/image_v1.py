"""tf.compat.v1.image: the same functions, and the older forms of those that changed."""

from __future__ import annotations

from typing import Any

from millstream.api import (
    image_boxes,
    image_color,
    image_crop,
    image_files,
    image_measures,
    image_parts,
    image_random,
    spaces,
)
from millstream.api.array import shape_tensor
from millstream.api.image_resize import ResizeMethod, fitted_with_pad, resized
from millstream.api.public import PUBLIC, public, publish
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import image_crop_box, image_resize

_KEPT = (image_boxes, image_color, image_crop, image_files, image_measures, image_parts, image_random, spaces)
_CHANGED = ("crop_and_resize", "draw_bounding_boxes", "extract_glimpse", "sample_distorted_bounding_box")
_homes = {module.__name__ for module in _KEPT}
for _name, _item in list(PUBLIC.items()):
    _leaf = _name.removeprefix("image.")
    if _leaf != _name and _item.__module__ in _homes and _leaf not in _CHANGED and not _leaf.startswith("stateless_"):
        publish(f"compat.v1.{_name}", _item)
publish("compat.v1.image.resize_image_with_crop_or_pad", image_crop.resize_with_crop_or_pad)
publish("compat.v1.image.transpose_image", image_crop.transpose)


@public("compat.v1.image.ResizeMethod")
class ResizeMethodV1:
    """The ways to resize that `tf.compat.v1.image.resize` knows."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_METHODS = {
    0: image_resize.resize_bilinear,
    1: image_resize.resize_nearest,
    2: image_resize.resize_bicubic,
    3: image_resize.resize_area,
    ResizeMethod.BILINEAR: image_resize.resize_bilinear,
    ResizeMethod.NEAREST_NEIGHBOR: image_resize.resize_nearest,
    ResizeMethod.BICUBIC: image_resize.resize_bicubic,
    ResizeMethod.AREA: image_resize.resize_area,
}


def _resizer(method: Any, align_corners: bool) -> Any:
    if method not in _METHODS:
        raise ValueError(explain(f"Resize method is not implemented: {method}"))

    def run(images: Any, size: Any) -> Any:
        return apply(_METHODS[method], images, size, align_corners=align_corners)

    return run


@public("compat.v1.image.resize", "compat.v1.image.resize_images")
def resize(
    images: Any,
    size: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Any:
    """Resize images with pixels' corners, not their middles, at whole places; images of that size already stay as they are.

    Args:
      images: [count, rows, columns, depth] or [rows, columns, depth], of real numbers.
      size: two ints, rows and columns.
      method: a number of `tf.compat.v1.image.ResizeMethod`, or its name.
      align_corners: puts the middles of the corner pixels onto one another.
      preserve_aspect_ratio: makes the largest images within `size` that are not distorted.
      name: not used.

    Returns:
      The images as float32; with nearest neighbours, or if nothing is to be done, in their own element type.

    Raises:
      ValueError: for images of other ranks, a size that is not two ints, and unknown methods.

    >>> tf.compat.v1.image.resize(tf.ones([4, 4, 3]), [2, 8]).shape
    TensorShape([2, 8, 3])
    """
    return resized(images, size, _resizer(method, align_corners), preserve_aspect_ratio, keep_same=True)


@public("compat.v1.image.resize_image_with_pad")
def resize_image_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
) -> Any:
    """Resize images without distortion to fit into a size, and pad with zeros evenly on both sides.

    Raises:
      ValueError: for images of other ranks, and targets below 1.

    >>> tf.compat.v1.image.resize_image_with_pad(tf.ones([4, 8, 3]), 6, 6).shape
    TensorShape([6, 6, 3])
    """
    run = _resizer(method, align_corners)
    return fitted_with_pad(
        image, target_height, target_width, lambda images, size: resized(images, size, run, False, keep_same=True)
    )


def _older(op: Any) -> Any:
    def resize_by(
        images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
    ) -> Any:
        wanted = shape_tensor(size, dtypes.int32)
        return apply(op, images, wanted, align_corners=align_corners, half_pixel_centers=half_pixel_centers)

    resize_by.__doc__ = f"Return images resized by {op.name}, as float32 (nearest: in their own element type)."
    return resize_by


for _name, _op in (
    ("resize_bilinear", image_resize.resize_bilinear),
    ("resize_bicubic", image_resize.resize_bicubic),
    ("resize_nearest_neighbor", image_resize.resize_nearest),
):
    publish(f"compat.v1.image.{_name}", _older(_op))


@public("compat.v1.image.resize_area")
def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Any:
    """Return images resized by averaging the area that each output pixel covers, as float32."""
    return apply(image_resize.resize_area, images, shape_tensor(size, dtypes.int32), align_corners=align_corners)


@public("compat.v1.image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Any:
    """Cut boxes out of images as `tf.image.crop_and_resize` does; box_ind is the older name of box_indices."""
    given = box_ind if box_indices is None else box_indices
    return image_boxes.crop_and_resize(image, boxes, given, crop_size, method, extrapolation_value)


@public("compat.v1.image.draw_bounding_boxes")
def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Any:
    """Draw the outlines of boxes as `tf.image.draw_bounding_boxes` does, in ten colours without `colors`."""
    return image_boxes.draw_bounding_boxes(images, boxes, colors)


@public("compat.v1.image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Any:
    """Cut a window around an offset out of each image; what lies outside is uniform or Gaussian noise."""
    return apply(
        image_crop_box.extract_glimpse,
        to_tensor(input, dtypes.float32),
        shape_tensor(size, dtypes.int32),
        to_tensor(offsets, dtypes.float32),
        centered=centered,
        normalized=normalized,
        uniform_noise=uniform_noise,
        noise="uniform" if uniform_noise else "gaussian",
    )


@public("compat.v1.image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> Any:
    """Draw a random box of an image as `tf.image.sample_distorted_bounding_box` does, from the stream of two seeds."""
    return image_parts.drawn_box(
        (seed or 0, seed2 or 0),
        image_size,
        bounding_boxes,
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
    )
