"""Operations inside of branches of a session's graph run with the branch, and come out as the choice that was made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millstream as package

tf: Any = package
v1 = tf.compat.v1


def outcomes(build: Callable[[Any, Any], Any]) -> list[Any]:
    """Return what a graph gives, and what its variable holds then, for a true choice and for a false one."""
    found = []
    for choice in (True, False):
        with tf.Graph().as_default(), v1.Session() as session:
            v, chosen = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=True), v1.placeholder(tf.bool, [])
            fetch = build(v, chosen)
            session.run(v1.global_variables_initializer())
            given = session.run(fetch, {chosen: choice})
            found.append((given if given is None else np.asarray(given).tolist(), session.run(v).tolist()))
    return found


CHANGED, KEPT = [2.0, 3.0], [1.0, 2.0]
ONE = [1.0, 1.0]


@pytest.mark.parametrize(
    "build",
    [
        lambda v, p: tf.cond(p, lambda: v.assign_add(ONE).op, lambda: tf.no_op()),
        lambda v, p: tf.cond(p, lambda: v.assign_add(ONE, read_value=False), tf.no_op),
        lambda v, p: tf.cond(p, lambda: tf.group(v.assign_add(ONE)), lambda: tf.group()),
        lambda v, p: v1.cond(p, lambda: v1.assert_rank(v.assign_add(ONE), 1), lambda: tf.no_op()),
        lambda v, p: tf.case([(p, lambda: v.assign_add(ONE).op)], default=lambda: tf.no_op()),
        lambda v, p: tf.cond(p, lambda: tf.cond(v[0] > 0, lambda: v.assign_add(ONE).op, tf.no_op), lambda: tf.no_op()),
    ],
)
def test_an_operation_in_a_branch_is_fetched_as_the_choice(build: Callable[[Any, Any], Any]) -> None:
    assert outcomes(build) == [(True, CHANGED), (False, KEPT)]


def test_branches_by_number_give_their_number() -> None:
    def build(v: Any, chosen: Any) -> Any:
        return tf.switch_case(tf.cast(chosen, tf.int32), [tf.no_op, lambda: v.assign_add(ONE).op])

    assert outcomes(build) == [(1, CHANGED), (0, KEPT)]


def test_operations_and_tensors_come_out_side_by_side() -> None:
    def build(v: Any, chosen: Any) -> Any:
        step, value = tf.cond(chosen, lambda: [v.assign_add(ONE).op, v * 2.0], lambda: [tf.no_op(), v * 3.0])
        with tf.control_dependencies([tf.group(step)]):
            return tf.identity(value)

    assert outcomes(build) == [([4.0, 6.0], CHANGED), ([3.0, 6.0], KEPT)]


def test_a_step_of_training_may_be_made_in_a_branch() -> None:
    def build(v: Any, chosen: Any) -> Any:
        loss = tf.reduce_sum(v * v)
        optimizer = v1.train.GradientDescentOptimizer(0.25)
        return tf.cond(chosen, lambda: optimizer.minimize(loss), lambda: tf.no_op())

    assert outcomes(build) == [(True, [0.5, 1.0]), (False, KEPT)]


@pytest.mark.parametrize("resource", [True, False])
def test_programs_of_version_1_change_variables_of_either_kind_in_branches(resource: bool) -> None:
    def run(change: Callable[[Any], Any], choice: bool) -> tuple[Any, list[float]]:
        with tf.Graph().as_default(), v1.Session() as session:
            v, chosen = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=resource), v1.placeholder(tf.bool, [])
            fetch = tf.cond(chosen, lambda: change(v), lambda: v1.assign(v, [0.0, 0.0]))
            session.run(v1.global_variables_initializer())
            return session.run(fetch, {chosen: choice}).tolist(), session.run(v).tolist()

    def read_after(v: Any) -> Any:
        with tf.control_dependencies([v1.assign(v, [5.0, 6.0])]):
            return v.read_value()

    def read_twice(v: Any) -> Any:
        return v1.assign_add(v, ONE) * 1.0

    for change, wanted in (
        (read_after, [5.0, 6.0]),
        (read_twice, [2.0, 3.0]),
        (lambda v: v1.scatter_update(v, [1], [9.0]), [1.0, 9.0]),
        (lambda v: tf.cond(v[0] > 0.0, lambda: v1.assign_sub(v, ONE), lambda: v + 0.0), [0.0, 1.0]),
    ):
        assert run(change, True) == (wanted, wanted)
        assert run(change, False) == ([0.0, 0.0], [0.0, 0.0])


@pytest.mark.parametrize("resource", [True, False])
def test_slots_are_variables_of_the_kind_of_theirs(resource: bool) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        was = v1.resource_variables_enabled()
        try:
            v1.disable_resource_variables()
            v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=resource)
            loss, chosen = tf.reduce_sum(v * v), v1.placeholder(tf.bool, [])
            step = tf.cond(chosen, lambda: v1.train.MomentumOptimizer(0.25, 0.9).minimize(loss), lambda: tf.no_op())
        finally:
            (v1.enable_resource_variables if was else v1.disable_resource_variables)()
        session.run(v1.global_variables_initializer())
        assert [bool(session.run(step, {chosen: c})) for c in (True, False)] == [True, False]
        assert session.run(v).tolist() == [0.5, 1.0]


def test_one_operation_alone_is_no_match_for_a_tensor() -> None:
    with tf.Graph().as_default(), pytest.raises(TypeError):
        tf.cond(v1.placeholder(tf.bool, []), lambda: tf.no_op(), lambda: tf.constant(1.0))
