"""Graphs drawn at random give the same numbers however they are run: eagerly, traced, without sizes, in NumPy, without passes.

`python -m tests.random_graphs_test FIRST COUNT` runs more seeds than the tests do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.backends.reference.interpreter import Variable, interpret
from millstream.compiler import passes
from tests.random_graphs import Recipe

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}
"""Of the largest element: products of many roundings are compared."""
OPTIONAL = [p.name for p in passes.PASSES if p.optional]


def assert_close(found: Sequence[Any], wanted: Sequence[Any], tolerance: float) -> None:
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype, f"result {i}: {a.dtype}{a.shape} for {b.dtype}{b.shape}"
        scale = max(1.0, float(np.abs(b).max(initial=0.0)))
        assert np.all(np.abs(a - b) <= tolerance * scale), f"result {i}: off by {np.abs(a - b).max()} of {scale}"


class Trial:
    """One recipe, and the ways in which it is run."""

    def __init__(self, seed: int, length: int, dtype: Any) -> None:
        self.recipe = Recipe(seed, length, dtype)
        self.inputs = [tf.constant(a) for a in self.recipe.inputs]
        self.tolerance = TOLERANCE[dtype.name]
        self.seed = seed

    def run(self, call: Callable[..., Any]) -> tuple[list[np.ndarray], np.ndarray]:
        variable = tf.Variable(self.recipe.start)
        results = call(variable, *self.inputs)
        return [np.asarray(r) for r in results], variable.numpy()

    def traced(self, sizes: bool) -> tf.function:
        variable = tf.Variable(self.recipe.start)
        specs = [tf.TensorSpec(t.shape if sizes else [None] * t.shape.rank, t.dtype) for t in self.inputs]

        @tf.function(input_signature=specs)
        def call(*inputs: Any) -> Any:
            return self.recipe(variable, *inputs)

        def run(fresh: Any, *inputs: Any) -> Any:
            variable.assign(fresh)
            results = call(*inputs)
            fresh.assign(variable)
            return results

        run.function = call  # type: ignore[attr-defined]
        return run

    def gradients(self, call: Callable[..., Any]) -> list[np.ndarray]:
        variable = tf.Variable(self.recipe.start)
        with tf.GradientTape() as tape:
            tape.watch(self.inputs)
            total = sum(tf.reduce_sum(tf.sin(r)) for r in call(variable, *self.inputs))
        found = tape.gradient(total, self.inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(g).numpy() for g in found]


def check(seed: int, length: int, dtype: Any) -> None:
    trial = Trial(seed, length, dtype)
    eager, state = trial.run(trial.recipe)

    def agrees(call: Callable[..., Any]) -> None:
        found, left = trial.run(call)
        assert_close([*found, left], [*eager, state], trial.tolerance)

    static, late = trial.traced(True), trial.traced(False)
    agrees(static)
    agrees(late)
    random = np.random.default_rng(seed)
    for off in ([str(n)] for n in random.choice(OPTIONAL, 2, replace=False)):
        with passes.switched_off(*off):
            agrees(static)
    with passes.switched_off(*OPTIONAL):
        agrees(static)
        agrees(late)
    wanted = trial.gradients(trial.recipe)
    assert_close(trial.gradients(static), wanted, 100 * trial.tolerance)
    assert_close(trial.gradients(late), wanted, 100 * trial.tolerance)
    agrees(in_numpy(static))


def in_numpy(static: Any) -> Callable[..., Any]:
    """Return a way of running that interprets the traced program."""
    concrete = static.function.get_concrete_function()

    def run(fresh: Any, *inputs: Any) -> Any:
        held = Variable(fresh.numpy())
        captured = [held if t.dtype == tf.resource else t.numpy() for t in concrete.captured_inputs]
        results = interpret(concrete.graph.program, [*(np.asarray(t) for t in inputs), *captured])
        fresh.assign(held.value)
        return results

    return run


@pytest.mark.parametrize("seed", range(24))
def test_a_graph_gives_the_same_however_it_is_run(seed: int) -> None:
    check(seed, 25, tf.float64 if seed % 2 else tf.float32)


def test_a_pass_that_is_needed_cannot_be_off_and_others_are_named() -> None:
    with pytest.raises(ValueError, match=r"no plan without the pass 'expand'.*fuse"):
        passes.switch("expand", False)
    with pytest.raises(ValueError, match="There is no pass 'fuze'"):
        passes.switch("fuze", False)


def test_switching_a_pass_off_compiles_again(capfd: pytest.CaptureFixture[str]) -> None:
    counts: list[int] = []

    def count(program: Any) -> None:
        counts.append(len(program.nodes))

    f = tf.function(lambda x: (x * 1.0 + 2.0) * (x * 1.0 + 2.0))
    x = tf.constant([1.0, 2.0])
    f(x)
    with passes.added("count", count):
        assert f(x).numpy().tolist() == [9.0, 16.0]
        with passes.switched_off("simplify", "share"):
            assert f(x).numpy().tolist() == [9.0, 16.0]
    assert len(counts) == 2 and counts[0] < counts[1]
    with pytest.raises(ValueError, match="already"), passes.added("fuse", count):
        pass


def test_a_pass_of_ones_own_rewrites_programs() -> None:
    def without_tanh(program: Any) -> None:
        gone = {n.outputs[0]: n.inputs[0] for n in program.nodes if n.definition.name == "tanh"}
        program.nodes = [n for n in program.nodes if n.definition.name != "tanh"]
        for node in program.nodes:
            node.inputs = tuple(gone.get(v, v) for v in node.inputs)
        program.outputs = [gone.get(v, v) for v in program.outputs]

    f = tf.function(lambda x: tf.tanh(x) + 1.0)
    assert f(tf.constant(3.0)).numpy() < 2.0
    with passes.added("without_tanh", without_tanh):
        assert f(tf.constant(3.0)).numpy() == 4.0
    assert f(tf.constant(3.0)).numpy() < 2.0


if __name__ == "__main__":
    first, number = int(sys.argv[1]), int(sys.argv[2])
    failed = 0
    for one in range(first, first + number):
        try:
            check(one, 25, tf.float64 if one % 2 else tf.float32)
        except Exception as error:
            failed += 1
            text = str(error).splitlines()
            print(f"seed {one}: {type(error).__name__}: {text[0][:300] if text else ''}", flush=True)
    print(f"{number} graphs, {failed} differ")
