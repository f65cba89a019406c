"""Damaged files: seeds at which something was once found, and a few seconds of new ones. tools/fuzz.sh runs for long."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import millstream as tf
from millstream import _runtime as runtime

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FUZZER = ROOT / "build" / "fuzz" / "fuzz"
TARGETS = ("plan", "examples", "records", "csv", "regex")


@pytest.mark.parametrize("seed", sorted((HERE / "seeds" / "plan").iterdir()), ids=lambda p: p.name)
def test_seeds_of_plans_load_or_are_refused(seed: Path) -> None:
    try:
        runtime.Plan(seed.read_bytes())
    except tf.errors.OpError as error:
        assert len(error.message) > 20


def _shown(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.files", *map(str, words)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_damaged_files_are_read_or_refused() -> None:
    count = re.search(r"(\d+) files in .*, 0 findings", _shown("--seconds", 6, "--random", 1))
    assert count is not None and int(count[1]) > 50


@pytest.mark.slow
@pytest.mark.skipif(not FUZZER.exists(), reason="the fuzzer of the runtime is not built; tools/fuzz.sh builds it")
@pytest.mark.parametrize("target", TARGETS)
def test_the_readers_of_the_runtime_survive_a_second(target: str, tmp_path: Path) -> None:
    words = [
        FUZZER,
        target,
        HERE / "seeds" / target,
        "--seconds",
        "1",
        "--most-bytes",
        "8192",
        "--crash",
        tmp_path / "crash",
    ]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
