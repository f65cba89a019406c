"""The runtime cross-compiles for 64-bit ARM, and a plan exported here gives there what it gives here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from millstream import keras
from millstream.saving import export_plan

ROOT = Path(__file__).parents[2]
LIBRARIES = Path("/usr/aarch64-linux-gnu")
EMULATOR = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("aarch64-linux-gnu-g++") is None, reason="no cross compiler: install g++-aarch64-linux-gnu"
    ),
]


@pytest.fixture(scope="module")
def built() -> Path:
    folder = ROOT / "build/aarch64"
    tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={ROOT}/cmake/aarch64.cmake"
    options = [toolchain, "-DMS_TESTS=ON", "-DMS_BINDING=OFF", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (
        ["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options],
        ["ninja", "-C", folder, "-j", os.environ.get("JOBS", "2"), "run_plan", "program_loader_test"],
    ):
        done = subprocess.run(command, env=tools, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        assert "warning:" not in done.stdout
    return folder


def emulated(*command: Path | str) -> str:
    if EMULATOR is None:
        pytest.skip("no emulator: install qemu-user")
    done = subprocess.run([EMULATOR, "-L", LIBRARIES, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_is_for_64_bit_arm(built):
    header = (built / "libmillstream.so").read_bytes()[:20]
    assert header[:5] == b"\x7fELF\x02"
    assert int.from_bytes(header[18:20], "little") == 183


def test_the_loader_survives_damaged_plans_there(built):
    emulated(built / "program_loader_test")


def test_a_network_gives_there_what_it_gives_here(built, tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    images = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype("float32")
    export_plan(model, tmp_path / "model.plan")
    images.tofile(tmp_path / "images.f32")
    lines = emulated(built / "run_plan", tmp_path / "model.plan", tmp_path / "images.f32").splitlines()
    found = np.array([[float(word) for word in line.split()] for line in lines[1:]])
    np.testing.assert_allclose(found, model.predict(images, verbose=0), rtol=1e-4, atol=1e-6)
