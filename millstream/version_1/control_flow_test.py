"""Graphs of version 1's branches, loops and arrays, written by TensorFlow, give here what they gave there."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.version_1.testdata.control_flow_programs import FEEDS, programs

RECORDED = json.loads(gzip.decompress((Path(__file__).parent / "testdata/control_flow.json.gz").read_bytes()))
v1: Any = tf.compat.v1


def test_all_programs_were_recorded() -> None:
    assert list(programs(tf)) == list(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_a_graph_of_tensorflow_gives_what_it_gave(name: str) -> None:
    definition, wanted = RECORDED[name]
    with tf.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(v1.GraphDef.FromString(base64.b64decode(definition)), name="inner")
        for feed, values in zip(FEEDS, wanted, strict=True):
            np.testing.assert_allclose(session.run("inner/y:0", {"inner/x:0": feed}), values, rtol=1e-5)


@pytest.mark.parametrize("inputs", [[], ["x"], ["x", "x", "x", "x"], ["x:7", "nothing", "x", "x"]])
def test_operations_on_what_is_no_array_are_refused(inputs: list[str]) -> None:
    definition = v1.GraphDef()
    definition.node.add(name="x", op="Placeholder").attr["dtype"].type = 1
    definition.node.add(name="a", op="TensorArrayV3").input.append("x")
    definition.node.add(name="w", op="TensorArrayWriteV3").input.extend(inputs)
    with tf.Graph().as_default(), pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="damaged"):
        tf.import_graph_def(definition)


# Nodes of version 1 are read from files, and never written.
@pytest.mark.parametrize("name", [name for name in RECORDED if name != "switched"])
def test_the_same_program_written_here_gives_it_too(name: str) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [2])
        y = programs(tf)[name](x)
        for feed, values in zip(FEEDS, RECORDED[name][1], strict=True):
            np.testing.assert_allclose(session.run(y, {x: feed}), values, rtol=1e-5)
