"""The models whose files tests compare. Run under real TensorFlow, it writes testdata/: `python saved_models.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent / "testdata"


@keras.saving.register_keras_serializable("millstream_tests")
class Scale(layers.Layer):
    """A layer of a user's own: a weight and a setting."""

    def __init__(self, factor: float = 2.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones", name="weight")

    def call(self, x: Any) -> Any:
        return x * self.factor * self.weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def images() -> Any:
    start = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, padding="same")(start)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(6, 3)(layers.MaxPooling2D()(x))
    x = layers.GlobalAveragePooling2D()(layers.Conv2DTranspose(4, 2, strides=2)(x))
    return keras.Model(start, layers.Dense(5)(x))


def words() -> Any:
    start = keras.Input((None,), dtype="int32")
    x = layers.Embedding(20, 7, mask_zero=True)(start)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    return keras.Model(start, layers.Dense(2)(layers.GRU(4)(x)))


def attention() -> Any:
    start = keras.Input((9, 8))
    x = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(start, start) + start)
    x = layers.Flatten()(x)
    return keras.Model(start, [layers.Dense(2, name="a")(x), layers.Dense(1, name="b")(x)])


def custom() -> Any:
    return keras.Sequential([keras.Input((4,)), Scale(3.0), layers.Dense(2, activation="tanh")])


MODELS = {"images": images, "words": words, "attention": attention, "custom": custom}
OPTIMIZERS = {
    "images": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "words": lambda: keras.optimizers.RMSprop(),
    "attention": lambda: keras.optimizers.AdamW(0.001),
    "custom": lambda: keras.optimizers.Adagrad(0.1),
}
LEGACY = ("images", "custom")
"""Models that Keras itself can read back from a whole-model .h5 file."""


def data(name: str) -> tuple[Any, Any]:
    """Return inputs and targets."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype("float32")

    if name == "images":
        return normal(6, 12, 12, 3), normal(6, 5)
    if name == "words":
        return random.integers(0, 20, (6, 11)).astype("int32"), normal(6, 2)
    if name == "attention":
        return normal(5, 9, 8), [normal(5, 2), normal(5, 1)]
    return normal(7, 4), normal(7, 2)


def train(model: Any, name: str) -> list[float]:
    """Train for two rounds over the same batches, whoever runs it; return the losses."""
    x, y = data(name)
    return model.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False).history["loss"]  # type: ignore[no-any-return]


def predictions(model: Any, name: str) -> list[np.ndarray]:
    found = model.predict(data(name)[0], verbose=0)
    return found if isinstance(found, list) else [found]


def write(folder: Path) -> None:
    """Build, train and save each model, with its predictions and the losses of the two rounds that follow."""
    folder.mkdir(exist_ok=True)
    answers: dict[str, Any] = {}
    for name, build in MODELS.items():
        keras.utils.set_random_seed(3)
        model = build()
        losses = [keras.losses.MeanSquaredError() for _ in model.outputs]
        model.compile(OPTIMIZERS[name](), losses if len(losses) > 1 else losses[0])
        train(model, name)
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        if name in LEGACY:
            model.save(folder / f"{name}.h5")
        answers.update({f"{name}_{i}": p for i, p in enumerate(predictions(model, name))})
        answers[f"{name}_losses"] = np.asarray(train(model, name))
    np.savez_compressed(folder / "keras_files.npz", **answers)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
