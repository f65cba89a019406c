"""Say which nodes of a program must wait for which: what changes a variable keeps its place among what uses the same one."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base import dtypes
from millstream.ops.declaration import Op
from millstream.program.value import Node, Program, Value

READS = frozenset((
    "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp", "DisableCopyOnRead",
    "LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2",
))  # fmt: skip
"""Ops that leave what their handle refers to as it is."""

_FREE = (
    "Random",
    "Multinomial",
    "TruncatedNormal",
    "ParameterizedTruncatedNormal",
    "StatelessIf",
    "StatelessWhile",
    "StatelessCase",
)
"""Ops, by how their names begin, whose order among each other does not matter."""


def programs_in(node: Node) -> list[Program]:
    """Return the functions that a node runs."""
    found: list[Program] = []
    for value in node.attributes.values():
        if isinstance(value, Program):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(p for p in value if isinstance(p, Program))
    return found


def is_stateful(program: Program) -> bool:
    """Return whether a program does more than give its outputs, or gives others each time."""
    return any(isinstance(n.definition, Op) and n.definition.stateful for n in program.nodes)


def changes(node: Node, value: Value) -> bool:
    """Return whether a node may change what the handle `value` refers to."""
    if node.definition.name in READS:
        return False
    inner = programs_in(node)
    if not inner:
        return True
    for program in inner:
        own = [v for v, given in zip(reversed(program.inputs), reversed(node.inputs), strict=False) if given is value]
        if any(v in n.inputs and changes(n, v) for v in own for n in program.nodes):
            return True
    return False


def waits(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """Return for each node that acts those before it that must be done first."""
    found: dict[Node, list[Node]] = {}
    changed: dict[Value, Node] = {}
    read: dict[Value, list[Node]] = {}
    last: Node | None = None
    for node in nodes:
        if not (isinstance(node.definition, Op) and node.definition.effects):
            continue
        before: dict[Node, None] = {}
        handles = [v for v in dict.fromkeys(node.inputs) if v.dtype is dtypes.resource]
        for handle in handles:
            if handle in changed:
                before[changed[handle]] = None
            if changes(node, handle):
                before.update(dict.fromkeys(read.pop(handle, ())))
                changed[handle] = node
            else:
                read.setdefault(handle, []).append(node)
        if not handles and not node.definition.name.startswith(_FREE):
            if last is not None:
                before[last] = None
            last = node
        before.pop(node, None)
        if before:
            found[node] = list(before)
    return found
