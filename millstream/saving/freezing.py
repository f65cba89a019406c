"""Write a function as a graph without variables: what they hold now becomes constants. Refuses what still needs an object."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes, errors
from millstream.base.messages import message
from millstream.execution import variable as variables
from millstream.execution.program_call import specialised
from millstream.graph.attributes import shape_message
from millstream.graph.lowering import Lowering
from millstream.graph.writing import LibraryWriter, Names, NodeWriter, versions
from millstream.program.primitives.shaping import constant
from millstream.program.value import Node, Program, Value, building
from millstream.saving.export import output_names

_OBJECTS = (dtypes.resource, dtypes.variant)


def frozen_graph(concrete: Any) -> Any:
    """Return a concrete function as a GraphDef: placeholders named as its arguments, an Identity for each result.

    Raises:
      tf.errors.UnimplementedError: it changes a variable, uses a table, or reads a variable inside of a branch or loop.
    """
    program = _frozen(concrete)
    made = message("GraphDef")()
    names = Names()
    library = LibraryWriter()
    writer = NodeWriter(library, names, in_function=False)
    lowered = Lowering(program).result
    for name, value in zip(concrete._argument_names, lowered.inputs, strict=True):
        placed = made.node.add(name=names.node(name), op="Placeholder")
        placed.attr["dtype"].type = value.dtype.as_datatype_enum
        placed.attr["shape"].shape.CopyFrom(shape_message(value.spec.shape))
        writer.place[value] = placed.name
    made.node.extend(writer.write(lowered.nodes))
    for name, value in zip(output_names(concrete), lowered.outputs, strict=True):
        given = made.node.add(name=names.node(name), op="Identity", input=[writer.place[value]])
        given.attr["T"].type = value.dtype.as_datatype_enum
    if library.message.function:
        made.library.CopyFrom(library.message)
    versions(made)
    return made


def _frozen(concrete: Any) -> Program:
    """Return the program of a function of its arguments alone."""
    inner = concrete.graph.program
    whole = specialised(inner, [v.spec for v in inner.inputs])
    captured = concrete.captured_inputs
    count = len(whole.inputs) - len(captured)
    result = Program(whole.name)
    result.inputs = list(whole.inputs[:count])
    place: dict[Value, Value] = {}
    held: dict[Value, Any] = {}
    with building(result):
        for value, tensor in zip(whole.inputs[count:], captured, strict=True):
            if tensor.dtype in _OBJECTS:
                held[value] = variables.by_handle.get(tensor._id)
            else:
                place[value] = constant(tensor.numpy(), tensor.dtype)
        for node in whole.nodes:
            handle = node.inputs[0] if node.inputs else None
            if handle in held and node.definition.name == "ReadVariableOp" and held[handle] is not None:
                place[node.outputs[0]] = constant(held[handle].numpy(), node.outputs[0].dtype)
                continue
            for value in node.inputs:
                if value in held:
                    _refuse(node, held[value])
            if any(v in place for v in node.inputs):
                moved = Node(
                    node.definition,
                    [place.get(v, v) for v in node.inputs],
                    node.attributes,
                    [v.spec for v in node.outputs],
                    node.source,
                    node.label,
                )
                place.update(zip(node.outputs, moved.outputs, strict=True))
                result.nodes.append(moved)
            else:
                result.nodes.append(node)
    result.outputs = [place.get(v, v) for v in whole.outputs]
    return result


def _refuse(node: Node, variable: Any) -> None:
    what = f"the variable {variable.name!r}" if variable is not None else "a table or another object"
    raise errors.UnimplementedError(
        None,
        None,
        f"A frozen graph has no objects, and {node.definition.name} uses {what}: only reading variables outside of branches and "
        "loops can be frozen. Write a bundle instead (convert --to bundle).",
    )
