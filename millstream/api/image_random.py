"""tf.image's random changes: by the global seed, or (stateless_…) decided by a seed of two numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api import array
from millstream.api.control_flow import cond
from millstream.api.image_color import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation
from millstream.api.image_crop import require, spatial
from millstream.api.math import cast
from millstream.api.public import public
from millstream.api.random import uniform
from millstream.api.random_stateless import stateless_uniform
from millstream.api.reduction import reduce_all
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

Draw = Callable[..., Any]


def stateful_draw(seed: Any) -> Draw:
    """Return how to draw numbers by the global seed and `seed`."""
    return lambda shape, low, high, dtype=dtypes.float32: uniform(shape, low, high, dtype, seed)


def stateless_draw(seed: Any) -> Draw:
    """Return how to draw numbers that `seed` decides."""
    return lambda shape, low, high, dtype=dtypes.float32: stateless_uniform(shape, seed, low, high, dtype)


def _flipped(image: Any, axis: int, draw: Draw) -> Any:
    tensor, rows = spatial(image)
    if rows == 0:
        drawn = draw([], 0, 1.0)
        return cond(drawn < 0.5, lambda: array.reverse(tensor, [axis]), lambda: array.identity(tensor))
    count = array.shape(tensor)[0]
    chosen = apply(find("Round"), array.reshape(draw(array.stack([count]), 0, 1.0), [-1, 1, 1, 1]))
    flips = cast(chosen, tensor.dtype)
    return flips * array.reverse(tensor, [axis + 1]) + (1 - flips) * tensor


@public("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: Any = None) -> Any:
    """Mirror each image with probability one half.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      seed: an int.

    Returns:
      Images of the same shape.

    >>> tf.image.random_flip_left_right(tf.zeros([2, 4, 3]), 1).shape
    TensorShape([2, 4, 3])
    """
    return _flipped(image, 1, stateful_draw(seed))


@public("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: Any = None) -> Any:
    """Turn each image upside down with probability one half.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      seed: an int.

    Returns:
      Images of the same shape.

    >>> tf.image.random_flip_up_down(tf.zeros([2, 4, 3]), 1).shape
    TensorShape([2, 4, 3])
    """
    return _flipped(image, 0, stateful_draw(seed))


@public("image.stateless_random_flip_left_right")
def stateless_random_flip_left_right(image: Any, seed: Any) -> Any:
    """Mirror each image with probability one half, decided by the seed.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      seed: two ints.

    Returns:
      Images of the same shape.

    >>> tf.image.stateless_random_flip_left_right(tf.zeros([2, 4, 3]), (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return _flipped(image, 1, stateless_draw(seed))


@public("image.stateless_random_flip_up_down")
def stateless_random_flip_up_down(image: Any, seed: Any) -> Any:
    """Turn each image upside down with probability one half, decided by the seed.

    Args:
      image: [count, rows, columns, depth] or [rows, columns, depth].
      seed: two ints.

    Returns:
      Images of the same shape.

    >>> tf.image.stateless_random_flip_up_down(tf.zeros([2, 4, 3]), (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return _flipped(image, 0, stateless_draw(seed))


def _brightened(image: Any, max_delta: Any, draw: Draw) -> Any:
    if max_delta < 0:
        raise ValueError(explain("max_delta must be non-negative."))
    return adjust_brightness(image, draw([], -max_delta, max_delta))


@public("image.random_brightness")
def random_brightness(image: Any, max_delta: Any, seed: Any = None) -> Any:
    """Add one number of [-max_delta, max_delta) to images, as `adjust_brightness` does.

    Raises:
      ValueError: where max_delta is negative.

    >>> tf.image.random_brightness(tf.zeros([2, 4, 3]), 0.2, 1).shape
    TensorShape([2, 4, 3])
    """
    return _brightened(image, max_delta, stateful_draw(seed))


@public("image.stateless_random_brightness")
def stateless_random_brightness(image: Any, max_delta: Any, seed: Any) -> Any:
    """Add one number of [-max_delta, max_delta), decided by the seed, to images.

    Raises:
      ValueError: where max_delta is negative.

    >>> tf.image.stateless_random_brightness(tf.zeros([2, 4, 3]), 0.2, (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return _brightened(image, max_delta, stateless_draw(seed))


def _between(lower: Any, upper: Any, draw: Draw) -> Any:
    if upper <= lower:
        raise ValueError(explain("upper must be > lower."))
    if lower < 0:
        raise ValueError(explain("lower must be non-negative."))
    return draw([], lower, upper)


@public("image.random_contrast")
def random_contrast(image: Any, lower: Any, upper: Any, seed: Any = None) -> Any:
    """Change the contrast of images by one factor of [lower, upper).

    Raises:
      ValueError: where upper <= lower or lower < 0.

    >>> tf.image.random_contrast(tf.zeros([2, 4, 3]), 0.2, 0.5, 1).shape
    TensorShape([2, 4, 3])
    """
    return adjust_contrast(image, _between(lower, upper, stateful_draw(seed)))


@public("image.stateless_random_contrast")
def stateless_random_contrast(image: Any, lower: Any, upper: Any, seed: Any) -> Any:
    """Change the contrast of images by one factor of [lower, upper), decided by the seed.

    Raises:
      ValueError: where upper <= lower or lower < 0.

    >>> tf.image.stateless_random_contrast(tf.zeros([2, 4, 3]), 0.2, 0.5, (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return adjust_contrast(image, _between(lower, upper, stateless_draw(seed)))


@public("image.random_saturation")
def random_saturation(image: Any, lower: Any, upper: Any, seed: Any = None) -> Any:
    """Multiply the saturation of images by one factor of [lower, upper).

    Raises:
      ValueError: where upper <= lower or lower < 0.

    >>> tf.image.random_saturation(tf.zeros([2, 4, 3]), 0.2, 0.5, 1).shape
    TensorShape([2, 4, 3])
    """
    return adjust_saturation(image, _between(lower, upper, stateful_draw(seed)))


@public("image.stateless_random_saturation")
def stateless_random_saturation(image: Any, lower: Any, upper: Any, seed: Any = None) -> Any:
    """Multiply the saturation of images by one factor of [lower, upper), decided by the seed.

    Raises:
      ValueError: where upper <= lower or lower < 0.

    >>> tf.image.stateless_random_saturation(tf.zeros([2, 4, 3]), 0.2, 0.5, (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return adjust_saturation(image, _between(lower, upper, stateless_draw(seed)))


def _turned(image: Any, max_delta: Any, draw: Draw) -> Any:
    if max_delta > 0.5:
        raise ValueError(explain("max_delta must be <= 0.5."))
    if max_delta < 0:
        raise ValueError(explain("max_delta must be non-negative."))
    return adjust_hue(image, draw([], -max_delta, max_delta))


@public("image.random_hue")
def random_hue(image: Any, max_delta: Any, seed: Any = None) -> Any:
    """Turn the hue of images by one number of [-max_delta, max_delta).

    Raises:
      ValueError: where max_delta is not in [0, 0.5].

    >>> tf.image.random_hue(tf.zeros([2, 4, 3]), 0.2, 1).shape
    TensorShape([2, 4, 3])
    """
    return _turned(image, max_delta, stateful_draw(seed))


@public("image.stateless_random_hue")
def stateless_random_hue(image: Any, max_delta: Any, seed: Any) -> Any:
    """Turn the hue of images by one number of [-max_delta, max_delta), decided by the seed.

    Raises:
      ValueError: where max_delta is not in [0, 0.5].

    >>> tf.image.stateless_random_hue(tf.zeros([2, 4, 3]), 0.2, (1, 2)).shape
    TensorShape([2, 4, 3])
    """
    return _turned(image, max_delta, stateless_draw(seed))


def _cut(value: Any, size: Any, draw: Draw) -> Any:
    tensor, wanted = to_tensor(value), array.shape_tensor(size, dtypes.int32)
    whole = array.shape(tensor)
    require(reduce_all(apply(find("GreaterEqual"), whole, wanted)), "Need value.shape >= size")
    drawn = draw(array.shape(whole), 0, dtypes.int32.max, dtypes.int32)
    return array.slice_(tensor, apply(find("FloorMod"), drawn, whole - wanted + 1), wanted)


@public("image.random_crop", "compat.v1.random_crop", "compat.v1.image.random_crop")
def random_crop(value: Any, size: Any, seed: Any = None, name: str | None = None) -> Any:
    """Cut a part of `size` out of a tensor at a random place.

    Args:
      value: a tensor.
      size: one int for each axis; to keep an axis give its size.
      seed: an int.
      name: not used.

    Returns:
      A tensor of shape `size`.

    Raises:
      ValueError, or InvalidArgumentError when it runs in a graph: where `value` is smaller.

    >>> tf.image.random_crop(tf.zeros([8, 9, 3]), (4, 5, 3), 1).shape
    TensorShape([4, 5, 3])
    """
    return _cut(value, size, stateful_draw(seed))


@public("image.stateless_random_crop")
def stateless_random_crop(value: Any, size: Any, seed: Any, name: str | None = None) -> Any:
    """Cut a part of `size` out of a tensor at a place that the seed decides.

    Args:
      value: a tensor.
      size: one int for each axis; to keep an axis give its size.
      seed: two ints.
      name: not used.

    Returns:
      A tensor of shape `size`.

    Raises:
      ValueError, or InvalidArgumentError when it runs in a graph: where `value` is smaller.

    >>> tf.image.stateless_random_crop(tf.zeros([8, 9, 3]), (4, 5, 3), (1, 2)).shape
    TensorShape([4, 5, 3])
    """
    return _cut(value, size, stateless_draw(seed))
