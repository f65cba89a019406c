"""Ops made from ops: the gradient of one, and traced functions. Definitions like any other, so gradients of gradients are no special case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.autodiff.reverse import _reverse_node, by_position, flowing, reverse
from millstream.base.spec import Spec
from millstream.program.slices import Adjoint, Slices, dense
from millstream.program.value import Definition, Node, Program, Value, building, current_program


class GradientOp(Definition):
    """What flows back through one call of `forward`: (inputs, outputs, given adjoints) -> wanted adjoints.

    A layout says for each wanted input how many values its adjoint is: 1, or 2 for the rows and indices of a sparse one, or
    0 for none. It is known once the op was emitted, and may be another one for other inputs: gather's along another axis.
    """

    effects = False

    def __init__(
        self, forward: Definition, attributes: Mapping[str, Any], given: tuple[int, ...], wanted: tuple[int, ...]
    ) -> None:
        self.name = f"{forward.name}:gradient"
        self.forward = forward
        self.attributes = dict(attributes)
        self.given = given
        self.wanted = wanted
        self.layouts: list[tuple[int, ...]] = []
        self.plain = False

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        scratch = Program(self.name)
        with building(scratch):
            return tuple(v.spec for v in self.run_body([scratch.input(s) for s in inputs], attributes))

    def known_positions(self, attributes: Mapping[str, Any]) -> tuple[int, ...]:
        return self.forward.known_positions(self.attributes)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit the gradient's nodes into the current program."""
        count, outputs_total = attributes["input_count"], attributes["output_count"]
        xs, ys, dys = inputs[:count], inputs[count : count + outputs_total], inputs[count + outputs_total :]
        node = Node(self.forward, xs, self.attributes, [v.spec for v in ys])
        node.outputs = tuple(ys)
        flows: list[Adjoint | None] = [None] * outputs_total
        for i, dy in zip(self.given, dys, strict=True):
            flows[i] = dy
        reached = {xs[i] for i in self.wanted}
        adjoints = _reverse_node(node, flows, reached)
        flat: list[Value] = []
        layout: list[int] = []
        for i in self.wanted:
            adjoint = adjoints[i]
            parts = (
                []
                if adjoint is None
                else [adjoint.values, adjoint.indices]
                if isinstance(adjoint, Slices)
                else [dense(adjoint)]
            )
            layout.append(len(parts))
            flat.extend(parts)
        if tuple(layout) not in self.layouts:
            self.layouts.append(tuple(layout))
            self.plain = all(n == 1 for known in self.layouts for n in known)
        return tuple(flat)

    def layout_of(self, results: Sequence[Any]) -> tuple[int, ...]:
        """Return the layout that results of the op have; rows' indices are integers."""
        if len(self.layouts) == 1:
            return self.layouts[0]
        (found,) = [layout for layout in self.layouts if _fits(layout, results)]
        return found

    def reverse_rule(
        self, node: Node, flows: Sequence[Adjoint | None], reached: set[Value], again: Any
    ) -> list[Adjoint | None]:
        """Reverse the gradient's own nodes."""
        program = current_program()
        start = len(program.nodes)
        outputs = self.run_body(node.inputs, node.attributes)
        nodes = program.nodes[start:]
        return by_position(reverse(nodes, flowing(outputs, flows), node.inputs), node.inputs)


def _fits(layout: tuple[int, ...], results: Sequence[Any]) -> bool:
    if sum(layout) != len(results):
        return False
    kinds = [is_index for count in layout for is_index in (False, True)[:count]]
    return all(x.dtype.is_integer is is_index for x, is_index in zip(results, kinds, strict=True))
