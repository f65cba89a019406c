"""tf.image's functions that cut, pad, turn and mirror images."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.array import index_tensor
from millstream.api.control_flow import switch_case
from millstream.api.image_shapes import batched, is_number, number, sizes_of, to_image, unbatched, vector
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find


def require(condition: Any, message: str, *given: Any) -> None:
    """Raise ValueError where `condition` does not hold; InvalidArgumentError where it, or what was `given`, is a tensor."""
    if isinstance(condition, Tensor):
        apply(find("Assert"), condition, [eager_constant(message, dtypes.string)], summarize=3)
    elif not condition:
        if any(isinstance(v, Tensor) for v in given):
            raise InvalidArgumentError(None, None, explain(message))
        raise ValueError(explain(message))


def _larger(x: Any, y: Any) -> Any:
    return max(x, y) if is_number(x, y) else apply(find("Maximum"), x, y)


def _smaller(x: Any, y: Any) -> Any:
    return min(x, y) if is_number(x, y) else apply(find("Minimum"), x, y)


def _told(found: Any, images: Any, rows: Any, columns: Any) -> Any:
    """Return images whose sizes, as far as known while tracing, are told: of rows and columns, else those of `images`."""
    sizes = images.shape.as_list()
    found.set_shape([sizes[0], *(n if is_number(n) else None for n in (rows, columns)), sizes[3]])
    return found


@public("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """Put images into zeros of the target size, their first pixel at the offsets.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      offset_height: rows of zeros above.
      offset_width: columns of zeros on the left.
      target_height: rows of the result.
      target_width: columns of the result.

    Returns:
      Images of the target size.

    Raises:
      ValueError: where the offset is negative or the images do not fit.

    >>> tf.image.pad_to_bounding_box(tf.ones([1, 1, 1]), 1, 0, 2, 2)[..., 0].numpy().tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    images, was_batch = batched(to_image(image))
    top, left, rows, columns = (number(n) for n in (offset_height, offset_width, target_height, target_width))
    height, width = sizes_of(images)[1:3]
    below, right = rows - top - height, columns - left - width
    require(top >= 0, "offset_height must be >= 0", offset_height)
    require(left >= 0, "offset_width must be >= 0", offset_width)
    require(right >= 0, "width must be <= target - offset", offset_width, target_width)
    require(below >= 0, "height must be <= target - offset", offset_height, target_height)
    paddings = array.reshape(vector([0, 0, top, below, left, right, 0, 0]), [4, 2])
    return unbatched(_told(array.pad(images, paddings), images, rows, columns), was_batch)


