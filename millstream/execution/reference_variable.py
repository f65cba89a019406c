"""Variables of TensorFlow 1 that are no resources: tensors that refer to them are read where they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, from_spec_shape
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply_flat
from millstream.execution.graph import GraphTensor, open_sizes, reference_tensors
from millstream.execution.graph_variable import GraphVariable
from millstream.execution.name_scope import absolute, current_scope
from millstream.execution.variable import kinds_in_graphs
from millstream.ops import graph_state
from millstream.ops.registry import find
from millstream.program.primitives.state import is_set, read
from millstream.program.value import Definition, Node, Value

Written = dict[str, tuple[str, Any]]
"""The attributes of a node as files have them: kinds and values."""


def _held(value: Value) -> Any:
    held = value.spec.handle
    assert held is not None
    return held.dtype


class MakeReference(Definition):
    """VariableV2: refer to a variable of the session."""

    name = "VariableV2"
    effects = True
    stateful = True
    gives_reference = True

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return graph_state.variable_handle.infer(inputs, attributes)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        kinds = {"container": "string", "shared_name": "string", "dtype": "type", "shape": "shape"}
        return {name: (kind, node.attributes[name]) for name, kind in kinds.items()}


class ChangeReference(Definition):
    """Change a variable by the op for resources that does the same, and refer to it."""

    effects = True
    passes_reference = True
    gives_reference = True

    def __init__(self, name: str, op: str) -> None:
        self.name = name
        self.op = op
        self.argument_names = ("ref", "indices", "updates") if name.startswith("Scatter") else ("ref", "value")

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return (inputs[0],)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        find(self.op)(*inputs)
        return (inputs[0],)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        found: Written = {"T": ("type", _held(node.inputs[0])), "use_locking": ("bool", True)}
        if self.name == "Assign":
            found["validate_shape"] = ("bool", True)
        if self.name.startswith("Scatter"):
            found["Tindices"] = ("type", node.inputs[1].dtype)
        return found

    def reverse_rule(self, node: Node, flows: Sequence[Any], reached: set[Value], again: Any) -> list[Any]:
        """Give nothing: nothing flows through an assignment."""
        return [None] * len(node.inputs)


class ReadReference(Definition):
    """Identity of a reference: what the variable holds then."""

    name = "Identity"
    effects = True
    passes_reference = True

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        held = inputs[0].handle
        assert held is not None
        return (held,)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return (read(inputs[0]),)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        return {"T": ("type", _held(node.inputs[0]))}

    def reverse_rule(self, node: Node, flows: Sequence[Any], reached: set[Value], again: Any) -> list[Any]:
        """Pass what flows back on to the variable."""
        return [flows[0]]


class ReferenceIsSet(Definition):
    """IsVariableInitialized: whether a variable holds a value."""

    name = "IsVariableInitialized"
    effects = True
    passes_reference = True

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return find("VarIsInitializedOp").infer(inputs, {})

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return (is_set(inputs[0]),)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        return {"dtype": ("type", _held(node.inputs[0]))}


class CountReference(Definition):
    """CountUpTo: add 1 to a variable and give what it held before."""

    name = "CountUpTo"
    effects = True
    passes_reference = True

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        held = inputs[0].handle
        assert held is not None
        return (held,)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return (find("ResourceCountUpTo")(inputs[0], limit=attributes["limit"], T=attributes["T"]),)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        return {"T": ("type", node.attributes["T"]), "limit": ("int", node.attributes["limit"])}


MAKE = MakeReference()
READ = ReadReference()
IS_SET = ReferenceIsSet()
COUNT = CountReference()
CHANGES = {
    name: ChangeReference(name, op)
    for name, op in {
        "Assign": "AssignVariableOp", "AssignAdd": "AssignAddVariableOp", "AssignSub": "AssignSubVariableOp",
        **{f"Scatter{k}": f"ResourceScatter{k}" for k in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Update")},
        **{f"ScatterNd{k}": f"ResourceScatterNd{k}" for k in ("Add", "Sub", "Update")},
    }.items()
}  # fmt: skip
DEFINITIONS: dict[str, Definition] = {d.name: d for d in (MAKE, IS_SET, COUNT, *CHANGES.values())}


class ReferenceTensor(GraphTensor):
    """A tensor that refers to a variable. An op that takes it takes what the variable holds then."""

    is_reference = True

    @property
    def dtype(self) -> Any:
        """The element type of what the variable holds."""
        held = self.value_.spec.handle
        assert held is not None
        return held.dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of what the variable holds."""
        held = self.value_.spec.handle
        assert held is not None
        return from_spec_shape(held.shape)

    def read(self) -> Any:
        """Add a reading of the variable, which users do not see, to the graph."""
        return self.graph.add_hidden(READ, [self.value_])

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}_ref>"

    def __str__(self) -> str:
        shape = "<unknown>" if self.shape.rank is None else str(self.shape)
        return f'Tensor("{self.name}", shape={shape}, dtype={self.dtype.name}_ref)'


