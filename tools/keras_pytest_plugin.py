"""A pytest plugin: puts Millstream in TensorFlow's place before Keras is imported. Loaded by tools/keras_tests.py.

MILLSTREAM_KERAS_TESTS_ENGINE=tensorflow leaves the real one there, to measure the measuring.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any

import pytest

os.environ["KERAS_BACKEND"] = "tensorflow"
if os.environ.get("MILLSTREAM_KERAS_TESTS_ENGINE") != "tensorflow":
    import millstream

    millstream.install_as_tensorflow()


def skip_if_backend(backend: str, reason: str) -> Any:
    """What Keras's tests import from the conftest.py at the root of its repository, which its wheel leaves out."""
    return pytest.mark.skipif(backend == "tensorflow", reason=f"{backend}: {reason}")


sys.modules["conftest"] = types.ModuleType("conftest", skip_if_backend.__doc__)
sys.modules["conftest"].__dict__["skip_if_backend"] = skip_if_backend


def pytest_configure(config: pytest.Config) -> None:
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: Keras's own")
