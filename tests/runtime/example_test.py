"""The C program in examples/ runs a plan with no Python in the process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.plan_writer import ALIAS, FLOAT32, PlanWriter

ROOT = Path(__file__).parents[2]


def write_plan(path: Path) -> None:
    """A plan that gives rows of two as one row."""
    writer = PlanWriter()
    f = writer.function("main", 1)
    n = f.expression(0, 0)
    x = f.input(FLOAT32, (n, 2))
    f.bindings.append((0, 0, 0))
    f.outputs = [f.value(FLOAT32, (f.expression(3, n, 2),), ALIAS, x), x]
    writer.signatures.append(("serve", 0, ["x"], ["flat", "same"], []))
    path.write_bytes(writer.bytes())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("example") / "run_plan"
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed to build what is tested: install gcc"
    library = ROOT / "millstream"
    subprocess.run(
        [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", ROOT / "examples/run_plan.c", f"-I{ROOT}/runtime/include"]
        + [f"-L{library}", "-lmillstream", f"-Wl,-rpath,{library}", "-o", out],
        check=True,
    )
    return out


def test_the_example_is_under_sixty_lines() -> None:
    assert len((ROOT / "examples/run_plan.c").read_text().splitlines()) < 60


def test_the_example_prints_the_outputs_of_a_plan(program: Path, tmp_path: Path) -> None:
    write_plan(tmp_path / "model.plan")
    np.arange(6, dtype="<f4").tofile(tmp_path / "x.f32")
    done = subprocess.run(
        [program, tmp_path / "model.plan", tmp_path / "x.f32"], check=True, capture_output=True, text=True
    )
    assert done.stdout == "flat\n0 1 2 3 4 5\nsame\n0 1\n2 3\n4 5\n"


def test_the_example_says_why_it_stops(program: Path, tmp_path: Path) -> None:
    write_plan(tmp_path / "model.plan")
    damaged = bytearray((tmp_path / "model.plan").read_bytes())
    damaged[200] ^= 1
    (tmp_path / "damaged.plan").write_bytes(damaged)
    for plan, message in (
        ("damaged.plan", "checksum"),
        ("none.plan", "Cannot open"),
        ("model.plan", "one file for each"),
    ):
        done = subprocess.run([program, tmp_path / plan], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert message in done.stderr
