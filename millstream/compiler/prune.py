"""Remove nodes that nothing needs. Keeps whatever has effects, except reads."""

from __future__ import annotations

from typing import Any

from millstream.base.sizes import Expression, Symbol, symbols
from millstream.base.spec import Spec
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
    """Drop, in place, the nodes that neither an output nor an effect needs, nor a size that is learnt when they run."""
    needed: set[Value] = set(program.outputs)
    binders = _binders(program)
    kept: list[Node] = []
    sizes: set[Symbol] = set()
    for value in program.outputs:
        sizes |= value.spec.symbols()
    for node in reversed(program.nodes):
        binds = binders and any(symbol in sizes for symbol in binders.get(node, ()))
        if has_effects(node) or binds or any(v in needed for v in node.outputs):
            needed.update(node.inputs)
            kept.append(node)
            if binders:
                _add_sizes(node, sizes)
    kept.reverse()
    program.nodes = kept


def _binders(program: Program) -> dict[Node, list[Symbol]]:
    """Return, for each node that makes sizes known when it runs, which."""
    known = {s for v in program.inputs for s in v.spec.symbols()}
    found: dict[Node, list[Symbol]] = {}
    for node in program.nodes:
        new = list(node.attributes["symbols"]) if node.definition is BIND_SIZES else []
        for value in node.outputs:
            new += [n for n in value.spec.shape or () if isinstance(n, Symbol)]
        for symbol in new:
            if symbol not in known:
                known.add(symbol)
                found.setdefault(node, []).append(symbol)
    return found


def _add_sizes(node: Node, sizes: set[Symbol]) -> None:
    for value in node.outputs:
        sizes |= value.spec.symbols()
    for attribute in node.attributes.values():
        _add_symbols(attribute, sizes)


def _add_symbols(attribute: Any, found: set[Symbol]) -> None:
    if isinstance(attribute, Expression):
        found |= symbols(attribute)
    elif isinstance(attribute, Spec):
        found |= attribute.symbols()
    elif isinstance(attribute, tuple):
        for item in attribute:
            _add_symbols(item, found)
