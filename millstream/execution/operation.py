"""tf.Operation: the view that users have of a node in a graph being traced. Changes nothing."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.context import default_session
from millstream.execution.name_scope import current_scope, scope_openers
from millstream.ops.declaration import Op, Types
from millstream.program.value import Node, Value

# The names that operations of these types get, where TensorFlow does not take the type itself.
_BASE_NAMES = {
    "AddV2": "add",
    "Sub": "sub",
    "Mul": "mul",
    "RealDiv": "truediv",
    "FloorDiv": "floordiv",
    "FloorMod": "mod",
    "Pow": "pow",
    "BatchMatMulV2": "MatMul",
    "StridedSlice": "strided_slice",
    "Pack": "stack",
    "Unpack": "unstack",
    "ConcatV2": "concat",
    "Transpose": "transpose",
    "Split": "split",
    "SplitV": "split",
    "ResourceGather": "Gather",
    "ResourceGatherNd": "GatherNd",
    "Range": "range",
    "constant": "Const",
    "sizes": "Shape",
}


class NodeDef:
    """Name, type, input names and attributes of an operation."""

    def __init__(self, name: str, op: str, inputs: list[str], attributes: dict[str, Any]) -> None:
        self.name = name
        self.op = op
        self.input = inputs
        self.attr = attributes

    def __repr__(self) -> str:
        lines = [f'name: "{self.name}"', f'op: "{self.op}"', *(f'input: "{i}"' for i in self.input)]
        lines += [f'attr {{\n  key: "{k}"\n  value: {v!r}\n}}' for k, v in self.attr.items()]
        return "\n".join(lines) + "\n"


class Operation:
    """One node of a graph, or one of its inputs, as a placeholder."""

    def __init__(self, graph: Any, node: Node | None, value: Value | None, name: str) -> None:
        self._graph = graph
        self._node = node
        self._value = value
        self._name = name

    @property
    def graph(self) -> Any:
        """The graph that this is part of."""
        return self._graph

    @property
    def name(self) -> str:
        """The name, unique in the graph."""
        return self._name

    @property
    def type(self) -> str:
        """The name of the op."""
        return type_of(self._node)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The tensors that this takes."""
        return () if self._node is None else tuple(self._graph.tensor(_shown(v)) for v in self._node.inputs)

    @property
    def outputs(self) -> list[Any]:
        """The tensors that this makes."""
        values = self._node.outputs if self._node is not None else (self._value,)
        return [self._graph.tensor(v) for v in values if v is not None]

    @property
    def control_inputs(self) -> list[Operation]:
        """What runs before this though it makes none of its inputs. In a function the order of the ops says so."""
        waits = self._graph.waits_for.get(self._node, ()) if self._node is not None else ()
        return [operation_of_node(self._graph, n) for n in waits]

    def _add_control_input(self, op: Operation) -> None:
        self._graph.add_control_inputs(self._node, [op._node])

    def _add_control_inputs(self, ops: Iterable[Operation]) -> None:
        self._graph.add_control_inputs(self._node, [op._node for op in ops])

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return str(self._graph.devices.get(self._node, ""))

    def colocation_groups(self) -> list[bytes]:
        """Return the name of the group that is placed together: this alone."""
        return [f"loc:@{self._name}".encode()]

    def _as_graph_element(self) -> Operation:
        return self

    @property
    def traceback(self) -> Any:
        """The user's line that made this, as the one entry of a list; empty where that is not known."""
        place, _, function = (self._node.source or "" if self._node is not None else "").rpartition(" in ")
        path, _, number = place.rpartition(":")
        entries = [traceback.FrameSummary(path, int(number), function)] if number.isdigit() else []
        return traceback.StackSummary.from_list(entries)

    @property
    def node_def(self) -> NodeDef:
        """Name, type, inputs and attributes."""
        names = [t.name.removesuffix(":0") for t in self.inputs]
        return NodeDef(self._name, self.type, names, self._attributes())

    def _attributes(self) -> dict[str, Any]:
        node = self._node
        if node is None:
            assert self._value is not None
            return {"dtype": self._value.spec.dtype, "shape": self._graph.tensor(self._value).shape}
        found = dict(node.attributes)
        definition = getattr(node.definition, "overridden", node.definition)
        if isinstance(definition, Op):
            for parameter, given in zip(definition.inputs, definition.pack(node.inputs, node.attributes), strict=True):
                first = given if parameter.shape == "one" else (given[0] if given else None)
                if isinstance(parameter.element, Types) and first is not None:
                    found.setdefault(parameter.element.name, first.dtype)
        return found

    def get_attr(self, name: str) -> Any:
        """Return an attribute; ValueError where there is none of this name."""
        attributes = self._attributes()
        if name not in attributes:
            raise ValueError(
                explain(f"Operation '{self._name}' has no attr named '{name}'. It has {', '.join(sorted(attributes))}.")
            )
        value = attributes[name]
        return as_dtype(value) if isinstance(value, type) else value

    def values(self) -> tuple[Any, ...]:
        """Return the tensors that this makes."""
        return tuple(self.outputs)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run in a session: this one, or the default one."""
        session_for(self._graph, session, "execute operation using `run()`", "run").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation '{self._name}' type={self.type}>"


def type_of(node: Node | None) -> str:
    """Return the op's name as TensorFlow has it."""
    if node is None:
        return "Placeholder"
    definition = node.definition
    if isinstance(definition, Op):
        return definition.name
    if definition.name == "constant":
        return "Const"
    return "StatefulPartitionedCall" if hasattr(definition, "program") else definition.name


