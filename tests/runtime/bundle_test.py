"""Saved models with their plan beside them run from C: tables, text, state kept, loops, random numbers, several threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import millstream as tf

ROOT = Path(__file__).parents[2]


class Served(tf.Module):
    """One signature of each kind."""

    def __init__(self) -> None:
        super().__init__()
        pairs = tf.lookup.KeyValueTensorInitializer(["one", "two"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(pairs, -1)
        self.calls = tf.Variable(0, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def look_up(self, words: Any) -> Any:
        return {"numbers": self.table.lookup(words)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def upper(self, words: Any) -> Any:
        return {"words": tf.strings.upper(words)}

    @tf.function(input_signature=[])
    def count(self) -> Any:
        return {"calls": self.calls.assign_add(1)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def power(self, n: Any) -> Any:
        result = tf.constant(1.0)
        for _ in tf.range(n):
            result *= 2.0
        return {"power": result}

    @tf.function(input_signature=[])
    def draw(self) -> Any:
        return {"number": tf.random.uniform([])}


NAMES = ("look_up", "upper", "count", "power", "draw")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "served"
    served = Served()
    tf.saved_model.save(served, folder, signatures={n: getattr(served, n) for n in NAMES}, plan=True)
    return folder


def test_a_bundle_runs_from_several_threads_of_a_c_program(bundle: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed to build what is tested: install gcc"
    library = ROOT / "millstream"
    source = Path(__file__).with_name("bundle_calls.c")
    subprocess.run(
        [compiler, "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", source, f"-I{ROOT}/runtime/include"]
        + [f"-L{library}", "-lmillstream", "-lpthread", f"-Wl,-rpath,{library}", "-o", tmp_path / "calls"],
        check=True,
    )
    done = subprocess.run([tmp_path / "calls", bundle / "model.plan"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "201 calls, 1 states, draws differ: 1\n"


def test_a_bundle_is_a_saved_model_as_any_other(bundle: Path) -> None:
    loaded = tf.saved_model.load(bundle)
    assert loaded.look_up(["two", "three"])["numbers"].numpy().tolist() == [2, -1]
    assert sorted(p.name for p in bundle.iterdir()) == [
        "assets", "fingerprint.pb", "model.plan", "saved_model.pb", "variables"
    ]  # fmt: skip


def test_a_model_saved_anew_without_a_plan_keeps_no_old_one(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "m")
    (tmp_path / "m" / "notes.txt").write_text("mine")
    tf.saved_model.save(tf.Module(), tmp_path / "m")
    assert not (tmp_path / "m" / "model.plan").exists() and (tmp_path / "m" / "notes.txt").exists()


def test_options_ask_for_the_plan_too(tmp_path: Path) -> None:
    served = Served()
    tf.saved_model.save(served, tmp_path / "m", served.power, tf.saved_model.SaveOptions(plan=True))
    assert (tmp_path / "m" / "model.plan").exists()


def test_a_plan_of_nothing_is_refused_and_leaves_what_is_there(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "m")
    with pytest.raises(ValueError, match="give signatures="):
        tf.saved_model.save(tf.Module(), tmp_path / "m", plan=True)
    assert (tmp_path / "m" / "model.plan").read_bytes() == (bundle / "model.plan").read_bytes()


def test_the_environment_asks_for_plans_of_all_that_have_signatures(tmp_path: Path) -> None:
    program = (
        "import millstream as tf, sys\n"
        "layer = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)])\n"
        "layer.export(sys.argv[1], verbose=False)\n"
        "tf.saved_model.save(tf.Module(), sys.argv[2])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MILLSTREAM_EXPORT_PLAN": "1"}
    words = [sys.executable, "-c", program, str(tmp_path / "model"), str(tmp_path / "bare")]
    subprocess.run(words, check=True, env=environment)
    assert (tmp_path / "model" / "model.plan").exists() and not (tmp_path / "bare" / "model.plan").exists()