class RefVariable(GraphVariable):
    """A variable of a graph that is a reference, as TensorFlow 1 makes them."""

    is_reference_variable = True
    _is_resource = False

    def _initializer_scope(self, called: bool) -> str:
        return "Initializer/" if called else ""

    def _add_nodes(self, graph: Any, value: Any, full_name: str) -> None:
        sizes = open_sizes(None if self._shape.rank is None else self._shape.as_list())
        attributes = {"container": graph.container_name, "shared_name": "", "dtype": self._dtype, "shape": sizes}
        self._handle = graph.add_named(MAKE, attributes, full_name)
        with absolute(f"{full_name}/Assign/"):
            self._initializer_op = graph.run_named(CHANGES["Assign"], [self._handle, value])
        with absolute(f"{full_name}/read/"):
            self._graph_element = self._snapshot = graph.run_named(READ, [self._handle]).outputs[0]

    def _from_proto(self, variable_def: Any, import_scope: str | None) -> None:
        super()._from_proto(variable_def, import_scope)
        self._snapshot = self._graph_element

    @property
    def dtype(self) -> Any:
        """The element type, as that of a reference."""
        return self._dtype._as_ref

    @property
    def _variable(self) -> Any:
        return self._handle

    def _ref(self) -> Any:
        return self._handle

    def _as_graph_element(self) -> Any:
        return self._handle

    def value(self) -> Any:
        """Return the reading of the variable that was made with it."""
        return self._snapshot

    def read_value(self) -> Any:
        """Return what the variable holds when this runs: after what `control_dependencies` around it names."""
        graph = self._graph
        with absolute(f"{current_scope()}Identity/"):
            return graph.run_named(READ, [self._handle]).outputs[0]

    def is_initialized(self, name: str | None = None) -> Any:
        """Return whether the variable holds a value, as a tensor."""
        return apply_flat(IS_SET, [self._handle], {})

    def eval(self, session: Any = None) -> Any:
        """Return what the variable holds in a session: this one, or the default one."""
        return self._handle.eval(session=session)

    def _reference_op(self, name: str, *given: Any) -> Any:
        return apply_flat(CHANGES[name], [self._handle, *given], {})

    def _checked(self, value: Any) -> Any:
        tensor = to_tensor(value, self._dtype)
        if not self._shape.is_compatible_with(tensor.shape):
            raise ValueError(
                explain(
                    f"Shapes must be equal: {self._shape} of the variable {self.name!r}, {tensor.shape} of the value."
                )
            )
        return tensor

    def assign(self, value: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Make the variable hold `value`."""
        return self._result(self._reference_op("Assign", self._checked(value)), read_value)

    def assign_any_shape(self, value: Any) -> Any:
        """Make the variable hold a value of another shape, which it may where it was made with `validate_shape=False`."""
        return self.assign(value)

    def assign_add(self, delta: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Add `delta` to what the variable holds."""
        return self._result(self._reference_op("AssignAdd", self._checked(delta)), read_value)

    def assign_sub(self, delta: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Subtract `delta` from what the variable holds."""
        return self._result(self._reference_op("AssignSub", self._checked(delta)), read_value)

    @staticmethod
    def _result(tensor: Any, read_value: bool) -> Any:
        return tensor if read_value else tensor.op

    def count_up_to(self, limit: int) -> Any:
        """Add 1 to the variable and return what it held before; OutOfRangeError from `limit` on."""
        return apply_flat(COUNT, [self._handle], {"limit": limit, "T": self._dtype})

    def _scatter(self, op: Any, sparse_delta: Any) -> Any:
        name = op.name.removeprefix("Resource")
        return self._reference_op(name, to_tensor(sparse_delta.indices), to_tensor(sparse_delta.values, self._dtype))

    def _scatter_nd(self, op: Any, indices: Any, updates: Any) -> Any:
        return self._reference_op(op.name.removeprefix("Resource"), to_tensor(indices), to_tensor(updates, self._dtype))

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if dtype is not None and not self._dtype.is_compatible_with(dtype):
            raise ValueError(
                explain(
                    f"Incompatible type conversion requested to type '{dtype.name}' for variable of type '{self.dtype.name}'"
                )
            )
        return self._snapshot


def imported(graph: Any, op: str, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Any:
    """Add a node of a file that makes, changes or reads a reference to a graph; return its tensors. None for other nodes."""
    refers = bool(inputs) and inputs[0].dtype.name == "resource"
    if op in ("VariableV2", "Variable"):
        return [graph.tensor(v) for v in graph.program.emit(MAKE, (), attributes)]
    definition = READ if op == "Identity" else DEFINITIONS.get(op)
    if definition is None or not refers:
        return None
    return [graph.tensor(v) for v in graph.program.emit(definition, inputs, attributes)]


kinds_in_graphs.append(RefVariable)
reference_tensors.append(ReferenceTensor)
