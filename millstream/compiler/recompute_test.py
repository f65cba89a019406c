"""What is computed again where a program turns back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.compiler.recompute import LEAST_BYTES, recompute
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.shaping import broadcast, full, reverse
from millstream.program.value import Program, Value, building

SHAPE = (LEAST_BYTES // 4 // 1024, 1024)


def _turning(first: Callable[[Value], Value]) -> Program:
    """A program that reads what `first` makes of a value early, and after many steps once more, together with that value."""
    program = Program("turning")
    with building(program):
        source = reverse(program.input(Spec(dtypes.float32, SHAPE)), (0,))
        made = first(source)
        y = reverse(made, (0,))
        for _ in range(40):
            y = reverse(y, (1,))
        program.outputs = [reverse(made, (1,)) * y + source]
    return program


def _names(program: Program) -> list[str]:
    return [node.definition.name for node in program.nodes]


def _clipped(x: Value) -> Value:
    twice = x * broadcast(full((1024,), 2, x.dtype), SHAPE, (1,))
    return e.minimum(e.maximum(twice, full(SHAPE, 0, x.dtype)), full(SHAPE, 6, x.dtype))


def test_a_large_cheap_value_is_computed_again_before_its_late_reader():
    program = _turning(_clipped)
    before = _names(program)
    recompute(program)
    after = _names(program)
    assert after.count("minimum") == 2 and len(after) > len(before)
    late = program.nodes[max(i for i, name in enumerate(after) if name == "minimum")].outputs[0]
    readers = [i for i, node in enumerate(program.nodes) if late in node.inputs]
    assert readers == [max(i for i, name in enumerate(after) if name == "reverse")]
    made: set[Any] = set(program.inputs)
    for node in program.nodes:
        assert made.issuperset(node.inputs), "each value is made before it is read"
        made.update(node.outputs)


def test_dear_functions_are_not_computed_again():
    program = _turning(e.tanh)
    recompute(program)
    assert _names(program).count("tanh") == 1


def test_what_would_keep_another_large_value_alive_is_not_computed_again():
    program = _turning(lambda x: reverse(x, (1,)) + x)
    before = _names(program)
    recompute(program)
    assert _names(program) == before
