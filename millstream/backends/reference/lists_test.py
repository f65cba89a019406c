"""Test that loops over lists, and their reverse, give the same numbers on the interpreter as on the cpu."""

# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf
from millstream.backends.reference.interpreter import interpret


def recurrence(x):
    steps = 4
    inputs = tf.TensorArray(tf.float32, size=steps).unstack(x)
    outputs = tf.TensorArray(tf.float32, size=steps)

    def body(i, s, out):
        s = tf.cond(i < 2, lambda: tf.tanh(s + inputs.read(i)), lambda: s * inputs.read(i))
        return i + 1, s, out.write(i, s)

    return tf.while_loop(lambda i, *_: i < steps, body, (0, x[0], outputs))[2].stack()


def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = recurrence(x)
    return y, tape.gradient(y, x)


@pytest.mark.parametrize("spec", [[4, 3], [None, None]], ids=["known sizes", "open sizes"])
def test_loops_over_lists_mean_the_same_on_both_back_ends(spec):
    function = tf.function(gradient, input_signature=[tf.TensorSpec(spec, tf.float32)])
    x = np.random.RandomState(0).rand(4, 3).astype(np.float32)
    expected = [v.numpy() for v in function(tf.constant(x))]
    found = interpret(function.get_concrete_function().graph.program, [x])
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
