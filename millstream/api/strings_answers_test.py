"""Compares tf.strings with what real TensorFlow answered (`testdata/record_strings.py`)."""

import json
import pathlib

import pytest

import millstream as tf
from millstream.api.testdata.record_strings import answer, expressions

TOPIC = "strings"
EXPRESSIONS = expressions(TOPIC)
ANSWERS = (pathlib.Path(__file__).parent / "testdata" / f"{TOPIC}_answers.txt").read_text().splitlines()
# An error of the runtime is ValueError or TypeError while tracing: all three words refuse the same.
REFUSALS = ("!InvalidArgumentError", "!ValueError", "!TypeError", "!OutOfRangeError")


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("line", range(len(EXPRESSIONS)), ids=EXPRESSIONS)
def test_function_answers_as_tensorflow_does(line, traced):
    want, have = json.loads(ANSWERS[line]), answer(EXPRESSIONS[line], tf, traced)
    if traced and want in REFUSALS:
        assert have in REFUSALS
    else:
        assert have == want
