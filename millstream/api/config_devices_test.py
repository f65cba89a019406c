"""The cpu may go by several names."""

from __future__ import annotations

import pytest

import millstream as tf
from millstream.api.config_devices import reset_devices
from millstream.compiler import passes
from millstream.execution.context import placement


@pytest.fixture(autouse=True)
def afresh():
    reset_devices()
    yield
    reset_devices()


CPU = tf.config.list_physical_devices("CPU")[0]
ONE = tf.config.LogicalDeviceConfiguration()


def test_the_cpu_is_divided_into_names():
    assert tf.config.get_logical_device_configuration(CPU) is None
    tf.config.set_logical_device_configuration(CPU, [ONE, ONE])
    assert [d.name for d in tf.config.list_logical_devices()] == ["/device:CPU:0", "/device:CPU:1"]
    tf.config.set_soft_device_placement(False)
    try:
        with tf.device("CPU:1"):
            assert (tf.constant(1) + 1).numpy() == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="unknown device"), tf.device("CPU:2"):
            tf.constant(1)
    finally:
        placement.soft = None


def test_devices_that_were_listed_are_not_divided_otherwise():
    tf.config.list_logical_devices()
    tf.config.set_logical_device_configuration(CPU, [ONE])
    with pytest.raises(RuntimeError, match="cannot be modified"):
        tf.config.set_logical_device_configuration(CPU, [ONE, ONE])


def test_what_the_cpu_does_not_have_is_refused():
    for bad in ({"memory_limit": 10}, {"experimental_priority": 1}):
        with pytest.raises(ValueError, match="CPU virtual devices"):
            tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration(**bad)])
    with pytest.raises(ValueError, match="Unrecognized device"):
        tf.config.set_logical_device_configuration(3, [ONE])
    with pytest.raises(KeyError):
        tf.config.experimental.get_memory_growth(CPU)
    with pytest.raises(ValueError, match="memory growth"):
        tf.config.experimental.set_memory_growth(CPU, True)


def test_memory_is_counted_by_device():
    info = tf.config.experimental.get_memory_info("CPU:0")
    assert info["peak"] >= info["current"] >= 0
    with pytest.raises(ValueError, match="No matching devices"):
        tf.config.experimental.get_memory_info("GPU:0")
    with pytest.raises(ValueError, match="Failed parsing"):
        tf.config.experimental.get_memory_info("CPU")


def test_settings_are_kept():
    tf.config.experimental.set_device_policy("warn")
    assert tf.config.experimental.get_device_policy() == "warn"
    tf.config.experimental.set_device_policy(None)
    assert tf.config.experimental.get_device_policy() == "silent"
    with pytest.raises(ValueError, match="device_policy"):
        tf.config.experimental.set_device_policy("x")
    tf.config.optimizer.set_jit(True)
    assert tf.config.optimizer.get_jit() == "autoclustering"
    tf.config.optimizer.set_jit(False)
    assert tf.config.optimizer.get_jit() == ""
    tf.config.optimizer.set_experimental_options({"layout_optimizer": False, "unknown": True})
    options = tf.config.optimizer.get_experimental_options()
    assert options["layout_optimizer"] is False and "unknown" not in options


def test_options_of_the_optimizer_switch_passes():
    try:
        tf.config.optimizer.set_experimental_options({"constant_folding": False, "disable_model_pruning": True})
        assert passes.settings().off == {"fold", "prune"}
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        assert passes.settings().off == {p.name for p in passes.PASSES if p.optional}
    finally:
        everything = {"constant_folding": True, "disable_model_pruning": False, "disable_meta_optimizer": False}
        tf.config.optimizer.set_experimental_options(everything)
    assert not passes.settings().off


@pytest.mark.parametrize("asked", ["/device:cpu", "/foo:1", "/cpu:x", "/task:x", "/cpu:0/gpu:1", 3])
def test_names_that_are_no_devices_are_refused(asked):
    with pytest.raises(ValueError, match=r"device|int"), tf.device(asked):
        pass


def test_a_device_is_named_in_any_way_that_tensorflow_knows():
    spec = tf.DeviceSpec(device_type="CPU", device_index=0)
    for asked in (None, "", "cpu", "/gpu:*", "//cpu:0/", spec, tf.config.list_logical_devices("CPU")[0]):
        with tf.device(asked):
            assert float(tf.constant(1.0)) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown device"), tf.device("/job:a b"):
        pass
