"""Reverse-mode differentiation over the nodes of a program: each node's own rule, or the reverse of its body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from millstream.autodiff import control_ops, loops  # noqa: F401  (their rules)
from millstream.autodiff.control import CONTROL_RULES
from millstream.autodiff.split import reached_values
from millstream.base import dtypes, errors
from millstream.ops.declaration import Op
from millstream.program.primitives.core import Primitive
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.lists import list_zeros
from millstream.program.primitives.shaping import full
from millstream.program.slices import Adjoint, Slices, accumulate, dense
from millstream.program.value import Node, Value, current_program, from_source


def reverse(nodes: Sequence[Node], adjoints: Mapping[Value, Adjoint], sources: Iterable[Value]) -> dict[Value, Adjoint]:
    """Emit, into the current program, what flows back from `adjoints` through `nodes` to `sources`.

    Returns the adjoint of each source that anything flows to. Values of `nodes` must be visible to the current program.
    """
    wanted = set(sources)
    reached = reached_values(nodes, wanted, by_adjoints=True)
    found: dict[Value, Adjoint] = dict(adjoints)
    for node in reversed(nodes):
        if not any(v in found for v in node.outputs):
            continue
        if not any(v in reached for v in node.inputs):
            continue
        with from_source(node.source):
            flows = [found.get(v) for v in node.outputs]
            for value, adjoint in zip(node.inputs, _reverse_node(node, flows, reached), strict=True):
                if adjoint is not None and value in reached:
                    found[value] = adjoint if value not in found else accumulate(found[value], adjoint, value)
    return {v: found[v] for v in wanted if v in found}


def _reverse_node(node: Node, flows: list[Adjoint | None], reached: set[Value]) -> Sequence[Adjoint | None]:
    definition = node.definition
    control = CONTROL_RULES.get(definition.name)
    if control is not None:
        return control(node, flows, reached, reverse)
    if isinstance(definition, Primitive):
        if definition.reverse is None:
            raise errors.UnimplementedError(
                None, None, f"The primitive {definition.name} has no gradient; use tf.stop_gradient before it."
            )
        dys = [dense(f) if f is not None else zeros(v) for f, v in zip(flows, node.outputs, strict=True)]
        if definition.output_count == 1:
            return list(definition.reverse(dys[0], node.outputs[0], *node.inputs, **node.attributes))
        return list(definition.reverse(tuple(dys), node.outputs, *node.inputs, **node.attributes))
    if isinstance(definition, Op):
        return _reverse_op(definition, node, flows)
    rule = getattr(definition, "reverse_rule", None)
    if rule is None:
        raise errors.UnimplementedError(None, None, f"{definition.name} has no gradient.")
    return list(rule(node, flows, reached, reverse))


PASSES_ROWS = frozenset({"Identity", "EnsureShape", "Cast"})
"""Ops of each element by itself whose gradient is of some rows where its adjoint is."""


def flowing(values: Sequence[Value], flows: Sequence[Adjoint | None]) -> dict[Value, Adjoint]:
    """Return the adjoint of each of `values`; what stands there twice has the sum of both."""
    found: dict[Value, Adjoint] = {}
    for value, flow in zip(values, flows, strict=True):
        if flow is not None:
            found[value] = flow if value not in found else accumulate(found[value], flow, value)
    return found


def by_position(found: Mapping[Value, Adjoint], inputs: Sequence[Value]) -> list[Adjoint | None]:
    """Return the adjoints of `inputs` by position; a value that stands there twice has its whole adjoint at the first place."""
    left = dict(found)
    return [left.pop(v, None) for v in inputs]


def zeros(value: Value) -> Value:
    """Return zeros like `value`: for a list, one as long; for a variable's handle, like what it holds."""
    if value.dtype == dtypes.variant:
        return list_zeros(value)
    if value.dtype == dtypes.resource and value.spec.handle is not None and value.spec.handle.shape is not None:
        return full(value.spec.handle.shape, 0, value.spec.handle.dtype)
    return full(value.shape, 0, value.dtype)


def _reverse_op(op: Op, node: Node, flows: list[Adjoint | None]) -> Sequence[Adjoint | None]:
    if not op.differentiable:
        return [None] * len(node.inputs)
    if op.gradient_rule is not None:
        # A rule that passes its adjoint on as it is takes sparse ones, too.
        plain = (lambda f: f) if getattr(op.gradient_rule, "takes_slices", False) else dense
        dys: list[Any] = [
            plain(f) if f is not None else zeros_or_none(v) for f, v in zip(flows, node.outputs, strict=True)
        ]
        single = len(dys) == 1
        result = op.gradient_rule(
            dys[0] if single else tuple(dys),
            node.outputs[0] if single else node.outputs,
            *op.pack(node.inputs, node.attributes),
            **op.body_attributes(node.attributes),
        )
        return _flat(result, len(node.inputs))
    if op.effects:
        return [None] * len(node.inputs)
    if op.name in PASSES_ROWS and isinstance(flows[0], Slices):
        rows = flows[0]
        return [Slices(convert(rows.values, node.inputs[0].dtype), rows.indices, rows.shape)]
    # A body may give its input as it is; the rows of an op that reshapes or joins are one array all the same.
    flows = [dense(f) if isinstance(f, Slices) else f for f in flows]
    program = current_program()
    start = len(program.nodes)
    outputs = op.run_body(node.inputs, node.attributes)
    inside = program.nodes[start:]
    found = reverse(inside, flowing(outputs, flows), node.inputs)
    _read_given(program.nodes[start + len(inside) :], outputs, node)
    return by_position(found, node.inputs)


def _read_given(backward: Sequence[Node], outputs: Sequence[Value], node: Node) -> None:
    """Let `backward` read what `node` gave in place of `outputs`, which are the same computed again."""
    given = {
        made: known
        for made, known in zip(outputs, node.outputs, strict=True)
        if made.spec == known.spec and made.node is not None and made.node.inputs and made not in node.inputs
    }
    for item in backward:
        if any(v in given for v in item.inputs):
            item.inputs = tuple(given.get(v, v) for v in item.inputs)


def zeros_or_none(value: Value) -> Value | None:
    """Return zeros like `value`; None for what has no zero (strings, handles, lists)."""
    if value.dtype == dtypes.variant and value.spec.handle is not None:
        return zeros(value)
    numeric = value.dtype.is_floating or value.dtype.is_complex or value.dtype.is_integer or value.dtype.is_bool
    return zeros(value) if numeric else None


def _flat(result: Any, count: int) -> list[Adjoint | None]:
    flat: list[Adjoint | None] = []
    for item in result if isinstance(result, (list, tuple)) else (result,):
        flat.extend(item if isinstance(item, (list, tuple)) else (item,))
    if len(flat) != count:
        raise errors.InternalError(None, None, f"A gradient rule gave {len(flat)} adjoints for {count} inputs.")
    return flat
