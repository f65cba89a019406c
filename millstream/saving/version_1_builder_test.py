"""Saved models of version 1, written from a session: tables of files, and variables that are no resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.saving.files import read_saved_model

v1: Any = tf.compat.v1


def test_a_table_of_a_file_travels_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    with tf.Graph().as_default(), v1.Session() as session:
        words = v1.placeholder(tf.string, [None], name="words")
        start = tf.lookup.TextFileInitializer(str(tmp_path / "words.txt"), tf.string, -2, tf.int64, -1)
        found = tf.lookup.StaticHashTable(start, -1).lookup(words)
        session.run(v1.tables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "one"), {"words": words}, {"ids": found})
    (tmp_path / "words.txt").unlink()
    (tmp_path / "one").rename(tmp_path / "two")
    loaded: Any = tf.saved_model.load(tmp_path / "two")
    assert loaded.signatures["serving_default"](words=tf.constant(["b", "c"]))["ids"].numpy().tolist() == [1, -1]
    with tf.Graph().as_default(), v1.Session() as session:
        definition = v1.saved_model.load(session, ["serve"], str(tmp_path / "two"))
        names = definition.signature_def["serving_default"]
        given = {names.inputs["words"].name: ["b", "c"]}
        assert session.run(names.outputs["ids"].name, given).tolist() == [1, -1]


def test_a_variable_that_is_no_resource_is_written_with_its_shape(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        w = v1.get_variable("w", initializer=np.ones((3, 2), np.float32), use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x}, {"y": x @ w})
    nodes = {n.name: n for n in read_saved_model(str(tmp_path / "m")).meta_graphs[0].graph_def.node}
    for name in ("w", "w/Assign"):
        (shape,) = nodes[name].attr["_output_shapes"].list.shape
        assert [d.size for d in shape.dim] == [3, 2], name


@pytest.mark.parametrize("as_text", [False, True])
def test_a_graph_that_was_written_is_read(tmp_path: Path, as_text: bool) -> None:
    with tf.Graph().as_default():
        v1.get_variable("w", initializer=3.0)
        v1.train.export_meta_graph(str(tmp_path / "new" / "g.meta"), as_text=as_text)
    with tf.Graph().as_default() as graph:
        v1.train.import_meta_graph(str(tmp_path / "new" / "g.meta"))
        assert [v.name for v in graph.get_collection("variables")] == ["w:0"]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["g.meta"]


def test_files_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        paths = []
        for folder, text in (("a", "one"), ("b", "two")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "words.txt").write_text(text)
            paths.append(tf.constant(str(tmp_path / folder / "words.txt"), name=folder))
            v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, paths[-1])
        texts = [tf.io.read_file(path) for path in paths]
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": paths[0]}, dict(zip("ab", texts, strict=True)))
    assert sorted(p.name for p in (tmp_path / "m" / "assets").iterdir()) == ["words.txt", "words.txt_1"]


def test_a_file_without_a_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.meta").write_bytes(b"\xff\xffneither bytes nor text of a graph")
    with tf.Graph().as_default(), pytest.raises(OSError, match="Cannot parse file"):
        v1.train.import_meta_graph(str(tmp_path / "g.meta"))
