"""Files that Keras on real TensorFlow wrote give the same predictions here, and train on as they would there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millstream import keras

import saved_models  # isort: skip  (it imports keras: ours comes first)

FOLDER = Path(__file__).parent / "testdata"
ANSWERS = np.load(FOLDER / "keras_files.npz")
models = pytest.mark.parametrize("name", saved_models.MODELS)


def check_predictions(model: Any, name: str) -> None:
    for i, found in enumerate(saved_models.predictions(model, name)):
        np.testing.assert_allclose(found, ANSWERS[f"{name}_{i}"], rtol=1e-5, atol=1e-5)


@models
def test_a_keras_file_of_tensorflow_predicts_the_same_and_trains_on_with_its_optimizer(name):
    model = keras.saving.load_model(FOLDER / f"{name}.keras")
    check_predictions(model, name)
    np.testing.assert_allclose(saved_models.train(model, name), ANSWERS[f"{name}_losses"], rtol=1e-4)


@models
def test_a_weights_file_of_tensorflow_predicts_the_same(name):
    model = saved_models.MODELS[name]()
    model.load_weights(FOLDER / f"{name}.weights.h5")
    check_predictions(model, name)


@pytest.mark.parametrize("name", saved_models.LEGACY)
def test_a_whole_h5_file_of_tensorflow_predicts_the_same(name):
    check_predictions(keras.saving.load_model(FOLDER / f"{name}.h5"), name)


def test_a_file_says_the_same_whoever_wrote_it(tmp_path):
    saved_models.write(tmp_path)
    ours = np.load(tmp_path / "keras_files.npz")
    assert sorted(ours.files) == sorted(ANSWERS.files)
    for key in ours.files:
        np.testing.assert_allclose(ours[key], ANSWERS[key], rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("at", [100, 4000, -30])
def test_a_damaged_keras_file_is_refused_by_name(tmp_path, at):
    whole = bytearray((FOLDER / "words.keras").read_bytes())
    start = at % len(whole)
    whole[start : start + 24] = bytes(255 - b for b in whole[start : start + 24])
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(whole)
    with pytest.raises(Exception) as caught:
        keras.saving.load_model(damaged)
    assert str(caught.value)


def test_half_a_keras_file_is_refused(tmp_path):
    whole = (FOLDER / "words.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.keras"):
        keras.saving.load_model(tmp_path / "half.keras")
