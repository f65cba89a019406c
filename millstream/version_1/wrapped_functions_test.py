"""Wrapped functions keep their variables, and give parts of their graphs. TensorFlow 2.21 gives the same numbers."""

from __future__ import annotations

from typing import Any

import pytest

import millstream as tf

v1: Any = tf.compat.v1


def wrapped() -> Any:
    def scaled(x: Any, y: Any) -> Any:
        weight = v1.get_variable("w", initializer=2.0)
        product = tf.multiply(x, weight, name="h")
        return {"z": tf.add(product, y, name="z"), "more": product + tf.Variable(1.0)}

    return v1.wrap_function(scaled, [tf.TensorSpec([None]), tf.TensorSpec([])], name="q")


def test_variables_are_made_once_and_kept() -> None:
    first, second = wrapped(), wrapped()
    results = first(tf.constant([1.0, 2.0]), tf.constant(3.0))
    assert {k: v.numpy().tolist() for k, v in results.items()} == {"z": [5.0, 7.0], "more": [3.0, 5.0]}
    assert len(first.variables) == 2 and first.variables[0] is not second.variables[0]
    assert first.graph.name == "wrapped_function_q"
    with tf.GradientTape() as tape:
        total = first(tf.constant([1.0, 2.0]), tf.constant(3.0))["z"]
    assert tape.gradient(total, first.variables[0]).numpy() == 3.0
    assert v1.global_variables() == []


def test_parts_of_the_graph_are_functions() -> None:
    whole = wrapped()
    first = whole.prune(whole.inputs[0], {"out": "h:0"})
    assert first(tf.constant([5.0, 6.0]))["out"].numpy().tolist() == [10.0, 12.0]
    last = whole.prune(["h:0", whole.inputs[1]], ["z:0", whole.graph.get_operation_by_name("h")])
    value, nothing = last(tf.constant([5.0, 6.0]), tf.constant(1.0))
    assert value.numpy().tolist() == [6.0, 7.0] and nothing is None
    assert last.variables == whole.variables
    with pytest.raises(ValueError, match="name it in `feeds`"):
        whole.prune([], "z:0")
    with pytest.raises(KeyError):
        whole.prune([], "nothing:0")
