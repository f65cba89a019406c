"""Expand ops to primitives for given input specs, folding constants, known sizes and common parts as nodes are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Expression, Size, Symbol, is_known, substitute
from millstream.base.spec import Spec
from millstream.compiler.simplify import simplify
from millstream.ops.declaration import Op
from millstream.program.primitives.control import BRANCH, CALL, LOOP
from millstream.program.primitives.core import Primitive
from millstream.program.primitives.shaping import BROADCAST, CONSTANT
from millstream.program.value import Definition, Node, Program, Value, building, current_source, from_source

LARGEST_FOLDED = 1024
"""Constants are folded up to this many elements; larger ones are cheaper to compute than to store."""

Claims = Callable[[Node], bool]


class ExpandedProgram(Program):
    """A program that simplifies, folds and shares each node as it is emitted, and expands what the target does not claim."""

    def __init__(self, name: str, claims: Claims) -> None:
        super().__init__(name)
        self.claims = claims
        self.seen: dict[Any, tuple[Value, ...]] = {}
        self.folding = True

    def emit(self, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        simple = simplify(definition, inputs, attributes)
        if simple is not None:
            return simple
        key = None
        if not definition.effects:
            key = (definition, *map(id, inputs), *(_key(v) for v in attributes.items()))
            known = self.seen.get(key)
            if known is not None:
                return known
        specs = definition.infer_values(inputs, attributes)
        node = Node(definition, inputs, attributes, specs, current_source())
        outputs = self._place(node)
        if key is not None:
            self.seen[key] = outputs
        return outputs

    def _place(self, node: Node) -> tuple[Value, ...]:
        definition = node.definition
        if isinstance(definition, Primitive):
            folded = fold(node)
            if folded is not None:
                return self.emit(CONSTANT, (), {"value": folded, "dtype": node.outputs[0].dtype})
        elif not self.claims(node):
            return definition.run_body(node.inputs, node.attributes)
        self.nodes.append(node)
        return node.outputs


def _key(item: tuple[str, Any]) -> Any:
    name, value = item
    if isinstance(value, np.ndarray):
        return (name, value.dtype.str, value.shape, value.tobytes() if value.dtype != object else tuple(value.ravel()))
    if isinstance(value, (list, dict)):
        return (name, repr(value))
    if isinstance(value, float) and value == 0:
        return (name, str(value))
    return (name, value.__class__, value)


def constant_value(value: Value) -> np.ndarray | None:
    """Return the array of a constant; None for anything else."""
    node = value.node
    return node.attributes["value"] if node is not None and node.definition is CONSTANT else None


def fold(node: Node) -> np.ndarray | None:
    """Return the array that a primitive of constants gives; None where it is not constant, large, or refuses."""
    definition = node.definition
    assert isinstance(definition, Primitive)
    if definition is CONSTANT or definition.effects or definition.output_count != 1 or len(node.outputs) != 1:
        return None
    spec = node.outputs[0].spec
    if spec.value is not None:
        sizes = spec.value if isinstance(spec.value, tuple) else (spec.value,)
        if all(is_known(n) for n in sizes):
            return np.asarray(spec.value, spec.dtype.as_numpy_dtype)
    # A repeated number stays a broadcast: that it is one number is worth knowing.
    if definition is BROADCAST and not (spec.dtype.is_integer and len(spec.shape or ()) <= 1):
        return None
    if definition.meaning is None or spec.dtype == dtypes.string or not spec.is_static or spec.count > LARGEST_FOLDED:  # type: ignore[operator]
        return None
    arrays = []
    for value in node.inputs:
        array = constant_value(value)
        if array is None or array.size > LARGEST_FOLDED:
            return None
        arrays.append(array)
    if not arrays and definition.name != "iota":
        return None
    if any(_symbolic(a) for a in node.attributes.values()):
        return None
    try:
        return np.asarray(definition.meaning(*arrays, **node.attributes))
    except (ImportError, Exception):  # what cannot be folded says so when it runs
        return None


def _symbolic(attribute: Any) -> bool:
    if isinstance(attribute, Expression):
        return True
    return isinstance(attribute, tuple) and any(_symbolic(a) for a in attribute)


def substitute_attribute(value: Any, sizes: Mapping[Symbol, Size]) -> Any:
    """Return an attribute with symbols replaced by what they are here."""
    if isinstance(value, Expression):
        return substitute(value, sizes)
    if isinstance(value, tuple) and value:
        return tuple(substitute_attribute(v, sizes) for v in value)
    if isinstance(value, Spec):
        return value.substitute(sizes)
    return value


def unify(old: Spec, new: Spec, sizes: dict[Symbol, Size]) -> None:
    """Learn from two specs of one value what the symbols of the older one are."""
    if old.shape is not None and new.shape is not None and len(old.shape) == len(new.shape):
        for a, b in zip(old.shape, new.shape, strict=True):
            if isinstance(a, Symbol) and a not in sizes and a is not b:
                sizes[a] = b
    if old.value is not None and new.value is not None:
        olds = old.value if isinstance(old.value, tuple) else (old.value,)
        news = new.value if isinstance(new.value, tuple) else (new.value,)
        for a, b in zip(olds, news, strict=False):
            if isinstance(a, Symbol) and a not in sizes and a is not b:
                sizes[a] = b
    if old.handle is not None and new.handle is not None:
        unify(old.handle, new.handle, sizes)


def expand(program: Program, specs: Sequence[Spec], claims: Claims) -> ExpandedProgram:
    """Return `program` for inputs of `specs`, in primitives and in ops that the target claims."""
    return _expand(program, specs, claims, {})


def _expand(program: Program, specs: Sequence[Spec], claims: Claims, outer: Mapping[Symbol, Size]) -> ExpandedProgram:
    result = ExpandedProgram(program.name, claims)
    inputs = [result.input(spec) for spec in specs]
    with building(result):
        result.outputs = expand_into(program, inputs, claims, outer)
    return result


def expand_into(
    program: Program, inputs: Sequence[Value], claims: Claims, outer: Mapping[Symbol, Size]
) -> list[Value]:
    """Emit `program`, applied to `inputs`, into the expanded program being built; return its outputs."""
    from millstream.program.value import current_program

    result = current_program()
    place: dict[Value, Value] = {}
    sizes: dict[Symbol, Size] = dict(outer)
    for old, new in zip(program.inputs, inputs, strict=True):
        place[old] = new
        unify(old.spec, new.spec, sizes)
    for node in program.nodes:
        arguments = [place[v] for v in node.inputs]
        with from_source(node.source or current_source()):
            made = _emit_node(result, node, arguments, claims, sizes)
        for old, new in zip(node.outputs, made, strict=True):
            place[old] = new
            unify(old.spec, new.spec, sizes)
    return [place[v] for v in program.outputs]


def _emit_node(
    result: Program, node: Node, arguments: Sequence[Value], claims: Claims, sizes: dict[Symbol, Size]
) -> Sequence[Value]:
    definition = node.definition
    if definition is CALL:
        return expand_into(node.attributes["program"], arguments, claims, sizes)
    if definition is BRANCH:
        return _expand_branch(result, node, arguments, claims, sizes)
    if definition is LOOP:
        return _expand_loop(result, node, arguments, claims, sizes)
    attributes = node.attributes
    if sizes:
        attributes = {k: substitute_attribute(v, sizes) for k, v in attributes.items()}
    return result.emit(definition, arguments, attributes)


def _expand_branch(
    result: Program, node: Node, arguments: Sequence[Value], claims: Claims, sizes: Mapping[Symbol, Size]
) -> Sequence[Value]:
    programs = node.attributes["programs"]
    index = constant_value(arguments[0])
    if index is not None:
        chosen = programs[int(index)] if 0 <= int(index) < len(programs) else programs[-1]
        return expand_into(chosen, arguments[1:], claims, sizes)
    specs = [v.spec for v in arguments[1:]]
    expanded = tuple(_expand(p, specs, claims, sizes) for p in programs)
    return result.emit(BRANCH, arguments, {"programs": expanded})


def _expand_loop(
    result: Program, node: Node, arguments: Sequence[Value], claims: Claims, sizes: Mapping[Symbol, Size]
) -> Sequence[Value]:
    """Expand the body for the specs it starts with; sizes that it changes become unknown, and it is expanded again."""
    from millstream.program.primitives.control import merged

    carried = node.attributes["carried"]
    # What changes from turn to turn is not a constant, whatever it starts with.
    specs = [v.spec.with_value(None) if i < carried else v.spec for i, v in enumerate(arguments)]
    while True:
        body = _expand(node.attributes["body"], specs, claims, sizes)
        widened = [merged(a, v.spec.with_value(None)) for a, v in zip(specs, body.outputs, strict=False)]
        if all(a.shape == b.shape or _only_symbols_differ(a, b) for a, b in zip(specs, widened, strict=False)):
            break
        specs[:carried] = widened
    condition = _expand(node.attributes["condition"], specs, claims, sizes)
    return result.emit(LOOP, arguments, {"condition": condition, "body": body, "carried": carried})


def _only_symbols_differ(a: Spec, b: Spec) -> bool:
    if a.shape is None or b.shape is None:
        return a.shape is b.shape
    return all(m == n or not is_known(m) for m, n in zip(a.shape, b.shape, strict=True))
