"""Group elementwise primitives of one shape into chains that run as one instruction. Never makes a circle of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from millstream.base import dtypes
from millstream.program.primitives.shaping import BROADCAST
from millstream.program.primitives.state import IS_SET, READ, WRITE
from millstream.program.value import Node, Program, Value

LARGEST_GROUP = 48


@dataclass
class Group:
    """Nodes that become one instruction: one node, or a chain of elementwise ones."""

    nodes: list[Node]
    fused: bool
    outputs: list[Value] = field(default_factory=list)
    before: set[int] = field(default_factory=set)


def through_broadcast(value: Value) -> Value:
    """Return what a broadcast repeats: fused instructions read it with strides of zero."""
    while value.node is not None and value.node.definition is BROADCAST:
        value = value.node.inputs[0]
    return value


def fuse(program: Program, fuses: Callable[[Node], bool]) -> list[Group]:
    """Return the groups of `program` in an order in which they can run."""
    return _Fusion(program, fuses).run()


class _Fusion:
    def __init__(self, program: Program, fuses: Callable[[Node], bool]) -> None:
        self.program = program
        self.fuses = fuses
        self.groups: list[Group] = []
        self.group_of: dict[Node, int] = {}
        self.first: list[int] = []
        self.lazy: set[Node] = set()

    def run(self) -> list[Group]:
        fusable = {id(n) for n in self.program.nodes if self.fuses(n)}
        self._find_lazy(fusable)
        last: dict[object, int] = {}
        for position, node in enumerate(self.program.nodes):
            if node in self.lazy:
                continue
            if id(node) in fusable:
                self._place(node, position)
            else:
                self._single(node, position)
                self._order_effects(node, last)
        return self._ordered()

    def _find_lazy(self, fusable: set[int]) -> None:
        """Broadcasts that only fused nodes read need no bytes of their own."""
        eager: set[Value] = set(self.program.outputs)
        for node in self.program.nodes:
            if id(node) not in fusable:
                eager.update(node.inputs)
        changed = True
        lazy = {n for n in self.program.nodes if n.definition is BROADCAST and n.outputs[0] not in eager}
        while changed:
            changed = False
            for node in self.program.nodes:
                if node.definition is BROADCAST and node not in lazy and node.inputs[0].node in lazy:
                    lazy.discard(node.inputs[0].node)  # type: ignore[arg-type]
                    changed = True
        self.lazy = lazy

    def _sources(self, node: Node) -> Iterable[int]:
        for value in node.inputs:
            made_by = value.node
            while made_by is not None and made_by in self.lazy:
                made_by = made_by.inputs[0].node
            if made_by is not None and made_by in self.group_of:
                yield self.group_of[made_by]

    def _single(self, node: Node, position: int) -> int:
        index = len(self.groups)
        self.groups.append(Group([node], False))
        self.first.append(position)
        self.groups[index].before.update(self._sources(node))
        self.group_of[node] = index
        return index

    def _order_effects(self, node: Node, last: dict[object, int]) -> None:
        """Effects on one handle, and all effects without a handle, keep their order."""
        if not node.definition.effects:
            return
        index = self.group_of[node]
        handles: list[object] = [v for v in node.inputs if v.dtype == dtypes.resource] or ["world"]
        for handle in handles:
            if handle in last:
                self.groups[index].before.add(last[handle])
            if node.definition in (READ, IS_SET):
                last.setdefault((handle, "read"), index)  # type: ignore[arg-type]
            last[handle] = index

    def _place(self, node: Node, position: int) -> None:
        shape = node.outputs[0].spec.shape
        sources = set(self._sources(node))
        for value in node.inputs:
            made_by = value.node
            if made_by is None or made_by in self.lazy:
                continue
            index = self.group_of.get(made_by)
            if index is None or not self.groups[index].fused:
                continue
            group = self.groups[index]
            if len(group.nodes) >= LARGEST_GROUP or group.nodes[0].outputs[0].spec.shape != shape:
                continue
            if not any(self._reaches(other, index) for other in sources if other != index):
                group.nodes.append(node)
                group.before |= sources - {index}
                self.group_of[node] = index
                self._merge_others(index, sources, shape)
                return
        index = self._single(node, position)
        self.groups[index].fused = True

    def _merge_others(self, index: int, sources: set[int], shape: object) -> None:
        """Join the other chains that feed the same node, where that makes no circle."""
        for other in sources:
            if other == index or not self.groups[other].fused:
                continue
            group, host = self.groups[other], self.groups[index]
            if group.nodes[0].outputs[0].spec.shape != shape or len(group.nodes) + len(host.nodes) > LARGEST_GROUP:
                continue
            rest = (host.before | group.before) - {index, other}
            if any(self._reaches(r, other) or self._reaches(r, index) for r in rest):
                continue
            host.nodes = _in_order(group.nodes, host.nodes, self.program)
            host.before = rest
            self.first[index] = min(self.first[index], self.first[other])
            for node in group.nodes:
                self.group_of[node] = index
            self.groups[other] = Group([], False)
            for g in self.groups:
                if other in g.before:
                    g.before.discard(other)
                    g.before.add(index)

    def _reaches(self, start: int, goal: int) -> bool:
        """Return whether group `start` needs group `goal` to have run."""
        stack, seen = [start], set()
        while stack:
            index = stack.pop()
            if index == goal:
                return True
            if index in seen:
                continue
            seen.add(index)
            stack.extend(self.groups[index].before)
        return False

    def _ordered(self) -> list[Group]:
        position = {n: i for i, n in enumerate(self.program.nodes)}
        done: set[int] = set()
        result: list[Group] = []
        order = sorted(
            (i for i, g in enumerate(self.groups) if g.nodes), key=lambda i: position[self.groups[i].nodes[-1]]
        )
        for start in order:
            stack = [start]
            while stack:
                index = stack[-1]
                missing = [b for b in self.groups[index].before if b not in done and b != index]
                if index in done:
                    stack.pop()
                elif missing:
                    stack.extend(missing)
                else:
                    done.add(index)
                    stack.pop()
                    if self.groups[index].nodes:
                        result.append(self.groups[index])
        self._find_outputs(result)
        return result

    def _find_outputs(self, groups: list[Group]) -> None:
        readers: dict[Value, set[int]] = {}
        for i, group in enumerate(groups):
            for node in group.nodes:
                for value in node.inputs:
                    while value.node is not None and value.node in self.lazy:
                        value = value.node.inputs[0]
                    readers.setdefault(value, set()).add(i)
        kept = set(self.program.outputs)
        for i, group in enumerate(groups):
            if not group.fused:
                continue
            group.outputs = [
                v for n in group.nodes for v in n.outputs if v in kept or readers.get(v, set()) - {i}
            ]


def _in_order(a: list[Node], b: list[Node], program: Program) -> list[Node]:
    both = {*map(id, a), *map(id, b)}
    return [n for n in program.nodes if id(n) in both]