@public("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Any:
    """Cut the target size out of images, beginning at the offsets.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      offset_height: the first row kept.
      offset_width: the first column kept.
      target_height: rows of the result.
      target_width: columns of the result.

    Returns:
      Images of the target size.

    Raises:
      ValueError: where the box is empty or not within the images.

    >>> tf.image.crop_to_bounding_box(tf.ones([4, 4, 3]), 1, 1, 2, 3).shape
    TensorShape([2, 3, 3])
    """
    images, was_batch = batched(to_image(image))
    top, left, rows, columns = (number(n) for n in (offset_height, offset_width, target_height, target_width))
    count, height, width, depth = sizes_of(images)
    require(left >= 0, "offset_width must be >= 0.", offset_width)
    require(top >= 0, "offset_height must be >= 0.", offset_height)
    require(columns > 0, "target_width must be > 0.", target_width)
    require(rows > 0, "target_height must be > 0.", target_height)
    require(width >= columns + left, "width must be >= target + offset.", offset_width, target_width)
    require(height >= rows + top, "height must be >= target + offset.", offset_height, target_height)
    cut = array.slice_(images, vector([0, top, left, 0]), vector([count, rows, columns, depth]))
    return unbatched(cut, was_batch)


@public("image.resize_with_crop_or_pad")
def resize_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Any:
    """Cut or pad images evenly on both sides to the target size.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      target_height: rows of the result.
      target_width: columns of the result.

    Returns:
      Images of the target size.

    Raises:
      ValueError: where a target size is below 1.

    >>> tf.image.resize_with_crop_or_pad(tf.ones([4, 8, 3]), 6, 6).shape
    TensorShape([6, 6, 3])
    """
    images, was_batch = batched(to_image(image))
    rows, columns = number(target_height), number(target_width)
    require(columns > 0, "target_width must be > 0.", target_width)
    require(rows > 0, "target_height must be > 0.", target_height)
    height, width = sizes_of(images)[1:3]
    more_rows, more_columns = rows - height, columns - width
    cut = crop_to_bounding_box(
        images,
        _larger(-more_rows // 2, 0),
        _larger(-more_columns // 2, 0),
        _smaller(rows, height),
        _smaller(columns, width),
    )
    padded = pad_to_bounding_box(cut, _larger(more_rows // 2, 0), _larger(more_columns // 2, 0), rows, columns)
    return unbatched(padded, was_batch)


@public("image.central_crop")
def central_crop(image: Any, central_fraction: Any) -> Any:
    """Keep the middle of images: a fraction of the rows and of the columns.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      central_fraction: a float in (0, 1].

    Returns:
      The middle of the images.

    Raises:
      ValueError: where the fraction is not within (0, 1], or for images of other ranks.

    >>> tf.image.central_crop(tf.ones([4, 8, 3]), 0.5).shape
    TensorShape([2, 4, 3])
    """
    tensor = to_tensor(image)
    fraction = static_value(central_fraction)
    if fraction is not None:
        if fraction <= 0.0 or fraction > 1.0:
            raise ValueError(explain("central_fraction must be within (0, 1]"))
        if fraction == 1.0:
            return tensor
    tensor = to_image(tensor)
    if tensor.shape.rank not in (3, 4):
        raise ValueError(
            explain(f"`image` should either be a Tensor with rank = 3 or rank = 4. Had rank = {tensor.shape.rank}.")
        )
    images, was_batch = batched(tensor)

    def start(n: Any) -> Any:
        if fraction is not None and is_number(n):
            return int((float(n) - float(n) * fraction) / 2)
        wide = cast(n, dtypes.float64)
        return cast((wide - wide * cast(central_fraction, dtypes.float64)) / 2, dtypes.int32)

    count, height, width, depth = sizes_of(images)
    top, left = start(height), start(width)
    size = vector([count, height - top * 2, width - left * 2, depth])
    cut = array.slice_(images, vector([0, top, left, 0]), size)
    return unbatched(_told(cut, images, height - top * 2, width - left * 2), was_batch)


def spatial(image: Any) -> tuple[Any, int]:
    """Return images as a tensor and the axis of their rows; ValueError for other ranks than 3 and 4."""
    tensor = to_image(image)
    if tensor.shape.rank is None:
        raise ValueError(explain("The rank of 'image' must be known; give it a shape with tf.ensure_shape."))
    if tensor.shape.rank > 4:
        raise ValueError(explain(f"'image' (shape {tensor.shape}) must have either 3 or 4 dimensions."))
    return tensor, tensor.shape.rank - 3


@public("image.flip_left_right")
def flip_left_right(image: Any) -> Any:
    """Mirror images: their columns in reverse order.

    >>> tf.image.flip_left_right(tf.reshape([1, 2], [1, 2, 1]))[..., 0].numpy().tolist()
    [[2, 1]]
    """
    tensor, rows = spatial(image)
    return array.reverse(tensor, [rows + 1])


@public("image.flip_up_down")
def flip_up_down(image: Any) -> Any:
    """Turn images upside down: their rows in reverse order.

    >>> tf.image.flip_up_down(tf.reshape([1, 2], [2, 1, 1]))[..., 0].numpy().tolist()
    [[2], [1]]
    """
    tensor, rows = spatial(image)
    return array.reverse(tensor, [rows])


@public("image.transpose")
def transpose(image: Any, name: str | None = None) -> Any:
    """Swap rows and columns.

    >>> tf.image.transpose(tf.ones([2, 3, 1])).shape
    TensorShape([3, 2, 1])
    """
    tensor, rows = spatial(image)
    return array.transpose(tensor, [*range(rows), rows + 1, rows, rows + 2])


@public("image.rot90")
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Any:
    """Turn images counter-clockwise `k` times by 90 degrees.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      k: an int, or a scalar tensor.
      name: not used.

    Returns:
      The turned images.

    >>> tf.image.rot90(tf.reshape([1, 2], [1, 2, 1]))[..., 0].numpy().tolist()
    [[2], [1]]
    """
    tensor, rows = spatial(image)
    turns = [
        lambda: array.identity(tensor),
        lambda: transpose(array.reverse(tensor, [rows + 1])),
        lambda: array.reverse(tensor, [rows, rows + 1]),
        lambda: array.reverse(transpose(tensor), [rows + 1]),
    ]
    times = to_tensor(k, dtypes.int32)
    if times.shape.rank not in (None, 0):
        raise ValueError(explain(f"k must be a scalar, got shape {times.shape}."))
    known = static_value(times)
    if known is not None:
        return turns[int(np.asarray(known)) % 4]()
    return switch_case(apply(find("FloorMod"), times, index_tensor(4)), turns)
