"""The Keras models that are compared, written once for every back end, with weights and data drawn by NumPy.

Dropout is left out everywhere: the loss curves of all back ends must agree from the same weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CLASSES = 10
VOCABULARY = 8000


@dataclass(frozen=True)
class Case:
    """A model, the shape of one example, and the batch size of its training step."""

    build: Callable[[Any], Any]
    example: tuple[int, ...]
    batch: int
    tokens: bool = False
    momentum: bool = False  # SGD with momentum in place of Adam, as such networks are trained
    learning_rate: float = 1e-3  # less where the first steps are chaotic: the curves must agree to 1e-3


def mlp(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.Dense(512, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )


def small_cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )


def resnet20(keras: Any) -> Any:
    layers = keras.layers

    def convolve(x: Any, filters: int, size: int, stride: int) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolve(inputs, 16, 3, 1))
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            y = layers.ReLU()(convolve(x, filters, 3, stride))
            y = convolve(y, filters, 3, 1)
            if stride > 1:
                x = convolve(x, filters, 1, stride)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def lstm(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((100, 64)), layers.LSTM(128), layers.Dense(CLASSES)])


def encoder(keras: Any) -> Any:
    layers = keras.layers
    length, width = 128, 256
    tokens = keras.Input((length,), dtype="int32")
    x = layers.Embedding(VOCABULARY, width)(tokens)
    for _ in range(4):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(num_heads=8, key_dim=width // 8)(y, y)
        x = layers.Add()([x, y])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(4 * width, activation="gelu")(y)
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(tokens, layers.Dense(CLASSES)(x))


def mobilenet_v2(keras: Any) -> Any:
    return keras.applications.MobileNetV2((224, 224, 3), weights=None, classes=CLASSES, classifier_activation=None)


CASES = {
    "mlp": Case(mlp, (784,), 128),
    "cnn": Case(small_cnn, (28, 28, 1), 128),
    "resnet20": Case(resnet20, (32, 32, 3), 64, momentum=True),
    "lstm": Case(lstm, (100, 64), 64),
    "encoder": Case(encoder, (128,), 16, tokens=True, learning_rate=1e-4),
    "mobilenetv2": Case(mobilenet_v2, (224, 224, 3), 8, momentum=True, learning_rate=3e-6),
}
FORWARD_CASES = ("lstm", "encoder", "mobilenetv2")
FORWARD_BATCHES = (1, 32)


def make(keras: Any, name: str) -> Any:
    """The compiled model, with weights that depend on its name only."""
    case = CASES[name]
    model = case.build(keras)
    model.set_weights(drawn_weights(name, model.weights))
    if case.momentum:
        optimizer = keras.optimizers.SGD(case.learning_rate, momentum=0.9)
    else:
        optimizer = keras.optimizers.Adam(case.learning_rate)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    return model


def drawn_weights(name: str, weights: list[Any]) -> list[np.ndarray]:
    """Glorot-like matrices, zeros for what starts at zero, ones for what starts at one (gamma, moving variance)."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = []
    for weight in weights:
        shape = tuple(weight.shape)
        if len(shape) < 2:
            start = np.ones if weight.name in ("gamma", "moving_variance") else np.zeros
            drawn.append(start(shape, np.float32))
            continue
        receptive = int(np.prod(shape[:-2]))
        fans = 2 if weight.path.split("/")[-2].endswith("depthwise") else shape[-2] + shape[-1]
        limit = np.sqrt(6.0 / (receptive * fans))
        drawn.append(random.uniform(-limit, limit, shape).astype(np.float32))
    return drawn


def drawn_batch(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Examples and labels that depend on the name and size only."""
    case = CASES[name]
    random = np.random.default_rng(zlib.crc32(name.encode()) + 1)
    if case.tokens:
        x = random.integers(0, VOCABULARY, (batch, *case.example)).astype(np.int32)
    else:
        x = random.standard_normal((batch, *case.example)).astype(np.float32)
    return x, random.integers(0, CLASSES, (batch,)).astype(np.int32)
