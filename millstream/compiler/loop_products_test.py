"""Tests of products that are done before a loop, for all its turns at once."""

# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf
from millstream.backends.cpu.target import CPU
from millstream.compiler.pipeline import lower

STEPS, ROWS, WIDTH, OUT = 5, 3, 4, 6
random = np.random.default_rng(1)
X = random.standard_normal((ROWS, STEPS, WIDTH)).astype(np.float32)
W = random.standard_normal((WIDTH, OUT)).astype(np.float32)
U = random.standard_normal((OUT, OUT)).astype(np.float32)


def recurrence(x, w, u, times=STEPS):
    parts = tf.TensorArray(tf.float32, size=STEPS).unstack(tf.transpose(x, (1, 0, 2)))

    def turn(i, h):
        return i + 1, tf.tanh(tf.matmul(parts.read(STEPS - 1 - i), w) + tf.matmul(h, u))

    return tf.while_loop(lambda i, h: i < times, turn, (0, tf.zeros((ROWS, OUT))))[1]


def by_numpy(times=STEPS):
    h = np.zeros((ROWS, OUT), np.float32)
    for i in range(times):
        h = np.tanh(X[:, STEPS - 1 - i] @ W + h @ U)
    return h


def nodes_of(function, *arguments):
    concrete = tf.function(function).get_concrete_function(*arguments)
    program = concrete.graph.program
    return lower(program, [v.spec for v in program.inputs], CPU).nodes


@pytest.mark.parametrize("times", [0, 1, STEPS])
def test_products_before_a_loop_give_the_same(times):
    result = tf.function(lambda x, w, u: recurrence(x, w, u, times))(X, W, U)
    np.testing.assert_allclose(result, by_numpy(times), rtol=1e-5, atol=1e-6)


def test_one_product_is_done_before_the_loop_and_one_inside():
    spec = [tf.TensorSpec(a.shape, tf.float32) for a in (X, W, U)]
    nodes = nodes_of(recurrence, *spec)
    (loop,) = (n for n in nodes if n.definition.name == "loop")
    assert [n.outputs[0].shape for n in nodes if n.definition.name == "dot"] == [(STEPS, ROWS, OUT)]
    assert sum(n.definition.name == "dot" for n in loop.attributes["body"].nodes) == 1


def test_a_product_that_would_be_much_larger_than_the_list_stays_inside():
    wide = tf.TensorSpec((WIDTH, 100 * OUT), tf.float32)

    def total(x, w):
        parts = tf.TensorArray(tf.float32, size=STEPS).unstack(tf.transpose(x, (1, 0, 2)))
        return tf.while_loop(
            lambda i, s: i < STEPS,
            lambda i, s: (i + 1, s + tf.reduce_sum(tf.matmul(parts.read(i), w))),
            (0, tf.constant(0.0)),
        )[1]

    assert not any(n.definition.name == "dot" for n in nodes_of(total, tf.TensorSpec(X.shape, tf.float32), wide))


def test_an_element_behind_the_end_is_still_refused():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(lambda x, w, u: recurrence(x, w, u, STEPS + 1))(X, W, U)


def test_gradients_go_through_the_products():
    def gradients(x, w, u):
        with tf.GradientTape() as tape:
            tape.watch([x, w, u])
            y = tf.reduce_sum(recurrence(x, w, u) ** 2)
        return tape.gradient(y, [x, w, u])

    x, w, u = (tf.constant(a) for a in (X, W, U))
    for traced, eager in zip(tf.function(gradients)(x, w, u), gradients(x, w, u), strict=True):
        np.testing.assert_allclose(traced, eager, rtol=1e-4, atol=1e-5)
