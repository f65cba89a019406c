"""tf.image's functions on boxes [y1, x1, y2, x2] within images."""

from __future__ import annotations

from typing import Any

from millstream.api.array import shape_tensor
from millstream.api.public import public
from millstream.base import dtypes
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import image_warp as warp


@public("image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: str | None = None,
) -> Any:
    """Cut boxes out of images and resize them to one size.

    Args:
      image: [count, rows, columns, depth].
      boxes: [n, 4] float32: y1, x1, y2, x2 as parts of the image, whose last pixels are at 1; y1 > y2 turns the box round.
      box_indices: [n] int32: the image of each box.
      crop_size: two ints, rows and columns.
      method: 'bilinear' or 'nearest'.
      extrapolation_value: what lies outside of the images.
      name: not used.

    Returns:
      float32 [n, rows, columns, depth].

    Raises:
      InvalidArgumentError: for boxes of images that there are not.

    >>> tf.image.crop_and_resize(tf.ones([1, 4, 4, 3]), [[0.0, 0.0, 1.0, 1.0]], [0], [2, 2]).shape
    TensorShape([1, 2, 2, 3])
    """
    return apply(
        warp.crop_and_resize,
        image,
        to_tensor(boxes, dtypes.float32),
        to_tensor(box_indices, dtypes.int32),
        shape_tensor(crop_size, dtypes.int32),
        method=method,
        extrapolation_value=float(extrapolation_value),
    )
