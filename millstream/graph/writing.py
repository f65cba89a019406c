"""Write programs as FunctionDef and GraphDef messages. What is no op is first said in ops by `lowering`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millstream.base import dtypes, errors, tensor_proto
from millstream.base.messages import message
from millstream.graph.attributes import default_message, implied, kinds_of, shape_message, to_message
from millstream.graph.lowering import Lowering
from millstream.graph.order import is_stateful, waits
from millstream.graph.reading import starts
from millstream.ops.declaration import Op
from millstream.ops.registry import all_ops
from millstream.program.primitives.shaping import CONSTANT
from millstream.program.value import Node, Program, Value

PRODUCER = 2474
"""The version of graphs that TensorFlow 2.21 writes."""

MIN_CONSUMER = 12

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_./>-]")
_NOT_IN_ARGUMENTS = re.compile(r"[^a-z0-9_]")


class Names:
    """Names that were given, so that each is given once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        """Return `wanted`, with a number behind it where it is taken."""
        name, count = wanted, 0
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def argument(self, wanted: str) -> str:
        """Return a name that an argument of a function may have."""
        plain = _NOT_IN_ARGUMENTS.sub("_", wanted.lower())
        return self.unique(plain if plain[:1].isalpha() else f"arg_{plain}" if plain else "arg")

    def node(self, wanted: str) -> str:
        """Return a name that a node may have."""
        plain = _NOT_IN_NAMES.sub("_", wanted)
        return self.unique(plain if plain[:1].isalnum() or plain[:1] == "." else f"node{plain}")


class LibraryWriter:
    """Collects the functions of a graph, each program once."""

    def __init__(self, strip_defaults: bool = True) -> None:
        self.message = message("FunctionDefLibrary")()
        self.strip_defaults = strip_defaults
        self.used: dict[str, Op] = {}
        self._names = Names()
        self._of: dict[int, tuple[Program, str]] = {}
        self.customs: list[CustomGradient] = []
        """Functions with gradients of their own, where `keep_gradients` is set."""
        self.keep_gradients = False
        self._kinds = 0

    def name_of(self, program: Program) -> str:
        """Return the name of a program as a function, writing it first where that was not done."""
        found = self._of.get(id(program))
        if found is None:
            return self.add(program)
        return found[1]

    def add(
        self,
        program: Program,
        name: str | None = None,
        argument_names: Sequence[str] = (),
        output_names: Sequence[str] = (),
    ) -> str:
        """Write a program as a function and return its name."""
        name = _NOT_IN_NAMES.sub("_", name or program.name or "function").replace("/", "_")
        name = self._names.unique(f"{name}_function" if name in all_ops() else name)
        self._of[id(program)] = (program, name)
        lowered = Lowering(program)
        plain = lowered.result
        made = message("FunctionDef")()
        made.signature.name = name
        names = Names()
        writer = NodeWriter(self, names, name)
        for i, value in enumerate(plain.inputs):
            argument = names.argument(argument_names[i] if i < len(argument_names) else "args")
            made.signature.input_arg.add(name=argument, type=value.dtype.as_datatype_enum)
            writer.place[value] = argument
            if value.dtype not in (dtypes.resource, dtypes.variant):
                shapes = made.arg_attr[i].attr["_output_shapes"].list.shape
                shapes.add().CopyFrom(shape_message(value.spec.shape))
            made.arg_attr[i].attr["_user_specified_name"].s = argument.encode()
            if value.dtype is dtypes.resource:
                made.resource_arg_unique_id[i] = i
        made.node_def.extend(writer.write(plain.nodes))
        if self.keep_gradients:
            self._write_gradients(lowered, writer, made)
        given = Names()
        for i, value in enumerate(plain.outputs):
            output = given.argument(output_names[i] if i < len(output_names) else "identity")
            made.signature.output_arg.add(name=output, type=value.dtype.as_datatype_enum)
            made.ret[output] = writer.place[value]
        for node in plain.nodes:
            if isinstance(node.definition, Op) and node.definition.stateful:
                acting = writer.names[node]
                made.control_ret[acting] = acting
                made.signature.control_output.append(acting)
        made.signature.is_stateful = is_stateful(plain)
        self.message.function.append(made)
        return name

    def _write_gradients(self, lowered: Lowering, writer: NodeWriter, function: Any) -> None:
        """Write the gradients that functions inside of a function say themselves."""
        nodes = {node.name: node for node in function.node_def}
        for node, (definition, captures) in lowered.customs.items():
            if any(size == 2 for size, _ in definition.layout):
                continue
            given = definition.gradient_program
            gradient = Program(f"__inference_internal_grad_fn_{given.name}")
            rest = [Value(v.spec.with_value(None)) for v in node.outputs[definition.count :]]
            gradient.inputs = [*given.inputs[: definition.count], *rest, *given.inputs[definition.count :]]
            gradient.nodes, gradient.outputs = given.nodes, given.outputs
            # Gradients inside of this gradient are written before it is added: they have numbers of their own.
            self._kinds += 1
            kind = f"CustomGradient-{self._kinds}"
            nodes[writer.names[node]].attr["_gradient_op_type"].s = kind.encode()
            places = [plain_place(writer.place[v]) for v in captures]
            made = CustomGradient(self.add(gradient), kind, function.signature.name, node, definition, captures, places)
            self.customs.append(made)


