"""Keras's built-in jobs on Millstream: build, fit, evaluate, predict, save and load, eagerly and compiled."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream import keras

layers = keras.layers
both_ways = pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Start every job from the same seed, without policies that an earlier one set."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session()


def images(count: int = 8, size: int = 12, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((count, size, size, channels)).astype("float32")
    return x, random.integers(0, 3, (count,)).astype("int32")


def rows(count: int = 64, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((count, width)).astype("float32")
    return x, (x.sum(1) > 0).astype("int32")


def perceptron(width: int = 6, classes: int = 2) -> Any:
    return keras.Sequential([layers.Input((width,)), layers.Dense(8, activation="relu"), layers.Dense(classes)])


def compiled(model: Any, eager: bool = False, **options: Any) -> Any:
    options.setdefault("optimizer", keras.optimizers.Adam(0.01))
    options.setdefault("loss", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.compile(run_eagerly=eager, **options)
    return model


def check_learns(model: Any, x: Any, y: Any, epochs: int = 4, **options: Any) -> Any:
    """Fit, and check that the loss is finite and falls."""
    history = model.fit(x, y, epochs=epochs, verbose=0, **options)
    losses = history.history["loss"]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < losses[0]
    return history


def check_saves(model: Any, x: Any, folder: Path, **options: Any) -> None:
    """Save, load, and check that both models predict the same."""
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path, **options)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@both_ways
def test_a_sequential_model_fits_evaluates_predicts_saves_and_loads(eager: bool, tmp_path: Path) -> None:
    x, y = rows()
    model = compiled(perceptron(), eager, metrics=["accuracy"])
    check_learns(model, x, y, batch_size=16)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    logits = model.predict(x, verbose=0)
    assert accuracy == pytest.approx(np.mean(np.argmax(logits, 1) == y))
    shifted = logits - logits.max(1, keepdims=True)
    expected = np.mean(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(y)), y])
    assert loss == pytest.approx(expected, rel=1e-4)
    assert model.train_on_batch(x, y)[0] < 1
    assert len(model.test_on_batch(x, y)) == 2
    assert model.predict_on_batch(x).shape == (64, 2)
    check_saves(model, x, tmp_path)


@both_ways
def test_a_functional_network_of_convolutions_learns(eager: bool, tmp_path: Path) -> None:
    x, y = images()
    inputs = keras.Input((12, 12, 3))
    h = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    h = layers.BatchNormalization()(h)
    h = layers.MaxPooling2D()(h)
    h = layers.DepthwiseConv2D(3, padding="same")(h)
    h = layers.SeparableConv2D(4, 3, padding="same")(h)
    h = layers.AveragePooling2D(2)(h)
    h = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(h)
    h = layers.Dropout(0.1)(h)
    h = layers.GlobalAveragePooling2D()(h)
    model = compiled(keras.Model(inputs, layers.Dense(3)(h)), eager)
    before = model.layers[2].moving_mean.numpy()
    check_learns(model, x, y, batch_size=4)
    assert np.abs(model.layers[2].moving_mean.numpy() - before).max() > 0
    check_saves(model, x, tmp_path)


RECURRENT: dict[str, Callable[[], Any]] = {
    "lstm": lambda: layers.LSTM(4),
    "gru": lambda: layers.GRU(4),
    "simple": lambda: layers.SimpleRNN(4),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(4)),
    "unrolled": lambda: layers.LSTM(4, unroll=True),
    "cell": lambda: layers.RNN([layers.GRUCell(4), layers.LSTMCell(4)]),
    "sequences": lambda: keras.Sequential([layers.GRU(4, return_sequences=True), layers.LSTM(3)]),
    "convolutional": lambda: keras.Sequential([layers.Reshape((5, 4, 1)), layers.ConvLSTM1D(2, 2), layers.Flatten()]),
}


@both_ways
@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers_learn(kind: str, eager: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 5, 4)).astype("float32")
    y = random.integers(0, 2, (8,)).astype("int32")
    model = compiled(keras.Sequential([layers.Input((5, 4)), RECURRENT[kind](), layers.Dense(2)]), eager)
    check_learns(model, x, y, epochs=3)
    check_saves(model, x, tmp_path)


@both_ways
def test_masked_sequences_learn(eager: bool) -> None:
    tokens = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [1, 1, 2, 2], [3, 0, 0, 0]])
    model = keras.Sequential(
        [layers.Input((4,), dtype="int32"), layers.Embedding(5, 3, mask_zero=True), layers.LSTM(4), layers.Dense(2)]
    )
    check_learns(compiled(model, eager), tokens, np.array([0, 1, 0, 1]))
    longer = np.pad(tokens[:, :3], ((0, 0), (0, 1)))
    shorter = tokens[:, :3]
    grown = keras.Sequential([layers.Input((None,), dtype="int32"), *model.layers])
    np.testing.assert_allclose(grown.predict(longer, verbose=0), grown.predict(shorter, verbose=0), rtol=1e-5)


@both_ways
def test_an_encoder_with_attention_learns(eager: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 20, (8, 6)).astype("int32"), random.integers(0, 2, (8,)).astype("int32")
    tokens = keras.Input((6,), dtype="int32")
    h = layers.Embedding(20, 8)(tokens)
    h = layers.Add()([h, layers.MultiHeadAttention(2, 4, dropout=0.1)(h, h, use_causal_mask=True)])
    h = layers.LayerNormalization()(h)
    h = layers.Dense(8, activation="gelu")(h)
    h = layers.GlobalAveragePooling1D()(h)
    model = compiled(keras.Model(tokens, layers.Dense(2)(h)), eager)
    check_learns(model, x, y)
    check_saves(model, x, tmp_path)


@both_ways
def test_several_inputs_and_outputs_are_named(eager: bool) -> None:
    x, y = rows()
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    h = layers.Concatenate()([layers.Dense(4, activation="tanh")(left), layers.Dense(4, activation="tanh")(right)])
    model = keras.Model(
        {"left": left, "right": right},
        {"kind": layers.Dense(2, name="kind")(h), "total": layers.Dense(1, name="total")(h)},
    )
    compiled(
        model,
        eager,
        loss={"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "total": "mse"},
        loss_weights={"kind": 1.0, "total": 0.5},
        metrics={"kind": ["accuracy"], "total": ["mae"]},
    )
    targets = {"kind": y, "total": x.sum(1, keepdims=True)}
    check_learns(model, {"left": x, "right": x[::-1].copy()}, targets)
    results = model.evaluate({"left": x, "right": x}, targets, verbose=0, return_dict=True)
    assert {"loss", "kind_loss", "total_loss", "kind_accuracy", "total_mae"} <= set(results)
    assert set(model.predict({"left": x, "right": x}, verbose=0)) == {"kind", "total"}


@keras.saving.register_keras_serializable("jobs")
class Scaled(keras.layers.Layer):
    """A layer with a trainable and a counting weight, and a loss of its own."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="float32", name="calls")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.calls.assign_add(1.0)
        self.add_loss(0.01 * keras.ops.sum(keras.ops.square(self.scale)))
        return x * self.scale


