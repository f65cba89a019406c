"""Tests of saved models: those of TensorFlow load here, ours load here, with equal results; ours there: tests/exchange."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.saving.files import read_saved_model
from millstream.saving.testdata.run_saved_models import called, cases, tensors

CASES = cases()
DATA = Path(__file__).parent / "testdata"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with zipfile.ZipFile(DATA / "saved_models.zip") as archive:
        archive.extractall(folder)
    return folder


def expected(recorded: Path, name: str) -> list[np.ndarray]:
    with np.load(recorded / f"{name}.expected.npz") as kept:
        return [kept[key] for key in kept]


def compare(found: list[Any], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        a = np.asarray(a)
        if b.dtype.kind == "S":
            assert a.ravel().tolist() == b.ravel().tolist()
        elif b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(a, b)


def save(name: str, folder: Path) -> Any:
    item, calls, given = CASES[name](tf)
    tf.saved_model.save(item, str(folder), signatures={k: getattr(item, v) for k, v in given.items()} or None)
    return calls


@pytest.mark.parametrize("name", CASES)
def test_what_tensorflow_saved_gives_here_what_it_gave_there(name: str, recorded: Path) -> None:
    _, calls, _ = CASES[name](tf)
    compare(called(tf, tf.saved_model.load(recorded / name), calls), expected(recorded, name))


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_here_gives_the_same_after_loading(name: str, recorded: Path, tmp_path: Path) -> None:
    calls = save(name, tmp_path / name)
    compare(called(tf, tf.saved_model.load(str(tmp_path / name)), calls), expected(recorded, name))


@pytest.mark.parametrize("name", [n for n in CASES if n != "mutable_table"])
def test_what_was_loaded_can_be_saved_again(name: str, recorded: Path, tmp_path: Path) -> None:
    _, calls, _ = CASES[name](tf)
    loaded = tf.saved_model.load(str(recorded / name))
    tf.saved_model.save(loaded, str(tmp_path / name), signatures=dict(loaded.signatures))
    compare(called(tf, tf.saved_model.load(str(tmp_path / name)), calls), expected(recorded, name))


def test_gradients_flow_through_what_was_loaded(recorded: Path) -> None:
    loaded = tf.saved_model.load(str(recorded / "linear"))
    assert [v.trainable for v in loaded.__call__.get_concrete_function().variables] == [True, False]
    x = tf.constant(np.ones((2, 4), np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded(x)[:, 0])
    gradient = tape.gradient(loss, loaded.w)
    eps = np.zeros((4, 3), np.float32)
    eps[1, 0] = 1e-2
    before = loaded.w.numpy()
    sides = []
    for sign in (1, -1):
        loaded.w.assign(before + sign * eps)
        sides.append(float(tf.reduce_sum(loaded(x)[:, 0])))
    assert abs((sides[0] - sides[1]) / 2e-2 - float(gradient[1, 0])) < 1e-3


def test_a_loaded_function_says_which_arguments_it_takes(recorded: Path) -> None:
    loaded = tf.saved_model.load(str(recorded / "containers"))
    assert float(loaded.total(tf.constant(1.0), shift=1.5)) == pytest.approx(
        float(loaded.total(tf.constant(1.0), 2, shift=1.5))
    )
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded.total(tf.constant("text"))
    with pytest.raises(TypeError, match="missing required"):
        tf.saved_model.load(str(recorded / "signatures")).signatures["b"](row=tf.constant(1))


def test_objects_lists_and_dictionaries_are_what_they_were(recorded: Path) -> None:
    loaded = tf.saved_model.load(str(recorded / "containers"))
    assert loaded.shared is loaded.parts[0]
    assert float(loaded.named["right"][1].v) == 4.0
    assert loaded.named["left"].numpy().tolist() == [1, 2]


def test_wrong_tags_and_missing_models_are_refused(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="incompatible argument to `tags`"):
        tf.saved_model.load(str(recorded / "linear"), tags="train")
    with pytest.raises(OSError, match="SavedModel file does not exist"):
        tf.saved_model.load(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(OSError, match="Cannot parse"):
        tf.saved_model.load(str(tmp_path))


def test_a_variable_that_nothing_holds_is_named(tmp_path: Path) -> None:
    hidden = tf.Variable(1.0, name="hidden")
    module = tf.Module()
    module.f = tf.function(lambda x: x + hidden, input_signature=[tf.TensorSpec([])])
    with pytest.raises(AssertionError, match="untracked"):
        tf.saved_model.save(module, str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_only_python_can_do_is_named(tmp_path: Path) -> None:
    module = tf.Module()
    module.f = tf.function(
        lambda x: tf.numpy_function(np.sin, [x], tf.float32), input_signature=[tf.TensorSpec([None])]
    )
    with pytest.raises(tf.errors.UnimplementedError, match="PyFunc"):
        tf.saved_model.save(module, str(tmp_path / "model"))


def test_a_folder_is_replaced_as_a_whole_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    module = tf.Module()
    module.v = tf.Variable([1.0])
    tf.saved_model.save(module, folder)
    (folder / "notes.txt").write_text("mine")
    module.v.assign([2.0])
    tf.saved_model.save(module, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert tf.saved_model.load(folder).v.numpy().tolist() == [2.0]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_fingerprint_tells_models_apart(tmp_path: Path) -> None:
    module = tf.Module()
    module.v = tf.Variable([1.0])
    found = []
    for value in ([1.0], [1.0], [2.0]):
        module.v.assign(value)
        tf.saved_model.save(module, str(tmp_path / "model"))
        found.append(tf.saved_model.experimental.read_fingerprint(str(tmp_path / "model")))
    assert found[0] == found[1] != found[2]
    assert found[0].singleprint().count("/") == 3


def test_the_text_form_is_read(recorded: Path, tmp_path: Path) -> None:
    from google.protobuf import text_format

    from millstream.base.messages import message

    data = (recorded / "linear" / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(message("SavedModel").FromString(data)))
    os.symlink(recorded / "linear" / "variables", tmp_path / "variables")
    assert tf.saved_model.contains_saved_model(tmp_path)
    x = tf.constant(tensors(tf, np.ones((1, 4), np.float32)))
    np.testing.assert_array_equal(
        tf.saved_model.load(tmp_path)(x).numpy(), tf.saved_model.load(recorded / "linear")(x).numpy()
    )


def test_gradients_that_functions_say_themselves_are_kept(recorded: Path, tmp_path: Path) -> None:
    save("custom_gradient", tmp_path)
    for folder in (recorded / "custom_gradient", tmp_path):
        loaded = tf.saved_model.load(str(folder))
        x = tf.constant([0.1, 0.3, -2.0, 3.0])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loaded.clipped(x)
        np.testing.assert_allclose(tape.gradient(y, x).numpy(), [1.8, 3.0, -3.0, 3.0], rtol=1e-5)


def test_damaged_models_are_refused(recorded: Path, tmp_path: Path) -> None:
    from millstream.base.messages import message

    saved = message("SavedModel").FromString((recorded / "linear" / "saved_model.pb").read_bytes())
    objects = saved.meta_graphs[0].object_graph_def
    for damage in ("children", "bound"):
        made = message("SavedModel")()
        made.CopyFrom(saved)
        graph = made.meta_graphs[0].object_graph_def
        if damage == "children":
            graph.nodes[0].children[0].node_id = 1000
        else:
            graph.concrete_functions[min(objects.concrete_functions)].bound_inputs.append(-1)
        (tmp_path / "saved_model.pb").write_bytes(made.SerializeToString())
        with pytest.raises(tf.errors.InvalidArgumentError, match="it is damaged"):
            tf.saved_model.load(tmp_path)


def test_variables_are_cut_into_files_as_the_sharding_callback_says(tmp_path: Path) -> None:
    module = tf.Module()
    module.v = tf.Variable(tf.reshape(tf.range(300.0), [3, 100]))
    policy = tf.train.experimental.MaxShardSizePolicy(400)
    tf.saved_model.save(module, tmp_path, options=tf.saved_model.SaveOptions(experimental_sharding_callback=policy))
    assert len(list((tmp_path / "variables").glob("variables.data*"))) > 2
    assert tf.saved_model.load(tmp_path).v.numpy().tolist() == module.v.numpy().tolist()


@pytest.mark.parametrize("name", ["experimental_image_format", "experimental_debug_stripper", "save_debug_info"])
def test_options_that_are_not_supported_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(tf.errors.UnimplementedError, match=name):
        tf.saved_model.save(tf.Module(), tmp_path, options=tf.saved_model.SaveOptions(**{name: True}))


def test_gradients_of_gradients_that_functions_say_themselves_keep_their_own_names(tmp_path: Path) -> None:
    @tf.custom_gradient
    def twice(x):
        @tf.custom_gradient
        def ten_times(dy):
            return dy * 10.0, lambda d: d * 100.0

        return x * 2.0, ten_times

    root = tf.Module()
    root.f = tf.function(twice, input_signature=[tf.TensorSpec([])], autograph=False)
    tf.saved_model.save(root, tmp_path / "m", options=tf.saved_model.SaveOptions(experimental_custom_gradients=True))
    saved = read_saved_model(str(tmp_path / "m"))
    kinds = [g.registered_op_type for g in saved.meta_graphs[0].graph_def.library.registered_gradients]
    assert sorted(kinds) == ["CustomGradient-1", "CustomGradient-2"]
    loaded, x, seed = tf.saved_model.load(tmp_path / "m"), tf.constant(3.0), tf.constant(1.0)
    with tf.GradientTape() as outer:
        outer.watch(seed)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loaded.f(x)
        first = tape.gradient(y, x, output_gradients=seed)
    assert float(first) == 10.0 and float(outer.gradient(first, seed)) == 100.0
