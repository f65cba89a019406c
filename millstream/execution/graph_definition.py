"""Graphs being traced as GraphDef messages, and GraphDef messages put into them: tf.Graph.as_graph_def and tf.import_graph_def."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.base import errors
from millstream.base.device_names import merged, name_of, parts_of
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.host import HostFunction, importers
from millstream.execution.operation import label, operation_of
from millstream.execution.reference_operations import imported, step_of
from millstream.execution.tensor import Tensor
from millstream.graph.attributes import kinds_of, shape_message, shape_of
from millstream.graph.lowering import Lowering
from millstream.graph.reading import Library, NodeReader, declared, name_of_input, spec_of_shape
from millstream.graph.version_1 import has_version_1, raised
from millstream.graph.writing import LibraryWriter, Names, NodeWriter, versions
from millstream.ops.registry import find
from millstream.program.primitives.control import HOST_CALL
from millstream.program.value import Node, Value

PLACEHOLDERS = ("Placeholder", "PlaceholderV2")


def graph_def_of(graph: Any, add_shapes: bool = False) -> Any:
    """Return a graph as a GraphDef; with `add_shapes`, what is known of the shapes goes with it.

    Raises:
      tf.errors.UnimplementedError: something in it runs in Python, and is no op.
    """
    made = message("GraphDef")()
    names = Names()
    library = LibraryWriter(strip_defaults=False)
    writer = NodeWriter(library, names, in_function=False)
    for node in graph.program.nodes:
        label(graph, node)
    in_session = not graph.building_function
    program = Lowering(graph.program, _runs_in_python if in_session else lambda _: False).result
    # What a graph of sessions captures are functions of Python: no node stands for them.
    for old, new in () if in_session else zip(graph.program.inputs, program.inputs, strict=True):
        name = names.node(operation_of(graph.tensor(old)).name)
        placed = made.node.add(name=name, op="Placeholder")
        placed.attr["dtype"].type = old.dtype.as_datatype_enum
        placed.attr["shape"].shape.CopyFrom(shape_message(old.spec.shape))
        if add_shapes:
            placed.attr["_output_shapes"].list.shape.add().CopyFrom(shape_message(old.spec.shape))
        writer.place[new] = name
    made.node.extend(writer.write(program.nodes, add_shapes, _order(graph, program) if in_session else None))
    places = {node.label: place for node, place in graph.devices.items()}
    for written in made.node:
        written.device = places.get(written.name, "")
    if library.message.function:
        made.library.CopyFrom(library.message)
    versions(made)
    return made


def _runs_in_python(node: Node) -> bool:
    return isinstance(node.definition, HostFunction) or node.definition is HOST_CALL


def _order(graph: Any, program: Any) -> dict[Node, list[Node]]:
    """Return which nodes of a graph that was lowered wait for which."""
    named = {node.label: node for node in program.nodes if node.label}
    found = {}
    for node, before in graph.waits_for.items():
        if node.label in named:
            found[named[node.label]] = [named[b.label] for b in before if b.label in named]
    return found


def import_graph_def(
    graph_def: Any,
    input_map: Mapping[Any, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    producer_op_list: Any = None,
    allowed_files: frozenset[bytes] | None = frozenset(),
) -> list[Any] | None:
    """Add the nodes of a GraphDef to the graph being traced; return the tensors and operations asked for.

    Its ops may read `allowed_files` alone; any file where that is None.
    """
    if not hasattr(graph_def, "node") or not hasattr(graph_def, "library"):
        raise TypeError(explain("Argument `graph_def` must be a GraphDef proto."))
    graph = current_graph()
    if graph is None:
        raise RuntimeError(
            explain(
                "import_graph_def adds to a graph, and there is none: call it in tf.Graph().as_default() or a tf.function."
            )
        )
    own = message("GraphDef").FromString(graph_def.SerializeToString())
    if producer_op_list is not None:
        strip_defaults(own, producer_op_list)
    scope = "import" if name is None else name.removesuffix("/")
    prefix = (
        f"{graph.own_name(graph.get_name_scope() + '/' + scope if graph.get_name_scope() else scope)}/" if scope else ""
    )
    importer = Importer(graph, own, prefix, input_map or {})
    importer.library.allowed_files = allowed_files
    importer.read()
    return None if return_elements is None else [importer.element(text) for text in return_elements]


class Importer:
    """Puts one GraphDef into a graph."""

    def __init__(self, graph: Any, graph_def: Any, prefix: str, input_map: Mapping[Any, Any]) -> None:
        self.graph = graph
        self.graph_def = graph_def
        self.prefix = prefix
        self.library = Library(graph_def.library.function)
        self.reader = NodeReader(self.library, graph.program, "the graph that is imported", self.read_other)
        self.operations: dict[str, Node | Value] = {}
        self.reader.keeps_sharing = self._in_session = not graph.building_function
        self._made: dict[str, Node] = {}
        self._named = {node.name: node for node in graph_def.node}
        self._mapped = self._values_of(input_map)
        self._here: Callable[[str], str] = str

    def _values_of(self, input_map: Mapping[Any, Any]) -> dict[str, Value]:
        found = {}
        nodes = {node.name for node in self.graph_def.node}
        missing = []
        for key, tensor in input_map.items():
            text = key if isinstance(key, str) else getattr(key, "name", str(key))
            if text.startswith("^"):
                continue
            if name_of_input(text) not in nodes:
                missing.append(text if ":" in text else f"{text}:0")
            given = tensor if isinstance(tensor, Tensor) else to_tensor(tensor)
            found[text.removesuffix(":0")] = self.graph.value_of(given)
        if missing:
            raise ValueError(
                explain(f"Attempted to map inputs that were not found in graph_def: [{', '.join(missing)}]")
            )
        return found

    def read(self) -> None:
        """Add all nodes."""
        self.reader.replaced = self._mapped
        self.reader.label = self._label
        nodes = list(self.graph_def.node)
        if has_version_1(nodes):
            nodes, self._here = raised(nodes, self.library.functions)
        try:
            self.reader.read(nodes)
        except errors.InvalidArgumentError as error:
            raise ValueError(error.message) from None

    def _label(self, name: str) -> str:
        if self._in_session:
            self._order(name)
        return str(self.graph.own_name(self.prefix + name))

    def _order(self, name: str) -> None:
        """Make the last node, which one of the file became, wait for what that waits for."""
        node = self.graph.program.nodes[-1]
        self._note(name, node)
        texts = self._named[name].input if name in self._named else ()
        before = [self._made[t[1:]] for t in texts if t.startswith("^") and t[1:] in self._made]
        if name in self.reader.guards:
            compares = self.reader.guards[name]
            compares.label = self.graph.own_name(f"{self.prefix}{name}/allowed")
            before.append(compares)
        if before:
            self.graph.add_control_inputs(node, before)

    def _note(self, name: str, node: Node) -> None:
        """Remember which node one of the file became, and put it where the file says."""
        self._made[name] = node
        place = self._named[name].device if name in self._named else ""
        if place:
            devices = self.graph.devices
            devices[node] = name_of(merged(parts_of(devices.get(node, "")), parts_of(place)))

    def read_other(self, reader: NodeReader, node: Any) -> list[Value] | None:
        """Add what only graphs have: inputs, and nodes that do nothing but wait."""
        if node.op in PLACEHOLDERS:
            if node.name in self._mapped and not self._in_session:
                return [self._mapped[node.name]]
            shape = shape_of(node.attr["shape"].shape) if "shape" in node.attr else None
            tensor = self.graph.placeholder(spec_of_shape(node.attr["dtype"].type, shape), self.prefix + node.name)
            if self._in_session:
                self._note(node.name, tensor.value.node)
            return [self._mapped.get(node.name, tensor.value)]
        if self._in_session and node.op in importers:
            inputs = [self.graph.tensor(value) for value in reader.inputs_of(node)]
            label = self.graph.__dict__["next_label"] = self.graph.own_name(self.prefix + node.name)
            try:
                made = importers[node.op](self.graph, node, inputs, label)
            finally:
                self.graph.__dict__.pop("next_label", None)
            self._order(node.name)
            return [t.value for t in made]
        if self._in_session:
            found = self._reference(reader, node)
            if found is not None:
                return found
        elif node.op == "PlaceholderWithDefault":
            return [reader.inputs_of(node)[0]]
        if node.op == "NoOp":
            self.graph.program.emit(find("NoOp"), (), {})
            self.graph.program.nodes[-1].label = self._label(node.name)
            self.operations[node.name] = self.graph.program.nodes[-1]
            return []
        return None

    def _reference(self, reader: NodeReader, node: Any) -> list[Value] | None:
        """Add a node that makes, changes or reads a variable that is no resource; None for other nodes."""
        for text in node.input:
            given = None if text.startswith("^") else reader.known(name_of_input(text))
            if given is not None and not given:
                return None
        attributes: dict[str, Any] = {}
        if node.op in ("VariableV2", "Variable"):
            dtype, shape = as_dtype(node.attr["dtype"].type), shape_of(node.attr["shape"].shape)
            attributes = {
                "dtype": dtype,
                "shape": shape,
                "container": node.attr["container"].s.decode(),
                "shared_name": node.attr["shared_name"].s.decode(),
            }
        elif node.op == "CountUpTo":
            attributes = {"limit": node.attr["limit"].i, "T": as_dtype(node.attr["T"].type)}
        elif step_of(node.op) is not None:
            attributes = reader.attributes_of(node, find(f"Resource{node.op}"))
        inputs = reader.inputs_of(node)
        found = imported(self.graph, node.op, inputs, attributes)
        if found is None:
            read = [self.graph.tensor(v).read().value if self._refers(v) else v for v in inputs]
            for text, value, old in zip(node.input, read, inputs, strict=False):
                if value is not old:
                    reader.replaced[text] = value
            return None
        self.graph.program.nodes[-1].label = self._label(node.name)
        return [t.value for t in found]

    def _refers(self, value: Value) -> bool:
        return getattr(self.graph.tensor(value), "is_reference", False)

    def element(self, text: str) -> Any:
        """Return the tensor `name:index` or the operation `name`."""
        if not isinstance(text, str):
            raise TypeError(explain(f"Argument `return_elements` must be a list of strings, got {text!r} in it."))
        colon = ":" in text
        name, _, number = (self._here(text) if colon else text).partition(":")
        number = number or "0"
        values = self.reader.known(name)
        if values is None or (colon and (not number.isdigit() or int(number) >= len(values))):
            kind = "tensor" if colon else "operation"
            raise ValueError(explain(f"Requested return {kind} '{text}' not found in graph def"))
        if colon:
            return self.graph.tensor(values[int(number)])
        return self.operation(name, values)

    def operation(self, name: str, values: Sequence[Value]) -> Any:
        """Return the operation that a node became."""
        if values:
            return operation_of(self.graph.tensor(values[0]))
        wanted = self.operations.get(name)
        for operation in self.graph.get_operations():
            if operation._node is wanted if wanted is not None else operation.name == self.prefix + name:
                return operation
        raise ValueError(explain(f"Requested return operation '{name}' not found in graph def"))


def strip_defaults(graph_def: Any, producer_op_list: Any) -> None:
    """Leave out attributes that are not known here where they have the defaults that their writer's ops state."""
    ops = {op.name: op for op in producer_op_list.op}
    nodes = [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]
    for node in nodes:
        if node.op not in ops:
            continue
        try:
            known = kinds_of(declared(node, "the graph"))
        except errors.NotFoundError:
            continue
        for attribute in ops[node.op].attr:
            if attribute.name in known or attribute.name not in node.attr or not attribute.HasField("default_value"):
                continue
            given, default = node.attr[attribute.name], attribute.default_value
            if given.SerializeToString(deterministic=True) == default.SerializeToString(deterministic=True):
                del node.attr[attribute.name]
