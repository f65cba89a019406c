"""tf.xla.experimental: computations run and give what TensorFlow's give; scopes change nothing."""

from __future__ import annotations

from typing import Any

import pytest

import millstream as tf

CASES: dict[str, tuple[Any, Any, Any]] = {
    "one value": (lambda x: x + 1, [1.0], [2.0]),
    "a tuple": (lambda x, y: (x + y, x * y), [2.0, 3.0], [5.0, 6.0]),
    "a number": (lambda x: (x, 3), [1.0], [1.0, 3]),
    "no input": (lambda: 2.5, None, [2.5]),
    "a dict": (lambda x: {"a": x, "b": x + 1}, [1.0], {"a": 1.0, "b": 2.0}),
    "a nested tuple": (lambda x: (x, (x, x)), [1.0], (1.0, (1.0, 1.0))),
    "nested inputs": (lambda d, e: d["p"] + e[0] * e[1], [{"p": 1.0}, [2.0, 3.0]], [7.0]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("traced", [False, True])
def test_a_computation_gives_a_list_of_tensors_or_its_own_structure(name: str, traced: bool) -> None:
    computation, inputs, expected = CASES[name]

    def run() -> Any:
        return tf.xla.experimental.compile(computation, inputs)

    found = (tf.function(run) if traced else run)()
    assert tf.nest.map_structure(lambda x: x.numpy().tolist(), found) == expected
    assert type(found) is type(expected)


def test_operations_run_with_the_tensors_in_front_of_them() -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        v = tf.Variable(1.0)
        tensors = tf.xla.experimental.compile(lambda x: [x * 2, v.assign_add(x).op], [5.0])
        alone = tf.xla.experimental.compile(lambda: v.assign_add(10.0).op)
        with pytest.raises(ValueError, match="followed by zero or more Operations"):
            tf.xla.experimental.compile(lambda x: [v.assign_add(x).op, x], [5.0])
        with pytest.raises(ValueError, match="non-flat"):
            tf.xla.experimental.compile(lambda x: {"a": x, "b": v.assign_add(x).op}, [5.0])
        session.run(v.initializer)
        assert (session.run(tensors), session.run(v)) == ([10.0], 6.0)
        assert (session.run(alone), session.run(v)) == (None, 16.0)


def test_what_is_no_list_and_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match="inputs must be a list"):
        tf.xla.experimental.compile(lambda x: x, tf.constant(1.0))
    with pytest.raises(ValueError, match="convertible to Tensors"):
        tf.xla.experimental.compile(lambda x: (x, object()), [1.0])


def test_a_scope_changes_nothing_and_is_for_graphs() -> None:
    @tf.function
    def f(x: Any) -> Any:
        with tf.xla.experimental.jit_scope(compile_ops=lambda node: False, separate_compiled_gradients=True):
            return x + 1

    assert f(tf.constant(1)).numpy() == 2
    with pytest.raises(RuntimeError, match="eager execution"), tf.xla.experimental.jit_scope():
        pass
