"""Functions of tf.compat.v1 take the names and the order of version 1, and do what version 2's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as tf

v1 = tf.compat.v1
CALLS = [
    (lambda: v1.reduce_sum([[1, 2], [3, 4]], reduction_indices=[0], keep_dims=True), [[4, 6]]),
    (lambda: v1.reduce_all([True, False]), False),
    (lambda: v1.argmax([1, 3, 2]), 1),
    (lambda: v1.argmin([[3, 1]], dimension=1, output_type=tf.int32), [1]),
    (lambda: v1.arg_max([[3, 1]], 1), [0]),
    (lambda: v1.expand_dims([1], dim=0), [[1]]),
    (lambda: v1.squeeze([[1]], squeeze_dims=[0]), [1]),
    (lambda: v1.where([True, False], [1, 2], [3, 4]), [1, 4]),
    (lambda: v1.where([True, False], [[1, 2], [3, 4]], [[5, 6], [7, 8]]), [[1, 2], [7, 8]]),
    (lambda: v1.where([True, False]), [[0]]),
    (lambda: v1.transpose([[1, 2]], conjugate=True), [[1], [2]]),
    (lambda: v1.size([1, 2], out_type=tf.int64), 2),
    (lambda: v1.shape([1, 2]), [2]),
    (lambda: v1.zeros_like([1, 2], optimize=False), [0, 0]),
    (lambda: v1.count_nonzero(input_tensor=[0, 1, 2]), 2),
    (lambda: v1.gather([[1, 2], [3, 4]], [1], axis=1), [[2], [4]]),
    (lambda: v1.pad([1], [[1, 0]], constant_values=7), [7, 1]),
    (lambda: v1.boolean_mask([1, 2], [False, True]), [2]),
    (lambda: v1.map_fn(lambda x: x * 2, tf.constant([1, 2]), dtype=tf.int32), [2, 4]),
    (lambda: v1.foldl(lambda a, x: a + x, tf.constant([1, 2, 3])), 6),
    (lambda: v1.scan(lambda a, x: a + x, tf.constant([1, 2, 3])), [1, 3, 6]),
    (lambda: v1.while_loop(lambda i: i < 3, lambda i: i + 1, [0]), 3),
    (lambda: v1.cond(tf.constant(True), fn1=lambda: [tf.constant(1)], fn2=lambda: [tf.constant(2)]), 1),
    (lambda: v1.case({tf.constant(True).ref().deref() is None: lambda: tf.constant(1)}, lambda: tf.constant(2)), 2),
    (lambda: v1.confusion_matrix([0, 1], [1, 1]), [[0, 1], [0, 1]]),
    (lambda: v1.constant([1, 2], shape=[2], verify_shape=True), [1, 2]),
    (lambda: v1.convert_to_tensor([1], preferred_dtype=tf.int64), [1]),
    (lambda: v1.nn.softmax([[0.0, 0.0]], dim=1), [[0.5, 0.5]]),
    (lambda: v1.reverse_sequence([[1, 2, 3]], [2], seq_dim=1, batch_dim=0), [[2, 1, 3]]),
]


@pytest.mark.parametrize(("call", "wanted"), CALLS)
def test_functions_of_version_1_answer(call: Any, wanted: Any) -> None:
    assert np.asarray(call()).tolist() == wanted


def test_checks_of_version_1_pass_and_fail() -> None:
    x = tf.constant([1, 2])
    v1.assert_equal(x, x, data=[x])
    v1.assert_rank(x, 1, message="m")
    v1.debugging.assert_positive(x)
    v1.verify_tensor_all_finite(tf.constant([1.0]), "fine")
    with pytest.raises(tf.errors.InvalidArgumentError):
        v1.assert_less(x, x)
    with pytest.raises(ValueError):
        v1.assert_rank_at_least(x, 2)
    with pytest.raises(TypeError):
        v1.assert_integer([1.0])


def test_two_names_of_one_parameter_are_refused() -> None:
    with pytest.raises(ValueError, match="reduction_indices"):
        v1.reduce_sum([1], axis=0, reduction_indices=0)
    with pytest.raises(TypeError, match="shape"):
        v1.constant([1, 2], shape=[3], verify_shape=True)
    with pytest.raises(ValueError, match="both"):
        v1.where([True], [1])