@both_ways
def test_a_layer_of_ones_own_learns(eager: bool, tmp_path: Path) -> None:
    x, y = rows()
    model = compiled(keras.Sequential([layers.Input((6,)), Scaled(), layers.Dense(2)]), eager)
    check_learns(model, x, y, epochs=3, batch_size=16)
    assert float(model.layers[0].calls.numpy()) == 12
    check_saves(model, x, tmp_path)


class Stepping(keras.Model):
    """A model with a training step of its own, on the gradient tape."""

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            prediction = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=prediction)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, prediction)
        return {m.name: m.result() for m in self.metrics}


@both_ways
def test_a_training_step_of_ones_own_learns(eager: bool) -> None:
    x, y = rows()
    inputs = keras.Input((6,))
    model = compiled(Stepping(inputs, layers.Dense(2)(inputs)), eager, metrics=["accuracy"])
    check_learns(model, x, y)


@both_ways
def test_a_loop_of_ones_own_learns(eager: bool) -> None:
    x, y = rows()
    model = perceptron()
    optimizer = keras.optimizers.SGD(0.1)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        return loss

    run = step if eager else tf.function(step)
    losses = []
    for _ in range(3):
        for batch_x, batch_y in tf.data.Dataset.from_tensor_slices((x, y)).batch(16):
            losses.append(float(run(batch_x, batch_y)))
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


OPTIMIZERS = [
    "SGD",
    "RMSprop",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Adagrad",
    "Adadelta",
    "Ftrl",
    "Lion",
    "Adafactor",
    "Lamb",
    "Muon",
]


