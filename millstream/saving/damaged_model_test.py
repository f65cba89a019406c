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
