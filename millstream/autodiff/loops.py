"""The reverse rule of loops: the loop that ran keeps what the reverse of its body needs on lists, another one takes it off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.autodiff.control import CONTROL_RULES, Flows, changed, emit_before, zeros_of
from millstream.autodiff.slices import accumulate, dense
from millstream.autodiff.split import (
    Reverse,
    Split,
    adjoint_spec,
    copy_program,
    differentiable,
    emit_nodes,
    influences,
    reached_values,
    take_back,
)
from millstream.base import dtypes
from millstream.base.sizes import fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.ops.declaration import Op
from millstream.program.primitives.control import LOOP, loop
from millstream.program.primitives.elementwise import compare
from millstream.program.primitives.lists import list_empty, list_push
from millstream.program.primitives.shaping import constant
from millstream.program.primitives.state import IS_SET, READ
from millstream.program.value import Node, Program, Value, building


def _reverse_loop(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    return reverse_loop(
        node, node.attributes["condition"], node.attributes["body"], node.attributes["carried"], flows, reached, reverse
    )


class _Plan:
    """Which values of a loop adjoints flow through."""

    def __init__(self, node: Node, body: Program, count: int, flows: Flows, reached: set[Value]) -> None:
        inputs = body.inputs
        self.fixed = [i for i in range(len(inputs)) if i >= count or body.outputs[i] is inputs[i]]
        turning = [i for i in range(count) if body.outputs[i] is not inputs[i]]
        live = {i for i, v in enumerate(node.inputs) if v in reached and differentiable(inputs[i].spec)}
        while True:
            depends = reached_values(body.nodes, {inputs[i] for i in live})
            more = {
                i for i in turning if i not in live and body.outputs[i] in depends and differentiable(inputs[i].spec)
            }
            if not more:
                break
            live |= more
        active = {i for i in turning if i in live and flows[i] is not None}
        while True:
            closure = influences(body.nodes, {body.outputs[i] for i in active})
            more = {i for i in turning if i in live and i not in active and inputs[i] in closure}
            if not more:
                break
            active |= more
        self.active = sorted(active)
        self.summed = [i for i in self.fixed if i in live and inputs[i] in closure] if active else []


def reverse_loop(
    node: Node, condition: Program, body: Program, count: int, flows: Flows, reached: set[Value], reverse: Reverse
) -> Flows:
    """Reverse a loop over `node.inputs`, of which the first `count` are carried; the node becomes the primitive `loop`."""
    body, inputs, readings = _hoisted_reads(node, copy_program(body), count)
    reached = reached | {inputs[new] for new, handle in readings.items() if node.inputs[handle] in reached}
    shadow = Node(LOOP, inputs, {}, ())
    plan = _Plan(shadow, body, count, flows, reached)
    adjoints: Flows = [flows[i] if i < count and i in plan.fixed else None for i in range(len(node.inputs))]
    if not plan.active:
        return adjoints
    outgoing = {i: Value(_steady(body, i)) for i in plan.active}
    totals = {i: Value(adjoint_spec(body.inputs[i].spec)) for i in plan.summed}
    split = Split(body, outgoing, [*plan.active, *plan.summed], reverse, totals=totals)
    unchanged = {split.inputs[i] for i in plan.fixed}
    split.recompute(unchanged)
    split.keep_sizes([*outgoing.values(), *totals.values()], inputs)
    saved = [v for v in split.needed if v not in unchanged]
    lists, turns = _keep(node, condition, split, count, inputs, saved)
    starts = [_dense_or_zeros(flows[i], node.outputs[i]) for i in plan.active]
    sums = [_dense_or_zeros(adjoints[i] if i < len(adjoints) else None, inputs[i]) for i in plan.summed]
    for i in plan.summed:
        if i < len(adjoints):
            adjoints[i] = None
    back = _backward_body(body.name, split, plan, outgoing, totals, saved, lists)
    fixed_needed = [v for v in split.needed if v in unchanged]
    place = dict(zip(split.inputs, inputs, strict=True))
    results = loop(_counting(back), back, [turns, *lists, *starts, *sums], [place[v] for v in fixed_needed])
    found = results[1 + len(lists) :]
    for i, value in zip([*plan.active, *plan.summed], found, strict=True):
        at = readings.get(i, i)
        adjoints[at] = value if adjoints[at] is None else accumulate(adjoints[at], value, inputs[at])  # type: ignore[arg-type]
    return adjoints


def _dense_or_zeros(flow: Any, like: Value) -> Value:
    return zeros_of(like) if flow is None else dense(flow)


def _steady(body: Program, i: int) -> Spec:
    """Return the spec of the adjoint of a carried value; sizes that change from turn to turn are open."""
    before, after = body.inputs[i].spec, body.outputs[i].spec
    if before.shape is None or after.shape is None or len(before.shape) != len(after.shape):
        return adjoint_spec(before)
    if before.shape == after.shape:
        return adjoint_spec(before)
    sizes = [
        m if m == n or (is_known(m) and is_known(n)) else fresh_symbol("n")
        for m, n in zip(before.shape, after.shape, strict=True)
    ]
    return Spec(before.dtype, sizes, None, before.handle)


def _hoisted_reads(node: Node, body: Program, count: int) -> tuple[Program, list[Value], dict[int, int]]:
    """Read variables that the body leaves alone before the loop: the backward loop needs what they held then.

    Returns the body, which has a new input for each reading, the loop's inputs, and which handle each new input reads.
    """
    fixed = {v: i for i, v in enumerate(body.inputs) if i >= count or body.outputs[i] is v}
    changed_handles = {
        v
        for n in body.nodes
        if n.definition.effects and not _is_reading(n)
        for v in n.inputs
        if v.dtype == dtypes.resource
    }
    inputs, readings = list(node.inputs), {}
    known: dict[Any, Value] = {}
    kept: list[Node] = []
    place: dict[Value, Value] = {}
    for item in body.nodes:
        if any(v in place for v in item.inputs):
            item.inputs = tuple(place.get(v, v) for v in item.inputs)
        handle = item.inputs[0] if item.inputs else None
        if _is_reading(item) and item.definition is not IS_SET and handle in fixed and handle not in changed_handles:
            key = (handle, item.outputs[0].spec.dtype, item.outputs[0].spec.shape)
            if key not in known:
                known[key] = body.input(item.outputs[0].spec)
                outer = node.inputs[fixed[handle]]  # type: ignore[index]
                readings[len(inputs)] = fixed[handle]  # type: ignore[index]
                inputs.append(emit_before(node, lambda: _read_again(item, outer)))  # noqa: B023
            place[item.outputs[0]] = known[key]
        else:
            kept.append(item)
    body.nodes = kept
    body.outputs = [place.get(v, v) for v in body.outputs]
    return body, inputs, readings


def _is_reading(node: Node) -> bool:
    definition = node.definition
    return definition in (READ, IS_SET) or (isinstance(definition, Op) and definition.name == "ReadVariableOp")


def _read_again(node: Node, handle: Value) -> Value:
    from millstream.program.value import current_program

    return current_program().emit(node.definition, (handle,), node.attributes)[0]


def _keep(
    node: Node, condition: Program, split: Split, count: int, inputs: Sequence[Value], saved: Sequence[Value]
) -> tuple[Sequence[Value], Value]:
    """Make the loop that runs forward count its turns and put `saved` on lists; return the lists and the count."""
    specs = [Spec(dtypes.int32, ()), *(Spec(dtypes.variant, (), None, v.spec.with_value(None)) for v in saved)]
    body = Program(condition.name.replace("cond", "body"))
    body.inputs = split.inputs[:count]
    body.nodes = list(split.forward)
    kept = [body.input(spec) for spec in specs]
    body.inputs += split.inputs[count:]
    with building(body):
        turned = kept[0] + constant(1, dtypes.int32)
        pushed = [list_push(held, value) for held, value in zip(kept[1:], saved, strict=True)]
    body.outputs = [*split.outputs, turned, *pushed]
    test = Program(condition.name)
    test.inputs = [*condition.inputs[:count], *(Value(s) for s in specs), *condition.inputs[count:]]
    test.inputs += [Value(v.spec) for v in split.inputs[len(condition.inputs) :]]
    test.nodes, test.outputs = condition.nodes, condition.outputs
    starts = emit_before(
        node, lambda: [constant(0, dtypes.int32), *(list_empty(v.spec.with_value(None)) for v in saved)]
    )
    attributes = {"condition": test, "body": body, "carried": count + len(specs)}
    outputs = changed(node, LOOP, [*inputs[:count], *starts, *inputs[count:]], attributes, specs)
    extra = outputs[len(outputs) - len(specs) :]
    return extra[1:], extra[0]


def _backward_body(
    name: str,
    split: Split,
    plan: _Plan,
    outgoing: dict[int, Value],
    totals: dict[int, Value],
    saved: Sequence[Value],
    lists: Sequence[Value],
) -> Program:
    back = Program(f"{name}_reverse")
    turns = back.input(Spec(dtypes.int32, ()))
    held = [back.input(v.spec) for v in lists]
    place: dict[Value, Value] = {}
    for i in plan.active:
        place[outgoing[i]] = back.input(outgoing[i].spec)
    for i in plan.summed:
        place[totals[i]] = back.input(totals[i].spec)
    fixed = {split.inputs[i] for i in plan.fixed}
    for value in split.needed:
        if value in fixed:
            place[value] = back.input(value.spec)
    with building(back):
        rests = take_back(saved, held, place)
        emit_nodes(split.backward, place)
        results = []
        for i, adjoint in zip([*plan.active, *plan.summed], split.results, strict=True):
            if adjoint is None:
                results.append(_zeros_backward(split.inputs[i], place))
            else:
                results.append(place[adjoint])  # type: ignore[index]
        back.outputs = [turns - constant(1, dtypes.int32), *rests, *results]
    return back


def _zeros_backward(value: Value, place: dict[Value, Value]) -> Value:
    return zeros_of(place.get(value, value))


def _counting(back: Program) -> Program:
    """Return the condition of the backward loop: there are turns left."""
    test = Program(f"{back.name}_cond")
    turns, *_ = [test.input(v.spec) for v in back.inputs]
    with building(test):
        test.outputs = [compare(turns, constant(0, dtypes.int32), "GT")]
    return test


CONTROL_RULES["loop"] = _reverse_loop
