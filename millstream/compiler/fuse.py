"""Group elementwise primitives of one shape into chains that run as one instruction. Never makes a circle of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from millstream.base import dtypes
from millstream.base.sizes import Expression, Symbol, evaluate, is_known, symbols
from millstream.compiler import passes
from millstream.compiler.absorb import NEAR, absorb
from millstream.compiler.groups import Group, Groups
from millstream.program.primitives.shaping import BIND_SIZES, BROADCAST, CONSTANT, IOTA, SLICE
from millstream.program.primitives.state import IS_SET, READ
from millstream.program.value import Node, Program, Value

LARGEST_GROUP = 48
LARGEST_SOURCE = 8
"""How many times larger than itself what a slice is cut from may be, so that it is read where it lies."""

Takes = Callable[[Node, list[Node]], bool]


def _symbols_in(attribute: Any) -> Iterator[Symbol]:
    if isinstance(attribute, Expression):
        yield from symbols(attribute)
    elif isinstance(attribute, (tuple, list)):
        for item in attribute:
            yield from _symbols_in(item)


def coordinate(value: Value) -> int | None:
    """Return the axis along which `value` counts from 0: of an iota, as it is or repeated along other axes. None: it does not."""
    node = value.node
    if node is None:
        return None
    if node.definition is IOTA:
        return int(node.attributes["axis"])
    inner = coordinate(node.inputs[0]) if node.definition is BROADCAST else None
    if inner is None:
        return None
    axis = int(node.attributes["axes"][inner])
    return axis if node.inputs[0].shape[inner] == value.shape[axis] else None


def fuse(program: Program, fuses: Callable[[Node], bool], takes: Takes = lambda node, tail: False) -> list[Group]:
    """Return the groups of `program` in an order in which they can run.

    `fuses` says which nodes may be steps of a chain; `takes`, whether the kernel of a node also does what comes behind it.
    """
    return _Fusion(program, fuses, takes).run()


class _Fusion:
    def __init__(self, program: Program, fuses: Callable[[Node], bool], takes: Takes) -> None:
        self.program = program
        self.takes = takes
        self.groups = Groups()
        self.positions = {n: i for i, n in enumerate(program.nodes)}
        self.fusable = {n for n in program.nodes if fuses(n)}
        self.last_read = {v: i for i, n in enumerate(program.nodes) for v in n.inputs}
        self.lazy = self._find_lazy()
        self.binders = self._find_binders()
        self.changes: dict[object, int] = {}
        self.readings: dict[object, list[int]] = {}

    def run(self) -> list[Group]:
        for node in self.program.nodes:
            if node in self.lazy or node.definition is CONSTANT:
                continue
            if node in self.fusable:
                self._place(node)
            else:
                index = self.groups.add(Group([node], False), self._sources(node))
                self._order_effects(node, index)
        absorb(self.groups, self.program, self.positions, self.lazy, self.takes)
        return self.groups.in_order(self.positions)

    def _find_lazy(self) -> set[Node]:
        """Return the broadcasts, slices and coordinates that only fused nodes read: they need no bytes of their own."""
        eager: set[Value] = set(self.program.outputs)
        lazy: set[Node] = set()
        for node in reversed(self.program.nodes):
            if node.definition is BROADCAST and node.outputs[0] not in eager:
                lazy.add(node)
                # Kernels that take in a bias read what is repeated as it is.
                eager.update(v for v in node.inputs if v.node is not None and v.node.definition is SLICE)
                if coordinate(node.outputs[0]) is None:
                    eager.update(v for v in node.inputs if v.node is not None and v.node.definition is IOTA)
            elif node.definition is SLICE and node.outputs[0] not in eager and self._reads_in_place(node):
                lazy.add(node)
                eager.update(node.inputs)
            elif node.definition is IOTA and node.outputs[0] not in eager:
                lazy.add(node)
            elif node not in self.fusable:
                eager.update(node.inputs)
        return lazy

    def _reads_in_place(self, node: Node) -> bool:
        """Return whether a slice is best read where it lies: what it is cut from is little larger, and lives about as long."""
        x, y = node.inputs[0], node.outputs[0]
        if not x.spec.is_static or not y.spec.is_static or x.dtype == dtypes.string:
            return False
        starts = all(is_known(a) for a in node.attributes["start"])
        until = self.last_read.get(y, 0)
        near = until <= max(self.positions[node] + NEAR, self.last_read.get(x, 0))
        return starts and near and evaluate(x.spec.count or 0) <= LARGEST_SOURCE * evaluate(y.spec.count or 0)

    def _find_binders(self) -> dict[Symbol, Node]:
        """Return the nodes that bind sizes known only when it runs: what needs such a size need not read their results."""
        known = {symbol for value in self.program.inputs for symbol in value.spec.symbols()}
        binders: dict[Symbol, Node] = {}
        for node in self.program.nodes:
            found = set(node.attributes["symbols"]) if node.definition is BIND_SIZES else set()
            for value in node.outputs:
                found.update(value.spec.symbols())
            for symbol in found - known:
                binders[symbol] = node
            known |= found
        return binders

    def _sources(self, node: Node) -> Iterator[int]:
        if self.binders:
            needed = {symbol for attribute in node.attributes.values() for symbol in _symbols_in(attribute)}
            for value in node.outputs:
                needed.update(value.spec.symbols())
            for symbol in needed:
                binder = self.binders.get(symbol)
                if binder is not None and binder is not node and binder in self.groups.group_of:
                    yield self.groups.group_of[binder]
        for value in node.inputs:
            made_by = value.node
            while made_by is not None and made_by in self.lazy:
                made_by = made_by.inputs[0].node if made_by.inputs else None
            if made_by is not None and made_by in self.groups.group_of:
                yield self.groups.group_of[made_by]

    def _order_effects(self, node: Node, index: int) -> None:
        """Effects on one handle, and all effects without a handle, keep their order."""
        if not node.definition.effects:
            return
        handles: list[object] = [v for v in node.inputs if v.dtype == dtypes.resource] or ["world"]
        for handle in handles:
            changed = self.changes.get(handle)
            readings = self.readings.setdefault(handle, [])
            self.groups.depend(index, [] if changed is None else [changed])
            if node.definition in (READ, IS_SET):
                readings.append(index)
            else:
                self.groups.depend(index, readings)
                self.changes[handle] = index
                self.readings[handle] = []

    def _place(self, node: Node) -> None:
        shape = node.outputs[0].spec.shape
        groups = self.groups
        sources = set(self._sources(node))
        if not passes.is_on("fuse"):
            groups.add(Group([node], True, shape=shape), sources)
            return
        repeated = {groups.group_of[v.node] for v in self._repeated(node) if v.node in groups.group_of}  # type: ignore[index]
        for value in reversed(node.inputs):
            index = groups.group_of.get(value.node) if value.node is not None and value.node not in self.lazy else None
            if index is None or index in repeated or not self._joins(groups.items[index], shape, 1):
                continue
            if not any(groups.needs(other, index) for other in sources if other != index):
                groups.items[index].nodes.append(node)
                groups.group_of[node] = index
                groups.depend(index, sources)
                self._join_others(index, sources - repeated, shape)
                return
        groups.add(Group([node], True, shape=shape), sources)

    def _repeated(self, node: Node) -> Iterator[Value]:
        """What a node reads through broadcasts and slices; a chain cannot read its own results that way."""
        for value in node.inputs:
            lazy = False
            while value.node is not None and value.node in self.lazy and value.node.inputs:
                value, lazy = value.node.inputs[0], True
            if lazy:
                yield value

    def _joins(self, group: Group, shape: object, count: int) -> bool:
        return group.fused and group.shape == shape and len(group.nodes) + count <= LARGEST_GROUP

    def _join_others(self, index: int, sources: set[int], shape: object) -> None:
        """Join the other chains that feed the same node, where that makes no circle."""
        groups = self.groups
        for other in sources:
            if other == index or not self._joins(groups.items[other], shape, len(groups.items[index].nodes)):
                continue
            rest = (groups.before[index] | groups.before[other]) - {index, other}
            if any(groups.needs(r, other) or groups.needs(r, index) for r in rest):
                continue
            nodes = sorted(groups.items[index].nodes + groups.items[other].nodes, key=self.positions.__getitem__)
            if self._reads_repeated(nodes):
                continue
            groups.join(index, other, nodes)

    def _reads_repeated(self, nodes: list[Node]) -> bool:
        inside = set(nodes)
        return any(v.node in inside for node in nodes for v in self._repeated(node))
