"""Damaged files: every plan with a wrong byte loads or is refused with an error of tf.errors, and nothing is half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream import _runtime as runtime
from millstream.saving.export import export_plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    weights = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([], tf.int32)])
    def step(x: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
        y = tf.nn.relu(x @ weights + 1.0)
        y = tf.gather(y, [0], axis=1)
        return tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2.0), [0, y])[1]

    path = tmp_path_factory.mktemp("plans") / "step.plan"
    export_plan(step, path)
    return path.read_bytes()


REFUSALS = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
"""A file that is damaged; that states something impossible; that says it is of another version."""


def opens(data: bytes) -> bool:
    """Load a plan; False where it is refused as it should be: with one of tf.errors, which says what is wrong."""
    try:
        runtime.Plan(data)
    except tf.errors.OpError as error:
        assert isinstance(error, REFUSALS), repr(error)
        assert len(error.message) > 20, error.message
        return False
    return True


def test_a_plan_with_one_wrong_byte_loads_or_says_what_is_wrong(plan: bytes) -> None:
    assert opens(plan)
    numbers = np.random.default_rng(0)
    refused = 0
    for place in range(len(plan)):
        for mask in (0xFF, int(numbers.integers(1, 255))):
            wrong = bytearray(plan)
            wrong[place] ^= mask
            refused += not opens(bytes(wrong))
    assert refused > len(plan) // 2, "most bytes of a plan are checked"


def test_a_plan_that_ends_early_is_refused(plan: bytes) -> None:
    for length in range(len(plan)):
        with pytest.raises(tf.errors.DataLossError):
            runtime.Plan(plan[:length])


def test_what_cannot_be_exported_leaves_the_old_file(plan: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kept.plan"
    path.write_bytes(plan)
    with pytest.raises((ValueError, tf.errors.OpError, NotImplementedError)):
        export_plan(lambda x: tf.py_function(lambda v: v, [x], tf.float32), path, [tf.TensorSpec([2], tf.float32)])
    assert path.read_bytes() == plan
    assert [p.name for p in tmp_path.iterdir()] == ["kept.plan"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "f.plan"
    with pytest.raises(OSError, match="missing"):
        export_plan(lambda x: x + 1.0, missing, [tf.TensorSpec([2], tf.float32)])
    assert not missing.parent.exists()
