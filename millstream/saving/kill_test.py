"""Whoever is killed while writing, or finds the disk full, leaves the old file or the new one, never a part of one."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream import _runtime as runtime
from millstream.backends.cpu.device import checked
from millstream.saving import export_plan
from millstream.saving.bundle_reader import BundleReader

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).parent / "testdata" / "write_again_and_again.py"


def _read_saved_model(path: Path) -> set[float]:
    loaded: Any = tf.saved_model.load(path)
    checked((path / "model.plan").read_bytes())
    return {float(n) for v in loaded.read().values() for n in v.numpy()}


def _read_checkpoint(path: Path) -> set[float]:
    reader = BundleReader(str(path))
    return {float(n) for name in reader.names if name.endswith("VARIABLE_VALUE") for n in reader.array(name)}


def _read_plan(path: Path) -> set[float]:
    data = path.read_bytes()
    runtime.Plan(data)
    numbers = np.frombuffer(data, "<u8", 8, 0)
    blob = np.frombuffer(data, "<f4", int(numbers[6]) // 4, int(numbers[5]))
    return {float(n) for n in blob[:2000]}


READERS: dict[str, Callable[[Path], set[float]]] = {
    "saved_model": _read_saved_model,
    "checkpoint": _read_checkpoint,
    "plan": _read_plan,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_a_kill_at_any_moment_leaves_a_whole_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for turn in range(4):
        with subprocess.Popen(
            [sys.executable, WRITER, kind, path],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
            time.sleep(random.Random(turn * 7 + len(kind)).random() * 0.3)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        assert len(READERS[kind](path)) == 1


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file grow above so many bytes: writing more is an error, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def _model(number: float, count: int) -> Any:
    root: Any = tf.Module()
    root.held = tf.Variable(tf.fill([count], number))
    root.read = tf.function(lambda: {"0": root.held.read_value()}, input_signature=[], autograph=False)
    return root


def _write(kind: str, path: Path, number: float, count: int) -> None:
    model = _model(number, count)
    if kind == "saved_model":
        tf.saved_model.save(model, path, signatures=model.read, plan=True)
    elif kind == "checkpoint":
        tf.train.Checkpoint(model=model).write(str(path))
    else:
        export_plan(model.read, path)


@pytest.mark.parametrize("kind", READERS)
def test_a_full_disk_is_an_error_and_leaves_the_old_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    _write(kind, path, 1.0, 2000)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with full_disk(20000), pytest.raises((OSError, tf.errors.OpError)) as caught:
        _write(kind, path, 2.0, 200_000)
    assert not isinstance(caught.value, OSError) or caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert READERS[kind](path) == {1.0}
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
