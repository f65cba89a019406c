"""tf.compat.v1.graph_util.convert_variables_to_constants: graphs whose variables became what a session holds in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.graph.reading import name_of_input

tf: Any = root()

_HANDLES, _REFERENCES = ("VarHandleOp",), ("Variable", "VariableV2")


@public("compat.v1.graph_util.convert_variables_to_constants")
def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Iterable[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> Any:
    """Return the part of a graph that some nodes need, with the session's values in the place of variables.

    Args:
      sess: the session that holds the variables.
      input_graph_def: its graph, a GraphDef message.
      output_node_names: the nodes that are wanted.
      variable_names_whitelist: only these variables are replaced, all of them without it.
      variable_names_blacklist: these ones are not.

    Returns:
      A GraphDef message.

    Raises:
      tf.errors.FailedPreconditionError: a variable has no value.
      ValueError: a node changes a variable that is to be replaced, or uses it otherwise than by reading it.
    """
    found = tf.compat.v1.graph_util.extract_sub_graph(input_graph_def, list(output_node_names))
    wanted = None if variable_names_whitelist is None else set(variable_names_whitelist)
    kept = set(variable_names_blacklist or ())
    names = [
        node.name
        for node in found.node
        if node.op in (*_HANDLES, *_REFERENCES) and node.name not in kept and (wanted is None or node.name in wanted)
    ]
    values = dict(zip(names, sess.run([_read_of(sess.graph, name) for name in names]), strict=True))
    made = message("GraphDef")()
    made.library.CopyFrom(found.library)
    made.versions.CopyFrom(found.versions)
    handles: set[str] = set()
    for node in found.node:
        if node.name in values:
            handles |= {node.name} if node.op in _HANDLES else set()
            _add_constant(made, node.name, values[node.name], node.attr["dtype"].type)
            continue
        own = [i for i, text in enumerate(node.input) if not text.startswith("^") and name_of_input(text) in handles]
        if not own:
            made.node.add().CopyFrom(node)
            continue
        if node.op == "Identity":
            handles.add(node.name)
        _add_reading(made, node, own)
    return made


def _read_of(graph: Any, name: str) -> Any:
    """Return the tensor that reads a variable."""
    operation = graph.get_operation_by_name(name)
    if operation.type in _REFERENCES:
        return operation.outputs[0]
    for consumer in operation.outputs[0].consumers():
        if consumer.type == "ReadVariableOp":
            return consumer.outputs[0]
    raise ValueError(explain(f"Nothing in the graph reads the variable {name!r}."))


def _add_constant(made: Any, name: str, value: Any, number: int) -> None:
    node = made.node.add(name=name, op="Const")
    node.attr["dtype"].type = number
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.as_dtype(number)))


def _add_reading(made: Any, node: Any, own: list[int]) -> None:
    """Add what reads a variable as what takes a constant."""
    if own != [0] or node.op not in ("Identity", "ReadVariableOp", "ResourceGather"):
        raise ValueError(
            explain(
                f"The node {node.name!r} ({node.op}) does more with a variable than to read it: it cannot be replaced; name the variable in variable_names_blacklist."
            )
        )
    if node.op == "ResourceGather":
        axis = f"{node.name}/axis"
        _add_constant(made, axis, node.attr["batch_dims"].i, 3)
        gather = made.node.add(name=node.name, op="GatherV2", device=node.device)
        plain = [text for text in node.input if not text.startswith("^")]
        gather.input.extend([*plain, axis, *(t for t in node.input if t.startswith("^"))])
        gather.attr["Tparams"].type = node.attr["dtype"].type
        gather.attr["Tindices"].type = node.attr["Tindices"].type
        gather.attr["Taxis"].type = 3
        gather.attr["batch_dims"].i = node.attr["batch_dims"].i
        return
    read = made.node.add(name=node.name, op="Identity", device=node.device)
    read.input.extend(node.input)
    given = next(n for n in made.node if n.name == name_of_input(node.input[0]))
    read.attr["T"].type = given.attr["dtype"].type or given.attr["T"].type
