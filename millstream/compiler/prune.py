"""Remove nodes that nothing needs. Keeps whatever has effects, except reads."""

from __future__ import annotations

from millstream.program.primitives.control import programs_of
from millstream.program.primitives.shaping import BIND_SIZES
from millstream.program.primitives.state import IS_SET, READ
from millstream.program.value import Node, Program, Value

_PURE_CONTROL = ("call", "branch", "loop")


def has_effects(node: Node) -> bool:
    """Return whether a node does more than give its outputs."""
    definition = node.definition
    if definition in (READ, IS_SET):
        return False
    if definition.name in _PURE_CONTROL:
        return any(has_effects(inner) for p in programs_of(definition, node.attributes) for inner in p.nodes)
    return definition.effects


def prune(program: Program) -> None:
    """Drop, in place, the nodes that neither an output nor an effect needs."""
    needed: set[Value] = set(program.outputs)
    kept: list[Node] = []
    for node in reversed(program.nodes):
        if has_effects(node) or node.definition is BIND_SIZES or any(v in needed for v in node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    kept.reverse()
    program.nodes = kept
