"""Hand sizes that are known around a branch or loop to the programs inside, which cannot see them."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base import dtypes
from millstream.base.sizes import Symbol
from millstream.base.spec import Spec
from millstream.program.learned_sizes import free_symbols
from millstream.program.primitives.shaping import BIND_SIZES, SIZES
from millstream.program.value import Node, Program, Value


def pass_sizes(outer: Program, programs: Sequence[Program]) -> list[Value]:
    """Make the sizes that `programs` use, but cannot know, one more input of each; return the value to give."""
    free: dict[Symbol, None] = {}
    for program in programs:
        free.update(dict.fromkeys(free_symbols(program.inputs, program.nodes)))
    if not free:
        return []
    names = tuple(free)
    (given,) = outer.emit(SIZES, (), {"values": names, "dtype": dtypes.int64, "scalar": False})
    for program in programs:
        value = program.input(Spec(dtypes.int64, (len(names),)))
        program.nodes.insert(0, Node(BIND_SIZES, (value,), {"symbols": names}, ()))
    return [given]
