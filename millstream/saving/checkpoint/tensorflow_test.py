"""Checkpoints in both directions: those that TensorFlow 2.21 wrote (`testdata/cases.py`), and ours, read by it where it is.

`TENSORFLOW=/path/to/python` names a Python that has TensorFlow.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import millstream as tf
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.checkpoint.testdata import cases

HERE = Path(__file__).parent / "testdata"
WRITTEN = HERE / "tensorflow"


@pytest.mark.parametrize("name", cases.CASES)
def test_what_tensorflow_wrote_is_read_bit_for_bit(name: str) -> None:
    cases.check(tf, name, str(WRITTEN))


@pytest.mark.parametrize("name", cases.CASES)
def test_what_we_wrote_is_read_bit_for_bit(name: str, tmp_path: Path) -> None:
    cases.write(tf, name, str(tmp_path))
    cases.check(tf, name, str(tmp_path))


@pytest.mark.parametrize("name", ["kinds", "structures"])
def test_our_files_are_those_that_tensorflow_writes(name: str, tmp_path: Path) -> None:
    cases.write(tf, name, str(tmp_path))
    for end in (".index", ".data-00000-of-00001"):
        assert (tmp_path / f"{name}{end}").read_bytes() == (WRITTEN / f"{name}{end}").read_bytes()


@pytest.mark.parametrize("name", ["kinds", "structures", "tables"])
def test_a_checkpoint_of_tensorflow_that_is_read_and_written_again_is_the_same(name: str, tmp_path: Path) -> None:
    reader = BundleReader(str(WRITTEN / name))
    entries = sorted(reader.names, key=lambda n: reader.entry(n).offset)
    with BundleWriter(str(tmp_path / name)) as writer:
        for each in entries:
            writer.add(each, reader.tensor(each))
    for end in (".index", ".data-00000-of-00001"):
        assert (tmp_path / f"{name}{end}").read_bytes() == (WRITTEN / f"{name}{end}").read_bytes()


@pytest.mark.slow
def test_a_keras_model_with_its_optimizer_is_read_from_tensorflow_and_from_us(tmp_path: Path) -> None:
    cases.check_keras(tf, str(WRITTEN))
    cases.write_keras(tf, str(tmp_path))
    cases.check_keras(tf, str(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif("TENSORFLOW" not in os.environ, reason="TENSORFLOW names no Python with TensorFlow")
def test_what_we_wrote_is_read_by_tensorflow(tmp_path: Path) -> None:
    for name in cases.CASES:
        cases.write(tf, name, str(tmp_path))
    cases.write_keras(tf, str(tmp_path))
    command = [os.environ["TENSORFLOW"], str(HERE / "cases.py"), "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
