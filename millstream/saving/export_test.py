"""Tests of exported plans: run from C, at sizes that were open, with several signatures over shared variables."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.saving import export_plan

PACKAGE = Path(tf.__file__).parent
CHECKOUT = PACKAGE.parent


@pytest.fixture(scope="module")
def run_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("c") / "run_plan"
    command = [
        "gcc",
        "-O1",
        str(CHECKOUT / "examples/run_plan.c"),
        f"-I{CHECKOUT / 'runtime/include'}",
        "-o",
        str(program),
    ]
    subprocess.run([*command, f"-L{PACKAGE}", "-lmillstream", f"-Wl,-rpath,{PACKAGE}"], check=True)
    return program


def run(program: Path, plan: Path, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    files = []
    for i, x in enumerate(inputs):
        files.append(plan.with_suffix(f".{i}.f32"))
        x.astype(np.float32).tofile(files[-1])
    printed = subprocess.run([program, plan, *files], check=True, capture_output=True, text=True).stdout
    rows: dict[str, list[list[float]]] = {}
    for line in printed.splitlines():
        if line[0].isalpha():
            rows[line] = current = []
        else:
            current.append([float(v) for v in line.split()])
    return {k: np.array(v) for k, v in rows.items()}


def test_a_function_with_a_variable_runs_from_c_at_any_batch_size(tmp_path: Path, run_plan: Path) -> None:
    weights = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3), name="weights")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="features")])
    def model(features):
        return {"scores": features @ weights, "squares": features * features + tf.reduce_sum(weights)}

    export_plan(model, tmp_path / "model.plan")
    for batch in (2, 5):
        x = np.linspace(-1, 1, batch * 4, dtype=np.float32).reshape(batch, 4)
        made = run(run_plan, tmp_path / "model.plan", x)
        np.testing.assert_allclose(made["scores"], x @ weights.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(made["squares"], x * x + weights.numpy().sum(), rtol=1e-6)
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_a_plain_callable_is_traced_for_the_signature_given(tmp_path: Path, run_plan: Path) -> None:
    large = tf.constant(np.arange(3000, dtype=np.float32))
    export_plan(lambda x, y: x * y + large, tmp_path / "f.plan", [tf.TensorSpec([None, 1]), tf.TensorSpec([3000])])
    x, y = np.array([[1.0], [2.0]]), np.arange(3000) / 7
    made = run(run_plan, tmp_path / "f.plan", x, y)
    np.testing.assert_allclose(made["output_0"], x * y + np.arange(3000), rtol=1e-5)


def test_what_a_variable_holds_when_exported_is_what_the_plan_starts_with(tmp_path: Path, run_plan: Path) -> None:
    counter = tf.Variable([1.0, 2.0])

    @tf.function(input_signature=[tf.TensorSpec([2])])
    def count(step):
        return counter.assign_add(step)

    count(tf.constant([1.0, 1.0]))
    export_plan(count, tmp_path / "count.plan")
    count(tf.constant([100.0, 100.0]))
    made = run(run_plan, tmp_path / "count.plan", np.array([0.5, 0.5]))
    np.testing.assert_array_equal(made["output_0"], [[2.5, 3.5]])


def test_what_cannot_be_traced_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="input_signature"):
        export_plan(lambda x: x, tmp_path / "f.plan")
    with pytest.raises(ValueError, match="0 traces"):
        export_plan(tf.function(lambda x: x), tmp_path / "f.plan")
    assert list(tmp_path.iterdir()) == []


def test_signatures_of_one_file_share_their_variables(tmp_path: Path) -> None:
    total = tf.Variable(np.zeros(3000, np.float32))
    spec = [tf.TensorSpec([3000])]
    add, read = tf.function(total.assign_add, input_signature=spec), tf.function(lambda: total + 0.0)
    export_plan({"add": add}, tmp_path / "one.plan")
    export_plan({"add": add, "read": read}, tmp_path / "both.plan", {"read": []})
    one, both = ((tmp_path / f"{name}.plan").stat().st_size for name in ("one", "both"))
    assert both - one < 3000 * 4
