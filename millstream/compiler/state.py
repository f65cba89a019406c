"""Make state explicit: forward what was written to later reads, and keep only the last write. Never moves one across a call."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.program.primitives.state import IS_SET, READ, WRITE
from millstream.program.value import Node, Program, Value


def forward_state(program: Program) -> bool:
    """Replace, in place, reads of a handle whose content is known, and drop writes that are overwritten unseen.

    Returns whether a read was replaced.
    """
    held: dict[Value, Value] = {}
    last_write: dict[Value, Node] = {}
    replaced: dict[Value, Value] = {}
    kept: list[Node] = []
    dropped: set[int] = set()
    for node in program.nodes:
        if any(v in replaced for v in node.inputs):
            node.inputs = tuple(replaced.get(v, v) for v in node.inputs)
        if node.definition is READ:
            handle = node.inputs[0]
            known = held.get(handle)
            if (
                known is not None
                and known.spec.dtype == node.outputs[0].dtype
                and known.spec.shape == node.outputs[0].spec.shape
            ):
                replaced[node.outputs[0]] = known
                continue
            held[handle] = node.outputs[0]
            last_write.pop(handle, None)
        elif node.definition is WRITE:
            handle, value = node.inputs
            if handle in last_write:
                dropped.add(id(last_write[handle]))
            held[handle], last_write[handle] = value, node
        elif node.definition is not IS_SET and node.definition.effects:
            touched = [v for v in node.inputs if v.dtype == dtypes.resource]
            for handle in touched:
                held.pop(handle, None)
                last_write.pop(handle, None)
        kept.append(node)
    program.nodes = [n for n in kept if id(n) not in dropped]
    program.outputs = [replaced.get(v, v) for v in program.outputs]
    return bool(replaced)
