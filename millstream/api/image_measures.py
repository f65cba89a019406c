"""tf.image's measures: differences between images, edges and gradients within them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.calls import call_of
from millstream.api.image_color import convert_image_dtype
from millstream.api.image_crop import require
from millstream.api.math import cast
from millstream.api.nn_convolution import depthwise_conv2d
from millstream.api.nn_pooling import avg_pool2d
from millstream.api.public import public
from millstream.api.reduction import reduce_all, reduce_mean, reduce_prod, reduce_sum
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

_abs, _log, _relu, _square, _squared_difference = (
    call_of(n) for n in ("Abs", "Log", "Relu", "Square", "SquaredDifference")
)


@public("image.total_variation")
def total_variation(images: Any, name: str | None = None) -> Any:
    """Return the sum of absolute differences of neighbouring pixels, for each image.

    Args:
      images: [count, rows, columns, depth] or [rows, columns, depth].
      name: not used.

    Returns:
      One number for each image.

    Raises:
      ValueError: for other ranks.

    >>> float(tf.image.total_variation(tf.reshape([1.0, 3.0], [1, 2, 1])))
    2.0
    """
    x = to_tensor(images)
    if x.shape.rank not in (3, 4):
        raise ValueError(explain("'images' must be either 3 or 4-dimensional."))
    axes = None if x.shape.rank == 3 else [1, 2, 3]
    down, across = x[..., 1:, :, :] - x[..., :-1, :, :], x[..., 1:, :] - x[..., :-1, :]
    return reduce_sum(_abs(down), axes) + reduce_sum(_abs(across), axes)


@public("image.image_gradients")
def image_gradients(image: Any) -> Any:
    """Return the differences to the pixel below and to the pixel on the right; 0 in the last row and column.

    Args:
      image: [count, rows, columns, depth].

    Returns:
      dy and dx, each of the images' shape.

    Raises:
      ValueError: for other ranks.

    >>> dy, dx = tf.image.image_gradients(tf.reshape([1.0, 3.0], [1, 1, 2, 1]))
    >>> dx.numpy().ravel().tolist()
    [2.0, 0.0]
    """
    x = to_tensor(image)
    if x.shape.rank != 4:
        raise ValueError(explain(f"image_gradients expects a 4D tensor [batch_size, h, w, d], not {x.shape}."))
    down = array.concat([x[:, 1:] - x[:, :-1], array.zeros_like(x[:, :1])], 1)
    across = array.concat([x[:, :, 1:] - x[:, :, :-1], array.zeros_like(x[:, :, :1])], 2)
    return down, across


_SOBEL = np.array([[[-1, -2, -1], [0, 0, 0], [1, 2, 1]], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]])


@public("image.sobel_edges")
def sobel_edges(image: Any) -> Any:
    """Return Sobel's edges: how steep images are along rows and along columns, each channel apart.

    Args:
      image: [count, rows, columns, depth] of float32 or float64.

    Returns:
      [count, rows, columns, depth, 2]: down, then across.

    >>> tf.image.sobel_edges(tf.ones([1, 4, 4, 3])).shape
    TensorShape([1, 4, 4, 3, 2])
    """
    x = to_tensor(image)
    kernels = to_tensor(np.transpose(_SOBEL, (1, 2, 0))[:, :, None, :], x.dtype)
    shape = array.shape(x)
    filters = array.tile(kernels, array.stack([1, 1, shape[-1], 1]))
    padded = array.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    return array.reshape(depthwise_conv2d(padded, filters, [1, 1, 1, 1], "VALID"), array.concat([shape, [2]], 0))


def _pair(first: Any, second: Any) -> tuple[Any, Any]:
    """Return two images as tensors; ValueError where their shapes do not fit."""
    a, b = to_tensor(first), to_tensor(second)
    one, other = a.shape, b.shape
    for shape in (one, other):
        if shape.rank is not None and shape.rank < 3:
            raise ValueError(explain(f"Shape {shape} must have rank at least 3"))
    if not one[-3:].is_compatible_with(other[-3:]):
        raise ValueError(explain(f"Shapes {one[-3:]} and {other[-3:]} are incompatible"))
    leading = zip(reversed(one.as_list()[:-3]), reversed(other.as_list()[:-3]), strict=False)
    if any(m is not None and n is not None and m != n and 1 not in (m, n) for m, n in leading):
        raise ValueError(explain(f"Two images are not compatible: {one} and {other}"))
    if None in (*one.as_list()[-3:], *other.as_list()[-3:]):
        same = apply(find("Equal"), array.shape(a)[-3:], array.shape(b)[-3:])
        require(reduce_all(same), "Two images are not compatible.")
    return a, b


@public("image.psnr")
def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Any:
    """Return the peak signal-to-noise ratio, 10 log10(max_val ** 2 / mean squared difference), of each pair of images.

    Args:
      a: [..., rows, columns, depth].
      b: images of the same size.
      max_val: the range of the values: 255 for uint8, 1.0 for floats.
      name: not used.

    Returns:
      float32, one number for each pair.

    Raises:
      ValueError: for images that do not fit together.

    >>> float(tf.image.psnr(tf.zeros([1, 2, 1]), tf.ones([1, 2, 1]), 1.0))
    0.0
    """
    first, second = to_tensor(a), to_tensor(b)
    most = convert_image_dtype(cast(max_val, first.dtype), dtypes.float32)
    x, y = (convert_image_dtype(v, dtypes.float32) for v in (first, second))
    difference = _squared_difference(x, y)
    _pair(first, second)
    error = reduce_mean(difference, [-3, -2, -1])
    return _log(most) * 20 / _log(10.0) - _log(error) * np.float32(10 / np.log(10))


def _weights(size: int, sigma: float) -> np.ndarray:
    """Return a Gaussian of sum 1."""
    places = np.arange(size, dtype=np.float32) - np.float32(size - 1) / np.float32(2)
    weights = np.exp(places**2 * (np.float32(-0.5) / np.float32(sigma) ** 2))
    return (weights / weights.sum()).astype(np.float32)


class _Similarity:
    """Compares images in a sliding window: their means, and the rest of their structure."""

    def __init__(self, max_val: Any, filter_size: Any, filter_sigma: Any, k1: Any, k2: Any) -> None:
        self.size = int(filter_size)
        self.window = _weights(self.size, float(filter_sigma))
        self.first, self.second = (k1 * max_val) ** 2, (k2 * max_val) ** 2

    def _mean(self, x: Any) -> Any:
        shape = array.shape(x)
        flat = array.reshape(x, array.concat([[-1], shape[-3:]], 0))
        # The window is a product of a column and a row: one after the other takes a fraction of the time.
        for window in (self.window[:, None, None, None], self.window[None, :, None, None]):
            filters = array.tile(to_tensor(window), array.stack([1, 1, shape[-1], 1]))
            flat = depthwise_conv2d(flat, filters, [1, 1, 1, 1], "VALID")
        return array.reshape(flat, array.concat([shape[:-3], array.shape(flat)[1:]], 0))

    def __call__(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return the similarity of the means and that of the structure, [..., rows, columns, depth]."""
        for image in (x, y):
            rows = array.shape(image)[-3:-1]
            large = apply(find("GreaterEqual"), rows, to_tensor(self.size))
            require(reduce_all(large), f"Images must be at least as large as the filter of size {self.size}.")
        mean_x, mean_y = self._mean(x), self._mean(y)
        both = mean_x * mean_y * 2.0
        squares = _square(mean_x) + _square(mean_y)
        luminance = (both + self.first) / (squares + self.first)
        product, sums = self._mean(x * y) * 2.0, self._mean(_square(x) + _square(y))
        return luminance, (product - both + self.second) / (sums - squares + self.second)


