"""Rewrite products so that nothing is transposed or repeated for them. Sums may be added up in another order, never with fewer bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.program.primitives.linear import DOT, dot
from millstream.program.primitives.shaping import BROADCAST, TRANSPOSE, reshape, transpose
from millstream.program.value import Value

Axes = list[int]


class _Side:
    """One operand on the way to its source: for each axis of the operand, the axis of the source, None where repeated."""

    def __init__(self, value: Value) -> None:
        self.value = value
        self.axes: list[int | None] = list(range(value.rank))

    def look_through(self, may_repeat: set[int]) -> bool:
        """Replace the operand by what it transposes, or repeats along `may_repeat`, axes of the operand; return whether it did."""
        node = self.value.node
        if node is None:
            return False
        if node.definition is TRANSPOSE:
            order = node.attributes["permutation"]
            self.axes = [None if a is None else order[a] for a in self.axes]
            self.value = node.inputs[0]
            return True
        return node.definition is BROADCAST and self._look_through_broadcast(
            node.inputs[0], node.attributes, may_repeat
        )

    def _look_through_broadcast(self, source: Value, attributes: Mapping[str, Any], may_repeat: set[int]) -> bool:
        shape, axes = attributes["shape"], attributes["axes"]
        place = {wide: i for i, wide in enumerate(axes) if source.shape[i] == shape[wide]}
        spread_axes = [i for i, wide in enumerate(axes) if wide not in place]
        if any(source.shape[i] != 1 for i in spread_axes) or list(axes) != sorted(axes):
            return False
        repeated = [i for i, a in enumerate(self.axes) if a is not None and a not in place]
        if not repeated or not set(repeated) <= may_repeat:
            return False
        kept = [i for i in range(source.rank) if i not in spread_axes]
        self.axes = [None if a is None or a not in place else kept.index(place[a]) for a in self.axes]
        self.value = reshape(source, [source.shape[i] for i in kept]) if spread_axes else source
        return True


def simplify_dot(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...] | None:
    """Multiply what is behind transpositions, and behind repetitions along batch axes; None where there are none."""
    x, y = _Side(inputs[0]), _Side(inputs[1])
    contract, batch = attributes["contract"], attributes["batch"]
    changed = False
    while x.look_through(set(batch[0])):
        changed = True
    # An axis that both operands repeat must stay with one of them.
    while y.look_through({j for i, j in zip(*batch, strict=True) if x.axes[i] is not None}):
        changed = True
    if not changed:
        return None
    pairs = [(x.axes[i], y.axes[j]) for i, j in zip(*batch, strict=True)]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    over = [x.axes[i] for i in contract[0]], [y.axes[j] for j in contract[1]]
    wanted = [("x", a) if a is not None else ("y", b) for a, b in pairs]
    wanted += [("x", x.axes[i]) for i in range(inputs[0].rank) if i not in contract[0] and i not in batch[0]]
    wanted += [("y", y.axes[j]) for j in range(inputs[1].rank) if j not in contract[1] and j not in batch[1]]
    shared = [a for a, _ in both], [b for _, b in both]
    made = [("x", a) for a in shared[0]]
    made += [("x", i) for i in range(x.value.rank) if i not in over[0] and i not in shared[0]]
    made += [("y", j) for j in range(y.value.rank) if j not in over[1] and j not in shared[1]]
    result = dot(x.value, y.value, over, shared)  # type: ignore[arg-type]
    order = [made.index(label) for label in wanted]  # type: ignore[arg-type]
    return (result if order == sorted(order) else transpose(result, order),)


def simplify_sum_of_products(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...] | None:
    """Contract batch axes of a product that are summed over afterwards; None for any other reduction."""
    node = inputs[0].node
    if attributes["kind"] != "sum" or node is None or node.definition is not DOT:
        return None
    contract, batch = node.attributes["contract"], node.attributes["batch"]
    axes = attributes["axes"]
    if not axes or axes[-1] >= len(batch[0]) or not inputs[0].dtype.is_floating or inputs[0].dtype.size < 4:
        return None
    left = [k for k in range(len(batch[0])) if k not in axes]
    over = [(*(side[k] for k in axes), *more) for side, more in zip(batch, contract, strict=True)]
    shared = [tuple(side[k] for k in left) for side in batch]
    x, y = node.inputs
    return (dot(x, y, (over[0], over[1]), (shared[0], shared[1])),)
