"""Factorises matrices that are large enough for LAPACK, and the same without it, and multiplies the factors back."""

import subprocess
import sys

import numpy as np
import pytest

import millstream as tf
from millstream.backends.cpu.lapack import find_function

TYPES = (np.float32, np.float64, np.complex64, np.complex128)
SIZES = ((40, 40), (70, 45), (45, 70))


def some(kind, *shape):
    random = np.random.default_rng(sum(shape))
    x = random.standard_normal(shape)
    return (x + 1j * random.standard_normal(shape) if np.dtype(kind).kind == "c" else x).astype(kind)


def turned(x):
    return np.conj(np.swapaxes(x, -1, -2))


def definite(kind, n):
    x = some(kind, 2, n, n)
    return (x @ turned(x) / n + np.eye(n)).astype(kind)


def near(have, want):
    tolerance = 2e-3 if np.finfo(have.dtype).eps > 1e-10 else 1e-9
    np.testing.assert_allclose(have, want, atol=tolerance * max(1, np.abs(want).max()))


def test_scipy_gives_the_functions_and_its_number_of_threads():
    assert all(find_function(name) is not None for name in ("spotrf", "zgees", "ctrsm", "get_num_threads"))
    assert find_function("no_such_function") is None


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("m", "n"), SIZES)
@pytest.mark.parametrize("whole", [False, True])
def test_orthogonal_factors_multiply_back(kind, m, n, whole):
    x = some(kind, 2, m, n)
    q, r = (t.numpy() for t in tf.linalg.qr(x, full_matrices=whole))
    near(q @ r, x)
    near(turned(q) @ q, np.eye(q.shape[-1]) + 0 * q[:, :1, :1])
    near(np.abs(r), np.abs(np.linalg.qr(x, mode="complete" if whole else "reduced")[1]))
    s, u, v = (t.numpy() for t in tf.linalg.svd(x, full_matrices=whole))
    k = min(m, n)
    near((u[..., :k] * s[..., None, :]) @ turned(v[..., :k]), x)
    for vectors in (u, v):
        near(turned(vectors) @ vectors, np.eye(vectors.shape[-1]) + 0 * vectors[:, :1, :1])
    near(tf.linalg.svd(x, compute_uv=False).numpy(), s)


@pytest.mark.parametrize("kind", TYPES)
def test_factors_of_definite_matrices_read_the_lower_triangle_alone(kind):
    x = definite(kind, 40)
    half = np.tril(x) + np.triu(np.full_like(x, np.nan), 1)
    factor = tf.linalg.cholesky(half).numpy()
    near(factor @ turned(factor), x)
    assert not np.triu(factor, 1).any()
    values, vectors = (t.numpy() for t in tf.linalg.eigh(half))
    near(x @ vectors, vectors * values[:, None, :])
    near(tf.linalg.eigvalsh(half).numpy(), values)


def test_what_is_not_definite_has_no_factor():
    factor = tf.linalg.cholesky(-np.eye(40)).numpy()
    assert np.isnan(factor[np.tril_indices(40)]).all()
    assert not np.triu(factor, 1).any()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("adjoint", [False, True])
def test_solutions_solve(kind, adjoint):
    x, b = some(kind, 2, 40, 40) + np.eye(40, dtype=kind) * 20, some(kind, 2, 40, 3)
    a = turned(x) if adjoint else x
    near(a @ tf.linalg.solve(x, b, adjoint=adjoint).numpy(), b)
    near(a @ tf.linalg.inv(x, adjoint=adjoint).numpy(), np.eye(40) + 0 * a)
    for lower in (True, False):
        half = np.tril(x) if lower else np.triu(x)
        found = tf.linalg.triangular_solve(x, b, lower=lower, adjoint=adjoint).numpy()
        near((turned(half) if adjoint else half) @ found, b)


@pytest.mark.parametrize("kind", TYPES)
def test_rows_are_exchanged_as_gauss_does(kind):
    x = some(kind, 2, 40, 40)
    packed, order = (t.numpy() for t in tf.linalg.lu(x))
    lower = np.tril(packed, -1) + np.eye(40, dtype=kind)
    near(lower @ np.triu(packed), np.take_along_axis(x, order[..., None], -2))
    assert np.abs(np.tril(packed, -1)).max() <= 1 + 1e-5
    signs, sizes = (t.numpy() for t in tf.linalg.slogdet(x))
    want = np.linalg.slogdet(x)
    near(signs, want[0])
    near(sizes.real, want[1])


def test_singular_matrices_are_refused_and_have_no_determinant():
    zeros = np.zeros((40, 40))
    assert tf.linalg.det(zeros).numpy() == 0
    for function in (tf.linalg.inv, tf.linalg.lu, lambda x: tf.linalg.solve(x, x)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not invertible"):
            function(zeros)


def test_what_is_no_number_stays_in_its_own_matrix():
    x = some(np.float64, 2, 40, 40)
    x[0, 4, 3] = np.nan
    values = tf.linalg.svd(x, compute_uv=False).numpy()
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1]).all()
    for function in (tf.linalg.eigh, tf.linalg.eig, tf.linalg.inv):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(x)


@pytest.mark.parametrize("kind", TYPES)
def test_eigenvalues_of_any_matrix_scale_their_vectors(kind):
    x = some(kind, 2, 40, 40)
    values, vectors = (t.numpy() for t in tf.linalg.eig(x))
    near(x @ vectors, vectors * values[:, None, :])
    near(np.linalg.norm(vectors, axis=1), np.ones((2, 40), vectors.real.dtype))
    near(
        np.sort_complex(tf.linalg.eigvals(x).numpy().astype(np.complex128)),
        np.sort_complex(values.astype(np.complex128)),
    )
    root = tf.linalg.sqrtm(definite(kind, 40)).numpy()
    near(root @ root, definite(kind, 40))


def test_without_scipy_the_own_kernels_serve():
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "import numpy as np, millstream as tf\n"
        "x = np.random.default_rng(0).standard_normal((60, 40))\n"
        "s, u, v = tf.linalg.svd(x)\n"
        "assert np.allclose((u * s) @ tf.transpose(v), x)\n"
        "q, r = tf.linalg.qr(x)\n"
        "assert np.allclose(q @ r, x)\n"
        "g = x.T @ x\n"
        "assert np.allclose(tf.linalg.solve(g, g), np.eye(40))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
