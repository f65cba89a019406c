"""Keras's image layers and applications on Millstream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from millstream import keras

layers = keras.layers


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Start every job from the same seed."""
    keras.utils.set_random_seed(1)
    yield
    keras.utils.clear_session()


def images(count: int = 8, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((count, size, size, 3)).astype("float32")
    return x, random.integers(0, 3, (count,)).astype("int32")


def compiled(model: Any, eager: bool = False) -> Any:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, run_eagerly=eager)
    return model


PREPROCESSING: dict[str, Callable[[], Any]] = {
    "rescaling": lambda: layers.Rescaling(1 / 255),
    "flip": lambda: layers.RandomFlip(seed=1),
    "rotation": lambda: layers.RandomRotation(0.1, seed=1),
    "zoom": lambda: layers.RandomZoom(0.1, seed=1),
    "translation": lambda: layers.RandomTranslation(0.1, 0.1, seed=1),
    "contrast": lambda: layers.RandomContrast(0.1, seed=1),
    "brightness": lambda: layers.RandomBrightness(0.1, seed=1),
    "crop": lambda: layers.RandomCrop(8, 8, seed=1),
    "resizing": lambda: layers.Resizing(8, 8),
    "center crop": lambda: layers.CenterCrop(8, 8),
    "noise": lambda: layers.GaussianNoise(0.1, seed=1),
    "padding": lambda: layers.ZeroPadding2D(1),
    "upsampling": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
}


@pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize("kind", list(PREPROCESSING))
def test_image_layers_work_inside_models(kind: str, eager: bool) -> None:
    x, y = images()
    model = keras.Sequential([layers.Input((12, 12, 3)), PREPROCESSING[kind](), layers.Flatten(), layers.Dense(3)])
    history = compiled(model, eager).fit(x, y, verbose=0, epochs=2)
    assert np.all(np.isfinite(history.history["loss"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50"])
def test_an_application_takes_a_training_step(name: str) -> None:
    build = getattr(keras.applications, name)
    model = build(input_shape=(64, 64, 3), weights=None, classes=3, classifier_activation=None)
    x, y = images(2, 64)
    assert model.predict(x, verbose=0).shape == (2, 3)
    compiled(model)
    before = model.get_weights()[0]
    assert np.isfinite(model.train_on_batch(x, y))
    assert np.abs(model.get_weights()[0] - before).max() > 0
