"""Runs the examples in the documentation of version 1's libraries: of every file that has some."""

from __future__ import annotations

import doctest
import importlib
import tempfile
from pathlib import Path

import pytest

import millstream as tf

ROOM = Path(__file__).parent
FILES = [*sorted(ROOM.rglob("*.py")), ROOM.parent / "saving/version_1_builder.py"]
NAMES = [
    ".".join(file.relative_to(ROOM.parents[1]).with_suffix("").parts)
    for file in FILES
    if not file.name.endswith("_test.py") and ">>> " in file.read_text()
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_show_what_happens(name: str) -> None:
    assert tf.compat.v1.losses
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"tf": tf, "tempfile": tempfile})
    assert found.attempted, name
    assert not found.failed
