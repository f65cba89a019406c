"""A pytest plugin for Keras's own tests, loaded by tools/keras_tests.py: the engine, and what its wheel leaves out."""

from __future__ import annotations

import sys
import types
from typing import Any

import engine_pytest_plugin  # noqa: F401  (puts the engine in place)
import pytest


def skip_if_backend(backend: str, reason: str) -> Any:
    """What Keras's tests import from the conftest.py at the root of its repository, which its wheel leaves out."""
    return pytest.mark.skipif(backend == "tensorflow", reason=f"{backend}: {reason}")


sys.modules["conftest"] = types.ModuleType("conftest", skip_if_backend.__doc__)
sys.modules["conftest"].__dict__["skip_if_backend"] = skip_if_backend


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: Keras's own")
