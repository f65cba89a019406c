"""Optimizers of version 1 in checkpoints of objects: their slots, and the numbers that belong to no variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import millstream as tf


def _trained(start: list[float]) -> Any:
    held = tf.train.Checkpoint(v=tf.Variable(start), optimizer=tf.compat.v1.train.AdamOptimizer(0.1))
    for number in (1.0, 2.0):
        held.optimizer.apply_gradients([(tf.constant([number, -number]), held.v)])
    return held


@pytest.mark.parametrize("when", ["before", "after"])
def test_training_goes_on_from_a_checkpoint(tmp_path: Path, when: str) -> None:
    """Whether slots were made before the checkpoint was read, or are made after it."""
    written = _trained([1.0, 2.0])
    path = written.write(str(tmp_path / "a"))
    read = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]), optimizer=tf.compat.v1.train.AdamOptimizer(0.1))
    if when == "before":
        read.optimizer.apply_gradients([(tf.constant([5.0, 5.0]), read.v)])
    status = read.read(path)
    for held in (written, read):
        held.optimizer.apply_gradients([(tf.constant([3.0, 3.0]), held.v)])
    status.assert_consumed()
    for a, b in zip([written.v, *written.optimizer.variables()], [read.v, *read.optimizer.variables()], strict=True):
        assert a.numpy().tolist() == b.numpy().tolist(), a.name


def test_what_was_read_and_not_yet_used_is_written_again(tmp_path: Path) -> None:
    path = _trained([1.0, 2.0]).write(str(tmp_path / "a"))
    read = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]), optimizer=tf.compat.v1.train.AdamOptimizer(0.1))
    read.read(path).expect_partial()
    again = dict(tf.train.list_variables(read.write(str(tmp_path / "b"))))
    assert {name for name in again if "OPTIMIZER_SLOT" in name} == {
        f"v/.OPTIMIZER_SLOT/optimizer/{slot}/.ATTRIBUTES/VARIABLE_VALUE" for slot in ("m", "v")
    }
