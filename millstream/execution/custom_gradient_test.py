"""Functions with own gradients in graphs: gradient functions that use further ones, or themselves."""

from __future__ import annotations

from typing import Any

import pytest

import millstream as tf


@tf.custom_gradient
def sine(x: Any) -> Any:
    """Return sin(x); its gradient uses functions whose gradients use it again."""
    return tf.sin(x), lambda dy: dy * cosine(x)


@tf.custom_gradient
def cosine(x: Any) -> Any:
    """Return cos(x)."""
    return tf.cos(x), lambda dy: -dy * sine(x)


def derivative(order: int, x: Any) -> Any:
    if not order:
        return sine(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = derivative(order - 1, x)
    return tape.gradient(y, x)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_gradient_functions_that_use_each_other_without_end_are_traced(order: int) -> None:
    traced = tf.function(lambda x: derivative(order, x))
    expected = [tf.sin, tf.cos, lambda x: -tf.sin(x)][order](0.5)
    assert float(traced(tf.constant(0.5))) == pytest.approx(float(expected), abs=1e-6)


def test_gradients_of_higher_order_say_what_to_do() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match=r"followed up to order 2(.|\n)*eagerly"):
        tf.function(lambda x: derivative(4, x))(tf.constant(0.5))
    assert float(derivative(4, tf.constant(0.5))) == pytest.approx(float(tf.sin(0.5)), abs=1e-6)


def test_identity_of_a_variable_is_its_value() -> None:
    assert float(tf.identity(tf.Variable(3.0))) == 3.0
