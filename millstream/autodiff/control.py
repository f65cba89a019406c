"""Reverse rules of the nodes that run programs: calls and branches. They are handed `reverse`, so nothing is imported upward.

The node that ran forward is changed in place: it also gives the values that its backward counterpart needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.autodiff.slices import Adjoint, Slices, dense
from millstream.autodiff.split import (
    Reverse,
    Split,
    adjoint_spec,
    copy_program,
    differentiable,
    emit_nodes,
    parts,
    take_back,
)
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.spec import Spec
from millstream.program.primitives.control import BRANCH, CALL, branch
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.lists import list_empty, list_push
from millstream.program.primitives.shaping import full
from millstream.program.value import Definition, Node, Program, Value, building, current_program

Flows = list[Adjoint | None]


def place_of(node: Node) -> int | None:
    """Return the place of a node in the program being built; None where it is not part of it."""
    nodes = current_program().nodes
    for i in range(len(nodes) - 1, -1, -1):
        if nodes[i] is node:
            return i
    return None


def emit_before(node: Node, emit: Callable[[], Any]) -> Any:
    """Call `emit` so that the nodes it makes stand before `node` in the program being built."""
    program = current_program()
    start = len(program.nodes)
    result = emit()
    new = program.nodes[start:]
    at = place_of(node)
    if at is not None and new:
        del program.nodes[start:]
        program.nodes[at:at] = new
    return result


def changed(
    node: Node, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any], extra: Sequence[Spec]
) -> tuple[Value, ...]:
    """Make `node` another one that gives `extra` values after its own; return all its outputs.

    A node that is not part of the program being built stays as it is; the new one is emitted.
    """
    if place_of(node) is None:
        return current_program().emit(definition, inputs, attributes)
    node.definition = definition
    node.inputs = tuple(inputs)
    node.attributes = dict(attributes)
    start = len(node.outputs)
    node.outputs = (*node.outputs, *(Value(spec, node, start + i) for i, spec in enumerate(extra)))
    return node.outputs


def reverse_call(
    node: Node,
    program: Program,
    rebuilt: Callable[[Program], tuple[Definition, dict[str, Any]]],
    flows: Flows,
    reached: set[Value],
    reverse: Reverse,
) -> Flows:
    """Reverse a call of `program`; `rebuilt` gives the definition and attributes that call another program."""
    wanted = [i for i, v in enumerate(node.inputs) if v in reached and differentiable(v.spec)]
    given = {i: Value(program.outputs[i].spec) for i, f in enumerate(flows) if f is not None}
    split = Split(copy_program(program), given, wanted, reverse, sparse=True)
    split.keep_sizes([*given.values()], node.inputs)
    positions = {v: i for i, v in enumerate(split.inputs)}
    saved = [v for v in split.needed if v not in positions]
    forward = Program(program.name)
    forward.inputs, forward.nodes, forward.outputs = split.inputs, split.forward, [*split.outputs, *saved]
    definition, attributes = rebuilt(forward)
    outputs = changed(node, definition, node.inputs, attributes, [v.spec for v in saved])
    place = {v: node.inputs[i] for v, i in positions.items()}
    place.update(zip(saved, outputs[len(split.outputs) :], strict=True))
    place.update((given[i], dense(flows[i])) for i in given)  # type: ignore[arg-type]
    emit_nodes(split.backward, place)
    adjoints: Flows = [None] * len(node.inputs)
    for i, adjoint in zip(wanted, split.results, strict=True):
        if isinstance(adjoint, Slices):
            adjoints[i] = Slices(place[adjoint.values], place[adjoint.indices], adjoint.shape)
        elif adjoint is not None:
            adjoints[i] = place[adjoint]  # type: ignore[index]
    return adjoints


def _reverse_call(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    return reverse_call(node, node.attributes["program"], lambda p: (CALL, {"program": p}), flows, reached, reverse)


def _reverse_branch(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    return reverse_branch(node, node.inputs[0], node.attributes["programs"], flows, reached, reverse)


def reverse_branch(
    node: Node, index: Value, programs: Sequence[Program], flows: Flows, reached: set[Value], reverse: Reverse
) -> Flows:
    """Reverse a branch. What a branch keeps lies in lists, empty in the branches that did not run."""
    inputs = node.inputs[1:]
    wanted = [i for i, v in enumerate(inputs) if v in reached and differentiable(v.spec)]
    given = [i for i, f in enumerate(flows) if f is not None]
    splits = []
    for program in programs:
        copy = copy_program(program)
        own = {i: Value(copy.outputs[i].spec) for i in given}
        split = Split(copy, own, wanted, reverse, sparse=True)
        splits.append((split, own))
    sparse = _choose_sparse([split for split, _ in splits])
    for split, own in splits:
        split.keep_sizes([*own.values()], inputs)
    saved = [[v for v in split.needed if v not in split.inputs] for split, _ in splits]
    elements = [v.spec.with_value(None) for values in saved for v in values]
    forwards = [
        _keeping(p, split, saved, which) for which, (p, (split, _)) in enumerate(zip(programs, splits, strict=True))
    ]
    extra = [Spec(dtypes.variant, (), None, element) for element in elements]
    outputs = changed(node, BRANCH, [index, *inputs], {"programs": tuple(forwards)}, extra)
    lists = outputs[len(flows) :]
    sent = [dense(flows[i]) for i in given]  # type: ignore[arg-type]
    backwards = []
    for which, (split, own) in enumerate(splits):
        backwards.append(
            _backward_branch(programs[which].name, split, own, saved, which, inputs, lists, sent, wanted, sparse)
        )
    results = iter(branch(index, backwards, *inputs, *lists, *sent))
    adjoints: Flows = [None] * len(node.inputs)
    for i, rows in zip(wanted, sparse, strict=True):
        if rows is None:
            adjoints[i + 1] = next(results)
        else:
            adjoints[i + 1] = Slices(next(results), next(results), adjoint_spec(inputs[i].spec).shape or ())
    return adjoints


def _choose_sparse(splits: Sequence[Split]) -> list[DType | None]:
    """Return, for each result, the type of row numbers where every branch gives rows or nothing; make the others dense."""
    chosen: list[DType | None] = []
    for at in range(len(splits[0].results)):
        found = [split.results[at] for split in splits]
        types = {a.indices.dtype if isinstance(a, Slices) else None for a in found if a is not None}
        chosen.append(types.pop() if len(types) == 1 else None)
        if chosen[-1] is None:
            for split in splits:
                split.make_dense(at)
    return chosen


def _keeping(program: Program, split: Split, saved: Sequence[Sequence[Value]], which: int) -> Program:
    result = Program(program.name)
    result.inputs, result.nodes = split.inputs, list(split.forward)
    result.outputs = list(split.outputs)
    with building(result):
        for number, values in enumerate(saved):
            for value in values:
                held = list_empty(value.spec.with_value(None))
                result.outputs.append(list_push(held, value) if number == which else held)
    return result


def _backward_branch(
    name: str,
    split: Split,
    own: Mapping[int, Value],
    saved: Sequence[Sequence[Value]],
    which: int,
    inputs: Sequence[Value],
    lists: Sequence[Value],
    sent: Sequence[Value],
    wanted: Sequence[int],
    sparse: Sequence[DType | None],
) -> Program:
    result = Program(f"{name}_reverse")
    place = {v: result.input(outer.spec) for v, outer in zip(split.inputs, inputs, strict=True)}
    held = [result.input(v.spec) for v in lists]
    place.update((own[i], result.input(v.spec)) for i, v in zip(own, sent, strict=True))
    with building(result):
        start = sum(len(values) for values in saved[:which])
        take_back(saved[which], held[start : start + len(saved[which])], place)
        emit_nodes(split.backward, place)
        for i, adjoint, rows in zip(wanted, split.results, sparse, strict=True):
            if adjoint is None and rows is not None:
                spec = adjoint_spec(inputs[i].spec)
                result.outputs += [full((0, *(spec.shape or ())[1:]), 0, spec.dtype), full((0,), 0, rows)]
            elif adjoint is None:
                result.outputs.append(zeros_of(place[split.inputs[i]]))
            else:
                result.outputs += [place[v] for v in parts(adjoint)]
    return result


def zeros_of(value: Value) -> Value:
    """Return the adjoint of a value that nothing flows to."""
    from millstream.program.primitives.lists import list_zeros

    if value.dtype == dtypes.variant:
        return list_zeros(value)
    spec = value.spec.handle if value.dtype == dtypes.resource and value.spec.handle is not None else value.spec
    return full(spec.shape or (), 0, spec.dtype)


def branch_index(node: Node, condition: Value) -> Value:
    """Return the index that a condition picks (1 where it holds), computed before `node`."""
    return emit_before(node, lambda: convert(condition, dtypes.int32))  # type: ignore[no-any-return]


CONTROL_RULES: dict[str, Callable[..., Sequence[Any]]] = {"call": _reverse_call, "branch": _reverse_branch}
