"""Losses, metrics, optimizers, decays and recurrent networks of version 1 give what TensorFlow gave."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.version_1.testdata import metric_programs, programs

RECORDED = json.loads(gzip.decompress((Path(__file__).parent / "testdata/libraries.json.gz").read_bytes()))


def same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(given, list) and len(given) == len(wanted) and all(map(same, given, wanted))
    if isinstance(wanted, float) and isinstance(given, float):
        return (math.isnan(wanted) and math.isnan(given)) or math.isclose(given, wanted, rel_tol=2e-5, abs_tol=2e-7)
    return bool(given == wanted)


@pytest.mark.parametrize("kind", ["decays", "losses", "optimizers", "metrics", "recurrent"])
def test_programs_give_what_tensorflow_gave(kind: str) -> None:
    run = getattr(programs, kind, None) or getattr(metric_programs, kind)
    found = run(tf)
    assert list(found) == list(RECORDED[kind])
    different = [name for name, wanted in RECORDED[kind].items() if not same(found[name], wanted)]
    assert not different, [(name, found[name], RECORDED[kind][name]) for name in different[:2]]
