"""Compare tf.random with what TensorFlow 2.21 made: every number, every state, bit for bit."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf

_DATA = Path(__file__).parent / "testdata"


def _cases() -> Any:
    spec = importlib.util.spec_from_file_location("random_cases", _DATA / "random_cases.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _recorded(group: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with np.load(_DATA / "random.npz") as data:
        arrays = {name: data[name] for name in data.files}
    for line in str(arrays["index"]).splitlines():
        name, dtype, start, sizes = line.split("|")
        shape = tuple(int(n) for n in sizes.split(",") if n)
        if name.startswith(f"{group}/"):
            found[name] = arrays[dtype][int(start) : int(start) + math.prod(shape)].reshape(shape)
    return found


@pytest.mark.parametrize("group", ["stateless", "stateful", "generators"])
def test_numbers_equal_tensorflows(group: str) -> None:
    expected, made = _recorded(group), _cases().answers(tf, group)
    assert made.keys() == expected.keys()
    wrong = [
        name
        for name, array in expected.items()
        if made[name].dtype != array.dtype or made[name].shape != array.shape or made[name].tobytes() != array.tobytes()
    ]
    assert not wrong


def test_numbers_without_seeds_differ() -> None:
    tf.random.set_seed(None)
    draw = tf.function(lambda: tf.random.uniform([4]))
    kinds = [
        tf.random.uniform([4]),
        tf.random.uniform([4]),
        draw(),
        draw(),
        tf.random.get_global_generator().uniform([4]),
    ]
    assert len({tuple(t.numpy().tolist()) for t in kinds}) == 5


def test_threefry_is_refused_for_distributions() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unsupported algorithm id: 2"):
        tf.random.stateless_uniform([3], [1, 2], alg="threefry")


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="Must specify maxval for integer dtype"):
        tf.random.uniform([2], dtype=tf.int32)
    with pytest.raises(ValueError, match="both None or not None"):
        tf.random.stateless_uniform([2], [1, 2], None, 3, tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="seed must have shape"):
        tf.random.stateless_uniform([2], [1, 2, 3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval"):
        tf.random.stateless_uniform([2], [1, 2], 3, 1, tf.int32)
    with pytest.raises(ValueError, match="`rate` must be a scalar tensor or a float"):
        tf.nn.dropout([1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="unsupported value x"):
        tf.random.Generator.from_seed(1, "x")


def test_dropout_lets_gradients_through_what_it_keeps() -> None:
    x = tf.constant([3.0, 4.0, 5.0, 6.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.experimental.stateless_dropout(x, 0.5, [1, 2])
    np.testing.assert_allclose(tape.gradient(y, x), np.where(y.numpy() != 0, 2.0, 0.0))


def test_an_exported_plan_draws_new_numbers_at_each_run(tmp_path: Path) -> None:
    from millstream import _runtime as runtime
    from millstream.saving.export import export_plan

    tf.random.set_seed(7)
    draw = tf.function(lambda: tf.random.uniform([2]))
    export_plan(draw, tmp_path / "draw.plan", [])
    plan = runtime.Plan((tmp_path / "draw.plan").read_bytes())
    made = [plan.run(0, ())[0].numpy().tolist() for _ in range(2)]
    tf.random.set_seed(7)
    assert made == [draw().numpy().tolist() for _ in range(2)]


def test_the_algorithm_may_be_known_only_when_the_function_runs() -> None:
    @tf.function
    def draw(alg: Any) -> Any:
        seed = tf.constant([1, 2])
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        return tf.raw_ops.StatelessRandomUniformV2(shape=[3], key=key, counter=counter, alg=alg)

    for alg in (1, 3):
        np.testing.assert_array_equal(draw(tf.constant(alg)), tf.random.stateless_uniform([3], [1, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unsupported algorithm id"):
        draw(tf.constant(7))
