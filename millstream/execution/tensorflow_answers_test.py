"""Compares tensors, variables and modules with what real TensorFlow answered (`testdata/record.py` recorded it)."""

import json
import pathlib
import re

import pytest

import millstream as tf
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.context import tracing
from millstream.execution.func_graph import FuncGraph
from millstream.execution.testdata.record import answer, names

FOLDER = pathlib.Path(__file__).parent / "testdata"
AREAS = json.loads((FOLDER / "tensorflow_answers.json").read_text())
KNOWN = json.loads((FOLDER / "known_differences.json").read_text())


def traced(function, argument):
    """Return what `function` gives, as text, for a symbolic tensor like `argument` of unknown length."""
    graph = FuncGraph("call")
    sizes = (fresh_symbol("n"), *argument._shape[1:]) if argument._shape else ()
    placeholder = graph.placeholder(Spec(argument.dtype, sizes))
    placeholder.given_name = "x"
    with tracing(graph):
        return repr(function(placeholder))


def kind_of_error(text):
    found = re.match(r"([A-Z]\w*(?:Error|Exception)): ", text)
    return found and found.group(1)


def agrees(expected, found):
    """Whether two answers are the same; of errors that the runtime words, only the class counts."""
    error = kind_of_error(expected)
    if error == "NotFoundError":
        # TensorFlow has the op, but no kernel for this element type. Having one is no difference.
        return True
    return expected == found if error is None else error == kind_of_error(found)


@pytest.mark.parametrize("area", AREAS)
def test_execution_answers_as_tensorflow_does(area):
    different = []
    for expression, expected in AREAS[area].items():
        found = answer(expression, names(tf, traced))
        if not agrees(expected, found) and expression not in KNOWN.get(area, {}):
            different.append(f"{expression}\n   TensorFlow: {expected}\n   Millstream: {found}")
    assert not different, f"{len(different)} of {len(AREAS[area])} differ:\n" + "\n".join(different)
