"""tf.image's functions that change element types, colour spaces, brightness, contrast, hue and saturation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.image_shapes import to_image
from millstream.api.linalg import tensordot
from millstream.api.math import cast, divide, saturate_cast
from millstream.api.public import public
from millstream.api.reduction import reduce_mean, reduce_prod, reduce_std, reduce_sum
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.by_rank import takes_any_rank
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.ops import image_color as ops
from millstream.ops.registry import find


@public("image.convert_image_dtype")
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Any:
    """Convert images to another element type, scaled: floats lie in [0, 1], integers in [0, the type's maximum].

    Args:
      image: a tensor of real numbers.
      dtype: the element type wanted, floating or integer.
      saturate: clips to the range of `dtype` before converting.
      name: not used.

    Returns:
      The converted images.

    Raises:
      AttributeError: for element types that are neither floating nor integer.

    >>> tf.image.convert_image_dtype(tf.constant([0, 255], tf.uint8), tf.float32).numpy().tolist()
    [0.0, 1.0]
    """
    tensor, wanted = to_tensor(image), as_dtype(dtype)
    given = tensor.dtype
    if not wanted.is_floating and not wanted.is_integer:
        raise AttributeError(explain("dtype must be either floating point or integer"))
    if not given.is_floating and not given.is_integer:
        raise AttributeError(explain("image dtype must be either floating point or integer"))
    if wanted == given:
        return array.identity(tensor)
    convert: Callable[..., Any] = saturate_cast if saturate else cast
    if given.is_floating and wanted.is_floating:
        return cast(tensor, wanted)
    if given.is_integer and wanted.is_floating:
        return cast(tensor, wanted) * (1.0 / given.max)
    if given.is_floating:
        return convert(tensor * to_tensor(wanted.max + 0.5, given), wanted)
    if given.max > wanted.max:
        step = (int(given.max) + 1) // (int(wanted.max) + 1)
        return convert(apply(find("FloorDiv"), tensor, to_tensor(step, given)), wanted)
    return convert(tensor, wanted) * to_tensor((int(wanted.max) + 1) // (int(given.max) + 1), wanted)


def _in_floats(image: Any, change: Callable[[Any], Any], saturate: bool) -> Any:
    """Apply `change` to images as half or float32 and give back their element type."""
    tensor = to_tensor(image)
    narrow = tensor.dtype in (dtypes.float16, dtypes.float32)
    changed = change(tensor if narrow else convert_image_dtype(tensor, dtypes.float32))
    return convert_image_dtype(changed, tensor.dtype, saturate=saturate)


@public("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Any:
    """Add `delta` to images; integer images are scaled to [0, 1] before and back after, clipped.

    >>> tf.image.adjust_brightness([[[0.5, 0.25, 0.0]]], 0.25).numpy().tolist()
    [[[0.75, 0.5, 0.25]]]
    """
    return _in_floats(image, lambda x: x + cast(delta, x.dtype), True)


@public("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    """Return (x - mean) * contrast_factor + mean, with the mean of each channel of each image.

    Args:
      images: [..., rows, columns, depth]; integer images are scaled to [0, 1] before and back after, clipped.
      contrast_factor: a float.

    Returns:
      Images of the same shape and type.

    >>> tf.image.adjust_contrast([[[1.0], [3.0]]], 2.0)[..., 0].numpy().tolist()
    [[0.0, 4.0]]
    """
    factor = to_tensor(contrast_factor, dtypes.float32)
    return _in_floats(images, lambda x: apply(ops.adjust_contrast, x, factor), True)


@public("image.adjust_gamma")
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Any:
    """Return gain * x ** gamma; integer images are scaled to [0, 1] before and back after, clipped.

    Raises:
      ValueError: where gamma is negative.

    >>> tf.image.adjust_gamma([[[0.5]]], 2.0).numpy().tolist()
    [[[0.25]]]
    """
    known = static_value(gamma)
    if known is not None and known < 0:
        raise ValueError(explain("Gamma should be a non-negative real number."))
    return _in_floats(image, lambda x: gain * x ** cast(gamma, x.dtype), True)


@public("image.adjust_hue")
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Any:
    """Turn the hue of colours by `delta` of a full turn.

    Args:
      image: [..., 3]; integer images are scaled to [0, 1] before and back after.
      delta: a float in [-1, 1].
      name: not used.

    Returns:
      Images of the same shape and type.

    Raises:
      ValueError: where delta is known and not in [-1, 1].

    >>> tf.image.adjust_hue([[[1.0, 0.0, 0.0]]], 0.5).numpy().tolist()
    [[[0.0, 1.0, 1.0]]]
    """
    known = static_value(delta)
    if known is not None and (known < -1 or known > 1):
        raise ValueError(explain("delta must be in the interval [-1, 1]"))
    turn = to_tensor(delta, dtypes.float32)
    return _in_floats(image, lambda x: apply(ops.adjust_hue, x, turn), False)


@public("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Any:
    """Multiply the saturation of colours by a factor; at most 1.

    Args:
      image: [..., 3]; integer images are scaled to [0, 1] before and back after.
      saturation_factor: a float.
      name: not used.

    Returns:
      Images of the same shape and type.

    >>> tf.image.adjust_saturation([[[1.0, 0.5, 0.5]]], 0.0).numpy().tolist()
    [[[1.0, 1.0, 1.0]]]
    """
    factor = to_tensor(saturation_factor, dtypes.float32)
    return _in_floats(image, lambda x: apply(ops.adjust_saturation, x, factor), False)


@public("image.rgb_to_hsv")
def rgb_to_hsv(images: Any, name: str | None = None) -> Any:
    """Return hue, saturation and value, each in [0, 1], of colours [..., 3] in [0, 1].

    >>> tf.image.rgb_to_hsv([[0.0, 1.0, 1.0]]).numpy().tolist()
    [[0.5, 1.0, 1.0]]
    """
    return apply(ops.rgb_to_hsv, images)


@public("image.hsv_to_rgb")
def hsv_to_rgb(images: Any, name: str | None = None) -> Any:
    """Return red, green and blue of hue, saturation and value [..., 3] in [0, 1].

    >>> tf.image.hsv_to_rgb([[0.5, 1.0, 1.0]]).numpy().tolist()
    [[0.0, 1.0, 1.0]]
    """
    return apply(ops.hsv_to_rgb, images)


@public("image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, name: str | None = None) -> Any:
    """Return 0.2989 red + 0.587 green + 0.114 blue, with one channel, in the element type of the images.

    >>> tf.image.rgb_to_grayscale(tf.zeros([2, 4, 3])).shape
    TensorShape([2, 4, 1])
    """
    tensor = to_tensor(images)
    floats = convert_image_dtype(tensor, dtypes.float32)
    grey = reduce_sum(floats * to_tensor([0.2989, 0.5870, 0.1140], dtypes.float32), -1, keepdims=True)
    return convert_image_dtype(grey, tensor.dtype)


@public("image.grayscale_to_rgb")
def grayscale_to_rgb(images: Any, name: str | None = None) -> Any:
    """Repeat the one channel of images three times.

    Raises:
      ValueError: where the last size is not 1.

    >>> tf.image.grayscale_to_rgb(tf.zeros([2, 4, 1])).shape
    TensorShape([2, 4, 3])
    """
    return _threefold(to_tensor(images))


@takes_any_rank("tf.image.grayscale_to_rgb")
def _threefold(tensor: Any) -> Any:
    last = tensor.shape.as_list()[-1] if tensor.shape.rank else None
    if last not in (None, 1):
        raise ValueError(
            explain(f"Last dimension of a grayscale image should be size 1. Received: images.shape={tensor.shape}")
        )
    return array.tile(tensor, [*[1] * (tensor.shape.rank - 1), 3])


_RGB_TO_YIQ = [
    [0.299, 0.59590059, 0.2115],
    [0.587, -0.27455667, -0.52273617],
    [0.114, -0.32134392, 0.31119955],
]
_YIQ_TO_RGB = [
    [1, 1, 1],
    [0.95598634, -0.27201283, -1.10674021],
    [0.6208248, -0.64720424, 1.70423049],
]
_RGB_TO_YUV = [
    [0.299, -0.14714119, 0.61497538],
    [0.587, -0.28886916, -0.51496512],
    [0.114, 0.43601035, -0.10001026],
]
_YUV_TO_RGB = [
    [1, 1, 1],
    [0, -0.394642334, 2.03206185],
    [1.13988303, -0.58062185, 0],
]


def _mixed(images: Any, matrix: Any) -> Any:
    tensor = to_tensor(images)
    return tensordot(tensor, to_tensor(np.asarray(matrix), tensor.dtype), [[tensor.shape.rank - 1], [0]])


@public("image.rgb_to_yiq")
def rgb_to_yiq(images: Any) -> Any:
    """Return luma and the two chroma channels of the American television standard of colours [..., 3] in [0, 1].

    >>> abs(tf.image.rgb_to_yiq(tf.ones([1, 3])).numpy()).round(3).tolist()
    [[1.0, 0.0, 0.0]]
    """
    return _mixed(images, _RGB_TO_YIQ)


@public("image.yiq_to_rgb")
def yiq_to_rgb(images: Any) -> Any:
    """Return red, green and blue of luma and the two chroma channels [..., 3] that `rgb_to_yiq` makes.

    >>> tf.image.yiq_to_rgb([[1.0, 0.0, 0.0]]).numpy().tolist()
    [[1.0, 1.0, 1.0]]
    """
    return _mixed(images, _YIQ_TO_RGB)


@public("image.rgb_to_yuv")
def rgb_to_yuv(images: Any) -> Any:
    """Return luma and the two chroma channels of the European television standard of colours [..., 3] in [0, 1].

    >>> tf.image.rgb_to_yuv(tf.ones([1, 3])).numpy().round(3).tolist()
    [[1.0, 0.0, 0.0]]
    """
    return _mixed(images, _RGB_TO_YUV)


@public("image.yuv_to_rgb")
def yuv_to_rgb(images: Any) -> Any:
    """Return red, green and blue of luma and the two chroma channels [..., 3] that `rgb_to_yuv` makes.

    >>> tf.image.yuv_to_rgb([[1.0, 0.0, 0.0]]).numpy().tolist()
    [[1.0, 1.0, 1.0]]
    """
    return _mixed(images, _YUV_TO_RGB)


@public("image.per_image_standardization")
def per_image_standardization(image: Any) -> Any:
    """Return (x - mean) / max(deviation, 1 / sqrt(count)) of each image, in float32.

    Args:
      image: [..., rows, columns, depth].

    Returns:
      Images of the same shape, of mean 0 and variance 1.

    Raises:
      ValueError: for fewer than three axes.

    >>> tf.image.per_image_standardization([[[1.0], [3.0]]])[..., 0].numpy().tolist()
    [[-1.0, 1.0]]
    """
    x = cast(to_image(image), dtypes.float32)
    axes = [-1, -2, -3]
    count = reduce_prod(array.shape(x)[-3:])
    least = apply(find("Rsqrt"), cast(count, dtypes.float32))
    deviation = apply(find("Maximum"), reduce_std(x, axes, keepdims=True), least)
    return divide(x - reduce_mean(x, axes, keepdims=True), deviation)
