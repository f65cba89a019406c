"""Initial values of variables that are made while tracing: computed at once where they need no argument of the function,
else by its first call, which is the only one that runs that trace. Refuses them where no such call is to come."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from millstream.backends.cpu.device import load
from millstream.base.errors import explain
from millstream.execution.context import graph_stack
from millstream.execution.dispatch import apply
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import SymbolicTensor
from millstream.ops.state import assign_variable
from millstream.program.value import Node, Program, Value


class NeedsArgumentError(ValueError):
    """A tensor depends on an argument of the function being traced."""


def lifted_or_late(tensor: Any) -> Any:
    """Return the eager tensor that `tensor` always is, or itself where the function's first call can compute it."""
    try:
        return lifted(tensor)
    except NeedsArgumentError:
        function = next(_functions(), None)
        if function is None or function.creation != "allowed":
            raise
        return tensor


def set_in_first_call(variable: Any, value: SymbolicTensor) -> None:
    """Let the first call of the function being traced give `variable` its value."""
    next(_functions()).late[variable.handle._id] = weakref.ref(variable)
    apply(assign_variable, variable.handle, value)


def _functions() -> Iterator[Any]:
    """The graphs of the functions being traced, innermost first."""
    for graph in reversed(graph_stack()):
        function = None if graph is None else graph.function_graph()
        if function is not None:
            yield function


def _waits(tensor: Any) -> bool:
    """Whether a captured tensor is the handle of a variable that only a function's first call sets."""
    return any(getattr(tensor, "_id", None) in function.late for function in _functions())


def lifted(tensor: Any) -> Any:
    """Return the eager tensor that the symbolic `tensor` always is; NeedsArgumentError where it depends on an argument."""
    graph = tensor.graph
    captured = {value: outside for outside, value in graph.captures.values()}
    nodes: dict[Node, None] = {}
    inputs: dict[Value, Any] = {}
    stack = [tensor.value]
    while stack:
        value = stack.pop()
        if value.node is None:
            if value not in captured or _waits(captured[value]):
                raise NeedsArgumentError(
                    explain(
                        "Tensor-typed variable initializers must either be wrapped in an init_scope or callable (e.g., "
                        "`tf.Variable(lambda : tf.truncated_normal([10, 40]))`) when building functions. Please file a feature "
                        "request if this restriction inconveniences you."
                    )
                )
            inputs[value] = captured[value]
        elif value.node not in nodes:
            nodes[value.node] = None
            stack.extend(value.node.inputs)
    program = Program("initial_value")
    program.inputs = list(inputs)
    program.nodes = [n for n in graph.program.nodes if n in nodes]
    program.outputs = [tensor.value]
    arguments = tuple(lifted(t) if isinstance(t, SymbolicTensor) else t for t in inputs.values())
    return load(program, [spec_of(t) for t in arguments]).run(0, arguments)[0]
