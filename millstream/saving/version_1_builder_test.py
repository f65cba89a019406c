"""Saved models of version 1, written from a session: tables of files, and variables that are no resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

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
