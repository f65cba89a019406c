"""tf.Graph: nodes in the order in which they were made, with the control edges between them. Sessions run parts of it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.device_names import device_text, merged, name_of, parts_of
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.graph_view import GraphView
from millstream.execution.name_scope import current_scope, scoped
from millstream.execution.operation import Operation, base_name, free_label, operation_of_node
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor
from millstream.ops import graph_state
from millstream.ops.declaration import Op
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Node, Program, Value, building, from_source


class GraphTensor(SymbolicTensor):
    """A tensor of a graph that sessions run: a key of dictionaries, equal to itself alone."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> Any:
        return self is other

    def __ne__(self, other: object) -> Any:
        return self is not other

    def _as_graph_element(self) -> GraphTensor:
        return self


reference_tensors: list[type[GraphTensor]] = []
"""The class of tensors that refer to variables; `reference_variable` says it, which stands above."""


class Graph(GraphView):
    """A graph of ops that run in a session, or as part of what is saved.

    A function that is traced is a graph of its own kind: `FuncGraph`.
    """

    building_function = False
    gives_operations = True
    """Whether what makes no tensor gives an operation."""
    outer: Any = None
    by_reference = False
    creation: str | None = None
    created: Sequence[Any] = ()
    seed: int | None = None

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.program: Program = _Nodes(self, name)
        self.captures: dict[int, tuple[Any, Value]] = {}
        self.tensors: dict[Value, SymbolicTensor] = {}
        self.variables: list[Any] = []
        self.variable_of: dict[Value, Any] = {}
        """The variables by their handles."""
        self.container_name = ""
        self.inlined: set[int] = set()
        self.given: dict[int, Value] = {}
        self.relied_on: set[Value] = set()
        self.open_tapes: list[Any] = []
        self.number_of: dict[Node, int] = {}
        """A number of its own for each node, for its random streams."""
        self.waits_for: dict[Node, tuple[Node, ...]] = {}
        """The nodes that run before a node though it does not take what they make."""
        self._names: dict[str, int] = {}
        self._lock = threading.RLock()
        self._controls = _Controls()
        self._places = _Places()
        self.overrides: dict[str, str] = {}
        """The names of the gradients of ops that are made now, where these are not their own."""
        self._unnamed: list[Node] = []
        self._next_waits: list[Node] = []
        self.devices = {}
        self.last_named: Any = None
        """The call that named the last node whose name was asked for, its scope, the name, and what the node is without it."""
        self.edits = 0
        """How often what was there already was changed."""
        self._unfeedable: set[Any] = set()
        self._unfetchable: set[Any] = set()

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """Return `name` in the scope that names are in, with a number where it is taken."""
        return self.own_name(scoped(name), mark_as_used)

    def own_name(self, name: str, mark_as_used: bool = True) -> str:
        """Return `name`, with a number where it is taken; capital letters make no difference."""
        key = name.lower()
        count = self._names.get(key, 0)
        if mark_as_used:
            self._names[key] = count + 1
        if not count:
            return name
        base = key
        while key in self._names:
            key = f"{base}_{count}"
            count += 1
        if mark_as_used:
            self._names[key] = 1
        return f"{name}_{count - 1}"

    def tensor(self, value: Value) -> SymbolicTensor:
        """Return the symbolic tensor of a value."""
        found = self.tensors.get(value)
        if found is None:
            kind = GraphTensor
            if value.node is not None and getattr(value.node.definition, "gives_reference", False):
                kind = reference_tensors[0]
            found = self.tensors[value] = kind(self, value)
        return found

    def add_hidden(self, definition: Definition, values: Sequence[Value]) -> SymbolicTensor:
        """Add a node that users do not see: a reading of what a reference refers to."""
        with self._lock, from_source(errors.user_line()):
            (value,) = self.program.emit(definition, values, {})
            assert value.node is not None
            value.node.label = ""
        return self.tensor(value)

    def placeholder(self, spec: Spec, name: str | None = None) -> SymbolicTensor:
        """Add a node whose tensor is fed."""
        attributes = {"dtype": spec.dtype, "shape": open_sizes(spec.shape)}
        label = self.own_name(name or "Placeholder")
        return self.tensor(self._append(graph_state.placeholder, (), attributes, (spec,), label)[0])

    def _append(
        self,
        definition: Definition,
        values: Sequence[Value],
        attributes: Mapping[str, Any],
        specs: Sequence[Spec],
        label: str,
    ) -> tuple[Value, ...]:
        """Add a node whose specs are known."""
        with self._lock:
            self._check_open()
            node = Node(definition, values, attributes, specs, errors.user_line(), label)
            self.program.nodes.append(node)
            self._note(node)
        return node.outputs

    def value_of(self, tensor: Tensor) -> Value:
        """Return the value of a tensor in this graph; what is at hand becomes a constant of it."""
        if isinstance(tensor, SymbolicTensor):
            if tensor.graph is self:
                return tensor.value
            raise ValueError(
                explain(f"Tensor {tensor!r} is not an element of this graph: it belongs to the graph {tensor.graph!r}.")
            )
        return self._constant(tensor, self.own_name(free_name("Const")))

    def _constant(self, tensor: Any, name: str) -> Value:
        if tensor.dtype in (dtypes.resource, dtypes.variant):
            return self.capture(tensor)
        array = tensor.numpy()
        if tensor.dtype == dtypes.string:
            array = np.array(array, object)
        with self._lock:
            self._check_open()
            with building(self.program), from_source(errors.user_line()):
                value = constant(array, tensor.dtype)
            assert value.node is not None
            value.node.label = name
        return value

    def add_constant(self, tensor: Any, name: str = "Const") -> SymbolicTensor:
        """Add a constant of what an eager tensor holds, under the name that the user asked for, or else `name`."""
        return self.tensor(self._constant(tensor, free_label(self, name)))

    def constant_in_scope(self, tensor: Any) -> SymbolicTensor:
        """Add a constant that has the name of the scope around it."""
        return self.tensor(self._constant(tensor, self.own_name(current_scope().removesuffix("/"))))

    def hidden_constant(self, tensor: Any) -> SymbolicTensor:
        """Add a constant that users do not see: what is fetched, and is known before anything runs."""
        array = np.array(tensor.numpy(), object) if tensor.dtype == dtypes.string else tensor.numpy()
        with self._lock, building(self.program):
            value = constant(array, tensor.dtype)
            assert value.node is not None
            value.node.label = ""
        return self.tensor(value)

    def add_named(self, definition: Op, attributes: Mapping[str, Any], label: str) -> SymbolicTensor:
        """Add a node without inputs under this very name; return its tensor."""
        return self.tensor(self._append(definition, (), attributes, definition.infer((), attributes), label)[0])

    def run_named(self, definition: Definition, inputs: Sequence[Tensor], attributes: Any = None) -> Operation:
        """Add a node that has the name of the scope around it; return the operation."""
        name = current_scope()
        complete = definition.complete(attributes or {}) if isinstance(definition, Op) else attributes or {}
        with self._lock:
            self.create(definition, inputs, complete, label=self.own_name(name.removesuffix("/")))
            return operation_of_node(self, self.program.nodes[-1])

    def capture(self, tensor: Any) -> Value:
        """Add an input that is always `tensor`: a handle of something that lives outside."""
        with self._lock:
            found = self.captures.get(id(tensor))
            if found is None:
                found = self.captures[id(tensor)] = (tensor, self.program.input(spec_of(tensor)))
        return found[1]

    def handles(self) -> list[tuple[Any, Value]]:
        """Return all handles of variables, with their values."""
        made = [n.outputs[0] for n in self.program.nodes if n.definition in graph_state.VARIABLES]
        captured = [(t, v) for t, v in self.captures.values() if t.dtype is dtypes.resource]
        return [*((self.tensor(v), v) for v in made), *captured]

    def external_captures(self) -> list[tuple[Any, Value]]:
        """Return the captured tensors with their inputs, in order."""
        return list(self.captures.values())

    def note_creation(self, variable: Any) -> None:
        """Allow a new variable."""

    def create(
        self,
        definition: Definition,
        inputs: Sequence[Tensor],
        attributes: Mapping[str, Any],
        label: str | None = None,
    ) -> tuple[SymbolicTensor, ...]:
        """Add a node and return its outputs."""
        with self._lock:
            self._check_open()
            label = label or free_label(self, base_name(definition))
            names = _argument_names(definition, inputs, attributes)
            values = [
                t.value
                if isinstance(t, SymbolicTensor) and t.graph is self
                else self.value_of(t)
                if isinstance(t, SymbolicTensor)
                else self._constant(t, self.own_name(f"{label}/{name}"))
                for t, name in zip(inputs, names, strict=True)
            ]
            with from_source(errors.user_line()):
                outputs = self.program.emit(definition, values, attributes)
            self.program.nodes[-1].label = label
        return tuple(self.tensor(v) for v in outputs)

    def _note(self, node: Node) -> None:
        """Write down when a node was made, and what it waits for."""
        self.number_of[node] = len(self.number_of)
        waits = self._controls.of(node)
        if self._next_waits and _runs_functions(node):
            waits = (*waits, *(n for n in self._next_waits if n not in waits))
            self._next_waits = []
        if waits:
            self.waits_for[node] = waits
        if self._places.names:
            self.devices[node] = self._places.of(lambda device: self._operation_on(node, device))

    def _operation_on(self, node: Node, device: str) -> Operation:
        """Return the operation of a node that is being made, on a device."""
        self.devices[node] = device
        return operation_of_node(self, node)

    def name_new_nodes(self) -> None:
        """Name the nodes that have no name yet: those that something put into the program itself, as gradients do."""
        with self._lock:
            for node in reversed(self.program.nodes):
                if node.label is not None:
                    break
                self._unnamed.append(node)
            while self._unnamed:
                node = self._unnamed.pop()
                node.label = self.own_name(free_name(base_name(node.definition)))

    @contextmanager
    def adding_gradients(self) -> Iterator[None]:
        """Name the nodes that are added inside; what ran before and is changed inside, as loops are, is compiled again."""
        before = [(node, node.inputs, len(node.outputs)) for node in self.program.nodes]
        yield
        self.name_new_nodes()
        if any(node.inputs is not inputs or len(node.outputs) != count for node, inputs, count in before):
            self.edits += 1

    def wait_next(self, before: Node) -> None:
        """Make the next node that runs functions wait for another one: a function of it says so."""
        self._next_waits.append(before)

    def add_control_inputs(self, node: Node, before: Iterable[Node]) -> None:
        """Make a node wait for others."""
        known = self.waits_for.get(node, ())
        self.waits_for[node] = (*known, *(n for n in before if n not in known))
        self.edits += 1

    def prevent_feeding(self, tensor: Any) -> None:
        """Refuse feeds of a tensor."""
        self._unfeedable.add(tensor.value)

    def is_feedable(self, tensor: Any) -> bool:
        """Return whether a tensor may be fed."""
        return tensor.value not in self._unfeedable

    def prevent_fetching(self, op: Any) -> None:
        """Refuse fetches of an operation and what it makes."""
        self._unfetchable.add(op._node)

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        """Return whether a tensor or an operation may be fetched."""
        op = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return op._node not in self._unfetchable

    def _check_open(self) -> None:
        if self.finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")

    def finalize(self) -> None:
        """Refuse all further nodes."""
        self.finalized = True

    def _unsafe_unfinalize(self) -> None:
        self.finalized = False

    def control_dependencies(self, control_inputs: Any) -> Any:
        """Make what is made inside run after `control_inputs`; None: after nothing that was said before."""
        if control_inputs is None:
            return self._controls.within(None)
        # There is nothing to wait for in a tensor that is at hand.
        waited = [c for c in control_inputs if isinstance(c, SymbolicTensor) or not isinstance(c, Tensor)]
        return self._controls.within([self.node_of(c) for c in waited])

    def node_of(self, item: Any) -> Node:
        """Return the node of an operation, or of that which makes a tensor or holds a variable."""
        item = getattr(item, "values", item) if type(item).__name__ == "IndexedSlices" else item
        if not isinstance(item, (Tensor, Operation)) and hasattr(item, "op"):
            item = item.op
        found = item if isinstance(item, (Tensor, Operation)) else self.as_graph_element(item)
        operation = found.op if isinstance(found, Tensor) else found
        if operation.graph is not self:
            raise ValueError(explain(f"{item!r} must be from the same graph as what is to wait for it."))
        node = operation._node
        assert node is not None
        return node

    @contextmanager
    def gradient_override_map(self, op_type_map: Mapping[str, str]) -> Iterator[None]:
        """Let ops of some types that are made inside use the gradients registered under other names."""
        if not isinstance(op_type_map, dict):
            raise TypeError("`op_type_map` must be a dictionary mapping strings to strings")
        for old, new in op_type_map.items():
            if not isinstance(old, str) or not isinstance(new, str):
                raise TypeError("`op_type_map` must be a dictionary mapping strings to strings")
        before, self.overrides = self.overrides, {**self.overrides, **op_type_map}
        try:
            yield
        finally:
            self.overrides = before

    def device(self, device_name_or_function: Any) -> Any:
        """Ask for a device for what is made inside."""
        return self._places.within(device_name_or_function)

    @contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """Keep variables and other resources that are made inside in a container of the session."""
        before, self.container_name = self.container_name, container_name
        try:
            yield container_name
        finally:
            self.container_name = before

    @contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Put what is made inside where `op` is: all is on one device."""
        if op is None and not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        yield

    def __repr__(self) -> str:
        return object.__repr__(self)


def open_sizes(shape: Any) -> tuple[int, ...] | None:
    """Return sizes as attributes have them: -1 for those that are not known."""
    return None if shape is None else tuple(n if isinstance(n, int) else -1 for n in shape)


def _runs_functions(node: Node) -> bool:
    values = [v for a in node.attributes.values() for v in (a if isinstance(a, tuple) else (a,))]
    return hasattr(node.definition, "program") or any(isinstance(v, Program) for v in values)


def free_name(name: str) -> str:
    """Return a name with the scope that names are in now before it."""
    return name[:-1] if name.endswith("/") else scoped(name)


_OTHER_NAMES = {
    ("StridedSlice", "begin"): "stack",
    ("StridedSlice", "end"): "stack_1",
    ("StridedSlice", "strides"): "stack_2",
}
"""What constants are called that are given to an op, where that is not the name of the argument."""


def _argument_names(definition: Definition, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[str]:
    """Return what constants that are given to an op are called, input by input."""
    definition = getattr(definition, "overridden", definition)
    if not isinstance(definition, Op):
        return list(getattr(definition, "argument_names", ["input"] * len(inputs)))
    names: list[str] = []
    for parameter, given in zip(definition.inputs, definition.pack(inputs, attributes), strict=True):
        if parameter.shape == "one":
            names.append(_OTHER_NAMES.get((definition.name, parameter.name), parameter.name))
        else:
            names += [f"{parameter.name}_{i}" for i in range(len(given))]
    return names


class _Nodes(Program):
    """The nodes of a graph, which writes each of them down."""

    def __init__(self, graph: Graph, name: str) -> None:
        super().__init__(name)
        self._graph = weakref.ref(graph)

    def emit(self, definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        outputs = super().emit(definition, inputs, attributes)
        graph = self._graph()
        if graph is not None:
            graph._note(self.nodes[-1])
        return outputs


class _Block:
    """One `control_dependencies`: what is waited for, and what was made inside."""

    def __init__(self, before: Sequence[Node]) -> None:
        self.before = before
        self.inside: set[Node] = set()


class _Controls(threading.local):
    """The blocks of `control_dependencies` that are open on a thread."""

    def __init__(self) -> None:
        self.blocks: list[_Block] = []

    def of(self, node: Node) -> tuple[Node, ...]:
        """Return what a new node waits for, but for what its inputs waited for already."""
        made_by = {v.node for v in node.inputs}
        found: dict[Node, None] = {}
        for block in self.blocks:
            if not block.inside.isdisjoint(made_by):
                block.inside.add(node)
                continue
            block.inside.add(node)
            found.update((n, None) for n in block.before if n not in made_by)
        return tuple(found)

    @contextmanager
    def within(self, before: Sequence[Node] | None) -> Iterator[None]:
        """Open a block; None closes all others for as long."""
        kept = self.blocks
        self.blocks = [] if before is None else [*kept, _Block(list(dict.fromkeys(before)))]
        try:
            yield
        finally:
            self.blocks = kept


class _Places(threading.local):
    """The devices that are asked for on a thread."""

    def __init__(self) -> None:
        self.names: list[Any] = []

    def of(self, operation_on: Callable[[str], Any]) -> str:
        """Return the device that a new operation is to be on: what inner blocks say stands before what outer ones say.

        A function is given the operation on the device that the blocks inside of its own say, and says the whole device.
        """
        parts: dict[str, Any] = {}
        for asked in reversed(self.names):
            if asked is None:
                break
            if callable(asked):
                name = asked(operation_on(name_of(parts)))
                parts = {} if name is None else parts_of(device_text(name))
            else:
                parts = merged(parts_of(device_text(asked)), parts)
        return name_of(parts)

    @contextmanager
    def within(self, name: Any) -> Iterator[None]:
        """Ask for a device."""
        if name is not None and not callable(name):
            parts_of(device_text(name))
        self.names.append(name)
        try:
            yield
        finally:
            self.names.pop()
