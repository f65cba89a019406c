"""Compute again, where it is read late, what is large and cheap: a step's peak of memory is where it turns back.

Of the values that live where most bytes do, one that is more than a twentieth of them and follows by a few cheap steps from
values that live as long anyway is computed once more for those who read it afterwards. Refuses nothing; effects stay.
"""

from __future__ import annotations

from itertools import accumulate

from millstream.compiler.plan import bytes_of
from millstream.program.primitives.shaping import BROADCAST, CONSTANT, RESHAPE
from millstream.program.value import Node, Program, Value

SHARE = 20
"""A value is large from this part of the peak on, and small up to as much of the value itself."""
LEAST_BYTES = 8 << 20
MOST_STEPS = 16
NEAR = 24
"""How many nodes later a value may be read that does not count."""
CHEAP = frozenset(
    (
        "abs",
        "add",
        "bit_and",
        "bit_or",
        "compare",
        "convert",
        "divide",
        "logical_not",
        "maximum",
        "minimum",
        "multiply",
        "negate",
        "select",
        "subtract",
    )
)


def recompute(program: Program) -> None:
    """Change `program` in place."""
    sizes = {v: _bytes(v) for n in program.nodes for v in n.outputs}
    if max(sizes.values(), default=0) < LEAST_BYTES:
        return
    _Recomputing(program, sizes).run()


def _bytes(value: Value) -> int:
    """Return how many bytes a value takes; 0 for what has none of its own, or where only running tells."""
    node = value.node
    if node is not None and node.definition in (BROADCAST, CONSTANT, RESHAPE):
        return 0
    return bytes_of(value.spec)


class _Recomputing:
    def __init__(self, program: Program, sizes: dict[Value, int]) -> None:
        self.program = program
        self.sizes = sizes
        self.positions = {n: i for i, n in enumerate(program.nodes)}
        self.readers: dict[Value, list[Node]] = {}
        for node in program.nodes:
            for value in dict.fromkeys(node.inputs):
                self.readers.setdefault(value, []).append(node)
        self.kept = set(program.outputs)
        self.until = self._find_ends()
        self.added: dict[Node, list[Node]] = {}
        """What is computed again, by the node before which that is done."""

    def run(self) -> None:
        changes = [0] * (len(self.program.nodes) + 2)
        for value, size in self.sizes.items():
            assert value.node is not None
            made, until = self.positions[value.node], self.until[value]
            if until > made + NEAR:  # what is read at once is mostly never stored
                changes[made] += size
                changes[until + 1] -= size
        held = list(accumulate(changes))
        most = max(held)
        highest = [time for time, size in enumerate(held) if size == most]
        peak = highest[len(highest) // 2]
        for value, size in self.sizes.items():
            if size >= LEAST_BYTES and size * SHARE > most and value not in self.kept:
                self._recompute(value, peak)
        if self.added:
            self.program.nodes[:] = [n for node in self.program.nodes for n in (*self.added.get(node, ()), node)]

    def _find_ends(self) -> dict[Value, int]:
        """Return the position up to which each value is read, through what only repeats or reshapes it, too."""
        until: dict[Value, int] = {}
        for node in reversed(self.program.nodes):
            for value in node.outputs:
                last = max((self.positions[r] for r in self.readers.get(value, ())), default=self.positions[node])
                for reader in self.readers.get(value, ()):
                    if reader.definition in (BROADCAST, RESHAPE):
                        last = max(last, until[reader.outputs[0]])
                until[value] = len(self.program.nodes) if value in self.kept else last
        return until

    def _recompute(self, value: Value, peak: int) -> None:
        assert value.node is not None
        late = [r for r in self.readers.get(value, ()) if self.positions[r] > peak]
        early = [r for r in self.readers.get(value, ()) if self.positions[r] <= peak]
        if self.positions[value.node] >= peak or not late or not early:
            return
        if any(r.definition in (BROADCAST, RESHAPE) and self.until[r.outputs[0]] > peak for r in early):
            return
        steps = self._steps(value, min(map(self.positions.__getitem__, late)))
        if steps is None:
            return
        copies: dict[Value, Value] = {}
        chain = []
        for step in steps:
            inputs = [copies.get(v, v) for v in step.inputs]
            copy = Node(step.definition, inputs, step.attributes, [v.spec for v in step.outputs], step.source)
            copies.update(zip(step.outputs, copy.outputs, strict=True))
            chain.append(copy)
        for reader in late:
            reader.inputs = tuple(copies[value] if v is value else v for v in reader.inputs)
        self.added.setdefault(min(late, key=self.positions.__getitem__), []).extend(chain)

    def _steps(self, value: Value, when: int) -> list[Node] | None:
        """Return the nodes that make `value` from what lives until `when` anyway, or is small; None where these are too many."""
        found: dict[Node, None] = {}
        stack = [value]
        while stack:
            node = stack.pop().node
            if node is None or node in found:
                continue
            if node.definition is not BROADCAST and (
                node.definition.name not in CHEAP or node.outputs[0].spec.shape != value.spec.shape
            ):
                return None
            found[node] = None
            if len(found) > MOST_STEPS:
                return None
            for source in node.inputs:
                small = source.node is None or self.sizes[source] * SHARE <= self.sizes[value]
                repeats = source.node is not None and source.node.definition is BROADCAST
                if repeats or not (small or self.until[source] >= when):
                    stack.append(source)
        return sorted(found, key=self.positions.__getitem__)
