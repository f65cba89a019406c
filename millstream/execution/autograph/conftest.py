"""The engine that autograph's tests stage on."""

import pytest

from millstream.execution.autograph.testing import Interpreter


@pytest.fixture
def interpreter() -> Interpreter:
    """A fresh engine."""
    return Interpreter()
