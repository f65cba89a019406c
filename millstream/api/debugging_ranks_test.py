"""Checks of ranks and sizes: at once where they are known, when the graph runs where they are not, as in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as package

tf: Any = package
v1 = tf.compat.v1
debugging = tf.debugging

CHECKS = {
    "rank 2": (lambda x: debugging.assert_rank(x, 2), {2}),
    "rank 1 as a tensor": (lambda x: debugging.assert_rank(x, tf.constant(1)), {1}),
    "at least 2": (lambda x: debugging.assert_rank_at_least(x, 2), {2, 3}),
    "in 0, 3": (lambda x: debugging.assert_rank_in(x, [0, 3]), {0, 3}),
    "shape n, 3": (lambda x: v1.debugging.assert_shapes([(x, ("n", 3))]), {2}),
    "inner n, 3": (lambda x: v1.debugging.assert_shapes([(x, (..., "n", "3"))]), {2, 3}),
    "inner 2": (lambda x: v1.debugging.assert_shapes([(x, ("*", 2))]), {1}),
    "a scalar is one element": (lambda x: v1.debugging.assert_shapes([(x, (1,))]), {0}),
    "as long as another": (
        lambda x: v1.debugging.assert_shapes([(tf.zeros([2]), ("n",)), (x, ("n", None, "."))]),
        set(),
    ),
    "squares": (lambda x: v1.debugging.assert_shapes([(x, ("n", "n"))]), set()),
}
SHAPES = [(), (2,), (2, 3), (1, 2, 3)]


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_check_finds_the_same_now_and_when_it_runs(name: str, shape: tuple[int, ...]) -> None:
    check, ranks = CHECKS[name]
    x = np.zeros(shape, np.float32)
    holds = len(shape) in ranks
    for known in (shape, [None] * len(shape), None):

        @tf.function(input_signature=[tf.TensorSpec(known, tf.float32)])
        def traced(x: Any, check: Any = check) -> Any:
            check(x)
            return x

        def in_session(check: Any = check, known: Any = known) -> Any:
            with tf.Graph().as_default(), v1.Session() as session:
                given = v1.placeholder(tf.float32, known)
                session.run(check(given), {given: x})

        for run in (lambda: check(tf.constant(x)), lambda traced=traced: traced(tf.constant(x)), in_session):
            if holds:
                run()
            else:
                with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
                    run()


def test_a_rank_that_only_the_run_knows_is_compared_then() -> None:
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32), tf.TensorSpec([], tf.int32)])
    def checked(x: Any, rank: Any) -> Any:
        debugging.assert_rank(x, rank, "wrong")
        return x

    checked(tf.zeros([2, 2]), 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="wrong"):
        checked(tf.zeros([2, 2]), 1)


def test_what_is_no_rank_and_no_list_of_sizes_is_refused() -> None:
    with pytest.raises(TypeError, match="integer"):
        debugging.assert_rank([1.0], 1.0)
    with pytest.raises(ValueError, match="scalar"):
        debugging.assert_rank([1.0], [1])
    with pytest.raises(ValueError, match="iterable"):
        debugging.assert_shapes([([1.0], 1)])
    with pytest.raises(ValueError, match="first entry"):
        debugging.assert_shapes([([1.0], (1, ...))])
    with pytest.raises(ValueError, match="scalar shape"):
        debugging.assert_scalar([1.0])


def test_checks_in_graphs_of_sessions_are_operations() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [2, 3])
        made = [
            debugging.assert_rank(x, 2),
            debugging.assert_type(x, tf.float32),
            debugging.assert_equal(x, x),
            debugging.assert_integer(tf.constant(1)),
            debugging.assert_shapes([(x, (2, 3))]),
        ]
        with tf.control_dependencies(made):
            tf.identity(x)
    assert all(isinstance(item, tf.Operation) for item in made)
