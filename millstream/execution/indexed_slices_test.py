"""Tests sparse rows: what they are worth, how they add up, and that branches may give them with indices of either width."""

import numpy as np
import pytest

import millstream as tf


def rows(values, indices, count=4):
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices), tf.constant([count, len(values[0])]))


def test_rows_at_one_index_add_up():
    dense = tf.convert_to_tensor(rows([[1.0, 2.0], [3.0, 4.0]], [2, 2]))
    assert dense.numpy().tolist() == [[0, 0], [0, 0], [4.0, 6.0], [0, 0]]


def test_what_flows_back_reaches_the_rows():
    values = tf.constant([[1.0], [2.0]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        dense = tf.convert_to_tensor(tf.IndexedSlices(values, tf.constant([3, 1]), tf.constant([4, 1])))
        y = dense * [[1.0], [10.0], [100.0], [1000.0]]
    np.testing.assert_allclose(tape.gradient(y, values), [[1000.0], [10.0]])


def test_joined_rows_are_the_sum():
    both = rows([[1.0]], [0]).joined(rows([[2.0], [3.0]], [0, 1]))
    assert tf.convert_to_tensor(both).numpy().ravel().tolist() == [3.0, 3.0, 0.0, 0.0]


def test_a_dense_shape_known_when_it_runs_is_enough():
    @tf.function
    def dense(shape):
        return tf.convert_to_tensor(tf.IndexedSlices(tf.constant([[5.0]]), tf.constant([1]), shape))

    assert dense(tf.constant([3, 1])).numpy().tolist() == [[0.0], [5.0], [0.0]]


@pytest.mark.parametrize("pred", [True, False])
def test_branches_may_give_indices_of_either_width(pred):
    @tf.function(autograph=False)
    def choose(p):
        wide = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([1], tf.int64), tf.constant([4, 1]))
        return tf.cond(p, lambda: rows([[1.0]], [0]), lambda: wide)

    found = choose(tf.constant(pred))
    assert found.indices.dtype == tf.int64
    assert tf.convert_to_tensor(found).numpy().ravel().tolist() == ([1.0, 0, 0, 0] if pred else [0, 2.0, 0, 0])
