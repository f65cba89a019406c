"""A saved model of a function that jax exported, written by TensorFlow, is called here, saved again and trained through."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.saving import export_plan

FILE = Path(__file__).parent / "testdata" / "xla_module.zip"
"""tf.saved_model.save of jax2tf.convert(lambda x: tanh(x) @ ones((3, 2)), polymorphic_shapes=["b, 3"]), TensorFlow 2.21."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with zipfile.ZipFile(FILE) as archive:
        archive.extractall(folder)
    return folder / "xla_tf"


@pytest.mark.parametrize("rows", [1, 5])
def test_an_exported_module_gives_the_same_here_and_saved_again(recorded: Path, tmp_path: Path, rows: int) -> None:
    pytest.importorskip("jax")
    loaded: Any = tf.saved_model.load(recorded)
    tf.saved_model.save(loaded, tmp_path / "again")
    numbers = np.random.default_rng(rows).normal(size=(rows, 3)).astype("float32")
    wanted = np.tanh(numbers) @ np.ones((3, 2), "float32")
    for model in (loaded, tf.saved_model.load(tmp_path / "again")):
        x = tf.constant(numbers)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model.f(x)
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6)
        np.testing.assert_allclose(tape.gradient(y, x).numpy(), 2 * (1 - np.tanh(numbers) ** 2), rtol=1e-5)


def test_without_jax_the_error_says_what_to_install(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: Any = tf.saved_model.load(recorded)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(Exception, match="pip install jax"):
        loaded.f(tf.ones([7, 3]))


def test_a_plan_of_an_exported_module_is_refused(recorded: Path, tmp_path: Path) -> None:
    loaded: Any = tf.saved_model.load(recorded)
    with pytest.raises(tf.errors.UnimplementedError, match="XlaCallModule"):
        export_plan(loaded.f.concrete_functions[0], tmp_path / "m.plan")
