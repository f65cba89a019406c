"""tf.io answers as real TensorFlow does: values exactly, errors by their class."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import millstream as tf

DATA = Path(__file__).with_name("testdata")

OTHERWISE = {
    "bad proto": "TensorFlow fails over its own error message here (UnicodeDecodeError)",
    "bad proto single": "as above",
    "fn": "TensorFlow refuses one key as a sparse and a ragged feature; here both are read",
    "fn2": "as above",
    "single": "as above",
    "sparse mix2": "refused when the example is read, not before: InvalidArgumentError",
    "exists gs": "no file system but this machine's: UnimplementedError",
    "matching": "TensorFlow leaves an empty file where it was to copy a directory",
    "path": "glob takes a path object here",
    "schemes": "no file system but this machine's",
    "walk onerr": "TensorFlow fails (UnboundLocalError); here the error is handed over",
    "json s": "repeated numbers are packed here; the message is the same",
}
"""What is not as in TensorFlow, and why."""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    sys.path.insert(0, str(DATA))
    try:
        from io_cases import answers
    finally:
        sys.path.remove(str(DATA))
    return answers(tf, tmp_path_factory.mktemp("io")), json.loads((DATA / "io_answers.json").read_text())


def test_tf_io_answers_as_tensorflow_does(both):
    found, recorded = both
    assert found.keys() == recorded.keys()
    assert {k: (v, recorded[k]) for k, v in found.items() if v != recorded[k] and k not in OTHERWISE} == {}


def test_every_known_difference_still_differs(both):
    found, recorded = both
    assert [k for k in OTHERWISE if found[k] == recorded[k]] == []
