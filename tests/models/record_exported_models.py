"""Record with Keras on TensorFlow: exported models, a training step among them, and what they give. Run: python FILE."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def models(keras: Any) -> dict[str, Callable[[], tuple[Any, Any]]]:
    L = keras.layers

    def images() -> Any:
        stack = [L.Input((12, 12, 2)), L.Rescaling(0.5), L.Conv2D(4, 3, strides=2, padding="same", activation="relu")]
        stack += [L.BatchNormalization(), L.DepthwiseConv2D(2), L.Conv2DTranspose(3, 2), L.MaxPooling2D(), L.Flatten()]
        return keras.Sequential([*stack, L.Dense(3, activation="swish")]), numbers(3, 12, 12, 2)

    def sequences() -> Any:
        stack = [L.Input((None, 6)), L.LSTM(5, return_sequences=True), L.Bidirectional(L.GRU(4)), L.Dense(2)]
        return keras.Sequential(stack), numbers(2, 7, 6)

    def attention() -> Any:
        given = L.Input((8, 16))
        x = L.LayerNormalization()(L.MultiHeadAttention(2, 8)(given, given) + given)
        return keras.Model(given, L.Dense(4, activation="gelu")(x)), numbers(2, 8, 16)

    def text() -> Any:
        words = L.TextVectorization(max_tokens=50, output_sequence_length=6)
        words.adapt(np.array(["hello big world", "the cat sat on the big mat"]))
        given = L.Input((), dtype="string")
        x = L.GlobalAveragePooling1D()(L.Embedding(50, 4)(words(given)))
        return keras.Model(given, L.Dense(2)(x)), np.array([b"hello cat", b"unknown mat the"])

    def several() -> Any:
        a, b = L.Input((4,), name="a"), L.Input((3,), name="b")
        x = L.Concatenate()([a, b])
        return keras.Model({"a": a, "b": b}, {"s": L.Dense(2)(x), "t": L.Softmax()(x)}), {
            "a": numbers(2, 4),
            "b": numbers(2, 3),
        }

    def frames() -> Any:
        given = L.Input((4, 6, 6, 2))
        return keras.Model(given, L.ConvLSTM2D(3, 3, padding="same")(given)), numbers(1, 4, 6, 6, 2)

    return {f.__name__: f for f in (images, sequences, attention, text, several, frames)}


def training(tf: Any, keras: Any, folder: str) -> dict[str, Any]:
    """Save a training step of a small network with Adam; return the losses of four steps."""
    L = keras.layers
    stack = [L.Input((12, 12, 2)), L.Conv2D(4, 3, padding="same", activation="relu"), L.BatchNormalization()]
    stack += [L.MaxPooling2D(), L.AveragePooling2D(2, padding="same"), L.GlobalAveragePooling2D(), L.Dense(3)]
    model, optimizer = keras.Sequential(stack), keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    entropy = keras.losses.sparse_categorical_crossentropy

    class Trainer(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = [v.value for v in [*model.variables, *optimizer.variables]]

        @tf.function(
            input_signature=[tf.TensorSpec([None, 12, 12, 2]), tf.TensorSpec([None], tf.int64)], autograph=False
        )
        def step(self, x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(entropy(y, model(x, training=True), from_logits=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

    trainer, x, y = Trainer(), numbers(3, 12, 12, 2), np.arange(3)
    tf.saved_model.save(trainer, folder)
    return {"x": x, "y": y, "losses": np.array([float(trainer.step(tf.constant(x), tf.constant(y))) for _ in range(4)])}


def main() -> None:
    import keras
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    keras.utils.set_random_seed(1)
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, build in models(keras).items():
            model, x = build()
            y = model(tf.nest.map_structure(tf.constant, x), training=False)
            model.export(os.path.join(folder, name), verbose=False)
            arrays = {f"x_{i}": a for i, a in enumerate(tf.nest.flatten(x))}
            arrays |= {f"y_{i}": np.asarray(a) for i, a in enumerate(tf.nest.flatten(y))}
            files[f"{name}.npz"] = packed(arrays)
        files["training.npz"] = packed(training(tf, keras, os.path.join(folder, "training")))
        for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            data = path.read_bytes()
            if path.name == "saved_model.pb":
                saved = saved_model_pb2.SavedModel.FromString(data)
                saved.meta_graphs[0].meta_info_def.ClearField("stripped_op_list")
                data = saved.SerializeToString(deterministic=True)
            files[str(path.relative_to(folder))] = data
    with zipfile.ZipFile(Path(__file__).parent / "testdata" / "exported_models.zip", "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)


def packed(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


if __name__ == "__main__":
    main()