def session_for(graph: Any, session: Any, what: str, how: str) -> Any:
    """Return the session to use: the given one, or the default one; ValueError where that is of another graph."""
    if session is not None:
        if session.graph is not graph:
            raise ValueError(
                explain(
                    f"Cannot {what}: the session's graph is not the one that this belongs to: use a session of its graph."
                )
            )
        return session
    found = default_session()
    if found is None:
        raise ValueError(
            explain(
                f"Cannot {what}: No default session is registered. Use `with sess.as_default()` or pass an explicit session to "
                f"`{how}(session=sess)`"
            )
        )
    if found.graph is not graph:
        raise ValueError(
            explain(
                f"Cannot use the default session to {what}: its graph is another one. Pass a session of this graph."
            )
        )
    return found


def base_name(definition: Any) -> str:
    """Return what nodes of a definition are called, where nothing else is asked for."""
    name = _BASE_NAMES.get(definition.name)
    if name is None:
        name = "StatefulPartitionedCall" if hasattr(definition, "program") else definition.name
    return name


_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*|_[A-Za-z0-9_.\\/>-]*")


def free_label(graph: Any, base: str) -> str:
    """Return the name that a new node gets: what the user asked for, else `base`, in the scope that names are in.

    `graph.next_label` is the name of the next node where it is set: that of a file.
    """
    given = graph.__dict__.pop("next_label", None)
    if given is not None:
        return str(given)
    asked, call = _asked_for()
    # What reads the variable that a function is given does not take away the function's name.
    name = f"{asked.removesuffix('/')}/{base}" if asked and base == "ReadVariableOp" else asked or base
    if asked and not _NAME.fullmatch(name):
        raise ValueError(
            explain(
                f"'{name}' is not a valid scope name: names consist of letters, digits and the signs _ . / > -, and begin with a "
                "letter, a digit or a dot."
            )
        )
    if name.endswith("/"):
        return name[:-1]
    if asked and name is asked and not graph.building_function:
        return _name_of_call(graph, asked, call, base)
    return str(graph.own_name(current_scope() + name))


