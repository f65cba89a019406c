"""Compares pipelines with what real TensorFlow made of them (`testdata/record_pipelines.py` recorded it)."""

# mypy: ignore-errors

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest

import millstream as tf
from millstream.data.testdata.pipeline_cases import described, pipelines

FOLDER = pathlib.Path(__file__).parent / "testdata"
ANSWERS = json.loads((FOLDER / "pipelines.json").read_text())
CASES = pipelines(tf, np)


def same(x, y):
    """Whether two answers are equal; floats to the last places of float32."""
    if isinstance(x, float) or isinstance(y, float):
        return math.isclose(x, y, rel_tol=2e-6, abs_tol=2e-6)
    if isinstance(x, list) and isinstance(y, list):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(same(x[k], y[k]) for k in x)
    return type(x) is type(y) and x == y


def test_every_pipeline_was_recorded():
    assert ANSWERS.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_pipelines_give_what_tensorflow_gives(name):
    expected, found = ANSWERS[name], json.loads(json.dumps(described(tf, CASES[name])))
    for part in ("error", "spec", "count", "runs"):
        assert same(expected.get(part), found.get(part)), (part, expected.get(part), found.get(part))
