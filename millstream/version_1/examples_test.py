"""Runs the examples in the documentation of version 1's libraries."""

from __future__ import annotations

import doctest
import importlib
import tempfile

import pytest

import millstream as tf

ROOM = "millstream.version_1"


@pytest.mark.parametrize(
    "name",
    [
        *(f"{ROOM}.{name}" for name in ("decays", "losses", "metrics.means", "optimizers.base", "sessions.monitored")),
        *(f"{ROOM}.{name}" for name in ("variables.scope", "variables.store", "variables.templates", "weights")),
        "millstream.saving.version_1_builder",
    ],
)
def test_examples_show_what_happens(name: str) -> None:
    assert tf.compat.v1.losses
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"tf": tf, "tempfile": tempfile})
    assert found.attempted
    assert not found.failed
