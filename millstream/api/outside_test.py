"""Names outside of the mission are there, with TensorFlow's parameters, and refuse with their reason."""

from __future__ import annotations

import inspect

import pytest

import millstream as tf
from millstream.api.outside import OUTSIDE
from millstream.api.public import load_later


@pytest.mark.parametrize("reason", OUTSIDE)
def test_names_refuse_with_their_reason(reason: str) -> None:
    load_later()
    for word in OUTSIDE[reason].split():
        found: object = tf
        for part in word.partition("(")[0].split("."):
            found = getattr(found, part)
        assert callable(found)
        with pytest.raises(tf.errors.UnimplementedError) as raised:
            found()
        assert reason in raised.value.message


def test_parameters_are_tensorflows() -> None:
    names = list(inspect.signature(tf.mlir.experimental.write_bytecode).parameters)
    assert names == ["filename", "mlir_txt"]


def test_clusters_and_plugins_are_refused() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="one process"):
        tf.config.experimental_connect_to_host("localhost:1")
    with pytest.raises(ValueError, match="remote_host"):
        tf.config.experimental_connect_to_host()
    with pytest.raises(tf.errors.UnimplementedError):
        tf.experimental.register_filesystem_plugin("x.so")
    with tf.experimental.async_scope(), tf.experimental.function_executor_type("x"):
        assert tf.add(1, 2).numpy() == 3


def test_values_that_programs_read_as_they_are_loaded_are_there() -> None:
    assert tf.tpu.experimental.HardwareFeature.EmbeddingFeature.V2.value == "V2"
