"""Kinds of numbers, sizes, paths and dates in tf.compat, and Keras's names at the top."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import millstream as tf


def test_kinds_hold_pythons_and_numpys_numbers():
    assert isinstance(3, tf.compat.integral_types) and isinstance(np.int8(3), tf.compat.integral_types)
    assert not isinstance(3.0, tf.compat.integral_types)
    assert isinstance(np.float32(3), tf.compat.real_types) and not isinstance(3j, tf.compat.real_types)
    assert isinstance(np.complex64(3), tf.compat.complex_types)
    assert tf.compat.bytes_or_text_types == (bytes, str)
    assert tf.compat.v1.compat.real_types is tf.compat.real_types


def test_sizes_are_read_in_either_mode():
    shape = tf.TensorShape([3, None])
    assert tf.compat.dimension_value(shape[0]) == 3 and tf.compat.dimension_value(shape[1]) is None
    assert tf.compat.dimension_at_index(shape, 0).value == 3
    assert tf.compat.dimension_at_index(tf.TensorShape(None), 5).value is None
    assert tf.compat.v1.dimension_value is tf.compat.dimension_value


def test_paths_become_text_and_the_rest_stays():
    assert tf.compat.path_to_str(pathlib.PurePosixPath("/a/b")) == "/a/b"
    assert tf.compat.path_to_str(b"x") == b"x"


def test_the_horizon_moves_forward_only():
    assert tf.compat.forward_compatible(2010, 1, 1) and not tf.compat.forward_compatible(2030, 1, 1)
    with tf.compat.forward_compatibility_horizon(2030, 1, 2):
        assert tf.compat.forward_compatible(2030, 1, 1)
    with pytest.warns(UserWarning, match="2010-01-01"), tf.compat.forward_compatibility_horizon(2010, 1, 1):
        assert tf.compat.forward_compatible(2010, 1, 2)
    assert not tf.compat.forward_compatible(2030, 1, 1)


def test_keras_gives_its_names_to_the_top():
    keras = tf.keras
    assert tf.optimizers.SGD is keras.optimizers.SGD
    assert tf.losses.MeanSquaredError is tf.compat.v2.losses.MeanSquaredError
    assert tf.metrics.Mean is keras.metrics.Mean and tf.initializers.GlorotUniform is keras.initializers.GlorotUniform
