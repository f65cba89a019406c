"""The operations of TensorFlow 1 on variables that are no resources: making, changing, reading and asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base.errors import explain
from millstream.base.spec import Spec
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
        self.argument_names: tuple[str, ...] = (
            ("ref", "indices", "updates") if name.startswith("Scatter") else ("ref", "value")
        )

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        if inputs[0].handle is None:
            raise TypeError(
                explain(
                    f"In op '{self.name}', a variable that is a reference cannot be changed inside of a branch, a loop or a function.",
                    fix="Make it with use_resource=True.",
                )
            )
        return (inputs[0],)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        op = find(self.op)
        op(*inputs, **op.body_attributes(attributes))
        return (inputs[0],)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        locks = node.attributes.get("use_locking", self.name == "Assign")
        found: Written = {"T": ("type", _held(node.inputs[0])), "use_locking": ("bool", locks)}
        if self.name == "Assign":
            found["validate_shape"] = ("bool", node.attributes.get("validate_shape", True))
        if self.name.startswith("Scatter"):
            found["Tindices"] = ("type", node.inputs[1].dtype)
        return found

    def reverse_rule(self, node: Node, flows: Sequence[Any], reached: set[Value], again: Any) -> list[Any]:
        """Give nothing: nothing flows through an assignment."""
        return [None] * len(node.inputs)


class StepReference(ChangeReference):
    """Take a step of an optimizer: ApplyAdam and the like, of a variable and its slots."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"Resource{name}")
        self.argument_names = tuple(parameter.name for parameter in find(self.op).inputs)

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        op = find(self.op)
        given = op.complete(dict(node.attributes))
        found: Written = {name: ("bool", given[name]) for name in op.attributes}
        found["T"] = ("type", _held(node.inputs[0]))
        if "indices" in self.argument_names:
            found["Tindices"] = ("type", node.inputs[self.argument_names.index("indices")].dtype)
        return found


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
_STEPS: dict[str, StepReference] = {}


def step_of(op: str) -> StepReference | None:
    """Return what takes the step `op`, ApplyAdam for instance, of variables that are references; None for other ops."""
    if not op.startswith(("Apply", "SparseApply")):
        return None
    if op not in _STEPS:
        try:
            _STEPS[op] = StepReference(op)
        except KeyError:
            return None
    return _STEPS[op]


def imported(graph: Any, op: str, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Any:
    """Add a node of a file that makes, changes or reads a reference to a graph; return its tensors. None for other nodes."""
    refers = bool(inputs) and inputs[0].dtype.name == "resource"
    if op in ("VariableV2", "Variable"):
        return [graph.tensor(v) for v in graph.program.emit(MAKE, (), attributes)]
    definition = READ if op == "Identity" else DEFINITIONS.get(op) or step_of(op)
    if definition is None or not refers:
        return None
    return [graph.tensor(v) for v in graph.program.emit(definition, inputs, attributes)]