@both_ways
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name: str, eager: bool) -> None:
    x, y = rows()
    rate = {"Adadelta": 1.0, "SGD": 0.1}.get(name, 0.01)
    optimizer = getattr(keras.optimizers, name)(learning_rate=rate)
    check_learns(compiled(perceptron(), eager, optimizer=optimizer), x, y, epochs=3, batch_size=32)


OPTIONS: dict[str, Callable[[], Any]] = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "clipnorm": lambda: keras.optimizers.Adam(0.01, clipnorm=1.0),
    "global": lambda: keras.optimizers.Adam(0.01, global_clipnorm=1.0),
    "clipvalue": lambda: keras.optimizers.Adam(0.01, clipvalue=0.5),
    "average": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
    "accumulate": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 20)),
    "pieces": lambda: keras.optimizers.Adam(keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.02, 0.01])),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


@both_ways
@pytest.mark.parametrize("name", OPTIONS)
def test_optimizers_take_their_options(name: str, eager: bool) -> None:
    x, y = rows()
    check_learns(compiled(perceptron(), eager, optimizer=OPTIONS[name]()), x, y, epochs=3, batch_size=16)


LOSSES = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SquaredHinge",
    "Tversky",
]


@both_ways
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_minimized(name: str, eager: bool) -> None:
    x, y = rows()
    one_hot = np.eye(2, dtype="float32")[y]
    model = keras.Sequential([layers.Input((6,)), layers.Dense(2, activation="softmax")])
    check_learns(compiled(model, eager, loss=getattr(keras.losses, name)()), x, one_hot, epochs=3, batch_size=16)


METRICS = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "AUC",
    "Precision",
    "Recall",
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "TopKCategoricalAccuracy",
    "TruePositives",
    "TrueNegatives",
    "FalsePositives",
    "FalseNegatives",
    "MeanSquaredError",
    "RootMeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "CosineSimilarity",
    "LogCoshError",
    "Poisson",
    "KLDivergence",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "F1Score",
    "FBetaScore",
    "R2Score",
    "PearsonCorrelation",
    "ConcordanceCorrelation",
    "OneHotIoU",
    "OneHotMeanIoU",
    "BinaryIoU",
]
METRIC_OPTIONS: dict[str, dict[str, Any]] = {
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "TopKCategoricalAccuracy": {"k": 1},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 2},
    "BinaryIoU": {"target_class_ids": [0, 1]},
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_the_same_compiled_and_eager(name: str) -> None:
    x, y = rows()
    one_hot = np.eye(2, dtype="float32")[y]
    results = []
    for eager in (False, True):
        model = keras.Sequential([layers.Input((6,)), layers.Dense(2, activation="softmax")])
        model.set_weights([np.linspace(-1, 1, 12).reshape(6, 2).astype("float32"), np.zeros(2, "float32")])
        metric = getattr(keras.metrics, name)(**METRIC_OPTIONS.get(name, {}))
        compiled(model, eager, loss="mse", metrics=[metric])
        results.append(model.evaluate(x, one_hot, batch_size=16, verbose=0)[1])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)
    assert np.all(np.isfinite(results[0]))


