"""Runs the examples in the documentation of checkpoints and of what tf.train has beside them."""

from __future__ import annotations

import doctest
import importlib
import os
import tempfile
import threading

import pytest

import millstream as tf

ROOM = "millstream.saving"
API = "millstream.api.train"


@pytest.mark.parametrize(
    "name",
    [
        *(f"{ROOM}.{name}" for name in ("snappy", "slices", "bundle_writer", "table")),
        *(
            f"{ROOM}.checkpoint.{n}"
            for n in ("checkpoint", "manager", "reader", "saver", "sharding", "values", "views")
        ),
        *(f"{API}_{name}" for name in ("averages", "cluster", "threads")),
        "millstream.api.lookup_saving",
    ],
)
def test_examples_give_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    known = {"tf": tf, "tempfile": tempfile, "os": os, "threading": threading}
    found = doctest.testmod(module, extraglobs=known, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0
    if name not in (f"{ROOM}.table", f"{ROOM}.checkpoint.state"):
        assert found.attempted
