"""Tests of image functions where sizes are not known while tracing, and to second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millstream as tf


def images(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(sum(shape)).uniform(0, 1, shape).astype(np.float32))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "resize": lambda x: tf.image.resize(x, (7, 30)),
    "resize keeping the aspect ratio": lambda x: tf.image.resize(x, (7, 30), preserve_aspect_ratio=True),
    "resize nearest": lambda x: tf.image.resize(x, (7, 30), "nearest"),
    "resize bicubic": lambda x: tf.image.resize(x, (7, 30), "bicubic"),
    "resize area": lambda x: tf.image.resize(x, (7, 30), "area"),
    "resize lanczos": lambda x: tf.image.resize(x, (7, 30), "lanczos3", antialias=True),
    "resize by half": lambda x: tf.image.resize(x, tf.shape(x)[-3:-1] // 2),
    "resize with pad": lambda x: tf.image.resize_with_pad(x, 9, 30),
    "crop or pad": lambda x: tf.image.resize_with_crop_or_pad(x, 9, 30),
    "central crop": lambda x: tf.image.central_crop(x, 0.5),
    "crop": lambda x: tf.image.crop_to_bounding_box(x, 1, 2, 4, 5),
    "pad": lambda x: tf.image.pad_to_bounding_box(x, 1, 2, 40, 41),
    "crop and resize": lambda x: tf.image.crop_and_resize(x, [[0.1, 0.2, 0.7, 1.9]], [1], (5, 6)),
    "rotate": lambda x: tf.image.rot90(x, 3),
    "standardize": tf.image.per_image_standardization,
    "hue": lambda x: tf.image.adjust_hue(x, 0.2),
    "flip": lambda x: tf.image.stateless_random_flip_left_right(x, (1, 2)),
    "edges": tf.image.sobel_edges,
    "similarity": lambda x: tf.image.ssim(x, x * 0.9, 1.0),
    "similarity over scales": lambda x: tf.image.ssim_multiscale(x, x * 0.9, 1.0, (0.5, 0.5), 4),
    "transform": lambda x: tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=[[0.9, -0.3, 1.5, 0.3, 0.9, -0.5, 0.0, 0.0]],
        output_shape=tf.shape(x)[1:3],
        fill_value=0.5,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    ),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_work_on_sizes_known_only_when_they_run(name: str) -> None:
    function, x = FUNCTIONS[name], images(2, 20, 17, 3)
    traced = tf.function(function, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    for shape in ((2, 20, 17, 3), (3, 13, 24, 3)):
        x = images(*shape)
        np.testing.assert_allclose(traced(x).numpy(), function(x).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["resize", "resize nearest", "resize bicubic", "resize lanczos", "crop and resize"])
def test_gradients_flow_where_sizes_are_known_only_when_they_run(name: str) -> None:
    function = FUNCTIONS[name]

    def slope(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(y, x)

    traced = tf.function(slope, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    x = images(2, 20, 17, 3)
    np.testing.assert_allclose(traced(x).numpy(), slope(x).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "bicubic", "lanczos3", "area"])
def test_resizing_is_differentiable_twice(method: str) -> None:
    x, v = images(1, 5, 4, 2), images(1, 3, 6, 2)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(tf.image.resize(x, (3, 6), method) ** 3 * v)
        slope = inner.gradient(y, x)
        total = tf.reduce_sum(slope**2)
    found = outer.gradient(total, x).numpy()
    step, direction = 1e-3, images(1, 5, 4, 3)[..., :2]

    def value(x: Any) -> float:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.image.resize(x, (3, 6), method) ** 3 * v)
        return float(tf.reduce_sum(tape.gradient(y, x) ** 2))

    numeric = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert abs(numeric - float(np.sum(found * direction.numpy()))) < 2e-2 * max(1.0, abs(numeric))


def test_constant_images_stay_so() -> None:
    x = tf.fill([1, 5, 7, 3], 0.1)
    for size in ((3, 11), (50, 2)):
        assert np.all(tf.image.resize(x, size).numpy() == np.float32(0.1))


def test_random_changes_repeat_with_the_global_seed() -> None:
    x = images(4, 6, 5, 3)

    def changed() -> list[np.ndarray]:
        tf.random.set_seed(7)
        return [
            f(x).numpy()
            for f in (
                tf.image.random_flip_left_right,
                lambda x: tf.image.random_brightness(x, 0.2),
                lambda x: tf.image.random_hue(x, 0.2),
                lambda x: tf.image.random_crop(x, (3, 4, 4, 3)),
            )
        ]

    for first, second in zip(changed(), changed(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_bad_sizes_are_refused_with_the_reason() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="output dimensions must be positive"):
        tf.image.resize(images(4, 4, 3), (0, 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="half_pixel_centers"):
        tf.raw_ops.ResizeBilinear(images=images(1, 4, 4, 3), size=(2, 2), align_corners=True, half_pixel_centers=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_images x 8"):
        tf.raw_ops.ImageProjectiveTransformV2(
            images=images(1, 4, 4, 3), transforms=[[1.0]], output_shape=(2, 2), interpolation="NEAREST"
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="greater than zero"):
        tf.raw_ops.ScaleAndTranslate(images=images(1, 4, 4, 3), size=(2, 2), scale=[0.0, 1.0], translation=[0.0, 0.0])
