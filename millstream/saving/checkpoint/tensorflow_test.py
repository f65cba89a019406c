"""Checkpoints in both directions: those that TensorFlow 2.21 wrote (`testdata/cases.py`), and ours, read by it where it is.

`TENSORFLOW=/path/to/python` names a Python that has TensorFlow.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

import millstream as tf
from millstream.base.messages import message
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.checkpoint.object_graph import KEY
from millstream.saving.checkpoint.testdata import cases

HERE = Path(__file__).parent / "testdata"
WRITTEN = HERE / "tensorflow"


@pytest.mark.parametrize("name", cases.CASES)
def test_what_tensorflow_wrote_is_read_bit_for_bit(name: str) -> None:
    cases.check(tf, name, str(WRITTEN))


@pytest.mark.parametrize("name", cases.CASES)
def test_what_we_wrote_is_read_bit_for_bit(name: str, tmp_path: Path) -> None:
    cases.write(tf, name, str(tmp_path))
    cases.check(tf, name, str(tmp_path))


@pytest.mark.parametrize("name", ["kinds", "structures"])
def test_our_files_are_those_that_tensorflow_writes(name: str, tmp_path: Path) -> None:
    cases.write(tf, name, str(tmp_path))
    for end in (".index", ".data-00000-of-00001"):
        assert (tmp_path / f"{name}{end}").read_bytes() == (WRITTEN / f"{name}{end}").read_bytes()


@pytest.mark.parametrize("name", ["kinds", "structures", "tables"])
def test_a_checkpoint_of_tensorflow_that_is_read_and_written_again_is_the_same(name: str, tmp_path: Path) -> None:
    reader = BundleReader(str(WRITTEN / name))
    entries = sorted(reader.names, key=lambda n: reader.entry(n).offset)
    with BundleWriter(str(tmp_path / name)) as writer:
        for each in entries:
            writer.add(each, reader.tensor(each))
    for end in (".index", ".data-00000-of-00001"):
        assert (tmp_path / f"{name}{end}").read_bytes() == (WRITTEN / f"{name}{end}").read_bytes()


@pytest.mark.parametrize("name", ["kinds", "tables"])
def test_graphs_of_objects_that_say_something_else_raise_or_are_restored(name: str, tmp_path: Path) -> None:
    chosen = random.Random(4)
    reader = BundleReader(str(WRITTEN / name))
    tensors = {each: reader.tensor(each) for each in reader.names if each != KEY}
    written = message("TrackableObjectGraph").FromString(reader.array(KEY).item())
    outcomes: dict[str, int] = {}
    for _ in range(150):
        graph = message("TrackableObjectGraph")()
        graph.CopyFrom(written)
        count = len(graph.nodes)
        for _ in range(chosen.randrange(1, 5)):
            node = graph.nodes[chosen.randrange(count)]
            kind = chosen.randrange(4)
            if kind == 0 and node.children:
                node.children[chosen.randrange(len(node.children))].node_id = chosen.randrange(-1, count + 1)
            elif kind == 1 and node.attributes:
                node.attributes[0].checkpoint_key = chosen.choice([*tensors, "nothing"])
            elif kind == 2:
                numbers = chosen.randrange(count), chosen.randrange(count)
                node.slot_variables.add(original_variable_node_id=numbers[0], slot_variable_node_id=numbers[1])
            else:
                names = ("VARIABLE_VALUE", "table", "py_state", "x")
                node.attributes.add(name=chosen.choice(names), checkpoint_key=chosen.choice(list(tensors)))
        with BundleWriter(str(tmp_path / "a")) as writer:
            for each, tensor in tensors.items():
                writer.add(each, tensor)
            writer.add(KEY, tf.constant(graph.SerializeToString()))
        try:
            cases.CASES[name](tf, False).read(tmp_path / "a").expect_partial()
            outcome = "restored"
        except (tf.errors.OpError, ValueError) as error:
            outcome = type(error).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["restored"]
    assert outcomes["DataLossError"]


@pytest.mark.slow
def test_a_keras_model_with_its_optimizer_is_read_from_tensorflow_and_from_us(tmp_path: Path) -> None:
    cases.check_keras(tf, str(WRITTEN))
    cases.write_keras(tf, str(tmp_path))
    cases.check_keras(tf, str(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif("TENSORFLOW" not in os.environ, reason="TENSORFLOW names no Python with TensorFlow")
def test_what_we_wrote_is_read_by_tensorflow(tmp_path: Path) -> None:
    for name in cases.CASES:
        cases.write(tf, name, str(tmp_path))
    cases.write_keras(tf, str(tmp_path))
    command = [os.environ["TENSORFLOW"], str(HERE / "cases.py"), "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
