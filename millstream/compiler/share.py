"""Compute once what a program computes twice. Needed again after readings of a variable turned out to be the same."""

from __future__ import annotations

from typing import Any

from millstream.compiler.expand import attribute_key
from millstream.program.primitives.control import programs_of
from millstream.program.value import Program, Value


def share(program: Program) -> None:
    """Drop, in place, the nodes that do what an earlier one does; nodes with effects and those that run programs stay."""
    replaced: dict[Value, Value] = {}
    seen: dict[Any, tuple[Value, ...]] = {}
    kept = []
    for node in program.nodes:
        if any(v in replaced for v in node.inputs):
            node.inputs = tuple(replaced.get(v, v) for v in node.inputs)
        if not node.definition.effects and not any(True for _ in programs_of(node.definition, node.attributes)):
            key = (node.definition, *map(id, node.inputs), *map(attribute_key, node.attributes.items()))
            known = seen.setdefault(key, node.outputs)
            # Outputs of sizes that only running tells are of another size each time they are made.
            if known is not node.outputs and all(a.spec == b.spec for a, b in zip(known, node.outputs, strict=True)):
                replaced.update(zip(node.outputs, known, strict=True))
                continue
        kept.append(node)
    program.nodes = kept
    program.outputs = [replaced.get(v, v) for v in program.outputs]
