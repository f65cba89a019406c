"""Hand sizes that are known around a branch or loop to the programs inside, which cannot see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.sizes import Expression, Symbol, symbols
from millstream.base.spec import Spec
from millstream.program.primitives.shaping import BIND_SIZES, SIZES
from millstream.program.value import Node, Program, Value

DECIDED = frozenset(("element", "count", "total", "symbols", "outputs"))
"""Attributes that describe what a kernel decides when it runs, not what it is told."""


def pass_sizes(outer: Program, programs: Sequence[Program]) -> list[Value]:
    """Make the sizes that `programs` use, but cannot know, one more input of each; return the value to give."""
    free: dict[Symbol, None] = {}
    for program in programs:
        free.update(dict.fromkeys(free_symbols(program)))
    if not free:
        return []
    names = tuple(free)
    (given,) = outer.emit(SIZES, (), {"values": names, "dtype": dtypes.int64, "scalar": False})
    for program in programs:
        value = program.input(Spec(dtypes.int64, (len(names),)))
        program.nodes.insert(0, Node(BIND_SIZES, (value,), {"symbols": names}, ()))
    return [given]


def free_symbols(program: Program) -> list[Symbol]:
    """Return the symbols that a program uses before anything in it says what they are."""
    bound = {n for v in program.inputs for n in v.spec.shape or () if isinstance(n, Symbol)}
    free: dict[Symbol, None] = {}

    def use(found: frozenset[Symbol] | set[Symbol]) -> None:
        free.update((s, None) for s in sorted(found - bound, key=str) if s not in free)

    for value in program.inputs:
        use(_of_shape(value.spec) - bound)
    for node in program.nodes:
        for name, attribute in node.attributes.items():
            if name not in DECIDED:
                use(_of_attribute(attribute))
        if node.definition is BIND_SIZES:
            bound.update(node.attributes["symbols"])
        for value in node.outputs:
            bound.update(n for n in value.spec.shape or () if isinstance(n, Symbol) and n not in free)
        for value in node.outputs:
            use(_of_shape(value.spec))
    return list(free)


def _of_shape(spec: Spec) -> frozenset[Symbol]:
    return frozenset().union(*(symbols(n) for n in spec.shape or ()))


def _of_attribute(attribute: Any) -> set[Symbol]:
    if isinstance(attribute, Expression):
        return set(symbols(attribute))
    if isinstance(attribute, Spec):
        return set(_of_shape(attribute))
    if isinstance(attribute, tuple):
        return {s for item in attribute for s in _of_attribute(item)}
    return set()