def _name_of_call(graph: Any, asked: str, call: Any, base: str) -> str:
    """Return the name of a node that a call adds that was asked for this name.

    Where the call adds several, the last one has the name, and it is the scope of those before.
    """
    last = graph.last_named
    if last is None or last[0] is not call or last[1] != current_scope():
        label = str(graph.own_name(current_scope() + asked))
    else:
        _, _, label, inner = last
        node = next((n for n in reversed(graph.program.nodes) if n.label == label), None)
        if node is not None:
            node.label = graph.own_name(f"{label}/{inner}")
            known = graph.__dict__.get("operations_", {}).get(node)
            if known is not None:
                known._name = node.label
    graph.last_named = (call, current_scope(), label, base)
    return label


def label(graph: Any, node: Node) -> str:
    """Return the name of a node, giving it one at first."""
    if node.label is None:
        node.label = free_label(graph, base_name(node.definition))
    return node.label


_PACKAGE = str(Path(__file__).parents[1])
_API = str(Path(_PACKAGE, "api"))
_VARIABLES = str(Path(_PACKAGE, "execution", "variable"))
_IN_USERS_CODE, _INSIDE, _IN_API, _IN_METHODS = range(4)
_places: dict[str, int] = {}
"""Where files of code are: asked for each frame of each node that is made."""


def _place_of(path: str) -> int:
    """Say where code is, and remember it."""
    place = _INSIDE
    if not path.startswith(_PACKAGE) or path.endswith("_test.py"):
        place = _IN_USERS_CODE
    elif path.startswith(_API):
        place = _IN_API
    elif path.startswith(_VARIABLES) or path.endswith(("graph_variable.py", "reference_variable.py", "slicing.py")):
        place = _IN_METHODS
    _places[path] = place
    return place


def _asked_for() -> tuple[str | None, Any]:
    """Return the argument `name` of the public function or method that the user called, None where there is none, and this call.

    Looked up on the stack, so that eager calls, which have no names, pay nothing for it.
    """
    frame: FrameType | None = sys._getframe(1)
    opened = scope_openers()
    found, call = None, None
    while frame is not None:
        code = frame.f_code
        place = _places.get(code.co_filename)
        if place is None:
            place = _place_of(code.co_filename)
        # What a call was asked to name that opened a scope is the scope.
        if place == _IN_USERS_CODE or frame in opened:
            break
        public = place == _IN_API or (place == _IN_METHODS and not code.co_name.startswith("_"))
        if public and "name" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            name = frame.f_locals.get("name")
            if isinstance(name, str) and name:
                found, call = name, frame
        frame = frame.f_back
    return found, call


def operation_of(tensor: Any) -> Operation:
    """Return the operation that makes a tensor."""
    graph, value = tensor.graph, tensor.value
    node = value.node
    key = value if node is None else node
    known = graph.__dict__.setdefault("operations_", {})
    found = known.get(key)
    if found is None:
        if node is not None:
            name = label(graph, node)
        else:
            name = graph.own_name(tensor.__dict__.get("given_name", "Placeholder"))
        found = known[key] = Operation(graph, node, value if node is None else None, name)
    return found  # type: ignore[no-any-return]


def operation_of_node(graph: Any, node: Node) -> Operation:
    """Return the operation that a node is."""
    known = graph.__dict__.setdefault("operations_", {})
    found = known.get(node)
    if found is None:
        found = known[node] = Operation(graph, node, None, label(graph, node))
    return found  # type: ignore[no-any-return]


def operations_of(graph: Any) -> list[Operation]:
    """Return all operations of a graph: the arguments of a function, then the nodes in the order in which they run."""
    inputs = graph.program.inputs if graph.building_function else ()
    found = [operation_of(graph.tensor(value)) for value in inputs]
    return found + [operation_of_node(graph, node) for node in graph.program.nodes if node.label != ""]


def _shown(value: Value) -> Value:
    """Return the value that users see in the place of one: of a hidden reading, the reference that it reads."""
    return value.node.inputs[0] if value.node is not None and value.node.label == "" and value.node.inputs else value


def consumers_of(tensor: Any) -> list[Operation]:
    """Return the operations of its graph that take a tensor."""
    graph = tensor.graph
    return [operation_of_node(graph, node) for node in graph.program.nodes if tensor.value in node.inputs]
