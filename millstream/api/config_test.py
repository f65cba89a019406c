"""Devices by name: those taken, and those refused."""

from __future__ import annotations

import pytest

import millstream as tf
from millstream.execution.context import placement


@pytest.mark.parametrize(
    "name", ["cpu:0", "/GPU:0", "/device:CPU:0", "/job:localhost/replica:0/task:0/device:CPU:0", "", None]
)
def test_the_cpu_takes_what_other_devices_would(name: str | None) -> None:
    with tf.device(name):
        assert tf.zeros([1]).device == "/job:localhost/replica:0/task:0/device:CPU:0"


def test_unknown_devices_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="Unknown attribute 'foo'"), tf.device("foo"):
        pass
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown device"), tf.device("/job:w/task:0"):
        pass
    with pytest.raises(RuntimeError, match="does not support functions"), tf.device(lambda op: "cpu"):
        pass


def test_without_soft_placement_only_the_cpu_is_taken() -> None:
    tf.config.set_soft_device_placement(False)
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="unknown device"), tf.device("GPU:0"):
            pass
    finally:
        placement.soft = None
