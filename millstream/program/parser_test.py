"""Tests that what is printed can be read: the same text again, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from millstream.base import dtypes
from millstream.base.sizes import Symbol, maximum
from millstream.base.spec import Spec
from millstream.program.parser import parse
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import BRANCH
from millstream.program.primitives.linear import dot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import constant, full, reshape
from millstream.program.printer import to_text
from millstream.program.value import Program, building, emit, from_source


def again(program: Program) -> Program:
    kept: dict[str, np.ndarray] = {}
    text = to_text(program, constants=kept)
    read = parse(text, constants=kept)
    assert to_text(read) == text
    return read


def test_programs_of_primitives_are_read_again() -> None:
    batch = Symbol("batch", 1, 512)
    program = Program("odd name: <lambda>")
    with building(program), from_source("model.py:3 in call # here"):
        x = program.input(Spec(dtypes.float32, (batch, 4)))
        w = program.input(Spec(dtypes.float32, (4, maximum(batch, 3) + 1)))
        y = dot(x, w, ((1,), (0,)))
        total = reduce(e.exp(y) * full(y.shape, 0.1, dtypes.float32), "sum", (0, 1))
        flat = reshape(e.compare(x, x * x, "GE"), (batch * 4,))
    program.outputs = [total, flat]
    read = again(program)
    assert read.inputs[0].spec == program.inputs[0].spec
    assert read.nodes[0].source == "model.py:3 in call # here"
    assert read.inputs[1].spec.shape == w.shape


@pytest.mark.parametrize(
    "array",
    [
        np.array([0.1, -0.0, np.nan, np.inf, -np.inf], np.float32),
        np.array([[1 + 2j, -3j]], np.complex64),
        np.array(7, np.int64),
        np.zeros((0, 3), np.uint8),
        np.array([True, False]),
        np.array([b"a'\"\n\xff", b""], object),
        np.array([1.5, 3.25], dtypes.bfloat16.as_numpy_dtype),
        np.arange(1000, dtype=np.float64),
    ],
)
def test_constants_keep_every_bit(array: np.ndarray) -> None:
    program = Program()
    with building(program):
        program.outputs = [constant(array, dtypes.string if array.dtype == object else dtypes.as_dtype(array.dtype))]
    read = again(program).nodes[0].attributes["value"]
    assert read.dtype == array.dtype and read.shape == array.shape
    assert read.tolist() == array.tolist() if array.dtype == object else read.tobytes() == array.tobytes()


def test_programs_inside_programs_are_read_again() -> None:
    inner = []
    for k in (1.0, 2.0):
        branch = Program("branch")
        with building(branch):
            x = branch.input(Spec(dtypes.float32, (3,)))
            branch.outputs = [x * full((3,), k, dtypes.float32)]
        inner.append(branch)
    program = Program()
    with building(program):
        which, x = program.input(Spec(dtypes.int32, ())), program.input(Spec(dtypes.float32, (3,)))
        program.outputs = list(emit(BRANCH, which, x, programs=tuple(inner)))
    assert [p.nodes[-1].definition.name for p in again(program).nodes[0].attributes["programs"]] == ["multiply"] * 2


def test_specs_with_contents_and_handles_are_read_again() -> None:
    n = Symbol("n")
    program = Program()
    for spec in (
        Spec(dtypes.int32, (2,), (n, n * 2 + 1)),
        Spec(dtypes.int64, (), n),
        Spec(dtypes.resource, (), None, Spec(dtypes.float32, (n, 3))),
        Spec(dtypes.float32, None),
    ):
        program.input(spec)
    assert [v.spec for v in again(program).inputs] == [v.spec for v in program.inputs]


def test_a_large_constant_that_is_missing_is_named() -> None:
    program = Program()
    with building(program):
        program.outputs = [constant(np.arange(100), dtypes.int64)]
    with pytest.raises(ValueError, match=r"needs the constant sha256:[0-9a-f]+ \(int64\[100\]\)"):
        parse(to_text(program))


def test_what_cannot_be_read_says_where() -> None:
    with pytest.raises(ValueError, match="line 2: expected the name of a definition, found 'conjure"):
        parse("program main(%0: float32[]) {\n  %1: float32[] = conjure(%0) {}\n  return %1\n}")
    with pytest.raises(ValueError, match="line 2: expected a value made before"):
        parse("program main() {\n  return %1\n}")
