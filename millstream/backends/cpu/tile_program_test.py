"""Tests of tile_program: its tables agree with the runtime's headers, and words are laid out as fused.h states."""

import re
import struct
from pathlib import Path

import pytest

from millstream.backends.cpu.tile_program import KINDS, OPS, TileProgram, element_words

KERNELS = Path(__file__).parents[3] / "runtime" / "kernels"
FLOAT32, BFLOAT16, COMPLEX64 = 1, 14, 8


def test_ops_are_those_of_the_runtime() -> None:
    found = re.findall(r"X\((\d+), (\w+), (\d), \w+\)", (KERNELS / "fused_ops.h").read_text())
    assert {name: (int(number), int(operands)) for number, name, operands in found} == OPS


def test_kinds_are_those_of_the_runtime() -> None:
    text = re.search(r"enum class ReduceKind : int32_t \{(.*?)\}", (KERNELS / "fused.h").read_text())
    assert text is not None
    numbers = {name: int(number) for name, number in re.findall(r"(\w+) = (\d)", text[1])}
    assert numbers == {{"and": "all", "or": "any"}.get(name, name): number for name, number in KINDS.items()}


def test_words_put_inputs_before_steps() -> None:
    program = TileProgram((2, 3))
    x = program.input(FLOAT32, (3, 1))
    one = program.constant(FLOAT32, 1.0)
    y = program.input(FLOAT32, (0, 1), offset=5)
    program.output(program.apply("add", FLOAT32, program.apply("multiply", FLOAT32, x, one), y))
    bits = struct.unpack("<i", struct.pack("<f", 1.0))[0]
    assert program.words() == [
        1, 2, 2, 3, 1, 0, 0, 0, 2, 3,
        FLOAT32, 0, 3, 1, FLOAT32, 5, 0, 1,
        0, FLOAT32, bits, 0, 0, 62, FLOAT32, 0, 2, 0, 60, FLOAT32, 3, 1, 0,
        4, FLOAT32, 0,
    ]  # fmt: skip
    assert program.kernel == "fused" and program.patches() == []


def test_sizes_that_are_not_ints_become_patches() -> None:
    rows = object()
    program = TileProgram((rows, 3), reduced=(0, 1))
    x = program.input(FLOAT32, (3, 1), offset=rows)
    program.output(x, kind="sum")
    assert program.words()[8] == 0 and program.patches() == [(8, rows), (11, rows)]
    assert program.kernel == "fused_reduce"


def test_constants_are_the_bytes_of_an_element() -> None:
    assert element_words(BFLOAT16, 1.0) == (0x3F80, 0)
    assert element_words(COMPLEX64, 1j)[0] == struct.unpack("<q", struct.pack("<ff", 0, 1))[0]
    assert element_words(25, b"\x38") == (0x38, 0)
    with pytest.raises(ValueError, match="must be given as bytes"):
        element_words(25, 1.0)


def test_reductions_need_reduced_dimensions() -> None:
    program = TileProgram((4,))
    with pytest.raises(ValueError, match="needs `reduced` dimensions"):
        program.output(program.input(FLOAT32, (1,)), kind="sum")
