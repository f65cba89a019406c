"""Saved models and pictures at which readers once fell over, found by tests/fuzz: they are refused, and it is said why."""

from __future__ import annotations

import struct
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


def test_a_picture_that_says_it_is_enormous_is_refused() -> None:
    parts = [b"IHDR" + struct.pack(">IIBBBBB", 1 << 30, 1 << 20, 8, 2, 0, 0, 0), b"IDAT" + bytes(8), b"IEND"]
    chunks = [struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with pytest.raises(tf.errors.InvalidArgumentError, match="decompression bomb"):
        tf.io.decode_png(data)