def test_callbacks_stop_save_and_change_the_rate(tmp_path: Path) -> None:
    x, y = rows()
    model = compiled(perceptron(), metrics=["accuracy"])
    rates: list[float] = []
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.weights.h5", save_weights_only=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate.numpy()))
        ),
    ]
    model.fit(x, y, validation_data=(x, y), epochs=3, batch_size=32, verbose=0, callbacks=callbacks)
    np.testing.assert_allclose(rates, [0.005, 0.0025, 0.00125], rtol=1e-5)
    with (tmp_path / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    best = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(best.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    other = perceptron()
    other.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_allclose(other.get_weights()[0], model.get_weights()[0])


def test_early_stopping_restores_the_best_weights() -> None:
    x, y = rows()
    model = compiled(perceptron(), optimizer=keras.optimizers.SGD(0.0))
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=0.1, restore_best_weights=True)
    history = model.fit(x, y, epochs=9, verbose=0, callbacks=[stop])
    assert len(history.history["loss"]) == 2


@both_ways
def test_weights_of_classes_and_samples_count(eager: bool) -> None:
    x, y = rows()

    def loss(**options: Any) -> float:
        keras.utils.set_random_seed(1)
        model = compiled(perceptron(), eager, optimizer=keras.optimizers.SGD(0.0))
        return model.fit(x, y, epochs=1, batch_size=64, verbose=0, **options).history["loss"][0]

    weights = np.where(y == 1, 3.0, 1.0)
    assert loss(class_weight={0: 1.0, 1: 3.0}) == pytest.approx(loss(sample_weight=weights), rel=1e-5)
    assert loss(sample_weight=weights) != pytest.approx(loss(), rel=1e-3)


class Batches(keras.utils.PyDataset):
    """The rows, 16 at a time."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = rows()
        return x[index * 16 : index * 16 + 16], y[index * 16 : index * 16 + 16]


@both_ways
@pytest.mark.parametrize("source", ["array", "tensor", "generator", "sequence", "threads", "dataset", "repeated"])
def test_fit_reads_every_source_alike(source: str, eager: bool) -> None:
    x, y = rows()

    def generator() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in range(0, 64, 16):
            yield x[index : index + 16], y[index : index + 16]

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    sources: dict[str, Callable[[], dict[str, Any]]] = {
        "array": lambda: {"x": x, "y": y, "batch_size": 16, "shuffle": False},
        "tensor": lambda: {"x": tf.constant(x), "y": tf.constant(y), "batch_size": 16, "shuffle": False},
        "generator": lambda: {"x": generator()},
        "sequence": lambda: {"x": Batches(), "shuffle": False},
        "threads": lambda: {"x": Batches(workers=2), "shuffle": False},
        "dataset": lambda: {"x": dataset},
        "repeated": lambda: {"x": dataset.repeat(), "steps_per_epoch": 4},
    }
    losses = []
    for name in ("array", source):
        keras.utils.set_random_seed(1)
        losses.append(compiled(perceptron(), eager).fit(**sources[name](), verbose=0).history["loss"][0])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@both_ways
def test_part_of_the_data_validates(eager: bool) -> None:
    x, y = rows()
    history = compiled(perceptron(), eager).fit(x, y, validation_split=0.25, epochs=2, verbose=0)
    assert len(history.history["val_loss"]) == 2


@both_ways
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns(policy: str, eager: bool) -> None:
    keras.config.set_dtype_policy(policy)
    x, y = images()
    model = keras.Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, dtype="float32"),
        ]
    )
    assert model.layers[0].compute_dtype == policy.removeprefix("mixed_")
    compiled(model, eager)
    check_learns(model, x, y, epochs=3)
    if policy == "mixed_float16":
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_a_loss_scale_falls_where_gradients_overflow() -> None:
    x, y = rows()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**10)
    model = compiled(perceptron(), optimizer=scaled, loss=lambda y, p: keras.ops.sum(p) * np.inf)
    before = model.get_weights()
    model.fit(x, y, batch_size=64, verbose=0)
    assert float(scaled.dynamic_scale.numpy()) == 2.0**9
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_several_steps_in_one_execution_learn_as_single_ones() -> None:
    x, y = rows()
    losses = []
    for steps in (1, 2, 3):
        keras.utils.set_random_seed(1)
        model = compiled(perceptron(), steps_per_execution=steps, metrics=["accuracy"])
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
        assert model.predict(x, batch_size=16, verbose=0).shape == (64, 2)
        losses.append(model.evaluate(x, y, batch_size=16, verbose=0)[0])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_jit_compile_is_accepted() -> None:
    x, y = rows()
    check_learns(compiled(perceptron(), jit_compile=True), x, y)


@both_ways
def test_batches_of_any_size_follow_each_other(eager: bool) -> None:
    x, y = rows(61)
    model = compiled(perceptron(), eager)
    check_learns(model, x, y, batch_size=16)
    assert model.predict(x, batch_size=7, verbose=0).shape == (61, 2)


def test_a_nested_and_shared_model_saves_with_its_optimizer(tmp_path: Path) -> None:
    x, y = rows()
    inner = keras.Sequential([layers.Input((6,)), layers.Dense(6, activation="tanh")])
    inputs = keras.Input((6,))
    model = compiled(keras.Model(inputs, layers.Dense(2)(inner(inner(inputs)))))
    check_learns(model, x, y)
    check_saves(model, x, tmp_path)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    first = model.fit(x, y, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(loaded.fit(x, y, shuffle=False, verbose=0).history["loss"], first, rtol=1e-5)
    again = keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    assert keras.models.model_from_json(model.to_json()).count_params() == model.count_params()
    model.summary(print_fn=lambda line, **_: None)
