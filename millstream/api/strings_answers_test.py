"""Compares tf.strings and tf.lookup with what real TensorFlow answered (`testdata/record_strings.py`)."""

import json
import pathlib

import pytest

import millstream as tf
from millstream.api.testdata.record_strings import TOPICS, answer, expressions

FOLDER = pathlib.Path(__file__).parent / "testdata"
LINES = [
    pytest.param(text, json.loads(want), id=text)
    for topic in TOPICS
    for text, want in zip(expressions(topic), (FOLDER / f"{topic}_answers.txt").read_text().splitlines(), strict=True)
]
# An error of the runtime is ValueError or TypeError while tracing: all these words refuse the same.
REFUSALS = ("!InvalidArgumentError", "!ValueError", "!TypeError", "!OutOfRangeError")


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(("text", "want"), LINES)
def test_function_answers_as_tensorflow_does(text, want, traced):
    have = answer(text, tf, traced)
    if traced and want in REFUSALS:
        assert have in REFUSALS
    else:
        assert have == want
