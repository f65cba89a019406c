"""Saved models and checkpoints go both ways: TensorFlow's load here with equal results, and ours there.

`TENSORFLOW=/path/to/python` names a Python that has TensorFlow. Without it, recorded files stand for these:
`millstream/saving/saved_model_test.py`, `tests/models`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange import DIRECTIONS, MOST, difference, exchanged
from written_checkpoints import CASES
from written_models import MODELS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("TENSORFLOW" not in os.environ, reason="TENSORFLOW names no Python with TensorFlow"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exchange")
    exchanged(os.environ["TENSORFLOW"], made)
    return made


@pytest.mark.parametrize("where", DIRECTIONS)
@pytest.mark.parametrize("name", [*MODELS, *CASES])
def test_what_one_wrote_gives_the_same_at_the_other(folder: Path, where: str, name: str) -> None:
    found = difference(folder, where, name)
    assert not isinstance(found, str), found
    assert found <= (0.0 if name in CASES else MOST)
