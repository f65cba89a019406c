"""Compares tf.sparse, tf.sets and sparse embeddings with what real TensorFlow answered (`testdata/record_sparse.py`)."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import millstream as tf
from millstream.api.testdata.record_sparse import answer, expressions

RECORDED = np.load(pathlib.Path(__file__).parent / "testdata" / "sparse_answers.npz")
ERRORS = json.loads(str(RECORDED["errors"]))
EXPRESSIONS = expressions()
# What a call refuses with InvalidArgumentError is ValueError or TypeError while tracing.
WHILE_TRACING = {"InvalidArgumentError": ("InvalidArgumentError", "ValueError", "TypeError")}


def expected(line: int) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    while f"{line}.{len(found)}" in RECORDED:
        found.append(RECORDED[f"{line}.{len(found)}"])
    return found


def agree(want: np.ndarray, have: object) -> None:
    if not isinstance(have, np.ndarray):
        assert str(want) == ("None" if have is None else repr(have))
        return
    assert want.dtype == have.dtype
    assert want.shape == have.shape
    if want.dtype.kind == "f":
        np.testing.assert_allclose(have, want, rtol=2e-5, atol=2e-5)
    else:
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("line", range(len(EXPRESSIONS)), ids=EXPRESSIONS)
def test_function_answers_as_tensorflow_does(line: int, traced: bool) -> None:
    have = answer(EXPRESSIONS[line], tf, traced)
    if str(line) in ERRORS:
        allowed = (ERRORS[str(line)],)
        assert have in (WHILE_TRACING.get(allowed[0], allowed) if traced else allowed)
        return
    assert not isinstance(have, str), have
    want = expected(line)
    assert len(want) == len(have)
    for a, b in zip(want, have, strict=True):
        agree(a, b)
