"""Expand ops to primitives for given input specs, folding constants, known sizes and common parts as nodes are made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.errors import OpError, UnimplementedError, origin
from millstream.base.sizes import Expression, Size, Symbol, fresh_symbol, is_known, substitute, symbols
from millstream.base.spec import Spec
from millstream.compiler import passes
from millstream.compiler.inner_sizes import pass_sizes
from millstream.compiler.simplify import simplify
from millstream.ops.declaration import Op
from millstream.program.failures import state_failure
from millstream.program.learned_sizes import DECIDED, substitute_attribute, unify
from millstream.program.primitives.control import BRANCH, CALL
from millstream.program.primitives.core import Primitive
from millstream.program.primitives.shaping import BIND_SIZES, BROADCAST, CONSTANT, slice_
from millstream.program.value import (
    Definition,
    Node,
    Program,
    UnknownRank,
    Value,
    building,
    current_program,
    current_source,
    from_source,
)

LARGEST_FOLDED = 1024
"""Constants are folded up to this many elements; larger ones are cheaper to compute than to store."""

Claims = Callable[[Node], bool]


class ExpandedProgram(Program):
    """A program that simplifies, folds and shares each node as it is emitted, and expands what the target does not claim."""

    def __init__(self, name: str, claims: Claims) -> None:
        super().__init__(name)
        self.claims = claims
        self.seen: dict[Any, tuple[Value, ...]] = {}
        self.off = passes.settings().off
        self.sizes: dict[Symbol, Size] = {}
        """What the symbols of the program being expanded are here."""
        self.origin: Program | None = None
        self.ordinals = itertools.count()
        """The program that all of this comes from, and numbers for its random streams: each inlined copy has its own."""

    def emit(self, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        control = CONTROL.get(definition)
        if control is not None:
            return tuple(control(self, inputs, attributes))
        return self.append(definition, inputs, attributes)

    def append(
        self, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]
    ) -> tuple[Value, ...]:
        """Add a node, unless it can be simplified, folded, shared or must be expanded."""
        simple = simplify(definition, inputs, attributes)
        if simple is not None:
            return simple
        key = None
        if not definition.effects and "share" not in self.off:
            key = (definition, *map(id, inputs), *(attribute_key(v) for v in attributes.items()))
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
            folded = fold(node) if "fold" not in self.off else None
            if folded is not None:
                return self.emit(CONSTANT, (), {"value": folded, "dtype": node.outputs[0].dtype})
        elif not self.claims(node):
            if isinstance(definition, Op):
                return definition.run_body(node.inputs, node.attributes)
            return self._differentiated(node)
        self.nodes.append(node)
        return node.outputs

    def _differentiated(self, node: Node) -> tuple[Value, ...]:
        """Expand a gradient from its plain nodes: shared and simplified ones would hide the ways that it flows back."""
        plain = Program(node.definition.name)
        with building(plain):
            inputs = [plain.input(v.spec) for v in node.inputs]
            plain.outputs = list(node.definition.run_body(inputs, node.attributes))
        return tuple(expand_into(plain, node.inputs, self.sizes))


def attribute_key(item: tuple[str, Any]) -> Any:
    """Return what two equal attributes, names with values, have in common; it can be hashed."""
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
    if (
        definition.meaning is None
        or spec.dtype in (dtypes.string, dtypes.variant, dtypes.resource)
        or not spec.is_static
        or spec.count > LARGEST_FOLDED  # type: ignore[operator]
    ):
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
    except (OpError, ValueError, ArithmeticError, IndexError, ImportError):
        # A refusal belongs to the run, not to the trace; SciPy, which some meanings need, may not be installed.
        return None


def _symbolic(attribute: Any) -> bool:
    if isinstance(attribute, Expression):
        return True
    return isinstance(attribute, tuple) and any(_symbolic(a) for a in attribute)


def expand(program: Program, specs: Sequence[Spec], claims: Claims) -> ExpandedProgram:
    """Return `program` for inputs of `specs`, in primitives and in ops that the target claims."""
    result = ExpandedProgram(program.name, claims)
    result.origin = program
    inputs = [result.input(spec) for spec in specs]
    with building(result):
        result.outputs = expand_into(program, inputs, {})
    return result


def expand_inner(
    program: Program, inputs: Sequence[Value], specs: Sequence[Spec], claims: Claims, outer: Mapping[Symbol, Size]
) -> ExpandedProgram:
    """Return a program that a node runs, expanded for inputs of `specs`; `outer` says what the symbols around it are.

    Small constants among `inputs`, the values it is run on, become its own and are no inputs of the result.
    """
    result = ExpandedProgram(program.name, claims)
    around = current_program()
    if isinstance(around, ExpandedProgram):
        result.origin, result.ordinals = around.origin, around.ordinals
    with building(result):
        arguments = [
            inner_constant(v) if is_inner(v) else result.input(spec) for v, spec in zip(inputs, specs, strict=True)
        ]
        result.outputs = expand_into(program, arguments, outer)
    return result


def is_inner(value: Value) -> bool:
    """Return whether a value is a constant that an inner program holds itself."""
    constant = constant_value(value)
    return constant is not None and constant.size <= LARGEST_FOLDED


def inner_constant(value: Value) -> Value:
    """Return a constant of the program being built that equals the constant `value`."""
    assert value.node is not None
    return current_program().emit(CONSTANT, (), value.node.attributes)[0]


def expand_into(program: Program, inputs: Sequence[Value], outer: Mapping[Symbol, Size]) -> list[Value]:
    """Emit `program`, applied to `inputs`, into the expanded program being built; return its outputs."""
    result = current_program()
    assert isinstance(result, ExpandedProgram)
    place: dict[Value, Value] = {}
    own: dict[Symbol, Size] = {}
    for old, new in zip(program.inputs, inputs, strict=True):
        place[old] = new
        unify(old.spec, new.spec, own)
    sizes: dict[Symbol, Size] = {**outer, **own}
    before, result.sizes = result.sizes, sizes
    owner, numbers = program.streams or (None, {})
    try:
        for node in program.nodes:
            if owner is not None:
                result.origin, result.ordinals = owner, itertools.count(numbers[node])
            arguments = [place[v] for v in node.inputs]
            attributes = node.attributes
            if attributes:
                for name in DECIDED.intersection(attributes):
                    _rename(attributes[name], sizes)
                if sizes:
                    attributes = {k: substitute_attribute(v, sizes) for k, v in attributes.items()}
            line = node.source or current_source()
            definition = node.definition
            with from_source(origin(line, definition.name) if isinstance(definition, Op) else line):
                try:
                    made = result.emit(definition, arguments, attributes)
                except (OpError, UnknownRank) as error:
                    refused = UnimplementedError(None, None, str(error)) if isinstance(error, UnknownRank) else error
                    state_failure(refused, definition, [v.spec for v in arguments], attributes, line)
                    raise refused from None
            for old, new in zip(node.outputs, made, strict=True):
                place[old] = new
                unify(old.spec, new.spec, sizes)
                _refine(old.spec, new, sizes)
    finally:
        result.sizes = before
    return [place[v] for v in program.outputs]


def _rename(attribute: Any, sizes: dict[Symbol, Size]) -> None:
    """Give sizes that a kernel decides when it runs names of their own in each expansion."""
    if isinstance(attribute, Expression):
        for symbol in symbols(attribute):
            if symbol not in sizes:
                sizes[symbol] = fresh_symbol("n")
    elif isinstance(attribute, Spec):
        _rename(attribute.shape, sizes)
    elif isinstance(attribute, tuple):
        for item in attribute:
            _rename(item, sizes)


def _refine(old: Spec, new: Value, sizes: Mapping[Symbol, Size]) -> None:
    """Take over what was said of a shape (`set_shape`) and cannot be inferred."""
    if old.shape is None or new.node is None:
        return
    if new.spec.shape is None:
        new.spec = Spec(new.spec.dtype, tuple(substitute(n, sizes) for n in old.shape), None, new.spec.handle)
    elif len(old.shape) == len(new.spec.shape) and any(
        is_known(a) and isinstance(b, Symbol) for a, b in zip(old.shape, new.spec.shape, strict=True)
    ):
        shape = tuple(
            a if is_known(a) and isinstance(b, Symbol) else b for a, b in zip(old.shape, new.spec.shape, strict=True)
        )
        new.spec = new.spec.with_shape(shape)


def _expand_call(result: ExpandedProgram, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Sequence[Value]:
    return expand_into(attributes["program"], inputs, result.sizes)


def _expand_branch(result: ExpandedProgram, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Sequence[Value]:
    programs = attributes["programs"]
    index = constant_value(inputs[0])
    if index is not None:
        chosen = programs[int(index)] if 0 <= int(index) < len(programs) else programs[-1]
        return expand_into(chosen, inputs[1:], result.sizes)
    specs = [v.spec for v in inputs[1:]]
    expanded = tuple(expand_inner(p, inputs[1:], specs, result.claims, result.sizes) for p in programs)
    _check_ranks(expanded)
    outer = [v for v in inputs[1:] if not is_inner(v)]
    outer += pass_sizes(result, expanded)
    return result.append(BRANCH, [inputs[0], *outer], {"programs": expanded})


def _check_ranks(branches: Sequence[Program]) -> None:
    """Refuse results of branches that differ in rank: in a plan each has one."""
    for given in zip(*(branch.outputs for branch in branches), strict=True):
        if len({len(v.spec.shape) for v in given if v.spec.shape is not None}) > 1:
            raise UnimplementedError(
                None,
                None,
                f"Branches give results of different ranks here: {', '.join(str(v.spec) for v in given)}. Give results of the same "
                "rank, or state their shape with tf.ensure_shape.",
            )


def _expand_binding(result: ExpandedProgram, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Sequence[Value]:
    """Bind only what is not known by now."""
    names = attributes["symbols"]
    if all(isinstance(name, Symbol) for name in names):
        return result.append(BIND_SIZES, inputs, attributes)
    for i, name in enumerate(names):
        if isinstance(name, Symbol):
            result.append(BIND_SIZES, [slice_(inputs[0], (i,), (i + 1,))], {"symbols": (name,)})
    return ()


CONTROL: dict[Definition, Callable[..., Sequence[Value]]] = {
    CALL: _expand_call,
    BRANCH: _expand_branch,
    BIND_SIZES: _expand_binding,
}
"""How the primitives that run programs are expanded; `loops` adds its own."""
