"""Say a program in ops alone: what others are made of is opened, primitives become the ops that do the same.

Refuses, by name, what has no such ops: functions of Python above all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.size_algebra import (
    EQUAL,
    FLOOR_DIVIDE,
    MAXIMUM,
    MINIMUM,
    MODULO,
    SELECT_NONNEGATIVE,
    Operation,
    Sum,
    Symbol,
)
from millstream.base.sizes import Size, symbols
from millstream.graph.file_ops import FileGuard
from millstream.graph.window_ops import ALL_RULES
from millstream.ops.declaration import Op
from millstream.ops.registry import find
from millstream.program.primitives.control import HOST_CALL
from millstream.program.primitives.core import Primitive
from millstream.program.primitives.shaping import BIND_SIZES, CONSTANT, constant
from millstream.program.value import Definition, Node, Program, Value, building, from_source


def is_public(definition: Definition) -> bool:
    """Return whether a definition is one of TensorFlow's ops; ops of our own are opened."""
    return isinstance(definition, Op) and Op.registry.get(definition.name) is definition


class Lowering:
    """Says one program in ops and constants alone: `result`, whose inputs and outputs have the specs that they had."""

    def __init__(self, program: Program, keeps: Callable[[Node], bool] = lambda _: False) -> None:
        self.name = program.name
        self._keeps = keeps
        self.result = Program(program.name)
        self._place: dict[Value, Value] = {}
        self._where: dict[Symbol, tuple[Value, int | None]] = {}
        self._sizes: dict[Any, Value] = {}
        self.customs: dict[Node, tuple[Any, list[Value]]] = {}
        """What has a gradient of its own: the node that stands for it, its definition, and what its gradient captured."""
        for value in program.inputs:
            self._put(value, self.result.input(value.spec))
        for node in program.nodes:
            with building(self.result), from_source(node.source):
                self._lower(node, node.label)
        self.result.outputs = [self._place[v] for v in program.outputs]

    def _put(self, old: Value, new: Value) -> None:
        """Say what stands for a value, and learn from its spec where sizes are to be found."""
        self._place[old] = new
        new.spec = old.spec
        for axis, size in enumerate(old.spec.shape or ()):
            if isinstance(size, Symbol):
                self._where.setdefault(size, (new, axis))
        known = old.spec.value
        if isinstance(known, Symbol):
            self._where.setdefault(known, (new, None))
        elif isinstance(known, tuple):
            for i, size in enumerate(known):
                if isinstance(size, Symbol) and size not in self._where:
                    self._where[size] = (self._element(new, i), None)

    def _lower(self, node: Node, label: str | None) -> None:
        definition = getattr(node.definition, "overridden", node.definition)
        inputs = [self._place[v] for v in node.inputs]
        if definition is CONSTANT or is_public(definition) or hasattr(definition, "written_as") or self._keeps(node):
            copy = Node(definition, inputs, node.attributes, [v.spec for v in node.outputs], node.source, label)
            self.result.nodes.append(copy)
            made: Sequence[Value] = copy.outputs
        elif definition is BIND_SIZES:
            for i, symbol in enumerate(node.attributes["symbols"]):
                element = inputs[0] if inputs[0].spec.shape == () else self._element(inputs[0], i)
                self._where.setdefault(symbol, (element, None))
            return
        elif isinstance(definition, Primitive):
            made = self._primitive(node, inputs)
        elif isinstance(definition, FileGuard):
            return
        elif getattr(definition, "gradient_program", None) is not None:
            made = self._custom(node, inputs, label)
        else:
            made = self._opened(node, inputs)
        for old, new in zip(node.outputs, made, strict=True):
            if new in inputs:
                new = find("Identity")(new)
            self._put(old, new)

    def _custom(self, node: Node, inputs: list[Value], label: str | None) -> Sequence[Value]:
        """Add an IdentityN of the results and arguments of a function that says its own gradient."""
        definition: Any = node.definition
        count = definition.count + definition.args
        identity = find("IdentityN")
        identity(inputs[:count])
        made = self.result.nodes[-1]
        made.label = label
        self.customs[made] = (definition, inputs[count:])
        return made.outputs[: definition.count]

    def _primitive(self, node: Node, inputs: list[Value]) -> Sequence[Value]:
        rule = ALL_RULES.get(node.definition.name)
        if rule is None or node.definition is HOST_CALL:
            self.refuse(node)
        try:
            made = rule(self, *inputs, **node.attributes)
        except KeyError:
            # A kind of it has no op, or one that is not declared here.
            self.refuse(node)
        return (made,) if isinstance(made, Value) else () if made is None else tuple(made)

    def _opened(self, node: Node, inputs: list[Value]) -> Sequence[Value]:
        """Lower what a definition is made of."""
        scratch = Program(node.definition.name)
        outer = [Value(v.spec) for v in node.inputs]
        scratch.inputs = list(outer)
        with building(scratch):
            outputs = node.definition.run_body(outer, node.attributes)
        if any(n.definition is HOST_CALL for n in scratch.nodes):
            self.refuse(node)
        for old, new in zip(outer, inputs, strict=True):
            self._put(old, new)
        for inner in scratch.nodes:
            self._lower(inner, None)
        return [self._place[v] for v in outputs]

    def refuse(self, node: Node) -> NoReturn:
        """Raise: this node cannot leave Python."""
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain(
                f"{node.definition.name} in the function {self.name!r} cannot be written to a graph: it runs here in Python or in "
                f"a way that no op of TensorFlow has{f' (it comes from {node.source})' if node.source else ''}. Take it out of "
                "the function that is saved, or hand its result in as an argument."
            ),
        )

    def refuse_pooling(self, rank: int) -> None:
        """Raise: windows of this kind have no op."""
        raise errors.UnimplementedError(
            None,
            None,
            f"A reduction over windows of an array of rank {rank} in {self.name!r} cannot be written to a graph: only 2-D and 3-D "
            "pooling has ops. Reshape to rank 4 or 5.",
        )

    def _element(self, vector: Value, index: int) -> Value:
        with building(self.result):
            return find("GatherV2")(vector, constant(index, dtypes.int32), constant(0, dtypes.int32))  # type: ignore[no-any-return]

    def size(self, size: Size, dtype: DType = dtypes.int64) -> Value:
        """Return a size as an integer scalar."""
        if isinstance(size, int):
            return constant(size, dtype)
        key = (size, dtype)
        found = self._sizes.get(key)
        if found is None:
            wide = self._size(size)
            found = wide if wide.dtype is dtype else find("Cast")(wide, DstT=dtype)
            self._sizes[key] = found
        return found

    def _size(self, size: Any) -> Value:
        if isinstance(size, Symbol):
            return self._symbol(size)
        if isinstance(size, Operation):
            left, right = self.size(size.left), self.size(size.right)
            if size.kind in _PLAIN:
                return find(_PLAIN[size.kind])(left, right)  # type: ignore[no-any-return]
            if size.kind == EQUAL:
                return find("Cast")(find("Equal")(left, right), DstT=dtypes.int64)  # type: ignore[no-any-return]
            assert size.kind == SELECT_NONNEGATIVE, size.kind
            there = find("GreaterEqual")(left, constant(0, dtypes.int64))
            return find("SelectV2")(there, left, right)  # type: ignore[no-any-return]
        assert isinstance(size, Sum)
        total: Value | None = None
        for atoms, factor in size.terms():
            term: Value | None = None if factor == 1 and atoms else constant(factor, dtypes.int64)
            for atom in atoms:
                part = self.size(atom)
                term = part if term is None else find("Mul")(term, part)
            assert term is not None
            total = term if total is None else find("AddV2")(total, term)
        return constant(0, dtypes.int64) if total is None else total

    def _symbol(self, symbol: Symbol) -> Value:
        if symbol not in self._where:
            raise errors.UnimplementedError(
                None,
                None,
                f"The size {symbol} in the function {self.name!r} cannot be written to a graph: no tensor there has it.",
            )
        value, axis = self._where[symbol]
        if axis is None:
            return value if value.dtype is dtypes.int64 else find("Cast")(value, DstT=dtypes.int64)
        return self._element(find("Shape")(value, out_type=dtypes.int64), axis)

    def known_sizes(self, sizes: Sequence[Size]) -> list[Size]:
        """Return sizes, with -1 for those that no tensor here tells."""
        return [n if isinstance(n, int) or symbols(n) <= self._where.keys() else -1 for n in sizes]

    def shape(self, sizes: Sequence[Size], dtype: DType = dtypes.int32) -> Value:
        """Return sizes as an integer vector."""
        if all(isinstance(n, int) for n in sizes):
            return constant(list(sizes), dtype)
        return find("Pack")([self.size(n, dtype) for n in sizes], axis=0)  # type: ignore[no-any-return]


_PLAIN = {FLOOR_DIVIDE: "FloorDiv", MODULO: "FloorMod", MAXIMUM: "Maximum", MINIMUM: "Minimum"}
