"""Checkpoints of names: those of TensorFlow, versions 1 and 2, whole and in parts; and tf.compat.v1.train.Saver."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.saving.version_1_checkpoint import open_checkpoint

WRITTEN = Path(__file__).parent / "testdata" / "tensorflow"
Saver = tf.compat.v1.train.Saver

EXPECTED = {
    "float": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    "double": [0.0, 1.0, 2.0],
    "text": [b"a", b"", b"\xff" * 50],
    "long": 7,
    "half": [1.5, 2.0],
    "truth": [True, False],
    "byte": [255, 1],
    "complex": [1 + 2j],
    "zeros": [0.0] * 300,
    "short": [-5],
    "cut/rows": [[0.0, 0.0]] * 3 + [[1.0, 1.0]] * 2 + [[2.0, 2.0]] * 2,
}


@pytest.mark.parametrize("version", [1, 2])
def test_what_tensorflow_wrote_by_name_is_read(version: int) -> None:
    reader = tf.train.load_checkpoint(WRITTEN / f"names_{version}")
    assert list(reader.get_variable_to_shape_map()) == sorted(EXPECTED)
    for name, value in EXPECTED.items():
        assert np.asarray(reader.get_tensor(name)).tolist() == value
    assert reader.get_variable_to_dtype_map()["half"] is tf.float16
    with pytest.raises(tf.errors.NotFoundError, match="Key nothing not found"):
        reader.get_tensor("nothing")


@pytest.mark.parametrize("version", [1, 2])
def test_variables_get_the_values_of_their_names(version: int) -> None:
    rows = tf.Variable(tf.zeros([7, 2]), name="rows")
    Saver({"cut/rows": rows}).restore(None, WRITTEN / f"names_{version}")
    assert rows.numpy().tolist() == EXPECTED["cut/rows"]
    checkpoint = tf.train.Checkpoint(any=tf.Variable(tf.zeros([2, 3]), name="float"))
    checkpoint.restore(WRITTEN / f"names_{version}").assert_consumed()
    assert checkpoint.any.numpy().tolist() == EXPECTED["float"]
    late = tf.train.Checkpoint()
    late.restore(WRITTEN / f"names_{version}")
    late.other = tf.Variable(0, dtype=tf.int64, name="long")
    assert int(late.other) == 7


def test_names_without_values_are_noticed() -> None:
    checkpoint = tf.train.Checkpoint(any=tf.Variable(0.0, name="nothing"))
    with pytest.raises(AssertionError, match="were not restored"):
        checkpoint.restore(WRITTEN / "names_2").assert_consumed()


def test_damaged_files_of_version_1_raise_or_are_read(tmp_path: Path) -> None:
    chosen = random.Random(2)
    data = (WRITTEN / "names_1").read_bytes()
    path = tmp_path / "a"
    for _ in range(1500):
        changed = bytearray(data)
        changed[chosen.randrange(len(data))] = chosen.randrange(256)
        path.write_bytes(changed[: len(data) - chosen.choice((0, 0, 0, chosen.randrange(len(data))))])
        try:
            reader = open_checkpoint(str(path))
            assert [np.asarray(reader.array(n)).tolist() for n in EXPECTED] == list(EXPECTED.values())
        except tf.errors.DataLossError as error:
            assert "is damaged" in error.message


def test_a_saver_keeps_the_last_checkpoints(tmp_path: Path) -> None:
    a, b = tf.Variable([1.0, 2.0], name="a"), tf.Variable(3, name="b")
    saver = Saver([a, b], max_to_keep=2)
    paths = [saver.save(None, tmp_path / "x", global_step=i) for i in range(3)]
    assert saver.last_checkpoints == paths[1:]
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint", "x-1.data-00000-of-00001", "x-1.index", "x-2.data-00000-of-00001", "x-2.index",
    ]  # fmt: skip
    assert tf.train.latest_checkpoint(tmp_path) == paths[-1]
    assert tf.train.list_variables(paths[-1]) == [("a", [2]), ("b", [])]
    a.assign([0.0, 0.0])
    saver.restore(None, paths[-1])
    assert a.numpy().tolist() == [1.0, 2.0]


def test_a_saver_reads_checkpoints_of_objects_and_other_shapes(tmp_path: Path) -> None:
    a = tf.Variable([1.0, 2.0], name="a")
    path = tf.train.Checkpoint(somewhere=a).write(tmp_path / "o")
    a.assign([0.0, 0.0])
    Saver([a]).restore(None, path)
    assert a.numpy().tolist() == [1.0, 2.0]
    path = Saver({"n": a}, pad_step_number=True).save(None, tmp_path / "y", global_step=tf.Variable(5))
    assert path == str(tmp_path / "y-00000005")
    column = tf.Variable([[0.0], [0.0]])
    with pytest.raises(ValueError, match="incompatible tensor"):
        Saver({"n": column}).restore(None, path)
    Saver({"n": column}, reshape=True).restore(None, path)
    assert column.numpy().tolist() == [[1.0], [2.0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not equal original dtype"):
        Saver({"n": tf.Variable([1, 2])}).restore(None, path)


def test_what_a_saver_cannot_do_is_refused(tmp_path: Path) -> None:
    a = tf.Variable(1.0, name="a")
    with pytest.raises(RuntimeError, match="must specify a list or dict"):
        Saver()
    with pytest.raises(NotImplementedError, match="use write_version=2"):
        Saver([a], write_version=1)
    with pytest.raises(ValueError, match="same name: a"):
        Saver([a, tf.Variable(1.0, name="a")])
    with pytest.raises(ValueError, match="not a valid checkpoint"):
        Saver([a]).restore(None, tmp_path / "nothing")
    with pytest.raises(tf.errors.NotFoundError, match="Key a not found"):
        Saver([a]).restore(None, WRITTEN / "names_2")
