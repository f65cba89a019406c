"""Damaged files for the readers of Python, and plans at which something was once found.

The fuzzer of the runtime is a test of its own, under the sanitizers: tools/sanitize.sh. tools/fuzz.sh runs all for long.
"""

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


@pytest.mark.parametrize("seed", sorted((HERE / "seeds" / "plan").iterdir()), ids=lambda p: p.name)
def test_seeds_of_plans_load_or_are_refused(seed: Path) -> None:
    try:
        runtime.Plan(seed.read_bytes())
    except tf.errors.OpError as error:
        assert len(error.message) > 20


def _shown(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.files", *map(str, words)], cwd=ROOT, capture_output=True, text=True,
        # Each thread reserves memory, which is limited there.
        env={**os.environ, "PYTHONPATH": str(ROOT), "MILLSTREAM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_damaged_files_are_read_or_refused() -> None:
    assert re.search(
        r"^fuzz files: 500 files in .*, 0 findings$", _shown("--seconds", 600, "--most", 500, "--random", 1)
    )
