"""SparseTensor by itself: its parts, what it refuses, how functions, nests and loops take it."""

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf


def sample() -> tf.SparseTensor:
    return tf.SparseTensor([[0, 1], [1, 2]], [1.5, 2.0], [2, 3])


def test_parts_are_tensors_and_the_shape_is_known() -> None:
    x = sample()
    assert x.indices.dtype == tf.int64
    assert x.dtype == tf.float32
    assert x.shape.as_list() == [2, 3]
    assert x.get_shape() is x.shape
    assert repr(x).startswith("SparseTensor(indices=tf.Tensor(\n[[0 1]\n [1 2]], shape=(2, 2), dtype=int64), values=")


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (([[0, 1]], [1.0, 2.0], [2, 3]), "not compatible"),
        (([[0, 1]], [1.0], [2, 3, 4]), "not compatible"),
        (([0], [1.0], [3]), "rank 2"),
        (([[0, 1]], [[1.0]], [2, 3]), "rank 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: tuple[object, ...], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        tf.SparseTensor(*parts)


def test_a_value_of_three_arrays_becomes_a_sparse_tensor() -> None:
    value = tf.compat.v1.SparseTensorValue([[0]], [1], [2])
    assert tf.sparse.to_dense(tf.SparseTensor.from_value(value)).numpy().tolist() == [1, 0]
    assert tf.sparse.to_dense(value).numpy().tolist() == [1, 0]
    with pytest.raises(TypeError, match="neither SparseTensor nor SparseTensorValue"):
        tf.SparseTensor.from_value([1])  # type: ignore[list-item]


def test_more_can_be_said_of_the_shape_but_not_something_else() -> None:
    x = sample()
    x.set_shape([2, None])
    with pytest.raises(ValueError, match="compatible"):
        x.set_shape([3, 3])


def test_other_values_stand_at_the_same_places() -> None:
    x = sample().with_values([7.0, 8.0])
    assert tf.sparse.to_dense(x).numpy().tolist() == [[0, 7, 0], [0, 0, 8]]


def test_functions_take_and_give_it_and_trace_once_for_one_type() -> None:
    traces: list[int] = []

    @tf.function(reduce_retracing=True)
    def doubled(x: tf.SparseTensor) -> tf.SparseTensor:
        traces.append(1)
        return x.with_values(x.values * 2)

    for _ in range(3):
        assert doubled(sample()).values.numpy().tolist() == [3.0, 4.0]
    assert len(traces) == 1


def test_nests_open_it_only_where_asked() -> None:
    x = sample()
    assert tf.nest.flatten(x) == [x]
    assert len(tf.nest.flatten(x, expand_composites=True)) == 3


def test_ops_that_keep_zeros_go_through_the_values() -> None:
    for function in (tf.abs, tf.negative, tf.sign, tf.square, tf.sqrt, tf.tanh, tf.math.erf, tf.stop_gradient):
        result = function(sample())
        assert isinstance(result, tf.SparseTensor)
        np.testing.assert_array_equal(result.values, function(sample().values))


def test_other_ops_do_not_take_it() -> None:
    for function in (tf.nn.relu, tf.exp, tf.reduce_sum):
        with pytest.raises((ValueError, TypeError)):
            function(sample())


def test_rows_are_mapped_and_folded() -> None:
    x = tf.SparseTensor([[0, 1], [0, 2], [2, 0]], [1.0, 2.0, 4.0], [3, 3])
    sums = tf.map_fn(tf.sparse.reduce_sum, x, fn_output_signature=tf.float32)
    assert sums.numpy().tolist() == [3.0, 0.0, 4.0]
    total = tf.foldl(lambda a, row: a + tf.sparse.reduce_max(row), x, initializer=tf.constant(0.0))
    assert total.numpy() == 6.0


def test_a_session_is_refused() -> None:
    @tf.function
    def traced(x: tf.SparseTensor) -> tf.SparseTensor:
        with pytest.raises(ValueError, match="no sessions"):
            x.eval()
        return x

    traced(sample())
