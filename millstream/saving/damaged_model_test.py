"""Saved models and pictures at which readers once fell over, found by tests/fuzz: they are refused, and it is said why."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.base.messages import message
from millstream.saving.files import read_saved_model


def _not_a_signature(saved: Any) -> None:
    for function in saved.concrete_functions.values():
        function.canonicalized_input_signature.bool_value = True


def _too_few_results(saved: Any) -> None:
    for function in saved.concrete_functions.values():
        function.output_signature.tuple_value.values.add().none_value.SetInParent()
        function.output_signature.tuple_value.values.add().none_value.SetInParent()


def _keywords_that_are_none(saved: Any) -> None:
    for function in saved.concrete_functions.values():
        function.canonicalized_input_signature.tuple_value.values[1].bool_value = True


def _names_that_cannot_be(saved: Any) -> None:
    for node in saved.nodes:
        if node.WhichOneof("kind") == "function":
            node.function.function_spec.fullargspec.named_tuple_value.values[0].key = "a\x7fb"


@pytest.mark.parametrize("damage", [_not_a_signature, _too_few_results, _keywords_that_are_none, _names_that_cannot_be])
def test_functions_whose_description_does_not_fit_are_refused(tmp_path: Path, damage: Callable[[Any], None]) -> None:
    root: Any = tf.Module()
    root.f = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec([])], autograph=False)
    tf.saved_model.save(root, tmp_path / "m")
    saved = read_saved_model(str(tmp_path / "m"))
    damage(saved.meta_graphs[0].object_graph_def)
    (tmp_path / "m" / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(tf.errors.InvalidArgumentError, match="damaged"):
        loaded: Any = tf.saved_model.load(tmp_path / "m")
        loaded.f(1.0)


def test_a_table_without_the_function_that_makes_it_is_refused(tmp_path: Path) -> None:
    root: Any = tf.Module()
    values = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    root.table = tf.lookup.StaticHashTable(values, -1)
    root.f = tf.function(root.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(root, tmp_path / "m")
    saved = read_saved_model(str(tmp_path / "m"))
    for node in saved.meta_graphs[0].object_graph_def.nodes:
        for child in node.children:
            child.local_name = child.local_name.replace("_create_resource", "_lost")
    (tmp_path / "m" / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(tf.errors.InvalidArgumentError, match="without the function that makes it"):
        loaded: Any = tf.saved_model.load(tmp_path / "m")
        loaded.f(["a"])


def test_a_picture_that_says_it_is_enormous_is_refused() -> None:
    parts = [b"IHDR" + struct.pack(">IIBBBBB", 1 << 30, 1 << 20, 8, 2, 0, 0, 0), b"IDAT" + bytes(8), b"IEND"]
    chunks = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with pytest.raises(tf.errors.InvalidArgumentError, match="decompression bomb"):
        tf.io.decode_png(data)


def _without_inputs(graph: Any) -> None:
    for node in graph.node:
        if node.op in ("Switch", "RefSwitch", "Merge", "AssignVariableOp", "Assign"):
            del node.input[:]


def _made_of_itself(graph: Any) -> None:
    for node in graph.node:
        if node.op in ("AssignVariableOp", "Assign"):
            graph.node.add(name="circle", op="Identity").input.append("circle")
            node.input[1] = "circle"


def _without_types(graph: Any) -> None:
    for node in graph.node:
        if node.op == "Placeholder":
            node.attr.clear()


def _with_too_few_inputs(graph: Any) -> None:
    for node in [*graph.node, *(n for f in graph.library.function for n in f.node_def)]:
        if node.op in ("Add", "AddV2", "Mul", "MatMul", "Less"):
            del node.input[1:]


@pytest.mark.parametrize("damage", [_without_inputs, _made_of_itself, _without_types, _with_too_few_inputs])
@pytest.mark.parametrize("name", ["flow", "simple"])
def test_graphs_of_version_1_that_do_not_hold_together_are_refused(
    tmp_path: Path, name: str, damage: Callable[[Any], None]
) -> None:
    with zipfile.ZipFile(Path(__file__).parent / "testdata" / "version_1.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "models" / name
    saved = read_saved_model(str(folder))
    damage(saved.meta_graphs[0].graph_def)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"damaged|circle"):
        loaded: Any = tf.saved_model.load(folder)
        for signature in loaded.signatures.values():
            _ = signature.structured_outputs


def _without_restoring_names(meta: Any) -> None:
    nodes = [n for n in meta.graph_def.node if not n.name.endswith("shape_and_slices")]
    kept = [type(n).FromString(n.SerializeToString()) for n in nodes]
    del meta.graph_def.node[:]
    meta.graph_def.node.extend(kept)


def _with_a_saver_that_takes_nothing(meta: Any) -> None:
    for node in meta.graph_def.node:
        if node.op in ("SaveV2", "RestoreV2"):
            del node.input[:]


def _with_a_variable_that_is_none(meta: Any) -> None:
    meta.collection_def["variables"].bytes_list.value[0] = b"\xff"


def _with_a_variable_that_nothing_makes(meta: Any) -> None:
    changed = message("VariableDef").FromString(meta.collection_def["variables"].bytes_list.value[0])
    changed.variable_name = "nothing:0"
    meta.collection_def["variables"].bytes_list.value[0] = changed.SerializeToString()


def _with_a_collection_of_nothing(meta: Any) -> None:
    meta.collection_def["train_op"].node_list.value.append("nothing:3")


def _that_starts_with_nothing(meta: Any) -> None:
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "nothing"


@pytest.mark.parametrize(
    "damage",
    [
        _without_restoring_names, _with_a_saver_that_takes_nothing, _with_a_variable_that_is_none,
        _with_a_variable_that_nothing_makes, _with_a_collection_of_nothing, _that_starts_with_nothing,
    ],
)  # fmt: skip
def test_sessions_refuse_graphs_that_do_not_hold_together(tmp_path: Path, damage: Callable[[Any], None]) -> None:
    with zipfile.ZipFile(Path(__file__).parent / "testdata" / "version_1.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "models" / "simple"
    saved = read_saved_model(str(folder))
    damage(saved.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    v1: Any = tf.compat.v1
    with (
        tf.Graph().as_default(),
        v1.Session() as session,
        pytest.raises(tf.errors.InvalidArgumentError, match="damaged"),
    ):
        v1.saved_model.load(session, ["serve"], str(folder))


def test_a_loop_that_does_not_close_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(__file__).parent / "testdata" / "version_1.zip") as archive:
        graph = message("GraphDef").FromString(archive.read("graphs/loops_in_loops.pb"))
    for node in graph.node:
        if node.op == "LoopCond":
            node.name = "elsewhere"
    with tf.Graph().as_default(), pytest.raises((ValueError, tf.errors.OpError), match="while"):
        tf.import_graph_def(graph)
