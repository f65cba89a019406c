"""Tests means of nothing, means of segments of integers, and what has no variance."""

import numpy as np
import pytest

import millstream as tf

NO_REAL_NUMBERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", NO_REAL_NUMBERS)
@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [((0,), None, 0), ((2, 0), 1, [0, 0]), ((2, 0), 0, []), ((0, 2), 0, [0, 0]), ((0, 2), [0, 1], 0)],
)
def test_the_mean_of_nothing_is_0_but_of_real_numbers(dtype, shape, axis, expected):
    x = tf.zeros(shape, dtype)
    open_sizes = tf.function(
        lambda x: tf.reduce_mean(x, axis), input_signature=[tf.TensorSpec([None] * len(shape), dtype)]
    )
    for found in (tf.reduce_mean(x, axis), open_sizes(x)):
        assert found.dtype == dtype
        assert found.numpy().tolist() == expected
    assert np.isnan(tf.reduce_mean(tf.zeros([0])))


@pytest.mark.parametrize(("dtype", "wide"), [("int8", "float32"), ("uint16", "float32"), ("int64", "float64")])
def test_means_of_segments_of_integers_are_fractions(dtype, wide):
    found = tf.math.unsorted_segment_mean(tf.constant([4, 5, 2], dtype), [1, 1, 0], 3)
    assert found.dtype == wide
    assert found.numpy().tolist() == [2.0, 4.5, 0.0]


def test_integers_and_ragged_complex_numbers_have_no_variance():
    ragged = tf.ragged.constant([[], [1, 3]], dtype=tf.complex64)
    for function in (tf.math.reduce_variance, tf.math.reduce_std):
        with pytest.raises(TypeError, match="Received integer type"):
            function(tf.constant([1, 2]))
        with pytest.raises(ValueError, match="complex dtypes"):
            function(ragged, 1)
