"""Let groups take in their neighbours: reductions join the chains that feed them, cheap steps move to where they are read, and
kernels take in the tails that they can do themselves. Never makes a circle of groups, never moves an effect."""

from __future__ import annotations

from collections.abc import Callable

from millstream.base import dtypes
from millstream.base.sizes import evaluate
from millstream.compiler import passes
from millstream.compiler.groups import Group, Groups
from millstream.program.primitives.reduction import REDUCE
from millstream.program.primitives.shaping import CONSTANT
from millstream.program.value import Node, Program, Value

_CHEAP = frozenset(
    (
        "compare",
        "convert",
        "negate",
        "abs",
        "select",
        "logical_not",
        "bit_and",
        "bit_or",
        "maximum",
        "minimum",
        "add",
        "subtract",
        "multiply",
    )
)
NEAR = 24
"""How many nodes longer a value may live so that a cheap step on it can be done where its result is read."""


def absorb(
    groups: Groups,
    program: Program,
    positions: dict[Node, int],
    lazy: set[Node],
    takes: Callable[[Node, list[Node]], bool],
) -> None:
    """Change `groups` in place, and set what the groups must give to others."""
    absorber = _Absorber(groups, program, positions, lazy)
    if passes.is_on("absorb"):
        absorber.sink()
        absorber.join_reductions()
        absorber.take_tails(takes)
    absorber.find_outputs()