def _floats(img1: Any, img2: Any, max_val: Any) -> tuple[Any, Any, Any]:
    first, second = _pair(img1, img2)
    most = convert_image_dtype(cast(max_val, first.dtype), dtypes.float32)
    return convert_image_dtype(first, dtypes.float32), convert_image_dtype(second, dtypes.float32), most


@public("image.ssim")
def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: Any = 11,
    filter_sigma: Any = 1.5,
    k1: Any = 0.01,
    k2: Any = 0.03,
    return_index_map: bool = False,
) -> Any:
    """Return the structural similarity of each pair of images (Wang et al. 2004), 1 for equal ones.

    Args:
      img1: [..., rows, columns, depth].
      img2: images of the same size.
      max_val: the range of the values: 255 for uint8, 1.0 for floats.
      filter_size: the width of the Gaussian window.
      filter_sigma: its deviation.
      k1: 0.01 by default.
      k2: 0.03 by default.
      return_index_map: gives the similarity at each place in place of its mean.

    Returns:
      float32, one number for each pair, or [..., rows', columns'].

    Raises:
      ValueError: for images that do not fit together or are smaller than the window.

    >>> x = tf.random.stateless_uniform([16, 16, 1], (1, 2))
    >>> float(tf.image.ssim(x, x, 1.0))
    1.0
    """
    x, y, most = _floats(img1, img2, max_val)
    luminance, structure = _Similarity(most, filter_size, filter_sigma, k1, k2)(x, y)
    values = luminance * structure
    return reduce_mean(values if return_index_map else reduce_mean(values, [-3, -2]), [-1])


