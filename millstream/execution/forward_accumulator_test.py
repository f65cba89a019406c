"""Tests tangents beside calls: eager and in traced functions, through control flow, variables, tapes and each other."""

import numpy as np
import pytest

import millstream as tf

Accumulator = tf.autodiff.ForwardAccumulator
X, T = np.array([1.0, 2.0, 3.0], np.float32), np.array([1.0, 0.5, -1.0], np.float32)


def check(function, expected):
    """Compare `function(x, t)` run at once and traced."""
    for run in (function, tf.function(function)):
        np.testing.assert_allclose(run(tf.constant(X), tf.constant(T)), expected, rtol=2e-5)


def test_the_tangent_of_an_expression():
    def f(x, t):
        with Accumulator(x, t) as a:
            y = tf.sin(x) * x
        return a.jvp(y)

    check(f, (np.cos(X) * X + np.sin(X)) * T)


def test_tangents_of_what_variables_hold():
    v = tf.Variable(X)

    def f(x, t):
        with Accumulator(v, t) as a:
            y = tf.sin(v) * x
        return a.jvp(y)

    check(f, np.cos(X) * X * T)


def test_tangents_go_through_functions_branches_and_loops():
    @tf.function
    def inner(x):
        if tf.reduce_sum(x) > 0.0:
            y = x
            for _ in tf.range(2):
                y = y * x
        else:
            y = -x
        return y

    def f(x, t):
        with Accumulator(x, t) as a:
            y = inner(x)
            z = inner(-x)
        return a.jvp([y, z])

    check(f, [3 * X**2 * T, T])

    def staged(x, t):
        with Accumulator(x, t) as a:
            y = x
            for _ in tf.range(2):
                y = y * x
        return a.jvp(y)

    check(staged, 3 * X**2 * T)


def test_forward_over_reverse_is_a_product_with_the_hessian():
    def f(x, t):
        with Accumulator(x, t) as a:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(tf.sin(x) ** 2)
            gradient = tape.gradient(y, x)
        return a.jvp(gradient)

    check(f, 2 * np.cos(2 * X) * T)


def test_reverse_over_forward_is_the_same():
    def f(x, t):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with Accumulator(x, t) as a:
                y = tf.reduce_sum(tf.sin(x) ** 2)
            product = a.jvp(y)
        return tape.gradient(product, x)

    check(f, 2 * np.cos(2 * X) * T)


def test_forward_over_forward():
    def f(x, t):
        with Accumulator(x, t) as outer:
            with Accumulator(x, t) as inner:
                y = tf.sin(x) * x
            first = inner.jvp(y)
        return outer.jvp(first)

    check(f, (2 * np.cos(X) - X * np.sin(X)) * T * T)


def test_functions_with_gradients_of_their_own_are_followed_inside():
    @tf.custom_gradient
    def double(x):
        return x * 2.0, lambda dy: dy * 5.0

    def f(x, t):
        with Accumulator(x, t) as a:
            y = double(x)
        return a.jvp(y)

    check(f, 2 * T)


def test_what_does_not_depend_has_no_tangent_or_zeros():
    def f(x, t):
        with Accumulator(x, t) as a:
            y = tf.ones([3])
        late = y * x
        assert a.jvp(y) is None
        assert a.jvp(late) is None
        return a.jvp(y, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    check(f, np.zeros(3))


def test_an_accumulator_may_be_entered_again():
    def f(x, t):
        a = Accumulator(x, t)
        with a:
            y = x * 2.0
        unseen = y * 3.0
        with a:
            z = y * 5.0
        assert a.jvp(unseen) is None
        return a.jvp(z)

    check(f, 10 * T)


@pytest.mark.parametrize("traced", [False, True])
def test_what_does_not_fit_is_refused(traced):
    def refuse(function, match):
        with pytest.raises(ValueError, match=match):
            (tf.function(function) if traced else function)(tf.constant(X))

    def enter_twice(x):
        a = Accumulator(x, T)
        with a, a:
            pass

    refuse(lambda x: Accumulator([x, x], [T, T]), "primal multiple times")
    refuse(lambda x: Accumulator([x, x], [T]), "same nested structure")
    refuse(lambda x: Accumulator(x, [1.0]), "to have its shape")
    refuse(enter_twice, "already recording")