class _Absorber:
    def __init__(self, groups: Groups, program: Program, positions: dict[Node, int], lazy: set[Node]) -> None:
        self.groups = groups
        self.positions = positions
        self.lazy = lazy
        self.kept = set(program.outputs)
        self.readers: dict[Value, list[Node]] = {}
        for node in program.nodes:
            if node not in lazy:
                for value in dict.fromkeys(map(self._source, node.inputs)):
                    self.readers.setdefault(value, []).append(node)

    def _source(self, value: Value) -> Value:
        while value.node is not None and value.node in self.lazy and value.node.inputs:
            value = value.node.inputs[0]
        return value

    def sink(self) -> None:
        """Do cheap steps where their results are read, where what they read is there anyway."""
        for index in range(len(self.groups.items)):
            group = self.groups.items[index]
            if not group.fused or len(group.nodes) < 2:
                continue
            for node in list(reversed(group.nodes)):
                if node.definition.name in _CHEAP and self.groups.group_of[node] == index:
                    self._sink(node, index)

    def _sink(self, node: Node, index: int) -> None:
        """Move a step to the one chain that reads its result, or copy it there where its own chain needs it, too."""
        value, group_of = node.outputs[0], self.groups.group_of
        outside = [r for r in self.readers.get(value, ()) if group_of[r] != index]
        if value in self.kept or not outside:
            return
        goal = group_of[outside[0]]
        host, group = self.groups.items[goal], self.groups.items[index]
        if (
            any(group_of[r] != goal or value not in r.inputs for r in outside)
            or not host.fused
            or host.shape != group.shape
        ):
            return
        inside = [r for r in self.readers[value] if group_of[r] == index]
        moved = [node] if inside else self._with_own(node, index)
        sources = self._sources_at(moved, index, min(self.positions[n] for n in host.nodes))
        if sources is None or (not inside and len(group.nodes) <= len(moved)):
            return
        if inside:
            moved = [self._copy(node, inside, outside)]
        else:
            group.nodes = [n for n in group.nodes if n not in moved]
        group_of.update((n, goal) for n in moved)
        host.nodes = sorted([*moved, *host.nodes], key=self.positions.__getitem__)
        self.groups.depend(goal, sources)

    def _with_own(self, node: Node, index: int) -> list[Node]:
        """Return a step of group `index`, and the cheap ones of the group that only feed it."""
        moved = [node]
        for step in moved:
            for source in dict.fromkeys(map(self._source, step.inputs)):
                own = source.node
                if (
                    own is not None
                    and own not in moved
                    and self.groups.group_of.get(own) == index
                    and own.definition.name in _CHEAP
                    and source not in self.kept
                    and all(r in moved for r in self.readers[source])
                ):
                    moved.append(own)
        return moved

    def _sources_at(self, moved: list[Node], index: int, when: int) -> list[int] | None:
        """Return the groups that make what steps of group `index` read; None where that would not be there at `when` anyway."""
        sources = []
        for source in dict.fromkeys(self._source(v) for n in moved for v in n.inputs):
            made_by = source.node
            if made_by is None or made_by.definition is CONSTANT or made_by in self.lazy or made_by in moved:
                continue
            others = [n for n in self.readers[source] if n not in moved]
            if made_by in self.groups.group_of:
                origin = self.groups.group_of[made_by]
                if (
                    origin == index
                    and source not in self.kept
                    and all(self.groups.group_of[n] == index for n in others)
                ):
                    return None
                sources.append(origin)
            until = max((self.positions[n] for n in others), default=-1)
            if self._is_large(source, moved[0].outputs[0]) and source not in self.kept and until + NEAR < when:
                return None
        return sources

    @staticmethod
    def _is_large(source: Value, result: Value) -> bool:
        """Return whether to keep `source` for longer takes as much memory as to keep `result`."""
        if source.spec.is_static and result.spec.is_static:
            return evaluate(source.spec.count or 0) >= evaluate(result.spec.count or 0)
        return source.spec.shape == result.spec.shape

    def _copy(self, node: Node, inside: list[Node], outside: list[Node]) -> Node:
        """Return a node that does the same for the nodes `outside` as `node` goes on doing for those `inside`."""
        value = node.outputs[0]
        copy = Node(node.definition, node.inputs, node.attributes, [value.spec], node.source)
        for reader in outside:
            reader.inputs = tuple(copy.outputs[0] if v is value else v for v in reader.inputs)
        self.positions[copy] = self.positions[node]
        self.readers[value], self.readers[copy.outputs[0]] = inside, outside
        for source in dict.fromkeys(map(self._source, node.inputs)):
            self.readers[source].append(copy)
        return copy

    def join_reductions(self) -> None:
        """Make a reduction part of the chain that gives what it reduces, or of a chain that reads the same over the same axes."""
        for index in range(len(self.groups.items)):
            group = self.groups.items[index]
            if group.fused or len(group.nodes) != 1 or group.nodes[0].definition is not REDUCE:
                continue
            node = group.nodes[0]
            x, axes = node.inputs[0], node.attributes["axes"]
            if x.dtype == dtypes.string or x.spec.shape is None:
                continue
            made_by = self.groups.group_of.get(x.node) if x.node is not None else None
            for host in dict.fromkeys([made_by, *(self.groups.group_of.get(r) for r in self.readers[x])]):
                if host is None or host == index or not self._reduces(host, node, axes):
                    continue
                if host != made_by and (x not in self._inputs(host) or self.groups.needs(host, index)):
                    continue
                chain = self.groups.items[host]
                chain.axes = axes
                self.groups.join(host, index, [*chain.nodes, node])
                break

    def _inputs(self, index: int) -> set[Value]:
        return {v for n in self.groups.items[index].nodes for v in n.inputs}

    def _reduces(self, index: int, node: Node, axes: tuple[int, ...]) -> bool:
        group = self.groups.items[index]
        if not group.fused or group.shape != node.inputs[0].spec.shape or group.axes not in (None, axes):
            return False
        if axes == tuple(range(axes[0], axes[-1] + 1)):
            return True
        # Results that are stored must come in the order of their elements: the axes that go must then lie together.
        inside = set(group.nodes) | {node}
        return not any(
            v in self.kept or any(r not in inside for r in self.readers.get(v, ()))
            for n in group.nodes
            if n.definition is not REDUCE
            for v in n.outputs
        )

    def take_tails(self, takes: Callable[[Node, list[Node]], bool]) -> None:
        """Give kernels the bias, the activation and the transposition behind them, where they can do these."""
        for index in range(len(self.groups.items)):
            group = self.groups.items[index]
            while len(group.nodes) and not group.fused and len(group.nodes[-1].outputs) == 1:
                value = group.nodes[-1].outputs[0]
                readers = self.readers.get(value, [])
                if value in self.kept or not readers:
                    break
                other = self.groups.group_of[readers[0]]
                tail = self.groups.items[other]
                if other == index or any(self.groups.group_of[r] != other for r in readers) or tail.axes is not None:
                    break
                if len(self._given(tail)) != 1 or not takes(group.nodes[0], [*group.nodes[1:], *tail.nodes]):
                    break
                if any(self.groups.needs(b, index) for b in self.groups.before[other] if b != index):
                    break
                self.groups.join(index, other, [*group.nodes, *tail.nodes])

    def _given(self, group: Group) -> list[Value]:
        inside = set(group.nodes)
        return [
            v
            for n in group.nodes
            for v in n.outputs
            if v in self.kept or any(r not in inside for r in self.readers.get(v, ()))
        ]

    def find_outputs(self) -> None:
        for group in self.groups.items:
            if group.fused:
                group.outputs = self._given(group)
