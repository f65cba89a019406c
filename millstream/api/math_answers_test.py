"""Compares the functions of math, nn, linalg, signal, debugging and image with what real TensorFlow answered (`testdata/record_math.py`)."""

import json
import pathlib

import numpy as np
import pytest

import millstream as tf
from millstream.api.testdata.record_math import TOPICS, answer, expressions

RECORDED = {t: np.load(pathlib.Path(__file__).parent / "testdata" / f"{t}_answers.npz") for t in TOPICS}
ERRORS = {t: json.loads(str(RECORDED[t]["errors"])) for t in TOPICS}
EXPRESSIONS = {t: expressions(t) for t in TOPICS}
LINES = [pytest.param(t, i, id=text) for t in TOPICS for i, text in enumerate(EXPRESSIONS[t])]
# An error of the runtime is ValueError while tracing: both words refuse the same.
WHILE_TRACING = {"InvalidArgumentError": ("InvalidArgumentError", "ValueError")}


def expected(topic, line):
    found = []
    while f"{line}.{len(found)}" in RECORDED[topic]:
        found.append(RECORDED[topic][f"{line}.{len(found)}"])
    return found


def agree(want, have):
    if not isinstance(have, np.ndarray):
        assert str(want) == ("None" if have is None else repr(have))
        return
    assert want.dtype == have.dtype
    assert want.shape == have.shape
    if want.dtype.kind in "fc":
        tolerance = 1e-10 if want.dtype in (np.float64, np.complex128) else 2e-5
        np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(("topic", "line"), LINES)
def test_function_answers_as_tensorflow_does(topic, line, traced):
    have = answer(EXPRESSIONS[topic][line], tf, traced)
    if str(line) in ERRORS[topic]:
        allowed = (ERRORS[topic][str(line)],)
        assert have in (WHILE_TRACING.get(allowed[0], allowed) if traced else allowed)
        return
    assert not isinstance(have, str), have
    want = expected(topic, line)
    assert len(want) == len(have)
    for a, b in zip(want, have, strict=True):
        agree(a, b)
