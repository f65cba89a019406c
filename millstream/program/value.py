"""Hold values, nodes and programs: one structure for graphs of ops, programs of primitives and plans. Computes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from millstream.base.dtypes import DType
from millstream.base.sizes import Size
from millstream.base.spec import Spec


class Definition:
    """State what a node's name means. Primitives and ops are definitions; a program only needs to know their specs."""

    name: str
    effects: bool = False
    """True where a node must not be removed, repeated or moved across another one with effects."""

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Return the specs of the outputs, or raise InvalidArgumentError."""
        raise NotImplementedError(type(self).__name__)

    def infer_values(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Infer from values; a definition whose constant inputs decide shapes looks at them here."""
        return self.infer([v.spec for v in inputs], attributes)

    def known_positions(self, attributes: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the positions of inputs whose content decides shapes."""
        return ()

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit what the definition means into the current program; primitives mean themselves."""
        raise NotImplementedError(self.name)

    def describe_given(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> str:
        """Return what the definition was given, for an error."""
        return ", ".join(map(str, inputs))

    def __repr__(self) -> str:
        return self.name


class Value:
    """Stand for one tensor in one program: its spec and the node that makes it (None for an input of the program)."""

    __slots__ = ("__weakref__", "index", "node", "spec")

    operators: ClassVar[dict[str, Callable[..., Value]]] = {}
    """Filled by `program.arithmetic`: the primitives behind Python's operators."""

    def __init__(self, spec: Spec, node: Node | None = None, index: int = 0) -> None:
        self.spec = spec
        self.node = node
        self.index = index

    @property
    def dtype(self) -> DType:
        return self.spec.dtype

    @property
    def shape(self) -> tuple[Size, ...]:
        """Sizes of a value of known rank; InvalidArgumentError where the rank is unknown."""
        if self.spec.shape is None:
            raise UnknownRank(f"{self!r} has an unknown rank here; its shape is known when the program runs.")
        return self.spec.shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        made_by = "input" if self.node is None else self.node.definition.name
        return f"<{made_by}:{self.index} {self.spec}>"

    def __add__(self, other: Any) -> Value:
        return Value.operators["add"](self, other)

    def __radd__(self, other: Any) -> Value:
        return Value.operators["add"](other, self)

    def __sub__(self, other: Any) -> Value:
        return Value.operators["subtract"](self, other)

    def __rsub__(self, other: Any) -> Value:
        return Value.operators["subtract"](other, self)

    def __mul__(self, other: Any) -> Value:
        return Value.operators["multiply"](self, other)

    def __rmul__(self, other: Any) -> Value:
        return Value.operators["multiply"](other, self)

    def __truediv__(self, other: Any) -> Value:
        return Value.operators["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return Value.operators["divide"](other, self)

    def __neg__(self) -> Value:
        return Value.operators["negate"](self)

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} is not known yet; use `select` or `branch`, not Python's `if`.")


class UnknownRank(Exception):
    """Raised by a body that needs the rank of a value whose rank is unknown; the op's outputs then have unknown shapes."""


class Node:
    """Apply a definition to values."""

    __slots__ = ("attributes", "definition", "inputs", "label", "outputs", "source")

    def __init__(
        self,
        definition: Definition,
        inputs: Sequence[Value],
        attributes: Mapping[str, Any],
        specs: Sequence[Spec],
        source: str | None = None,
        label: str | None = None,
    ) -> None:
        self.definition = definition
        self.inputs = tuple(inputs)
        self.attributes = dict(attributes)
        self.outputs = tuple(Value(spec, self, i) for i, spec in enumerate(specs))
        self.source = source
        self.label = label

    def __repr__(self) -> str:
        return f"<{self.definition.name} {', '.join(str(v.spec) for v in self.outputs)}>"


class Program:
    """Keep inputs, a straight list of nodes in the order in which they run, and outputs."""

    streams: tuple[Program, Mapping[Node, int]] | None = None
    """Whose random streams its nodes use, and where each node's numbers begin; None: its own, in the order of the nodes."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: list[Value] = []

    def input(self, spec: Spec) -> Value:
        """Add an input and return it."""
        value = Value(spec)
        self.inputs.append(value)
        return value

    def emit(self, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Append a node and return its outputs. Rewriting programs override this: it is the one door for new nodes."""
        specs = definition.infer_values(inputs, attributes)
        node = Node(definition, inputs, attributes, specs, current_source())
        self.nodes.append(node)
        return node.outputs

    def specs(self) -> tuple[tuple[Spec, ...], tuple[Spec, ...]]:
        """Return the specs of inputs and outputs."""
        return tuple(v.spec for v in self.inputs), tuple(v.spec for v in self.outputs)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)


class _Current(threading.local):
    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.source: str | None = None


_current = _Current()


def current_program() -> Program:
    """Return the program that new nodes go to; RuntimeError where none is being built."""
    if not _current.programs:
        raise RuntimeError("No program is being built; call primitives inside `with building(program):`.")
    return _current.programs[-1]


def current_source() -> str | None:
    """Return the user's line that new nodes come from, as `file.py:12 in call`."""
    return _current.source


@contextmanager
def building(program: Program) -> Iterator[Program]:
    """Send new nodes to `program`."""
    _current.programs.append(program)
    try:
        yield program
    finally:
        _current.programs.pop()


@contextmanager
def from_source(source: str | None) -> Iterator[None]:
    """Mark new nodes as coming from the user's line `source`."""
    before, _current.source = _current.source, source
    try:
        yield
    finally:
        _current.source = before


def emit(definition: Definition, *inputs: Value, **attributes: Any) -> tuple[Value, ...]:
    """Append a node to the current program and return its outputs."""
    return current_program().emit(definition, inputs, attributes)
