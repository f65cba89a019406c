"""What loops compute before their first turn: what is the same in each, of sizes that are known there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import millstream as tf
from millstream.compiler import passes
from millstream.program.value import Program

Body = Callable[[Any, Any], Any]


def _total(body: Body, known: bool) -> Callable[..., Any]:
    """Return a function that adds up what a body makes of x and the number of the turn."""

    def total(x: Any, turns: Any) -> Any:
        found, i = tf.constant(0.0), tf.constant(0)
        while i < turns:
            found += body(x, i)
            i += 1
        return found

    open_sizes = [tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)]
    made: Callable[..., Any] = tf.function(total, input_signature=None if known else open_sizes)
    return made


_BODIES: dict[str, tuple[Body, float]] = {
    "the turn": (lambda x, i: tf.reduce_sum(tf.fill([i], 1.0)), 3),
    "the turn, and a number": (lambda x, i: tf.reduce_sum(tf.fill([i, 2], 1.0)), 6),
    "an element": (lambda x, i: tf.reduce_sum(tf.fill([tf.cast(x[3], tf.int32)], 1.0)), 6),
    "what is found": (lambda x, i: tf.reduce_sum(tf.fill(tf.shape(tf.where(x > 0.7))[:1], 1.0)), 6),
    "random numbers": (
        lambda x, i: tf.reduce_sum(tf.matmul(tf.ones_like(tf.random.uniform([i, 3])), tf.ones([3, 2]))),
        18,
    ),
}


@pytest.mark.parametrize("name", _BODIES)
@pytest.mark.parametrize("known", [True, False])
def test_what_has_sizes_that_a_turn_learns_is_computed_in_the_turn(name: str, known: bool) -> None:
    body, expected = _BODIES[name]
    assert float(_total(body, known)(tf.constant([0.0, 1.0, 0.5, 2.0]), tf.constant(3))) == expected


@pytest.mark.parametrize("known", [True, False])
def test_a_product_that_is_the_same_in_each_turn_is_computed_before(known: bool) -> None:
    seen: list[list[str]] = []

    def look(program: Program) -> None:
        seen.append([n.definition.name for n in program.nodes])

    def body(x: Any, i: Any) -> Any:
        return tf.reduce_sum(tf.matmul(tf.reshape(x, [-1, 2]), tf.ones([2, 3])) * tf.cast(i, tf.float32))

    with passes.added("look", look):
        total = float(_total(body, known)(tf.constant([1.0, 2.0, 3.0, 4.0]), tf.constant(3)))
    assert total == 90
    with_loops = [names for names in seen if "loop" in names]
    assert with_loops and all("dot" in names for names in with_loops)
    assert all("dot" not in names for names in seen if "loop" not in names)
