"""What is known of shape tensors before anything runs, compared with what TensorFlow knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import millstream as tf
from millstream.execution.static_value import shape_from_tensor

ROWS = tf.TensorSpec([4], tf.int64)
CASES: list[tuple[Callable[[Any], Any], list[int | None]]] = [
    (lambda y: y[1:], [None] * 3),
    (lambda y: tf.stack([y[0], 5, y[1], -1]), [None, 5, None, None]),
    (lambda y: tf.concat([[2], y, [7]], 0)[::-1], [7, None, None, None, None, 2]),
    (lambda y: tf.concat([[2], y, [7]], 0)[-1:], [7]),
    (lambda y: tf.cast(tf.cast(tf.concat([[2], y, [7]], 0), tf.int32), tf.int64)[:2], [2, None]),
    (lambda y: tf.concat([y, [3, 4]], 0)[3:5], [None, 3]),
]


@pytest.mark.parametrize(("make", "sizes"), CASES)
def test_known_sizes_are_seen_through_what_puts_rows_together(
    make: Callable[[Any], Any], sizes: list[int | None]
) -> None:
    found: list[Any] = []

    @tf.function(input_signature=[ROWS])
    def traced(y: Any) -> Any:
        found.append(shape_from_tensor(make(y)).as_list())
        return y

    traced.get_concrete_function()
    assert found == [sizes]


def test_paddings_put_together_from_ranks_are_known() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None])])
    def padded(x: Any, q: Any) -> Any:
        return tf.reshape(x, tf.pad(tf.shape(x), [[0, tf.rank(q)]], constant_values=1))

    assert padded.get_concrete_function().outputs[0].shape.rank == 3
    assert padded(tf.zeros([2, 3]), tf.zeros([4])).shape == (2, 3, 1)


def test_sparse_placeholders_keep_the_shape_they_are_given() -> None:
    graph: Any = getattr(tf, "__internal__").FuncGraph("scratch")
    with graph.as_default():
        given = tf.compat.v1.sparse_placeholder(tf.float32, [None, 3])
        assert given.shape.as_list() == [None, 3] and given.indices.shape.as_list() == [None, 2]
    with pytest.raises(RuntimeError, match="eager execution"):
        tf.compat.v1.sparse_placeholder(tf.float32)


def test_graphs_made_in_a_graph_use_its_values() -> None:
    kind: Any = getattr(tf, "__internal__").FuncGraph
    with kind("outer").as_default():
        x = tf.compat.v1.placeholder(tf.float32, [2])
        with kind("inner").as_default():
            assert (x + 1).shape == (2,)


def test_an_open_size_of_a_symbolic_shape_is_not_known() -> None:
    with tf.Graph().as_default():
        table = tf.SparseTensor([[0, 0], [0, 1]], [1, 2], [2, 2])
        flat = tf.sparse.reshape(table, [tf.shape(table)[0], -1])
        assert flat.shape.as_list() in ([2, 2], [2, None], [None, None])
        with tf.compat.v1.Session() as session:
            assert session.run(flat).dense_shape.tolist() == [2, 2]
