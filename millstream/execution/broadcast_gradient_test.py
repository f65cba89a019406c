"""Tests what flows back through broadcasts of sizes that only running tells: 1 or all, on either side."""

import itertools

import numpy as np
import pytest

import millstream as tf

SHAPES = [(4, 3), (1, 3), (4, 1), (1, 1)]


def combine(a, b):
    return tf.exp(a * 0.1) * b + a - b * b


def gradients(a, b, function):
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        y = function(a, b)
    return tape.gradient(y, [a, b])


@pytest.mark.parametrize(("left", "right"), list(itertools.product(SHAPES, SHAPES)))
def test_open_sizes_give_the_gradients_of_known_ones(left, right):
    random = np.random.default_rng(3)
    a = tf.constant(random.random(left, np.float32))
    b = tf.constant(random.random(right, np.float32))
    expected = gradients(a, b, combine)
    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([None, None])]
    outside = gradients(a, b, tf.function(combine, input_signature=signature))
    inside = tf.function(lambda a, b: gradients(a, b, combine), input_signature=signature)(a, b)
    for found in (outside, inside):
        for want, got in zip(expected, found, strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-5)
