"""Checkpoints of a hundred variables with their optimizer's slots: by objects, of Keras, and by names from a session.

Each function makes what is saved, with numbers where `filled`, and returns how it is saved and restored, and all its tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

COUNT = 100
KINDS = ("float32", "float64", "float16", "bfloat16")


class Case(NamedTuple):
    """What is saved."""

    save: Callable[[str], Any]
    restore: Callable[[str], Any]
    tensors: Callable[[], list[np.ndarray]]


def _start(number: int, filled: bool) -> np.ndarray:
    shape = [(), (3,), (2, 5), (1, 2, 3), (0, 4)][number % 5]
    return np.random.default_rng(number).normal(size=shape) if filled else np.zeros(shape)


def _variables(tf: Any, filled: bool, make: Any = None) -> list[Any]:
    make = make or tf.Variable
    return [make(tf.constant(_start(i, filled), KINDS[i % len(KINDS)]), name=f"v{i}") for i in range(COUNT)]


def _gradients(tf: Any, variables: list[Any], turn: int) -> list[Any]:
    random = np.random.default_rng(1000 + turn)
    return [tf.constant(random.normal(size=v.shape.as_list()), v.dtype.base_dtype) for v in variables]


def slots(tf: Any, keras: Any, filled: bool) -> Case:
    """Objects, with an optimizer of version 1, whose slots are slot variables of the object graph."""
    root = tf.Module()
    root.parts = _variables(tf, filled)
    optimizer = tf.compat.v1.train.AdamOptimizer(0.01)
    held = tf.train.Checkpoint(model=root, optimizer=optimizer, step=tf.Variable(7 if filled else 0, dtype=tf.int64))
    if filled:
        for turn in range(2):
            optimizer.apply_gradients(zip(_gradients(tf, root.parts, turn), root.parts, strict=True))

    def restore(path: str) -> None:
        status = held.read(path)
        # Slots are made when they are first needed, with what the checkpoint has for them.
        optimizer.apply_gradients((tf.zeros_like(v), v) for v in root.parts)
        status.assert_consumed()
        held.read(path).assert_consumed()

    def tensors() -> list[np.ndarray]:
        return [np.asarray(v.numpy()) for v in [*root.parts, *optimizer.variables(), held.step]]

    return Case(held.write, restore, tensors)


def keras_optimizer(tf: Any, keras: Any, filled: bool) -> Case:
    """Objects, with AdamW of Keras."""
    root = tf.Module()
    root.parts = [v for v in _variables(tf, filled) if v.dtype == tf.float32]
    root.parts += [tf.Variable(tf.constant(_start(i, filled), tf.float32)) for i in range(COUNT - len(root.parts))]
    optimizer = keras.optimizers.AdamW(0.01)
    optimizer.build(root.parts)
    held = tf.train.Checkpoint(model=root, optimizer=optimizer)
    if filled:
        for turn in range(2):
            optimizer.apply_gradients(zip(_gradients(tf, root.parts, turn), root.parts, strict=True))

    def tensors() -> list[np.ndarray]:
        return [np.asarray(v.numpy()) for v in [*root.parts, *(v.value for v in optimizer.variables)]]

    return Case(held.write, lambda path: held.read(path).assert_consumed(), tensors)


def names(tf: Any, keras: Any, filled: bool) -> Case:
    """A session's variables by names, with the slots of an optimizer of version 1."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        variables = _variables(tf, filled, v1.Variable)
        optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
        step = optimizer.apply_gradients(zip(_gradients(tf, variables, 0), variables, strict=True))
        session = v1.Session()
        session.run(v1.global_variables_initializer())
        if filled:
            session.run(step)
            session.run(step)
        saver = v1.train.Saver()
        everything = v1.global_variables()

    def save(path: str) -> None:
        with graph.as_default():
            saver.save(session, path, write_meta_graph=False, write_state=False)

    def restore(path: str) -> None:
        with graph.as_default():
            saver.restore(session, path)

    return Case(save, restore, lambda: [np.asarray(a) for a in session.run(everything)])


CASES = {f.__name__: f for f in (slots, keras_optimizer, names)}
