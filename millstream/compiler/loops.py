"""Expand loops: sizes that the body changes become unknown, what it leaves alone is no longer carried or computed each turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.sizes import Size, Symbol, fresh_symbol, is_known, symbols
from millstream.base.spec import Spec
from millstream.compiler.expand import CONTROL, ExpandedProgram, expand_inner, is_inner
from millstream.compiler.inner_sizes import pass_sizes
from millstream.compiler.loop_products import lift_products
from millstream.program.learned_sizes import bound_symbols, free_symbols, unify
from millstream.program.primitives.control import LOOP, merged
from millstream.program.primitives.lists import EMPTY, PUSH, RESERVE, SET
from millstream.program.primitives.shaping import CONSTANT
from millstream.program.primitives.state import IS_SET, READ
from millstream.program.value import Node, Program, Value, building

_WORTH_HOISTING = frozenset(
    (
        "dot",
        "convolution",
        "transpose",
        "concatenate",
        "reduce",
        "reduce_window",
        "cumulative",
        "sort",
        "convert",
        "read",
    )
)


def expand_loop(result: ExpandedProgram, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Sequence[Value]:
    """Emit a loop over `inputs` into the program being built."""
    condition, body, count = attributes["condition"], attributes["body"], attributes["carried"]
    kept = [i for i in range(count) if body.outputs[i] is not body.inputs[i]]
    fixed = [i for i in range(len(inputs)) if i not in set(kept)]
    order = [*kept, *fixed]
    body = _reordered(body, order, kept)
    condition = _reordered(condition, order, range(len(condition.outputs)))
    values = [inputs[i] for i in order]
    specs = [v.spec.with_value(None) if i < len(kept) else v.spec for i, v in enumerate(values)]
    # What a loop carries is never a constant, whatever it starts with: a stand-in that is no constant takes its place.
    shown = [Value(spec) for spec in specs[: len(kept)]] + values[len(kept) :]
    own: set[Symbol] = set()
    while True:
        inner = expand_inner(body, shown, specs, result.claims, result.sizes)
        widened = [_widened(a, v.spec, own) for a, v in zip(specs, inner.outputs, strict=False)]
        if all(a == b for a, b in zip(specs, widened, strict=False)) and not _narrow(result, inner, values, widened):
            break
        specs[: len(kept)] = widened
        shown[: len(kept)] = [Value(spec) for spec in widened]
    _remember(result, body, specs, own)
    outer = [v for i, v in enumerate(values) if i < len(kept) or not is_inner(v)]
    turned = expand_inner(condition, shown, specs, result.claims, result.sizes)
    outer += _hoist(result, inner, turned, outer, len(kept))
    outer += lift_products(result, inner, turned, outer, len(kept))
    outer += pass_sizes(result, (inner, turned))
    made = result.append(LOOP, outer, {"condition": turned, "body": inner, "carried": len(kept)})
    place = dict(zip(kept, made, strict=True))
    return [place[i] if i in place else inputs[i] for i in range(count)]


def _remember(result: ExpandedProgram, body: Program, specs: Sequence[Spec], own: set[Symbol]) -> None:
    """Note what the sizes in a body are where no turn changes them: its reverse, another loop, may use them."""
    learned: dict[Symbol, Size] = {}
    for value, spec in zip(body.inputs, specs, strict=True):
        unify(value.spec, spec, learned)
    for symbol, size in learned.items():
        if not symbols(size) & own:
            result.sizes.setdefault(symbol, size)


def _reordered(program: Program, order: Sequence[int], outputs: Sequence[int]) -> Program:
    """Return the program with its inputs in another order and some of its outputs; it shares the nodes."""
    result = Program(program.name)
    result.inputs = [program.inputs[i] for i in order]
    result.nodes = program.nodes
    result.outputs = [program.outputs[i] for i in outputs]
    return result


def _widened(start: Spec, after: Spec, own: set[Symbol]) -> Spec:
    """Return the spec that covers what a loop starts with and what a turn of it gives."""
    if start.shape is None:
        return start
    handle = start.handle
    if handle is not None and after.handle is not None and handle != after.handle:
        handle = merged(handle, after.handle) if handle.dtype == after.handle.dtype else handle
        if handle.shape is not None and start.handle is not None and not _differ(start.handle, handle):
            handle = start.handle
    if after.shape is None or len(after.shape) != len(start.shape):
        return Spec(start.dtype, None, None, handle)
    shape: list[Size] = []
    for m, n in zip(start.shape, after.shape, strict=True):
        if m == n or m in own:
            shape.append(m)
        else:
            shape.append(fresh_symbol("n"))
            own.add(shape[-1])  # type: ignore[arg-type]
    return Spec(start.dtype, shape, None, handle)


def _narrow(result: ExpandedProgram, body: Program, values: list[Value], specs: list[Spec]) -> bool:
    """Say of new lists which elements they will hold, where a turn writes elements of one known shape only."""
    found = False
    for i, spec in enumerate(specs):
        node = values[i].node
        if spec.handle is None or spec.handle.is_static or node is None or node.definition not in (EMPTY, RESERVE):
            continue
        element = _written(body.outputs[i], body.inputs[i])
        if (
            element is None
            or not element.is_static
            or element.dtype != spec.handle.dtype
            or element.handle != spec.handle.handle
        ):
            continue
        (values[i],) = result.append(node.definition, node.inputs, {**node.attributes, "element": element})
        specs[i] = values[i].spec
        found = True
    return found


def _written(last: Value, first: Value) -> Spec | None:
    """Return the spec of all elements that are written between two states of a list; None where they differ or are unknown."""
    element: Spec | None = None
    while last is not first:
        node = last.node
        if node is None or node.definition not in _WRITES:
            return None
        item = node.inputs[_WRITES[node.definition]].spec.with_value(None)
        if element is not None and item != element:
            return None
        element, last = item, node.inputs[0]
    return element


_WRITES = {SET: 2, PUSH: 1}


def _differ(a: Spec, b: Spec) -> bool:
    if a.shape is None or b.shape is None:
        return a.shape is not b.shape
    return len(a.shape) != len(b.shape) or any(m != n and is_known(m) for m, n in zip(a.shape, b.shape, strict=True))


def _hoist(
    result: ExpandedProgram, body: Program, condition: Program, outer: Sequence[Value], carried: int
) -> list[Value]:
    """Compute before the loop what is the same in each turn, where that is worth it; return the new inputs of the loop."""
    place: dict[Value, Value] = dict(zip(body.inputs[carried:], outer[carried:], strict=True))
    changed = _changed_handles(body) | _changed_handles(condition)
    known = bound_symbols(outer).union(free_symbols(body.inputs, body.nodes))
    movable: dict[Value, Node] = {}
    for node in body.nodes:
        pure = not node.definition.effects or (
            node.definition is READ and node.inputs[0] in place and node.inputs[0] not in changed
        )
        if (
            pure
            and (node.definition is CONSTANT or (node.inputs and all(v in place or v in movable for v in node.inputs)))
            # Sizes that a turn learns are not there before the loop.
            and known.issuperset(free_symbols((), [node]))
            and known.issuperset(bound_symbols(node.outputs))
        ):
            movable.update((v, node) for v in node.outputs)
    wanted: dict[Node, None] = {}
    for node in dict.fromkeys(movable.values()):
        if node.definition.name in _WORTH_HOISTING:
            _collect(node, movable, wanted)
    moved = [n for n in body.nodes if n in wanted]
    with building(result):
        for node in moved:
            made = result.append(node.definition, [place[v] for v in node.inputs], node.attributes)
            place.update(zip(node.outputs, made, strict=True))
    inside = set(moved)
    body.nodes = [n for n in body.nodes if n not in inside or n.definition is CONSTANT]
    used = {v for n in body.nodes for v in n.inputs} | set(body.outputs)
    added = [v for n in moved if n.definition is not CONSTANT for v in n.outputs if v in used]
    for value in added:
        replacement = body.input(value.spec)
        _replace(body, value, replacement)
        condition.input(value.spec)
    return [place[v] for v in added]


def _collect(node: Node, movable: Mapping[Value, Node], wanted: dict[Node, None]) -> None:
    if node in wanted:
        return
    for value in node.inputs:
        if value in movable:
            _collect(movable[value], movable, wanted)
    wanted[node] = None


def _changed_handles(program: Program) -> set[Value]:
    """Return the inputs that nodes with effects, other than readings, are given; all handles where one runs a program."""
    found: set[Value] = set()
    for node in program.nodes:
        if node.definition.effects and node.definition not in (READ, IS_SET):
            found.update(v for v in node.inputs if v.dtype == dtypes.resource)
    return found


def _replace(program: Program, old: Value, new: Value) -> None:
    for node in program.nodes:
        if old in node.inputs:
            node.inputs = tuple(new if v is old else v for v in node.inputs)
    program.outputs = [new if v is old else v for v in program.outputs]


CONTROL[LOOP] = expand_loop
