"""tf.compat.v1.graph_util: parts of GraphDef messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.base.shapes import TensorShape


def _name(text: str) -> str:
    return text.removeprefix("^").partition(":")[0]


@public("compat.v1.graph_util.extract_sub_graph")
def extract_sub_graph(graph_def: Any, dest_nodes: Any) -> Any:
    """Return the nodes of a GraphDef that some nodes need, these too, in the order in which they stood.

    Args:
      graph_def: the message.
      dest_nodes: names of nodes.

    Raises:
      TypeError: `graph_def` is no GraphDef, or `dest_nodes` no list.
      AssertionError: a name is not in the graph.
    """
    if not hasattr(graph_def, "node") or not hasattr(graph_def, "library"):
        raise TypeError(explain(f"graph_def must be a graph_pb2.GraphDef proto, but got type {type(graph_def)}."))
    if isinstance(dest_nodes, str):
        raise TypeError(explain("dest_nodes must be a list."))
    named = {node.name: node for node in graph_def.node}
    for name in dest_nodes:
        if name not in named:
            raise AssertionError(f"{name} is not in graph")
    wanted: set[str] = set()
    waiting = list(dest_nodes)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [_name(text) for text in named[name].input]
    made = message("GraphDef")()
    made.node.extend(
        message("NodeDef").FromString(node.SerializeToString()) for node in graph_def.node if node.name in wanted
    )
    made.library.MergeFromString(graph_def.library.SerializeToString())
    made.versions.MergeFromString(graph_def.versions.SerializeToString())
    return made


@public("compat.v1.graph_util.tensor_shape_from_node_def_name")
def tensor_shape_from_node_def_name(graph: Any, input_name: str) -> TensorShape:
    """Return the shape of the tensor that a name, as inputs of nodes have it, stands for in a graph."""
    text = input_name.removeprefix("^")
    return graph.get_tensor_by_name(text if ":" in text else f"{text}:0").shape  # type: ignore[no-any-return]


_ON_CPU = frozenset(("Const", "Variable", "VariableV2", "AutoReloadVariable", "MutableHashTable", "MutableHashTableOfTensors",
                     "MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTable", "MutableDenseHashTableV2",
                     "VarHandleOp", "BoostedTreesEnsembleResourceHandleOp"))  # fmt: skip


@public("compat.v1.graph_util.must_run_on_cpu")
def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Return whether an operation, or its NodeDef, runs on the processor alone: what makes or takes strings and integers.

    Args:
      node: the operation or the message.
      pin_variables_on_cpu: whether variables do so, too.
    """
    definition = getattr(node, "node_def", node)
    if pin_variables_on_cpu and definition.op in _ON_CPU - {"Const"}:
        return True
    kinds = {name: definition.attr[name] for name in ("dtype", "DstT", "SrcT", "Tin") if name in definition.attr}
    numbers = {getattr(kind, "type", 0) for kind in kinds.values()} | {
        getattr(kind, "as_datatype_enum", 0) for kind in kinds.values()
    }
    if definition.op == "Const":
        return bool(numbers & {3, 7})
    if definition.op == "DynamicStitch":
        return getattr(definition.attr["T"], "type", definition.attr["T"]) == 3
    return definition.op == "Cast" and bool(numbers & {3})


@public("compat.v1.graph_util.remove_training_nodes")
def remove_training_nodes(input_graph: Any, protected_nodes: Iterable[str] | None = None) -> Any:
    """Return a GraphDef without what only training needs: CheckNumerics, and Identity nodes that nothing waits for.

    Args:
      input_graph: the message.
      protected_nodes: names of nodes that stay.
    """
    protected = set(protected_nodes or ())
    control = {text[1:] for node in input_graph.node for text in node.input if text.startswith("^")}
    passed: dict[str, str] = {}
    for node in input_graph.node:
        plain = len(node.input) == 1 and not node.input[0].startswith("^")
        if node.op in ("CheckNumerics", "Identity") and plain and node.name not in protected | control:
            passed[node.name] = node.input[0]
    made = message("GraphDef")()
    for node in input_graph.node:
        if node.name in passed:
            continue
        copy = made.node.add()
        copy.MergeFromString(node.SerializeToString())
        for i, text in enumerate(copy.input):
            while text.removesuffix(":0") in passed:
                text = passed[text.removesuffix(":0")]
            copy.input[i] = text
    made.library.MergeFromString(input_graph.library.SerializeToString())
    made.versions.MergeFromString(input_graph.versions.SerializeToString())
    return made
