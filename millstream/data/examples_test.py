"""Runs the examples in the docstrings of this room."""

from __future__ import annotations

import doctest
import importlib
import os
import pathlib
import tempfile

import numpy as np
import pytest

import millstream as tf

MODULES = sorted(p.stem for p in pathlib.Path(__file__).parent.glob("*.py") if not p.stem.endswith("_test"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    module = importlib.import_module(f"millstream.data.{name}")
    known = {"tf": tf, "np": np, "os": os, "tempfile": tempfile}
    with np.printoptions(legacy="1.25"):
        found = doctest.testmod(module, extraglobs=known, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not found.failed
