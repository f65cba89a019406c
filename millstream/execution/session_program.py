"""The part of a graph that a run needs, as a program: from what is fed and the session's state to what is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from millstream.base import dtypes, errors
from millstream.base.sizes import Symbol
from millstream.base.spec import Spec
from millstream.ops import graph_state
from millstream.ops.declaration import runtime_name
from millstream.program.learned_sizes import free_symbols
from millstream.program.value import Node, Program, Value

STREAMS_OF_A_NODE = 1 << 20
"""How many random streams a node may have, with all that it runs inside."""


def makes_state(node: Node) -> bool:
    """Return whether a node refers to something that the session keeps between runs."""
    definition = node.definition
    return (
        len(node.outputs) == 1
        and node.outputs[0].dtype is dtypes.resource
        and not getattr(definition, "passes_reference", False)
        and not any(v.dtype is dtypes.resource for v in node.inputs)
        and getattr(definition, "stateful", False)
        and not definition.name.startswith("Anonymous")
    )


class Part:
    """What a run needs of a graph. `program` takes what is fed, then state, then what the graph captured."""

    def __init__(self, graph: Any, fetched: Sequence[Value], operations: Iterable[Node], fed: Sequence[Value]) -> None:
        self.graph = graph
        graph.last_named = None
        self.fed = list(fed)
        found: set[Node] = set()
        state: dict[Value, Node] = {}
        captured: set[Value] = set()
        given = set(fed)
        fed_placeholders = {v.node for v in fed if v.node is not None and v.node.definition is graph_state.placeholder}

        def collect(values: Iterable[Value], nodes: Iterable[Node]) -> None:
            waiting: list[Node] = [n for n in nodes if n not in fed_placeholders]

            def need(value: Value) -> None:
                if value in given:
                    return
                if value.node is None:
                    captured.add(value)
                else:
                    waiting.append(value.node)

            for value in values:
                need(value)
            while waiting:
                node = waiting.pop()
                if node in found:
                    continue
                found.add(node)
                if makes_state(node):
                    state[node.outputs[0]] = node
                elif node.definition is graph_state.placeholder:
                    raise _not_fed(graph, node)
                else:
                    for value in node.inputs:
                        need(value)
                waiting += [n for n in graph.waits_for.get(node, ()) if n not in fed_placeholders]

        collect(fetched, operations)
        while True:
            nodes = [n for n in graph.program.nodes if n in found and (not n.outputs or n.outputs[0] not in state)]
            inputs = [*fed, *state, *captured]
            wanted = _definers(graph, free_symbols(inputs, nodes), found, given)
            if not wanted:
                break
            collect((), wanted)
        self.state = list(state.values())
        program = Program(graph.name)
        program.nodes = nodes
        program.inputs = [*fed, *state, *captured]
        program.outputs = list(fetched)
        own = {v: t for t, v in graph.captures.values()}
        self.captured = [own[v] for v in captured]
        self.program = _without_known(program, fed)
        self.numbers = {
            node: graph.number_of[old] * STREAMS_OF_A_NODE for node, old in zip(program.nodes, nodes, strict=True)
        }
        """Where the random streams of each node begin."""


def _definers(graph: Any, missing: Iterable[Symbol], found: set[Node], given: set[Value]) -> list[Node]:
    """Return the nodes, not in the part yet, whose results say what sizes are that the part uses."""
    wanted = set(missing)
    if not wanted:
        return []
    nodes = []
    for node in graph.program.nodes:
        if not wanted:
            break
        for value in node.outputs:
            here = wanted.intersection(n for n in value.spec.shape or () if isinstance(n, Symbol))
            if here and value not in given:
                wanted -= here
                if node not in found:
                    nodes.append(node)
    return nodes


def _without_known(program: Program, fed: Sequence[Value]) -> Program:
    """Return the program; of what is fed, nothing but element type and shape is taken for granted."""
    if all(v.spec.value is None for v in fed):
        return program
    place: dict[Value, Value] = {
        v: Value(Spec(v.spec.dtype, v.spec.shape, None, v.spec.handle)) for v in fed if v.spec.value is not None
    }
    program.inputs = [place.get(v, v) for v in program.inputs]
    program.outputs = [place.get(v, v) for v in program.outputs]
    nodes = []
    for node in program.nodes:
        if any(v in place for v in node.inputs):
            changed = Node.__new__(Node)
            for name in Node.__slots__:
                setattr(changed, name, getattr(node, name))
            changed.inputs = tuple(place.get(v, v) for v in node.inputs)
            node = changed
        nodes.append(node)
    program.nodes = nodes
    return program


def _not_fed(graph: Any, node: Node) -> errors.InvalidArgumentError:
    tensor = graph.tensor(node.outputs[0])
    shape = "" if tensor.shape.rank is None else f" and shape {_shape_text(tensor.shape)}"
    made = errors.with_text(node.source) if node.source else ""
    return errors.InvalidArgumentError(
        None,
        tensor.op,
        errors.explain(
            f"You must feed a value for placeholder tensor '{node.label}' with dtype {runtime_name(tensor.dtype)}{shape}."
            f"{f' It was made at {made}.' if made else ''}",
            fix="Give it in feed_dict.",
        ),
    )


def _shape_text(shape: Any) -> str:
    return f"[{','.join('?' if n is None else str(n) for n in shape.as_list())}]"
