"""Compares random chains of transformations with what real TensorFlow made of them (`testdata/record_chains.py` drew them)."""

# mypy: ignore-errors

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import millstream as tf
from millstream.data.tensorflow_answers_test import same
from millstream.data.testdata.pipeline_cases import described
from millstream.data.testdata.record_chains import made

LINES = (pathlib.Path(__file__).parent / "testdata" / "chains.jsonl").read_text().splitlines()
ANSWERS = dict(json.loads(line) for line in LINES)


@pytest.mark.parametrize("text", ANSWERS)
def test_chains_give_what_tensorflow_gives(text):
    found = json.loads(json.dumps(described(tf, made(tf, np, text))))
    for part in ("error", "spec", "count", "runs"):
        assert same(ANSWERS[text].get(part), found.get(part)), (part, ANSWERS[text].get(part), found.get(part))
