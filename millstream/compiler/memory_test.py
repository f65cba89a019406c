"""Who owns the bytes of results."""

from __future__ import annotations

import numpy as np

import millstream as tf


def test_reshaped_inputs_are_handed_over_and_stay_what_they_were():
    variable = tf.Variable(np.arange(6, dtype=np.float32))

    @tf.function
    def f(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        twice = x * 2.0
        return x, tf.reshape(x, (2, 3)), tf.reshape(twice, (3, 2)), twice

    results = [r.numpy() for r in f(variable)]
    shared = f(variable)
    variable.assign_add(tf.ones(6))
    for before, after in zip(results, shared, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    np.testing.assert_array_equal(shared[1].numpy(), np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(variable.numpy(), np.arange(6, dtype=np.float32) + 1)


def test_what_numpy_gave_may_change_without_any_result_changing():
    array = np.ones((2, 3), np.float32)
    reshaped = tf.reshape(tf.convert_to_tensor(array), (-1,))
    array[:] = 7
    np.testing.assert_array_equal(reshaped.numpy(), np.ones(6, np.float32))