@dataclass
class CustomGradient:
    """A gradient that a function says itself: its own name, that of its kind, where it belongs, and what it captured."""

    name: str
    kind: str
    function: str
    node: Node
    definition: Any
    captures: list[Value]
    places: list[str]


def plain_place(text: str) -> str:
    """Return `node:index` of `node:output:index`, or of an argument's name."""
    parts = text.split(":")
    return f"{parts[0]}:{parts[2] if len(parts) == 3 else 0}"


class NodeWriter:
    """Writes the nodes of one graph or function."""

    def __init__(
        self, library: LibraryWriter, names: Names, place_name: str = "graph", in_function: bool = True
    ) -> None:
        self.library = library
        self.place_name = place_name
        self._names = names
        self._in_function = in_function
        self.place: dict[Value, str] = {}
        self.names: dict[Node, str] = {}

    def write(
        self, nodes: Sequence[Node], shapes: bool = False, order: Mapping[Node, Sequence[Node]] | None = None
    ) -> list[Any]:
        """Return the NodeDef messages of nodes; with `shapes`, what is known of the shapes that they give goes with them.

        `order` says which nodes wait for which; without it, what acts on one thing keeps its order.
        """
        order = waits(nodes) if order is None else order
        made = []
        for node in nodes:
            if node.label == "":
                # A reading of a reference that nobody sees: who takes it takes the reference. A constant: nobody takes it.
                self.place.update((node.outputs[0], self.place[v]) for v in node.inputs)
                continue
            name = self._names.node(node.label or node.definition.name)
            self.names[node] = name
            written = message("NodeDef")(name=name)
            if node.definition is CONSTANT:
                self._constant(node, written)
            else:
                self._op(node, written)
            written.input.extend(f"^{self.names[n]}" for n in order.get(node, ()))
            if shapes:
                for value in node.outputs:
                    written.attr["_output_shapes"].list.shape.add().CopyFrom(shape_message(_shape(node, value)))
            made.append(written)
        return made

    def _constant(self, node: Node, written: Any) -> None:
        dtype, array = node.attributes["dtype"], node.attributes["value"]
        written.op = "Const"
        written.attr["dtype"].type = dtype.as_datatype_enum
        written.attr["value"].tensor.CopyFrom(constant_message(array, dtype))
        self.place[node.outputs[0]] = f"{written.name}:output:0" if self._in_function else written.name

    def _op(self, node: Node, written: Any) -> None:
        definition = node.definition
        if not isinstance(definition, Op):
            self._other(node, written)
            return
        written.op = definition.name
        self.library.used[definition.name] = definition
        written.input.extend(self.place[v] for v in node.inputs)
        attributes = {**implied(definition, node.inputs, node.attributes), **node.attributes}
        if "output_shapes" in attributes:
            attributes["output_shapes"] = tuple(_sizes(v) for v in node.outputs)
        kinds = kinds_of(definition)
        if "shared_name" in kinds and not attributes.get("shared_name"):
            # Without a name it would be another one at each run of the graph.
            attributes["shared_name"] = f"{self.place_name}_{written.name}".lstrip("_")
        for name in sorted(kinds):
            if name not in attributes:
                continue
            value = to_message(kinds[name], attributes[name], self.library.name_of)
            if self.library.strip_defaults:
                default = default_message(definition, name)
                if default is not None and default == value:
                    continue
            written.attr[name].CopyFrom(value)
        self._place_outputs(node, written.name, starts(definition, attributes))

    def _other(self, node: Node, written: Any) -> None:
        """Write a node that is no op of ours: of a variable that is no resource, or one that runs in Python."""
        written.op = node.definition.name
        written.input.extend(self.place[v] for v in node.inputs if v in self.place)
        written_as = getattr(node.definition, "written_as", None)
        found = written_as(node) if written_as is not None else getattr(node.definition, "written", {})
        for name, (kind, value) in found.items():
            written.attr[name].CopyFrom(to_message(kind, value, self.library.name_of))
        self._place_outputs(node, written.name, {"output": 0})

    def _place_outputs(self, node: Node, name: str, parts: Mapping[str, int]) -> None:
        begins = sorted((at, part) for part, at in parts.items())
        for i, value in enumerate(node.outputs):
            if self._in_function:
                at, part = next((a, p) for a, p in reversed(begins) if a <= i)
                self.place[value] = f"{name}:{part}:{i - at}"
            else:
                self.place[value] = f"{name}:{i}" if i else name


def _shape(node: Node, value: Value) -> Any:
    """Return the shape of what a node gives; that of its variable for a reference."""
    if getattr(node.definition, "gives_reference", False):
        assert value.spec.handle is not None
        return value.spec.handle.shape
    return value.spec.shape


def _sizes(value: Value) -> Any:
    shape = value.spec.shape
    return None if shape is None or value.dtype in (dtypes.resource, dtypes.variant) else shape


def constant_message(array: Any, dtype: Any) -> Any:
    """Return the TensorProto of an array."""
    if dtype in (dtypes.resource, dtypes.variant):
        raise errors.UnimplementedError(None, None, f"A constant of type {dtype.name} cannot be written to a graph.")
    if dtype is dtypes.string:
        texts = [x if isinstance(x, bytes) else str(x).encode() for x in array.ravel().tolist()]
        return tensor_proto.to_proto(texts, dtype, array.shape)
    return tensor_proto.to_proto(array, dtype, array.shape)


def versions(made: Any) -> None:
    """Say in a GraphDef which version it is of."""
    made.versions.producer = PRODUCER
    made.versions.min_consumer = MIN_CONSUMER
