"""Files, logging, errors and test helpers of version 1."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf

v1 = tf.compat.v1


def test_files_are_made_moved_and_listed(tmp_path: Path) -> None:
    folder = str(tmp_path / "a" / "b")
    v1.gfile.MakeDirs(folder)
    with v1.gfile.FastGFile(f"{folder}/x.txt", "w") as file:
        file.write("text")
    v1.gfile.Copy(f"{folder}/x.txt", f"{folder}/y.txt")
    v1.gfile.Rename(oldname=f"{folder}/y.txt", newname=f"{folder}/z.txt", overwrite=True)
    assert sorted(v1.gfile.ListDirectory(folder)) == ["x.txt", "z.txt"]
    assert v1.gfile.Exists(f"{folder}/z.txt") and v1.gfile.IsDirectory(folder)
    assert v1.gfile.Stat(f"{folder}/x.txt").length == 4 and len(v1.gfile.Glob(f"{folder}/*")) == 2
    assert [names for _, _, names in v1.gfile.Walk(folder)] == [["x.txt", "z.txt"]]
    v1.gfile.DeleteRecursively(folder)
    assert not v1.gfile.Exists(folder)


def test_messages_are_written_by_level_and_number(caplog: Any) -> None:
    before = v1.logging.get_verbosity()
    v1.logging.set_verbosity(v1.logging.INFO)
    with caplog.at_level(logging.INFO, logger=tf.get_logger().name):
        v1.logging.info("one %d", 1)
        v1.logging.debug("hidden")
        for _ in range(4):
            v1.logging.log_every_n(v1.logging.WARN, "second", 2)
            v1.logging.log_first_n(v1.logging.WARN, "first", 1)
    v1.logging.set_verbosity(before)
    assert [r.getMessage() for r in caplog.records] == ["one 1", "second", "first", "second"]


def test_codes_and_classes_of_errors_belong_together() -> None:
    assert v1.errors.exception_type_from_error_code(3) is tf.errors.InvalidArgumentError
    assert v1.errors.error_code_from_exception_type(tf.errors.NotFoundError) == 5


def test_attributes_are_put_back_and_slopes_measured() -> None:
    class Thing:
        value = 1

    with v1.test.StubOutForTesting() as stubs:
        stubs.Set(Thing, "value", 2)
        assert Thing.value == 2
    assert Thing.value == 1
    with pytest.raises(ValueError, match="default session"):
        v1.test.compute_gradient(1, [], 1, [])
    with tf.Graph().as_default(), v1.Session():
        x = v1.placeholder(tf.float64, [2])
        theory, measured = v1.test.compute_gradient(x, [2], x * x, [2], np.array([1.0, 2.0]))
        assert theory.tolist() == [[2.0, 0.0], [0.0, 4.0]] and np.allclose(theory, measured)
        assert v1.test.compute_gradient_error(x, [2], tf.exp(x), [2]) < 1e-5
    assert v1.resource_loader.get_path_to_datafile("x").startswith(str(Path(__file__).parent))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            {"ps_tasks": 2},
            ["/job:ps/task:0", "/job:ps/task:1", "/job:worker", "/job:worker/device:CPU:0", "/job:other"],
        ),
        (
            {"cluster": {"ps": ["a:1", "b:1"], "worker": ["c:1"]}},
            ["/job:ps/task:0", "/job:ps/task:1", "/job:worker", "/job:worker/device:CPU:0", "/job:other"],
        ),
        (
            {"ps_tasks": 1, "merge_devices": False},
            ["/job:ps/task:0", "/job:ps/task:0", "/job:worker", "/device:CPU:0", "/job:other"],
        ),
        (
            {"ps_tasks": 3, "ps_strategy": lambda op: 2},
            ["/job:ps/task:2", "/job:ps/task:2", "/job:worker", "/job:worker/device:CPU:0", "/job:other"],
        ),
    ],
)
def test_variables_go_to_parameter_servers_in_the_graph(options: dict[str, Any], wanted: list[str]) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.device(v1.train.replica_device_setter(**options)):
            first, second = v1.get_variable("a", initializer=1.0), v1.get_variable("b", initializer=2.0)
            total = first + second
            with v1.device("/cpu:0"):
                here = tf.identity(total)
            with v1.device("/job:other"):
                other = v1.get_variable("e", initializer=1.0)
        assert [x.device for x in (first, second, total, here, other)] == wanted
        # There is no such job in this process.
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot assign a device"):
            session.run(v1.global_variables_initializer())


def test_without_parameter_servers_nothing_is_placed() -> None:
    assert v1.train.replica_device_setter() is None
    with pytest.raises(TypeError, match="ps_strategy must be callable"):
        v1.train.replica_device_setter(1, ps_strategy=3)
