"""Saved models that both TensorFlow and Millstream write: each function saves one to a folder and returns calls of what is loaded.

Beside those of millstream/saving/testdata: networks of Keras, and graphs of version 1. Runs under the `tensorflow` at hand.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SAVING = Path(__file__).parents[2] / "millstream" / "saving" / "testdata"

Calls = list[tuple[str, list[Any]]]
"""Names of functions (`signature:name` for signatures) and their arguments as arrays."""


def module(name: str) -> Any:
    """Return a module of `millstream/saving/testdata` without importing Millstream."""
    spec = importlib.util.spec_from_file_location(name, SAVING / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def _exported(model: Any, folder: str, arguments: list[Any]) -> Calls:
    """Give a network weights that leave no part of it idle, and export it."""
    random = np.random.default_rng(1)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(random.uniform(0.7, 1.3, shape))
        elif variable.name in ("moving_mean", "beta", "bias"):
            variable.assign(random.normal(0.0, 0.1, shape))
    model.export(folder, verbose=False)
    return [("serve", arguments)]


def _application(name: str, size: int, **options: Any) -> Callable[[Any, Any, str], Calls]:
    def save(tf: Any, keras: Any, folder: str) -> Calls:
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None, **options)
        return _exported(model, folder, [numbers(2, size, size, 3)])

    return save


def _recurrent(tf: Any, keras: Any, folder: str) -> Calls:
    L = keras.layers
    given = L.Input((None,), dtype="int32")
    x = L.Embedding(20, 6, mask_zero=True)(given)
    x = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
    x = L.Dense(3)(L.GRU(4, return_sequences=True)(x))
    model = keras.Model(given, L.Concatenate()([L.SimpleRNN(3)(x), L.GlobalMaxPooling1D()(x)]))
    return _exported(model, folder, [np.array([[3, 1, 7, 0, 0], [2, 2, 19, 4, 5]], np.int32)])


def _text_vectors(tf: Any, keras: Any, folder: str) -> Calls:
    L = keras.layers
    words = L.TextVectorization(max_tokens=50, output_sequence_length=6)
    words.adapt(np.array(["hello big world", "the cat sat on the big mat"]))
    kinds = L.StringLookup(vocabulary=["red", "green"], output_mode="multi_hot")
    text, colour = L.Input((), dtype="string", name="text"), L.Input((2,), dtype="string", name="colour")
    x = L.Concatenate()([L.GlobalAveragePooling1D()(L.Embedding(50, 4)(words(text))), kinds(colour)])
    model = keras.Model({"text": text, "colour": colour}, L.Dense(2)(x))
    given = {
        "text": np.array([b"hello Cat!", b"unknown mat the"]),
        "colour": np.array([[b"red", b"blue"], [b"green", b"red"]]),
    }
    return _exported(model, folder, [given])


def _attention(tf: Any, keras: Any, folder: str) -> Calls:
    L = keras.layers
    given = L.Input((8, 16))
    x = L.LayerNormalization()(L.MultiHeadAttention(2, 8)(given, given, use_causal_mask=True) + given)
    return _exported(keras.Model(given, L.Dense(4, activation="gelu")(x)), folder, [numbers(2, 8, 16)])


def _trainer(tf: Any, keras: Any, folder: str) -> Calls:
    """Three steps of Adam on a small network: its slots are variables of the model."""
    L = keras.layers
    stack = [L.Input((12, 12, 2)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.MaxPooling2D()]
    model, optimizer = keras.Sequential([*stack, L.Flatten(), L.Dense(3)]), keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    class Trainer(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.held = [v.value for v in [*model.variables, *optimizer.variables]]

        @tf.function(input_signature=[tf.TensorSpec([None, 12, 12, 2]), tf.TensorSpec([None], tf.int64)])
        def step(self, x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                found = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True), from_logits=True)
                loss = tf.reduce_mean(found)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

    tf.saved_model.save(Trainer(), folder)
    return [("step", [numbers(3, 12, 12, 2), np.arange(3)])] * 3


def _version_1(name: str, *arguments: Any) -> Callable[[Any, Any, str], Calls]:
    def save(tf: Any, keras: Any, folder: str) -> Calls:
        getattr(module("record_version_1"), name)(tf, folder)
        return [("signature:serving_default", list(arguments))]

    return save


def _version_1_branches(tf: Any, keras: Any, folder: str) -> Calls:
    """Branches in a loop, as Switch, Merge, Enter and Exit, and a variable cut in parts."""
    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default(), v1.Session() as session:
            x, n = v1.placeholder(tf.float32, [2], name="x"), v1.placeholder(tf.int32, [], name="n")
            parts = v1.fixed_size_partitioner(2)
            w = v1.get_variable(
                "w", initializer=lambda shape, **_: tf.ones(shape) * 2.0, shape=[4, 2], partitioner=parts
            )

            def turn(i: Any, a: Any) -> Any:
                return i + 1, v1.cond(tf.equal(i % 2, 0), lambda: a * x, lambda: a - tf.cast(i, tf.float32))

            y = v1.while_loop(lambda i, a: i < n, turn, [tf.constant(0), x])[1]
            y = tf.reduce_sum(tf.convert_to_tensor(w) * y, 0, name="y")
            session.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(session, folder, {"x": x, "n": n}, {"y": y})
    finally:
        v1.enable_control_flow_v2()
    return [
        ("signature:serving_default", [{"x": np.array([1.5, -0.5], np.float32), "n": np.int32(k)}]) for k in (0, 1, 4)
    ]


def _of_saving(name: str) -> Callable[[Any, Any, str], Calls]:
    def save(tf: Any, keras: Any, folder: str) -> Calls:
        item, calls, given = module("saved_model_cases").CASES[name](tf)
        tf.saved_model.save(item, folder, signatures={k: getattr(item, v) for k, v in given.items()} or None)
        return calls  # type: ignore[no-any-return]

    return save


def _examples(tf: Any, keras: Any, folder: str) -> Calls:
    """What serving systems send: serialized examples, with dense, sparse and ragged features."""
    features = {
        "dense": tf.io.FixedLenFeature([2], tf.float32, [0.5, 1.5]),
        "needed": tf.io.FixedLenFeature([], tf.int64),
        "sparse": tf.io.VarLenFeature(tf.string),
        "ragged": tf.io.RaggedFeature(tf.int64),
    }

    class Parser(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def parse(self, serialized: Any) -> Any:
            return tf.io.parse_example(serialized, features)

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def parse_one(self, serialized: Any) -> Any:
            return tf.io.parse_single_example(serialized, {k: features[k] for k in ("dense", "needed", "sparse")})

    tf.saved_model.save(Parser(), folder)
    texts = []
    for number in range(3):
        made = tf.train.Example()
        made.features.feature["needed"].int64_list.value.append(number)
        made.features.feature["ragged"].int64_list.value.extend(range(number))
        made.features.feature["sparse"].bytes_list.value.extend([b"x"] * (2 - number))
        if number:
            made.features.feature["dense"].float_list.value.extend([number, -number])
        texts.append(made.SerializeToString())
    return [("parse", [np.array(texts, object)]), ("parse_one", [np.array(texts[1], object)])]


def _pictures(tf: Any, keras: Any, folder: str) -> Calls:
    """A network's front: the bytes of a file, made smaller and normalised; something is printed on the way."""

    class Front(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def read(self, files: Any) -> Any:
            def one(file: Any) -> Any:
                return tf.image.resize(tf.cast(tf.io.decode_png(file, 3), tf.float32) / 255.0, [4, 5])

            made = tf.map_fn(one, files, fn_output_signature=tf.TensorSpec([4, 5, 3]))
            tf.print("pictures:", tf.shape(made))
            return made, tf.io.decode_image(files[0], expand_animations=False), tf.timestamp() > 0.0

    tf.saved_model.save(Front(), folder)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 6, 7, 3), np.uint8)
    return [("read", [np.array([tf.io.encode_png(p).numpy() for p in pixels], object)])]


MODELS: dict[str, Callable[[Any, Any, str], Calls]] = {
    "MobileNetV2": _application("MobileNetV2", 96, alpha=0.35),
    "ResNet50V2": _application("ResNet50V2", 64),
    "EfficientNetB0": _application("EfficientNetB0", 64),
    "DenseNet121": _application("DenseNet121", 64),
    "recurrent": _recurrent,
    "text_vectors": _text_vectors,
    "attention": _attention,
    "trainer": _trainer,
    "examples": _examples,
    "pictures": _pictures,
    "version_1": _version_1("simple", np.ones((2, 3), np.float32)),
    "version_1_tables": _version_1("flow", {"x": np.array([1.0, 2.0], np.float32), "words": np.array([b"b", b"q"])}),
    "version_1_branches": _version_1_branches,
    **{name: _of_saving(name) for name in module("saved_model_cases").CASES},
}
