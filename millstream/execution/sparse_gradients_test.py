"""Tests which gradients are rows (IndexedSlices) and which are dense, through functions, branches and ops that change nothing."""

import numpy as np
import pytest

import millstream as tf

ROWS = tf.constant([0, 2])


def sparse_and_value(function, x, traced):
    """Return whether the gradient of `function` at x is sparse, and the gradient."""

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    found = (tf.function(gradient) if traced else gradient)(x)
    return isinstance(found, tf.IndexedSlices), tf.convert_to_tensor(found).numpy()


def expected(rows, columns=3, of=4):
    result = np.zeros((of, columns), np.float32)
    for row in rows:
        result[row] += 2.0
    return result


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_rows_stay_rows_through_ops_that_keep_each_element(inner, traced):
    functions = {
        "identity": lambda x: 2.0 * tf.gather(tf.identity(x), ROWS),
        "shape": lambda x: 2.0 * tf.gather(tf.ensure_shape(x, [4, 3]), ROWS),
        "cast": lambda x: 2.0 * tf.gather(tf.cast(x, tf.float64), ROWS),
    }
    for name, function in functions.items():
        sparse, value = sparse_and_value(tf.function(function) if inner else function, tf.ones([4, 3]), traced)
        assert sparse, name
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, expected([0, 2]), name)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_rows_become_dense_where_an_op_reshapes_them(inner, traced):
    def masked(x):
        return 2.0 * tf.boolean_mask(x, [True, False, True, False])

    def joined(x):
        return 2.0 * tf.gather(tf.identity_n([x, x])[0], ROWS)

    for function in (masked, joined):
        sparse, value = sparse_and_value(tf.function(function) if inner else function, tf.ones([4, 3]), traced)
        assert not sparse
        np.testing.assert_array_equal(value, expected([0, 2]))


def test_rows_stay_rows_through_a_branch():
    def both(x):
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: 2.0 * tf.gather(x, ROWS), lambda: tf.gather(x, [1]))

    def one(x):
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.zeros([2, 3]), lambda: 2.0 * tf.gather(x, ROWS))

    def dense(x):
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: 2.0 * tf.gather(x, ROWS), lambda: x[:2])

    up, down = tf.ones([4, 3]), -tf.ones([4, 3])
    for function, x, is_sparse, value in (
        (both, up, True, expected([0, 2])),
        (both, down, True, expected([1]) / 2),
        (one, up, True, expected([])),
        (one, down, True, expected([0, 2])),
        (dense, up, False, expected([0, 2])),
        (dense, down, False, expected([0, 1]) / 2),
    ):
        found = sparse_and_value(function, x, traced=True)
        assert found[0] is is_sparse
        np.testing.assert_array_equal(found[1], value)


def test_gradients_of_rows_through_a_branch_can_be_differentiated():
    @tf.function
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.gather(x, [0, 0]) ** 3, lambda: tf.gather(x, ROWS))
            first = tf.convert_to_tensor(tape.gradient(y, x))
        return outer.gradient(first, x)

    found = tf.convert_to_tensor(second(tf.fill([4, 3], 2.0))).numpy()
    np.testing.assert_array_equal(found, 12.0 * expected([0]))


def test_a_variable_that_one_branch_reads_rows_of_has_a_sparse_gradient():
    v = tf.Variable(tf.ones([4, 3]))

    @tf.function
    def gradient(flag):
        with tf.GradientTape() as tape:
            y = tf.constant(0.0)
            if flag:
                y = 2.0 * tf.reduce_sum(tf.gather(v, ROWS))
        return tape.gradient(y, v)

    for flag, rows in ((True, [0, 2]), (False, [])):
        found = gradient(tf.constant(flag))
        assert isinstance(found, tf.IndexedSlices)
        np.testing.assert_array_equal(tf.convert_to_tensor(found), expected(rows))
