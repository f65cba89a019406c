"""Compares ragged tensors with what real TensorFlow answered (`testdata/record_ragged.py`), eager and traced."""

from __future__ import annotations

import gzip
import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.api.testdata.record_ragged import MODES, answer, expressions

FOLDER = pathlib.Path(__file__).parent / "testdata"
EXPRESSIONS = expressions()
ANSWERS = json.loads(gzip.decompress((FOLDER / "ragged_answers.json.gz").read_bytes()))
# A class of ours, below that of TensorFlow.
REFUSED = {"CompositeArgument": "ValueError"}


def agree(want: Any, have: Any, traced: bool) -> None:
    if isinstance(want, list) and want and want[0] in ("ragged", "tensor", "array"):
        assert want[:2] == have[:2]
        if not traced:
            assert want[:-1] == have[:-1]
        agree_elements(want[-1], have[-1])
        return
    if isinstance(want, list) and want and want[0] in ("list", "sparse"):
        assert want[0] == have[0] and len(want) == len(have)
        for a, b in zip(want[1:], have[1:], strict=True):
            agree(a, b, traced)
        return
    assert want == have


def agree_elements(want: Any, have: Any) -> None:
    if isinstance(want, list):
        assert isinstance(have, list) and len(want) == len(have)
        for a, b in zip(want, have, strict=True):
            agree_elements(a, b)
    elif isinstance(want, float):
        np.testing.assert_allclose(have, want, rtol=2e-5, atol=2e-5)
    else:
        assert want == have


def cases() -> list[Any]:
    """Return the lines with each mode; only what tensors hold is the same while tracing, not text, arrays and errors."""
    found = []
    for line, want in enumerate(ANSWERS):
        plain = isinstance(want, str) or re.search('"(text|array)"', json.dumps(want))
        found += [
            pytest.param(line, mode, id=f"{EXPRESSIONS[line]}-{mode}") for mode in (MODES[:1] if plain else MODES)
        ]
    return found


@pytest.mark.parametrize(("line", "mode"), cases())
def test_expression_answers_as_tensorflow_does(line: int, mode: str) -> None:
    want, have = ANSWERS[line], answer(EXPRESSIONS[line], tf, mode)
    if isinstance(want, str):
        assert REFUSED.get(have, have) == want
        return
    agree(want, have, mode != "eager")
