"""Keep groups of nodes and what each needs to have run before. Says whether joining two would make a circle; joins nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from millstream.program.value import Node, Value


@dataclass
class Group:
    """Nodes that become one instruction: one node, perhaps with a tail that its kernel takes in, or a fused chain."""

    nodes: list[Node]
    fused: bool
    outputs: list[Value] = field(default_factory=list)
    shape: object = None
    axes: tuple[int, ...] | None = None
    """What the reductions in a fused group go over; None where it has none."""

    @property
    def reductions(self) -> list[Node]:
        """The reductions in a fused group."""
        return [n for n in self.nodes if n.definition.name == "reduce"] if self.axes is not None else []


class Groups:
    """Groups by number, each with the set of all groups above it, kept as the bits of one integer."""

    def __init__(self) -> None:
        self.items: list[Group] = []
        self.group_of: dict[Node, int] = {}
        self.before: list[set[int]] = []
        self._after: list[set[int]] = []
        self._above: list[int] = []
        self._bits: list[int] = []

    def add(self, group: Group, sources: Iterable[int]) -> int:
        """Add a group that needs `sources`; return its number."""
        index = len(self.items)
        self.items.append(group)
        for node in group.nodes:
            self.group_of[node] = index
        self.before.append(set())
        self._after.append(set())
        self._above.append(0)
        self._bits.append(1 << index)
        self.depend(index, sources)
        return index

    def depend(self, index: int, sources: Iterable[int]) -> None:
        """Make group `index` need `sources`."""
        fresh = 0
        for source in sources:
            if source != index and source not in self.before[index]:
                self.before[index].add(source)
                self._after[source].add(index)
                fresh |= self._above[source] | self._bits[source]
        self._grow(index, fresh)

    def _grow(self, index: int, mask: int) -> None:
        stack = [(index, mask)]
        while stack:
            at, new = stack.pop()
            new &= ~self._above[at]
            if new:
                self._above[at] |= new
                stack.extend((follower, new) for follower in self._after[at])

    def needs(self, index: int, other: int) -> bool:
        """Return whether group `index` needs `other` to have run, directly or not."""
        return bool(self._above[index] & self._bits[other])

    def join(self, host: int, other: int, nodes: Sequence[Node]) -> None:
        """Make `other` a part of `host`, which then holds `nodes`. The caller knows that this makes no circle."""
        for node in self.items[other].nodes:
            self.group_of[node] = host
        self.items[host].nodes = list(nodes)
        self.items[other] = Group([], False)
        self._bits[host] |= self._bits[other]
        sources = self.before[other] - {host}
        for source in self.before[other]:
            self._after[source].discard(other)
        for follower in self._after[other]:
            self.before[follower].discard(other)
            if follower != host:
                self.before[follower].add(host)
                self._after[host].add(follower)
        self.before[other], self._after[other] = set(), set()
        self.before[host].discard(host)
        self.depend(host, sources)
        for follower in self._after[host]:
            self._grow(follower, self._above[host] | self._bits[host])

    def in_order(self, positions: dict[Node, int]) -> list[Group]:
        """Return the groups so that each comes after those it needs, else in the order of the program."""
        done: set[int] = set()
        result: list[Group] = []
        last = {i: max(positions[n] for n in g.nodes) for i, g in enumerate(self.items) if g.nodes}
        for start in sorted(last, key=last.__getitem__):
            stack = [start]
            while stack:
                index = stack[-1]
                if index in done:
                    stack.pop()
                    continue
                missing = [b for b in self.before[index] if b not in done]
                if missing:
                    stack.extend(sorted(missing, key=last.__getitem__, reverse=True))
                else:
                    done.add(index)
                    stack.pop()
                    result.append(self.items[index])
        return result
