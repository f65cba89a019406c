"""Losses, metrics, optimizers, decays and recurrent networks of version 1 give what TensorFlow gave."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.version_1.testdata import (
    column_programs,
    distribution_programs,
    metric_programs,
    programs,
    reader_programs,
    state_programs,
)

RECORDED = json.loads(gzip.decompress((Path(__file__).parent / "testdata/libraries.json.gz").read_bytes()))


def same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(given, list) and len(given) == len(wanted) and all(map(same, given, wanted))
    if isinstance(wanted, float) and isinstance(given, float):
        return (math.isnan(wanted) and math.isnan(given)) or math.isclose(given, wanted, rel_tol=2e-5, abs_tol=2e-7)
    return bool(given == wanted)


PROGRAMS = {
    run.__name__: run
    for run in (
        programs.decays,
        programs.losses,
        programs.optimizers,
        metric_programs.metrics,
        metric_programs.recurrent,
        state_programs.references,
        state_programs.averages,
        state_programs.hooks,
        distribution_programs.distributions,
        column_programs.columns,
        reader_programs.readers,
        reader_programs.accumulators,
        reader_programs.handles,
    )
}


def test_all_that_was_recorded_is_compared() -> None:
    assert set(PROGRAMS) == set(RECORDED)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_programs_give_what_tensorflow_gave(kind: str) -> None:
    found = PROGRAMS[kind](tf)
    assert list(found) == list(RECORDED[kind])
    different = [name for name, wanted in RECORDED[kind].items() if not same(found[name], wanted)]
    assert not different, [(name, found[name], RECORDED[kind][name]) for name in different[:2]]
