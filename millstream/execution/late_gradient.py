"""Gradients inside of a trace through values of unknown rank: one node, differentiated when the ranks are there.

Refuses nodes that act (assignments, Python functions) on the way: they cannot be run a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.autodiff.reverse import by_position, flowing, reverse
from millstream.autodiff.split import adjoint_spec, emit_nodes, influences, reached_values
from millstream.base import dtypes
from millstream.base.errors import UnimplementedError
from millstream.base.spec import Spec
from millstream.program.primitives.elementwise import ADD
from millstream.program.primitives.shaping import full
from millstream.program.slices import dense
from millstream.program.value import Definition, Node, Program, Value, building, current_program

_READERS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd"})


specialise: list[Callable[[Program, Sequence[Spec]], Program]] = []
"""`program_call.specialised`, which puts itself here: it stands above."""


class LateGradient(Definition):
    """What flows back through the nodes of a program: (its inputs, adjoints of its outputs) -> adjoints of some inputs."""

    effects = False

    def __init__(self, program: Program, given: Sequence[bool], wanted: Sequence[int]) -> None:
        self.name = "late:gradient"
        self.program = program
        self.given = tuple(given)
        self.wanted = tuple(wanted)

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return tuple(adjoint_spec(inputs[i]) for i in self.wanted)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit the nodes again, for the ranks at hand, and their reverse."""
        program = current_program()
        count = len(self.program.inputs)
        whole = specialise[0](self.program, [v.spec for v in inputs[:count]])
        place = dict(zip(whole.inputs, inputs, strict=False))
        start = len(program.nodes)
        emit_nodes(whole.nodes, place)
        nodes = program.nodes[start:]
        flows: dict[Value, Any] = {}
        dys = iter(inputs[count:])
        for output, given in zip(whole.outputs, self.given, strict=True):
            value = place[output]
            flow = next(dys) if given else full(value.shape, 1, value.dtype)
            flows[value] = flow if value not in flows else program.emit(ADD, (flows[value], flow), {})[0]
        found = reverse(nodes, flows, [inputs[i] for i in self.wanted])
        return tuple(_dense_or_zeros(found.get(inputs[i]), inputs[i]) for i in self.wanted)

    def reverse_rule(self, node: Node, flows: Any, reached: set[Value], again: Any) -> Any:
        """Reverse the gradient's own nodes."""
        program = current_program()
        start = len(program.nodes)
        outputs = self.run_body(node.inputs, node.attributes)
        return by_position(again(program.nodes[start:], flowing(outputs, flows), node.inputs), node.inputs)


def _dense_or_zeros(adjoint: Any, value: Value) -> Value:
    if adjoint is not None:
        return dense(adjoint)
    spec = adjoint_spec(value.spec)
    return full(spec.shape or (), 0, spec.dtype)


def nodes_between(nodes: Sequence[Node], sources: Sequence[Value], targets: Sequence[Value]) -> list[Node]:
    """Return the nodes that `targets` depend on, and that depend on `sources`."""
    reached = reached_values(nodes, set(sources))
    needed = influences(nodes, set(targets))
    return [n for n in nodes if any(v in reached for v in n.inputs) and any(v in needed for v in n.outputs)]


def has_unknown_rank(nodes: Sequence[Node]) -> bool:
    """Return whether any number that goes in or out of `nodes` has an unknown rank."""
    values = (v for n in nodes for v in (*n.inputs, *n.outputs))
    return any(v.spec.shape is None and v.dtype not in (dtypes.resource, dtypes.variant) for v in values)


def late_gradient(
    graph: Any, nodes: Sequence[Node], targets: Sequence[Value], dys: Sequence[Any], sources: Sequence[Value]
) -> list[Value]:
    """Add the node that gives the adjoints of `sources`; those that nothing flows to are zeros."""
    for node in nodes:
        if not _can_repeat(node):
            raise UnimplementedError(
                None,
                None,
                f"{node.definition.name}, which does more than give its results, lies on the way of a gradient through tensors of "
                "unknown rank. Give the rank with tf.ensure_shape before it.",
            )
    # What a variable held when it was read is a source of its own: the adjoints of its readings are added.
    kept = [n for n in nodes if n.definition.name != "ReadVariableOp"]
    # Constants say axes and shapes: they are part of the program, and no inputs.
    read = [v.node for n in kept for v in n.inputs if v.node is not None]
    kept = [*dict.fromkeys(n for n in read if not n.inputs and not n.definition.effects), *kept]
    made = {v for n in kept for v in n.outputs}
    program = Program("late")
    program.inputs = list(dict.fromkeys(v for v in (*(v for n in kept for v in n.inputs), *targets) if v not in made))
    program.nodes, program.outputs = kept, list(targets)
    readings = {s: [n.outputs[0] for n in nodes if n not in kept and n.inputs[0] is s] for s in sources}
    parts = {s: [v for v in (s, *readings[s]) if v in program.inputs] for s in sources}
    wanted = list(dict.fromkeys(v for vs in parts.values() for v in vs))
    definition = LateGradient(program, [d is not None for d in dys], [program.inputs.index(v) for v in wanted])
    given = [graph.value_of(d) for d in dys if d is not None]
    with building(graph.program):
        outputs = graph.program.emit(definition, [*program.inputs, *given], {})
        place = dict(zip(wanted, outputs, strict=True))
        results = []
        for source in sources:
            flows = [place[v] for v in parts[source]]
            total = flows[0]
            for flow in flows[1:]:
                total = graph.program.emit(ADD, (total, flow), {})[0]
            results.append(total)
    return results


def _can_repeat(node: Node) -> bool:
    if not node.definition.effects or node.definition.name in _READERS:
        return True
    programs = [getattr(node.definition, "program", None), *_flat(node.attributes.values())]
    inner = [p for p in programs if isinstance(p, Program)]
    return bool(inner) and all(_can_repeat(n) for p in inner for n in p.nodes)


def _flat(attributes: Any) -> list[Any]:
    return [p for a in attributes for p in (a if isinstance(a, tuple) else (a,))]
