"""Reverse rules of the primitives that run programs: call and branch. They are handed `reverse`, so nothing is imported upward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.program.slices import Adjoint, dense
from millstream.program.primitives.control import branch
from millstream.program.primitives.shaping import full
from millstream.program.value import Node, Program, Value, building, current_program

Reverse = Callable[..., dict[Value, Adjoint]]


def inline(program: Program, inputs: Sequence[Value]) -> list[Value]:
    """Emit the nodes of `program`, applied to `inputs`, into the current program; return its outputs."""
    target = current_program()
    place: dict[Value, Value] = dict(zip(program.inputs, inputs, strict=True))
    for node in program.nodes:
        made = target.emit(node.definition, [place[v] for v in node.inputs], node.attributes)
        place.update(zip(node.outputs, made, strict=True))
    return [place[v] for v in program.outputs]


def _differentiable(value: Value) -> bool:
    return value.dtype.is_floating or value.dtype.is_complex


def reverse_program(program: Program, wanted: Sequence[int], given: Sequence[int], reverse: Reverse) -> Program:
    """Return the program (inputs of `program`, adjoints of outputs `given`) -> adjoints of inputs `wanted`."""
    result = Program(f"{program.name}_reverse")
    inputs = [result.input(v.spec) for v in program.inputs]
    with building(result):
        outputs = inline(program, inputs)
        nodes = list(result.nodes)
        flows = {}
        for i in given:
            flow = result.input(outputs[i].spec)
            flows[outputs[i]] = flow if outputs[i] not in flows else flows[outputs[i]] + flow
        found = reverse(nodes, flows, [inputs[i] for i in wanted])
        for i in wanted:
            adjoint = found.get(inputs[i])
            zero = full(inputs[i].shape, 0, inputs[i].dtype) if adjoint is None else dense(adjoint)
            result.outputs.append(zero)
    return result


def _reverse_call(node: Node, flows: list[Adjoint | None], reached: set[Value], reverse: Reverse) -> list[Adjoint | None]:
    target = current_program()
    start = len(target.nodes)
    outputs = inline(node.attributes["program"], node.inputs)
    back = {v: f for v, f in zip(outputs, flows, strict=True) if f is not None}
    found = reverse(target.nodes[start:], back, node.inputs)
    return [found.get(v) for v in node.inputs]


def _reverse_branch(node: Node, flows: list[Adjoint | None], reached: set[Value], reverse: Reverse) -> list[Adjoint | None]:
    index, *inputs = node.inputs
    wanted = [i for i, v in enumerate(inputs) if v in reached and _differentiable(v)]
    given = [i for i, f in enumerate(flows) if f is not None]
    programs = [reverse_program(p, wanted, given, reverse) for p in node.attributes["programs"]]
    results = branch(index, programs, *inputs, *(dense(flows[i]) for i in given))  # type: ignore[arg-type]
    adjoints: list[Adjoint | None] = [None] * len(node.inputs)
    for i, value in zip(wanted, results, strict=True):
        adjoints[i + 1] = value
    return adjoints


CONTROL_RULES: dict[str, Callable[..., Sequence[Any]]] = {"call": _reverse_call, "branch": _reverse_branch}
