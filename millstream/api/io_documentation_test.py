"""Runs the examples in the docstrings of tf.io, tf.audio and tf.config."""

from __future__ import annotations

import doctest
import importlib
import os
import pathlib
import tempfile

import numpy as np
import pytest

import millstream as tf

HERE = pathlib.Path(__file__).parent
MODULES = [p.stem for pattern in ("io_*", "audio", "config_*") for p in sorted(HERE.glob(f"{pattern}.py"))]


@pytest.mark.parametrize("name", [m for m in MODULES if not m.endswith("_test")])
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    module = importlib.import_module(f"millstream.api.{name}")
    known = {"tf": tf, "np": np, "os": os, "tempfile": tempfile}
    with np.printoptions(legacy="1.25"):
        assert not doctest.testmod(module, extraglobs=known, optionflags=doctest.NORMALIZE_WHITESPACE).failed
