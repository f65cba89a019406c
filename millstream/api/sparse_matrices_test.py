"""Products of two sparse matrices against dense ones."""

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf
from millstream.api.sparse_matrices import (
    csr_sparse_matrix_to_sparse_tensor,
    sparse_matrix_sparse_mat_mul,
    sparse_tensor_to_csr_sparse_matrix,
)


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.integers(-3, 4, shape) * (random.random(shape) < 0.5)).astype(np.float32)


def product(a: tf.SparseTensor, b: tf.SparseTensor, **flags: bool) -> tf.SparseTensor:
    left = sparse_tensor_to_csr_sparse_matrix(a.indices, a.values, a.dense_shape)
    right = sparse_tensor_to_csr_sparse_matrix(b.indices, b.values, b.dense_shape)
    found = sparse_matrix_sparse_mat_mul(left, right, tf.float32, **flags)
    return tf.SparseTensor(*csr_sparse_matrix_to_sparse_tensor(found, tf.float32))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(
    ("left", "right"), [((5, 4), (4, 6)), ((3, 5, 4), (3, 4, 2)), ((4, 0), (0, 3)), ((1, 1), (1, 1))]
)
def test_product_equals_the_dense_one(left: tuple[int, ...], right: tuple[int, ...], traced: bool) -> None:
    a, b = drawn(left, 1), drawn(right, 2)
    run = tf.function(product) if traced else product
    found = run(tf.sparse.from_dense(a), tf.sparse.from_dense(b))
    np.testing.assert_array_equal(tf.sparse.to_dense(found), a @ b)


def test_matrices_are_turned_first() -> None:
    a, b = drawn((4, 5), 1), drawn((6, 4), 2)
    found = product(tf.sparse.from_dense(a), tf.sparse.from_dense(b), transpose_a=True, adjoint_b=True)
    np.testing.assert_array_equal(tf.sparse.to_dense(found), a.T @ b.T)


def test_gradients_flow_to_both_values() -> None:
    a, b = tf.sparse.from_dense(drawn((3, 4), 1)), tf.sparse.from_dense(drawn((4, 2), 2))
    with tf.GradientTape() as tape:
        tape.watch([a.values, b.values])
        total = tf.reduce_sum(tf.sparse.to_dense(product(a, b)) ** 2)
    found = tape.gradient(total, [a.values, b.values])
    dense_a, dense_b = tf.sparse.to_dense(a).numpy(), tf.sparse.to_dense(b).numpy()
    slope = 2 * dense_a @ dense_b
    np.testing.assert_allclose(found[0], (slope @ dense_b.T)[tuple(a.indices.numpy().T)])
    np.testing.assert_allclose(found[1], (dense_a.T @ slope)[tuple(b.indices.numpy().T)])


def test_what_does_not_fit_is_refused() -> None:
    a = tf.sparse.from_dense(drawn((3, 4), 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="inner sizes"):
        product(a, a)
    with pytest.raises(tf.errors.InvalidArgumentError, match="float64"):
        csr_sparse_matrix_to_sparse_tensor(a, tf.float64)
