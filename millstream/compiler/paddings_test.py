"""Tests of convolutions that do the padding before them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from millstream.backends.cpu.target import CPU
from millstream.backends.reference.interpreter import interpret
from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.compiler.pipeline import lower
from millstream.program.primitives.shaping import constant, pad
from millstream.program.primitives.windows import convolution, input_gradient, weight_gradient
from millstream.program.value import Program, Value, building

CASES = {
    "around": ((0, 1, 2, 0), (0, 2, 1, 0), {}),
    "behind": ((0, 0, 0, 0), (0, 1, 1, 0), {"strides": (2, 2)}),
    "more": ((0, 1, 1, 0), (0, 0, 1, 0), {"low": (1, 1), "high": (1, 0)}),
    "dilated": ((0, 3, 1, 0), (0, 4, 2, 0), {"kernel_dilation": (2, 1)}),
}


def options(given: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    plain = {"strides": (1, 1), "low": (0, 0), "high": (0, 0), "input_dilation": (1, 1), "kernel_dilation": (1, 1)}
    return {**plain, "groups": 1, **given}


def lowered(program: Program) -> list[str]:
    """Check that the lowered program gives the same numbers; return its nodes without constants."""
    random = np.random.default_rng(1)
    arrays = [random.standard_normal(v.shape).astype(np.float32) for v in program.inputs]
    short = lower(program, [v.spec for v in program.inputs], CPU)
    plain = Program("plain")
    plain.inputs, plain.nodes, plain.outputs = short.inputs, short.nodes, short.outputs
    expected = _as_written(program, arrays)
    for ours, theirs in zip(interpret(plain, arrays), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    return [n.definition.name for n in short.nodes if n.definition.name != "constant"]


def _as_written(program: Program, arrays: list[np.ndarray]) -> list[np.ndarray]:
    place = dict(zip(program.inputs, arrays, strict=True))
    for node in program.nodes:
        place[node.outputs[0]] = node.definition.meaning(*(place[v] for v in node.inputs), **node.attributes)  # type: ignore[attr-defined]
    return [place[v] for v in program.outputs]


def program_of(low: tuple[int, ...], high: tuple[int, ...], a: dict[str, object], fill: float = 0.0) -> Program:
    program = Program("test")
    with building(program):
        x, w = (program.input(Spec(dtypes.float32, s)) for s in ((2, 7, 8, 3), (3, 3, 3, 4)))
        wide = pad(x, low, high, value=constant(fill, dtypes.float32))
        z: Value = convolution(wide, w, **a)
        dz = z + z
        dx = pad(input_gradient(w, dz, wide.shape, **a), [-n for n in low], [-n for n in high])
        program.outputs = [z, weight_gradient(wide, dz, w.shape, **a), dx]
    return program


@pytest.mark.parametrize("name", CASES)
def test_convolutions_and_their_gradients_pad_themselves(name: str) -> None:
    low, high, given = CASES[name]
    nodes = lowered(program_of(low, high, options(given)))
    assert sorted(nodes) == ["add", "convolution", "convolution_input_gradient", "convolution_weight_gradient"]


def test_other_numbers_than_zero_are_padded_before() -> None:
    assert "pad" in lowered(program_of((0, 1, 1, 0), (0, 1, 1, 0), options({}), fill=1.0))


def test_what_is_wider_than_the_window_is_padded_before() -> None:
    assert "pad" in lowered(program_of((0, 3, 0, 0), (0, 0, 0, 0), options({})))


def test_channels_and_batches_are_padded_before() -> None:
    program = Program("test")
    with building(program):
        x, w = (program.input(Spec(dtypes.float32, s)) for s in ((2, 7, 8, 3), (3, 3, 4, 4)))
        program.outputs = [convolution(pad(x, (1, 1, 1, 0), (0, 1, 1, 1)), w, **options({}))]
    assert lowered(program) == ["pad", "convolution"]
