"""Models that Keras exported on TensorFlow give the same here, called, by signature, trained on, saved again and as a plan."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.saving import export_plan

FILE = Path(__file__).parent / "testdata" / "exported_models.zip"
NAMES = ["images", "sequences", "attention", "text", "several", "frames"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    with zipfile.ZipFile(FILE) as archive:
        archive.extractall(folder)
    return folder


def arrays(folder: Path, name: str, letter: str) -> list[np.ndarray]:
    with np.load(folder / f"{name}.npz") as kept:
        return [kept[key] for key in kept if key.startswith(letter)]


def check(loaded: object, folder: Path, name: str) -> None:
    given = [tf.constant(x) for x in arrays(folder, name, "x")]
    wanted = arrays(folder, name, "y")
    signature = loaded.signatures["serving_default"]
    names = sorted(signature.structured_input_signature[1])
    argument = dict(zip(("a", "b"), given, strict=True)) if name == "several" else given[0]
    for result in (loaded.serve(argument), signature(**dict(zip(names, given, strict=True)))):
        for found, expected in zip(tf.nest.flatten(result), wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_model_gives_what_it_gave(name: str, exported: Path, tmp_path: Path) -> None:
    loaded = tf.saved_model.load(exported / name)
    check(loaded, exported, name)
    tf.saved_model.save(loaded, tmp_path / name, signatures=dict(loaded.signatures))
    check(tf.saved_model.load(tmp_path / name), exported, name)


def test_a_training_step_that_was_saved_goes_on_here(exported: Path) -> None:
    loaded = tf.saved_model.load(exported / "training")
    x, y, losses = (arrays(exported, "training", key)[0] for key in ("x", "y", "losses"))
    found = [float(loaded.step(tf.constant(x), tf.constant(y))) for _ in range(4)]
    np.testing.assert_allclose(found, losses, rtol=1e-5)


def test_a_loaded_model_is_trained_through(exported: Path) -> None:
    loaded = tf.saved_model.load(exported / "images")
    function = loaded.serve.get_concrete_function()
    x = tf.constant(arrays(exported, "images", "x")[0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded.serve(x) ** 2.0)
    gradients = tape.gradient(loss, function.trainable_variables)
    assert len(gradients) == 10 and all(g is not None for g in gradients)
    for variable, gradient in zip(function.trainable_variables, gradients, strict=True):
        variable.assign_sub(gradient * 0.01)
    assert float(tf.reduce_sum(loaded.serve(x) ** 2.0)) < float(loss)


def test_a_loaded_model_becomes_a_plan(exported: Path, tmp_path: Path) -> None:
    loaded = tf.saved_model.load(exported / "attention")
    export_plan(loaded.signatures["serving_default"], tmp_path / "a.plan")
    export_plan(
        {"serve": loaded.serve, "training": tf.saved_model.load(exported / "training").step}, tmp_path / "b.plan"
    )
    assert (tmp_path / "a.plan").stat().st_size > 1000