def _halved(images: Any) -> Any:
    """Return images of half the size, odd sizes padded with their last pixels."""
    shape = array.shape(images)
    flat = array.reshape(images, array.concat([[-1], shape[-3:]], 0))
    odd = apply(find("FloorMod"), array.shape(flat)[1:3], to_tensor(2))
    zero = array.zeros_like(odd)
    paddings = array.stack([array.concat([[0], zero, [0]], 0), array.concat([[0], odd, [0]], 0)], 1)
    padded = array.pad(flat, paddings, mode="SYMMETRIC")
    small = avg_pool2d(padded, 2, 2, "VALID")
    return array.reshape(small, array.concat([shape[:-3], array.shape(small)[1:]], 0))


@public("image.ssim_multiscale")
def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Any = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
    filter_size: Any = 11,
    filter_sigma: Any = 1.5,
    k1: Any = 0.01,
    k2: Any = 0.03,
) -> Any:
    """Return the structural similarity over several scales (Wang et al. 2003): images are halved for each further one.

    Args:
      img1: [..., rows, columns, depth].
      img2: images of the same size.
      max_val: the range of the values: 255 for uint8, 1.0 for floats.
      power_factors: the weight of each scale, the whole images first.
      filter_size: the width of the Gaussian window.
      filter_sigma: its deviation.
      k1: 0.01 by default.
      k2: 0.03 by default.

    Returns:
      float32, one number for each pair.

    Raises:
      ValueError: for images that do not fit together or are smaller than the window at the last scale.

    >>> x = tf.random.stateless_uniform([176, 176, 1], (1, 2))
    >>> round(float(tf.image.ssim_multiscale(x, x, 1.0)), 4)
    1.0
    """
    x, y, most = _floats(img1, img2, max_val)
    compare = _Similarity(most, filter_size, filter_sigma, k1, k2)
    scales = []
    for k in range(len(power_factors)):
        if k:
            x, y = _halved(x), _halved(y)
        luminance, structure = compare(x, y)
        last = k == len(power_factors) - 1
        scales.append(_relu(reduce_mean(luminance * structure if last else structure, [-3, -2])))
    powers = apply(find("Pow"), array.stack(scales, axis=-1), to_tensor(power_factors, dtypes.float32))
    return reduce_mean(reduce_prod(powers, [-1]), [-1])
