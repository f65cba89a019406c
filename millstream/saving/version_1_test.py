"""Tests of what TensorFlow 1 wrote: saved models without objects, graphs with Switch, Merge and Enter."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.base.messages import message
from millstream.saving.testdata.record_version_1 import CALLS

FILE = Path(__file__).parent / "testdata" / "version_1.zip"
GRAPHS = [
    n.removeprefix("graphs/").removesuffix(".pb")
    for n in zipfile.ZipFile(FILE).namelist()
    if n.endswith(".pb") and n.startswith("graphs")
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("version_1")
    with zipfile.ZipFile(FILE) as archive:
        archive.extractall(folder)
    return folder / "models"


def kept(name: str) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(FILE) as archive, np.load(io.BytesIO(archive.read(name))) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", GRAPHS)
def test_branches_and_loops_of_version_1_give_what_they_gave(name: str) -> None:
    with zipfile.ZipFile(FILE) as archive:
        graph = message("GraphDef").FromString(archive.read(f"graphs/{name}.pb"))
    expected = kept(f"graphs/{name}.npz")
    wanted = [f"out{i}:0" for i in range(len(expected) // len(CALLS))]

    @tf.function(input_signature=[tf.TensorSpec([2]), tf.TensorSpec([], tf.int32)])
    def run(x, n):
        return tf.import_graph_def(graph, {"x": x, "n": n}, wanted)

    for i, (x, n) in enumerate(CALLS):
        for j, result in enumerate(run(tf.constant(x), tf.constant(n))):
            np.testing.assert_allclose(result.numpy(), expected[f"{i}_{j}"], rtol=1e-5)


def test_signatures_give_what_they_gave(models: Path) -> None:
    loaded = tf.saved_model.load(models / "simple")
    found = loaded.signatures["serving_default"](x=tf.ones([2, 3]))
    np.testing.assert_allclose(found["y"].numpy(), kept("models/simple.npz")["y"])
    loaded = tf.saved_model.load(models / "flow", tags=["serve"])
    found = loaded.signatures["serving_default"](x=tf.constant([1.0, 2.0]), words=tf.constant(["b", "q"]))
    for name, value in kept("models/flow.npz").items():
        np.testing.assert_allclose(found[name].numpy(), value)
    assert loaded.asset_paths[0].asset_path.numpy().endswith(b"assets/vocabulary.txt")


def test_any_part_of_the_graph_is_a_function(models: Path) -> None:
    loaded = tf.saved_model.load(models / "simple")
    more = loaded.prune([], {"count": "more:0", "bias": "layer/b/read:0"})
    assert [int(more()["count"]) for _ in range(3)] == [1, 2, 3]
    assert more()["bias"].numpy().tolist() == [1.0, -20.0]
    product = loaded.prune("x:0", ["MatMul:0"])
    assert product(tf.ones([1, 3]))[0].numpy().tolist() == [[6.0, 9.0]]
    with pytest.raises(ValueError, match="no node 'nothing'"):
        loaded.prune("x:0", "nothing:0")
    with pytest.raises(ValueError, match="'x', which is not among what is given"):
        loaded.prune([], "y:0")


def test_gradients_flow_to_variables(models: Path) -> None:
    loaded = tf.saved_model.load(models / "simple")
    assert [v.name for v in loaded.variables if v.trainable] == ["layer/w:0", "layer/b:0"]
    weights = loaded.variables[0]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded.signatures["serving_default"](tf.ones([2, 3]))["y"])
    assert tape.gradient(loss, weights).numpy().tolist() == [[2.0, 0.0]] * 3
    assert float(loaded.signatures["serving_default"](tf.ones([1, 3]))["y"][0, 0]) == 7.0


def test_wrong_tags_are_refused(models: Path) -> None:
    with pytest.raises(RuntimeError, match="could not be found in SavedModel, with available tags"):
        tf.saved_model.load(models / "simple", tags=["train"])


@pytest.mark.parametrize("name", ["simple", "flow"])
def test_what_version_1_wrote_is_saved_anew(models: Path, tmp_path: Path, name: str) -> None:
    loaded = tf.saved_model.load(models / name)
    tf.saved_model.save(loaded, tmp_path / name, signatures=loaded.signatures)
    given = (
        {"x": tf.ones([2, 3])} if name == "simple" else {"x": tf.constant([1.0, 2.0]), "words": tf.constant(["b", "q"])}
    )
    again = tf.saved_model.load(tmp_path / name).signatures["serving_default"](**given)
    for key, wanted in kept(f"models/{name}.npz").items():
        np.testing.assert_allclose(again[key].numpy(), wanted, rtol=1e-6)
