"""Tests of tapes, jacobians, custom gradients and forward accumulators, eagerly and traced alike."""

# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf

BOTH = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "traced"])


@BOTH
def test_tapes_nest(wrap):
    @wrap
    def derivatives(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = x * x * x
            d = first.gradient(y, x)
        return d, second.gradient(d, x)

    assert [float(v) for v in derivatives(tf.constant(2.0))] == [12.0, 12.0]


@BOTH
def test_an_adjoint_that_goes_two_ways_is_differentiated_along_both(wrap):
    @wrap
    def derivatives(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = x * x + x
                z = y * y
            d = first.gradient(z, x)
        return d, second.gradient(d, x)

    # d = 2 (x^2 + x) (2x + 1) and d' = 2 (2x + 1)^2 + 4 (x^2 + x)
    assert [float(v) for v in derivatives(tf.constant(2.0))] == [60.0, 74.0]


@BOTH
def test_only_what_is_followed_has_a_gradient(wrap):
    v, fixed = tf.Variable(2.0), tf.Variable(3.0, trainable=False)

    @wrap
    def found(x):
        with tf.GradientTape() as tape:
            y = v * x * fixed
        return tape.gradient(y, [v, x, fixed])

    @wrap
    def asked(x):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([x, fixed])
            y = v * x * fixed
        return tape.gradient(y, {"v": v, "x": x, "f": fixed}, unconnected_gradients="zero")

    dv, dx, df = found(tf.constant(5.0))
    assert (float(dv), dx, df) == (15.0, None, None)
    assert {k: float(g) for k, g in asked(tf.constant(5.0)).items()} == {"v": 0.0, "x": 6.0, "f": 10.0}


@BOTH
def test_recording_stops_and_goes_on(wrap):
    v, w = tf.Variable(2.0), tf.Variable(3.0)
    seen = []

    @wrap
    def found():
        with tf.GradientTape() as tape:
            y = v * v
            with tape.stop_recording():
                z = w * v
            y = y * 2.0
            seen.append(tape.watched_variables())
        return tape.gradient([y, z], [v, w])

    dv, dw = found()
    assert (float(dv), dw) == (8.0, None)
    assert [x is v for x in seen[0]] == [True]


def test_a_tape_answers_once_unless_persistent():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert float(tape.gradient(y, x)) == 6.0
    with pytest.raises(RuntimeError, match="non-persistent GradientTape can only be used"):
        tape.gradient(y, x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = y * y
    assert float(tape.gradient(z, x)) == 108.0
    assert float(tape.gradient(z, y)) == 18.0
    assert [float(g) for g in tape.gradient([y, z], [x], output_gradients=[2.0, 1.0])] == [120.0]


@BOTH
def test_jacobians_equal_tensorflow(wrap):
    @wrap
    def both(x, m):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, m])
            y = x * x
            z = m * m * m
        return tape.jacobian(y, x), tape.batch_jacobian(z, m)

    jacobian, batch = both(tf.constant([1.0, 2.0, 3.0]), tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    assert jacobian.numpy().tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    assert batch.numpy().tolist() == [[[3.0, 0.0], [0.0, 12.0]], [[27.0, 0.0], [0.0, 48.0]]]


@BOTH
def test_the_gradient_of_a_gather_is_sparse(wrap):
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @wrap
    def found(indices):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.gather(v, indices) * 2.0)
        return tape.gradient(y, v)

    slices = found(tf.constant([2, 0, 2]))
    assert isinstance(slices, tf.IndexedSlices)
    assert tf.convert_to_tensor(slices).numpy().tolist() == [[2.0, 2.0], [0.0, 0.0], [4.0, 4.0]]


@BOTH
def test_a_custom_gradient_is_used_once_and_twice(wrap):
    @tf.custom_gradient
    def square(x):
        def gradient(dy):
            return dy * 20.0 * x

        return x * x, gradient

    @wrap
    def derivatives(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = square(x)
            d = first.gradient(y, x)
        return y, d, second.gradient(d, x)

    assert [float(v) for v in derivatives(tf.constant(3.0))] == [9.0, 60.0, 20.0]


def test_a_custom_gradient_works_inside_of_a_loop():
    @tf.custom_gradient
    def square(x):
        return x * x, lambda dy: dy * 20.0 * x

    @tf.function
    def derivative(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, square(y)), (0, x))[1]
        return tape.gradient(y, x)

    assert float(derivative(tf.constant(3.0))) == 10800.0


@BOTH
def test_a_custom_gradient_takes_variables(wrap):
    v = tf.Variable(2.0)

    @wrap
    @tf.custom_gradient
    def scaled(x):
        def gradient(dy, variables=None):
            return dy * v * 1.5, [dy * x * 2.5 for _ in variables]

        return x * v, gradient

    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = scaled(x)
    assert [float(g) for g in tape.gradient(y, [x, v])] == [3.0, 7.5]

    @tf.custom_gradient
    def deaf(x):
        return x * v, lambda dy: dy

    with pytest.raises(TypeError, match="must accept a 'variables' keyword"):
        deaf(x)


@BOTH
def test_recomputing_gives_the_same_gradients(wrap):
    v = tf.Variable(2.0)
    function = wrap(tf.recompute_grad(lambda x: tf.exp(x) * v))
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    np.testing.assert_allclose([float(g) for g in tape.gradient(y, [x, v])], [2 * np.exp(3.0), np.exp(3.0)], rtol=1e-6)


def test_grad_pass_through_is_the_identity_for_gradients():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.grad_pass_through(lambda x: x * x)(x)
    assert (float(y), float(tape.gradient(y, x))) == (9.0, 1.0)


@BOTH
def test_forward_accumulators_push_tangents_along(wrap):
    function = wrap(lambda x: x * x * tf.exp(x))
    x = tf.constant(3.0)
    with tf.autodiff.ForwardAccumulator(x, tf.constant(2.0)) as accumulator:
        y = function(x)
    np.testing.assert_allclose(float(accumulator.jvp(y)), 2 * (6 + 9) * np.exp(3.0), rtol=1e-6)


def test_gradients_of_graphs_reach_intermediate_tensors():
    @tf.function
    def found(x):
        y = x * x
        return tf.gradients([y * x], [x, y]), tf.gradients([y * x], [x], stop_gradients=[y])

    (dx, dy), (stopped,) = found(tf.constant(3.0))
    assert (float(dx), float(dy), float(stopped)) == (27.0, 3.0, 9.0)
    with pytest.raises(RuntimeError, match=r"Use tf\.GradientTape instead"):
        tf.gradients([tf.constant(1.0)], [tf.constant(1.0)])


def test_an_unknown_word_for_unconnected_gradients_is_refused():
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients"):
        tape.gradient(x, x, unconnected_gradients="maybe")


def test_a_source_that_is_itself_the_target_has_a_gradient_of_one():
    v, x = tf.Variable([2.0, 3.0]), tf.constant(3.0)

    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            product = v * x
        alone, constant = tape.gradient(v, v), tape.gradient(x, x)
        assert tape.gradient(product, x) is None
        return alone, constant, tape.gradient([v, product], v)

    for call in (gradients, tf.function(gradients)):
        alone, constant, both = call()
        assert alone.numpy().tolist() == [1.0, 1.0] and float(constant) == 1.0
        assert both.numpy().tolist() == [4.0, 4.0]


def test_a_tape_that_gave_its_gradient_still_knows_the_variables_it_watched():
    v = tf.Variable(2.0)
    for wrap in (lambda f: f, tf.function):

        @wrap
        def watched():
            with tf.GradientTape() as tape:
                y = v * v
            tape.gradient(y, v)
            assert [w is v for w in tape.watched_variables()] == [True]
            return y

        watched()


def test_the_gradient_of_gather_is_sparse_along_the_first_axis_only_whatever_came_before():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    for axis in (0, 1, 0, 1, 0):
        with tf.GradientTape() as tape:
            tape.watch(x)
            taken = tf.gather(x, [1, 1], axis=axis)
        want = [[0.0, 0.0], [2.0, 2.0]] if axis == 0 else [[0.0, 2.0], [0.0, 2.0]]
        found = tape.gradient(taken, x)
        assert isinstance(found, tf.IndexedSlices) is (axis == 0)
        assert tf.convert_to_tensor(found).numpy().tolist() == want
